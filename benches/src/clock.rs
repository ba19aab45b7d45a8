//! The kernel's monotonic clock in nanoseconds. Every process of this machine reads the same one, so that the driver
//! can say "at this moment" to several load processes, and their stamps can be compared.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    seconds * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or_default()
}

/// Unix time in milliseconds, for what the server is told about its opening.
pub fn wall_ms() -> i64 {
    let now = clock_gettime(ClockId::Realtime);
    now.tv_sec.saturating_mul(1_000).saturating_add(now.tv_nsec / 1_000_000)
}

#[allow(clippy::disallowed_methods, reason = "the driver has no event loop that a pause could stop")]
pub fn pause(length: Duration) {
    std::thread::sleep(length);
}

/// Looks every few milliseconds until `look` has seen it; `None` when it has not for this long.
pub fn wait_for<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let until_ns = now_ns() + u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX);
    loop {
        if let Some(seen) = look() {
            return Some(seen);
        }
        if now_ns() > until_ns {
            return None;
        }
        pause(Duration::from_millis(5));
    }
}

/// `20261121-220500`, in UTC: the name of a folder.
pub fn stamp() -> String {
    jiff::Timestamp::from_millisecond(wall_ms()).unwrap_or_default().strftime("%Y%m%d-%H%M%S").to_string()
}
