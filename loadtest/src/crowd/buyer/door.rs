//! How one buyer's taps reach the server: over a WebSocket, or over HTTP where WebSockets are blocked. Both carry the
//! same keys, and both give the same news to [`Tap`].

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::crowd::counts::add;
use crate::crowd::link::{Link, News};
use crate::crowd::run::World;
use crate::http::{Doors, Failure, fetch};
use crate::record::{NotYet, What};
use crate::tap::{Heard, Send, Step, Tap};
use crate::wire::{Answer, Frame, ask_frame, pick_frame};

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
    world: Arc<World>,
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
        let (world, registration) = (Arc::clone(world), registration.to_owned());
        Self::Socket(SocketDoor { world, registration, link, up: false })
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
                Send::Pick => pick_frame(&tap.key, tap.unit),
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
        if let Some(what) = What::answered(&self.registration, answer) {
            self.world.write(what);
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
            Send::Pick => self.doors.buyer_post("/picks").json(&json!({ "key": tap.key, "unit": tap.unit })),
            Send::Ask => self.doors.buyer_post(&format!("/picks/{}/ask", tap.key)),
        };
        match fetch::<Answer>(request.bearer_auth(&self.token)).await {
            Ok(answer) => Some(Heard::Answer(answer)),
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
