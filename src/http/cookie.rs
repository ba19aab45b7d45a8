//! One cookie a door. Nothing but the session's token is ever kept in one.

use axum::http::{HeaderMap, HeaderValue, header};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// Sent when a link from elsewhere (a WeChat message) opens the page.
    Lax,
    Strict,
}

/// The value of the first cookie called `name`.
pub fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .find_map(|pair| pair.trim().split_once('=').filter(|(found, _)| *found == name))
        .map(|(_, value)| value)
}

/// The token of the request: `Authorization: Bearer` (programs) before the cookie (pages).
pub fn token<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    bearer(headers).or_else(|| read(headers, name))
}

/// A program's token. No other site's page can make a browser send one.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
}

/// A `Set-Cookie` value; `None` if `value` holds what a cookie may not. An empty value with age 0 removes it.
pub fn set(
    name: &str,
    value: &str,
    path: &str,
    max_age_s: i64,
    same_site: SameSite,
    secure: bool,
) -> Option<HeaderValue> {
    let same_site = match same_site {
        SameSite::Lax => "Lax",
        SameSite::Strict => "Strict",
    };
    let secure = if secure { "; Secure" } else { "" };
    let line =
        format!("{name}={value}; Path={path}; Max-Age={max_age_s}; HttpOnly; SameSite={same_site}{secure}");
    if value.contains([';', ',', ' ', '"']) || path.contains(';') {
        return None;
    }
    HeaderValue::from_str(&line).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn a_token_is_found_where_a_page_or_a_program_puts_it() {
        let (auth, cookie) = (header::AUTHORIZATION, header::COOKIE);
        type Case<'a> = (&'a [(header::HeaderName, &'a str)], Option<&'a str>);
        let cases: &[Case<'_>] = &[
            (&[], None),
            (&[(cookie.clone(), "a=1; kp_session=tok; b=2")], Some("tok")),
            (&[(cookie.clone(), "xkp_session=no")], None),
            (&[(auth.clone(), "Bearer tok")], Some("tok")),
            (&[(auth.clone(), "bearer tok")], Some("tok")),
            (&[(auth.clone(), "Basic tok")], None),
            (&[(auth, "Bearer one"), (cookie, "kp_session=two")], Some("one")),
        ];
        for (pairs, expected) in cases {
            assert_eq!(token(&headers(pairs), "kp_session"), *expected, "{pairs:?}");
        }
    }

    #[test]
    fn a_cookie_line_can_not_be_broken_out_of() {
        let line = set("kp_session", "tok", "/api", 60, SameSite::Lax, true).unwrap();
        assert_eq!(line, "kp_session=tok; Path=/api; Max-Age=60; HttpOnly; SameSite=Lax; Secure");
        assert!(set("kp_session", "t; Domain=evil", "/", 60, SameSite::Lax, false).is_none());
        assert!(set("kp_session", "t\r\nx: y", "/", 60, SameSite::Lax, false).is_none());
    }
}
