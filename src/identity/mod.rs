//! Who is who: staff and what they may do, buyers and which of their devices picks.
//!
//! What this module must not know: what is sold, how a pick is decided, HTTP, the format of buyers' tokens.

pub mod buyers;
pub mod sealed;
pub mod staff;

mod binding;
mod throttle;
mod upkeep;

pub use binding::{BindingError, bind_keyring, check_keyring, has_keyring};
pub use buyers::{BuyerError, BuyerRates, BuyerSession, Buyers, Devices};
pub use staff::{Actor, Right, Role, Staff, StaffError, StaffMember};
pub use throttle::Rate;
pub use upkeep::keep_up;

use std::net::{IpAddr, Ipv6Addr};

/// One key for one network: a provider hands out IPv6 in blocks of at least a /64, so a single address is no bound.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}
