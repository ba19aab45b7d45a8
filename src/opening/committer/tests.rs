use inventory::{Pick, UnitState};

use crate::domain::ids::{ClaimId, RegOrd, UnitOrd};
use crate::domain::money::Fen;
use crate::domain::time::Micros;
use crate::opening::answer::{Answer, ClaimState, Key, Refusal};
use crate::opening::event::{Event, Recorded};
use crate::opening::facts::Facts;
use crate::opening::testing;
use crate::store::testing as store_testing;

/// OP-42: a key that memory has forgotten is still answered as recorded, and what its repetition held in memory goes
/// back: the home is another buyer's to take.
///
/// Mutation that turned it red: tickets undone for refusals only. The unit stayed pending until the next start.
#[tokio::test(flavor = "multi_thread")]
async fn a_repetition_of_an_ended_claim_holds_no_unit() {
    let (_folder, db) = store_testing::sqlite().await;
    let running = testing::running(&db, 2).await;
    let live = &running.live;
    let (who, unit) = (RegOrd(0), UnitOrd(0));
    let key = Key::parse("tap-00000001").unwrap();
    let Ok(Answer::Yes(claim)) = live.pick(who, unit, key.clone()).await else { panic!("granted") };
    live.give_up(who, claim.id.clone(), claim.generation).await.unwrap();
    live.keys.make_room_of(who, &key);

    let Ok(Answer::Yes(again)) = live.pick(who, unit, key).await else { panic!("as recorded") };
    assert_eq!((&again.id, again.state), (&claim.id, ClaimState::GivenUp));
    let other = live.pick(RegOrd(1), unit, Key::parse("tap-00000002").unwrap()).await;
    assert!(matches!(other, Ok(Answer::Yes(_))), "{other:?}");
}

/// OP-85: one key was sent to two gateways, for another home each. What the other gateway was granted settles its own home here,
/// and this one's home stays with its own tap.
///
/// Mutation that turned it red: a ticket taken by its key alone. The home that was granted stayed free, the other was occupied.
#[tokio::test(flavor = "multi_thread")]
async fn a_grant_settles_no_tap_for_another_home() {
    let (_folder, db) = store_testing::sqlite().await;
    let running = testing::running(&db, 3).await;
    let live = &running.live;
    let key = Key::parse("tap-00000001").unwrap();
    let home = live.facts.unit(UnitOrd(2)).unwrap().kind.class();
    let holders = live.facts.holder_indexes(RegOrd(0), live.facts.unit(UnitOrd(2)).unwrap().kind);
    let Pick::Won(ticket) = live.inventory.pick(2, 0, home, holders.as_slice()) else { panic!("won") };
    live.memory.keep_ticket(RegOrd(0), key.clone(), ticket);

    let granted = Recorded {
        seq: live.memory.applied() + 1,
        at: live.now(),
        event: Event::Held {
            claim: ClaimId::generate(),
            unit: UnitOrd(1),
            registration: RegOrd(0),
            key: key.as_str().to_owned(),
            code: String::new(),
            deposit_fen: Fen::ZERO,
            deadline_at: live.now().plus(Micros::from_secs(900)),
        },
    };
    assert_eq!(live.memory.apply(&live.facts, &live.inventory, &[granted]).len(), 1);
    assert_eq!(live.inventory.state(1), UnitState::Occupied { owner: 0 });
    assert_eq!(live.inventory.state(2), UnitState::Pending { owner: 0 });
    live.memory.undo_ticket(RegOrd(0), &key, &live.inventory);
    assert_eq!(live.inventory.state(2), UnitState::Free);
}

/// OP-43: of a holder's numbered places each is found, wherever the search for a free one begins.
///
/// Mutation that turned it red: a search that ends at the last place without going round. The buyer of two homes who
/// gave his first one up was told that his quota is used.
#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_came_back_is_found_again() {
    let (_folder, db) = store_testing::sqlite().await;
    let running = testing::running(&db, 4).await;
    let mut facts = Facts::clone(&running.live.facts);
    drop(running);
    facts.registrations[0].quota_home = 2;
    let running = testing::restarted(&db, facts).await;
    let live = &running.live;
    let who = RegOrd(0);
    let tap = |unit: u32| live.pick(who, UnitOrd(unit), Key::parse(&format!("tap-{unit:08}")).unwrap());

    let Ok(Answer::Yes(first)) = tap(0).await else { panic!("granted") };
    assert!(matches!(tap(1).await, Ok(Answer::Yes(_))));
    live.give_up(who, first.id.clone(), first.generation).await.unwrap();
    let third = tap(2).await;
    assert!(matches!(third, Ok(Answer::Yes(_))), "{third:?}");
    let fourth = tap(3).await;
    assert!(matches!(fourth, Ok(Answer::No(Refusal::QuotaUsed { .. }))), "{fourth:?}");
}
