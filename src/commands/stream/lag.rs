//! The lag of a group, as far as it can be determined without counting entries.
//!
//! A stream knows the number of entries ever added. If nothing was deleted in between, the
//! position of the first, the last and any later id follows from that; otherwise it is unknown.

use crate::types::stream::{Group, Stream, StreamId};

/// The number of entries that a group has yet to read, if it can be determined.
pub fn lag(stream: &Stream, group: &Group) -> Option<i64> {
    let added = stream.entries_added();
    if stream.is_empty() {
        return Some(0);
    }
    // Everything that is left is ahead of the group, and nothing of it was deleted.
    let first = stream.first_id();
    if group.last_id < first && stream.max_deleted_id() < first {
        return Some(stream.len() as i64);
    }
    let read = match group.entries_read() {
        Some(read) if !stream.has_tombstones(group.last_id) => Some(read),
        _ => stream.position(group.last_id),
    };
    // XSETID may have set that fewer were added than the group has read.
    let behind = read.and_then(|read| added.checked_sub(read))?;
    i64::try_from(behind).ok()
}

/// Moves a group on to an entry that it delivers now.
pub fn advance(stream: &Stream, group: &mut Group, id: StreamId) {
    match group.entries_read() {
        // Before its first entry a group may have been given any figure.
        Some(read)
            if group.last_id >= stream.first_id() && !stream.has_tombstones(group.last_id) =>
        {
            group.set_entries_read(Some(read + 1));
        }
        _ if stream.entries_added() > 0 => group.set_entries_read(stream.position(id)),
        _ => {}
    }
    group.last_id = id;
}
