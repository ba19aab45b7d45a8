//! CO-5: no other site's page changes anything with the cookie of a member of staff who looks at it, and no script reads that
//! cookie. Every changing route of the door, from the table of `roles`.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Api, Database, Home, Reply, Server};
use crate::roles::{NOWHERE, Sent, path_of, routes};

const PASSWORD: &str = "correct-horse-battery-staple";

/// A browser: a cookie, and an origin where it names one.
struct Browser {
    door: Api,
    cookie: String,
}

impl Browser {
    async fn send(&self, method: &str, path: &str, sent: &Sent, origin: Option<&str>) -> Reply {
        let mut request = self.door.request(method.parse().unwrap(), path).header("cookie", &self.cookie);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        request = match sent {
            Sent::Json(body) => request.json(body),
            Sent::No | Sent::File => request,
        };
        self.door.send(request).await.unwrap()
    }
}

async fn log_in(server: &Server, origin: &str) -> Reply {
    let door = server.staff();
    let body = json!({"login": "admin", "password": PASSWORD});
    let request = door.request(Method::POST, "/api/v1/session").header("origin", origin).json(&body);
    door.send(request).await.unwrap()
}

fn code(reply: &Reply) -> String {
    let problem: Value = serde_json::from_slice(&reply.bytes).unwrap_or_default();
    problem["code"].as_str().unwrap_or_default().to_owned()
}

/// Mutations that turned it red: a cookie's change without an origin let in; the same of signing out; the list of origins not
/// asked.
#[tokio::test]
async fn co_5_no_other_page_changes_anything_with_the_cookie() {
    let home = Home::new(Database::Sqlite).await;
    let server = home.serve().await;
    let own = format!("http://127.0.0.1:{}", server.staff_port);
    let cookie = log_in(&server, &own).await.header("set-cookie").split(';').next().unwrap().to_owned();
    let browser = Browser { door: server.staff(), cookie: cookie.clone() };
    let token = cookie.strip_prefix("kp_staff=").unwrap();
    let program = server.staff().with_token(token);
    let buyers = format!("http://127.0.0.1:{}", server.buyers_port);
    let longer = format!("{own}.evil.example");
    let foreign = ["https://evil.example", "null", "", &buyers, &longer];

    let table = routes();
    let read_too = |route: &str| table.iter().any(|(method, other, ..)| *method == "GET" && *other == route);
    let changes: Vec<_> = table.iter().filter(|(method, ..)| *method != "GET").collect();
    assert!(changes.len() > 30, "{}", changes.len());
    for (method, route, _, sent) in changes {
        let path = path_of(route, NOWHERE);
        for origin in foreign {
            let reply = browser.send(method, &path, sent, Some(origin)).await;
            assert_eq!(
                (reply.status, code(&reply).as_str()),
                (403, "ORIGIN_NOT_ALLOWED"),
                "{method} {route} {origin}"
            );
        }
        let unnamed = browser.send(method, &path, sent, None).await;
        // Signing in is no use of a cookie.
        let expected =
            if (*method, *route) == ("POST", "/session") { "LOGIN_FAILED" } else { "ORIGIN_NOT_ALLOWED" };
        assert_eq!(code(&unnamed), expected, "{method} {route} without an origin");
        if !read_too(route) {
            let read = browser.send("GET", &path, &Sent::No, Some(&own)).await;
            assert_eq!((read.status, code(&read).as_str()), (405, "METHOD_NOT_ALLOWED"), "GET {route}");
        }
        if matches!(sent, Sent::Json(_)) {
            // What a form can send without asking.
            let form = browser.door.request(method.parse().unwrap(), &path).header("cookie", &cookie);
            let form = form.header("origin", &own).header("content-type", "text/plain").body("{}");
            assert_eq!(browser.door.send(form).await.unwrap().status, 415, "{method} {route} by a form");
        }
        // A program carries no cookie and names no page.
        if (*method, *route) != ("DELETE", "/session") {
            let request = program.request(method.parse().unwrap(), &path);
            let request = if let Sent::Json(body) = sent { request.json(body) } else { request };
            assert_ne!(code(&program.send(request).await.unwrap()), "ORIGIN_NOT_ALLOWED", "{method} {route}");
        }
    }
    // Nothing of it ended the session; the page itself does.
    assert_eq!(browser.send("GET", "/api/v1/session", &Sent::No, None).await.status, 200);
    assert_eq!(browser.send("DELETE", "/api/v1/session", &Sent::No, Some(&own)).await.status, 204);
    assert_eq!(browser.send("GET", "/api/v1/session", &Sent::No, None).await.status, 401);
}

/// Mutations that turned it red: `Strict` made `Lax`; `Secure` left out.
#[tokio::test]
async fn co_5_the_cookie_is_for_this_door_alone() {
    let mut home = Home::new(Database::Sqlite).await;
    let server = home.serve().await;
    let flags = |reply: &Reply| reply.header("set-cookie").split_once("; ").unwrap().1.to_owned();
    let own = format!("http://127.0.0.1:{}", server.staff_port);
    let plain = log_in(&server, &own).await;
    assert_eq!(flags(&plain), "Path=/; Max-Age=43200; HttpOnly; SameSite=Strict");
    assert_eq!(plain.header("cache-control"), "no-store");
    assert!(server.stop().await.success());
    home.settings.push(("KAIPAN_STAFF_ORIGINS", "https://office.example"));
    let server = home.serve().await;
    let secure = log_in(&server, "https://office.example").await;
    assert_eq!(flags(&secure), "Path=/; Max-Age=43200; HttpOnly; SameSite=Strict; Secure");
    log_in(&server, &own).await.refused(403, "ORIGIN_NOT_ALLOWED");
}
