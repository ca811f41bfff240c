//! A walk over all items of a table, segment by segment.

use super::Table;
use super::segment::{SLOTS, Slot};

/// See `Table::iter`.
pub struct Iter<'t, T: Slot> {
    table: &'t Table<T>,
    /// The next directory index to look at.
    index: u64,
    slot: usize,
}

impl<'t, T: Slot> Iter<'t, T> {
    pub(super) fn new(table: &'t Table<T>) -> Self {
        Iter {
            table,
            index: 0,
            slot: 0,
        }
    }
}

impl<T: Slot> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let directory = &self.table.directory;
        while self.index < 1 << directory.depth() {
            let segment = directory.segment(self.index)?;
            // Every segment once: where its canonical index comes by.
            if segment.header().pattern == self.index {
                while self.slot < directory.buckets() * SLOTS {
                    self.slot += 1;
                    if let Some(item) = segment.get(self.slot - 1) {
                        return Some(item);
                    }
                }
                self.slot = 0;
            }
            self.index += 1;
        }
        None
    }
}
