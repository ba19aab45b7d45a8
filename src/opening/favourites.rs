//! A buyer's favourites: units in the order the buyer wants them.

use super::live::Live;
use crate::domain::ids::{OpeningId, OrgId, RegOrd, UnitOrd};
use crate::domain::time::Micros;
use crate::store::{Db, Priority, Reader, StoreError, execute, fetch_optional};

#[derive(Debug, thiserror::Error)]
pub enum FavouritesError {
    #[error("at most {max}")]
    TooMany { max: u32 },
    #[error("unit {} does not exist", .0.0)]
    UnitUnknown(UnitOrd),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Replaces the list; a unit named twice keeps its first place.
pub async fn replace(
    db: &Db,
    live: &Live,
    who: RegOrd,
    units: &[UnitOrd],
    now: Micros,
) -> Result<Vec<UnitOrd>, FavouritesError> {
    let max = live.facts.favourites_max;
    let mut list: Vec<UnitOrd> = Vec::new();
    for unit in units {
        if live.facts.unit(*unit).is_none() {
            return Err(FavouritesError::UnitUnknown(*unit));
        }
        if !list.contains(unit) {
            list.push(*unit);
        }
        if list.len() > usize::try_from(max).unwrap_or(usize::MAX) {
            return Err(FavouritesError::TooMany { max });
        }
    }
    let json = serde_json::to_string(&list).map_err(|e| StoreError::Corrupt(e.to_string()))?;
    let mut tx = db.begin(Priority::Staff).await?;
    execute!(
        tx,
        "INSERT INTO favourite (opening_id, registration_ord, org_id, units, changed_at)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (opening_id, registration_ord)
         DO UPDATE SET units = excluded.units, changed_at = excluded.changed_at",
        &live.facts.id,
        i64::from(who.0),
        OrgId::default_org(),
        json,
        now
    )?;
    tx.commit().await?;
    Ok(list)
}

pub async fn of(read: &mut Reader, opening: &OpeningId, who: RegOrd) -> Result<Vec<UnitOrd>, StoreError> {
    let row = fetch_optional!(
        read,
        (String,),
        "SELECT units FROM favourite WHERE opening_id = $1 AND registration_ord = $2",
        opening,
        i64::from(who.0)
    )?;
    match row {
        Some((json,)) => serde_json::from_str(&json).map_err(|e| StoreError::Corrupt(e.to_string())),
        None => Ok(Vec::new()),
    }
}
