//! Time is an argument everywhere below the doors. [`Clock`] is the one source, and tests inject it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde::{Deserialize, Serialize};

/// Microseconds: since the Unix epoch (UTC) for a moment, since boot for a monotonic reading.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, sqlx::Type,
)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct Micros(pub i64);

impl Micros {
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms.saturating_mul(1_000))
    }

    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Whole milliseconds, as the wire carries them.
    pub const fn ms(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    pub const fn plus(self, span: Micros) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// The span from `earlier` to here; negative if `earlier` is later.
    pub const fn since(self, earlier: Micros) -> Micros {
        Micros(self.0.saturating_sub(earlier.0))
    }
}

/// Reads wall time and monotonic time. Cheap to clone.
#[derive(Clone)]
pub struct Clock(Arc<Source>);

enum Source {
    /// The machine's clocks. Its wall may be stepped by a test, as an operator or a time service would.
    System { stepped: AtomicI64 },
    /// Runs with tokio's clock, so that the simulator's paused runtime moves it; the wall may be stepped.
    Virtual { origin: tokio::time::Instant, wall_at_origin: AtomicI64 },
}

impl Clock {
    pub fn system() -> Self {
        Self(Arc::new(Source::System { stepped: AtomicI64::new(0) }))
    }

    /// A clock that reads `wall` now and moves with tokio's (possibly paused) time.
    pub fn virtual_at(wall: Micros) -> Self {
        Self(Arc::new(Source::Virtual {
            origin: tokio::time::Instant::now(),
            wall_at_origin: AtomicI64::new(wall.0),
        }))
    }

    /// Time since boot, suspended time included; never steps.
    pub fn mono(&self) -> Micros {
        match &*self.0 {
            Source::System { .. } => {
                let t = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
                Micros(t.tv_sec.saturating_mul(1_000_000).saturating_add(t.tv_nsec / 1_000))
            }
            Source::Virtual { origin, .. } => {
                Micros(i64::try_from(origin.elapsed().as_micros()).unwrap_or(i64::MAX))
            }
        }
    }

    /// Wall time: may step, so it only anchors; see `opening::clock`.
    pub fn wall(&self) -> Micros {
        match &*self.0 {
            Source::System { stepped } => {
                let t = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
                Micros(t.tv_sec.saturating_mul(1_000_000).saturating_add(t.tv_nsec / 1_000))
                    .plus(Micros(stepped.load(Ordering::Relaxed)))
            }
            Source::Virtual { wall_at_origin, .. } => {
                Micros(wall_at_origin.load(Ordering::Relaxed)).plus(self.mono())
            }
        }
    }

    /// Steps the wall. Only tests do; the monotonic reading stays as it is.
    pub fn step_wall(&self, by: Micros) {
        let (Source::System { stepped } | Source::Virtual { wall_at_origin: stepped, .. }) = &*self.0;
        stepped.fetch_add(by.0, Ordering::Relaxed);
    }
}
