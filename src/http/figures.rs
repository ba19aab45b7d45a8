//! `/metrics`: for those who run the server, not for those who use it. How many people wait, and how the server copes,
//! is the developer's to know before the opening, and a competitor's or an attacker's never.

use axum::Router;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::address::{ClientAddr, is_forwarded};
use super::backend::Backend;
use super::problem::{Code, Problem};
use crate::domain::network::Network;
use crate::telemetry::Metrics;

/// The page for clients in `readers`; for all others there is no such page. It is written on the backend: it walks maps
/// of ten thousand buyers, and no buyer's loop should.
pub fn route(metrics: Metrics, readers: Vec<Network>, backend: Backend) -> Router {
    let figures = async move |client: ClientAddr, headers: HeaderMap| {
        if !may_read(client, &headers, &readers) {
            return Problem::new(Code::NotFound).into_response();
        }
        match backend.run(async move { metrics.page() }).await {
            Ok(text) => exposition(text),
            Err(problem) => problem.into_response(),
        }
    };
    Router::new().route("/metrics", get(figures))
}

fn exposition(text: String) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// The client's address is good only as far as the proxies before it are known. A request that says it was forwarded,
/// by a proxy on this machine that nobody configured, would pass for this machine's own: it is refused, and Prometheus
/// comes without a proxy.
fn may_read(client: ClientAddr, headers: &HeaderMap, readers: &[Network]) -> bool {
    !is_forwarded(headers) && readers.iter().any(|network| network.contains(client.0))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    /// Mutations that turned it red: forwarded requests judged by the proxy's address; no look at the address at all.
    #[test]
    fn only_the_named_networks_read_and_none_through_a_proxy() {
        let loopback: Vec<Network> = vec!["127.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
        let office: Vec<Network> = vec!["10.1.0.0/16".parse().unwrap()];
        let cases: &[(&str, Option<&'static str>, &[Network], bool)] = &[
            ("127.0.0.1", None, &loopback, true),
            ("::1", None, &loopback, true),
            ("203.0.113.9", None, &loopback, false),
            ("127.0.0.1", Some("x-forwarded-for"), &loopback, false),
            ("127.0.0.1", Some("forwarded"), &loopback, false),
            ("127.0.0.1", Some("x-real-ip"), &loopback, false),
            ("127.0.0.1", Some("via"), &loopback, false),
            ("10.1.2.3", None, &office, true),
            ("127.0.0.1", None, &office, false),
            ("127.0.0.1", None, &[], false),
        ];
        for (client, header, readers, expected) in cases {
            let mut headers = HeaderMap::new();
            if let Some(name) = header {
                headers.insert(HeaderName::from_static(name), HeaderValue::from_static("203.0.113.9"));
            }
            let client = ClientAddr(client.parse().unwrap());
            assert_eq!(may_read(client, &headers, readers), *expected, "{client:?} {header:?} {readers:?}");
        }
    }
}
