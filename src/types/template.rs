//! Hashes that share the names of their fields: a template holds the names once, each hash only its
//! values.
//!
//! ```text
//!   Template   names in order of length, then of their bytes; found by bisection
//!              +----+----+-----+------+     +---+---+---+---+
//!              | a  | b  | age | name |     | 1 | 2 | 5 | 9 |     where each name ends
//!              +----+----+-----+------+     +---+---+---+---+
//!
//!   Packed     a listpack of the values, in the order of the names; a short one lies inside its entry,
//!              beside the pointer to the template
//!   Spread     a value of its own for each name, for long values and for many
//! ```
//!
//! Two hashes with the same names have the same template (`keyspace::templates`). A hash that gets or
//! loses a field gets another template. No field has a deadline: a hash that is to have one becomes a
//! plain hash.

use crate::types::fields::Field;
use crate::types::listpack::{self, Item};
use std::cmp::Ordering;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// The number and size of the templates that exist, for INFO. The helper thread drops some of them.
#[derive(Debug, Default)]
pub struct Counts {
    pub templates: AtomicUsize,
    pub bytes: AtomicUsize,
    /// Hashes with a template.
    pub hashes: AtomicUsize,
}

/// The names of the fields of a hash, in order.
#[derive(Debug)]
pub struct Template {
    names: Box<[u8]>,
    ends: Box<[usize]>,
    /// Set once, when the template becomes the one that all hashes with these names share.
    shared: OnceLock<(u64, Arc<Counts>)>,
}

/// The order of names in a template.
pub fn order(a: &[u8], b: &[u8]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

impl Template {
    /// A template of names that are in order and unique.
    pub fn of_ordered<'n>(names: impl IntoIterator<Item = &'n [u8]>) -> Template {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for name in names {
            bytes.extend_from_slice(name);
            ends.push(bytes.len());
        }
        Template {
            names: bytes.into(),
            ends: ends.into(),
            shared: OnceLock::new(),
        }
    }

    #[allow(clippy::len_without_is_empty, reason = "a hash without fields is none")]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The name at an index below `len`.
    pub fn name(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.names[start..self.ends[index]]
    }

    pub fn names(&self) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        (0..self.len()).map(|index| self.name(index))
    }

    /// The index of a name, or where it would stand.
    ///
    /// # Errors
    /// If it is not there.
    pub fn find(&self, name: &[u8]) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match order(self.name(middle), name) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Ok(middle),
                Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    /// A number that depends on the names, and on the secret of `hash`.
    pub fn hash(&self, hash: impl Fn(&[u8]) -> u64) -> u64 {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let mix = |sum: u64, &end: &usize| (sum ^ end as u64).wrapping_mul(ODD).rotate_left(29);
        self.ends.iter().fold(hash(&self.names), mix)
    }

    /// Whether both have the same names.
    pub fn is_same(&self, other: &Template) -> bool {
        self.ends == other.ends && self.names == other.names
    }

    /// Bytes of the template.
    pub fn bytes(&self) -> usize {
        size_of::<Template>() + self.names.len() + size_of_val(&*self.ends)
    }

    /// Makes the template the one that hashes with these names share.
    pub fn share(&self, number: u64, counts: &Arc<Counts>) {
        if self.shared.set((number, Arc::clone(counts))).is_ok() {
            counts.templates.fetch_add(1, Relaxed);
            counts.bytes.fetch_add(self.bytes(), Relaxed);
        }
    }

    pub fn is_shared(&self) -> bool {
        self.shared.get().is_some()
    }

    /// The number under which files name the template.
    pub fn number(&self) -> u64 {
        self.shared.get().map_or(0, |shared| shared.0)
    }
}

impl Drop for Template {
    fn drop(&mut self) {
        if let Some((_, counts)) = self.shared.get() {
            counts.templates.fetch_sub(1, Relaxed);
            counts.bytes.fetch_sub(self.bytes(), Relaxed);
        }
    }
}

/// The template of one hash, which counts among the hashes with a template.
#[derive(Debug)]
pub struct Tie(
    /// There until the tie ends.
    Option<Arc<Template>>,
);

impl Tie {
    pub fn new(template: Arc<Template>) -> Tie {
        if let Some((_, counts)) = template.shared.get() {
            counts.hashes.fetch_add(1, Relaxed);
        }
        Tie(Some(template))
    }

    pub fn template(&self) -> &Arc<Template> {
        self.0
            .as_ref()
            .expect("a tie has its template until it ends")
    }

    /// The template, while the hash still counts; `of_counted` is the way back.
    pub fn into_counted(mut self) -> Arc<Template> {
        self.0.take().expect("a tie has its template until it ends")
    }

    /// The tie that `into_counted` took apart.
    pub fn of_counted(template: Arc<Template>) -> Tie {
        Tie(Some(template))
    }
}

impl Clone for Tie {
    fn clone(&self) -> Tie {
        Tie::new(Arc::clone(self.template()))
    }
}

impl Drop for Tie {
    fn drop(&mut self) {
        if let Some((_, counts)) = self.0.as_ref().and_then(|it| it.shared.get()) {
            counts.hashes.fetch_sub(1, Relaxed);
        }
    }
}

/// The values of a hash, in the order of its names.
#[derive(Debug, Clone)]
pub enum Values {
    Packed(Vec<u8>),
    Spread(Vec<Box<[u8]>>),
}

impl Values {
    pub fn view(&self) -> ValuesRef<'_> {
        match self {
            Values::Packed(lp) => ValuesRef::Packed(lp),
            Values::Spread(values) => ValuesRef::Spread(values),
        }
    }

    /// Values of this form out of items.
    pub fn collect<'v>(is_packed: bool, values: impl Iterator<Item = Item<'v>>) -> Values {
        match is_packed {
            true => {
                let mut lp = listpack::new();
                values.for_each(|value| listpack::push_back(&mut lp, value));
                Values::Packed(lp)
            }
            false => Values::Spread(values.map(|value| value.to_vec().into()).collect()),
        }
    }

    /// Gives each value a place of its own.
    pub fn spread(&mut self) {
        if let Values::Packed(_) = self {
            *self = Values::collect(false, self.view().iter());
        }
    }

    /// Overwrites the value at an index.
    pub fn put(&mut self, index: usize, value: Item) {
        match self {
            Values::Packed(lp) => {
                if let Some(at) = listpack::seek(lp, index as i64) {
                    listpack::replace(lp, at, value);
                }
            }
            Values::Spread(values) => values[index] = value.to_vec().into(),
        }
    }

    /// Removes the value at an index.
    pub fn remove(&mut self, index: usize) {
        match self {
            Values::Packed(lp) => {
                if let Some(at) = listpack::seek(lp, index as i64) {
                    listpack::remove_range(lp, at, 1);
                }
            }
            Values::Spread(values) => drop(values.remove(index)),
        }
    }

    /// Bytes on the heap.
    pub fn bytes(&self) -> usize {
        match self {
            Values::Packed(lp) => lp.capacity(),
            Values::Spread(values) => {
                let texts: usize = values.iter().map(|value| value.len()).sum();
                values.capacity() * size_of::<Box<[u8]>>() + texts
            }
        }
    }
}

/// The values of a hash, for reading.
#[derive(Debug, Clone, Copy)]
pub enum ValuesRef<'a> {
    Packed(&'a [u8]),
    Spread(&'a [Box<[u8]>]),
}

impl<'a> ValuesRef<'a> {
    /// The value at an index.
    pub fn get(self, index: usize) -> Option<Item<'a>> {
        match self {
            ValuesRef::Packed(lp) => {
                listpack::seek(lp, index as i64).map(|at| listpack::get(lp, at))
            }
            ValuesRef::Spread(values) => values.get(index).map(|value| Item::of(value)),
        }
    }

    pub fn iter(self) -> impl Iterator<Item = Item<'a>> {
        let (packed, spread) = match self {
            ValuesRef::Packed(lp) => (Some(listpack::iter(lp)), None),
            ValuesRef::Spread(values) => (None, Some(values.iter())),
        };
        let spread = spread.into_iter().flatten().map(|value| Item::of(value));
        packed.into_iter().flatten().chain(spread)
    }
}

/// A hash with a template, too long for its entry or of spread values.
#[derive(Debug, Clone)]
pub struct TemplateHash {
    pub tie: Tie,
    pub values: Values,
}

impl TemplateHash {
    pub fn view(&self) -> TemplateRef<'_> {
        TemplateRef {
            template: self.tie.template(),
            values: self.values.view(),
        }
    }

    pub fn bytes(&self) -> usize {
        size_of::<TemplateHash>() + self.values.bytes()
    }
}

/// A hash with a template, for reading.
#[derive(Debug, Clone, Copy)]
pub struct TemplateRef<'a> {
    pub template: &'a Template,
    pub values: ValuesRef<'a>,
}

impl<'a> TemplateRef<'a> {
    pub fn len(self) -> usize {
        self.template.len()
    }

    /// The field at an index.
    pub fn at(self, index: usize) -> Option<Field<'a>> {
        Some(field(self.template.name(index), self.values.get(index)?))
    }

    /// The field of this name.
    pub fn get(self, name: &[u8]) -> Option<Field<'a>> {
        self.at(self.template.find(name).ok()?)
    }

    pub fn each(self, mut visit: impl FnMut(Field<'a>)) {
        let pairs = self.template.names().zip(self.values.iter());
        pairs.for_each(|(name, value)| visit(field(name, value)));
    }
}

fn field<'a>(name: &'a [u8], value: Item<'a>) -> Field<'a> {
    Field {
        name: Item::of(name),
        value,
        deadline_ms: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn names_are_found_in_their_order() {
        let names: [&[u8]; 5] = [b"", b"9", b"a", b"10", b"bb"];
        let template = Template::of_ordered(names);
        for (index, name) in names.into_iter().enumerate() {
            assert_eq!(template.find(name), Ok(index));
            assert_eq!(template.name(index), name);
        }
        assert_eq!(template.find(b"b"), Err(3));
        assert_eq!(template.find(b"ccc"), Err(5));
    }

    #[test]
    fn what_is_shared_is_counted_until_it_is_dropped() {
        let counts = Arc::new(Counts::default());
        let template = Arc::new(Template::of_ordered([b"a".as_slice(), b"b"]));
        template.share(7, &counts);
        let tie = Tie::new(Arc::clone(&template));
        let other = tie.clone();
        assert_eq!(counts.hashes.load(Relaxed), 2);
        assert_eq!(counts.bytes.load(Relaxed), template.bytes());
        drop((tie, template));
        assert_eq!(counts.templates.load(Relaxed), 1);
        drop(other);
        assert_eq!(counts.hashes.load(Relaxed), 0);
        assert_eq!(counts.templates.load(Relaxed), 0);
        assert_eq!(counts.bytes.load(Relaxed), 0);
    }

    proptest! {
        #[test]
        fn both_forms_of_values_are_a_sequence(
            ops in prop::collection::vec((0u8..3, 0usize..8, "[a-z0-9]{0,90}"), 1..60),
        ) {
            let mut forms = [true, false].map(|packed| Values::collect(packed, std::iter::empty()));
            let mut model: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
            for index in 0..8 {
                model.insert(index, index.to_string().into_bytes());
            }
            for form in &mut forms {
                let packed = matches!(form, Values::Packed(_));
                *form = Values::collect(packed, model.values().map(|value| Item::of(value)));
            }
            for (op, index, value) in ops {
                if index >= model.len() {
                    continue;
                }
                if op == 0 {
                    forms.iter_mut().for_each(|form| form.remove(index));
                    let left = model.values().enumerate().filter(|(at, _)| *at != index);
                    let left: Vec<_> = left.map(|(_, value)| value.clone()).collect();
                    model = left.into_iter().enumerate().collect();
                } else {
                    let value = value.into_bytes();
                    forms.iter_mut().for_each(|form| form.put(index, Item::of(&value)));
                    model.insert(index, value);
                }
                for form in &forms {
                    let read: Vec<_> = form.view().iter().map(Item::to_vec).collect();
                    prop_assert!(read.iter().eq(model.values()));
                    for (index, value) in &model {
                        prop_assert_eq!(&form.view().get(*index).map(Item::to_vec), &Some(value.clone()));
                    }
                }
            }
        }
    }
}
