//! One run of the crowd, from the plan to the last answer.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::seq::SliceRandom;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::crowd::buyer::{Buyer, rng_of};
use crate::crowd::cashier::{self, Cashier};
use crate::crowd::counts::Counts;
use crate::crowd::eyes::Eyes;
use crate::crowd::plan::{Person, Plan};
use crate::crowd::schedule::{Schedule, WINDOW};
use crate::crowd::sessions::Sessions;
use crate::crowd::sign_in::SignIn;
use crate::http::{Doors, Failure, fetch, patiently};
use crate::record::{Entry, Record, What};
use crate::taste::Taste;
use crate::wire::{Catalogue, Kind, Opening};

/// Moments for each hundred buyers. With a thousand of them the demo's 726 units are sold out towards the end of the two
/// minutes; some later moments are left over then, and about a third of the taps made fell in the first second.
const FIRST_SECOND_PERCENT: usize = 28;
const LATER_PERCENT: usize = 85;
/// After the load, how long taps that are still open may ask for their answer.
const PATIENCE: Duration = Duration::from_secs(90);
/// The server may still be starting.
const START_PATIENCE: Duration = Duration::from_secs(60);
const FIGURES_EVERY: Duration = Duration::from_millis(500);

/// What all buyers of a run share.
pub struct World {
    pub doors: Doors,
    pub sign_in: SignIn,
    pub record: Arc<Record>,
    pub counts: Arc<Counts>,
    pub schedule: Schedule,
    pub eyes: Eyes,
    pub homes: Taste,
    pub parking: Taste,
    pub shops: Taste,
    pub cashier: Cashier,
    /// The opening's start, by this machine's monotonic clock.
    pub start: Instant,
    /// When open taps stop asking.
    pub patience_ends: Instant,
    pub favourites_max: usize,
}

impl World {
    /// Writes one line; false if the record can't be written, and then nothing more may be tapped: a tap that is not
    /// on record could not be audited.
    pub fn write(&self, what: What) -> bool {
        match self.record.write(what) {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(%error, "the record cannot be written");
                false
            }
        }
    }
}

/// What a buyer did before the crowd was stopped, by the record.
#[derive(Debug, Default, Clone)]
pub struct Past {
    pub tried: HashSet<u32>,
    /// Taps without an answer: key and unit.
    pub outstanding: Vec<(String, u32)>,
    pub won_home: bool,
}

impl Past {
    pub fn is_new(&self) -> bool {
        self.tried.is_empty()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("the record: {0}")]
    Record(#[from] std::io::Error),
    #[error("the server: {0}")]
    Server(#[from] Failure),
}

/// Plays the whole plan; figures go to `out` as JSON lines.
pub async fn run(plan: &Plan, out: &mut (impl Write + Send)) -> Result<(), RunError> {
    let (record, before) = Record::open(&plan.record)?;
    let doors = Doors::new(&plan.buyers_url, &plan.staff_url, &plan.opening)?;
    let opening: Opening = patiently(START_PATIENCE, || fetch(doors.buyer_get(""))).await?;
    let hash = format!("/catalogue/{}", opening.catalogue_hash);
    let catalogue: Catalogue = patiently(START_PATIENCE, || fetch(doors.buyer_get(&hash))).await?;
    let sessions = Sessions::open(&plan.sessions)?;
    let sign_in = SignIn::as_staff(doors.clone(), &plan.staff, sessions).await?;

    let people = chosen(plan, &before);
    record.write(What::Run { opening: plan.opening.clone(), buyers: people.len(), simulated: true })?;
    let mut rng = rng_of(plan.seed, usize::MAX);
    let start = instant_of(opening.start_ms - opening.now_ms);
    let window = plan.tap_for_s.map_or(WINDOW, Duration::from_secs);
    let (cashier, bills) = Cashier::desk();
    let counts = Arc::new(Counts::default());
    // The record's stamps are this machine's wall time, the opening's are the server's.
    recount(&counts, &before, opening.start_ms - opening.now_ms + crate::now_ms());
    let world = Arc::new(World {
        sign_in,
        record: Arc::new(record),
        counts,
        schedule: Schedule::new(
            people.len() * FIRST_SECOND_PERCENT / 100,
            people.len() * LATER_PERCENT / 100,
            window,
            &mut rng,
        ),
        eyes: Eyes::new(catalogue.units.len()),
        homes: Taste::of(&catalogue.units, Kind::Home, &mut rng),
        parking: Taste::of(&catalogue.units, Kind::Parking, &mut rng),
        shops: Taste::of(&catalogue.units, Kind::Shop, &mut rng),
        cashier,
        start,
        patience_ends: (start + window).max(Instant::now()) + PATIENCE,
        favourites_max: opening.favourites_max,
        doors,
    });
    let buyers = people.len();
    let watching = tokio::spawn(world.eyes.clone().watch(world.doors.socket_url()));
    let (gone, buyers_gone) = oneshot::channel();
    let desk = tokio::spawn(cashier::work(Arc::clone(&world), bills, buyers_gone));
    let mut everybody = enter(&world, people, &before, plan.seed);
    // The desk closes when the last buyer has left.
    let leaving = tokio::spawn(async move {
        while everybody.join_next().await.is_some() {}
        let _ = gone.send(());
    });

    let mut tick = tokio::time::interval(FIGURES_EVERY);
    while !desk.is_finished() {
        tick.tick().await;
        print(&world, state(&world, leaving.is_finished()), buyers, out)?;
    }
    watching.abort();
    world.record.write(What::End)?;
    print(&world, "done", buyers, out)?;
    Ok(())
}

/// Whom to play: as many as the machine carries, the same ones again after a stop. People who share a phone come
/// early in the list, so that choosing a registration is always among what the crowd does.
fn chosen(plan: &Plan, before: &[Entry]) -> Vec<Person> {
    let earlier = before.iter().find_map(|entry| match entry.what {
        What::Run { buyers, .. } => Some(buyers),
        _ => None,
    });
    let count = earlier.unwrap_or_else(|| {
        plan.buyers_max.unwrap_or(usize::MAX).min(crate::crowd::size::buyers_here(plan.people.len()))
    });
    let mut people = plan.people.clone();
    people.shuffle(&mut rng_of(plan.seed, 0));
    let mut by_phone = HashMap::new();
    for person in &people {
        *by_phone.entry(person.phone.clone()).or_insert(0_u32) += 1;
    }
    people.sort_by_key(|person| by_phone.get(&person.phone) == Some(&1));
    people.truncate(count);
    people
}

/// Sends everybody in. Registrations of one phone sign in one after the other: a new code voids the one before.
fn enter(world: &Arc<World>, people: Vec<Person>, before: &[Entry], seed: u64) -> JoinSet<()> {
    let mut pasts = pasts(before, world);
    let resumed = !pasts.is_empty();
    let mut order: Vec<usize> = (0..people.len()).collect();
    order.shuffle(&mut rng_of(seed, 1));
    let mut first: HashMap<usize, Duration> =
        order.into_iter().zip(world.schedule.first_second().iter().copied()).collect();
    let mut by_phone: BTreeMap<String, Vec<Buyer>> = BTreeMap::new();
    for (ordinal, person) in people.into_iter().enumerate() {
        let past = pasts.remove(&person.registration).unwrap_or_default();
        let moment = first.remove(&ordinal).filter(|_| !resumed);
        let phone = person.phone.clone();
        let buyer = Buyer::new(Arc::clone(world), person, rng_of(seed, ordinal + 2), moment, past);
        by_phone.entry(phone).or_default().push(buyer);
    }
    let mut everybody = JoinSet::new();
    for buyers in by_phone.into_values() {
        let mut earlier: Option<oneshot::Receiver<()>> = None;
        for buyer in buyers {
            let (inside, next) = oneshot::channel();
            everybody.spawn(buyer.live(earlier.replace(next), inside));
        }
    }
    everybody
}

fn pasts(before: &[Entry], world: &World) -> HashMap<String, Past> {
    let homes: HashSet<u32> = world.homes.all().collect();
    let mut pasts: HashMap<String, Past> = HashMap::new();
    for entry in before {
        match &entry.what {
            What::Tap { registration, key, unit } => {
                let past = pasts.entry(registration.clone()).or_default();
                past.tried.insert(*unit);
                past.outstanding.push((key.clone(), *unit));
            }
            What::Yes { registration, key, unit, .. } => {
                let past = pasts.entry(registration.clone()).or_default();
                past.outstanding.retain(|(open, _)| open != key);
                past.won_home |= homes.contains(unit);
            }
            What::No { registration, key, .. } => {
                let past = pasts.entry(registration.clone()).or_default();
                past.outstanding.retain(|(open, _)| open != key);
            }
            _ => {}
        }
    }
    pasts
}

/// The figures of a resumed run go on where they were.
fn recount(counts: &Counts, before: &[Entry], start_ms: i64) {
    let mut answered = HashSet::new();
    for entry in before {
        let counter = match &entry.what {
            What::Tap { .. } => {
                if entry.at_ms < start_ms + 1_000 {
                    counts.taps_first_second.fetch_add(1, Ordering::Relaxed);
                }
                &counts.taps
            }
            // A tap counts once, however often its answer came.
            What::Yes { key, .. } | What::No { key, .. } if !answered.insert(key) => continue,
            What::Yes { .. } => &counts.yes,
            What::No { code, .. } => {
                counts.refused(code);
                &counts.no
            }
            What::Paid { .. } => &counts.paid,
            What::GaveUp { .. } => &counts.gave_up,
            _ => continue,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

fn instant_of(ms_from_now: i64) -> Instant {
    let span = Duration::from_millis(ms_from_now.unsigned_abs());
    let now = Instant::now();
    // A start longer ago than this machine is up is, for a schedule, simply over.
    if ms_from_now >= 0 { now + span } else { now.checked_sub(span).unwrap_or(now) }
}

fn state(world: &World, buyers_gone: bool) -> &'static str {
    if buyers_gone {
        "cashier"
    } else if Instant::now() < world.start {
        "signing_in"
    } else {
        "tapping"
    }
}

fn print(world: &World, state: &str, buyers: usize, out: &mut impl Write) -> std::io::Result<()> {
    let figures = world.counts.figures(state, buyers, world.eyes.counts());
    serde_json::to_writer(&mut *out, &figures)?;
    out.write_all(b"\n")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn plan(people: usize) -> Plan {
        let person =
            |n: usize| Person { registration: format!("RC{n:05}"), phone: format!("1990000{:04}", n.max(1)) };
        Plan {
            buyers_url: String::new(),
            staff_url: String::new(),
            opening: "O".to_owned(),
            staff: crate::crowd::plan::StaffLogin { login: String::new(), password: String::new() },
            record: PathBuf::new(),
            sessions: PathBuf::new(),
            people: (0..people).map(person).collect(),
            buyers_max: Some(5),
            tap_for_s: None,
            seed: 9,
        }
    }

    #[test]
    fn the_same_people_play_again_after_a_stop_and_a_shared_phone_is_among_them() {
        let mut plan = plan(300);
        let first = chosen(&plan, &[]);
        assert_eq!(first.len(), 5);
        assert!(first.iter().filter(|person| person.phone == "19900000001").count() == 2, "{first:?}");
        // The machine may be another size now; the record says how many played.
        plan.buyers_max = Some(100);
        let run = What::Run { opening: "O".to_owned(), buyers: 5, simulated: true };
        let again = chosen(&plan, &[Entry { at_ms: 0, what: run }]);
        let codes = |people: &[Person]| people.iter().map(|p| p.registration.clone()).collect::<Vec<_>>();
        assert_eq!(codes(&first), codes(&again));
    }
}
