//! HTTP as a program speaks it: JSON, a bearer token, and answers that are looked at whole.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::HeaderMap;
use reqwest::multipart::{Form, Part};
use serde_json::Value;

#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

#[derive(Debug)]
pub struct Reply {
    /// Which request this answers, for messages.
    asked: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Api {
    pub fn new(port: u16) -> Self {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).no_proxy().build().unwrap();
        Self { http, base: format!("http://127.0.0.1:{port}"), token: None }
    }

    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path)).await.unwrap()
    }

    /// None when nobody answers.
    pub async fn try_get(&self, path: &str) -> Option<Reply> {
        self.send(self.request(Method::GET, path)).await.ok()
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.send(self.request(Method::DELETE, path)).await.unwrap()
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(self.request(Method::POST, path).json(&body)).await.unwrap()
    }

    pub async fn put(&self, path: &str, body: Value) -> Reply {
        self.send(self.request(Method::PUT, path).json(&body)).await.unwrap()
    }

    pub async fn patch(&self, path: &str, body: Value) -> Reply {
        self.send(self.request(Method::PATCH, path).json(&body)).await.unwrap()
    }

    /// A spreadsheet in the field `file`, as the console sends it.
    pub async fn upload(&self, path: &str, file_name: &str, bytes: Vec<u8>) -> Reply {
        let form = Form::new().part("file", Part::bytes(bytes).file_name(file_name.to_owned()));
        self.send(self.request(Method::POST, path).multipart(form)).await.unwrap()
    }

    /// For what the helpers above do not send: odd headers, odd bodies.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> reqwest::Result<Reply> {
        let (http, request) = request.build_split();
        let request = request?;
        let asked = format!("{} {}", request.method(), request.url().path());
        let response = http.execute(request).await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Reply { asked, status, headers, bytes: response.bytes().await?.to_vec() })
    }
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|error| panic!("{} {}: {error}: {}", self.asked, self.status, self.text()))
    }

    /// The body of a success.
    pub fn ok(&self) -> Value {
        assert!((200..300).contains(&self.status), "{} {}: {}", self.asked, self.status, self.text());
        if self.bytes.is_empty() { Value::Null } else { self.json() }
    }

    /// The `params` of a problem with this status and code; its form is checked on the way.
    pub fn refused(&self, status: u16, code: &str) -> Value {
        let seen = format!("{} {}: {}", self.asked, self.status, self.text());
        assert_eq!(self.status, status, "{seen}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{seen}");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{seen}");
        assert_eq!(problem["status"], status, "{seen}");
        assert_eq!(problem["request_id"], self.header("x-request-id"), "{seen}");
        problem["params"].clone()
    }
}
