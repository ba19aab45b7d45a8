//! Kinds of units and states of eligibility, with their stable names in database, wire and files.

use serde::{Deserialize, Serialize};

macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($(#[$note:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$note])* #[serde(rename = $text)] $variant),* }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The stable name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}
pub(crate) use names;

names!(
    /// What a unit is. Its position in [`UnitKind::ALL`] is its quota class in the inventory.
    UnitKind { Home = "home", Parking = "parking", Shop = "shop", Storage = "storage" }
);

names!(
    /// Whether a buyer may buy (购房资格). Pending may look, not pick.
    Eligibility { Passed = "passed", Pending = "pending", Failed = "failed" }
);

impl UnitKind {
    /// The quota class in the inventory.
    pub const fn class(self) -> u8 {
        self as u8
    }
}

/// One value for each kind of unit: deposits, quotas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PerKind<T> {
    pub home: T,
    pub parking: T,
    pub shop: T,
    pub storage: T,
}

impl<T: Copy> PerKind<T> {
    pub const fn get(&self, kind: UnitKind) -> T {
        match kind {
            UnitKind::Home => self.home,
            UnitKind::Parking => self.parking,
            UnitKind::Shop => self.shop,
            UnitKind::Storage => self.storage,
        }
    }
}

impl<T> PerKind<T> {
    pub const fn get_mut(&mut self, kind: UnitKind) -> &mut T {
        match kind {
            UnitKind::Home => &mut self.home,
            UnitKind::Parking => &mut self.parking,
            UnitKind::Shop => &mut self.shop,
            UnitKind::Storage => &mut self.storage,
        }
    }
}
