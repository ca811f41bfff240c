//! The slices of an array by their number: one alone, a table, or a tree where the numbers are far
//! apart.

use super::Order;
use super::slice::Slice;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// A table of this many places is made however few are in use.
const SMALL: u64 = 64;
/// A larger one where at least one place of so many is in use.
const PER_SLICE: u64 = 4;
/// The exponent of the number of slices in one part of the directory, as Redis divides it.
const PART_BITS: u32 = 11;

/// The slices of an array in the form that suits their numbers.
#[derive(Clone, Debug)]
pub(super) enum Directory {
    One(u64, Slice),
    Table(Table),
    Tree(Tree),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    /// The last one holds a slice.
    places: Vec<Option<Box<Slice>>>,
    slices: usize,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    slices: BTreeMap<u64, Slice>,
    /// Different numbers, apart from the lowest `PART_BITS` bits.
    parts: usize,
}

impl Tree {
    /// Whether another slice belongs to the part of this one.
    fn shares_part(&self, number: u64) -> bool {
        let first = number >> PART_BITS << PART_BITS;
        let last = first | ((1 << PART_BITS) - 1);
        let mut others = self.slices.range(first..=last);
        others.any(|(&other, _)| other != number)
    }

    fn insert(&mut self, number: u64, slice: Slice) {
        self.parts += usize::from(!self.shares_part(number));
        self.slices.insert(number, slice);
    }

    fn remove(&mut self, number: u64) -> Option<Slice> {
        let slice = self.slices.remove(&number)?;
        self.parts -= usize::from(!self.shares_part(number));
        Some(slice)
    }
}

impl Default for Directory {
    fn default() -> Self {
        Directory::Tree(Tree::default())
    }
}

impl Directory {
    /// Slices that there are.
    pub fn len(&self) -> usize {
        match self {
            Directory::One(..) => 1,
            Directory::Table(table) => table.slices,
            Directory::Tree(tree) => tree.slices.len(),
        }
    }

    #[inline]
    pub fn get(&self, number: u64) -> Option<&Slice> {
        match self {
            Directory::One(only, slice) => (*only == number).then_some(slice),
            Directory::Table(table) => {
                let at = usize::try_from(number).ok()?;
                table.places.get(at)?.as_deref()
            }
            Directory::Tree(tree) => tree.slices.get(&number),
        }
    }

    #[inline]
    pub fn get_mut(&mut self, number: u64) -> Option<&mut Slice> {
        match self {
            Directory::One(only, slice) => (*only == number).then_some(slice),
            Directory::Table(table) => {
                let at = usize::try_from(number).ok()?;
                table.places.get_mut(at)?.as_deref_mut()
            }
            Directory::Tree(tree) => tree.slices.get_mut(&number),
        }
    }

    /// Adds a slice that is not there.
    pub fn insert(&mut self, number: u64, slice: Slice) {
        if self.len() == 0 {
            *self = Directory::One(number, slice);
            return;
        }
        let last = number.max(self.last().unwrap_or(0));
        let slices = self.len() as u64 + 1;
        let fits_table = last < SMALL || last / PER_SLICE < slices;
        match self {
            Directory::Table(table) if fits_table => table.insert(number, slice),
            Directory::Tree(tree) if !fits_table => tree.insert(number, slice),
            _ if fits_table => {
                let mut table = Table::default();
                self.drain(|number, slice| table.insert(number, slice));
                table.insert(number, slice);
                *self = Directory::Table(table);
            }
            _ => {
                let mut tree = Tree::default();
                self.drain(|number, slice| tree.insert(number, slice));
                tree.insert(number, slice);
                *self = Directory::Tree(tree);
            }
        }
    }

    /// Takes a slice out.
    pub fn remove(&mut self, number: u64) -> Option<Slice> {
        match self {
            Directory::One(only, _) if *only != number => None,
            Directory::One(..) => match std::mem::take(self) {
                Directory::One(_, slice) => Some(slice),
                Directory::Table(_) | Directory::Tree(_) => None,
            },
            Directory::Table(table) => table.remove(number),
            Directory::Tree(tree) => tree.remove(number),
        }
    }

    /// Takes all slices out.
    fn drain(&mut self, mut take: impl FnMut(u64, Slice)) {
        match std::mem::take(self) {
            Directory::One(number, slice) => take(number, slice),
            Directory::Table(table) => {
                for (number, slice) in (0..).zip(table.places) {
                    if let Some(slice) = slice {
                        take(number, *slice);
                    }
                }
            }
            Directory::Tree(tree) => {
                for (number, slice) in tree.slices {
                    take(number, slice);
                }
            }
        }
    }

    /// The greatest number.
    pub fn last(&self) -> Option<u64> {
        match self {
            Directory::One(number, _) => Some(*number),
            Directory::Table(table) => (table.places.len() as u64).checked_sub(1),
            Directory::Tree(tree) => tree.slices.last_key_value().map(|(&number, _)| number),
        }
    }

    /// Visits the slices with numbers between two, these included.
    #[inline]
    pub fn walk<B>(
        &self,
        first: u64,
        last: u64,
        order: Order,
        mut visit: impl FnMut(u64, &Slice) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        if first > last {
            return ControlFlow::Continue(());
        }
        match self {
            Directory::One(number, slice) => match (first..=last).contains(number) {
                true => visit(*number, slice),
                false => ControlFlow::Continue(()),
            },
            Directory::Table(table) => {
                let end = table.places.len() as u64;
                let range = first.min(end)..last.saturating_add(1).min(end);
                let mut one = |number: u64| match &table.places[number as usize] {
                    Some(slice) => visit(number, slice),
                    None => ControlFlow::Continue(()),
                };
                match order {
                    Order::Rising => range.into_iter().try_for_each(&mut one),
                    Order::Falling => range.into_iter().rev().try_for_each(&mut one),
                }
            }
            Directory::Tree(tree) => {
                let mut slices = tree.slices.range(first..=last);
                let mut one = |(&number, slice): (&u64, &Slice)| visit(number, slice);
                match order {
                    Order::Rising => slices.try_for_each(&mut one),
                    Order::Falling => slices.rev().try_for_each(&mut one),
                }
            }
        }
    }

    /// The numbers between two of which there is a slice, these included, as a list of up to `most`.
    pub fn numbers(&self, first: u64, last: u64, most: usize) -> Vec<u64> {
        let mut numbers = Vec::new();
        let _ = self.walk(first, last, Order::Rising, |number, _| {
            numbers.push(number);
            match numbers.len() < most {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        });
        numbers
    }

    /// The size of the directory, and of the directory of directories, as Redis would have them for
    /// these slices: it has a table of 2,048 places at most, and beyond that a list of such tables.
    pub fn sizes(&self) -> (u64, u64) {
        let last = self.last().unwrap_or(0);
        if last >> PART_BITS == 0 {
            return ((last + 1).next_power_of_two(), 0);
        }
        let parts = match self {
            Directory::One(..) => 1,
            Directory::Tree(tree) => tree.parts as u64,
            Directory::Table(table) => {
                let parts = table.places.chunks(1 << PART_BITS);
                parts
                    .filter(|part| part.iter().any(Option::is_some))
                    .count() as u64
            }
        };
        (parts.next_power_of_two().max(4), parts)
    }

    /// Bytes on the heap, those of the slices left out.
    pub fn heap_bytes(&self) -> usize {
        /// A node of a tree is two thirds full on average.
        const NODE_SHARE: usize = (size_of::<(u64, Slice)>() + 8) * 3 / 2;
        match self {
            Directory::One(..) => 0,
            Directory::Table(table) => {
                table.places.capacity() * size_of::<Option<Box<Slice>>>()
                    + table.slices * size_of::<Slice>()
            }
            Directory::Tree(tree) => tree.slices.len() * NODE_SHARE,
        }
    }

    /// Checks what must hold.
    ///
    /// # Panics
    /// Where it does not.
    #[cfg(any(test, debug_assertions, feature = "testing"))]
    pub fn check(&self) {
        match self {
            Directory::One(..) => {}
            Directory::Table(table) => {
                let slices = table.places.iter().flatten().count();
                assert_eq!(slices, table.slices, "slices are counted");
                assert!(matches!(table.places.last(), Some(Some(_)) | None));
            }
            Directory::Tree(tree) => {
                let mut parts: Vec<u64> = tree.slices.keys().map(|n| n >> PART_BITS).collect();
                parts.dedup();
                assert_eq!(parts.len(), tree.parts, "parts are counted");
            }
        }
    }
}

impl Table {
    fn insert(&mut self, number: u64, slice: Slice) {
        let at = number as usize;
        if at >= self.places.len() {
            if at >= self.places.capacity() {
                // A large table grows by a quarter, so that little of it is idle.
                let room = match at >> PART_BITS {
                    0 => (at + 1).next_power_of_two(),
                    _ => at + at / 4,
                };
                self.places.reserve_exact(room - self.places.len());
            }
            self.places.resize_with(at + 1, || None);
        }
        self.places[at] = Some(Box::new(slice));
        self.slices += 1;
    }

    fn remove(&mut self, number: u64) -> Option<Slice> {
        let at = usize::try_from(number).ok()?;
        let slice = self.places.get_mut(at)?.take()?;
        self.slices -= 1;
        while matches!(self.places.last(), Some(None)) {
            self.places.pop();
        }
        if self.places.is_empty() {
            self.places = Vec::new();
        }
        Some(*slice)
    }
}
