//! The pages, inside the binary: read once, compressed once, served from memory.
//!
//! Vite puts a hash into the name of everything under `assets/`, so those never change and browsers keep them for a year;
//! the four `index.html` are asked for again each time (by ETag). A build without node has no pages and says so.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use super::problem::{Code, Problem};

#[derive(rust_embed::Embed)]
#[folder = "$CARGO_MANIFEST_DIR/web/dist"]
#[allow_missing = true]
struct Dist;

const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");
/// Below this a gzip header costs more than it saves.
const GZIP_BYTES_MIN: usize = 512;

const MISSING: &str = "<!doctype html><html lang=\"zh-CN\"><meta charset=\"utf-8\"><title>Kaipan</title>\
<p>页面尚未构建：请先在 web/ 中运行 <code>npm ci &amp;&amp; npm run build</code>（需要 node ≥ 20.19），再重新构建服务端。接口照常可用。</p>\
<p lang=\"en\">The pages are not built: run <code>npm ci &amp;&amp; npm run build</code> in web/ (node ≥ 20.19), then build the server again. \
The API works without them.</p></html>";

/// A body that is the same for everyone: bytes, their gzip and their tag, all made once.
#[derive(Clone)]
pub struct Static {
    plain: Bytes,
    gzip: Option<Bytes>,
    etag: HeaderValue,
    content_type: HeaderValue,
    cache: HeaderValue,
}

impl Static {
    /// A body addressed by its own hash: never changes, kept for ever.
    pub fn immutable(content_type: &'static str, plain: Bytes) -> Self {
        Self::new(HeaderValue::from_static(content_type), IMMUTABLE, plain)
    }

    /// A body that may change with the next release.
    pub fn revalidated(content_type: &'static str, plain: Bytes) -> Self {
        Self::new(HeaderValue::from_static(content_type), REVALIDATE, plain)
    }

    fn new(content_type: HeaderValue, cache: HeaderValue, plain: Bytes) -> Self {
        let digest = hex::encode(Sha256::digest(&plain));
        let tag = format!("\"{}\"", digest.get(..16).unwrap_or_default());
        let etag = HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""));
        let gzip = (plain.len() >= GZIP_BYTES_MIN).then(|| gzip(&plain).ok()).flatten();
        let gzip = gzip.filter(|gzip| gzip.len() < plain.len());
        Self { plain, gzip, etag, content_type, cache }
    }

    /// Answers by the request's `If-None-Match` and `Accept-Encoding`.
    pub fn answer(&self, request: &HeaderMap) -> Response {
        let known = request.get(header::IF_NONE_MATCH).is_some_and(|given| contains_tag(given, &self.etag));
        let mut response = if known {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            match &self.gzip {
                Some(gzip) if accepts_gzip(request) => {
                    ([(header::CONTENT_ENCODING, "gzip")], gzip.clone()).into_response()
                }
                _ => self.plain.clone().into_response(),
            }
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, self.content_type.clone());
        headers.insert(header::CACHE_CONTROL, self.cache.clone());
        headers.insert(header::ETAG, self.etag.clone());
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        response
    }
}

fn gzip(plain: &[u8]) -> io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain)?;
    Ok(encoder.finish()?.into())
}

fn contains_tag(given: &HeaderValue, etag: &HeaderValue) -> bool {
    let (Ok(given), Ok(etag)) = (given.to_str(), etag.to_str()) else { return false };
    given.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag)
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let Some(accepted) = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    accepted.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let refused = |weight: &str| matches!(weight, "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
        parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip")) && !parts.any(refused)
    })
}

/// One door's pages: which document answers which path, and the assets they share.
#[derive(Clone)]
pub struct Pages {
    files: Arc<HashMap<String, Static>>,
    document_of: fn(&str) -> &'static str,
}

impl Pages {
    /// Reads what was built into the binary. `document_of` names the entry (`buyer`, `screen` …) for a path that is not
    /// a file, so that the pages' own routes survive a reload.
    pub fn embedded(document_of: fn(&str) -> &'static str) -> Self {
        let file = |name: Cow<'static, str>| {
            let data = Dist::get(&name)?.data;
            let plain = match data {
                Cow::Borrowed(bytes) => Bytes::from_static(bytes),
                Cow::Owned(bytes) => Bytes::from(bytes),
            };
            Some((name.clone().into_owned(), asset(&name, plain)))
        };
        Self { files: Arc::new(Dist::iter().filter_map(file).collect()), document_of }
    }

    /// The fallback of a door's router: a file, a document, or "nothing here" for what was meant for the API.
    pub fn answer(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
        let path = uri.path().trim_start_matches('/');
        if path.starts_with("api/") || !(method == Method::GET || method == Method::HEAD) {
            return Problem::new(Code::NotFound).into_response();
        }
        if let Some(file) = self.files.get(path) {
            return file.answer(headers);
        }
        let is_file = path.rsplit('/').next().is_some_and(|last| last.contains('.'));
        if is_file {
            return Problem::new(Code::NotFound).into_response();
        }
        let document = format!("{}/index.html", (self.document_of)(path));
        match self.files.get(&document) {
            Some(document) => document.answer(headers),
            None => (StatusCode::NOT_FOUND, Html(MISSING)).into_response(),
        }
    }
}

fn asset(name: &str, plain: Bytes) -> Static {
    let mime = mime_guess::from_path(name).first_or_octet_stream();
    // Vite's output is UTF-8, and a WebView that guesses would show squares.
    let text = matches!(mime.type_().as_str(), "text") || mime.subtype() == "javascript";
    let content_type = if text { format!("{mime}; charset=utf-8") } else { mime.to_string() };
    let content_type =
        HeaderValue::from_str(&content_type).unwrap_or(HeaderValue::from_static("application/octet-stream"));
    Static::new(content_type, if name.starts_with("assets/") { IMMUTABLE } else { REVALIDATE }, plain)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn pages() -> Pages {
        let script = Bytes::from("let a = 1;".repeat(200));
        let files = [
            ("assets/a-1f.js".to_owned(), asset("assets/a-1f.js", script)),
            ("buyer/index.html".to_owned(), asset("buyer/index.html", Bytes::from("<p>买房"))),
        ];
        Pages {
            files: Arc::new(files.into()),
            document_of: |path| if path.starts_with("screen") { "screen" } else { "buyer" },
        }
    }

    fn ask(path: &str, headers: &[(header::HeaderName, &str)]) -> Response {
        let headers =
            headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect::<HeaderMap>();
        pages().answer(&Method::GET, &path.parse().unwrap(), &headers)
    }

    #[tokio::test]
    async fn an_asset_is_immutable_and_compressed() {
        let response = ask("/assets/a-1f.js", &[(header::ACCEPT_ENCODING, "br, gzip;q=0.8")]);
        assert_eq!(response.headers()[header::CACHE_CONTROL], IMMUTABLE);
        assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
        let etag = response.headers()[header::ETAG].to_str().unwrap().to_owned();
        let body = axum::body::to_bytes(response.into_body(), 65_536).await.unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, "let a = 1;".repeat(200));

        let again = ask("/assets/a-1f.js", &[(header::IF_NONE_MATCH, &etag)]);
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        let plain = ask("/assets/a-1f.js", &[(header::ACCEPT_ENCODING, "gzip;q=0")]);
        assert!(!plain.headers().contains_key(header::CONTENT_ENCODING));
    }

    #[test]
    fn a_path_of_the_page_gets_its_document_and_nothing_else_does() {
        let cases = [
            ("/", 200),
            ("/o/01ARZ3NDEKTSV4RRFFQ69G5FAV", 200),
            ("/buyer/index.html", 200),
            ("/assets/b-2f.js", 404),
            ("/api/v1/none", 404),
            ("/../Cargo.toml", 404),
            ("/screen/1", 404),
        ];
        for (path, status) in cases {
            assert_eq!(ask(path, &[]).status(), status, "{path}");
        }
        assert_eq!(ask("/", &[]).headers()[header::CACHE_CONTROL], REVALIDATE);
        let posted = pages().answer(&Method::POST, &Uri::from_static("/"), &HeaderMap::new());
        assert_eq!(posted.status(), StatusCode::NOT_FOUND);
    }
}
