//! What waits to be sent, how it is sent, and how long it is kept.

use std::time::Duration;

use super::CODE_VALID_S;

/// Messages on the outbox page.
pub const OUTBOX_LISTED_MAX: i64 = 100;

/// How long the outbox remembers.
pub const OUTBOX_KEEP_S: i64 = 7 * 24 * 3600;

/// Rows that one clean-up transaction removes, so that it is a short one for SQLite's one writer.
pub const PURGE_ROWS: i64 = 500;

/// How often a gateway looks for messages that are due.
pub const SMS_LOOK_PERIOD: Duration = Duration::from_millis(250);
/// Messages on their way to the provider at once from one gateway.
pub const SMS_IN_FLIGHT: usize = 16;
pub const SMS_CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// From the request to the end of its answer.
pub const SMS_ANSWER_TIMEOUT: Duration = Duration::from_secs(8);
pub const SMS_ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How long a message is one gateway's. When it runs out nobody knows whether it was sent, and it never is again.
pub const SMS_CLAIM_S: i64 = 30;
/// A code with less left is not sent: it would arrive when it is worth nothing.
pub const SMS_USEFUL_S: i64 = 15;
/// The wait after the first failed attempt; it doubles with each.
pub const SMS_RETRY_S: i64 = 2;
pub const SMS_RETRY_S_MAX: i64 = 30;
pub const SMS_ATTEMPTS_MAX: i64 = 12;
/// While the provider can not be reached a gateway looks for no other message for so long.
pub const SMS_PAUSE: Duration = Duration::from_secs(2);
/// Of a provider's own words as much is kept.
pub const SMS_DETAIL_CHARS_MAX: usize = 64;
/// Failures that one gateway writes into the staff log in a minute: a provider that is down fails every message, and each
/// entry is there for good.
pub const SMS_FAILURES_LOGGED_A_MINUTE: usize = 20;
const _: () = assert!(SMS_CLAIM_S > 2 * SMS_ANSWER_TIMEOUT.as_secs().cast_signed() + 10);
const _: () = assert!(SMS_USEFUL_S > SMS_ANSWER_TIMEOUT.as_secs().cast_signed());
const _: () = assert!(SMS_USEFUL_S < CODE_VALID_S && SMS_RETRY_S <= SMS_RETRY_S_MAX);
