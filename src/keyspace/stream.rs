//! Streams in the keyspace: found by key, made when missing, and their reported facts.

use super::digest::Digest;
use super::{DbMut, Found, RdbVersions, WrongKind};
use crate::types::entry::{EntryRef, NewValue};
use crate::types::stream::{Order, Producers, Retention, Stream, StreamId};
use crate::types::value::{Encoding, Heap};
use std::ops::ControlFlow;

/// The stream of an entry.
fn stream_of(entry: EntryRef<'_>) -> Option<&Stream> {
    match entry.heap() {
        Some(Heap::Stream(stream)) => Some(stream),
        _ => None,
    }
}

impl DbMut<'_> {
    /// The stream that was found, or that it is something else.
    pub fn stream_at(&self, found: Found) -> Result<&Stream, WrongKind> {
        stream_of(self.get(found)).ok_or(WrongKind)
    }

    /// The stream that was found, for changing it.
    pub fn stream_mut(&mut self, found: Found) -> Result<&mut Stream, WrongKind> {
        match self.heap_mut(found) {
            Some(Heap::Stream(stream)) => Ok(stream),
            _ => Err(WrongKind),
        }
    }

    /// The stream at a key, looked up for reading.
    pub fn stream(&mut self, key: &[u8]) -> Result<Option<&Stream>, WrongKind> {
        match self.read(key) {
            Some(found) => self.stream_at(found).map(Some),
            None => Ok(None),
        }
    }

    /// The stream at a key, looked up for changing it.
    pub fn stream_for_write(&mut self, key: &[u8]) -> Result<Option<&mut Stream>, WrongKind> {
        match self.write(key) {
            Some(found) => self.stream_mut(found).map(Some),
            None => Ok(None),
        }
    }

    /// Adds an empty stream under a key that is not there.
    pub fn add_stream(&mut self, key: &[u8], retention: Retention) -> Found {
        let mut stream = Stream::new();
        if retention != Retention::default() {
            stream.producers = Some(Box::new(Producers::new(retention)));
        }
        let heap = Box::new(Heap::Stream(Box::new(stream)));
        self.add(key, NewValue::Heap(heap, Encoding::Stream), None)
    }

    /// Makes the wheel surface a found stream when the ids of its producers that it has now are too
    /// old.
    pub fn arm_producers(&mut self, found: Found) {
        let now_ms = self.shared.now_ms;
        self.shared.raise_rdb_bound(RdbVersions::PRODUCERS);
        let Ok(stream) = self.stream_mut(found) else {
            return;
        };
        if let Some(producers) = &mut stream.producers
            && producers.armed_ms == 0
            && producers.ids() > 0
        {
            let due_ms = now_ms + i64::from(producers.retention().seconds) * 1000;
            producers.armed_ms = due_ms;
            self.insert_field_timer(found.hash, due_ms);
        }
    }

    /// Forgets ids of producers that are too old: those of some producers, and later of the others.
    pub(super) fn sweep_producers(&mut self, found: Found) {
        /// Producers looked at before others have their turn.
        const AT_ONCE: usize = 1024;
        let now_ms = self.shared.now_ms;
        let Ok(stream) = self.stream_mut(found) else {
            return;
        };
        let Some(producers) = &mut stream.producers else {
            return;
        };
        match producers.sweep_all(now_ms, AT_ONCE) {
            true => self.arm_producers(found),
            false => {
                producers.armed_ms = now_ms + 1;
                self.insert_field_timer(found.hash, now_ms + 1);
            }
        }
    }
}

/// Of how many parts a stream consists, as Redis counts them: the nodes of its trees.
pub(super) fn parts(stream: &Stream) -> usize {
    let groups = stream.groups.len();
    let pending = stream.groups.values().next();
    stream.nodes() + pending.map_or(0, |group| groups * (1 + group.pending().len()))
}

/// Adds the entries of a stream to a digest: each as its id, names and values in order.
pub(super) fn digest(entry: EntryRef, digest: &mut Digest) {
    let Some(stream) = stream_of(entry) else {
        return;
    };
    let mut buffer = itoa::Buffer::new();
    let _: ControlFlow<()> = stream.walk(StreamId::MIN, StreamId::MAX, Order::Rising, |entry| {
        let id = format!("{}.{}", entry.id.ms, entry.id.seq);
        digest.mix(id.as_bytes());
        for (name, value) in entry.pairs() {
            digest.mix(name.as_bytes(&mut buffer));
            digest.mix(value.as_bytes(&mut buffer));
        }
        ControlFlow::Continue(())
    });
}
