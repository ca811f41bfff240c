//! A part of an array: the cells of an aligned range of indexes.
//!
//! ```text
//!   sparse   [ offsets, four to a word | cells ]     ordered by offset; room for 4, 8, … cells
//!   dense    [ cells from `start` on ]               a window of 2^n cells, empty ones included
//! ```
//!
//! A slice is sparse up to `array-sparse-kmax` cells, and is so again from `array-sparse-kmin` on.

use super::cell::{self, Cell, EMPTY, Place, Word};
use super::texts::Texts;
use super::{Limits, Order};
use std::ops::ControlFlow;

/// Offsets in a word.
const PER_WORD: usize = 4;
/// Cells for which a new sparse slice has room.
const SPARSE_FIRST: usize = 4;

/// The way in which the cells lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Sparse,
    /// The offset of the first cell.
    Dense(u16),
}

/// The cells of a range of indexes.
#[derive(Clone, Debug)]
pub(super) struct Slice {
    words: Box<[u64]>,
    texts: Option<Box<Texts>>,
    /// Cells that hold something.
    used: u32,
    form: Form,
}

impl Slice {
    pub fn new() -> Slice {
        Slice {
            words: Box::default(),
            texts: None,
            used: 0,
            form: Form::Sparse,
        }
    }

    pub fn used(&self) -> u64 {
        u64::from(self.used)
    }

    pub fn is_sparse(&self) -> bool {
        self.form == Form::Sparse
    }

    /// Cells for which there is room: those of the window, or of the list.
    pub fn room(&self) -> usize {
        match self.form {
            Form::Sparse => sparse_room(self.words.len()),
            Form::Dense(_) => self.words.len(),
        }
    }

    /// Bytes on the heap.
    #[inline]
    pub fn heap_bytes(&self) -> usize {
        let texts = self.texts.as_ref().map_or(0, |texts| texts.heap_bytes());
        size_of_val(&*self.words) + texts
    }

    /// Where the word of a cell lies, if there is one.
    #[inline]
    fn find(&self, offset: u16) -> Option<usize> {
        match self.form {
            Form::Dense(start) => {
                let at = usize::from(offset.checked_sub(start)?);
                (at < self.words.len() && self.words[at] != EMPTY).then_some(at)
            }
            Form::Sparse => {
                let at = self.lower_bound(offset);
                (at < self.used as usize && self.offset(at) == offset)
                    .then(|| self.first_cell() + at)
            }
        }
    }

    /// The value at an offset.
    #[inline]
    pub fn get(&self, offset: u16) -> Option<Cell<'_>> {
        self.cell(self.words[self.find(offset)?])
    }

    #[inline(always)]
    fn cell(&self, word: u64) -> Option<Cell<'_>> {
        match Word::of(word) {
            Word::Empty => None,
            Word::Immediate(cell) => Some(cell),
            Word::Elsewhere(place) => {
                let texts = self.texts.as_ref().expect("a text lies somewhere");
                Some(Cell::Text(texts.get(place)))
            }
        }
    }

    /// Stores a value. Returns whether the cell was empty.
    pub fn set(&mut self, offset: u16, text: &[u8], size: usize, limits: Limits) -> bool {
        let found = self.find(offset);
        let word = match cell::immediate(text) {
            Some(word) => {
                if let Some(at) = found {
                    self.release(self.words[at]);
                }
                word
            }
            None => self.store(found, text),
        };
        match found {
            Some(at) => {
                self.words[at] = word;
                self.drop_texts_if_empty();
            }
            None => self.insert(offset, word, size, limits),
        }
        found.is_none()
    }

    /// Stores a text, in place of what a word names if there is one.
    fn store(&mut self, found: Option<usize>, text: &[u8]) -> u64 {
        let old = found.and_then(|at| cell::place(self.words[at]));
        let texts = self.texts.get_or_insert_default();
        if let Some(old) = old {
            if let Some(place) = texts.overwrite(old, text) {
                return place.word();
            }
            texts.remove(old);
        }
        if let (Some(at), Some(_)) = (found, old) {
            self.words[at] = EMPTY_TEXT;
        }
        if texts.needs_tidying(text) {
            self.tidy();
        }
        let texts = self.texts.get_or_insert_default();
        texts.add(text).word()
    }

    /// Gives back what a word names.
    #[inline]
    fn release(&mut self, word: u64) {
        if let Some(place) = cell::place(word)
            && let Some(texts) = &mut self.texts
        {
            texts.remove(place);
        }
    }

    #[inline]
    fn drop_texts_if_empty(&mut self) {
        if self.texts.as_ref().is_some_and(|texts| texts.is_empty()) {
            self.texts = None;
        }
    }

    /// Moves the texts in the buffer together.
    #[cold]
    fn tidy(&mut self) {
        let Some(texts) = &mut self.texts else { return };
        let mut tidied = texts.successor();
        let first = match self.form {
            Form::Sparse => first_cell(self.words.len()),
            Form::Dense(_) => 0,
        };
        for word in &mut self.words[first..] {
            if let Some(place @ Place::Packed(..)) = cell::place(*word) {
                *word = tidied.add(texts.get(place)).word();
            }
        }
        **texts = tidied;
    }

    /// Removes the value at an offset. Returns whether there was one.
    pub fn remove(&mut self, offset: u16, limits: Limits) -> bool {
        let Some(at) = self.find(offset) else {
            return false;
        };
        self.release(self.words[at]);
        match self.form {
            Form::Dense(_) => self.words[at] = EMPTY,
            Form::Sparse => self.close_gap(at - self.first_cell(), 1),
        }
        self.used -= 1;
        self.settle(limits);
        true
    }

    /// Removes the values between two offsets, these included. Returns how many there were.
    pub fn remove_range(&mut self, first: u16, last: u16, limits: Limits) -> u64 {
        let before = self.used;
        match self.form {
            Form::Sparse => {
                let from = self.lower_bound(first);
                let to = self.lower_bound_of(usize::from(last) + 1);
                let cells = self.first_cell();
                for at in from..to {
                    self.release(self.words[cells + at]);
                }
                self.close_gap(from, to - from);
                self.used -= (to - from) as u32;
            }
            Form::Dense(_) => {
                for at in self.window(first, last) {
                    if self.words[at] != EMPTY {
                        self.release(self.words[at]);
                        self.words[at] = EMPTY;
                        self.used -= 1;
                    }
                }
            }
        }
        self.settle(limits);
        u64::from(before - self.used)
    }

    /// After a removal: the form that fits what is left.
    fn settle(&mut self, limits: Limits) {
        self.drop_texts_if_empty();
        let used = self.used as usize;
        if !self.is_sparse() && used <= limits.sparse_min && limits.sparse_max > 0 {
            self.become_sparse(used);
        }
        if self
            .texts
            .as_ref()
            .is_some_and(|texts| texts.is_mostly_lost())
        {
            self.tidy();
        }
    }

    /// Adds a word at an offset that has none.
    fn insert(&mut self, offset: u16, word: u64, size: usize, limits: Limits) {
        let used = self.used as usize;
        if self.is_sparse() && used >= limits.sparse_max {
            self.become_dense(offset, size);
        }
        match self.form {
            Form::Sparse => {
                if used == self.room() {
                    let room = (used * 2).max(SPARSE_FIRST).min(limits.sparse_max.max(1));
                    self.become_sparse(room);
                }
                let at = self.lower_bound(offset);
                let cells = self.first_cell();
                for i in (at..used).rev() {
                    let moved = self.offset(i);
                    self.set_offset(i + 1, moved);
                }
                self.words
                    .copy_within(cells + at..cells + used, cells + at + 1);
                self.set_offset(at, offset);
                self.words[cells + at] = word;
            }
            Form::Dense(_) => {
                let at = self.widen(offset, size);
                self.words[at] = word;
            }
        }
        self.used += 1;
    }

    /// Removes `count` entries of a list from `at` on.
    fn close_gap(&mut self, at: usize, count: usize) {
        let (used, cells) = (self.used as usize, self.first_cell());
        for i in at + count..used {
            let moved = self.offset(i);
            self.set_offset(i - count, moved);
        }
        self.words
            .copy_within(cells + at + count..cells + used, cells + at);
        self.words[cells + used - count..cells + used].fill(EMPTY);
    }

    /// Writes the cells as a list with so much room.
    fn become_sparse(&mut self, room: usize) {
        let mut list = Slice::new();
        list.words = vec![EMPTY; sparse_words(room)].into();
        let cells = list.first_cell();
        let mut at = 0;
        let _: ControlFlow<()> = self.walk_words(0, u16::MAX, Order::Rising, |offset, word| {
            list.set_offset(at, offset);
            list.words[cells + at] = word;
            at += 1;
            ControlFlow::Continue(())
        });
        self.words = list.words;
        self.form = Form::Sparse;
    }

    /// Writes the cells as a window with room for this offset.
    #[cold]
    fn become_dense(&mut self, offset: u16, size: usize) {
        let used = self.used as usize;
        let (mut first, mut last) = (offset, offset);
        if used > 0 {
            first = first.min(self.offset(0));
            last = last.max(self.offset(used - 1));
        }
        let len = (usize::from(last - first) + 1)
            .next_power_of_two()
            .min(size);
        let start = usize::from(first).min(size - len) as u16;
        let mut words = vec![EMPTY; len].into_boxed_slice();
        let _: ControlFlow<()> = self.walk_words(0, u16::MAX, Order::Rising, |offset, word| {
            words[usize::from(offset - start)] = word;
            ControlFlow::Continue(())
        });
        self.words = words;
        self.form = Form::Dense(start);
    }

    /// Widens the window of a dense slice so that it covers an offset; its place there.
    #[inline]
    fn widen(&mut self, offset: u16, size: usize) -> usize {
        let Form::Dense(start) = self.form else {
            unreachable!("only dense slices have a window");
        };
        let (start, len, at) = (usize::from(start), self.words.len(), usize::from(offset));
        if at >= start && at < start + len {
            return at - start;
        }
        self.widen_to(start, at, size)
    }

    #[cold]
    fn widen_to(&mut self, start: usize, at: usize, size: usize) -> usize {
        let end = start + self.words.len();
        let span = end.max(at + 1) - start.min(at);
        let len = span.next_power_of_two().min(size);
        // Room where the window grew: below it, or behind.
        let wanted = if at < start {
            end.saturating_sub(len)
        } else {
            start
        };
        let new_start = wanted.min(size - len);
        let mut words = vec![EMPTY; len].into_boxed_slice();
        // A window that was pushed down by the end of the slice has lost nothing but empty cells.
        let shift = start as isize - new_start as isize;
        for (i, &word) in self.words.iter().enumerate() {
            if word != EMPTY {
                words[(i as isize + shift) as usize] = word;
            }
        }
        self.words = words;
        self.form = Form::Dense(new_start as u16);
        at - new_start
    }

    /// The places of a window between two offsets.
    #[inline]
    fn window(&self, first: u16, last: u16) -> std::ops::Range<usize> {
        let Form::Dense(start) = self.form else {
            return 0..0;
        };
        let from = usize::from(first.saturating_sub(start));
        let to = (usize::from(last) + 1).saturating_sub(usize::from(start));
        from.min(self.words.len())..to.min(self.words.len())
    }

    /// The greatest offset in use.
    pub fn last(&self) -> Option<u16> {
        match self.form {
            Form::Sparse => self.used.checked_sub(1).map(|at| self.offset(at as usize)),
            Form::Dense(start) => {
                let at = self.words.iter().rposition(|&word| word != EMPTY)?;
                Some(start + at as u16)
            }
        }
    }

    /// Visits the words between two offsets that are in use.
    #[inline]
    fn walk_words<B>(
        &self,
        first: u16,
        last: u16,
        order: Order,
        mut visit: impl FnMut(u16, u64) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        match self.form {
            Form::Dense(start) => {
                let range = self.window(first, last);
                let mut one = |at: usize| match self.words[at] {
                    EMPTY => ControlFlow::Continue(()),
                    word => visit(start + at as u16, word),
                };
                match order {
                    Order::Rising => range.into_iter().try_for_each(&mut one),
                    Order::Falling => range.into_iter().rev().try_for_each(&mut one),
                }
            }
            Form::Sparse => {
                let range = self.lower_bound(first)..self.lower_bound_of(usize::from(last) + 1);
                let cells = self.first_cell();
                let mut one = |at: usize| visit(self.offset(at), self.words[cells + at]);
                match order {
                    Order::Rising => range.into_iter().try_for_each(&mut one),
                    Order::Falling => range.into_iter().rev().try_for_each(&mut one),
                }
            }
        }
    }

    /// Visits the values between two offsets.
    #[inline]
    pub fn walk<B>(
        &self,
        first: u16,
        last: u16,
        order: Order,
        mut visit: impl FnMut(u16, Cell<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        self.walk_words(first, last, order, |offset, word| match self.cell(word) {
            Some(cell) => visit(offset, cell),
            None => ControlFlow::Continue(()),
        })
    }

    /// Gives back room that is not in use.
    pub fn shrink(&mut self) {
        if let Some(texts) = &mut self.texts {
            texts.shrink();
        }
    }

    #[inline(always)]
    fn first_cell(&self) -> usize {
        first_cell(self.words.len())
    }

    #[inline(always)]
    fn offset(&self, at: usize) -> u16 {
        (self.words[at / PER_WORD] >> (16 * (at % PER_WORD))) as u16
    }

    #[inline(always)]
    fn set_offset(&mut self, at: usize, offset: u16) {
        let shift = 16 * (at % PER_WORD);
        let word = &mut self.words[at / PER_WORD];
        *word = *word & !(0xffff << shift) | u64::from(offset) << shift;
    }

    /// The number of entries of a list before an offset.
    #[inline]
    fn lower_bound(&self, offset: u16) -> usize {
        self.lower_bound_of(usize::from(offset))
    }

    fn lower_bound_of(&self, offset: usize) -> usize {
        let (mut low, mut high) = (0, self.used as usize);
        while low < high {
            let middle = (low + high) / 2;
            match usize::from(self.offset(middle)) < offset {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }

    /// Checks what must hold of a slice of this size.
    ///
    /// # Panics
    /// Where it does not.
    #[cfg(any(test, debug_assertions, feature = "testing"))]
    pub fn check(&self, size: usize) {
        let (mut count, mut last, mut packed, mut boxed) = (0, None, 0, 0);
        let _: ControlFlow<()> = self.walk_words(0, u16::MAX, Order::Rising, |offset, word| {
            assert!(last.is_none_or(|last| last < offset), "offsets rise");
            assert!(usize::from(offset) < size, "offsets are within the slice");
            last = Some(offset);
            count += 1;
            let cell = self.cell(word).expect("a cell in use holds something");
            match (cell::place(word), cell) {
                (Some(Place::Packed(..)), Cell::Text(text)) => packed += text.len(),
                (Some(Place::Boxed(_)), Cell::Text(text)) => boxed += text.len(),
                _ => {}
            }
            ControlFlow::Continue(())
        });
        assert_eq!(count, self.used, "cells are counted");
        assert_eq!(last, self.last());
        let used = self.texts.as_ref().map_or((0, 0), |texts| texts.used());
        assert_eq!(used, (packed, boxed), "the bytes of texts are counted");
        if let Form::Dense(start) = self.form {
            assert!(self.words.len().is_power_of_two());
            assert!(usize::from(start) + self.words.len() <= size);
        }
    }
}

/// Stands in a cell while its text is written anew.
const EMPTY_TEXT: u64 = cell::SHORT_EMPTY;

/// Words of a list with room for so many cells.
fn sparse_words(room: usize) -> usize {
    room + room.div_ceil(PER_WORD)
}

/// The inverse of `sparse_words`.
#[inline(always)]
fn sparse_room(words: usize) -> usize {
    words * PER_WORD / (PER_WORD + 1)
}

/// Where the cells of a list begin.
#[inline(always)]
fn first_cell(words: usize) -> usize {
    words - sparse_room(words)
}
