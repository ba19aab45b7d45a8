//! One kind of error: a sentence. Whoever reads it looks at a table that lacks a row, and wants to know why.

use std::fmt::Display;

#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub String);

pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    pub fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }
}

/// Says what was being done when something failed.
pub trait While<T> {
    fn during(self, doing: &str) -> Outcome<T>;
}

impl<T, E: Display> While<T> for Result<T, E> {
    fn during(self, doing: &str) -> Outcome<T> {
        self.map_err(|error| Failure(format!("{doing}: {error}")))
    }
}

impl<T> While<T> for Option<T> {
    fn during(self, doing: &str) -> Outcome<T> {
        self.ok_or_else(|| Failure(format!("{doing}: nothing there")))
    }
}
