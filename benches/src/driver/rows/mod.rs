//! One file for what is measured together; a row of the list below may give several lines of the table.

mod growth;
pub mod hall;
pub mod http;
mod idle;
mod import;
mod inventory;
mod overload;
mod recovery;
mod stalled;
mod websocket;

use super::bench::Bench;
use super::table::Line;
use crate::failure::Outcome;

pub struct Row {
    pub name: &'static str,
    pub about: &'static str,
    pub measure: fn(&mut Bench) -> Outcome<Vec<Line>>,
}

pub const ROWS: &[Row] = &[
    Row {
        name: "inventory",
        about: "10,000 skewed picks over 1,000 units in memory, beside bare atomics and maps",
        measure: inventory::measure,
    },
    Row {
        name: "http",
        about: "picks a second over HTTP, beside a bare endpoint, Redis and Postgres",
        measure: http::measure,
    },
    Row {
        name: "websocket",
        about: "picks a second over 512 WebSockets, beside the reference",
        measure: websocket::measure,
    },
    Row {
        name: "hall",
        about: "10,000 WebSockets: one change, a burst, one instant, a sell-out, beside the reference",
        measure: hall::measure,
    },
    Row {
        name: "idle",
        about: "10,000 connects in a second, memory of who waits, ten rounds",
        measure: idle::measure,
    },
    Row {
        name: "stalled",
        about: "1,000 readers that do not read: what they cost the others",
        measure: stalled::measure,
    },
    Row {
        name: "overload",
        about: "three times the capacity of a server on one core",
        measure: overload::measure,
    },
    Row {
        name: "growth",
        about: "cost of a connection from 1,000 to 19,000 of them",
        measure: growth::measure,
    },
    Row { name: "recovery", about: "start with 1,000,000 journal entries", measure: recovery::measure },
    Row {
        name: "import",
        about: "10,000 units and 100,000 registrations, beside calamine alone",
        measure: import::measure,
    },
];
