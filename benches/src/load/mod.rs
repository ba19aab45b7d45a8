//! One core's worth of buyers. `kaipan-bench load` is started by the driver, once for each core of the load's half; it
//! reads commands, one line of JSON each, serves its connections between them (pings are answered, boards are kept), and
//! answers each command with one line.
//!
//! ```text
//!  driver ── connect 5,000 ──►  worker            the raw clients of kaipan-loadtest, one thread, epoll
//!         ◄── connected ─────
//!         ── scheduled, start at T ──►            taps leave at their intended moments
//!         ◄── answers, latencies ────             latencies lie in a file, four bytes a tap
//! ```

mod closed;
mod command;
mod links;
mod schedule;
mod taps;
mod worker;

pub use command::{Boards, Command, Place, Reply, Spread, Transport, Wave};

use std::io::{self, BufRead, Write};
use std::sync::mpsc;

use kaipan_loadtest::raw::{Net, drive};

use crate::failure::{Outcome, While};
use worker::Worker;

/// Serves commands until standard input ends.
pub fn serve() -> Outcome<()> {
    let (commands, received) = mpsc::channel();
    std::thread::Builder::new()
        .name("commands".to_owned())
        .spawn(move || {
            for line in io::stdin().lock().lines() {
                let Ok(line) = line else { break };
                let command = serde_json::from_str::<Command>(&line).during("reading a command");
                if commands.send(command).is_err() {
                    return;
                }
            }
            // The driver is gone, however it ended.
            std::process::exit(0);
        })
        .during("a thread")?;
    let mut net = Net::new().during("epoll")?;
    let mut worker = Worker::new(received, Box::new(tell));
    drive(&mut net, &mut worker).during("serving connections")?;
    Ok(())
}

fn tell(reply: &Reply) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, reply)?;
    out.write_all(b"\n")?;
    out.flush()
}
