//! What buyers saw in the end against what is stored: after the last change every board shows the claims.

use super::{Finding, Truth};
use crate::record::{Entry, What};

/// Compares every board on the record; gives how many there were.
pub(super) fn boards(record: &[Entry], truth: &Truth, findings: &mut Vec<Finding>) -> u64 {
    let mut compared = 0;
    for entry in record {
        if let What::Boards { board, boards, status, .. } = &entry.what {
            compared += boards;
            if let Some((unit, shows, is)) = first_difference(status, &expected(truth, status.len())) {
                findings.push(Finding::BoardWrong {
                    board: board.clone(),
                    boards: *boards,
                    unit,
                    shows,
                    truth: is,
                });
            }
        }
    }
    compared
}

/// The status digits by the claims, for as many units as the board shows and for every unit that has a claim.
fn expected(truth: &Truth, units: usize) -> String {
    let claimed = truth.claims.iter().map(|claim| claim.unit as usize + 1).max().unwrap_or(0);
    let mut digits = vec!['0'; units.max(claimed)];
    for claim in truth.claims.iter().filter(|claim| claim.occupying) {
        if let Some(digit) = digits.get_mut(claim.unit as usize) {
            *digit = match claim.state.as_str() {
                "withheld" => '3',
                "sold" => '2',
                _ => '1',
            };
        }
    }
    digits.into_iter().collect()
}

fn first_difference(shows: &str, truth: &str) -> Option<(u32, Option<char>, Option<char>)> {
    let (mut shows, mut truth) = (shows.chars(), truth.chars());
    for unit in 0.. {
        match (shows.next(), truth.next()) {
            (None, None) => return None,
            (here, there) if here != there => return Some((unit, here, there)),
            _ => {}
        }
    }
    None
}
