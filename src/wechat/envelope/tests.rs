//! The published example, every byte of it, and everything that is none.

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

/// The account of the published example.
const APP_ID: &str = "wxb11529c136998cb6";

#[derive(Deserialize)]
struct Vectors {
    message_aes: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    token: String,
    encoding_aes_key: String,
    nonce: String,
    timestamp: String,
    encrypt: String,
    msg_signature: String,
}

fn vector() -> Vector {
    let vectors: Vectors = serde_json::from_str(include_str!("../testdata/vectors.json")).unwrap();
    vectors.message_aes.into_iter().next().unwrap()
}

fn envelope(app_id: &str) -> Envelope {
    let vector = vector();
    Envelope::new(Secret::new(vector.token), &Secret::new(vector.encoding_aes_key), app_id).unwrap()
}

/// Bytes in an envelope, whatever they are, with the right signature.
fn wrapped(envelope: &Envelope, plain: &[u8]) -> (String, String) {
    let (key, iv) = envelope.key_and_iv();
    let mut bytes = plain.to_vec();
    let length = bytes.len();
    let sealed = cbc::Encryptor::<Aes256>::new(&key.into(), &iv.into())
        .encrypt_padded::<NoPadding>(&mut bytes, length)
        .unwrap();
    let encrypt = STANDARD.encode(sealed);
    let signature = signed(&[envelope.token.expose(), "1", "n", &encrypt]);
    (encrypt, signature)
}

#[test]
fn the_published_message_opens() {
    let vector = vector();
    let opened = envelope(APP_ID)
        .open(&vector.msg_signature, &vector.timestamp, &vector.nonce, &vector.encrypt)
        .unwrap();
    assert!(opened.starts_with("<xml>") && opened.ends_with("</xml>"), "{opened}");
    let other =
        envelope("wx0").open(&vector.msg_signature, &vector.timestamp, &vector.nonce, &vector.encrypt);
    assert_eq!(other, Err(EnvelopeError::OtherAccount));
}

/// Mutation that turned it red: the signature not compared (then a changed time-stamp passed).
#[test]
fn nothing_of_a_message_can_be_changed() {
    let (envelope, right) = (envelope(APP_ID), vector());
    let fields = [&right.msg_signature, &right.timestamp, &right.nonce, &right.encrypt];
    for (changed, text) in fields.iter().enumerate() {
        for at in 0..text.len() {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'1' { b'2' } else { b'1' };
            let flipped = String::from_utf8(bytes).unwrap();
            let mut given = fields.map(String::as_str);
            given[changed] = &flipped;
            let [signature, timestamp, nonce, encrypt] = given;
            let opened = envelope.open(signature, timestamp, nonce, encrypt);
            assert_eq!(opened, Err(EnvelopeError::Signature), "field {changed}, byte {at}");
        }
    }
}

/// All paddings from 1 to 32. Mutation that turned it red: a block of 16.
#[test]
fn every_length_comes_back() {
    let envelope = envelope(APP_ID);
    for length in 0..=96 {
        let message = "开".repeat(length / 3) + &"x".repeat(length % 3);
        let sealed = envelope.seal(&message, "1458300676", "n").unwrap();
        assert_eq!(STANDARD.decode(&sealed.encrypt).unwrap().len() % 32, 0, "{length}");
        let opened = envelope.open(&sealed.msg_signature, "1458300676", "n", &sealed.encrypt);
        assert_eq!(opened, Ok(message), "{length}");
    }
    assert_ne!(envelope.seal("a", "1", "n").unwrap(), envelope.seal("a", "1", "n").unwrap());
}

/// Mutations that turned it red: a padding of 0 or 33 taken, and its bytes not all looked at.
#[test]
fn a_wrong_padding_is_refused() {
    let envelope = envelope(APP_ID);
    let body = |padding: &[u8]| {
        let mut plain = vec![7; 16];
        plain.extend_from_slice(&2_u32.to_be_bytes());
        plain.extend_from_slice(b"ok");
        plain.extend_from_slice(APP_ID.as_bytes());
        plain.extend_from_slice(padding);
        plain
    };
    // 40 bytes, so that 8 fill the block.
    let open = |plain: &[u8]| {
        let (encrypt, signature) = wrapped(&envelope, plain);
        envelope.open(&signature, "1", "n", &encrypt)
    };
    assert_eq!(open(&body(&[8; 8])), Ok("ok".to_owned()));
    assert_eq!(open(&body(&[24; 24])), Ok("ok".to_owned()), "PKCS #7 to 32 bytes");
    let mut torn = [24; 24];
    torn[3] = 23;
    for wrong in [&[0_u8; 8][..], &[33; 40], &[9; 8], &torn] {
        assert!(matches!(open(&body(wrong)), Err(EnvelopeError::Unreadable | EnvelopeError::OtherAccount)));
    }
    assert_eq!(open(&body(&torn)), Err(EnvelopeError::Unreadable));
    assert_eq!(open(&body(&[0; 8])), Err(EnvelopeError::Unreadable));
}

#[test]
fn the_server_check_is_the_sorted_hash() {
    let envelope = envelope(APP_ID);
    // printf '%s' 1458300676260774613pamtest | sha1sum
    let right = hex::encode(Sha1::digest("1458300676260774613pamtest"));
    assert!(envelope.is_from_wechat(&right, "1458300676", "260774613"));
    assert!(!envelope.is_from_wechat(&right, "1458300677", "260774613"));
    assert!(!envelope.is_from_wechat("", "1458300676", "260774613"));
}

#[test]
fn a_key_of_another_length_is_refused_and_none_is_printed() {
    let key = vector().encoding_aes_key;
    for wrong in ["", "abc", &key[..42], &format!("{key}a"), "密"] {
        let made = Envelope::new(Secret::new("t".to_owned()), &Secret::new(wrong.to_owned()), APP_ID);
        assert_eq!(made.err(), Some(EnvelopeError::Key), "{wrong}");
    }
    let printed = format!("{:?}", envelope(APP_ID));
    assert!(!printed.contains("pamtest") && !printed.contains(&key), "{printed}");
}

proptest! {
    /// Whoever has the token may still send anything: every length and every content is an answer, never a panic.
    #[test]
    fn whatever_is_signed_is_an_answer(blocks in 0_usize..6, fill in any::<u8>(), seed in any::<u64>()) {
        let envelope = envelope(APP_ID);
        let plain: Vec<u8> = (0..blocks * 16)
            .map(|at| if seed % 3 == 0 { fill } else { (seed >> (at % 56)) as u8 })
            .collect();
        let (encrypt, signature) = wrapped(&envelope, &plain);
        let _ = envelope.open(&signature, "1", "n", &encrypt);
    }

    #[test]
    fn whatever_comes_is_an_answer(encrypt in ".{0,80}", signature in ".{0,50}", time in ".{0,12}") {
        let envelope = envelope(APP_ID);
        prop_assert!(envelope.open(&signature, &time, "n", &encrypt).is_err());
        let signature = signed(&[envelope.token.expose(), &time, "n", &encrypt]);
        prop_assert!(envelope.open(&signature, &time, "n", &encrypt).is_err());
    }

    #[test]
    fn whatever_stands_inside_is_cut_without_a_panic(plain in proptest::collection::vec(any::<u8>(), 0..120)) {
        let _ = parts(&plain);
    }
}
