//! Made-up histories: a sound one, and one for each lie that the check must notice.

use serde_json::{Value, json};

use super::{History, STALE_US, What, Written};
use crate::client::{Line, Tap};

const QUOTA: usize = 2;

/// What was written, and what was told.
#[derive(Default)]
struct Story {
    journal: Vec<Written>,
    record: Vec<Line>,
}

impl Story {
    fn write(mut self, at_us: i64, what: What) -> Self {
        let seq = i64::try_from(self.journal.len()).unwrap() + 1;
        self.journal.push(Written { seq, at_us, what });
        self
    }

    /// `who` holds `unit`, for the tap with the unit's name.
    fn held(self, at_us: i64, who: &str, unit: u64) -> Self {
        let (claim, key) = (format!("claim of {unit} by {who}"), format!("{who}-{unit}"));
        self.write(at_us, What::Held { claim, unit, registration: who.to_owned(), key })
    }

    fn ended(self, at_us: i64, who: &str, unit: u64) -> Self {
        self.write(at_us, What::Ended { claim: format!("claim of {unit} by {who}") })
    }

    fn other(self, at_us: i64) -> Self {
        self.write(at_us, What::Other)
    }

    fn tap(mut self, (sent_us, at_us): (i64, i64), key: &str, unit: u64, answer: Value) -> Self {
        let who = key.split('-').next().unwrap_or_default();
        let tap = Tap { registration: who.to_owned(), key: key.to_owned(), unit };
        self.record.push(Line::Tapped { tap: tap.clone(), at_us: sent_us });
        self.record.push(Line::Answered { tap, answer, at_us });
        self
    }

    fn yes(self, times: (i64, i64), who: &str, unit: u64, seq: i64) -> Self {
        let claim = json!({"id": format!("claim of {unit} by {who}"), "seq": seq, "unit": unit});
        self.tap(times, &format!("{who}-{unit}"), unit, json!({"answer": "yes", "claim": claim}))
    }

    fn no(self, times: (i64, i64), who: &str, unit: u64, code: &str) -> Self {
        self.tap(times, &format!("{who}-{unit}"), unit, json!({"answer": "no", "code": code}))
    }

    /// Another tap on what `who` has.
    fn no_again(self, times: (i64, i64), who: &str, unit: u64, code: &str) -> Self {
        self.tap(times, &format!("{who}-{unit}-again"), unit, json!({"answer": "no", "code": code}))
    }

    fn gave_up(mut self, (sent_us, at_us): (i64, i64), who: &str, unit: u64) -> Self {
        self.record.push(Line::GaveUp { claim: format!("claim of {unit} by {who}"), sent_us, at_us });
        self
    }

    fn faults(&self) -> Vec<String> {
        let Self { journal, record } = self;
        History { journal, record, quota: QUOTA, stale_us: STALE_US }.faults()
    }
}

/// Anna has unit 1 from 1 s to 5 s, Bert unit 2 from 2 s on and unit 3 from 3 s on, Carl unit 1 from 6 s on.
fn truth() -> Story {
    Story::default()
        .held(1_000_000, "anna", 1)
        .held(2_000_000, "bert", 2)
        .held(3_000_000, "bert", 3)
        .ended(5_000_000, "anna", 1)
        .other(5_000_100)
        .held(6_000_000, "carl", 1)
        .other(9_000_000)
}

#[test]
fn chaos_history_believes_the_truth() {
    let story = truth()
        .yes((900_000, 1_100_000), "anna", 1, 1)
        .yes((1_900_000, 2_100_000), "bert", 2, 2)
        .yes((2_900_000, 3_100_000), "bert", 3, 3)
        .no((900_000, 1_050_000), "carl", 2, "NOT_RECORDED")
        .no((900_000, 1_050_000), "dora", 1, "TAKEN")
        // Freed at 5 s, and not heard of yet.
        .no((5_200_000, 5_250_000), "dora", 1, "TAKEN")
        .no_again((4_000_000, 4_100_000), "anna", 1, "ALREADY_YOURS")
        .no((4_000_000, 4_100_000), "bert", 1, "QUOTA_USED")
        .gave_up((4_900_000, 5_100_000), "anna", 1)
        .yes((5_900_000, 6_100_000), "carl", 1, 6);
    assert_eq!(story.faults(), Vec::<String>::new());
}

#[test]
fn chaos_history_notices_every_lie() {
    let lies: Vec<(&str, Story)> = vec![
        ("unit 1 is given twice", truth().held(9_500_000, "dora", 1)),
        ("an end without a beginning", truth().ended(9_500_000, "dora", 1)),
        ("the journal's times go back", truth().other(8_000_000)),
        ("a yes that the journal does not have", truth().yes((100_000, 200_000), "dora", 4, 9)),
        ("a yes that names another entry", truth().yes((900_000, 1_100_000), "anna", 1, 2)),
        // Answered before the commit.
        ("a yes before its commit", truth().yes((900_000, 999_000), "anna", 1, 1)),
        ("a yes to a tap that was not sent yet", truth().yes((2_500_000, 2_600_000), "anna", 1, 1)),
        ("a no that was a yes", truth().no((900_000, 1_100_000), "anna", 1, "TAKEN")),
        ("a no that was a yes", truth().no((900_000, 1_100_000), "anna", 1, "NOT_RECORDED")),
        ("taken by nobody", truth().no((900_000, 1_100_000), "dora", 4, "TAKEN")),
        ("taken by nobody", truth().no((800_000, 999_000), "dora", 1, "TAKEN")),
        // Freed longer ago than a gateway may take to hear of it.
        ("taken by nobody", truth().no((5_400_000, 5_500_000), "dora", 1, "TAKEN")),
        ("yours, and it was not", truth().no((4_000_000, 4_100_000), "dora", 1, "ALREADY_YOURS")),
        ("no place left, and there was one", truth().no((4_000_000, 4_100_000), "carl", 4, "QUOTA_USED")),
        // Bert's second place was taken after the answer.
        ("no place left, and there was one", truth().no((2_400_000, 2_900_000), "bert", 4, "QUOTA_USED")),
        ("not an answer while", truth().no((2_400_000, 2_900_000), "dora", 4, "CLOSED")),
        ("given up, says the answer", truth().gave_up((4_900_000, 4_950_000), "anna", 1)),
        ("given up, says the answer", truth().gave_up((2_900_000, 3_950_000), "bert", 2)),
    ];
    for (lie, story) in lies {
        let faults = story.faults();
        assert!(faults.iter().any(|fault| fault.contains(lie)), "{lie}: {faults:?}");
        assert_eq!(faults.len(), 1, "{lie} alone: {faults:?}");
    }
    // Half a record is a tap that nobody answered.
    let mut story = truth().no((900_000, 1_050_000), "dora", 1, "TAKEN");
    story.record.pop();
    assert!(matches!(&story.faults()[..], [fault] if fault.starts_with("unanswered")));
    let mut story = truth().no((900_000, 1_050_000), "dora", 1, "TAKEN");
    story.record.remove(0);
    assert!(matches!(&story.faults()[..], [fault] if fault.starts_with("answered twice")));
}
