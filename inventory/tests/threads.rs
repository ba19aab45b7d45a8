//! An opening in small, on real threads: everybody taps at once, the "database" says yes or no at random,
//! claims lapse and are picked again. loom proves the steps on two or three threads; this shows that
//! hundreds of thousands of them add up.
//!
//! A failure prints its seed. It gives back the same taps, though not the same timing.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "clippy's leave for tests stops at their helpers")]

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use kaipan_inventory::{Inventory, Pick, Quota, UnitState};

const THREADS: u64 = 4;
const PICKS_PER_THREAD: u32 = 50_000;
const UNITS: u32 = 40;
const REGISTRATIONS: u32 = 60;
/// Three registrations to a household, which has two places where each of them has one.
const HOUSEHOLDS: u32 = REGISTRATIONS / 3;
const CLASS: u8 = 0;
const NOBODY: u32 = u32::MAX;

/// A xorshift generator: good enough to shuffle taps, and nothing to install.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 32) as u32) % bound
    }
}

/// What the database would know: who has which unit, and how many each holder has. Each entry is changed
/// only by the thread whose ticket or claim it is, so a change that finds somebody else there is the proof
/// of a double sale.
struct Ledger {
    owners: Vec<AtomicU32>,
    taken: Vec<AtomicU32>,
}

impl Ledger {
    fn enter(&self, unit: u32, owner: u32) {
        let before = self.owners[unit as usize].swap(owner, Ordering::SeqCst);
        assert_eq!(before, NOBODY, "unit {unit} was given to {owner} while {before} had it");
        for (holder, limit) in places(owner).into_iter().zip([1, 2]) {
            let taken = self.taken[holder as usize].fetch_add(1, Ordering::SeqCst) + 1;
            assert!(taken <= limit, "holder {holder} has {taken} of {limit}");
        }
    }

    fn leave(&self, unit: u32, owner: u32) {
        for holder in places(owner) {
            self.taken[holder as usize].fetch_sub(1, Ordering::SeqCst);
        }
        let before = self.owners[unit as usize].swap(NOBODY, Ordering::SeqCst);
        assert_eq!(before, owner, "unit {unit} was not {owner}'s to leave");
    }
}

fn places(owner: u32) -> [u32; 2] {
    [owner, REGISTRATIONS + owner / 3]
}

/// OP-42, OP-43. Mutations caught: the unit's exchange as load and store (two owners), `QuotaCell::take` as
/// load and store (a household with three), no give-back after a lost exchange (places pending at the end).
#[test]
fn a_crowd_gets_no_unit_twice_and_no_place_too_many() {
    let seed = RandomState::new().hash_one("seed") | 1;
    let inventory = Inventory::new(1);
    inventory.grow_holders(REGISTRATIONS + HOUSEHOLDS).unwrap();
    (0..REGISTRATIONS).for_each(|holder| inventory.set_limit(holder, CLASS, 1));
    (REGISTRATIONS..REGISTRATIONS + HOUSEHOLDS).for_each(|holder| inventory.set_limit(holder, CLASS, 2));
    let zeroes = |count: u32, value| (0..count).map(|_| AtomicU32::new(value)).collect::<Vec<_>>();
    let ledger = Ledger { owners: zeroes(UNITS, NOBODY), taken: zeroes(REGISTRATIONS + HOUSEHOLDS, 0) };

    let kept = thread::scope(|scope| {
        let crowd: Vec<_> = (0..THREADS)
            .map(|number| {
                let (inventory, ledger) = (&inventory, &ledger);
                scope.spawn(move || tap(inventory, ledger, Dice(seed.wrapping_add(number << 32))))
            })
            .collect();
        crowd.into_iter().map(|taps| taps.join()).collect::<Result<Vec<_>, _>>()
    });
    let Ok(kept) = kept else { panic!("seed {seed}: see above") };

    for unit in 0..UNITS {
        let owner = ledger.owners[unit as usize].load(Ordering::SeqCst);
        let expected = if owner == NOBODY { UnitState::Free } else { UnitState::Occupied { owner } };
        assert_eq!(inventory.state(unit), expected, "seed {seed}, unit {unit}");
    }
    for holder in 0..REGISTRATIONS + HOUSEHOLDS {
        let Quota { pending, used, .. } = inventory.quota(holder, CLASS);
        let taken = ledger.taken[holder as usize].load(Ordering::SeqCst);
        assert_eq!((pending, used), (0, taken), "seed {seed}, holder {holder}");
    }
    assert!(kept.iter().all(|&won| won > 0), "seed {seed}: a thread that never won has shown nothing");
}

/// Taps at random; what it wins is confirmed or undone at random, and what was confirmed lapses later.
fn tap(inventory: &Inventory, ledger: &Ledger, mut dice: Dice) -> u32 {
    let mut claims: Vec<(u32, u32)> = Vec::new();
    let mut won = 0;
    for pick in 0..PICKS_PER_THREAD {
        // The opening grows under their taps: all units are there at half-time.
        inventory.grow_units((UNITS * pick / (PICKS_PER_THREAD / 2)).min(UNITS)).unwrap();
        let (unit, owner) = (dice.below(UNITS), dice.below(REGISTRATIONS));
        if let Pick::Won(ticket) = inventory.pick(unit, owner, CLASS, &places(owner)) {
            won += 1;
            ledger.enter(unit, owner);
            if dice.below(3) == 0 {
                ledger.leave(unit, owner);
                inventory.undo(ticket);
            } else {
                inventory.confirm(ticket);
                claims.push((unit, owner));
            }
        }
        if claims.len() > 3 {
            let (unit, owner) = claims.swap_remove(dice.below(claims.len() as u32) as usize);
            ledger.leave(unit, owner);
            places(owner).into_iter().for_each(|holder| inventory.free_place(holder, CLASS));
            inventory.free(unit);
        }
    }
    won
}
