//! Lists in the keyspace: where they lie, and when they change their encoding.
//!
//! ```text
//!   listpack   inside the entry, up to `INLINE_MAX` bytes     a listpack
//!   listpack   behind a pointer, up to list-max-listpack-size a `Quicklist` of one node
//!   quicklist  behind a pointer                               a `Quicklist`
//! ```
//!
//! The encodings, and the moments at which one becomes the other, are those of Redis: a listpack that
//! would grow beyond the limit becomes a quicklist, and one of a single node that has shrunk to half
//! the limit becomes a listpack again. Where a listpack lies is our own affair.
//!
//! Called by `commands::list` and by other commands that make lists. A list emptied by a function
//! here must leave the keyspace: the caller removes it, because it owes the event.

use super::digest::Digest;
use super::{DbMut, Found, Tuning, WrongKind};
use crate::types::entry::{EntryRef, INLINE_MAX, NewValue};
use crate::types::listpack::{self, Item, Place};
use crate::types::quicklist::{End, Quicklist, Sizing, Spot, Toward, visit_listpack};
use crate::types::value::{Encoding, Heap, Kind, Value};

/// The maximum size of a listpack entry beside its bytes, as long as it lies inside its entry.
const ENTRY_MAX: usize = 4;

/// A list being read.
#[derive(Clone, Copy)]
pub enum ListRef<'a> {
    Packed(&'a [u8]),
    Quick(&'a Quicklist),
}

impl ListRef<'_> {
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            ListRef::Packed(lp) => listpack::len(lp),
            ListRef::Quick(list) => list.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Visits the elements from `index` on, until `visit` returns false.
    #[inline]
    pub fn walk(&self, index: usize, toward: Toward, mut visit: impl FnMut(Item) -> bool) {
        match self {
            ListRef::Packed(lp) => {
                if let Some(at) = listpack::seek(lp, index as i64) {
                    visit_listpack(lp, Some(at), toward, &mut visit);
                }
            }
            ListRef::Quick(list) => list.walk(index, toward, visit),
        }
    }

    /// Lets `see` look at element `index`.
    pub fn get<R>(&self, index: usize, see: impl FnOnce(Item) -> R) -> Option<R> {
        match self {
            ListRef::Packed(lp) => {
                let at = listpack::seek(lp, index as i64)?;
                Some(see(listpack::get(lp, at)))
            }
            ListRef::Quick(list) => list.get(index, see),
        }
    }
}

/// An element that is looked for.
#[derive(Clone, Copy)]
pub struct Needle<'a> {
    bytes: &'a [u8],
    item: Item<'a>,
}

impl<'a> Needle<'a> {
    pub fn new(bytes: &'a [u8]) -> Needle<'a> {
        let item = Item::of(bytes);
        Needle { bytes, item }
    }

    #[inline]
    pub fn is(&self, other: Item) -> bool {
        match other {
            // A large element is kept as text, whatever it reads as.
            Item::Text(text) => text == self.bytes,
            number => number == self.item,
        }
    }
}

/// A list that was made ready for a change.
enum Open<'a> {
    /// The change fits into the entry.
    Inline,
    Quick(&'a mut Quicklist),
}

/// The list that a value is.
#[inline]
pub fn list_of(value: Value<'_>) -> Result<ListRef<'_>, WrongKind> {
    match value {
        Value::Compact(lp) => Ok(ListRef::Packed(lp)),
        Value::Rich(Heap::List(list)) => Ok(ListRef::Quick(list)),
        _ => Err(WrongKind),
    }
}

/// A list made of elements, as a value for a key.
pub fn build<'e>(elements: impl Iterator<Item = &'e [u8]>, tuning: &Tuning) -> NewValue<'static> {
    let mut list = Quicklist::new(tuning.list_max_listpack_size, tuning.list_compress_depth);
    for element in elements {
        list.push(End::Right, element, tuning.list_large_element);
    }
    settle(list, tuning)
}

/// A list that was read, as a value for a key.
pub fn settle(mut list: Quicklist, tuning: &Tuning) -> NewValue<'static> {
    let encoding = match pack_if_small(&mut list, tuning, false) {
        true => Encoding::Listpack,
        false => Encoding::Quicklist,
    };
    NewValue::Heap(Box::new(Heap::List(Box::new(list))), encoding)
}

/// Whether a listpack of `count` elements is a whole list, and short enough to lie in its entry.
pub fn is_inline(lp: &[u8], count: usize, tuning: &Tuning) -> bool {
    let sizing = Sizing::new(tuning.list_max_listpack_size, 0);
    lp.len() <= INLINE_MAX && sizing.is_small(lp.len(), count, false)
}

/// Makes a quicklist of one small node a mere listpack.
fn pack_if_small(list: &mut Quicklist, tuning: &Tuning, shrunk: bool) -> bool {
    let sizing = Sizing::new(tuning.list_max_listpack_size, 0);
    let small = match list.only_node() {
        Some(node) if !node.is_plain() => sizing.is_small(node.size(), node.count(), shrunk),
        _ => false,
    };
    if small {
        list.pack();
    }
    small
}

impl DbMut<'_> {
    /// The list that was found, or that it is something else.
    #[inline(always)]
    pub fn list_at(&self, found: Found) -> Result<ListRef<'_>, WrongKind> {
        let entry = self.get(found);
        if entry.kind() != Kind::List {
            return Err(WrongKind);
        }
        list_of(entry.value())
    }

    /// The list at a key, looked up for reading.
    #[inline(always)]
    pub fn list(&mut self, key: &[u8]) -> Result<Option<ListRef<'_>>, WrongKind> {
        match self.read(key) {
            Some(found) => self.list_at(found).map(Some),
            None => Ok(None),
        }
    }

    /// The list at a key, looked up for changing it.
    #[inline(always)]
    pub fn write_list(&mut self, key: &[u8]) -> Result<Option<Found>, WrongKind> {
        match self.write(key) {
            Some(found) if self.get(found).kind() == Kind::List => Ok(Some(found)),
            Some(_) => Err(WrongKind),
            None => Ok(None),
        }
    }

    /// An empty list at a key that is not there, for elements to come at once.
    pub fn add_list(&mut self, key: &[u8]) -> Found {
        let empty = &listpack::EMPTY;
        self.add(
            key,
            NewValue::Compact(Kind::List, empty, Encoding::Listpack),
            None,
        )
    }

    #[inline]
    fn quicklist(&mut self, found: Found) -> &mut Quicklist {
        match self.heap_mut(found) {
            Some(Heap::List(list)) => list,
            _ => unreachable!("the encoding says that this is a list behind a pointer"),
        }
    }

    /// Makes a list ready for `count` more elements of `bytes` bytes in all: converts it if it
    /// outgrows the limit of a listpack, and moves it out of its entry if it outgrows that.
    #[inline]
    fn open(&mut self, found: Found, bytes: usize, count: usize, tuning: &Tuning) -> Open<'_> {
        let entry = self.get(found);
        if entry.encoding() == Encoding::Quicklist {
            return Open::Quick(self.quicklist(found));
        }
        let (size, len, inline) = match entry.value() {
            Value::Compact(lp) => (lp.len(), listpack::len(lp), true),
            Value::Rich(Heap::List(list)) => {
                let size = list.only_node().map_or(0, |node| node.size());
                (size, list.len(), false)
            }
            _ => unreachable!("the kind says that this is a list"),
        };
        let sizing = Sizing::new(tuning.list_max_listpack_size, 0);
        let outgrown = sizing.exceeded(size + bytes, len + count);
        if inline {
            if !outgrown && size + bytes + ENTRY_MAX * count <= INLINE_MAX {
                return Open::Inline;
            }
            self.move_out(found);
        }
        if outgrown {
            self.entries_mut()
                .set_encoding(found.at, Encoding::Quicklist);
            let (fill, depth) = (tuning.list_max_listpack_size, tuning.list_compress_depth);
            self.quicklist(found).unpack(fill, depth);
        }
        Open::Quick(self.quicklist(found))
    }

    /// Moves a list from inside its entry behind a pointer.
    fn move_out(&mut self, found: Found) {
        let lp = self.compact(found).expect("it lies inside its entry");
        let heap = Box::new(Heap::List(Box::new(Quicklist::from_listpack(lp))));
        self.exchange(found, NewValue::Heap(heap, Encoding::Listpack));
    }

    /// After elements were removed: the encoding that the list has now, and a place inside its
    /// entry if it is short.
    #[inline]
    pub fn list_shrunk(&mut self, found: Found, tuning: &Tuning) {
        let entry = self.get(found);
        let Value::Rich(Heap::List(list)) = entry.value() else {
            return;
        };
        if list.nodes() == 1 {
            self.settle_only_node(found, tuning);
        }
    }

    fn settle_only_node(&mut self, found: Found, tuning: &Tuning) {
        let list = self.quicklist(found);
        if !list.is_packed() {
            if !pack_if_small(list, tuning, true) {
                return;
            }
            self.entries_mut()
                .set_encoding(found.at, Encoding::Listpack);
        }
        let Some(node) = self.quicklist(found).only_node() else {
            return;
        };
        // Half the limit, so that one element to and fro does not move it each time.
        if node.size() <= INLINE_MAX / 2 {
            let lp = node.listpack().to_vec();
            let value = NewValue::Compact(Kind::List, &lp, Encoding::Listpack);
            self.exchange(found, value);
        }
    }

    /// Adds elements at an end of a found list, one after the other.
    #[inline]
    pub fn list_push<'e>(
        &mut self,
        found: Found,
        end: End,
        elements: impl Iterator<Item = &'e [u8]> + Clone,
        tuning: &Tuning,
    ) {
        self.signal_growth(found);
        self.resized(found, |db| {
            let (mut bytes, mut count) = (0, 0);
            for element in elements.clone() {
                (bytes, count) = (bytes + element.len(), count + 1);
            }
            match db.open(found, bytes, count, tuning) {
                Open::Quick(list) => {
                    for element in elements {
                        list.push(end, element, tuning.list_large_element);
                    }
                }
                Open::Inline => db.edit_compact(found, Encoding::Listpack, |lp| {
                    for element in elements {
                        match end {
                            End::Left => listpack::push_front(lp, Item::of(element)),
                            End::Right => listpack::push_back(lp, Item::of(element)),
                        }
                    }
                }),
            }
        })
    }

    /// Removes up to `count` elements at an end of a found list, after `take` has seen each.
    /// `list_shrunk` follows, or the key leaves.
    #[inline]
    pub fn list_pop(&mut self, found: Found, end: End, count: usize, mut take: impl FnMut(Item)) {
        self.resized(found, |db| {
            let Some(lp) = db.compact(found) else {
                let list = db.quicklist(found);
                for _ in 0..count {
                    if list.pop(end, &mut take).is_none() {
                        return;
                    }
                }
                return;
            };
            let (toward, mut left) = match end {
                End::Left => (Toward::Tail, count),
                End::Right => (Toward::Head, count),
            };
            visit_listpack(lp, None, toward, &mut |item| {
                take(item);
                left -= 1;
                left > 0
            });
            let (len, count) = (listpack::len(lp), count - left);
            db.edit_compact(found, Encoding::Listpack, |lp| {
                let start = match end {
                    End::Left => 0,
                    End::Right => len - count,
                };
                if let Some(at) = listpack::seek(lp, start as i64) {
                    listpack::remove_range(lp, at, count);
                }
            });
        })
    }

    /// Adds an element beside the first that is `pivot`; false if there is none.
    pub fn list_insert(
        &mut self,
        found: Found,
        pivot: Needle,
        place: Place,
        element: &[u8],
        tuning: &Tuning,
    ) -> bool {
        self.signal_growth(found);
        self.resized(found, |db| {
            // As Redis does, the list is converted even if there is no pivot.
            match db.open(found, element.len(), 1, tuning) {
                Open::Quick(list) => {
                    let Some(spot) = list.find(|item| pivot.is(item)) else {
                        return false;
                    };
                    list.insert(spot, place, element, tuning.list_large_element);
                    true
                }
                Open::Inline => db.edit_compact(found, Encoding::Listpack, |lp| {
                    let Some(at) = find(lp, pivot) else {
                        return false;
                    };
                    listpack::insert(lp, at, place, Item::of(element));
                    true
                }),
            }
        })
    }

    /// Puts another element at `index`; false if the list is not that long.
    pub fn list_set(&mut self, found: Found, index: i64, element: &[u8], tuning: &Tuning) -> bool {
        match self.open(found, element.len(), 1, tuning) {
            Open::Quick(list) => {
                let Some(spot) = spot_at(list, index) else {
                    return false;
                };
                list.replace(spot, element, tuning.list_large_element);
                true
            }
            Open::Inline => self.edit_compact(found, Encoding::Listpack, |lp| {
                let Some(at) = listpack::seek(lp, index) else {
                    return false;
                };
                listpack::replace(lp, at, Item::of(element));
                true
            }),
        }
    }

    /// Removes elements that are `needle`, at most `most` from one end on. Returns how many.
    pub fn list_remove(
        &mut self,
        found: Found,
        toward: Toward,
        most: usize,
        needle: Needle,
    ) -> usize {
        self.resized(found, |db| {
            let Some(lp) = db.compact(found) else {
                let is = |item: Item| needle.is(item);
                return db.quicklist(found).remove_where(toward, most, is);
            };
            if find(lp, needle).is_none() {
                return 0;
            }
            db.edit_compact(found, Encoding::Listpack, |lp| {
                let mut removed = 0;
                let mut next = match toward {
                    Toward::Tail => listpack::first(lp),
                    Toward::Head => listpack::last(lp),
                };
                while let Some(at) = next.filter(|_| removed < most) {
                    let matches = needle.is(listpack::get(lp, at));
                    next = match toward {
                        Toward::Tail if matches => Some(at),
                        Toward::Tail => listpack::next(lp, at),
                        Toward::Head => listpack::prev(lp, at),
                    };
                    if matches {
                        listpack::remove(lp, at);
                        removed += 1;
                    }
                    next = next.filter(|&at| lp[at] != listpack::END);
                }
                removed
            })
        })
    }

    /// Removes `count` elements from `index` on.
    pub fn list_remove_range(&mut self, found: Found, index: usize, count: usize) {
        self.resized(found, |db| {
            if count == 0 {
                return;
            }
            if db.compact(found).is_none() {
                db.quicklist(found).remove_range(index, count);
                return;
            }
            db.edit_compact(found, Encoding::Listpack, |lp| {
                if let Some(at) = listpack::seek(lp, index as i64) {
                    listpack::remove_range(lp, at, count);
                }
            });
        })
    }
}

/// Adds the elements of a list to a digest, in order.
pub fn digest(entry: EntryRef, digest: &mut Digest) {
    if let Ok(list) = list_of(entry.value()) {
        list.walk(0, Toward::Tail, |item| {
            digest.mix(item.as_bytes(&mut itoa::Buffer::new()));
            true
        });
    }
}

fn find(lp: &[u8], needle: Needle) -> Option<usize> {
    listpack::find(lp, listpack::HEADER, needle.bytes, 1)
}

/// The place of an element that may be counted from the end.
fn spot_at(list: &Quicklist, index: i64) -> Option<Spot> {
    let index = match index {
        0.. => index as usize,
        _ => list
            .len()
            .checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?,
    };
    list.spot(index)
}
