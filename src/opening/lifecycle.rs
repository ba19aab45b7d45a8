//! The life of an opening: which phase may follow which, and what a phase and the clock mean for a pick.

use super::answer::Refusal;
use crate::domain::kind::names;
use crate::domain::time::Micros;

names!(
    /// Draft → checked → published → armed → live → closed → archived, and disabled.
    Phase {
        Draft = "draft",
        Checked = "checked",
        Published = "published",
        Armed = "armed",
        Live = "live",
        Closed = "closed",
        Archived = "archived",
        Disabled = "disabled",
    }
);

impl Phase {
    /// The transition table; whatever is not in it is refused.
    pub const fn may_become(self, next: Phase) -> bool {
        use Phase::{Archived, Armed, Checked, Closed, Disabled, Draft, Live, Published};
        matches!(
            (self, next),
            (Draft, Checked)
                // Every edit of a checked opening makes it a draft again.
                | (Checked, Draft)
                | (Checked, Published)
                // Unpublish, before the start.
                | (Published | Armed, Checked)
                | (Published, Armed)
                | (Published | Armed, Live)
                | (Published | Armed | Live, Closed)
                | (Closed, Archived)
                | (Draft | Checked | Closed | Archived, Disabled)
        )
    }

    /// Units, roster and settings may still be edited.
    pub const fn is_editable(self) -> bool {
        matches!(self, Self::Draft | Self::Checked)
    }

    /// Buyers can see it.
    pub const fn is_public(self) -> bool {
        matches!(self, Self::Published | Self::Armed | Self::Live | Self::Closed)
    }

    /// Published and not over: the phases in which the clock may admit picks.
    pub const fn is_running(self) -> bool {
        matches!(self, Self::Published | Self::Armed | Self::Live)
    }
}

/// What the head row says about when picks are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    pub phase: Phase,
    pub paused: bool,
    pub start_at: Micros,
    pub end_at: Micros,
    /// Raised by every phase, window or staff change.
    pub version: i64,
    /// Raised when a gateway is fenced; a commit under an older one is refused by the head row.
    pub epoch: i64,
}

impl Control {
    /// The phase as people see it: the stored one may lag behind the clock by a heartbeat.
    pub fn phase_at(&self, now: Micros) -> Phase {
        match self.phase {
            phase if !phase.is_running() => phase,
            _ if now >= self.end_at => Phase::Closed,
            _ if now >= self.start_at => Phase::Live,
            // A tap that arrived before the start stays early, however late it is looked at.
            Phase::Live => Phase::Armed,
            phase => phase,
        }
    }

    /// Phase and clock, for a pick that arrived at `arrived`. Gate 1 asks with what it holds in memory, gate 3 asks
    /// again with the head row, so a pick decided under an older control is decided anew, not committed.
    pub fn refuses(&self, arrived: Micros) -> Option<Refusal> {
        match self.phase_at(arrived) {
            Phase::Draft | Phase::Checked | Phase::Published | Phase::Armed => Some(Refusal::NotOpenYet),
            Phase::Closed | Phase::Archived | Phase::Disabled => Some(Refusal::Closed),
            Phase::Live if self.paused => Some(Refusal::Paused),
            Phase::Live => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn op_13_only_the_listed_transitions_are_possible() {
        let allowed = [
            "draft>checked",
            "draft>disabled",
            "checked>draft",
            "checked>published",
            "checked>disabled",
            "published>checked",
            "published>armed",
            "published>live",
            "published>closed",
            "armed>checked",
            "armed>live",
            "armed>closed",
            "live>closed",
            "closed>archived",
            "closed>disabled",
            "archived>disabled",
        ];
        for from in Phase::ALL {
            for to in Phase::ALL {
                let name = format!("{}>{}", from.as_str(), to.as_str());
                assert_eq!(from.may_become(*to), allowed.contains(&name.as_str()), "{name}");
            }
        }
    }

    #[test]
    fn op_40_the_window_is_half_open_and_the_clock_decides_not_the_stored_phase() {
        let control = |phase, paused| Control {
            phase,
            paused,
            start_at: Micros(100),
            end_at: Micros(200),
            version: 1,
            epoch: 1,
        };
        let cases = [
            (Phase::Armed, false, 99, Some(Refusal::NotOpenYet)),
            (Phase::Armed, false, 100, None),
            (Phase::Published, false, 199, None),
            (Phase::Live, false, 200, Some(Refusal::Closed)),
            (Phase::Live, true, 150, Some(Refusal::Paused)),
            (Phase::Live, true, 99, Some(Refusal::NotOpenYet)),
            (Phase::Live, false, 99, Some(Refusal::NotOpenYet)),
            (Phase::Closed, false, 150, Some(Refusal::Closed)),
            (Phase::Checked, false, 150, Some(Refusal::NotOpenYet)),
        ];
        for (phase, paused, at, expected) in cases {
            assert_eq!(control(phase, paused).refuses(Micros(at)), expected, "{phase:?} {paused} at {at}");
        }
    }
}
