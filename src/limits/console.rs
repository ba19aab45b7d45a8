//! The staff's door.

/// Registrations on one page.
pub const REGISTRATIONS_LISTED_MAX: usize = 200;

/// Holds shown as about to lapse.
pub const HOLDS_ABOUT_TO_LAPSE: usize = 10;
