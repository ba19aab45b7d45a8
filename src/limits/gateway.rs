//! The buyers' door: sockets, and how often one buyer may do what.

use std::time::Duration;

use super::DRAIN_TIMEOUT;

/// Silence after which a WebSocket is given up; every pong counts as a word.
pub const SOCKET_SILENCE_MAX: Duration = Duration::from_secs(60);
pub const SOCKET_PING_PERIOD: Duration = Duration::from_secs(20);
/// A client's frames: the longest is a pick.
pub const SOCKET_FRAME_BYTES_MAX: usize = 4_096;
/// Frames of one message: a byte in each would be this many.
pub const SOCKET_FRAGMENTS_MAX: usize = 4_096;
/// What the kernel may hold for a reader of a WebSocket; Linux counts twice that, its own bookkeeping included. Some
/// seconds of ticks and the largest board: a reader further behind is skipped to the newest board.
pub const SOCKET_SEND_BUFFER_BYTES: usize = 64 * 1_024;
/// What one loop reads of a socket at once, into a buffer that all its sockets share.
pub const SOCKET_READ_BYTES: usize = 16 * 1_024;
/// Board frames that wait for one reader; beyond, it gets the newest board instead.
pub const BOARD_FRAMES_QUEUED_MAX: usize = 8;
/// Connections that get a board frame before the loop looks at other work.
pub const FANOUT_CHUNK: usize = 128;
/// How often a loop asks the kernel for what clients say before the next of those chunks, while there is more of it.
pub const FANOUT_TURNS_MAX: usize = 4;
/// Picks and asks of one WebSocket that wait for their answer.
pub const SOCKET_PICKS_IN_FLIGHT_MAX: usize = 4;
/// WebSockets of one registration: two devices, each with a forgotten page. The oldest is closed.
pub const SOCKETS_PER_REGISTRATION_MAX: usize = 4;
/// WebSockets without a session: big screens, and pages before sign-in.
pub const ANONYMOUS_SOCKETS_MAX: usize = 20_000;
/// Of them, from one address: a hall is one NAT.
pub const ANONYMOUS_SOCKETS_PER_ADDRESS_MAX: usize = 10_000;
/// How long a draining connection waits for the answers to its picks.
pub const SOCKET_DRAIN_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a closing socket may take to accept the closing frame.
pub const SOCKET_CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Session tokens that each loop remembers having opened: one for each buyer of an opening and more.
pub const TOKENS_REMEMBERED: usize = 16_384;

/// Picks of one registration: a burst of taps (two devices and their repeats), then a rate that no finger exceeds. This
/// stops scripts and is meant never to be met by a person.
pub const PICKS_BURST: u32 = 100;
pub const PICKS_PER_SECOND: u32 = 20;
/// An ask may cost a transaction.
pub const ASKS_BURST: u32 = 40;
pub const ASKS_PER_SECOND: u32 = 5;
/// Reads of one registration that ask the database: who am I, on each return to the page.
pub const READS_BURST: u32 = 40;
pub const READS_PER_SECOND: u32 = 5;
/// Other writes of one registration: favourites, devices, giving up.
pub const WRITES_BURST: u32 = 20;
pub const WRITES_PER_SECOND: u32 = 2;
/// Frames of any kind over one WebSocket.
pub const FRAMES_BURST: u32 = 200;
/// Refused frames in a row after which a socket is closed instead of told again.
pub const FRAMES_REFUSED_MAX: u16 = 100;
pub const FRAMES_PER_SECOND: u32 = 50;

/// A rehearsal's limits by registration are so many times a sale's: 20,000 picks a second over one session.
pub const REHEARSAL_RATES_TIMES: u32 = 1_000;

const _: () = assert!(FRAMES_BURST > PICKS_BURST && FRAMES_PER_SECOND > PICKS_PER_SECOND, "picks are frames");
/// Requests of one address without a session.
pub const ADDRESS_REQUESTS_BURST: u32 = 40_000;
pub const ADDRESS_REQUESTS_PER_SECOND: u32 = 10_000;

const _: () =
    assert!(SOCKET_SILENCE_MAX.as_secs() > 2 * SOCKET_PING_PERIOD.as_secs(), "a lost ping is no silence");
const _: () = assert!(
    SOCKET_DRAIN_TIMEOUT.as_millis() + SOCKET_CLOSE_TIMEOUT.as_millis() < DRAIN_TIMEOUT.as_millis(),
    "sockets drain inside the server's drain"
);
const _: () = assert!(SOCKET_READ_BYTES > SOCKET_FRAME_BYTES_MAX, "most messages are read whole");
