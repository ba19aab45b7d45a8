//! How late a loop is, and whom it turns away while it stays late.
//!
//! ```text
//!   readable ──► the loop's queue: every connection that has something to say, first come first served ──► looked at
//!                └──────────────── lateness: what a tap waits here ────────────────┘
//! ```
//!
//! A probe of the loop's own stands in the same queue, so what it comes too late by is what everybody waits. For requests
//! it is a timer ([`watch`]); the sockets of a loop wait in a queue of their own, and have a probe of their own. A full hall
//! that taps at one instant makes any loop late for a moment, and a moment later it has answered: that is what it is
//! for. A loop that stays late has more to do than its core can. Then some picks are told to come back, cheaply, and the
//! rest are answered.
//!
//! *Some*: a refusal is not free (the same system calls, the same head to read), so a loop that refused all that is late
//! would spend its core on refusing and answer nobody. Refusals are rationed, one for so many answers: most of its work
//! is answers, whatever arrives. Who is refused comes back after a second or two, and that is what shortens the queue.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use metrics::{Counter, Histogram};

use super::drain::Drain;
use super::problem::Problem;
use crate::limits::{
    ANSWERS_PER_REFUSAL, LATE, LATE_FOR, LATE_RETRY_MS_MAX, LATE_RETRY_MS_MIN, LATENESS_LOOK_PERIOD,
};
use crate::telemetry::names;

/// `late_since` of a loop that is not late, and `due` while no probe is under way.
const NEVER: u64 = u64::MAX;

/// One loop's lateness. Only its own loop writes and reads it, so relaxed atomics do: they are here because a task must
/// be able to move between threads, and this one never does.
pub struct Lateness {
    began: Instant,
    /// When the probe that is under way should come.
    due_us: AtomicU64,
    /// What it was late by when it came last.
    last_us: AtomicU64,
    /// Since when each of its comings was too late.
    late_since_us: AtomicU64,
    /// Answers since the last refusal.
    answered: AtomicU32,
    refused: AtomicU64,
    figures: Figures,
}

struct Figures {
    seconds: Histogram,
    refused: Counter,
}

impl Lateness {
    pub fn new(began: Instant) -> Self {
        Self {
            began,
            due_us: AtomicU64::new(NEVER),
            last_us: AtomicU64::new(0),
            late_since_us: AtomicU64::new(NEVER),
            answered: AtomicU32::new(0),
            refused: AtomicU64::new(0),
            figures: Figures {
                seconds: metrics::histogram!(names::LOOP_LATE_SECONDS),
                refused: metrics::counter!(names::LOOP_REFUSED),
            },
        }
    }

    fn since_start(&self, now: Instant) -> u64 {
        us(now.saturating_duration_since(self.began))
    }

    /// A probe is under way and should come at `due`.
    pub fn expect(&self, due: Instant) {
        self.due_us.store(self.since_start(due), Ordering::Relaxed);
    }

    /// The probe has come.
    pub fn look(&self, now: Instant) {
        let (now_us, due_us) = (self.since_start(now), self.due_us.swap(NEVER, Ordering::Relaxed));
        let late_us = now_us.saturating_sub(due_us);
        self.last_us.store(late_us, Ordering::Relaxed);
        if late_us <= us(LATE) {
            self.late_since_us.store(NEVER, Ordering::Relaxed);
        } else if self.late_since_us.load(Ordering::Relaxed) == NEVER {
            self.late_since_us.store(due_us, Ordering::Relaxed);
        }
        self.figures.seconds.record(Duration::from_micros(late_us).as_secs_f64());
    }

    /// No probe comes any more: what is answered from now on is not late by one that nobody waits for.
    fn rest(&self) {
        self.due_us.store(NEVER, Ordering::Relaxed);
        self.last_us.store(0, Ordering::Relaxed);
    }

    /// What a request that is looked at now has waited, as far as the probe tells: as long as when it came last, or as
    /// long as it is overdue.
    fn late_us(&self, now_us: u64) -> u64 {
        let overdue_us = now_us.saturating_sub(self.due_us.load(Ordering::Relaxed));
        self.last_us.load(Ordering::Relaxed).max(overdue_us)
    }

    /// Counts this request as one to answer, or says that it is to be refused.
    pub fn admit(&self, now: Instant) -> Result<(), Problem> {
        let now_us = self.since_start(now);
        let late_us = self.late_us(now_us);
        let since_us = self.late_since_us.load(Ordering::Relaxed).min(self.due_us.load(Ordering::Relaxed));
        let stays_late = late_us > us(LATE) && now_us.saturating_sub(since_us) > us(LATE_FOR);
        let answered = self.answered.load(Ordering::Relaxed);
        if !stays_late || answered < ANSWERS_PER_REFUSAL {
            self.answered.store(answered.saturating_add(1), Ordering::Relaxed);
            return Ok(());
        }
        self.answered.store(0, Ordering::Relaxed);
        let refused = self.refused.fetch_add(1, Ordering::Relaxed);
        self.figures.refused.increment(1);
        Err(Problem::slow_down(retry_ms(late_us, refused)))
    }
}

/// The later the loop, the longer the wait; and not all at the same moment.
fn retry_ms(late_us: u64, refused: u64) -> u64 {
    let window = LATE_RETRY_MS_MAX - LATE_RETRY_MS_MIN;
    let at_least = LATE_RETRY_MS_MIN + (late_us / 1_000).min(window / 2);
    // Steps of the golden ratio spread any run of numbers evenly over the window.
    at_least + refused.wrapping_mul(618_033_989) % 1_000_000_000 * (window / 2) / 1_000_000_000
}

fn us(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// The loop's timer: runs on the loop until the drain begins.
pub async fn watch(lateness: std::sync::Arc<Lateness>, drain: Drain) {
    let mut begun = std::pin::pin!(drain.begun());
    loop {
        lateness.expect(Instant::now() + LATENESS_LOOK_PERIOD);
        tokio::select! {
            biased;
            () = &mut begun => return lateness.rest(),
            () = tokio::time::sleep(LATENESS_LOOK_PERIOD) => lateness.look(Instant::now()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A loop of which the test says what each moment brings.
    struct Loop {
        lateness: Lateness,
        began: Instant,
    }

    impl Loop {
        fn new() -> Self {
            let began = Instant::now();
            let on = Self { lateness: Lateness::new(began), began };
            on.lateness.expect(began + LATENESS_LOOK_PERIOD);
            on
        }

        fn look(&self, at_ms: u32) {
            self.lateness.look(self.began + at_ms * MS);
            self.lateness.expect(self.began + at_ms * MS + LATENESS_LOOK_PERIOD);
        }

        /// How many of a thousand picks at this moment are refused.
        fn refused(&self, at_ms: u32) -> usize {
            (0..1_000).filter(|_| self.lateness.admit(self.began + at_ms * MS).is_err()).count()
        }
    }

    /// OP-41. Mutation that turned it red: no `LATE_FOR`, so that the last of a hall that taps at once is refused.
    #[test]
    fn a_burst_that_is_answered_in_a_moment_is_answered_whole() {
        let on = Loop::new();
        on.look(20);
        // Ten thousand taps at 30 ms; the timer, due at 40, comes after the last of them.
        for at_ms in (30..340).step_by(10) {
            assert_eq!(on.refused(at_ms), 0, "{at_ms}");
        }
        on.look(340);
        assert_eq!(on.refused(341), 0);
        on.look(361);
        assert_eq!(on.lateness.late_us(on.lateness.since_start(on.began + 362 * MS)), 1_000);
        // And one more a little later is a burst of its own.
        assert_eq!(on.refused(700), 0);
    }

    /// Mutation that turned it red: no `LATE_FOR`, so that it refuses as soon as it is late.
    #[test]
    fn a_loop_that_stays_late_refuses_some_and_answers_most_and_then_all() {
        let on = Loop::new();
        on.look(20);
        let due_ms = 40;
        let (late_ms, late_for_ms) = (LATE.as_millis() as u32, LATE_FOR.as_millis() as u32);
        assert_eq!(on.refused(due_ms + late_for_ms), 0);
        let rationed = 1_000 / (ANSWERS_PER_REFUSAL as usize + 1);
        let refused = on.refused(due_ms + late_for_ms + 1);
        assert!(refused.abs_diff(rationed) <= 1, "{refused} of 1000, the timer still overdue");
        // The timer comes, and comes too late again: between the two the loop is as late as it was.
        on.look(due_ms + late_for_ms + 2);
        assert!(on.refused(due_ms + late_for_ms + 3).abs_diff(rationed) <= 1);
        let next_due_ms = due_ms + late_for_ms + 2 + 20;
        on.look(next_due_ms + late_ms + 1);
        assert!(on.refused(next_due_ms + late_ms + 2).abs_diff(rationed) <= 1);
        // In time once: it has caught up.
        on.look(next_due_ms + late_ms + 30);
        assert_eq!(on.refused(next_due_ms + late_ms + 31), 0);
    }

    #[test]
    fn whoever_is_refused_is_told_when_to_come_back_and_not_all_at_once() {
        let on = Loop::new();
        let late_ms = 20 + LATE_FOR.as_millis() as u32 + 1;
        let mut times = Vec::new();
        for _ in 0..100 * (ANSWERS_PER_REFUSAL + 1) {
            if let Err(problem) = on.lateness.admit(on.began + late_ms * MS) {
                assert_eq!(problem.code, super::super::Code::SlowDown);
                times.push(problem.params["retry_after_ms"].as_u64().unwrap());
            }
        }
        assert_eq!(times.len(), 100);
        assert!(times.iter().all(|ms| (LATE_RETRY_MS_MIN..=LATE_RETRY_MS_MAX).contains(ms)), "{times:?}");
        let spread = times.iter().max().unwrap() - times.iter().min().unwrap();
        assert!(spread > (LATE_RETRY_MS_MAX - LATE_RETRY_MS_MIN) / 3, "{times:?}");
        assert!(retry_ms(5_000_000, 0) > retry_ms(300_000, 0), "later loops are given more time");
    }

    /// Mutation that turned it red: a probe that has come still counted as under way.
    #[test]
    fn a_loop_that_was_not_probed_for_a_while_is_not_late() {
        let on = Loop::new();
        on.lateness.look(on.began + 20 * MS);
        assert_eq!(on.refused(5_000), 0);
    }

    /// Seen red: the drain only leaving, with its probe under way for ever.
    #[tokio::test]
    async fn a_drain_makes_nobody_late() {
        let began = Instant::now();
        let lateness = std::sync::Arc::new(Lateness::new(began));
        let drain = Drain::default();
        let watching = tokio::spawn(watch(std::sync::Arc::clone(&lateness), drain.clone()));
        tokio::task::yield_now().await;
        drain.begin();
        watching.await.unwrap();
        assert_eq!(lateness.late_us(lateness.since_start(began + 5_000 * MS)), 0);
    }

    /// The timer stands in the queue behind everybody else's work.
    #[tokio::test]
    async fn the_timer_tells_what_the_loop_was_busy_with() {
        let began = Instant::now();
        let lateness = std::sync::Arc::new(Lateness::new(began));
        let drain = Drain::default();
        let watching = tokio::spawn(watch(std::sync::Arc::clone(&lateness), drain.clone()));
        tokio::time::sleep(LATENESS_LOOK_PERIOD / 2).await;
        let busy = LATENESS_LOOK_PERIOD * 4;
        while began.elapsed() < busy {
            std::hint::spin_loop();
        }
        tokio::time::sleep(LATENESS_LOOK_PERIOD / 2).await;
        let seen_us = lateness.last_us.load(Ordering::Relaxed);
        assert!(seen_us >= us(LATENESS_LOOK_PERIOD * 2), "{seen_us} µs");
        drain.begin();
        tokio::time::timeout(Duration::from_secs(5), watching).await.unwrap().unwrap();
    }
}
