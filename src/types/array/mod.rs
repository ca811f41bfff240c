//! Arrays: values under indexes from 0 to 2^64 - 2, most of which may hold nothing.
//!
//! ```text
//!   Array     count, length, cursor
//!     Directory       one slice, a table of them, or a tree        number = index / slice size
//!       Slice         a list of a few cells, or a window of cells
//!         cell        a word: an integer, a double, a short text, or the place of a text
//!         Texts       the texts of the slice behind each other, long ones in boxes
//! ```
//!
//! What an operation costs follows from the cells that it touches, not from the distance of their
//! indexes. A value costs eight bytes, and its own if it is a text of more than seven.

mod cell;
mod directory;
mod slice;
#[cfg(test)]
mod tests;
mod texts;

pub use cell::{Cell, CellText, double_text};

use directory::Directory;
use slice::Slice;
use std::ops::ControlFlow;

/// The greatest index.
pub const INDEX_MAX: u64 = u64::MAX - 1;
/// The cursor of an array into which nothing was inserted.
const NO_CURSOR: u64 = u64::MAX;
/// Slices removed in one go; between them the directory is asked anew.
const REMOVED_AT_ONCE: usize = 1024;

/// The direction of a walk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    Rising,
    Falling,
}

/// The sizes of slices that are directives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Cells of a slice, a power of two from 256 to 65,536.
    pub slice_size: u32,
    /// A slice has the form of a list up to this many cells,
    pub sparse_max: usize,
    /// and takes it again at this many.
    pub sparse_min: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            slice_size: 4096,
            sparse_max: 10,
            sparse_min: 5,
        }
    }
}

/// Whole slices that were taken out, to be dropped later, by another thread if they are large.
#[derive(Default)]
pub struct Removed {
    slices: Vec<Slice>,
    bytes: usize,
}

impl Removed {
    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.bytes + self.slices.capacity() * size_of::<Slice>()
    }

    fn push(&mut self, slice: Slice) {
        self.bytes += slice.heap_bytes();
        self.slices.push(slice);
    }
}

/// The structure of an array, for ARINFO.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shape {
    pub slices: u64,
    pub directory_size: u64,
    pub super_directory: u64,
    pub slice_size: u64,
}

/// The sizes of an array's slices, for ARINFO FULL.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Fill {
    pub dense: u64,
    pub sparse: u64,
    /// Cells of all windows, and those in use.
    pub dense_room: u64,
    pub dense_used: u64,
    /// Cells for which the lists have room.
    pub sparse_room: u64,
}

/// Values under indexes.
#[derive(Debug)]
pub struct Array {
    directory: Directory,
    count: u64,
    /// The greatest index in use and one, or 0.
    len: u64,
    /// The index of the last insertion, or `NO_CURSOR`.
    cursor: u64,
    /// The exponent of the size of slices.
    bits: u32,
    /// Bytes that the slices have on the heap.
    slice_bytes: usize,
}

/// A copy has no room to spare, so that its bytes are others.
impl Clone for Array {
    fn clone(&self) -> Array {
        let directory = self.directory.clone();
        Array {
            slice_bytes: bytes_of_slices(&directory),
            directory,
            ..*self
        }
    }
}

fn bytes_of_slices(directory: &Directory) -> usize {
    let mut bytes = 0;
    let _: ControlFlow<()> = directory.walk(0, u64::MAX, Order::Rising, |_, slice| {
        bytes += slice.heap_bytes();
        ControlFlow::Continue(())
    });
    bytes
}

impl Array {
    /// An array that holds nothing.
    pub fn new(limits: Limits) -> Array {
        Array {
            directory: Directory::default(),
            count: 0,
            len: 0,
            cursor: NO_CURSOR,
            bits: limits.slice_size.trailing_zeros().clamp(8, 16),
            slice_bytes: 0,
        }
    }

    /// Cells that hold something.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The greatest index in use and one, or 0.
    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn slice_size(&self) -> usize {
        1 << self.bits
    }

    /// The slice of an index, and the offset there.
    #[inline(always)]
    fn split(&self, index: u64) -> (u64, u16) {
        (index >> self.bits, (index & ((1 << self.bits) - 1)) as u16)
    }

    /// The value at an index.
    #[inline]
    pub fn get(&self, index: u64) -> Option<Cell<'_>> {
        let (number, offset) = self.split(index);
        self.directory.get(number)?.get(offset)
    }

    /// Stores a value. Returns whether the cell was empty.
    #[inline]
    pub fn set(&mut self, index: u64, text: &[u8], limits: Limits) -> bool {
        let ((number, offset), size) = (self.split(index), self.slice_size());
        let slice = match self.directory.get_mut(number) {
            Some(slice) => slice,
            None => {
                self.directory.insert(number, Slice::new());
                let slice = self.directory.get_mut(number);
                slice.expect("it was just inserted")
            }
        };
        let before = slice.heap_bytes();
        let fresh = slice.set(offset, text, size, limits);
        self.slice_bytes = self.slice_bytes + slice.heap_bytes() - before;
        self.count += u64::from(fresh);
        self.len = self.len.max(index + 1);
        fresh
    }

    /// Removes the value at an index. Returns whether there was one.
    pub fn remove(&mut self, index: u64, limits: Limits) -> bool {
        let (number, offset) = self.split(index);
        let Some(slice) = self.directory.get_mut(number) else {
            return false;
        };
        let before = slice.heap_bytes();
        let removed = slice.remove(offset, limits);
        self.slice_bytes = self.slice_bytes + slice.heap_bytes() - before;
        if !removed {
            return false;
        }
        if slice.used() == 0 {
            self.drop_slice(number);
        }
        self.count -= 1;
        if index + 1 == self.len {
            self.find_len();
        }
        true
    }

    /// Takes a slice out of the directory.
    fn take_slice(&mut self, number: u64) -> Option<Slice> {
        let slice = self.directory.remove(number)?;
        self.slice_bytes -= slice.heap_bytes();
        Some(slice)
    }

    fn drop_slice(&mut self, number: u64) {
        drop(self.take_slice(number));
    }

    /// Finds the greatest index anew.
    fn find_len(&mut self) {
        let last = self.directory.last().and_then(|number| {
            let offset = self.directory.get(number)?.last()?;
            Some((number << self.bits | u64::from(offset)) + 1)
        });
        self.len = last.unwrap_or(0);
    }

    /// Removes the values between two indexes, these included. Returns how many there were. Whole
    /// slices are put into `removed`.
    pub fn remove_range(
        &mut self,
        first: u64,
        last: u64,
        limits: Limits,
        removed: &mut Removed,
    ) -> u64 {
        let before = self.count;
        let ((mut from, _), (to, _)) = (self.split(first), self.split(last));
        loop {
            let numbers = self.directory.numbers(from, to, REMOVED_AT_ONCE);
            for &number in &numbers {
                self.remove_in_slice(number, (first, last), limits, removed);
            }
            match numbers.last() {
                Some(&number) if numbers.len() == REMOVED_AT_ONCE && number < to => {
                    from = number + 1;
                }
                _ => break,
            }
        }
        if self.len > 0 && (first..=last).contains(&(self.len - 1)) {
            self.find_len();
        }
        before - self.count
    }

    fn remove_in_slice(
        &mut self,
        number: u64,
        (first, last): (u64, u64),
        limits: Limits,
        removed: &mut Removed,
    ) {
        let start = number << self.bits;
        let end = start + (self.slice_size() as u64 - 1);
        if first <= start && end <= last {
            if let Some(slice) = self.take_slice(number) {
                self.count -= slice.used();
                removed.push(slice);
            }
            return;
        }
        let (from, to) = (first.max(start) - start, last.min(end) - start);
        let Some(slice) = self.directory.get_mut(number) else {
            return;
        };
        let before = slice.heap_bytes();
        self.count -= slice.remove_range(from as u16, to as u16, limits);
        self.slice_bytes = self.slice_bytes + slice.heap_bytes() - before;
        if slice.used() == 0 {
            self.drop_slice(number);
        }
    }

    /// Visits the values between two indexes, these included, while `visit` continues.
    #[inline]
    pub fn walk<B>(
        &self,
        first: u64,
        last: u64,
        order: Order,
        mut visit: impl FnMut(u64, Cell<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let (from, to) = (self.split(first), self.split(last));
        let end = (self.slice_size() - 1) as u16;
        self.directory.walk(from.0, to.0, order, |number, slice| {
            let low = if number == from.0 { from.1 } else { 0 };
            let high = if number == to.0 { to.1 } else { end };
            let start = number << self.bits;
            slice.walk(low, high, order, |offset, cell| {
                visit(start | u64::from(offset), cell)
            })
        })
    }

    /// Visits all values, in the order of their indexes.
    pub fn each(&self, mut visit: impl FnMut(u64, Cell<'_>)) {
        let _: ControlFlow<()> = self.walk(0, INDEX_MAX, Order::Rising, |index, cell| {
            visit(index, cell);
            ControlFlow::Continue(())
        });
    }

    /// The index of the last insertion.
    pub fn cursor(&self) -> Option<u64> {
        (self.cursor != NO_CURSOR).then_some(self.cursor)
    }

    /// Sets the index of the last insertion.
    pub fn set_cursor(&mut self, cursor: Option<u64>) {
        self.cursor = cursor.unwrap_or(NO_CURSOR);
    }

    /// The index at which the next value is inserted; none behind the greatest one.
    pub fn next_index(&self) -> Option<u64> {
        match self.cursor {
            NO_CURSOR => Some(0),
            INDEX_MAX => None,
            cursor => Some(cursor + 1),
        }
    }

    /// Stores a value behind the last insertion, in a ring of `size` cells.
    pub fn set_in_ring(&mut self, size: u64, text: &[u8], limits: Limits) {
        // Behind the greatest index comes 2^64 - 1, which only the ring makes an index.
        let next = match self.cursor {
            NO_CURSOR => 0,
            cursor => cursor + 1,
        };
        self.cursor = next % size;
        self.set(self.cursor, text, limits);
    }

    /// Brings the values into the order of insertion from index 0 on, if a ring of `size` cells
    /// needs that: where there are more, or where the ring was smaller and has wrapped. The last
    /// values before a gap remain, at most `size`.
    pub fn fit_ring(&mut self, size: u64, limits: Limits, removed: &mut Removed) {
        let len = self.len;
        let has_wrapped = self.cursor != NO_CURSOR && len > 0 && self.cursor < len - 1;
        if len <= size && !(len < size && has_wrapped) {
            return;
        }
        let newest = match self.cursor {
            NO_CURSOR => len - 1,
            cursor => cursor % len,
        };
        let back = |index: u64| if index == 0 { len - 1 } else { index - 1 };
        let (mut oldest, mut kept) = (newest, 0);
        while kept < size.min(self.count) && self.get(oldest).is_some() {
            kept += 1;
            oldest = back(oldest);
        }
        let mut ring = Array::new(limits);
        let mut room = CellText::default();
        for place in 0..kept {
            oldest = if oldest + 1 == len { 0 } else { oldest + 1 };
            if let Some(cell) = self.get(oldest) {
                ring.set(place, cell.as_bytes(&mut room), limits);
            }
        }
        ring.set_cursor(kept.checked_sub(1));
        let mut old = std::mem::replace(self, ring);
        old.remove_range(0, INDEX_MAX, limits, removed);
    }

    /// The structure of an array, for ARINFO.
    pub fn shape(&self) -> Shape {
        let (directory_size, super_directory) = self.directory.sizes();
        Shape {
            slices: self.directory.len() as u64,
            directory_size,
            super_directory,
            slice_size: self.slice_size() as u64,
        }
    }

    /// The sizes of an array's slices, for ARINFO FULL.
    pub fn fill(&self) -> Fill {
        let mut fill = Fill::default();
        let visit = |_: u64, slice: &Slice| -> ControlFlow<()> {
            let room = slice.room() as u64;
            match slice.is_sparse() {
                true => {
                    fill.sparse += 1;
                    fill.sparse_room += room;
                }
                false => {
                    fill.dense += 1;
                    fill.dense_room += room;
                    fill.dense_used += slice.used();
                }
            }
            ControlFlow::Continue(())
        };
        let _ = self.directory.walk(0, u64::MAX, Order::Rising, visit);
        fill
    }

    /// Slices, of which each is freed on its own.
    pub fn slices(&self) -> usize {
        self.directory.len()
    }

    /// Bytes on the heap, the struct itself included.
    pub fn bytes(&self) -> usize {
        size_of::<Array>() + self.directory.heap_bytes() + self.slice_bytes
    }

    /// Gives back the room that growing left unused in the last slice.
    pub fn shrink(&mut self) {
        if let Some(number) = self.directory.last()
            && let Some(slice) = self.directory.get_mut(number)
        {
            let before = slice.heap_bytes();
            slice.shrink();
            self.slice_bytes = self.slice_bytes + slice.heap_bytes() - before;
        }
    }

    /// Checks what must hold.
    ///
    /// # Panics
    /// Where it does not.
    #[cfg(any(test, debug_assertions, feature = "testing"))]
    pub fn check(&self) {
        self.directory.check();
        let mut count = 0;
        let visit = |_: u64, slice: &Slice| -> ControlFlow<()> {
            slice.check(self.slice_size());
            assert!(slice.used() > 0, "no slice is empty");
            count += slice.used();
            ControlFlow::Continue(())
        };
        let _ = self.directory.walk(0, u64::MAX, Order::Rising, visit);
        assert_eq!(count, self.count, "values are counted");
        let bytes = bytes_of_slices(&self.directory);
        assert_eq!(bytes, self.slice_bytes, "bytes are counted");
        let mut last = None;
        self.each(|index, _| last = Some(index));
        assert_eq!(self.len, last.map_or(0, |last| last + 1));
    }
}
