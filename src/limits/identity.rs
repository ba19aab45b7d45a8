//! Signing in: buyers and staff.

use std::time::Duration;

use super::WECHAT_IN_FLIGHT;

// --- identity: buyers ---

/// How long a sign-in code is good for, and how often it may be tried.
pub const CODE_VALID_S: i64 = 300;
pub const CODE_ATTEMPTS: i64 = 5;
/// The wait before another code, for the first few asked for in a row, for the next few, and from then on.
pub const CODE_RESEND_S: i64 = 60;
pub const CODE_RESEND_LONGER_S: i64 = 120;
pub const CODE_RESEND_LONGEST_S: i64 = 300;
/// Codes in a row before the wait grows to the second and to the third step.
pub const CODE_ISSUED_LONGER: i64 = 3;
pub const CODE_ISSUED_LONGEST: i64 = 6;
/// After so long without a request a phone's codes are forgotten, and the count of codes in a row with them.
pub const CODE_FORGET_S: i64 = 900;
/// Requests for codes and sign-ins that wait for the database at once; more are asked to come back.
pub const SIGN_IN_IN_FLIGHT: usize = 256;
/// How soon who was turned away for a full server should come back.
pub const BUSY_RETRY_MS: i64 = 1_000;

/// From the page's question to WeChat's answer, a person reading in between.
pub const WECHAT_SIGN_IN_S: i64 = 600;
/// From WeChat's answer to the sign-in: the first time a code comes by SMS in between.
pub const WECHAT_BIND_S: i64 = 1_800;
/// After so long a WeChat user proves their phone again: networks give a number that was given up to somebody else after
/// some ninety days.
pub const WECHAT_PROVEN_S: i64 = 90 * 24 * 3_600;

/// Requests for codes from one address: a burst, then one each … A sales hall is one address, so this only stops floods.
pub const CODE_REQUESTS_BURST: i64 = 1_000;
pub const CODE_REQUEST_EVERY_MS: i64 = 50;
/// Wrong codes for one phone from one device and address. The burst exceeds [`CODE_ATTEMPTS`] so that the owner who
/// voided a code can try the next.
pub const CODE_TRIES_BURST: i64 = 6;
pub const CODE_TRY_EVERY_MS: i64 = 30_000;
/// Wrong codes from one address, over all phones.
pub const ADDRESS_TRIES_BURST: i64 = 1_000;
pub const ADDRESS_TRY_EVERY_MS: i64 = 2_000;
/// Keys that one throttle remembers. Each is two words in a map.
pub const THROTTLE_KEYS_MAX: usize = 100_000;

/// A registration's signed-in devices; one more ends the oldest that does not pick.
pub const SESSIONS_PER_REGISTRATION_MAX: usize = 6;
/// How long a buyer stays signed in: from the days before the opening to its end.
pub const BUYER_SESSION_S: i64 = 7 * 24 * 3600;
/// Characters of a device's own label that are kept.
pub const DEVICE_LABEL_CHARS_MAX: usize = 64;
/// From so long before the start another device no longer picks by signing in (OP-26).
pub const DEVICE_FREEZE_S: i64 = 15 * 60;
/// A request to pick that nobody answered is forgotten after this.
pub const DEVICE_REQUEST_S: i64 = 120;
/// Changes of devices that a slow listener may fall behind before it has to look at everything again.
pub const DEVICE_EVENTS_KEPT: usize = 4_096;
/// How often a server looks for other servers' changes of devices.
pub const DEVICE_POLL_MS: u64 = 250;
/// Registrations of one phone offered at sign-in. An agent's phone under a hundred registrations is not a buyer's.
pub const REGISTRATIONS_PER_PHONE_MAX: i64 = 20;
/// How often "last seen" is written, and how many in one transaction.
pub const SEEN_FLUSH_S: u64 = 60;
pub const SEEN_FLUSH_ROWS: usize = 200;

const _: () = assert!(CODE_TRIES_BURST > CODE_ATTEMPTS);
// While WeChat is silent, codes by SMS still find a place.
const _: () = assert!(WECHAT_IN_FLIGHT < SIGN_IN_IN_FLIGHT && WECHAT_BIND_S > CODE_VALID_S);
const _: () = assert!(CODE_FORGET_S > CODE_VALID_S && CODE_FORGET_S > CODE_RESEND_LONGEST_S);
const _: () = assert!(CODE_RESEND_S <= CODE_RESEND_LONGER_S && CODE_RESEND_LONGER_S <= CODE_RESEND_LONGEST_S);

// --- identity: staff ---

/// Argon2id, as OWASP recommends for servers: 19 MiB, two passes, one lane.
pub const ARGON2_MEMORY_KIB: u32 = 19 * 1024;
pub const ARGON2_PASSES: u32 = 2;
pub const ARGON2_LANES: u32 = 1;
/// Passwords hashed at once, and waiting to be; more are asked to come back. Bounds the memory to 2 × 19 MiB.
pub const PASSWORD_HASHES_AT_ONCE: usize = 2;
pub const PASSWORD_HASHES_QUEUED: usize = 32;
pub const PASSWORD_CHARS_MIN: usize = 10;
pub const PASSWORD_BYTES_MAX: usize = 256;
pub const LOGIN_CHARS_MAX: usize = 64;
pub const STAFF_NAME_CHARS_MAX: usize = 64;
/// A staff session ends after so long, and after so long without use.
pub const STAFF_SESSION_S: i64 = 12 * 3600;
pub const STAFF_IDLE_S: i64 = 2 * 3600;
/// Sessions of one account; one more ends the oldest.
pub const SESSIONS_PER_STAFF_MAX: i64 = 10;
/// What is kept of what a browser says of itself.
pub const BROWSER_CHARS_MAX: usize = 300;
/// How often a live page's stream asks whether its session has ended.
pub const STAFF_STREAM_LOOK_PERIOD: Duration = Duration::from_secs(2);
/// How often the use of a session is written.
pub const STAFF_SEEN_EVERY_S: i64 = 60;
/// How long gateways tell each other from where an account has logged in.
pub const STAFF_FAMILIAR_S: u64 = 30 * 24 * 3600;

/// Log-in attempts that fail: from one address on one account, from one address, on one account from anywhere.
pub const LOGIN_TRIES_BURST: i64 = 5;
pub const LOGIN_TRY_EVERY_MS: i64 = 30_000;
pub const LOGIN_ADDRESS_TRIES_BURST: i64 = 30;
pub const LOGIN_ADDRESS_TRY_EVERY_MS: i64 = 10_000;
pub const LOGIN_ACCOUNT_TRIES_BURST: i64 = 30;
pub const LOGIN_ACCOUNT_TRY_EVERY_MS: i64 = 15_000;
/// Codes of the second factor that are wrong, on one account from anywhere: guessing one of three codes in a million takes
/// years, and whoever slows the owner this way knows the password already.
pub const SECOND_FACTOR_TRIES_BURST: i64 = 5;
pub const SECOND_FACTOR_TRY_EVERY_MS: i64 = 60_000;
/// Recovery codes of one account.
pub const RECOVERY_CODES: usize = 10;
/// Entries of the staff log that one page shows.
pub const STAFF_LOG_LISTED_MAX: i64 = 200;
/// Entries that are read at once when the log's chain is checked, and how long the door's answer to it is good for: whoever
/// asks again and again does not have the whole log read each time.
pub const STAFF_LOG_PAGE: i64 = 500;
pub const STAFF_LOG_CHECK_KEPT_S: i64 = 10;
/// A page that reads the same again and again has read it once, for so long; and how many such reads are remembered.
pub const READS_TOGETHER_S: i64 = 300;
pub const READS_REMEMBERED: usize = 10_000;
/// Accounts listed at once; an office has dozens.
pub const STAFF_LISTED_MAX: i64 = 1_000;

const _: () = assert!(STAFF_IDLE_S < STAFF_SESSION_S && STAFF_SEEN_EVERY_S < STAFF_IDLE_S);
