//! Sets in the keyspace: which encoding they have, and what is done to them in each.
//!
//! A set of integers is an intset, a small one of anything a listpack, any other a packed table
//! (`types::pack`), with Redis's thresholds and in Redis's order of steps, so that OBJECT ENCODING
//! agrees after each command. No set goes back to a smaller encoding; only stored results
//! (`SetValue`) are made small from the start.

use super::{DbMut, Found, Tuning, WrongKind};
use crate::algo::rng::Rng;
use crate::types::entries::KeyHasher;
use crate::types::entry::NewValue;
use crate::types::intset;
use crate::types::listpack::{self, Item};
use crate::types::pack::{self, Pack};
use crate::types::value::{Encoding, Heap, Kind, Value};

/// A listpack longer than this takes nothing more, whatever the thresholds say.
const LISTPACK_MAX: usize = 1 << 30;
/// Members of an intset, whatever the threshold says.
const INTSET_MAX: usize = 1 << 30;

/// A set being read.
#[derive(Clone, Copy)]
pub enum SetRef<'a> {
    Ints(&'a [u8]),
    Listpack(&'a [u8]),
    Table(&'a Pack),
}

impl<'a> SetRef<'a> {
    /// The set that a value is.
    pub fn of(value: Value<'a>, encoding: Encoding) -> Option<SetRef<'a>> {
        match value {
            Value::Compact(bytes) if encoding == Encoding::Intset => Some(SetRef::Ints(bytes)),
            Value::Compact(bytes) => Some(SetRef::Listpack(bytes)),
            Value::Rich(Heap::Set(pack)) => Some(SetRef::Table(pack)),
            _ => None,
        }
    }

    pub fn len(self) -> usize {
        match self {
            SetRef::Ints(set) => intset::len(set),
            SetRef::Listpack(lp) => listpack::len(lp),
            SetRef::Table(pack) => pack.len(),
        }
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    pub fn contains(self, item: Item) -> bool {
        match self {
            SetRef::Ints(set) => matches!(item, Item::Int(n) if intset::contains(set, n)),
            SetRef::Listpack(lp) => in_listpack(lp, item).is_some(),
            SetRef::Table(pack) => pack.contains(item),
        }
    }

    pub fn iter(self) -> Members<'a> {
        match self {
            SetRef::Ints(set) => Members::Ints(intset::iter(set)),
            SetRef::Listpack(lp) => Members::Listpack(listpack::iter(lp)),
            SetRef::Table(pack) => Members::Table(pack.iter()),
        }
    }

    /// Shows every member to `visit`, faster than `iter` does.
    #[inline]
    pub fn each(self, mut visit: impl FnMut(Item)) {
        match self {
            SetRef::Table(pack) => pack.each(|record| visit(record.key)),
            _ => self.iter().for_each(visit),
        }
    }

    /// A random member, each as likely as any other.
    pub fn pick(self, mut random: impl FnMut() -> u64) -> Option<Item<'a>> {
        match self {
            SetRef::Table(pack) => pack.pick(random).and_then(|at| pack.get(at)).map(|r| r.key),
            SetRef::Ints(set) => {
                let index = below(random(), intset::len(set));
                intset::get(set, index).map(Item::Int)
            }
            SetRef::Listpack(lp) => {
                let index = below(random(), listpack::len(lp));
                listpack::seek(lp, index as i64).map(|at| listpack::get(lp, at))
            }
        }
    }
}

/// A draw as an index below `len`.
fn below(draw: u64, len: usize) -> usize {
    ((draw as u128 * len as u128) >> 64) as usize
}

/// The offset of an item in a listpack of members.
fn in_listpack(lp: &[u8], item: Item) -> Option<usize> {
    let first = listpack::first(lp)?;
    listpack::find(lp, first, item.as_bytes(&mut itoa::Buffer::new()), 1)
}

/// The members of a set; see `SetRef::iter`.
#[derive(Clone)]
pub enum Members<'a> {
    Ints(intset::Iter<'a>),
    Listpack(listpack::Iter<'a>),
    Table(pack::Iter<'a>),
}

impl<'a> Iterator for Members<'a> {
    type Item = Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<Item<'a>> {
        match self {
            Members::Ints(ints) => ints.next().map(Item::Int),
            Members::Listpack(items) => items.next(),
            Members::Table(records) => records.next().map(|record| record.key),
        }
    }
}

fn listpack_takes(lp: &[u8], item: Item, tuning: &Tuning) -> bool {
    let len = item.len();
    listpack::len(lp) < tuning.set_max_listpack_entries
        && len <= tuning.set_max_listpack_value
        && lp.len() + len < LISTPACK_MAX
}

/// The most members an intset may have.
fn intset_max(tuning: &Tuning) -> usize {
    tuning.set_max_intset_entries.min(INTSET_MAX)
}

/// Whether an intset may become a listpack that takes this text, too.
fn becomes_listpack(set: &[u8], item: Item, tuning: &Tuning) -> bool {
    let len = intset::len(set);
    let digits = |index| intset::get(set, index).map_or(0, |n| Item::Int(n).len());
    let longest = digits(0).max(digits(len.saturating_sub(1)));
    len < tuning.set_max_listpack_entries
        && item.len().max(longest) <= tuning.set_max_listpack_value
}

/// A set to be stored in a key.
pub enum SetValue {
    Ints(Vec<u8>),
    Listpack(Vec<u8>),
    Table(Box<Pack>),
}

impl SetValue {
    /// An empty set, of the encoding that suits its first member and the number to expect.
    pub fn for_members(first: Item, count: usize, tuning: &Tuning, hasher: &KeyHasher) -> Self {
        if matches!(first, Item::Int(_)) && count <= intset_max(tuning) {
            return SetValue::Ints(intset::new());
        }
        if count <= tuning.set_max_listpack_entries {
            return SetValue::Listpack(listpack::new());
        }
        SetValue::Table(Box::new(Pack::of_members(hasher.clone())))
    }

    /// A copy of a set as a table.
    fn table_of(set: SetRef, hasher: &KeyHasher) -> SetValue {
        let mut pack = Pack::of_members(hasher.clone());
        for item in set.iter() {
            pack.insert(pack.hash(item), item, None, None);
        }
        SetValue::Table(Box::new(pack))
    }

    fn listpack_of(set: SetRef) -> SetValue {
        let mut lp = listpack::new();
        listpack::append(&mut lp, set.iter());
        SetValue::Listpack(lp)
    }

    pub fn as_ref(&self) -> SetRef<'_> {
        match self {
            SetValue::Ints(set) => SetRef::Ints(set),
            SetValue::Listpack(lp) => SetRef::Listpack(lp),
            SetValue::Table(pack) => SetRef::Table(pack),
        }
    }

    pub fn len(&self) -> usize {
        self.as_ref().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a member, changing the encoding if need be; returns whether it was not there.
    pub fn add(&mut self, item: Item, tuning: &Tuning, hasher: &KeyHasher) -> bool {
        if self.as_ref().contains(item) {
            return false;
        }
        self.add_new(item, tuning, hasher);
        true
    }

    /// Adds a member that is not there, changing the encoding if need be.
    pub fn add_new(&mut self, item: Item, tuning: &Tuning, hasher: &KeyHasher) {
        match (&mut *self, item) {
            (SetValue::Table(pack), _) => {
                pack.insert(pack.hash(item), item, None, None);
                return;
            }
            (SetValue::Ints(set), Item::Int(n)) => {
                intset::insert(set, n);
                if intset::len(set) > intset_max(tuning) {
                    *self = SetValue::table_of(self.as_ref(), hasher);
                }
                return;
            }
            (SetValue::Ints(set), _) if becomes_listpack(set, item, tuning) => {
                *self = SetValue::listpack_of(self.as_ref());
            }
            (SetValue::Listpack(lp), _) if listpack_takes(lp, item, tuning) => {
                return listpack::push_back(lp, item);
            }
            (SetValue::Ints(_) | SetValue::Listpack(_), _) => {
                *self = SetValue::table_of(self.as_ref(), hasher)
            }
        }
        self.add_new(item, tuning, hasher)
    }

    /// Removes a member; returns whether it was there. The encoding stays.
    pub fn remove(&mut self, item: Item) -> bool {
        match (self, item) {
            (SetValue::Ints(set), Item::Int(n)) => intset::remove(set, n),
            (SetValue::Ints(_), _) => false,
            (SetValue::Listpack(lp), _) => match in_listpack(lp, item) {
                Some(at) => {
                    listpack::remove(lp, at);
                    true
                }
                None => false,
            },
            (SetValue::Table(pack), _) => pack.discard(item),
        }
    }

    /// Makes it an intset if it holds integers only, and not too many.
    pub fn prefer_ints(&mut self, tuning: &Tuning) {
        let ints = |item: Item| matches!(item, Item::Int(_));
        if matches!(self, SetValue::Ints(_))
            || self.len() > intset_max(tuning)
            || !self.as_ref().iter().all(ints)
        {
            return;
        }
        let mut set = intset::new();
        for item in self.as_ref().iter() {
            if let Item::Int(n) = item {
                intset::insert(&mut set, n);
            }
        }
        *self = SetValue::Ints(set);
    }

    /// The value to put under a key; what it was is gone then.
    pub fn take(&mut self) -> NewValue<'_> {
        match self {
            SetValue::Ints(set) => DbMut::compact_value(Kind::Set, set, Encoding::Intset),
            SetValue::Listpack(lp) => DbMut::compact_value(Kind::Set, lp, Encoding::Listpack),
            SetValue::Table(pack) => {
                let hasher = pack.hasher().clone();
                let pack = std::mem::replace(&mut **pack, Pack::of_members(hasher));
                NewValue::Heap(Box::new(Heap::Set(Box::new(pack))), Encoding::Hashtable)
            }
        }
    }
}

impl DbMut<'_> {
    /// The set that was found, or that it is something else.
    #[inline]
    pub fn set_at(&self, found: Found) -> Result<SetRef<'_>, WrongKind> {
        let entry = self.get(found);
        if entry.kind() != Kind::Set {
            return Err(WrongKind);
        }
        SetRef::of(entry.value(), entry.encoding()).ok_or(WrongKind)
    }

    /// The set at a key, looked up for reading.
    pub fn read_set(&mut self, key: &[u8]) -> Result<Option<SetRef<'_>>, WrongKind> {
        match self.read(key) {
            Some(found) => self.set_at(found).map(Some),
            None => Ok(None),
        }
    }

    /// Converts a found set to an encoding that takes `count` more members, if need be.
    pub fn expect_members(&mut self, found: Found, count: usize, tuning: &Tuning) {
        let too_many = match self.get(found).encoding() {
            Encoding::Intset => count > intset_max(tuning),
            Encoding::Listpack => count > tuning.set_max_listpack_entries,
            _ => false,
        };
        if too_many {
            self.set_to_table(found);
        }
    }

    fn set_to_table(&mut self, found: Found) {
        let hasher = self.entries().hasher().clone();
        if let Ok(set) = self.set_at(found) {
            let mut table = SetValue::table_of(set, &hasher);
            self.exchange(found, table.take());
        }
    }

    /// Adds members to a found set; returns how many were not there. The hash of the first may be
    /// known already, as for `Pack::add_all`.
    pub fn add_members<'i>(
        &mut self,
        found: Found,
        mut items: impl Iterator<Item = Item<'i>>,
        mut first_hash: Option<u64>,
        tuning: &Tuning,
    ) -> usize {
        self.resized(found, |db| {
            let (mut added, mut pending) = (0, None);
            loop {
                let mut next = || pending.take().or_else(|| items.next());
                match db.get(found).encoding() {
                    encoding @ Encoding::Intset => {
                        let stopped = db.edit_compact(found, encoding, |set| {
                            while let Some(item) = next() {
                                let Item::Int(n) = item else {
                                    return Some(item);
                                };
                                added += intset::insert(set, n) as usize;
                                if intset::len(set) > intset_max(tuning) {
                                    return Some(item);
                                }
                            }
                            None
                        });
                        let Some(item) = stopped else { return added };
                        (pending, first_hash) = (Some(item), None);
                        db.leave_intset(found, item, tuning);
                    }
                    encoding @ Encoding::Listpack => {
                        // Nothing is edited for members that are there.
                        let Some(lp) = db.compact(found) else {
                            return added;
                        };
                        let absent = |item: &Item| in_listpack(lp, *item).is_none();
                        let mut fresh = std::iter::from_fn(&mut next).find(absent);
                        if fresh.is_none() {
                            return added;
                        }
                        let stopped = db.edit_compact(found, encoding, |lp| {
                            while let Some(item) = fresh {
                                if !listpack_takes(lp, item, tuning) {
                                    return Some(item);
                                }
                                listpack::push_back(lp, item);
                                added += 1;
                                let absent = |item: &Item| in_listpack(lp, *item).is_none();
                                fresh = std::iter::from_fn(&mut next).find(absent);
                            }
                            None
                        });
                        let Some(item) = stopped else { return added };
                        (pending, first_hash) = (Some(item), None);
                        db.set_to_table(found);
                    }
                    _ => {
                        let Some(Heap::Set(pack)) = db.heap_mut(found) else {
                            return added;
                        };
                        let items = std::iter::from_fn(next);
                        return added + pack.add_all(items, first_hash);
                    }
                }
            }
        })
    }

    /// Gives a found intset the encoding that it needs for this item.
    fn leave_intset(&mut self, found: Found, item: Item, tuning: &Tuning) {
        let Ok(set @ SetRef::Ints(ints)) = self.set_at(found) else {
            return;
        };
        if matches!(item, Item::Text(_)) && becomes_listpack(ints, item, tuning) {
            let mut listpack = SetValue::listpack_of(set);
            self.exchange(found, listpack.take());
        } else {
            self.set_to_table(found);
        }
    }

    /// Removes members from a found set until none is left; returns how many were there.
    pub fn remove_members<'i>(
        &mut self,
        found: Found,
        mut items: impl Iterator<Item = Item<'i>>,
    ) -> usize {
        self.resized(found, |db| match db.get(found).encoding() {
            encoding @ Encoding::Intset => db.edit_compact(found, encoding, |set| {
                let ints = |item| match item {
                    Item::Int(n) => Some(n),
                    Item::Text(_) => None,
                };
                items
                    .filter_map(ints)
                    .filter(|&n| intset::remove(set, n))
                    .count()
            }),
            encoding @ Encoding::Listpack => db.edit_compact(found, encoding, |lp| {
                let mut remove = |item| match in_listpack(lp, item) {
                    Some(at) => {
                        listpack::remove(lp, at);
                        true
                    }
                    None => false,
                };
                items.by_ref().filter(|&item| remove(item)).count()
            }),
            _ => match db.heap_mut(found) {
                Some(Heap::Set(pack)) => items.filter(|&item| pack.discard(item)).count(),
                _ => 0,
            },
        })
    }

    /// Takes a random member out of a found set after `see` has seen it.
    pub fn pop_member(&mut self, found: Found, rng: &mut Rng, see: impl FnOnce(Item)) {
        self.resized(found, |db| match db.get(found).encoding() {
            encoding @ Encoding::Intset => db.edit_compact(found, encoding, |set| {
                let index = below(rng.next_u64(), intset::len(set));
                if let Some(n) = intset::get(set, index) {
                    see(Item::Int(n));
                    intset::remove(set, n);
                }
            }),
            encoding @ Encoding::Listpack => db.edit_compact(found, encoding, |lp| {
                let index = below(rng.next_u64(), listpack::len(lp));
                if let Some(at) = listpack::seek(lp, index as i64) {
                    see(listpack::get(lp, at));
                    listpack::remove(lp, at);
                }
            }),
            _ => {
                if let Some(Heap::Set(pack)) = db.heap_mut(found)
                    && let Some(at) = pack.pick(|| rng.next_u64())
                {
                    pack.foresee(rng.clone());
                    if let Some(record) = pack.get(at) {
                        see(record.key);
                    }
                    pack.remove(at);
                }
            }
        })
    }
}
