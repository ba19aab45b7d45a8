use axum::body::Body;
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde_json::Value;

use super::*;
use crate::http::address::ClientAddr;
use crate::http::shortcut::NoShortcut;

fn shell() -> Shell {
    Shell {
        door: "buyers",
        origins: Origins::new(["https://kp.example".to_owned()]),
        trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
        request_timeout: Duration::from_secs(5),
        body_bytes_max: 16,
        in_flight_max: 2,
        drain: Drain::default(),
    }
}

fn app(wrap: &Wrap) -> Service<NoShortcut> {
    wrapped(
        wrap,
        Router::new()
            .route("/who", get(async |ClientAddr(address): ClientAddr| address.to_string()))
            .route("/panic", get(async || -> &'static str { panic!("boom") }))
            .route("/slow", get(async || tokio::time::sleep(Duration::from_secs(60)).await))
            .route("/post", post(async |body: String| body))
            .fallback(async || Problem::new(Code::NotFound)),
    )
}

fn wrapped(wrap: &Wrap, router: Router) -> Service<NoShortcut> {
    wrap.around(router, NoShortcut)
}

/// Answers as over a connection from the trusted proxy, or from elsewhere.
async fn ask_from(peer: &str, app: Service<NoShortcut>, request: Request) -> Response {
    let client = Arc::new(Client { peer: peer.parse().unwrap(), held: None });
    let Ok(answer) = app.answer(request, client).await;
    answer.map(Body::new)
}

async fn ask(app: Service<NoShortcut>, request: Request) -> Response {
    ask_from("10.0.0.1:1000", app, request).await
}

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

async fn body(response: Response) -> Vec<u8> {
    axum::body::to_bytes(response.into_body(), 65_536).await.unwrap().to_vec()
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_safe_headers() {
    let app = app(&Wrap::new(shell()));
    for path in ["/who", "/none", "/panic"] {
        let response = ask(app.clone(), request("GET", path, &[])).await;
        let headers = response.headers().clone();
        let id = headers[&X_REQUEST_ID].to_str().unwrap();
        assert_eq!(id.len(), 26, "{path}");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("wss://kp.example"), "{policy}");
        if path != "/who" {
            let problem: Value = serde_json::from_slice(&body(response).await).unwrap();
            assert_eq!(problem["request_id"], id);
        }
    }
}

#[tokio::test]
async fn a_proxys_request_id_is_kept_and_a_strangers_is_not() {
    let app = app(&Wrap::new(shell()));
    let given = || request("GET", "/who", &[("x-request-id", "abc-1"), ("x-forwarded-for", "9.9.9.9")]);
    let response = ask(app.clone(), given()).await;
    assert_eq!(response.headers()[&X_REQUEST_ID], "abc-1");
    assert_eq!(body(response).await, b"9.9.9.9");

    let response = ask_from("203.0.113.5:1", app, given()).await;
    assert_ne!(response.headers()[&X_REQUEST_ID], "abc-1");
    assert_eq!(body(response).await, b"203.0.113.5");
}

/// Mutation that turned it red: the panic left to hyper, which cuts the connection without an answer.
#[tokio::test]
async fn a_panic_is_an_internal_problem_and_the_next_request_is_served() {
    let app = app(&Wrap::new(shell()));
    let response = ask(app.clone(), request("GET", "/panic", &[])).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let problem: Value = serde_json::from_slice(&body(response).await).unwrap();
    assert_eq!(problem["code"], "INTERNAL");
    let response = ask(app, request("GET", "/who", &[])).await;
    assert_eq!(response.status(), StatusCode::OK);
}

/// Mutation that turned it red: the place not given back.
#[tokio::test(start_paused = true)]
async fn more_requests_than_may_be_in_flight_are_shed_at_once() {
    let app = app(&Wrap::new(shell()));
    let slow: Vec<_> = (0..2).map(|_| tokio::spawn(ask(app.clone(), request("GET", "/slow", &[])))).collect();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let before = tokio::time::Instant::now();
    let response = ask(app.clone(), request("GET", "/who", &[])).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    assert_eq!(before.elapsed(), Duration::ZERO);
    for request in slow {
        let response = request.await.unwrap();
        let problem: Value = serde_json::from_slice(&body(response).await).unwrap();
        assert_eq!(problem["code"], "TIMED_OUT");
    }
    let response = ask(app, request("GET", "/who", &[])).await;
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn what_is_not_served_is_a_problem_too() {
    let cases = [
        ("GET", "/none", &[] as &[(&str, &str)], 404, "NOT_FOUND"),
        ("DELETE", "/who", &[], 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/post", &[("origin", "https://evil.example")], 403, "ORIGIN_NOT_ALLOWED"),
    ];
    for (method, path, headers, status, code) in cases {
        let app = app(&Wrap::new(shell()));
        let response = ask(app, request(method, path, headers)).await;
        assert_eq!(response.status().as_u16(), status, "{method} {path}");
        let problem: Value = serde_json::from_slice(&body(response).await).unwrap();
        assert_eq!(problem["code"], code);
    }
}

/// Mutation that turned it red: the stream left as it is, so that a draining server waits its whole time-out.
#[tokio::test(start_paused = true)]
async fn an_event_stream_ends_with_the_drain() {
    let drain = Drain::default();
    let endless = async || {
        let ticks = futures_util::stream::unfold((), async |()| {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Some((Ok::<_, std::convert::Infallible>("data: tick\n\n"), ()))
        });
        ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(ticks))
    };
    let wrap = Wrap::new(Shell { drain: drain.clone(), ..shell() });
    let app = wrapped(&wrap, Router::new().route("/live", get(endless)));
    let response = ask(app, request("GET", "/live", &[])).await;
    let read = tokio::spawn(body(response));
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!(!read.is_finished());
    drain.begin();
    assert_eq!(read.await.unwrap(), b"data: tick\n\n".repeat(2));
}
