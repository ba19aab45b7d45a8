//! The sockets of one thread and the loop that serves them.
//!
//! A connection that waits costs its socket and some eighty bytes here: what a read brings is cut in one buffer that
//! all connections share, and only the beginning of a message that is not whole yet is kept.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::effort::Effort;
use super::http::{self, Answer, Broken};
use super::ws::{self, Op};

const READ_BYTES: usize = 64 * 1024;
/// A peer that takes no bytes is not sent more than this.
const UNSENT_BYTES_MAX: usize = 256 * 1024;
const EVENTS: usize = 1024;
/// While something is due, only so many: ten thousand boards that arrive must not keep a tap from leaving.
const EVENTS_WHILE_DUE: usize = 48;
/// The longest the loop sleeps, so that a driver sees what other threads have set.
const IDLE: Duration = Duration::from_millis(20);
/// The kernel's wait counts whole milliseconds; what is due sooner is waited for awake.
const SPIN: Duration = Duration::from_millis(1);

/// What a connection speaks.
#[derive(Debug, Clone)]
pub enum Opens {
    Http,
    /// The bytes of the handshake, from [`ws::handshake`].
    Ws(Arc<[u8]>),
}

/// What the loop tells its driver of a connection.
#[derive(Debug)]
pub enum Event<'a> {
    /// Connected; a WebSocket: shaken hands.
    Open,
    Answer(Answer<'a>),
    Text(&'a [u8]),
    /// The connection is gone and its id is free. Not told for one that the driver closed itself.
    Closed(Why),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Refused, reset, or ended by the server before it was open.
    NotConnected,
    /// Ended by the server, with the code of its close frame if it sent one.
    Ended(Option<u16>),
    Reset,
    Broken(Broken),
    /// More was sent than the server takes.
    Unsent,
}

/// What a thread does with its connections. Ids are the driver's own, dense from 0.
pub trait Driver {
    fn event(&mut self, net: &mut Net, id: usize, at: Instant, event: Event<'_>);
    /// Does what is due, a bounded piece at a time: between two pieces the loop reads.
    fn due(&mut self, net: &mut Net, now: Instant);
    fn next_due(&self) -> Option<Instant>;
    fn is_done(&self) -> bool;
}

struct Conn {
    stream: TcpStream,
    opens: Opens,
    stage: Stage,
    /// The beginning of a message.
    pending: Vec<u8>,
    unsent: Vec<u8>,
    /// Tells this connection from one that had the same id before.
    serial: u64,
    stalled: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    Shaking,
    Open,
}

pub struct Net {
    poll: Poll,
    conns: Vec<Option<Conn>>,
    scratch: Vec<u8>,
    serial: u64,
}

impl Net {
    pub fn new() -> io::Result<Self> {
        Ok(Self { poll: Poll::new()?, conns: Vec::new(), scratch: vec![0; READ_BYTES], serial: 0 })
    }

    /// Begins to connect; [`Event::Open`] or [`Event::Closed`] follows. A connection of the same id is dropped.
    pub fn connect(&mut self, id: usize, address: SocketAddr, opens: Opens) -> io::Result<()> {
        let mut stream = TcpStream::connect(address)?;
        self.poll.registry().register(&mut stream, Token(id), Interest::READABLE | Interest::WRITABLE)?;
        if self.conns.len() <= id {
            self.conns.resize_with(id + 1, || None);
        }
        self.serial += 1;
        self.conns[id] = Some(Conn {
            stream,
            opens,
            stage: Stage::Connecting,
            pending: Vec::new(),
            unsent: Vec::new(),
            serial: self.serial,
            stalled: false,
        });
        Ok(())
    }

    /// Sends, or keeps what the socket does not take now. False if there is no such connection, or not any more: the
    /// driver is not told a second time.
    pub fn send(&mut self, id: usize, bytes: &[u8]) -> bool {
        let Some(conn) = self.conns.get_mut(id).and_then(Option::as_mut) else { return false };
        let sent = conn.send(bytes);
        if sent.is_err() {
            self.conns[id] = None;
        }
        sent.is_ok()
    }

    /// Ends a connection, a WebSocket with the close it owes the server.
    pub fn close(&mut self, id: usize) {
        if let Some(mut conn) = self.conns.get_mut(id).and_then(Option::take)
            && conn.stage == Stage::Open
            && matches!(conn.opens, Opens::Ws(_))
        {
            let mut bytes = Vec::with_capacity(8);
            ws::close(&mut bytes);
            // Nobody waits for what a leaving client could not send.
            let _ = conn.send(&bytes);
        }
    }

    /// From now on this connection is never read: a phone that sleeps with its socket open.
    pub fn stall(&mut self, id: usize) {
        if let Some(conn) = self.conns.get_mut(id).and_then(Option::as_mut) {
            conn.stalled = true;
        }
    }

    pub fn is_open(&self, id: usize) -> bool {
        self.conns.get(id).and_then(Option::as_ref).is_some_and(|conn| conn.stage == Stage::Open)
    }

    fn ready(&mut self, id: usize, event: &mio::event::Event, driver: &mut impl Driver) {
        let Some(conn) = self.conns.get_mut(id).and_then(Option::as_mut) else { return };
        let serial = conn.serial;
        if conn.stage == Stage::Connecting {
            match conn.connected() {
                Ok(true) => {}
                Ok(false) => return,
                Err(_) => return self.gone(id, Why::NotConnected, driver),
            }
            if conn.stage == Stage::Open {
                driver.event(self, id, Instant::now(), Event::Open);
            }
        } else if event.is_writable() && conn.flush().is_err() {
            return self.gone(id, Why::Reset, driver);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            let closing = event.is_read_closed() || event.is_error();
            self.read(id, serial, closing, driver);
        }
    }

    /// Reads until the socket is empty: events come once for each arrival.
    fn read(&mut self, id: usize, serial: u64, closing: bool, driver: &mut impl Driver) {
        let mut scratch = std::mem::take(&mut self.scratch);
        while let Some(conn) = self.conns.get_mut(id).and_then(Option::as_mut)
            && conn.serial == serial
            && !conn.stalled
        {
            let kept = conn.pending.len();
            if scratch.len() < kept + READ_BYTES {
                scratch.resize(kept + READ_BYTES, 0);
            }
            scratch[..kept].copy_from_slice(&conn.pending);
            let why = match conn.stream.read(&mut scratch[kept..]) {
                Ok(0) => Why::Ended(None),
                Ok(read) => {
                    let room = scratch.len() - kept;
                    conn.pending = Vec::new();
                    match self.messages(id, serial, &scratch[..kept + read], driver) {
                        // A short read of a stream socket has emptied it.
                        Ok(()) if read < room && !closing => break,
                        Ok(()) => continue,
                        Err(why) => why,
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => Why::Reset,
            };
            let open = conn_stage(&self.conns, id) == Some(Stage::Open);
            self.gone(
                id,
                if open || matches!(why, Why::Broken(_)) { why } else { Why::NotConnected },
                driver,
            );
            break;
        }
        // One long message must not make the shared buffer long for ever.
        scratch.truncate(4 * READ_BYTES);
        self.scratch = scratch;
    }

    /// Cuts messages and tells them; what is left over is kept.
    fn messages(
        &mut self,
        id: usize,
        serial: u64,
        mut bytes: &[u8],
        driver: &mut impl Driver,
    ) -> Result<(), Why> {
        let at = Instant::now();
        while let Some(conn) = self.conns.get_mut(id).and_then(Option::as_mut)
            && conn.serial == serial
        {
            let used = match (&conn.opens, conn.stage) {
                (Opens::Ws(_), Stage::Open) => {
                    let Some((frame, used)) = ws::cut(bytes).map_err(Why::Broken)? else {
                        return self.keep(id, bytes);
                    };
                    match frame.op {
                        Op::Text => driver.event(self, id, at, Event::Text(frame.payload)),
                        Op::Ping => {
                            let mut pong = Vec::with_capacity(frame.payload.len() + 8);
                            ws::pong(&mut pong, frame.payload);
                            conn.send(&pong).map_err(|_| Why::Reset)?;
                        }
                        Op::Close => {
                            let code = frame.payload.get(..2).map(|two| u16::from_be_bytes([two[0], two[1]]));
                            return Err(Why::Ended(code));
                        }
                        Op::Binary | Op::Pong => {}
                    }
                    used
                }
                _ => {
                    let Some((answer, used)) = http::cut(bytes).map_err(Why::Broken)? else {
                        return self.keep(id, bytes);
                    };
                    if conn.stage == Stage::Shaking {
                        ws::accepted(answer.status, answer.head).map_err(Why::Broken)?;
                        conn.stage = Stage::Open;
                        driver.event(self, id, at, Event::Open);
                    } else {
                        driver.event(self, id, at, Event::Answer(answer));
                    }
                    used
                }
            };
            bytes = bytes.get(used..).unwrap_or_default();
        }
        Ok(())
    }

    fn keep(&mut self, id: usize, rest: &[u8]) -> Result<(), Why> {
        if rest.len() > ws::MESSAGE_BYTES_MAX + READ_BYTES {
            return Err(Why::Broken(Broken::TooLong));
        }
        if let Some(conn) = self.conns.get_mut(id).and_then(Option::as_mut) {
            conn.pending = rest.to_vec();
        }
        Ok(())
    }

    fn gone(&mut self, id: usize, why: Why, driver: &mut impl Driver) {
        if self.conns.get_mut(id).and_then(Option::take).is_some() {
            driver.event(self, id, Instant::now(), Event::Closed(why));
        }
    }
}

fn conn_stage(conns: &[Option<Conn>], id: usize) -> Option<Stage> {
    conns.get(id).and_then(Option::as_ref).map(|conn| conn.stage)
}

impl Conn {
    /// False: not yet.
    fn connected(&mut self) -> io::Result<bool> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        match self.stream.peer_addr() {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(false),
            Err(error) => return Err(error),
        }
        // A pick is one small segment; it must not wait for the answer to the one before.
        self.stream.set_nodelay(true)?;
        match self.opens.clone() {
            Opens::Http => self.stage = Stage::Open,
            Opens::Ws(handshake) => {
                self.stage = Stage::Shaking;
                self.send(&handshake)?;
            }
        }
        Ok(true)
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while self.unsent.is_empty() && !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.unsent.len() + rest.len() > UNSENT_BYTES_MAX {
            return Err(ErrorKind::OutOfMemory.into());
        }
        self.unsent.extend_from_slice(rest);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        let unsent = std::mem::take(&mut self.unsent);
        self.send(&unsent)
    }
}

/// Serves the sockets until the driver is done; gives an account of the thread's time.
pub fn drive(net: &mut Net, driver: &mut impl Driver) -> io::Result<Effort> {
    let (mut many, mut few) = (Events::with_capacity(EVENTS), Events::with_capacity(EVENTS_WHILE_DUE));
    let mut effort = Effort::begin(Instant::now());
    loop {
        let now = Instant::now();
        effort.tick(now);
        driver.due(net, now);
        if driver.is_done() {
            return Ok(effort);
        }
        let before = Instant::now();
        let wait = driver.next_due().map_or(IDLE, |at| at.saturating_duration_since(before)).min(IDLE);
        let awake = wait < SPIN;
        let timeout = if awake { Duration::ZERO } else { Duration::from_millis(to_ms(wait)) };
        let events = if wait.is_zero() { &mut few } else { &mut many };
        match net.poll.poll(events, Some(timeout)) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        if awake && events.is_empty() && !wait.is_zero() {
            effort.spun(now.elapsed());
        }
        for event in &*events {
            net.ready(event.token().0, event, driver);
        }
    }
}

fn to_ms(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}
