//! `/api/openapi.json`: each door's machine-readable description of itself, made once.

use axum::Router;
use axum::extract::Request;
use axum::routing::get;
use bytes::Bytes;
use utoipa::openapi::OpenApi;

use super::pages::Static;

pub fn route(document: &OpenApi) -> Router {
    let document = Bytes::from(document.to_json().unwrap_or_default());
    let document = Static::revalidated("application/json", document);
    Router::new()
        .route("/api/openapi.json", get(async move |request: Request| document.answer(request.headers())))
}
