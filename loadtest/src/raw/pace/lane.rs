//! One thread of a [`super::Session`]: its connections, and the pace they keep.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use super::super::effort::Effort;
use super::super::net::{Driver, Event, Net};
use super::{Client, Figures, Heard, Order, Pace, Shape, Shared, Shout, record};

/// Sends or connects at a stretch, before the loop reads again.
const CHUNK: usize = 32;
/// After a closed loop, how long the last answers may take.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

#[derive(Clone)]
struct Wire {
    /// When the request in flight was due.
    due: Instant,
    nth: u64,
    waits: bool,
    heard_shouts: u32,
}

/// What the lane is doing.
enum Stage {
    Connecting,
    Idle,
    Running(Order),
}

pub(super) struct Lane<C> {
    shape: Shape,
    thread: usize,
    threads: usize,
    client: C,
    wires: Vec<Wire>,
    stage: Stage,
    start: Instant,
    /// The next of this lane's connections to be opened, or to send by schedule.
    cursor: usize,
    /// Of a refused connection: when it goes on. In order, because the refusals' times are alike; a little lateness
    /// does no harm.
    pauses: Vec<(Instant, usize)>,
    open: usize,
    failed: usize,
    waiting: usize,
    figures: Figures,
    orders: Receiver<Order>,
    tell: Sender<Figures>,
    shared: Arc<Shared>,
    effort: Effort,
    out: Vec<u8>,
}

impl<C: Client> Lane<C> {
    pub(super) fn new(
        shape: Shape,
        (thread, threads): (usize, usize),
        start: Instant,
        client: C,
        orders: Receiver<Order>,
        tell: Sender<Figures>,
    ) -> Self {
        let mine = (thread..shape.connections).step_by(threads).count();
        let wire = Wire { due: start, nth: 0, waits: false, heard_shouts: 0 };
        Self {
            shape,
            thread,
            threads,
            client,
            wires: vec![wire; mine],
            stage: Stage::Connecting,
            start,
            cursor: 0,
            pauses: Vec::new(),
            open: 0,
            failed: 0,
            waiting: 0,
            figures: Figures::new(),
            orders,
            tell,
            shared: Arc::default(),
            effort: Effort::begin(start),
            out: Vec::with_capacity(1024),
        }
    }

    pub(super) fn shared(&mut self, shared: Arc<Shared>) {
        self.shared = shared;
    }

    /// The number of a connection over all threads.
    fn global(&self, id: usize) -> usize {
        id * self.threads + self.thread
    }

    /// The moment of a connection whose kind is spread evenly over `within`.
    fn moment(&self, id: usize, within: Duration) -> Instant {
        self.start + within.mul_f64(self.global(id) as f64 / self.shape.connections.max(1) as f64)
    }

    fn send(&mut self, net: &mut Net, id: usize, due: Instant) {
        let (conn, nth) = (self.global(id), self.wires[id].nth);
        self.out.clear();
        self.client.request(conn, nth, &mut self.out);
        let wire = &mut self.wires[id];
        wire.due = due;
        if !net.send(id, &self.out) {
            self.lost();
        } else if !std::mem::replace(&mut self.wires[id].waits, true) {
            self.waiting += 1;
        }
    }

    fn lost(&mut self) {
        self.figures.closed += 1;
        self.open = self.open.saturating_sub(1);
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
    }

    fn connect(&mut self, net: &mut Net, now: Instant) {
        for _ in 0..CHUNK {
            let due = self.moment(self.cursor, self.shape.connect_within);
            if self.cursor >= self.wires.len() || due > now {
                break;
            }
            let id = self.cursor;
            self.cursor += 1;
            self.wires[id].due = due;
            let opens = self.client.opens(self.global(id));
            if net.connect(id, self.shape.address, opens).is_err() {
                self.failed += 1;
            }
        }
        if self.open + self.failed >= self.wires.len() {
            self.report(now);
        }
    }

    /// Hands the figures over and waits for the next order.
    fn report(&mut self, now: Instant) {
        self.effort.tick(now);
        self.figures.cpu_max_share = self.effort.busiest_since(self.start);
        let _ = self.tell.send(std::mem::replace(&mut self.figures, Figures::new()));
        self.stage = Stage::Idle;
    }

    fn begin(&mut self, order: Order) {
        self.start = order.start;
        self.cursor = 0;
        self.waiting = 0;
        self.pauses.clear();
        self.effort = Effort::begin(Instant::now());
        for wire in &mut self.wires {
            (wire.waits, wire.heard_shouts) = (false, 0);
        }
        if let Pace::Shout { times, .. } = order.pace {
            self.figures.shouts = vec![Shout::default(); times as usize];
        }
        self.stage = Stage::Running(order);
    }

    fn keep_pace(&mut self, net: &mut Net, order: &Order, now: Instant) {
        if now < self.start {
            return;
        }
        match order.pace {
            Pace::Closed { warm_up, run_for } => {
                let end = self.start + warm_up + run_for;
                if now < end {
                    self.send_some(net, |_| now, now);
                    while let Some(at) = self.pauses.iter().position(|(at, _)| *at <= now) {
                        let (_, id) = self.pauses.swap_remove(at);
                        self.send(net, id, now);
                    }
                } else if self.waiting == 0 || now > end + LAST_ANSWERS || self.open == 0 {
                    self.figures.unanswered = self.waiting as u64;
                    self.figures.counted_for = run_for;
                    self.report(now);
                }
            }
            Pace::Once { within, patience } => {
                let (start, threads, thread) = (self.start, self.threads, self.thread);
                let all = self.shape.connections.max(1) as f64;
                let moment = |id: usize| start + within.mul_f64((id * threads + thread) as f64 / all);
                self.send_some(net, moment, now);
                let sent = self.cursor >= self.wires.len();
                if (sent && self.waiting == 0 && self.pauses.is_empty()) || now > start + within + patience {
                    self.figures.unanswered = self.waiting as u64;
                    self.figures.counted_for = self.figures.last_answer;
                    self.report(now);
                }
            }
            Pace::Shout { times, every } => {
                let due = self.start + every * u32::try_from(self.cursor).unwrap_or(u32::MAX);
                if self.thread == 0 && self.cursor < times as usize && due <= now {
                    record(&mut self.figures.lag_us, now.saturating_duration_since(due));
                    let since = u64::try_from((now - self.start).as_nanos()).unwrap_or(u64::MAX);
                    // Release: whoever sees the shout sees its time.
                    order.shared.shouted_ns[self.cursor].store(since + 1, Ordering::Release);
                    self.cursor += 1;
                    self.send(net, 0, now);
                }
                if now > self.start + every * times {
                    self.report(now);
                }
            }
            Pace::Hold { hold_for } => {
                if now > self.start + hold_for {
                    self.report(now);
                }
            }
        }
    }

    fn send_some(&mut self, net: &mut Net, moment: impl Fn(usize) -> Instant, now: Instant) {
        for _ in 0..CHUNK {
            if self.cursor >= self.wires.len() {
                return;
            }
            let due = moment(self.cursor);
            if due > now {
                return;
            }
            record(&mut self.figures.lag_us, Instant::now().saturating_duration_since(due));
            self.cursor += 1;
            self.send(net, self.cursor - 1, due);
        }
    }

    fn heard(&mut self, net: &mut Net, id: usize, at: Instant, order: &Order, heard: Heard) {
        match heard {
            Heard::Answer(class) => {
                if !std::mem::replace(&mut self.wires[id].waits, false) {
                    return;
                }
                self.waiting -= 1;
                self.wires[id].nth += 1;
                let due = self.wires[id].due;
                let (counts, goes_on) = match order.pace {
                    Pace::Closed { warm_up, run_for } => {
                        let end = self.start + warm_up + run_for;
                        (at >= self.start + warm_up && at < end, at < end)
                    }
                    _ => (true, false),
                };
                if counts {
                    if let Some(count) = self.figures.answers.get_mut(class) {
                        *count += 1;
                    }
                    record(&mut self.figures.latency_us, at.saturating_duration_since(due));
                    self.figures.last_answer = at.saturating_duration_since(self.start);
                }
                if goes_on {
                    self.send(net, id, at);
                }
            }
            Heard::NotYet => {
                self.figures.not_yet += 1;
                let due = self.wires[id].due;
                self.send(net, id, due);
            }
            Heard::Refused(pause) => {
                self.figures.refused += 1;
                if std::mem::replace(&mut self.wires[id].waits, false) {
                    self.waiting -= 1;
                    self.wires[id].nth += 1;
                }
                if matches!(order.pace, Pace::Closed { .. }) {
                    self.pauses.push((at + pause, id));
                }
            }
            Heard::Board => {
                self.figures.boards += 1;
                self.heard_shout(id, at, order);
            }
            Heard::Other => {}
        }
    }

    /// A board frame after a shout is the one that the shout made; only the first on each connection counts.
    fn heard_shout(&mut self, id: usize, at: Instant, order: &Order) {
        // Acquire: pairs with the shout's release.
        let times = order.shared.shouted_ns.iter().map(|at| at.load(Ordering::Acquire));
        let shouted = times.take_while(|at| *at > 0).enumerate().last();
        let Some((last, since)) = shouted else { return };
        let number = u32::try_from(last + 1).unwrap_or(u32::MAX);
        if self.wires[id].heard_shouts >= number {
            return;
        }
        self.wires[id].heard_shouts = number;
        let lag = at.saturating_duration_since(self.start + Duration::from_nanos(since - 1));
        record(&mut self.figures.board_us, lag);
        let us = u64::try_from(lag.as_micros()).unwrap_or(u64::MAX);
        let shout = &mut self.figures.shouts[last];
        shout.first_us = if shout.heard == 0 { us } else { shout.first_us.min(us) };
        shout.heard += 1;
        shout.last_us = shout.last_us.max(us);
    }
}

impl<C: Client> Driver for Lane<C> {
    fn event(&mut self, net: &mut Net, id: usize, at: Instant, event: Event<'_>) {
        match event {
            Event::Open => {
                self.open += 1;
                self.shared.open.fetch_add(1, Ordering::Relaxed);
                record(&mut self.figures.latency_us, at.saturating_duration_since(self.wires[id].due));
            }
            Event::Closed(_) if matches!(self.stage, Stage::Connecting) && !net.is_open(id) => {
                self.failed += 1;
            }
            Event::Closed(_) => self.lost(),
            ref message => {
                let conn = self.global(id);
                let heard = self.client.judge(conn, message);
                if let Stage::Running(order) = &self.stage
                    && heard != Heard::Other
                {
                    // A handle and three words; the lane is changed meanwhile.
                    let order = order.clone();
                    self.heard(net, id, at, &order, heard);
                }
            }
        }
    }

    fn due(&mut self, net: &mut Net, now: Instant) {
        self.effort.tick(now);
        match &self.stage {
            Stage::Connecting => self.connect(net, now),
            Stage::Idle => {
                if let Ok(order) = self.orders.try_recv() {
                    self.begin(order);
                }
            }
            Stage::Running(order) => {
                let order = order.clone();
                self.keep_pace(net, &order, now);
            }
        }
    }

    fn next_due(&self) -> Option<Instant> {
        let Stage::Running(order) = &self.stage else {
            return (matches!(self.stage, Stage::Connecting) && self.cursor < self.wires.len())
                .then(|| self.moment(self.cursor, self.shape.connect_within));
        };
        let more = self.cursor < self.wires.len();
        match order.pace {
            Pace::Closed { .. } if more => Some(self.start),
            Pace::Closed { .. } => self.pauses.iter().map(|(at, _)| *at).min(),
            Pace::Once { within, .. } if more => Some(self.moment(self.cursor, within)),
            Pace::Shout { every, times } if self.thread == 0 && self.cursor < times as usize => {
                Some(self.start + every * u32::try_from(self.cursor).unwrap_or(u32::MAX))
            }
            _ => None,
        }
    }

    fn is_done(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed)
    }
}
