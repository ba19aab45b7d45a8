//! What a hub says to one member.

use super::frame::{self, code};
use super::hub::{Hub, Step};
use super::line::Item;
use super::member::{End, Member};
use super::tell::framed;
use crate::gateway::wire::{self, Hello, ServerFrame};
use crate::http::Code;
use crate::identity::buyers::DeviceView;
use crate::limits::SOCKET_CLOSE_TIMEOUT;

const PROTOCOL: u32 = 1;

impl From<std::io::Error> for End {
    fn from(_broken: std::io::Error) -> Self {
        Self::Gone
    }
}

impl Hub {
    /// Hello, the whole board, and what is the member's own; in one write, if the snapshot is not shared.
    pub(super) fn greet(&mut self, member: &mut Member, is_ended: bool) -> Step {
        let live = &self.open.live;
        let view = self.device(member);
        let control = live.control();
        let hello = ServerFrame::Hello(Hello {
            protocol: PROTOCOL,
            opening: live.facts.id.to_string(),
            now_ms: live.now().ms(),
            phase: live.phase().as_str(),
            paused: control.paused,
            start_ms: control.start_at.ms(),
            end_ms: control.end_at.ms(),
            device: view.as_ref().map_or("anonymous", |view| view.role.as_str()),
            seq: self.shown.seq,
        });
        self.say(&hello);
        self.send_snapshot(member)?;
        self.say_mine(member);
        // Another device may have asked while nobody listened here.
        if view.is_some_and(|view| view.request.is_some()) {
            self.say_device(member)?;
        }
        if is_ended {
            self.say(&ServerFrame::error(Code::SessionEnded.into(), None));
        }
        Ok(())
    }

    /// Adds a frame to what the member is about to be sent.
    pub(super) fn say(&mut self, frame: &ServerFrame) {
        frame::text_with(&mut self.out, |out| frame.write(out));
    }

    /// Sends what was said.
    pub(super) fn send(&mut self, member: &mut Member) -> Step {
        if !self.out.is_empty() {
            let sent = member.line.send(&self.out, self.now);
            self.out.clear();
            sent?;
        }
        Ok(())
    }

    pub(super) fn send_snapshot(&mut self, member: &mut Member) -> Step {
        // What was said before it goes before it.
        self.send(member)?;
        if member.line.is_full() {
            // Later and newer, and once for all the times that it is asked for.
            member.line.owe(Item::Snapshot);
            return Ok(());
        }
        let bytes = self.shown.encoded(|board| framed(wire::snapshot_frame(board).as_bytes()));
        member.seq = self.shown.seq;
        Ok(member.line.send_shared(&bytes, self.now)?)
    }

    pub(super) fn say_mine(&mut self, member: &Member) {
        let Some(session) = &member.session else { return };
        let claims = self.open.live.claims_of(session.registration);
        let claims = claims.iter().map(|claim| wire::claim(claim)).collect();
        self.say(&ServerFrame::Mine { claims });
    }

    pub(super) fn say_device(&mut self, member: &Member) -> Step {
        if member.session.is_none() {
            return Ok(());
        }
        let Some(DeviceView { role, request }) = self.device(member) else { return self.end_session(None) };
        let request = request.as_ref().map(wire::device_request);
        self.say(&ServerFrame::Device { device: role.as_str(), request });
        Ok(())
    }

    /// Nothing personal may follow, so the socket ends with the session.
    pub(super) fn end_session(&mut self, key: Option<String>) -> Step {
        self.say(&ServerFrame::error(Code::SessionEnded.into(), key));
        Err(End::Close(code::POLICY, "the session has ended"))
    }

    /// What the session's device is now; from memory.
    pub(super) fn device(&self, member: &Member) -> Option<DeviceView> {
        let gateway = &self.gateway;
        member.session.as_ref().and_then(|session| gateway.parts.buyers.view(session, gateway.now()))
    }

    /// The last frame; says whether the member stays for a moment, until its echo or the end of its stream comes. A
    /// socket that is dropped with unread bytes would take the frame along.
    pub(super) fn say_goodbye(&mut self, id: super::members::Id, member: &mut Member, end: End) -> bool {
        match end {
            End::Gone => return false,
            // It was said before.
            _ if member.closing.is_some() => {
                self.out.clear();
                return true;
            }
            End::Close(code, reason) => frame::close(&mut self.out, Some(code), reason),
            End::Left(code) => frame::close(&mut self.out, code, ""),
        }
        member.closing = Some(self.now + SOCKET_CLOSE_TIMEOUT);
        member.keys = Vec::new();
        if self.send(member).is_err() {
            return false;
        }
        // The kernel may take it at once although something was owed; that is for nobody now. No event would come.
        if member.line.flush(self.now).is_err() {
            return false;
        }
        while member.line.next().is_some() {}
        if member.line.is_free() {
            self.end_stream(member);
        }
        self.unread.push(id);
        true
    }

    /// No more will be sent.
    pub(super) fn end_stream(&self, member: &Member) {
        // A socket that is broken is found so when it is read.
        let _ = member.line.socket.shutdown(std::net::Shutdown::Write);
    }
}
