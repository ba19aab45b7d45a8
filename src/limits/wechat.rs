//! Calls to WeChat.

use std::time::Duration;

use super::SEALED_TEXT_BYTES_MAX;

pub const WECHAT_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// From the request to the end of its answer. A buyer waits for it with the page open.
pub const WECHAT_ANSWER_TIMEOUT: Duration = Duration::from_secs(4);
/// Connections that nobody used for so long are closed by us, before whoever stands between drops them without a word.
pub const WECHAT_IDLE_TIMEOUT: Duration = Duration::from_secs(15);
pub const WECHAT_ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Calls under way at once from one process; a silent WeChat would otherwise gather everybody who tries.
pub const WECHAT_IN_FLIGHT: usize = 128;
/// A token with less left is replaced. WeChat gives a new one when 300 s are left, and the same one before.
pub const WECHAT_RENEW_BEFORE_S: i64 = 270;
/// How long one gateway may take to fetch: two calls, and the database's.
pub const WECHAT_LEASE_S: i64 = 20;
/// After a failed fetch nobody asks for so long.
pub const WECHAT_RETRY_AFTER_S: i64 = 2;
/// How often those who wait for another gateway's fetch look.
pub const WECHAT_LOOK_PERIOD: Duration = Duration::from_millis(100);
/// WeChat forces a new token twenty times a day, 30 s apart.
pub const WECHAT_FORCE_APART_S: i64 = 60;
pub const WECHAT_TOKEN_BYTES_MAX: usize = 4_096;
pub const WECHAT_TOKEN_S_MAX: i64 = 7_200;
/// A message of WeChat's, as it arrives.
pub const WECHAT_MESSAGE_BYTES_MAX: usize = 64 * 1024;
const _: () = assert!(WECHAT_LEASE_S > 2 * WECHAT_ANSWER_TIMEOUT.as_secs().cast_signed() + 10);
const _: () = assert!(WECHAT_TOKEN_BYTES_MAX >= 512 && WECHAT_TOKEN_BYTES_MAX < SEALED_TEXT_BYTES_MAX);
const _: () = assert!(WECHAT_RENEW_BEFORE_S < 300 && WECHAT_RETRY_AFTER_S < WECHAT_RENEW_BEFORE_S);
