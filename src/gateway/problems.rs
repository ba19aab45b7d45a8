//! The errors of the layers below, as this door answers them. Functions and not `From`: the other door answers the same
//! errors in its own way.

use serde_json::{Value, json};

use crate::http::{Code, Problem};
use crate::identity::buyers::{BuyerError, WechatFault};
use crate::limits::BUSY_RETRY_MS;
use crate::opening::PickError;
use crate::opening::job::{CommandError, CommandRefusal};

pub fn buyer(error: BuyerError) -> Problem {
    match error {
        BuyerError::PhoneInvalid => Problem::new(Code::PhoneInvalid).with("field", "phone"),
        BuyerError::SlowDown { retry_after_ms } => slow_down(retry_after_ms),
        BuyerError::CodeWrong { attempts_left } => {
            Problem::new(Code::CodeWrong).with("attempts_left", attempts_left)
        }
        BuyerError::CodeVoid => Code::CodeVoid.into(),
        BuyerError::ChooseRegistration { choices } => {
            let choices: Vec<Value> = choices
                .into_iter()
                .map(|choice| {
                    json!({
                        "code": choice.code,
                        "name_masked": choice.name_masked,
                        "document_tail": choice.document_tail,
                    })
                })
                .collect();
            Problem::new(Code::ChooseRegistration).with("choices", choices)
        }
        BuyerError::SessionEnded => Code::SessionEnded.into(),
        BuyerError::ViewerDevice => Code::ViewerDevice.into(),
        BuyerError::RequestGone => Code::DeviceRequestGone.into(),
        BuyerError::OpeningUnknown | BuyerError::RegistrationUnknown => Code::NotFound.into(),
        BuyerError::ReasonInvalid { max } => Problem::field("reason").with("max", max),
        error @ (BuyerError::Corrupt
        | BuyerError::NotARehearsal
        | BuyerError::Store(_)
        | BuyerError::Vault(_)
        | BuyerError::Messaging(_)
        | BuyerError::Staff(_)) => Problem::internal(error),
    }
}

pub fn wechat(fault: WechatFault) -> Problem {
    match fault {
        WechatFault::Unbound => Code::WechatUnbound.into(),
        WechatFault::Again => Code::WechatAgain.into(),
        WechatFault::Buyer(error) => buyer(error),
    }
}

pub fn pick(error: PickError) -> Problem {
    match error {
        PickError::KeyReused => Code::KeyReused.into(),
        PickError::Busy => slow_down(BUSY_RETRY_MS),
        PickError::ClockOff | PickError::SetBack => Code::NotReady.into(),
    }
}

pub fn command(error: CommandError) -> Problem {
    match error {
        CommandError::Refused(CommandRefusal::ClaimUnknown | CommandRefusal::PaymentUnknown) => {
            Code::NotFound.into()
        }
        CommandError::Refused(refusal) => Problem::new(Code::ClaimChanged).with("reason", refusal.as_str()),
        CommandError::Unknown => Code::TimedOut.into(),
        CommandError::Busy => slow_down(BUSY_RETRY_MS),
        CommandError::Stopped => Code::Draining.into(),
        CommandError::Store(error) => Problem::internal(error),
    }
}

fn slow_down(retry_after_ms: i64) -> Problem {
    Problem::slow_down(u64::try_from(retry_after_ms).unwrap_or(0))
}
