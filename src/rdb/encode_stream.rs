//! Streams as bytes: nodes as listpacks, what ids were given, and the groups.
//!
//! ```text
//!   nodes [id16 listpack]…   length last_id [first_id max_deleted_id entries_added]      v2 on
//!   groups [name last_id [entries_read] pending [id16 ms count]… consumers]…             v2 on
//!   consumer: name seen [active] pending [id16]…                                         v3 on
//!   behind the consumers of each group: released [id16]…                                 v5
//!   at the end: seconds ids producers [name ids [iid id]…]… added duplicates             v4 on
//! ```

use super::{Writer, kind};
use crate::types::stream::{Consumer, Group, Needs, Producers, Retention, Stream, StreamId};

/// The form of a stream, by what it needs and by the file's version.
pub(super) fn kind_of(stream: &Stream, version: u32) -> u8 {
    match (stream.needs(), version) {
        (Needs::Released, _) => kind::STREAM_5,
        (Needs::Producers, _) => kind::STREAM_4,
        (Needs::Groups, ..=9) => kind::STREAM,
        (Needs::Groups, 10) => kind::STREAM_2,
        (Needs::Groups, _) => kind::STREAM_3,
    }
}

/// Writes a stream in the form of the file's version.
pub(super) fn stream(out: &mut Writer, stream: &Stream) {
    let kind = kind_of(stream, out.version());
    out.length(stream.nodes() as u64);
    let mut lp = std::mem::take(&mut out.scratch);
    for node in stream.iter_nodes() {
        out.string(&node.master.to_key());
        node.write_listpack(&mut lp);
        out.string(&lp);
    }
    out.scratch = lp;
    out.length(stream.len());
    id(out, stream.last_id());
    if kind >= kind::STREAM_2 {
        id(out, stream.first_id());
        id(out, stream.max_deleted_id());
        out.length(stream.entries_added());
    }
    out.length(stream.groups.len() as u64);
    for (name, it) in &stream.groups {
        out.string(name);
        group(out, it, kind);
    }
    if kind >= kind::STREAM_4 {
        producers(out, stream);
    }
}

fn producers(out: &mut Writer, stream: &Stream) {
    let Retention { seconds, ids } = stream.retention();
    out.length(u64::from(seconds));
    out.length(u64::from(ids));
    let it = stream.producers.as_deref();
    out.length(it.map_or(0, Producers::len) as u64);
    for (name, producer) in it.iter().flat_map(|it| it.iter()) {
        out.string(name);
        out.length(producer.len() as u64);
        for record in producer.records() {
            out.string(&record.iid);
            id(out, record.id);
        }
    }
    let (added, duplicates) = it.map_or((0, 0), Producers::counts);
    out.length(added);
    out.length(duplicates);
}

/// An id as two numbers.
fn id(out: &mut Writer, id: StreamId) {
    out.length(id.ms);
    out.length(id.seq);
}

fn group(out: &mut Writer, group: &Group, kind: u8) {
    id(out, group.last_id);
    if kind >= kind::STREAM_2 {
        // -1 if it is unknown.
        out.length(group.entries_read().unwrap_or(u64::MAX));
    }
    out.length(group.pending().len() as u64);
    for (id, pending) in group.pending() {
        out.bytes(&id.to_key());
        out.millis(pending.delivered_ms());
        out.length(pending.count);
    }
    out.length(group.consumers().len() as u64);
    for (_, it) in group.consumers() {
        consumer(out, it, kind);
    }
    if kind >= kind::STREAM_5 {
        out.length(group.released() as u64);
        for id in group.released_ids() {
            out.bytes(&id.to_key());
        }
    }
}

fn consumer(out: &mut Writer, consumer: &Consumer, kind: u8) {
    out.string(&consumer.name);
    out.millis(consumer.seen_ms);
    if kind >= kind::STREAM_3 {
        out.millis(consumer.active_ms);
    }
    out.length(consumer.pending().len() as u64);
    for id in consumer.pending() {
        out.bytes(&id.to_key());
    }
}
