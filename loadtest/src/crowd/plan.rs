//! What a run is told: where the two doors are, whom to play, which log-in to use, where to write.
//!
//! The plan comes on standard input and is never stored: it holds phones and a password, and neither the command
//! line nor the data folder is a place for them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One line of JSON on standard input; the stream then stays open, and its end ends the crowd.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    /// Buyers' door, such as `http://127.0.0.1:8080`.
    pub buyers_url: String,
    /// Staff's door, such as `http://127.0.0.1:8081`.
    pub staff_url: String,
    pub opening: String,
    /// A member of staff with the role `crowd`: reads sign-in codes and takes payments.
    pub staff: StaffLogin,
    /// The append-only record; an existing one is resumed.
    pub record: PathBuf,
    /// Where the buyers' session tokens are kept, so that a crowd that was stopped is the same phones again.
    pub sessions: PathBuf,
    pub people: Vec<Person>,
    /// How many of the people play; the machine's size if absent.
    #[serde(default)]
    pub buyers_max: Option<usize>,
    /// How long taps go on after the start; two minutes if absent.
    #[serde(default)]
    pub tap_for_s: Option<u64>,
    /// The same seed wants the same units at the same moments.
    #[serde(default)]
    pub seed: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StaffLogin {
    pub login: String,
    pub password: String,
}

/// A row of the roster: a registration and the phone that signs in for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Person {
    pub registration: String,
    pub phone: String,
}
