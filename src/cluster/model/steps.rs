//! What may happen next, and what it does.

use super::rules::{read_on, settle};
use super::state::{Doing, EMPTY, EPOCHS, Gateway, SERVERS, State, Steward, Unit};
use super::{Mutation, World};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A buyer's tap reaches a gateway, the first time or again, and gate 1 looks at it.
    Tap {
        gateway: usize,
        key: usize,
    },
    /// Gate 2 answers.
    Claim {
        gateway: usize,
    },
    /// Memory has heard of the unit meanwhile: gate 1 decides again.
    LookAgain {
        gateway: usize,
    },
    /// Gate 2 does not answer: on to gate 3.
    Unheard {
        gateway: usize,
    },
    /// Gate 3. What a refused pick left pending is taken back, or that is lost.
    Commit {
        gateway: usize,
        settles: bool,
    },
    /// Gate 3 commits, and the gateway does not hear of it and tries again.
    CommitUnheard {
        gateway: usize,
    },
    /// A claim ends: given up, lapsed or released.
    Free {
        gateway: usize,
    },
    TellRedis {
        gateway: usize,
    },
    TellLost {
        gateway: usize,
    },
    /// Own entry to memory, then the answer.
    Answer {
        gateway: usize,
    },
    FollowStream {
        gateway: usize,
    },
    /// Reads the journal and the head row to their end, and tells Redis what it read there, or that is lost.
    FollowDatabase {
        gateway: usize,
        tells: bool,
    },
    /// A buyer who has heard nothing asks for the key, behind the head row.
    Ask {
        key: usize,
    },
    /// Dies and comes back: memory from the database, in the epoch as it is.
    Crash {
        gateway: usize,
    },
    /// Its link finds the new master.
    Move {
        gateway: usize,
    },
    Raise {
        gateway: usize,
    },
    Load {
        gateway: usize,
    },
    Seal {
        gateway: usize,
    },
    Flush {
        server: usize,
    },
    Replicate,
    FailOver,
}

/// Steps of a protocol with one rule taken out, or none.
#[derive(Debug, Clone, Copy)]
pub struct Steps {
    pub mutation: Mutation,
    pub world: World,
}

impl Steps {
    pub fn is(&self, mutation: Mutation) -> bool {
        self.mutation == mutation || (self.mutation == Mutation::NothingOfUse && mutation.is_of_use())
    }

    /// Whether what stands under this epoch at this server counts.
    pub fn is_sealed(&self, state: &State, server: usize, epoch: usize) -> bool {
        match state.boards[server][epoch].seal {
            Some(loaded) => loaded == server || self.is(Mutation::SealNamesNobody),
            None => false,
        }
    }

    /// What may be tried; [`Self::step`] refuses what is not possible after all.
    pub fn all(&self, state: &State, actions: &mut Vec<Action>) {
        let World { flush, fail_over, crash, people, losses, .. } = self.world;
        // Whether what is to be told to Redis arrives there.
        let arrives: &[bool] = if losses { &[true, false] } else { &[true] };
        for (gateway, Gateway { doing, steward, server, .. }) in state.gateways.iter().enumerate() {
            match doing {
                Doing::Idle => {
                    let free = |key: &usize| people || state.buyers[*key].tapped.is_none();
                    actions
                        .extend((0..self.world.buyers).filter(free).map(|key| Action::Tap { gateway, key }));
                    actions.push(Action::Free { gateway });
                }
                Doing::Won { .. } => actions.extend([
                    Action::Claim { gateway },
                    Action::LookAgain { gateway },
                    Action::Unheard { gateway },
                ]),
                Doing::Deciding { .. } | Doing::Announced { .. } | Doing::FreedEarly => {
                    actions
                        .extend(arrives.iter().map(|settles| Action::Commit { gateway, settles: *settles }));
                    if people {
                        actions.push(Action::CommitUnheard { gateway });
                    }
                }
                Doing::Committed { .. } | Doing::Told { .. } | Doing::Answered { .. } => {
                    actions.extend([Action::TellRedis { gateway }, Action::Answer { gateway }]);
                    if losses {
                        actions.push(Action::TellLost { gateway });
                    }
                }
            }
            actions.push(Action::FollowStream { gateway });
            actions.extend(arrives.iter().map(|tells| Action::FollowDatabase { gateway, tells: *tells }));
            if crash {
                actions.push(Action::Crash { gateway });
            }
            if state.failed_over && *server == 0 {
                actions.push(Action::Move { gateway });
            }
            actions.push(match steward {
                Steward::Off | Steward::Read { .. } => Action::Raise { gateway },
                Steward::Raised { .. } | Steward::SealedFirst { .. } => Action::Load { gateway },
                Steward::Loaded { .. } => Action::Seal { gateway },
            });
        }
        if people {
            actions.extend((0..self.world.buyers).map(|key| Action::Ask { key }));
        }
        if flush {
            actions.extend((0..SERVERS).map(|server| Action::Flush { server }));
        }
        if fail_over && !state.failed_over {
            actions.extend([Action::Replicate, Action::FailOver]);
        }
    }

    pub fn step(&self, before: &State, action: Action) -> Option<State> {
        if before.broken.is_some() {
            return None;
        }
        let mut state = *before;
        match action {
            Action::Tap { gateway, key } => self.tap(&mut state, gateway, key)?,
            Action::Claim { gateway } => self.claim(&mut state, gateway)?,
            Action::LookAgain { gateway } => self.look_again(&mut state, gateway)?,
            Action::Unheard { gateway } => {
                let Doing::Won { key, again } = state.gateways[gateway].doing else { return None };
                state.gateways[gateway].doing = Doing::Deciding { key, again };
            }
            Action::Commit { gateway, settles } => {
                let doing = state.gateways[gateway].doing;
                self.commit(&mut state, gateway)?;
                let refused = state.gateways[gateway].doing == Doing::Idle;
                match doing {
                    Doing::Deciding { key, .. } if refused && settles => {
                        settle(state.board_mut(gateway), key)
                    }
                    _ if settles => {}
                    Doing::Deciding { .. } if refused => {}
                    _ => return None,
                }
            }
            Action::CommitUnheard { gateway } => {
                let doing = state.gateways[gateway].doing;
                self.commit(&mut state, gateway)?;
                if !matches!(state.gateways[gateway].doing, Doing::Committed { .. }) {
                    return None;
                }
                state.gateways[gateway].doing = doing;
                state.owed = true;
            }
            Action::Free { gateway } => self.free(&mut state, gateway)?,
            Action::TellRedis { gateway } => self.tell_redis(&mut state, gateway)?,
            Action::TellLost { gateway } => {
                state.gateways[gateway].doing = match state.gateways[gateway].doing {
                    Doing::Committed { seq } => Doing::Told { seq },
                    Doing::Answered { .. } => Doing::Idle,
                    _ => return None,
                };
                state.owed = true;
            }
            Action::Answer { gateway } => {
                let (seq, next) = match state.gateways[gateway].doing {
                    Doing::Committed { seq } => (seq, Doing::Answered { seq }),
                    Doing::Told { seq } => (seq, Doing::Idle),
                    _ => return None,
                };
                state.gateways[gateway].doing = next;
                read_on(&mut state, gateway, seq);
                if let Unit::Taken(key) = state.unit_at(seq) {
                    self.tell(&mut state, gateway, key, true);
                }
            }
            Action::FollowStream { gateway } => self.follow_stream(&mut state, gateway)?,
            Action::FollowDatabase { gateway, tells } => {
                let (entries, journal) = (state.entries, state.journal);
                let applied = state.gateways[gateway].applied;
                read_on(&mut state, gateway, entries);
                state.gateways[gateway].epoch = state.epoch;
                if tells {
                    let board = state.board_mut(gateway);
                    (applied..entries).for_each(|at| board.tell(at + 1, journal[at]));
                }
            }
            Action::Ask { key } => self.ask(&mut state, key)?,
            Action::Crash { gateway } => {
                if matches!(state.gateways[gateway].doing, Doing::Committed { .. } | Doing::Answered { .. }) {
                    state.owed = true;
                }
                state.gateways[gateway] = Gateway {
                    epoch: state.epoch,
                    server: state.gateways[gateway].server,
                    applied: state.entries,
                    unit: state.unit(),
                    granted: state.granted_at(state.entries),
                    doing: Doing::Idle,
                    steward: Steward::Off,
                };
            }
            Action::Move { gateway } => {
                if !state.failed_over {
                    return None;
                }
                state.gateways[gateway].server = 1;
            }
            Action::Raise { gateway } => self.raise(&mut state, gateway)?,
            Action::Load { gateway } => self.load(&mut state, gateway)?,
            Action::Seal { gateway } => self.seal(&mut state, gateway)?,
            Action::Flush { server } => {
                if server == 1 && !state.failed_over {
                    return None;
                }
                state.boards[server] = [EMPTY; EPOCHS];
                state.owed = true;
            }
            Action::Replicate => {
                if state.failed_over {
                    return None;
                }
                state.boards[1] = state.boards[0];
            }
            Action::FailOver => {
                if state.failed_over {
                    return None;
                }
                state.failed_over = true;
            }
        }
        let state = state.tidy(self.world.people);
        (state != *before).then_some(state)
    }
}
