//! Tells the other gateways what is committed: words and stream. Nobody waits for it, and what it drops they read from the
//! database.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::Together;
use crate::cluster::{Gate2Error, News, Noted, Word};
use crate::domain::ids::UnitOrd;
use crate::limits::TELL_QUEUE;
use crate::opening::answer::{Claim, Key};
use crate::opening::board::Status;
use crate::opening::event::Recorded;
use crate::opening::job::Pick;
use crate::opening::live::Live;
use crate::opening::memory::Applied;

pub enum Told {
    News(Vec<News>),
    /// The database refused this tap.
    Refused(u32, String),
}

/// The same text for the same tap at whatever gateway.
pub fn tap(who: crate::domain::ids::RegOrd, key: &Key) -> String {
    format!("{}/{}", who.0, key.as_str())
}

pub async fn run(live: Arc<Live>, mut told: mpsc::Receiver<Told>) {
    let Some(together) = &live.together else { return };
    let mut waiting = Vec::new();
    while told.recv_many(&mut waiting, TELL_QUEUE).await > 0 {
        let (mut news, mut refused) = (Vec::new(), Vec::new());
        for told in waiting.drain(..) {
            match told {
                Told::News(part) => news.extend(part),
                Told::Refused(unit, tap) => refused.push((unit, tap)),
            }
        }
        let epoch = live.control.load().epoch;
        if let Err(error) = together.pass_on(epoch, &news, &refused).await {
            together.lost(&error);
        }
    }
}

impl Together {
    async fn pass_on(&self, epoch: i64, news: &[News], refused: &[(u32, String)]) -> Result<(), Gate2Error> {
        if !news.is_empty() {
            self.gate.tell(epoch, news).await?;
        }
        if !refused.is_empty() {
            self.gate.settle(epoch, refused).await?;
        }
        Ok(())
    }

    /// Entries that memory has just applied and that did not come from the stream.
    pub fn tell(&self, recorded: &[Recorded], applied: &[Applied]) {
        let mut news = Vec::with_capacity(applied.len());
        let mut entries = recorded.iter();
        for applied in applied {
            let Some(entry) = entries.find(|entry| entry.seq == applied.seq) else { break };
            let Ok(entry) = entry.to_entry() else { break };
            let word = applied.unit.map(|(unit, status)| (unit.0, word(status, applied.claim.as_deref())));
            let noted = Noted { kind: entry.kind, version: entry.version, at: entry.at.0, body: entry.body };
            news.push(News { seq: applied.seq, word, entry: Some(noted) });
        }
        if !news.is_empty() {
            // Full: the others read the database.
            let _ = self.told.try_send(Told::News(news));
        }
    }

    pub fn refused(&self, pick: &Pick) {
        // Left there, the word is void after a while.
        let _ = self.told.try_send(Told::Refused(pick.unit.0, tap(pick.who, &pick.key)));
    }
}

fn word(status: Status, claim: Option<&Claim>) -> Word {
    match (status, claim) {
        (Status::Free, _) => Word::Free,
        (Status::Held | Status::Sold, Some(claim)) => Word::Occupied { owner: claim.registration.0 },
        (Status::Held | Status::Sold | Status::Withheld, _) => Word::Withheld,
    }
}

/// A unit's word alone, for a rebuild at `seq`.
pub fn loaded(seq: i64, unit: UnitOrd, word: Word) -> News {
    News { seq, word: Some((unit.0, word)), entry: None }
}
