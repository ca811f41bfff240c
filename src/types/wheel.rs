//! The hierarchical timer wheel: 64 slots × 6 levels at one millisecond, then an overflow list.
//!
//! ```text
//!   level 0   64 slots of 1 ms        level 3   64 slots of 4.4 min
//!   level 1   64 slots of 64 ms       level 4   64 slots of 4.7 h
//!   level 2   64 slots of 4.1 s       level 5   64 slots of 12.4 days   (2.2 years in all)
//! ```
//!
//! An item lies at the level of the highest 6-bit digit in which its deadline differs from the
//! wheel's time, so the earliest event is always in the lowest level that holds anything, and one
//! bit scan finds it. When time enters a slot of an upper level its items move down; `step` moves
//! one at a time, so a caller with a budget never waits for a million of them.
//!
//! Cancelling is lazy: items are checked when they surface. Time that goes backwards holds items
//! back until it has caught up; a jump of more than a second re-sorts the wheel.
//!
//! Two uses: the server's timers, and the deadlines of keys (`keyspace::expiry`). After Varghese
//! and Lauck, "Hashed and hierarchical timing wheels" (1987).

const DIGIT: u32 = 6;
const SLOTS: usize = 1 << DIGIT;
const LEVELS: usize = 6;
const HORIZON: u32 = DIGIT * LEVELS as u32;
/// Steps back in time that are waited out rather than re-sorted.
const REWIND_MS: u64 = 1_000;

/// An item that knows (enough of) its deadline.
pub trait Timed {
    /// The item's deadline, given that it is not before `from`. It may be too early, never too
    /// late: the caller arms an early item again.
    fn deadline_ms(&self, from_ms: u64) -> u64;
}

/// The result of one step of the wheel.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<T> {
    /// This item's deadline has come.
    Due(T),
    /// An item moved down a level; there may be more to do.
    Moved,
    /// Nothing is due.
    Idle,
}

/// Items in chunks: appending never copies what is there, and little room is wasted.
#[derive(Debug)]
pub struct Bag<T> {
    chunks: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Bag<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Bag<T> {
    pub const fn new() -> Self {
        Bag {
            chunks: Vec::new(),
            len: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn push(&mut self, item: T) {
        let full = self
            .chunks
            .last()
            .is_none_or(|chunk| chunk.len() == chunk.capacity());
        if full {
            self.chunks
                .push(Vec::with_capacity((self.len / 8).clamp(4, 512)));
        }
        self.chunks.last_mut().expect("just made").push(item);
        self.len += 1;
    }

    /// Takes an item, in no particular order.
    pub fn pop(&mut self) -> Option<T> {
        let chunk = self.chunks.last_mut()?;
        let item = chunk.pop();
        if chunk.is_empty() {
            self.chunks.pop();
        }
        self.len -= item.is_some() as usize;
        item
    }

    /// The place of an item, about any with the same chance, by a uniform random number. The bag is
    /// not empty.
    fn any(&self, random: u64) -> (usize, usize) {
        /// The number of chunks up to which each item's chance is the same; chunks of larger bags
        /// are, but for a few, of one size.
        const EXACT: usize = 64;
        let chunks = &self.chunks;
        if chunks.len() > EXACT {
            let at = (random >> 32) as usize % chunks.len();
            return (at, random as u32 as usize % chunks[at].len());
        }
        let mut index = (random % self.len as u64) as usize;
        let mut at = 0;
        while index >= chunks[at].len() {
            index -= chunks[at].len();
            at += 1;
        }
        (at, index)
    }

    /// Takes out the item at a place; the last one takes its place.
    fn take(&mut self, (chunk, index): (usize, usize)) -> Option<T> {
        let last = self.pop()?;
        match self
            .chunks
            .get_mut(chunk)
            .and_then(|chunk| chunk.get_mut(index))
        {
            Some(item) => Some(std::mem::replace(item, last)),
            // It was itself the last.
            None => Some(last),
        }
    }

    #[cfg(any(test, debug_assertions, feature = "testing"))]
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }

    /// Checks the count, and that no chunk is empty.
    #[cfg(any(test, debug_assertions, feature = "testing"))]
    pub fn check(&self) {
        assert_eq!(self.iter().count(), self.len, "items are counted");
        assert!(self.chunks.iter().all(|chunk| !chunk.is_empty()));
    }

    fn append(&mut self, other: Bag<T>) {
        self.len += other.len;
        self.chunks.extend(other.chunks);
    }
}

/// The place of items.
#[derive(Clone, Copy)]
enum Place {
    Due,
    Falling,
    /// By level and number.
    Slot(usize, usize),
    Overflow,
}

/// The numbers of the bits that are set.
fn bits(mut set: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (set != 0).then(|| set.trailing_zeros() as usize);
        set &= set.wrapping_sub(1);
        bit
    })
}

/// A hierarchical timer wheel with a resolution of one millisecond.
pub struct Wheel<T> {
    now_ms: u64,
    slots: Box<[[Bag<T>; SLOTS]; LEVELS]>,
    /// Bit `s` of `occupied[l]`: slot `s` of level `l` holds something.
    occupied: [u64; LEVELS],
    overflow: Bag<T>,
    /// Items on their way down.
    falling: Bag<T>,
    due: Bag<T>,
    len: usize,
}

impl<T: Timed> Wheel<T> {
    pub fn new(now_ms: u64) -> Self {
        Wheel {
            now_ms,
            slots: Box::new(std::array::from_fn(|_| std::array::from_fn(|_| Bag::new()))),
            occupied: [0; LEVELS],
            overflow: Bag::new(),
            falling: Bag::new(),
            due: Bag::new(),
            len: 0,
        }
    }

    /// The time that the wheel has reached, in Unix milliseconds or those of its caller's clock.
    #[cfg(any(test, debug_assertions, feature = "testing"))]
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Items held, stale ones included.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Adds an item that surfaces at `deadline_ms`; at the next step if that is past.
    pub fn insert(&mut self, deadline_ms: u64, item: T) {
        self.len += 1;
        self.place(deadline_ms, item);
    }

    fn place(&mut self, deadline_ms: u64, item: T) {
        if deadline_ms <= self.now_ms {
            return self.due.push(item);
        }
        let differing = 63 - (deadline_ms ^ self.now_ms).leading_zeros();
        let level = (differing / DIGIT) as usize;
        if level >= LEVELS {
            return self.overflow.push(item);
        }
        let slot = (deadline_ms >> (DIGIT * level as u32)) as usize % SLOTS;
        self.occupied[level] |= 1 << slot;
        self.slots[level][slot].push(item);
    }

    /// The moment of the next event, which is never later than the earliest deadline.
    pub fn next_ms(&self) -> Option<u64> {
        if self.due.len + self.falling.len > 0 {
            return Some(self.now_ms);
        }
        for (level, &occupied) in self.occupied.iter().enumerate() {
            if occupied != 0 {
                let shift = DIGIT * level as u32;
                let base = self.now_ms >> (shift + DIGIT) << (shift + DIGIT);
                return Some(base + ((occupied.trailing_zeros() as u64) << shift));
            }
        }
        (self.overflow.len > 0).then(|| ((self.now_ms >> HORIZON) + 1) << HORIZON)
    }

    /// Until when a caller may sleep: the earliest deadline itself where the next slot holds only a
    /// few items, else `next_ms`. Without it an idle server would wake up twice per timer, the first
    /// time only to move it down.
    pub fn wake_ms(&self) -> Option<u64> {
        /// Items that are looked at.
        const FEW: usize = 8;
        let next_ms = self.next_ms()?;
        if self.due.len + self.falling.len > 0 || next_ms <= self.now_ms {
            return Some(next_ms);
        }
        let Some(level) = self.occupied.iter().position(|&occupied| occupied != 0) else {
            return Some(next_ms);
        };
        let bag = &self.slots[level][self.occupied[level].trailing_zeros() as usize];
        if level == 0 || bag.len > FEW {
            return Some(next_ms);
        }
        let deadlines = bag
            .chunks
            .iter()
            .flatten()
            .map(|item| item.deadline_ms(next_ms));
        Some(deadlines.min().unwrap_or(next_ms).max(next_ms))
    }

    /// Moves the wheel towards `now_ms` by one item.
    pub fn step(&mut self, now_ms: u64) -> Step<T> {
        if now_ms < self.now_ms {
            if self.now_ms - now_ms <= REWIND_MS {
                return Step::Idle;
            }
            self.lift_all();
            self.now_ms = now_ms;
        }
        loop {
            if let Some(item) = self.due.pop() {
                self.len -= 1;
                return Step::Due(item);
            }
            if let Some(item) = self.falling.pop() {
                let deadline_ms = item.deadline_ms(self.now_ms);
                self.place(deadline_ms, item);
                return Step::Moved;
            }
            match self.next_ms() {
                Some(event_ms) if event_ms <= now_ms => self.enter(event_ms),
                _ => {
                    // No slot is entered on the way, so every item keeps its level.
                    self.now_ms = now_ms;
                    return Step::Idle;
                }
            }
        }
    }

    /// Takes the items of the slot that begins at `event_ms`.
    fn enter(&mut self, event_ms: u64) {
        self.now_ms = event_ms;
        for level in 0..LEVELS {
            let shift = DIGIT * level as u32;
            let slot = (event_ms >> shift) as usize % SLOTS;
            if self.occupied[level] & (1 << slot) != 0 && event_ms.trailing_zeros() >= shift {
                self.occupied[level] &= !(1 << slot);
                let bag = std::mem::take(&mut self.slots[level][slot]);
                if level == 0 {
                    self.due.append(bag)
                } else {
                    self.falling.append(bag)
                }
                return;
            }
        }
        self.falling.append(std::mem::take(&mut self.overflow));
    }

    /// Takes everything out of the slots, to be placed again one by one.
    fn lift_all(&mut self) {
        for level in 0..LEVELS {
            for slot in 0..SLOTS {
                if self.occupied[level] & (1 << slot) != 0 {
                    let bag = std::mem::take(&mut self.slots[level][slot]);
                    self.falling.append(bag);
                }
            }
            self.occupied[level] = 0;
        }
        self.falling.append(std::mem::take(&mut self.overflow));
        self.falling.append(std::mem::take(&mut self.due));
    }

    /// Takes out the item with the earliest deadline of about `count` random ones in the slot that
    /// time would enter first.
    pub fn take_nearest(&mut self, count: usize, mut random: impl FnMut() -> u64) -> Option<T> {
        let place = self.places().next()?;
        let now_ms = self.now_ms;
        let bag = self.bag(place);
        let deadline_ms = |at: &(usize, usize)| bag.chunks[at.0][at.1].deadline_ms(now_ms);
        let nearest = if bag.len <= count {
            let chunks = bag.chunks.iter().enumerate();
            let all = chunks.flat_map(|(at, chunk)| (0..chunk.len()).map(move |index| (at, index)));
            all.min_by_key(deadline_ms)
        } else {
            (0..count)
                .map(|_| bag.any(random()))
                .min_by_key(deadline_ms)
        };
        self.take_at(place, nearest?)
    }

    /// Takes out an item, about any with the same chance, by a uniform random number.
    pub fn take_any(&mut self, random: u64) -> Option<T> {
        let mut index = (random % self.len.max(1) as u64) as usize;
        let place = self.places().find(|&place| {
            let len = self.bag(place).len;
            let is_here = index < len;
            index = if is_here { 0 } else { index - len };
            is_here
        })?;
        let at = self.bag(place).any(random);
        self.take_at(place, at)
    }

    /// The places of items, the earliest first.
    fn places(&self) -> impl Iterator<Item = Place> + use<T> {
        let occupied = self.occupied;
        let slots = (0..LEVELS)
            .flat_map(move |level| bits(occupied[level]).map(move |slot| Place::Slot(level, slot)));
        let falling = (!self.falling.is_empty()).then_some(Place::Falling);
        let overflow = (!self.overflow.is_empty()).then_some(Place::Overflow);
        let due = (!self.due.is_empty()).then_some(Place::Due);
        due.into_iter().chain(falling).chain(slots).chain(overflow)
    }

    fn bag(&self, place: Place) -> &Bag<T> {
        match place {
            Place::Due => &self.due,
            Place::Falling => &self.falling,
            Place::Slot(level, slot) => &self.slots[level][slot],
            Place::Overflow => &self.overflow,
        }
    }

    fn take_at(&mut self, place: Place, at: (usize, usize)) -> Option<T> {
        let bag = match place {
            Place::Due => &mut self.due,
            Place::Falling => &mut self.falling,
            Place::Slot(level, slot) => &mut self.slots[level][slot],
            Place::Overflow => &mut self.overflow,
        };
        let item = bag.take(at);
        if let Place::Slot(level, slot) = place
            && bag.is_empty()
        {
            self.occupied[level] &= !(1 << slot);
        }
        self.len -= item.is_some() as usize;
        item
    }

    /// Visits all items with the moments at which they will surface. Checks the counts on the way.
    ///
    /// # Panics
    /// Where something does not hold, with what it is.
    #[cfg(any(test, debug_assertions, feature = "testing"))]
    pub fn check(&self, mut visit: impl FnMut(u64, &T)) {
        let mut len = 0;
        for (level, slots) in self.slots.iter().enumerate() {
            for (slot, bag) in slots.iter().enumerate() {
                let is_marked = self.occupied[level] >> slot & 1 == 1;
                assert_eq!(
                    is_marked,
                    !bag.is_empty(),
                    "slots that hold items are marked"
                );
            }
        }
        for place in self.places() {
            let bag = self.bag(place);
            bag.check();
            len += bag.len;
            let from_ms = match place {
                Place::Due | Place::Falling => self.now_ms,
                Place::Slot(level, slot) => {
                    let shift = DIGIT * level as u32;
                    let base = self.now_ms >> (shift + DIGIT) << (shift + DIGIT);
                    base + ((slot as u64) << shift)
                }
                Place::Overflow => ((self.now_ms >> HORIZON) + 1) << HORIZON,
            };
            for item in bag.iter() {
                visit(
                    match place {
                        Place::Due | Place::Slot(0, _) => from_ms,
                        _ => item.deadline_ms(from_ms),
                    },
                    item,
                );
            }
        }
        assert_eq!(len, self.len, "items are counted");
    }

    /// Takes all items out, to sort out stale ones. The cost is a walk over the slots, not over
    /// the items.
    pub fn take_all(&mut self) -> Bag<T> {
        self.lift_all();
        self.len = 0;
        std::mem::take(&mut self.falling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct At(u64);

    impl Timed for At {
        fn deadline_ms(&self, _: u64) -> u64 {
            self.0
        }
    }

    fn drain(wheel: &mut Wheel<At>, now_ms: u64) -> Vec<u64> {
        let mut out = Vec::new();
        loop {
            match wheel.step(now_ms) {
                Step::Due(at) => out.push(at.0),
                Step::Moved => {}
                Step::Idle => return out,
            }
        }
    }

    #[test]
    fn an_empty_wheel_has_no_next_event_and_survives_any_jump() {
        let mut wheel = Wheel::<At>::new(1_000);
        assert_eq!(wheel.next_ms(), None);
        assert_eq!(wheel.step(u64::MAX / 2), Step::Idle);
    }

    #[test]
    fn time_that_goes_back_holds_items_and_then_releases_them() {
        let mut wheel = Wheel::new(1_000_000);
        wheel.insert(1_000_010, At(1_000_010));
        assert!(drain(&mut wheel, 999_500).is_empty());
        assert!(drain(&mut wheel, 10).is_empty());
        assert_eq!(drain(&mut wheel, 1_000_010), [1_000_010]);
    }

    #[test]
    fn a_caller_sleeps_until_the_deadline_itself() {
        let mut wheel = Wheel::new(1_000);
        assert_eq!(wheel.wake_ms(), None);
        wheel.insert(1_100, At(1_100));
        wheel.insert(1_090, At(1_090));
        wheel.insert(900_000, At(900_000));
        assert_eq!(wheel.wake_ms(), Some(1_090));
        assert_eq!(drain(&mut wheel, 1_089), []);
        assert_eq!(drain(&mut wheel, 1_090), [1_090]);
        assert_eq!(wheel.wake_ms(), Some(1_100));
        (0..9).for_each(|_| wheel.insert(2_000, At(2_000)));
        assert_eq!(drain(&mut wheel, 1_500), [1_100]);
        assert!(
            wheel
                .wake_ms()
                .is_some_and(|ms| (1_500..=2_000).contains(&ms))
        );
    }

    #[test]
    fn every_item_can_be_taken_before_its_time_and_is_taken_once() {
        let mut wheel = Wheel::new(1_000);
        let deadlines: Vec<u64> = (0..5_000).map(|n| 1_000 + n * n * 77).collect();
        deadlines.iter().for_each(|&at| wheel.insert(at, At(at)));
        let mut seed = 1u64;
        let mut taken = Vec::new();
        while let Some(At(at)) = wheel.take_any(seed) {
            seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29) + 1;
            taken.push(at);
        }
        assert!(!taken.is_sorted());
        taken.sort();
        assert_eq!((taken, wheel.len(), wheel.next_ms()), (deadlines, 0, None));
    }

    #[test]
    fn the_nearest_item_can_be_taken() {
        let deadlines = [u64::MAX >> 1, 9, 71, 70, 5_000, 400_000, 1 << 40];
        let mut wheel = Wheel::new(0);
        deadlines.iter().for_each(|&at| wheel.insert(at, At(at)));
        let order: Vec<u64> = std::iter::from_fn(|| wheel.take_nearest(8, || 1))
            .map(|At(at)| at)
            .collect();
        assert!(
            order.is_sorted() && order.len() == deadlines.len(),
            "{order:?}"
        );
        assert_eq!((wheel.len(), wheel.next_ms()), (0, None));
        // Of many in one slot, one of the nearest.
        let mut seed = 7u64;
        (0..100_000).for_each(|n| wheel.insert(5_000_000 + n, At(5_000_000 + n)));
        for _ in 0..1_000 {
            let nearest = wheel.take_nearest(64, || {
                seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29) + 1;
                seed
            });
            assert!(nearest.is_some_and(|At(at)| at < 5_030_000), "{nearest:?}");
        }
    }

    proptest! {
        #[test]
        fn surfaces_everything_on_time_and_in_order(
            start in 0u64..1 << 41,
            items in prop::collection::vec((0u32..40, any::<u64>()), 1..200),
            hops in prop::collection::vec((0u32..38, any::<u64>()), 1..100),
        ) {
            let mut wheel = Wheel::new(start);
            let mut waiting: Vec<u64> = Vec::new();
            let mut now = start;
            let mut items = items.into_iter();
            for (bits, hop) in hops {
                for (bits, ahead) in items.by_ref().take(5) {
                    let deadline = now + (ahead & ((1 << bits) - 1));
                    wheel.insert(deadline, At(deadline));
                    waiting.push(deadline);
                }
                if let Some(next) = wheel.next_ms() {
                    prop_assert!(next <= *waiting.iter().min().expect("held"));
                }
                now += hop & ((1 << bits) - 1);
                let due = drain(&mut wheel, now);
                prop_assert!(due.is_sorted());
                waiting.sort();
                let split = waiting.partition_point(|&d| d <= now);
                let expected: Vec<u64> = waiting.drain(..split).collect();
                prop_assert_eq!(due, expected);
                prop_assert_eq!(wheel.len(), waiting.len());
                wheel.check(|surfaces_ms, at| assert_eq!(surfaces_ms, at.0));
            }
        }
    }
}
