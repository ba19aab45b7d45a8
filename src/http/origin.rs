//! The list of origins whose pages may change anything here or open a WebSocket.
//!
//! Exact comparison of the whole `Origin`, no patterns: a cookie rides along with any page's request, and this list is
//! what tells our pages from others'. Programs send no `Origin` and carry no cookie jar, so its absence is allowed.

use axum::http::{HeaderMap, Method, header};

use super::problem::{Code, Problem};

#[derive(Debug, Clone, Default)]
pub struct Origins(Vec<String>);

impl Origins {
    pub fn new(origins: impl IntoIterator<Item = String>) -> Self {
        Self(origins.into_iter().map(|origin| origin.trim_end_matches('/').to_owned()).collect())
    }

    /// Refuses what another site's page could send with our cookie.
    pub fn check(&self, method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
        let upgrades = headers.contains_key(header::UPGRADE);
        if (method.is_safe() && !upgrades) || self.allows(headers) {
            Ok(())
        } else {
            Err(Code::OriginNotAllowed.into())
        }
    }

    fn allows(&self, headers: &HeaderMap) -> bool {
        let mut given = headers.get_all(header::ORIGIN).iter();
        match (given.next(), given.next()) {
            (None, _) => true,
            (Some(origin), None) => self.0.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()),
            (Some(_), Some(_)) => false,
        }
    }

    /// Are all pages served over TLS? Then cookies are marked `Secure`.
    pub fn all_secure(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|origin| origin.starts_with("https://"))
    }

    /// The WebSocket twins of the list: Safari before 15.4 does not let CSP's `'self'` cover `ws:`.
    pub fn websocket_sources(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().filter_map(|origin| origin.strip_prefix("http").map(|rest| format!("ws{rest}")))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_listed_origins_may_change_anything_or_upgrade() {
        let origins = Origins::new(["https://kp.example/".to_owned(), "http://127.0.0.1:8080".to_owned()]);
        let cases: &[(Method, Option<&str>, bool, bool)] = &[
            (Method::POST, Some("https://kp.example"), false, true),
            (Method::POST, Some("http://127.0.0.1:8080"), false, true),
            (Method::POST, Some("http://127.0.0.1:80801"), false, false),
            (Method::POST, Some("https://kp.example.evil.com"), false, false),
            (Method::POST, Some("http://kp.example"), false, false),
            (Method::POST, Some("null"), false, false),
            (Method::POST, None, false, true),
            (Method::DELETE, Some("https://evil.example"), false, false),
            (Method::GET, Some("https://evil.example"), false, true),
            (Method::GET, Some("https://evil.example"), true, false),
            (Method::GET, Some("https://kp.example"), true, true),
            (Method::GET, None, true, true),
        ];
        for (method, origin, upgrade, allowed) in cases {
            let mut headers = HeaderMap::new();
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            if *upgrade {
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            }
            assert_eq!(origins.check(method, &headers).is_ok(), *allowed, "{method} {origin:?} {upgrade}");
        }
    }

    #[test]
    fn a_second_origin_header_does_not_hide_behind_the_first() {
        let origins = Origins::new(["https://kp.example".to_owned()]);
        let mut headers = HeaderMap::new();
        headers.append(header::ORIGIN, HeaderValue::from_static("https://kp.example"));
        headers.append(header::ORIGIN, HeaderValue::from_static("https://evil.example"));
        assert!(origins.check(&Method::POST, &headers).is_err());
    }
}
