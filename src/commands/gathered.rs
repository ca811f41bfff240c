//! Members that were met, each once: a small hash table over items that lie in the collections
//! themselves.

use crate::types::entries::KeyHasher;
use crate::types::listpack::Item;

/// A set of distinct members: a hash table over items that lie in the collections.
pub struct Gathered<'d> {
    hasher: KeyHasher,
    /// Places in `items`, from 1; 0 is free. Some power of two.
    slots: Vec<u32>,
    items: Vec<Item<'d>>,
}

impl<'d> Gathered<'d> {
    /// Room for so many members.
    pub fn with_room(count: usize, hasher: KeyHasher) -> Gathered<'d> {
        Gathered {
            hasher,
            slots: vec![0; (count * 2).max(8).next_power_of_two()],
            items: Vec::with_capacity(count),
        }
    }

    /// The slot of an item, or the free one where it belongs.
    #[inline]
    fn slot(&self, item: Item) -> usize {
        let hash = match item {
            Item::Int(n) => self.hasher.hash(&n.to_le_bytes()),
            Item::Text(text) => self.hasher.hash(text),
        };
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while let Some(place) = self.slots[at].checked_sub(1)
            && self.items[place as usize] != item
        {
            at = (at + 1) & mask;
        }
        at
    }

    /// The place of an item among `items`, and whether it is new there.
    #[inline]
    pub fn add(&mut self, item: Item<'d>) -> (usize, bool) {
        let slot = self.slot(item);
        if let Some(place) = self.slots[slot].checked_sub(1) {
            return (place as usize, false);
        }
        self.items.push(item);
        self.slots[slot] = self.items.len() as u32;
        (self.items.len() - 1, true)
    }

    /// The place of an item among `items`, if it was met.
    #[inline]
    pub fn place_of(&self, item: Item) -> Option<usize> {
        let place = self.slots[self.slot(item)];
        place.checked_sub(1).map(|place| place as usize)
    }

    /// The members in the order in which they were met.
    pub fn items(&self) -> &[Item<'d>] {
        &self.items
    }
}
