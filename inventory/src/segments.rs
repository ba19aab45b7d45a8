//! An array that grows while others read it, and never moves what it holds.
//!
//! ```text
//!   boxes   0          1                    2                                        …
//!         ┌──────┐   ┌──────────────┐     ┌──────────────────────────────┐
//!         │ F    │   │ 2·F          │     │ 4·F                          │          F = FIRST rows
//!         └──────┘   └──────────────┘     └──────────────────────────────┘
//!   row    0 … F−1    F … 3F−1             3F … 7F−1
//!                              ▲
//!                              └ len: the first row that does not exist yet
//! ```
//!
//! Why not a `RwLock<Vec>`: its readers write (they count themselves), so ten thousand losers of one unit
//! would fight over the lock's cache line. Why not a vector swapped as a whole: the words live in it, and
//! an atomic must not move while somebody exchanges it. Doubling segments give both: a reader does one load
//! of `len`, one of the box, and arithmetic; a row, once born, stays where it is for good.
//!
//! This file must not know what a row means.

use crate::sync::{AtomicU32, OnceLock, Ordering};

pub(crate) struct Segments<T, const FIRST: u32, const COUNT: usize> {
    /// Set once each, from the left, and never cleared: a reader needs no guard to stand on one.
    boxes: [OnceLock<Box<[T]>>; COUNT],
    /// Rows that exist. Raised only after every box below it is set, and only by a Release: it is the door
    /// through which the boxes become visible.
    len: AtomicU32,
    /// Words in a row: 1 for units, the number of quota classes for holders.
    width: usize,
}

impl<T: Default, const FIRST: u32, const COUNT: usize> Segments<T, FIRST, COUNT> {
    /// Rows that all segments together can hold: F + 2F + 4F + … = F · (2^COUNT − 1).
    pub(crate) const CAPACITY: u32 = {
        assert!(FIRST.is_power_of_two(), "the segment of a row is found by its highest bit");
        assert!(FIRST.leading_zeros() as usize >= COUNT, "a row plus FIRST must fit 32 bits");
        FIRST * ((1 << COUNT) - 1)
    };

    pub(crate) fn new(width: usize) -> Self {
        Self { boxes: std::array::from_fn(|_| OnceLock::new()), len: AtomicU32::new(0), width }
    }

    /// Rows that exist now.
    pub(crate) fn len(&self) -> u32 {
        // Acquire: whoever acts on the length must find the boxes below it (pairs with `grow`).
        self.len.load(Ordering::Acquire)
    }

    /// The words of one row, or `None` when the row does not exist (yet).
    #[inline]
    pub(crate) fn row(&self, row: u32) -> Option<&[T]> {
        // The length is asked although an unset box would answer too: a box is born with room for rows that
        // nobody has asked for, and such a row must stay unknown.
        if row >= self.len() {
            return None;
        }
        let (segment, offset) = Self::place_of(row);
        let start = offset * self.width;
        self.boxes.get(segment)?.get()?.get(start..start + self.width)
    }

    /// Makes rows `0..total` exist. Idempotent, never shrinks, safe from several threads at once. The caller
    /// has compared `total` with its stated maximum; what lies beyond the last segment is not made.
    pub(crate) fn grow(&self, total: u32) {
        let total = total.min(Self::CAPACITY);
        if total <= self.len() {
            return;
        }
        let (last, _) = Self::place_of(total - 1);
        for (segment, cell) in self.boxes.iter().enumerate().take(last + 1) {
            if cell.get().is_none() {
                // Built before it is offered, so that no reader and no other grower waits for the loop over
                // the words. Of two growers one sees its box refused and drops it: a few wasted kilobytes
                // on a path that runs when an opening is loaded.
                let words = ((FIRST as usize) << segment) * self.width;
                let _ = cell.set(std::iter::repeat_with(T::default).take(words).collect());
            }
        }
        // Release: the boxes set above are visible to whoever reads this length with Acquire. A maximum
        // rather than a store, because a slower grower with a smaller total must not take rows away; and as
        // every write to `len` is a read-modify-write, the boxes of an earlier grower stay covered by it.
        self.len.fetch_max(total, Ordering::Release);
    }

    /// Where a row lives. Adding F turns the doubling ranges into powers of two: rows F…3F−1 become
    /// 2F…4F−1, so the highest bit names the segment and the rest is the offset.
    #[inline]
    fn place_of(row: u32) -> (usize, usize) {
        // No overflow: `row < len ≤ CAPACITY`, and CAPACITY asserts that FIRST more still fits.
        let shifted = row + FIRST;
        let segment = shifted.ilog2() - FIRST.ilog2();
        (segment as usize, (shifted - (FIRST << segment)) as usize)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    type Small = Segments<std::sync::atomic::AtomicU64, 4, 3>;

    #[test]
    fn rows_fall_into_doubling_segments_without_gap_or_overlap() {
        for (row, place) in
            [(0, (0, 0)), (3, (0, 3)), (4, (1, 0)), (11, (1, 7)), (12, (2, 0)), (27, (2, 15)), (28, (3, 0))]
        {
            assert_eq!(Small::place_of(row), place, "row {row}");
        }
        assert_eq!(Small::CAPACITY, 28);
    }

    #[test]
    fn a_row_exists_once_asked_for_and_no_sooner() {
        let rows = Small::new(2);
        assert!(rows.row(0).is_none());
        rows.grow(5);
        // The box of row 5 is there; the row is not.
        assert!(rows.row(4).is_some_and(|row| row.len() == 2));
        assert!(rows.row(5).is_none());
        rows.grow(2);
        assert_eq!(rows.len(), 5, "a smaller total takes nothing away");
        rows.grow(u32::MAX);
        assert_eq!(rows.len(), Small::CAPACITY);
        assert!(rows.row(27).is_some() && rows.row(28).is_none());
    }

    #[test]
    fn what_was_written_stays_where_it_was_when_the_array_grows() {
        let rows = Small::new(1);
        rows.grow(1);
        let word = &rows.row(0).unwrap()[0];
        word.store(7, std::sync::atomic::Ordering::Relaxed);
        rows.grow(28);
        assert!(std::ptr::eq(word, &rows.row(0).unwrap()[0]));
        assert_eq!(rows.row(0).unwrap()[0].load(std::sync::atomic::Ordering::Relaxed), 7);
    }
}
