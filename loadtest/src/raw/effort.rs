//! What a thread of the generator did with its time: its own CPU time, without the turns it spun on purpose.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// A second is long enough that one burst of work does not look like a busy thread.
const WINDOW: Duration = Duration::from_secs(1);

/// One thread's account.
#[derive(Debug, Clone)]
pub struct Effort {
    window_from: Instant,
    window_cpu: Duration,
    spun: Duration,
    /// Shares of whole windows, 0 to 1, in order. A day of them is 86,400.
    pub shares: Vec<(Instant, f64)>,
}

impl Effort {
    pub fn begin(now: Instant) -> Self {
        Self { window_from: now, window_cpu: thread_cpu(), spun: Duration::ZERO, shares: Vec::new() }
    }

    /// A turn that found nothing to do and waited without sleeping, because something was due within a millisecond.
    pub fn spun(&mut self, turn: Duration) {
        self.spun += turn;
    }

    /// Closes the window if it is over. Call once a turn.
    pub fn tick(&mut self, now: Instant) {
        let took = now.saturating_duration_since(self.window_from);
        if took < WINDOW {
            return;
        }
        let cpu = thread_cpu();
        let busy = cpu.saturating_sub(self.window_cpu).saturating_sub(self.spun);
        self.shares.push((self.window_from, (busy.as_secs_f64() / took.as_secs_f64()).min(1.0)));
        (self.window_from, self.window_cpu, self.spun) = (now, cpu, Duration::ZERO);
    }

    /// The busiest window that began at or after `from`.
    pub fn busiest_since(&self, from: Instant) -> f64 {
        self.shares.iter().filter(|(at, _)| *at + WINDOW > from).map(|(_, share)| *share).fold(0.0, f64::max)
    }
}

/// CPU time of the calling thread.
pub fn thread_cpu() -> Duration {
    let t = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(t.tv_sec).unwrap_or(0), u32::try_from(t.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seen red when spun time was not taken off: a thread that waits for a moment is not a busy one.
    #[test]
    fn waiting_on_purpose_is_not_work() {
        let from = Instant::now();
        let begun = Effort::begin(from);
        // By its own CPU time: a busy machine gives a test little of a second.
        while thread_cpu().saturating_sub(begun.window_cpu) < Duration::from_millis(30) {
            std::hint::spin_loop();
        }
        let share = |spun: Duration| {
            let mut effort = begun.clone();
            effort.spun(spun);
            effort.tick(from + Duration::from_millis(500));
            assert!(effort.shares.is_empty(), "the window is still open");
            effort.tick(from + Duration::from_secs(1));
            effort.busiest_since(from)
        };
        assert!(share(Duration::ZERO) >= 0.03);
        assert!(share(Duration::from_secs(1)) < 0.001);
    }
}
