//! The one route that everybody uses in the same second: a tap over HTTP.
//!
//! It is written once, in [`pick`]. The buyers' door answers it before its router is asked ([`Tap`]); a request that looks
//! odd (an escaped path, a query) comes through the router to the same function.

use std::time::Instant;

use axum::http::{Method, Request, Uri};
use bytes::Bytes;

use super::core::Core;
use super::problems;
use super::routes::picks::key;
use super::session;
use super::wire;
use crate::domain::ids::{OpeningId, UnitOrd};
use crate::http::address::ClientAddr;
use crate::http::extract::{is_json, parse_json};
use crate::http::shortcut::{Shortcut, read_whole};
use crate::http::{Code, Problem};
use crate::identity::buyers::DeviceRole;
use crate::limits::BUYER_BODY_BYTES_MAX;
use crate::opening::tried::Tried;

pub const PATH: &str = "/api/v1/openings/{opening}/picks";

/// One loop's way for taps around the router.
pub struct Tap(pub Core);

impl Shortcut for Tap {
    const ROUTE: &'static str = PATH;
    const METHOD: &'static str = "POST";

    fn takes(&self, method: &Method, uri: &Uri) -> bool {
        method == Method::POST && uri.query().is_none() && opening_of(uri.path()).is_some()
    }

    async fn answer<B>(&self, request: &mut Request<B>, client: ClientAddr) -> Result<Bytes, Problem>
    where
        B: hyper::body::Body<Data = Bytes> + Send + Unpin,
        B::Error: Send,
    {
        let opening = opening_of(request.uri().path()).ok_or(Code::NotFound)?.parse();
        pick(&self.0, opening.ok(), client, request).await
    }
}

/// The opening of a path that is exactly this route's; ids are letters and digits, which nothing escapes.
fn opening_of(path: &str) -> Option<&str> {
    let opening = path.strip_prefix("/api/v1/openings/")?.strip_suffix("/picks")?;
    opening.bytes().all(|b| b.is_ascii_alphanumeric()).then_some(opening)
}

/// One tap, from its headers to the JSON of its answer. A *no* is an answer like a *yes*. `opening` is what the path
/// names, if that is an id.
pub async fn pick<B>(
    core: &Core,
    opening: Option<OpeningId>,
    client: ClientAddr,
    request: &mut Request<B>,
) -> Result<Bytes, Problem>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
{
    core.lateness.admit(Instant::now())?;
    let gateway = &core.gateway;
    let opened = session::token(request.headers())
        .map(|token| core.tokens.open(&gateway.parts.token_key, token, gateway.now()));
    if !matches!(opened, Some(Ok(_))) {
        gateway.addresses.check(client.network())?;
    }
    // Before the opening is looked for: a stranger learns nothing about it here.
    let opened = opened.ok_or(Code::NotSignedIn)?;
    let open = gateway.find(&opening.ok_or(Code::NotFound)?).await?;
    let opened = opened.map_err(session::refused)?;
    let session = session::of_opening(&opened, &open)?;
    let device = session::authenticate(gateway, session).await?;

    if !is_json(request.headers()) {
        return Err(Code::MediaType.into());
    }
    let body = read_whole(request.body_mut(), BUYER_BODY_BYTES_MAX).await?;
    let wire::PickRequest { key: text, unit, again } = parse_json(&body)?;
    let key = key(&text)?;
    if device.role == DeviceRole::Viewer {
        return json(&wire::Answer::viewer_device(&key));
    }
    open.rates.pick(session.registration)?;
    let (who, unit) = (session.registration, UnitOrd(unit));
    // Boxed, so that the many who lose do not carry the size of the few who wait.
    let picked = if again {
        Box::pin(open.live.pick_again(who, unit, key.clone())).await
    } else {
        match open.live.try_pick(who, unit, &key) {
            Tried::Decided(picked) => picked,
            Tried::Waiting(waiting) => Box::pin(open.live.decided(waiting)).await,
        }
    };
    json(&wire::Answer::of(&key, &picked.map_err(problems::pick)?))
}

fn json(answer: &wire::Answer) -> Result<Bytes, Problem> {
    serde_json::to_vec(answer).map(Bytes::from).map_err(Problem::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mutation that turned it red: the opening's letters not looked at, so that `/openings/ID/x/picks` is a tap.
    #[test]
    fn only_the_exact_path_is_taken_from_the_router() {
        let opening = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
        let cases = [
            (format!("/api/v1/openings/{opening}/picks"), true),
            (format!("/api/v1/openings/{opening}/picks/"), false),
            (format!("/api/v1/openings/{opening}/picks/abcdefgh/ask"), false),
            (format!("/api/v1/openings/{opening}/x/picks"), false),
            ("/api/v1/openings/%30/picks".to_owned(), false),
            ("/api/v1/openings/../picks".to_owned(), false),
            ("/api/v1/openings//picks/picks".to_owned(), false),
        ];
        for (path, taken) in cases {
            assert_eq!(opening_of(&path).is_some(), taken, "{path}");
        }
    }
}
