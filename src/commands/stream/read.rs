//! XREAD and XREADGROUP: what is new in several streams, now or when it comes.
//!
//! Both run in two steps: all ids are resolved first (`$` and `+` become ids, groups must exist),
//! then entries are collected from each stream that has some. If none has, the command blocks with
//! the ids as they were resolved, so that "from now on" means the moment of the first try. With
//! CLAIM a client that blocks also tries again when the next pending entry has been idle for so long.

use super::STREAM;
use super::args::strict_id;
use super::range::reply_entry;
use super::read_group::{next_claim_ms, show_for};
use crate::algo::number::parse_i64;
use crate::command::blocking::{TimeoutMs, Unit, parse_timeout};
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply, Wait};
use crate::resp::encode::Resp;
use crate::resp::request::{Argv, OwnedArgv};
use crate::types::stream::{Order, Stream, StreamId};
use crate::types::value::Kind;
use std::ops::ControlFlow;

/// The words before the streams, and where those begin.
pub(super) struct Options<'a> {
    /// `Some` if the command may wait.
    block: Option<TimeoutMs>,
    /// Entries of each stream at most.
    pub count: Option<u64>,
    /// Entries of all streams at most.
    pub max_count: Option<u64>,
    /// The size of the reply, in bytes, from which on it gets no further entry.
    max_size: Option<usize>,
    pub group: Option<(&'a [u8], &'a [u8])>,
    pub noack: bool,
    /// Pending entries that have been idle for so many milliseconds are delivered first.
    pub claim_ms: Option<i64>,
    pub first: usize,
    streams: usize,
}

/// What may still be shown: entries of all streams together, and their size.
pub(super) struct Budget {
    max_count: Option<u64>,
    max_size: Option<usize>,
    /// The size of the reply to commands before this one.
    start: usize,
    /// Entries shown.
    pub shown: u64,
}

impl Budget {
    fn new(options: &Options, reply: &Reply) -> Budget {
        Budget {
            max_count: options.max_count,
            max_size: options.max_size,
            start: reply.written(),
            shown: 0,
        }
    }

    /// Whether no further entry is to be shown. One is shown in any case.
    pub fn is_spent(&self, reply: &Reply) -> bool {
        let is_full = |size| reply.written().saturating_sub(self.start) >= size;
        self.shown > 0
            && (self.max_count.is_some_and(|max| self.shown >= max)
                || self.max_size.is_some_and(is_full))
    }
}

/// From where a stream is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// Entries behind this id.
    Behind(StreamId),
    /// `>`: what the group has not delivered yet.
    New,
}

fn options<'a>(args: &mut Args<'a>, in_group: bool) -> Result<Options<'a>, CmdError> {
    let mut out = Options {
        block: None,
        count: None,
        max_count: None,
        max_size: None,
        group: None,
        noack: false,
        claim_ms: None,
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
        } else if is("maxcount") && more > 0 {
            let most = positive(args, "ERR MAXCOUNT must be a positive integer")?;
            out.max_count = Some(most);
        } else if is("maxsize") && more > 0 {
            let most = positive(args, "ERR MAXSIZE must be a positive integer")?;
            out.max_size = Some(most as usize);
        } else if is("claim") && more > 0 {
            out.claim_ms = Some(min_idle(args, in_group)?);
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
    if out
        .max_count
        .is_some_and(|max| out.count.is_some_and(|count| count > max))
    {
        return Err(CmdError::Fixed(
            "ERR MAXCOUNT must be greater than or equal to COUNT",
        ));
    }
    Ok(out)
}

fn positive(args: &mut Args, wrong: &'static str) -> Result<u64, CmdError> {
    let n = u64::try_from(args.int()?).ok().filter(|&n| n > 0);
    n.ok_or(CmdError::Fixed(wrong))
}

/// The milliseconds behind CLAIM.
fn min_idle(args: &mut Args, in_group: bool) -> Result<i64, CmdError> {
    if !in_group {
        return Err(CmdError::Fixed(
            "ERR The CLAIM option is only supported by XREADGROUP. You called XREAD instead.",
        ));
    }
    let ms = parse_i64(args.bytes()).ok_or(CmdError::Fixed(
        "ERR min-idle-time is not an integer or out of range",
    ))?;
    (ms >= 0).then_some(ms).ok_or(CmdError::Fixed(
        "ERR min-idle-time must be a positive integer",
    ))
}

/// The keys of XREAD and XREADGROUP: a group or a consumer may have the name of an option. The
/// values of options are not looked at. As in Redis, the word STREAMS must be among those from `FROM` on.
fn stream_keys<const FROM: usize>(
    argv: &Argv,
    found: &mut Vec<(usize, KeyFlags)>,
) -> Result<(), InvalidKeys> {
    const WITH_VALUE: [&[u8]; 5] = [b"block", b"count", b"maxcount", b"maxsize", b"claim"];
    let streams = |at: usize| argv.at(at).eq_ignore_ascii_case(b"streams");
    if !(FROM..argv.len()).any(streams) {
        return Err(InvalidKeys);
    }
    let mut at = 1;
    while at < argv.len() {
        let word = argv.at(at);
        let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
        if WITH_VALUE.into_iter().any(is) {
            at += 2;
        } else if is(b"group") {
            at += 3;
        } else if is(b"noack") {
            at += 1;
        } else if is(b"streams") {
            let (first, more) = (at + 1, argv.len() - at - 1);
            if more == 0 || !more.is_multiple_of(2) {
                return Err(InvalidKeys);
            }
            let flags = key_flags(&[RO, ACCESS]);
            found.extend((first..first + more / 2).map(|at| (at, flags)));
            return Ok(());
        } else {
            return Err(InvalidKeys);
        }
    }
    Err(InvalidKeys)
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
    let mut budget = Budget::new(&options, reply);
    let mut shown_streams = 0;
    for (i, &from) in ids.iter().enumerate() {
        if budget.is_spent(reply) {
            break;
        }
        let key = argv.at(options.first + i);
        let shown = match options.group {
            None => show(cx, key, from, (&options, &mut budget), reply)?,
            Some(member) => show_for(cx, key, member, from, (&options, &mut budget), reply)?,
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
                let retry_ms = options
                    .claim_ms
                    .map(|idle_ms| next_claim_ms(cx, &argv, (&options, idle_ms), &ids));
                wait.until_gone().retry_after(retry_ms)
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
pub(super) fn name(reply: &mut Reply, key: &[u8]) -> CmdResult {
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
    (options, budget): (&Options, &mut Budget),
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
    let head = reply.deferred();
    let mut shown = 0;
    let failed = stream.walk(start, StreamId::MAX, Order::Rising, |entry| {
        if budget.is_spent(reply) {
            return ControlFlow::Break(Ok(()));
        }
        if let Err(error) = reply_entry(reply, entry) {
            return ControlFlow::Break(Err(error));
        }
        (shown, budget.shown) = (shown + 1, budget.shown + 1);
        match options.count == Some(shown) {
            true => ControlFlow::Break(Ok(())),
            false => ControlFlow::Continue(()),
        }
    });
    failed.break_value().unwrap_or(Ok(()))?;
    reply.close_array(head, shown as usize)?;
    Ok(true)
}

/// The first argument that may be STREAMS.
const XREAD_FROM: i32 = 1;
const XREADGROUP_FROM: i32 = 4;

/// The first half of what follows STREAMS, which is looked for from an argument on. An argument
/// before it may be of that name; `stream_keys` knows better.
const fn streams_from(from: i32, notes: &'static str) -> KeySpec {
    KeySpec {
        flags: key_flags(&[RO, ACCESS, INCOMPLETE]),
        begin: Begin::Keyword {
            word: "STREAMS",
            from,
        },
        find: Find::Range {
            last: -1,
            step: 1,
            limit: 2,
        },
        notes,
    }
}

pub(super) const XREAD: DataCommand = Spec {
    name: "xread",
    flags: all(&[READONLY, BLOCKING, MOVABLEKEYS]),
    keys: &[streams_from(XREAD_FROM, "Incomplete: a key, or the argument of an option, may be the word STREAMS too.")],
    find: Some(stream_keys::<{ XREAD_FROM as usize }>),
    usage: "[count:integer@COUNT] [maxcount:integer@MAXCOUNT!8.10.0] [maxsize:integer@MAXSIZE!8.10.0] [milliseconds:integer@BLOCK] streams{key:key... id:string...}@STREAMS",
    since: "5.0.0",
    summary: "The entries behind given ids of one or more streams; may wait for them.",
    complexity: "O(N) for N entries returned",
    history: &[("8.10.0", "Takes MAXCOUNT and MAXSIZE.")],
    ..Spec::of(STREAM)
}
.runs(xread);

fn xread(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    read(cx, args, reply, false)
}

pub(super) const XREADGROUP: DataCommand = Spec {
    name: "xreadgroup",
    flags: all(&[WRITE, BLOCKING, MOVABLEKEYS]),
    keys: &[streams_from(XREADGROUP_FROM, "Incomplete: a group, a consumer or the argument of an option may be the word STREAMS too.")],
    find: Some(stream_keys::<{ XREADGROUP_FROM as usize }>),
    usage: "group-block{group:string consumer:string}@GROUP [count:integer@COUNT] [maxcount:integer@MAXCOUNT!8.10.0] [maxsize:integer@MAXSIZE!8.10.0] [milliseconds:integer@BLOCK] [min-idle-time:integer@CLAIM!8.4.0] [noack=NOACK] streams{key:key... id:string...}@STREAMS",
    since: "5.0.0",
    summary: "The entries that a group has not delivered yet, or those pending for a consumer; may block.",
    complexity: "O(N) for N entries returned",
    history: &[("8.4.0", "Takes CLAIM."), ("8.10.0", "Takes MAXCOUNT and MAXSIZE.")],
    ..Spec::of(STREAM)
}
.runs(xreadgroup);

fn xreadgroup(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    cx.propagate_nothing();
    read(cx, args, reply, true)
}
