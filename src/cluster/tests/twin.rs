//! The scripts and the simulator's twin of them, on the same random calls: the same answers, the same words, the same
//! stream. What the simulator finds out about gate 2 counts for the scripts because of this test.
//!
//! The clock: a word grows void by Redis' own clock, which nobody can set. So words are made old, or ahead of the clock, by
//! writing their time anew on both sides, and the boundary itself is avoided: a sequence that the machine held up until its
//! young words may have become void says nothing and is drawn again.
//!
//! A failure prints its seed and the shortest sequence that still fails. `KAIPAN_GATE2_SEED=…` runs that seed again,
//! `KAIPAN_GATE2_CASES` more or fewer sequences.
//!
//! Mutations of the twin that turned it red: the own tap made to wait; a pending word kept when the entry says free and
//! its sequence not raised; an older entry that overwrites; settle without a look at whose word it is; an entry put into
//! the stream out of order; `look` that takes another's pending word for nothing.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::str::FromStr;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};
use redis::AsyncCommands;
use redis::streams::StreamRangeReply;

use super::{Board, EPOCH, STREAM, UNITS, tap};
use crate::cluster::sim::{Epoch, Known};
use crate::cluster::words::{News, Noted, Said, Tap, Word};
use crate::limits::GATE2_PENDING_MS;

/// The twin's clock stands still.
const NOW: i64 = 1_000_000;

#[derive(Debug, Clone)]
enum Call {
    Claim(Vec<Tap>),
    Look(Vec<Tap>),
    Tell(Vec<News>),
    Settle(Vec<(u32, String)>),
    /// A pending word becomes this much older (or younger than the clock).
    Age {
        unit: u32,
        by_ms: i64,
    },
}

fn taps() -> impl Strategy<Value = Vec<Tap>> {
    let one = (0..3_u32, 0..3_u32, 0..12_i64);
    vec(one.prop_map(|(unit, who, applied)| tap(unit, &format!("{who}:tap"), applied)), 1..4)
}

fn news() -> impl Strategy<Value = Vec<News>> {
    let word = prop_oneof![
        (0..9_u32).prop_map(|owner| Word::Occupied { owner }),
        Just(Word::Withheld),
        Just(Word::Free),
        Just(Word::Free),
    ];
    let noted = Noted { kind: "Held".to_owned(), version: 1, at: 2, body: vec![0, 1, 2] };
    let one = (1..12_i64, prop::option::weighted(0.9, (0..3_u32, word)), any::<bool>());
    vec(one.prop_map(move |(seq, word, told)| News { seq, word, entry: told.then(|| noted.clone()) }), 1..4)
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let settled = vec((0..3_u32, (0..3_u32).prop_map(|who| format!("{who}:tap"))), 1..3);
    let age = prop_oneof![Just(GATE2_PENDING_MS), Just(GATE2_PENDING_MS * 50), Just(-60_000_i64)];
    let call = prop_oneof![
        4 => taps().prop_map(Call::Claim),
        1 => taps().prop_map(Call::Look),
        3 => news().prop_map(Call::Tell),
        2 => settled.prop_map(Call::Settle),
        1 => (0..3_u32, age).prop_map(|(unit, by_ms)| Call::Age { unit, by_ms }),
    ];
    vec(call, 1..40)
}

/// A word as both sides show it: a young pending one without its time, which differs by a moment.
fn shown(known: &Known) -> String {
    match known {
        Known::Told { seq, word } => word.text(*seq),
        Known::Pending { seq, since_ms, tap } => format!("p{seq}:{}:{tap}", age_shown(NOW - since_ms)),
    }
}

fn age_shown(age_ms: i64) -> &'static str {
    match age_ms {
        ..0 => "ahead",
        0..GATE2_PENDING_MS => "young",
        _ => "old",
    }
}

fn shown_word(word: &str, now_ms: i64) -> String {
    let parts: Vec<&str> = word.splitn(3, ':').collect();
    match parts[..] {
        [seq, since, tap] => format!("{seq}:{}:{tap}", age_shown(now_ms - i64::from_str(since).unwrap())),
        _ => word.to_owned(),
    }
}

impl Board {
    async fn play(&mut self, twin: &mut Epoch, call: &Call) -> Result<(), TestCaseError> {
        match call {
            Call::Claim(taps) => {
                let expected: Vec<Said> = taps.iter().map(|tap| twin.claim(tap, NOW)).collect();
                prop_assert_eq!(self.gate.claim(EPOCH, taps).await.unwrap(), expected);
            }
            Call::Look(taps) => {
                let expected: Vec<Said> = taps.iter().map(|tap| twin.look(tap)).collect();
                prop_assert_eq!(self.gate.look(EPOCH, taps).await.unwrap(), expected);
            }
            Call::Tell(news) => {
                twin.tell(news);
                self.gate.tell(EPOCH, news).await.unwrap();
            }
            Call::Settle(taps) => {
                twin.settle(taps);
                self.gate.settle(EPOCH, taps).await.unwrap();
            }
            Call::Age { unit, by_ms } => self.age(twin, *unit, *by_ms).await,
        }
        let now_ms = self.now_ms().await;
        let words: BTreeMap<u32, String> = self.raw.hgetall(UNITS).await.unwrap();
        let words: BTreeMap<u32, String> =
            words.into_iter().map(|(unit, word)| (unit, shown_word(&word, now_ms))).collect();
        let expected: BTreeMap<u32, String> =
            twin.units.iter().map(|(unit, known)| (*unit, shown(known))).collect();
        prop_assert_eq!(words, expected);
        let stream: StreamRangeReply = self.raw.xrange_all(STREAM).await.unwrap();
        let ids: Vec<String> = stream.ids.into_iter().map(|entry| entry.id).collect();
        let expected: Vec<String> = twin.stream.keys().map(|seq| format!("{seq}-0")).collect();
        prop_assert_eq!(ids, expected);
        Ok(())
    }

    async fn age(&mut self, twin: &mut Epoch, unit: u32, by_ms: i64) {
        if let Some(Known::Pending { seq, since_ms, tap }) = twin.units.get_mut(&unit) {
            *since_ms = NOW - by_ms;
            let since = self.now_ms().await - by_ms;
            let word = format!("p{seq}:{since}:{tap}");
            self.put(unit, &word).await;
        }
    }
}

fn from_environment<T: FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// OP-85.
#[test]
fn redis_and_the_twin_say_and_do_the_same() {
    let seed = from_environment("KAIPAN_GATE2_SEED").unwrap_or_else(|| RandomState::new().hash_one("seed"));
    let config = Config {
        cases: from_environment("KAIPAN_GATE2_CASES").unwrap_or(300),
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let board = std::cell::RefCell::new(runtime.block_on(Board::sealed()));
    let result = TestRunner::new(config).run(&calls(), |calls| {
        let mut board = board.borrow_mut();
        runtime.block_on(async {
            let () = board.raw.del(&[UNITS, STREAM]).await.unwrap();
            let begun = board.now_ms().await;
            let mut twin = Epoch::default();
            let mut played = Ok(());
            for call in &calls {
                played = board.play(&mut twin, call).await;
                if played.is_err() {
                    break;
                }
            }
            prop_assume!(board.now_ms().await - begun < GATE2_PENDING_MS / 2, "the machine was held up");
            played
        })
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, calls)) => panic!("KAIPAN_GATE2_SEED={seed}: {reason}\nby {calls:#?}"),
        Err(TestError::Abort(reason)) => panic!("KAIPAN_GATE2_SEED={seed}: {reason}"),
    }
}
