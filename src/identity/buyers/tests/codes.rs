use super::*;

/// OP-25.
#[tokio::test]
async fn a_code_signs_in_once() {
    let f = fixture().await;
    let requested = f.request("138 0000-0001", EARLY).await.unwrap();
    assert_eq!(requested.resend_after_ms, CODE_RESEND_S * 1_000);
    let sent = f.sent(PHONE).await.unwrap();
    assert!(sent.len() == 6 && sent.bytes().all(|b| b.is_ascii_digit()), "{sent}");
    let signed_in = f.try_code(PHONE, &sent, None, "iPhone", EARLY).await.unwrap();
    assert_eq!(signed_in.session.registration, RegOrd(0));
    assert_eq!(signed_in.expires_at, after(EARLY, BUYER_SESSION_S));
    assert!(f.buyers.authenticate(&signed_in.session, EARLY).await.is_ok());
    assert_eq!(code(f.try_code(PHONE, &sent, None, "iPhone", EARLY).await), "CODE_VOID");
    assert_eq!(f.buyers.devices().signed_in(&f.opening, EARLY), 1);
}

/// Mutation caught: with the expiry not compared, a code worked the next day.
#[tokio::test]
async fn a_code_expires_and_a_newer_one_replaces_it() {
    let f = fixture().await;
    f.request(PHONE, EARLY).await.unwrap();
    let first = f.sent(PHONE).await.unwrap();
    let at = after(EARLY, CODE_VALID_S);
    assert_eq!(code(f.try_code(PHONE, &first, None, "d", at).await), "CODE_VOID");
    f.request(PHONE, at).await.unwrap();
    let second = f.sent(PHONE).await.unwrap();
    if first != second {
        assert_eq!(code(f.try_code(PHONE, &first, None, "d", at).await), "CODE_WRONG");
    }
    assert_eq!(code(f.try_code(PHONE, &second, None, "d", at).await), "ok");
}

/// Five wrong tries void the code; the owner asks for another and gets in. Mutation caught: with `attempts_left > 0`
/// left out, the right code still worked after five wrong ones.
#[tokio::test]
async fn five_wrong_tries_void_the_code_but_not_the_owner() {
    let f = fixture().await;
    f.request(PHONE, EARLY).await.unwrap();
    let sent = f.sent(PHONE).await.unwrap();
    for left in (1..CODE_ATTEMPTS).rev() {
        let outcome = f.try_code(PHONE, &wrong(&sent), None, "d", EARLY).await;
        assert!(
            matches!(outcome, Err(BuyerError::CodeWrong { attempts_left }) if attempts_left == left),
            "{outcome:?}"
        );
    }
    assert_eq!(code(f.try_code(PHONE, &wrong(&sent), None, "d", EARLY).await), "CODE_VOID");
    assert_eq!(code(f.try_code(PHONE, &sent, None, "d", EARLY).await), "CODE_VOID");

    // That device and address are slowed now; the owner's are not, and another code comes at once.
    assert_eq!(code(f.try_code(PHONE, &sent, None, "d", EARLY).await), "SLOW_DOWN");
    f.request(PHONE, EARLY).await.unwrap();
    let another = f.sent(PHONE).await.unwrap();
    assert_eq!(code(f.try_code(PHONE, &another, None, "d", EARLY).await), "SLOW_DOWN");
    assert_eq!(code(f.try_code(PHONE, &another, None, "the owner's", EARLY).await), "ok");
}

/// Mutation caught: with a wrong try rolled back instead of committed, all twelve were compared.
#[tokio::test]
async fn parallel_guesses_have_no_more_tries_than_five() {
    let f = Arc::new(fixture().await);
    f.request(PHONE, EARLY).await.unwrap();
    let sent = f.sent(PHONE).await.unwrap();
    let guesses: Vec<_> = (0..12)
        .map(|device| {
            let (f, guess) = (f.clone(), wrong(&sent));
            tokio::spawn(async move {
                code(f.try_code(PHONE, &guess, None, &format!("device {device}"), EARLY).await)
            })
        })
        .collect();
    let mut answers = Vec::new();
    for guess in guesses {
        answers.push(guess.await.unwrap());
    }
    let wrong = answers.iter().filter(|answer| **answer == "CODE_WRONG").count();
    assert_eq!(i64::try_from(wrong).unwrap(), CODE_ATTEMPTS - 1);
    assert!(answers.iter().all(|answer| ["CODE_WRONG", "CODE_VOID"].contains(answer)), "{answers:?}");
}

/// Voiding codes on purpose wins a guesser no more than a few of them. Mutation caught: with every void code replaced
/// at once, the fourth was.
#[tokio::test]
async fn void_codes_are_replaced_at_once_only_a_few_times() {
    let f = fixture().await;
    let mut codes = 0;
    while f.request(PHONE, EARLY).await.is_ok() {
        codes += 1;
        assert!(codes <= limits::CODE_ISSUED_LONGER);
        let sent = f.sent(PHONE).await.unwrap();
        for n in 0..CODE_ATTEMPTS {
            f.try_code(PHONE, &wrong(&sent), None, &format!("device {codes} {n}"), EARLY).await.unwrap_err();
        }
    }
    assert_eq!(codes, limits::CODE_ISSUED_LONGER);
    assert!(f.request(PHONE, after(EARLY, CODE_RESEND_S)).await.is_ok(), "and asking stays possible");
}

/// The wait grows with codes in a row and is forgotten after a quiet time.
#[tokio::test]
async fn asking_again_has_an_interval() {
    let f = fixture().await;
    let mut at = EARLY;
    let waits =
        [CODE_RESEND_S; 3].into_iter().chain([CODE_RESEND_LONGER_S; 3]).chain([CODE_RESEND_LONGEST_S; 2]);
    for wait in waits {
        assert_eq!(f.request(PHONE, at).await.unwrap().resend_after_ms, wait * 1_000);
        let early = f.request(PHONE, after(at, wait - 1)).await;
        assert!(matches!(early, Err(BuyerError::SlowDown { retry_after_ms: 1_000 })), "{early:?}");
        at = after(at, wait);
    }
    let quiet = after(at, CODE_FORGET_S);
    assert_eq!(f.buyers.purge_codes(quiet).await.unwrap(), 1);
    assert_eq!(f.request(PHONE, quiet).await.unwrap().resend_after_ms, CODE_RESEND_S * 1_000);
}

/// From outside, a phone that is not on the roster behaves like one that is. Mutation caught: with no row written for
/// an unknown phone, its first wrong code answered CODE_VOID.
#[tokio::test]
async fn unknown_phones_look_like_known_ones() {
    let f = fixture().await;
    let mut transcripts = Vec::new();
    for phone in [PHONE, STRANGER] {
        let mut seen = Vec::new();
        seen.push(format!("{:?}", f.try_code(phone, "x", None, "d", EARLY).await.err()));
        seen.push(format!("{:?}", f.request(phone, EARLY).await));
        seen.push(format!("{:?}", f.request(phone, EARLY).await));
        for _ in 0..=CODE_TRIES_BURST {
            seen.push(format!("{:?}", f.try_code(phone, "x", None, "d", EARLY).await.err()));
        }
        seen.push(format!("{:?}", f.request(phone, EARLY).await));
        transcripts.push(seen);
    }
    assert_eq!(transcripts[0], transcripts[1]);
    assert!(f.sent(PHONE).await.is_some() && f.sent(STRANGER).await.is_none());
}

/// OP-25: the same code, sent again with the choice, signs in.
#[tokio::test]
async fn a_phone_with_several_registrations_chooses() {
    let f = fixture().await;
    f.request(SHARED, EARLY).await.unwrap();
    let sent = f.sent(SHARED).await.unwrap();
    for unclear in [None, Some("R1"), Some("R999")] {
        let Err(BuyerError::ChooseRegistration { choices }) =
            f.try_code(SHARED, &sent, unclear, "d", EARLY).await
        else {
            panic!("{unclear:?} was no choice");
        };
        let shown: Vec<_> = choices
            .iter()
            .map(|c| (c.code.as_str(), c.name_masked.as_str(), c.document_tail.as_str()))
            .collect();
        assert_eq!(shown, [("R2", "李*", "0001"), ("R3", "欧**", "0002")]);
    }
    // Without the right code nobody is shown any choice.
    assert_eq!(code(f.try_code(SHARED, &wrong(&sent), None, "d", EARLY).await), "CODE_WRONG");
    let signed_in = f.try_code(SHARED, &sent, Some("R3"), "d", EARLY).await.unwrap();
    assert_eq!(signed_in.session.registration, RegOrd(2));
}

#[tokio::test]
async fn refusals_before_any_code() {
    let f = fixture().await;
    assert_eq!(code(f.request("12345", EARLY).await), "PHONE_INVALID");
    let nowhere = OpeningId::generate();
    assert_eq!(code(f.buyers.request_code(&nowhere, PHONE, HALL, EARLY).await), "OPENING_UNKNOWN");
    let mut tx = f.db.begin(Priority::Staff).await.unwrap();
    execute!(tx, "UPDATE opening_head SET phase = 'draft'").unwrap();
    tx.commit().await.unwrap();
    assert_eq!(code(f.request(PHONE, EARLY).await), "OPENING_UNKNOWN");
}

#[tokio::test]
async fn one_address_is_bounded_over_all_phones() {
    let f = fixture().await;
    let mut refused = None;
    for n in 0..=limits::CODE_REQUESTS_BURST {
        let outcome = f.buyers.request_code(&OpeningId::generate(), &format!("139{n:08}"), HALL, EARLY).await;
        if code(outcome) == "SLOW_DOWN" {
            refused = Some(n);
        }
    }
    assert_eq!(refused, Some(limits::CODE_REQUESTS_BURST));
}

/// CO-4: nothing in the tables of sign-in shows a phone, a code or what a device is called.
#[tokio::test]
async fn sign_in_leaves_nothing_readable() {
    let f = fixture().await;
    f.request(PHONE, EARLY).await.unwrap();
    let sent = f.sent(PHONE).await.unwrap();
    let mut read = f.db.read().await.unwrap();
    let (bidx, hash) =
        fetch_one!(read, (Vec<u8>, Vec<u8>), "SELECT phone_bidx, code_hash FROM sign_in_code").unwrap();
    f.try_code(PHONE, &sent, None, "device of Zhang Wei", EARLY).await.unwrap();
    let labels = fetch_all!(read, (Vec<u8>,), "SELECT label_sealed FROM buyer_session").unwrap();
    let raw: Vec<u8> =
        [bidx, hash].into_iter().chain(labels.into_iter().map(|(label,)| label)).flatten().collect();
    for secret in [PHONE, sent.as_str(), "Zhang Wei"] {
        assert!(!raw.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
    }
}
