//! What the server uses while it is loaded: its own metrics, read four times a second. A server that does not show them to
//! this machine leaves the series empty.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::report::series::Recorder;

const EVERY: Duration = Duration::from_millis(250);
/// After so many refusals nobody is asked any more.
const TRIES: u32 = 4;
const CPU: &str = "process_cpu_seconds_total";
const MEMORY: &str = "process_resident_memory_bytes";

/// Reads until `stop`.
pub async fn watch(buyers_url: String, start: Instant, stop: Arc<AtomicBool>) -> Recorder {
    let mut recorder = Recorder::default();
    let url = format!("{}/metrics", buyers_url.trim_end_matches('/'));
    let Ok(client) = reqwest::Client::builder().timeout(Duration::from_secs(2)).no_proxy().build() else {
        return recorder;
    };
    let (mut failed, mut before) = (0, None);
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !stop.load(Ordering::Relaxed) && failed < TRIES {
        ticks.tick().await;
        let Some((cpu_s, rss_bytes, at)) = look(&client, &url).await else {
            // Once it has shown them, a miss is a server under load.
            failed += u32::from(before.is_none());
            continue;
        };
        if let Some((cpu_before, at_before)) = before.replace((cpu_s, at)) {
            let span = at.saturating_duration_since(at_before).as_secs_f64();
            let cores = if span > 0.0 { (cpu_s - cpu_before).max(0.0) / span } else { 0.0 };
            recorder.server(since_ms(start, at), cores, rss_bytes);
        }
    }
    recorder
}

async fn look(client: &reqwest::Client, url: &str) -> Option<(f64, u64, Instant)> {
    let response = client.get(url).send().await.ok()?;
    if !response.status().is_success() {
        return None;
    }
    let text = response.text().await.ok()?;
    let (cpu, memory) = (metric(&text, CPU)?, metric(&text, MEMORY)?);
    Some((cpu, memory as u64, Instant::now()))
}

/// The value of a metric without labels.
fn metric(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// Milliseconds after T.
pub fn since_ms(start: Instant, at: Instant) -> i64 {
    let ms = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    match at.checked_duration_since(start) {
        Some(after) => ms(after),
        None => -ms(start.saturating_duration_since(at)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_found_by_its_whole_name() {
        let text = "# HELP process_cpu_seconds_total x\nprocess_cpu_seconds_total_more 9\n\
                    process_cpu_seconds_total 12.5\nprocess_resident_memory_bytes 52428800\n";
        assert_eq!(metric(text, CPU), Some(12.5));
        assert_eq!(metric(text, MEMORY), Some(52_428_800.0));
        assert_eq!(metric("", CPU), None);
    }
}
