//! A route that is answered before the router is asked: the one that ten thousand people use in the same second.
//!
//! The shell around it is the same (see `shell`): only the way from there to the handler is shorter, without boxed
//! layers, without looking the path up, and with headers that are made once.

use axum::http::{Method, Uri};
use axum::response::Response;
use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};

use super::address::ClientAddr;
use super::problem::{Code, Problem};

/// The body of an answer: whole, or whatever the router made.
pub type AnswerBody = Either<Full<Bytes>, axum::body::Body>;

/// What the shell answers with when no router is involved.
pub type Answer = Response<AnswerBody>;

pub trait Shortcut: Send + Sync + 'static {
    /// The route's name in metrics, as the router would say it.
    const ROUTE: &'static str;

    /// Its only method.
    const METHOD: &'static str;

    /// Whether this request is the shortcut's. What looks odd (a query, an escaped path) is not: the router's handler
    /// answers it.
    fn takes(&self, method: &Method, uri: &Uri) -> bool;

    /// The JSON of a success, or the problem.
    fn answer<B>(
        &self,
        request: &mut axum::http::Request<B>,
        client: ClientAddr,
    ) -> impl Future<Output = Result<Bytes, Problem>> + Send
    where
        B: hyper::body::Body<Data = Bytes> + Send + Unpin,
        B::Error: Send;
}

/// A door without one.
pub struct NoShortcut;

impl Shortcut for NoShortcut {
    const ROUTE: &'static str = "none";
    const METHOD: &'static str = "other";

    fn takes(&self, _method: &Method, _uri: &Uri) -> bool {
        false
    }

    async fn answer<B>(
        &self,
        _request: &mut axum::http::Request<B>,
        _client: ClientAddr,
    ) -> Result<Bytes, Problem>
    where
        B: hyper::body::Body<Data = Bytes> + Send + Unpin,
        B::Error: Send,
    {
        Err(Code::NotFound.into())
    }
}

/// The whole of a body that may have `bytes_max`. One that came in one piece, as nearly all do, is not copied.
pub async fn read_whole<B>(body: &mut B, bytes_max: usize) -> Result<Bytes, Problem>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
{
    let (mut first, mut gathered) = (Bytes::new(), Vec::new());
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(|_| Problem::malformed(""))?.into_data() else { continue };
        if first.len().max(gathered.len()) + piece.len() > bytes_max {
            return Err(Code::BodyTooLarge.into());
        }
        if first.is_empty() {
            first = piece;
        } else {
            if gathered.is_empty() {
                gathered.extend_from_slice(&first);
            }
            gathered.extend_from_slice(&piece);
        }
    }
    Ok(if gathered.is_empty() { first } else { gathered.into() })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;
    use http_body_util::StreamBody;
    use hyper::body::Frame;

    use super::*;

    /// Mutation that turned it red: only each piece measured, not their sum.
    #[tokio::test]
    async fn a_body_is_read_whole_and_no_further_than_it_may_go() {
        let body = |pieces: &[&'static str]| {
            let frames: Vec<_> = pieces
                .iter()
                .map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::from_static(piece.as_bytes()))))
                .collect();
            StreamBody::new(stream::iter(frames))
        };
        assert_eq!(read_whole(&mut body(&[]), 8).await.unwrap(), "");
        assert_eq!(read_whole(&mut body(&["12345678"]), 8).await.unwrap(), "12345678");
        assert_eq!(read_whole(&mut body(&["123", "45", "678"]), 8).await.unwrap(), "12345678");
        for too_long in [&["123456789"][..], &["1234", "5678", "9"]] {
            assert_eq!(read_whole(&mut body(too_long), 8).await.unwrap_err().code, Code::BodyTooLarge);
        }
    }
}
