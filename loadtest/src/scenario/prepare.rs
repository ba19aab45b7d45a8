//! Before a run: log in, make the rehearsal copy, get the sessions, read the opening, and set this machine's clock beside
//! the server's.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::json;

use super::plan::{Plan, Scenario};
use crate::audit::Truth;
use crate::http::{Doors, Failure, fetch, patiently};
use crate::wire::{Catalogue, Opening, StaffSession};

/// The server may still be starting.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// As many sessions as the staff's door gives at once.
const SESSIONS_AT_ONCE: u32 = 20_000;
/// A copy of ten thousand buyers takes the server a moment, and as many sessions another; then the buyers connect.
const START_AFTER_CONNECTS_S: f64 = 4.0;
const START_BUYERS_PER_S: f64 = 1_000.0;
/// A copy, ten thousand sessions and the whole truth take the server longer than a buyer's request.
const STAFF_TIMEOUT: Duration = Duration::from_secs(120);
const CLOCK_LOOKS: u32 = 9;
/// Sent at the start to the millisecond, a tap would come too early as often as not: the server's clock is read in whole
/// milliseconds, and over a network. Nobody taps in the first milliseconds anyway.
pub const START_MARGIN: Duration = Duration::from_millis(20);

pub const TOKEN_VARIABLE: &str = "KAIPAN_LOADTEST_TOKEN";
pub const PASSWORD_VARIABLE: &str = "KAIPAN_LOADTEST_PASSWORD";

/// One simulated buyer.
#[derive(Debug, Clone, Deserialize)]
pub struct Session {
    pub registration: String,
    pub token: String,
}

pub struct Prepared {
    pub doors: Doors,
    /// The buyers' door of `doors`.
    pub url: String,
    /// Those of the other gateways, with their addresses; of them only the boards are read.
    pub others: Vec<(String, Doors)>,
    /// The opening that is played: the copy, if one was made.
    pub opening: String,
    pub staff_token: Option<String>,
    pub sessions: Vec<Session>,
    pub catalogue: Catalogue,
    /// T, by both clocks.
    pub start: Instant,
    pub start_ms: i64,
    pub server_version: Option<String>,
}

impl Prepared {
    /// This moment by the server's clock.
    pub fn now_ms(&self) -> i64 {
        let ms = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        let now = Instant::now();
        let (after, before) =
            (now.saturating_duration_since(self.start), self.start.saturating_duration_since(now));
        self.start_ms + ms(after) - ms(before)
    }
}

#[derive(Deserialize)]
struct Copy {
    id: String,
}

#[derive(Deserialize)]
struct Sessions {
    sessions: Vec<Session>,
}

#[derive(Deserialize)]
struct BoardRead {
    seq: i64,
    status: String,
}

/// What stands in the way, as a sentence.
pub type Because = String;

pub async fn prepare(plan: &Plan) -> Result<Prepared, Because> {
    let staff_url = plan.staff_url.as_deref().unwrap_or_default();
    let doors_of =
        |url: &str, opening: &str| Doors::new(url, staff_url, opening).map_err(|failure| failure.to_string());
    let doors = |opening: &str| doors_of(&plan.buyers_url, opening);
    let first = doors(&plan.opening)?;
    let staff_token = log_in(plan, &first).await?;
    let (doors, opening) = match (&staff_token, plan.rehearse) {
        (Some(token), true) => {
            let id = rehearsal(plan, &first, token).await?;
            (doors(&id)?, id)
        }
        (None, true) => return Err(no_staff("--rehearse")),
        (_, false) => (first, plan.opening.clone()),
    };
    let seen: Opening = patiently(PATIENCE, || fetch(doors.buyer_get("")))
        .await
        .map_err(|failure| format!("the opening {opening} at {}: {failure}", plan.buyers_url))?;
    let hash = format!("/catalogue/{}", seen.catalogue_hash);
    let catalogue: Catalogue = patiently(PATIENCE, || fetch(doors.buyer_get(&hash)))
        .await
        .map_err(|failure| format!("the catalogue: {failure}"))?;
    let sessions = match &staff_token {
        Some(token) => sessions(plan, &doors, token).await?,
        None if plan.scenario == Scenario::Storm => Vec::new(),
        None => return Err(no_staff("a scenario with taps")),
    };
    let mut others = Vec::with_capacity(plan.gateways.len());
    for url in &plan.gateways {
        let other = doors_of(url, &opening)?;
        patiently(PATIENCE, || has_heard(&other))
            .await
            .map_err(|failure| format!("the opening {opening} at {url}: {failure}"))?;
        others.push((url.clone(), other));
    }
    let (start, start_ms) = start(plan, &doors, seen.phase == "live").await?;
    Ok(Prepared {
        doors,
        url: plan.buyers_url.clone(),
        others,
        opening,
        staff_token,
        sessions,
        catalogue,
        start,
        start_ms,
        server_version: seen.version,
    })
}

/// A gateway follows the database: a copy that was made a moment ago comes to it a moment later.
async fn has_heard(gateway: &Doors) -> Result<(), Failure> {
    match fetch::<Opening>(gateway.buyer_get("")).await {
        Err(Failure::Refused { status: 404, code, .. }) => Err(Failure::Silent(code)),
        answer => answer.map(drop),
    }
}

fn no_staff(what: &str) -> Because {
    format!("{what} needs --staff-url and --login with {PASSWORD_VARIABLE}, or {TOKEN_VARIABLE}")
}

pub async fn log_in(plan: &Plan, doors: &Doors) -> Result<Option<String>, Because> {
    if plan.staff_url.is_none() {
        return Ok(None);
    }
    if let Ok(token) = std::env::var(TOKEN_VARIABLE) {
        return Ok(Some(token));
    }
    let (Some(login), Ok(password)) = (&plan.login, std::env::var(PASSWORD_VARIABLE)) else {
        return Ok(None);
    };
    let session: StaffSession = patiently(PATIENCE, || {
        fetch(doors.staff_post("/session").json(&json!({ "login": login, "password": password })))
    })
    .await
    .map_err(|failure| format!("logging in as {login}: {failure}"))?;
    Ok(Some(session.token))
}

async fn rehearsal(plan: &Plan, doors: &Doors, token: &str) -> Result<String, Because> {
    let buyers = plan.first + plan.buyers;
    let connecting = f64::from(plan.buyers) / plan.connect_per_s;
    let preparing = START_AFTER_CONNECTS_S + f64::from(plan.buyers) / START_BUYERS_PER_S;
    let start_in_s = (connecting + preparing).ceil() as u64;
    let open_for_s = plan.lasts().as_secs() + plan.patience.as_secs() + 120;
    let body = json!({ "buyers": buyers, "start_in_s": start_in_s, "open_for_s": open_for_s });
    // Not repeated: an answer that was lost would leave a second copy behind.
    let copy: Copy =
        fetch(doors.staff_opening_post("/rehearsals").bearer_auth(token).timeout(STAFF_TIMEOUT).json(&body))
            .await
            .map_err(|failure| format!("the rehearsal copy of {}: {}", plan.opening, said(&failure)))?;
    Ok(copy.id)
}

async fn sessions(plan: &Plan, doors: &Doors, token: &str) -> Result<Vec<Session>, Because> {
    let mut all = Vec::with_capacity(plan.buyers as usize);
    let mut first = plan.first;
    let end = plan.first + plan.buyers;
    while first < end {
        let count = (end - first).min(SESSIONS_AT_ONCE);
        let body = json!({ "first": first, "count": count });
        let request = doors.staff_opening_post("/sessions").bearer_auth(token).timeout(STAFF_TIMEOUT);
        let got: Sessions = match fetch(request.json(&body)).await {
            Ok(got) => got,
            // Whoever only comes and goes need not be anybody.
            Err(failure) if failure.code() == "NOT_A_REHEARSAL" && plan.scenario == Scenario::Storm => {
                return Ok(Vec::new());
            }
            Err(failure) => return Err(format!("sessions of simulated buyers: {}", said(&failure))),
        };
        if got.sessions.is_empty() {
            break;
        }
        first += u32::try_from(got.sessions.len()).unwrap_or(count);
        all.extend(got.sessions);
    }
    match all.len() {
        0 => Err("the opening has no simulated buyers to play".to_owned()),
        _ => Ok(all),
    }
}

fn said(failure: &Failure) -> String {
    match failure.code() {
        "NOT_A_REHEARSAL" => "it is not a rehearsal; --rehearse makes a copy and plays there".to_owned(),
        "FORBIDDEN" => "the log-in lacks the right `rehearse`".to_owned(),
        _ => failure.to_string(),
    }
}

/// T by this machine's monotonic clock: from the look at the server's clock that came back fastest.
async fn start(plan: &Plan, doors: &Doors, live: bool) -> Result<(Instant, i64), Because> {
    let mut best: Option<(Duration, Instant, Opening)> = None;
    for _ in 0..CLOCK_LOOKS {
        let asked = Instant::now();
        let seen: Opening = patiently(PATIENCE, || fetch(doors.buyer_get("")))
            .await
            .map_err(|failure| failure.to_string())?;
        let round = asked.elapsed();
        if best.as_ref().is_none_or(|(fastest, ..)| round < *fastest) {
            best = Some((round, asked + round / 2, seen));
        }
    }
    let Some((_, at, seen)) = best else { return Err("the server's clock could not be read".to_owned()) };
    let connecting = Duration::from_secs_f64(f64::from(plan.buyers) / plan.connect_per_s);
    let now = Instant::now();
    if seen.phase == "closed" {
        return Err("the opening is closed".to_owned());
    }
    if live || seen.start_ms <= seen.now_ms || plan.scenario == Scenario::Storm {
        let start = now
            + if plan.scenario == Scenario::Storm { Duration::ZERO } else { connecting }
            + Duration::from_secs(2);
        let ms = i64::try_from((start - at).as_millis()).unwrap_or(0);
        return Ok((start, seen.now_ms + ms));
    }
    let wait = Duration::from_millis(u64::try_from(seen.start_ms - seen.now_ms).unwrap_or(0));
    let start = at + wait + START_MARGIN;
    if start < now + connecting + Duration::from_secs(1) {
        return Err(format!(
            "the opening starts in {} s, and connecting {} buyers at {} a second takes {} s: start it later, or \
             raise --connect-per-s",
            start.saturating_duration_since(now).as_secs(),
            plan.buyers,
            plan.connect_per_s,
            connecting.as_secs_f64().ceil(),
        ));
    }
    Ok((start, seen.start_ms + 20))
}

/// The board as anybody may read it: sequence and digits.
pub type BoardNow = (i64, String);

pub async fn board(doors: &Doors) -> Result<BoardNow, Because> {
    let now: BoardRead = patiently(PATIENCE, || fetch(doors.buyer_get("/board")))
        .await
        .map_err(|failure| failure.to_string())?;
    Ok((now.seq, now.status))
}

/// The same at every gateway, by its address; none where it does not answer now. One of them has to.
pub async fn boards(prepared: &Prepared) -> Result<Vec<(String, Option<BoardNow>)>, Because> {
    if prepared.others.is_empty() {
        return Ok(vec![(prepared.url.clone(), Some(board(&prepared.doors).await?))]);
    }
    let mut boards = Vec::with_capacity(1 + prepared.others.len());
    let first = std::iter::once((&prepared.url, &prepared.doors));
    for (url, doors) in first.chain(prepared.others.iter().map(|(url, doors)| (url, doors))) {
        let now: Option<BoardRead> = fetch(doors.buyer_get("/board")).await.ok();
        boards.push((url.clone(), now.map(|now| (now.seq, now.status))));
    }
    if boards.iter().all(|(_, board)| board.is_none()) {
        return Err("no gateway shows its board".to_owned());
    }
    Ok(boards)
}

/// Claims and journal, from a file or from the staff's door.
pub async fn truth(plan: &Plan, doors: &Doors, token: Option<&str>) -> Result<Truth, Because> {
    if let Some(file) = &plan.truth {
        return crate::audit::read_truth(file);
    }
    let Some(token) = token else { return Err(no_staff("the audit")) };
    patiently(PATIENCE, || fetch(doors.staff_opening_get("/truth").bearer_auth(token).timeout(STAFF_TIMEOUT)))
        .await
        .map_err(|failure| format!("the server's truth: {failure}"))
}
