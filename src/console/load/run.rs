//! One load run from the question to its report.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{Pass, Place};
use crate::child::{Child, Program, last_lines};
use crate::console::Console;
use crate::console::auth::Who;
use crate::console::routes::{rehearsals, write_log_of};
use crate::domain::ids::{OpeningId, RowId};
use crate::domain::kind::names;
use crate::domain::time::Micros;
use crate::http::{Code, Problem};
use crate::identity::{Actor, StaffMember};
use crate::limits::{LOAD_RUN_OPEN_S, LOAD_RUN_S_MAX};
use crate::opening::rehearse::Wanted;

names!(
    /// What the simulated buyers do; the load tool's own names.
    Scenario {
        Burst = "burst",
        Ramp = "ramp",
        Soak = "soak",
        Storm = "storm",
        Board = "board",
    }
);

names!(
    /// How far a run is. `Done` has a report and a verdict; `Failed` says why it has none.
    State {
        Preparing = "preparing",
        Running = "running",
        Done = "done",
        Stopped = "stopped",
        Failed = "failed",
    }
);

impl State {
    pub fn is_under_way(self) -> bool {
        matches!(self, Self::Preparing | Self::Running)
    }
}

/// What is asked for, within the bounds.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    pub scenario: Scenario,
    pub buyers: i64,
    pub start_in_s: i64,
    /// 99 of 100 answers within; the load tool's own limit if absent.
    pub p99_ms: Option<i64>,
}

/// A run as the console shows it and as it is kept beside its report.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Run {
    pub run: RowId,
    #[schema(value_type = String)]
    pub scenario: Scenario,
    /// The opening that was copied, and its name then.
    pub opening: OpeningId,
    pub name: String,
    pub rehearsal: Option<OpeningId>,
    pub buyers: i64,
    /// The login of who started it.
    pub by: String,
    pub asked_ms: i64,
    /// When the taps begin.
    pub start_ms: Option<i64>,
    pub ended_ms: Option<i64>,
    #[schema(value_type = String)]
    pub state: State,
    /// `pass`, `fail` or `refused`.
    pub verdict: Option<String>,
    pub p99_ms: Option<f64>,
    /// Why it is not a pass, or why there is no report.
    pub reasons: Vec<String>,
}

impl Run {
    fn new(asked: &Asked, opening: OpeningId, name: String, by: String, now: Micros) -> Self {
        Self {
            run: RowId::generate(),
            scenario: asked.scenario,
            opening,
            name,
            rehearsal: None,
            buyers: asked.buyers,
            by,
            asked_ms: now.ms(),
            start_ms: None,
            ended_ms: None,
            state: State::Preparing,
            verdict: None,
            p99_ms: None,
            reasons: Vec::new(),
        }
    }
}

/// The load shares its cores with the server here, as under `make load`, so it may be as late as there before the verdict
/// is *refused*; later only where the limit is so lax that the load tool's own tenth of it is more.
const LAG_MS: i64 = 250;
/// Soak goes on for so long; the load tool's own ten minutes would outlast the rehearsal.
const SOAK_FOR: &str = "300s";
/// Last words of a child that wrote no report.
const WORDS: usize = 3;

/// Begins a run: the place is taken before anything is made, and everything is given back if something fails.
pub async fn start(console: &Console, who: &Who, source: &OpeningId, asked: Asked) -> Result<Run, Problem> {
    let load = &console.0.load;
    if let Some(refusal) = load.refusal(&console.0.openings) {
        return Err(refusal);
    }
    let shown = rehearsals::source(console, source).await?;
    let login = who.member.login.clone();
    let run = Run::new(&asked, source.clone(), shown.name, login, console.now());
    let place = load.reserve(run.clone())?;
    // From here on a task of its own: who closes the page does not leave half a run behind.
    let (console, by) = (console.clone(), who.actor());
    let member = who.member.clone();
    let begun = tokio::spawn(async move {
        let (run, child) = begin(&console, &by, member, run, asked).await?;
        let shown = run.clone();
        tokio::spawn(live(console, by, run, child, place));
        Ok(shown)
    });
    begun.await.map_err(Problem::internal)?
}

async fn begin(
    console: &Console,
    by: &Actor,
    member: StaffMember,
    mut run: Run,
    asked: Asked,
) -> Result<(Run, Child), Problem> {
    let load = &console.0.load;
    let params = json!({ "scenario": run.scenario.as_str(), "buyers": run.buyers });
    write_log_of(console, by, &run.opening, "LOAD_RUN_STARTED", run.run.as_str(), params).await?;
    let wanted = Wanted {
        buyers: Some(asked.buyers),
        start_in_s: asked.start_in_s,
        open_for_s: Some(LOAD_RUN_OPEN_S),
    };
    let rehearsal = rehearsals::copy(console, by, &run.opening, &wanted).await?;
    run.rehearsal = Some(rehearsal.clone());
    run.start_ms = console.0.openings.get(&rehearsal).map(|live| live.control().start_at.ms());
    let (pass, token) = Pass::new(member, rehearsal.clone());
    // The child may speak at once, so its pass is known first.
    load.update(&run, Some(pass));
    let started = launch(console, &run, asked, token).await;
    let child = match started {
        Ok(child) => child,
        Err(problem) => {
            // The copy is of no use without its run.
            if let Err(left) = rehearsals::put_away(console, by, &rehearsal).await {
                tracing::warn!(code = left.code.as_str(), %rehearsal, "a rehearsal is left");
            }
            return Err(problem);
        }
    };
    run.state = State::Running;
    load.tell(&run);
    Ok((run, child))
}

async fn launch(console: &Console, run: &Run, asked: Asked, token: String) -> Result<Child, Problem> {
    let inner = &console.0.load.0;
    let program = inner.program.clone().ok_or(Code::LoadTestMissing)?;
    let doors = inner.doors.get().ok_or(Code::NotReady)?;
    let kept = run.clone();
    let load = console.0.load.clone();
    let folder = tokio::task::spawn_blocking(move || {
        let folder = load.reports().begin(&kept.run)?;
        load.reports().keep(&kept)?;
        Ok::<_, std::io::Error>(folder)
    });
    let folder = folder.await.map_err(Problem::internal)?.map_err(Problem::internal)?;
    let rehearsal = run.rehearsal.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut args: Vec<OsString> = vec![asked.scenario.as_str().into()];
    for (flag, value) in [
        ("--buyers-url", format!("http://{}", doors.buyers)),
        ("--staff-url", format!("http://{}", doors.staff)),
        ("--opening", rehearsal),
        ("--buyers", asked.buyers.to_string()),
    ] {
        args.extend([flag.into(), value.into()]);
    }
    if let Some(p99_ms) = asked.p99_ms {
        args.extend(["--p99".into(), format!("{p99_ms}ms").into()]);
    }
    let lag_ms = asked.p99_ms.map_or(LAG_MS, |p99_ms| LAG_MS.max(p99_ms / 10));
    args.extend(["--lag".into(), format!("{lag_ms}ms").into()]);
    if asked.scenario == Scenario::Soak {
        args.extend(["--for".into(), SOAK_FOR.into()]);
    }
    args.extend(["--out".into(), folder.as_os_str().to_owned()]);
    let program = Program {
        program,
        args,
        log: folder.join("run.log"),
        // Nothing of ours: the database's password is no business of a load generator.
        env: Some(vec![
            ("KAIPAN_LOADTEST_TOKEN", token),
            // It leaves when the pipe of its standard input ends, however this process ends.
            ("KAIPAN_LOADTEST_LIFELINE", "1".to_owned()),
        ]),
    };
    program.spawn_logged().map_err(Problem::internal)
}

enum Ended {
    Itself,
    Asked,
    TooLate,
}

/// Watches the child to its end, keeps what it wrote, puts the rehearsal away.
async fn live(console: Console, by: Actor, mut run: Run, mut child: Child, place: Place) {
    let until_start_ms = run.start_ms.unwrap_or(0).saturating_sub(console.now().ms()).max(0);
    let longest = Duration::from_secs(u64::try_from(LOAD_RUN_S_MAX).unwrap_or(0))
        .saturating_add(Duration::from_millis(u64::try_from(until_start_ms).unwrap_or(0)));
    let ended = tokio::select! {
        _ = child.ended() => Ended::Itself,
        () = place.stop.cancelled() => Ended::Asked,
        () = tokio::time::sleep(longest) => Ended::TooLate,
    };
    if !matches!(ended, Ended::Itself) {
        child.stop().await;
    }
    // Whatever it still wants to send is refused from here on.
    console.0.load.update(&run, None);
    run.ended_ms = Some(console.now().ms());
    let load = console.0.load.clone();
    let mut kept = run.clone();
    let kept = tokio::task::spawn_blocking(move || {
        conclude(&mut kept, &ended, &load.reports().of(&run.run));
        if let Err(error) = load.reports().keep(&kept) {
            tracing::error!(%error, run = %kept.run, "a load run could not be kept");
        }
        kept
    });
    match kept.await {
        Ok(run) => {
            tracing::info!(run = %run.run, state = run.state.as_str(), verdict = run.verdict, "a load run ended");
            if let Some(rehearsal) = &run.rehearsal
                && let Err(problem) = rehearsals::put_away(&console, &by, rehearsal).await
            {
                tracing::warn!(code = problem.code.as_str(), %rehearsal, "a rehearsal could not be cleared");
            }
        }
        Err(error) => tracing::error!(%error, "a load run could not be concluded"),
    }
}

/// Reads the verdict out of what the child left behind.
fn conclude(run: &mut Run, ended: &Ended, folder: &Path) {
    let report = std::fs::read(folder.join("report.json")).ok();
    let report: Option<Value> = report.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    run.state = match (ended, &report) {
        (Ended::Asked, _) => State::Stopped,
        (Ended::Itself, Some(_)) => State::Done,
        _ => State::Failed,
    };
    if run.state == State::Done
        && let Some(report) = &report
    {
        run.verdict = report["verdict"].as_str().map(str::to_owned);
        run.p99_ms = report["histograms"]["answer"]["p99"].as_f64().map(|us| us / 1_000.0);
        let reasons = report["reasons"].as_array();
        run.reasons = reasons.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    }
    if run.state == State::Failed {
        run.reasons = vec![match ended {
            Ended::TooLate => "TOO_LATE".to_owned(),
            _ => last_lines(&folder.join("run.log"), WORDS),
        }];
    }
}

#[cfg(test)]
impl Run {
    pub fn example(run: RowId) -> Self {
        let asked = Asked { scenario: Scenario::Burst, buyers: 1, start_in_s: 30, p99_ms: None };
        let new = Self::new(&asked, OpeningId::generate(), "首开".to_owned(), "admin".to_owned(), Micros(0));
        Self { run, ..new }
    }
}
