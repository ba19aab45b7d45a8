//! People and mishaps: buyers who tap and insist on an answer, staff, a cashier, and what breaks.

use std::rc::Rc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::world::{ACTIVE, Tap, World};
use crate::cluster::sim::SimRedis;
use crate::domain::ids::{PaymentId, RegOrd, StaffId, UnitOrd};
use crate::domain::money::Fen;
use crate::domain::time::Micros;
use crate::opening::answer::{Answer, Claim, ClaimState, Key};
use crate::opening::job::{Change, Command};
use crate::opening::live::Live;
use crate::store::PaymentRow;

pub fn spawn(world: &Rc<World>) -> Vec<JoinHandle<()>> {
    let mut people: Vec<JoinHandle<()>> = (0..world.facts.registrations.len())
        .map(|ord| {
            let who = RegOrd(u32::try_from(ord).unwrap_or(u32::MAX));
            tokio::task::spawn_local(buyer(world.clone(), who))
        })
        .collect();
    people.push(tokio::task::spawn_local(staff(world.clone())));
    people.push(tokio::task::spawn_local(cashier(world.clone())));
    people.push(tokio::task::spawn_local(saboteur(world.clone())));
    people.push(tokio::task::spawn_local(clock_setter(world.clone())));
    if let Some(redis) = world.redis.first() {
        people.push(tokio::task::spawn_local(reaper(world.clone(), redis.clone())));
    }
    // In half of the runs nothing raises the epoch, which would mend whatever stands wrong in Redis.
    if let Some(redis) = world.redis.first()
        && world.chance(50)
    {
        people.push(tokio::task::spawn_local(redis_saboteur(world.clone(), redis.clone())));
    }
    people
}

/// Taps from before the start until well after it; sometimes gives a hold up.
async fn buyer(world: Rc<World>, who: RegOrd) {
    world.nap(5_000).await;
    let taps = 3 + world.roll(6);
    for tap in 0..taps {
        world.nap(if world.chance(70) { 1_500 } else { 12_000 }).await;
        if world.chance(8) {
            give_up(&world, who).await;
            continue;
        }
        let unit = UnitOrd(u32::try_from(world.roll(world.facts.units.len() as u64 + 1)).unwrap_or(0));
        let Some(key) = Key::parse(&format!("buyer{}-tap-{tap}", who.0)) else { continue };
        let at = world.taps.borrow().len();
        world.taps.borrow_mut().push(Tap {
            who,
            unit,
            key: key.clone(),
            answer: None,
            answered_at: Micros(0),
        });
        let answer = insist(&world, who, unit, &key).await;
        if let Some(tap) = world.taps.borrow_mut().get_mut(at) {
            tap.answer = Some(answer);
            tap.answered_at = world.db.now();
        }
    }
}

/// What the page does: one pick; "in progress" repeats it with the same key; silence, a broken connection and
/// "unknown" are asked for, never picked again under another key.
async fn insist(world: &World, who: RegOrd, unit: UnitOrd, key: &Key) -> Answer {
    let (mut asking, mut again) = (false, false);
    loop {
        if let Some(live) = world.live() {
            let call = async {
                if asking {
                    live.ask(who, key.clone()).await
                } else if again {
                    live.pick_again(who, unit, key.clone()).await
                } else {
                    live.pick(who, unit, key.clone()).await
                }
            };
            let told = tokio::select! {
                biased;
                // The connection breaks, or the phone loses patience.
                () = world.deaths.notified() => None,
                () = tokio::time::sleep(Duration::from_millis(300 + world.roll(2_000))) => None,
                told = call => Some(told),
            };
            match told {
                Some(Ok(answer @ (Answer::Yes(_) | Answer::No(_)))) => return answer,
                Some(Ok(Answer::InProgress)) => again = true,
                Some(Ok(Answer::Unknown)) | None => asking = true,
                // Slow down: the same call again.
                Some(Err(_)) => {}
            }
        } else {
            asking = true;
        }
        world.nap(400).await;
    }
}

async fn give_up(world: &World, who: RegOrd) {
    let Some(live) = world.live() else { return };
    let held = live.claims_of(who).into_iter().find(|claim| claim.state == ClaimState::Held);
    if let Some(claim) = held {
        let _ = live.give_up(who, claim.id.clone(), claim.generation).await;
    }
}

/// A claim in this state, chosen by the seed.
fn some_claim(world: &World, live: &Live, state: ClaimState) -> Option<std::sync::Arc<Claim>> {
    let mut claims = live.all_claims();
    claims.retain(|claim| claim.state == state);
    claims.sort_by_key(|claim| claim.seq);
    let at = usize::try_from(world.roll(claims.len() as u64)).unwrap_or(0);
    claims.get(at).cloned()
}

async fn staff(world: Rc<World>) {
    let by = StaffId::generate();
    let until = tokio::time::Instant::now() + ACTIVE;
    while tokio::time::Instant::now() < until {
        world.nap(6_000).await;
        let Some(live) = world.live() else { continue };
        // A pause is lifted soon, or the sale would never get going.
        if live.control().paused {
            let _ = live.command(Command::Control(Change::Resume { by: by.clone() })).await;
            continue;
        }
        let choice = world.roll(9);
        let state = if choice < 4 { ClaimState::Lapsed } else { ClaimState::Held };
        let claim = some_claim(&world, &live, state);
        let reason = "simulated".to_owned();
        let command = match (choice, claim) {
            (0..=3, Some(claim)) => Command::Revive {
                claim: claim.id.clone(),
                generation: claim.generation,
                reason,
                by: by.clone(),
            },
            (4, Some(claim)) => Command::Release {
                claim: claim.id.clone(),
                generation: claim.generation,
                reason,
                by: by.clone(),
            },
            (5..=7, Some(claim)) => Command::Extend {
                claim: claim.id.clone(),
                generation: claim.generation,
                reason,
                by: by.clone(),
            },
            (8, _) => Command::Control(Change::Pause { by: by.clone() }),
            _ => continue,
        };
        let _ = live.command(command).await;
    }
    // A paused opening would end the run without a sale.
    while let Some(Err(_)) | None = match world.live() {
        Some(live) => Some(live.command(Command::Control(Change::Resume { by: by.clone() })).await),
        None => None,
    } {
        if world.calm.get() {
            return;
        }
        world.nap(200).await;
    }
}

/// Takes money, sometimes in parts, sometimes too much, sometimes for a hold that has just ended.
async fn cashier(world: Rc<World>) {
    let until = tokio::time::Instant::now() + ACTIVE;
    let mut receipt = 0;
    while tokio::time::Instant::now() < until {
        world.nap(8_000).await;
        let Some(live) = world.live() else { continue };
        let Some(claim) = some_claim(&world, &live, ClaimState::Held) else { continue };
        // The buyer walks to the desk; the hold may end on the way.
        world.nap(3_000).await;
        receipt += 1;
        let amount = Fen(claim.deposit.0 * (20 + i64::try_from(world.roll(150)).unwrap_or(0)) / 100);
        let payment = PaymentRow {
            id: PaymentId::generate(),
            claim_id: claim.id.clone(),
            generation: claim.generation,
            method: "cash".to_owned(),
            reference: receipt.to_string(),
            amount_fen: amount,
            state: "recorded".to_owned(),
            applied_fen: Fen::ZERO,
            refund_fen: Fen::ZERO,
            refund_reason: None,
            recorded_by: "simulated".to_owned(),
            created_at: world.db_clock.wall(),
        };
        let id = payment.id.clone();
        world.db.tables().payments.insert(id.clone(), payment);
        // Recorded; whether it is applied now or after a crash is the opening's business.
        let _ = live.command(Command::Settle { payment: id }).await;
    }
}

/// Kills gateways and starts them again; takes the database away and brings it back.
async fn saboteur(world: Rc<World>) {
    let until = tokio::time::Instant::now() + ACTIVE;
    while tokio::time::Instant::now() < until {
        world.nap(12_000).await;
        if world.chance(40) {
            world.database_away(true);
            world.nap(3_000).await;
            world.database_away(false);
            continue;
        }
        let at = usize::try_from(world.roll(world.gateways.len() as u64)).unwrap_or(0);
        world.crash(at);
        world.nap(1_500).await;
        world.start(at).await;
    }
}

/// Steps a gateway's wall clock, as an operator or a time service would.
async fn clock_setter(world: Rc<World>) {
    for _ in 0..3 {
        world.nap(15_000).await;
        let at = usize::try_from(world.roll(world.clocks.len() as u64)).unwrap_or(0);
        let step = Micros::from_secs(if world.chance(50) { 600 } else { -600 });
        if let Some(clock) = world.clocks.get(at) {
            clock.step_wall(step);
        }
    }
}

/// Kills gateways that have just been let through by gate 2: their pending words stay.
async fn reaper(world: Rc<World>, redis: SimRedis) {
    let until = tokio::time::Instant::now() + ACTIVE;
    while let Ok(doomed) = tokio::time::timeout_at(until, redis.doomed()).await {
        for at in doomed {
            world.crash(at);
            world.nap(1_500).await;
            world.start(at).await;
        }
    }
}

/// Flushes Redis, takes it away and brings it back empty, fails it over to a replica that is behind, and lets two masters
/// stand beside each other for a while.
async fn redis_saboteur(world: Rc<World>, redis: SimRedis) {
    let until = tokio::time::Instant::now() + ACTIVE;
    while tokio::time::Instant::now() < until {
        world.nap(8_000).await;
        match world.roll(4) {
            0 => redis.flush(),
            1 => {
                redis.away();
                world.nap(4_000).await;
                redis.back();
            }
            2 => redis.fail_over(false),
            _ => {
                redis.fail_over(true);
                world.nap(5_000).await;
                redis.heal();
            }
        }
    }
}
