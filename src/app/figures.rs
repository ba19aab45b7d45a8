//! What openings, doors and disk know about themselves, read when the metrics' page is asked for.

use std::path::PathBuf;
use std::sync::Arc;

use crate::domain::time::{Clock, Micros};
use crate::gateway::Gateway;
use crate::http::health::Welcome;
use crate::identity::Buyers;
use crate::limits::{BUYER_CONNECTIONS_MAX, METRICS_OPENINGS_MAX, STAFF_CONNECTIONS_MAX};
use crate::opening::gate2::Gate2State;
use crate::opening::lifecycle::Phase;
use crate::opening::{Live, LiveFigures, Openings};
use crate::store::Db;
use crate::telemetry::{Page, names};

pub struct Figures {
    pub openings: Openings,
    pub db: Db,
    pub buyers: Buyers,
    pub gateway: Arc<Gateway>,
    pub clock: Clock,
    pub welcome: Welcome,
    /// Where SQLite's files lie; `None` on Postgres, whose disk is its own server's to watch.
    pub data: Option<PathBuf>,
}

/// An opening at the moment of the page.
pub(super) struct Shown {
    pub id: String,
    pub live: Arc<Live>,
    pub figures: LiveFigures,
}

impl Figures {
    pub fn write(&self, page: &mut Page) {
        page.value(names::READY, u8::from(self.welcome.refused().is_none()));
        let doors = names::DOORS.into_iter().zip([BUYER_CONNECTIONS_MAX, STAFF_CONNECTIONS_MAX]);
        page.family(names::CONNECTIONS_MAX, doors.map(|(door, most)| ([("door", door)], most)));
        self.write_disk(page);
        if let Some(behind_since) = self.db.backup() {
            let behind = behind_since.map_or(Micros(0), |since| self.clock.wall().since(since));
            page.value(names::BACKUP_BEHIND_SECONDS, behind.0.max(0) as f64 / 1e6);
        }
        self.write_openings(page);
    }

    fn write_disk(&self, page: &mut Page) {
        let Some(folder) = &self.data else { return };
        if let Ok(disk) = rustix::fs::statvfs(folder) {
            page.value(names::DATA_FREE_BYTES, disk.f_bavail.saturating_mul(disk.f_frsize));
        }
        let size = |(label, name)| {
            let file = std::fs::metadata(folder.join(name)).ok()?;
            Some(([("file", label)], file.len()))
        };
        let files = [("main", "kaipan.db"), ("wal", "kaipan.db-wal")];
        page.family(names::DATABASE_BYTES, files.into_iter().filter_map(size));
    }

    fn write_openings(&self, page: &mut Page) {
        let all = self.openings.list();
        let phases = all.iter().map(|live| live.phase()).collect::<Vec<_>>();
        let public = || Phase::ALL.iter().copied().filter(|phase| phase.is_public());
        let counts = public().map(|phase| {
            let count = phases.iter().filter(|other| **other == phase).count();
            ([("phase", phase.as_str())], count)
        });
        page.family(names::OPENINGS, counts);

        let shown = shown(all);
        let states = shown.iter().flat_map(|opening| {
            public().map(|phase| {
                let is = opening.figures.phase == phase;
                ([("opening", opening.id.as_str()), ("phase", phase.as_str())], u8::from(is))
            })
        });
        page.family(names::OPENING_PHASE, states);
        type Figure = fn(&LiveFigures) -> f64;
        // Below 2^53 an f64 is exact, and no figure here comes near.
        let figures: [(&str, Figure); 11] = [
            (names::OPENING_PAUSED, |f| f64::from(u8::from(f.paused))),
            (names::OPENING_ARMED, |f| f64::from(u8::from(f.armed))),
            (names::OPENING_STARTS_IN, |f| f.starts_in.0 as f64 / 1e6),
            (names::CLOCK_OFFSET, |f| f.clock_offset.0 as f64 / 1e6),
            (names::CLOCK_REFUSES, |f| f64::from(u8::from(f.clock_refuses))),
            (names::JOURNAL_HEAD, |f| f.journal_head as f64),
            (names::JOURNAL_APPLIED, |f| f.journal_applied as f64),
            (names::BOARD_SEQ, |f| f.board_seq as f64),
            (names::HOLDS, |f| f.holds as f64),
            (names::STREAM_LAG, |f| f.journal_head.saturating_sub(f.journal_applied) as f64),
            (names::OPENING_EPOCH, |f| f.epoch as f64),
        ];
        for (name, figure) in figures {
            page.family(name, shown.iter().map(|opening| (opening.label(), figure(&opening.figures))));
        }
        let gate2 = shown.iter().flat_map(|opening| {
            Gate2State::ALL.iter().map(|state| {
                let is = opening.figures.gate2 == *state;
                ([("opening", opening.id.as_str()), ("state", state.as_str())], u8::from(is))
            })
        });
        page.family(names::GATE2_STATE, gate2);
        page.family(names::PICKS, shown.iter().map(|opening| (opening.label(), opening.live.stats.picks())));
        page.family(names::YES, shown.iter().map(|opening| (opening.label(), opening.live.stats.yes())));
        let units = shown.iter().flat_map(|opening| {
            let counts = opening.figures.units.into_iter();
            counts.map(|(status, count)| ([("opening", opening.id.as_str()), ("status", status)], count))
        });
        page.family(names::UNITS, units);
        let refusals = shown.iter().flat_map(|opening| {
            let refusals = opening.live.stats.refusals().into_iter();
            refusals.map(|(code, count)| ([("opening", opening.id.as_str()), ("code", code)], count))
        });
        page.family(names::REFUSALS, refusals);
        let now = self.clock.wall();
        let signed_in = |opening: &Shown| self.buyers.devices().signed_in(&opening.live.facts.id, now);
        page.family(names::SIGNED_IN, shown.iter().map(|opening| (opening.label(), signed_in(opening))));
        let connected = |opening: &Shown| self.gateway.presence.connected(&opening.live.facts.id);
        page.family(names::CONNECTED, shown.iter().map(|opening| (opening.label(), connected(opening))));
    }
}

impl Shown {
    fn label(&self) -> [(&'static str, &str); 1] {
        [("opening", self.id.as_str())]
    }
}

/// The openings whose figures are told one by one: those that are not over first, then the newest; their number is
/// bounded, because each is a label.
pub(super) fn shown(mut all: Vec<Arc<Live>>) -> Vec<Shown> {
    // Ids grow with time.
    all.sort_by(|a, b| {
        (a.phase() == Phase::Closed, &b.facts.id).cmp(&(b.phase() == Phase::Closed, &a.facts.id))
    });
    all.truncate(METRICS_OPENINGS_MAX);
    all.into_iter()
        .map(|live| Shown { id: live.facts.id.to_string(), figures: live.figures(), live })
        .collect()
}
