//! What the model's world is made of: the database, two gateways, two Redis servers, buyers.

use std::array;

pub const GATEWAYS: usize = 2;
pub const SERVERS: usize = 2;
/// The first, and one that is raised.
pub const EPOCHS: usize = 2;
/// Taken, freed, taken again.
pub const ENTRIES: usize = 3;
/// Each with one key.
pub const BUYERS: usize = 2;

/// What an entry of the journal leaves of the unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    Free,
    /// By a buyer's one key.
    Taken(usize),
}

/// A unit's word on a board, as `lua/` writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Word {
    Missing,
    Told {
        seq: usize,
        unit: Unit,
    },
    /// `over` is what was known before.
    Pending {
        over: usize,
        key: usize,
    },
}

/// The keys of one epoch at one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Board {
    pub word: Word,
    pub stream: [Option<Unit>; ENTRIES],
    /// The server that was loaded.
    pub seal: Option<usize>,
}

pub const EMPTY: Board = Board { word: Word::Missing, stream: [None; ENTRIES], seal: None };

/// What a gateway's committer and the one pick that gate 1 lets through are at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Doing {
    Idle,
    /// Through gate 1, on its way to gate 2 or waiting there.
    Won {
        key: usize,
        again: bool,
    },
    /// On its way to gate 3.
    Deciding {
        key: usize,
        again: bool,
    },
    /// Told to Redis before the commit: only a mutation does that.
    Announced {
        key: usize,
    },
    /// Freed in memory before the commit: only a mutation does that.
    FreedEarly,
    /// Committed, and told to nobody.
    Committed {
        seq: usize,
    },
    /// Redis has been told; memory and buyer have not.
    Told {
        seq: usize,
    },
    /// Memory and buyer have been told; Redis has not.
    Answered {
        seq: usize,
    },
}

/// A rebuild under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Steward {
    Off,
    /// Has read the claims and not raised the epoch: only a mutation does that.
    Read {
        snap: usize,
    },
    /// Has raised the epoch, and read the claims at `snap` in the same transaction.
    Raised {
        epoch: usize,
        snap: usize,
        server: usize,
    },
    /// Has written the words at this server.
    Loaded {
        epoch: usize,
        server: usize,
    },
    /// Has sealed before loading: only a mutation does that.
    SealedFirst {
        epoch: usize,
        snap: usize,
        server: usize,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Gateway {
    /// The epoch it believes in.
    pub epoch: usize,
    /// Where its link ends.
    pub server: usize,
    /// The last entry that memory has applied, and what memory makes of the unit.
    pub applied: usize,
    pub unit: Unit,
    /// The keys that memory has read as granted.
    pub granted: [bool; BUYERS],
    pub doing: Doing,
    pub steward: Steward,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Buyer {
    /// The gateway that the last tap went to. A no from elsewhere goes over a link that is lost.
    pub tapped: Option<usize>,
    /// What was answered: yes, or no.
    pub told: Option<bool>,
    /// In the database: this key was asked for and is not to be recorded any more.
    pub tombstone: bool,
}

/// A promise that a step has broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Broken {
    /// A yes that is not in the database.
    YesNotRecorded,
    /// `TAKEN`, and the unit was free as far as anybody could know.
    FalseTaken,
    /// One key, told yes and told no, or told no and recorded.
    NoWasYes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    // The database.
    pub journal: [Unit; ENTRIES],
    pub entries: usize,
    pub epoch: usize,
    pub buyers: [Buyer; BUYERS],
    // Redis: the first server is the master, the second its replica until a failover makes it one too.
    pub boards: [[Board; EPOCHS]; SERVERS],
    pub failed_over: bool,
    pub gateways: [Gateway; GATEWAYS],
    /// Since the epoch was raised something that was to stand under it was lost, or told where not everybody looks.
    pub owed: bool,
    pub broken: Option<Broken>,
}

impl State {
    /// Everything is well: the first epoch is loaded and sealed, the replica has all of it.
    pub fn new() -> Self {
        let gateway = Gateway {
            epoch: 0,
            server: 0,
            applied: 0,
            unit: Unit::Free,
            granted: [false; BUYERS],
            doing: Doing::Idle,
            steward: Steward::Off,
        };
        let sealed = Board { seal: Some(0), ..EMPTY };
        Self {
            journal: [Unit::Free; ENTRIES],
            entries: 0,
            epoch: 0,
            buyers: [Buyer { tapped: None, told: None, tombstone: false }; BUYERS],
            boards: [[sealed, EMPTY]; SERVERS],
            failed_over: false,
            gateways: [gateway; GATEWAYS],
            owed: false,
            broken: None,
        }
    }

    /// What the journal says of the unit after its first `entries` entries.
    pub fn unit_at(&self, entries: usize) -> Unit {
        match entries {
            0 => Unit::Free,
            entries => self.journal[entries - 1],
        }
    }

    pub fn unit(&self) -> Unit {
        self.unit_at(self.entries)
    }

    /// The keys that the journal's first entries grant.
    pub fn granted_at(&self, entries: usize) -> [bool; BUYERS] {
        array::from_fn(|key| self.journal[..entries].contains(&Unit::Taken(key)))
    }

    pub fn recorded(&self, key: usize) -> bool {
        self.journal[..self.entries].contains(&Unit::Taken(key))
    }

    /// Claims that occupy the unit, by the whole journal. An entry that frees it frees the last of them.
    pub fn live_claims(&self) -> usize {
        self.journal[..self.entries].iter().fold(0, |live, entry| match entry {
            Unit::Taken(_) => live + 1,
            Unit::Free => live - 1,
        })
    }

    pub fn board(&self, gateway: usize) -> &Board {
        let Gateway { server, epoch, .. } = self.gateways[gateway];
        &self.boards[server][epoch]
    }

    pub fn board_mut(&mut self, gateway: usize) -> &mut Board {
        let Gateway { server, epoch, .. } = self.gateways[gateway];
        &mut self.boards[server][epoch]
    }

    /// Forgets what nobody can ever look at again: that makes equal what is the same.
    pub fn tidy(mut self, buyers_insist: bool) -> Self {
        let gateways = self.gateways;
        let epoch_used: [bool; EPOCHS] = array::from_fn(|epoch| {
            epoch > self.epoch
                || gateways.iter().any(|gateway| {
                    gateway.epoch == epoch
                        || match gateway.steward {
                            Steward::Raised { epoch: under, .. }
                            | Steward::Loaded { epoch: under, .. }
                            | Steward::SealedFirst { epoch: under, .. } => under == epoch,
                            Steward::Off | Steward::Read { .. } => false,
                        }
                })
        });
        let old_used = !self.failed_over
            || gateways.iter().any(|gateway| {
                gateway.server == 0
                    || matches!(
                        gateway.steward,
                        Steward::Raised { server: 0, .. }
                            | Steward::Loaded { server: 0, .. }
                            | Steward::SealedFirst { server: 0, .. }
                    )
            });
        // Whoever has heard and has no tap under way is done with.
        for (key, buyer) in self.buyers.iter_mut().enumerate() {
            let under_way = gateways.iter().any(|gateway| match gateway.doing {
                Doing::Won { key: own, .. } | Doing::Deciding { key: own, .. } => own == key,
                Doing::Announced { key: own } => own == key,
                Doing::Committed { seq } | Doing::Told { seq } | Doing::Answered { seq } => {
                    self.journal[seq - 1] == Unit::Taken(key)
                }
                Doing::Idle | Doing::FreedEarly => false,
            });
            if (buyer.told.is_some() || (buyer.tapped.is_some() && !buyers_insist)) && !under_way {
                *buyer = Buyer { tapped: Some(0), told: Some(true), tombstone: false };
            }
        }
        for (server, boards) in self.boards.iter_mut().enumerate() {
            for (board, used) in boards.iter_mut().zip(epoch_used) {
                if !used || (server == 0 && !old_used) {
                    *board = EMPTY;
                }
            }
        }
        self
    }
}

impl Board {
    /// `lua/tell.lua`: an entry's word, if it is newer than what stands there, and the entry for the stream.
    pub fn tell(&mut self, seq: usize, unit: Unit) {
        self.tell_word(seq, unit);
        if self.last() < seq {
            self.stream[seq - 1] = Some(unit);
        }
    }

    pub fn tell_word(&mut self, seq: usize, unit: Unit) {
        self.word = match self.word {
            Word::Missing => Word::Told { seq, unit },
            Word::Told { seq: before, .. } | Word::Pending { over: before, .. } if seq <= before => self.word,
            // Freed, and somebody is on the way already.
            Word::Pending { key, .. } if unit == Unit::Free => Word::Pending { over: seq, key },
            _ => Word::Told { seq, unit },
        };
    }

    /// The stream's last sequence.
    pub fn last(&self) -> usize {
        self.stream.iter().rposition(Option::is_some).map_or(0, |at| at + 1)
    }
}
