//! Streams out of bytes; see `encode_stream` for the layout.

use super::{Error, Reader, Result, kind};
use crate::types::entry::NewValue;
use crate::types::listpack;
use crate::types::stream::{Group, Node, Pending, Producers, Retention, Stream, StreamId};
use crate::types::value::{Encoding, Heap};
use std::collections::BTreeMap;

/// Pending entries whose consumer is not read yet: time and number of deliveries.
type Orphans = BTreeMap<StreamId, (i64, u64)>;

pub(super) fn stream<'r>(r: &'r mut Reader, kind: u8) -> Result<NewValue<'r>> {
    let mut stream = Stream::new();
    for _ in 0..r.length()? {
        let node = node(r)?;
        if !stream.push_node(node) {
            return Err(Error::Corrupt("The nodes of a stream are out of order"));
        }
    }
    let len = r.length()?;
    let mut last_id = id(r)?;
    if len != stream.len() {
        r.mend("Stream length inconsistent with rax entries")?;
    }
    if last_id < stream.last_id() {
        r.mend("A stream has entries behind its last id")?;
        last_id = stream.last_id();
    }
    let len = stream.len();
    match kind {
        kind::STREAM => stream.set_ids(last_id, Some(len), None),
        _ => {
            // The first id follows from the entries.
            id(r)?;
            let (deleted, mut added) = (id(r)?, r.length()?);
            if added < len {
                r.mend("A stream with more entries than were added")?;
                added = len;
            }
            // Clients see the number as a signed one, and it must have room to grow.
            if added > i64::MAX as u64 {
                return Err(Error::Corrupt(
                    "A stream with an impossible count of entries",
                ));
            }
            stream.set_ids(last_id, Some(added), Some(deleted));
        }
    }
    for _ in 0..r.length()? {
        let name = r.string_vec()?;
        let group = group(r, kind, &stream)?;
        if stream.groups.insert(name.into(), group).is_some() {
            return Err(Error::Corrupt("Duplicated consumer group name"));
        }
    }
    if kind >= kind::STREAM_4 {
        producers(r, &mut stream)?;
    }
    let heap = Box::new(Heap::Stream(Box::new(stream)));
    Ok(NewValue::Heap(heap, Encoding::Stream))
}

/// The idempotent producers of a stream: how long and how many ids are kept, the producers with the
/// ids of each, and two counters.
fn producers(r: &mut Reader, stream: &mut Stream) -> Result<()> {
    let (seconds, ids) = (r.length()?, r.length()?);
    let retention = Retention::of(seconds, ids).ok_or(Error::Corrupt(
        "Idempotent producers with impossible limits",
    ))?;
    let mut producers = Producers::new(retention);
    for _ in 0..r.length()? {
        let name = r.string_vec()?;
        for _ in 0..r.length()? {
            let iid = r.string_vec()?;
            let entry = id(r)?;
            if producers.peek(&name, &iid).is_some() {
                return Err(Error::Corrupt("An idempotent producer with an id twice"));
            }
            // They count as added when the id of the entry says.
            producers.restore(&name, &iid, entry, i64::MAX);
        }
    }
    let (added, duplicates) = (r.length()?, r.length()?);
    producers.set_counts(added, duplicates);
    if producers.is_trace() {
        stream.producers = Some(Box::new(producers));
    }
    Ok(())
}

fn node(r: &mut Reader) -> Result<Node> {
    let span = r.string()?;
    let key = r.bytes(&span, &mut itoa::Buffer::new()).try_into();
    let key: [u8; 16] =
        key.map_err(|_| Error::Corrupt("Stream node key entry is not the size of a stream ID"))?;
    let span = r.string()?;
    let lp = r.text(&span)?;
    listpack::validate(lp, |_| true)
        .map_err(|_| Error::Corrupt("Stream listpack integrity check failed."))?;
    if listpack::is_empty(lp) {
        return Err(Error::Corrupt("Empty listpack inside stream"));
    }
    Node::from_listpack(StreamId::from_key(key), lp).map_err(Error::Corrupt)
}

/// An id as two numbers.
fn id(r: &mut Reader) -> Result<StreamId> {
    Ok(StreamId::new(r.length()?, r.length()?))
}

/// An id as sixteen bytes.
fn key(r: &mut Reader) -> Result<StreamId> {
    Ok(StreamId::from_key(r.fixed()?))
}

fn group(r: &mut Reader, kind: u8, stream: &Stream) -> Result<Group> {
    let last_id = id(r)?;
    let read = match kind {
        kind::STREAM => stream.position(last_id),
        _ => Some(r.length()?).filter(|&read| read != u64::MAX),
    };
    let mut group = Group::new(last_id, read);
    let mut orphans = Orphans::new();
    for _ in 0..r.length()? {
        let (id, ms, count) = (key(r)?, r.millis()?, r.length()?);
        if orphans.insert(id, (ms, count)).is_some() {
            return Err(Error::Corrupt("Duplicated global PEL entry"));
        }
    }
    for _ in 0..r.length()? {
        consumer(r, kind, &mut group, &mut orphans)?;
    }
    group.order_by_id();
    if kind >= kind::STREAM_5 {
        released(r, &mut group, &mut orphans)?;
    }
    match orphans.is_empty() {
        true => Ok(group),
        false => Err(Error::Corrupt("NACK entry without consumer")),
    }
}

/// The entries that the group has released (XNACK), in the order of their release.
fn released(r: &mut Reader, group: &mut Group, orphans: &mut Orphans) -> Result<()> {
    for _ in 0..r.length()? {
        let entry = key(r)?;
        let (_, count) = orphans.remove(&entry).ok_or(Error::Corrupt(
            "Released entry not found in group global PEL",
        ))?;
        group.release(entry, count);
    }
    Ok(())
}

fn consumer(r: &mut Reader, kind: u8, group: &mut Group, orphans: &mut Orphans) -> Result<()> {
    let name = r.string_vec()?;
    if group.find(&name).is_some() {
        return Err(Error::Corrupt("Duplicate stream consumer detected"));
    }
    let seen_ms = r.millis()?;
    let id = group.add_consumer(&name, seen_ms);
    let active_ms = match kind {
        kind::STREAM_3.. => r.millis()?,
        // It is unknown; to be on the safe side, it was just now.
        _ => seen_ms,
    };
    group.consumer_mut(id).active_ms = active_ms;
    for _ in 0..r.length()? {
        let entry = key(r)?;
        let Some((delivered_ms, count)) = orphans.remove(&entry) else {
            return Err(Error::Corrupt(match group.pending().get(&entry) {
                Some(_) => "Duplicated consumer PEL entry",
                None => "Consumer entry not found in group global PEL",
            }));
        };
        group.deliver(entry, Pending::delivered(id, delivered_ms, count));
    }
    Ok(())
}
