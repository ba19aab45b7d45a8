//! One published opening in this process: the way of a pick through it, and the handle to its committer.
//!
//! ```text
//!   pick ─► keys ─► phase, clock ─► admitted ─► inventory ──lost──► No, at once
//!                                                  │ won (pending)
//!                                                  ▼
//!                                            committer ─► script ─► commit ─► memory ─► answer ─► board
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use inventory::Inventory;
use tokio::sync::{Notify, broadcast, mpsc, oneshot};
use tokio::time::timeout;

use super::answer::{Answer, Claim, Key, Refusal};
use super::board::Board;
use super::clock::OpeningClock;
use super::facts::Facts;
use super::gate1::Decision;
use super::gate2::{Standing, Together};
use super::job::{Command, CommandError, CommandRefusal, Done, Pick};
use super::keys::{First, Keys, Known};
use super::lifecycle::{Control, Phase};
use super::memory::{Applied, Memory};
use super::stats::Stats;
use super::tried::{Tried, Undecided, Waiting};
use crate::domain::ids::{ClaimId, RegOrd, UnitOrd};
use crate::domain::time::Micros;
use crate::limits::PICK_WAIT_MS;
use crate::store::Ledger;

/// Units share this many bells; a waiting pick may be woken for a neighbour and looks again.
const BELLS: usize = 64;

pub struct Live {
    pub facts: Facts,
    pub stats: Stats,
    pub(super) ledger: Ledger,
    pub(super) clock: OpeningClock,
    pub(super) control: ArcSwap<Control>,
    pub(super) inventory: Inventory,
    pub(super) keys: Arc<Keys>,
    pub(super) memory: Memory,
    pub(super) board: Board,
    pub(super) events: broadcast::Sender<Arc<Applied>>,
    pub(super) jobs: mpsc::Sender<Job>,
    /// Where Redis stands between several gateways.
    pub(super) together: Option<Together>,
    /// Held from a commit to its last answer, and while catching up: personal answers leave before the board shows
    /// them, and entries are applied by one at a time.
    pub(super) order: tokio::sync::Mutex<()>,
    /// The last commit ended badly: who waits is told "unknown" rather than "in progress".
    pub(super) troubled: AtomicBool,
    /// This gateway's clock is too far from the database's, and others' are not.
    pub(super) clock_off: AtomicBool,
    /// The database has lost what is in memory (see `set_back`).
    pub(super) set_back: AtomicBool,
    /// The database's time less this clock, in microseconds.
    pub(super) clock_offset: AtomicI64,
    /// The last entry that the head row was seen to have; for the metrics.
    pub(super) head: AtomicI64,
    /// Every key that was ever granted is in memory, or was and had to make room.
    pub(super) history_is_read: AtomicBool,
    bells: [Notify; BELLS],
}

/// What recovery hands over.
pub(super) struct Parts {
    pub facts: Facts,
    pub ledger: Ledger,
    pub clock: OpeningClock,
    pub control: Control,
    pub inventory: Inventory,
    pub memory: Memory,
    pub board: Board,
    pub jobs: mpsc::Sender<Job>,
    pub together: Option<Together>,
}

pub(super) enum Job {
    Pick(Pick),
    Command(Command, oneshot::Sender<Result<Done, CommandRefusal>>),
}

/// A pick or ask that got no answer of the opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PickError {
    #[error("the key was used for another unit")]
    KeyReused,
    /// Too many wait already, here or of this buyer.
    #[error("too many at once")]
    Busy,
    /// This server's clock is not to be trusted now.
    #[error("the server's clock is off")]
    ClockOff,
    /// Memory is not what the database has; the opening starts again in a moment.
    #[error("the database was set back")]
    SetBack,
}

/// A key that another gateway used for another unit is known to gate 3 alone, which answers with what it was granted: the
/// truth for who asks, and not what this pick is about.
fn about(unit: UnitOrd, answer: Answer) -> Result<Answer, PickError> {
    match answer {
        Answer::Yes(claim) if claim.unit != unit => Err(PickError::KeyReused),
        answer => Ok(answer),
    }
}

impl Live {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { facts, ledger, clock, control, inventory, memory, board, jobs, together } = parts;
        let keys = Arc::new(Keys::new(facts.registrations.len()));
        let mut granted = memory.all_claims();
        granted.sort_by_key(|claim| claim.seq);
        let live = Self {
            facts,
            stats: Stats::default(),
            ledger,
            clock,
            control: ArcSwap::from_pointee(control),
            inventory,
            keys,
            memory,
            board,
            events: broadcast::channel(crate::limits::EVENTS_KEPT).0,
            jobs,
            together,
            order: tokio::sync::Mutex::new(()),
            troubled: AtomicBool::new(false),
            clock_off: AtomicBool::new(false),
            set_back: AtomicBool::new(false),
            clock_offset: AtomicI64::new(0),
            head: AtomicI64::new(0),
            history_is_read: AtomicBool::new(false),
            bells: std::array::from_fn(|_| Notify::new()),
        };
        granted.iter().for_each(|claim| live.remember(claim));
        live
    }

    /// The key of a claim that the journal knows.
    pub(super) fn remember(&self, claim: &Arc<Claim>) {
        self.keys.granted(claim.registration, &claim.key, claim.unit, &Answer::Yes(claim.clone()));
    }

    /// What gate 2 is doing; `None` without Redis.
    pub fn gate2(&self) -> Option<Standing> {
        self.together.as_ref().map(Together::standing)
    }

    /// The opening's clock.
    pub fn now(&self) -> Micros {
        self.clock.now()
    }

    pub fn control(&self) -> Arc<Control> {
        self.control.load_full()
    }

    /// The phase by the clock.
    pub fn phase(&self) -> Phase {
        self.control.load().phase_at(self.now())
    }

    pub fn board(&self) -> &Board {
        &self.board
    }

    /// Every entry as it is applied, from now on: claims for their owners, events for the console. Who lags behind
    /// reads [`Live::claims_of`] again.
    pub fn events(&self) -> broadcast::Receiver<Arc<Applied>> {
        self.events.subscribe()
    }

    pub fn claims_of(&self, who: RegOrd) -> Vec<Arc<Claim>> {
        self.memory.claims_of(who)
    }

    pub fn claim(&self, claim: &ClaimId) -> Option<Arc<Claim>> {
        self.memory.claim(claim)
    }

    pub fn all_claims(&self) -> Vec<Arc<Claim>> {
        self.memory.all_claims()
    }

    /// One tap. Who loses in memory is answered without waiting; who wins there, after the commit. A pick that got
    /// no answer within a second hears [`Answer::InProgress`] and is repeated with the same key, or
    /// [`Answer::Unknown`] and is asked for.
    pub async fn pick(&self, who: RegOrd, unit: UnitOrd, key: Key) -> Result<Answer, PickError> {
        match self.try_pick(who, unit, &key) {
            Tried::Decided(decided) => decided,
            Tried::Waiting(waiting) => self.decided(waiting).await,
        }
    }

    /// The first look of a [`Live::pick`], which for nearly everybody is the only one: it never waits.
    pub fn try_pick(&self, who: RegOrd, unit: UnitOrd, key: &Key) -> Tried {
        let arrived = self.now();
        if self.clock_off.load(Ordering::Relaxed) {
            return Tried::Decided(Err(PickError::ClockOff));
        }
        if self.is_set_back() {
            return Tried::Decided(Err(PickError::SetBack));
        }
        self.stats.picked();
        let mut looked = None;
        let known = self.keys.begin(who, key, unit, || {
            let decision = self.look_with_history(who, unit, key, arrived);
            let first = match decision {
                Decision::No(refusal) => First::Decided(Answer::No(refusal)),
                Decision::Wait | Decision::Queued => First::Open,
                Decision::Busy => First::NotTaken,
            };
            looked = Some(decision);
            first
        });
        match known {
            Known::Decided(answer) => {
                match looked {
                    Some(Decision::No(refusal)) => self.stats.refused(refusal),
                    _ => return Tried::Decided(Ok(self.refreshed(answer))),
                }
                Tried::Decided(Ok(answer))
            }
            Known::Reused => Tried::Decided(Err(PickError::KeyReused)),
            Known::Busy => Tried::Decided(Err(PickError::Busy)),
            Known::Fresh(answer) if matches!(looked, Some(Decision::Wait)) => {
                let undecided = Undecided::new(Arc::clone(&self.keys), who, key.clone());
                Tried::Waiting(Waiting::again(unit, undecided, arrived, answer))
            }
            Known::Fresh(answer) | Known::Deciding(answer) => Tried::Waiting(Waiting::told(unit, answer)),
        }
    }

    /// The end of a pick that could not be decided at once.
    pub async fn decided(&self, waiting: Waiting) -> Result<Answer, PickError> {
        let Waiting { unit, mut answer, again } = waiting;
        if let Some((undecided, arrived)) = again {
            match self.decide(undecided.who, unit, &undecided.key, arrived).await {
                Decision::No(refusal) => {
                    // The journal may have told of a grant meanwhile: what was said first is heard below.
                    undecided.settle(&Answer::No(refusal));
                    self.stats.refused(refusal);
                }
                // Or granted meanwhile, says the journal.
                Decision::Wait => return about(unit, answer.try_recv().unwrap_or(Answer::InProgress)),
                Decision::Busy => return Err(PickError::Busy),
                Decision::Queued => undecided.leave_to_committer(),
            }
        }
        about(unit, self.wait(answer).await)
    }

    /// What became of a key: its claim, its refusal, or a tombstone and then no. Never a second pick.
    pub async fn ask(&self, who: RegOrd, key: Key) -> Result<Answer, PickError> {
        if self.is_set_back() {
            return Err(PickError::SetBack);
        }
        match self.keys.find(who, &key) {
            // Here it was refused; a repetition of it may be on its way through another gateway.
            Some(Known::Decided(Answer::No(refusal))) if !self.ledger.is_embedded() => {
                return self.refuse_for_good(who, key, refusal).await;
            }
            Some(Known::Decided(answer)) => return Ok(self.refreshed(answer)),
            Some(Known::Deciding(waiting)) => {
                return Ok(match self.wait(waiting).await {
                    Answer::InProgress => Answer::Unknown,
                    answer => answer,
                });
            }
            Some(Known::Busy) => return Err(PickError::Busy),
            Some(Known::Fresh(_) | Known::Reused) | None => {}
        }
        if let Some(claim) = self.claims_of(who).into_iter().find(|claim| claim.key == key) {
            return Ok(Answer::Yes(claim));
        }
        match self.command(Command::Ask { who, key }).await {
            Ok(Done::Answer(answer)) => Ok(answer),
            Err(CommandError::Busy) => Err(PickError::Busy),
            Ok(_) | Err(_) => Ok(Answer::Unknown),
        }
    }

    /// The same tap once more, after "in progress" or a link that broke: an earlier sending may be on its way through another
    /// gateway, of which this one's memory knows nothing yet. So gate 1 alone does not refuse it.
    pub async fn pick_again(&self, who: RegOrd, unit: UnitOrd, key: Key) -> Result<Answer, PickError> {
        match self.pick(who, unit, key.clone()).await? {
            Answer::No(refusal) if !self.ledger.is_embedded() => {
                about(unit, self.refuse_for_good(who, key, refusal).await?)
            }
            answer => Ok(answer),
        }
    }

    /// No, once a tombstone sees to it that no other gateway's commit makes it a yes.
    async fn refuse_for_good(&self, who: RegOrd, key: Key, refusal: Refusal) -> Result<Answer, PickError> {
        match self.command(Command::Ask { who, key }).await {
            Ok(Done::Answer(Answer::No(Refusal::NotRecorded))) => Ok(Answer::No(refusal)),
            Ok(Done::Answer(answer)) => Ok(answer),
            Err(CommandError::Busy) => Err(PickError::Busy),
            Ok(_) | Err(_) => Ok(Answer::Unknown),
        }
    }

    /// The buyer gives a hold up.
    pub async fn give_up(
        &self,
        who: RegOrd,
        claim: ClaimId,
        generation: i64,
    ) -> Result<Arc<Claim>, CommandError> {
        self.claim_command(Command::GiveUp { who, claim, generation }).await
    }

    /// A command whose outcome is a claim.
    pub async fn claim_command(&self, command: Command) -> Result<Arc<Claim>, CommandError> {
        match self.command(command).await? {
            Done::Claim(claim) => Ok(claim),
            Done::Answer(_) | Done::Control(_) | Done::Settled => Err(CommandError::Unknown),
        }
    }

    /// Hands a command to the committer and waits for its commit.
    pub async fn command(&self, command: Command) -> Result<Done, CommandError> {
        let (reply, outcome) = oneshot::channel();
        self.jobs.try_send(Job::Command(command, reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => CommandError::Busy,
            mpsc::error::TrySendError::Closed(_) => CommandError::Stopped,
        })?;
        match timeout(Duration::from_millis(PICK_WAIT_MS * 5), outcome).await {
            Ok(Ok(done)) => done.map_err(CommandError::Refused),
            Ok(Err(_)) | Err(_) => Err(CommandError::Unknown),
        }
    }

    async fn wait(&self, waiting: oneshot::Receiver<Answer>) -> Answer {
        match timeout(Duration::from_millis(PICK_WAIT_MS), waiting).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Answer::Unknown,
            Err(_) if self.troubled.load(Ordering::Relaxed) => Answer::Unknown,
            Err(_) => Answer::InProgress,
        }
    }

    /// A yes shows the claim as it is now.
    fn refreshed(&self, answer: Answer) -> Answer {
        match answer {
            Answer::Yes(claim) => Answer::Yes(self.claim(&claim.id).unwrap_or(claim)),
            other => other,
        }
    }

    pub(super) fn bell(&self, unit: UnitOrd) -> &Notify {
        // The remainder is below BELLS, so the fallback is never used.
        self.bells.get(unit.0 as usize % BELLS).unwrap_or(&self.bells[0])
    }

    /// Wakes the picks that wait for this unit.
    pub(super) fn ring(&self, unit: UnitOrd) {
        self.bell(unit).notify_waiters();
    }
}
