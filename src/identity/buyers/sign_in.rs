//! A code becomes a session.

use std::net::IpAddr;

use subtle::ConstantTimeEq;

use crate::domain::ids::{OpeningId, RegOrd, SessionId};
use crate::domain::phone::Phone;
use crate::domain::text::mask_name;
use crate::domain::time::Micros;
use crate::limits::{
    BUYER_SESSION_S, DEVICE_FREEZE_S, REGISTRATIONS_PER_PHONE_MAX, SESSIONS_PER_REGISTRATION_MAX,
};
use crate::store::{Priority, StoreError, Tx, execute, fetch_all, fetch_optional};
use crate::telemetry::names;
use crate::vault::{Field, Purpose, Secret};

use super::code::start_of;
use super::devices::LiveSession;
use super::state::{self, Change};
use super::{BuyerError, BuyerSession, Buyers, DeviceRole};
use crate::identity::network;

/// What a buyer sends to sign in.
#[derive(Debug, Clone, Copy)]
pub struct SignInAttempt<'a> {
    pub opening: &'a OpeningId,
    pub phone: &'a str,
    pub code: &'a str,
    /// The registration's code, when the phone has several.
    pub registration: Option<&'a str>,
    /// What the device calls itself.
    pub device: &'a str,
    pub address: IpAddr,
    /// What this browser keeps of a sign-in by WeChat that waits for a proven phone: this one.
    pub wechat: Option<&'a str>,
}

/// A new session. The door makes its token of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    pub session: BuyerSession,
    pub expires_at: Micros,
    pub role: DeviceRole,
    /// A WeChat user was bound to the phone: from now on WeChat alone signs in.
    pub bound: bool,
}

/// One of several registrations of a phone, as far as its owner needs to tell them apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub code: String,
    pub name_masked: String,
    pub document_tail: String,
}

#[derive(sqlx::FromRow)]
pub(super) struct Candidate {
    ord: i64,
    id: String,
    code: String,
    name_sealed: Vec<u8>,
    document_sealed: Vec<u8>,
}

enum Tried {
    Right,
    Wrong { attempts_left: i64 },
    Void,
}

impl Buyers {
    pub async fn sign_in(&self, attempt: SignInAttempt<'_>, now: Micros) -> Result<SignedIn, BuyerError> {
        let signed_in = self.attempt(attempt, now).await;
        let outcome = signed_in.as_ref().map_or_else(BuyerError::code, |_| "ok");
        metrics::counter!(names::SIGN_INS, "outcome" => outcome).increment(1);
        signed_in
    }

    async fn attempt(&self, attempt: SignInAttempt<'_>, now: Micros) -> Result<SignedIn, BuyerError> {
        let phone = Phone::parse(attempt.phone).map_err(|_| BuyerError::PhoneInvalid)?;
        let phone_bidx = self.inner.vault.index(Purpose::Phone, phone.as_str());
        let address = network(attempt.address).to_string();
        let device = state::label(attempt.device);
        let tried_from: &[&[u8]] = &[&phone_bidx, device.as_bytes(), address.as_bytes()];
        let address: &[&[u8]] = &[address.as_bytes()];

        self.inner.code_tries.attempt(tried_from, now).await.map_err(BuyerError::slow_down)?;
        if let Err(wait) = self.inner.address_tries.attempt(address, now).await {
            self.inner.code_tries.forgive(tried_from).await;
            return Err(BuyerError::slow_down(wait));
        }
        let outcome = self.try_code(&attempt, &phone_bidx, &device, now).await;
        if !matches!(outcome, Err(BuyerError::CodeWrong { .. } | BuyerError::CodeVoid)) {
            self.inner.code_tries.forgive(tried_from).await;
            self.inner.address_tries.forgive(address).await;
        }
        outcome
    }

    async fn try_code(
        &self,
        attempt: &SignInAttempt<'_>,
        phone_bidx: &[u8],
        device: &str,
        now: Micros,
    ) -> Result<SignedIn, BuyerError> {
        let _permit = self.admit()?;
        let opening = attempt.opening;
        let mut tx = self.inner.db.begin(Priority::Staff).await?;
        let start_at = start_of(&mut tx, opening).await?;
        let candidates = match self.check_code(&mut tx, opening, phone_bidx, attempt.code, now).await? {
            Tried::Void => return Err(BuyerError::CodeVoid),
            Tried::Wrong { attempts_left } => {
                tx.commit().await?;
                return Err(if attempts_left > 0 {
                    BuyerError::CodeWrong { attempts_left }
                } else {
                    BuyerError::CodeVoid
                });
            }
            Tried::Right => candidates(&mut tx, opening, phone_bidx).await?,
        };
        // Dropping the transaction gives the try back: the same code is sent again with the choice.
        let registration = self.choose(&candidates, attempt.registration)?;
        execute!(
            tx,
            "DELETE FROM sign_in_code WHERE opening_id = $1 AND phone_bidx = $2",
            opening,
            phone_bidx
        )?;
        let bound = match attempt.wechat {
            Some(browser) => self.bind_wechat(&mut tx, opening, browser, phone_bidx, now).await?,
            None => false,
        };
        let change = Change::begin(tx, &self.inner.vault, opening, registration).await?;
        let signed_in = self.start_session(change, opening, registration, device, start_at, now).await?;
        Ok(SignedIn { bound, ..signed_in })
    }

    /// Takes one try off the code before looking at it, so that parallel guesses can't have more than five.
    async fn check_code(
        &self,
        tx: &mut Tx,
        opening: &OpeningId,
        phone_bidx: &[u8],
        code: &str,
        now: Micros,
    ) -> Result<Tried, BuyerError> {
        let stored = fetch_optional!(
            tx,
            (String, Vec<u8>, i64),
            "UPDATE sign_in_code SET attempts_left = attempts_left - 1
             WHERE opening_id = $1 AND phone_bidx = $2 AND attempts_left > 0 AND expires_at > $3
             RETURNING id, code_hash, attempts_left",
            opening,
            phone_bidx,
            now
        )?;
        let Some((id, expected, attempts_left)) = stored else { return Ok(Tried::Void) };
        let given = self.inner.vault.hash_secret(Secret::SignInCode, &id, code.trim().as_bytes());
        Ok(if bool::from(given.ct_eq(&expected)) { Tried::Right } else { Tried::Wrong { attempts_left } })
    }

    pub(super) fn choose(
        &self,
        candidates: &[Candidate],
        wanted: Option<&str>,
    ) -> Result<RegOrd, BuyerError> {
        let chosen = match (candidates, wanted) {
            // A code for a phone that is not on the roster was told to nobody; whoever guessed it has gained nothing.
            ([], _) => return Err(BuyerError::CodeVoid),
            ([only], None) => Some(only),
            (several, wanted) => several.iter().find(|candidate| Some(candidate.code.as_str()) == wanted),
        };
        if let Some(chosen) = chosen {
            return u32::try_from(chosen.ord).map(RegOrd).map_err(|_| BuyerError::Corrupt);
        }
        let vault = &self.inner.vault;
        let choices = candidates
            .iter()
            .map(|candidate| {
                let name = vault.open_text(Field::RegistrationName, &candidate.id, &candidate.name_sealed)?;
                let document = vault.open_text(
                    Field::RegistrationDocument,
                    &candidate.id,
                    &candidate.document_sealed,
                )?;
                let skip = document.chars().count().saturating_sub(4);
                Ok(Choice {
                    code: candidate.code.clone(),
                    name_masked: mask_name(&name),
                    document_tail: document.chars().skip(skip).collect(),
                })
            })
            .collect::<Result<_, BuyerError>>()?;
        Err(BuyerError::ChooseRegistration { choices })
    }

    pub(super) async fn start_session(
        &self,
        mut change: Change,
        opening: &OpeningId,
        registration: RegOrd,
        device: &str,
        start_at: Micros,
        now: Micros,
    ) -> Result<SignedIn, BuyerError> {
        let session = LiveSession {
            id: SessionId::generate(),
            label: device.to_owned(),
            generation: 1,
            expires_at: now.plus(Micros::from_secs(BUYER_SESSION_S)),
        };
        let frozen = now >= start_at.since(Micros::from_secs(DEVICE_FREEZE_S));
        let picks = !frozen || change.state.picking(now).is_none();
        change.add(&self.inner.vault, session.clone(), now).await?;
        if picks {
            change.give_to(Some(session.id.clone()));
        }
        while change.state.live.len() > SESSIONS_PER_REGISTRATION_MAX {
            let picking = change.state.picks.as_ref();
            let surplus =
                change.state.live.iter().find(|live| Some(&live.id) != picking).map(|live| live.id.clone());
            let Some(surplus) = surplus else { break };
            change.end(&surplus, now).await?;
        }
        self.commit(change, opening, registration, now).await?;
        Ok(SignedIn {
            session: BuyerSession {
                opening: opening.clone(),
                registration,
                session: session.id,
                generation: session.generation,
            },
            expires_at: session.expires_at,
            role: if picks { DeviceRole::Picks } else { DeviceRole::Viewer },
            bound: false,
        })
    }

    /// Commits a change. If the answer to the commit was lost, the memory is read again before anybody picks by it.
    pub(super) async fn commit(
        &self,
        change: Change,
        opening: &OpeningId,
        registration: RegOrd,
        now: Micros,
    ) -> Result<(), BuyerError> {
        let inner = &self.inner;
        let outcome = change.commit(&inner.devices, now).await;
        if matches!(outcome, Err(BuyerError::Store(StoreError::CommitUnknown(_)))) {
            state::reload(&inner.db, &inner.vault, &inner.devices, opening, registration).await?;
        }
        outcome
    }
}

pub(super) async fn candidates(
    tx: &mut Tx,
    opening: &OpeningId,
    phone_bidx: &[u8],
) -> Result<Vec<Candidate>, BuyerError> {
    Ok(fetch_all!(
        tx,
        Candidate,
        "SELECT ord, id, code, name_sealed, document_sealed FROM registration
         WHERE opening_id = $1 AND phone_bidx = $2 ORDER BY ord LIMIT $3",
        opening,
        phone_bidx,
        REGISTRATIONS_PER_PHONE_MAX
    )?)
}
