//! The same picks by other means, to measure the inventory against: the bare atomic operations below which
//! it cannot go, and the two maps one would write first. All of them do one job: look at the unit, take the
//! registration's and the household's place, give the unit to the owner; and they can undo it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::Release};
use std::sync::{Mutex, PoisonError};

use dashmap::DashMap;
use kaipan_inventory::{Inventory, Pick, Ticket};

/// Registrations come first in the numbers of holders; a household of two has two places.
fn holders_of(owner: u32, owners: u32) -> [u32; 2] {
    [owner, owners + owner / 2]
}

fn limits(owners: u32) -> impl Iterator<Item = (u32, u32)> {
    (0..owners).map(|owner| (owner, 1)).chain((owners..owners + owners.div_ceil(2)).map(|house| (house, 2)))
}

pub(crate) trait Contender: Sync {
    const NAME: &str;
    type Won: Send;

    fn new(units: u32, owners: u32) -> Self;
    fn occupy(&self, unit: u32);
    fn pick(&self, unit: u32, owner: u32) -> Option<Self::Won>;
    fn undo(&self, won: Self::Won);
}

/// The inventory itself.
pub(crate) struct Words {
    inventory: Inventory,
    owners: u32,
}

impl Contender for Words {
    const NAME: &str = "inventory";
    type Won = Ticket;

    fn new(units: u32, owners: u32) -> Self {
        let inventory = Inventory::new(1);
        inventory.grow_units(units).unwrap();
        inventory.grow_holders(owners + owners.div_ceil(2)).unwrap();
        limits(owners).for_each(|(holder, limit)| inventory.set_limit(holder, 0, limit as u16));
        Self { inventory, owners }
    }

    fn occupy(&self, unit: u32) {
        self.inventory.occupy(unit, u32::MAX);
    }

    #[inline]
    fn pick(&self, unit: u32, owner: u32) -> Option<Ticket> {
        match self.inventory.pick(unit, owner, 0, &holders_of(owner, self.owners)) {
            Pick::Won(ticket) => Some(ticket),
            _ => None,
        }
    }

    fn undo(&self, ticket: Ticket) {
        self.inventory.undo(ticket);
    }
}

/// What a pick cannot do without, and nothing more: one load to lose; to win, that load and an exchange for
/// each of the three words. No growth, no reasons, no generation, no check that anything exists but the
/// slice's own.
pub(crate) struct Bare {
    units: Vec<Line>,
    /// Places left.
    places: Vec<AtomicU64>,
    owners: u32,
}

#[derive(Default)]
#[repr(align(64))]
struct Line(AtomicU64);

impl Bare {
    fn take(&self, holder: u32) -> bool {
        let place = &self.places[holder as usize];
        let left = place.load(Relaxed);
        left > 0 && place.compare_exchange(left, left - 1, Relaxed, Relaxed).is_ok()
    }
}

impl Contender for Bare {
    const NAME: &str = "bare atomics";
    type Won = (u32, u32);

    fn new(units: u32, owners: u32) -> Self {
        let places = limits(owners).map(|(_, limit)| AtomicU64::new(u64::from(limit))).collect();
        Self { units: (0..units).map(|_| Line::default()).collect(), places, owners }
    }

    fn occupy(&self, unit: u32) {
        self.units[unit as usize].0.store(u64::MAX, Release);
    }

    #[inline]
    fn pick(&self, unit: u32, owner: u32) -> Option<(u32, u32)> {
        let word = &self.units[unit as usize].0;
        if word.load(std::sync::atomic::Ordering::Acquire) != 0 {
            return None;
        }
        let [registration, household] = holders_of(owner, self.owners);
        let won = self.take(registration)
            && self.take(household)
            && word.compare_exchange(0, u64::from(owner) + 1, Release, Relaxed).is_ok();
        won.then_some((unit, owner))
    }

    fn undo(&self, (unit, owner): (u32, u32)) {
        for holder in holders_of(owner, self.owners) {
            self.places[holder as usize].fetch_add(1, Relaxed);
        }
        self.units[unit as usize].0.store(0, Release);
    }
}

/// One lock for the sale: right, simple, and every loser waits in line to hear it.
pub(crate) struct Locked {
    maps: Mutex<Maps>,
    owners: u32,
}

struct Maps {
    /// The owner of a unit that is gone.
    units: HashMap<u32, Option<u32>>,
    places: HashMap<u32, u32>,
}

impl Contender for Locked {
    const NAME: &str = "Mutex<HashMap>";
    type Won = (u32, u32);

    fn new(units: u32, owners: u32) -> Self {
        let units = (0..units).map(|unit| (unit, None)).collect();
        Self { maps: Mutex::new(Maps { units, places: limits(owners).collect() }), owners }
    }

    fn occupy(&self, unit: u32) {
        self.maps.lock().unwrap_or_else(PoisonError::into_inner).units.insert(unit, Some(u32::MAX));
    }

    #[inline]
    fn pick(&self, unit: u32, owner: u32) -> Option<(u32, u32)> {
        let mut maps = self.maps.lock().unwrap_or_else(PoisonError::into_inner);
        let Maps { units, places } = &mut *maps;
        let slot = units.get_mut(&unit).filter(|slot| slot.is_none())?;
        let holders = holders_of(owner, self.owners);
        if holders.iter().any(|holder| places.get(holder).is_none_or(|&left| left == 0)) {
            return None;
        }
        for holder in holders {
            *places.get_mut(&holder)? -= 1;
        }
        *slot = Some(owner);
        Some((unit, owner))
    }

    fn undo(&self, (unit, owner): (u32, u32)) {
        let mut maps = self.maps.lock().unwrap_or_else(PoisonError::into_inner);
        for holder in holders_of(owner, self.owners) {
            *maps.places.entry(holder).or_default() += 1;
        }
        maps.units.insert(unit, None);
    }
}

/// A lock for each shard: the same order of steps as the inventory's.
pub(crate) struct Sharded {
    units: DashMap<u32, Option<u32>>,
    places: DashMap<u32, u32>,
    owners: u32,
}

impl Sharded {
    fn take(&self, holder: u32) -> bool {
        self.places.get_mut(&holder).is_some_and(|mut left| {
            let free = *left > 0;
            *left -= u32::from(free);
            free
        })
    }

    fn give_back(&self, holder: u32) {
        *self.places.entry(holder).or_default() += 1;
    }
}

impl Contender for Sharded {
    const NAME: &str = "DashMap";
    type Won = (u32, u32);

    fn new(units: u32, owners: u32) -> Self {
        let units = (0..units).map(|unit| (unit, None)).collect();
        Self { units, places: limits(owners).collect(), owners }
    }

    fn occupy(&self, unit: u32) {
        self.units.insert(unit, Some(u32::MAX));
    }

    #[inline]
    fn pick(&self, unit: u32, owner: u32) -> Option<(u32, u32)> {
        if self.units.get(&unit)?.is_some() {
            return None;
        }
        let [registration, household] = holders_of(owner, self.owners);
        if !self.take(registration) {
            return None;
        }
        if !self.take(household) {
            self.give_back(registration);
            return None;
        }
        let mut slot = self.units.get_mut(&unit)?;
        if slot.is_some() {
            self.give_back(household);
            self.give_back(registration);
            return None;
        }
        *slot = Some(owner);
        Some((unit, owner))
    }

    fn undo(&self, (unit, owner): (u32, u32)) {
        holders_of(owner, self.owners).into_iter().for_each(|holder| self.give_back(holder));
        self.units.insert(unit, None);
    }
}
