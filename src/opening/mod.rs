//! L3 · The opening itself: what is prepared before it, and what happens while it runs.

/// Spreadsheets in: reading price lists and rosters, and storing them in a draft.
pub mod prepare;
