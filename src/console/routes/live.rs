//! The live board: as it is, as it changes, and in figures.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use serde::Serialize;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use utoipa::ToSchema;

use super::holds::with_people;
use super::log_read;
use crate::console::Console;
use crate::console::auth::Who;
use crate::console::wire::{Minute, Summary};
use crate::domain::ids::OpeningId;
use crate::domain::time::Micros;
use crate::http::{Path, Problem};
use crate::identity::Right;
use crate::identity::staff::SessionKey;
use crate::limits::{HOLDS_ABOUT_TO_LAPSE, STAFF_STREAM_LOOK_PERIOD};
use crate::opening::Live;
use crate::opening::answer::{Claim, ClaimState};
use crate::opening::board::{Snapshot, Status, Tick};
use crate::opening::memory::Applied;

#[derive(Serialize, ToSchema)]
pub struct Board {
    seq: i64,
    /// One digit a unit, by ordinal.
    status: String,
}

fn digits(snapshot: &Snapshot) -> String {
    snapshot.statuses.iter().map(|status| char::from(status.digit())).collect()
}

#[utoipa::path(get, path = "/api/v1/openings/{id}/board", responses((status = 200, body = Board)))]
pub async fn board(
    State(console): State<Console>,
    who: Who,
    Path(id): Path<OpeningId>,
) -> Result<Json<Board>, Problem> {
    who.may(Right::View)?;
    let snapshot = console.live(&id)?.board().snapshot();
    Ok(Json(Board { seq: snapshot.seq, status: digits(&snapshot) }))
}

/// Server-Sent Events: `snapshot`, then `board`, `control` and `event` as they happen.
#[utoipa::path(get, path = "/api/v1/openings/{id}/live",
    responses((status = 200, content_type = "text/event-stream", body = String)))]
pub async fn stream(
    State(console): State<Console>,
    who: Who,
    Path(id): Path<OpeningId>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    who.may(Right::View)?;
    let live = console.live(&id)?;
    let ticks = live.board().subscribe();
    let events = live.events();
    let follow = Follow { live, ticks, events, first: true };
    let ended = session_end(console, who.session().cloned());
    let stream =
        futures_util::stream::unfold((follow, Box::pin(ended)), |(mut follow, mut ended)| async move {
            let frame = tokio::select! {
                frame = follow.next() => frame?,
                () = &mut ended => return None,
            };
            Some((Ok(Event::default().data(frame.to_string())), (follow, ended)))
        });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

/// Ends when the session does: what was opened with it must not outlive it.
async fn session_end(console: Console, session: Option<SessionKey>) {
    let Some(session) = session else { return std::future::pending().await };
    loop {
        tokio::time::sleep(STAFF_STREAM_LOOK_PERIOD).await;
        // A database that does not answer is no end of a session.
        if matches!(console.0.staff.is_live(&session, console.now()).await, Ok(false)) {
            return;
        }
    }
}

/// One listener. It ends when the opening stops in this process; the page connects again.
struct Follow {
    live: Arc<Live>,
    ticks: tokio::sync::broadcast::Receiver<Arc<Tick>>,
    events: tokio::sync::broadcast::Receiver<Arc<Applied>>,
    first: bool,
}

impl Follow {
    async fn next(&mut self) -> Option<serde_json::Value> {
        if std::mem::take(&mut self.first) {
            return Some(self.snapshot());
        }
        tokio::select! {
            tick = self.ticks.recv() => match tick {
                Ok(tick) => Some(board_frame(&tick)),
                // Behind: the newest state instead of the missed changes.
                Err(RecvError::Lagged(_)) => Some(self.snapshot()),
                Err(RecvError::Closed) => None,
            },
            applied = self.events.recv() => match applied {
                Ok(applied) => Some(self.event(&applied)),
                Err(RecvError::Lagged(_)) => Some(self.snapshot()),
                Err(RecvError::Closed) => None,
            },
        }
    }

    fn snapshot(&self) -> serde_json::Value {
        let snapshot = self.live.board().snapshot();
        json!({ "t": "snapshot", "seq": snapshot.seq, "status": digits(&snapshot) })
    }

    fn event(&self, applied: &Applied) -> serde_json::Value {
        let Some(claim) = &applied.claim else {
            let control = self.live.control();
            let now = self.live.now();
            return json!({
                "t": "control", "phase": control.phase_at(now).as_str(), "paused": control.paused,
                "start_ms": control.start_at.ms(), "end_ms": control.end_at.ms(), "now_ms": now.ms(),
            });
        };
        let name = self.live.facts.registration(claim.registration).map(|r| r.name_masked.as_str());
        json!({
            "t": "event", "seq": applied.seq, "kind": applied.kind, "unit": claim.unit.0,
            "at_ms": applied.at.ms(), "name_masked": name, "code": claim.code,
        })
    }
}

fn board_frame(tick: &Tick) -> serde_json::Value {
    let pairs: Vec<u32> = tick.changes.iter().flat_map(|(unit, status)| [unit.0, *status as u32]).collect();
    json!({ "t": "board", "from": tick.from, "to": tick.to, "u": pairs })
}

#[utoipa::path(get, path = "/api/v1/openings/{id}/summary", responses((status = 200, body = Summary)))]
pub async fn summary(
    State(console): State<Console>,
    who: Who,
    Path(id): Path<OpeningId>,
) -> Result<Json<Summary>, Problem> {
    who.may(Right::View)?;
    let live = console.live(&id)?;
    let snapshot = live.board().snapshot();
    let count = |wanted: Status| snapshot.statuses.iter().filter(|status| **status == wanted).count();
    let (units, withheld, sold) = (snapshot.statuses.len(), count(Status::Withheld), count(Status::Sold));
    let claims = live.all_claims();
    let mut due: Vec<Arc<Claim>> =
        claims.iter().filter(|claim| claim.state == ClaimState::Held).cloned().collect();
    due.sort_by_key(|claim| claim.deadline_at);
    due.truncate(HOLDS_ABOUT_TO_LAPSE);
    // Names are for those who may see people; everybody else gets the masked one.
    let names = who.may(Right::People).is_ok() || who.may(Right::Cashier).is_ok();
    let holds_about_to_lapse = if names && !due.is_empty() {
        // The page asks every second: one entry says that it is open.
        log_read(&console, &who, Some(&id), "HOLDS_READ", json!({}), "").await?;
        with_people(&console, &live, due).await?
    } else {
        Vec::new()
    };
    let price = |claim: &Arc<Claim>| live.facts.unit(claim.unit).map_or(0, |unit| unit.total.0);
    Ok(Json(Summary {
        now_ms: live.now().ms(),
        seq: snapshot.seq,
        units,
        withheld,
        free: count(Status::Free),
        held: count(Status::Held),
        sold,
        sell_through_bp: (sold * 10_000).checked_div(units - withheld).unwrap_or(0),
        sold_fen: claims.iter().filter(|claim| claim.state == ClaimState::Sold).map(price).sum(),
        signed_in: console.0.buyers.devices().signed_in(&id, console.now()),
        connected: (console.0.connected)(&id),
        picks: live.stats.picks(),
        refusals: live.stats.refusals().into_iter().collect(),
        per_minute: per_minute(&live, &claims),
        holds_about_to_lapse,
    }))
}

/// Grants and deals a minute since the start.
fn per_minute(live: &Live, claims: &[Arc<Claim>]) -> Vec<Minute> {
    let start = live.control().start_at;
    let mut minutes: BTreeMap<i64, (usize, usize)> = BTreeMap::new();
    for claim in claims {
        let minute = claim.created_at.since(start).0.div_euclid(Micros::from_secs(60).0);
        let counts = minutes.entry(minute).or_default();
        counts.0 += 1;
        counts.1 += usize::from(claim.state == ClaimState::Sold);
    }
    let at_ms = |minute: i64| start.ms() + minute * 60_000;
    minutes.into_iter().map(|(minute, (held, sold))| Minute { at_ms: at_ms(minute), held, sold }).collect()
}
