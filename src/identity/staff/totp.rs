//! Codes of an authenticator app: RFC 6238 with SHA-1, six digits and steps of thirty seconds, which is what every app knows.

use totp_rs::{Algorithm, Builder, Totp};
use zeroize::Zeroizing;

use crate::domain::time::Micros;

use super::StaffError;

const DIGITS: u8 = 6;
const STEP_S: u64 = 30;
/// Steps before and after the present one whose codes are taken: a phone's clock is off, and people type slowly.
const SKEW: u16 = 1;
/// As long as SHA-1's output, as RFC 4226 recommends.
pub(super) const SECRET_BYTES: usize = 20;

/// What an app shows above the code. ASCII: some apps show nothing else.
const ISSUER: &str = "Kaipan";

pub(super) struct Authenticator(Totp);

impl Authenticator {
    pub(super) fn new(secret: &[u8], login: &str) -> Result<Self, StaffError> {
        let totp = Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(DIGITS)
            .with_step_duration(STEP_S)
            .with_skew(SKEW)
            .with_secret(secret.to_vec())
            .with_account_name(login)
            .with_issuer(Some(ISSUER))
            .build();
        Ok(Self(totp.map_err(|_| StaffError::Corrupt)?))
    }

    /// The time step whose code this is, if it is one of those that are taken now.
    pub(super) fn step_of(&self, code: &str, now: Micros) -> Option<i64> {
        let digits = code.len() == usize::from(DIGITS) && code.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = u64::try_from(now.0 / Micros::from_secs(1).0).ok()?;
        digits.then(|| self.0.check(code, seconds))?.and_then(|step| i64::try_from(step).ok())
    }

    /// For a QR code.
    pub(super) fn uri(&self) -> Result<Zeroizing<String>, StaffError> {
        self.0.to_url().map(Zeroizing::new).map_err(|_| StaffError::Corrupt)
    }

    /// For whoever types it by hand.
    pub(super) fn key(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.secret().to_base32())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of RFC 6238, appendix B, for SHA-1: of their eight digits the last six.
    const VECTORS: [(i64, &str); 6] = [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ];

    fn authenticator() -> Authenticator {
        Authenticator::new(b"12345678901234567890", "wang").unwrap()
    }

    /// CO-5. Mutations caught: SHA-256; a step of 60 s.
    #[test]
    fn the_codes_are_those_of_the_rfc() {
        for (seconds, code) in VECTORS {
            let step = authenticator().step_of(code, Micros::from_secs(seconds));
            assert_eq!(step, Some(seconds / 30), "{seconds}");
        }
    }

    /// CO-5: a step early and a step late, and not two. Mutation caught: a skew of 2.
    #[test]
    fn the_window_is_one_step_to_each_side() {
        let of = |seconds| authenticator().step_of("279037", Micros::from_secs(seconds));
        let start = 2_000_000_000 / 30 * 30;
        for (seconds, taken) in
            [(start - 31, false), (start - 30, true), (start, true), (start + 59, true), (start + 60, false)]
        {
            assert_eq!(of(seconds), taken.then_some(start / 30), "{}", seconds - start);
        }
        for odd in ["", "27903", "0279037", "27903７", " 279037", "２７９０３７", "-79037", "+279037"]
        {
            assert_eq!(authenticator().step_of(odd, Micros::from_secs(start)), None, "{odd}");
        }
        assert_eq!(authenticator().step_of("279037", Micros(i64::MIN)), None);
    }

    #[test]
    fn an_app_gets_what_it_needs() {
        let uri = authenticator().uri().unwrap();
        assert_eq!(*uri, "otpauth://totp/Kaipan:wang?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Kaipan");
        assert_eq!(*authenticator().key(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    }
}
