//! One run, from the plan to the report.

use std::io::Write;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::agenda::{Agenda, Due, agenda, us};
use super::hall::{Hall, World};
use super::live::{Live, read};
use super::notes::Notes;
use super::plan::{Plan, Scenario};
use super::prepare::{self, Because, Prepared, prepare};
use super::progress::Progress;
use super::{machine, mixed, server};
use crate::audit;
use crate::raw::{Effort, Net, drive};
use crate::record::{Entry, What};
use crate::report::{self, Histogram, Report, Target, Verdict, judge, names};
use crate::taste::Taste;
use crate::wire::Kind;

const LOOK_EVERY: Duration = Duration::from_millis(50);
/// After the last answer boards are waited for, long enough to know of each whether it is behind.
const SETTLE: Duration = Duration::from_millis(2 * audit::BEHIND_MS_MAX as u64);
/// Of a step of a ramp, so many answers may be later than the limit before the ramp ends.
const SLOW_SHARE: f64 = 0.01;

/// What the audit calls the board that everybody may read.
pub(super) const PUBLIC_BOARD: &str = "GET board";

/// How a run ended, with its report if there is one.
pub enum Ended {
    Report(Box<Report>, Vec<Entry>),
    /// This machine cannot make the load; why.
    Refused(String),
}

/// Runs the plan. The error is a sentence: it could not run.
pub async fn run(plan: &Plan, progress: &mut Progress) -> Result<Ended, Because> {
    if let Some(why) = machine::lacks(plan) {
        return Ok(Ended::Refused(why));
    }
    if plan.scenario == Scenario::Mixed {
        return mixed::run(plan, progress).await;
    }
    let urls = std::iter::once(&plan.buyers_url).chain(&plan.gateways);
    let addresses = urls.map(|url| address(url)).collect::<Result<Vec<_>, _>>()?;
    progress.say(&format!("准备 preparing: seed {}", plan.seed));
    let mut prepared = prepare(plan).await?;
    let mut plan = plan.clone();
    if !prepared.sessions.is_empty() {
        plan.buyers = u32::try_from(prepared.sessions.len()).unwrap_or(plan.buyers);
    }
    let plan = &plan;
    let mut rng = StdRng::seed_from_u64(plan.seed ^ 0x7A57E);
    let units = &prepared.catalogue.units;
    let kind = if units.iter().any(|unit| unit.kind == Kind::Home) { Kind::Home } else { Kind::Parking };
    let homes = Taste::of(units, kind, &mut rng);
    let made = agenda(plan, &homes, prepared.start.saturating_duration_since(Instant::now()));
    let tokens = prepared.sessions.iter_mut().map(|session| std::mem::take(&mut session.token)).collect();
    let world = Arc::new(World {
        addresses,
        opening: prepared.opening.clone(),
        tokens,
        start: prepared.start,
        threads: plan.threads,
        over_http_percent: plan.over_http,
        keys: format!("L{:x}", crate::now_ms()),
        slow: p99_limit(plan),
        live: Live::new(plan.threads, made.steps.len()),
    });
    let (steps, ends_us) = (made.steps.clone(), made.ends_us);
    let halls = open_halls(&world, plan, made)?;
    let stop = Arc::new(AtomicBool::new(false));
    let watching = tokio::spawn(server::watch(plan.buyers_url.clone(), prepared.start, Arc::clone(&stop)));

    let knee = play(plan, &world, &steps, ends_us, progress).await;
    let last_boards = settle(&prepared, &world, progress).await?;
    let seen_ms = prepared.now_ms();
    world.live.stop.store(true, Ordering::Relaxed);
    stop.store(true, Ordering::Relaxed);
    let (mut notes, parts, efforts) = gather(halls, steps.len())?;
    if let Ok(recorder) = watching.await {
        notes.series.merge(recorder);
    }

    progress.say("核对 comparing every answer with the server's truth");
    let registration = |buyer: u32| {
        prepared.sessions.get(buyer as usize).map_or_else(|| format!("#{buyer}"), |s| s.registration.clone())
    };
    let key = |buyer: u32, number: u32| world.key(buyer, number);
    let mut entries: Vec<Entry> = Vec::new();
    for part in &parts {
        entries.extend(part.entries(&registration, &key, prepared.start_ms));
    }
    let away: Vec<&str> =
        last_boards.iter().filter(|(_, board)| board.is_none()).map(|(url, _)| url.as_str()).collect();
    let several = last_boards.len() > 1;
    for (url, board) in &last_boards {
        let name = if several { format!("{PUBLIC_BOARD} {url}") } else { PUBLIC_BOARD.to_owned() };
        entries.extend(board.clone().map(|board| public_board(name, board, seen_ms)));
    }
    let truth = prepare::truth(plan, &prepared.doors, prepared.staff_token.as_deref()).await?;
    let verdict = audit::compare(&entries, &truth);
    let mut report = report(plan, &prepared, notes, &parts, &efforts, &verdict, knee);
    if !away.is_empty() {
        report.plan.insert("gateways_away".to_owned(), away.into());
    }
    for (step, rate) in steps.iter().enumerate().filter(|_| steps.len() > 1) {
        let mut sum = Histogram::new();
        parts.iter().filter_map(|part| part.steps.get(step)).for_each(|part| sum.merge(part));
        if !sum.is_empty() {
            report.histograms.insert(format!("answer_at_{:06.0}_per_s", rate.per_s), sum);
        }
    }
    judge::judge(&mut report, &plan.limits);
    Ok(Ended::Report(Box::new(report), entries))
}

fn p99_limit(plan: &Plan) -> Duration {
    let limit = plan.limits.iter().find(|(name, _)| name == "answer_p99_ms");
    limit.map_or(Duration::from_secs(1), |(_, ms)| Duration::from_secs_f64(ms / 1_000.0))
}

fn address(url: &str) -> Result<SocketAddr, Because> {
    let Some(rest) = url.strip_prefix("http://") else {
        return Err(format!("{url}: the raw clients speak http:// only; point them at the door itself"));
    };
    let host = rest.split('/').next().unwrap_or_default();
    let host = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let mut found = host.to_socket_addrs().map_err(|error| format!("{host}: {error}"))?;
    found.next().ok_or_else(|| format!("{host} has no address"))
}

type Open = std::thread::JoinHandle<Result<(Notes, Effort), std::io::Error>>;

/// A thread for each share of the buyers.
fn open_halls(world: &Arc<World>, plan: &Plan, made: Agenda) -> Result<Vec<Open>, Because> {
    let mut shares: Vec<Vec<Due>> = vec![Vec::new(); plan.threads];
    for due in made.dues {
        shares[due.buyer as usize % plan.threads].push(due);
    }
    let mut halls = Vec::with_capacity(plan.threads);
    for (thread, share) in shares.into_iter().enumerate() {
        let seats = (thread..plan.buyers as usize).step_by(plan.threads).count();
        let world = Arc::clone(world);
        let work = move || {
            let mut net = Net::new()?;
            let mut hall = Hall::new(world, thread, seats, share);
            let effort = drive(&mut net, &mut hall)?;
            Ok((hall.finish(), effort))
        };
        let builder = std::thread::Builder::new().name(format!("hall-{thread}"));
        halls.push(builder.spawn(work).map_err(|error| error.to_string())?);
    }
    Ok(halls)
}

/// Until everything on the agenda is done and answered, or patience is over. Of a ramp: the last rate that held.
async fn play(
    plan: &Plan,
    world: &World,
    steps: &[super::agenda::Step],
    ends_us: i64,
    progress: &mut Progress,
) -> Option<f64> {
    let live = &world.live;
    let ends = world.start + Duration::from_micros(ends_us.unsigned_abs()) + plan.patience;
    let mut broke = None;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = Instant::now();
        let stage = if now < world.start { "等待 waiting" } else { "进行 running" };
        progress.figures(stage, live);
        if plan.scenario == Scenario::Ramp && broke.is_none() {
            let at_us = now.checked_duration_since(world.start).map_or(-1, us);
            broke = broken(steps, live, at_us, us(world.slow));
            if broke.is_some() {
                live.cut_us.store(at_us, Ordering::Relaxed);
            }
        }
        let cut = broke.is_some() && live.open_taps() == 0;
        let played = live.is_played() && live.open_taps() == 0 && now > world.start;
        // One look more than needed, so that what the threads told is newer than the last tap.
        if (played && now > world.start + Duration::from_micros(ends_us.unsigned_abs()) + 2 * LOOK_EVERY)
            || cut
            || now > ends
        {
            break;
        }
    }
    (plan.scenario == Scenario::Ramp).then(|| {
        let held = broke.unwrap_or(steps.len());
        held.checked_sub(1).and_then(|step| steps.get(step)).map_or(0.0, |step| step.per_s)
    })
}

/// The first step whose limit broke: too many late answers, or answers that are not there when they would be late.
fn broken(steps: &[super::agenda::Step], live: &Live, at_us: i64, slow_us: i64) -> Option<usize> {
    steps.iter().enumerate().position(|(number, step)| {
        let over = at_us > step.to_us + slow_us;
        let figures = &live.steps[number];
        let (answered, slow) = (read(&figures.answered) as f64, read(&figures.slow) as f64);
        let wanted = step.per_s * (step.to_us - step.from_us) as f64 / 1e6;
        // By chance there are a little fewer arrivals than the rate says: three standard deviations.
        let missing = (wanted - 3.0 * wanted.sqrt() - answered).max(0.0);
        over && (slow + missing) > SLOW_SHARE * wanted.max(1.0)
    })
}

/// Waits until every board has reached the server's; gives the boards that everybody can read, one a gateway. Gateways that
/// do not answer are waited for as long: one of them may be starting again.
async fn settle(
    prepared: &Prepared,
    world: &World,
    progress: &mut Progress,
) -> Result<Vec<(String, Option<prepare::BoardNow>)>, Because> {
    let until = Instant::now() + SETTLE;
    let mut boards = prepare::boards(prepared).await?;
    world.live.settle(newest(&boards));
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        progress.figures("收尾 settling", &world.live);
        if world.live.behind() == Some(0) {
            let now = prepare::boards(prepared).await?;
            if now.iter().all(|(_, board)| board.as_ref().is_some_and(|(seq, _)| *seq == newest(&boards))) {
                return Ok(now);
            }
            // Something changed meanwhile, such as a hold that lapsed, or not all gateways are as far.
            boards = now;
            world.live.settle(newest(&boards));
        }
        if Instant::now() > until {
            return prepare::boards(prepared).await;
        }
    }
}

fn newest(boards: &[(String, Option<prepare::BoardNow>)]) -> i64 {
    boards.iter().filter_map(|(_, board)| board.as_ref()).map(|(seq, _)| *seq).max().unwrap_or(0)
}

/// Adds the threads' notes up; the parts keep taps and boards.
fn gather(halls: Vec<Open>, steps: usize) -> Result<(Notes, Vec<Notes>, Vec<Effort>), Because> {
    let (mut sum, mut parts, mut efforts) = (Notes::new(steps), Vec::new(), Vec::new());
    for hall in halls {
        let (mut part, effort) = hall
            .join()
            .map_err(|_| "a thread of the generator ended early".to_owned())?
            .map_err(|error| format!("a thread of the generator: {error}"))?;
        for (code, count) in &part.errors {
            *sum.errors.entry(code.clone()).or_default() += count;
        }
        sum.answer.merge(&part.answer);
        sum.board.merge(&part.board);
        sum.connect.merge(&part.connect);
        sum.lag.merge(&part.lag);
        sum.connects += part.connects;
        sum.series.merge(std::mem::take(&mut part.series));
        parts.push(part);
        efforts.push(effort);
    }
    Ok((sum, parts, efforts))
}

/// The board that everybody may read is compared like a buyer's.
pub(super) fn public_board(board: String, (seq, status): (i64, String), at_ms: i64) -> Entry {
    let what = What::Boards { board, boards: 1, seq, status };
    Entry { at_ms, what }
}

fn report(
    plan: &Plan,
    prepared: &Prepared,
    notes: Notes,
    parts: &[Notes],
    efforts: &[Effort],
    verdict: &audit::Verdict,
    knee: Option<f64>,
) -> Report {
    let mut answers = std::collections::BTreeMap::new();
    let (mut sent, mut unanswered) = (0, 0);
    for part in parts {
        for tap in &part.taps {
            sent += 1;
            match &tap.told {
                None => unanswered += 1,
                Some(super::notes::Told::Yes { .. }) => *answers.entry("YES".to_owned()).or_default() += 1,
                Some(super::notes::Told::No(code)) => {
                    *answers.entry(part.word(*code).to_owned()).or_default() += 1;
                }
            }
        }
    }
    let mut histograms = std::collections::BTreeMap::new();
    let measured =
        [(names::ANSWER, &notes.answer), (names::BOARD, &notes.board), (names::CONNECT, &notes.connect)];
    for (name, histogram) in measured.into_iter().filter(|(_, histogram)| !histogram.is_empty()) {
        histograms.insert(name.to_owned(), histogram.clone());
    }
    let mut as_run = as_map(plan);
    as_run.extend(knee.map(|per_s| ("knee_per_s".to_owned(), per_s.into())));
    Report {
        schema: report::SCHEMA.to_owned(),
        scenario: plan.scenario.word().to_owned(),
        started_ms: prepared.start_ms,
        took_s: prepared.start.elapsed().as_secs_f64(),
        target: Target {
            buyers_url: plan.buyers_url.clone(),
            opening: prepared.opening.clone(),
            server_version: prepared.server_version.clone(),
        },
        plan: as_run,
        command: Vec::new(),
        generator: machine::account(plan, &notes, efforts, prepared.start),
        buyers: u64::from(plan.buyers),
        sent,
        answers,
        errors: notes.errors.clone(),
        unanswered,
        histograms,
        series: notes.series.finish(),
        audit: report::Audit::of(verdict),
        limits: Vec::new(),
        verdict: Verdict::Fail,
        reasons: Vec::new(),
        parts: Vec::new(),
    }
}

/// The plan as the report shows it.
pub(super) fn as_map(plan: &Plan) -> serde_json::Map<String, serde_json::Value> {
    match serde_json::to_value(plan) {
        Ok(serde_json::Value::Object(map)) => map,
        _ => serde_json::Map::new(),
    }
}

/// Writes the record's lines to a file.
pub fn write_record(path: &std::path::Path, entries: &[Entry]) -> std::io::Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    for entry in entries {
        serde_json::to_writer(&mut file, entry)?;
        file.write_all(b"\n")?;
    }
    file.flush()
}
