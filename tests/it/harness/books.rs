//! The audit: what the database holds, read beside the server, and what must be true of it whatever happened.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{PgPool, SqlitePool};

use super::home::Home;

/// A claim with a buyer; withheld units are none.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct ClaimRow {
    pub id: String,
    pub unit_ord: i64,
    pub property_id: String,
    pub registration: String,
    pub request_key: String,
    pub state: String,
    pub occupying: bool,
    pub deadline_at: Option<i64>,
    pub seq: i64,
    pub changed_seq: i64,
}

#[derive(Debug, sqlx::FromRow)]
struct PlaceRow {
    claim_id: String,
    holder_kind: String,
    holder: String,
    class: String,
    place: i64,
}

#[derive(Debug, sqlx::FromRow)]
struct QuotaRow {
    holder: String,
    quota_home: i64,
}

/// One opening's rows at one moment.
pub struct Books {
    pub claims: Vec<ClaimRow>,
    places: Vec<PlaceRow>,
    quotas: Vec<QuotaRow>,
    journal: Vec<i64>,
    next_seq: i64,
}

/// The same text on both databases, as the product's own queries are.
macro_rules! rows {
    ($pool:expr, $sql:expr, $opening:expr) => {
        sqlx::query_as($sql).bind($opening).fetch_all(&mut *$pool).await.unwrap()
    };
}

macro_rules! read_books {
    ($pool:expr, $opening:expr) => {{
        let next: Vec<(i64,)> = rows!($pool, "SELECT next_seq FROM opening_head WHERE opening_id = $1", $opening);
        let journal: Vec<(i64,)> =
            rows!($pool, "SELECT seq FROM journal WHERE opening_id = $1 ORDER BY seq", $opening);
        Books {
            claims: rows!(
                $pool,
                "SELECT c.id, c.unit_ord, c.property_id, r.code AS registration, c.request_key, c.state, c.occupying, \
                 c.deadline_at, c.seq, c.changed_seq \
                 FROM claim c JOIN registration r ON r.opening_id = c.opening_id AND r.ord = c.registration_ord \
                 WHERE c.opening_id = $1",
                $opening
            ),
            places: rows!(
                $pool,
                "SELECT claim_id, holder_kind, holder, class, place FROM quota_place WHERE opening_id = $1",
                $opening
            ),
            quotas: rows!($pool, "SELECT CAST(ord AS TEXT) AS holder, quota_home FROM registration WHERE opening_id = $1", $opening),
            journal: journal.into_iter().map(|(seq,)| seq).collect(),
            next_seq: next[0].0,
        }
    }};
}

impl Books {
    /// Reads them while a server runs on this home, or after it has ended.
    pub async fn read(home: &Home, opening: &str) -> Self {
        match home.database_url() {
            Some(url) => {
                let pool = PgPool::connect(url).await.unwrap();
                // Of one moment: a keeper writes beside the reader.
                let mut tx = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await.unwrap();
                let books = read_books!(tx, opening);
                drop(tx);
                pool.close().await;
                books
            }
            None => {
                let file = home.data_dir().join("kaipan.db");
                let pool = SqlitePool::connect(&format!("sqlite://{}", file.display())).await.unwrap();
                let mut tx = pool.begin().await.unwrap();
                let books = read_books!(tx, opening);
                drop(tx);
                pool.close().await;
                books
            }
        }
    }

    /// The claim that this registration's tap was granted, if any.
    pub fn claim(&self, registration: &str, key: &str) -> Option<&ClaimRow> {
        self.claims.iter().find(|claim| claim.registration == registration && claim.request_key == key)
    }

    /// Everything that must never be, in words; empty when the sale was sound.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let occupying = || self.claims.iter().filter(|claim| claim.occupying);
        repeated("two live claims on unit", occupying().map(|claim| claim.unit_ord.to_string()), &mut faults);
        repeated(
            "two live claims on property",
            occupying().map(|claim| claim.property_id.clone()),
            &mut faults,
        );

        let expected: Vec<i64> = (self.next_seq - self.journal.len() as i64..self.next_seq).collect();
        if self.journal != expected {
            faults.push(format!("journal with gaps: {:?}, next {}", self.journal, self.next_seq));
        }
        let written: BTreeSet<i64> = self.journal.iter().copied().collect();
        for claim in &self.claims {
            if !written.contains(&claim.seq) || !written.contains(&claim.changed_seq) {
                faults.push(format!("not in the journal: {claim:?}"));
            }
            if claim.occupying == matches!(claim.state.as_str(), "lapsed" | "released" | "given_up") {
                faults.push(format!("state against occupying: {claim:?}"));
            }
        }

        let quotas: BTreeMap<&str, i64> =
            self.quotas.iter().map(|row| (row.holder.as_str(), row.quota_home)).collect();
        let mut placed: BTreeMap<&str, usize> = BTreeMap::new();
        for place in self.places.iter().filter(|place| place.holder_kind == "registration") {
            *placed.entry(&place.claim_id).or_default() += 1;
            let quota = quotas.get(place.holder.as_str()).copied().unwrap_or_default();
            if place.class == "home" && !(0..quota).contains(&place.place) {
                faults.push(format!("quota exceeded: {place:?}"));
            }
        }
        let places = self
            .places
            .iter()
            .map(|place| format!("{} {} {} {}", place.holder_kind, place.holder, place.class, place.place));
        repeated("a quota place taken twice:", places, &mut faults);
        for claim in &self.claims {
            if placed.get(claim.id.as_str()).copied().unwrap_or_default() != usize::from(claim.occupying) {
                faults.push(format!("a live claim without its quota place, or an ended one with: {claim:?}"));
            }
        }
        faults
    }
}

fn repeated(what: &str, values: impl Iterator<Item = String>, faults: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    faults.extend(values.filter(|value| !seen.insert(value.clone())).map(|value| format!("{what} {value}")));
}
