//! What is wrong, from what was seen. Pure: the same look always gives the same list.

use std::collections::BTreeSet;

use super::redis;
use super::report::{Gate2State, OpeningReport, Report};
use super::rows::{Gateway, OpeningHead, Seen, Standing, State};
use super::trouble::{Found, Severity, Trouble};
use crate::domain::time::Micros;
use crate::limits::{
    ARM_BEFORE_S, CLOCK_OFF_US_MAX, STATUS_ARMED_LATE_S, STATUS_BEHIND_MS, STATUS_LOST_MS,
    STATUS_PUBLISHED_S, STATUS_SLOW_US,
};
use crate::store::{DatabaseHealth, Standby};

/// Every trouble there is: what a person has to look at first.
pub fn judge(seen: &Seen) -> Vec<Found> {
    let mut found = Vec::new();
    installation(seen, &mut found);
    for gateway in &seen.gateways {
        one_gateway(seen, gateway, &mut found);
    }
    // Stable: within a severity the order of the look stays.
    found.sort_by_key(|found| std::cmp::Reverse(found.trouble.severity()));
    found
}

/// Whether nobody needs to do anything.
pub fn is_well(found: &[Found]) -> bool {
    found.iter().all(|found| found.trouble.severity() == Severity::Note)
}

fn installation(seen: &Seen, found: &mut Vec<Found>) {
    let mut say = |trouble| found.push(Found { trouble, gateway: None, opening: None, redis: None });
    let alive: Vec<&Gateway> =
        seen.gateways.iter().filter(|gateway| gateway.standing(seen.now).is_alive()).collect();
    if !alive.iter().any(|gateway| gateway.state == State::Ready) {
        say(Trouble::NoGatewayReady);
    }
    if distinct(alive.iter().map(|gateway| gateway.version.as_str())) > 1 {
        say(Trouble::VersionsDiffer);
    }
    let missing = |database: &DatabaseHealth| database.standby == Standby::Missing;
    let reports: Vec<&Report> = alive.iter().filter_map(|gateway| gateway.report.as_ref()).collect();
    if missing(&seen.database) || reports.iter().any(|report| missing(&report.database)) {
        say(Trouble::StandbyMissing);
    }
    redis::judge(&alive, found);
}

pub(super) fn distinct<T: Ord>(all: impl Iterator<Item = T>) -> usize {
    all.collect::<BTreeSet<T>>().len()
}

fn one_gateway(seen: &Seen, gateway: &Gateway, found: &mut Vec<Found>) {
    let mut say = |trouble| {
        found.push(Found { trouble, gateway: Some(gateway.id.clone()), opening: None, redis: None });
    };
    let state = match gateway.standing(seen.now) {
        Standing::Silent => {
            return say(Trouble::GatewaySilent { for_ms: seen.now.since(gateway.seen_at).ms() });
        }
        Standing::Is(state) => state,
    };
    match state {
        // What a process said before it ended is past.
        State::Gone => return,
        State::Starting => say(Trouble::GatewayStarting { for_ms: seen.now.since(gateway.started_at).ms() }),
        State::Draining => say(Trouble::GatewayDraining),
        State::Ready => {}
    }
    if seen.gateways.iter().any(|other| shares_name(gateway, other, seen.now)) {
        say(Trouble::NameShared);
    }
    let Some(report) = &gateway.report else {
        return say(Trouble::ReportUnknown { version: gateway.report_version });
    };
    if let Some(offset_us) = report.clock.offset_us.filter(|offset| offset.abs() > CLOCK_OFF_US_MAX) {
        say(Trouble::ClockOff { offset_us });
    }
    if let Some(round_trip_us) = report.database.round_trip_us.filter(|trip| *trip > STATUS_SLOW_US) {
        say(Trouble::DatabaseSlow { round_trip_us });
    }
    if let Some(for_ms) = report.database.backup_behind_ms.filter(|behind| *behind > 0) {
        say(Trouble::BackupBehind { for_ms });
    }
    let pool = report.database.pool;
    if pool.max > 0 && pool.in_use >= pool.max {
        say(Trouble::PoolExhausted { max: pool.max });
    }
    for opening in &report.openings {
        let head = seen.openings.iter().find(|head| head.id.as_str() == opening.id);
        let settled = head.is_some_and(|head| should_run(head, gateway, seen.now));
        for trouble in of_opening(report, opening, head, settled) {
            let (gateway, opening) = (Some(gateway.id.clone()), Some(opening.id.clone()));
            found.push(Found { trouble, gateway, opening, redis: None });
        }
    }
    if state == State::Ready {
        for head in &seen.openings {
            if should_run(head, gateway, seen.now)
                && !report.openings.iter().any(|o| o.id == head.id.as_str())
            {
                let (gateway, opening) = (Some(gateway.id.clone()), Some(head.id.to_string()));
                found.push(Found { trouble: Trouble::NotServed, gateway, opening, redis: None });
            }
        }
    }
}

/// Both go on speaking: of a process and the one that took its place each is heard before or after the other only.
fn shares_name(one: &Gateway, other: &Gateway, now: Micros) -> bool {
    let stays = |gateway: &Gateway| gateway.state != State::Draining && gateway.standing(now).is_alive();
    other.id != one.id
        && other.name == one.name
        && stays(one)
        && stays(other)
        && other.seen_at > one.started_at
        && one.seen_at > other.started_at
}

/// `settled`: the gateway has had the time to do what it does first.
fn of_opening(
    report: &Report,
    opening: &OpeningReport,
    head: Option<&OpeningHead>,
    settled: bool,
) -> Vec<Trouble> {
    let mut all = Vec::new();
    let late_ms = Micros::from_secs(ARM_BEFORE_S - STATUS_ARMED_LATE_S).ms();
    if settled && !opening.armed && opening.phase != "closed" && opening.starts_in_ms < late_ms {
        all.push(Trouble::NotArmed { starts_in_ms: opening.starts_in_ms });
    }
    if opening.clock_refuses {
        all.push(Trouble::ClockRefuses { offset_us: opening.clock_offset_us });
    }
    if opening.commits_fail {
        all.push(Trouble::CommitsFail);
    }
    if opening.behind_ms >= STATUS_BEHIND_MS {
        let entries = opening.journal_head - opening.journal_applied;
        all.push(Trouble::JournalBehind { entries, for_ms: opening.behind_ms });
    }
    if let Some(head) = head.filter(|head| head.epoch > opening.epoch) {
        all.push(Trouble::EpochBehind { epoch: opening.epoch, head: head.epoch });
    }
    let (reason, for_ms) = (opening.gate2.reason.clone(), opening.gate2.for_ms);
    match opening.gate2.state {
        Gate2State::Off | Gate2State::Ready => {}
        Gate2State::Lost if for_ms < STATUS_LOST_MS => {}
        // Told with the Redis.
        Gate2State::Lost if redis::explains(report, opening) => {}
        Gate2State::Rebuilding => all.push(Trouble::Gate2Rebuilding { reason, for_ms }),
        Gate2State::Lost if opening.gate2.holds_picks => {
            all.push(Trouble::Gate2LostHolding { reason, for_ms })
        }
        Gate2State::Lost => {
            let picks_per_s_max = opening.gate2.picks_per_s_max;
            all.push(Trouble::Gate2Lost { reason, for_ms, picks_per_s_max });
        }
    }
    all
}

/// Published so long ago, and the gateway started so long ago, that it must run there.
fn should_run(head: &OpeningHead, gateway: &Gateway, now: Micros) -> bool {
    let long_ago = |at: Micros| now.since(at) > Micros::from_secs(STATUS_PUBLISHED_S);
    // What was said is of this moment, and the opening may have been published after it.
    head.phase != "closed" && head.published_at.is_some_and(long_ago) && long_ago(gateway.started_at)
}
