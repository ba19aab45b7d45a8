//! What is shown while a run goes on: one line that changes on a terminal, a plain line every few seconds elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::live::{Live, read};

const PLAIN_EVERY: Duration = Duration::from_secs(5);

pub struct Progress {
    bar: Option<ProgressBar>,
    said_at: Option<Instant>,
}

impl Progress {
    pub fn begin() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self { bar, said_at: None }
    }

    /// A sentence about a step of the preparation or the end.
    pub fn say(&mut self, sentence: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(sentence.to_owned()),
            None => plain(sentence),
        }
        if let Some(bar) = &self.bar {
            bar.tick();
        }
    }

    /// The figures now; call often.
    pub fn figures(&mut self, stage: &str, live: &Live) {
        self.often(&format!(
            "{stage}: 在线 {} connected · 点击 {} taps · 抢到 {} yes · 未中 {} no · 待答 {} open · 未成 {} not yet",
            read(&live.connected),
            read(&live.taps),
            read(&live.yes),
            read(&live.no),
            live.open_taps(),
            read(&live.not_yet),
        ));
    }

    /// A line that changes all the time.
    pub fn often(&mut self, line: &str) {
        match &self.bar {
            Some(_) => self.say(line),
            None if self.said_at.is_none_or(|at| at.elapsed() >= PLAIN_EVERY) => {
                self.said_at = Some(Instant::now());
                plain(line);
            }
            None => {}
        }
    }

    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn plain(line: &str) {
    // Nobody reads it, perhaps; the run goes on.
    let _ = writeln!(std::io::stderr(), "{line}");
}
