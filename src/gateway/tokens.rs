//! Tokens that a loop opened lately. Opening one is an HMAC and the reading of three ids, for every request; a buyer
//! sends the same token each time.
//!
//! What is kept is only that these very bytes were sealed by us, and what they say. Whether the session is over, ended by
//! its owner or replaced by another device is looked at each time, by whoever asks (`session::authenticate`).

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::ids::OrgId;
use crate::domain::time::Micros;
use crate::http::token::{SessionClaims, TokenError, TokenKey};
use crate::identity::buyers::BuyerSession;
use crate::limits::TOKENS_REMEMBERED;

/// What a token of ours says.
#[derive(Debug)]
pub struct Opened {
    pub session: BuyerSession,
    pub expires_at: Micros,
}

/// Opens a token without looking whether it was opened before.
pub fn open_token(key: &TokenKey, token: &str, now: Micros) -> Result<Opened, TokenError> {
    let SessionClaims { org, opening, registration, session, generation, expires_at } =
        key.open(token, now)?;
    if org != OrgId::default_org() {
        return Err(TokenError::Forged);
    }
    Ok(Opened { session: BuyerSession { opening, registration, session, generation }, expires_at })
}

/// One loop's memory of tokens.
pub struct Tokens {
    /// Keyed at random: nobody can choose tokens that push a buyer's out. A token is found by its hash and then compared
    /// byte by byte. How long that takes tells nothing about a seal: to be compared at all, a guess must have the hash.
    hasher: RandomState,
    /// A token has one place; another with the same place takes it over. Never contended: only this loop asks. Held for
    /// one look, never over an await.
    places: Mutex<Box<[Option<Place>]>>,
}

struct Place {
    token: Box<str>,
    opened: Arc<Opened>,
}

impl Default for Tokens {
    fn default() -> Self {
        let places = (0..TOKENS_REMEMBERED).map(|_| None).collect();
        Self { hasher: RandomState::new(), places: Mutex::new(places) }
    }
}

impl Tokens {
    pub fn open(&self, key: &TokenKey, token: &str, now: Micros) -> Result<Arc<Opened>, TokenError> {
        // The remainder is below the number of places, which fits a usize.
        let place = usize::try_from(self.hasher.hash_one(token) % TOKENS_REMEMBERED as u64).unwrap_or(0);
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Some(known)) = places.get(place)
            && *known.token == *token
        {
            let opened = Arc::clone(&known.opened);
            return if opened.expires_at <= now { Err(TokenError::Expired) } else { Ok(opened) };
        }
        let opened = Arc::new(open_token(key, token, now)?);
        if let Some(place) = places.get_mut(place) {
            *place = Some(Place { token: token.into(), opened: Arc::clone(&opened) });
        }
        Ok(opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{OpeningId, RegOrd, SessionId};

    fn token(key: &TokenKey, org: OrgId, registration: u32) -> String {
        key.seal(&SessionClaims {
            org,
            opening: OpeningId::generate(),
            registration: RegOrd(registration),
            session: SessionId::generate(),
            generation: 1,
            expires_at: Micros::from_secs(100),
        })
    }

    /// Mutations that turned it red: the expiry not looked at again, and a place believed without its token compared.
    #[test]
    fn a_known_token_is_opened_without_its_key_until_it_expires_and_no_other_is() {
        let (key, other_key) = (TokenKey::new([7; 32]), TokenKey::new([8; 32]));
        let tokens = Tokens::default();
        let known = token(&key, OrgId::default_org(), 7);
        assert_eq!(tokens.open(&other_key, &known, Micros(0)).unwrap_err(), TokenError::Forged);
        assert_eq!(tokens.open(&key, &known, Micros(0)).unwrap().session.registration, RegOrd(7));
        // Another key shows that the seal is not computed again.
        let again = tokens.open(&other_key, &known, Micros::from_secs(99));
        assert_eq!(again.unwrap().session.registration, RegOrd(7));
        assert_eq!(tokens.open(&key, &known, Micros::from_secs(100)).unwrap_err(), TokenError::Expired);
        // Far more than there are places: each is opened as itself, and a changed one never.
        for registration in 0..2 * TOKENS_REMEMBERED as u32 {
            let fresh = token(&key, OrgId::default_org(), registration);
            assert_eq!(
                tokens.open(&key, &fresh, Micros(0)).unwrap().session.registration,
                RegOrd(registration)
            );
        }
        let last = token(&key, OrgId::default_org(), 1);
        assert!(tokens.open(&key, &last, Micros(0)).is_ok());
        let changed = last.replace("k1.", "k2.");
        assert!(tokens.open(&key, &changed, Micros(0)).is_err());
    }

    #[test]
    fn a_token_of_another_organisation_is_not_ours() {
        let key = TokenKey::new([7; 32]);
        let foreign = token(&key, "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap(), 7);
        assert_eq!(Tokens::default().open(&key, &foreign, Micros(0)).unwrap_err(), TokenError::Forged);
    }
}
