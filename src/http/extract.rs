//! Extractors whose refusals are problem+json and name the field.

use axum::RequestExt;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody, PathRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;

use super::problem::{Code, Problem};

/// A JSON body. The media type is checked, because a form or text body would slip past the browser's preflight.
pub struct Body<T>(pub T);

/// The query string.
pub struct Query<T>(pub T);

/// The parameters of the path. One that does not parse names nothing that exists.
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Code::MediaType.into());
        }
        let bytes: Bytes = request.extract().await.map_err(|rejection| body_problem(&rejection))?;
        parse_json(&bytes).map(Body)
    }
}

/// What a body that could not be read is to the client.
pub fn body_problem(rejection: &BytesRejection) -> Problem {
    match rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
            Code::BodyTooLarge.into()
        }
        _ => Problem::malformed(""),
    }
}

/// Whether the body says that it is JSON.
pub fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// Parses a JSON document; the problem names the innermost field that is wrong or missing.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // Keeping track of the path costs more than parsing: done only for who has to be told where it went wrong.
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        Problem::malformed(&field_of(&path, &error.inner().to_string()))
    })?;
    deserializer.end().map_err(|_| Problem::malformed(""))?;
    Ok(value)
}

/// serde reports a missing field at its parent, with the name only in the message.
fn field_of(path: &str, message: &str) -> String {
    // "." is the document itself, "?" one that is no JSON at all.
    let parent = if matches!(path, "." | "?") { "" } else { path };
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    match missing {
        Some(name) if parent.is_empty() => name.to_owned(),
        Some(name) => format!("{parent}.{name}"),
        None => parent.to_owned(),
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        match axum::extract::Query::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(value)) => Ok(Query(value)),
            Err(rejection) => {
                // "Failed to deserialize query string: limit: invalid digit found in string"
                let text = rejection.body_text();
                let reason = text.split_once(": ").map_or("", |(_, reason)| reason);
                let (path, message) = match reason.split_once(": ") {
                    Some((path, message)) if !path.contains(' ') => (path, message),
                    _ => ("", reason),
                };
                Err(Problem::malformed(&field_of(path, message)))
            }
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Path(value)),
            Err(PathRejection::FailedToDeserializePathParams(_)) => Err(Code::NotFound.into()),
            Err(rejection) => Err(Problem::internal(rejection)),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body as RawBody;
    use axum::extract::DefaultBodyLimit;
    use axum::http::Request;
    use axum::routing::{get, post};
    use serde::Deserialize;
    use serde_json::Value;
    use tower::ServiceExt;

    use super::*;
    use crate::domain::ids::OpeningId;

    #[derive(Deserialize)]
    struct Pick {
        key: String,
        unit: u32,
    }

    #[derive(Deserialize)]
    struct Outer {
        pick: Pick,
    }

    #[derive(Deserialize)]
    struct Page {
        limit: u32,
        q: Option<String>,
    }

    fn app() -> Router {
        Router::new()
            .route("/pick", post(async |Body(pick): Body<Pick>| format!("{} {}", pick.key, pick.unit)))
            .route("/outer", post(async |Body(outer): Body<Outer>| outer.pick.key))
            .route("/page", get(async |Query(page): Query<Page>| format!("{} {:?}", page.limit, page.q)))
            .route("/o/{opening}", get(async |Path(id): Path<OpeningId>| id.to_string()))
            .layer(DefaultBodyLimit::max(64))
    }

    async fn check(method: &str, path: &str, content_type: &str, body: &str) -> (u16, String, String) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, content_type)
            .body(RawBody::from(body.to_owned()))
            .unwrap();
        let response = app().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 4_096).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let field = body["params"]["field"].as_str().unwrap_or("-").to_owned();
        (status, body["code"].as_str().unwrap_or("-").to_owned(), field)
    }

    /// One line a case: request → status, code, field.
    #[tokio::test]
    async fn a_bad_request_names_the_field() {
        let json = "application/json";
        let long = format!(r#"{{"key":"{}","unit":1}}"#, "k".repeat(100));
        let cases = [
            (("POST", "/pick", json, r#"{"key":"k","unit":1}"#), (200, "-", "-")),
            (
                ("POST", "/pick", "application/json; charset=utf-8", r#"{"key":"k","unit":1}"#),
                (200, "-", "-"),
            ),
            (("POST", "/pick", json, r#"{"key":"k"}"#), (400, "MALFORMED", "unit")),
            (("POST", "/pick", json, r#"{"key":"k","unit":-1}"#), (400, "MALFORMED", "unit")),
            (("POST", "/pick", json, r#"{"key":3,"unit":1}"#), (400, "MALFORMED", "key")),
            (("POST", "/outer", json, r#"{"pick":{"key":"k","unit":"x"}}"#), (400, "MALFORMED", "pick.unit")),
            (("POST", "/outer", json, r#"{"pick":{"key":"k"}}"#), (400, "MALFORMED", "pick.unit")),
            (("POST", "/pick", json, r#"{"key":"k","unit":1} x"#), (400, "MALFORMED", "")),
            (("POST", "/pick", json, "{"), (400, "MALFORMED", "")),
            (("POST", "/pick", json, ""), (400, "MALFORMED", "")),
            (("POST", "/pick", json, long.as_str()), (413, "BODY_TOO_LARGE", "-")),
            (
                ("POST", "/pick", "text/plain", r#"{"key":"k","unit":1}"#),
                (415, "MEDIA_TYPE_UNSUPPORTED", "-"),
            ),
            (("GET", "/page?limit=5&q=a", json, ""), (200, "-", "-")),
            (("GET", "/page?limit=x", json, ""), (400, "MALFORMED", "limit")),
            (("GET", "/page", json, ""), (400, "MALFORMED", "limit")),
            (("GET", "/o/01ARZ3NDEKTSV4RRFFQ69G5FAV", json, ""), (200, "-", "-")),
            (("GET", "/o/none", json, ""), (404, "NOT_FOUND", "-")),
            (("GET", "/o/%ff", json, ""), (404, "NOT_FOUND", "-")),
        ];
        for ((method, path, content_type, body), (status, code, field)) in cases {
            let answer = check(method, path, content_type, body).await;
            assert_eq!(
                (answer.0, answer.1.as_str(), answer.2.as_str()),
                (status, code, field),
                "{method} {path} {body}"
            );
        }
    }
}
