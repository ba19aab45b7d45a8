//! Session tokens: claims in the clear, sealed with HMAC-SHA256, verified in memory on any gateway.
//!
//! `k1.<org>.<opening>.<registration>.<session>.<generation>.<expiry>.<mac>`: the prefix names the format and is part of
//! what is sealed. A token holds no name and no phone. Which session picks is a stored fact, not a claim of the token.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::domain::ids::{OpeningId, OrgId, RegOrd, SessionId};
use crate::domain::time::Micros;

const FORMAT: &str = "k1";
/// Longer than any token we make; a longer text is not looked at.
const TOKEN_BYTES_MAX: usize = 256;

/// What a buyer's token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionClaims {
    pub org: OrgId,
    pub opening: OpeningId,
    pub registration: RegOrd,
    pub session: SessionId,
    /// Raised to end every older token of the session at once.
    pub generation: u32,
    pub expires_at: Micros,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("not a token of ours")]
    Malformed,
    #[error("the seal does not match")]
    Forged,
    #[error("expired")]
    Expired,
}

/// The key that seals tokens. Wiped from memory when dropped.
#[derive(Clone)]
pub struct TokenKey(Zeroizing<[u8; 32]>);

impl TokenKey {
    pub fn new(key: [u8; 32]) -> Self {
        Self(Zeroizing::new(key))
    }

    fn mac(&self) -> Option<Hmac<Sha256>> {
        Hmac::<Sha256>::new_from_slice(self.0.as_slice()).ok()
    }

    pub fn seal(&self, claims: &SessionClaims) -> String {
        let SessionClaims { org, opening, registration, session, generation, expires_at } = claims;
        let body =
            format!("{FORMAT}.{org}.{opening}.{}.{session}.{generation}.{}", registration.0, expires_at.0);
        // HMAC takes a key of any length, so there is always a seal; without one the token would open nothing.
        let seal = self.mac().map(|mac| mac.chain_update(&body).finalize().into_bytes());
        format!("{body}.{}", URL_SAFE_NO_PAD.encode(seal.unwrap_or_default()))
    }

    /// The seal is compared in constant time and before anything in the token is believed.
    pub fn open(&self, token: &str, now: Micros) -> Result<SessionClaims, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        let (body, seal) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let seal = URL_SAFE_NO_PAD.decode(seal).map_err(|_| TokenError::Malformed)?;
        let mac = self.mac().ok_or(TokenError::Forged)?.chain_update(body);
        mac.verify_slice(&seal).map_err(|_| TokenError::Forged)?;
        let claims = read_claims(body).ok_or(TokenError::Malformed)?;
        if claims.expires_at <= now { Err(TokenError::Expired) } else { Ok(claims) }
    }
}

fn read_claims(body: &str) -> Option<SessionClaims> {
    let mut parts = body.split('.');
    if parts.next()? != FORMAT {
        return None;
    }
    let claims = SessionClaims {
        org: parts.next()?.parse().ok()?,
        opening: parts.next()?.parse().ok()?,
        registration: RegOrd(parts.next()?.parse().ok()?),
        session: parts.next()?.parse().ok()?,
        generation: parts.next()?.parse().ok()?,
        expires_at: Micros(parts.next()?.parse().ok()?),
    };
    parts.next().is_none().then_some(claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> SessionClaims {
        SessionClaims {
            org: OrgId::default_org(),
            opening: OpeningId::generate(),
            registration: RegOrd(7),
            session: SessionId::generate(),
            generation: 2,
            expires_at: Micros::from_secs(100),
        }
    }

    #[test]
    fn what_was_sealed_opens_until_it_expires() {
        let key = TokenKey::new([7; 32]);
        let token = key.seal(&claims());
        assert!(token.len() <= TOKEN_BYTES_MAX, "{}", token.len());
        let claims = key.open(&token, Micros::from_secs(99)).unwrap();
        assert_eq!(claims.registration, RegOrd(7));
        assert_eq!(key.seal(&claims), token);
        assert_eq!(key.open(&token, Micros::from_secs(100)), Err(TokenError::Expired));
        assert_eq!(TokenKey::new([8; 32]).open(&token, Micros(0)), Err(TokenError::Forged));
    }

    /// Mutation that turned it red: comparing only the first bytes of the seal.
    #[test]
    fn no_byte_of_a_token_can_be_changed() {
        let key = TokenKey::new([7; 32]);
        let token = key.seal(&claims());
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'1' { b'2' } else { b'1' };
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            assert!(key.open(&changed, Micros(0)).is_err(), "byte {at}");
        }
    }

    #[test]
    fn garbage_is_refused_without_a_panic() {
        let key = TokenKey::new([7; 32]);
        let long = "a".repeat(100_000);
        for text in ["", ".", "k1", "k1........", "k1.a.b.c.d.e.f.g", "令牌", long.as_str()] {
            assert!(key.open(text, Micros(0)).is_err(), "{text:.20}");
        }
    }
}
