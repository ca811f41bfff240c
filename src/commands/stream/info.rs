//! XINFO: reports on streams, groups and consumers.

use super::STREAM;
use super::group::no_group;
use super::lag::lag;
use super::range::{reply_entry, reply_id, reply_range};
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::types::stream::{Consumer, Group, Order, Producers, Retention, Stream, StreamId};
use std::ops::ControlFlow;

/// The default number of entries of each kind that FULL shows.
const FULL_COUNT: u64 = 10;
/// Producers whose ids are looked at before they are counted.
const SWEPT: usize = 1000;

pub(super) const XINFO_STREAM: DataCommand = Spec {
    name: "stream",
    flags: READONLY,
    keys: &[KeySpec::at(2, &[RO, ACCESS])],
    usage: "key:key [full-block{full=FULL [count:integer@COUNT]}]",
    since: "5.0.0",
    summary: "A stream's figures, or with FULL nearly all it holds.",
    complexity: "O(1); with FULL O(N) for N entries and pending ones shown",
    history: &[
        ("6.0.0", "Takes FULL."),
        (
            "7.0.0",
            "Shows max-deleted-entry-id, entries-added, recorded-first-entry-id, entries-read and lag.",
        ),
        ("7.2.0", "Shows active-time; seen-time has another meaning."),
        ("8.6.0", "Shows what is kept of idempotent producers."),
        ("8.8.0", "Shows nacked-count."),
    ],
    ..Spec::of(STREAM)
}
.subcommand(xinfo_stream);

fn xinfo_stream(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (argv, key) = (args.argv(), args.key());
    let wrong = || CmdError::wrong_form(&argv);
    let now_ms = cx.now_ms();
    let mut db = cx.db();
    let found = db.read(key).ok_or(CmdError::NoSuchKey)?;
    if db.stream_at(found)?.producers.is_some()
        && let Some(producers) = &mut db.stream_mut(found)?.producers
    {
        producers.sweep_first(now_ms, SWEPT);
    }
    let stream = db.stream_at(found)?;
    let mut full = None;
    match args.left() {
        0 => {}
        1 | 3 if args.word("full") => {
            let mut count = FULL_COUNT as i64;
            if args.left() == 2 {
                if !args.word("count") {
                    return Err(wrong());
                }
                count = args.int()?;
            }
            full = Some(if count < 0 { FULL_COUNT } else { count as u64 });
        }
        _ => return Err(wrong()),
    }
    reply.map(if full.is_some() { 15 } else { 16 })?;
    head(reply, stream)?;
    match full {
        None => summary(reply, stream),
        Some(count) => everything(reply, stream, count),
    }
}

fn int(reply: &mut Reply, name: &str, n: i64) -> CmdResult {
    reply.bulk(name.as_bytes())?;
    reply.int(n)
}

fn id(reply: &mut Reply, name: &str, id: StreamId) -> CmdResult {
    reply.bulk(name.as_bytes())?;
    reply_id(reply, id)
}

fn maybe(reply: &mut Reply, name: &str, n: Option<i64>) -> CmdResult {
    reply.bulk(name.as_bytes())?;
    match n {
        Some(n) => reply.int(n),
        None => reply.null(),
    }
}

fn head(reply: &mut Reply, stream: &Stream) -> CmdResult {
    int(reply, "length", stream.len() as i64)?;
    int(reply, "radix-tree-keys", stream.nodes() as i64)?;
    int(reply, "radix-tree-nodes", stream.tree_nodes() as i64)?;
    id(reply, "last-generated-id", stream.last_id())?;
    id(reply, "max-deleted-entry-id", stream.max_deleted_id())?;
    int(reply, "entries-added", stream.entries_added() as i64)?;
    id(reply, "recorded-first-entry-id", stream.first_id())?;
    let Retention { seconds, ids } = stream.retention();
    int(reply, "idmp-duration", i64::from(seconds))?;
    int(reply, "idmp-maxsize", i64::from(ids))?;
    let producers = stream.producers.as_deref();
    let (added, duplicates) = producers.map_or((0, 0), Producers::counts);
    int(
        reply,
        "pids-tracked",
        producers.map_or(0, Producers::len) as i64,
    )?;
    int(
        reply,
        "iids-tracked",
        producers.map_or(0, Producers::ids) as i64,
    )?;
    int(reply, "iids-added", added as i64)?;
    int(reply, "iids-duplicates", duplicates as i64)
}

fn summary(reply: &mut Reply, stream: &Stream) -> CmdResult {
    int(reply, "groups", stream.groups.len() as i64)?;
    for (name, order) in [
        ("first-entry", Order::Rising),
        ("last-entry", Order::Falling),
    ] {
        reply.bulk(name.as_bytes())?;
        let shown = stream.walk(StreamId::MIN, StreamId::MAX, order, |entry| {
            ControlFlow::Break(reply_entry(reply, entry))
        });
        match shown {
            ControlFlow::Break(result) => result?,
            ControlFlow::Continue(()) => reply.null()?,
        }
    }
    Ok(())
}

fn everything(reply: &mut Reply, stream: &Stream, count: u64) -> CmdResult {
    let count = (count > 0).then_some(count);
    reply.bulk(b"entries")?;
    let all = (StreamId::MIN, StreamId::MAX);
    reply_range(reply, stream, all, Order::Rising, count)?;
    reply.bulk(b"groups")?;
    reply.array(stream.groups.len())?;
    for (name, group) in &stream.groups {
        reply.map(8)?;
        reply.bulk(b"name")?;
        reply.bulk(name)?;
        id(reply, "last-delivered-id", group.last_id)?;
        let read = group.entries_read().map(|read| read as i64);
        maybe(reply, "entries-read", read)?;
        maybe(reply, "lag", lag(stream, group))?;
        int(reply, "pel-count", group.pending().len() as i64)?;
        int(reply, "nacked-count", group.released() as i64)?;
        pending(reply, group, count)?;
        reply.bulk(b"consumers")?;
        reply.array(group.consumers().len())?;
        for (_, consumer) in group.consumers() {
            full_consumer(reply, group, consumer, count)?;
        }
    }
    Ok(())
}

/// The number of items shown out of `len`.
fn shown(len: usize, count: Option<u64>) -> usize {
    count.map_or(len, |count| len.min(count as usize))
}

fn pending(reply: &mut Reply, group: &Group, count: Option<u64>) -> CmdResult {
    let shown = shown(group.pending().len(), count);
    reply.bulk(b"pending")?;
    reply.array(shown)?;
    for (&entry, pending) in group.pending().iter().take(shown) {
        reply.array(4)?;
        reply_id(reply, entry)?;
        reply.bulk(group.holder(pending))?;
        reply.int(pending.delivered_ms())?;
        reply.int(pending.count as i64)?;
    }
    Ok(())
}

fn full_consumer(
    reply: &mut Reply,
    group: &Group,
    consumer: &Consumer,
    count: Option<u64>,
) -> CmdResult {
    reply.map(5)?;
    reply.bulk(b"name")?;
    reply.bulk(&consumer.name)?;
    int(reply, "seen-time", consumer.seen_ms)?;
    int(reply, "active-time", consumer.active_ms)?;
    int(reply, "pel-count", consumer.pending().len() as i64)?;
    let shown = shown(consumer.pending().len(), count);
    reply.bulk(b"pending")?;
    reply.array(shown)?;
    for &entry in consumer.pending().iter().take(shown) {
        let pending = &group.pending()[&entry];
        reply.array(3)?;
        reply_id(reply, entry)?;
        reply.int(pending.delivered_ms())?;
        reply.int(pending.count as i64)?;
    }
    Ok(())
}

pub(super) const XINFO_GROUPS: DataCommand = Spec {
    name: "groups",
    flags: READONLY,
    keys: &[KeySpec::at(2, &[RO, ACCESS])],
    usage: "key:key",
    since: "5.0.0",
    summary: "The groups of a stream.",
    complexity: "O(1) for each group",
    history: &[("7.0.0", "Shows entries-read and lag.")],
    ..Spec::of(STREAM)
}
.subcommand(xinfo_groups);

fn xinfo_groups(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let mut db = cx.db();
    let stream = db.stream(args.key())?.ok_or(CmdError::NoSuchKey)?;
    reply.array(stream.groups.len())?;
    for (name, group) in &stream.groups {
        reply.map(6)?;
        reply.bulk(b"name")?;
        reply.bulk(name)?;
        int(reply, "consumers", group.consumers().len() as i64)?;
        int(reply, "pending", group.pending().len() as i64)?;
        id(reply, "last-delivered-id", group.last_id)?;
        let read = group.entries_read().map(|read| read as i64);
        maybe(reply, "entries-read", read)?;
        maybe(reply, "lag", lag(stream, group))?;
    }
    Ok(())
}

pub(super) const XINFO_CONSUMERS: DataCommand = Spec {
    name: "consumers",
    flags: READONLY,
    keys: &[KeySpec::at(2, &[RO, ACCESS])],
    usage: "key:key group:string",
    since: "5.0.0",
    summary: "The consumers of a group.",
    complexity: "O(1) for each consumer",
    tips: &["nondeterministic_output"],
    history: &[("7.2.0", "Shows inactive; idle has another meaning.")],
    ..Spec::of(STREAM)
}
.subcommand(xinfo_consumers);

fn xinfo_consumers(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (key, name) = (args.key(), args.bytes());
    let now_ms = cx.now_ms();
    let mut db = cx.db();
    let stream = db.stream(key)?.ok_or(CmdError::NoSuchKey)?;
    let group = stream.groups.get(name).ok_or_else(|| no_group(name, key))?;
    reply.array(group.consumers().len())?;
    for (_, consumer) in group.consumers() {
        reply.map(4)?;
        reply.bulk(b"name")?;
        reply.bulk(&consumer.name)?;
        int(reply, "pending", consumer.pending().len() as i64)?;
        int(reply, "idle", (now_ms - consumer.seen_ms).max(0))?;
        let inactive = match consumer.active_ms {
            -1 => -1,
            active_ms => (now_ms - active_ms).max(0),
        };
        int(reply, "inactive", inactive)?;
    }
    Ok(())
}

pub(super) const XINFO_HELP: DataCommand = Spec {
    name: "help",
    flags: all(&[LOADING, STALE]),
    since: "5.0.0",
    summary: "Words about the subcommands.",
    complexity: "O(1)",
    ..Spec::of(STREAM)
}
.subcommand(xinfo_help);

fn xinfo_help(_: &mut Cx, _: &mut Args, reply: &mut Reply) -> CmdResult {
    reply.help(&[
        "XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CONSUMERS <key> <groupname>",
        "    The consumers of a group.",
        "GROUPS <key>",
        "    The groups of a stream.",
        "STREAM <key> [FULL [COUNT <count>]",
        "    What a stream holds.",
        "HELP",
        "    Print this help.",
    ])
}
