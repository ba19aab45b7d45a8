//! What the openings and doors know about themselves, told to the metrics now and then. Nothing reads it back.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::time::Clock;
use crate::gateway::Gateway;
use crate::identity::Buyers;
use crate::opening::{Live, Openings};
use crate::telemetry::names;

const PERIOD: Duration = Duration::from_secs(5);

/// Runs until the runtime ends.
pub async fn keep_figures(openings: Openings, buyers: Buyers, gateway: Arc<Gateway>, clock: Clock) {
    let mut ticks = tokio::time::interval(PERIOD);
    loop {
        ticks.tick().await;
        for live in openings.list() {
            tell(&live, &buyers, &gateway, &clock);
        }
    }
}

fn tell(live: &Live, buyers: &Buyers, gateway: &Gateway, clock: &Clock) {
    let opening = live.facts.id.to_string();
    metrics::counter!(names::PICKS, "opening" => opening.clone()).absolute(live.stats.picks());
    for (code, count) in live.stats.refusals() {
        metrics::counter!(names::REFUSALS, "opening" => opening.clone(), "code" => code).absolute(count);
    }
    // Below 2^53 an f64 is exact, and no figure here comes near.
    let signed_in = buyers.devices().signed_in(&live.facts.id, clock.wall());
    metrics::gauge!(names::SIGNED_IN, "opening" => opening.clone()).set(signed_in as f64);
    let connected = gateway.presence.connected(&live.facts.id);
    metrics::gauge!(names::CONNECTED, "opening" => opening.clone()).set(connected as f64);
    metrics::gauge!(names::BOARD_SEQ, "opening" => opening).set(live.board().snapshot().seq as f64);
}
