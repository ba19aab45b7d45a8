//! The sockets of one loop, by a small number that the kernel hands back with each event.

use std::collections::BTreeSet;

use super::member::Member;
use crate::domain::ids::RegOrd;

/// Names one member and never another one, though its slot is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    slot: u32,
    generation: u32,
}

#[derive(Default)]
pub struct Members {
    slots: Vec<Slot>,
    free: Vec<u32>,
    of: BTreeSet<(RegOrd, Id)>,
    count: usize,
}

#[derive(Default)]
struct Slot {
    generation: u32,
    /// Away while its member is being served.
    member: Option<Box<Member>>,
}

impl Members {
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Slots in use or once used: the bounds of a walk over all.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Makes a place; the member comes with [`Members::put`].
    pub fn reserve(&mut self, who: Option<RegOrd>) -> Id {
        self.count += 1;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            // Far below: connections are capped.
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let id = Id { slot, generation: self.slot(slot).map_or(0, |slot| slot.generation) };
        if let Some(who) = who {
            self.of.insert((who, id));
        }
        id
    }

    /// Takes a member out to serve it; every way ends in [`Members::put`] or [`Members::release`].
    pub fn take(&mut self, id: Id) -> Option<Box<Member>> {
        self.slot(id.slot).filter(|slot| slot.generation == id.generation)?.member.take()
    }

    /// Who sits in this slot.
    pub fn at(&self, slot: usize) -> Option<Id> {
        let number = u32::try_from(slot).ok()?;
        let slot = self.slots.get(slot)?;
        slot.member.is_some().then_some(Id { slot: number, generation: slot.generation })
    }

    pub fn put(&mut self, id: Id, member: Box<Member>) {
        if let Some(slot) = self.slot(id.slot) {
            slot.member = Some(member);
        }
    }

    /// The place is free again.
    pub fn release(&mut self, id: Id, who: Option<RegOrd>) {
        if let Some(slot) = self.slot(id.slot) {
            slot.generation = slot.generation.wrapping_add(1);
            self.free.push(id.slot);
            self.count -= 1;
        }
        if let Some(who) = who {
            self.of.remove(&(who, id));
        }
    }

    /// The sockets of a registration: a handful at most.
    pub fn of(&self, who: RegOrd) -> Vec<Id> {
        let (first, last) = (Id { slot: 0, generation: 0 }, Id { slot: u32::MAX, generation: u32::MAX });
        self.of.range((who, first)..=(who, last)).map(|(_, id)| *id).collect()
    }

    fn slot(&mut self, slot: u32) -> Option<&mut Slot> {
        self.slots.get_mut(usize::try_from(slot).ok()?)
    }
}

impl Id {
    /// As the kernel keeps it.
    pub fn token(self) -> mio::Token {
        mio::Token((self.generation as usize) << 32 | self.slot as usize)
    }

    pub fn of_token(token: mio::Token) -> Self {
        let low = |n: usize| u32::try_from(n & 0xFFFF_FFFF).unwrap_or(0);
        Self { slot: low(token.0), generation: low(token.0 >> 32) }
    }
}

const _: () = assert!(size_of::<usize>() == 8, "a token holds a slot and its generation");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_that_is_used_again_has_another_name() {
        let mut members = Members::default();
        let first = members.reserve(Some(RegOrd(7)));
        let other = members.reserve(Some(RegOrd(8)));
        assert_eq!(members.of(RegOrd(7)), [first]);
        members.release(first, Some(RegOrd(7)));
        assert!(members.of(RegOrd(7)).is_empty());
        assert_eq!(members.of(RegOrd(8)), [other]);
        let second = members.reserve(Some(RegOrd(7)));
        assert_eq!((second.slot, members.slots()), (first.slot, 2));
        assert_ne!(second, first);
        assert!(members.take(first).is_none(), "an event that comes late means nobody");
        for id in [first, second, other] {
            assert_eq!(Id::of_token(id.token()), id);
        }
        members.release(second, Some(RegOrd(7)));
        members.release(other, Some(RegOrd(8)));
        assert!(members.is_empty());
    }
}
