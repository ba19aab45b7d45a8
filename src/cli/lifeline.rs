//! A supervisor's children must not outlive it, however it ends. It holds the other end of our standard input; when
//! that pipe closes, we leave.

use std::io::{self, Read};
use std::thread;
use std::time::Duration;

/// A server that drains is given this long before it is ended all the same.
const DRAIN_PATIENCE: Duration = Duration::from_secs(15);

/// Watches standard input on a thread of its own: a blocked read must not hold any runtime's thread.
pub fn follow() {
    thread::spawn(|| {
        let mut sink = [0; 64];
        while io::stdin().lock().read(&mut sink).is_ok_and(|bytes| bytes > 0) {}
        // The same way out as Ctrl-C, so that what is under way is finished.
        let asked = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM);
        if asked.is_ok() {
            thread::park_timeout(DRAIN_PATIENCE);
        }
        std::process::exit(0);
    });
}
