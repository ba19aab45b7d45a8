//! What a load run's child shows instead of a password: a token that lives as long as the run, in memory alone, and opens
//! nothing but the routes below one rehearsal.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::domain::ids::OpeningId;
use crate::identity::{Right, StaffMember};

#[derive(Clone)]
pub struct Pass {
    /// Who started the run; what it does is logged as theirs.
    pub member: StaffMember,
    rehearsal: OpeningId,
    digest: [u8; 32],
}

impl Pass {
    /// Signing simulated buyers in, reading the opening, reading its truth.
    pub const RIGHTS: &'static [Right] = &[Right::View, Right::Rehearse, Right::Audit];

    pub fn new(member: StaffMember, rehearsal: OpeningId) -> (Self, String) {
        let random: [u8; 32] = rand::random();
        let token = URL_SAFE_NO_PAD.encode(random);
        let digest = Sha256::digest(token.as_bytes()).into();
        (Self { member, rehearsal, digest }, token)
    }

    pub fn is(&self, token: &str) -> bool {
        Sha256::digest(token.as_bytes()).ct_eq(&self.digest).into()
    }

    /// Whether this path lies at or below the rehearsal's own.
    pub fn opens(&self, path: &str) -> bool {
        path.strip_prefix("/api/v1/openings/")
            .and_then(|rest| rest.strip_prefix(self.rehearsal.as_str()))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::StaffId;
    use crate::identity::Role;

    /// OP-94. Mutations caught: the slash after the id not asked for; the digest compared with itself.
    #[test]
    fn a_pass_opens_its_own_rehearsal_and_nothing_else() {
        let member = StaffMember {
            id: StaffId::generate(),
            login: "m".into(),
            name: "m".into(),
            role: Role::Manager,
            disabled: false,
            second_factor: false,
        };
        let (own, other) = (OpeningId::generate(), OpeningId::generate());
        let (pass, token) = Pass::new(member, own.clone());
        assert!(pass.is(&token) && !pass.is("") && !pass.is(&token[1..]));
        for path in ["", "/sessions", "/truth"] {
            assert!(pass.opens(&format!("/api/v1/openings/{own}{path}")), "{path}");
            assert!(!pass.opens(&format!("/api/v1/openings/{other}{path}")), "{path}");
        }
        for path in ["/api/v1/staff", "/api/v1/openings", "/api/v1/openings/"] {
            assert!(!pass.opens(path), "{path}");
        }
        assert!(!pass.opens(&format!("/api/v1/openings/{own}0/truth")));
        let changes = [Right::Staff, Right::Prepare, Right::Control, Right::Cashier, Right::People];
        assert!(changes.iter().all(|right| !Pass::RIGHTS.contains(right)));
    }
}
