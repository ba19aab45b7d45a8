//! Who asks: the session behind a request of the staff's door.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::{Console, problems};
use crate::domain::ids::StaffId;
use crate::http::{Code, Problem, cookie};
use crate::identity::{Actor, Right, StaffMember};

/// The cookie of this door; no other door's means anything here.
pub const COOKIE: &str = "kp_staff";

/// A signed-in member of staff. A handler asks it for the right it needs before it does anything.
pub struct Who(pub StaffMember);

impl Who {
    pub fn may(&self, right: Right) -> Result<(), Problem> {
        self.0.require(right).map_err(problems::staff)
    }

    pub fn actor(&self) -> Actor {
        self.0.actor()
    }

    pub fn id(&self) -> StaffId {
        self.0.id.clone()
    }
}

impl FromRequestParts<Console> for Who {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Problem> {
        let token =
            cookie::token(&parts.headers, COOKIE).ok_or_else(|| Problem::new(Code::NotSignedIn))?.to_owned();
        let member = console.0.staff.authenticate(&token, console.now()).await.map_err(problems::staff)?;
        Ok(Self(member))
    }
}
