//! The pace against small servers of sockets and threads, over loopback.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::raw::picks::{Door, NO, Picks};

const NO_ANSWER: &str = r#"{"t":"answer","answer":"no","key":"k","code":"TAKEN","params":{"unit":1}}"#;
const BOARD: &str = r#"{"t":"board","from":1,"to":2,"u":[1,1]}"#;

/// Serves every connection in a thread of its own; `serve` is called for each request.
fn server(serve: impl Fn(&mut TcpStream, &Arc<Mutex<Vec<TcpStream>>>) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        let all = Arc::new(Mutex::new(Vec::new()));
        for stream in listener.incoming() {
            let (serve, all) = (Arc::clone(&serve), Arc::clone(&all));
            std::thread::spawn(move || serve(&mut stream.unwrap(), &all));
        }
    });
    address
}

/// Reads a request's head and body; false at the end.
fn request(reader: &mut BufReader<TcpStream>) -> bool {
    let (mut length, mut line) = (0, String::new());
    loop {
        line.clear();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return false;
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    reader.read_exact(&mut vec![0; length]).is_ok()
}

fn http(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn shape(address: SocketAddr, connections: usize) -> Shape {
    Shape { address, connections, threads: 2, connect_within: Duration::from_millis(20) }
}

#[test]
fn a_closed_loop_has_one_request_in_flight_on_each_connection() {
    let address = server(|stream, _| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while request(&mut reader) {
            // A second request before this answer would stand in the reader's buffer.
            assert!(reader.buffer().is_empty());
            stream.write_all(http(NO_ANSWER).as_bytes()).unwrap();
        }
    });
    let mut session =
        Session::open(&shape(address, 8), |thread| Picks::new("O", Door::Http, thread, Vec::new(), 10))
            .unwrap();
    assert_eq!((session.open_now(), session.connect_us.len()), (8, 8));
    let pace = Pace::Closed { warm_up: Duration::from_millis(50), run_for: Duration::from_millis(200) };
    for _ in 0..2 {
        let figures = session.run(&pace).unwrap();
        assert!(figures.answers[NO] > 100, "{figures:?}");
        assert_eq!(figures.latency_us.len(), figures.answered());
        assert_eq!((figures.unanswered, figures.closed, figures.refused), (0, 0, 0));
    }
}

/// Takes 10 ms to make up its mind, so that a thread's later requests leave late.
struct Slow(Picks);

impl Client for Slow {
    fn opens(&mut self, conn: usize) -> Opens {
        self.0.opens(conn)
    }

    fn request(&mut self, conn: usize, nth: u64, out: &mut Vec<u8>) {
        #[allow(clippy::disallowed_methods, reason = "a generator that is late is what is measured here")]
        std::thread::sleep(Duration::from_millis(10));
        self.0.request(conn, nth, out);
    }

    fn judge(&mut self, conn: usize, event: &Event<'_>) -> Heard {
        self.0.judge(conn, event)
    }
}

/// All due together, the tenth leaves 90 ms late: that belongs to its latency, and shows as the generator's own lag.
/// Seen red when `send` noted `Instant::now()` instead of `due` (the coordinated omission).
#[test]
fn an_open_loop_counts_from_the_moment_a_request_was_due() {
    let address = server(|stream, _| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while request(&mut reader) {
            stream.write_all(http(NO_ANSWER).as_bytes()).unwrap();
        }
    });
    let shape = Shape { threads: 1, ..shape(address, 10) };
    let slow = |thread| Slow(Picks::new("O", Door::Http, thread, Vec::new(), 10));
    let mut session = Session::open(&shape, slow).unwrap();
    let pace = Pace::Once { within: Duration::ZERO, patience: Duration::from_secs(5) };
    let figures = session.run(&pace).unwrap();
    assert_eq!((figures.answered(), figures.unanswered), (10, 0));
    // Also the tenth, which was answered as soon as it had left.
    assert!(figures.latency_us.min() >= 90_000, "{}", figures.latency_us.min());
    assert!(figures.lag_us.max() >= 90_000, "{}", figures.lag_us.max());
    assert!(figures.last_answer >= Duration::from_millis(90));
}

#[test]
fn a_shout_is_heard_on_every_socket() {
    let address = server(|stream, all| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        assert!(request(&mut reader));
        let accept =
            "HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        let hello = r#"{"t":"hello"}"#;
        stream.write_all(accept.as_bytes()).unwrap();
        write_frame(stream, hello);
        all.lock().unwrap().push(stream.try_clone().unwrap());
        let mut head = [0; 6];
        while reader.read_exact(&mut head).is_ok() {
            let length = usize::from(head[1] & 0x7F);
            reader.read_exact(&mut vec![0; length]).unwrap();
            if head[0] != 0x81 {
                break;
            }
            write_frame(stream, NO_ANSWER);
            all.lock().unwrap().iter_mut().for_each(|stream| write_frame(stream, BOARD));
        }
    });
    let mut session =
        Session::open(&shape(address, 6), |thread| Picks::new("O", Door::Ws, thread, Vec::new(), 10))
            .unwrap();
    let figures = session.run(&Pace::Shout { times: 3, every: Duration::from_millis(60) }).unwrap();
    assert_eq!(figures.shouts.iter().map(|shout| shout.heard).collect::<Vec<_>>(), [6, 6, 6]);
    assert_eq!((figures.boards, figures.board_us.len()), (18, 18));
    assert!(figures.shouts.iter().all(|shout| shout.first_us <= shout.last_us && shout.last_us < 60_000));
}

fn write_frame(stream: &mut TcpStream, text: &str) {
    let mut bytes = vec![0x81, u8::try_from(text.len()).unwrap()];
    bytes.extend_from_slice(text.as_bytes());
    stream.write_all(&bytes).unwrap();
}

#[test]
fn a_server_that_is_not_there_is_an_error_and_not_a_wait() {
    let address = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let opened =
        Session::open(&shape(address, 4), |thread| Picks::new("O", Door::Http, thread, Vec::new(), 10));
    assert!(matches!(opened, Err(PaceError::NotConnected { open: 0, wanted: 4 })));
}
