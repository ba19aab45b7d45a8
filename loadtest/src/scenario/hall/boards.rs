//! Boards: folded from frames as they come, measured when no more of a frame will come, noted at the end.

use std::time::{Duration, Instant};

use super::super::fold::Folded;
use super::super::notes::{LastBoard, Notes};
use super::Hall;
use crate::raw::{Net, ws};

impl Hall {
    pub(super) fn board(&mut self, net: &mut Net, seat: usize, at: Instant, text: &[u8]) {
        let place = &mut self.seats[seat];
        match self.folder.apply(place.board.as_ref(), text, at) {
            Folded::Board(board) => {
                place.asked_snapshot = false;
                place.board = Some(board);
            }
            Folded::Gap if place.asked_snapshot => {}
            Folded::Gap => {
                place.asked_snapshot = true;
                self.notes.error("BOARD_GAP");
                self.out.clear();
                ws::text(&mut self.out, br#"{"t":"snapshot"}"#);
                net.send(seat, &self.out);
            }
            Folded::Broken => self.count_error("FRAME_UNKNOWN", at),
        }
    }

    pub(super) fn measure_boards(&mut self) {
        for arrivals in self.folder.retired() {
            let reference = self.world.live.first_yes(arrivals.from, arrivals.to).unwrap_or(arrivals.first);
            let first_us = self.since_start_us(arrivals.first);
            let lag_us = first_us - self.since_start_us(reference);
            for after_us in arrivals.after_us {
                let lag_us = u64::try_from(lag_us + i64::from(after_us)).unwrap_or(0);
                self.notes.board.record_us(lag_us);
                self.notes.series.board((first_us + i64::from(after_us)).div_euclid(1_000), lag_us);
            }
        }
    }

    /// Closes the books: what the last frames measured, and the boards as they are now.
    pub fn finish(mut self) -> Notes {
        let now = Instant::now();
        let at_us = self.since_start_us(now);
        self.folder.retire_older(now, Duration::ZERO);
        self.measure_boards();
        for seat in 0..self.seats.len() {
            let place = &self.seats[seat];
            let (seq, status) = match &place.board {
                _ if !place.wanted || !place.socket => continue,
                Some(board) => (board.seq, board.status.as_slice()),
                // Greeted, and never shown a board: that is a wrong board too, one of no unit.
                None if place.up => (-1, &[][..]),
                None => continue,
            };
            let last = |last: &&mut LastBoard| last.seq == seq && last.status == status;
            match self.notes.boards.iter_mut().find(last) {
                Some(last) => last.boards += 1,
                None => {
                    let (status, buyer) = (status.to_vec(), self.buyer(seat));
                    self.notes.boards.push(LastBoard { seq, status, boards: 1, buyer, at_us });
                }
            }
        }
        self.notes
    }
}
