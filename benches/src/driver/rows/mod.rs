//! One file for what is measured together; a row of the list below may give several lines of the table.

pub mod cluster;
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
use super::table::{Line, Part};
use crate::failure::Outcome;

pub struct Row {
    pub name: &'static str,
    pub about: &'static str,
    pub part: Part,
    pub measure: fn(&mut Bench) -> Outcome<Vec<Line>>,
}

pub const ROWS: &[Row] = &[
    Row {
        name: "inventory",
        about: "10,000 skewed picks over 1,000 units in memory, beside bare atomics and maps",
        part: Part::Single,
        measure: inventory::measure,
    },
    Row {
        name: "http",
        about: "picks a second over HTTP, beside a bare endpoint, Redis and Postgres",
        part: Part::Single,
        measure: http::measure,
    },
    Row {
        name: "websocket",
        about: "picks a second over 512 WebSockets, beside the reference",
        part: Part::Single,
        measure: websocket::measure,
    },
    Row {
        name: "hall",
        about: "10,000 WebSockets: one change, a burst, one instant, a sell-out, beside the reference",
        part: Part::Single,
        measure: hall::measure,
    },
    Row {
        name: "idle",
        about: "10,000 connects in a second, memory of who waits, ten rounds",
        part: Part::Single,
        measure: idle::measure,
    },
    Row {
        name: "stalled",
        about: "1,000 readers that do not read: what they cost the others",
        part: Part::Single,
        measure: stalled::measure,
    },
    Row {
        name: "overload",
        about: "three times the capacity of a server on one core",
        part: Part::Single,
        measure: overload::measure,
    },
    Row {
        name: "growth",
        about: "cost of a connection from 1,000 to 19,000 of them",
        part: Part::Single,
        measure: growth::measure,
    },
    Row {
        name: "recovery",
        about: "start with 1,000,000 journal entries",
        part: Part::Single,
        measure: recovery::measure,
    },
    Row {
        name: "import",
        about: "10,000 units and 100,000 registrations, beside calamine alone",
        part: Part::Single,
        measure: import::measure,
    },
    Row {
        name: "losers",
        about: "losers refused a second over 512 WebSockets, two gateways beside one",
        part: Part::Cluster,
        measure: cluster::losers::measure,
    },
    Row {
        name: "gates",
        about: "10,000 WebSockets at two gateways: picks through three gates, calls of Redis, rows a transaction",
        part: Part::Cluster,
        measure: cluster::gates::measure,
    },
    Row {
        name: "cluster-picks",
        about: "picks a second over HTTP at two gateways, beside a service on the same Redis, and one on the same Postgres",
        part: Part::Cluster,
        measure: cluster::picks::measure,
    },
    Row {
        name: "rebuild",
        about: "Redis loaded anew: 10,000 units, 100,000 registrations",
        part: Part::Cluster,
        measure: cluster::rebuild::measure,
    },
];
