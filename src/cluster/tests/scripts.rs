//! Each script as a table: the word before, the call, the answer, the word after.
//!
//! All lines of a table are run, then what was wrong is said. Mutations that turned them red, one line of the table each:
//! see the tests.

use redis::AsyncCommands;

use super::{Board, EPOCH, MINE, OTHERS, SEAL, STREAM, UNITS, tap};
use crate::cluster::gate2::Gate2Error;
use crate::cluster::link::LinkError;
use crate::cluster::words::{News, Said, Word};
use crate::limits::{GATE2_FORGET_S, GATE2_GROUP, GATE2_PENDING_MS};

/// Words as the tables write them: `ME`, `OTHER`, and since when: `now`, `young`, `old` (just void), `ahead`.
struct Times {
    at: i64,
}

impl Times {
    fn named(&self) -> [(&'static str, i64); 3] {
        [("young", self.at - 500), ("old", self.at - GATE2_PENDING_MS), ("ahead", self.at + 60_000)]
    }

    fn written(&self, word: &str) -> String {
        let mut word = word.replace("ME", MINE).replace("OTHER", OTHERS);
        for (name, ms) in self.named() {
            word = word.replace(&format!(":{name}:"), &format!(":{ms}:"));
        }
        word
    }

    /// The other way round; `until` is when the call had been answered.
    fn shown(&self, word: Option<String>, until: i64) -> String {
        let Some(word) = word else { return "-".to_owned() };
        let word = word.replace(MINE, "ME").replace(OTHERS, "OTHER");
        let parts: Vec<&str> = word.splitn(3, ':').collect();
        let [seq, since, tap] = parts[..] else { return word };
        let Ok(ms) = since.parse::<i64>() else { return word };
        let named = self.named().into_iter().find(|(_, named)| *named == ms).map(|(name, _)| name);
        let name = if (self.at..=until).contains(&ms) { Some("now") } else { named };
        format!("{seq}:{}:{tap}", name.unwrap_or(since))
    }
}

impl Board {
    async fn times(&mut self) -> Times {
        Times { at: self.now_ms().await }
    }

    /// Puts the word, or none for `-`.
    async fn given(&mut self, times: &Times, word: &str) {
        if word == "-" { self.remove(1).await } else { self.put(1, &times.written(word)).await }
    }

    async fn shown(&mut self, times: &Times) -> String {
        let until = self.now_ms().await;
        times.shown(self.word(1).await, until)
    }
}

fn verdict(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// What a script may find when somebody else wrote there, or a bit fell over.
const CORRUPT: &[&str] = &[
    "",
    "x",
    "o",
    "o:3",
    "f-3",
    "z12:3",
    "12",
    "p:1:OTHER",
    " o12:3",
    "o9999999999999999:3",
    "p99999999999999999999999:young:OTHER",
    "\u{1}\u{2}",
];

/// The gateway has applied the journal up to 9.
///
/// Mutations that turned it red: a pending word never void (`old`); a time ahead of the clock not void; the own tap
/// made to wait; `>=` in place of `>` against what is applied (set back); a free word told as news; a pending word that
/// forgets the sequence; a corrupt word that ends the whole call.
#[tokio::test]
async fn redis_claim_marks_a_unit_or_says_what_is_ahead() {
    let mut board = Board::sealed().await;
    let mut table = vec![
        ("-", Said::Go, "p0:now:ME"),
        ("f4", Said::Go, "p4:now:ME"),
        // Newer than memory, but there is nothing in it to refuse a pick for.
        ("f12", Said::Go, "p12:now:ME"),
        ("o12:3", Said::News(12), "o12:3"),
        ("w10", Said::News(10), "w10"),
        // At or below what memory has applied, and memory let the pick through: this server was set back, or memory has
        // applied it since. The database says which, and the word stays.
        ("o9:3", Said::Go, "o9:3"),
        ("o8:3", Said::Go, "o8:3"),
        ("w9", Said::Go, "w9"),
        ("p4:young:OTHER", Said::Wait, "p4:young:OTHER"),
        ("p12:young:OTHER", Said::Wait, "p12:young:OTHER"),
        ("p4:old:OTHER", Said::Go, "p4:now:ME"),
        ("p4:ahead:OTHER", Said::Go, "p4:now:ME"),
        ("p4:young:ME", Said::Go, "p4:now:ME"),
        ("p4", Said::Go, "p4:now:ME"),
        ("p4:", Said::Go, "p4:now:ME"),
        ("p4:soon:OTHER", Said::Go, "p4:now:ME"),
    ];
    table.extend(CORRUPT.iter().map(|corrupt| (*corrupt, Said::Go, "p0:now:ME")));
    let mut faults = Vec::new();
    for (before, said, after) in table {
        let times = board.times().await;
        board.given(&times, before).await;
        let answer = board.gate.claim(EPOCH, &[tap(1, MINE, 9)]).await;
        let found = board.shown(&times).await;
        if answer.as_ref().ok() != Some(&vec![said]) || found != after {
            faults.push(format!("{before:?}: {answer:?}, not {said:?}; then {found:?}, not {after:?}"));
        }
    }
    verdict(&faults);
}

/// Mutations that turned it red: a word of another's tap read as this one's; `>=` against what is applied; a free word
/// told as news; a corrupt word that ends the whole call.
#[tokio::test]
async fn redis_look_says_the_same_and_changes_nothing() {
    let mut board = Board::sealed().await;
    let mut table = vec![
        ("-", Said::Go),
        ("f12", Said::Go),
        ("o12:3", Said::News(12)),
        ("w10", Said::News(10)),
        ("o9:3", Said::Go),
        ("w8", Said::Go),
        ("p4:young:ME", Said::Go),
        ("p4:old:ME", Said::Go),
        ("p4:young:OTHER", Said::Wait),
        // Whether it is void is the next claim's to say.
        ("p4:old:OTHER", Said::Wait),
        ("p4:soon:OTHER", Said::Go),
    ];
    table.extend(CORRUPT.iter().map(|corrupt| (*corrupt, Said::Go)));
    let mut faults = Vec::new();
    for (before, said) in table {
        let times = board.times().await;
        board.given(&times, before).await;
        let stood = board.word(1).await;
        let answer = board.gate.look(EPOCH, &[tap(1, MINE, 9)]).await;
        if answer.as_ref().ok() != Some(&vec![said]) || board.word(1).await != stood {
            faults.push(format!("{before:?}: {answer:?}, not {said:?}, and nothing changed"));
        }
    }
    verdict(&faults);
}

/// An entry of sequence 5 (`o`: occupied by 3, `w`, `f`).
///
/// Mutations that turned it red: an older entry overwrites; one of the same sequence does; freeing removes the pending
/// word of who is on the way; a pending word keeps its old sequence when the unit is freed.
#[tokio::test]
async fn redis_tell_writes_a_word_only_over_an_older_one() {
    let mut board = Board::sealed().await;
    let (occupied, withheld, free) = (Word::Occupied { owner: 3 }, Word::Withheld, Word::Free);
    let mut table = vec![
        ("-", occupied, "o5:3"),
        ("-", withheld, "w5"),
        ("-", free, "f5"),
        ("o4:1", free, "f5"),
        ("f4", occupied, "o5:3"),
        ("w4", free, "f5"),
        ("o5:1", occupied, "o5:1"),
        ("f6", occupied, "f6"),
        ("o6:1", free, "o6:1"),
        ("p0:young:ME", occupied, "o5:3"),
        ("p4:young:ME", withheld, "w5"),
        // Freed, and somebody is on the way already.
        ("p4:young:OTHER", free, "p5:young:OTHER"),
        ("p4:old:OTHER", free, "p5:old:OTHER"),
        // Pending since something newer, or since this very entry: it was told twice.
        ("p6:young:ME", occupied, "p6:young:ME"),
        ("p5:young:ME", occupied, "p5:young:ME"),
    ];
    table.extend(CORRUPT.iter().map(|corrupt| (*corrupt, occupied, "o5:3")));
    let mut faults = Vec::new();
    for (before, word, after) in table {
        let times = board.times().await;
        board.given(&times, before).await;
        let news = News { seq: 5, word: Some((1, word)), entry: None };
        let told = board.gate.tell(EPOCH, &[news]).await;
        let found = board.shown(&times).await;
        if told.is_err() || found != after {
            faults.push(format!("{before:?} told {word:?}: {told:?}; then {found:?}, not {after:?}"));
        }
    }
    verdict(&faults);
}

/// Mutations that turned it red: any pending word goes; a word with a sequence behind it goes altogether.
#[tokio::test]
async fn redis_settle_takes_back_its_own_pending_word_only() {
    let mut board = Board::sealed().await;
    let mut table = vec![
        ("-", "-"),
        ("p0:young:ME", "-"),
        ("p7:young:ME", "f7"),
        ("p7:old:ME", "f7"),
        ("p7:young:OTHER", "p7:young:OTHER"),
        ("o7:3", "o7:3"),
        ("w7", "w7"),
        ("f7", "f7"),
        ("p7:soon:ME", "p7:soon:ME"),
    ];
    table.extend(CORRUPT.iter().map(|corrupt| (*corrupt, *corrupt)));
    let mut faults = Vec::new();
    for (before, after) in table {
        let times = board.times().await;
        board.given(&times, before).await;
        let settled = board.gate.settle(EPOCH, &[(1, MINE.to_owned())]).await;
        let found = board.shown(&times).await;
        if settled.is_err() || found != after {
            faults.push(format!("{before:?}: {settled:?}; then {found:?}, not {after:?}"));
        }
    }
    verdict(&faults);
}

/// Mutation that turned it red: the seal not looked at, in either script.
#[tokio::test]
async fn redis_without_this_servers_seal_nothing_is_said_or_done() {
    let mut board = Board::unsealed().await;
    for seal in [None, Some("another-server"), Some("")] {
        if let Some(seal) = seal {
            let () = board.raw.set(SEAL, seal).await.unwrap();
        }
        for (unit, word) in [(1, "o12:3"), (2, "f4")] {
            board.put(unit, word).await;
        }
        let taps = [tap(1, MINE, 9), tap(2, MINE, 9), tap(3, MINE, 9)];
        assert!(!board.gate.is_sealed(EPOCH).await.unwrap(), "{seal:?}");
        assert!(matches!(board.gate.claim(EPOCH, &taps).await, Err(Gate2Error::Unsealed)), "{seal:?}");
        assert!(matches!(board.gate.look(EPOCH, &taps).await, Err(Gate2Error::Unsealed)), "{seal:?}");
        let words: Vec<(String, String)> = board.raw.hgetall(UNITS).await.unwrap();
        assert_eq!(words.len(), 2, "{words:?}");
        assert_eq!(board.word(2).await.as_deref(), Some("f4"));
    }
}

/// Mutations that turned it red: the epoch before not removed; a seal without its end.
#[tokio::test]
async fn redis_a_rebuild_loads_seals_and_forgets_the_epoch_before() {
    let mut board = Board::unsealed().await;
    let word = |seq, unit, word| News { seq, word: Some((unit, word)), entry: None };
    board.gate.rebuild(EPOCH - 1, &[word(1, 4, Word::Withheld)]).await.unwrap();
    assert!(board.gate.is_sealed(EPOCH - 1).await.unwrap());
    assert!(!board.gate.is_sealed(EPOCH).await.unwrap(), "another epoch's seal");

    // More words than one call takes.
    let words: Vec<News> = (0..1_200).map(|unit| word(40, unit, Word::Occupied { owner: unit })).collect();
    board.gate.rebuild(EPOCH, &words).await.unwrap();
    assert!(board.gate.is_sealed(EPOCH).await.unwrap());
    assert_eq!(board.word(1_199).await.as_deref(), Some("o40:1199"));
    let known: usize = board.raw.hlen(UNITS).await.unwrap();
    assert_eq!(known, 1_200);
    let streamed: bool = board.raw.exists(STREAM).await.unwrap();
    assert!(!streamed, "words alone are no entries");
    let keys: Vec<String> = board.raw.keys("*").await.unwrap();
    assert!(keys.iter().all(|key| key.contains(":3:")), "{keys:?}");
    let late = board.gate.claim(EPOCH - 1, &[tap(1, MINE, 9)]).await;
    assert!(matches!(late, Err(Gate2Error::Unsealed)), "{late:?}");

    for key in [UNITS, SEAL] {
        let ttl: i64 = board.raw.ttl(key).await.unwrap();
        assert!((GATE2_FORGET_S - 60..=GATE2_FORGET_S).contains(&ttl), "{key} goes in {ttl} s");
    }
}

/// Mutation that turned it red: answers that stop at the first pick which does not go on.
#[tokio::test]
async fn redis_a_whole_group_is_answered_in_order() {
    let mut board = Board::sealed().await;
    let group = u32::try_from(GATE2_GROUP).unwrap();
    for unit in 0..group {
        match unit % 4 {
            0 => board.put(unit, &format!("o{}:3", 10 + unit)).await,
            1 => board.put(unit, "o9:3").await,
            2 => board.put(unit, "not a word").await,
            _ => {}
        }
    }
    let taps: Vec<_> = (0..group).map(|unit| tap(unit, MINE, 9)).collect();
    let said = board.gate.claim(EPOCH, &taps).await.unwrap();
    let expected: Vec<Said> = (0..group)
        .map(|unit| if unit % 4 == 0 { Said::News(10 + i64::from(unit)) } else { Said::Go })
        .collect();
    assert_eq!(said, expected);

    // Twice in one call: the first is ahead, the same tap again is itself.
    let taps = [tap(900, MINE, 9), tap(900, OTHERS, 9), tap(900, MINE, 9)];
    assert_eq!(board.gate.claim(EPOCH, &taps).await.unwrap(), [Said::Go, Said::Wait, Said::Go]);
    assert_eq!(board.gate.look(EPOCH, &taps).await.unwrap(), [Said::Go, Said::Wait, Said::Go]);
}

/// Mutation that turned it red: a second try after a call without an answer, and one after a refusal.
#[tokio::test]
async fn redis_a_script_is_sent_again_only_when_the_server_does_not_know_it() {
    let mut board = Board::sealed().await;
    let one = [tap(1, MINE, 9)];
    board.gate.claim(EPOCH, &one).await.unwrap();
    let (sent, loaded) = (board.calls("evalsha").await, board.calls("script|load").await);
    board.gate.claim(EPOCH, &one).await.unwrap();
    assert_eq!((board.calls("evalsha").await, board.calls("script|load").await), (sent + 1, loaded));

    board.redis.command(&["SCRIPT", "FLUSH"]).await;
    assert_eq!(board.gate.claim(EPOCH, &one).await.unwrap(), [Said::Go]);
    let (sent, loaded) = (sent + 3, loaded + 1);
    assert_eq!((board.calls("evalsha").await, board.calls("script|load").await), (sent, loaded));

    // Refused: somebody put another kind of value there.
    let () = board.raw.del(UNITS).await.unwrap();
    let () = board.raw.set(UNITS, "no hash").await.unwrap();
    let refused = board.gate.claim(EPOCH, &one).await;
    assert!(matches!(refused, Err(Gate2Error::Link(LinkError::Refused(_)))), "{refused:?}");
    assert!(board.link.server().is_ok(), "a refusal is no broken connection");
    assert_eq!((board.calls("evalsha").await, board.calls("script|load").await), (sent + 1, loaded));

    // Nobody knows whether it was carried out.
    let () = board.raw.del(UNITS).await.unwrap();
    let frozen = board.redis.freeze().await;
    let unknown = board.gate.claim(EPOCH, &one).await;
    assert!(matches!(unknown, Err(Gate2Error::Link(LinkError::Unknown(_)))), "{unknown:?}");
    frozen.thaw();
    let link = board.link.clone();
    super::until("Redis is found again", || link.server().is_ok()).await;
    assert_eq!((board.calls("evalsha").await, board.calls("script|load").await), (sent + 2, loaded));
    assert_eq!(board.gate.look(EPOCH, &one).await.unwrap(), [Said::Go]);
}
