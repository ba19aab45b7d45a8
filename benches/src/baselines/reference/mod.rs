//! The reference: what the kernel and one page of code can do. An epoll loop a core, each with its own listening socket;
//! picks are decided by one atomic byte a unit and answered with pre-encoded frames of the same bytes as Kaipan's;
//! changes are gathered for 50 ms, encoded once, and written to every socket in chunks between which the loop looks at
//! its other sockets.
//!
//! It has no session, no key, no quota, no journal, no disk: nobody could sell homes with it. It is the bar.

mod member;
mod room;
mod websocket;

use std::convert::Infallible;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::{Domain, Protocol, Socket, Type};

use crate::failure::{Outcome, While};
use member::{Member, Said};
use room::{Frame, Room};

const LISTENER: Token = Token(usize::MAX);
const WAKE: Token = Token(usize::MAX - 1);
/// Sockets that get a frame before the loop looks at the others.
const CHUNK: usize = 256;
const BACKLOG: i32 = 4_096;

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Serves until the process ends; one loop for each of the cores that this process may use.
pub fn serve(address: SocketAddr, units: u32) -> Outcome<Infallible> {
    let room = Arc::new(Room::new(units));
    let loops = std::thread::available_parallelism().map_or(1, usize::from);
    for core in 0..loops {
        let poll = Poll::new().during("epoll")?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE).during("a waker")?);
        let (frames, received) = mpsc::channel();
        room.join(frames, waker);
        let mut listener = TcpListener::from_std(listen(address).during("listening")?);
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE).during("listening")?;
        let core_loop = Loop {
            poll,
            listener,
            room: Arc::clone(&room),
            received,
            members: Vec::new(),
            free: Vec::new(),
            fanning: None,
            buffer: vec![0; 64 * 1024],
        };
        std::thread::Builder::new()
            .name(format!("loop-{core}"))
            .spawn(move || core_loop.run())
            .during("a thread")?;
    }
    room.publish_for_ever()
}

struct Loop {
    poll: Poll,
    listener: TcpListener,
    room: Arc<Room>,
    received: mpsc::Receiver<Arc<Frame>>,
    members: Vec<Option<Member>>,
    free: Vec<usize>,
    /// The frame that is being written, and the member to go on with.
    fanning: Option<(Arc<Frame>, usize)>,
    buffer: Vec<u8>,
}

impl Loop {
    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1_024);
        loop {
            let idle = self.fanning.is_none();
            match self.poll.poll(&mut events, (!idle).then_some(std::time::Duration::ZERO)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    WAKE => {}
                    Token(at) => self.serve(at, event.is_readable(), event.is_writable()),
                }
            }
            self.fan_out();
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _peer)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            let at = self.free.pop().unwrap_or_else(|| {
                self.members.push(None);
                self.members.len() - 1
            });
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut stream, Token(at), interest)?;
            self.members[at] = Some(Member::new(stream));
        }
    }

    fn serve(&mut self, at: usize, readable: bool, writable: bool) {
        let Some(Some(member)) = self.members.get_mut(at) else { return };
        let mut said = Said::Fine;
        if writable {
            said = member.flush();
        }
        while readable && matches!(said, Said::Fine) {
            let count = match member.stream.read(&mut self.buffer) {
                Ok(0) => {
                    said = Said::Gone;
                    break;
                }
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    said = Said::Gone;
                    break;
                }
            };
            said = member.hear(&mut self.buffer[..count], &self.room);
            // A short read has drained the socket: edge-triggered epoll tells of whatever comes later.
            if count < self.buffer.len() {
                break;
            }
        }
        if matches!(said, Said::Gone) {
            self.members[at] = None;
            self.free.push(at);
        }
    }

    /// Writes the frame at hand to the next chunk of members.
    fn fan_out(&mut self) {
        let Some((frame, from)) = self.fanning.take().or_else(|| Some((self.received.try_recv().ok()?, 0)))
        else {
            return;
        };
        let end = (from + CHUNK).min(self.members.len());
        for at in from..end {
            let Some(Some(member)) = self.members.get_mut(at) else { continue };
            if matches!(member.board(&frame), Said::Gone) {
                self.members[at] = None;
                self.free.push(at);
            }
        }
        if end < self.members.len() {
            self.fanning = Some((frame, end));
        } else if let Ok(next) = self.received.try_recv() {
            self.fanning = Some((next, 0));
        }
    }
}
