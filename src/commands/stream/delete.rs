//! XDEL, XDELEX, XACKDEL: entries out of the middle.

use super::STREAM;
use super::args::{references, strict_id};
use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::types::stream::{References, Stream, StreamId};

/// The replies of XDELEX and XACKDEL for an id.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Missing = -1,
    Deleted = 1,
    /// Acknowledged or requested to be deleted, but still referenced by another group.
    Needed = 2,
}

/// All ids that follow, checked before anything happens.
fn ids(args: &mut Args, count: usize) -> Result<Vec<StreamId>, CmdError> {
    (0..count).map(|_| strict_id(args.bytes(), 0)).collect()
}

pub(super) const XDEL: DataCommand = Spec {
    name: "xdel",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, DELETE])],
    usage: "key:key id:string...",
    since: "5.0.0",
    summary: "Deletes entries by id and returns the number of those that existed.",
    complexity: "O(1) for each entry, whatever the length of the stream",
    ..Spec::of(STREAM)
}
.runs(xdel);

fn xdel(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let mut db = cx.db();
    // The type is checked first, the ids only if there is a stream.
    let Some(stream) = db.stream_for_write(key)? else {
        return reply.int(0);
    };
    let ids = ids(args, args.left())?;
    let deleted = ids.iter().filter(|&&id| stream.delete(id)).count();
    tell_deleted(cx, key, deleted);
    reply.int(deleted as i64)
}

fn tell_deleted(cx: &mut Cx, key: &[u8], deleted: usize) {
    if deleted > 0 {
        cx.changed(Event::XDEL, key);
        cx.effects.count_changes(deleted as u64 - 1);
    }
}

/// `[KEEPREF|DELREF|ACKED] IDS numids id …`, in any order: what becomes of references, where the
/// ids stand and how many there are.
fn options(args: &mut Args) -> Result<(References, usize, usize), CmdError> {
    let (mut told, mut found) = (None, None);
    while let Some(word) = args.option() {
        if let Some(references) = references(word).filter(|_| told.is_none()) {
            told = Some(references);
        } else if word.eq_ignore_ascii_case(b"ids") && found.is_none() && args.left() > 0 {
            let count = args.int().ok().filter(|&count| count > 0);
            let count = count.ok_or(CmdError::Fixed(
                "ERR Number of IDs must be a positive integer",
            ))? as usize;
            if count > args.left() {
                return Err(CmdError::Fixed(
                    "ERR The `numids` parameter must match the number of arguments",
                ));
            }
            found = Some((args.position(), count));
            for _ in 0..count {
                args.bytes();
            }
        } else {
            return Err(CmdError::Syntax);
        }
    }
    let (at, count) = found.ok_or(CmdError::Syntax)?;
    Ok((told.unwrap_or_default(), at, count))
}

/// The ids that stand at these arguments.
fn ids_at(args: &Args, at: usize, count: usize) -> Result<Vec<StreamId>, CmdError> {
    let argv = args.argv();
    (at..at + count).map(|i| strict_id(argv.at(i), 0)).collect()
}

/// The reply for a missing stream or group.
fn all_missing(reply: &mut Reply, count: usize) -> CmdResult {
    reply.array(count)?;
    (0..count).try_for_each(|_| reply.int(Outcome::Missing as i64))
}

/// Deletes an entry as far as the references to it allow.
fn delete(stream: &mut Stream, id: StreamId, references: References) -> Outcome {
    // As Redis does: an id that some group has yet to reach counts as needed, whatever is there.
    if references == References::Acknowledged && stream.is_referenced(id) {
        return Outcome::Needed;
    }
    if references == References::Delete {
        stream.forget_references(id);
    }
    if stream.delete(id) {
        Outcome::Deleted
    } else {
        Outcome::Missing
    }
}

pub(super) const XDELEX: DataCommand = Spec {
    name: "xdelex",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, DELETE])],
    usage: "key:key [condition(keepref=KEEPREF|delref=DELREF|acked=ACKED)] ids{numids:integer id:string...}@IDS",
    since: "8.2.0",
    summary: "Deletes entries by id, with a choice of how references to them are treated, and returns a status for each.",
    complexity: "O(1) for each entry, whatever the length of the stream",
    ..Spec::of(STREAM)
}
.runs(xdelex);

fn xdelex(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let mut db = cx.db();
    let found = db.write(key);
    if let Some(found) = found {
        db.stream_at(found)?;
    }
    let (references, at, count) = options(args)?;
    let Some(found) = found else {
        return all_missing(reply, count);
    };
    let ids = ids_at(args, at, count)?;
    reply.array(count)?;
    let stream = db.stream_mut(found)?;
    let mut deleted = 0;
    for &id in &ids {
        let outcome = delete(stream, id, references);
        deleted += usize::from(outcome == Outcome::Deleted);
        reply.int(outcome as i64)?;
    }
    tell_deleted(cx, key, deleted);
    Ok(())
}

pub(super) const XACKDEL: DataCommand = Spec {
    name: "xackdel",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, UPDATE, DELETE])],
    usage: "key:key group:string [condition(keepref=KEEPREF|delref=DELREF|acked=ACKED)] ids{numids:integer id:string...}@IDS",
    since: "8.2.0",
    summary: "Acknowledges entries of a group and deletes those that no group needs any more.",
    complexity: "O(1) for each entry",
    ..Spec::of(STREAM)
}
.runs(xackdel);

fn xackdel(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (key, group) = (args.key(), args.bytes());
    let mut db = cx.db();
    let found = db.read(key);
    if let Some(found) = found {
        db.stream_at(found)?;
    }
    let (references, at, count) = options(args)?;
    let known = match found {
        Some(found) => db.stream_at(found)?.groups.contains_key(group),
        None => false,
    };
    let Some(found) = found.filter(|_| known) else {
        return all_missing(reply, count);
    };
    let ids = ids_at(args, at, count)?;
    reply.array(count)?;
    let stream = db.stream_mut(found)?;
    let (mut acknowledged, mut deleted) = (0, 0);
    for &id in &ids {
        let held = stream
            .groups
            .get_mut(group)
            .is_some_and(|g| g.acknowledge(id));
        if !held {
            reply.int(Outcome::Missing as i64)?;
            continue;
        }
        acknowledged += 1;
        let outcome = match delete(stream, id, references) {
            Outcome::Deleted => {
                deleted += 1;
                Outcome::Deleted
            }
            // It was pending, so it counts, though the entry itself went before.
            Outcome::Missing => Outcome::Deleted,
            Outcome::Needed => Outcome::Needed,
        };
        reply.int(outcome as i64)?;
    }
    cx.effects.count_changes(acknowledged);
    if deleted > 0 {
        cx.note(cx.db, key, Some(Event::XDEL));
    }
    Ok(())
}
