//! A pick after its first look: decided, or waiting for somebody's commit.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::PickError;
use super::answer::{Answer, Key};
use super::keys::Keys;
use crate::domain::ids::{RegOrd, UnitOrd};
use crate::domain::time::Micros;

/// What [`Live::try_pick`](super::Live::try_pick) came to.
pub enum Tried {
    Decided(Result<Answer, PickError>),
    /// Hand it to [`Live::decided`](super::Live::decided).
    Waiting(Waiting),
}

/// A pick that is not decided yet. Dropped, it was never tapped, unless the committer has it.
#[must_use]
pub struct Waiting {
    pub(super) unit: UnitOrd,
    pub(super) answer: oneshot::Receiver<Answer>,
    /// It met somebody's pending word, and is looked at again when that settles.
    pub(super) again: Option<(Undecided, Micros)>,
}

impl Waiting {
    /// The committer has it, or another call decides it.
    pub(super) fn told(unit: UnitOrd, answer: oneshot::Receiver<Answer>) -> Self {
        Self { unit, answer, again: None }
    }

    pub(super) fn again(
        unit: UnitOrd,
        undecided: Undecided,
        arrived: Micros,
        answer: oneshot::Receiver<Answer>,
    ) -> Self {
        Self { unit, answer, again: Some((undecided, arrived)) }
    }
}

/// A fresh key that this call still has to decide. If the call is dropped before the committer has the pick, the key
/// must not stay undecided.
pub(super) struct Undecided {
    keys: Arc<Keys>,
    pub who: RegOrd,
    pub key: Key,
    armed: bool,
}

impl Undecided {
    pub fn new(keys: Arc<Keys>, who: RegOrd, key: Key) -> Self {
        Self { keys, who, key, armed: true }
    }

    pub fn settle(mut self, answer: &Answer) {
        self.armed = false;
        self.keys.settle(self.who, &self.key, answer);
    }

    pub fn leave_to_committer(mut self) {
        self.armed = false;
    }
}

impl Drop for Undecided {
    fn drop(&mut self) {
        if self.armed {
            self.keys.forget(self.who, &self.key, &Answer::InProgress);
        }
    }
}
