//! Is this machine able to make the load that was asked for? Said before the run where it can be known, and after it
//! by what the threads did.

use std::time::{Duration, Instant};

use super::notes::Notes;
use super::plan::Plan;
use crate::raw::Effort;
use crate::report::{Generator, Histogram, LagMs, Machine};

/// Beside the buyers: standard streams, the reports, the async runtime and its requests.
const FILES_OTHER: u64 = 64;
/// A thread that works more than this of a second cannot be trusted with the next one's moments.
const BUSY_SHARE: f64 = 0.95;
/// A second of a burst may be busy from end to end; many in a row may not.
const BUSY_SECONDS: usize = 3;

/// What this machine lacks for so many connections, as a sentence.
pub fn lacks(plan: &Plan) -> Option<String> {
    let files = open_files();
    let wanted = u64::from(plan.buyers) + FILES_OTHER;
    if files < wanted {
        return Some(format!(
            "{} buyers need {wanted} open files, and this process may have {files}: raise `ulimit -n`",
            plan.buyers
        ));
    }
    let ports = ports()?;
    (ports < u64::from(plan.buyers)).then(|| {
        format!(
            "{} buyers need as many local ports, and the range has {ports}: widen net.ipv4.ip_local_port_range",
            plan.buyers
        )
    })
}

/// The soft limit on open files, after raising it to the hard one.
fn open_files() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let before = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: before.maximum, maximum: before.maximum });
    let limit = if raised.is_ok() { getrlimit(Resource::Nofile) } else { before };
    limit.current.unwrap_or(u64::MAX)
}

/// Local ports to one address; none where the system does not say.
fn ports() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut ends = text.split_whitespace().map(str::parse::<u64>);
    let (first, last) = (ends.next()?.ok()?, ends.next()?.ok()?);
    Some((last + 1).saturating_sub(first))
}

/// How the threads kept their schedule.
pub fn account(plan: &Plan, notes: &Notes, efforts: &[Effort], start: Instant) -> Generator {
    let busiest = efforts.iter().map(|effort| effort.busiest_since(start)).fold(0.0, f64::max);
    let busy = efforts.iter().map(|effort| busy_seconds(effort, start)).max().unwrap_or(0);
    judged(plan, &notes.lag, busiest, busy)
}

/// From what was measured of the generator itself: its lateness, its busiest thread, and for how many seconds in a row a
/// thread did nothing but work.
pub fn judged(plan: &Plan, lag: &Histogram, cpu_max_share: f64, busy_s: usize) -> Generator {
    let ms = |us: u64| us as f64 / 1_000.0;
    let lag_ms = LagMs { p50: ms(lag.at(0.5)), p99: ms(lag.at(0.99)), max: ms(lag.max_us()) };
    let limit_ms = plan.lag.as_secs_f64() * 1_000.0;
    let mut why = Vec::new();
    if lag_ms.p99 > limit_ms {
        why.push(format!("1 of 100 taps left more than {:.0} ms late (limit {limit_ms:.0} ms)", lag_ms.p99));
    }
    if busy_s >= BUSY_SECONDS {
        why.push(format!(
            "a thread was busy for {busy_s} seconds in a row: more --threads, or more machines"
        ));
    }
    Generator {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        cpus: u32::try_from(std::thread::available_parallelism().map_or(1, usize::from)).unwrap_or(u32::MAX),
        threads: u32::try_from(plan.threads).unwrap_or(u32::MAX),
        cpu_max_share,
        lag_ms,
        saturated: !why.is_empty(),
        why: (!why.is_empty()).then(|| why.join("; ")),
        machine: machine(),
    }
}

fn busy_seconds(effort: &Effort, start: Instant) -> usize {
    let (mut longest, mut run) = (0, 0);
    for (at, share) in &effort.shares {
        run = if *share > BUSY_SHARE && *at + Duration::from_secs(1) > start { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

fn machine() -> Option<Machine> {
    let uname = rustix::system::uname();
    let word = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let system = format!("{} {} {}", word(uname.sysname()), word(uname.release()), word(uname.machine()));
    let read = |path: &str, name: &str| {
        let text = std::fs::read_to_string(path).ok()?;
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let memory = read("/proc/meminfo", "MemTotal")
        .and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok())
        .unwrap_or(0);
    let processor = read("/proc/cpuinfo", "model name").unwrap_or_default();
    Some(Machine { system, processor, memory_bytes: memory * 1_024 })
}
