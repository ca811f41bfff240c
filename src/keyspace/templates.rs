//! Hashes with a template in the keyspace: the templates that exist, and what is done to such hashes.
//!
//! HIMPORT makes them, and with `hash-min-template-entries` any write to a hash that has as many fields as
//! the two directives say. They stay what they are when fields come and go, and become plain hashes when a
//! field is to have a deadline. The values lie in a listpack as long as `hash-max-listpack-entries` and
//! `hash-max-listpack-value` allow, as OBJECT ENCODING says.

use super::hash::HashRef;
use super::{DbMut, Found, Tuning};
use crate::types::entries::{KeyHasher, ValueMut};
use crate::types::entry::{INLINE_MAX, NewValue};
use crate::types::fields;
use crate::types::listpack::{self, Item};
use crate::types::template::{
    Counts, Template, TemplateHash, TemplateRef, Tie, Values, ValuesRef, order,
};
use crate::types::value::{Encoding, Heap, Kind};
use hashbrown::HashMap;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

/// A hash with more fields than this becomes a table when fields come or go, for each time its template would
/// be built anew; and only HIMPORT gives it one.
const FIELDS_MAX: usize = 1024;
/// Templates from which on those without a hash are forgotten.
const PURGE_FROM: usize = 64;

/// The templates that hashes share, each once.
pub struct Templates {
    /// By the hash of the names. What only this map knows has ended.
    known: HashMap<u64, (u64, Weak<Template>)>,
    /// Numbers below `next` that no template has.
    free: Vec<u64>,
    next: u64,
    purge_at: usize,
    hasher: KeyHasher,
    counts: Arc<Counts>,
}

impl Templates {
    /// The number of a template that is not in the list, because another has the same hash.
    pub const UNLISTED: u64 = u64::MAX;

    pub fn new(hasher: KeyHasher) -> Templates {
        Templates {
            known: HashMap::new(),
            free: Vec::new(),
            next: 0,
            purge_at: PURGE_FROM,
            hasher,
            counts: Arc::default(),
        }
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// All templates that hashes may refer to.
    pub fn iter(&self) -> impl Iterator<Item = Arc<Template>> {
        self.known.values().filter_map(|(_, known)| known.upgrade())
    }

    /// The template that all hashes with these names share.
    pub fn share(&mut self, template: Arc<Template>) -> Arc<Template> {
        if template.is_shared() {
            return template;
        }
        let hash = template.hash(|bytes| self.hasher.hash(bytes));
        if let Some((number, known)) = self.known.get(&hash) {
            match known.upgrade() {
                Some(known) if known.is_same(&template) => return known,
                Some(_) => {
                    template.share(Templates::UNLISTED, &self.counts);
                    return template;
                }
                None => self.free.push(*number),
            }
        } else if self.known.len() >= self.purge_at {
            self.purge();
        }
        let number = self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        });
        template.share(number, &self.counts);
        self.known.insert(hash, (number, Arc::downgrade(&template)));
        template
    }

    /// Forgets the templates that have ended.
    fn purge(&mut self) {
        let free = &mut self.free;
        self.known.retain(|_, (number, known)| {
            let lives = known.strong_count() > 0;
            if !lives {
                free.push(*number);
            }
            lives
        });
        self.purge_at = PURGE_FROM.max(self.known.len() * 2);
    }

    /// The same tie to the template that is shared.
    fn share_tie(&mut self, tie: Tie) -> Tie {
        match tie.template().is_shared() {
            true => tie,
            false => Tie::new(self.share(tie.into_counted())),
        }
    }

    /// A value that was read, with the template that is shared.
    #[inline(always)]
    pub(super) fn share_value<'v>(&mut self, value: NewValue<'v>) -> NewValue<'v> {
        match value.encoding().is_template() {
            true => self.share_cold(value),
            false => value,
        }
    }

    #[cold]
    fn share_cold<'v>(&mut self, value: NewValue<'v>) -> NewValue<'v> {
        match value {
            NewValue::Template(tie, values) => NewValue::Template(self.share_tie(tie), values),
            NewValue::Heap(mut heap, encoding) => {
                if let Heap::Template(hash) = &mut *heap {
                    hash.tie = self.share_tie(std::mem::replace(
                        &mut hash.tie,
                        Tie::new(Arc::new(Template::of_ordered([]))),
                    ));
                }
                NewValue::Heap(heap, encoding)
            }
            other => other,
        }
    }
}

/// Whether values of these lengths are packed.
fn is_packed(lengths: impl ExactSizeIterator<Item = usize>, tuning: &Tuning) -> bool {
    let mut lengths = lengths;
    lengths.len() <= tuning.hash_max_listpack_entries
        && lengths.all(|len| len <= tuning.hash_max_listpack_value)
}

/// The value of a hash with a template. `room` is where packed values go on their way into an entry.
pub fn value<'v>(
    template: Arc<Template>,
    values: &[Item],
    room: &'v mut Vec<u8>,
    tuning: &Tuning,
) -> NewValue<'v> {
    let tie = Tie::new(template);
    match is_packed(values.iter().map(Item::len), tuning) {
        true => packed(tie, values, room),
        false => spread(tie, values),
    }
}

fn packed<'v>(tie: Tie, values: &[Item], room: &'v mut Vec<u8>) -> NewValue<'v> {
    room.clear();
    room.extend_from_slice(&listpack::EMPTY);
    for value in values {
        listpack::push_back(room, *value);
    }
    if room.len() <= INLINE_MAX {
        return NewValue::Template(tie, room);
    }
    let values = Values::Packed(std::mem::take(room));
    of_heap(TemplateHash { tie, values })
}

fn spread(tie: Tie, values: &[Item]) -> NewValue<'static> {
    let values = Values::collect(false, values.iter().copied());
    of_heap(TemplateHash { tie, values })
}

fn of_heap(hash: TemplateHash) -> NewValue<'static> {
    let encoding = encoding_of(&hash.values);
    NewValue::Heap(Box::new(Heap::Template(Box::new(hash))), encoding)
}

fn encoding_of(values: &Values) -> Encoding {
    match values {
        Values::Packed(_) => Encoding::TemplateListpack,
        Values::Spread(_) => Encoding::TemplateArray,
    }
}

/// New fields of a hash with a template, by length and name.
type NewFields<'w> = BTreeMap<(usize, &'w [u8]), &'w [u8]>;

/// Adds fields that are not there to a hash.
fn merge(hash: &mut TemplateHash, new: &NewFields, templates: &mut Templates) {
    let is_packed = matches!(hash.values, Values::Packed(_));
    let old = hash.view();
    let (mut names, mut values) = (Vec::new(), Vec::new());
    let mut added = new.iter().map(|(&(_, name), &value)| (name, value));
    let mut next = added.next();
    for (name, value) in old.template.names().zip(old.values.iter()) {
        while let Some((new_name, new_value)) = next.filter(|new| order(new.0, name).is_lt()) {
            names.push(new_name);
            values.push(Item::of(new_value));
            next = added.next();
        }
        names.push(name);
        values.push(value);
    }
    for (name, value) in next.into_iter().chain(added) {
        names.push(name);
        values.push(Item::of(value));
    }
    let values = Values::collect(is_packed, values.into_iter());
    let template = templates.share(Arc::new(Template::of_ordered(names)));
    *hash = TemplateHash {
        tie: Tie::new(template),
        values,
    };
}

/// Removes the field at an index.
fn remove_at(hash: &mut TemplateHash, index: usize, templates: &mut Templates) {
    let names = hash.tie.template().names().enumerate();
    let left = names.filter(|(at, _)| *at != index).map(|(_, name)| name);
    let template = templates.share(Arc::new(Template::of_ordered(left)));
    hash.values.remove(index);
    hash.tie = Tie::new(template);
}

impl DbMut<'_> {
    /// Adds a hash with a template and these values, which are in the order of its names.
    pub fn add_template(
        &mut self,
        key: &[u8],
        template: &Arc<Template>,
        values: &[Item],
        tuning: &Tuning,
    ) -> Found {
        let mut room = self.take_scratch();
        let value = value(Arc::clone(template), values, &mut room, tuning);
        let found = self.add(key, value, None);
        self.give_scratch(room);
        found
    }

    /// Lets `edit` change a found hash with a template, and puts it where it fits: inside the entry while
    /// its values are packed and short.
    fn edit_template<R>(
        &mut self,
        found: Found,
        edit: impl FnOnce(&mut TemplateHash, &mut Templates) -> R,
    ) -> Option<R> {
        let templates = &mut self.shared.templates;
        if let Some(ValueMut::Heap(Heap::Template(hash))) = self.db.entries.value_mut(found.at) {
            let result = edit(hash, templates);
            match &mut hash.values {
                // Half the limit, so that one field going to and fro does not move it each time.
                Values::Packed(lp) if lp.len() <= INLINE_MAX / 2 => {
                    let (tie, lp) = (hash.tie.clone(), std::mem::take(lp));
                    let value = NewValue::Template(tie, &lp);
                    self.db.entries.set_value(found.at, value);
                }
                values => {
                    let encoding = encoding_of(values);
                    self.db.entries.set_encoding(found.at, encoding);
                }
            }
            return Some(result);
        }
        let mut room = self.take_scratch();
        let (tie, packed) = self.get(found).template()?;
        room.extend_from_slice(packed);
        let values = Values::Packed(room);
        let mut hash = TemplateHash { tie, values };
        let result = edit(&mut hash, &mut self.shared.templates);
        match hash.values {
            Values::Packed(lp) if lp.len() <= INLINE_MAX => {
                let value = NewValue::Template(hash.tie, &lp);
                self.db.entries.set_value(found.at, value);
                self.give_scratch(lp);
            }
            values => {
                let value = of_heap(TemplateHash { values, ..hash });
                self.db.entries.set_value(found.at, value);
            }
        }
        Some(result)
    }

    /// Writes fields of a found hash with a template; returns how many were not there.
    pub(super) fn put_in_template<'w>(
        &mut self,
        found: Found,
        pairs: impl Iterator<Item = (&'w [u8], &'w [u8])>,
        tuning: &Tuning,
    ) -> usize {
        let mut new = NewFields::new();
        let merged = self.edit_template(found, |hash, templates| {
            for (name, value) in pairs {
                if value.len() > tuning.hash_max_listpack_value {
                    hash.values.spread();
                }
                match hash.tie.template().find(name) {
                    Ok(index) => hash.values.put(index, Item::of(value)),
                    Err(_) => drop(new.insert((name.len(), name), value)),
                }
            }
            let len = hash.view().len() + new.len();
            if new.is_empty() {
                return true;
            }
            if len > FIELDS_MAX {
                return false;
            }
            if len > tuning.hash_max_listpack_entries {
                hash.values.spread();
            }
            merge(hash, &new, templates);
            true
        });
        if merged == Some(false) {
            self.hash_to_table(found);
            if let Some(Heap::Hash(table)) = self.heap_mut(found) {
                for ((_, name), value) in &new {
                    table.put(Item::of(name), None, Item::of(value), |_| None);
                }
            }
        }
        new.len()
    }

    /// Removes a field of a found hash with a template; returns whether it was there.
    pub(super) fn remove_in_template(&mut self, found: Found, name: &[u8]) -> bool {
        let Ok(HashRef::Template(hash)) = self.hash_at(found) else {
            return false;
        };
        let Ok(index) = hash.template.find(name) else {
            return false;
        };
        if hash.len() <= FIELDS_MAX {
            self.edit_template(found, |hash, templates| remove_at(hash, index, templates));
            return true;
        }
        self.hash_to_table(found);
        if let Some(Heap::Hash(table)) = self.heap_mut(found)
            && let Some(at) = table.find(Item::of(name))
        {
            table.remove(at);
        }
        true
    }

    /// Makes a found hash with a template one whose fields can have deadlines.
    pub(super) fn template_to_list(&mut self, found: Found, tuning: &Tuning) {
        let Ok(HashRef::Template(hash)) = self.hash_at(found) else {
            return;
        };
        let TemplateRef { template, values } = hash;
        let short = |text: &[u8]| text.len() <= tuning.hash_max_listpack_value;
        // Packed values may be longer than the threshold is now, as in Redis; others may have become
        // short enough.
        let has_short_values = || {
            let mut all = true;
            hash.each(|field| all &= short(&field.value.to_vec()));
            all
        };
        let is_small = hash.len() <= tuning.hash_max_listpack_entries
            && template.names().all(short)
            && (matches!(values, ValuesRef::Packed(_)) || has_short_values());
        if !is_small {
            return self.hash_to_table(found);
        }
        let mut threes = listpack::new();
        hash.each(|field| listpack::append(&mut threes, [field.name, field.value, Item::Int(0)]));
        let list = fields::list_of_threes(threes);
        let value = DbMut::compact_value(Kind::Hash, &list, Encoding::ListpackEx);
        self.exchange(found, value);
    }

    /// Gives a found plain hash a template if it has as many fields as the configuration says.
    #[inline(always)]
    pub fn fit_template(&mut self, found: Found, tuning: &Tuning) {
        if tuning.hash_min_template_entries != 0 {
            self.fit_template_cold(found, tuning);
        }
    }

    #[cold]
    fn fit_template_cold(&mut self, found: Found, tuning: &Tuning) {
        let Ok(hash) = self.hash_at(found) else {
            return;
        };
        let may_have = match hash {
            HashRef::Listpack(_) => true,
            HashRef::Table(table) => table.volatile() == 0,
            HashRef::List(_) | HashRef::Template(_) => false,
        };
        let most = match tuning.hash_max_template_entries {
            0 => FIELDS_MAX,
            most => most.min(FIELDS_MAX),
        };
        let wanted = tuning.hash_min_template_entries..=most;
        if !may_have || !wanted.contains(&hash.len()) || hash.is_empty() {
            return;
        }
        let mut pairs = Vec::with_capacity(hash.len());
        hash.each(|field| pairs.push((field.name.to_vec(), field.value.to_vec())));
        pairs.sort_by(|a, b| order(&a.0, &b.0));
        let names = pairs.iter().map(|(name, _)| name.as_slice());
        let template = Arc::new(Template::of_ordered(names));
        let template = self.shared.templates.share(template);
        let Ok(hash) = self.hash_at(found) else {
            return;
        };
        let values: Vec<Item> = pairs.iter().map(|(_, value)| Item::of(value)).collect();
        let (mut room, tie) = (Vec::new(), Tie::new(template));
        // As in Redis, by what the hash was and not by its values.
        let value = match hash {
            HashRef::Table(_) => spread(tie, &values),
            _ => packed(tie, &values, &mut room),
        };
        self.exchange(found, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;
    use proptest::prelude::*;
    use std::sync::atomic::Ordering::Relaxed;

    /// An engine whose hashes have templates as soon as they are written to.
    fn engine() -> Engine {
        let mut e = Engine::new();
        e.freeze_at_ms(1_000_000);
        e.tuning().hash_min_template_entries = 1;
        e.tuning().hash_max_template_entries = 100;
        e
    }

    fn counts(e: &mut Engine) -> (usize, usize) {
        let counts = e.keyspace().shared.templates.counts();
        (counts.templates.load(Relaxed), counts.hashes.load(Relaxed))
    }

    #[test]
    fn hashes_with_the_same_fields_share_a_template() {
        let mut e = engine();
        e.ask("HSET a x 1 y 2");
        e.ask("HSET b y 3 x 4");
        assert_eq!(counts(&mut e), (1, 2));
        assert_eq!(e.ask("COPY a c"), ":1");
        assert_eq!(e.ask("RENAME b d"), "+OK");
        e.ask("EXPIRE c 100");
        e.ask("PERSIST c");
        assert_eq!(counts(&mut e), (1, 3));
        assert_eq!(e.ask("HSET c z 1"), ":1");
        assert_eq!(counts(&mut e), (2, 3));
        assert_eq!(e.ask("HGETALL c"), "*6 $1 x $1 1 $1 y $1 2 $1 z $1 1");
        e.ask("SET a 1");
        e.ask("DEL c d");
        assert_eq!(counts(&mut e), (0, 0));
        e.ask("HSET a x 1");
        e.ask("HSET b x 1 y 2");
        e.ask("FLUSHALL");
        assert_eq!(counts(&mut e), (0, 0));
    }

    #[test]
    fn encodings_are_those_of_redis() {
        let mut e = engine();
        e.tuning().hash_min_template_entries = 3;
        e.tuning().hash_max_template_entries = 4;
        e.tuning().hash_max_listpack_entries = 5;
        e.tuning().hash_max_listpack_value = 4;
        for (line, encoding) in [
            ("HSET a 1 1 2 2", "listpack"),
            ("HSET a 3 3", "template-listpack"),
            ("HSET a longname 4 e 5", "template-listpack"),
            ("HSET a f 6", "template-array"),
            ("HDEL a 1 2 3 f", "template-array"),
            ("HSET b a 1 b 2 c 12345", "template-array"),
            ("HSET b c 1", "template-array"),
            ("HSET c a 1 b 2 c 3 d 4 e 5", "listpack"),
            ("HDEL c a", "listpack"),
            ("HINCRBY c b 1", "template-listpack"),
            ("HPERSIST c FIELDS 1 b", "template-listpack"),
            ("HEXPIRE c 9 FIELDS 1 nosuch", "listpackex"),
            ("HEXPIRE b 9 FIELDS 1 a", "listpackex"),
            ("HSETEX d FIELDS 3 a 1 b 2 c 3", "template-listpack"),
            ("HSETEX d EX 9 FIELDS 1 a 1", "listpackex"),
            ("HMSET f a 1 longname 2 c 3", "template-array"),
            ("HEXPIRE f 9 FIELDS 1 a", "hashtable"),
        ] {
            e.ask(line);
            let key = line.split(' ').nth(1).expect("a key");
            let reply = e.ask(&format!("OBJECT ENCODING {key}"));
            assert_eq!(reply.split(' ').nth(1), Some(encoding), "{line}");
            e.keyspace().check();
        }
    }

    #[test]
    fn a_hash_of_many_fields_becomes_a_table_when_they_change() {
        let mut e = engine();
        e.tuning().hash_max_template_entries = 0;
        let mut names: Vec<_> = (0..=FIELDS_MAX).map(|n| format!("f{n}")).collect();
        names.sort_by(|a, b| order(a.as_bytes(), b.as_bytes()));
        let template = Template::of_ordered(names.iter().map(|name| name.as_bytes()));
        let values: Vec<Item> = (0..=FIELDS_MAX as i64).map(Item::Int).collect();
        let keyspace = e.keyspace();
        let template = keyspace.shared.templates.share(Arc::new(template));
        let mut db = keyspace.db(crate::keyspace::DbIndex(0));
        db.add_template(b"a", &template, &values, &Tuning::default());
        drop(template);
        e.ask("COPY a b");
        assert_eq!(e.ask("HSET a f1 9"), ":0");
        assert_eq!(e.ask("OBJECT ENCODING a"), "$14 template-array");
        assert_eq!(e.ask("HSET a new 1 f2 8 other 2"), ":2");
        assert_eq!(e.ask("HDEL b f3 nosuch f4"), ":2");
        for (key, len) in [("a", FIELDS_MAX + 3), ("b", FIELDS_MAX - 1)] {
            assert_eq!(e.ask(&format!("HLEN {key}")), format!(":{len}"));
            assert_eq!(e.ask(&format!("OBJECT ENCODING {key}")), "$9 hashtable");
        }
        assert_eq!(e.ask("HMGET a new f2 other f1"), "*4 $1 1 $1 8 $1 2 $1 9");
        assert_eq!(counts(&mut e), (0, 0));
    }

    #[test]
    fn templates_that_have_ended_are_forgotten_and_their_numbers_used_again() {
        let mut e = engine();
        for n in 0..10_000 {
            e.ask(&format!("HSET a f{n} 1"));
            e.ask("DEL a");
        }
        let templates = &e.keyspace().shared.templates;
        assert!(templates.known.len() <= 2 * PURGE_FROM);
        assert!(templates.next <= 2 * PURGE_FROM as u64);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.min(64)))]
        #[test]
        fn a_hash_with_a_template_behaves_like_a_plain_one(
            ops in prop::collection::vec((0u8..14, 0usize..3, 0usize..12, 0usize..12, 0usize..700), 1..120),
        ) {
            let (mut with, mut without) = (engine(), Engine::new());
            without.freeze_at_ms(1_000_000);
            for (op, key, field, other, len) in ops {
                let value = "v".repeat(len % 70);
                let long = "v".repeat(len);
                let line = match op {
                    0 => format!("HSET k{key} f{field} {value} f{other} {len}"),
                    1 => format!("HSET k{key} f{field} {long} f{other} {len}"),
                    2 => format!("HDEL k{key} f{field} f{other}"),
                    3 => format!("HINCRBY k{key} n{field} {len}"),
                    4 => format!("HSETNX k{key} f{field} {len}"),
                    5 => format!("HGETDEL k{key} FIELDS 2 f{field} f{other}"),
                    6 => format!("HMGET k{key} f{field} f{other}"),
                    7 => format!("HSTRLEN k{key} f{field}"),
                    8 => format!("COPY k{key} k{} REPLACE", other % 3),
                    9 => format!("HSETEX k{key} FNX FIELDS 2 f{field} {value} f{other} {len}"),
                    10 => format!("EXPIRE k{key} {len}"),
                    11 => format!("HLEN k{key}"),
                    12 if len < 100 => format!("HEXPIRE k{key} 100 FIELDS 1 f{field}"),
                    _ => format!("HGET k{key} n{field}"),
                };
                prop_assert_eq!(with.ask(&line), without.ask(&line), "{}", line);
                with.keyspace().check();
            }
            for key in 0..3 {
                let all = |e: &mut Engine| {
                    let reply = e.ask(&format!("HGETALL k{key}"));
                    let words: Vec<_> = reply.split(" $").skip(1).map(str::to_owned).collect();
                    let mut pairs: Vec<_> = words.chunks(2).map(<[String]>::to_vec).collect();
                    pairs.sort();
                    pairs
                };
                prop_assert_eq!(all(&mut with), all(&mut without));
            }
        }
    }
}
