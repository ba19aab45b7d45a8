//! The protocol's rules, one after the other on a pick's way, then those of a rebuild.

use super::Mutation;
use super::state::{Board, Broken, Doing, EMPTY, ENTRIES, Gateway, State, Steward, Unit, Word};
use super::steps::Steps;

impl Steps {
    /// Tells a buyer, and looks whether it is so.
    pub fn tell(&self, state: &mut State, gateway: usize, key: usize, yes: bool) {
        if yes && !state.recorded(key) {
            state.broken = Some(Broken::YesNotRecorded);
        }
        let known_since = state.gateways[gateway].applied;
        let occupied = |entries| matches!(state.unit_at(entries), Unit::Taken(_));
        if !yes && state.buyers[key].tapped != Some(gateway) {
            return;
        }
        if !yes && !state.buyers[key].tombstone && !(known_since..=state.entries).any(occupied) {
            state.broken = Some(Broken::FalseTaken);
        }
        self.answer(state, key, yes);
    }

    fn answer(&self, state: &mut State, key: usize, yes: bool) {
        let other = state.buyers[key].told.replace(yes) == Some(!yes);
        if other || (!yes && state.recorded(key)) {
            state.broken = Some(Broken::NoWasYes);
        }
    }

    pub fn tap(&self, state: &mut State, at: usize, key: usize) -> Option<()> {
        let Gateway { doing: Doing::Idle, unit, granted, .. } = state.gateways[at] else { return None };
        let buyer = state.buyers[key];
        // Buyers and gateways are alike: the first of them to tap is the first by name.
        let is_first_by_name = at == 0 || state.buyers[0].tapped.is_some();
        let in_turn = key == 0 || state.buyers[key - 1].tapped.is_some();
        if buyer.told.is_some() || !(buyer.tapped.is_some() || (in_turn && is_first_by_name)) {
            return None;
        }
        let again = buyer.tapped.is_some() && !self.is(Mutation::RepeatLikeTheFirst);
        state.buyers[key].tapped = Some(at);
        match unit {
            _ if granted[key] => self.tell(state, at, key, true),
            Unit::Taken(_) if again => state.gateways[at].doing = Doing::Deciding { key, again },
            Unit::Taken(_) => self.tell(state, at, key, false),
            Unit::Free => state.gateways[at].doing = Doing::Won { key, again },
        }
        Some(())
    }

    /// `lua/claim.lua`, and what the gateway makes of its answer.
    pub fn claim(&self, state: &mut State, at: usize) -> Option<()> {
        let Gateway { epoch, server, applied, doing: Doing::Won { key, again }, .. } = state.gateways[at]
        else {
            return None;
        };
        let word = state.board(at).word;
        let counts = self.is_sealed(state, server, epoch) || self.is(Mutation::NoSeal);
        let over = match word {
            _ if !counts => None,
            Word::Missing if self.is(Mutation::MissingIsYes) => return self.say(state, at, key, true),
            Word::Missing if self.is(Mutation::MissingIsTaken) => return self.say(state, at, key, false),
            Word::Missing => Some(0),
            Word::Pending { key: other, .. } if other != key && self.is(Mutation::PendingIsTaken) => {
                return self.say(state, at, key, false);
            }
            Word::Pending { key: other, .. } if other != key && self.is(Mutation::PendingForEver) => {
                return None;
            }
            // Another tap's: it waits until the word's time has passed, and that may be now.
            Word::Pending { over, .. } => Some(over),
            Word::Told { unit: Unit::Taken(_), .. } if self.is(Mutation::OldNews) => {
                return self.say(state, at, key, false);
            }
            Word::Told { seq, unit: Unit::Taken(_) } if seq > applied => {
                if self.is(Mutation::NewsIsTaken) {
                    return self.say(state, at, key, false);
                }
                // It waits until memory has applied that entry, and is decided again.
                if seq > state.entries {
                    return None;
                }
                read_on(state, at, seq);
                return self.look_again(state, at);
            }
            Word::Told { unit: Unit::Taken(_), .. } if !self.is(Mutation::PendingOverOccupied) => None,
            Word::Told { seq, .. } => Some(seq),
        };
        if let Some(over) = over {
            let over = if self.is(Mutation::PendingForgets) { 0 } else { over };
            state.board_mut(at).word = Word::Pending { over, key };
        }
        state.gateways[at].doing = Doing::Deciding { key, again };
        Some(())
    }

    /// Redis has answered the buyer: only mutations do that.
    fn say(&self, state: &mut State, at: usize, key: usize, yes: bool) -> Option<()> {
        state.gateways[at].doing = Doing::Idle;
        self.tell(state, at, key, yes);
        Some(())
    }

    /// Gate 1 once more, for a pick that memory has overruled.
    pub fn look_again(&self, state: &mut State, at: usize) -> Option<()> {
        let Gateway { unit, granted, doing: Doing::Won { key, again }, .. } = state.gateways[at] else {
            return None;
        };
        if unit == Unit::Free && !granted[key] {
            return None;
        }
        if again && !granted[key] {
            state.gateways[at].doing = Doing::Deciding { key, again };
        } else {
            state.gateways[at].doing = Doing::Idle;
            self.tell(state, at, key, granted[key]);
        }
        Some(())
    }

    pub fn commit(&self, state: &mut State, at: usize) -> Option<()> {
        let Gateway { epoch, doing, .. } = state.gateways[at];
        if epoch != state.epoch && !self.is(Mutation::NoEpochCheck) {
            return None;
        }
        let (key, again) = match doing {
            Doing::Deciding { key, .. } if self.is(Mutation::TellBeforeCommit) && state.entries < ENTRIES => {
                let seq = state.entries + 1;
                state.board_mut(at).tell(seq, Unit::Taken(key));
                state.gateways[at].doing = Doing::Announced { key };
                return Some(());
            }
            Doing::Deciding { key, again } => (key, again),
            Doing::Announced { key } => (key, false),
            Doing::FreedEarly => {
                state.gateways[at].doing = Doing::Idle;
                if let Unit::Taken(_) = state.unit() {
                    state.gateways[at].doing = append(state, Unit::Free)?;
                }
                return Some(());
            }
            _ => return None,
        };
        state.gateways[at].doing = Doing::Idle;
        if state.buyers[key].tombstone {
            self.tell(state, at, key, false);
        } else if state.recorded(key) {
            self.tell(state, at, key, true);
        } else if state.unit() != Unit::Free && !self.is(Mutation::NoUniqueIndex) {
            state.buyers[key].tombstone |= again;
            self.tell(state, at, key, false);
        } else {
            state.gateways[at].doing = append(state, Unit::Taken(key))?;
            if state.buyers[key].told == Some(false) {
                state.broken = Some(Broken::NoWasYes);
            }
        }
        Some(())
    }

    /// The committer frees what this gateway knows as taken.
    pub fn free(&self, state: &mut State, at: usize) -> Option<()> {
        let Gateway { epoch, unit, doing: Doing::Idle, .. } = state.gateways[at] else { return None };
        let freed_before = state.journal[..state.entries].contains(&Unit::Free);
        let fenced = epoch != state.epoch && !self.is(Mutation::NoEpochCheck);
        if freed_before || fenced || unit == Unit::Free || unit != state.unit() {
            return None;
        }
        if self.is(Mutation::FreeInMemoryFirst) {
            state.gateways[at].unit = Unit::Free;
            state.gateways[at].doing = Doing::FreedEarly;
            return Some(());
        }
        state.gateways[at].doing = append(state, Unit::Free)?;
        Some(())
    }

    pub fn tell_redis(&self, state: &mut State, at: usize) -> Option<()> {
        let (seq, next) = match state.gateways[at].doing {
            Doing::Committed { seq } => (seq, Doing::Told { seq }),
            Doing::Answered { seq } => (seq, Doing::Idle),
            _ => return None,
        };
        state.gateways[at].doing = next;
        // Another gateway looks elsewhere.
        state.owed |= state.gateways[0].server != state.gateways[1].server;
        // With what was committed elsewhere and has not come by the stream.
        let first = (state.gateways[at].applied + 1).min(seq);
        let journal = state.journal;
        let without_guard = self.is(Mutation::NoSequenceGuard);
        let board = state.board_mut(at);
        (first..=seq).for_each(|seq| board.tell(seq, journal[seq - 1]));
        if without_guard {
            board.word = Word::Told { seq, unit: journal[seq - 1] };
        }
        Some(())
    }

    pub fn follow_stream(&self, state: &mut State, at: usize) -> Option<()> {
        let applied = state.gateways[at].applied;
        let stream = state.board(at).stream;
        let next = if self.is(Mutation::GapInStream) {
            (applied..ENTRIES).find(|seq| stream[*seq].is_some())?
        } else {
            applied
        };
        let unit = (*stream.get(next)?)?;
        apply(&mut state.gateways[at], next + 1, unit);
        Some(())
    }

    pub fn ask(&self, state: &mut State, key: usize) -> Option<()> {
        let buyer = state.buyers[key];
        let has = |gateway: &Gateway| match gateway.doing {
            Doing::Won { key: own, .. } | Doing::Deciding { key: own, .. } => own == key,
            _ => false,
        };
        // The gateway that decides the key makes the question wait.
        if buyer.tapped.is_none() || buyer.told.is_some() || state.gateways.iter().all(has) {
            return None;
        }
        let yes = state.recorded(key);
        if !yes {
            state.buyers[key].tombstone = !self.is(Mutation::NoTombstone);
        }
        self.answer(state, key, yes);
        Some(())
    }

    /// Finds the seal missing or another server's, and raises the epoch in one transaction with reading the claims.
    /// The lease is left out: here every gateway may do it at any time, which includes all that a lease permits.
    pub fn raise(&self, state: &mut State, at: usize) -> Option<()> {
        let Gateway { epoch, server, steward, .. } = state.gateways[at];
        if self.is_sealed(state, server, epoch) || epoch != state.epoch || epoch + 1 == self.world.epochs {
            return None;
        }
        let snap = match steward {
            Steward::Off if self.is(Mutation::ReadBeforeRaise) => {
                state.gateways[at].steward = Steward::Read { snap: state.entries };
                return Some(());
            }
            Steward::Off => state.entries,
            Steward::Read { snap } => snap,
            _ => return None,
        };
        state.epoch += 1;
        let epoch = state.epoch;
        state.gateways[at].epoch = epoch;
        state.gateways[at].steward = Steward::Raised { epoch, snap, server };
        state.owed = false;
        Some(())
    }

    /// At the server that was looked at before the epoch was raised.
    pub fn load(&self, state: &mut State, at: usize) -> Option<()> {
        let Gateway { server: here, steward, .. } = state.gateways[at];
        let (epoch, snap, server, next) = match steward {
            Steward::Raised { epoch, snap, server } if self.is(Mutation::SealFirst) => {
                state.boards[server][epoch].seal = Some(server);
                state.gateways[at].steward = Steward::SealedFirst { epoch, snap, server };
                return Some(());
            }
            Steward::Raised { epoch, snap, server } => {
                let server = if self.is(Mutation::LoadElsewhere) { here } else { server };
                (epoch, snap, server, Steward::Loaded { epoch, server })
            }
            Steward::SealedFirst { epoch, snap, server } => (epoch, snap, server, Steward::Off),
            _ => return None,
        };
        let unit = state.unit_at(snap);
        // Only what occupies a unit is read, and told.
        if unit != Unit::Free {
            state.boards[server][epoch].tell_word(snap, unit);
        }
        state.gateways[at].steward = next;
        Some(())
    }

    /// At the server that was loaded, over the same connection; the epoch before is removed there.
    pub fn seal(&self, state: &mut State, at: usize) -> Option<()> {
        let Steward::Loaded { epoch, server } = state.gateways[at].steward else { return None };
        state.boards[server][epoch].seal = Some(server);
        state.boards[server][epoch - 1] = EMPTY;
        state.gateways[at].steward = Steward::Off;
        Some(())
    }
}

/// `lua/settle.lua`.
pub fn settle(board: &mut Board, refused: usize) {
    if let Word::Pending { over, key } = board.word
        && key == refused
    {
        board.word = match over {
            0 => Word::Missing,
            seq => Word::Told { seq, unit: Unit::Free },
        };
    }
}

/// Memory applies the journal up to an entry, in order.
pub fn read_on(state: &mut State, at: usize, to: usize) {
    let journal = state.journal;
    let gateway = &mut state.gateways[at];
    for (seq, unit) in (1..).zip(&journal[..to]).skip(gateway.applied) {
        apply(gateway, seq, *unit);
    }
}

fn apply(gateway: &mut Gateway, seq: usize, unit: Unit) {
    (gateway.applied, gateway.unit) = (seq, unit);
    if let Unit::Taken(key) = unit {
        gateway.granted[key] = true;
    }
}

fn append(state: &mut State, unit: Unit) -> Option<Doing> {
    *state.journal.get_mut(state.entries)? = unit;
    state.entries += 1;
    Some(Doing::Committed { seq: state.entries })
}
