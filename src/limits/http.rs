//! Connections, requests and time at both doors.

use std::time::Duration;

/// Waiting connections the kernel may queue for each listening socket: the whole hall taps within a second.
pub const LISTEN_BACKLOG: i32 = 4_096;
/// Open connections of the buyers' door in one process: far more than one sale's pages, and still a bound on memory.
pub const BUYER_CONNECTIONS_MAX: usize = 60_000;
/// Open connections of the staff's door.
pub const STAFF_CONNECTIONS_MAX: usize = 1_000;
/// Requests of one door between their first byte and their answer; more are refused at once with `OVERLOADED`.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 20_000;
/// Connections that a loop takes before it looks at its requests again.
pub const ACCEPTS_A_TURN: usize = 64;
/// How often a loop looks how late it is. A tap's promise is a second, so fifty looks in it are plenty.
pub const LATENESS_LOOK_PERIOD: Duration = Duration::from_millis(20);
/// A loop whose requests wait this long before they are looked at is late: a quarter of the second that a buyer is
/// promised.
pub const LATE: Duration = Duration::from_millis(250);
/// A loop that has been late for this long is taken for one that will not catch up by itself. A choice: longer than what
/// 10,000 taps at one instant take in `docs/performance.md`, where none of them may be refused.
pub const LATE_FOR: Duration = Duration::from_millis(500);
/// Picks answered for each one that is refused while a loop stays late. A refusal costs no more than an answer, so at
/// least eight parts in nine of what the loop does for picks are answers, whatever arrives.
pub const ANSWERS_PER_REFUSAL: u32 = 8;
/// When who was refused by a late loop should come back. The page waits up to two seconds without a word to its buyer.
pub const LATE_RETRY_MS_MIN: u64 = 1_000;
pub const LATE_RETRY_MS_MAX: u64 = 2_000;
/// A client that has not sent its whole request head by then is cut. Also the life of an idle keep-alive connection.
pub const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(15);
/// From head to answer, body included. WebSocket and Server-Sent Events answer at once and live outside it.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// The staff's door imports whole workbooks.
pub const STAFF_REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
/// A socket that accepts no byte for this long belongs to a reader that does not read.
pub const WRITE_STALL_TIMEOUT: Duration = Duration::from_secs(15);
/// How long the kernel retries unacknowledged bytes before it gives a half-open socket up.
pub const TCP_USER_TIMEOUT: Duration = Duration::from_secs(30);
/// Request line and headers together.
pub const REQUEST_HEAD_BYTES_MAX: usize = 16 * 1_024;
pub const REQUEST_HEADERS_MAX: usize = 64;
/// Bodies of the buyers' door: the longest is a list of favourites.
pub const BUYER_BODY_BYTES_MAX: usize = 16 * 1_024;
/// JSON bodies of the staff's door; workbooks have their own bound at their route.
pub const STAFF_BODY_BYTES_MAX: usize = 1_024 * 1_024;
/// How long a draining server waits for requests and sockets to end by themselves.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// Proxies a request may have come through before we stop reading `X-Forwarded-For`.
pub const FORWARDED_HOPS_MAX: usize = 16;

const _: () =
    assert!(LATE_RETRY_MS_MIN < LATE_RETRY_MS_MAX && LATE_RETRY_MS_MIN > LATE_FOR.as_millis() as u64);
const _: () = assert!(LATE.as_millis() > 5 * LATENESS_LOOK_PERIOD.as_millis());
const _: () = assert!(REQUEST_HEAD_BYTES_MAX >= 8_192, "hyper refuses a smaller read buffer");
const _: () = assert!(
    DRAIN_TIMEOUT.as_millis() >= REQUEST_TIMEOUT.as_millis(),
    "a request that began before the drain may use its whole time"
);
