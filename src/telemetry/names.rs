//! Every metric this program exports, with its kind and meaning; `docs/metrics.md` says what is normal and what to do
//! when it is not. Labels are closed sets, never something a client writes; an opening's id is one of a bounded few.
//!
//! A line that begins with `read_` is looked up when the page is asked for (`process`, `app::figures`); the others are
//! told to the recorder where they happen.

/// Both doors, as the label `door` names them.
pub const DOORS: [&str; 2] = ["buyers", "staff"];

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    pub name: &'static str,
    /// As Prometheus calls it: counter, gauge or histogram.
    pub kind: &'static str,
    pub help: &'static str,
}

impl Metric {
    pub fn find(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|metric| metric.name == name)
    }
}

macro_rules! metrics_list {
    ($($kind:ident $name:ident = $text:literal, $help:literal;)*) => {
        $(#[doc = $help] pub const $name: &str = $text;)*

        /// Tells the recorder what each metric means.
        pub fn describe() {
            $(metrics_list!(@describe $kind $name $help);)*
        }

        /// For the page, and for the tests of documentation, dashboards and alerts.
        pub const ALL: &[Metric] = &[
            $(Metric { name: $text, kind: metrics_list!(@kind $kind), help: $help },)*
        ];
    };
    (@describe counter $name:ident $help:literal) => { metrics::describe_counter!($name, $help) };
    (@describe gauge $name:ident $help:literal) => { metrics::describe_gauge!($name, $help) };
    (@describe histogram $name:ident $help:literal) => { metrics::describe_histogram!($name, $help) };
    (@describe read_counter $name:ident $help:literal) => {};
    (@describe read_gauge $name:ident $help:literal) => {};
    (@kind read_counter) => { "counter" };
    (@kind read_gauge) => { "gauge" };
    (@kind $kind:ident) => { stringify!($kind) };
}

metrics_list! {
    read_counter PROCESS_CPU_SECONDS = "process_cpu_seconds_total", "Processor time used by all threads, in seconds";
    read_gauge PROCESS_RESIDENT_BYTES = "process_resident_memory_bytes", "Memory in use now";
    read_gauge PROCESS_RESIDENT_PEAK_BYTES = "process_resident_memory_max_bytes", "The most memory that was in use at once";
    read_gauge PROCESS_OPEN_FDS = "process_open_fds", "Open files and sockets";
    read_gauge PROCESS_MAX_FDS = "process_max_fds", "Files and sockets that the process may open";
    read_gauge PROCESS_START_SECONDS = "process_start_time_seconds", "When the process started, Unix time";
    read_gauge PROCESS_THREADS = "process_threads", "Threads of the process";
    gauge BUILD_INFO = "kaipan_build_info", "Always 1; the label says which version runs";
    read_gauge READY = "kaipan_ready", "1 while /readyz says 200: recovered, not draining, and the database acknowledges commits";
    counter LOG_EVENTS = "kaipan_log_events_total", "Lines logged as warning or error, by level";
    counter PANICS = "kaipan_panics_total", "Panics anywhere in the process; must stay 0";
    read_gauge DATA_FREE_BYTES = "kaipan_data_free_bytes", "Free space where SQLite's file lies";
    read_gauge DATABASE_BYTES = "kaipan_database_bytes", "Size of SQLite's files, by file (main, wal)";
    read_gauge BACKUP_BEHIND_SECONDS = "kaipan_backup_behind_seconds", "How long something acknowledged may have been missing in SQLite's backup; 0: nothing is";
    counter BACKUP_FAILURES = "kaipan_backup_failures_total", "How often SQLite's backup fell behind; should stay 0";
    histogram BACKUP_SECONDS = "kaipan_backup_seconds", "From a commit of SQLite to its being on the backup's disk; a pick's yes waits for this too";

    read_gauge OPENINGS = "kaipan_openings", "Openings that run in this process, by phase";
    read_gauge OPENING_PHASE = "kaipan_opening_phase", "1 for the phase that an opening is in by its own clock, 0 for the others";
    read_gauge OPENING_PAUSED = "kaipan_opening_paused", "1 while staff have paused the opening";
    read_gauge OPENING_ARMED = "kaipan_opening_armed", "1 once the opening's clock is frozen here";
    read_gauge OPENING_STARTS_IN = "kaipan_opening_starts_in_seconds", "Seconds to the start by the opening's own clock; negative after it";
    read_gauge CLOCK_OFFSET = "kaipan_clock_offset_seconds", "The database's time less the opening's frozen clock, by opening";
    read_gauge CLOCK_REFUSES = "kaipan_clock_refuses_picks", "1 while this process takes no picks because its clock alone is off, by opening";
    read_gauge JOURNAL_HEAD = "kaipan_journal_head", "Last journal sequence that this process knows to be in the database, by opening";
    read_gauge JOURNAL_APPLIED = "kaipan_journal_applied", "Last journal sequence that this process's memory has, by opening";
    read_gauge BOARD_SEQ = "kaipan_board_seq", "Journal sequence that this process's board shows, by opening";
    histogram BOARD_TICK_SECONDS = "kaipan_board_tick_seconds", "From a change to the board that shows it, before it is sent";
    read_gauge UNITS = "kaipan_units", "Units on this process's board, by opening and status";
    read_gauge HOLDS = "kaipan_holds", "Holds that are neither paid nor ended, by opening";
    read_counter PICKS = "kaipan_picks_total", "Taps that reached gate 1 in this process, by opening";
    read_counter YES = "kaipan_yes_total", "Picks that this process committed and said yes to, by opening";
    read_counter REFUSALS = "kaipan_refusals_total", "Picks refused in this process, by opening and code";
    read_gauge SIGNED_IN = "kaipan_signed_in", "Registrations that are signed in on some device, by opening";
    read_gauge CONNECTED = "kaipan_connected", "Registrations with a WebSocket to this process, by opening";
    counter CODES_SENT = "kaipan_codes_sent_total", "Sign-in codes handed to the sender";
    counter SIGN_INS = "kaipan_sign_ins_total", "Sign-ins of buyers that were tried, by outcome";

    counter HTTP_REQUESTS = "kaipan_http_requests_total", "Requests answered, by door, route, method and status";
    histogram HTTP_SECONDS = "kaipan_http_request_seconds", "From request head to answer, by door";
    counter HTTP_SHED = "kaipan_http_shed_total", "Requests refused at once because too many were in flight, by door";
    counter HTTP_PANICS = "kaipan_http_panics_total", "Handlers that panicked, by door; must stay 0";
    histogram COMMIT_SECONDS = "kaipan_commit_seconds", "From the begin of a transaction of picks and commands, its wait for SQLite's one writer included, to its commit, by opening; a pick's yes waits for this";
    histogram COMMIT_JOBS = "kaipan_commit_jobs", "Picks and commands committed in one transaction, by opening; at most 2,000";
    gauge COMMIT_WAITING = "kaipan_commit_waiting", "Picks and commands that wait for the committer or are being committed, by opening; at 16,384 more are told SLOW_DOWN";
    counter COMMIT_FAILURES = "kaipan_commit_failures_total", "Transactions of picks and commands that failed and are tried again, by opening; should stay 0";
    gauge SOCKETS = "kaipan_sockets", "Open WebSockets, by kind (buyer, anonymous)";
    counter SOCKET_SKIPS = "kaipan_socket_skips_total", "Slow readers that were skipped to the newest board";
    histogram SOCKET_ANSWER_SECONDS = "kaipan_socket_answer_seconds", "From a pick or ask over a WebSocket to its answer on the socket";
    gauge CONNECTIONS = "kaipan_connections", "Open TCP connections, by door";
    read_gauge CONNECTIONS_MAX = "kaipan_connections_max", "Connections that a door takes, by door";
    counter CONNECTIONS_REFUSED = "kaipan_connections_refused_total", "Connections closed at once at the cap, by door";
    histogram LOOP_LATE_SECONDS = "kaipan_loop_late_seconds", "How late a buyers' loop came to its own timer: what a tap waited before the loop looked at it; 0.25 and more for half a second starts refusing";
    counter LOOP_REFUSED = "kaipan_loop_refused_total", "Picks refused with SLOW_DOWN because their loop stayed late: the cores can not do more";
    counter ACCEPT_ERRORS = "kaipan_accept_errors_total", "Failures of accept(), by door; file descriptors used up?";
    counter GATE2_CALLS = "kaipan_gate2_calls_total", "Calls of Redis, by opening and script";
    counter GATE2_ANSWERS = "kaipan_gate2_answers_total", "What Redis said of picks, by opening: go, wait, news, unsealed, unknown, away, refused";
    histogram GATE2_SECONDS = "kaipan_gate2_seconds", "A call of Redis, by opening";
    counter GATE2_REBUILDS = "kaipan_gate2_rebuilds_total", "Times that this gateway loaded an opening into Redis under a new epoch";
    read_gauge GATE2_STATE = "kaipan_gate2_state", "1 for what gate 2 is doing, by opening: off, ready, lost, rebuilding";
    read_gauge STREAM_LAG = "kaipan_stream_lag_entries", "Journal entries known to be in the database and not applied here, by opening";
    read_gauge OPENING_EPOCH = "kaipan_opening_epoch", "The epoch under which this gateway commits, by opening";
}

/// Counters of what should not happen exist from the start: an alert sees a step from 0 to 1, and never a line that
/// appears at 1.
pub fn begin_at_zero() {
    for level in ["warn", "error"] {
        metrics::counter!(LOG_EVENTS, "level" => level).increment(0);
    }
    for door in DOORS {
        for counter in [HTTP_SHED, HTTP_PANICS, CONNECTIONS_REFUSED, ACCEPT_ERRORS] {
            metrics::counter!(counter, "door" => door).increment(0);
        }
        metrics::gauge!(CONNECTIONS, "door" => door).increment(0.0);
    }
    for kind in ["buyer", "anonymous"] {
        metrics::gauge!(SOCKETS, "kind" => kind).increment(0.0);
    }
    for counter in [PANICS, SOCKET_SKIPS, CODES_SENT, BACKUP_FAILURES] {
        metrics::counter!(counter).increment(0);
    }
    metrics::counter!(SIGN_INS, "outcome" => "ok").increment(0);
}
