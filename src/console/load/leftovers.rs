//! Runs that an earlier server left under way: it was killed, and their children went with it. Nobody is left to clear their
//! rehearsals, which would go on selling to nobody and count among the few that there may be.

use super::run::{Run, State};
use crate::console::Console;
use crate::console::routes::rehearsals;
use crate::http::Code;
use crate::identity::Actor;

/// Called before the doors open, so that no run of this server is taken for one that was left.
pub async fn put_away(console: &Console) {
    let load = console.0.load.clone();
    match tokio::task::spawn_blocking(move || load.reports().broken_off()).await {
        Ok(left) => {
            for run in left {
                conclude(console, run).await;
            }
        }
        Err(error) => tracing::error!(%error, "the load runs of before could not be read"),
    }
}

/// Clears the run's rehearsal, then says of the run that it has ended; in this order, so that the next start tries again.
async fn conclude(console: &Console, mut run: Run) {
    if let Some(rehearsal) = &run.rehearsal {
        match rehearsals::put_away(console, &Actor::Server, rehearsal).await {
            Ok(()) => tracing::info!(run = %run.run, %rehearsal, "cleared what a broken load run left"),
            Err(problem) if problem.code == Code::NotFound => {}
            Err(problem) => {
                tracing::warn!(code = problem.code.as_str(), %rehearsal, "a rehearsal could not be cleared");
                return;
            }
        }
    }
    (run.state, run.ended_ms) = (State::Failed, Some(console.now().ms()));
    let load = console.0.load.clone();
    if let Ok(Err(error)) = tokio::task::spawn_blocking(move || load.reports().keep(&run)).await {
        tracing::error!(%error, "a broken load run could not be kept");
    }
}
