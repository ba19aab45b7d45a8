//! The scenario `crowd`: the people of the demo. Buyers who sign in with a code, mark favourites, tap, pay, give up or
//! let lapse, and a cashier. It resumes from its own record after a crash of either side.
//!
//! In reading order: what is asked for ([`plan`], [`size`]), when taps fall ([`schedule`]), how a buyer comes in
//! ([`sign_in`], [`sessions`]) and hears ([`link`], [`eyes`]), one buyer's life ([`buyer`]), the [`cashier`], the
//! figures ([`counts`]) and the whole ([`run`]).

/// What the supervisor hands over on standard input: addresses, people, a log-in, where to write.
pub mod plan;
/// How many buyers this machine can carry.
pub mod size;

/// When taps fall: many in the first second, the rest over two minutes.
pub mod schedule;

/// One anonymous connection that reads the board for everybody.
pub mod eyes;
/// One buyer's WebSocket, reconnecting by itself.
pub mod link;
/// The tokens of buyers who are signed in.
pub mod sessions;
/// Phone, code from the staff's outbox, registration.
pub mod sign_in;

/// One simulated buyer from sign-in to the end.
pub mod buyer;
/// The simulated cashier.
pub mod cashier;

/// Live figures for the demo page.
pub mod counts;
/// Puts it all together.
pub mod run;
