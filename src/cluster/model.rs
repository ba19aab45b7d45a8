//! A model of the protocol of `docs/decisions/0010-several-gateways.md`, every reachable state of it, and what each rule is
//! good for. What is in it and what not: docs/reliability.md, "The model".
//!
//! ```text
//!   buyers ── tap, tap again elsewhere, ask ──► two gateways: memory, a pick on its way, a rebuild on its way
//!                                                  │  ▲                              │ ▲
//!                               claim, tell, settle▼  │stream                  commit▼ │journal, head row
//!                                two Redis servers: a board an epoch            the database: one unit
//! ```
//!
//! A step is what happens at one place at one moment; between any two of them everything else may happen. A slow or
//! sleeping gateway is one that takes no step for now, so there is no state for it.

mod rules;
mod state;
mod steps;

use stateright::{Checker, Expectation, HasDiscoveries, Model, Property};

use state::{Broken, Doing, GATEWAYS, State, Steward, Unit, Word};
use steps::{Action, Steps};

/// What may happen in a run. All of it at once has more states than a test has time for.
#[derive(Debug, Clone, Copy)]
struct World {
    /// At most so many; the last one is never raised.
    epochs: usize,
    buyers: usize,
    flush: bool,
    fail_over: bool,
    crash: bool,
    /// Buyers tap again at another gateway, and ask; commits go through unheard.
    people: bool,
    /// What is told to Redis is lost.
    losses: bool,
}

const PEOPLE: World =
    World { epochs: 1, buyers: 2, flush: false, fail_over: false, crash: true, people: true, losses: true };
const FLUSHES: World = World { epochs: 2, flush: true, people: false, ..PEOPLE };
const FAILOVER: World = World { epochs: 2, fail_over: true, people: false, losses: false, ..PEOPLE };
const FLUSHES_AND_FAILOVER: World = World { buyers: 1, flush: true, crash: false, ..FAILOVER };

/// One rule taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mutation {
    None,
    /// Two live claims of a unit are possible.
    NoUniqueIndex,
    /// A question leaves no tombstone.
    NoTombstone,
    /// A tap that comes again, at another gateway, is answered like a first one.
    RepeatLikeTheFirst,
    /// Redis is told before the commit.
    TellBeforeCommit,
    /// Memory frees a unit before the commit.
    FreeInMemoryFirst,
    /// An entry of the stream is taken although it is not the next.
    GapInStream,
    /// A newer word that says "occupied" is an answer: `TAKEN`.
    NewsIsTaken,
    /// A word that says "occupied" is an answer, be it as old as it may.
    OldNews,
    /// No word is an answer: yes.
    MissingIsYes,
    /// No word is an answer: `TAKEN`.
    MissingIsTaken,
    /// Somebody's pending word is an answer: `TAKEN`.
    PendingIsTaken,
    /// A pending word is never void.
    PendingForEver,
    /// A pending word overwrites one that says "occupied".
    PendingOverOccupied,
    /// A pending word forgets the sequence of what was there.
    PendingForgets,
    /// An older word overwrites a newer one.
    NoSequenceGuard,
    /// A commit under an old epoch goes through.
    NoEpochCheck,
    /// The claims are read in a transaction of their own, before the one that raises the epoch.
    ReadBeforeRaise,
    /// The server to load is looked for after the epoch was raised.
    LoadElsewhere,
    /// The seal is written before the words.
    SealFirst,
    /// Any server's seal counts.
    SealNamesNobody,
    /// What is not sealed counts.
    NoSeal,
    /// All of those that keep the boards useful, at once.
    NothingOfUse,
}

impl Mutation {
    fn is_of_use(self) -> bool {
        matches!(self, Self::NoEpochCheck | Self::ReadBeforeRaise | Self::NoSequenceGuard | Self::NoSeal)
    }
}

#[derive(Debug, Clone, Copy)]
struct Protocol {
    steps: Steps,
}

const ONE_CLAIM: &str = "never two live claims";
const YES: &str = "a yes is in the database";
const TAKEN: &str = "TAKEN is true: of memory, or of an entry that memory has not applied";
const NO: &str = "no no was a yes";
const MEMORY: &str = "memory is the journal as far as it has applied it";
const DECIDED: &str = "a pick is decided by its gateway's own next steps";
const NEWS: &str = "what Redis tells is in the journal";
const BOARD: &str = "at rest a sealed board shows an occupied unit, unless something was lost";

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.broken.is_none() {
            self.steps.all(state, actions);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        self.steps.step(state, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(ONE_CLAIM, |_, state: &State| state.live_claims() <= 1),
            Property::always(YES, |_, state: &State| state.broken != Some(Broken::YesNotRecorded)),
            Property::always(TAKEN, |_, state: &State| state.broken != Some(Broken::FalseTaken)),
            Property::always(NO, |_, state: &State| state.broken != Some(Broken::NoWasYes)),
            Property::always(MEMORY, |_, state: &State| {
                state.gateways.iter().all(|gateway| {
                    gateway.unit == state.unit_at(gateway.applied)
                        && gateway.granted == state.granted_at(gateway.applied)
                })
            }),
            Property::always(DECIDED, Self::is_decided),
        ];
        if self.steps.mutation != Mutation::NothingOfUse {
            properties.push(Property::always(NEWS, Self::news_are_true));
            properties.push(Property::always(BOARD, Self::board_tells));
        }
        if self.steps.mutation == Mutation::None {
            properties.extend(self.reached());
        }
        properties
    }
}

impl Protocol {
    /// A model in which nothing goes wrong proves nothing.
    fn reached(&self) -> Vec<Property<Self>> {
        let World { epochs, buyers, fail_over, people, .. } = self.steps.world;
        let mut reached = Vec::new();
        if buyers > 1 {
            reached.push(Property::sometimes("taken, freed, taken again", |_, state: &State| {
                state.entries == 3 && state.live_claims() == 1
            }));
            reached.push(Property::sometimes("Redis has news for a pick", |model: &Self, state: &State| {
                model.meets(
                    state,
                    |applied, word| matches!(word, Word::Told { seq, unit: Unit::Taken(_) } if seq > applied),
                )
            }));
            reached.push(Property::sometimes("a word contradicts memory", |model: &Self, state: &State| {
                model.meets(
                    state,
                    |applied, word| matches!(word, Word::Told { seq, unit: Unit::Taken(_) } if seq <= applied),
                )
            }));
        }
        if people {
            reached.push(Property::sometimes("a question comes before the commit", |_, state: &State| {
                state.buyers.iter().any(|buyer| buyer.tombstone)
            }));
        }
        if epochs > 1 {
            reached.push(Property::sometimes("a pick was decided under an old epoch", |_, state: &State| {
                let is_old = |gateway: &state::Gateway| {
                    gateway.epoch < state.epoch && matches!(gateway.doing, Doing::Deciding { .. })
                };
                state.gateways.iter().any(is_old)
            }));
            reached.push(Property::sometimes("an epoch was loaded anew", |model: &Self, state: &State| {
                state.epoch > 0 && (0..2).any(|server| model.steps.is_sealed(state, server, state.epoch))
            }));
        }
        if fail_over {
            reached.push(Property::sometimes("two masters, both sealed", |model: &Self, state: &State| {
                let sealed =
                    |at: usize, server| model.steps.is_sealed(state, server, state.gateways[at].epoch);
                state.gateways[0].server == 0 && state.gateways[1].server == 1 && sealed(0, 0) && sealed(1, 1)
            }));
        }
        reached
    }

    /// Whether a pick on its way to gate 2 will find such a word, given what its gateway has applied.
    fn meets(&self, state: &State, such: impl Fn(usize, Word) -> bool) -> bool {
        (0..GATEWAYS).any(|at| {
            let gateway = state.gateways[at];
            matches!(gateway.doing, Doing::Won { .. })
                && self.steps.is_sealed(state, gateway.server, gateway.epoch)
                && such(gateway.applied, state.board(at).word)
        })
    }

    /// From here, were nothing else to happen: gate 2's answer, the epoch as it is now, gate 3's answer. Nobody else has to
    /// do anything, but for the time that makes a pending word void.
    fn is_decided(&self, state: &State) -> bool {
        (0..GATEWAYS).all(|gateway| {
            let mut state = *state;
            for _ in 0..4 {
                let is_fenced = state.gateways[gateway].epoch != state.epoch;
                let action = match state.gateways[gateway].doing {
                    Doing::Won { .. } => Action::Claim { gateway },
                    Doing::Deciding { .. } if is_fenced => Action::FollowDatabase { gateway, tells: true },
                    Doing::Deciding { .. } | Doing::Announced { .. } => {
                        Action::Commit { gateway, settles: true }
                    }
                    _ => return true,
                };
                match self.steps.step(&state, action) {
                    Some(next) => state = next,
                    None => return state.broken.is_some(),
                }
            }
            false
        })
    }

    fn news_are_true(&self, state: &State) -> bool {
        let known = &state.journal[..state.entries];
        state.boards.iter().flatten().all(|board| {
            let word_is_true = match board.word {
                Word::Told { seq, unit } => seq <= state.entries && unit == state.unit_at(seq),
                Word::Missing | Word::Pending { .. } => true,
            };
            word_is_true
                && (0..).zip(board.stream).all(|(at, told)| told.is_none() || told == known.get(at).copied())
        })
    }

    /// The board that both look at. A free unit may be shown as anything: its word is at or below what memory has applied.
    fn board_tells(&self, state: &State) -> bool {
        let server = state.gateways[0].server;
        let at_rest = state.gateways.iter().all(|gateway| {
            gateway.server == server && gateway.doing == Doing::Idle && gateway.steward == Steward::Off
        });
        if state.owed || !at_rest || !self.steps.is_sealed(state, server, state.epoch) {
            return true;
        }
        let unit = state.unit();
        unit == Unit::Free
            || state.boards[server][state.epoch].word == Word::Told { seq: state.entries, unit }
    }
}

/// What a run came to.
struct Outcome {
    states: usize,
    /// Each broken property with the steps that lead there.
    broken: Vec<(&'static str, Vec<Action>)>,
    missed: Vec<&'static str>,
}

fn run(mutation: Mutation, world: World, threads: usize) -> Outcome {
    let model = Protocol { steps: Steps { mutation, world } };
    let checker =
        model.checker().threads(threads).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let mut found = checker.discoveries();
    let mut outcome =
        Outcome { states: checker.unique_state_count(), broken: Vec::new(), missed: Vec::new() };
    for Property { expectation, name, .. } in model.properties() {
        match (found.remove(name), expectation) {
            (Some(path), Expectation::Always) => outcome.broken.push((name, path.into_actions())),
            (None, Expectation::Sometimes) => outcome.missed.push(name),
            _ => {}
        }
    }
    outcome
}

/// Every reachable state.
fn holds(mutation: Mutation, world: World) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let Outcome { states, broken, missed } = run(mutation, world, threads);
    println!("{states} states of {world:?}, {mutation:?}");
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(missed.is_empty(), "never reached: {missed:?}");
}

/// OP-82, OP-85: buyers who tap again elsewhere and ask, gateways that die, commits that nobody hears of.
#[test]
fn model_of_people() {
    holds(Mutation::None, PEOPLE);
}

/// OP-85: Redis is flushed, or comes back empty, at any moment, in the middle of a rebuild too.
#[test]
fn model_of_flushes() {
    holds(Mutation::None, FLUSHES);
}

/// OP-85: one failover to a replica that may lack any number of the last writes; until all have moved, two masters.
#[test]
fn model_of_a_failover() {
    holds(Mutation::None, FAILOVER);
}

/// The two together, for one buyer; `KAIPAN_MODEL_BUYERS=2` for two, some minutes and gigabytes.
#[test]
fn model_of_flushes_and_a_failover() {
    let buyers = std::env::var("KAIPAN_MODEL_BUYERS").ok().and_then(|text| text.parse().ok());
    holds(Mutation::None, World { buyers: buyers.unwrap_or(1).min(state::BUYERS), ..FLUSHES_AND_FAILOVER });
}

/// Epochs, seals and the guards of words keep Redis useful. No promise rests on them: here all of them are out.
#[test]
fn model_keeps_its_promises_without_epochs_and_seals() {
    holds(Mutation::NothingOfUse, World { crash: false, losses: false, ..FLUSHES });
}

/// If a line here fails, the model has gone blind.
#[test]
fn model_sees_every_mutation() {
    let cases = [
        (Mutation::NoUniqueIndex, PEOPLE, ONE_CLAIM),
        (Mutation::NoTombstone, PEOPLE, NO),
        (Mutation::RepeatLikeTheFirst, PEOPLE, NO),
        (Mutation::TellBeforeCommit, PEOPLE, MEMORY),
        (Mutation::FreeInMemoryFirst, PEOPLE, MEMORY),
        (Mutation::GapInStream, PEOPLE, MEMORY),
        (Mutation::NewsIsTaken, PEOPLE, NO),
        (Mutation::OldNews, PEOPLE, NO),
        (Mutation::OldNews, FLUSHES, TAKEN),
        (Mutation::MissingIsYes, PEOPLE, YES),
        (Mutation::MissingIsTaken, PEOPLE, TAKEN),
        (Mutation::PendingIsTaken, PEOPLE, TAKEN),
        (Mutation::PendingForEver, PEOPLE, DECIDED),
        (Mutation::PendingOverOccupied, PEOPLE, NEWS),
        (Mutation::NoSequenceGuard, FLUSHES, BOARD),
        (Mutation::NoEpochCheck, FLUSHES, BOARD),
        (Mutation::ReadBeforeRaise, FLUSHES, BOARD),
        (Mutation::SealFirst, FLUSHES, BOARD),
        (Mutation::LoadElsewhere, FLUSHES_AND_FAILOVER, BOARD),
        (Mutation::SealNamesNobody, FAILOVER, BOARD),
    ];
    for (mutation, world, expected) in cases {
        // One thread finds the same, and nearly the shortest, way each time.
        let Outcome { states, broken, .. } = run(mutation, world, 1);
        let found = broken.iter().find(|(name, _)| *name == expected);
        let (name, steps) =
            found.unwrap_or_else(|| panic!("{mutation:?}: {expected}? {broken:?} in {states} states"));
        println!("{mutation:?} breaks: {name}\n  {steps:?}");
    }
}
