//! What each gateway says of itself, and what is wrong with it.
//!
//! ```text
//!   each process ──once a second──► its row in `gateway` ──► read by anybody ──► judged: what is wrong, and what that does
//! ```
//!
//! A gateway that can not speak is seen by its silence, so a look needs the database and nobody's help. The words for
//! people stand with the command line and the pages; here are values and stable codes. No personal data passes through.

mod judge;
mod redis;
mod report;
mod rows;
#[cfg(test)]
mod tests;
mod trouble;

pub use judge::{is_well, judge};
pub use report::{
    Clock, Gate2, Gate2State, OpeningReport, REPORT_VERSION, RedisReport, Report, SentinelsReport,
};
pub use rows::{Gateway, OpeningHead, Said, Seen, Standing, State, forget_old, look, say};
pub use trouble::{Found, Severity, Trouble};
