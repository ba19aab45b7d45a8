//! Every metric this program exports, with its meaning. Labels are closed sets, never something a client writes.

macro_rules! metrics_list {
    ($($kind:ident $name:ident = $text:literal, $help:literal;)*) => {
        $(#[doc = $help] pub const $name: &str = $text;)*

        /// Tells the recorder what each metric means.
        pub fn describe() {
            $(metrics_list!(@describe $kind $name $help);)*
        }

        /// Names and meanings, for the page and the documentation's test.
        pub const ALL: &[(&str, &str)] = &[$(($text, $help),)*];
    };
    // Written by `process`, not by the recorder.
    (@describe process $name:ident $help:literal) => {};
    (@describe counter $name:ident $help:literal) => { metrics::describe_counter!($name, $help) };
    (@describe gauge $name:ident $help:literal) => { metrics::describe_gauge!($name, $help) };
    (@describe histogram $name:ident $help:literal) => { metrics::describe_histogram!($name, $help) };
}

/// What a metric means.
pub fn help(name: &str) -> &'static str {
    ALL.iter().find(|(known, _)| *known == name).map_or("", |(_, help)| help)
}

metrics_list! {
    process PROCESS_CPU_SECONDS = "process_cpu_seconds_total", "Processor time used by all threads, in seconds";
    process PROCESS_RESIDENT_BYTES = "process_resident_memory_bytes", "Memory in use now";
    process PROCESS_RESIDENT_PEAK_BYTES = "process_resident_memory_max_bytes", "The most memory that was in use at once";
    process PROCESS_OPEN_FDS = "process_open_fds", "Open files and sockets";
    process PROCESS_MAX_FDS = "process_max_fds", "Files and sockets that the process may open";
    process PROCESS_START_SECONDS = "process_start_time_seconds", "When the process started, Unix time";
    process PROCESS_THREADS = "process_threads", "Threads of the process";
    gauge BUILD_INFO = "kaipan_build_info", "Always 1; the label says which version runs";
    counter HTTP_REQUESTS = "kaipan_http_requests_total", "Requests answered, by door, route, method and status";
    histogram HTTP_SECONDS = "kaipan_http_request_seconds", "From request head to answer, by door";
    counter HTTP_SHED = "kaipan_http_shed_total", "Requests refused at once because too many were in flight, by door";
    counter HTTP_PANICS = "kaipan_http_panics_total", "Handlers that panicked, by door; must stay 0";
    counter PICKS = "kaipan_picks_total", "Taps that reached gate 1 in this process, by opening";
    counter REFUSALS = "kaipan_refusals_total", "Picks refused in this process, by opening and code";
    histogram COMMIT_SECONDS = "kaipan_commit_seconds", "From the begin of a transaction of picks and commands, its wait for SQLite's one writer included, to its commit, by opening; a pick's yes waits for this";
    histogram COMMIT_JOBS = "kaipan_commit_jobs", "Picks and commands committed in one transaction, by opening; at most 2,000";
    gauge COMMIT_WAITING = "kaipan_commit_waiting", "Picks and commands that wait for the committer or are being committed, by opening; at 16,384 more are told SLOW_DOWN";
    counter COMMIT_FAILURES = "kaipan_commit_failures_total", "Transactions of picks and commands that failed and are tried again, by opening; should stay 0";
    gauge SIGNED_IN = "kaipan_signed_in", "Registrations that are signed in on some device, by opening";
    gauge CONNECTED = "kaipan_connected", "Registrations with a WebSocket to this process, by opening";
    gauge BOARD_SEQ = "kaipan_board_seq", "Journal sequence that this process's board shows, by opening";
    gauge SOCKETS = "kaipan_sockets", "Open WebSockets, by kind (buyer, anonymous)";
    counter SOCKET_SKIPS = "kaipan_socket_skips_total", "Slow readers that were skipped to the newest board";
    histogram SOCKET_ANSWER_SECONDS = "kaipan_socket_answer_seconds", "From a pick or ask over a WebSocket to its answer on the socket";
    gauge CONNECTIONS = "kaipan_connections", "Open TCP connections, by door";
    counter CONNECTIONS_REFUSED = "kaipan_connections_refused_total", "Connections closed at once at the cap, by door";
    counter ACCEPT_ERRORS = "kaipan_accept_errors_total", "Failures of accept(), by door; file descriptors used up?";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn metrics_are_named_once_and_by_the_rules_of_prometheus() {
        let names: HashSet<&str> = ALL.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), ALL.len());
        for (name, help) in ALL {
            let prefixed = name.starts_with("kaipan_") || name.starts_with("process_");
            assert!(prefixed && !help.is_empty(), "{name}");
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
        }
    }
}
