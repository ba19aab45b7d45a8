//! One simulated buyer: signs in, marks favourites, waits for the start, taps, and goes on to the next favourite after
//! a *no*. After a *yes* most pay, some give up, some let the hold lapse; some of those who have a home tap for a
//! parking space or a shop as well.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, RngExt};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::crowd::cashier::Bill;
use crate::crowd::counts::add;
use crate::crowd::plan::Person;
use crate::crowd::run::{Past, World};
use crate::http::{Failure, done, patiently};
use crate::record::What;
use crate::tap::{Step, Tap};
use crate::wire::{Claim, Kind, SignedIn};

mod door;
use door::Door;

/// A share of the crowd whose network blocks WebSockets: they pick over HTTP with the same keys.
const OVER_HTTP_PERCENT: u32 = 5;
const WITH_FAVOURITES_PERCENT: u32 = 60;
/// Of a hundred who have a home: want a parking space, a shop; the rest have what they came for.
const PARKING_PERCENT: u32 = 60;
const SHOP_PERCENT: u32 = 4;
/// Of a hundred holds: paid at the cashier's, given up; the rest lapse by themselves.
const PAY_PERCENT: u64 = 90;
const GIVE_UP_PERCENT: u64 = 5;
/// With nothing left on the board a buyer looks again after so long: holds are given up, and lapse.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// More taps than this without a home and a buyer leaves.
const TAPS_MAX: usize = 8;
const GIVE_UP_PATIENCE: Duration = Duration::from_secs(30);

/// What becomes of a hold.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Pay,
    GiveUp,
    Lapse,
}

/// How a series of taps for one kind of unit ended.
enum Ended {
    Won(Claim),
    /// Nothing left, no moment left, or a refusal that another tap would meet again.
    Done,
}

pub struct Buyer {
    world: Arc<World>,
    person: Person,
    rng: StdRng,
    /// A moment in the first second, for a third of the crowd's taps.
    first: Option<Duration>,
    past: Past,
    wishes: Vec<u32>,
    taps: usize,
}

impl Buyer {
    pub fn new(
        world: Arc<World>,
        person: Person,
        mut rng: StdRng,
        first: Option<Duration>,
        past: Past,
    ) -> Self {
        let wanted = rng.random_range(3..=8);
        let wishes = world.homes.draw_many(wanted, &mut rng);
        let taps = past.tried.len();
        Self { world, person, rng, first, past, wishes, taps }
    }

    /// Comes in after `earlier` (the registration before on the same phone, whose code a new code would void), tells
    /// `inside` when signed in, and stays until there is nothing more to do.
    pub async fn live(mut self, earlier: Option<oneshot::Receiver<()>>, inside: oneshot::Sender<()>) {
        if let Some(earlier) = earlier {
            let _ = earlier.await;
        }
        let signed_in = match self.world.sign_in.buyer(&self.person).await {
            Ok(signed_in) => signed_in,
            Err(failure) => {
                tracing::warn!(registration = %self.person.registration, %failure, "could not sign in");
                add(&self.world.counts.sign_in_failed);
                return;
            }
        };
        let _ = inside.send(());
        add(&self.world.counts.signed_in);
        self.mark_favourites(&signed_in).await;
        let over_http = self.rng.random_range(0..100) < OVER_HTTP_PERCENT;
        let mut door = Door::open(&self.world, &self.person.registration, &signed_in.token, over_http);
        self.resume(&mut door, &signed_in).await;
        self.take_part(&mut door, &signed_in.token).await;
        add(&self.world.counts.finished);
        // Whoever has a home, or none, still watches the board.
        door.rest_until(self.world.start + self.world.schedule.window()).await;
    }

    async fn mark_favourites(&mut self, signed_in: &SignedIn) {
        if self.rng.random_range(0..100) >= WITH_FAVOURITES_PERCENT || !self.past.is_new() {
            return;
        }
        let most = self.world.favourites_max.min(self.wishes.len());
        let units = self.wishes[..most].to_vec();
        let outcome = patiently(GIVE_UP_PATIENCE, || {
            let request = self.world.doors.buyer_put("/favourites").bearer_auth(&signed_in.token);
            done(request.json(&json!({ "units": units })))
        })
        .await;
        match outcome {
            Ok(()) => add(&self.world.counts.favourites),
            Err(failure) => tracing::warn!(%failure, "favourites were refused"),
        }
    }

    /// After a crowd that was stopped: first the answers that are still owed, then the holds that were going to be
    /// paid.
    async fn resume(&mut self, door: &mut Door, signed_in: &SignedIn) {
        for (key, unit) in std::mem::take(&mut self.past.outstanding) {
            self.resolve(door, Tap::outstanding(key, unit)).await;
        }
        for claim in &signed_in.me.claims {
            if claim.state == "held" && fate(claim) == Fate::Pay {
                self.bill(claim).await;
            }
        }
    }

    async fn take_part(&mut self, door: &mut Door, token: &str) {
        let home = if self.past.won_home { Ended::Done } else { self.series(door, Kind::Home).await };
        let Ended::Won(claim) = home else { return };
        let also = match self.rng.random_range(0..100) {
            roll if roll < PARKING_PERCENT => Some(Kind::Parking),
            roll if roll < PARKING_PERCENT + SHOP_PERCENT => Some(Kind::Shop),
            _ => None,
        };
        match fate(&claim) {
            Fate::Pay => self.bill(&claim).await,
            Fate::GiveUp => return self.give_up(door, token, &claim).await,
            Fate::Lapse => {}
        }
        if let Some(kind) = also
            && let Ended::Won(claim) = self.series(door, kind).await
            && fate(&claim) == Fate::Pay
        {
            self.bill(&claim).await;
        }
    }

    /// Taps for units of one kind until one is won or there is no more to be had.
    async fn series(&mut self, door: &mut Door, kind: Kind) -> Ended {
        while self.taps < TAPS_MAX {
            let Some(at) = self.moment(door, kind).await else { return Ended::Done };
            door.rest_until(self.world.start + at).await;
            // Gone while this buyer waited for the moment.
            let Some(unit) = self.choose(kind) else { continue };
            let key = format!("{}-{}-{:08x}", self.person.registration, self.taps, self.rng.random::<u32>());
            self.taps += 1;
            self.past.tried.insert(unit);
            let tapped = What::Tap { registration: self.person.registration.clone(), key: key.clone(), unit };
            if !self.world.write(tapped) {
                return Ended::Done;
            }
            add(&self.world.counts.taps);
            if at < Duration::from_secs(1) {
                add(&self.world.counts.taps_first_second);
            }
            match self.resolve(door, Tap::new(key, unit)).await {
                Some(Step::Yes(claim)) => return Ended::Won(claim),
                Some(Step::No(code)) if is_final(&code) => return Ended::Done,
                Some(_) => {}
                None => return Ended::Done,
            }
        }
        Ended::Done
    }

    /// The moment of the next tap after the start: the planned one of the first second, or the next free one once this
    /// buyer wants to tap. Moments are not reserved ahead: whoever taps is whoever is there and has something to tap.
    async fn moment(&mut self, door: &mut Door, kind: Kind) -> Option<Duration> {
        if let Some(first) = self.first.take()
            && self.since_start() <= first
        {
            return Some(first);
        }
        let thought = if self.taps == 0 {
            // Not among the first: anywhere in the two minutes.
            self.world.schedule.window().mul_f64(self.rng.random::<f64>())
        } else {
            self.since_start() + Duration::from_millis(self.rng.random_range(600..4_000))
        };
        door.rest_until(self.world.start + thought).await;
        while self.choose(kind).is_none() {
            if self.since_start() >= self.world.schedule.window() {
                return None;
            }
            door.rest_until(Instant::now() + LOOK_AGAIN).await;
        }
        self.world.schedule.take_after(self.since_start())
    }

    fn since_start(&self) -> Duration {
        Instant::now().saturating_duration_since(self.world.start)
    }

    /// The first favourite that the board does not show as gone, then whatever else is free, popular units first.
    fn choose(&mut self, kind: Kind) -> Option<u32> {
        let world = Arc::clone(&self.world);
        let open = |unit: &u32| world.eyes.is_free(*unit) && !self.past.tried.contains(unit);
        let taste = match kind {
            Kind::Home | Kind::Storage => &world.homes,
            Kind::Parking => &world.parking,
            Kind::Shop => &world.shops,
        };
        if kind == Kind::Home
            && let Some(wish) = self.wishes.iter().copied().find(|unit| open(unit))
        {
            return Some(wish);
        }
        let other = taste.draw_many(4, &mut self.rng).into_iter().find(|unit| open(unit));
        other.or_else(|| taste.all().find(|unit| open(unit)))
    }

    /// Follows one tap to its answer and writes the answer down; none if the crowd had to stop trying.
    async fn resolve(&mut self, door: &mut Door, mut tap: Tap) -> Option<Step> {
        let tapped = Instant::now();
        let step = door.resolve(&self.world, &mut tap).await?;
        self.world.counts.answered_after(tapped.elapsed());
        let registration = self.person.registration.clone();
        let what = match &step {
            Step::Yes(claim) => {
                add(&self.world.counts.yes);
                What::Yes { registration, key: tap.key, claim: claim.id.clone(), unit: claim.unit }
            }
            Step::No(code) => {
                add(&self.world.counts.no);
                self.world.counts.refused(code);
                What::No { registration, key: tap.key, code: code.clone() }
            }
            Step::Send(..) => return None,
        };
        self.world.write(what).then_some(step)
    }

    async fn bill(&mut self, claim: &Claim) {
        let pause = Duration::from_millis(self.rng.random_range(2_000..20_000));
        self.world.cashier.bill(Bill { claim: claim.clone(), due: Instant::now() + pause }).await;
    }

    async fn give_up(&mut self, door: &mut Door, token: &str, claim: &Claim) {
        door.rest_until(Instant::now() + Duration::from_millis(self.rng.random_range(4_000..25_000))).await;
        let outcome = patiently(GIVE_UP_PATIENCE, || {
            let request = self.world.doors.buyer_post(&format!("/claims/{}/give-up", claim.id));
            done(request.bearer_auth(token).json(&json!({ "generation": claim.generation })))
        })
        .await;
        match outcome {
            Ok(()) => {
                add(&self.world.counts.gave_up);
                let registration = self.person.registration.clone();
                self.world.write(What::GaveUp { registration, claim: claim.id.clone() });
            }
            // A repeated request finds the claim already changed by its first, unanswered copy.
            Err(Failure::Refused { .. }) => {}
            Err(failure) => tracing::warn!(%failure, "a hold could not be given up"),
        }
    }
}

/// What becomes of a hold, by its id alone, so that a crowd that was stopped decides the same again.
fn fate(claim: &Claim) -> Fate {
    let hash = claim.id.bytes().fold(7_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)));
    match hash % 100 {
        roll if roll < PAY_PERCENT => Fate::Pay,
        roll if roll < PAY_PERCENT + GIVE_UP_PERCENT => Fate::GiveUp,
        _ => Fate::Lapse,
    }
}

/// Refusals that the next unit would meet too.
fn is_final(code: &str) -> bool {
    matches!(code, "CLOSED" | "NOT_ADMITTED" | "QUOTA_USED" | "VIEWER_DEVICE")
}

/// A generator of its own for each buyer, the same in every run with this seed.
pub fn rng_of(seed: u64, ordinal: usize) -> StdRng {
    use rand::SeedableRng;
    let mut mixed = StdRng::seed_from_u64(seed ^ (ordinal as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    StdRng::seed_from_u64(mixed.next_u64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_pay_some_give_up_some_let_it_lapse_and_a_restart_decides_the_same() {
        let claim = |n: u32| Claim {
            id: format!("01JABCDEFGHJKMNPQRSTV{n:05}"),
            unit: n,
            state: "held".to_owned(),
            generation: 1,
            deposit_fen: 1,
            seq: 1,
        };
        let count = |want: Fate| (0..1_000).filter(|n| fate(&claim(*n)) == want).count();
        assert!((850..950).contains(&count(Fate::Pay)), "{}", count(Fate::Pay));
        assert!(count(Fate::GiveUp) > 20 && count(Fate::Lapse) > 20);
    }
}
