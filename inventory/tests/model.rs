//! Long random sequences of every operation, beside a model so plain that it can be read as the rule.
//!
//! The model has no words, no generations and no atomics: a pending unit simply names its ticket by number,
//! and that is what the generation in the real word has to amount to. One thread only; what threads do to
//! each other is for loom (`src/loom_tests.rs`) and for `threads.rs`.
//!
//! A failure prints its seed and the shortest sequence that still fails. `KAIPAN_SEED=… cargo test -p
//! kaipan-inventory --test model` runs that seed again; `KAIPAN_CASES` runs more or fewer sequences.
//!
//! Mutations caught: no generation in the word; undo and confirm without looking at the word; no give-back
//! of the first holder's place when the second has none; a freed place that does not come from the other
//! column (both ways); a limit compared with `<=`.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "clippy's leave for tests stops at their helpers")]

use std::hash::{BuildHasher, RandomState};

use kaipan_inventory::{HOLDERS_PER_PICK_MAX, Inventory, NO_LIMIT, Pick, Quota, Settled, Ticket, UnitState};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};

const CLASSES: usize = 2;

#[derive(Clone, Debug)]
enum Operation {
    GrowUnits(u32),
    GrowHolders(u32),
    SetLimit {
        holder: u32,
        class: u8,
        limit: u16,
    },
    Pick {
        unit: u32,
        owner: u32,
        class: u8,
        holders: Vec<u32>,
    },
    /// The n-th of the tickets that wait (modulo their number; none: nothing happens).
    Confirm(usize),
    Undo(usize),
    Occupy {
        unit: u32,
        owner: u32,
    },
    Withhold(u32),
    Free(u32),
    UsePlace {
        holder: u32,
        class: u8,
    },
    FreePlace {
        holder: u32,
        class: u8,
    },
}

#[derive(Clone, Debug, PartialEq)]
enum Unit {
    Free,
    Pending { ticket: u32, owner: u32 },
    Occupied { owner: u32 },
    Withheld,
}

#[derive(Clone, Debug)]
struct Waiting {
    ticket: u32,
    unit: u32,
    owner: u32,
    class: u8,
    holders: Vec<u32>,
}

#[derive(Clone, Debug, Default)]
struct Model {
    units: Vec<Unit>,
    holders: Vec<[Quota; CLASSES]>,
    waiting: Vec<Waiting>,
    tickets: u32,
    /// What the last operation answered.
    answer: String,
}

impl Model {
    fn quota(&mut self, holder: u32, class: u8) -> Option<&mut Quota> {
        self.holders.get_mut(holder as usize)?.get_mut(usize::from(class))
    }

    fn pick(&mut self, unit: u32, owner: u32, class: u8, holders: &[u32]) -> String {
        let refusal = match self.units.get(unit as usize) {
            None => Pick::UnknownUnit,
            Some(Unit::Withheld) => Pick::Withheld,
            Some(Unit::Pending { owner: other, .. }) if *other == owner => Pick::MinePending,
            Some(Unit::Pending { .. }) => Pick::Pending,
            Some(Unit::Occupied { owner: other }) if *other == owner => Pick::Mine,
            Some(Unit::Occupied { owner }) => Pick::Taken { owner: *owner },
            Some(Unit::Free) => {
                let before = self.holders.clone();
                match self.take(class, holders) {
                    Ok(()) => {
                        let ticket = self.tickets;
                        self.tickets += 1;
                        self.units[unit as usize] = Unit::Pending { ticket, owner };
                        self.waiting.push(Waiting { ticket, unit, owner, class, holders: holders.into() });
                        return "Won".into();
                    }
                    Err(refusal) => {
                        self.holders = before;
                        refusal
                    }
                }
            }
        };
        format!("{refusal:?}")
    }

    fn take(&mut self, class: u8, holders: &[u32]) -> Result<(), Pick> {
        if !(1..=HOLDERS_PER_PICK_MAX).contains(&holders.len()) {
            return Err(Pick::UnknownHolder);
        }
        for (holder_index, &holder) in holders.iter().enumerate() {
            let quota = self.quota(holder, class).ok_or(Pick::UnknownHolder)?;
            let limit = if quota.limit == NO_LIMIT { u32::MAX } else { u32::from(quota.limit) };
            if quota.used >= limit {
                return Err(Pick::QuotaUsed { holder_index });
            }
            if quota.used + quota.pending >= limit {
                return Err(Pick::QuotaPending { holder_index });
            }
            quota.pending += 1;
        }
        Ok(())
    }

    fn settle(&mut self, nth: usize, confirmed: bool) -> String {
        if self.waiting.is_empty() {
            return String::new();
        }
        let Waiting { ticket, unit, owner, class, holders } = self.waiting.remove(nth % self.waiting.len());
        for holder in holders {
            let quota = self.quota(holder, class).unwrap();
            match (confirmed, quota.pending > 0) {
                (true, true) => (quota.pending, quota.used) = (quota.pending - 1, quota.used + 1),
                (true, false) => {}
                (false, true) => quota.pending -= 1,
                (false, false) => quota.used = quota.used.saturating_sub(1),
            }
        }
        let word = &mut self.units[unit as usize];
        let settled = if *word == (Unit::Pending { ticket, owner }) {
            *word = if confirmed { Unit::Occupied { owner } } else { Unit::Free };
            Settled::Done
        } else {
            Settled::Overruled
        };
        format!("{settled:?}")
    }

    fn overwrite(&mut self, unit: u32, new: Unit) {
        if let Some(word) = self.units.get_mut(unit as usize) {
            *word = new;
        }
    }
}

fn limit() -> impl Strategy<Value = u16> {
    prop_oneof![1 => Just(0), 6 => 1..4u16, 1 => Just(NO_LIMIT)]
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Operation;

    /// Begins with three units and three holders, so that picks win from the start.
    fn init_state() -> BoxedStrategy<Self> {
        vec([limit(), limit()], 3)
            .prop_map(|limits| {
                let quota = |limit| Quota { limit, ..Quota::default() };
                let holders = limits.into_iter().map(|limits| limits.map(quota)).collect();
                Self { units: vec![Unit::Free; 3], holders, ..Self::default() }
            })
            .boxed()
    }

    /// Few units and holders, so that operations meet; numbers beyond what exists, so that some miss.
    fn transitions(_: &Self) -> BoxedStrategy<Operation> {
        let owner = 0..3u32;
        let unit = prop_oneof![9 => 0..3u32, 1 => 3..5u32];
        let holder = prop_oneof![9 => 0..3u32, 1 => 3..5u32];
        let class = prop_oneof![9 => Just(0u8), 2 => Just(1), 1 => Just(CLASSES as u8)];
        let holders = prop_oneof![9 => vec(holder.clone(), 1..=2), 1 => vec(holder.clone(), 0..4)];
        prop_oneof![
            1 => (0..5u32).prop_map(Operation::GrowUnits),
            1 => (0..5u32).prop_map(Operation::GrowHolders),
            3 => (holder.clone(), class.clone(), limit())
                .prop_map(|(holder, class, limit)| Operation::SetLimit { holder, class, limit }),
            12 => (unit.clone(), owner.clone(), class.clone(), holders)
                .prop_map(|(unit, owner, class, holders)| Operation::Pick { unit, owner, class, holders }),
            3 => (0..9usize).prop_map(Operation::Confirm),
            3 => (0..9usize).prop_map(Operation::Undo),
            2 => (unit.clone(), owner).prop_map(|(unit, owner)| Operation::Occupy { unit, owner }),
            1 => unit.clone().prop_map(Operation::Withhold),
            4 => unit.prop_map(Operation::Free),
            2 => (holder.clone(), class.clone())
                .prop_map(|(holder, class)| Operation::UsePlace { holder, class }),
            3 => (holder, class).prop_map(|(holder, class)| Operation::FreePlace { holder, class }),
        ]
        .boxed()
    }

    fn apply(mut self_: Self, operation: &Operation) -> Self {
        let model = &mut self_;
        model.answer = String::new();
        match *operation {
            Operation::GrowUnits(total) => {
                let total = model.units.len().max(total as usize);
                model.units.resize(total, Unit::Free);
            }
            Operation::GrowHolders(total) => {
                let total = model.holders.len().max(total as usize);
                model.holders.resize(total, Default::default());
            }
            Operation::SetLimit { holder, class, limit } => {
                if let Some(quota) = model.quota(holder, class) {
                    quota.limit = limit;
                }
            }
            Operation::Pick { unit, owner, class, ref holders } => {
                model.answer = model.pick(unit, owner, class, holders);
            }
            Operation::Confirm(nth) => model.answer = model.settle(nth, true),
            Operation::Undo(nth) => model.answer = model.settle(nth, false),
            Operation::Occupy { unit, owner } => model.overwrite(unit, Unit::Occupied { owner }),
            Operation::Withhold(unit) => model.overwrite(unit, Unit::Withheld),
            Operation::Free(unit) => model.overwrite(unit, Unit::Free),
            Operation::UsePlace { holder, class } => {
                if let Some(quota) = model.quota(holder, class) {
                    quota.used += 1;
                }
            }
            Operation::FreePlace { holder, class } => {
                if let Some(quota) = model.quota(holder, class) {
                    match quota.used {
                        0 => quota.pending = quota.pending.saturating_sub(1),
                        _ => quota.used -= 1,
                    }
                }
            }
        }
        self_
    }
}

/// The real inventory, and the tickets that wait, in the model's order.
struct Tested {
    inventory: Inventory,
    waiting: Vec<Ticket>,
}

impl StateMachineTest for Tested {
    type SystemUnderTest = Self;
    type Reference = Model;

    fn init_test(model: &Model) -> Self {
        let inventory = Inventory::new(CLASSES as u8);
        inventory.grow_units(model.units.len() as u32).unwrap();
        inventory.grow_holders(model.holders.len() as u32).unwrap();
        for (holder, quotas) in (0..).zip(&model.holders) {
            (0..).zip(quotas).for_each(|(class, quota)| inventory.set_limit(holder, class, quota.limit));
        }
        Self { inventory, waiting: Vec::new() }
    }

    fn apply(mut tested: Self, model: &Model, operation: Operation) -> Self {
        let Self { inventory, waiting } = &mut tested;
        let mut answer = String::new();
        match operation {
            Operation::GrowUnits(total) => inventory.grow_units(total).unwrap(),
            Operation::GrowHolders(total) => inventory.grow_holders(total).unwrap(),
            Operation::SetLimit { holder, class, limit } => inventory.set_limit(holder, class, limit),
            Operation::Pick { unit, owner, class, holders } => {
                answer = match inventory.pick(unit, owner, class, &holders) {
                    Pick::Won(ticket) => {
                        waiting.push(ticket);
                        "Won".into()
                    }
                    refusal => format!("{refusal:?}"),
                }
            }
            Operation::Confirm(nth) if !waiting.is_empty() => {
                answer = format!("{:?}", inventory.confirm(waiting.remove(nth % waiting.len())));
            }
            Operation::Undo(nth) if !waiting.is_empty() => {
                answer = format!("{:?}", inventory.undo(waiting.remove(nth % waiting.len())));
            }
            Operation::Confirm(_) | Operation::Undo(_) => {}
            Operation::Occupy { unit, owner } => drop(inventory.occupy(unit, owner)),
            Operation::Withhold(unit) => drop(inventory.withhold(unit)),
            Operation::Free(unit) => drop(inventory.free(unit)),
            Operation::UsePlace { holder, class } => inventory.use_place(holder, class),
            Operation::FreePlace { holder, class } => inventory.free_place(holder, class),
        }
        assert_eq!(answer, model.answer);
        tested
    }

    fn check_invariants(tested: &Self, model: &Model) {
        assert_eq!(tested.inventory.units() as usize, model.units.len());
        for (unit, expected) in (0..).zip(&model.units) {
            let expected = match *expected {
                Unit::Free => UnitState::Free,
                Unit::Pending { owner, .. } => UnitState::Pending { owner },
                Unit::Occupied { owner } => UnitState::Occupied { owner },
                Unit::Withheld => UnitState::Withheld,
            };
            assert_eq!(tested.inventory.state(unit), expected, "unit {unit}");
        }
        for (holder, quotas) in (0..).zip(&model.holders) {
            for (class, expected) in (0..).zip(quotas) {
                assert_eq!(tested.inventory.quota(holder, class), *expected, "holder {holder} class {class}");
            }
        }
    }
}

fn from_environment<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn the_inventory_does_what_the_plain_model_does() {
    let seed = from_environment("KAIPAN_SEED").unwrap_or_else(|| RandomState::new().hash_one("seed"));
    let config = Config {
        cases: from_environment("KAIPAN_CASES").unwrap_or(1_000),
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..Config::default()
    };
    let sequences = Model::sequential_strategy(1..80);
    let result = TestRunner::new(config.clone()).run(&sequences, |(model, operations, seen)| {
        Tested::test_sequential(config.clone(), model, operations, seen);
        Ok(())
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, (model, operations, _))) => {
            panic!("KAIPAN_SEED={seed}: {reason}\nfrom {model:?}\nby {operations:#?}")
        }
        Err(TestError::Abort(reason)) => panic!("KAIPAN_SEED={seed}: {reason}"),
    }
}
