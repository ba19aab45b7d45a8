//! How one buyer's taps reach the server: over a WebSocket, or over HTTP where WebSockets are blocked. Both carry the
//! same keys, and both give the same news to [`Tap`].

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::crowd::counts::add;
use crate::crowd::link::{Link, News};
use crate::crowd::run::World;
use crate::http::{Doors, Failure, fetch};
use crate::record::{NotYet, Record, What};
use crate::tap::{Heard, Send, Step, Tap};
use crate::wire::{Answer, Frame, ask_frame, pick_body, pick_frame};

/// Without an answer for this long a buyer asks for the truth.
const SILENCE: Duration = Duration::from_secs(3);
/// Between two requests while the server is away.
const AWAY_PAUSE: Duration = Duration::from_millis(400);
const SLOW_DOWN_PAUSE: Duration = Duration::from_millis(500);

pub enum Door {
    Socket(SocketDoor),
    Http(HttpDoor),
}

pub struct SocketDoor {
    record: Arc<Record>,
    registration: String,
    link: Link,
    up: bool,
}

pub struct HttpDoor {
    doors: Doors,
    token: String,
}

impl Door {
    pub fn open(world: &Arc<World>, registration: &str, token: &str, over_http: bool) -> Self {
        if over_http {
            return Self::Http(HttpDoor { doors: world.doors.clone(), token: token.to_owned() });
        }
        let link = Link::open(world.doors.socket_url(), token.to_owned(), Arc::clone(&world.counts));
        let (record, registration) = (Arc::clone(&world.record), registration.to_owned());
        Self::Socket(SocketDoor { record, registration, link, up: false })
    }

    /// Does nothing until `until`, but keeps reading: an unread socket would be closed by the server.
    pub async fn rest_until(&mut self, until: Instant) {
        match self {
            Self::Socket(socket) => {
                socket.listen(until, None).await;
            }
            Self::Http(_) => sleep_until(until).await,
        }
    }

    /// Sends and listens until the tap is answered; none when the crowd's patience is over.
    pub async fn resolve(&mut self, world: &World, tap: &mut Tap) -> Option<Step> {
        let mut step = Step::Send(tap.sending(), Duration::ZERO);
        while let Step::Send(what, pause) = step {
            let heard = match self {
                Self::Socket(socket) => socket.exchange(what, pause, tap, world.patience_ends).await?,
                Self::Http(http) => http.exchange(what, pause, tap, world.patience_ends).await?,
            };
            if let Some(why) = not_yet(&heard) {
                world.write(What::NotYet { key: tap.key.clone(), why });
            }
            step = tap.next(heard);
            if matches!(step, Step::Send(Send::Ask, _)) {
                add(&world.counts.asked);
            }
        }
        Some(step)
    }
}

impl SocketDoor {
    /// One message and what came of it; none when `give_up` has passed.
    async fn exchange(&mut self, what: Send, pause: Duration, tap: &Tap, give_up: Instant) -> Option<Heard> {
        // An answer may still come during the pause: then nothing more is sent.
        if let Some(heard) = self.listen(Instant::now() + pause, Some(tap)).await {
            return Some(heard);
        }
        while !self.up {
            match timeout_at(give_up, self.link.next()).await {
                Ok(news) => self.up = matches!(news, News::Up),
                Err(_) => return None,
            }
        }
        if Instant::now() >= give_up {
            return None;
        }
        self.link
            .send(match what {
                Send::Pick | Send::Again => pick_frame(&tap.key, tap.unit, what == Send::Again),
                Send::Ask => ask_frame(&tap.key),
            })
            .await;
        Some(self.listen(Instant::now() + SILENCE, Some(tap)).await.unwrap_or(Heard::Silence))
    }

    /// Reads until `until`, or until there is news of `tap`.
    async fn listen(&mut self, until: Instant, tap: Option<&Tap>) -> Option<Heard> {
        while let Ok(news) = timeout_at(until, self.link.next()).await {
            match news {
                News::Up => self.up = true,
                News::Down => {
                    self.up = false;
                    if tap.is_some() {
                        return Some(Heard::LinkLost);
                    }
                }
                News::Frame(Frame::Answer(answer)) if tap.is_none_or(|tap| tap.key != answer.key()) => {
                    self.not_awaited(&answer);
                }
                News::Frame(frame) => {
                    if let Some(tap) = tap
                        && let Some(heard) = about(tap, frame)
                    {
                        return Some(heard);
                    }
                }
            }
        }
        None
    }

    /// An answer to a tap that has one already, or to none: the audit compares it with the one before.
    fn not_awaited(&self, answer: &Answer) {
        if let Some(what) = What::answered(&self.registration, answer)
            && let Err(error) = self.record.write(what)
        {
            tracing::error!(%error, "the record cannot be written");
        }
    }
}

impl HttpDoor {
    async fn exchange(&mut self, what: Send, pause: Duration, tap: &Tap, give_up: Instant) -> Option<Heard> {
        sleep(pause).await;
        if Instant::now() >= give_up {
            return None;
        }
        let request = match what {
            Send::Pick | Send::Again => {
                self.doors.buyer_post("/picks").json(&pick_body(&tap.key, tap.unit, what == Send::Again))
            }
            Send::Ask => self.doors.buyer_post(&format!("/picks/{}/ask", tap.key)),
        };
        match fetch::<Answer>(request.bearer_auth(&self.token)).await {
            Ok(answer) if answer.key() == tap.key => Some(Heard::Answer(answer)),
            Ok(answer) => {
                tracing::warn!(
                    key = answer.key(),
                    "the server answered another tap than the one it was asked"
                );
                Some(Heard::Error)
            }
            Err(Failure::Silent(_)) => {
                // A server that is away refuses at once, so the pause that a socket gets for nothing is made here.
                sleep(AWAY_PAUSE).await;
                Some(Heard::Silence)
            }
            Err(failure) => Some(failure.retry_after().map_or(Heard::Error, Heard::SlowDown)),
        }
    }
}

/// What a frame says of the tap; an answer is known to be its own.
fn about(tap: &Tap, frame: Frame) -> Option<Heard> {
    match frame {
        Frame::Answer(answer) => Some(Heard::Answer(answer)),
        Frame::Error { code, params, key: Some(key) } if key == tap.key => Some(if code == "SLOW_DOWN" {
            Heard::SlowDown(params.retry_after_ms.map_or(SLOW_DOWN_PAUSE, Duration::from_millis))
        } else {
            tracing::warn!(%code, "the server refused a tap's frame");
            Heard::Error
        }),
        _ => None,
    }
}

fn not_yet(heard: &Heard) -> Option<NotYet> {
    match heard {
        Heard::Answer(Answer::Yes { .. } | Answer::No { .. }) => None,
        Heard::Answer(Answer::InProgress { .. }) => Some(NotYet::InProgress),
        Heard::Answer(Answer::Unknown { .. }) => Some(NotYet::Unknown),
        Heard::SlowDown(_) => Some(NotYet::SlowDown),
        Heard::Error => Some(NotYet::Error),
        Heard::Silence => Some(NotYet::Silence),
        Heard::LinkLost => Some(NotYet::LinkLost),
    }
}

#[cfg(test)]
mod tests {
    use axum::extract::ws::{Message, WebSocketUpgrade};
    use axum::routing::any;

    use super::*;
    use crate::crowd::counts::Counts;
    use crate::record;

    const YES: &str = r#"{"t":"answer","key":"key-0001","answer":"yes","claim":{"id":"C1","unit":4,"state":"held",
        "generation":1,"deposit_fen":1}}"#;
    const NO: &str = r#"{"t":"answer","key":"key-0001","answer":"no","code":"TAKEN"}"#;

    /// A server that answers whatever it is sent with a yes and a no.
    async fn contradicting() -> String {
        let upgrade = |upgrade: WebSocketUpgrade| async move {
            upgrade.protocols(["kaipan.v1"]).on_upgrade(|mut socket| async move {
                while let Some(Ok(Message::Text(_))) = socket.recv().await {
                    for said in [YES, NO] {
                        socket.send(Message::text(said)).await.unwrap();
                    }
                }
            })
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/ws", listener.local_addr().unwrap());
        let router = axum::Router::new().route("/ws", any(upgrade));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        url
    }

    /// Seen red when a frame about no tap in hand was passed over.
    #[tokio::test]
    async fn a_second_answer_to_the_same_key_is_on_record() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("crowd.jsonl");
        let record = Arc::new(Record::open(&path).unwrap().0);
        let link = Link::open(contradicting().await, "token".to_owned(), Arc::new(Counts::default()));
        let mut door = SocketDoor { record, registration: "RC00001".to_owned(), link, up: false };
        let tap = Tap::new("key-0001".to_owned(), 4);
        let patience = Instant::now() + Duration::from_secs(30);
        let heard = door.exchange(Send::Pick, Duration::ZERO, &tap, patience).await;
        assert!(matches!(heard, Some(Heard::Answer(Answer::Yes { .. }))), "{heard:?}");
        while record::read(&path).unwrap().is_empty() {
            assert!(Instant::now() < patience, "the second answer is not on record");
            door.listen(Instant::now() + Duration::from_millis(20), None).await;
        }
        let what = &record::read(&path).unwrap()[0].what;
        assert!(
            matches!(what, What::No { key, code, .. } if key == "key-0001" && code == "TAKEN"),
            "{what:?}"
        );
    }
}
