//! Cases in the order of the Autobahn test suite's sections, as far as a server of bounded text messages has them, and
//! properties. `tests/it/frames.rs` plays the same sections over a real socket.

use proptest::prelude::*;

use super::*;
use crate::limits::{SOCKET_FRAGMENTS_MAX, SOCKET_FRAME_BYTES_MAX};

/// What came out of a stream: what was said, and what ended it.
type Outcome = (Vec<String>, Option<u16>);

const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// A client's frame with every bit as the caller wants it.
fn raw(first: u8, length: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    frame.extend_from_slice(length);
    frame.extend_from_slice(&MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

fn client(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let form = match length {
        0..=125 => vec![MASKED | u8::try_from(length).unwrap()],
        126..=0xFFFF => [&[MASKED | LENGTH_16][..], &u16::try_from(length).unwrap().to_be_bytes()].concat(),
        _ => [&[MASKED | LENGTH_64][..], &(length as u64).to_be_bytes()].concat(),
    };
    raw(first, &form, payload)
}

const TEXT: u8 = FIN | op::TEXT;
const TEXT_BEGINS: u8 = op::TEXT;
const GOES_ON: u8 = op::CONTINUATION;
const ENDS: u8 = FIN | op::CONTINUATION;
const PING: u8 = FIN | op::PING;
const PONG: u8 = FIN | op::PONG;
const CLOSE: u8 = FIN | op::CLOSE;

/// Feeds `bytes` in pieces that end where `cuts` say.
fn fed(bytes: &[u8], cuts: &[usize]) -> (Outcome, usize) {
    let mut decoder = Decoder::default();
    let (mut said, mut held, mut from) = (Vec::new(), 0, 0);
    for to in cuts.iter().copied().chain([bytes.len()]) {
        let mut piece = bytes[from..to].to_vec();
        from = to;
        let mut input = &mut piece[..];
        loop {
            match decoder.next(&mut input) {
                Ok(Some(heard)) => said.push(format!("{heard:?}")),
                Ok(None) => break,
                Err(refused) => return ((said, Some(refused.code)), held),
            }
        }
        assert!(input.is_empty(), "used up");
        held = held.max(decoder.held());
    }
    ((said, None), held)
}

/// The outcome of a stream, in one piece and byte by byte.
fn outcome(bytes: &[u8]) -> Outcome {
    let (whole, _) = fed(bytes, &[]);
    let every: Vec<usize> = (0..bytes.len()).collect();
    assert_eq!(fed(bytes, &every).0, whole, "byte by byte");
    whole
}

/// A name, frames, what is heard, and the code they are refused with.
type Case<'a> = (&'a str, Vec<Vec<u8>>, &'a [&'a str], Option<u16>);

/// One line a case.
fn check(cases: &[Case<'_>]) {
    for (name, frames, said, refused) in cases {
        let (heard, end) = outcome(&frames.concat());
        assert_eq!(heard, *said, "{name}");
        assert_eq!(end, *refused, "{name}");
    }
}

fn long(bytes: usize) -> Vec<u8> {
    vec![b'*'; bytes]
}

fn close_with(code: u16, reason: &[u8]) -> Vec<u8> {
    client(CLOSE, &[&code.to_be_bytes()[..], reason].concat())
}

#[test]
fn section_1_framing_every_size_of_text_and_no_binary() {
    for bytes in [0, 1, 125, 126, 127, 128, SOCKET_FRAME_BYTES_MAX] {
        let text = String::from_utf8(long(bytes)).unwrap();
        let said = vec![format!("{:?}", Heard::Text(&text))];
        assert_eq!(outcome(&client(TEXT, text.as_bytes())), (said, None), "{bytes}");
    }
    check(&[
        ("1.2 binary", vec![client(FIN | op::BINARY, b"x")], &[], Some(code::UNSUPPORTED)),
        ("a binary fragment", vec![client(op::BINARY, b"x")], &[], Some(code::UNSUPPORTED)),
    ]);
}

#[test]
fn section_2_pings_and_pongs() {
    let most = format!("Ping({:?})", long(125));
    check(&[
        ("2.1 empty", vec![client(PING, b"")], &["Ping([])"], None),
        ("2.2 with text", vec![client(PING, b"hi")], &["Ping([104, 105])"], None),
        ("2.3 binary", vec![client(PING, &[0, 0xFF])], &["Ping([0, 255])"], None),
        ("2.4 of 125 bytes", vec![client(PING, &long(125))], &[&most], None),
        ("2.5 of 126 bytes", vec![client(PING, &long(126))], &[], Some(code::PROTOCOL)),
        ("2.7 a pong nobody asked for", vec![client(PONG, b"hi")], &["Pong"], None),
        ("2.9 and then a ping", vec![client(PONG, b""), client(PING, b"")], &["Pong", "Ping([])"], None),
        ("2.10 ten in a row", vec![client(PING, b""); 10], &["Ping([])"; 10], None),
    ]);
}

#[test]
fn section_3_reserved_bits() {
    for bits in 1..8_u8 {
        for opcode in [TEXT, PING, CLOSE] {
            let (said, end) = outcome(&[client(TEXT, b"a"), client(opcode | bits << 4, b"b")].concat());
            assert_eq!((said.len(), end), (1, Some(code::PROTOCOL)), "{bits} {opcode}");
        }
    }
}

#[test]
fn section_4_opcodes_that_mean_nothing() {
    for opcode in (3..8).chain(11..16) {
        for first in [FIN | opcode, opcode] {
            assert_eq!(outcome(&client(first, b"")).1, Some(code::PROTOCOL), "{first:x}");
        }
    }
}

#[test]
fn section_5_fragments() {
    check(&[
        ("5.1 a ping in fragments", vec![client(op::PING, b"a")], &[], Some(code::PROTOCOL)),
        ("5.2 a pong in fragments", vec![client(op::PONG, b"a")], &[], Some(code::PROTOCOL)),
        ("5.3 two", vec![client(TEXT_BEGINS, b"ab"), client(ENDS, b"cd")], &["Text(\"abcd\")"], None),
        (
            "5.6 a ping in between",
            vec![client(TEXT_BEGINS, b"ab"), client(PING, b"p"), client(ENDS, b"cd")],
            &["Ping([112])", "Text(\"abcd\")"],
            None,
        ),
        ("5.9 nothing to continue", vec![client(ENDS, b"x"), client(TEXT, b"y")], &[], Some(code::PROTOCOL)),
        ("5.12 nor to go on with", vec![client(GOES_ON, b"x")], &[], Some(code::PROTOCOL)),
        (
            "5.15 a continuation behind the end",
            vec![client(TEXT_BEGINS, b"a"), client(ENDS, b"b"), client(GOES_ON, b"c")],
            &["Text(\"ab\")"],
            Some(code::PROTOCOL),
        ),
        (
            "5.18 a second message inside the first",
            vec![client(TEXT_BEGINS, b"a"), client(TEXT, b"b")],
            &[],
            Some(code::PROTOCOL),
        ),
        (
            "5.19 five, with pings",
            vec![
                client(TEXT_BEGINS, b"1"),
                client(GOES_ON, b"2"),
                client(PING, b""),
                client(GOES_ON, b"3"),
                client(GOES_ON, b"4"),
                client(PING, b""),
                client(ENDS, b"5"),
                client(TEXT, b"6"),
            ],
            &["Ping([])", "Ping([])", "Text(\"12345\")", "Text(\"6\")"],
            None,
        ),
        ("empty ones", vec![client(TEXT_BEGINS, b""), client(ENDS, b"")], &["Text(\"\")"], None),
        ("a close in between", vec![client(TEXT_BEGINS, b"a"), client(CLOSE, b"")], &["Close(None)"], None),
    ]);
}

#[test]
fn section_6_utf_8() {
    let all = "κόσμε 二万\u{10FFFF}\u{0}";
    let said = vec![format!("{:?}", Heard::Text(all))];
    assert_eq!(outcome(&client(TEXT, all.as_bytes())), (said.clone(), None));
    for at in 0..=all.len() {
        let (one, two) = all.as_bytes().split_at(at);
        let frames = [client(TEXT_BEGINS, one), client(ENDS, two)].concat();
        assert_eq!(outcome(&frames), (said.clone(), None), "6.2 cut at {at}");
    }
    // Lone continuation, overlong, surrogate, beyond U+10FFFF, cut off, FE and FF.
    let bad: [&[u8]; 9] = [
        b"\x80",
        b"\xC0\xAF",
        b"\xE0\x80\xAF",
        b"\xED\xA0\x80",
        b"\xF4\x90\x80\x80",
        b"\xCE\xBA\xE1\xBD",
        b"\xFE",
        b"\xFF",
        b"\xF8\x88\x80\x80\x80",
    ];
    for bad in bad {
        assert_eq!(outcome(&client(TEXT, bad)).1, Some(code::NOT_UTF8), "6.3 {bad:?}");
        let frames = [client(TEXT_BEGINS, b"a"), client(ENDS, bad)].concat();
        assert_eq!(outcome(&frames).1, Some(code::NOT_UTF8), "in a fragment {bad:?}");
    }
    // 6.4: told while the message still goes on.
    let frames = [client(TEXT_BEGINS, b"a\xF4"), client(GOES_ON, b"\x90")].concat();
    assert_eq!(outcome(&frames).1, Some(code::NOT_UTF8));
}

#[test]
fn section_7_closing() {
    check(&[
        (
            "7.1 and more behind it",
            vec![client(CLOSE, b""), client(PING, b"")],
            &["Close(None)", "Ping([])"],
            None,
        ),
        ("7.3.2 half a code", vec![client(CLOSE, &[3])], &[], Some(code::PROTOCOL)),
        ("7.3.3 a code", vec![close_with(1000, b"")], &["Close(Some(1000))"], None),
        ("7.3.5 and the longest reason", vec![close_with(1000, &long(123))], &["Close(Some(1000))"], None),
        ("7.3.6 one byte longer", vec![close_with(1000, &long(124))], &[], Some(code::PROTOCOL)),
        ("7.5 a reason that is no text", vec![close_with(1000, b"\xCE\xBA\xE1")], &[], Some(code::NOT_UTF8)),
    ]);
    for good in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
        let said = vec![format!("Close(Some({good}))")];
        assert_eq!(outcome(&close_with(good, b"why")), (said, None), "7.7 {good}");
    }
    for bad in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        assert_eq!(outcome(&close_with(bad, b"")).1, Some(code::PROTOCOL), "7.9 {bad}");
    }
}

#[test]
fn sections_9_and_10_limits_masks_and_forms_of_length() {
    let over = SOCKET_FRAME_BYTES_MAX + 1;
    let unmasked = [&[TEXT, 1][..], b"a"].concat();
    check(&[
        ("one byte too long", vec![client(TEXT, &long(over))], &[], Some(code::TOO_BIG)),
        (
            "by its head alone",
            vec![raw(TEXT, &[0xFF, 0, 0, 1, 0, 0, 0, 0, 0], b"")],
            &[],
            Some(code::TOO_BIG),
        ),
        (
            "in fragments",
            vec![client(TEXT_BEGINS, &long(over - 1)), client(GOES_ON, b""), client(ENDS, b"x")],
            &[],
            Some(code::TOO_BIG),
        ),
        ("unmasked", vec![unmasked], &[], Some(code::PROTOCOL)),
        ("5 in two bytes", vec![raw(TEXT, &[0xFE, 0, 5], b"12345")], &[], Some(code::PROTOCOL)),
        ("300 in eight", vec![raw(TEXT, &[0xFF, 0, 0, 0, 0, 0, 0, 1, 44], b"")], &[], Some(code::PROTOCOL)),
        (
            "the highest bit",
            vec![raw(TEXT, &[0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0], b"")],
            &[],
            Some(code::PROTOCOL),
        ),
        (
            "fragments without end",
            vec![[client(TEXT_BEGINS, b""), client(GOES_ON, b"").repeat(SOCKET_FRAGMENTS_MAX)].concat()],
            &[],
            Some(code::POLICY),
        ),
    ]);
}

#[test]
fn what_is_finished_is_let_go() {
    let mut decoder = Decoder::default();
    for frame in [client(TEXT, b"whole"), client(PING, b"ping"), client(TEXT, &long(4_000))] {
        let (mut one, mut two) = (frame[..3].to_vec(), frame[3..].to_vec());
        assert_eq!(decoder.next(&mut &mut one[..]), Ok(None));
        assert!(decoder.unfinished_is_kept());
        let mut input = &mut two[..];
        assert!(matches!(decoder.next(&mut input), Ok(Some(_))));
        assert_eq!(decoder.next(&mut input), Ok(None));
        assert!(!decoder.unfinished_is_kept(), "a quiet connection keeps nothing");
    }
}

/// The server's heads by length; its own decoder does not take them, as they are not masked.
#[test]
fn the_servers_frames_have_the_shortest_head() {
    for (bytes, head) in [
        (0, &[0x81, 0][..]),
        (125, &[0x81, 125]),
        (126, &[0x81, 126, 0, 126]),
        (0xFFFF, &[0x81, 126, 0xFF, 0xFF]),
        (0x1_0000, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let mut out = b"before".to_vec();
        text(&mut out, &long(bytes));
        ping(&mut out);
        let expected = [b"before", head, &long(bytes), &[0x89, 0]].concat();
        assert!(out == expected, "{bytes}");
    }
    let mut out = Vec::new();
    pong(&mut out, b"hi");
    close(&mut out, Some(code::AWAY), "reconnect");
    close(&mut out, None, "");
    assert_eq!(out, b"\x8A\x02hi\x88\x0B\x03\xE9reconnect\x88\x00");
}

fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..8),
        "[a-z{}二]{0,40}".prop_map(String::into_bytes),
        prop::collection::vec(b'a'..=b'z', 120..140),
        prop::collection::vec(b'a'..=b'z', 4_000..4_200),
    ];
    let first = prop_oneof![
        4 => prop::sample::select(vec![TEXT, TEXT_BEGINS, GOES_ON, ENDS, PING, PONG, CLOSE]),
        1 => any::<u8>(),
    ];
    (first, payload).prop_map(|(first, payload)| client(first, &payload))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Mutation that turned it red: a cut head read again from its second byte on.
    #[test]
    fn no_way_of_cutting_the_stream_makes_a_difference(
        frames in prop::collection::vec(any_frame(), 0..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let bytes = frames.concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let (whole, _) = fed(&bytes, &[]);
        let (cut, held) = fed(&bytes, &cuts);
        prop_assert_eq!(cut, whole);
        // A message, what its vector may have in reserve, a control frame and a head.
        prop_assert!(held <= 2 * SOCKET_FRAME_BYTES_MAX + 256, "{}", held);
    }

    #[test]
    fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        fed(&bytes, &[]);
    }
}
