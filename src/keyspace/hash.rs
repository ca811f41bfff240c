//! Hashes in the keyspace: which encoding they have, and what is done to them in each.
//!
//! A small hash is a listpack of pairs, and one of threes once a field had a deadline
//! (`listpackex`); a large one is a table. Thresholds and order of steps are those of Redis, so that
//! OBJECT ENCODING agrees after each command. Hashes with a template are in `templates`. Deadlines of fields are armed in `fields`; nothing
//! here looks at the time: whether a field is overdue is for the commands to see.

use super::{DbMut, Found, Tuning, WrongKind};
use crate::types::entry::NewValue;
use crate::types::fields::{self, Field, FieldEdit, FieldList, FieldTable};
use crate::types::listpack::{self, Item};
use crate::types::template::TemplateRef;
use crate::types::value::{Encoding, Heap, Kind, Value};

/// A listpack longer than this takes nothing more, whatever the thresholds say.
const LISTPACK_MAX: usize = 1 << 30;

/// A hash being read.
#[derive(Clone, Copy)]
pub enum HashRef<'a> {
    Listpack(&'a [u8]),
    List(FieldList<'a>),
    Table(&'a FieldTable),
    Template(TemplateRef<'a>),
}

/// The effect of a write on the field's deadline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FieldDeadline {
    Clear,
    Keep,
    /// Unix milliseconds.
    At(i64),
}

impl<'a> HashRef<'a> {
    /// The hash that a value is.
    #[inline]
    pub fn of(value: Value<'a>, encoding: Encoding) -> Option<HashRef<'a>> {
        match value {
            Value::Compact(stored) if encoding == Encoding::ListpackEx => {
                Some(HashRef::List(FieldList::of(stored)))
            }
            Value::Compact(lp) => Some(HashRef::Listpack(lp)),
            Value::Rich(Heap::Hash(table)) => Some(HashRef::Table(table)),
            Value::Template(hash) => Some(HashRef::Template(hash)),
            _ => None,
        }
    }

    /// Fields, overdue ones included.
    pub fn len(self) -> usize {
        match self {
            HashRef::Listpack(lp) => listpack::len(lp) / 2,
            HashRef::List(list) => list.len(),
            HashRef::Table(table) => table.len(),
            HashRef::Template(hash) => hash.len(),
        }
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// A field, overdue or not.
    #[inline]
    pub fn get(self, name: &[u8]) -> Option<Field<'a>> {
        match self {
            HashRef::Listpack(lp) => pair_at(lp, find_pair(lp, name)?),
            HashRef::List(list) => Some(list.get(list.find(name)?)),
            HashRef::Table(table) => table.get(table.find(Item::of(name))?),
            HashRef::Template(hash) => hash.get(name),
        }
    }

    /// The value of a field that is not overdue at `now_ms`, for reads only.
    pub fn value(self, name: &[u8], now_ms: i64) -> Option<Item<'a>> {
        let field = self.get(name)?;
        (!is_overdue(&field, now_ms)).then_some(field.value)
    }

    /// Calls `visit` with every field, overdue ones included.
    pub fn each(self, mut visit: impl FnMut(Field)) {
        match self {
            HashRef::Listpack(lp) => {
                let mut items = listpack::iter(lp);
                while let (Some(name), Some(value)) = (items.next(), items.next()) {
                    visit(Field {
                        name,
                        value,
                        deadline_ms: None,
                    });
                }
            }
            HashRef::List(list) => list.iter().for_each(visit),
            HashRef::Table(table) => table.each(visit),
            HashRef::Template(hash) => hash.each(visit),
        }
    }

    /// The next deadline of a field.
    pub fn next_due_ms(self) -> Option<i64> {
        match self {
            HashRef::Listpack(_) | HashRef::Template(_) => None,
            HashRef::List(list) => list.first_due().and_then(|field| field.deadline_ms),
            HashRef::Table(table) => table.first_due_ms(),
        }
    }

    /// The field at a random place, each as likely as any other.
    pub fn pick(self, mut random: impl FnMut() -> u64) -> Option<Field<'a>> {
        let place = |draw: u64, len: usize| ((draw as u128 * len as u128) >> 64) as i64;
        match self {
            HashRef::Listpack(lp) => {
                let index = place(random(), listpack::len(lp) / 2);
                pair_at(lp, listpack::seek(lp, index * 2)?)
            }
            HashRef::List(list) => {
                let index = place(random(), list.len());
                Some(list.get(listpack::seek(list.listpack(), index * 3)?))
            }
            HashRef::Table(table) => table.get(table.pack().pick(random)?),
            HashRef::Template(hash) => hash.at(place(random(), hash.len()) as usize),
        }
    }
}

/// Whether a field's deadline has passed.
pub fn is_overdue(field: &Field, now_ms: i64) -> bool {
    field.deadline_ms.is_some_and(|ms| ms < now_ms)
}

fn find_pair(lp: &[u8], name: &[u8]) -> Option<usize> {
    listpack::find(lp, listpack::first(lp)?, name, 2)
}

fn pair_at(lp: &[u8], at: usize) -> Option<Field<'_>> {
    let value = listpack::next(lp, at)?;
    Some(Field {
        name: listpack::get(lp, at),
        value: listpack::get(lp, value),
        deadline_ms: None,
    })
}

/// Writes a pair; returns whether the field was not there.
fn put_pair(lp: &mut Vec<u8>, name: &[u8], value: Item) -> bool {
    let at = find_pair(lp, name).and_then(|at| listpack::next(lp, at));
    match at {
        Some(at) => listpack::replace(lp, at, value),
        None => {
            listpack::push_back(lp, Item::of(name));
            listpack::push_back(lp, value);
        }
    }
    at.is_none()
}

/// Writes a field of a small hash with deadlines; returns whether it was not there.
fn put_in_list(list: &mut FieldEdit, name: &[u8], value: Item, deadline: FieldDeadline) -> bool {
    let new_ms = match deadline {
        FieldDeadline::At(ms) => Some(ms),
        FieldDeadline::Clear | FieldDeadline::Keep => None,
    };
    let Some(at) = list.view().find(name) else {
        list.insert(Item::of(name), value, new_ms);
        return true;
    };
    let old_ms = list.view().get(at).deadline_ms;
    if deadline == FieldDeadline::Keep || (old_ms, new_ms) == (None, None) {
        list.set_value(at, value);
    } else {
        list.remove(at);
        list.insert(Item::of(name), value, new_ms);
    }
    false
}

/// Whether a listpack is right for so many fields more and these words.
pub fn stays_small<'w>(
    fields: usize,
    words: impl IntoIterator<Item = &'w [u8]>,
    tuning: &Tuning,
) -> bool {
    let mut sum = 0usize;
    let short = |word: &[u8]| {
        sum += word.len();
        word.len() <= tuning.hash_max_listpack_value && sum < LISTPACK_MAX
    };
    fields <= tuning.hash_max_listpack_entries && words.into_iter().all(short)
}

impl DbMut<'_> {
    /// The hash that was found, or that it is something else.
    #[inline]
    pub fn hash_at(&self, found: Found) -> Result<HashRef<'_>, WrongKind> {
        let entry = self.get(found);
        if entry.kind() != Kind::Hash {
            return Err(WrongKind);
        }
        HashRef::of(entry.value(), entry.encoding()).ok_or(WrongKind)
    }

    /// The hash at a key, looked up for reading.
    #[inline]
    pub fn read_hash(&mut self, key: &[u8]) -> Result<Option<HashRef<'_>>, WrongKind> {
        match self.read(key) {
            Some(found) => self.hash_at(found).map(Some),
            None => Ok(None),
        }
    }

    /// Adds an empty hash, which gets its fields at once.
    pub fn add_hash(&mut self, key: &[u8]) -> Found {
        let empty = listpack::new();
        let value = NewValue::Compact(Kind::Hash, &empty, Encoding::Listpack);
        self.add(key, value, None)
    }

    /// Adds a hash of these pairs, which `stays_small` allows.
    pub fn add_small_hash<'w>(
        &mut self,
        key: &[u8],
        pairs: impl Iterator<Item = (&'w [u8], &'w [u8])>,
        tuning: &Tuning,
    ) -> (Found, usize) {
        let mut lp = self.take_scratch();
        lp.extend_from_slice(&listpack::EMPTY);
        let created = pairs.filter(|(name, value)| put_pair(&mut lp, name, Item::of(value)));
        let created = created.count();
        let value = DbMut::compact_value(Kind::Hash, &lp, Encoding::Listpack);
        let found = self.add(key, value, None);
        self.give_scratch(lp);
        self.fit_hash(found, tuning);
        self.fit_template(found, tuning);
        (found, created)
    }

    /// Makes a found hash a table if it has too many fields for anything less.
    fn fit_hash(&mut self, found: Found, tuning: &Tuning) {
        let Ok(hash) = self.hash_at(found) else {
            return;
        };
        let is_free = matches!(hash, HashRef::Table(_) | HashRef::Template(_));
        if !is_free && hash.len() > tuning.hash_max_listpack_entries {
            self.hash_to_table(found);
        }
    }

    /// Makes a found hash a table.
    pub fn hash_to_table(&mut self, found: Found) {
        let mut table = FieldTable::new(self.entries().hasher().clone());
        match self.hash_at(found) {
            Ok(HashRef::Table(_)) | Err(_) => return,
            Ok(hash) => hash.each(|f| table.insert(f.name, f.value, f.deadline_ms)),
        }
        let heap = Box::new(Heap::Hash(Box::new(table)));
        self.exchange(found, NewValue::Heap(heap, Encoding::Hashtable));
        self.arm_fields(found);
    }

    /// Makes a found hash able to hold deadlines.
    pub fn hash_to_list(&mut self, found: Found, tuning: &Tuning) {
        match self.hash_at(found) {
            Ok(HashRef::Listpack(lp)) => {
                let list = fields::list_of_pairs(lp);
                let value = DbMut::compact_value(Kind::Hash, &list, Encoding::ListpackEx);
                self.exchange(found, value);
            }
            Ok(HashRef::Template(_)) => self.template_to_list(found, tuning),
            Ok(HashRef::List(_) | HashRef::Table(_)) | Err(_) => {}
        }
    }

    /// Lets `edit` change the fields of a small hash with deadlines that was found.
    fn edit_list<R>(&mut self, found: Found, edit: impl FnOnce(&mut FieldEdit) -> R) -> R {
        self.edit_compact(found, Encoding::ListpackEx, |stored| {
            fields::edit_list(stored, edit)
        })
    }

    /// Writes fields of a found hash without deadlines; returns how many were not there. The hash of
    /// the first may be known already, as for `Pack`.
    pub fn put_fields<'w>(
        &mut self,
        found: Found,
        pairs: impl Iterator<Item = (&'w [u8], &'w [u8])>,
        mut first_hash: Option<u64>,
        tuning: &Tuning,
    ) -> usize {
        self.resized(found, |db| {
            if db.get(found).encoding() == Encoding::Listpack {
                let created = db.edit_compact(found, Encoding::Listpack, |lp| {
                    let put = |(name, value): &(&[u8], &[u8])| put_pair(lp, name, Item::of(value));
                    pairs.filter(put).count()
                });
                db.fit_hash(found, tuning);
                db.fit_template(found, tuning);
                return created;
            }
            if db.get(found).encoding().is_template() {
                return db.put_in_template(found, pairs, tuning);
            }
            let created = match db.heap_mut(found) {
                Some(Heap::Hash(table)) => {
                    let mut put = |(name, value): &(&[u8], &[u8])| {
                        let hash = first_hash.take();
                        table.put(Item::of(name), hash, Item::of(value), |_| None)
                    };
                    pairs.filter(|pair| put(pair)).count()
                }
                _ => db.edit_list(found, |list| {
                    let mut put = |(name, value): &(&[u8], &[u8])| {
                        put_in_list(list, name, Item::of(value), FieldDeadline::Clear)
                    };
                    pairs.filter(|pair| put(pair)).count()
                }),
            };
            db.fit_hash(found, tuning);
            db.arm_fields(found);
            db.fit_template(found, tuning);
            created
        })
    }

    /// Writes a field of a found hash; returns whether it was not there. After the last one
    /// `fit_template` follows.
    pub fn put_field(
        &mut self,
        found: Found,
        name: &[u8],
        value: &[u8],
        deadline: FieldDeadline,
        tuning: &Tuning,
    ) -> bool {
        self.resized(found, |db| {
            if matches!(deadline, FieldDeadline::At(_)) {
                db.hash_to_list(found, tuning);
            }
            if db.get(found).encoding().is_template() {
                return db.put_in_template(found, [(name, value)].into_iter(), tuning) > 0;
            }
            let short = tuning.hash_max_listpack_value;
            if name.len() > short || value.len() > short {
                db.hash_to_table(found);
            }
            if db.get(found).encoding() == Encoding::Listpack {
                let put = |lp: &mut Vec<u8>| put_pair(lp, name, Item::of(value));
                let created = db.edit_compact(found, Encoding::Listpack, put);
                // Also if nothing was added: the threshold may have been lowered.
                db.fit_hash(found, tuning);
                return created;
            }
            let value = Item::of(value);
            let created = match db.heap_mut(found) {
                Some(Heap::Hash(table)) => {
                    let choose = |old_ms| match deadline {
                        FieldDeadline::Keep => old_ms,
                        FieldDeadline::At(ms) => Some(ms),
                        FieldDeadline::Clear => None,
                    };
                    table.put(Item::of(name), None, value, choose)
                }
                _ => db.edit_list(found, |list| put_in_list(list, name, value, deadline)),
            };
            db.fit_hash(found, tuning);
            db.arm_fields(found);
            created
        })
    }

    /// Gives a field of a found hash a deadline, or none.
    pub fn set_field_deadline(
        &mut self,
        found: Found,
        name: &[u8],
        deadline_ms: Option<i64>,
        tuning: &Tuning,
    ) {
        if deadline_ms.is_some() {
            self.hash_to_list(found, tuning);
        }
        if self.get(found).encoding() == Encoding::ListpackEx {
            self.edit_list(found, |list| {
                if let Some(at) = list.view().find(name) {
                    list.set_deadline(at, deadline_ms);
                }
            });
        } else if let Some(Heap::Hash(table)) = self.heap_mut(found)
            && let Some(at) = table.find(Item::of(name))
        {
            table.set_deadline(at, deadline_ms);
        }
        self.arm_fields(found);
    }

    /// Removes a field of a found hash; returns whether it was there. The hash may be empty then.
    pub fn remove_field(&mut self, found: Found, name: &[u8]) -> bool {
        self.resized(found, |db| {
            let removed = match db.heap_mut(found) {
                Some(Heap::Hash(table)) => match table.find(Item::of(name)) {
                    Some(at) => {
                        table.remove(at);
                        true
                    }
                    None => false,
                },
                _ => db.remove_small(found, name),
            };
            if removed {
                db.arm_fields(found);
            }
            removed
        })
    }

    /// Removes a field of a small hash.
    fn remove_small(&mut self, found: Found, name: &[u8]) -> bool {
        let at = match self.hash_at(found) {
            Ok(HashRef::List(list)) => {
                let Some(at) = list.find(name) else {
                    return false;
                };
                self.edit_list(found, |list| list.remove(at));
                return true;
            }
            Ok(HashRef::Listpack(lp)) => find_pair(lp, name),
            Ok(HashRef::Template(_)) => return self.remove_in_template(found, name),
            _ => None,
        };
        let Some(at) = at else {
            return false;
        };
        self.edit_compact(found, Encoding::Listpack, |lp| {
            listpack::remove_range(lp, at, 2);
        });
        true
    }
}
