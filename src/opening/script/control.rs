//! Changes of phase and pause, by people and by the clock.

use super::{Script, control_of};
use crate::opening::event::Event;
use crate::opening::job::{Change, CommandRefusal, Done};
use crate::opening::lifecycle::Phase;
use crate::store::StoreError;

impl Script<'_> {
    /// A change that already happened answers like one that happens now, and records nothing.
    pub(super) fn control(&mut self, change: &Change) -> Result<Result<Done, CommandRefusal>, StoreError> {
        let control = control_of(&self.head)?;
        let refused = Ok(Err(CommandRefusal::TransitionRefused));
        match change {
            Change::Arm { anchor } => {
                if control.phase == Phase::Published {
                    self.step(Phase::Armed, Event::Armed);
                } else if !control.phase.is_running() {
                    return refused;
                }
                // A later boot sets its own pair: the old one reads another machine's or boot's clock.
                if let Some((wall, mono, boot)) = anchor {
                    self.head.anchor_wall = Some(*wall);
                    self.head.anchor_mono = Some(*mono);
                    self.head.anchor_boot = Some(boot.clone());
                }
            }
            Change::Open => match control.phase {
                Phase::Live => {}
                Phase::Published | Phase::Armed if self.now >= control.start_at => {
                    self.step(Phase::Live, Event::Opened);
                }
                Phase::Published | Phase::Armed => return Ok(Err(CommandRefusal::NotDueYet)),
                _ => return refused,
            },
            Change::Pause { .. } | Change::Resume { .. } if !control.phase.is_running() => return refused,
            Change::Pause { by } if !control.paused => {
                self.head.paused = true;
                self.step(control.phase, Event::Paused { by: by.clone() });
            }
            Change::Resume { by } if control.paused => {
                self.head.paused = false;
                self.step(control.phase, Event::Resumed { by: by.clone() });
            }
            Change::Pause { .. } | Change::Resume { .. } => {}
            Change::Close { by } => match control.phase {
                Phase::Closed => {}
                phase if !phase.may_become(Phase::Closed) => return refused,
                _ if by.is_none() && self.now < control.end_at => {
                    return Ok(Err(CommandRefusal::NotDueYet));
                }
                _ => self.step(Phase::Closed, Event::Closed { by: by.clone() }),
            },
        }
        Ok(Ok(Done::Control(control_of(&self.head)?)))
    }

    fn step(&mut self, phase: Phase, event: Event) {
        self.head.phase = phase.as_str().to_owned();
        self.head.control_version += 1;
        self.record(event);
    }
}
