//! The look as people read it: a table each for gateways, Redis and openings, and under a line what is wrong there.

use std::io;

use super::words::{distance, offset, sentence, span};
use crate::cli::desk::say;
use crate::status::{
    Found, Gate2State, Gateway, OpeningHead, OpeningReport, RedisReport, Seen, Severity, Standing, State,
};
use crate::store::{DatabaseHealth, DatabaseKind, Standby};

/// What is not known, or not so any more.
const NONE: &str = "-";

pub fn print(seen: &Seen, found: &[Found]) -> io::Result<()> {
    let all = |found: &&Found| found.gateway.is_none() && found.redis.is_none();
    troubles(found.iter().filter(all), "")?;
    gateways(seen, found)?;
    say("")?;
    say(&database(&seen.database))?;
    redis(seen, found)?;
    // A rehearsal with which nothing is wrong is nobody's concern; --json has all.
    let wrong =
        |head: &OpeningHead| found.iter().any(|found| found.opening.as_deref() == Some(head.id.as_str()));
    let (told, folded): (Vec<_>, Vec<_>) =
        seen.openings.iter().partition(|head| !head.rehearsal || wrong(head));
    for head in told {
        opening(seen, head, found)?;
    }
    say("")?;
    match folded.len() {
        0 => {}
        1 => say("One rehearsal, with which nothing is wrong.")?,
        n => say(&format!("{n} rehearsals, with which nothing is wrong."))?,
    }
    let act = found.iter().filter(|found| found.trouble.severity() == Severity::Act).count();
    match act {
        0 => say("All is well."),
        1 => say("One thing needs somebody to look (marked !)."),
        n => say(&format!("{n} things need somebody to look (marked !).")),
    }
}

fn troubles<'f>(found: impl Iterator<Item = &'f Found>, indent: &str) -> io::Result<()> {
    for found in found {
        let mark = if found.trouble.severity() == Severity::Act { "!" } else { "·" };
        say(&format!("{indent}{mark} {}", sentence(&found.trouble)))?;
    }
    Ok(())
}

fn gateways(seen: &Seen, found: &[Found]) -> io::Result<()> {
    if seen.gateways.is_empty() {
        return say("No gateway has ever run here, or none within the last day.");
    }
    let mut table = Table::new(&[
        "GATEWAY",
        "STATE",
        "FOR",
        "VERSION",
        "BUYERS",
        "STAFF",
        "CONNECTED",
        "CLOCK",
        "DATABASE",
        "POOL",
    ]);
    for gateway in &seen.gateways {
        table.row(gateway_cells(seen, gateway));
    }
    let about = |gateway: &Gateway| {
        let id = gateway.id.clone();
        found
            .iter()
            .filter(move |f| f.gateway.as_ref() == Some(&id) && f.opening.is_none() && f.redis.is_none())
    };
    table.print(|at| seen.gateways.get(at).map_or(Ok(()), |gateway| troubles(about(gateway), "  ")))
}

fn gateway_cells(seen: &Seen, gateway: &Gateway) -> Vec<String> {
    let standing = gateway.standing(seen.now);
    let since = match standing {
        Standing::Is(State::Gone) | Standing::Silent => gateway.seen_at,
        Standing::Is(_) => gateway.started_at,
    };
    let mut cells = vec![
        gateway.name.clone(),
        standing.as_str().to_owned(),
        span(seen.now.since(since).ms()),
        gateway.version.clone(),
        gateway.buyers_door.clone(),
        gateway.staff_door.clone(),
    ];
    // What a process said before it ended is past.
    let report = gateway.report.as_ref().filter(|_| standing.is_alive());
    let told = report.map(|report| {
        let pool = report.database.pool;
        [
            report.connected.to_string(),
            report.clock.offset_us.map_or_else(none, offset),
            report.database.round_trip_us.map_or_else(none, distance),
            format!("{}/{}", pool.in_use, pool.max),
        ]
    });
    cells.extend(told.unwrap_or_else(|| [none(), none(), none(), none()]));
    cells
}

fn none() -> String {
    NONE.to_owned()
}

fn database(health: &DatabaseHealth) -> String {
    if health.kind == DatabaseKind::Sqlite {
        return "DATABASE  SQLite: one server, in its data folder".to_owned();
    }
    let version = health.server_version.as_deref().unwrap_or(NONE);
    let away = health.round_trip_us.map_or_else(none, distance);
    let standby = match health.standby {
        Standby::None => "no synchronous standby".to_owned(),
        Standby::Present => {
            format!("synchronous standby: {}", health.standby_names.as_deref().unwrap_or(NONE))
        }
        Standby::Missing => "the synchronous standby is missing".to_owned(),
        Standby::Hidden => {
            "a synchronous standby is asked for; this user may not see whether it is there".to_owned()
        }
    };
    format!("DATABASE  Postgres {version}, {away} away; {standby}")
}

/// Each Redis at every gateway, and under its last row what is wrong with it.
fn redis(seen: &Seen, found: &[Found]) -> io::Result<()> {
    let alive = || seen.gateways.iter().filter(|gateway| gateway.standing(seen.now).is_alive());
    let each = || {
        alive().flat_map(|gateway| {
            gateway.report.iter().flat_map(|report| &report.redis).map(move |r| (gateway, r))
        })
    };
    let mut addresses: Vec<&String> = Vec::new();
    for (_, redis) in each() {
        if !addresses.contains(&&redis.address) {
            addresses.push(&redis.address);
        }
    }
    if addresses.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&[
        "REDIS",
        "AT",
        "STATE",
        "FOR",
        "MASTER",
        "REPLICAS",
        "SENTINELS",
        "AWAY",
        "EVICTION",
        "SERVER",
    ]);
    // Which address ends with a row.
    let mut last = Vec::new();
    for address in addresses {
        for (gateway, redis) in each().filter(|(_, redis)| &redis.address == address) {
            table.row(redis_cells(gateway, redis));
            last.push(None);
        }
        if let Some(row) = last.last_mut() {
            *row = Some(address);
        }
    }
    say("")?;
    table.print(|at| {
        let Some(Some(address)) = last.get(at) else { return Ok(()) };
        troubles(found.iter().filter(|found| found.redis.as_ref() == Some(address)), "  ")
    })
}

fn redis_cells(gateway: &Gateway, redis: &RedisReport) -> Vec<String> {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(none);
    let state = match (redis.reachable, &redis.reason) {
        (true, _) => "ok",
        (false, Some(_)) => "lost",
        (false, None) => "connecting",
    };
    vec![
        redis.address.clone(),
        gateway.name.clone(),
        state.to_owned(),
        span(redis.for_ms),
        text(&redis.master),
        if redis.reachable { redis.replicas.to_string() } else { none() },
        redis.sentinels.as_ref().map_or_else(none, |seen| format!("{}/{}", seen.reachable, seen.named)),
        redis.round_trip_us.map_or_else(none, distance),
        text(&redis.eviction),
        redis.run_id.as_deref().and_then(|id| id.get(..8)).unwrap_or(NONE).to_owned(),
    ]
}

fn opening(seen: &Seen, head: &OpeningHead, found: &[Found]) -> io::Result<()> {
    let paused = if head.paused { ", paused" } else { "" };
    let rehearsal = if head.rehearsal { ", a rehearsal" } else { "" };
    let OpeningHead { id, name, phase, epoch, last_seq, .. } = head;
    say("")?;
    say(&format!("OPENING  {name}  {id}  {phase}{paused}{rehearsal}; epoch {epoch}, journal {last_seq}"))?;
    let mut table = Table::new(&[
        "  AT",
        "EPOCH",
        "MEMORY",
        "BOARD",
        "STREAM",
        "GATE 2",
        "PICKS/S",
        "PICKS",
        "YES",
        "HOLDS",
        "CONNECTED",
        "CLOCK",
    ]);
    let mut told = Vec::new();
    for gateway in seen.gateways.iter().filter(|gateway| gateway.standing(seen.now).is_alive()) {
        let report =
            gateway.report.iter().flat_map(|report| &report.openings).find(|o| o.id == head.id.as_str());
        match report {
            Some(report) => table.row(opening_cells(gateway, report)),
            None => table.row(vec![format!("  {}", gateway.name)]),
        }
        told.push(gateway.id.clone());
    }
    if told.is_empty() {
        return say("  No gateway runs it.");
    }
    table.print(|at| {
        let here = |found: &&Found| {
            found.gateway.as_ref() == told.get(at) && found.opening.as_deref() == Some(head.id.as_str())
        };
        troubles(found.iter().filter(here), "    ")
    })
}

fn opening_cells(gateway: &Gateway, report: &OpeningReport) -> Vec<String> {
    vec![
        format!("  {}", gateway.name),
        report.epoch.to_string(),
        report.journal_applied.to_string(),
        report.board_seq.to_string(),
        report.gate2.stream_lag.map_or_else(none, |lag| lag.to_string()),
        if report.gate2.state == Gate2State::Off { none() } else { report.gate2.state.as_str().to_owned() },
        report.picks_per_s.to_string(),
        report.picks.to_string(),
        report.yes.to_string(),
        report.holds.to_string(),
        report.connected.to_string(),
        if report.armed { offset(report.clock_offset_us) } else { none() },
    ]
}

/// Columns as wide as what stands in them.
struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(titles: &[&str]) -> Self {
        Self { rows: vec![titles.iter().map(|title| (*title).to_owned()).collect()] }
    }

    fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Each row, and after it what `below` says of it.
    fn print(&self, below: impl Fn(usize) -> io::Result<()>) -> io::Result<()> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let of = |column: usize| self.rows.iter().filter_map(move |row| row.get(column));
        let widths: Vec<usize> =
            (0..columns).map(|at| of(at).map(|cell| width(cell)).max().unwrap_or(0)).collect();
        for (at, row) in self.rows.iter().enumerate() {
            let mut line = String::new();
            for (cell, wide) in row.iter().zip(&widths) {
                line.push_str(cell);
                line.push_str(&" ".repeat(wide - width(cell) + 2));
            }
            say(line.trim_end())?;
            if let Some(row) = at.checked_sub(1) {
                below(row)?;
            }
        }
        Ok(())
    }
}

/// On a terminal a Chinese character is as wide as two others.
fn width(text: &str) -> usize {
    text.chars().map(|c| if c >= '\u{1100}' { 2 } else { 1 }).sum()
}
