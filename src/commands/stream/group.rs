//! XGROUP and XACK: groups and their consumers.

use super::STREAM;
use super::args::strict_id;
use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::types::stream::{Group, Stream, StreamId};
use crate::types::value::Kind;

const NEEDS_KEY: CmdError = CmdError::Fixed(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.",
);

/// A group that the command needs is missing.
pub fn no_group(group: &[u8], key: &[u8]) -> CmdError {
    CmdError::naming(&[
        b"NOGROUP No such consumer group '",
        group,
        b"' for key name '",
        key,
        b"'",
    ])
}

/// The id behind which a group begins to read: `None` for `$`, the last id. As in Redis, SETID
/// also knows `-` and `+`, CREATE does not.
fn start_id(text: &[u8], is_new: bool) -> Result<Option<StreamId>, CmdError> {
    match text {
        b"$" => Ok(None),
        _ if is_new => strict_id(text, 0).map(Some),
        _ => super::args::id(text, 0).map(Some),
    }
}

/// MKSTREAM and ENTRIESREAD, as far as the subcommand knows them.
fn options(args: &mut Args, may_make: bool) -> Result<(bool, Option<u64>), CmdError> {
    let (mut make, mut read) = (false, None);
    while let Some(word) = args.option() {
        if may_make && word.eq_ignore_ascii_case(b"mkstream") {
            make = true;
        } else if word.eq_ignore_ascii_case(b"entriesread") && args.left() > 0 {
            read = match args.int()? {
                -1 => None,
                n => Some(u64::try_from(n).map_err(|_| {
                    CmdError::Fixed("ERR value for ENTRIESREAD must be positive or -1")
                })?),
            };
        } else {
            return Err(CmdError::wrong_form(&args.argv()));
        }
    }
    Ok((make, read))
}

/// An option may be repeated, but not all of them: Redis counts the words at last.
fn not_too_many(args: &Args) -> Result<(), CmdError> {
    const MOST: usize = 8;
    match args.argv().len() {
        ..=MOST => Ok(()),
        _ => Err(CmdError::wrong_form(&args.argv())),
    }
}

pub(super) const XGROUP_CREATE: DataCommand = Spec {
    name: "create",
    flags: all(&[WRITE, DENYOOM]),
    keys: &[KeySpec::at(2, &[RW, INSERT])],
    usage: "key:key group:string id-selector(id:string|new-id=\"$\") [mkstream=MKSTREAM] [entriesread~entries-read:integer@ENTRIESREAD]",
    since: "5.0.0",
    summary: "Makes a group that reads a stream from an id on.",
    complexity: "O(1)",
    history: &[("7.0.0", "Takes ENTRIESREAD.")],
    ..Spec::of(STREAM)
}
.subcommand(xgroup_create);

fn xgroup_create(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (key, name, start) = (args.key(), args.bytes(), args.bytes());
    let (make, read) = options(args, true)?;
    let retention = cx.tuning.stream_retention;
    let mut db = cx.db();
    let found = db.write(key);
    match found {
        Some(found) => drop(db.stream_at(found)?),
        None if !make => return Err(NEEDS_KEY),
        None => {}
    }
    not_too_many(args)?;
    let start = start_id(start, true)?;
    let at = match found {
        Some(found) => found,
        None => db.add_stream(key, retention),
    };
    let stream = db.stream_mut(at)?;
    let exists = stream.groups.contains_key(name);
    if !exists {
        let group = Group::new(start.unwrap_or(stream.last_id()), cap_read(stream, read));
        stream.groups.insert(name.into(), group);
    }
    if found.is_none() {
        cx.also(Event::NEW, key);
        cx.note(cx.db, key, None);
    }
    if exists {
        return Err(CmdError::Fixed(
            "BUSYGROUP Consumer Group name already exists",
        ));
    }
    cx.changed(Event::XGROUP_CREATE, key);
    reply.ok()
}

/// Caps the number of entries read: it cannot exceed the number ever added.
fn cap_read(stream: &Stream, read: Option<u64>) -> Option<u64> {
    read.map(|read| read.min(stream.entries_added()))
}

/// The stream of an XGROUP subcommand and, with `group`, that this group is there.
fn with_group<R>(
    cx: &mut Cx,
    key: &[u8],
    group: &[u8],
    act: impl FnOnce(&mut Group, i64) -> R,
) -> Result<R, CmdError> {
    let now_ms = cx.now_ms();
    let mut db = cx.db();
    let stream = db.stream_for_write(key)?.ok_or(NEEDS_KEY)?;
    let group = stream
        .groups
        .get_mut(group)
        .ok_or_else(|| no_group(group, key))?;
    Ok(act(group, now_ms))
}

pub(super) const XGROUP_SETID: DataCommand = Spec {
    name: "setid",
    flags: WRITE,
    keys: &[KeySpec::at(2, &[RW, UPDATE])],
    usage: "key:key group:string id-selector(id:string|new-id=\"$\") [entriesread~entries-read:integer@ENTRIESREAD]",
    since: "5.0.0",
    summary: "Sets the id up to which a group has read.",
    complexity: "O(1)",
    history: &[("7.0.0", "Takes ENTRIESREAD.")],
    ..Spec::of(STREAM)
}
.subcommand(xgroup_setid);

fn xgroup_setid(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (key, name, start) = (args.key(), args.bytes(), args.bytes());
    let (_, read) = options(args, false)?;
    let mut db = cx.db();
    let stream = db.stream_for_write(key)?.ok_or(NEEDS_KEY)?;
    if !stream.groups.contains_key(name) {
        return Err(no_group(name, key));
    }
    not_too_many(args)?;
    let id = start_id(start, false)?.unwrap_or(stream.last_id());
    let read = cap_read(stream, read);
    let group = stream.groups.get_mut(name).expect("it was there just now");
    group.last_id = id;
    group.set_entries_read(read);
    cx.changed(Event::XGROUP_SETID, key);
    reply.ok()
}

pub(super) const XGROUP_DESTROY: DataCommand = Spec {
    name: "destroy",
    flags: WRITE,
    keys: &[KeySpec::at(2, &[RW, DELETE])],
    usage: "key:key group:string",
    since: "5.0.0",
    summary: "Removes a group.",
    complexity: "O(N) for N entries pending in it",
    ..Spec::of(STREAM)
}
.subcommand(xgroup_destroy);

/// Wakes the clients blocked on the group with an error.
fn xgroup_destroy(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (key, name) = (args.key(), args.bytes());
    let mut db = cx.db();
    let stream = db.stream_for_write(key)?.ok_or(NEEDS_KEY)?;
    let existed = stream.groups.remove(name).is_some();
    if existed {
        cx.changed(Event::XGROUP_DESTROY, key);
        cx.grew(Kind::Stream, key);
    }
    reply.bool(existed)
}

pub(super) const XGROUP_CREATECONSUMER: DataCommand = Spec {
    name: "createconsumer",
    flags: all(&[WRITE, DENYOOM]),
    keys: &[KeySpec::at(2, &[RW, INSERT])],
    usage: "key:key group:string consumer:string",
    since: "6.2.0",
    summary: "Makes a consumer in a group.",
    complexity: "O(1)",
    ..Spec::of(STREAM)
}
.subcommand(xgroup_createconsumer);

fn xgroup_createconsumer(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (key, name, consumer) = (args.key(), args.bytes(), args.bytes());
    let made = with_group(cx, key, name, |group, now_ms| {
        let is_new = group.find(consumer).is_none();
        if is_new {
            group.add_consumer(consumer, now_ms);
        }
        is_new
    })?;
    if made {
        cx.changed(Event::XGROUP_CREATECONSUMER, key);
    }
    reply.bool(made)
}

pub(super) const XGROUP_DELCONSUMER: DataCommand = Spec {
    name: "delconsumer",
    flags: WRITE,
    keys: &[KeySpec::at(2, &[RW, DELETE])],
    usage: "key:key group:string consumer:string",
    since: "5.0.0",
    summary: "Removes a consumer and all it had not acknowledged.",
    complexity: "O(N) for N entries it held",
    ..Spec::of(STREAM)
}
.subcommand(xgroup_delconsumer);

/// Replies with the number of its unacknowledged entries.
fn xgroup_delconsumer(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (key, name, consumer) = (args.key(), args.bytes(), args.bytes());
    let removed = with_group(cx, key, name, |group, _| group.remove_consumer(consumer))?;
    if removed.is_some() {
        cx.changed(Event::XGROUP_DELCONSUMER, key);
    }
    reply.int(removed.unwrap_or(0) as i64)
}

pub(super) const XGROUP_HELP: DataCommand = Spec {
    name: "help",
    flags: all(&[LOADING, STALE]),
    since: "5.0.0",
    summary: "Words about the subcommands.",
    complexity: "O(1)",
    ..Spec::of(STREAM)
}
.subcommand(xgroup_help);

fn xgroup_help(_: &mut Cx, _: &mut Args, reply: &mut Reply) -> CmdResult {
    reply.help(&[
        "XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CREATE <key> <groupname> <id|$> [option]",
        "    Make a group that reads from an id on. Options are:",
        "    * MKSTREAM",
        "      Make the stream, empty, if it is not there.",
        "    * ENTRIESREAD entries_read",
        "      How many entries the group counts as read (for internal use).",
        "CREATECONSUMER <key> <groupname> <consumer>",
        "    Make a consumer in a group.",
        "DELCONSUMER <key> <groupname> <consumer>",
        "    Remove a consumer.",
        "DESTROY <key> <groupname>",
        "    Remove a group.",
        "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
        "    Set up to where a group has read.",
        "HELP",
        "    Print this help.",
    ])
}

pub(super) const XACK: DataCommand = Spec {
    name: "xack",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, UPDATE])],
    usage: "key:key group:string id:string...",
    since: "5.0.0",
    summary: "Acknowledges entries of a group and returns the number of those that were pending.",
    complexity: "O(1) for each id",
    ..Spec::of(STREAM)
}
.runs(xack);

/// Replies with the number of entries that were pending.
fn xack(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (key, name) = (args.key(), args.bytes());
    let mut db = cx.db();
    let found = db.read(key);
    let known = match found {
        Some(found) => db.stream_at(found)?.groups.contains_key(name),
        None => false,
    };
    let Some(found) = found.filter(|_| known) else {
        return reply.int(0);
    };
    // All ids are checked before any is acknowledged.
    let rest = args.rest();
    for text in rest.iter() {
        strict_id(text, 0)?;
    }
    let stream = db.stream_mut(found)?;
    let group = stream.groups.get_mut(name).expect("it was there just now");
    let mut acknowledged = 0;
    for text in rest.iter() {
        acknowledged += group.acknowledge(strict_id(text, 0)?) as u64;
    }
    cx.effects.count_changes(acknowledged);
    reply.int(acknowledged as i64)
}
