//! Streams as bytes: nodes as listpacks, what ids were given, and the groups.
//!
//! ```text
//!   nodes [id16 listpack]…   length last_id [first_id max_deleted_id entries_added]      v2 on
//!   groups [name last_id [entries_read] pending [id16 ms count]… consumers]…             v2 on
//!   consumer: name seen [active] pending [id16]…                                         v3 on
//! ```

use super::Writer;
use crate::types::stream::{Consumer, Group, Stream, StreamId};

/// Writes a stream in the form of the file's version.
pub(super) fn stream(out: &mut Writer, stream: &Stream) {
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
    if out.version() >= 10 {
        id(out, stream.first_id());
        id(out, stream.max_deleted_id());
        out.length(stream.entries_added());
    }
    out.length(stream.groups.len() as u64);
    for (name, it) in &stream.groups {
        out.string(name);
        group(out, it);
    }
}

/// An id as two numbers.
fn id(out: &mut Writer, id: StreamId) {
    out.length(id.ms);
    out.length(id.seq);
}

fn group(out: &mut Writer, group: &Group) {
    id(out, group.last_id);
    if out.version() >= 10 {
        // -1 if it is unknown.
        out.length(group.entries_read.unwrap_or(u64::MAX));
    }
    out.length(group.pending().len() as u64);
    for (id, pending) in group.pending() {
        out.bytes(&id.to_key());
        out.millis(pending.delivered_ms);
        out.length(pending.count);
    }
    out.length(group.consumers().len() as u64);
    for (_, it) in group.consumers() {
        consumer(out, it);
    }
}

fn consumer(out: &mut Writer, consumer: &Consumer) {
    out.string(&consumer.name);
    out.millis(consumer.seen_ms);
    if out.version() >= 11 {
        out.millis(consumer.active_ms);
    }
    out.length(consumer.pending().len() as u64);
    for id in consumer.pending() {
        out.bytes(&id.to_key());
    }
}
