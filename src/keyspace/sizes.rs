//! The sizes of a database's values: for each type a histogram by powers of two, kept as values
//! change, so that INFO keysizes needs no walk.
//!
//! Strings count their bytes, the others their elements; streams and arrays are left out, as in Redis. A
//! change of a value's length is made within `DbMut::resized`, which reads the length before and
//! after; `add`, `replace` and the removals count their own values.

use super::{Db, DbMut, Found};
use crate::types::entry::{EntryRef, NewValue};
use crate::types::value::{Encoding, Heap, Kind, Value};
use crate::types::{fields, intset, listpack};

/// Zero, and each power of two that 64 bits hold.
const BINS: usize = 65;
/// The types that are counted.
const KINDS: [Kind; 5] = [Kind::String, Kind::List, Kind::Set, Kind::Zset, Kind::Hash];

/// The place of a value in the histograms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size(u16);

impl Size {
    /// Of what is not counted.
    const NONE: Size = Size(u16::MAX);

    #[inline(always)]
    fn new(kind: Kind, len: usize) -> Size {
        let bin = usize::BITS - len.leading_zeros();
        Size(kind as u16 * BINS as u16 + bin as u16)
    }

    #[inline(always)]
    pub(super) fn of(entry: EntryRef) -> Size {
        match entry.value() {
            Value::Int(n) => Size::of_int(n),
            Value::Text(text) => Size::new(Kind::String, text.len()),
            Value::Compact(bytes) => Size::of_compact(entry.kind(), bytes, entry.encoding()),
            Value::Rich(heap) => Size::of_heap(heap, entry.encoding()),
            Value::Template(hash) => Size::new(Kind::Hash, hash.len()),
        }
    }

    #[inline(always)]
    pub(super) fn of_new(value: &NewValue) -> Size {
        match value {
            NewValue::Int(n) => Size::of_int(*n),
            NewValue::Inline(bytes, _) => Size::new(Kind::String, bytes.len()),
            NewValue::Compact(kind, bytes, encoding) => Size::of_compact(*kind, bytes, *encoding),
            NewValue::Heap(heap, encoding) => Size::of_heap(heap, *encoding),
            NewValue::Template(tie, _) => Size::new(Kind::Hash, tie.template().len()),
        }
    }

    /// Of a string that reads as this number. Its length need not be known, only the power of two
    /// that it reaches.
    #[inline(always)]
    pub(super) fn of_int(n: i64) -> Size {
        /// The least magnitudes whose text has 2, 4, 8 and 16 characters.
        const PLAIN: [u64; 4] = [10, 1_000, 10_000_000, 1_000_000_000_000_000];
        /// The same with a sign, which is one of the characters.
        const SIGNED: [u64; 4] = [0, 100, 1_000_000, 100_000_000_000_000];
        let magnitude = n.unsigned_abs();
        let least = if n < 0 { SIGNED } else { PLAIN };
        let reached = least.iter().map(|&least| (magnitude >= least) as u32);
        Size::new(Kind::String, 1 << reached.sum::<u32>())
    }

    fn of_compact(kind: Kind, bytes: &[u8], encoding: Encoding) -> Size {
        let len = match encoding {
            Encoding::Intset => intset::len(bytes),
            _ => listpack::len(bytes),
        };
        match kind {
            Kind::Hash if encoding == Encoding::ListpackEx => Size::new(kind, len / fields::STEP),
            Kind::Zset | Kind::Hash => Size::new(kind, len / 2),
            Kind::String | Kind::List | Kind::Set | Kind::Stream | Kind::Array => {
                Size::new(kind, len)
            }
        }
    }

    fn of_heap(heap: &Heap, encoding: Encoding) -> Size {
        let len = match heap {
            Heap::Text(text) => text.as_bytes().len(),
            Heap::Compact(kind, bytes) => return Size::of_compact(*kind, bytes, encoding),
            Heap::List(list) => list.len(),
            Heap::Zset(set) => set.len(),
            Heap::Set(pack) => pack.len(),
            Heap::Hash(table) => table.len(),
            Heap::Template(hash) => hash.view().len(),
            Heap::Stream(_) | Heap::Array(_) => return Size::NONE,
        };
        Size::new(heap.kind(), len)
    }
}

/// The histograms of one database.
#[derive(PartialEq, Eq)]
pub struct Sizes(Box<[u64; BINS * KINDS.len()]>);

impl Default for Sizes {
    fn default() -> Sizes {
        Sizes(Box::new([0; BINS * KINDS.len()]))
    }
}

impl Sizes {
    #[inline(always)]
    pub(super) fn enter(&mut self, size: Size) {
        if let Some(count) = self.0.get_mut(size.0 as usize) {
            *count += 1;
        }
    }

    #[inline(always)]
    pub(super) fn leave(&mut self, size: Size) {
        if let Some(count) = self.0.get_mut(size.0 as usize) {
            debug_assert!(*count > 0, "what leaves has entered");
            *count = count.wrapping_sub(1);
        }
    }

    #[inline(always)]
    pub(super) fn change(&mut self, from: Size, to: Size) {
        if from != to {
            self.leave(from);
            self.enter(to);
        }
    }

    /// The types of which there is something: for each the sizes that occur, as the power of two
    /// that they reach, and how many values have them.
    pub fn shown(&self) -> impl Iterator<Item = (Kind, Vec<(u64, u64)>)> {
        let bins = self.0.chunks(BINS);
        KINDS.into_iter().zip(bins).filter_map(|(kind, counts)| {
            // Most databases are empty, and a look at all counts at once is quick.
            if counts.iter().fold(0, |any, count| any | count) == 0 {
                return None;
            }
            let label = |bin: usize| if bin == 0 { 0 } else { 1u64 << (bin - 1) };
            let counts = counts.iter().enumerate().filter(|(_, count)| **count > 0);
            Some((
                kind,
                counts.map(|(bin, count)| (label(bin), *count)).collect(),
            ))
        })
    }
}

impl Db {
    /// Whether the histograms are those of the values, which are counted anew.
    pub fn counts_sizes(&self) -> bool {
        let mut sizes = Sizes::default();
        self.entries()
            .iter()
            .for_each(|entry| sizes.enter(Size::of(entry)));
        sizes == self.sizes
    }
}

impl DbMut<'_> {
    /// Lets `act` change the length of a found value, and counts it anew.
    #[inline(always)]
    pub(super) fn resized<R>(&mut self, found: Found, act: impl FnOnce(&mut Self) -> R) -> R {
        let before = Size::of(self.get(found));
        let result = act(self);
        let after = Size::of(self.get(found));
        self.db.sizes.change(before, after);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_as_large_as_its_text() {
        let powers = (0..19).map(|digits| 10i64.pow(digits));
        let near = powers.flat_map(|n| [n - 1, n, n + 1, -n, 1 - n, -n - 1]);
        for n in near.chain([0, i64::MAX, i64::MIN]) {
            let text = Size::new(Kind::String, n.to_string().len());
            assert_eq!(Size::of_int(n), text, "{n}");
        }
    }

    #[test]
    fn a_size_is_shown_as_the_power_of_two_it_reaches() {
        let mut sizes = Sizes::default();
        for len in [0, 1, 2, 3, 4, 1023, 1024, 5_000_000] {
            sizes.enter(Size::new(Kind::String, len));
        }
        sizes.enter(Size::new(Kind::Hash, 7));
        sizes.leave(Size::new(Kind::String, 2));
        sizes.enter(Size::NONE);
        let shown: Vec<_> = sizes.shown().collect();
        let strings = [
            (0, 1),
            (1, 1),
            (2, 1),
            (4, 1),
            (512, 1),
            (1024, 1),
            (1 << 22, 1),
        ];
        assert_eq!(
            shown,
            [(Kind::String, strings.to_vec()), (Kind::Hash, vec![(4, 1)])]
        );
    }
}
