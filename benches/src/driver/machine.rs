//! What the driver reads of the machine: its cores, a process's memory and time, the kernel's counters of connections.

use std::fs;

use crate::failure::{Failure, Outcome, While};

/// Which cores serve and which make the load.
#[derive(Debug, Clone)]
pub struct Cores {
    pub server: Vec<usize>,
    pub load: Vec<usize>,
}

impl Cores {
    /// The first half of `most` cores that this process may use, and the second.
    pub fn halves(most: Option<usize>) -> Outcome<Self> {
        let status = fs::read_to_string("/proc/self/status").during("reading this process's cores")?;
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let mut all = list_of(list.during("this process's cores")?.trim())?;
        all.truncate(most.unwrap_or(usize::MAX));
        if all.len() < 2 {
            return Err(Failure::new("needs two cores: one for the server, one for the load"));
        }
        let load = all.split_off(all.len() / 2);
        Ok(Self { server: all, load })
    }

    pub fn count(&self) -> usize {
        self.server.len() + self.load.len()
    }

    /// The server's cores for each of two gateways, as many for one as for the other; a single core they share.
    pub fn for_two_gateways(&self) -> [Vec<usize>; 2] {
        let each = (self.server.len() / 2).max(1);
        let second = self.server.len().saturating_sub(each);
        let cores = |from| self.server.iter().skip(from).take(each).copied().collect();
        [cores(0), cores(second)]
    }

    /// The server on one core, the load on all others.
    pub fn one_for_the_server(&self) -> Self {
        let mut all: Vec<usize> = self.server.iter().chain(&self.load).copied().collect();
        let load = all.split_off(1);
        Self { server: all, load }
    }
}

/// `0-2,5` is 0, 1, 2, 5.
fn list_of(text: &str) -> Outcome<Vec<usize>> {
    let mut cores = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.parse::<usize>().during("a list of cores");
        cores.extend(number(first)?..=number(last)?);
    }
    Ok(cores)
}

/// As `taskset` takes it.
pub fn list(cores: &[usize]) -> String {
    let cores: Vec<String> = cores.iter().map(usize::to_string).collect();
    cores.join(",")
}

/// The processor's name, as its maker calls it.
pub fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| "unknown processor".to_owned(), |(_, name)| name.trim().to_owned())
}

/// What others make the machine do: the load average of the last minute.
pub fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(f64::NAN)
}

/// A process's resident memory in bytes.
pub fn resident_bytes(process: u32) -> Outcome<u64> {
    let status =
        fs::read_to_string(format!("/proc/{process}/status")).during("reading a process's memory")?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 =
        kib.during("a process's memory")?.trim_end_matches("kB").trim().parse().during("its memory")?;
    Ok(kib * 1_024)
}

/// The CPU time of a process's threads so far, in nanoseconds.
pub fn cpu_ns(process: u32) -> Outcome<u64> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task")).during("reading a process's threads")? {
        let file = thread.during("reading a process's threads")?.path().join("schedstat");
        // A thread that ended in between has its time taken along.
        let Ok(text) = fs::read_to_string(file) else { continue };
        sum += text.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).during("a thread's time")?;
    }
    Ok(sum)
}

/// The kernel's counters that tell of connections that did not get through at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connects {
    pub listen_overflows: u64,
    pub syn_retransmissions: u64,
}

impl Connects {
    pub fn read() -> Outcome<Self> {
        Self::of(&fs::read_to_string("/proc/net/netstat").during("reading the kernel's counters")?)
    }

    fn of(text: &str) -> Outcome<Self> {
        let lines: Vec<&str> = text.lines().collect();
        let find = |name: &str| {
            lines.chunks(2).find_map(|pair| {
                let [names, values] = pair else { return None };
                let at = names.split(' ').position(|found| found == name)?;
                values.split(' ').nth(at)?.parse().ok()
            })
        };
        Ok(Self {
            listen_overflows: find("ListenOverflows").during("ListenOverflows")?,
            syn_retransmissions: find("TCPSynRetrans").during("TCPSynRetrans")?,
        })
    }

    pub fn since(self, before: Self) -> Self {
        Self {
            listen_overflows: self.listen_overflows - before.listen_overflows,
            syn_retransmissions: self.syn_retransmissions - before.syn_retransmissions,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_halved_and_listed() {
        assert_eq!(list_of("0-2,5").unwrap(), [0, 1, 2, 5]);
        assert_eq!(list(&[0, 1, 5]), "0,1,5");
        assert!(list_of("a").is_err());
        let cores = Cores { server: vec![0, 1], load: vec![2, 3] };
        let lone = cores.one_for_the_server();
        assert_eq!((lone.server, lone.load, cores.count()), (vec![0], vec![1, 2, 3], 4));
        // Mutation that turned it red: what is over given to the second gateway.
        for (server, first, second) in [
            (vec![0], vec![0], vec![0]),
            (vec![0, 1], vec![0], vec![1]),
            (vec![0, 1, 2], vec![0], vec![2]),
            (vec![0, 1, 2, 3], vec![0, 1], vec![2, 3]),
        ] {
            let cores = Cores { server, load: Vec::new() };
            assert_eq!(cores.for_two_gateways(), [first, second]);
        }
    }

    /// Mutation that turned it red: the value looked up in the line of names.
    #[test]
    fn the_kernels_counters_are_found_by_name() {
        let text =
            "TcpExt: SyncookiesSent ListenOverflows TCPSynRetrans\nTcpExt: 9 3 7\nIpExt: InBytes\nIpExt: 5\n";
        let counters = Connects::of(text).unwrap();
        assert_eq!(counters, Connects { listen_overflows: 3, syn_retransmissions: 7 });
        let later = Connects { listen_overflows: 4, syn_retransmissions: 7 };
        assert_eq!(later.since(counters), Connects { listen_overflows: 1, syn_retransmissions: 0 });
        assert!(Connects::of("TcpExt: a\nTcpExt: 1\n").is_err());
    }

    #[test]
    fn this_process_has_memory_and_time() {
        let own = std::process::id();
        assert!(resident_bytes(own).unwrap() > 100_000);
        assert!(cpu_ns(own).unwrap() > 0 && Connects::read().is_ok() && Cores::halves(None).is_ok());
    }
}
