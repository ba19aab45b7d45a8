//! After a run: what people were told against what is stored, the journal against the claims, memory against both.

use std::collections::{BTreeMap, HashMap};

use super::world::{HOLD, World};
use crate::cluster::Word;
use crate::cluster::sim::{Known, RedisCounts};
use crate::domain::ids::{ClaimId, RegOrd};
use crate::domain::kind::UnitKind;
use crate::domain::money::Fen;
use crate::domain::time::Micros;
use crate::opening::answer::{Answer, Claim, ClaimState, Refusal};
use crate::opening::board::Status;
use crate::opening::event::{Event, Recorded};
use crate::opening::gate2::Gate2State;
use crate::opening::memory::status_of;
use crate::opening::script::claim_of;
use crate::store::sim::Tables;
use inventory::UnitState;

/// Between the moment a transaction read the database's clock and the moment it was applied lie its own round trips,
/// and a delayed commit.
const COMMIT_SLACK: Micros = Micros::from_secs(2);

/// What happened in a run, so that a quiet simulator is noticed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Counts {
    pub taps: u64,
    pub yes: u64,
    pub no: BTreeMap<&'static str, u64>,
    pub events: BTreeMap<String, u64>,
    pub crashes: u64,
    pub refunds: u64,
    pub tombstones: u64,
    pub redis: RedisCounts,
}

impl Counts {
    pub fn add(&mut self, other: &Self) {
        self.taps += other.taps;
        self.yes += other.yes;
        self.crashes += other.crashes;
        self.refunds += other.refunds;
        self.tombstones += other.tombstones;
        self.redis.add(&other.redis);
        for (code, count) in &other.no {
            *self.no.entry(code).or_default() += count;
        }
        for (kind, count) in &other.events {
            *self.events.entry(kind.clone()).or_default() += count;
        }
    }

    /// Everything that can happen did.
    pub fn is_busy(&self) -> bool {
        let no = [
            "NOT_OPEN_YET",
            "NOT_ADMITTED",
            "TAKEN",
            "QUOTA_USED",
            "ALREADY_YOURS",
            "NOT_RECORDED",
            "PAUSED",
        ];
        let events =
            ["held", "sold", "lapsed", "released", "given_up", "extended", "revived", "paid", "opened"];
        no.iter().all(|code| self.no.contains_key(code))
            && events.iter().all(|kind| self.events.contains_key(*kind))
            && self.crashes > 0
            && self.refunds > 0
            && self.tombstones > 0
    }
}

pub fn audit(world: &World) -> Result<Counts, String> {
    let tables = world.db.tables().clone();
    let journal = read_journal(&tables)?;
    let claims = stored_claims(&tables)?;
    units_have_one_owner(&tables)?;
    quotas_hold(world, &claims)?;
    let mut counts = answers_are_true(world, &claims)?;
    journal_tells_the_same(&journal, &claims)?;
    nothing_was_granted_early(world, &journal, &tables)?;
    taken_was_taken(world, &journal)?;
    nothing_was_committed_under_an_old_epoch(&tables)?;
    deadlines_were_kept(&journal, &tables, &claims)?;
    money_adds_up(&tables, &claims)?;
    memory_shows_the_same(world, &claims)?;
    for recorded in &journal {
        *counts.events.entry(recorded.event.kind().to_owned()).or_default() += 1;
    }
    counts.crashes = world.crashes.get();
    counts.refunds = tables.payments.values().filter(|payment| payment.refund_fen > Fen::ZERO).count() as u64;
    counts.tombstones = tables.tombstones.len() as u64;
    if let Some(redis) = world.redis.first() {
        everybody_is_back_at_redis(world, &tables)?;
        counts.redis = redis.counts();
        counts.redis.epochs = tables.head.as_ref().map_or(0, |head| head.epoch.unsigned_abs() - 1);
    }
    Ok(counts)
}

/// The sequence without gaps, and the head behind it.
fn read_journal(tables: &Tables) -> Result<Vec<Recorded>, String> {
    let mut journal = Vec::new();
    for (entry, expected) in tables.journal.iter().zip(1_i64..) {
        if entry.seq != expected {
            return Err(format!("the journal has {} where {expected} belongs", entry.seq));
        }
        journal.push(Recorded::from_entry(entry).map_err(|e| e.to_string())?);
    }
    let next = tables.head.as_ref().map_or(0, |head| head.next_seq);
    if next != journal.len() as i64 + 1 {
        return Err(format!("the head says {next} after {} entries", journal.len()));
    }
    Ok(journal)
}

fn stored_claims(tables: &Tables) -> Result<HashMap<ClaimId, Claim>, String> {
    let mut claims = HashMap::new();
    for row in tables.claims.values() {
        if let Some(claim) = claim_of(row).map_err(|e| e.to_string())? {
            if claim.state.is_occupying() != row.occupying {
                return Err(format!("{claim:?} and its column `occupying` differ"));
            }
            claims.insert(row.id.clone(), claim);
        }
    }
    Ok(claims)
}

fn units_have_one_owner(tables: &Tables) -> Result<(), String> {
    let mut owners: BTreeMap<i64, &ClaimId> = BTreeMap::new();
    for row in tables.claims.values().filter(|row| row.occupying) {
        if let Some(other) = owners.insert(row.unit_ord, &row.id) {
            return Err(format!("unit {} has two live claims: {other} and {}", row.unit_ord, row.id));
        }
    }
    Ok(())
}

fn quotas_hold(world: &World, claims: &HashMap<ClaimId, Claim>) -> Result<(), String> {
    let mut used: BTreeMap<(u32, UnitKind), u16> = BTreeMap::new();
    let mut limits: BTreeMap<(u32, UnitKind), u16> = BTreeMap::new();
    for claim in claims.values().filter(|claim| claim.state.is_occupying()) {
        let kind = world.facts.unit(claim.unit).map_or(UnitKind::Home, |unit| unit.kind);
        for holder in world.facts.holders(claim.registration, kind) {
            *used.entry((holder.index, kind)).or_default() += 1;
            limits.insert((holder.index, kind), holder.limit);
        }
    }
    for (holder, used) in used {
        let limit = limits.get(&holder).copied().unwrap_or(0);
        if used > limit {
            return Err(format!("quota exceeded: holder {holder:?} has {used} of {limit}"));
        }
    }
    Ok(())
}

/// Every tap has an answer; no yes is missing, no "no" was a yes.
fn answers_are_true(world: &World, claims: &HashMap<ClaimId, Claim>) -> Result<Counts, String> {
    let mut counts = Counts::default();
    for tap in world.taps.borrow().iter() {
        counts.taps += 1;
        let stored = claims.values().find(|claim| claim.registration == tap.who && claim.key == tap.key);
        match (&tap.answer, stored) {
            (Some(Answer::Yes(told)), Some(claim)) if told.id == claim.id && claim.unit == tap.unit => {
                counts.yes += 1;
            }
            (Some(Answer::Yes(told)), _) => {
                return Err(format!("an acknowledged yes is missing: {told:?}"));
            }
            (Some(Answer::No(refusal)), None) => *counts.no.entry(refusal.code()).or_default() += 1,
            (Some(Answer::No(refusal)), Some(claim)) => {
                return Err(format!("a no that was a yes: {refusal:?}, and {claim:?}"));
            }
            (answer, _) => return Err(format!("{:?} was not answered: {answer:?}", tap.key)),
        }
    }
    Ok(counts)
}

/// A replay of the journal by other code than the opening's gives the claims as stored.
fn journal_tells_the_same(journal: &[Recorded], claims: &HashMap<ClaimId, Claim>) -> Result<(), String> {
    let mut replayed: HashMap<&ClaimId, (ClaimState, i64, Fen, Option<Micros>)> = HashMap::new();
    for recorded in journal {
        let seq = recorded.seq;
        let (claim, after) = match &recorded.event {
            Event::Held { claim, deadline_at, .. } => {
                if replayed.contains_key(claim) {
                    return Err(format!("entry {seq} grants a claim twice"));
                }
                (claim, (ClaimState::Held, 1, Fen::ZERO, Some(*deadline_at)))
            }
            Event::Extended { claim, deadline_at, .. } => {
                let before = held(&replayed, claim, seq)?;
                (claim, (before.0, before.1, before.2, Some(*deadline_at)))
            }
            Event::Paid { claim, paid_fen, .. } => {
                let before = held(&replayed, claim, seq)?;
                (claim, (before.0, before.1, *paid_fen, before.3))
            }
            Event::Sold { claim, generation } => {
                let before = held(&replayed, claim, seq)?;
                (claim, (ClaimState::Sold, *generation, before.2, None))
            }
            Event::Lapsed { claim, generation } => {
                held(&replayed, claim, seq)?;
                (claim, (ClaimState::Lapsed, *generation, Fen::ZERO, None))
            }
            Event::GivenUp { claim, generation } => {
                held(&replayed, claim, seq)?;
                (claim, (ClaimState::GivenUp, *generation, Fen::ZERO, None))
            }
            Event::Released { claim, generation, .. } => {
                held(&replayed, claim, seq)?;
                (claim, (ClaimState::Released, *generation, Fen::ZERO, None))
            }
            Event::Revived { claim, generation, deadline_at, .. } => {
                (claim, (ClaimState::Held, *generation, Fen::ZERO, Some(*deadline_at)))
            }
            _ => continue,
        };
        replayed.insert(claim, after);
    }
    if replayed.len() != claims.len() {
        return Err(format!("the journal grants {} claims, {} are stored", replayed.len(), claims.len()));
    }
    for (id, claim) in claims {
        let stored = (claim.state, claim.generation, claim.paid, claim.deadline_at);
        if replayed.get(id) != Some(&stored) {
            return Err(format!("the journal says {:?} of {id}, stored is {stored:?}", replayed.get(id)));
        }
    }
    Ok(())
}

type Replayed = (ClaimState, i64, Fen, Option<Micros>);

fn held(replayed: &HashMap<&ClaimId, Replayed>, claim: &ClaimId, seq: i64) -> Result<Replayed, String> {
    match replayed.get(claim) {
        Some(state) if state.0 == ClaimState::Held => Ok(*state),
        other => Err(format!("entry {seq} needs a held claim, and {claim} is {other:?}")),
    }
}

/// The gate opened by the database's clock, not by a gateway's that was stepped.
fn nothing_was_granted_early(world: &World, journal: &[Recorded], tables: &Tables) -> Result<(), String> {
    let start_at = tables.head.as_ref().map_or(Micros(0), |head| head.start_at);
    for tap in world.taps.borrow().iter() {
        // A repetition of the same key may come after the start, but the page repeats only what was in progress.
        if let Some(Answer::Yes(claim)) = &tap.answer
            && claim.created_at < start_at
        {
            return Err(format!("granted {} µs before the start", start_at.since(claim.created_at).0));
        }
    }
    let early = journal
        .iter()
        .zip(&tables.applied_at)
        .find(|(recorded, at)| matches!(recorded.event, Event::Held { .. }) && **at < start_at);
    early.map_or(Ok(()), |(recorded, _)| Err(format!("entry {} was granted before the start", recorded.seq)))
}

/// Nobody was told "taken" of a unit that nobody had had until then.
fn taken_was_taken(world: &World, journal: &[Recorded]) -> Result<(), String> {
    let mut first: HashMap<u32, Micros> = HashMap::new();
    for recorded in journal {
        if let Event::Held { unit, .. } = &recorded.event {
            first.entry(unit.0).or_insert(recorded.at);
        }
    }
    for tap in world.taps.borrow().iter() {
        if let Some(Answer::No(Refusal::Taken { unit })) = &tap.answer
            && first.get(&unit.0).is_none_or(|at| *at > tap.answered_at)
        {
            return Err(format!("unit {} was told as taken before anybody had it", unit.0));
        }
    }
    Ok(())
}

fn nothing_was_committed_under_an_old_epoch(tables: &Tables) -> Result<(), String> {
    match tables.epochs.iter().find(|(decided, head)| decided != head) {
        None => Ok(()),
        Some((decided, head)) => {
            Err(format!("a group decided under epoch {decided} was committed under epoch {head}"))
        }
    }
}

/// At rest every gateway uses Redis again, under the head's epoch, and Redis knows every unit that somebody has.
fn everybody_is_back_at_redis(world: &World, tables: &Tables) -> Result<(), String> {
    let epoch = tables.head.as_ref().map_or(0, |head| head.epoch);
    for (gateway, redis) in world.gateways.iter().zip(&world.redis) {
        let gateway = gateway.borrow();
        let Some(live) = gateway.as_ref().map(|running| &running.live) else { continue };
        let standing = live.gate2().map(|standing| standing.state);
        if standing != Some(Gate2State::Ready) || live.control().epoch != epoch {
            return Err(format!(
                "a gateway stands {standing:?} at epoch {}, not {epoch}",
                live.control().epoch
            ));
        }
        let known = redis.epoch(epoch);
        for row in tables.claims.values().filter(|row| row.occupying) {
            let owner = row.registration().map_or(0, |who| who.0);
            match known.units.get(&row.unit().0) {
                Some(Known::Told { word: Word::Occupied { owner: told }, .. }) if *told == owner => {}
                word => return Err(format!("Redis says {word:?} of a unit that {owner} has")),
            }
        }
    }
    Ok(())
}

/// Measured by when the database applied things: no hold lapsed early, and none is left over.
fn deadlines_were_kept(
    journal: &[Recorded],
    tables: &Tables,
    claims: &HashMap<ClaimId, Claim>,
) -> Result<(), String> {
    let mut earliest: HashMap<&ClaimId, Micros> = HashMap::new();
    for (recorded, applied_at) in journal.iter().zip(&tables.applied_at) {
        match &recorded.event {
            Event::Held { claim, .. } | Event::Revived { claim, .. } => {
                earliest.insert(claim, Micros(applied_at.plus(HOLD).0 - COMMIT_SLACK.0));
            }
            Event::Extended { claim, .. } => {
                if let Some(deadline) = earliest.get_mut(claim) {
                    *deadline = deadline.plus(HOLD);
                }
            }
            Event::Lapsed { claim, .. } => {
                let deadline = earliest.get(claim).copied().unwrap_or(Micros(i64::MAX));
                if *applied_at < deadline {
                    return Err(format!(
                        "entry {}: a deadline was not kept, {} ms early",
                        recorded.seq,
                        deadline.since(*applied_at).ms()
                    ));
                }
            }
            _ => {}
        }
    }
    match claims.values().find(|claim| claim.state == ClaimState::Held) {
        Some(claim) => Err(format!("a deadline was not kept: {claim:?} is still held at rest")),
        None => Ok(()),
    }
}

fn money_adds_up(tables: &Tables, claims: &HashMap<ClaimId, Claim>) -> Result<(), String> {
    let mut applied: HashMap<&ClaimId, i64> = HashMap::new();
    for payment in tables.payments.values() {
        if payment.state == "settled" && payment.applied_fen.0 + payment.refund_fen.0 != payment.amount_fen.0
        {
            return Err(format!("{payment:?} does not add up"));
        }
        *applied.entry(&payment.claim_id).or_default() += payment.applied_fen.0;
    }
    for claim in claims.values() {
        let applied = applied.get(&claim.id).copied().unwrap_or(0);
        if claim.paid.0 != applied {
            return Err(format!("{claim:?} says {} was paid, its payments say {applied}", claim.paid.0));
        }
        if (claim.state == ClaimState::Sold) != (claim.paid >= claim.deposit && claim.state.is_occupying()) {
            return Err(format!("{claim:?} is sold without its deposit, or paid and not sold"));
        }
    }
    Ok(())
}

/// Every gateway's memory, words and board at rest.
fn memory_shows_the_same(world: &World, claims: &HashMap<ClaimId, Claim>) -> Result<(), String> {
    for gateway in &world.gateways {
        let gateway = gateway.borrow();
        let Some(live) = gateway.as_ref().map(|running| &running.live) else { continue };
        for claim in live.all_claims() {
            if claims.get(&claim.id) != Some(&*claim) {
                return Err(format!("memory says {claim:?}, stored is {:?}", claims.get(&claim.id)));
            }
        }
        if live.all_claims().len() != claims.len() {
            return Err("memory misses claims".to_owned());
        }
        let board = live.board().snapshot();
        for (ord, shown) in (0_u32..).zip(&board.statuses) {
            let owner = claims.values().find(|claim| claim.unit.0 == ord && claim.state.is_occupying());
            let expected = owner.map_or(Status::Free, |claim| status_of(claim.state));
            if *shown != expected {
                return Err(format!("the board shows unit {ord} as {shown:?}, it is {expected:?}"));
            }
            let word = live.inventory.state(ord);
            let expected =
                owner.map_or(UnitState::Free, |claim| UnitState::Occupied { owner: claim.registration.0 });
            if word != expected {
                return Err(format!("the word of unit {ord} is {word:?}, it should be {expected:?}"));
            }
        }
        places_match(world, live, claims)?;
    }
    Ok(())
}

fn places_match(
    world: &World,
    live: &crate::opening::live::Live,
    claims: &HashMap<ClaimId, Claim>,
) -> Result<(), String> {
    for ord in 0..world.facts.registrations.len() {
        let who = RegOrd(u32::try_from(ord).unwrap_or(u32::MAX));
        for kind in [UnitKind::Home, UnitKind::Parking] {
            for holder in world.facts.holders(who, kind) {
                let quota = live.inventory.quota(holder.index, kind.class());
                let used = claims
                    .values()
                    .filter(|claim| claim.state.is_occupying())
                    .filter(|claim| world.facts.unit(claim.unit).is_some_and(|unit| unit.kind == kind))
                    .filter(|claim| {
                        world.facts.holders(claim.registration, kind).iter().any(|h| h.index == holder.index)
                    })
                    .count();
                if (quota.used as usize, quota.pending) != (used, 0) {
                    return Err(format!("quota word of {holder:?} is {quota:?}, {used} are used"));
                }
            }
        }
    }
    Ok(())
}
