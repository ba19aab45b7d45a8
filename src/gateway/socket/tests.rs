//! A hub that is stepped by hand, with real sockets and a running opening.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use socket2::SockRef;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::hear::Decided;
use super::hub::{Hub, Io, SWEEP_PARTS, Sources};
use super::hubs::Hubs;
use super::member::{Ends, Joining, Seated, Visitor};
use super::place::{Place, ToLoop};
use crate::domain::ids::{RegOrd, SessionId, UnitOrd};
use crate::domain::time::Clock;
use crate::gateway::open::Open;
use crate::gateway::testing::gateway;
use crate::identity::buyers::BuyerSession;
use crate::limits::{SOCKET_SEND_BUFFER_BYTES, SOCKET_SILENCE_MAX, TICKS_KEPT};
use crate::opening::answer::{Answer, Claim, Key, Refusal};
use crate::opening::testing;
use crate::store::testing as store_testing;

/// What the readers' kernels hold for them: little, so that a hub soon notices one that does not read.
const READER_BUFFER_BYTES: usize = 8 * 1_024;
const STALL: Duration = Duration::from_secs(15);
/// Longer than a write to this machine takes to arrive.
const PATIENCE: Duration = Duration::from_secs(5);

struct Rig {
    hub: Hub,
    io: Io,
    sources: Sources,
    running: testing::Running,
    _inbox: UnboundedReceiver<ToLoop>,
    door: UnboundedSender<ToLoop>,
    _folder: tempfile::TempDir,
}

impl Rig {
    /// A hub of an opening of four homes and as many buyers, which has begun.
    async fn new() -> Self {
        let (folder, db) = store_testing::sqlite().await;
        let running = testing::running(&db, 4).await;
        let gateway = gateway(&db).await;
        let open = Arc::new(Open::new(Arc::clone(&running.live), Clock::system()));
        let (hub, io, sources) = Hub::new(gateway, open).unwrap();
        let (door, inbox) = unbounded_channel();
        Self { hub, io, sources, running, _inbox: inbox, door, _folder: folder }
    }

    /// A buyer whose handshake is over, before any hub has them.
    fn arrival(&self, who: RegOrd, door: UnboundedSender<ToLoop>) -> (Joining, Client) {
        let (opening, gateway) = (self.running.live.facts.id.clone(), &self.hub.gateway);
        let (ours, theirs) = sockets();
        let place = Place::new(Some(who), door);
        let seat = gateway.presence.sign_in(&opening, who, &place);
        let ends = Ends { seat, held: None, guard: gateway.parts.drain.guard() };
        let session =
            BuyerSession { opening, registration: who, session: SessionId::generate(), generation: 0 };
        let seated = Seated { visitor: Visitor::Buyer(session), place, ends };
        let socket = mio::net::TcpStream::from_std(ours);
        let early = Bytes::new();
        (Joining { seated, socket, early, stall: STALL }, Client { socket: theirs })
    }

    fn join(&mut self, who: RegOrd) -> Client {
        let (joining, client) = self.arrival(who, self.door.clone());
        self.hub.join(joining);
        client
    }

    /// The hub does what the kernel has to say, until this client has something to read.
    async fn answers(&mut self, client: &mut Client) {
        for _ in 0..PATIENCE.as_millis() {
            self.hub.turn(self.io.poll.get_mut(), &mut self.io.events);
            if client.has_something() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("no answer");
    }

    /// A second later the kernel said what it had to say, and everybody was looked after once.
    async fn second(&mut self) {
        tokio::time::advance(Duration::from_secs(1)).await;
        self.hub.turn(self.io.poll.get_mut(), &mut self.io.events);
        for _ in 0..SWEEP_PARTS {
            self.hub.sweep();
        }
    }

    fn is_here(&self, who: RegOrd) -> bool {
        !self.hub.members.of(who).is_empty()
    }

    /// The first buyer gets a home; it is on the opening's board, and the hub has not looked yet.
    async fn granted(&self, unit: UnitOrd) -> Arc<Claim> {
        let live = &self.running.live;
        let Ok(Answer::Yes(claim)) = live.pick(RegOrd(0), unit, tap()).await else { panic!("granted") };
        while live.board().snapshot().seq < claim.seq {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        claim
    }

    /// The next tick, as the hub's own loop takes it.
    async fn tick(&mut self) {
        let tick = self.sources.ticks.recv().await;
        self.hub.tell_tick(&mut self.io, tick, &mut self.sources).await;
    }
}

/// The hub's end of a connection, and the client's.
fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    SockRef::from(&listener).set_recv_buffer_size(READER_BUFFER_BYTES).unwrap();
    // The client accepts: what it may hold is said before there is a connection.
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (theirs, _) = listener.accept().unwrap();
    SockRef::from(&ours).set_send_buffer_size(SOCKET_SEND_BUFFER_BYTES).unwrap();
    ours.set_nonblocking(true).unwrap();
    theirs.set_read_timeout(Some(PATIENCE)).unwrap();
    (ours, theirs)
}

struct Client {
    socket: TcpStream,
}

impl Client {
    /// A masked text frame; the mask of zeros changes nothing.
    fn say(&mut self, text: &str) {
        let length = u8::try_from(text.len()).unwrap();
        assert!(length < 126, "a short frame");
        let head = [0x81, 0x80 | length, 0, 0, 0, 0];
        self.socket.write_all(&[&head, text.as_bytes()].concat()).unwrap();
    }

    fn has_something(&self) -> bool {
        self.socket.set_nonblocking(true).unwrap();
        let peeked = self.socket.peek(&mut [0]).is_ok_and(|count| count > 0);
        self.socket.set_nonblocking(false).unwrap();
        peeked
    }

    /// The next frame that is not about the opening itself.
    fn frame(&mut self) -> Value {
        loop {
            let mut head = [0; 2];
            self.socket.read_exact(&mut head).unwrap();
            assert_eq!(head[0], 0x81, "a whole text frame");
            let mut long = [0; 2];
            let length = match head[1] {
                126 => {
                    self.socket.read_exact(&mut long).unwrap();
                    u16::from_be_bytes(long)
                }
                short => short.into(),
            };
            let mut text = vec![0; length.into()];
            self.socket.read_exact(&mut text).unwrap();
            let frame: Value = serde_json::from_slice(&text).unwrap();
            if frame["t"] != "control" {
                return frame;
            }
        }
    }

    /// All that comes until the server ends the stream.
    fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A socket that was dropped with something unread is reset.
        let _ = self.socket.read_to_end(&mut rest);
        rest
    }

    fn greeted(&mut self) {
        for kind in ["hello", "snapshot", "mine"] {
            assert_eq!(self.frame()["t"], kind);
        }
    }
}

/// OP-41. Seen red: the opening's own board sent to who asks for one.
#[tokio::test(flavor = "multi_thread")]
async fn no_board_is_ahead_of_the_buyers_own_claim() {
    let mut rig = Rig::new().await;
    let mut buyer = rig.join(RegOrd(0));
    buyer.greeted();

    let claim = rig.granted(UnitOrd(2)).await;
    // The board is published, and its events wait for the hub.
    buyer.say(r#"{"t":"snapshot"}"#);
    rig.answers(&mut buyer).await;
    let board = buyer.frame();
    assert_eq!((&board["t"], &board["status"]), (&"snapshot".into(), &"0000".into()));

    while rig.hub.shown.seq < claim.seq {
        rig.tick().await;
    }
    let told = buyer.frame();
    assert_eq!((&told["t"], &told["claim"]["unit"]), (&"claim".into(), &2.into()));
    assert_eq!(buyer.frame()["t"], "board");
    buyer.say(r#"{"t":"snapshot"}"#);
    rig.answers(&mut buyer).await;
    loop {
        let frame = buyer.frame();
        if frame["t"] == "snapshot" {
            assert_eq!(frame["status"], "0010");
            return;
        }
    }
}

/// Seen red: no events caught up with when ticks were lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_board_that_makes_up_for_lost_ticks_comes_behind_the_claim_too() {
    let mut rig = Rig::new().await;
    let mut buyer = rig.join(RegOrd(0));
    buyer.greeted();
    let claim = rig.granted(UnitOrd(2)).await;
    let board = rig.running.live.board();
    for more in 1..=TICKS_KEPT as i64 {
        board.note(claim.seq + 100 + more, []);
        board.publish();
    }
    rig.tick().await;
    assert_eq!(buyer.frame()["t"], "claim");
    let board = buyer.frame();
    assert_eq!((&board["t"], &board["status"]), (&"snapshot".into(), &"0010".into()));
}

/// A telephone at the edge of the network: it reads a little each second, for longer than anybody may be silent.
///
/// Seen red: silence judged while the line is not free; a line that becomes free and says nothing of it.
#[tokio::test]
async fn a_slow_reader_stays_while_it_reads_and_one_that_does_not_is_cut() {
    let mut rig = Rig::new().await;
    let (mut slow, mut asleep) = (rig.join(RegOrd(0)), rig.join(RegOrd(1)));
    slow.greeted();
    asleep.greeted();
    let (slow_id, asleep_id) = (rig.hub.members.of(RegOrd(0))[0], rig.hub.members.of(RegOrd(1))[0]);
    tokio::time::pause();
    rig.hub.wake();
    let long = Bytes::from(vec![0; 100 * READER_BUFFER_BYTES]);
    for id in [slow_id, asleep_id] {
        rig.hub.serve(id, |hub, _, member| Ok(member.line.send_shared(&long, hub.now)?));
    }

    let mut left = long.len();
    let mut seconds = 0;
    while left > 0 {
        let read = slow.socket.read(&mut [0; READER_BUFFER_BYTES]).unwrap();
        // A ping may follow.
        left = left.saturating_sub(read);
        rig.second().await;
        seconds += 1;
        assert!(rig.is_here(RegOrd(0)), "cut after {seconds} s, {left} bytes before the end");
        assert_eq!(rig.is_here(RegOrd(1)), seconds < STALL.as_secs(), "after {seconds} s");
    }
    assert!(seconds > SOCKET_SILENCE_MAX.as_secs(), "{seconds} s: too fast to show anything");

    // From the last byte on, silence counts.
    for _ in 0..SOCKET_SILENCE_MAX.as_secs() {
        rig.second().await;
    }
    assert!(!rig.is_here(RegOrd(0)), "and it answered no ping");
}

/// A handshake may be over after the hub that it was for. The opening does not run in this gateway, so its hub ends as soon
/// as it looks.
///
/// Seen red: the socket dropped.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_after_a_hub_has_ended_is_told_to_come_again() {
    let rig = Rig::new().await;
    let door = Arc::new(Hubs::default()).of(&rig.hub.open, &rig.hub.gateway).unwrap();
    door.closed().await;
    let (joining, mut client) = rig.arrival(RegOrd(0), door);
    Arc::clone(&joining.seated.place).join(Box::new(joining));
    assert_eq!(client.rest(), b"\x88\x0b\x03\xe9reconnect");
}

/// Picks that wait for a unit look again whenever its bell rings, and that may be in the middle of a look.
///
/// Seen red: one question to all that is being decided, of which nobody says that it was not asked of all.
#[tokio::test]
async fn an_answer_leaves_at_once_whoever_looks_again_before_it() {
    let mut rig = Rig::new().await;
    let mut buyer = rig.join(RegOrd(0));
    buyer.greeted();
    for _ in 0..3 {
        let mut looks = 0;
        rig.hub.deciding.push(Box::pin(std::future::poll_fn(move |context| {
            looks += 1;
            if looks < 3 {
                context.waker().wake_by_ref();
            }
            Poll::Pending
        })));
    }
    let (id, key, began) = (rig.hub.members.of(RegOrd(0))[0], tap(), rig.hub.now);
    let decided = Decided { id, key, began, answer: Ok(Answer::No(Refusal::Closed)) };
    rig.hub.deciding.push(Box::pin(std::future::ready(decided)));
    rig.hub.answers();
    assert_eq!(buyer.frame()["t"], "answer");
}

fn tap() -> Key {
    Key::parse("tap-00000001").unwrap()
}
