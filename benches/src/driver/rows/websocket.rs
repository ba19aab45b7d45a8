//! Picks a second over 512 WebSockets in a closed loop, 94 of 100 losing; both sides tell every socket what changed,
//! twenty times a second.

use crate::driver::bench::{Bench, Kind};
use crate::driver::rows::http::{Rate, once};
use crate::driver::table::Line;
use crate::failure::Outcome;
use crate::load::Transport;
use crate::stats::{Bound, number};

const CONNECTIONS: u32 = 512;

pub fn measure(bench: &mut Bench) -> Outcome<Vec<Line>> {
    let (mut ours, mut theirs) = (Rate::default(), Rate::default());
    for _ in 0..bench.runs {
        ours.push(&once(bench, Kind::Kaipan, Transport::WebSocket, CONNECTIONS)?);
        theirs.push(&once(bench, Kind::Reference, Transport::WebSocket, CONNECTIONS)?);
    }
    let peer = Kind::Reference.name();
    let load = format!(
        "load's busiest core {} %, with the reference {} %",
        number(ours.busy.median() * 100.0),
        number(theirs.busy.median() * 100.0)
    );
    let what = |figure| format!("WebSocket, 512 connections: {figure}");
    let picks = Line::beside(what("picks"), ours.per_second, peer, theirs.per_second, Bound::AtLeast(0.8));
    Ok(vec![picks.note(load), Line::told(what("p99"), ours.p99, peer, theirs.p99)])
}
