//! Every bound in one place, with the relations between them checked when the program is compiled.

use std::time::Duration;

/// Prepared statements kept per database connection: those over many rows come in up to nineteen sizes each.
pub const STATEMENT_CACHE: usize = 512;
/// Pages of the write-ahead log (16 MiB) before SQLite writes them back into the database. The same pages change again and
/// again in a burst, and each is written back once.
pub const WAL_PAGES: u32 = 4_000;
/// Pages that SQLite's one writer keeps: the indexes of a large roster, which every part of an import goes through again.
pub const WRITER_CACHE_KIB: u32 = 65_536;
/// Connections that read SQLite while its one writer writes.
pub const SQLITE_READERS: u32 = 4;
/// Connections to Postgres for everything but commits: kept open, and at most.
pub const POSTGRES_CONNECTIONS_MIN: u32 = 2;
pub const POSTGRES_CONNECTIONS_MAX: u32 = 9;
/// Connections that commit picks: an opening's groups go one after the other, and openings seldom sell at the same time.
pub const POSTGRES_COMMITS_MAX: u32 = 3;
/// How long a group may take on its way to Postgres and back before it counts as cut off: longer than the statement_timeout
/// of its session. A machine that is gone without a word is noticed by this.
pub const COMMIT_TIMEOUT: Duration = Duration::from_secs(15);
/// The same for a look at it: longer than the statement_timeout too.
pub const LOOK_TIMEOUT: Duration = Duration::from_secs(12);

// --- WeChat ---

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

// --- cluster ---

/// How long Redis may take to answer before it counts as lost: a call of gate 2 takes a millisecond.
pub const REDIS_ANSWER_TIMEOUT: Duration = Duration::from_millis(250);
pub const REDIS_CONNECT_TIMEOUT: Duration = Duration::from_millis(1_000);
/// How often a Redis is looked at: is it there, the same server, still the master.
pub const REDIS_LOOK_PERIOD: Duration = Duration::from_millis(250);
/// How long a follower waits at the stream before it looks whether the epoch is still the same.
pub const REDIS_STREAM_BLOCK_MS: u64 = 500;
/// A unit's pending word of a tap whose gateway never came back is void then; a commit takes milliseconds.
pub const GATE2_PENDING_MS: i64 = 2_000;
/// What stands in Redis and nobody touches goes by itself.
pub const GATE2_FORGET_S: i64 = 2 * 24 * 3600;
/// Picks that one call of gate 2 asks for.
pub const GATE2_GROUP: usize = 512;
/// How often a pick that met another's pending word asks again, if no news came.
pub const GATE2_RETRY_MS: u64 = 50;
/// Picks a second that one gateway lets through to the database while Redis is lost. Several gateways are no more than the
/// database can take (docs/performance.md: an UPDATE a pick).
pub const GATE3_ALONE_PER_SECOND: u64 = 2_000;
/// Journal entries told to Redis in one call.
pub const TELL_ENTRIES_MAX: usize = 500;
/// Groups of journal entries that wait to be told; what does not fit is read from the database by the others.
pub const TELL_QUEUE: usize = 1_024;
/// Entries that a stream keeps, about; who is further behind reads the database.
pub const STREAM_KEPT: usize = 20_000;
/// Entries that a follower reads at once.
pub const STREAM_PAGE: usize = 1_000;

const _: () = assert!(
    (REDIS_ANSWER_TIMEOUT.as_millis() as i64) * 4 < GATE2_PENDING_MS,
    "a claim whose answer is lost is looked at before it is void"
);

// --- backup ---

/// How long a commit waits for the backup before the sale goes on without it: longer than a pick waits for its answer, so
/// that a hiccup of the other machine is a delay and not a gap.
pub const BACKUP_PATIENCE: Duration = Duration::from_secs(2);
/// How long a start waits for the first base. It is copied at the disk's speed, and a dead mount answers never.
pub const BACKUP_START_PATIENCE: Duration = Duration::from_secs(60);
/// How soon a backup that failed is tried again.
pub const BACKUP_RETRY: Duration = Duration::from_millis(500);
/// How often the thread looks whether another base is due.
pub const BACKUP_LOOK_PERIOD: Duration = Duration::from_secs(5);
/// The log's length at which SQLite writes it back, as without a backup.
pub const BACKUP_LOG_BYTES: u64 = WAL_PAGES as u64 * 4_096;
/// The same while the backup is away: then what it lacks is kept, up to here.
pub const BACKUP_LOG_BYTES_BEHIND: u64 = 512 * 1_024 * 1_024;
/// Another base is made after so much log, or so long: a restore reads both.
pub const BACKUP_CHAIN_BYTES: u64 = 1_024 * 1_024 * 1_024;
pub const BACKUP_BASE_EVERY_S: i64 = 24 * 3_600;
pub const BACKUP_BASES_KEPT: usize = 3;
/// How fast a base is copied beside a sale: a quarter of what a slow disk does.
pub const BACKUP_COPY_BYTES_PER_S: u64 = 32 * 1_024 * 1_024;
/// What a restore adds to each opening's epoch.
pub const BACKUP_EPOCHS: i64 = 1_000_000;

const _: () =
    assert!(BACKUP_LOG_BYTES < BACKUP_LOG_BYTES_BEHIND && BACKUP_LOG_BYTES_BEHIND < BACKUP_CHAIN_BYTES);

// --- vault ---

/// The longest text that is sealed as one value. Refused import values and messages are shorter.
pub const SEALED_TEXT_BYTES_MAX: usize = 16 * 1024;

/// A keyring file longer than this is not one.
pub const KEYRING_BYTES_MAX: u64 = 64 * 1024;

/// Field keys in a ring. One a year would last two generations.
pub const KEYRING_KEYS_MAX: usize = 64;

/// A key takes some 70 bytes of JSON: a full ring must still be readable.
const _: () = assert!(KEYRING_KEYS_MAX as u64 * 128 < KEYRING_BYTES_MAX);

// --- messaging ---

/// Messages on the outbox page.
pub const OUTBOX_LISTED_MAX: i64 = 100;

/// How long the outbox remembers.
pub const OUTBOX_KEEP_S: i64 = 7 * 24 * 3600;

/// Rows that one clean-up transaction removes, so that it is a short one for SQLite's one writer.
pub const PURGE_ROWS: i64 = 500;
// --- telemetry ---

/// Openings whose figures are told one by one: each is a label, and a collector keeps each label's history.
pub const METRICS_OPENINGS_MAX: usize = 20;

// --- status ---

/// How often a gateway says how it fares, and how long it is taken to live without another word. SQLite's one writer is left
/// alone for longer: each word waits for its disk, and there is one gateway.
pub const STATUS_PERIOD: Duration = Duration::from_secs(1);
pub const STATUS_PERIOD_SQLITE: Duration = Duration::from_secs(3);
pub const STATUS_SILENCE_PERIODS: u32 = 3;
/// How long one word may take on its way, so that a database that hangs keeps neither the next word nor the end waiting.
pub const STATUS_SAY_TIMEOUT: Duration = Duration::from_secs(2);
/// So long after the last commit that the database acknowledged `/readyz` sends newcomers elsewhere: others take this gateway
/// for silent by then, and its last word had its time.
pub const READY_WITHOUT_COMMIT: Duration = Duration::from_secs(5);
pub const READY_WITHOUT_COMMIT_SQLITE: Duration = Duration::from_secs(11);
/// How long the row of a gateway that is no more is kept, and an opening that is over is shown.
pub const GATEWAY_ROWS_KEPT_S: i64 = 24 * 3_600;
/// Gateways and openings of one look.
pub const STATUS_GATEWAYS_MAX: i64 = 100;
pub const STATUS_OPENINGS_MAX: i64 = METRICS_OPENINGS_MAX as i64;
/// A commit on Postgres is some round trips, and from here on a clock can not be read: then it is said to be slow.
pub const STATUS_SLOW_US: i64 = CLOCK_OFF_US_MAX;
/// Memory that is behind the journal for longer than this does not catch up by itself: eight looks of a heartbeat.
pub const STATUS_BEHIND_MS: i64 = 2_000;
/// A Redis that is away for less is being connected to, or loaded: both take less.
pub const STATUS_LOST_MS: i64 = 1_000;
/// An opening that was published so long ago runs on every gateway.
pub const STATUS_PUBLISHED_S: i64 = 15;
/// An opening's clock is frozen ten minutes before the start; so much later it should be.
pub const STATUS_ARMED_LATE_S: i64 = 15;

const _: () = assert!(STATUS_BEHIND_MS > 4 * HEARTBEAT_MS as i64);
const _: () = assert!(
    READY_WITHOUT_COMMIT.as_millis()
        >= STATUS_PERIOD.as_millis() * STATUS_SILENCE_PERIODS as u128 + STATUS_SAY_TIMEOUT.as_millis()
        && READY_WITHOUT_COMMIT_SQLITE.as_millis()
            >= STATUS_PERIOD_SQLITE.as_millis() * STATUS_SILENCE_PERIODS as u128
                + STATUS_SAY_TIMEOUT.as_millis(),
    "a process that has nothing to sell commits nothing but its own word"
);
const _: () = assert!(STATUS_SAY_TIMEOUT.as_millis() < DRAIN_TIMEOUT.as_millis());
const _: () = assert!(STATUS_ARMED_LATE_S < ARM_BEFORE_S);

// --- http ---

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

// --- imports ---

/// The largest spreadsheet that is taken. The ten thousand registrations of `demo/roster.xlsx` are 0.7 MB.
pub const IMPORT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Uploads read at the same time: each takes a core and up to the unpacked size in memory.
pub const IMPORTS_AT_ONCE: usize = 2;

/// What an .xlsx may unpack to, all its parts together: an .xlsx is a zip file, and a zip file of 16 MiB can hold 16 GiB.
pub const IMPORT_UNPACKED_BYTES_MAX: u64 = 160 * 1024 * 1024;

/// Parts (files) inside an .xlsx.
pub const IMPORT_PARTS_MAX: usize = 2_000;

/// Sheets of one file.
pub const IMPORT_SHEETS_MAX: usize = 100;

/// Rows with content, over all sheets of one file: the largest roster that the product is built for, 100,000
/// registrations, and room for its titles and notes.
pub const IMPORT_ROWS_MAX: usize = 120_000;

/// Columns of one sheet.
pub const IMPORT_COLUMNS_MAX: usize = 100;

/// Characters of one cell.
pub const IMPORT_CELL_CHARS_MAX: usize = 2_000;

/// Text of all cells together; strings that cells share count once for every cell.
pub const IMPORT_TEXT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Rows from the top in which a sheet's header is looked for.
pub const IMPORT_TITLE_ROWS_MAX: usize = 60;

/// Characters that a field of a unit or a registration keeps. Longer text is refused, not cut.
pub const IMPORT_FIELD_CHARS_MAX: usize = 200;

/// Characters of a refused value that the report repeats.
pub const IMPORT_SHOWN_CHARS_MAX: usize = 100;

/// Co-buyers of one registration.
pub const CO_BUYERS_MAX: usize = 10;

/// Homes that one registration may pick.
pub const QUOTA_HOME_MAX: i64 = 99;

/// Rows of one transaction of an import: picks wait for one such part of SQLite's one writer at most. (But a publication
/// that meets an import undoes all of it in its own transaction.)
pub const IMPORT_PART_ROWS: usize = 256;

/// An import of which nothing was heard for so long is dead, and what it wrote is removed.
pub const IMPORT_SILENCE_S: i64 = 60;

/// How often an import is planned again because the opening was edited in between.
pub const IMPORT_ATTEMPTS: usize = 5;

/// A row of a full roster, rounded up: `demo/roster.xlsx` has 72 bytes packed and 665 unpacked for each, 104 of them text.
const _: () = assert!(
    IMPORT_ROWS_MAX * 75 < IMPORT_BYTES_MAX
        && IMPORT_ROWS_MAX as u64 * 700 < IMPORT_UNPACKED_BYTES_MAX
        && IMPORT_ROWS_MAX * 200 < IMPORT_TEXT_BYTES_MAX,
    "the largest roster fits the other bounds"
);

/// A field is cut from one cell, and a shown value from one field.
const _: () = assert!(
    IMPORT_FIELD_CHARS_MAX <= IMPORT_CELL_CHARS_MAX && IMPORT_SHOWN_CHARS_MAX <= IMPORT_FIELD_CHARS_MAX
);

/// Sums over every row of a file fit an `i64`.
const _: () = assert!((i64::MAX / crate::domain::decimal::HUNDREDTHS_MAX) as usize >= IMPORT_ROWS_MAX);
// --- opening ---

/// Keys that memory remembers for a registration; older granted ones are found in the database.
pub const KEYS_PER_REGISTRATION: usize = 32;

/// Connections of one buyer that may wait for the same key.
pub const WAITERS_PER_KEY: usize = 8;

/// Jobs that may wait for an opening's committer; more are told to slow down.
pub const COMMIT_QUEUE: usize = 16_384;

/// Jobs of one transaction: what waits is committed together, up to here.
pub const COMMIT_GROUP: usize = 2_000;

/// How long a pick waits for its commit, or for another's pending one, before it hears "in progress".
pub const PICK_WAIT_MS: u64 = 1_000;

/// Board changes are gathered this long.
pub const TICK_MS: u64 = 50;

/// Ticks and events kept for who reads slowly; who is further behind takes a snapshot.
pub const TICKS_KEPT: usize = 64;
pub const EVENTS_KEPT: usize = 16_384;

/// Journal entries read at once when catching up.
pub const JOURNAL_PAGE: i64 = 5_000;

/// Claims that ended before a start are read behind it, so many at once, or the memory's lock would be held for long.
pub const ENDED_CLAIMS_PAGE: i64 = 1_000;

/// How often an opening looks at its deadlines, phase, and (on Postgres) at the head.
pub const HEARTBEAT_MS: u64 = 250;

/// An opening's clock is frozen this long before its start.
pub const ARM_BEFORE_S: i64 = 600;

/// A gateway's clock may be this far from Postgres's before it stops serving picks.
pub const CLOCK_OFF_US_MAX: i64 = 50_000;

/// The lease on lapsing holds; renewed every heartbeat.
pub const LEASE_MS: i64 = 2_000;

const _: () = assert!(COMMIT_GROUP <= COMMIT_QUEUE);
const _: () = assert!(
    EVENTS_KEPT >= COMMIT_QUEUE && EVENTS_KEPT >= JOURNAL_PAGE as usize,
    "who listens may fall behind a sell-out in one burst, or a page of another gateway's journal"
);
const _: () = assert!((HEARTBEAT_MS as i64) * 4 <= LEASE_MS, "a lease survives a few missed heartbeats");
const _: () = assert!(TICK_MS < PICK_WAIT_MS);

/// Favourites an admin may allow a buyer.
pub const FAVOURITES_MAX: i64 = 100;

/// Places an admin may allow a registration or household in one kind.
pub const QUOTA_MAX: i64 = 1_000;

/// A hold is at most three days, an opening at most thirty.
pub const HOLD_S_MAX: i64 = 3 * 24 * 3_600;
pub const OPENING_S_MAX: i64 = 30 * 24 * 3_600;

/// Names of projects and openings; reasons staff give; receipts' numbers.
pub const NAME_CHARS_MAX: usize = 100;
pub const REASON_CHARS_MAX: usize = 500;
pub const REFERENCE_CHARS_MAX: usize = 64;

/// The largest single payment: 1 billion yuan.
pub const PAYMENT_FEN_MAX: crate::domain::money::Fen = crate::domain::money::Fen(100_000_000_000);

// --- rehearsals ---

/// Simulated buyers of one rehearsal: as many as a roster may have rows.
pub const REHEARSAL_BUYERS_MAX: i64 = 50_000;
/// Rehearsals that are there at the same time; one is cleared to make room.
pub const REHEARSALS_MAX: i64 = 10;
/// A rehearsal starts within a day of its making.
pub const REHEARSAL_START_IN_S_MAX: i64 = 24 * 3_600;
/// Units copied in one transaction: a sale beside it waits for one chunk at most.
pub const REHEARSAL_CHUNK_UNITS: i64 = 1_000;
/// Sessions of simulated buyers made in one call, and in one transaction of it.
pub const REHEARSAL_SESSIONS_MAX: i64 = 20_000;
pub const REHEARSAL_SESSIONS_CHUNK: usize = 500;
/// How long such a session lasts. A rehearsal is over by then.
pub const REHEARSAL_SESSION_S: i64 = 24 * 3_600;

/// Buyers of a load run that the server itself starts: each is a socket of the server and one of its child, and both
/// keep to the usual limit of 20,000 open files.
pub const LOAD_RUN_BUYERS_MAX: i64 = 10_000;
/// How soon a load run starts: long enough to connect everybody, short enough to be waited for.
pub const LOAD_RUN_START_IN_S_MIN: i64 = 5;
pub const LOAD_RUN_START_IN_S_MAX: i64 = 600;
/// How long its rehearsal stays open, and how long the child may live after the intended start.
pub const LOAD_RUN_OPEN_S: i64 = 900;
pub const LOAD_RUN_S_MAX: i64 = LOAD_RUN_OPEN_S + 120;
/// A real opening that starts within so long keeps the machine for itself.
pub const LOAD_RUN_CLEAR_OF_OPENING_S: i64 = 3_600;
/// Reports that are kept; the oldest goes first.
pub const LOAD_REPORTS_KEPT: usize = 50;
/// A report that is served; a longer file is not one.
pub const LOAD_REPORT_BYTES_MAX: u64 = 64 * 1024 * 1024;

const _: () =
    assert!(LOAD_RUN_BUYERS_MAX <= REHEARSAL_BUYERS_MAX && LOAD_RUN_BUYERS_MAX <= REHEARSAL_SESSIONS_MAX);
const _: () = assert!(REHEARSAL_BUYERS_MAX as usize <= IMPORT_ROWS_MAX);
const _: () = assert!(REHEARSAL_SESSIONS_CHUNK * 9 < 32_766);

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

// --- console ---

/// Registrations on one page.
pub const REGISTRATIONS_LISTED_MAX: usize = 200;

/// Holds shown as about to lapse.
pub const HOLDS_ABOUT_TO_LAPSE: usize = 10;

// --- gateway ---

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
