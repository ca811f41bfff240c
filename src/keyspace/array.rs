//! Arrays in the keyspace: found by key, made when missing, and what a digest sees of them.

use super::digest::Digest;
use super::{DbMut, Found, Garbage, LazyFree, RemovalReason, WrongKind};
pub use crate::types::array::Limits;
use crate::types::array::{Array, CellText, Removed};
use crate::types::entry::{EntryRef, NewValue};
use crate::types::value::{Encoding, Heap};

/// Taken out slices with more bytes than this are dropped by the helper thread.
const SLOW_TO_DROP: usize = 256 << 10;

/// Empty cells of an array that a digest walks over one by one, as Redis does with all of them.
const WALKED_GAPS: u64 = 1 << 16;

/// The array of an entry.
fn array_of(entry: EntryRef<'_>) -> Option<&Array> {
    match entry.heap() {
        Some(Heap::Array(array)) => Some(array),
        _ => None,
    }
}

impl DbMut<'_> {
    /// The array at a key, looked up for reading.
    pub fn array(&mut self, key: &[u8]) -> Result<Option<&Array>, WrongKind> {
        match self.read(key) {
            Some(found) => array_of(self.get(found)).map(Some).ok_or(WrongKind),
            None => Ok(None),
        }
    }

    /// The place of the array at a key, looked up for changing it.
    pub fn find_array(&mut self, key: &[u8]) -> Result<Option<Found>, WrongKind> {
        let Some(found) = self.write(key) else {
            return Ok(None);
        };
        match array_of(self.get(found)) {
            Some(_) => Ok(Some(found)),
            None => Err(WrongKind),
        }
    }

    /// The array that was found, for changing it.
    pub fn array_mut(&mut self, found: Found) -> Result<&mut Array, WrongKind> {
        match self.heap_mut(found) {
            Some(Heap::Array(array)) => Ok(array),
            _ => Err(WrongKind),
        }
    }

    /// Adds an empty array under a key that is not there. The caller puts something into it.
    pub fn add_array(&mut self, key: &[u8], limits: Limits) -> Found {
        self.add(key, new_value(Array::new(limits)), None)
    }

    /// Removes a found array if nothing is left in it. Returns whether it did.
    pub fn remove_array_if_empty(&mut self, found: Found) -> bool {
        let is_empty = array_of(self.get(found)).is_some_and(Array::is_empty);
        if is_empty {
            self.remove(found, RemovalReason::Deleted);
        }
        is_empty
    }

    /// Drops slices that were taken out of an array, here if that is quick.
    pub fn drop_slices(&mut self, removed: Removed) {
        if removed.heap_bytes() > SLOW_TO_DROP {
            self.shared.stirred = true;
            self.shared.to_free.push(LazyFree {
                garbage: Garbage::Foreign(Box::new(removed)),
                objects: 0,
            });
        }
    }
}

/// An array as the value of a key.
pub fn new_value(array: Array) -> NewValue<'static> {
    let heap = Box::new(Heap::Array(Box::new(array)));
    NewValue::Heap(heap, Encoding::SlicedArray)
}

/// Adds the cells of an array to a digest, in order, as Redis does: an empty one is `(null)`. Where
/// there are a great many empty ones in a row they are added as their number, since Redis needs years
/// for an array with a great index.
pub(super) fn digest(entry: EntryRef, digest: &mut Digest) {
    let Some(array) = array_of(entry) else { return };
    let mut room = CellText::default();
    let (mut next, mut walked) = (0, WALKED_GAPS);
    array.each(|index, cell| {
        let gap = index - next;
        match walked.checked_sub(gap) {
            Some(left) => {
                walked = left;
                (0..gap).for_each(|_| digest.mix(b"(null)"));
            }
            None => digest.mix(format!("(null) {gap}").as_bytes()),
        }
        digest.mix(cell.as_bytes(&mut room));
        next = index + 1;
    });
}
