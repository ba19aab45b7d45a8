//! How many sockets there are and whose: the process's caps on them.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;

use super::place::Place;
use crate::domain::ids::{OpeningId, RegOrd};
use crate::limits::{ANONYMOUS_SOCKETS_MAX, ANONYMOUS_SOCKETS_PER_ADDRESS_MAX, SOCKETS_PER_REGISTRATION_MAX};

/// Shared by all loops; no guard of the maps lives longer than one call.
#[derive(Default)]
pub struct Presence {
    registrations: DashMap<(OpeningId, RegOrd), VecDeque<Arc<Place>>>,
    anonymous: AtomicUsize,
    addresses: DashMap<IpAddr, usize>,
}

/// A socket's seat; given back when dropped.
pub enum Seat {
    Registration { presence: Arc<Presence>, of: (OpeningId, RegOrd), place: Arc<Place> },
    Anonymous { presence: Arc<Presence>, address: IpAddr },
}

impl Presence {
    /// A buyer's socket always gets in: the oldest of the registration's leaves for it. Whoever holds the session may
    /// crowd out nobody but themselves.
    pub fn sign_in(self: &Arc<Self>, opening: &OpeningId, who: RegOrd, place: &Arc<Place>) -> Seat {
        let of = (opening.clone(), who);
        let oldest = {
            let mut sockets = self.registrations.entry(of.clone()).or_default();
            let full = sockets.len() >= SOCKETS_PER_REGISTRATION_MAX;
            let oldest = if full { sockets.pop_front() } else { None };
            sockets.push_back(Arc::clone(place));
            oldest
        };
        if let Some(oldest) = oldest {
            oldest.replace();
        }
        Seat::Registration { presence: Arc::clone(self), of, place: Arc::clone(place) }
    }

    /// How many registrations of an opening have a socket here. For the console, now and then: it walks the map.
    pub fn connected(&self, opening: &OpeningId) -> usize {
        self.registrations.iter().filter(|entry| entry.key().0 == *opening).count()
    }

    /// The same for all openings, in one walk.
    pub fn connected_everywhere(&self) -> HashMap<OpeningId, usize> {
        let mut counts = HashMap::new();
        for entry in &self.registrations {
            *counts.entry(entry.key().0.clone()).or_default() += 1;
        }
        counts
    }

    /// `None` when there are too many sockets without a session, in all or from this address.
    pub fn stranger(self: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        let before = self.anonymous.fetch_add(1, Ordering::Relaxed);
        let from_here = {
            let mut count = self.addresses.entry(address).or_default();
            *count += 1;
            *count
        };
        // Made before the look, so that a refused socket gives back what it counted.
        let seat = Seat::Anonymous { presence: Arc::clone(self), address };
        let fits = before < ANONYMOUS_SOCKETS_MAX && from_here <= ANONYMOUS_SOCKETS_PER_ADDRESS_MAX;
        fits.then_some(seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        match self {
            Self::Registration { presence, of, place } => {
                presence.registrations.remove_if_mut(of, |_, sockets| {
                    sockets.retain(|other| !Arc::ptr_eq(other, place));
                    sockets.is_empty()
                });
            }
            Self::Anonymous { presence, address } => {
                presence.anonymous.fetch_sub(1, Ordering::Relaxed);
                presence.addresses.remove_if_mut(address, |_, count| {
                    *count = count.saturating_sub(1);
                    *count == 0
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::place::ToLoop;
    use super::*;

    #[test]
    fn the_oldest_socket_of_a_registration_leaves_for_the_newest() {
        let presence = Arc::new(Presence::default());
        let opening = OpeningId::generate();
        let (door, mut told) = tokio::sync::mpsc::unbounded_channel();
        let places: Vec<Arc<Place>> = (0..5).map(|_| Place::new(Some(RegOrd(1)), door.clone())).collect();
        let mut seats: Vec<Seat> =
            places[..4].iter().map(|place| presence.sign_in(&opening, RegOrd(1), place)).collect();
        assert!(told.try_recv().is_err(), "four fit");
        seats.push(presence.sign_in(&opening, RegOrd(1), &places[4]));
        let left: Vec<bool> = places.iter().map(|place| place.is_replaced()).collect();
        assert_eq!(left, [true, false, false, false, false]);
        assert!(matches!(told.try_recv(), Ok(ToLoop::Replaced(place)) if Arc::ptr_eq(&place, &places[0])));

        let other = Place::new(Some(RegOrd(2)), door);
        let seat = presence.sign_in(&opening, RegOrd(2), &other);
        assert_eq!(presence.connected(&opening), 2, "people, not sockets");
        assert_eq!(presence.connected(&OpeningId::generate()), 0);
        assert!(told.try_recv().is_err(), "others are not touched");
        drop((seats, seat));
        assert!(presence.registrations.is_empty());
    }

    /// Mutation that turned it red: a refused stranger that keeps what it counted.
    #[test]
    fn strangers_are_capped_by_address_and_give_their_seat_back() {
        let presence = Arc::new(Presence::default());
        let hall: IpAddr = "203.0.113.1".parse().unwrap();
        let mut seats: Vec<Seat> =
            (0..ANONYMOUS_SOCKETS_PER_ADDRESS_MAX).map(|_| presence.stranger(hall).unwrap()).collect();
        assert!(presence.stranger(hall).is_none());
        assert!(presence.stranger("203.0.113.2".parse().unwrap()).is_some());
        seats.pop();
        assert!(presence.stranger(hall).is_some());
        drop(seats);
        assert!(presence.addresses.is_empty());
        assert_eq!(presence.anonymous.load(Ordering::Relaxed), 0);
    }
}
