//! The one place that names the atomics, so that a model checker can take their place.
//!
//! An ordinary build gets the standard library's. Under `--cfg loom` the same names are loom's, and every
//! load and exchange of this crate becomes a point at which loom tries each other thread, and each older
//! value that the orderings permit a load to see. The code above does not know which it has.
//!
//! [`FIRST_SCALE`] is here for the same reason: loom keeps a history per atomic, so a modelled inventory
//! has segments of one, two and four words where a real one starts with hundreds.

pub(crate) use std::sync::atomic::Ordering;

#[cfg(not(loom))]
pub(crate) use std::sync::{
    OnceLock,
    atomic::{AtomicU32, AtomicU64},
};

#[cfg(loom)]
pub(crate) use modelled::{AtomicU32, AtomicU64, OnceLock};

/// Shifts the size of every first segment down to a model checker's patience (see above).
pub(crate) const FIRST_SCALE: u32 = if cfg!(loom) { 1 } else { 256 };

#[cfg(loom)]
mod modelled {
    use loom::sync::Mutex;
    use loom::sync::atomic::{self, Ordering};

    /// Threads of a model, the main one included. Few, because each costs a companion to every word.
    const THREADS: usize = 3;

    /// loom 0.7 looks for a race with the *last* access to an atomic, where it would have to remember the
    /// last one of each thread. A thread that loads a word and then exchanges it finds its own load there,
    /// sees no race, and the order in which another thread's load came in between is never tried
    /// (tokio-rs/loom #166, #392). "Load before exchange" is what this crate does everywhere. Four of the
    /// mutations that `loom_tests.rs` names went unnoticed: a Relaxed first load in `QuotaCell::take`, and
    /// all that can be done wrong about the length of a growing array.
    ///
    /// So each word gets one companion for each thread. A load changes its own thread's, a change of the
    /// word loads the other threads': a change then always finds the other threads' loads, while two loads
    /// are still no race and two changes still only one. Companions are Relaxed atomics of their own: they
    /// order nothing between words and add no value that a load of the word could see.
    #[derive(Default)]
    struct Companions([atomic::AtomicBool; THREADS]);

    impl Companions {
        fn before_load(&self) {
            if let Some(own) = self.0.get(own_number()) {
                own.swap(true, Ordering::Relaxed);
            }
        }

        fn before_change(&self) {
            for (thread, other) in self.0.iter().enumerate() {
                if thread != own_number() {
                    other.load(Ordering::Relaxed);
                }
            }
        }
    }

    /// loom's ThreadId tells its number in its Debug form and nowhere else.
    fn own_number() -> usize {
        let id = format!("{:?}", loom::thread::current().id());
        let number = id.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(THREADS);
        assert!(number < THREADS, "a model of more than {THREADS} threads, or an id of another form: {id}");
        number
    }

    macro_rules! with_companions {
        ($name:ident, $int:ty) => {
            #[derive(Default)]
            pub(crate) struct $name {
                word: atomic::$name,
                companions: Companions,
            }

            #[allow(dead_code, reason = "not every width uses every operation")]
            impl $name {
                pub(crate) fn new(value: $int) -> Self {
                    Self { word: atomic::$name::new(value), companions: Companions::default() }
                }

                pub(crate) fn load(&self, order: Ordering) -> $int {
                    self.companions.before_load();
                    self.word.load(order)
                }

                pub(crate) fn fetch_max(&self, value: $int, order: Ordering) -> $int {
                    self.companions.before_change();
                    self.word.fetch_max(value, order)
                }

                pub(crate) fn compare_exchange(
                    &self,
                    seen: $int,
                    new: $int,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$int, $int> {
                    self.companions.before_change();
                    self.word.compare_exchange(seen, new, success, failure)
                }

                pub(crate) fn compare_exchange_weak(
                    &self,
                    seen: $int,
                    new: $int,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$int, $int> {
                    self.companions.before_change();
                    self.word.compare_exchange_weak(seen, new, success, failure)
                }
            }
        };
    }

    with_companions!(AtomicU32, u32);
    with_companions!(AtomicU64, u64);

    /// Loom has no `OnceLock`. This twin keeps the value in a real one and models what matters here: *when*
    /// it becomes visible. A reader may still see an empty cell after the value was set, unless something
    /// it acquired says otherwise: which is just what the segment tests are to find out.
    pub(crate) struct OnceLock<T> {
        value: std::sync::OnceLock<T>,
        visible: AtomicU32,
        writer: Mutex<()>,
    }

    impl<T> OnceLock<T> {
        pub(crate) fn new() -> Self {
            Self { value: std::sync::OnceLock::new(), visible: AtomicU32::new(0), writer: Mutex::new(()) }
        }

        pub(crate) fn get(&self) -> Option<&T> {
            // Acquire, like std's: whoever sees the value sees what its writer did before.
            if self.visible.load(Ordering::Acquire) == 1 { self.value.get() } else { None }
        }

        pub(crate) fn set(&self, value: T) -> Result<(), T> {
            // As in std, the loser of two writers returns only when the winner's value is there.
            let _writer = self.writer.lock();
            let set = self.value.set(value);
            if set.is_ok() {
                self.visible.fetch_max(1, Ordering::Release);
            }
            set
        }
    }
}
