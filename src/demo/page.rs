//! The demo page's own door: loopback only, three buttons. It can kill a process of this machine, so it answers only
//! pages that it served itself: the `Host` must be a loopback name (a foreign name that resolves to 127.0.0.1 is not
//! one), and a button's request must carry a header that another site's page cannot send without asking first.

use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::extract::{Request, State as Shared};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::state::State;
use crate::domain::time::Clock;
use crate::http::pages::Pages;

/// What a button asks the stage for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Button {
    Kill,
    Again,
    /// New sign-in codes for the newcomers.
    Codes,
}

const BUTTON_HEADER: &str = "x-kaipan-demo";

/// The state that the page shows. A std lock, because it is held only to copy.
#[derive(Clone, Default)]
pub(super) struct Board(Arc<RwLock<State>>);

impl Board {
    pub fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }

    pub fn read(&self) -> State {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Clone)]
struct Door {
    clock: Clock,
    board: Board,
    buttons: mpsc::Sender<Button>,
    pages: Pages,
}

/// Serves until the program ends.
pub(super) async fn serve(listener: TcpListener, clock: Clock, board: Board, buttons: mpsc::Sender<Button>) {
    if let Err(error) = axum::serve(listener, router(clock, board, buttons)).await {
        tracing::error!(%error, "the demo page has ended");
    }
}

fn router(clock: Clock, board: Board, buttons: mpsc::Sender<Button>) -> Router {
    let pages = Pages::embedded(|_| "demo");
    Router::new()
        .route("/api/demo/state", get(state))
        .route("/api/demo/kill", post(|door, headers| press(door, headers, Button::Kill)))
        .route("/api/demo/again", post(|door, headers| press(door, headers, Button::Again)))
        .route("/api/demo/codes", post(|door, headers| press(door, headers, Button::Codes)))
        .fallback(page)
        .layer(from_fn(own_pages_only))
        .with_state(Door { clock, board, buttons, pages })
}

#[derive(Serialize)]
struct Now {
    now_ms: i64,
    #[serde(flatten)]
    state: State,
}

async fn state(Shared(door): Shared<Door>) -> Response {
    let now = Now { now_ms: door.clock.wall().ms(), state: door.board.read() };
    ([(header::CACHE_CONTROL, "no-store")], Json(now)).into_response()
}

async fn press(Shared(door): Shared<Door>, headers: HeaderMap, button: Button) -> StatusCode {
    if !headers.contains_key(BUTTON_HEADER) {
        return StatusCode::FORBIDDEN;
    }
    // A button pressed while the stage is busy with the same is not queued up.
    match door.buttons.try_send(button) {
        Ok(()) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::CONFLICT,
    }
}

async fn page(Shared(door): Shared<Door>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    door.pages.answer(&method, &uri, &headers)
}

async fn own_pages_only(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if !matches!(name, "127.0.0.1" | "localhost" | "[::1]") {
        return StatusCode::FORBIDDEN.into_response();
    }
    let mut response = next.run(request).await;
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        header::HeaderValue::from_static(
            "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
        ),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use tower::ServiceExt;

    async fn ask(method: Method, path: &str, headers: &[(&str, &str)]) -> (StatusCode, Option<Button>) {
        let (buttons, mut pressed) = mpsc::channel(1);
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = router(Clock::system(), Board::default(), buttons)
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        (answer.status(), pressed.try_recv().ok())
    }

    #[tokio::test]
    async fn the_button_kills() {
        let own = [("host", "127.0.0.1:8082"), (BUTTON_HEADER, "1")];
        assert_eq!(
            ask(Method::POST, "/api/demo/kill", &own).await,
            (StatusCode::ACCEPTED, Some(Button::Kill))
        );
    }

    #[tokio::test]
    async fn another_site_presses_nothing() {
        // A form of another site reaches loopback, but cannot carry the header.
        let form = [("host", "127.0.0.1:8082"), ("origin", "https://evil.example")];
        assert_eq!(ask(Method::POST, "/api/demo/kill", &form).await, (StatusCode::FORBIDDEN, None));
        // A name of another site that was made to resolve to 127.0.0.1.
        let rebound = [("host", "evil.example:8082"), (BUTTON_HEADER, "1")];
        assert_eq!(ask(Method::POST, "/api/demo/kill", &rebound).await, (StatusCode::FORBIDDEN, None));
        assert_eq!(ask(Method::GET, "/api/demo/state", &rebound[..1]).await.0, StatusCode::FORBIDDEN);
        // A link or an image is a GET.
        let own = [("host", "localhost:8082"), (BUTTON_HEADER, "1")];
        assert_eq!(ask(Method::GET, "/api/demo/kill", &own).await, (StatusCode::METHOD_NOT_ALLOWED, None));
    }
}
