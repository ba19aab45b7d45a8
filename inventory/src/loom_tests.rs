//! Every interleaving of a few threads, and every stale value that the orderings permit, by loom.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p kaipan-inventory --release --target-dir target/loom loom_
//! ```
//!
//! Each test says which outcomes are permitted; whatever else loom finds is a bug. Each was seen red under
//! the mutations that its comment names. A run changes threads against their will at most three times (two,
//! where there are three threads), which takes seconds; `LOOM_MAX_PREEMPTIONS=4` looks further and takes
//! minutes. Segments are small here (`sync::FIRST_SCALE`): units 0 | 1, 2 |
//! 3 … 6 and holders 0 … 3 | 4 … 11.

use loom::sync::Arc;
use loom::thread;

use crate::{Inventory, Pick, Quota, Settled, Ticket, UnitState};

const CLASS: u8 = 0;

fn model(run: impl Fn() + Sync + Send + 'static) {
    bounded_model(3, run);
}

fn model_of_three(run: impl Fn() + Sync + Send + 'static) {
    bounded_model(2, run);
}

fn bounded_model(preemptions: usize, run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    builder.check(run);
}

/// Two units; holders 0 and 1 are registrations and 2 their household; one place each.
fn inventory() -> Arc<Inventory> {
    let inventory = Inventory::new(1);
    inventory.grow_units(2).unwrap();
    inventory.grow_holders(3).unwrap();
    (0..3).for_each(|holder| inventory.set_limit(holder, CLASS, 1));
    Arc::new(inventory)
}

/// The same, and unit 0 pending for owner 0, who has the place of holder 0.
fn with_ticket() -> (Arc<Inventory>, Ticket) {
    let inventory = inventory();
    let Pick::Won(ticket) = inventory.pick(0, 0, CLASS, &[0]) else { panic!("nobody else is there") };
    (inventory, ticket)
}

/// The same, and unit 0 occupied by owner 0.
fn with_claim() -> Arc<Inventory> {
    let (inventory, ticket) = with_ticket();
    assert_eq!(inventory.confirm(ticket), Settled::Done);
    inventory
}

fn spawn<T: 'static>(
    inventory: &Arc<Inventory>,
    work: impl FnOnce(&Inventory) -> T + 'static,
) -> thread::JoinHandle<T> {
    let inventory = Arc::clone(inventory);
    thread::spawn(move || work(&inventory))
}

fn taken(quota: Quota) -> u32 {
    quota.used + quota.pending
}

/// OP-42. Mutations caught: `UnitCell::exchange` as a store (two winners); no give-back after a lost
/// exchange (the loser's place stays pending).
#[test]
fn loom_two_picks_of_one_unit_have_one_winner() {
    model(|| {
        let inventory = inventory();
        let other = spawn(&inventory, |inventory| inventory.pick(0, 1, CLASS, &[1]));
        let picks = [inventory.pick(0, 0, CLASS, &[0]), other.join().unwrap()];
        let winner = picks.iter().position(|pick| matches!(pick, Pick::Won(_))).unwrap();
        assert_eq!(picks[1 - winner], Pick::Pending);
        assert_eq!(inventory.state(0), UnitState::Pending { owner: winner as u32 });
        assert_eq!(inventory.quota(winner as u32, CLASS).pending, 1);
        assert_eq!(taken(inventory.quota(1 - winner as u32, CLASS)), 0);
    });
}

/// A pick that expires in memory (the database said no) against the same buyer's next tap. He may still be
/// told "pending"; he must not be refused for the place that comes back with the unit. Mutations caught:
/// Relaxed in `UnitCell::load`; Relaxed for Release in `exchange`; unit before places in `undo`.
#[test]
fn loom_undo_gives_unit_and_place_back_together() {
    model(|| {
        let (inventory, ticket) = with_ticket();
        let undo = spawn(&inventory, |inventory| inventory.undo(ticket));
        match inventory.pick(0, 0, CLASS, &[0]) {
            Pick::MinePending | Pick::Won(_) => {}
            forbidden => panic!("{forbidden:?}"),
        }
        assert_eq!(undo.join().unwrap(), Settled::Done);
    });
}

/// A claim that lapses against a pick by the one who had it. Mutations caught: Relaxed in `UnitCell::load`;
/// Relaxed for Release in `exchange`.
#[test]
fn loom_a_lapse_frees_unit_and_place_together() {
    model(|| {
        let inventory = with_claim();
        let lapse = spawn(&inventory, |inventory| {
            inventory.free_place(0, CLASS);
            inventory.free(0);
        });
        match inventory.pick(0, 0, CLASS, &[0]) {
            Pick::Mine | Pick::Won(_) => {}
            forbidden => panic!("{forbidden:?}"),
        }
        lapse.join().unwrap();
    });
}

/// A release against a pick by somebody else of the same household: taken before, won after, and never
/// refused for the household's place, which came back with the unit. Mutations caught: Relaxed in
/// `UnitCell::load`; Relaxed for Release in `exchange`.
#[test]
fn loom_a_release_lets_one_other_buyer_in() {
    model(|| {
        let inventory = inventory();
        let Pick::Won(ticket) = inventory.pick(0, 0, CLASS, &[0, 2]) else { panic!("nobody else is there") };
        assert_eq!(inventory.confirm(ticket), Settled::Done);
        let release = spawn(&inventory, |inventory| {
            inventory.free_place(0, CLASS);
            inventory.free_place(2, CLASS);
            inventory.free(0)
        });
        let pick = inventory.pick(0, 1, CLASS, &[1, 2]);
        assert_eq!(release.join().unwrap(), Some(UnitState::Occupied { owner: 0 }));
        let places = match pick {
            Pick::Taken { owner: 0 } => {
                assert_eq!(inventory.state(0), UnitState::Free);
                0
            }
            Pick::Won(_) => {
                assert_eq!(inventory.state(0), UnitState::Pending { owner: 1 });
                1
            }
            forbidden => panic!("{forbidden:?}"),
        };
        assert_eq!([0, 1, 2].map(|holder| taken(inventory.quota(holder, CLASS))), [0, places, places]);
    });
}

/// The claim was made and has lapsed, and its own confirm comes late: free in every order, and no place lost.
/// Mutations caught: `settle` and `overwrite` without comparing (a sold unit rose from the dead); `minus_used`
/// that does not take from the other column (one place gone for good).
#[test]
fn loom_a_confirm_does_not_resurrect_a_lapsed_claim() {
    model(|| {
        let (inventory, ticket) = with_ticket();
        let confirm = spawn(&inventory, |inventory| inventory.confirm(ticket));
        inventory.free_place(0, CLASS);
        inventory.free(0);
        confirm.join().unwrap();
        assert_eq!(inventory.state(0), UnitState::Free);
        assert_eq!(inventory.quota(0, CLASS), Quota { limit: 1, pending: 0, used: 0 });
    });
}

/// The database gave the unit to somebody else while a ticket waits. Whatever becomes of the ticket, and
/// whoever else picks, the unit ends up where the database put it. Mutations caught: `settle` and `overwrite`
/// without comparing; no give-back after a lost exchange.
#[test]
fn loom_the_databases_owner_outlives_any_ticket() {
    for confirms in [false, true] {
        model_of_three(move || {
            let (inventory, ticket) = with_ticket();
            let occupy = spawn(&inventory, |inventory| inventory.occupy(0, 9));
            let third = spawn(&inventory, |inventory| inventory.pick(0, 1, CLASS, &[1]));
            let settled = if confirms { inventory.confirm(ticket) } else { inventory.undo(ticket) };
            let before = occupy.join().unwrap().unwrap();
            match third.join().unwrap() {
                // Only an undo lets the third buyer in, and only before the database's word.
                Pick::Won(ticket) => {
                    assert!(!confirms && settled == Settled::Done);
                    assert_eq!(inventory.undo(ticket), Settled::Overruled);
                }
                Pick::Pending | Pick::Taken { owner: 9 } => {}
                Pick::Taken { owner: 0 } => assert!(confirms),
                forbidden => panic!("{forbidden:?} over {before:?}"),
            }
            assert_eq!(inventory.state(0), UnitState::Occupied { owner: 9 });
            assert_eq!(taken(inventory.quota(0, CLASS)), u32::from(confirms));
            assert_eq!(taken(inventory.quota(1, CLASS)), 0);
        });
    }
}

/// ABA: the unit is freed and picked again by the same owner while the first ticket is being undone.
/// Mutation caught: `next` keeps the generation (the undo freed the second pick).
#[test]
fn loom_an_old_ticket_does_not_touch_a_new_pick() {
    model(|| {
        let (inventory, old) = with_ticket();
        inventory.set_limit(0, CLASS, 2);
        let undo = spawn(&inventory, |inventory| inventory.undo(old));
        inventory.free(0);
        let Pick::Won(new) = inventory.pick(0, 0, CLASS, &[0]) else { panic!("free, and two places") };
        undo.join().unwrap();
        assert_eq!(inventory.state(0), UnitState::Pending { owner: 0 });
        assert_eq!(inventory.confirm(new), Settled::Done);
        assert_eq!(inventory.quota(0, CLASS), Quota { limit: 2, pending: 0, used: 1 });
    });
}

/// OP-43: two units, one place. Mutation caught: `QuotaCell::take` as load and store.
#[test]
fn loom_two_units_and_one_place_make_one_winner() {
    model(|| {
        let inventory = inventory();
        let other = spawn(&inventory, |inventory| inventory.pick(1, 0, CLASS, &[0]));
        let picks = [inventory.pick(0, 0, CLASS, &[0]), other.join().unwrap()];
        assert_eq!(picks.iter().filter(|pick| matches!(pick, Pick::Won(_))).count(), 1);
        assert!(picks.contains(&Pick::QuotaPending { holder_index: 0 }), "{picks:?}");
        assert_eq!(inventory.quota(0, CLASS).pending, 1);
    });
}

/// OP-15: two registrations of one household, two units, one place between them; the one who does not get
/// it keeps his own. Mutations caught: `take_places` without its give-back; `QuotaCell::take` as load and
/// store.
#[test]
fn loom_a_household_shares_its_place() {
    model(|| {
        let inventory = inventory();
        let other = spawn(&inventory, |inventory| inventory.pick(1, 1, CLASS, &[1, 2]));
        let picks = [inventory.pick(0, 0, CLASS, &[0, 2]), other.join().unwrap()];
        let winner = picks.iter().position(|pick| matches!(pick, Pick::Won(_))).unwrap();
        assert_eq!(picks[1 - winner], Pick::QuotaPending { holder_index: 1 });
        assert_eq!(inventory.quota(winner as u32, CLASS).pending, 1);
        assert_eq!(taken(inventory.quota(1 - winner as u32, CLASS)), 0);
        assert_eq!(taken(inventory.quota(2, CLASS)), 1);
    });
}

/// A household's place that comes back while it is asked for: the sum is right whoever comes first.
/// Mutation caught: `QuotaCell::change` as load and store.
#[test]
fn loom_a_place_given_back_and_one_taken_both_count() {
    model(|| {
        let inventory = inventory();
        inventory.set_limit(2, CLASS, 2);
        let Pick::Won(ticket) = inventory.pick(0, 0, CLASS, &[0, 2]) else { panic!("nobody else is there") };
        let undo = spawn(&inventory, |inventory| inventory.undo(ticket));
        let Pick::Won(_other) = inventory.pick(1, 1, CLASS, &[1, 2]) else { panic!("two places") };
        undo.join().unwrap();
        assert_eq!(inventory.quota(2, CLASS), Quota { limit: 2, pending: 1, used: 0 });
    });
}

/// OP-48: a double tap. One tap takes the last place, wins and is confirmed while the other is on its way:
/// the other may win, wait or be told "yours", but never the false "no place left". Mutations caught: no
/// second look at the unit in `pick`; Relaxed for Acquire in `QuotaCell::take`; Relaxed for Release in
/// `QuotaCell::confirm`.
#[test]
fn loom_a_double_tap_is_never_told_that_its_own_place_is_used() {
    model(|| {
        let inventory = inventory();
        let other = spawn(&inventory, |inventory| {
            if let Pick::Won(ticket) = inventory.pick(0, 0, CLASS, &[0]) {
                inventory.confirm(ticket);
            }
        });
        match inventory.pick(0, 0, CLASS, &[0]) {
            Pick::Won(_) | Pick::Mine | Pick::MinePending | Pick::QuotaPending { holder_index: 0 } => {}
            forbidden => panic!("{forbidden:?}"),
        }
        other.join().unwrap();
    });
}

/// The same, when the claim comes from another gateway. Mutation caught: Relaxed in `QuotaCell::add_used`.
#[test]
fn loom_a_claim_heard_from_the_database_is_mine_before_its_place_is_used() {
    model(|| {
        let inventory = inventory();
        let follower = spawn(&inventory, |inventory| {
            inventory.occupy(0, 0);
            inventory.use_place(0, CLASS);
        });
        match inventory.pick(0, 0, CLASS, &[0]) {
            Pick::Won(_) | Pick::Mine => {}
            forbidden => panic!("{forbidden:?}"),
        }
        follower.join().unwrap();
    });
}

/// Whoever is told that a unit is gone, by a look or by a lost exchange, finds its places used. Mutations
/// caught: unit before places in `confirm`; Relaxed for the failure in `UnitCell::exchange`.
#[test]
fn loom_a_unit_seen_taken_has_its_place_used() {
    model(|| {
        let inventory = inventory();
        let other = spawn(&inventory, |inventory| {
            if let Pick::Won(ticket) = inventory.pick(0, 0, CLASS, &[0]) {
                inventory.confirm(ticket);
            }
        });
        if inventory.pick(0, 1, CLASS, &[1]) == (Pick::Taken { owner: 0 }) {
            assert_eq!(inventory.quota(0, CLASS), Quota { limit: 1, pending: 0, used: 1 });
        }
        other.join().unwrap();
    });
}

/// And whoever sees a place used finds the unit it was used for. Mutation caught: Relaxed in
/// `QuotaCell::read`.
#[test]
fn loom_a_place_seen_used_has_its_unit_gone() {
    model(|| {
        let inventory = inventory();
        let other = spawn(&inventory, |inventory| {
            if let Pick::Won(ticket) = inventory.pick(0, 0, CLASS, &[0]) {
                inventory.confirm(ticket);
            }
        });
        if inventory.quota(0, CLASS).used == 1 {
            assert_ne!(inventory.state(0), UnitState::Free);
        }
        other.join().unwrap();
    });
}

/// Picks run while two threads make room: what `units()` has counted is never unknown, and a word does not
/// move. Mutations caught: Relaxed in `Segments::grow`, Relaxed in `Segments::len`, length before boxes.
#[test]
fn loom_a_unit_once_counted_is_never_unknown() {
    model_of_three(|| {
        let inventory = Inventory::new(1);
        inventory.grow_units(1).unwrap();
        inventory.grow_holders(1).unwrap();
        inventory.set_limit(0, CLASS, 7);
        let inventory = Arc::new(inventory);
        let growers = [3, 2].map(|total| spawn(&inventory, move |inventory| inventory.grow_units(total)));
        assert!(matches!(inventory.pick(0, 0, CLASS, &[0]), Pick::Won(_)));
        let last = inventory.units() - 1;
        assert!(matches!(inventory.pick(last, 1, CLASS, &[0]), Pick::Won(_) | Pick::Pending));
        for grower in growers {
            assert_eq!(grower.join().unwrap(), Ok(()));
        }
        assert_eq!(inventory.units(), 3);
        assert_eq!(inventory.state(0), UnitState::Pending { owner: 0 });
    });
}
