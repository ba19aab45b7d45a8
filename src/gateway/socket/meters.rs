//! A hub's metrics, looked up once: a lookup by name would cost as much as the pick that it counts.

use metrics::{Counter, Gauge, Histogram};

use crate::telemetry::names;

pub struct Meters {
    pub answer_seconds: Histogram,
    pub skips: Counter,
    buyers: Gauge,
    anonymous: Gauge,
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            answer_seconds: metrics::histogram!(names::SOCKET_ANSWER_SECONDS),
            skips: metrics::counter!(names::SOCKET_SKIPS),
            buyers: metrics::gauge!(names::SOCKETS, "kind" => "buyer"),
            anonymous: metrics::gauge!(names::SOCKETS, "kind" => "anonymous"),
        }
    }
}

impl Meters {
    pub fn sockets(&self, is_buyer: bool) -> &Gauge {
        if is_buyer { &self.buyers } else { &self.anonymous }
    }
}
