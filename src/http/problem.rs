//! Errors on the wire: `application/problem+json` with a closed set of codes. The page has the words.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};

use super::shell;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $status:ident, $title:literal;)*) => {
        /// Why a door did not do what was asked. The text of a code never changes once a page knows it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            pub const ALL: &[Code] = &[$(Code::$variant,)*];

            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $text,)* }
            }

            pub const fn status(self) -> StatusCode {
                match self { $(Code::$variant => StatusCode::$status,)* }
            }

            /// For a person who reads the raw answer; pages never show it.
            pub const fn title(self) -> &'static str {
                match self { $(Code::$variant => $title,)* }
            }
        }
    };
}

codes! {
    // Any door.
    /// The body, the query or the path does not have the expected shape; `params.field` names the place.
    Malformed = "MALFORMED", BAD_REQUEST, "The request does not have the expected shape";
    FieldInvalid = "FIELD_INVALID", UNPROCESSABLE_ENTITY, "A field has a value that is not allowed";
    BodyTooLarge = "BODY_TOO_LARGE", PAYLOAD_TOO_LARGE, "The body is too large";
    MediaType = "MEDIA_TYPE_UNSUPPORTED", UNSUPPORTED_MEDIA_TYPE, "The body must be application/json";
    NotFound = "NOT_FOUND", NOT_FOUND, "There is nothing here";
    MethodNotAllowed = "METHOD_NOT_ALLOWED", METHOD_NOT_ALLOWED, "The method is not allowed here";
    NotSignedIn = "NOT_SIGNED_IN", UNAUTHORIZED, "Sign in first";
    SessionEnded = "SESSION_ENDED", UNAUTHORIZED, "The session has ended; sign in again";
    Forbidden = "FORBIDDEN", FORBIDDEN, "The right to do this is missing";
    OriginNotAllowed = "ORIGIN_NOT_ALLOWED", FORBIDDEN, "This origin is not on the list";
    SlowDown = "SLOW_DOWN", TOO_MANY_REQUESTS, "Too many requests; try again later";
    Overloaded = "OVERLOADED", SERVICE_UNAVAILABLE, "The server is busy; try again later";
    TimedOut = "TIMED_OUT", SERVICE_UNAVAILABLE, "The request took too long; its outcome is not known";
    Draining = "DRAINING", SERVICE_UNAVAILABLE, "The server is about to stop";
    NotReady = "NOT_READY", SERVICE_UNAVAILABLE, "The server is not ready yet";
    Internal = "INTERNAL", INTERNAL_SERVER_ERROR, "Something broke on the server";

    // Buyers.
    PhoneInvalid = "PHONE_INVALID", BAD_REQUEST, "Not a mainland mobile number";
    CodeWrong = "CODE_WRONG", UNAUTHORIZED, "The code is wrong";
    CodeVoid = "CODE_VOID", UNAUTHORIZED, "The code is void; ask for another";
    ChooseRegistration = "CHOOSE_REGISTRATION", CONFLICT, "Several registrations; choose one";
    WechatUnbound = "WECHAT_UNBOUND", CONFLICT, "This WeChat user's phone is not proven; sign in with a code";
    WechatAgain = "WECHAT_AGAIN", UNAUTHORIZED, "There is no sign-in by WeChat to finish; start again";
    ViewerDevice = "VIEWER_DEVICE", FORBIDDEN, "Another device picks";
    DeviceRequestGone = "DEVICE_REQUEST_GONE", CONFLICT, "That device does not ask to pick, or no longer";
    FavouritesTooMany = "FAVOURITES_TOO_MANY", UNPROCESSABLE_ENTITY, "Too many favourites";
    UnitUnknown = "UNIT_UNKNOWN", UNPROCESSABLE_ENTITY, "There is no such unit";
    KeyReused = "KEY_REUSED", CONFLICT, "The key was used for another request";
    ClaimChanged = "CLAIM_CHANGED", CONFLICT, "The claim has changed meanwhile";
    UpgradeRequired = "UPGRADE_REQUIRED", UPGRADE_REQUIRED, "A WebSocket upgrade with subprotocol kaipan.v1 is expected";

    // Staff.
    LoginFailed = "LOGIN_FAILED", UNAUTHORIZED, "Login or password is wrong";
    SecondFactorNeeded = "SECOND_FACTOR_NEEDED", UNAUTHORIZED, "The password is right; a code of the second factor is needed";
    SecondFactorWrong = "SECOND_FACTOR_WRONG", UNAUTHORIZED, "The code of the second factor is wrong, or was used";
    SecondFactorRequired = "SECOND_FACTOR_REQUIRED", FORBIDDEN, "Set up a second factor first";
    SecondFactorOn = "SECOND_FACTOR_ON", CONFLICT, "The second factor is on already";
    SecondFactorOff = "SECOND_FACTOR_OFF", CONFLICT, "There is no second factor";
    LoginTaken = "LOGIN_TAKEN", CONFLICT, "The login is in use";
    AlreadyPublished = "ALREADY_PUBLISHED", CONFLICT, "The opening is published; its lists are frozen";
    TransitionRefused = "TRANSITION_REFUSED", CONFLICT, "The opening can not go from its state to that one";
    PreflightFailed = "PREFLIGHT_FAILED", UNPROCESSABLE_ENTITY, "The check before publication found obstacles";
    ReferenceUsed = "REFERENCE_USED", CONFLICT, "The reference was used for another payment";
    AlreadyExtended = "ALREADY_EXTENDED", CONFLICT, "The hold was extended once already";
    NotARehearsal = "NOT_A_REHEARSAL", CONFLICT, "Only a rehearsal with simulated buyers allows this";
    RehearsalsTooMany = "REHEARSALS_TOO_MANY", CONFLICT, "Clear a rehearsal before making another";
    LoadTestMissing = "LOAD_TEST_MISSING", CONFLICT, "The load tool is not beside this server";
    LoadRunBusy = "LOAD_RUN_BUSY", CONFLICT, "Another load run is under way";
    OpeningNear = "OPENING_NEAR", CONFLICT, "A real opening runs, or starts within the hour";
    FileUnreadable = "FILE_UNREADABLE", UNPROCESSABLE_ENTITY, "The file can not be read as a spreadsheet";
}

/// A refusal or failure as either door answers it.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    pub code: Code,
    pub params: Map<String, Value>,
}

/// RFC 9457, plus `code`, `params` and `request_id`.
#[derive(Serialize)]
struct Wire<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    code: &'static str,
    params: &'a Map<String, Value>,
    request_id: &'a str,
}

impl Problem {
    pub fn new(code: Code) -> Self {
        Self { code, params: Map::new() }
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.params.insert(name.to_owned(), value.into());
        self
    }

    /// The request has the wrong shape at `field`; an empty name means the whole body.
    pub fn malformed(field: &str) -> Self {
        Self::new(Code::Malformed).with("field", field)
    }

    /// The shape is right but the value of `field` is not allowed.
    pub fn field(field: &str) -> Self {
        Self::new(Code::FieldInvalid).with("field", field)
    }

    pub fn slow_down(retry_after_ms: u64) -> Self {
        Self::new(Code::SlowDown).with("retry_after_ms", retry_after_ms)
    }

    /// Something broke that the client can do nothing about. The cause goes to the log, never to the client.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed");
        Self::new(Code::Internal)
    }
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.code.status();
        let request_id = shell::request_id();
        let wire = Wire {
            r#type: "about:blank",
            title: self.code.title(),
            status: status.as_u16(),
            code: self.code.as_str(),
            params: &self.params,
            request_id: request_id.as_str(),
        };
        // A struct of strings and JSON values always serialises; an empty body would still carry the status.
        let body = serde_json::to_vec(&wire).unwrap_or_default();
        let mut response =
            (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(retry_after_ms) = self.params.get("retry_after_ms").and_then(Value::as_u64) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after_ms.div_ceil(1_000).max(1)));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[tokio::test]
    async fn a_problem_on_the_wire_has_code_params_and_status() {
        let response = Problem::slow_down(1_200).into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
        let body = axum::body::to_bytes(response.into_body(), 4_096).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["code"], "SLOW_DOWN");
        assert_eq!(body["status"], 429);
        assert_eq!(body["type"], "about:blank");
        assert_eq!(body["params"]["retry_after_ms"], 1_200);
    }

    /// A page looks its words up by the code: two codes with one text would share them.
    #[test]
    fn codes_are_distinct_and_shouted() {
        let texts: HashSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
        for text in texts {
            assert!(text.chars().all(|c| c.is_ascii_uppercase() || c == '_'), "{text}");
        }
        assert!(Code::ALL.iter().all(|code| code.status().as_u16() >= 400));
    }
}
