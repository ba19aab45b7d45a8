//! One WebSocket, from hello to close: a single task that reads, answers and passes on what its mailbox holds.
//!
//! The order in which it looks at its sources is the promise of `docs/protocol.md`: answers to own picks first, then what
//! is personal, then the board, then the client's next words. A client that floods is slowed by its own socket; a reader
//! that does not read is cut by the guard under the socket (`http::guard_io`).

use std::collections::HashSet;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::Number;
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep, interval_at, sleep_until, timeout};

use super::hub::{Hub, Member};
use super::mailbox::{Item, Leave, Mailbox};
use super::presence::Seat;
use crate::domain::ids::UnitOrd;
use crate::gateway::core::Core;
use crate::gateway::open::Open;
use crate::gateway::problems;
use crate::gateway::rates::Frames;
use crate::gateway::wire::{self, ClientFrame, Hello, ServerFrame};
use crate::http::{Code, Problem};
use crate::identity::buyers::{BuyerSession, DeviceRole, DeviceView};
use crate::limits::{
    SOCKET_CLOSE_TIMEOUT, SOCKET_DRAIN_TIMEOUT, SOCKET_FRAME_BYTES_MAX, SOCKET_PICKS_IN_FLIGHT_MAX,
    SOCKET_PING_PERIOD, SOCKET_SILENCE_MAX,
};
use crate::opening::PickError;
use crate::opening::answer::{Answer, Key};
use crate::telemetry::names;

const PROTOCOL: u32 = 1;

/// Who opened the socket.
pub enum Visitor {
    Buyer(BuyerSession),
    Stranger,
    /// Came with a token that is no longer good, and is told so.
    Ended,
}

/// A visitor with a place among the sockets.
pub struct Seated {
    visitor: Visitor,
    mailbox: Arc<Mailbox>,
    _seat: Seat,
}

impl Visitor {
    pub fn seat(self, core: &Core, open: &Open, address: IpAddr) -> Result<Seated, Problem> {
        let mailbox = Arc::<Mailbox>::default();
        let presence = &core.gateway.presence;
        let seat = match &self {
            Self::Buyer(session) => presence.sign_in(&open.live.facts.id, session.registration, &mailbox),
            Self::Stranger | Self::Ended => presence.stranger(address).ok_or(Code::Overloaded)?,
        };
        Ok(Seated { visitor: self, mailbox, _seat: seat })
    }
}

/// Why the conversation is over.
enum End {
    /// The client left, or its socket broke: nobody to say goodbye to.
    Gone,
    Close(u16, &'static str),
}

const AWAY: End = End::Close(close_code::AWAY, "reconnect");

type Decided = (Key, Instant, Result<Answer, PickError>);
type Deciding = Pin<Box<dyn Future<Output = Decided> + Send>>;

struct Connection {
    socket: WebSocket,
    core: Core,
    open: Arc<Open>,
    session: Option<BuyerSession>,
    mailbox: Arc<Mailbox>,
    /// Board sequence that the client has.
    seq: i64,
    frames: Frames,
    deciding: FuturesUnordered<Deciding>,
    /// Keys of `deciding`: a key that is being decided is not sent along twice.
    keys: HashSet<Key>,
    pings: Interval,
    /// Rings at the earliest moment at which the silence could be too long; moved on when it rings, not at each word.
    silence: Pin<Box<Sleep>>,
    heard_at: Instant,
}

/// Serves the socket until one side leaves.
pub async fn serve(socket: WebSocket, core: Core, open: Arc<Open>, hub: Arc<Hub>, seated: Seated) {
    let Seated { visitor, mailbox, _seat } = seated;
    let kind = if matches!(visitor, Visitor::Buyer(_)) { "buyer" } else { "anonymous" };
    metrics::gauge!(names::SOCKETS, "kind" => kind).increment(1);
    let (session, ended) = match visitor {
        Visitor::Buyer(session) => (Some(session), false),
        Visitor::Stranger => (None, false),
        Visitor::Ended => (None, true),
    };
    // Joined before the first snapshot is taken: whatever happens after it is in the mailbox.
    let _member: Member =
        hub.join(Arc::clone(&mailbox), session.as_ref().map(|session| session.registration));
    let now = Instant::now();
    // Ten thousand sockets that opened in one second must not ping in one.
    let first_ping = SOCKET_PING_PERIOD.mul_f64(rand::random_range(0.5..1.0));
    let mut pings = interval_at(now + first_ping, SOCKET_PING_PERIOD);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut connection = Connection {
        socket,
        core,
        frames: open.frames(),
        open,
        session,
        mailbox,
        seq: -1,
        deciding: FuturesUnordered::new(),
        keys: HashSet::new(),
        pings,
        silence: Box::pin(sleep_until(now + SOCKET_SILENCE_MAX)),
        heard_at: now,
    };
    let end = match connection.greet(ended).await {
        Ok(()) => connection.converse().await,
        Err(end) => end,
    };
    if let End::Close(code, reason) = end {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        // Whether the goodbye arrives changes nothing.
        drop(timeout(SOCKET_CLOSE_TIMEOUT, connection.socket.send(Message::Close(Some(frame)))).await);
    }
    metrics::gauge!(names::SOCKETS, "kind" => kind).decrement(1);
}

impl Connection {
    async fn greet(&mut self, ended: bool) -> Result<(), End> {
        let live = Arc::clone(&self.open.live);
        let device = match self.device() {
            Some(view) => view.role.as_str(),
            None => "anonymous",
        };
        let control = live.control();
        let hello = ServerFrame::Hello(Hello {
            protocol: PROTOCOL,
            opening: live.facts.id.to_string(),
            now_ms: live.now().ms(),
            phase: live.phase().as_str(),
            paused: control.paused,
            start_ms: control.start_at.ms(),
            end_ms: control.end_at.ms(),
            device,
            seq: live.board().snapshot().seq,
        });
        self.say(&hello).await?;
        self.send_snapshot().await?;
        self.send_mine().await?;
        // Another device may have asked while nobody listened here.
        if self.device().is_some_and(|view| view.request.is_some()) {
            self.send_device().await?;
        }
        if ended {
            self.say(&ServerFrame::error(Code::SessionEnded.into(), None)).await?;
        }
        Ok(())
    }

    async fn converse(&mut self) -> End {
        if self.core.gateway.parts.drain.has_begun() {
            // The hub may have told everybody before this one joined.
            return AWAY;
        }
        loop {
            let step = tokio::select! {
                biased;
                Some(decided) = self.deciding.next() => self.answer(decided).await,
                item = self.mailbox.next() => self.pass_on(item).await,
                heard = self.socket.recv() => self.hear(heard).await,
                _ = self.pings.tick() => self.ping().await,
                () = self.silence.as_mut() => self.look_at_silence(),
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    /// The server stops: picks that were taken are still answered, nothing new is heard.
    async fn finish(&mut self) -> End {
        let answers = async {
            while let Some(decided) = self.deciding.next().await {
                self.answer(decided).await?;
            }
            Ok(())
        };
        match timeout(SOCKET_DRAIN_TIMEOUT, answers).await {
            Ok(Err(end)) => end,
            Ok(Ok(())) | Err(_) => AWAY,
        }
    }

    async fn hear(&mut self, heard: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        let message = match heard {
            Some(Ok(message)) => message,
            // If it is the socket that broke, the goodbye fails as well.
            Some(Err(_)) => return Err(End::Close(close_code::PROTOCOL, "not a frame that is taken here")),
            None => return Err(End::Gone),
        };
        self.heard_at = Instant::now();
        match message {
            Message::Text(text) if text.len() > SOCKET_FRAME_BYTES_MAX => {
                Err(End::Close(close_code::SIZE, "frames of at most 4096 bytes"))
            }
            Message::Text(text) => self.hear_text(&text).await,
            Message::Binary(_) => Err(End::Close(close_code::UNSUPPORTED, "text frames only")),
            Message::Ping(_) | Message::Pong(_) => self.frames.check().map_err(|_| flood()),
            Message::Close(_) => Err(End::Gone),
        }
    }

    async fn hear_text(&mut self, text: &str) -> Result<(), End> {
        if let Err(problem) = self.frames.check() {
            let key = ClientFrame::parse(text).ok().and_then(|frame| frame.key().map(str::to_owned));
            return self.say(&ServerFrame::error(problem, key)).await;
        }
        match ClientFrame::parse(text) {
            Ok(ClientFrame::Time { c }) => self.tell_time(c).await,
            Ok(ClientFrame::Snapshot) => self.send_snapshot().await,
            Ok(ClientFrame::Pick { key, unit }) => self.decide(key, Some(UnitOrd(unit))).await,
            Ok(ClientFrame::Ask { key }) => self.decide(key, None).await,
            Err((problem, key)) => self.say(&ServerFrame::error(problem, key)).await,
        }
    }

    async fn tell_time(&mut self, c: Number) -> Result<(), End> {
        let now_ms = self.open.live.now().ms();
        self.say(&ServerFrame::Time { c, now_ms }).await
    }

    /// A pick, or without a unit an ask. Its answer comes through `deciding`.
    async fn decide(&mut self, key: String, unit: Option<UnitOrd>) -> Result<(), End> {
        match self.admit(&key, unit.is_some()) {
            Ok(Admitted::Decide(who, key)) => {
                let began = Instant::now();
                let live = Arc::clone(&self.open.live);
                let deciding = async move {
                    let answer = match unit {
                        Some(unit) => live.pick(who, unit, key.clone()).await,
                        None => live.ask(who, key.clone()).await,
                    };
                    (key, began, answer)
                };
                // Without tokio's budget: an answer that is ready must be seen before the board that shows it.
                self.deciding.push(Box::pin(tokio::task::unconstrained(deciding)));
                Ok(())
            }
            Ok(Admitted::Already) => Ok(()),
            Ok(Admitted::Viewer(key)) => {
                self.say(&ServerFrame::Answer(wire::Answer::viewer_device(&key))).await
            }
            Err(problem) if problem.code == Code::SessionEnded => self.end_session(Some(key)).await,
            Err(problem) => self.say(&ServerFrame::error(problem, Some(key))).await,
        }
    }

    /// Whether this very message may be acted on: session, device, rate and bound are looked at each time.
    fn admit(&mut self, key: &str, is_pick: bool) -> Result<Admitted, Problem> {
        let session = self.session.as_ref().ok_or(Code::NotSignedIn)?;
        let who = session.registration;
        let view = self.device().ok_or(Code::SessionEnded)?;
        let key = Key::parse(key).ok_or_else(|| Problem::malformed("key"))?;
        if is_pick && view.role == DeviceRole::Viewer {
            return Ok(Admitted::Viewer(key));
        }
        if is_pick {
            self.open.rates.pick(who)?
        } else {
            self.open.rates.ask(who)?
        }
        if self.keys.contains(&key) {
            return Ok(Admitted::Already);
        }
        if self.deciding.len() >= SOCKET_PICKS_IN_FLIGHT_MAX {
            return Err(problems::pick(PickError::Busy));
        }
        self.keys.insert(key.clone());
        Ok(Admitted::Decide(who, key))
    }

    async fn answer(&mut self, decided: Decided) -> Result<(), End> {
        let (key, began, answer) = decided;
        self.keys.remove(&key);
        let frame = match answer {
            Ok(answer) => ServerFrame::Answer(wire::Answer::of(&key, &answer)),
            Err(error) => ServerFrame::error(problems::pick(error), Some(key.as_str().to_owned())),
        };
        let said = self.say(&frame).await;
        metrics::histogram!(names::SOCKET_ANSWER_SECONDS).record(began.elapsed().as_secs_f64());
        said
    }

    async fn pass_on(&mut self, item: Item) -> Result<(), End> {
        match item {
            Item::Leave(Leave::Drain) => Err(self.finish().await),
            Item::Leave(Leave::Away) => Err(AWAY),
            Item::Leave(Leave::Replaced) => Err(End::Close(close_code::POLICY, "replaced by a newer socket")),
            Item::Device => self.send_device().await,
            Item::Mine => self.send_mine().await,
            Item::Claim(text) => self.send(text).await,
            Item::Control => self.say(&wire::control(&self.open.live)).await,
            Item::Snapshot => {
                metrics::counter!(names::SOCKET_SKIPS).increment(1);
                self.send_snapshot().await
            }
            // Seen with the snapshot already.
            Item::Board(frame) if frame.to <= self.seq => Ok(()),
            Item::Board(frame) if frame.from == self.seq => {
                self.seq = frame.to;
                self.send(frame.text.clone()).await
            }
            Item::Board(_) => self.send_snapshot().await,
        }
    }

    async fn send_snapshot(&mut self) -> Result<(), End> {
        let snapshot = self.open.live.board().snapshot();
        let bytes = snapshot.encoded(|snapshot| Bytes::from(wire::snapshot_frame(snapshot)));
        self.seq = snapshot.seq;
        // What was a String is UTF-8.
        self.send(Utf8Bytes::try_from(bytes).unwrap_or_default()).await
    }

    async fn send_mine(&mut self) -> Result<(), End> {
        let Some(session) = &self.session else { return Ok(()) };
        let claims = self.open.live.claims_of(session.registration);
        let claims = claims.iter().map(|claim| wire::claim(claim)).collect();
        self.say(&ServerFrame::Mine { claims }).await
    }

    async fn send_device(&mut self) -> Result<(), End> {
        if self.session.is_none() {
            return Ok(());
        }
        match self.device() {
            Some(DeviceView { role, request }) => {
                let request = request.as_ref().map(wire::device_request);
                self.say(&ServerFrame::Device { device: role.as_str(), request }).await
            }
            None => self.end_session(None).await,
        }
    }

    /// Nothing personal may follow, so the socket ends with the session.
    async fn end_session(&mut self, key: Option<String>) -> Result<(), End> {
        self.say(&ServerFrame::error(Code::SessionEnded.into(), key)).await?;
        Err(End::Close(close_code::POLICY, "the session has ended"))
    }

    /// What the session's device is now; from memory.
    fn device(&self) -> Option<DeviceView> {
        let gateway = &self.core.gateway;
        self.session.as_ref().and_then(|session| gateway.parts.buyers.view(session, gateway.now()))
    }

    fn look_at_silence(&mut self) -> Result<(), End> {
        let due = self.heard_at + SOCKET_SILENCE_MAX;
        if due <= Instant::now() {
            // Half open, or its owner sleeps: a close frame would wait for nobody.
            return Err(End::Gone);
        }
        self.silence.as_mut().reset(due);
        Ok(())
    }

    async fn ping(&mut self) -> Result<(), End> {
        self.socket.send(Message::Ping(Bytes::new())).await.map_err(|_| End::Gone)
    }

    async fn say(&mut self, frame: &ServerFrame) -> Result<(), End> {
        self.send(frame.text()).await
    }

    /// Waits for the reader as long as the guard under the socket does; while the server drains only a moment.
    async fn send(&mut self, text: Utf8Bytes) -> Result<(), End> {
        let drain = &self.core.gateway.parts.drain;
        let too_late = async {
            drain.begun().await;
            tokio::time::sleep(SOCKET_CLOSE_TIMEOUT).await;
        };
        tokio::select! {
            biased;
            sent = self.socket.send(Message::Text(text)) => sent.map_err(|_| End::Gone),
            () = too_late => Err(End::Gone),
        }
    }
}

enum Admitted {
    Decide(crate::domain::ids::RegOrd, Key),
    /// The same key is being decided on this socket: its one answer will come.
    Already,
    Viewer(Key),
}

fn flood() -> End {
    End::Close(close_code::POLICY, "too many frames")
}
