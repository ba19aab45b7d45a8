//! The errors of the layers below, as this door answers them.

use crate::http::{Code, Problem};
use crate::identity::{BuyerError, StaffError};
use crate::limits;
use crate::opening::RecoverError;
use crate::opening::cashier::{PaymentError, PersonError};
use crate::opening::drafts::DraftError;
use crate::opening::job::{CommandError, CommandRefusal};
use crate::opening::publish::PublishError;
use crate::opening::rehearse::RehearseError;
use crate::store::StoreError;

use super::wire;

pub fn store(error: StoreError) -> Problem {
    match error {
        StoreError::CommitUnknown(_) => {
            tracing::error!(%error, "a commit's outcome is not known");
            Code::TimedOut.into()
        }
        error => Problem::internal(error),
    }
}

pub fn staff(error: StaffError) -> Problem {
    match error {
        StaffError::LoginFailed => Code::LoginFailed.into(),
        StaffError::SlowDown { retry_after_ms } => {
            Problem::slow_down(u64::try_from(retry_after_ms).unwrap_or(0))
        }
        StaffError::SessionEnded => Code::SessionEnded.into(),
        StaffError::Forbidden { right } => Problem::new(Code::Forbidden).with("right", right.as_str()),
        StaffError::LoginTaken => Problem::new(Code::LoginTaken).with("field", "login"),
        StaffError::StaffUnknown | StaffError::SessionUnknown => Code::NotFound.into(),
        StaffError::SecondFactorNeeded => Code::SecondFactorNeeded.into(),
        StaffError::SecondFactorWrong => Code::SecondFactorWrong.into(),
        StaffError::SecondFactorOn => Code::SecondFactorOn.into(),
        StaffError::SecondFactorOff => Code::SecondFactorOff.into(),
        StaffError::LastAdmin => Problem::field("role").with("reason", error.code()),
        StaffError::LoginInvalid { max }
        | StaffError::NameInvalid { max }
        | StaffError::ReasonInvalid { max } => invalid(&error).with("max", max),
        StaffError::PasswordTooShort { min } => invalid(&error).with("min", min),
        StaffError::PasswordTooLong { max } => invalid(&error).with("max", max),
        StaffError::RoleDemoOnly | StaffError::PasswordWrong | StaffError::CodeWrong => invalid(&error),
        StaffError::Hashing => Problem::new(Code::Overloaded).with("retry_after_ms", 1_000),
        StaffError::Store(error) => store(error),
        StaffError::Corrupt | StaffError::Vault(_) => Problem::internal(error),
    }
}

fn invalid(error: &StaffError) -> Problem {
    Problem::field(error.field().unwrap_or_default()).with("reason", error.code())
}

pub fn buyer(error: BuyerError) -> Problem {
    match error {
        BuyerError::ReasonInvalid { max } => Problem::field("reason").with("max", max),
        BuyerError::OpeningUnknown | BuyerError::RegistrationUnknown => Code::NotFound.into(),
        BuyerError::NotARehearsal => Code::NotARehearsal.into(),
        BuyerError::Store(error) => store(error),
        error => Problem::internal(error),
    }
}

pub fn draft(error: DraftError) -> Problem {
    match error {
        DraftError::Field(field) => Problem::field(field),
        DraftError::NameTaken => Problem::field("name").with("reason", "NAME_TAKEN"),
        DraftError::ProjectUnknown => Problem::field("project").with("reason", "PROJECT_UNKNOWN"),
        DraftError::UnitUnknown(unit) => Problem::new(Code::UnitUnknown).with("unit", unit.0),
        DraftError::Publish(PublishError::Transition { from, .. }) if !from.is_editable() => {
            Problem::new(Code::AlreadyPublished).with("state", from.as_str())
        }
        DraftError::Publish(error) => publish(error),
        DraftError::Store(error) => store(error),
    }
}

pub fn publish(error: PublishError) -> Problem {
    match error {
        PublishError::Transition { from, to } => {
            Problem::new(Code::TransitionRefused).with("from", from.as_str()).with("to", to.as_str())
        }
        PublishError::Preflight(preflight) => {
            let findings = wire::preflight(*preflight).findings;
            let findings = serde_json::to_value(findings).unwrap_or_default();
            Problem::new(Code::PreflightFailed).with("findings", findings)
        }
        PublishError::Unknown => Code::NotFound.into(),
        PublishError::NotARehearsal => Code::NotARehearsal.into(),
        PublishError::Started => Problem::new(Code::TransitionRefused).with("reason", "STARTED"),
        PublishError::Store(error) => store(error),
    }
}

pub fn rehearse(error: RehearseError) -> Problem {
    match error {
        RehearseError::SourceUnknown => Code::NotFound.into(),
        RehearseError::Field(field) => Problem::field(field),
        RehearseError::NoUnits => Problem::field("opening").with("reason", "NO_UNITS"),
        RehearseError::TooMany => Problem::new(Code::RehearsalsTooMany).with("max", limits::REHEARSALS_MAX),
        RehearseError::Draft(error) => draft(error),
        RehearseError::Publish(error) => publish(error),
        RehearseError::Log(error) => staff(error),
        RehearseError::Store(error) => store(error),
        error @ (RehearseError::Vault(_) | RehearseError::Person | RehearseError::Cancelled(_)) => {
            Problem::internal(error)
        }
    }
}

pub fn command(error: CommandError) -> Problem {
    match error {
        CommandError::Refused(CommandRefusal::ClaimUnknown | CommandRefusal::PaymentUnknown) => {
            Code::NotFound.into()
        }
        CommandError::Refused(CommandRefusal::AlreadyExtended) => Code::AlreadyExtended.into(),
        CommandError::Refused(refusal @ CommandRefusal::TransitionRefused) => {
            Problem::new(Code::TransitionRefused).with("reason", refusal.as_str())
        }
        CommandError::Refused(refusal) => Problem::new(Code::ClaimChanged).with("reason", refusal.as_str()),
        CommandError::Unknown => Code::TimedOut.into(),
        CommandError::Busy => Problem::slow_down(1_000),
        CommandError::Stopped => Code::Draining.into(),
        CommandError::Store(error) => store(error),
    }
}

pub fn payment(error: PaymentError) -> Problem {
    match error {
        PaymentError::Field(field) => Problem::field(field),
        PaymentError::ClaimUnknown => Code::NotFound.into(),
        PaymentError::ReferenceUsed => Problem::new(Code::ReferenceUsed).with("field", "reference"),
        PaymentError::NotAppliedYet => Code::TimedOut.into(),
        PaymentError::Store(error) => store(error),
    }
}

pub fn person(error: PersonError) -> Problem {
    match error {
        PersonError::Store(error) => store(error),
        error @ PersonError::Vault(_) => Problem::internal(error),
    }
}

pub fn recover(error: RecoverError) -> Problem {
    match error {
        RecoverError::Unknown => Code::NotFound.into(),
        error => Problem::internal(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::opening::prepare::Reason;

    /// Whoever writes a page or a program looks a code up in the document.
    /// Mutation that turned it red: `UPGRADE_REQUIRED` struck from the document.
    #[test]
    fn the_document_names_every_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/protocol.md");
        let document = std::fs::read_to_string(path).unwrap();
        let words: std::collections::HashSet<&str> =
            document.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
        let codes = Code::ALL.iter().map(|code| code.as_str());
        let codes = codes.chain(Reason::ALL.iter().map(|reason| reason.as_str()));
        let missing: Vec<&str> = codes.filter(|code| !words.contains(code)).collect();
        assert!(missing.is_empty(), "not in docs/protocol.md: {missing:?}");
    }
}
