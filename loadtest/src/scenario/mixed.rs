//! `mixed`: the demo's people in the load tool. They sign in with codes over the staff's outbox, mark favourites, tap, pay
//! at the cashier's, give up or let lapse; afterwards the same audit and the same report as of every other scenario.
//!
//! They are tasks with a general client, hundreds of them, not ten thousand: what is measured is that everything at once
//! stays right, not how fast one thing goes.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::plan::Plan;
use super::prepare::{self, Because, PASSWORD_VARIABLE};
use super::progress::Progress;
use super::run::{Ended, PUBLIC_BOARD, public_board};
use super::{machine, server};
use crate::audit;
use crate::crowd;
use crate::crowd::counts::Figures;
use crate::crowd::plan::{Person, StaffLogin};
use crate::http::{Doors, fetch, patiently};
use crate::record::{self, Entry, NotYet, What};
use crate::report::series::{Outcome, Recorder};
use crate::report::{self, Generator, Histogram, Report, Target, Verdict, judge, names};
use crate::wire::Opening;

/// A task that sleeps so long and looks how late it wakes stands for every simulated buyer's task.
const PROBE: Duration = Duration::from_millis(10);

pub async fn run(plan: &Plan, progress: &mut Progress) -> Result<Ended, Because> {
    let roster = plan.roster.as_deref().ok_or("mixed needs --roster: whom to play")?;
    let (Some(login), Some(staff_url), Ok(password)) =
        (&plan.login, &plan.staff_url, std::env::var(PASSWORD_VARIABLE))
    else {
        return Err(format!(
            "mixed needs --staff-url, --login and {PASSWORD_VARIABLE}: it reads codes and pays"
        ));
    };
    let people = people(roster)?;
    let folder = tempfolder()?;
    let asked = crowd::plan::Plan {
        buyers_url: plan.buyers_url.clone(),
        staff_url: staff_url.clone(),
        opening: plan.opening.clone(),
        staff: StaffLogin { login: login.clone(), password },
        record: folder.0.join("record.jsonl"),
        sessions: folder.0.join("sessions.jsonl"),
        people,
        buyers_max: Some(plan.buyers as usize),
        tap_for_s: Some(plan.run_for.as_secs()),
        seed: plan.seed,
    };
    let doors = Doors::new(&plan.buyers_url, staff_url, &plan.opening).map_err(|f| f.to_string())?;
    let opening: Opening = patiently(prepare::PATIENCE, || fetch(doors.buyer_get("")))
        .await
        .map_err(|failure| format!("the opening: {failure}"))?;
    let wait = Duration::from_millis(u64::try_from(opening.start_ms - opening.now_ms).unwrap_or(0));
    let (start, began) = (Instant::now() + wait, Instant::now());
    // T by this machine's wall clock, as the record's stamps are.
    let start_wall_ms = opening.start_ms - opening.now_ms + crate::now_ms();
    let cpu_before = process_cpu();
    let stop = Arc::new(AtomicBool::new(false));
    let watching = tokio::spawn(server::watch(plan.buyers_url.clone(), start, Arc::clone(&stop)));
    let probing = tokio::spawn(probe(Arc::clone(&stop)));
    let mut telling = Telling { progress, last: None };
    let played = crowd::run::run(&asked, &mut telling).await;
    let failed_sign_ins = telling.last.map_or(0, |figures| figures.sign_in_failed);
    stop.store(true, Ordering::Relaxed);
    played.map_err(|error| error.to_string())?;
    let cores = (process_cpu().saturating_sub(cpu_before)).as_secs_f64() / began.elapsed().as_secs_f64();
    let series = watching.await.unwrap_or_default();
    let lag = probing.await.unwrap_or_default();

    let mut entries = record::read(&asked.record).map_err(|error| error.to_string())?;
    let board = prepare::board(&doors).await?;
    entries.push(public_board(
        PUBLIC_BOARD.to_owned(),
        board,
        crate::now_ms() - start_wall_ms + opening.start_ms,
    ));
    let token = prepare::log_in(plan, &doors).await?;
    let truth = prepare::truth(plan, &doors, token.as_deref()).await?;
    let verdict = audit::compare(&entries, &truth);
    let mut heard = Heard::of(&entries, series, start_wall_ms);
    if failed_sign_ins > 0 {
        heard.errors.insert("SIGN_IN_FAILED".to_owned(), failed_sign_ins);
    }
    // One thread runs all tasks, so cores are its share.
    let generator = machine::judged(plan, &lag, cores.min(1.0), 0);
    let mut report = heard.report(plan, generator, start, opening.start_ms);
    report.audit = report::Audit::of(&verdict);
    judge::judge(&mut report, &plan.limits);
    Ok(Ended::Report(Box::new(report), entries))
}

/// Code and phone of each row of a roster, as `kaipan-loadtest sheets` writes it and `kaipan import` reads it.
fn people(roster: &Path) -> Result<Vec<Person>, Because> {
    let named = |what: &str| format!("{}: {what}", roster.display());
    let text = std::fs::read_to_string(roster).map_err(|error| named(&error.to_string()))?;
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let column = |name: &str| header.iter().position(|found| *found == name);
    let (Some(code), Some(phone)) = (column("认筹编号"), column("手机号")) else {
        return Err(named("expected a CSV file with the columns 认筹编号 and 手机号"));
    };
    let row = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        let field = |at: usize| fields.get(at).map(|field| (*field).to_owned());
        Some(Person { registration: field(code)?, phone: field(phone)? })
    };
    let people: Vec<Person> = lines.filter_map(row).collect();
    if people.is_empty() { Err(named("nobody in it")) } else { Ok(people) }
}

/// A folder that goes when the run does: it holds sessions.
struct Folder(std::path::PathBuf);

fn tempfolder() -> Result<Folder, Because> {
    use std::os::unix::fs::DirBuilderExt;
    let path =
        std::env::temp_dir().join(format!("kaipan-mixed-{}-{:x}", std::process::id(), crate::now_ms()));
    std::fs::DirBuilder::new().mode(0o700).create(&path).map_err(|error| error.to_string())?;
    Ok(Folder(path))
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left behind is readable by its owner only.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Turns the crowd's lines of figures into progress.
struct Telling<'a> {
    progress: &'a mut Progress,
    last: Option<Figures>,
}

impl Write for Telling<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Ok(figures) = serde_json::from_slice::<Figures>(line) {
            self.progress.often(&format!(
                "{}: 登录 {} signed in · 在线 {} connected · 点击 {} taps · 抢到 {} yes · 未中 {} no · 已付 {} paid",
                figures.state,
                figures.signed_in,
                figures.connected,
                figures.taps,
                figures.yes,
                figures.no,
                figures.paid
            ));
            self.last = Some(figures);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn probe(stop: Arc<AtomicBool>) -> Histogram {
    let mut lag = Histogram::new();
    while !stop.load(Ordering::Relaxed) {
        let due = Instant::now() + PROBE;
        tokio::time::sleep_until(due.into()).await;
        lag.record(due.elapsed());
    }
    lag
}

fn process_cpu() -> Duration {
    let t = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(t.tv_sec).unwrap_or(0), u32::try_from(t.tv_nsec).unwrap_or(0))
}

/// What the record says, as figures. Its stamps are whole milliseconds.
struct Heard {
    answer: Histogram,
    answers: BTreeMap<String, u64>,
    errors: BTreeMap<String, u64>,
    sent: u64,
    unanswered: u64,
    series: Recorder,
    buyers: u64,
}

impl Heard {
    /// `start_ms` is T by this machine's wall clock.
    fn of(entries: &[Entry], series: Recorder, start_ms: i64) -> Self {
        let mut heard = Self {
            answer: Histogram::new(),
            answers: BTreeMap::new(),
            errors: BTreeMap::new(),
            sent: 0,
            unanswered: 0,
            series,
            buyers: 0,
        };
        let mut open: HashMap<&str, i64> = HashMap::new();
        for entry in entries {
            match &entry.what {
                What::Run { buyers, .. } => heard.buyers = *buyers as u64,
                What::Tap { key, .. } => {
                    heard.sent += 1;
                    open.insert(key, entry.at_ms);
                }
                What::Yes { key, .. } => {
                    heard.answered(open.remove(key.as_str()), "YES", Outcome::Yes, entry.at_ms, start_ms);
                }
                What::No { key, code, .. } => {
                    heard.answered(open.remove(key.as_str()), code, Outcome::No, entry.at_ms, start_ms);
                }
                What::NotYet { why, .. } => {
                    *heard.errors.entry(word(*why).to_owned()).or_default() += 1;
                    heard.series.answered(entry.at_ms - start_ms, Outcome::Error);
                }
                _ => {}
            }
        }
        heard.unanswered = open.len() as u64;
        heard
    }

    fn answered(&mut self, tapped_ms: Option<i64>, code: &str, outcome: Outcome, at_ms: i64, start_ms: i64) {
        let Some(tapped_ms) = tapped_ms else { return };
        *self.answers.entry(code.to_owned()).or_default() += 1;
        let wait_ms = u64::try_from(at_ms - tapped_ms).unwrap_or(0);
        self.answer.record(Duration::from_millis(wait_ms));
        self.series.answered(at_ms - start_ms, outcome);
    }

    fn report(self, plan: &Plan, generator: Generator, start: Instant, started_ms: i64) -> Report {
        let histograms = [(names::ANSWER, self.answer)];
        Report {
            schema: report::SCHEMA.to_owned(),
            scenario: plan.scenario.word().to_owned(),
            started_ms,
            took_s: start.elapsed().as_secs_f64(),
            target: Target {
                buyers_url: plan.buyers_url.clone(),
                opening: plan.opening.clone(),
                server_version: None,
            },
            plan: super::run::as_map(plan),
            command: Vec::new(),
            generator,
            buyers: self.buyers,
            sent: self.sent,
            answers: self.answers,
            errors: self.errors,
            unanswered: self.unanswered,
            histograms: histograms
                .into_iter()
                .filter(|(_, histogram)| !histogram.is_empty())
                .map(|(name, histogram)| (name.to_owned(), histogram))
                .collect(),
            series: self.series.finish(),
            audit: report::Audit::default(),
            limits: Vec::new(),
            verdict: Verdict::Fail,
            reasons: Vec::new(),
            parts: Vec::new(),
        }
    }
}

fn word(why: NotYet) -> &'static str {
    match why {
        NotYet::InProgress => "IN_PROGRESS",
        NotYet::Unknown => "UNKNOWN",
        NotYet::SlowDown => "SLOW_DOWN",
        NotYet::Error => "ERROR",
        NotYet::Silence => "SILENCE",
        NotYet::LinkLost => "LINK_LOST",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_becomes_figures_and_an_open_tap_stays_open() {
        let at = |at_ms, what| Entry { at_ms, what };
        let tap = |key: &str| What::Tap { registration: "R1".into(), key: key.into(), unit: 1 };
        let no = |key: &str| What::No { registration: "R1".into(), key: key.into(), code: "TAKEN".into() };
        let yes = What::Yes { registration: "R1".into(), key: "b".into(), claim: "C".into(), unit: 1 };
        let entries = [
            at(900, What::Run { opening: "O".into(), buyers: 7, simulated: true }),
            at(1_000, tap("a")),
            at(1_010, tap("b")),
            at(1_020, tap("c")),
            at(1_030, What::NotYet { key: "a".into(), why: NotYet::InProgress }),
            at(1_040, no("a")),
            at(1_100, yes),
        ];
        let heard = Heard::of(&entries, Recorder::default(), 1_000);
        assert_eq!((heard.buyers, heard.sent, heard.unanswered), (7, 3, 1));
        assert_eq!((heard.answers["TAKEN"], heard.answers["YES"], heard.errors["IN_PROGRESS"]), (1, 1, 1));
        assert_eq!((heard.answer.count(), heard.answer.max_us() / 1_000), (2, 90));
    }

    #[test]
    fn whom_to_play_stands_in_the_roster_that_is_imported() {
        let folder = tempfile::tempdir().unwrap();
        crate::sheets::write(folder.path(), 4, 3).unwrap();
        let people = people(&folder.path().join("roster.csv")).unwrap();
        assert_eq!(people.len(), 3);
        assert_eq!((people[2].registration.as_str(), people[2].phone.as_str()), ("R00003", "16400000003"));
        assert!(super::people(&folder.path().join("price-list.csv")).unwrap_err().contains("认筹编号"));
    }
}
