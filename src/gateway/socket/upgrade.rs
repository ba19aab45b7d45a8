//! From an HTTP request to a WebSocket. The origin was checked by the shell, before anything here runs.
//!
//! HTTP's part ends with the answer 101: then the socket is taken out of hyper, whose buffers and task for it end, and
//! given to its hub.

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Parts, Upgraded};
use hyper_util::rt::TokioIo;
use sha1::{Digest, Sha1};
use tokio::net::TcpStream;

use super::member::{Ends, Joining, Seated, Visitor};
use super::place::Place;
use crate::gateway::core::Core;
use crate::gateway::open::Open;
use crate::gateway::session::{self, Here};
use crate::http::accept::Held;
use crate::http::address::ClientAddr;
use crate::http::guard_io::GuardIo;
use crate::http::{Code, Problem};
use crate::identity::buyers::BuyerSession;
use crate::limits::SOCKET_SEND_BUFFER_BYTES;

pub const SUBPROTOCOL: &str = "kaipan.v1";

/// What RFC 6455 has the server add to the client's key.
const KEY_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The WebSocket, subprotocol `kaipan.v1`.
#[utoipa::path(
    get,
    path = "/api/v1/openings/{opening}/ws",
    params(("opening" = String, Path, description = "Opening id")),
    responses(
        (status = 101, description = "Frames of kaipan.v1 from here on"),
        (status = 403, description = "ORIGIN_NOT_ALLOWED", body = crate::gateway::wire::Problem),
        (status = 426, description = "UPGRADE_REQUIRED", body = crate::gateway::wire::Problem),
    )
)]
pub async fn upgrade(
    State(core): State<Core>,
    Here(open): Here,
    address: ClientAddr,
    held: Option<Extension<Held>>,
    mut request: Request,
) -> Result<Response, Problem> {
    let accept = accept_of(request.headers()).ok_or(Code::UpgradeRequired)?;
    if request.extensions().get::<OnUpgrade>().is_none() {
        return Err(Code::UpgradeRequired.into());
    }
    // A token that is no longer good makes a stranger who is told so, not a refused socket: the page shows the board
    // and asks to sign in again.
    let visitor = match session::token(request.headers()) {
        None => Visitor::Stranger,
        Some(token) => match visitor(&core, &open, token).await {
            Ok(session) => Visitor::Buyer(session),
            Err(problem) if problem.code.status() == StatusCode::UNAUTHORIZED => Visitor::Ended,
            Err(problem) => return Err(problem),
        },
    };
    let who = match &visitor {
        Visitor::Buyer(session) => Some(session.registration),
        Visitor::Stranger | Visitor::Ended => None,
    };
    let door = core.hubs.of(&open, &core.gateway).map_err(Problem::internal)?;
    let place = Place::new(who, door);
    let presence = &core.gateway.presence;
    let seat = match who {
        Some(who) => presence.sign_in(&open.live.facts.id, who, &place),
        None => presence.stranger(address.network()).ok_or(Code::Overloaded)?,
    };
    let guard = core.gateway.parts.drain.guard();
    let ends = Ends { seat, held: held.map(|Extension(held)| held), guard };
    let seated = Seated { visitor, place, ends };
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        match upgraded.await {
            Ok(upgraded) => hand_over(upgraded, seated),
            Err(error) => tracing::debug!(%error, "a handshake was not finished"),
        }
    });
    let headers = [
        (header::CONNECTION, "upgrade"),
        (header::UPGRADE, "websocket"),
        (header::SEC_WEBSOCKET_ACCEPT, accept.as_str()),
        (header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL),
    ];
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}

async fn visitor(core: &Core, open: &Open, token: &str) -> Result<BuyerSession, Problem> {
    let (session, _expires_at) = session::verify(&core.gateway, open, token)?;
    session::authenticate(&core.gateway, &session).await?;
    Ok(session)
}

/// The answer to a handshake (RFC 6455 §4.2), if it is one that is taken here.
fn accept_of(headers: &HeaderMap) -> Option<String> {
    let fits = names(headers, header::CONNECTION, "upgrade")
        && names(headers, header::UPGRADE, "websocket")
        && headers.get(header::SEC_WEBSOCKET_VERSION)?.as_bytes() == b"13"
        && tokens(headers, header::SEC_WEBSOCKET_PROTOCOL).any(|token| token == SUBPROTOCOL);
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?.to_str().ok()?.trim();
    if !fits || STANDARD.decode(key).ok()?.len() != 16 {
        return None;
    }
    let digest = Sha1::new().chain_update(key).chain_update(KEY_SUFFIX).finalize();
    Some(STANDARD.encode(digest))
}

fn names(headers: &HeaderMap, name: HeaderName, wanted: &str) -> bool {
    tokens(headers, name).any(|token| token.eq_ignore_ascii_case(wanted))
}

/// The values of a header that lists them, over all its lines.
fn tokens(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// Takes the socket out of hyper and the runtime, and gives it to its hub.
fn hand_over(upgraded: Upgraded, seated: Seated) {
    match taken_out(upgraded) {
        Ok((socket, early, stall)) => {
            let place = std::sync::Arc::clone(&seated.place);
            place.join(Box::new(Joining { seated, socket, early, stall }));
        }
        Err(why) => tracing::error!(%why, "a socket could not be taken over"),
    }
}

fn taken_out(upgraded: Upgraded) -> Result<(mio::net::TcpStream, Bytes, std::time::Duration), String> {
    let parts = upgraded.downcast::<TokioIo<GuardIo<TcpStream>>>();
    let Parts { io, read_buf, .. } = parts.map_err(|_| "the door's sockets are of another type")?;
    let (socket, stall) = io.into_inner().into_parts();
    let socket = socket.into_std().map_err(|error| error.to_string())?;
    // What a reader that sleeps may cost the kernel; by itself it would grow to megabytes.
    let buffer = socket2::SockRef::from(&socket).set_send_buffer_size(SOCKET_SEND_BUFFER_BYTES);
    buffer.map_err(|error| error.to_string())?;
    Ok((mio::net::TcpStream::from_std(socket), read_buf, stall))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let lines = lines.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        lines.collect::<Vec<(HeaderName, _)>>().into_iter().fold(
            HeaderMap::new(),
            |mut all, (name, value)| {
                all.append(name, value);
                all
            },
        )
    }

    /// The example of RFC 6455 §1.3, and what it takes away from it.
    #[test]
    fn a_handshake_is_answered_as_the_rfc_has_it_and_nothing_else_is_one() {
        let good = [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-protocol", "chat, kaipan.v1"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        assert_eq!(accept_of(&headers(&good)).as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        for without in 0..good.len() {
            let mut lines = good.to_vec();
            let (name, _) = lines.remove(without);
            assert_eq!(accept_of(&headers(&lines)), None, "no {name}");
        }
        for (at, wrong) in [(0, "close"), (1, "h2c"), (2, "12"), (3, "kaipan.v2"), (4, "dGhlIHNhbXBsZQ==")] {
            let mut lines = good;
            lines[at].1 = wrong;
            assert_eq!(accept_of(&headers(&lines)), None, "{wrong}");
        }
        let mut apart = good.to_vec();
        apart[3].1 = "chat";
        apart.push(("sec-websocket-protocol", SUBPROTOCOL));
        assert!(accept_of(&headers(&apart)).is_some(), "in a line of its own");
    }
}
