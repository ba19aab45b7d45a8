//! Requests to the two doors. Every failure says whether the server refused (with its code) or was not reached, and
//! [`patiently`] repeats what may be repeated while the server restarts.

use std::time::Duration;

use reqwest::{RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;

use crate::wire::{Params, Problem};

/// Longer than a restart of the server takes; a request that hangs longer is a fault to be seen, not waited for.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// Why a request gave no value.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The server's own refusal.
    #[error("refused with {status} {code}")]
    Refused { status: u16, code: String, params: Params },
    /// No answer: the outcome on the server is not known.
    #[error("no answer: {0}")]
    Silent(String),
    #[error("an answer that the protocol does not know: {0}")]
    Garbled(String),
}

impl Failure {
    pub fn code(&self) -> &str {
        match self {
            Self::Refused { code, .. } => code,
            Self::Silent(_) | Self::Garbled(_) => "",
        }
    }

    /// How long to wait before the same request may be sent again; none if it would be refused again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Silent(_) => Some(BACKOFF_MIN),
            Self::Refused { status: 429 | 502 | 503 | 504, params, .. } => {
                Some(params.retry_after_ms.map_or(BACKOFF_MIN, Duration::from_millis))
            }
            Self::Refused { .. } | Self::Garbled(_) => None,
        }
    }
}

/// Both doors of one opening.
#[derive(Clone)]
pub struct Doors {
    client: reqwest::Client,
    buyers: String,
    staff: String,
    opening: String,
}

impl Doors {
    pub fn new(buyers_url: &str, staff_url: &str, opening: &str) -> Result<Self, Failure> {
        let client = reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .no_proxy()
            .build()
            .map_err(|error| Failure::Silent(error.to_string()))?;
        Ok(Self {
            client,
            buyers: buyers_url.trim_end_matches('/').to_owned(),
            staff: staff_url.trim_end_matches('/').to_owned(),
            opening: opening.to_owned(),
        })
    }

    /// `…/openings/{opening}{rest}` at the buyers' door.
    pub fn buyer_get(&self, rest: &str) -> RequestBuilder {
        self.client.get(self.buyer_url(rest))
    }

    pub fn buyer_post(&self, rest: &str) -> RequestBuilder {
        self.client.post(self.buyer_url(rest))
    }

    pub fn buyer_put(&self, rest: &str) -> RequestBuilder {
        self.client.put(self.buyer_url(rest))
    }

    /// `…/openings/{opening}{rest}` at the staff's door.
    pub fn staff_opening_get(&self, rest: &str) -> RequestBuilder {
        self.client.get(self.staff_url(&format!("/openings/{}{rest}", self.opening)))
    }

    pub fn staff_opening_post(&self, rest: &str) -> RequestBuilder {
        self.client.post(self.staff_url(&format!("/openings/{}{rest}", self.opening)))
    }

    pub fn staff_post(&self, rest: &str) -> RequestBuilder {
        self.client.post(self.staff_url(rest))
    }

    /// The address of the opening's WebSocket.
    pub fn socket_url(&self) -> String {
        self.buyer_url("/ws").replacen("http", "ws", 1)
    }

    fn buyer_url(&self, rest: &str) -> String {
        format!("{}/api/v1/openings/{}{rest}", self.buyers, self.opening)
    }

    fn staff_url(&self, rest: &str) -> String {
        format!("{}/api/v1{rest}", self.staff)
    }
}

/// Sends once and reads the answer.
pub async fn fetch<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, Failure> {
    let body = send(request).await?;
    serde_json::from_slice(&body).map_err(|error| Failure::Garbled(error.to_string()))
}

/// Sends once; only the status matters.
pub async fn done(request: RequestBuilder) -> Result<(), Failure> {
    send(request).await.map(|_| ())
}

async fn send(request: RequestBuilder) -> Result<Vec<u8>, Failure> {
    // Without its address, which may carry a phone: failures end up in a log beside the data.
    let silent = |error: reqwest::Error| Failure::Silent(with_cause(&error.without_url()));
    let response = request.send().await.map_err(silent)?;
    let status = response.status();
    let body = response.bytes().await.map_err(silent)?;
    if status.is_success() {
        return Ok(body.to_vec());
    }
    Err(refusal(status, &body))
}

/// The error, and what it comes down to: "connection refused" stands at the end of a chain.
fn with_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    format!("{error}: {cause}")
}

fn refusal(status: StatusCode, body: &[u8]) -> Failure {
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    Failure::Refused { status: status.as_u16(), code: problem.code, params: problem.params }
}

/// Repeats a request that may be repeated (reads, and writes that carry a key or a reference) until it is answered
/// or `patience` is over; the last failure is the answer then.
pub async fn patiently<T, F, Fut>(patience: Duration, mut request: F) -> Result<T, Failure>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, Failure>>,
{
    let give_up = tokio::time::Instant::now() + patience;
    let mut backoff = BACKOFF_MIN;
    loop {
        let failure = match request().await {
            Ok(value) => return Ok(value),
            Err(failure) => failure,
        };
        let Some(wait) = failure.retry_after() else { return Err(failure) };
        let wait = wait.max(backoff).mul_f64(0.75 + 0.5 * rand::random::<f64>());
        if tokio::time::Instant::now() + wait > give_up {
            return Err(failure);
        }
        tokio::time::sleep(wait).await;
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failure_names_no_phone() {
        // Nobody listens on the discard port of loopback.
        let doors = Doors::new("http://127.0.0.1:9", "http://127.0.0.1:9", "O").unwrap();
        let request = doors.staff_opening_get("/outbox").query(&[("phone", "19900000001")]);
        let failure = done(request).await.unwrap_err();
        assert!(matches!(failure, Failure::Silent(_)), "{failure}");
        assert!(!failure.to_string().contains("19900000001"), "{failure}");
        assert!(failure.retry_after().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_may_be_repeated_is_repeated_and_not_for_ever() {
        let refused = |status, code: &str| Failure::Refused {
            status,
            code: code.to_owned(),
            params: Params { retry_after_ms: Some(2_000), ..Params::default() },
        };
        let mut times = 0;
        let outcome: Result<(), _> = patiently(Duration::from_secs(10), || {
            times += 1;
            let failure = if times < 3 { refused(429, "SLOW_DOWN") } else { refused(409, "CLAIM_CHANGED") };
            async move { Err(failure) }
        })
        .await;
        assert_eq!((times, outcome.unwrap_err().code()), (3, "CLAIM_CHANGED"));

        let mut times = 0;
        let outcome: Result<(), _> = patiently(Duration::from_secs(10), || {
            times += 1;
            async { Err(Failure::Silent(String::new())) }
        })
        .await;
        assert!(outcome.is_err() && (4..40).contains(&times), "{times} times");
    }
}
