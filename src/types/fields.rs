//! Hashes some fields of which have deadlines, small ones and large ones.
//!
//! ```text
//!   FieldList    a listpack of threes, the next deadline first, those without one (0) at the end,
//!                and behind it what it remembers; a short one lies inside its entry as a whole
//!                +-------+-------+----------+-------+-------+----------+- - -+-------+-------+---+-------+
//!                | field | value | deadline | field | value | deadline |     | field | value | 0 | Armed |
//!                +-------+-------+----------+-------+-------+----------+- - -+-------+-------+---+-------+
//!
//!   FieldTable   a packed table, and beside it the deadlines in order
//!                +------------------------------+     +---------------------+
//!                | field value [deadline] ...   |     | (deadline, hash)... |
//!                +------------------------------+     +---------------------+
//! ```
//!
//! Both know their next deadline at once and remember for when the wheel of the database is set
//! (`Armed`). The order of a list is that of Redis: a deadline is put before
//! the first one not earlier, a field that loses its deadline goes to the end, one that keeps it
//! stays where it is.
//!
//! Called by `keyspace::hash` and `keyspace::fields`, which turn one form into another.

use crate::types::entries::KeyHasher;
use crate::types::listpack::{self, Item, Place};
use crate::types::pack::{At, Pack};
use std::collections::BTreeSet;

/// A field as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    pub name: Item<'a>,
    pub value: Item<'a>,
    pub deadline_ms: Option<i64>,
}

/// The state of a hash beside its fields.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Armed {
    /// For when the wheel is set, in Unix milliseconds; 0 for not at all.
    pub armed_ms: i64,
    /// It counts among the hashes with deadlines.
    pub counted: bool,
}

/// Bytes of `Armed` behind a listpack.
const ARMED: usize = 8;

impl Armed {
    fn to_bytes(self) -> [u8; ARMED] {
        (self.armed_ms << 1 | self.counted as i64).to_le_bytes()
    }

    /// The state stored in the bytes of a small hash with deadlines.
    pub fn of_list(stored: &[u8]) -> Armed {
        let word = stored.last_chunk().map_or(0, |b| i64::from_le_bytes(*b));
        Armed {
            armed_ms: word >> 1,
            counted: word & 1 == 1,
        }
    }

    /// Writes it into the bytes of a small hash with deadlines.
    pub fn put_into_list(self, stored: &mut [u8]) {
        if let Some(bytes) = stored.last_chunk_mut() {
            *bytes = self.to_bytes();
        }
    }
}

/// A view of a small hash with deadlines, for reading.
#[derive(Clone, Copy, Debug)]
pub struct FieldList<'a> {
    lp: &'a [u8],
}

/// The elements of a field.
pub const STEP: usize = 3;

fn deadline_of(item: Item) -> Option<i64> {
    item.as_int().filter(|&ms| ms != 0)
}

/// The bytes of a small hash with deadlines out of a listpack of threes in order, not armed yet.
pub fn list_of_threes(mut lp: Vec<u8>) -> Vec<u8> {
    lp.extend_from_slice(&Armed::default().to_bytes());
    lp
}

/// The same out of a listpack of pairs, none of which has a deadline.
pub fn list_of_pairs(pairs: &[u8]) -> Vec<u8> {
    let mut lp = listpack::new();
    let mut items = listpack::iter(pairs);
    while let (Some(name), Some(value)) = (items.next(), items.next()) {
        listpack::append(&mut lp, [name, value, Item::Int(0)]);
    }
    list_of_threes(lp)
}

/// Lets `edit` change the fields in the bytes of a small hash with deadlines.
pub fn edit_list<R>(stored: &mut Vec<u8>, edit: impl FnOnce(&mut FieldEdit) -> R) -> R {
    let armed = Armed::of_list(stored);
    stored.truncate(stored.len() - ARMED);
    let result = edit(&mut FieldEdit { lp: stored });
    stored.extend_from_slice(&armed.to_bytes());
    result
}

impl<'a> FieldList<'a> {
    /// The fields in the bytes of a small hash with deadlines.
    pub fn of(stored: &'a [u8]) -> FieldList<'a> {
        FieldList {
            lp: &stored[..stored.len() - ARMED],
        }
    }

    pub fn listpack(self) -> &'a [u8] {
        self.lp
    }

    pub fn len(self) -> usize {
        listpack::len(self.lp) / STEP
    }

    pub fn iter(self) -> impl Iterator<Item = Field<'a>> {
        let mut items = listpack::iter(self.lp);
        std::iter::from_fn(move || {
            Some(Field {
                name: items.next()?,
                value: items.next()?,
                deadline_ms: deadline_of(items.next()?),
            })
        })
    }

    /// The offset of a field.
    pub fn find(self, name: &[u8]) -> Option<usize> {
        listpack::find(self.lp, listpack::first(self.lp)?, name, STEP)
    }

    /// The field at a place returned by `find`.
    pub fn get(self, at: usize) -> Field<'a> {
        let value = listpack::skip(self.lp, at);
        Field {
            name: listpack::get(self.lp, at),
            value: listpack::get(self.lp, value),
            deadline_ms: deadline_of(listpack::get(self.lp, listpack::skip(self.lp, value))),
        }
    }

    /// The field with the next deadline, if any has one.
    pub fn first_due(self) -> Option<Field<'a>> {
        let first = self.get(listpack::first(self.lp)?);
        first.deadline_ms.map(|_| first)
    }
}

/// A small hash with deadlines being changed; see `edit_list`.
pub struct FieldEdit<'v> {
    lp: &'v mut Vec<u8>,
}

impl FieldEdit<'_> {
    pub fn view(&self) -> FieldList<'_> {
        FieldList { lp: self.lp }
    }

    /// Adds a field that is not there, at its place.
    pub fn insert(&mut self, name: Item, value: Item, deadline_ms: Option<i64>) {
        let deadline = Item::Int(deadline_ms.unwrap_or(0));
        let mut at = listpack::first(self.lp);
        while let (Some(here), Some(deadline_ms)) = (at, deadline_ms) {
            let other = self.view().get(here).deadline_ms;
            if other.is_none_or(|ms| ms >= deadline_ms) {
                // Each goes before the one put in last.
                for item in [deadline, value, name] {
                    listpack::insert(self.lp, here, Place::Before, item);
                }
                return;
            }
            let value = listpack::skip(self.lp, here);
            at = listpack::next(self.lp, listpack::skip(self.lp, value));
        }
        listpack::append(self.lp, [name, value, deadline]);
    }

    /// Puts another value in the place of the one of the field at `at`; its deadline stays.
    pub fn set_value(&mut self, at: usize, value: Item) {
        let value_at = listpack::skip(self.lp, at);
        listpack::replace(self.lp, value_at, value);
    }

    /// Gives the field at `at` another deadline, and its place.
    pub fn set_deadline(&mut self, at: usize, deadline_ms: Option<i64>) {
        let field = self.view().get(at);
        let (name, value) = (field.name.to_vec(), field.value.to_vec());
        self.remove(at);
        self.insert(Item::of(&name), Item::of(&value), deadline_ms);
    }

    /// Removes the field at `at`.
    pub fn remove(&mut self, at: usize) {
        listpack::remove_range(self.lp, at, STEP);
    }
}

/// A deadline and the hash of its field, in the order of time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Due {
    deadline_ms: i64,
    hash: u64,
}

/// The size of one item in the order of deadlines, the tree's nodes included.
const DUE_BYTES: usize = 24;

/// A hash in which some fields have deadlines.
#[derive(Clone, Debug)]
pub struct FieldTable {
    pack: Pack,
    due: Option<BTreeSet<Due>>,
    pub armed: Armed,
}

impl FieldTable {
    pub fn new(hasher: KeyHasher) -> FieldTable {
        FieldTable {
            pack: Pack::of_fields(hasher),
            due: None,
            armed: Armed::default(),
        }
    }

    pub fn pack(&self) -> &Pack {
        &self.pack
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.pack.len()
    }

    /// Fields with a deadline.
    pub fn volatile(&self) -> usize {
        self.due.as_ref().map_or(0, |due| due.len())
    }

    pub fn bytes(&self) -> usize {
        size_of::<FieldTable>() + self.pack.bytes() + self.volatile() * DUE_BYTES
    }

    #[inline]
    pub fn find(&self, name: Item) -> Option<At> {
        self.pack.find(name)
    }

    #[inline]
    pub fn get(&self, at: At) -> Option<Field<'_>> {
        self.pack.get(at).and_then(field)
    }

    #[cfg(any(test, debug_assertions, feature = "testing"))]
    pub fn iter(&self) -> impl Iterator<Item = Field<'_>> {
        self.pack.iter().filter_map(field)
    }

    /// Shows every field to `visit`, faster than `iter` does.
    #[inline]
    pub fn each(&self, mut visit: impl FnMut(Field)) {
        self.pack.each(|record| {
            if let Some(field) = field(record) {
                visit(field);
            }
        });
    }

    /// Visits some fields from `cursor` on; see `Pack::scan`.
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(Field)) -> u64 {
        self.pack.scan(cursor, |record| {
            if let Some(field) = field(record) {
                visit(field);
            }
        })
    }

    /// The next deadline, if any field has one.
    pub fn first_due_ms(&self) -> Option<i64> {
        let due = self.due.as_ref()?;
        due.first().map(|due| due.deadline_ms)
    }

    /// The place of the field with the next deadline.
    pub fn first_due(&self) -> Option<At> {
        let due = *self.due.as_ref()?.first()?;
        let is = |deadline_ms: Option<i64>| deadline_ms == Some(due.deadline_ms);
        self.pack.find_by(due.hash, |record| is(record.deadline_ms))
    }

    fn note(&mut self, hash: u64, old_ms: Option<i64>, new_ms: Option<i64>) {
        if old_ms == new_ms {
            return;
        }
        let due = self.due.get_or_insert_default();
        if let Some(deadline_ms) = old_ms {
            due.remove(&Due { deadline_ms, hash });
        }
        if let Some(deadline_ms) = new_ms {
            due.insert(Due { deadline_ms, hash });
        }
        if due.is_empty() {
            self.due = None;
        }
    }

    /// Adds a field that is not there.
    pub fn insert(&mut self, name: Item, value: Item, deadline_ms: Option<i64>) {
        let hash = self.pack.hash(name);
        self.pack.insert(hash, name, Some(value), deadline_ms);
        self.note(hash, None, deadline_ms);
    }

    /// Writes a field, whether it is there or not, with the deadline that `choose` makes of the one
    /// it had. Returns whether it was not there. Its hash may be known already.
    #[inline]
    pub fn put(
        &mut self,
        name: Item,
        hash: Option<u64>,
        value: Item,
        choose: impl FnOnce(Option<i64>) -> Option<i64>,
    ) -> bool {
        let hash = hash.unwrap_or_else(|| self.pack.hash(name));
        debug_assert_eq!(hash, self.pack.hash(name));
        let Some(at) = self.pack.find_hashed(hash, name) else {
            let deadline_ms = choose(None);
            self.pack.insert(hash, name, Some(value), deadline_ms);
            self.note(hash, None, deadline_ms);
            return true;
        };
        let old_ms = match &self.due {
            Some(_) => self.pack.get(at).and_then(|record| record.deadline_ms),
            None => None,
        };
        let deadline_ms = choose(old_ms);
        self.pack.replace(at, name, Some(value), deadline_ms);
        self.note(hash, old_ms, deadline_ms);
        false
    }

    /// Gives the field at `at` another value and deadline.
    #[cfg(any(test, feature = "testing"))]
    pub fn replace(&mut self, at: At, name: Item, value: Item, deadline_ms: Option<i64>) {
        let old_ms = self.pack.get(at).and_then(|record| record.deadline_ms);
        self.pack.replace(at, name, Some(value), deadline_ms);
        self.note(at.hash(), old_ms, deadline_ms);
    }

    /// Gives the field at `at` another deadline.
    pub fn set_deadline(&mut self, at: At, deadline_ms: Option<i64>) {
        let Some(record) = self.pack.get(at) else {
            return;
        };
        let old_ms = record.deadline_ms;
        match (old_ms, deadline_ms) {
            (Some(_), Some(deadline_ms)) => self.pack.move_deadline(at, deadline_ms),
            (None, None) => return,
            _ => {
                let (name, value) = (record.key.to_vec(), record.value.map(|v| v.to_vec()));
                let value = value.unwrap_or_default();
                let (name, value) = (Item::of(&name), Item::of(&value));
                self.pack.replace(at, name, Some(value), deadline_ms);
            }
        }
        self.note(at.hash(), old_ms, deadline_ms);
    }

    /// Removes the field at `at`.
    pub fn remove(&mut self, at: At) {
        let old_ms = self.pack.get(at).and_then(|record| record.deadline_ms);
        self.pack.remove(at);
        self.note(at.hash(), old_ms, None);
    }

    /// Walks everything and panics where something is not in order.
    #[cfg(any(test, debug_assertions, feature = "testing"))]
    pub fn check(&self) {
        self.pack.check();
        let volatile = self.iter().filter_map(|f| Some((f.deadline_ms?, f.name)));
        let mut due: Vec<_> = volatile
            .map(|(deadline_ms, name)| Due {
                deadline_ms,
                hash: self.pack.hash(name),
            })
            .collect();
        due.sort();
        let noted = self.due.iter().flat_map(|due| due.iter().copied());
        assert!(noted.eq(due), "each deadline is noted, and nothing else");
    }
}

fn field(record: crate::types::pack::Record<'_>) -> Option<Field<'_>> {
    Some(Field {
        name: record.key,
        value: record.value?,
        deadline_ms: record.deadline_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn names(list: FieldList) -> String {
        let names = list.iter().map(|f| String::from_utf8(f.name.to_vec()));
        names.map(|name| name.expect("letters")).collect()
    }

    #[test]
    fn a_list_keeps_the_order_of_redis() {
        let mut pairs = listpack::new();
        for name in ["a", "b", "c", "d"] {
            listpack::append(&mut pairs, [name, "1"].map(|s| Item::of(s.as_bytes())));
        }
        let mut stored = list_of_pairs(&pairs);
        for (name, deadline_ms, order) in [
            (b"c", Some(100), "cabd"),
            (b"a", Some(200), "cabd"),
            (b"d", Some(150), "cdab"),
            (b"b", Some(150), "cbda"),
            (b"c", None, "bdac"),
        ] {
            edit_list(&mut stored, |list| {
                let at = list.view().find(name).expect("it is there");
                list.set_deadline(at, deadline_ms);
            });
            assert_eq!(names(FieldList::of(&stored)), order);
        }
        assert_eq!(
            FieldList::of(&stored).first_due().map(|f| f.deadline_ms),
            Some(Some(150))
        );
    }

    proptest! {
        #[test]
        fn both_forms_behave_like_a_map(
            ops in prop::collection::vec((0u8..5, 0u32..40, 0i64..50), 1..400),
        ) {
            let mut stored = list_of_pairs(&listpack::new());
            let mut table = FieldTable::new(KeyHasher::new([1, 2, 3, 4]));
            let mut model: BTreeMap<Vec<u8>, (i64, Option<i64>)> = BTreeMap::new();
            for (op, name, number) in ops {
                let name = name.to_string().into_bytes();
                let deadline = (number > 20).then_some(number);
                let (item, value) = (Item::of(&name), Item::Int(number));
                let armed = Armed { armed_ms: number, counted: op == 0 };
                armed.put_into_list(&mut stored);
                edit_list(&mut stored, |list| match (list.view().find(&name), table.find(item)) {
                    (None, None) => {
                        list.insert(item, value, deadline);
                        table.insert(item, value, deadline);
                        model.insert(name.clone(), (number, deadline));
                    }
                    (Some(at), Some(place)) => match op {
                        0 => {
                            list.remove(at);
                            table.remove(place);
                            model.remove(&name);
                        }
                        1 => {
                            list.set_value(at, value);
                            let old = table.get(place).expect("found").deadline_ms;
                            table.replace(place, item, value, old);
                            model.get_mut(&name).expect("found").0 = number;
                        }
                        _ => {
                            list.set_deadline(at, deadline);
                            table.set_deadline(place, deadline);
                            model.get_mut(&name).expect("found").1 = deadline;
                        }
                    },
                    found => panic!("only one has it: {found:?}"),
                });
                prop_assert_eq!(Armed::of_list(&stored), armed);
            }
            let list = FieldList::of(&stored);
            table.check();
            let pairs = |f: Field| (f.name.to_vec(), (f.value.as_int().expect("a number"), f.deadline_ms));
            prop_assert_eq!(&list.iter().map(pairs).collect::<BTreeMap<_, _>>(), &model);
            prop_assert_eq!(&table.iter().map(pairs).collect::<BTreeMap<_, _>>(), &model);
            let next = model.values().filter_map(|v| v.1).min();
            prop_assert_eq!(list.first_due().and_then(|f| f.deadline_ms), next);
            prop_assert_eq!(table.first_due_ms(), next);
            prop_assert_eq!(table.first_due().and_then(|at| table.get(at)).and_then(|f| f.deadline_ms), next);
            let ordered: Vec<i64> = list.iter().map(|f| f.deadline_ms.unwrap_or(i64::MAX)).collect();
            prop_assert!(ordered.is_sorted());
        }
    }
}
