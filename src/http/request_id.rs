//! One id for each request, through the answer and the logs. A trusted proxy's own is kept.
//!
//! Ours are ULIDs that are counted on, not drawn: a random start for each loop, and one more for each request. Drawing
//! and printing an id of eighty random bits for each tap showed in profiles; an id needs to be unique, not secret.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use ulid::{ULID_LEN, Ulid};

pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// A proxy's request id may be as long as two UUIDs; anything else is replaced.
const REQUEST_ID_BYTES_MAX: usize = 72;

/// Printed into place: nothing is allocated until the answer's header is written.
#[derive(Debug, Clone)]
pub enum RequestId {
    Ours([u8; ULID_LEN]),
    Given(Arc<str>),
}

impl RequestId {
    pub fn as_str(&self) -> &str {
        match self {
            // Crockford's base 32 is ASCII.
            Self::Ours(text) => std::str::from_utf8(text).unwrap_or_default(),
            Self::Given(text) => text,
        }
    }

    pub fn header(&self) -> Option<HeaderValue> {
        HeaderValue::from_maybe_shared(Bytes::copy_from_slice(self.as_str().as_bytes())).ok()
    }
}

/// A trusted proxy's id, so that one id runs through all logs; a client's own is not believed.
pub fn given(headers: &HeaderMap, from_proxy: bool) -> Option<RequestId> {
    if !from_proxy {
        return None;
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let id = headers.get(X_REQUEST_ID)?.to_str().ok()?;
    let fits = !id.is_empty() && id.len() <= REQUEST_ID_BYTES_MAX && id.chars().all(plain);
    fits.then(|| RequestId::Given(Arc::from(id)))
}

/// One loop's source of ids.
pub struct RequestIds {
    first: Ulid,
    began: Instant,
    count: AtomicU64,
}

impl RequestIds {
    pub fn starting_now() -> Self {
        Self { first: Ulid::generate(), began: Instant::now(), count: AtomicU64::new(0) }
    }

    pub fn next(&self, now: Instant) -> RequestId {
        let since_ms = u64::try_from(now.saturating_duration_since(self.began).as_millis()).unwrap_or(0);
        let count = u128::from(self.count.fetch_add(1, Ordering::Relaxed));
        // Of 128 bits the upper 48 are milliseconds; `from_parts` cuts what the count carries beyond the lower 80.
        let id = Ulid::from_parts(
            self.first.timestamp_ms().wrapping_add(since_ms),
            self.first.random().wrapping_add(count),
        );
        let mut text = [0; ULID_LEN];
        id.array_to_str(&mut text);
        RequestId::Ours(text)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Mutation that turned it red: the count left out, so that two requests of one millisecond share an id.
    #[test]
    fn ids_are_ulids_and_differ_within_a_loop_and_between_loops() {
        let loops = [RequestIds::starting_now(), RequestIds::starting_now()];
        let now = Instant::now();
        let ids: HashSet<String> =
            (0..2_000).map(|n: usize| loops[n % 2].next(now).as_str().to_owned()).collect();
        assert_eq!(ids.len(), 2_000);
        let ms = |id: &str| Ulid::from_string(id).unwrap().timestamp_ms();
        let here_ms = Ulid::generate().timestamp_ms();
        assert!(ids.iter().all(|id| here_ms.abs_diff(ms(id)) < 60_000));
        assert_eq!(loops[0].next(now).header().unwrap().len(), ULID_LEN);
    }

    #[test]
    fn only_a_proxys_plain_and_short_id_is_kept() {
        let long = "x".repeat(REQUEST_ID_BYTES_MAX + 1);
        let cases = [
            ("abc-1", true, true),
            ("abc-1", false, false),
            ("", true, false),
            ("a b", true, false),
            (&long, true, false),
        ];
        for (text, from_proxy, kept) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(X_REQUEST_ID, HeaderValue::from_str(text).unwrap());
            assert_eq!(given(&headers, from_proxy).is_some(), kept, "{text} {from_proxy}");
        }
    }
}
