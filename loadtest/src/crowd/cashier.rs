//! The simulated cashier: takes the deposits of most holds over the staff's door. A payment carries a reference made
//! from the hold's id, so a repeated one is the same payment, also after the crowd was stopped and started.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::crowd::counts::add;
use crate::crowd::run::World;
use crate::http::{Failure, fetch, patiently};
use crate::record::What;
use crate::wire::{Claim, Paid};

const COUNTERS: usize = 4;
const QUEUE: usize = 256;
const PATIENCE: Duration = Duration::from_secs(60);
const METHODS: [&str; 3] = ["pos", "transfer", "cash"];

/// A hold whose deposit will be paid at `due`.
pub struct Bill {
    pub claim: Claim,
    pub due: Instant,
}

/// The way to the cashier's desk.
#[derive(Clone)]
pub struct Cashier(mpsc::Sender<Bill>);

impl Cashier {
    pub fn desk() -> (Self, mpsc::Receiver<Bill>) {
        let (send, receive) = mpsc::channel(QUEUE);
        (Self(send), receive)
    }

    pub async fn bill(&self, bill: Bill) {
        // The desk closes only when the run is over.
        let _ = self.0.send(bill).await;
    }
}

/// Works until every buyer has gone and every bill is paid or refused.
pub async fn work(
    world: Arc<World>,
    mut bills: mpsc::Receiver<Bill>,
    mut buyers_gone: oneshot::Receiver<()>,
) {
    let counters = Arc::new(Semaphore::new(COUNTERS));
    let mut seen = HashSet::new();
    let mut paying = JoinSet::new();
    loop {
        let bill = tokio::select! {
            // What is queued goes first, so that the last buyer's leaving does not lose the last bills.
            biased;
            bill = bills.recv() => bill,
            _ = &mut buyers_gone => None,
        };
        let Some(bill) = bill else { break };
        if seen.insert(bill.claim.id.clone()) {
            let (world, counters) = (Arc::clone(&world), Arc::clone(&counters));
            paying.spawn(async move {
                tokio::time::sleep_until(bill.due).await;
                let _counter = counters.acquire().await;
                take(&world, &bill.claim).await;
            });
        }
    }
    paying.join_all().await;
}

async fn take(world: &World, claim: &Claim) {
    let reference = format!("SIM-{}", claim.id);
    let method = METHODS[claim.unit as usize % METHODS.len()];
    let body = json!({
        "generation": claim.generation, "method": method, "reference": reference,
        "amount_fen": claim.deposit_fen,
    });
    let paid: Result<Paid, Failure> = patiently(PATIENCE, || {
        let request = world.doors.staff_opening_post(&format!("/holds/{}/payments", claim.id));
        fetch(request.bearer_auth(world.sign_in.staff_token()).json(&body))
    })
    .await;
    match paid {
        Ok(paid) => {
            add(&world.counts.paid);
            world.write(What::Paid { claim: claim.id.clone(), reference, state: paid.hold.state });
        }
        Err(failure) => tracing::warn!(claim = %claim.id, %failure, "a deposit could not be taken"),
    }
}
