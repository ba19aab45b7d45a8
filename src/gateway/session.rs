//! Who speaks: extractors from the token to the buyer and their device. Looked at for each request and each frame.

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::HeaderMap;
use axum::http::request::Parts;

use super::core::{Core, Gateway};
use super::open::Open;
use super::problems;
use super::tokens::{Opened, open_token};
use crate::domain::time::Micros;
use crate::http::token::TokenError;
use crate::http::{Code, Problem, cookie};
use crate::identity::buyers::{BuyerSession, DeviceRole, DeviceView};

pub const COOKIE: &str = "kp_session";

/// The opening that the path names.
pub struct Here(pub Arc<Open>);

/// A signed-in buyer of the opening that the path names.
pub struct Buyer {
    pub open: Arc<Open>,
    pub session: BuyerSession,
    pub device: DeviceView,
}

/// A signed-in buyer on the device that picks.
pub struct Picker(pub Buyer);

/// The token as it came, from header or cookie.
pub fn token(headers: &HeaderMap) -> Option<&str> {
    cookie::token(headers, COOKIE)
}

/// A token's session, if it is one of this opening and not over.
pub fn verify(gateway: &Gateway, open: &Open, token: &str) -> Result<(BuyerSession, Micros), Problem> {
    let opened = open_token(&gateway.parts.token_key, token, gateway.now()).map_err(refused)?;
    let session = of_opening(&opened, open)?.clone();
    Ok((session, opened.expires_at))
}

/// Why a token is no session.
pub fn refused(error: TokenError) -> Problem {
    match error {
        TokenError::Expired => Code::SessionEnded.into(),
        TokenError::Malformed | TokenError::Forged => Code::NotSignedIn.into(),
    }
}

/// The session of an opened token, if it is one of this opening.
pub fn of_opening<'t>(opened: &'t Opened, open: &Open) -> Result<&'t BuyerSession, Problem> {
    if opened.session.opening == open.live.facts.id {
        Ok(&opened.session)
    } else {
        Err(Code::NotSignedIn.into())
    }
}

/// What the session's device is now. From memory; only a gateway that may not have heard of a session yet asks the
/// database.
pub async fn authenticate(gateway: &Gateway, session: &BuyerSession) -> Result<DeviceView, Problem> {
    let now = gateway.now();
    if let Some(view) = gateway.parts.buyers.view(session, now) {
        return Ok(view);
    }
    let (buyers, session) = (gateway.parts.buyers.clone(), session.clone());
    let asked = async move { buyers.authenticate(&session, now).await };
    Box::pin(gateway.parts.backend.run(asked)).await?.map_err(problems::buyer)
}

impl FromRequestParts<Core> for Here {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, core: &Core) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, core).await.map_err(|_| Code::NotFound)?;
        let opening = params.iter().find(|(name, _)| *name == "opening").map(|(_, value)| value);
        let opening = opening.and_then(|id| id.parse().ok()).ok_or(Code::NotFound)?;
        Ok(Self(core.gateway.find(&opening).await?))
    }
}

impl FromRequestParts<Core> for Buyer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, core: &Core) -> Result<Self, Problem> {
        // Before the opening is looked for: a stranger learns nothing about it here.
        let token = token(&parts.headers).ok_or(Code::NotSignedIn)?.to_owned();
        let Here(open) = Here::from_request_parts(parts, core).await?;
        let opened = core.tokens.open(&core.gateway.parts.token_key, &token, core.gateway.now());
        let opened = opened.map_err(refused)?;
        let session = of_opening(&opened, &open)?.clone();
        let device = authenticate(&core.gateway, &session).await?;
        Ok(Self { open, session, device })
    }
}

impl FromRequestParts<Core> for Picker {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, core: &Core) -> Result<Self, Problem> {
        let buyer = Buyer::from_request_parts(parts, core).await?;
        match buyer.device.role {
            DeviceRole::Picks => Ok(Self(buyer)),
            DeviceRole::Viewer => Err(Code::ViewerDevice.into()),
        }
    }
}
