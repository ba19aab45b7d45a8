//! One request over HTTP: bounded in time and in size. It follows no redirect, which would carry code and phone to wherever it
//! leads, and uses no connection twice: one that the provider has just closed would look like an answer that got lost.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, StatusCode, Uri, header};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

use super::Failure;
use crate::http::outgoing::{USER_AGENT, connector};
use crate::limits::{SMS_ANSWER_BYTES_MAX, SMS_ANSWER_TIMEOUT, SMS_CONNECT_TIMEOUT};
use crate::messaging::state::Reason;

#[derive(Clone)]
pub(super) struct Wire(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

pub(super) struct Answer {
    pub status: StatusCode,
    pub body: Bytes,
}

impl Wire {
    pub fn new() -> Result<Self, rustls::Error> {
        let connector = connector(SMS_CONNECT_TIMEOUT)?;
        Ok(Self(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector)))
    }

    /// The errors underneath may name the URL, and in it phone, code and secret: only their kind is kept.
    pub async fn call(&self, mut request: Request<Full<Bytes>>) -> Result<Answer, Failure> {
        let agent = header::HeaderValue::from_static(USER_AGENT);
        request.headers_mut().entry(header::USER_AGENT).or_insert(agent);
        timeout(SMS_ANSWER_TIMEOUT, self.answer(request))
            .await
            .unwrap_or_else(|_| Err(Failure::of(Reason::NoAnswer, "TIMEOUT")))
    }

    async fn answer(&self, request: Request<Full<Bytes>>) -> Result<Answer, Failure> {
        let response = self.0.request(request).await.map_err(|error| {
            if error.is_connect() {
                // Nothing of the message has left.
                Failure::of(Reason::Unreachable, "").safe()
            } else {
                Failure::of(Reason::NoAnswer, "CLOSED")
            }
        })?;
        let status = response.status();
        let body = Limited::new(response.into_body(), SMS_ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|_| Failure::of(Reason::NoAnswer, "CUT_OFF"))?.to_bytes();
        Ok(Answer { status, body })
    }
}

/// What a status alone says, where no body explains it.
pub(super) fn by_status(status: StatusCode) -> Failure {
    let detail = format!("HTTP {}", status.as_u16());
    match status {
        // Both say: not now, come again.
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            Failure::of(Reason::Busy, &detail).safe()
        }
        StatusCode::UNAUTHORIZED => Failure::of(Reason::CredentialsRefused, &detail),
        StatusCode::FORBIDDEN => Failure::of(Reason::NotAllowed, &detail),
        status if status.is_client_error() => Failure::of(Reason::Refused, &detail),
        // Something between may have said it after the message had gone through.
        _ => Failure::of(Reason::NoAnswer, &detail),
    }
}

/// A provider's address: what is called, and what is signed of it.
#[derive(Clone)]
pub(super) struct Address {
    pub url: String,
    /// As the header says it.
    pub host: String,
    pub path: String,
}

impl Address {
    /// `base_url` was checked with the settings.
    pub fn new(base_url: &str) -> Self {
        let uri: Uri = base_url.parse().unwrap_or_default();
        let host = uri.authority().map(|authority| authority.as_str().to_owned()).unwrap_or_default();
        let path = if uri.path().is_empty() { "/" } else { uri.path() }.to_owned();
        let scheme = uri.scheme_str().unwrap_or("https");
        Self { url: format!("{scheme}://{host}{path}"), host, path }
    }
}
