//! The one place that names the atomics, so that a model checker can take their place.
//!
//! An ordinary build gets the standard library's. Under `--cfg loom` the same names are loom's, and every
//! load, store and exchange of this crate becomes a point at which loom tries each other thread, and each
//! older value that the orderings permit a load to see. The code above does not know which it has.
//!
//! [`FIRST_SCALE`] is here for the same reason: loom keeps a history per atomic, so a modelled inventory
//! has segments of one, two and four words where a real one starts with hundreds.

pub(crate) use std::sync::atomic::Ordering;

#[cfg(not(loom))]
mod chosen {
    pub(crate) use std::sync::OnceLock;
    pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64};
}

#[cfg(loom)]
mod chosen {
    pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64};

    use loom::sync::Mutex;
    use loom::sync::atomic::{AtomicBool, Ordering};

    /// Loom has no `OnceLock`. This twin keeps the value in a real one and models what matters here: *when*
    /// it becomes visible. A reader may still see an empty cell after the value was set, unless something
    /// it acquired says otherwise: which is just what the segment tests are to find out.
    pub(crate) struct OnceLock<T> {
        value: std::sync::OnceLock<T>,
        visible: AtomicBool,
        writer: Mutex<()>,
    }

    impl<T> OnceLock<T> {
        pub(crate) fn new() -> Self {
            Self {
                value: std::sync::OnceLock::new(),
                visible: AtomicBool::new(false),
                writer: Mutex::new(()),
            }
        }

        pub(crate) fn get(&self) -> Option<&T> {
            // Acquire, like std's: whoever sees the value sees what its writer did before.
            if self.visible.load(Ordering::Acquire) { self.value.get() } else { None }
        }

        pub(crate) fn set(&self, value: T) -> Result<(), T> {
            // As in std, the loser of two writers returns only when the winner's value is there.
            let _writer = self.writer.lock();
            let set = self.value.set(value);
            if set.is_ok() {
                self.visible.store(true, Ordering::Release);
            }
            set
        }
    }
}

pub(crate) use chosen::{AtomicU32, AtomicU64, OnceLock};

/// Shifts the size of every first segment down to a model checker's patience (see above).
pub(crate) const FIRST_SCALE: u32 = if cfg!(loom) { 1 } else { 256 };
