//! XREAD and XREADGROUP: what is new in several streams, now or when it comes.
//!
//! Both run in two steps: all ids are resolved first (`$` and `+` become ids, groups must exist),
//! then entries are collected from each stream that has some. If none has, the command blocks with
//! the ids as they were resolved, so that "from now on" means the moment of the first try.

use super::STREAM;
use super::args::strict_id;
use super::lag::advance;
use super::range::{reply_entry, reply_id};
use crate::command::blocking::{TimeoutMs, Unit, parse_timeout};
use crate::command::effects::{Event, Interest};
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply, Wait};
use crate::resp::encode::Resp;
use crate::resp::request::{Argv, OwnedArgv};
use crate::types::stream::{ConsumerId, Order, Pending, Stream, StreamId};
use crate::types::value::Kind;
use std::ops::ControlFlow;

/// The words before the streams, and where those begin.
struct Options<'a> {
    /// `Some` if the command may wait.
    block: Option<TimeoutMs>,
    count: Option<u64>,
    group: Option<(&'a [u8], &'a [u8])>,
    noack: bool,
    first: usize,
    streams: usize,
}

/// From where a stream is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    /// Entries behind this id.
    Behind(StreamId),
    /// `>`: what the group has not delivered yet.
    New,
}

fn options<'a>(args: &mut Args<'a>, in_group: bool) -> Result<Options<'a>, CmdError> {
    let mut out = Options {
        block: None,
        count: None,
        group: None,
        noack: false,
        first: 0,
        streams: 0,
    };
    while let Some(word) = args.option() {
        let more = args.left();
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if is("block") && more > 0 {
            out.block = Some(parse_timeout(args.bytes(), Unit::Milliseconds)?);
        } else if is("count") && more > 0 {
            // As Redis does: a negative count is no limit, like zero.
            out.count = u64::try_from(args.int()?).ok().filter(|&n| n > 0);
        } else if is("streams") && more > 0 {
            if !more.is_multiple_of(2) {
                return Err(CmdError::Fixed(if in_group {
                    "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified."
                } else {
                    "ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', or '$' must be specified."
                }));
            }
            (out.first, out.streams) = (args.position(), more / 2);
            break;
        } else if is("group") && more >= 2 {
            if !in_group {
                return Err(CmdError::Fixed(
                    "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
                ));
            }
            out.group = Some((args.bytes(), args.bytes()));
        } else if is("noack") {
            if !in_group {
                return Err(CmdError::Fixed(
                    "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
                ));
            }
            out.noack = true;
        } else {
            return Err(CmdError::Syntax);
        }
    }
    if out.streams == 0 {
        return Err(CmdError::Syntax);
    }
    if in_group && out.group.is_none() {
        return Err(CmdError::Fixed("ERR Missing GROUP option for XREADGROUP"));
    }
    Ok(out)
}

/// The keys of XREAD, or of XREADGROUP: a group or a consumer may have the name of an option.
pub(super) fn stream_keys<const IN_GROUP: bool>(
    argv: &Argv,
    found: &mut Vec<(usize, KeyFlags)>,
) -> Result<(), InvalidKeys> {
    let read = options(&mut Args::new(*argv, 1), IN_GROUP).map_err(|_| InvalidKeys)?;
    let flags = key_flags(&[RO, ACCESS]);
    found.extend((read.first..read.first + read.streams).map(|at| (at, flags)));
    Ok(())
}

fn no_group(key: &[u8], group: &[u8]) -> CmdError {
    CmdError::naming(&[
        b"NOGROUP No such key '",
        key,
        b"' or consumer group '",
        group,
        b"' in XREADGROUP with GROUP option",
    ])
}

/// The meaning of an id argument for this stream.
fn resolve(text: &[u8], stream: Option<&Stream>, in_group: bool) -> Result<From, CmdError> {
    match text {
        b"$" if in_group => Err(CmdError::Fixed(
            "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
        )),
        b"+" if in_group => Err(CmdError::Fixed(
            "ERR The + ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The + ID would just return an empty result set.",
        )),
        b"$" => Ok(From::Behind(stream.map_or(StreamId::MIN, Stream::last_id))),
        // Behind the entry before the last one.
        b"+" => Ok(From::Behind(stream.map_or(StreamId::MIN, |stream| {
            stream.last_live_id().prev().unwrap_or(StreamId::MIN)
        }))),
        b">" if in_group => Ok(From::New),
        b">" => Err(CmdError::Fixed(
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
        )),
        _ => strict_id(text, 0).map(From::Behind),
    }
}

fn resolve_all(cx: &mut Cx, args: &Args, options: &Options) -> Result<Vec<From>, CmdError> {
    let argv = args.argv();
    let mut out = Vec::with_capacity(options.streams);
    for i in 0..options.streams {
        let key = argv.at(options.first + i);
        let text = argv.at(options.first + options.streams + i);
        let mut db = cx.db();
        let stream = db.stream(key)?;
        if let Some((group, _)) = options.group
            && !stream.is_some_and(|stream| stream.groups.contains_key(group))
        {
            return Err(no_group(key, group));
        }
        out.push(resolve(text, stream, options.group.is_some())?);
    }
    Ok(out)
}

fn read(cx: &mut Cx, args: &mut Args, reply: &mut Reply, in_group: bool) -> CmdResult {
    let options = options(args, in_group)?;
    let ids = resolve_all(cx, args, &options)?;
    let argv = args.argv();
    let head = reply.deferred();
    let mut shown_streams = 0;
    for (i, &from) in ids.iter().enumerate() {
        let key = argv.at(options.first + i);
        let shown = match options.group {
            None => show(cx, key, from, options.count, reply)?,
            Some(member) => show_for(cx, key, member, from, &options, reply)?,
        };
        shown_streams += usize::from(shown);
    }
    if shown_streams > 0 {
        return match reply.resp {
            Resp::V2 => reply.close_array(head, shown_streams),
            Resp::V3 => reply.close_map(head, shown_streams),
        };
    }
    match options.block {
        None => reply.null_array(),
        Some(timeout_ms) => {
            let keys = (0..options.streams).map(|i| argv.at(options.first + i));
            let mut wait = Wait::new(Kind::Stream, keys, timeout_ms);
            wait = if in_group {
                wait.until_gone()
            } else {
                wait.again(resolved(args, &options, &ids))
            };
            cx.wait(wait, reply)
        }
    }
}

/// The command with its ids in digits.
fn resolved(args: &Args, options: &Options, ids: &[From]) -> OwnedArgv {
    let mut out = OwnedArgv::default();
    let first_id = options.first + options.streams;
    for (i, arg) in args.argv().iter().enumerate() {
        match i.checked_sub(first_id).and_then(|i| ids.get(i)) {
            Some(From::Behind(id)) => out.push(id.to_string().as_bytes()),
            _ => out.push(arg),
        }
    }
    out
}

/// The name of a stream, in front of its entries.
fn name(reply: &mut Reply, key: &[u8]) -> CmdResult {
    if reply.resp == Resp::V2 {
        reply.array(2)?;
    }
    reply.bulk(key)
}

/// Replies with the entries behind an id, if there are any.
fn show(
    cx: &mut Cx,
    key: &[u8],
    from: From,
    count: Option<u64>,
    reply: &mut Reply,
) -> Result<bool, CmdError> {
    let From::Behind(id) = from else {
        return Ok(false);
    };
    let mut db = cx.db();
    let Some(stream) = db.stream(key)? else {
        return Ok(false);
    };
    if stream.is_empty() || id >= stream.last_live_id() {
        return Ok(false);
    }
    let start = id.next().unwrap_or(StreamId::MAX);
    name(reply, key)?;
    let range = (start, StreamId::MAX);
    super::range::reply_range(reply, stream, range, Order::Rising, count)?;
    Ok(true)
}

/// The same for a member of a group.
fn show_for(
    cx: &mut Cx,
    key: &[u8],
    member: (&[u8], &[u8]),
    from: From,
    options: &Options,
    reply: &mut Reply,
) -> Result<bool, CmdError> {
    let now_ms = cx.now_ms();
    let mut db = cx.db();
    let Some(stream) = db.stream_for_write(key)? else {
        return Ok(false);
    };
    let (group, consumer) = member;
    let group_name = group;
    let Some(group) = stream.groups.get_mut(group) else {
        return Ok(false);
    };
    let known = group.find(consumer);
    let id = known.unwrap_or_else(|| group.add_consumer(consumer, now_ms));
    group.consumer_mut(id).seen_ms = now_ms;
    let has_new = stream.last_live_id() > stream.groups[group_name].last_id && !stream.is_empty();
    if known.is_none() {
        cx.changed(Event::XGROUP_CREATECONSUMER, key);
        // A delivery creates the consumer on replicas, too, unless it is under NOACK.
        let delivers = from == From::New && has_new;
        if options.noack || !delivers {
            propagate_consumer(cx, key, member);
        }
    }
    match from {
        From::Behind(after) => {
            name(reply, key)?;
            history(cx, key, member, id, after, options.count, reply)?;
            Ok(true)
        }
        From::New if has_new => {
            name(reply, key)?;
            deliver(cx, key, member, id, options, reply)?;
            Ok(true)
        }
        From::New => Ok(false),
    }
}

/// Replies with the pending entries of a consumer, which counts as another delivery.
fn history(
    cx: &mut Cx,
    key: &[u8],
    (group, name): (&[u8], &[u8]),
    consumer: ConsumerId,
    after: StreamId,
    count: Option<u64>,
    reply: &mut Reply,
) -> CmdResult {
    let now_ms = cx.now_ms();
    let mut db = cx.db();
    let stream = db.stream_for_write(key)?.ok_or(CmdError::NoSuchKey)?;
    let held = stream.groups[group].consumer(consumer).pending();
    let held: Vec<StreamId> = match after.next() {
        Some(start) => {
            let most = count.map_or(usize::MAX, |count| count as usize);
            held.range(start..).take(most).copied().collect()
        }
        None => Vec::new(),
    };
    reply.array(held.len())?;
    let mut delivered = Vec::new();
    for id in held {
        let found = match stream.find(id) {
            Some(entry) => {
                reply_entry(reply, &entry)?;
                true
            }
            None => {
                reply.array(2)?;
                reply_id(reply, id)?;
                reply.null_array()?;
                false
            }
        };
        let group = stream.groups.get_mut(group).expect("read from just now");
        if found && let Some(pending) = group.pending_mut(id) {
            pending.delivered_ms = now_ms;
            pending.count += 1;
            delivered.push((id, pending.count));
        }
    }
    if cx.effects.interest.has(Interest::PROPAGATE) {
        propagate_deliveries(cx, key, (group, name), &delivered)?;
    }
    Ok(())
}

/// Others count these deliveries as well. Redis keeps them to itself, so that there the counts of a
/// primary are lost with it.
fn propagate_deliveries(
    cx: &mut Cx,
    key: &[u8],
    (group, consumer): (&[u8], &[u8]),
    delivered: &[(StreamId, u64)],
) -> CmdResult {
    let now_ms = cx.now_ms();
    let mut db = cx.db();
    let stream = db.stream(key)?.ok_or(CmdError::NoSuchKey)?;
    let last = stream.groups[group].last_id;
    for &(id, count) in delivered {
        super::claim::propagate_claim(cx, key, group, consumer, id, (now_ms, count, last));
    }
    Ok(())
}

/// Replies with the entries not yet delivered to the group, and marks them as delivered.
fn deliver(
    cx: &mut Cx,
    key: &[u8],
    member: (&[u8], &[u8]),
    consumer: ConsumerId,
    options: &Options,
    reply: &mut Reply,
) -> CmdResult {
    let now_ms = cx.now_ms();
    let mut db = cx.db();
    let stream = db.stream_for_write(key)?.ok_or(CmdError::NoSuchKey)?;
    // Out of the stream for a moment, so that entries are read while the group changes.
    let mut group = std::mem::take(
        stream
            .groups
            .get_mut(member.0)
            .expect("it was there just now"),
    );
    let start = group.last_id.next().unwrap_or(StreamId::MAX);
    let head = reply.deferred();
    let mut delivered = Vec::new();
    let shown = stream.walk(start, StreamId::MAX, Order::Rising, |entry| {
        if let Err(error) = reply_entry(reply, entry) {
            return ControlFlow::Break(Err(error));
        }
        advance(stream, &mut group, entry.id);
        delivered.push(entry.id);
        if options.count == Some(delivered.len() as u64) {
            return ControlFlow::Break(Ok(()));
        }
        ControlFlow::Continue(())
    });
    if !options.noack {
        for &id in &delivered {
            let pending = Pending {
                consumer,
                delivered_ms: now_ms,
                count: 1,
            };
            group.deliver(id, pending);
        }
    }
    if !delivered.is_empty() && !options.noack {
        group.consumer_mut(consumer).active_ms = now_ms;
    }
    let state = (group.last_id, group.entries_read);
    stream.groups.insert(member.0.into(), group);
    shown.break_value().unwrap_or(Ok(()))?;
    reply.close_array(head, delivered.len())?;
    cx.effects.dirty += 1;
    propagate_delivery(cx, key, member, &delivered, options.noack, state);
    Ok(())
}

pub(super) fn propagate_consumer(cx: &mut Cx, key: &[u8], (group, consumer): (&[u8], &[u8])) {
    cx.propagate_as([
        b"XGROUP",
        b"CREATECONSUMER".as_slice(),
        key,
        group,
        consumer,
    ]);
}

/// Propagates the outcome: the new pending records, and the group's last delivered id.
fn propagate_delivery(
    cx: &mut Cx,
    key: &[u8],
    (group, consumer): (&[u8], &[u8]),
    delivered: &[StreamId],
    noack: bool,
    (last, read): (StreamId, Option<u64>),
) {
    if !cx.effects.interest.has(Interest::PROPAGATE) {
        return;
    }
    if !noack {
        for id in delivered {
            // Up to where the group had read when this one was given.
            let state = (cx.now_ms(), 1, *id);
            super::claim::propagate_claim(cx, key, group, consumer, *id, state);
        }
    }
    if !delivered.is_empty() {
        propagate_position(cx, key, group, last, read);
    }
}

/// Propagates the last delivered id of a group.
pub(super) fn propagate_position(
    cx: &mut Cx,
    key: &[u8],
    group: &[u8],
    last: StreamId,
    read: Option<u64>,
) {
    let read = read.map_or(-1, |read| read as i64).to_string();
    cx.propagate_as([
        b"XGROUP",
        b"SETID".as_slice(),
        key,
        group,
        last.to_string().as_bytes(),
        b"ENTRIESREAD",
        read.as_bytes(),
    ]);
}

/// The first half of what follows STREAMS, which is looked for from an argument on.
const fn streams_from(from: i32) -> KeySpec {
    KeySpec {
        flags: key_flags(&[RO, ACCESS]),
        begin: Begin::Keyword {
            word: "STREAMS",
            from,
        },
        find: Find::Range {
            last: -1,
            step: 1,
            limit: 2,
        },
        notes: "",
    }
}

pub(super) const XREAD: DataCommand = Spec {
    name: "xread",
    flags: all(&[READONLY, BLOCKING, MOVABLEKEYS]),
    keys: &[streams_from(1)],
    find: Some(stream_keys::<false>),
    usage: "[count:integer@COUNT] [milliseconds:integer@BLOCK] streams{key:key... id:string...}@STREAMS",
    since: "5.0.0",
    summary: "The entries behind given ids of one or more streams; may wait for them.",
    complexity: "O(N) for N entries returned",
    ..Spec::of(STREAM)
}
.runs(xread);

fn xread(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    read(cx, args, reply, false)
}

pub(super) const XREADGROUP: DataCommand = Spec {
    name: "xreadgroup",
    flags: all(&[WRITE, BLOCKING, MOVABLEKEYS]),
    keys: &[streams_from(4)],
    find: Some(stream_keys::<true>),
    usage: "group-block{group:string consumer:string}@GROUP [count:integer@COUNT] [milliseconds:integer@BLOCK] [noack=NOACK] streams{key:key... id:string...}@STREAMS",
    since: "5.0.0",
    summary: "The entries that a group has not delivered yet, or those pending for a consumer; may block.",
    complexity: "O(N) for N entries returned",
    ..Spec::of(STREAM)
}
.runs(xreadgroup);

fn xreadgroup(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    cx.propagate_nothing();
    read(cx, args, reply, true)
}
