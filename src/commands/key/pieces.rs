//! The elements that SORT sorts by themselves: copied out one behind the other, and sorted by a number
//! of eight bytes that tells the order of nearly all of them.

use crate::types::listpack::Item;
use crate::types::zset::rank_of;
use std::cmp::Ordering;
use std::ops::Range;

/// The sort order: none, by number or by text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum By {
    Nothing,
    /// Their values as numbers.
    Number,
    /// Their bytes. A word ends at a zero byte if that is true.
    Word(bool),
}

/// The elements of a SORT without BY, copied into one buffer.
pub struct Pieces {
    by: By,
    bytes: Vec<u8>,
    /// The end of each element in `bytes`.
    ends: Vec<usize>,
    /// The leading sort key of each element, and its place.
    order: Vec<(u64, usize)>,
}

impl Pieces {
    /// Room for so many elements.
    pub fn with_room(count: usize, by: By) -> Pieces {
        Pieces {
            by,
            bytes: Vec::with_capacity(count * 8),
            ends: Vec::with_capacity(count),
            order: Vec::with_capacity(count),
        }
    }

    /// Adds an element; false if it must be a number and `number` returns none.
    #[inline]
    pub fn push(&mut self, item: Item, number: impl FnOnce(&[u8]) -> Option<f64>) -> bool {
        let mut buffer = itoa::Buffer::new();
        let text = item.as_bytes(&mut buffer);
        let rank = match (self.by, item) {
            (By::Nothing, _) => Some(0),
            (By::Number, Item::Int(n)) => Some(rank_of(n as f64)),
            (By::Number, Item::Text(text)) => number(text).map(rank_of),
            (By::Word(ends), _) => Some(first_bytes(word(text, ends))),
        };
        self.order.push((rank.unwrap_or(0), self.ends.len()));
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
        rank.is_some()
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Turns the order around in which the elements came.
    pub fn reverse(&mut self) {
        self.order.reverse();
    }

    fn get(&self, place: usize) -> &[u8] {
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[place]]
    }

    /// Sorts as far as needed for a range of the result. Elements of equal words stay in the order in
    /// which they came.
    pub fn sort(&mut self, range: &Range<usize>, descending: bool) {
        let mut order = std::mem::take(&mut self.order);
        let compare = |a: &(u64, usize), b: &(u64, usize)| {
            let natural = match a.0.cmp(&b.0) {
                Ordering::Equal => self.compare_all(a.1, b.1),
                unequal => unequal,
            };
            let natural = if descending {
                natural.reverse()
            } else {
                natural
            };
            natural.then(a.1.cmp(&b.1))
        };
        // To find those in front costs less than to sort all.
        let mut rest = &mut order[..];
        if range.end < rest.len() / 2 && range.end > 0 {
            rest = rest.select_nth_unstable_by(range.end, compare).0;
        }
        rest.sort_unstable_by(compare);
        self.order = order;
    }

    #[cold]
    fn compare_all(&self, a: usize, b: usize) -> Ordering {
        let (a, b) = (self.get(a), self.get(b));
        match self.by {
            By::Word(ends) => word(a, ends).cmp(word(b, ends)),
            By::Number | By::Nothing => a.cmp(b),
        }
    }

    /// The elements in a range of the result.
    pub fn range(&self, range: Range<usize>) -> impl ExactSizeIterator<Item = &[u8]> {
        self.order[range].iter().map(|(_, place)| self.get(*place))
    }
}

/// The part of an element that is compared.
pub fn word(text: &[u8], ends_at_zero: bool) -> &[u8] {
    match ends_at_zero {
        true => &text[..memchr::memchr(0, text).unwrap_or(text.len())],
        false => text,
    }
}

/// The first eight bytes as a number; a word that is shorter counts as filled with zeros.
fn first_bytes(word: &[u8]) -> u64 {
    let mut first = [0; 8];
    let len = word.len().min(8);
    first[..len].copy_from_slice(&word[..len]);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sorts_as_a_stable_sort_of_all(
            elements in prop::collection::vec(
                prop::collection::vec(prop::sample::select(&b"\0a1"[..]), 0..11),
                0..60,
            ),
            descending: bool,
            ends: bool,
            limit in (0usize..70, 0usize..70),
        ) {
            let mut pieces = Pieces::with_room(0, By::Word(ends));
            for element in &elements {
                prop_assert!(pieces.push(Item::of(element), |_| None));
            }
            let mut model = elements.clone();
            model.sort_by(|a, b| {
                let natural = word(a, ends).cmp(word(b, ends));
                if descending { natural.reverse() } else { natural }
            });
            let start = limit.0.min(model.len());
            let range = start..start + limit.1.min(model.len() - start);
            pieces.sort(&range, descending);
            prop_assert!(pieces.range(range.clone()).eq(model[range].iter().map(Vec::as_slice)));
        }

        #[test]
        fn numbers_are_sorted_by_value_and_text(
            numbers in prop::collection::vec(
                prop_oneof![-3i64..3, any::<i64>(), (1i64 << 53) - 2..(1 << 53) + 2],
                0..60,
            ),
            descending: bool,
            limit in 0usize..70,
        ) {
            let mut pieces = Pieces::with_room(0, By::Number);
            for n in &numbers {
                prop_assert!(pieces.push(Item::Int(*n), |_| None));
            }
            let mut model: Vec<(f64, String)> =
                numbers.iter().map(|n| (*n as f64, n.to_string())).collect();
            model.sort_by(|a, b| a.partial_cmp(b).expect("numbers"));
            if descending {
                model.reverse();
            }
            let range = 0..limit.min(model.len());
            pieces.sort(&range, descending);
            let texts = model[range.clone()].iter().map(|(_, text)| text.as_bytes());
            prop_assert!(pieces.range(range).eq(texts));
        }
    }
}
