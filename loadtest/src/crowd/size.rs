//! How many simulated buyers this machine can carry, with the server on the same machine.

/// Fewer do not look like an opening.
const BUYERS_MIN: usize = 300;
/// More would measure the generator instead of the server on any machine that is also a desk.
const BUYERS_MAX: usize = 2_000;
/// One core carries about this many buyers and the server's side of them without either starving.
const BUYERS_PER_CORE: usize = 250;
/// A buyer holds a socket here and, at sign-in, a second one.
const FILES_PER_BUYER: usize = 2;
/// Standard streams, the record, the runtime's own, the cashier's connections.
const FILES_OTHER: usize = 128;

/// Buyers by cores and by the limit on open files, never more than there are people.
pub fn buyers(cores: usize, files_max: usize, people: usize) -> usize {
    let by_cores = cores.saturating_mul(BUYERS_PER_CORE).clamp(BUYERS_MIN, BUYERS_MAX);
    let by_files = files_max.saturating_sub(FILES_OTHER) / FILES_PER_BUYER;
    by_cores.min(by_files).min(people)
}

/// What [`buyers`] gives here, after raising the soft limit on open files to the hard one (macOS starts at 256).
pub fn buyers_here(people: usize) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let before = getrlimit(Resource::Nofile);
    // An infinite hard limit is refused by some kernels for this resource; then the soft limit stays as it is.
    let raised = setrlimit(Resource::Nofile, Rlimit { current: before.maximum, maximum: before.maximum });
    let limit = if raised.is_ok() { getrlimit(Resource::Nofile) } else { before };
    let files = limit.current.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    buyers(cores, files, people)
}

#[cfg(test)]
mod tests {
    use super::buyers;

    #[test]
    fn sized_by_cores_files_and_roster() {
        assert_eq!(buyers(1, 20_000, 10_000), 300, "never a handful");
        assert_eq!(buyers(4, 20_000, 10_000), 1_000);
        assert_eq!(buyers(64, 1_000_000, 10_000), 2_000, "never the whole roster");
        assert_eq!(buyers(4, 256, 10_000), 64, "a Mac's soft limit");
        assert_eq!(buyers(4, 20_000, 12), 12);
    }
}
