//! Series of several machines that loaded one server at the same T.
//!
//! What each machine did by itself is added up: answers, sockets. What all of them saw of the one server is not: of its
//! processor and memory, and of the boards' lag, the worst that any of them saw stands.

use std::collections::{BTreeMap, BTreeSet};

use super::{Answers, BoardLag, Series, Server, Sockets};

impl Series {
    pub fn merged(parts: &[&Self]) -> Self {
        let mut answers: BTreeMap<i64, Answers> = BTreeMap::new();
        let mut board: BTreeMap<i64, BoardLag> = BTreeMap::new();
        let mut server: BTreeMap<i64, Server> = BTreeMap::new();
        for part in parts {
            for row in &part.answers_per_10ms {
                let sum = answers.entry(row.t_ms).or_insert(Answers { t_ms: row.t_ms, ..Answers::default() });
                sum.yes = sum.yes.saturating_add(row.yes);
                sum.no = sum.no.saturating_add(row.no);
                sum.error = sum.error.saturating_add(row.error);
            }
            for row in &part.board_lag {
                let worst = board.entry(row.t_ms).or_insert(*row);
                worst.p50_us = worst.p50_us.max(row.p50_us);
                worst.max_us = worst.max_us.max(row.max_us);
            }
            for row in &part.server {
                let worst = server.entry(row.t_ms).or_insert(*row);
                worst.cpu_cores = worst.cpu_cores.max(row.cpu_cores);
                worst.rss_bytes = worst.rss_bytes.max(row.rss_bytes);
            }
        }
        Self {
            answers_per_10ms: answers.into_values().collect(),
            board_lag: board.into_values().collect(),
            sockets: open_together(parts),
            server: server.into_values().collect(),
        }
    }
}

/// A part that says nothing of a moment has as many sockets open as when it last said something.
fn open_together(parts: &[&Series]) -> Vec<Sockets> {
    let moments: BTreeSet<i64> =
        parts.iter().flat_map(|part| part.sockets.iter().map(|row| row.t_ms)).collect();
    let mut rests: Vec<_> = parts.iter().map(|part| (0_u64, part.sockets.iter().peekable())).collect();
    moments
        .into_iter()
        .map(|t_ms| {
            for (open, rest) in &mut rests {
                while let Some(row) = rest.next_if(|row| row.t_ms <= t_ms) {
                    *open = row.open;
                }
            }
            Sockets { t_ms, open: rests.iter().map(|(open, _)| open).sum() }
        })
        .collect()
}
