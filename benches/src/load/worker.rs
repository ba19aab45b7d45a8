//! The worker: carries out one command at a time and keeps its connections alive in between.

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use kaipan_loadtest::raw::{Driver, Event, Net, http, ws};

use super::closed::Closed;
use super::command::{Command, Place, Reply, Transport};
use super::links::{Link, boards, links_of};
use super::schedule::schedule;
use super::taps::Taps;
use crate::clock::now_ns;
use crate::failure::Outcome;
use crate::frames::{Frame, Said, read, said};

/// How long after its end a closed loop waits for the last answers.
const CLOSED_PATIENCE_NS: u64 = 5_000_000_000;
/// Connections begun and taps sent before the loop reads again.
const AT_ONCE: usize = 64;

type Tell = Box<dyn FnMut(&Reply) -> io::Result<()>>;

/// What is being done, and when it is given up.
struct Job {
    what: What,
    began_ns: u64,
    began_cpu: Duration,
    give_up_ns: u64,
}

enum What {
    Connect { place: Place, transport: Transport, first: usize, begun: usize, per_second: u32 },
    Closed { closed: Closed, latencies: PathBuf, begun: bool },
    Scheduled { next: usize, latencies: PathBuf },
    Boards { seq: i64 },
}

pub struct Worker {
    commands: Receiver<Outcome<Command>>,
    tell: Tell,
    ended: bool,
    transport: Transport,
    path: String,
    links: Vec<Link>,
    /// Of the links: ready, and gone.
    open: usize,
    lost: usize,
    why: Option<String>,
    taps: Taps,
    waiting: usize,
    job: Option<Job>,
    /// The same moment on both clocks.
    anchor: (Instant, u64),
    body: Vec<u8>,
    out: Vec<u8>,
}

impl Worker {
    pub fn new(commands: Receiver<Outcome<Command>>, tell: Tell) -> Self {
        Self {
            commands,
            tell,
            ended: false,
            transport: Transport::Http,
            path: String::new(),
            links: Vec::new(),
            open: 0,
            lost: 0,
            why: None,
            taps: Taps::default(),
            waiting: 0,
            job: None,
            anchor: (Instant::now(), now_ns()),
            body: Vec::new(),
            out: Vec::new(),
        }
    }

    fn ns(&self, at: Instant) -> u64 {
        self.anchor.1
            + u64::try_from(at.saturating_duration_since(self.anchor.0).as_nanos()).unwrap_or_default()
    }

    fn instant(&self, at_ns: u64) -> Instant {
        self.anchor.0 + Duration::from_nanos(at_ns.saturating_sub(self.anchor.1))
    }

    fn begin(&mut self, command: Command, net: &mut Net, now: u64) {
        let job = |what, give_up_ns| {
            let began_cpu = kaipan_loadtest::raw::effort::thread_cpu();
            Some(Job { what, began_ns: now, began_cpu, give_up_ns })
        };
        match command {
            Command::Connect { place, transport, count, per_second, patience_ms } => {
                let first = self.links.len();
                match links_of(&place, count) {
                    Ok(links) => self.links.extend(links),
                    Err(failure) => return self.fail(failure.0),
                }
                self.transport = transport;
                self.path = format!("/api/v1/openings/{}/picks", place.opening);
                let what = What::Connect { place, transport, first, begun: 0, per_second };
                self.job = job(what, now + patience_ms * 1_000_000);
            }
            Command::Closed { start_ns, warm_ms, run_ms, first_unit, units, win_percent, latencies } => {
                self.taps = Taps::new(salt(now));
                let closed = Closed::new(start_ns, (warm_ms, run_ms), (first_unit, units), win_percent);
                let give_up_ns = closed.until_ns + CLOSED_PATIENCE_NS;
                self.job = job(What::Closed { closed, latencies, begun: false }, give_up_ns);
            }
            Command::Scheduled { start_ns, waves, patience_ms, latencies } => {
                self.taps = Taps::new(salt(now));
                self.taps.all = schedule(start_ns, &waves);
                let last = self.taps.all.last().map_or(start_ns, |tap| tap.due_ns);
                self.taps.until_ns = last;
                self.job = job(What::Scheduled { next: 0, latencies }, last + patience_ms * 1_000_000);
            }
            Command::Boards { seq, patience_ms } => {
                self.job = job(What::Boards { seq }, now + patience_ms * 1_000_000);
            }
            Command::Stall { count, boards } => {
                self.out.clear();
                (0..boards).for_each(|_| ws::text(&mut self.out, br#"{"t":"snapshot"}"#));
                for (id, link) in self.links.iter_mut().enumerate().rev().take(count as usize) {
                    net.stall(id);
                    link.stalled = true;
                    net.send(id, &self.out);
                }
                self.reply(Reply::default());
            }
            Command::Leave => {
                (0..self.links.len()).for_each(|id| net.close(id));
                self.links.clear();
                (self.open, self.lost, self.why) = (0, 0, None);
                self.reply(Reply::default());
            }
        }
        self.waiting = 0;
    }

    fn reply(&mut self, reply: Reply) {
        let why = reply.failed.or_else(|| self.why.clone());
        let reply = Reply { open: self.open as u64, lost: self.lost as u64, failed: why, ..reply };
        // Nobody listens any more: the driver is gone.
        self.ended |= (self.tell)(&reply).is_err();
    }

    fn fail(&mut self, words: String) {
        self.reply(Reply { failed: Some(words), ..Reply::default() });
    }

    /// Ends the job at hand and tells what came of it.
    fn finish(&mut self, now: u64) {
        let Some(job) = self.job.take() else { return };
        let took = now.saturating_sub(job.began_ns);
        let cpu = kaipan_loadtest::raw::effort::thread_cpu().saturating_sub(job.began_cpu);
        let mut reply = Reply {
            took_ms: took / 1_000_000,
            busy: cpu.as_secs_f64() / Duration::from_nanos(took.max(1)).as_secs_f64(),
            ..Reply::default()
        };
        let latencies = match job.what {
            What::Connect { .. } => None,
            What::Boards { seq } => {
                reply.boards = Some(boards(&self.links, seq));
                None
            }
            What::Closed { closed, latencies, .. } => {
                if !closed.lasted() {
                    return self.fail("the free units did not last the run".to_owned());
                }
                Some(latencies)
            }
            What::Scheduled { latencies, .. } => Some(latencies),
        };
        if let Some(file) = latencies {
            if let Err(error) = self.taps.write(&file) {
                return self.fail(format!("writing the latencies: {error}"));
            }
            reply.said = self.taps.said;
            reply.told_when = self.taps.told_when;
            reply.unanswered = self.taps.unanswered();
            reply.last_ns = self.taps.last_ns;
            reply.last_yes_ns = self.taps.last_yes_ns;
            reply.in_time = self.taps.in_time;
            reply.late_ns = self.taps.late_ns;
            let counted = || self.taps.all.iter().filter(|tap| tap.counted);
            reply.sent = counted().count() as u64;
            reply.first_ns = counted().map(|tap| tap.due_ns).min().unwrap_or_default();
        }
        self.reply(reply);
    }

    fn send(&mut self, net: &mut Net, at: usize) {
        let link = self.taps.all[at].link as usize;
        self.body.clear();
        self.out.clear();
        match self.transport {
            Transport::Http => {
                self.taps.body(at, false, &mut self.body);
                let Some(link) = self.links.get_mut(link) else { return };
                link.on_their_way.push_back(at);
                http::request(&mut self.out, "POST", &self.path, &link.headers, Some(&self.body));
            }
            Transport::WebSocket => {
                self.taps.body(at, true, &mut self.body);
                ws::text(&mut self.out, &self.body);
            }
        }
        net.send(link, &self.out);
    }

    /// The next tap of a closed loop's connection.
    fn tap_again(&mut self, net: &mut Net, link: u32, now: u64) {
        let Some(Job { what: What::Closed { closed, .. }, .. }) = &mut self.job else { return };
        if now < closed.until_ns {
            self.taps.all.push(closed.tap(link, now));
            self.waiting += 1;
            self.send(net, self.taps.all.len() - 1);
        }
    }

    fn ready(&mut self, id: usize) {
        if let Some(link) = self.links.get_mut(id).filter(|link| !link.ready) {
            link.ready = true;
            self.open += 1;
        }
    }

    fn answered(&mut self, net: &mut Net, at: usize, said: Said, now: u64) {
        if self.taps.all.get(at).is_none_or(|tap| tap.done) {
            return;
        }
        self.taps.note(at, said, now);
        if said == Said::InProgress {
            return self.send(net, at);
        }
        self.waiting = self.waiting.saturating_sub(1);
        self.tap_again(net, self.taps.all[at].link, now);
    }

    fn heard(&mut self, net: &mut Net, id: usize, text: &[u8], now: u64) {
        match read(text) {
            Frame::Answer { key, said } => {
                if let Some(at) = self.taps.find(key) {
                    self.answered(net, at, said, now);
                }
            }
            Frame::Snapshot { seq, status } => {
                if let Some(link) = self.links.get_mut(id) {
                    link.board.start(seq, status);
                    link.board_ns = now;
                }
            }
            Frame::Mine => self.ready(id),
            Frame::Board { from, to, changes } => {
                let Some(link) = self.links.get_mut(id) else { return };
                if link.board.change(from, to, changes) {
                    link.board_ns = now;
                } else {
                    self.out.clear();
                    ws::text(&mut self.out, br#"{"t":"snapshot"}"#);
                    net.send(id, &self.out);
                }
            }
            Frame::Other => {}
        }
    }

    fn is_over(&self, now: u64) -> bool {
        let Some(job) = &self.job else { return false };
        now > job.give_up_ns
            || match &job.what {
                What::Connect { first, begun, .. } => {
                    *begun == self.links.len() - first && self.open + self.lost >= self.links.len()
                }
                What::Closed { closed, begun, .. } => *begun && now >= closed.until_ns && self.waiting == 0,
                What::Scheduled { next, .. } => *next == self.taps.all.len() && self.waiting == 0,
                What::Boards { seq } => self
                    .links
                    .iter()
                    .filter(|link| link.ready && !link.stalled)
                    .all(|link| link.board.seq >= *seq),
            }
    }

    /// One piece of what is due.
    fn step(&mut self, net: &mut Net, now: u64) {
        let Some(job) = &mut self.job else { return };
        match &mut job.what {
            What::Connect { place, transport, first, begun, per_second } => {
                let due = (now - job.began_ns) * u64::from(*per_second) / 1_000_000_000;
                let all = self.links.len() - *first;
                for _ in 0..AT_ONCE {
                    if *begun >= all || *begun as u64 > due {
                        break;
                    }
                    let id = *first + *begun;
                    *begun += 1;
                    let link = &mut self.links[id];
                    let address = place.address(id);
                    if let Err(error) = net.connect(id, address, link.opens(place, *transport)) {
                        self.lost += 1;
                        self.why = Some(format!("connecting: {error}"));
                    }
                }
            }
            What::Closed { closed, begun, .. } => {
                if !*begun && now >= closed.start_ns {
                    *begun = true;
                    for link in 0..self.links.len() {
                        self.tap_again(net, link as u32, now);
                    }
                }
            }
            What::Scheduled { next, .. } => {
                let from = *next;
                let due = self.taps.all[from..].iter().take(AT_ONCE).take_while(|tap| tap.due_ns <= now);
                *next += due.count();
                let until = *next;
                self.waiting += until - from;
                for at in from..until {
                    self.taps.late_ns = self.taps.late_ns.max(now - self.taps.all[at].due_ns);
                    self.send(net, at);
                }
            }
            What::Boards { .. } => {}
        }
    }
}

/// Differs between any two commands of any two workers, as far as a clock can tell.
fn salt(now: u64) -> u32 {
    (now ^ u64::from(std::process::id()) << 20) as u32
}

impl Driver for Worker {
    fn event(&mut self, net: &mut Net, id: usize, at: Instant, event: Event<'_>) {
        let now = self.ns(at);
        match event {
            Event::Open => {
                if self.transport == Transport::Http {
                    self.ready(id);
                }
            }
            Event::Answer(answer) => {
                // Refusals name no key, but answers come in the order of their requests.
                let tap = self.links.get_mut(id).and_then(|link| link.on_their_way.pop_front());
                if let Some(at) = tap {
                    self.answered(net, at, said(answer.body), now);
                }
            }
            Event::Text(text) => self.heard(net, id, text, now),
            Event::Closed(why) => {
                let Some(link) = self.links.get_mut(id) else { return };
                self.open -= usize::from(std::mem::take(&mut link.ready));
                if link.stalled {
                    // Who does not read is cut in the end, and should be.
                    return;
                }
                self.lost += 1;
                self.why = Some(format!("a connection was lost: {why:?}"));
            }
        }
    }

    fn due(&mut self, net: &mut Net, now: Instant) {
        let now = self.ns(now);
        if self.job.is_none() {
            match self.commands.try_recv() {
                Ok(Ok(command)) => self.begin(command, net, now),
                Ok(Err(failure)) => self.fail(failure.0),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => self.ended = true,
            }
        }
        self.step(net, now);
        if self.is_over(now) {
            self.finish(now);
        }
    }

    fn next_due(&self) -> Option<Instant> {
        let job = self.job.as_ref()?;
        match &job.what {
            What::Connect { begun, first, per_second, .. } if *begun < self.links.len() - first => {
                Some(self.instant(job.began_ns + *begun as u64 * 1_000_000_000 / u64::from(*per_second)))
            }
            What::Scheduled { next, .. } => self.taps.all.get(*next).map(|tap| self.instant(tap.due_ns)),
            What::Closed { closed, begun, .. } => {
                Some(self.instant(if *begun { closed.until_ns } else { closed.start_ns }))
            }
            _ => Some(Instant::now() + Duration::from_millis(2)),
        }
    }

    fn is_done(&self) -> bool {
        self.ended
    }
}
