//! One call over HTTP: bounded in time, in size and in number. It follows no redirect, which would carry the secret to
//! wherever it leads.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{Method, Request, StatusCode, header};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::account::Account;
use super::error::{Api, Errcode, WechatError};
use crate::http::outgoing::{USER_AGENT, connector};
use crate::limits::{
    WECHAT_ANSWER_BYTES_MAX, WECHAT_ANSWER_TIMEOUT, WECHAT_CONNECT_TIMEOUT, WECHAT_IDLE_TIMEOUT,
    WECHAT_IN_FLIGHT,
};

#[derive(Clone)]
pub(super) struct Wire {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: Arc<str>,
    in_flight: Arc<Semaphore>,
}

impl Wire {
    pub fn new(account: &Account) -> Result<Self, WechatError> {
        let connector = connector(WECHAT_CONNECT_TIMEOUT)?;
        let http =
            Client::builder(TokioExecutor::new()).pool_idle_timeout(WECHAT_IDLE_TIMEOUT).build(connector);
        let in_flight = Arc::new(Semaphore::new(WECHAT_IN_FLIGHT));
        Ok(Self { http, base: account.urls.api.as_str().into(), in_flight })
    }

    pub async fn get<T: DeserializeOwned>(&self, api: Api, query: &[(&str, &str)]) -> Result<T, WechatError> {
        self.call(api, Method::GET, query, Bytes::new()).await
    }

    pub async fn post<T: DeserializeOwned>(
        &self,
        api: Api,
        query: &[(&str, &str)],
        body: &impl Serialize,
    ) -> Result<T, WechatError> {
        let body = serde_json::to_vec(body).map_err(|_| WechatError::Invalid("the body"))?;
        self.call(api, Method::POST, query, body.into()).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        api: Api,
        method: Method,
        query: &[(&str, &str)],
        body: Bytes,
    ) -> Result<T, WechatError> {
        let _place = self.in_flight.try_acquire().map_err(|_| WechatError::Crowded)?;
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{}?{query}", self.base, api.path()))
            .header(header::USER_AGENT, USER_AGENT)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|_| WechatError::Invalid("the request"))?;
        let answered = timeout(WECHAT_ANSWER_TIMEOUT, self.answer(api, request)).await;
        read(api, &answered.unwrap_or(Err(WechatError::TimedOut(api)))?)
    }

    /// The errors underneath may name the URL, and in it the secret: only their kind is kept.
    async fn answer(&self, api: Api, request: Request<Full<Bytes>>) -> Result<Bytes, WechatError> {
        let response = self.http.request(request).await.map_err(|_| WechatError::Unreachable(api))?;
        if response.status() != StatusCode::OK {
            return Err(WechatError::Status { api, status: response.status().as_u16() });
        }
        let body = Limited::new(response.into_body(), WECHAT_ANSWER_BYTES_MAX).collect().await;
        body.map(http_body_util::Collected::to_bytes).map_err(|error| {
            if error.is::<LengthLimitError>() {
                WechatError::TooLarge(api)
            } else {
                WechatError::Unreachable(api)
            }
        })
    }
}

/// Some of WeChat's doors call their JSON text/plain, so the media type says nothing.
fn read<T: DeserializeOwned>(api: Api, bytes: &[u8]) -> Result<T, WechatError> {
    let answer: Value =
        serde_json::from_slice(bytes).map_err(|_| WechatError::Malformed { api, what: "it is no JSON" })?;
    match answer.get("errcode").map(Value::as_i64) {
        None | Some(Some(0)) => {}
        Some(Some(errcode)) => return Err(WechatError::Refused { api, errcode: Errcode::of(errcode) }),
        Some(None) => return Err(WechatError::Malformed { api, what: "errcode is no number" }),
    }
    serde_json::from_value(answer)
        .map_err(|_| WechatError::Malformed { api, what: "a field is missing or of another type" })
}
