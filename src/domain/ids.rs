//! Public ids are ULIDs as text; inside an opening, units and registrations are append-only ordinals.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What an id must look like: 26 characters of Crockford's base 32, upper case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id: 26 characters of Crockford base 32 expected")]
pub struct BadId;

#[cfg(not(test))]
fn new_ulid() -> ulid::Ulid {
    ulid::Ulid::generate()
}

#[cfg(test)]
fn new_ulid() -> ulid::Ulid {
    seeded::next().unwrap_or_else(ulid::Ulid::generate)
}

/// The simulator's ids come from its seed, so that a replay is the same to the last byte.
#[cfg(test)]
pub mod seeded {
    use std::cell::RefCell;

    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};

    thread_local! {
        static SOURCE: RefCell<Option<(u64, SmallRng)>> = const { RefCell::new(None) };
    }

    /// From now on this thread's ids follow from `seed`; `None` makes them random again.
    pub fn set(seed: Option<u64>) {
        SOURCE.with_borrow_mut(|source| *source = seed.map(|seed| (0, SmallRng::seed_from_u64(seed))));
    }

    pub(super) fn next() -> Option<ulid::Ulid> {
        SOURCE.with_borrow_mut(|source| {
            let (count, rng) = source.as_mut()?;
            *count += 1;
            Some(ulid::Ulid::from_parts(*count, rng.random()))
        })
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, sqlx::Type, utoipa::ToSchema)]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(String);

        impl $name {
            /// A new id; ids made later sort later.
            pub fn generate() -> Self {
                Self(new_ulid().to_string())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                ulid::Ulid::from_string(text).map(|id| Self(id.to_string())).map_err(|_| BadId)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(/// An organisation; every row belongs to one.
    OrgId);
id!(/// A development being sold (项目).
    ProjectId);
id!(/// A real home, shop, parking space or storage room, one row a project.
    PropertyId);
id!(/// The sale event of a set of units (开盘).
    OpeningId);
id!(/// The database row of a granted pick: hold or deal.
    ClaimId);
id!(/// A recorded payment.
    PaymentId);
id!(/// A member of staff.
    StaffId);
id!(/// A signed-in device of a buyer or a member of staff.
    SessionId);
id!(/// A message in the outbox, a log entry, or another row nobody refers to by type.
    RowId);

impl OrgId {
    /// The one organisation that an installation has today; `migrations/` inserts it.
    pub fn default_org() -> Self {
        Self("00000000000000000000000000".to_owned())
    }
}

/// A unit's place in its opening's catalogue: 0, 1, 2 …, append-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnitOrd(pub u32);

/// A registration's place in its opening's admission list: 0, 1, 2 …, append-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RegOrd(pub u32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_ulids_and_nothing_else() {
        let id = OpeningId::generate();
        assert_eq!(id.as_str().len(), 26);
        assert_eq!(id.as_str().parse::<OpeningId>(), Ok(id));
        assert_eq!("../etc/passwd".parse::<OpeningId>(), Err(BadId));
        assert_eq!("".parse::<OpeningId>(), Err(BadId));
        assert!(serde_json::from_str::<OpeningId>("\"x\"").is_err());
    }
}
