//! The idempotent producers of a stream: for each the ids that it gave its latest entries, so that
//! an entry that is sent again is not added again.
//!
//! ```text
//!   Producers  duration, maxsize           how long and how many ids are kept
//!              producers  name -> Producer
//!              added, duplicates           counted over the life of the stream
//!   Producer   records  id of the producer, id of the entry, time      in the order of arrival
//!              index    id of the producer -> number of the record
//! ```
//!
//! A record is forgotten when it is older than the duration, and the oldest ones of a producer when
//! it has more than the maximum. Additions also look at other producers, two on average, so that
//! those that come once and never again do not stay.

use super::id::StreamId;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use xxhash_rust::xxh3::xxh3_128;

/// Producers looked at together.
const SWEPT: usize = 16;

/// How long and how many ids of a producer a stream keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retention {
    pub seconds: u32,
    /// For each producer.
    pub ids: u32,
}

impl Retention {
    /// The most that can be set.
    pub const MAX: Retention = Retention {
        seconds: 86_400,
        ids: 10_000,
    };

    /// `None` if this is too little or too much.
    pub fn of(seconds: u64, ids: u64) -> Option<Retention> {
        let within = |n: u64, most: u32| u32::try_from(n).ok().filter(|n| (1..=most).contains(n));
        Some(Retention {
            seconds: within(seconds, Retention::MAX.seconds)?,
            ids: within(ids, Retention::MAX.ids)?,
        })
    }
}

impl Default for Retention {
    fn default() -> Self {
        Retention {
            seconds: 100,
            ids: 100,
        }
    }
}

/// The entry of an id that was given before, and when it was added.
#[derive(Clone, Debug)]
pub struct Record {
    /// The id that the producer gave.
    pub iid: Box<[u8]>,
    /// The entry.
    pub id: StreamId,
    /// Unix milliseconds.
    at_ms: i64,
}

/// The latest ids of a producer.
#[derive(Clone, Debug, Default)]
pub struct Producer {
    records: VecDeque<Record>,
    /// The number of the first record; numbers only grow.
    first: u64,
    index: BTreeMap<Box<[u8]>, u64>,
}

impl Producer {
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// In the order of arrival.
    pub fn records(&self) -> impl ExactSizeIterator<Item = &Record> {
        self.records.iter()
    }

    fn find(&self, iid: &[u8]) -> Option<&Record> {
        let number = self.index.get(iid)?;
        self.records.get((number - self.first) as usize)
    }

    fn push(&mut self, record: Record) {
        let number = self.first + self.records.len() as u64;
        self.index.insert(record.iid.clone(), number);
        self.records.push_back(record);
    }

    fn pop(&mut self) -> Option<Record> {
        let record = self.records.pop_front()?;
        self.index.remove(&record.iid);
        self.first += 1;
        Some(record)
    }
}

/// The idempotent producers of a stream.
#[derive(Clone, Debug)]
pub struct Producers {
    retention: Retention,
    producers: BTreeMap<Box<[u8]>, Producer>,
    /// Ids of all producers.
    ids: usize,
    /// The bytes of all names and ids.
    bytes: usize,
    added: u64,
    duplicates: u64,
    /// The producer that an addition looked at last.
    swept: Box<[u8]>,
    /// The producer that `sweep_all` looked at last; empty between two rounds.
    lap: Box<[u8]>,
    /// When the keyspace looks at the stream for ids that are too old, in Unix milliseconds; 0 for
    /// never.
    pub armed_ms: i64,
}

impl Producers {
    pub fn new(retention: Retention) -> Producers {
        Producers {
            retention,
            producers: BTreeMap::new(),
            ids: 0,
            bytes: 0,
            added: 0,
            duplicates: 0,
            swept: Box::default(),
            lap: Box::default(),
            armed_ms: 0,
        }
    }

    pub fn retention(&self) -> Retention {
        self.retention
    }

    /// Changes what is kept. All ids are forgotten.
    pub fn set_retention(&mut self, retention: Retention) {
        *self = Producers {
            added: self.added,
            duplicates: self.duplicates,
            armed_ms: self.armed_ms,
            ..Producers::new(retention)
        };
    }

    /// Ids added, and duplicates of them seen, over the life of the stream.
    pub fn counts(&self) -> (u64, u64) {
        (self.added, self.duplicates)
    }

    pub fn set_counts(&mut self, added: u64, duplicates: u64) {
        (self.added, self.duplicates) = (added, duplicates);
    }

    /// The number of producers.
    pub fn len(&self) -> usize {
        self.producers.len()
    }

    /// The number of ids of all producers.
    pub fn ids(&self) -> usize {
        self.ids
    }

    /// Whether anything is kept that a stream without producers has not.
    pub fn is_trace(&self) -> bool {
        self.ids > 0 || self.counts() != (0, 0) || self.retention != Retention::default()
    }

    /// The producers by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &Producer)> {
        self.producers.iter().map(|(name, it)| (&**name, it))
    }

    /// Bytes on the heap, about.
    pub fn bytes(&self) -> usize {
        let producer = size_of::<Producer>() + size_of::<Box<[u8]>>();
        let record = size_of::<Record>() + size_of::<Box<[u8]>>() + size_of::<u64>();
        size_of::<Producers>() + self.len() * producer + self.ids * record + 2 * self.bytes
    }

    /// The entry that a producer added under this id before.
    pub fn find(&mut self, name: &[u8], iid: &[u8], now_ms: i64) -> Option<StreamId> {
        self.forget_old(name, now_ms);
        self.peek(name, iid)
    }

    /// The same, however old it is.
    pub fn peek(&self, name: &[u8], iid: &[u8]) -> Option<StreamId> {
        let record = self.producers.get(name)?.find(iid)?;
        Some(record.id)
    }

    pub fn count_duplicate(&mut self) {
        self.duplicates = self.duplicates.saturating_add(1);
    }

    /// Records the entry that a producer added under an id, and counts it.
    pub fn record(&mut self, name: &[u8], iid: &[u8], id: StreamId, now_ms: i64) {
        self.added = self.added.saturating_add(1);
        self.restore(name, iid, id, now_ms);
        if self.added.is_multiple_of(SWEPT as u64 / 2) {
            let behind = std::mem::take(&mut self.swept);
            let next = self.sweep_behind(&behind, now_ms, SWEPT);
            self.swept = next.unwrap_or_default();
        }
    }

    /// The same without counting it.
    pub fn restore(&mut self, name: &[u8], iid: &[u8], id: StreamId, now_ms: i64) {
        let most = self.retention.ids.max(1) as usize;
        let producer = match self.producers.get_mut(name) {
            Some(producer) => producer,
            None => {
                self.bytes += name.len();
                self.producers.entry(name.into()).or_default()
            }
        };
        // The id and all recorded before it are too old by the clock of the sender.
        let mut doubled = producer.find(iid).is_some();
        while producer.len() >= most || doubled {
            let Some(gone) = producer.pop() else {
                break;
            };
            (self.ids, self.bytes) = (self.ids - 1, self.bytes - gone.iid.len());
            doubled &= *gone.iid != *iid;
        }
        (self.ids, self.bytes) = (self.ids + 1, self.bytes + iid.len());
        let at_ms = id.unix_ms().min(now_ms);
        let iid = iid.into();
        producer.push(Record { iid, id, at_ms });
    }

    /// The time from which on ids are kept.
    fn oldest_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(i64::from(self.retention.seconds) * 1000)
    }

    /// Forgets the ids of a producer that are too old, and the producer with its last one.
    fn forget_old(&mut self, name: &[u8], now_ms: i64) {
        let oldest_ms = self.oldest_ms(now_ms);
        let Some(producer) = self.producers.get_mut(name) else {
            return;
        };
        while let Some(first) = producer.records.front_mut() {
            // A file does not tell when an entry was added that has an id in the future.
            first.at_ms = first.at_ms.min(now_ms);
            if first.at_ms >= oldest_ms {
                break;
            }
            if let Some(gone) = producer.pop() {
                (self.ids, self.bytes) = (self.ids - 1, self.bytes - gone.iid.len());
            }
        }
        if producer.records.is_empty() {
            self.bytes -= name.len();
            self.producers.remove(name);
        }
    }

    /// Looks at the producers behind a name, `most` of them, for ids that are too old. Returns the
    /// name behind which the next ones stand, if there are any.
    fn sweep_behind(&mut self, name: &[u8], now_ms: i64, most: usize) -> Option<Box<[u8]>> {
        let behind = (Bound::Excluded(name), Bound::Unbounded);
        let oldest_ms = self.oldest_ms(now_ms);
        let mut old: Vec<Box<[u8]>> = Vec::new();
        let (mut looked, mut last) = (0, None);
        for (name, producer) in self.producers.range::<[u8], _>(behind).take(most) {
            let first = producer.records.front();
            if first.is_some_and(|record| record.at_ms < oldest_ms || record.at_ms > now_ms) {
                old.push(name.clone());
            }
            (looked, last) = (looked + 1, Some(name));
        }
        let next = last.filter(|_| looked == most).cloned();
        for name in old {
            self.forget_old(&name, now_ms);
        }
        next
    }

    /// Looks at the first producers, `most` of them, for ids that are too old.
    pub fn sweep_first(&mut self, now_ms: i64, most: usize) {
        self.sweep_behind(b"", now_ms, most);
    }

    /// Looks at `most` producers for ids that are too old, in the first of several calls at the first
    /// ones. Returns whether all have been looked at.
    pub fn sweep_all(&mut self, now_ms: i64, most: usize) -> bool {
        let behind = std::mem::take(&mut self.lap);
        let next = self.sweep_behind(&behind, now_ms, most);
        let is_over = next.is_none();
        self.lap = next.unwrap_or_default();
        is_over
    }

    /// Walks all invariants; for tests and DEBUG.
    #[cfg(any(test, debug_assertions, feature = "testing"))]
    pub fn check(&self) -> Result<(), &'static str> {
        let (mut ids, mut bytes) = (0, 0);
        for (name, producer) in &self.producers {
            bytes += name.len();
            for (number, record) in (producer.first..).zip(&producer.records) {
                if producer.index.get(&record.iid) != Some(&number) {
                    return Err("the id of a producer is not in its index");
                }
                bytes += record.iid.len();
            }
            ids += producer.len();
            if producer.index.len() != producer.len() || producer.len() == 0 {
                return Err("a producer and its index disagree");
            }
        }
        let agree = (ids, bytes) == (self.ids, self.bytes);
        agree
            .then_some(())
            .ok_or("the ids of producers are miscounted")
    }
}

/// The id that stands for the content of an entry, whatever the order of its fields: names and
/// values in turn.
pub fn content_id<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> [u8; 16] {
    let mut fields = fields.into_iter();
    let (mut sums, mut mixed) = ([0u64; 2], [0u64; 2]);
    let mut pair = Vec::new();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        pair.clear();
        pair.extend_from_slice(name);
        pair.extend_from_slice(&(name.len() as u64).to_le_bytes());
        pair.extend_from_slice(value);
        let hash = xxh3_128(&pair);
        for (i, half) in [hash as u64, (hash >> 64) as u64].into_iter().enumerate() {
            sums[i] = sums[i].wrapping_add(half);
            mixed[i] ^= half;
        }
    }
    let mut out = [0; 16];
    out[..8].copy_from_slice(&(sums[0] ^ mixed[1].rotate_left(1)).to_le_bytes());
    out[8..].copy_from_slice(&(sums[1] ^ mixed[0].rotate_left(1)).to_le_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(producers: &mut Producers, now_ms: i64) -> (usize, usize) {
        assert!(producers.sweep_all(now_ms, 100));
        assert_eq!(producers.check(), Ok(()));
        (producers.len(), producers.ids())
    }

    #[test]
    fn ids_are_forgotten_by_number_and_by_age() {
        let mut it = Producers::new(Retention { seconds: 2, ids: 3 });
        for n in 1..=5u8 {
            it.record(b"p", &[n], StreamId::new(1000 + n as u64, 0), 2000);
        }
        it.record(b"q", b"x", StreamId::new(1500, 1), 2000);
        assert_eq!(ids(&mut it, 2000), (2, 4));
        assert_eq!(it.find(b"p", &[2], 2000), None);
        assert_eq!(it.find(b"p", &[3], 3003), Some(StreamId::new(1003, 0)));
        assert_eq!(it.find(b"p", &[3], 3004), None);
        assert_eq!(it.find(b"p", &[5], 3004), Some(StreamId::new(1005, 0)));
        assert_eq!(it.find(b"p", b"x", 3004), None);
        assert_eq!(ids(&mut it, 3501), (0, 0));
        assert_eq!(it.counts(), (6, 0));
    }

    #[test]
    fn an_id_given_anew_replaces_the_old_one_and_those_before() {
        let mut it = Producers::new(Retention::default());
        for n in 1..=4u8 {
            it.record(b"p", &[n], StreamId::new(n as u64, 0), 5000);
        }
        it.record(b"p", &[2], StreamId::new(9, 0), 5000);
        assert_eq!(it.check(), Ok(()));
        assert_eq!(it.ids(), 3);
        assert_eq!(it.peek(b"p", &[2]), Some(StreamId::new(9, 0)));
        assert_eq!(it.peek(b"p", &[1]), None);
    }

    #[test]
    fn producers_that_never_come_again_do_not_stay() {
        let mut it = Producers::new(Retention {
            seconds: 1,
            ids: 10,
        });
        for n in 0..10_000i64 {
            let name = n.to_string();
            it.record(name.as_bytes(), b"i", StreamId::new(n as u64, 0), n);
        }
        assert!(it.len() < 2500, "{}", it.len());
        assert_eq!(it.check(), Ok(()));
    }

    #[test]
    fn an_entry_in_the_future_is_forgotten_all_the_same() {
        let mut it = Producers::new(Retention {
            seconds: 1,
            ids: 10,
        });
        it.record(b"p", b"i", StreamId::new(u64::MAX, 0), 1000);
        assert_eq!(it.find(b"p", b"i", 2000), Some(StreamId::new(u64::MAX, 0)));
        assert_eq!(it.find(b"p", b"i", 2001), None);
    }

    /// As Redis 8.10.2 computes it, which its files contain.
    #[test]
    fn the_id_of_a_content_is_that_of_redis() {
        let hex = |fields: &[&[u8]]| {
            let id = content_id(fields.iter().copied());
            id.iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        for (fields, id) in [
            (&[&b"f"[..], b"v"][..], "6e95729ee727f0814aedffba55730079"),
            (
                &[b"f", b"v", b"a", b"b"],
                "b83475fd9025a5f78deb50986b4e3fa2",
            ),
            (
                &[b"a", b"b", b"f", b"v"],
                "b83475fd9025a5f78deb50986b4e3fa2",
            ),
            (
                &[b"f", b"v", b"f", b"v"],
                "9a79073b2d2a35cba229f103f1b26a64",
            ),
            (&[b"fv", b""], "e3567d0a61d4ef6b654a49dbcd9ddb90"),
            (&[b"", b"fv"], "71d8f7e747d44c288e551cd032b3179a"),
        ] {
            assert_eq!(hex(fields), id);
        }
    }
}
