//! The fieldsets of a client: names of fields that HIMPORT SET gives values.

use crate::types::template::{Template, order};
use hashbrown::HashMap;
use std::sync::Arc;

/// Names of fields in the order in which values are given.
#[derive(Debug, Clone)]
pub struct Fieldset {
    pub template: Arc<Template>,
    /// The index in the template for each value, if the order is another.
    places: Option<Box<[usize]>>,
}

impl Fieldset {
    /// A fieldset whose template is not shared yet; `None` if a name is there twice.
    pub fn of(names: &[&[u8]]) -> Option<Fieldset> {
        let mut sorted: Vec<usize> = (0..names.len()).collect();
        sorted.sort_by(|&a, &b| order(names[a], names[b]));
        if sorted.windows(2).any(|two| names[two[0]] == names[two[1]]) {
            return None;
        }
        let template = Arc::new(Template::of_ordered(sorted.iter().map(|&at| names[at])));
        let places = (!sorted.is_sorted()).then(|| {
            let mut places = vec![0; sorted.len()];
            (0..)
                .zip(&sorted)
                .for_each(|(place, &at)| places[at] = place);
            places.into()
        });
        Some(Fieldset { template, places })
    }

    /// The values, of which there is one for each name, in the order of the template.
    pub fn ordered<V: Copy>(&self, values: &mut [V]) {
        let Some(places) = &self.places else { return };
        let given = values.to_vec();
        let moved = given.into_iter().zip(places);
        moved.for_each(|(value, &place)| values[place] = value);
    }

    fn bytes(&self) -> usize {
        let places = self.places.as_deref().map_or(0, size_of_val);
        self.template.bytes() + places
    }
}

/// All fieldsets of a client, by their names.
#[derive(Debug, Default)]
pub struct Fieldsets {
    sets: HashMap<Box<[u8]>, Fieldset>,
    /// Bytes of the sets and their names.
    bytes: usize,
}

impl Fieldsets {
    pub fn get(&self, name: &[u8]) -> Option<&Fieldset> {
        self.sets.get(name)
    }

    pub fn len(&self) -> usize {
        self.sets.len()
    }

    /// Adds a fieldset, in place of one of the same name.
    pub fn insert(&mut self, name: &[u8], set: Fieldset) {
        self.remove(name);
        self.bytes += name.len() + set.bytes();
        self.sets.insert(name.into(), set);
    }

    /// Returns whether it was there.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let Some(set) = self.sets.remove(name) else {
            return false;
        };
        self.bytes -= name.len() + set.bytes();
        true
    }

    /// Bytes of the sets. A template counts for each client that has it.
    pub fn bytes(&self) -> usize {
        self.bytes + self.sets.capacity() * size_of::<(Box<[u8]>, Fieldset)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_follow_the_order_of_the_template() {
        let set = Fieldset::of(&[b"bb", b"a", b"ccc"]).expect("no name is there twice");
        let mut values = [1, 2, 3];
        set.ordered(&mut values);
        assert_eq!(values, [2, 1, 3]);
        assert!(Fieldset::of(&[b"a", b"b", b"a"]).is_none());
    }

    #[test]
    fn bytes_are_counted_as_sets_come_and_go() {
        let mut sets = Fieldsets::default();
        let set = || Fieldset::of(&[b"b", b"a"]).expect("no name is there twice");
        sets.insert(b"s", set());
        let one = sets.bytes;
        sets.insert(b"s", set());
        assert_eq!((sets.bytes, sets.len()), (one, 1));
        assert!(sets.remove(b"s") && !sets.remove(b"s"));
        assert_eq!(sets.bytes, 0);
    }
}
