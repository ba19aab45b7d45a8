//! The load: one worker process a core of the load's half. Commands go to all of them at once; their answers are put
//! together.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::process::{Process, beside, on_cores};
use crate::clock::now_ns;
use crate::failure::{Failure, Outcome, While};
use crate::frames::Said;
use crate::load::{Boards, Command, Place, Reply, Spread, Transport, Wave};
use crate::stats::percentile;

/// Between a command and the moment it names: all workers must have read it.
const LEAD: Duration = Duration::from_millis(100);
const CONNECT_PATIENCE_MS: u64 = 60_000;
/// How long a tap may go without an answer before it counts as unanswered. A buyer would have given up.
const ANSWER_PATIENCE_MS: u64 = 10_000;
/// How long a board may take to come to where it should be, before the run is broken.
const BOARD_PATIENCE_MS: u64 = 30_000;

pub struct Fleet {
    workers: Vec<Process>,
    folder: PathBuf,
}

/// What all workers together measured.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    pub said: [u64; Said::NAMES.len()],
    pub told_when: u64,
    pub sent: u64,
    pub in_time: u64,
    /// How late the latest tap left after its moment.
    pub late_ms: f64,
    pub unanswered: u64,
    pub lost: u64,
    pub first_ns: u64,
    pub last_ns: u64,
    pub last_yes_ns: u64,
    pub run_ms: u64,
    /// The busiest worker's share of its core.
    pub busy: f64,
    /// Of all answers, sorted, in microseconds.
    pub latencies_us: Vec<u32>,
    /// Of the yeses alone, likewise.
    pub yes_us: Vec<u32>,
}

impl Measured {
    pub fn answers(&self) -> u64 {
        [Said::Yes, Said::Taken, Said::No].iter().map(|said| self.said[said.place()]).sum()
    }

    pub fn yes(&self) -> u64 {
        self.said[Said::Yes.place()]
    }

    pub fn refused(&self) -> u64 {
        self.said[Said::Refused { retry_after_ms: None }.place()]
    }

    /// Neither an answer nor a refusal with a name.
    pub fn errors(&self) -> u64 {
        self.said[Said::Error.place()] + self.said[Said::Unknown.place()]
    }

    pub fn per_second(&self) -> f64 {
        self.answers() as f64 * 1_000.0 / self.run_ms.max(1) as f64
    }

    pub fn percentile_ms(&self, share: f64) -> f64 {
        f64::from(percentile(&self.latencies_us, share)) / 1_000.0
    }

    /// Of the yeses alone: the picks that went to the database.
    pub fn yes_percentile_ms(&self, share: f64) -> f64 {
        f64::from(percentile(&self.yes_us, share)) / 1_000.0
    }

    pub fn last_ms(&self) -> f64 {
        self.last_ns.saturating_sub(self.first_ns) as f64 / 1e6
    }

    /// Fails unless every tap was answered: a run with errors is no figure.
    pub fn clean(self, what: &str) -> Outcome<Self> {
        if self.errors() + self.refused() + self.lost + self.unanswered == 0 && self.answers() > 0 {
            return Ok(self);
        }
        let said: Vec<String> =
            Said::NAMES.iter().zip(self.said).map(|(name, count)| format!("{name} {count}")).collect();
        let Self { unanswered, lost, .. } = self;
        Err(Failure(format!("{what}: {}; unanswered {unanswered}, connections lost {lost}", said.join(", "))))
    }
}

/// A closed loop over every connection.
#[derive(Debug, Clone, Copy)]
pub struct Loop {
    pub warm_ms: u64,
    pub run_ms: u64,
    /// Units from this one on are free.
    pub first_unit: u32,
    pub units: u32,
    pub win_percent: u32,
}

impl Fleet {
    pub fn start(cores: &[usize], folder: &Path) -> Outcome<Self> {
        let program = beside("kaipan-bench")?;
        let mut workers = Vec::new();
        for core in cores {
            let mut command = on_cores(&[*core], &program);
            command.arg("load");
            workers.push(Process::start(command, &folder.join(format!("load-{core}.log")), true)?);
        }
        Ok(Self { workers, folder: folder.to_owned() })
    }

    fn all(&mut self, command: impl Fn(u32) -> Command) -> Outcome<Vec<Reply>> {
        for (number, worker) in (0..).zip(&mut self.workers) {
            let line = serde_json::to_string(&command(number)).during("a command")?;
            worker.tell(&line)?;
        }
        let reply = |worker: &mut Process| serde_json::from_str(&worker.hear()?).during("a worker's reply");
        self.workers.iter_mut().map(reply).collect()
    }

    fn count(&self) -> u32 {
        self.workers.len() as u32
    }

    fn latencies(&self, number: u32) -> PathBuf {
        self.folder.join(format!("latencies-{number}"))
    }

    /// Opens so many more connections, and fails if one does not open. Takes the time until the last was ready.
    pub fn connect(
        &mut self,
        place: &Place,
        transport: Transport,
        count: u32,
        per_second: u32,
    ) -> Outcome<Duration> {
        let workers = self.count();
        let replies = self.all(|number| Command::Connect {
            place: Place {
                first: place.first + share_before(count, workers, number) as usize,
                ..place.clone()
            },
            transport,
            count: share(count, workers, number),
            per_second: (per_second / workers).max(1),
            patience_ms: CONNECT_PATIENCE_MS,
        })?;
        let lost: u64 = replies.iter().map(|reply| reply.lost).sum();
        let open: u64 = replies.iter().map(|reply| reply.open).sum();
        if lost > 0 || open < u64::from(count) {
            let why = replies.into_iter().find_map(|reply| reply.failed).unwrap_or_default();
            return Err(Failure(format!("of {count} connections {open} are open, {lost} were lost: {why}")));
        }
        let took_ms = replies.iter().map(|reply| reply.took_ms).max().unwrap_or_default();
        Ok(Duration::from_millis(took_ms))
    }

    pub fn closed(&mut self, run: Loop) -> Outcome<Measured> {
        let start_ns = now_ns() + LEAD.as_nanos() as u64;
        let workers = self.count();
        let files: Vec<PathBuf> = (0..workers).map(|number| self.latencies(number)).collect();
        let replies = self.all(|number| Command::Closed {
            start_ns,
            warm_ms: run.warm_ms,
            run_ms: run.run_ms,
            first_unit: run.first_unit + share_before(run.units, workers, number),
            units: share(run.units, workers, number),
            win_percent: run.win_percent,
            latencies: files[number as usize].clone(),
        })?;
        let measured = self.together(replies)?;
        Ok(Measured { run_ms: run.run_ms, ..measured })
    }

    /// Sends the waves, each shared out among the workers.
    pub fn scheduled(&mut self, waves: &[Wave]) -> Outcome<Measured> {
        let start_ns = now_ns() + LEAD.as_nanos() as u64;
        let workers = self.count();
        let files: Vec<PathBuf> = (0..workers).map(|number| self.latencies(number)).collect();
        let replies = self.all(|number| Command::Scheduled {
            start_ns,
            waves: waves.iter().map(|wave| part(wave, workers, number)).collect(),
            patience_ms: ANSWER_PATIENCE_MS,
            latencies: files[number as usize].clone(),
        })?;
        let until_ms = waves.iter().filter(|wave| wave.counted).map(|wave| wave.within_ms).max();
        let measured = self.together(replies)?;
        Ok(Measured { run_ms: until_ms.unwrap_or_default(), ..measured })
    }

    /// Waits until every board has come to `seq`.
    pub fn boards(&mut self, seq: i64) -> Outcome<Boards> {
        let replies = self.all(|_| Command::Boards { seq, patience_ms: BOARD_PATIENCE_MS })?;
        let mut boards = Boards { first_ns: u64::MAX, ..Boards::default() };
        for part in replies.into_iter().filter_map(|reply| reply.boards) {
            boards.readers += part.readers;
            boards.there += part.there;
            boards.gaps += part.gaps;
            boards.first_ns = boards.first_ns.min(part.first_ns);
            boards.last_ns = boards.last_ns.max(part.last_ns);
            for (digest, count) in part.digests {
                match boards.digests.iter_mut().find(|(known, _)| *known == digest) {
                    Some((_, sum)) => *sum += count,
                    None => boards.digests.push((digest, count)),
                }
            }
        }
        Ok(boards)
    }

    /// The last so many connections ask for the whole board so often and are not read any more.
    pub fn stall(&mut self, count: u32, boards: u32) -> Outcome<()> {
        let workers = self.count();
        self.all(|number| Command::Stall { count: share(count, workers, number), boards }).map(drop)
    }

    pub fn leave(&mut self) -> Outcome<()> {
        self.all(|_| Command::Leave).map(drop)
    }

    fn together(&self, replies: Vec<Reply>) -> Outcome<Measured> {
        let mut sum = Measured { first_ns: u64::MAX, ..Measured::default() };
        for (number, reply) in (0..).zip(replies) {
            if let Some(why) = reply.failed {
                return Err(Failure(format!("the load: {why}")));
            }
            for (total, count) in sum.said.iter_mut().zip(reply.said) {
                *total += count;
            }
            sum.told_when += reply.told_when;
            sum.sent += reply.sent;
            sum.in_time += reply.in_time;
            sum.late_ms = sum.late_ms.max(reply.late_ns as f64 / 1e6);
            sum.unanswered += reply.unanswered;
            sum.lost += reply.lost;
            if reply.sent > 0 {
                sum.first_ns = sum.first_ns.min(reply.first_ns);
            }
            sum.last_ns = sum.last_ns.max(reply.last_ns);
            sum.last_yes_ns = sum.last_yes_ns.max(reply.last_yes_ns);
            sum.busy = sum.busy.max(reply.busy);
            let bytes = fs::read(self.latencies(number)).during("reading the latencies")?;
            let mut numbers = bytes.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes));
            let yeses = numbers.next().during("the number of yeses")?;
            let latencies: Vec<u32> = numbers.collect();
            sum.yes_us.extend(latencies.iter().take(yeses as usize));
            sum.latencies_us.extend(latencies);
        }
        sum.latencies_us.sort_unstable();
        sum.yes_us.sort_unstable();
        Ok(sum)
    }
}

/// One worker's part of `count`; the first workers take what does not divide.
fn share(count: u32, workers: u32, number: u32) -> u32 {
    count / workers + u32::from(number < count % workers)
}

fn share_before(count: u32, workers: u32, number: u32) -> u32 {
    (0..number).map(|before| share(count, workers, before)).sum()
}

/// Taps and links are shared out, and units where there is one for each tap; units that several want are everybody's.
fn part(wave: &Wave, workers: u32, number: u32) -> Wave {
    let mut part = Wave {
        taps: share(wave.taps, workers, number),
        links: share(wave.links, workers, number).max(1),
        ..*wave
    };
    if wave.spread == Spread::Each && wave.taps <= wave.units {
        part.first_unit = wave.first_unit + share_before(wave.units, workers, number);
        part.units = share(wave.units, workers, number);
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_out_is_all_there_and_nothing_twice() {
        for (count, workers) in [(10_000, 3), (7, 2), (1, 4), (0, 2)] {
            let shares: Vec<u32> = (0..workers).map(|number| share(count, workers, number)).collect();
            assert_eq!(shares.iter().sum::<u32>(), count, "{count} over {workers}");
            assert_eq!(share_before(count, workers, workers - 1) + shares[workers as usize - 1], count);
        }
        let wave = Wave {
            after_ms: 0,
            within_ms: 100,
            taps: 101,
            first_unit: 500,
            units: 101,
            spread: Spread::Each,
            links: 1_001,
            counted: true,
        };
        let parts: Vec<Wave> = (0..2).map(|number| part(&wave, 2, number)).collect();
        assert_eq!(parts.iter().map(|part| part.taps).sum::<u32>(), 101);
        assert_eq!((parts[0].first_unit, parts[0].units), (500, 51));
        assert_eq!((parts[1].first_unit, parts[1].units), (551, 50));
        let wanted = part(&Wave { taps: 102, ..wave }, 2, 1);
        assert_eq!((wanted.first_unit, wanted.units), (500, 101), "everybody wants the same units");
    }

    /// Mutation that turned it red: errors not looked at, so that a broken run gave a figure.
    #[test]
    fn a_run_with_errors_is_no_figure() {
        let run = Measured { said: [6, 94, 0, 3, 0, 0, 0], run_ms: 1_000, ..Measured::default() };
        assert!(
            (run.clone().clean("x").unwrap().per_second() - 100.0).abs() < 1e-9,
            "in progress is no answer"
        );
        for spoiled in [
            Measured { said: [6, 94, 0, 0, 0, 0, 1], ..run.clone() },
            Measured { said: [6, 94, 0, 0, 1, 0, 0], ..run.clone() },
            Measured { said: [6, 94, 0, 0, 0, 1, 0], ..run.clone() },
            Measured { unanswered: 1, ..run.clone() },
            Measured { lost: 1, ..run },
        ] {
            assert!(spoiled.clean("x").is_err());
        }
        assert!(Measured::default().clean("x").is_err(), "nothing answered");
    }
}
