//! The process as the operating system sees it, under the names that every Prometheus dashboard knows.
//!
//! Read when the page is asked for, so that a sample is of its own moment, and written as text: processor time is a
//! counter with a fraction, and the recorder's counters are whole numbers. Linux only; elsewhere the lines are missing.

use std::fs;

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::{Page, names};

/// What does not change while the process lives.
#[derive(Debug, Clone, Copy)]
pub struct Process {
    /// Unix time.
    pub started_s: f64,
}

impl Process {
    pub fn write(self, page: &mut Page) {
        page.value(names::PROCESS_CPU_SECONDS, cpu_seconds());
        page.value(names::PROCESS_START_SECONDS, self.started_s);
        if let Some(memory) = Memory::read() {
            page.value(names::PROCESS_RESIDENT_BYTES, memory.resident_bytes);
            page.value(names::PROCESS_RESIDENT_PEAK_BYTES, memory.resident_peak_bytes);
            page.value(names::PROCESS_THREADS, memory.threads);
        }
        if let Some(open) = open_fds() {
            page.value(names::PROCESS_OPEN_FDS, open);
        }
        // No limit is said as Prometheus says it.
        match getrlimit(Resource::Nofile).current {
            Some(most) => page.value(names::PROCESS_MAX_FDS, most),
            None => page.value(names::PROCESS_MAX_FDS, "+Inf"),
        }
    }
}

/// Of all threads, user and system together.
fn cpu_seconds() -> f64 {
    let t = clock_gettime(ClockId::ProcessCPUTime);
    t.tv_sec as f64 + t.tv_nsec as f64 / 1e9
}

#[derive(Debug, PartialEq, Eq)]
struct Memory {
    resident_bytes: u64,
    resident_peak_bytes: u64,
    threads: u64,
}

impl Memory {
    fn read() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/self/status").ok()?)
    }

    fn parse(status: &str) -> Option<Self> {
        let number = |field: &str| {
            let rest = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
            rest.trim().trim_end_matches("kB").trim_end().parse::<u64>().ok()
        };
        Some(Self {
            resident_bytes: number("VmRSS")? * 1_024,
            resident_peak_bytes: number("VmHWM")? * 1_024,
            threads: number("Threads")?,
        })
    }
}

/// Since Linux 6.2 the folder's size is the count; before, it is 0 and the entries are counted, of which one is the
/// reading itself.
fn open_fds() -> Option<u64> {
    const FOLDER: &str = "/proc/self/fd";
    match fs::metadata(FOLDER).ok()?.len() {
        0 => Some(fs::read_dir(FOLDER).ok()?.count().saturating_sub(1) as u64),
        count => Some(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_read() {
        let status =
            "Name:\tkaipan\nVmHWM:\t   20480 kB\nVmRSS:\t   10240 kB\nRssAnon:\t 1 kB\nThreads:\t9\n";
        let expected = Memory { resident_bytes: 10_485_760, resident_peak_bytes: 20_971_520, threads: 9 };
        assert_eq!(Memory::parse(status), Some(expected));
        assert_eq!(Memory::parse("Name:\tkaipan\n"), None);
    }

    /// OP-84. Figures of this very process: what it opens and burns is seen.
    #[cfg(target_os = "linux")]
    #[test]
    fn what_the_process_does_is_seen() {
        let value = |page: &str, name: &str| -> f64 {
            let line = page.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
            line.rsplit(' ').next().unwrap().parse().unwrap()
        };
        let page = || {
            let mut page = Page::default();
            Process { started_s: 1.5 }.write(&mut page);
            page.into_text()
        };
        let before = page();
        let files: Vec<fs::File> = (0..50).map(|_| fs::File::open("/proc/self/status").unwrap()).collect();
        let memory = vec![1_u8; 64 * 1_024 * 1_024];
        let burnt: u64 = memory.iter().map(|byte| u64::from(*byte)).sum();
        let after = page();
        assert_eq!(burnt, 64 * 1_024 * 1_024);
        let grown = |name| value(&after, name) - value(&before, name);
        assert!(grown("process_open_fds") >= 50.0, "{before}{after}");
        assert!(grown("process_resident_memory_bytes") > 48e6, "{before}{after}");
        assert!(grown("process_cpu_seconds_total") > 0.0, "{before}{after}");
        assert!(value(&after, "process_max_fds") >= value(&after, "process_open_fds"));
        assert!(value(&after, "process_threads") >= 1.0);
        assert_eq!(value(&after, "process_start_time_seconds"), 1.5);
        drop((files, memory));
    }
}
