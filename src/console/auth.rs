//! Who asks: the session behind a request of the staff's door.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};

use super::load::Pass;
use super::{Console, problems};
use crate::domain::ids::StaffId;
use crate::http::{Code, Problem, cookie};
use crate::identity::staff::{SessionKey, SignedIn};
use crate::identity::{Actor, Right, StaffMember};

/// The cookie of this door; no other door's means anything here.
pub const COOKIE: &str = "kp_staff";

/// A signed-in member of staff, or a load run on behalf of one. A handler asks it for the right it needs before it does
/// anything.
pub struct Who {
    pub member: StaffMember,
    /// None for a load run's child, which has a pass and no session.
    session: Option<SessionKey>,
    /// A second factor is required and not there: only what belongs to the session itself is open.
    pub must_enrol: bool,
    /// For a load run's child: whatever its starter may do, it has these rights and no other.
    only: Option<&'static [Right]>,
}

impl Who {
    pub fn may(&self, right: Right) -> Result<(), Problem> {
        match self.only {
            None => self.member.require(right).map_err(problems::staff),
            Some(rights) if rights.contains(&right) => Ok(()),
            Some(_) => Err(forbidden(right)),
        }
    }

    /// What a load run may not do: start others.
    pub fn in_person(&self) -> Result<(), Problem> {
        if self.only.is_none() { Ok(()) } else { Err(forbidden(Right::Rehearse)) }
    }

    /// For what belongs to a person and the session they asked by.
    pub fn signed_in(&self) -> Result<SignedIn, Problem> {
        let session = self.session.clone().ok_or_else(|| Problem::new(Code::Forbidden))?;
        Ok(SignedIn { member: self.member.clone(), session, must_enrol: self.must_enrol })
    }

    /// The session, if this is a person's; a load run's pass ends with the run.
    pub fn session(&self) -> Option<&SessionKey> {
        self.session.as_ref()
    }

    pub fn actor(&self) -> Actor {
        self.member.actor()
    }

    pub fn id(&self) -> StaffId {
        self.member.id.clone()
    }
}

/// What whoever must set up a second factor needs for it: who they are, the second factor, another password, the way out.
fn is_own_session(path: &str) -> bool {
    path.strip_prefix("/api/v1/session").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A change that comes by the cookie names the page it comes from; the shell has compared what is named. Every browser names
/// it, so what does not is no page of ours: the cookie's `SameSite` alone would have to be trusted.
pub fn own_page(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let named = headers.contains_key(header::ORIGIN) || cookie::bearer(headers).is_some();
    if method.is_safe() || named { Ok(()) } else { Err(Code::OriginNotAllowed.into()) }
}

fn forbidden(right: Right) -> Problem {
    Problem::new(Code::Forbidden).with("right", right.as_str())
}

impl FromRequestParts<Console> for Who {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Problem> {
        let token =
            cookie::token(&parts.headers, COOKIE).ok_or_else(|| Problem::new(Code::NotSignedIn))?.to_owned();
        own_page(&parts.method, &parts.headers)?;
        if let Some(pass) = console.0.load.pass(&token) {
            // Good for this opening alone, whatever the route would allow.
            return if pass.opens(parts.uri.path()) {
                Ok(Self { member: pass.member, must_enrol: false, session: None, only: Some(Pass::RIGHTS) })
            } else {
                Err(Code::Forbidden.into())
            };
        }
        let who = console.0.staff.authenticate(&token, console.now()).await.map_err(problems::staff)?;
        if who.must_enrol && !is_own_session(parts.uri.path()) {
            return Err(Code::SecondFactorRequired.into());
        }
        Ok(Self { must_enrol: who.must_enrol, member: who.member, session: Some(who.session), only: None })
    }
}
