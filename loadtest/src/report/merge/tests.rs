//! Parts against the whole. Mutations that turned these red stand at each test.

use proptest::prelude::*;

use super::*;
use crate::audit::{Claim, JournalBody, JournalEntry};
use crate::report::names;
use crate::report::series::{Outcome, Recorder};
use crate::report::tests::sample;

/// One tap: whose, of which part, when it left and how long its answer took.
#[derive(Debug, Clone)]
struct Tap {
    part: usize,
    at_ms: i64,
    took_us: u64,
    yes: bool,
}

fn entry(what: What) -> Entry {
    Entry { at_ms: 0, what }
}

/// The report and record of those taps that `of` takes. Buyers and units are numbered through all parts.
fn input(file: &str, taps: &[Tap], of: impl Fn(&Tap) -> bool) -> Input {
    let mut report = sample();
    let (mut answer, mut recorder) = (Histogram::new(), Recorder::default());
    let mut record = Vec::new();
    let mut answers: BTreeMap<String, u64> = BTreeMap::new();
    for (n, tap) in taps.iter().enumerate().filter(|(_, tap)| of(tap)) {
        let (registration, key) = (format!("S{n:05}"), format!("key-{n:05}"));
        record.push(entry(What::Tap {
            registration: registration.clone(),
            key: key.clone(),
            unit: n as u32,
        }));
        recorder.socket_opened(tap.at_ms - 100);
        recorder.answered(tap.at_ms, if tap.yes { Outcome::Yes } else { Outcome::No });
        recorder.socket_closed(tap.at_ms + 30_000);
        answer.record_us(tap.took_us);
        *answers.entry(if tap.yes { "YES" } else { "TAKEN" }.to_owned()).or_default() += 1;
        record.push(entry(if tap.yes {
            What::Yes { registration, key, claim: format!("C{n}"), unit: n as u32 }
        } else {
            What::No { registration, key, code: "TAKEN".to_owned() }
        }));
    }
    report.sent = record.len() as u64 / 2;
    report.buyers = report.sent;
    report.answers = answers;
    report.histograms = BTreeMap::from([(names::ANSWER.to_owned(), answer)]);
    report.series = recorder.finish();
    report.limits.clear();
    Input { file: file.to_owned(), report, record }
}

/// The truth in which every yes is kept, and every other home is somebody else's.
fn truth(taps: &[Tap]) -> Truth {
    let mut truth = Truth::default();
    for (n, tap) in taps.iter().enumerate() {
        let who = if tap.yes { "S" } else { "X" };
        let seq = truth.journal.len() as i64 + 1;
        truth.claims.push(Claim {
            id: format!("C{n}"),
            unit: n as u32,
            registration: Some(format!("{who}{n:05}")),
            key: Some(format!("key-{n:05}")),
            state: "held".to_owned(),
            occupying: true,
            seq,
        });
        let body = JournalBody { claim: Some(format!("C{n}")), unit: Some(n as u32) };
        truth.journal.push(JournalEntry { seq, kind: "held".to_owned(), at_ms: 0, body });
    }
    truth
}

fn tap(part: usize, at_ms: i64, yes: bool) -> Tap {
    Tap { part, at_ms, took_us: 1_000, yes }
}

fn two() -> (Vec<Tap>, [Input; 2]) {
    let taps = vec![tap(0, 0, true), tap(0, 5, false), tap(1, 3, true), tap(1, 40, false)];
    let inputs = [0, 1].map(|part| input(["a.json", "b.json"][part], &taps, |tap| tap.part == part));
    (taps, inputs)
}

proptest! {
    /// Mutations: percentiles averaged instead of counts added, a socket forgotten between two buckets, one part's
    /// answers dropped.
    #[test]
    fn the_parts_come_to_the_whole(
        taps in prop::collection::vec(
            (0_usize..3, -2_000_i64..120_000, 1_u64..5_000_000, any::<bool>())
                .prop_map(|(part, at_ms, took_us, yes)| Tap { part, at_ms, took_us, yes }),
            1..60,
        ),
    ) {
        let parts = [0, 1, 2].map(|part| input("part.json", &taps, |tap| tap.part == part));
        let whole = input("whole.json", &taps, |_| true).report;
        let merged = merge(&parts, &truth(&taps)).unwrap();
        prop_assert_eq!(&merged.histograms, &whole.histograms);
        prop_assert_eq!(&merged.series, &whole.series);
        prop_assert_eq!((&merged.answers, merged.sent, merged.buyers), (&whole.answers, whole.sent, whole.buyers));
        prop_assert_eq!((merged.audit.clean, merged.audit.taps), (true, taps.len() as u64));
        prop_assert_eq!((merged.verdict, merged.parts.len()), (Verdict::Pass, 3));
    }
}

/// OP-41. Mutation: only the parts' own audits joined, each of which is clean.
#[test]
fn the_union_is_audited_against_one_truth() {
    let (taps, inputs) = two();
    let mut truth = truth(&taps);
    assert_eq!(merge(&inputs, &truth).unwrap().verdict, Verdict::Pass);
    // After the first part had ended, its buyer's home went to a buyer of the second part.
    truth.claims.remove(0);
    let merged = merge(&inputs, &truth).unwrap();
    assert_eq!((merged.verdict, merged.audit.findings["YES_LOST"]), (Verdict::Fail, 1));
}

/// Mutations: only the first part asked, its reason lost.
#[test]
fn one_saturated_part_refuses_the_whole() {
    let (taps, mut inputs) = two();
    inputs[1].report.generator.saturated = true;
    inputs[1].report.generator.why = Some("lag p99 48 ms".to_owned());
    inputs[1].report.generator.lag_ms.p99 = 48.0;
    let merged = merge(&inputs, &truth(&taps)).unwrap();
    assert_eq!(merged.verdict, Verdict::Refused);
    assert_eq!(merged.generator.why.as_deref(), Some("b.json: lag p99 48 ms"));
    assert_eq!((merged.generator.cpus, merged.generator.lag_ms.p99), (8, 48.0));
}

/// Mutations: one check after another taken out.
#[test]
fn what_does_not_belong_together_is_refused_in_words() {
    let refused = |spoil: fn(&mut [Input; 2])| {
        let (taps, mut inputs) = two();
        spoil(&mut inputs);
        merge(&inputs, &truth(&taps)).unwrap_err().to_string()
    };
    for (spoil, says) in [
        (
            (|inputs| inputs[1].report.target.opening = "OTHER".to_owned()) as fn(&mut [Input; 2]),
            "a.json and b.json are not parts of one run: their openings differ",
        ),
        (
            |inputs| inputs[1].report.started_ms += 1,
            "their start times differ (1790000000000 and 1790000000001)",
        ),
        (|inputs| inputs[1].report.scenario = "ramp".to_owned(), "their scenarios differ (burst and ramp)"),
        (
            |inputs| {
                inputs[1].report.limits.push(crate::report::Limit {
                    name: "answer_max_ms".to_owned(),
                    limit: 9.0,
                    value: 1.0,
                    ok: true,
                });
            },
            "their limits differ",
        ),
        (|inputs| inputs[1].record.truncate(2), "b.json: it sent 2 taps, the record given for it holds 1"),
        (
            |inputs| {
                let record = inputs[0].record.clone();
                inputs[1].record = record;
            },
            "the tap key-00000 of S00000 is on another part's record too",
        ),
        (
            |inputs| {
                let run = What::Run { opening: "OTHER".to_owned(), buyers: 1, simulated: true };
                inputs[0].record.insert(0, entry(run));
            },
            "a.json: the record given for it is of opening OTHER",
        ),
    ] {
        let error = refused(spoil);
        assert!(error.contains(says), "{error}");
    }
    let (taps, inputs) = two();
    assert_eq!(merge(&inputs[..1], &truth(&taps)).unwrap_err(), MergeError::TooFew);
}

#[test]
fn a_plan_says_where_the_parts_differed() {
    let (taps, mut inputs) = two();
    inputs[1].report.plan.insert("seed".to_owned(), 8.into());
    let merged = merge(&inputs, &truth(&taps)).unwrap();
    assert_eq!(merged.plan["seed"], serde_json::json!([7, 8]));
    assert_eq!(merged.plan["buyers"], serde_json::json!(400));
}
