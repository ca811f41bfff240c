//! XPENDING, XCLAIM, XAUTOCLAIM: delivered but unacknowledged entries, and their transfer.

use super::STREAM;
use super::args::{interval_end, interval_start, strict_id};
use super::range::{reply_entry, reply_id};
use super::read_group::propagate_consumer;
use crate::algo::number::parse_i64;
use crate::command::effects::{Event, Interest};
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::types::stream::{ConsumerId, Entry, Finder, Group, Pending, Stream, StreamId, Verdict};
use crate::types::value::Kind;

/// The default number of entries that XAUTOCLAIM transfers.
const COUNT: i64 = 100;
/// The size from which Redis refuses to reserve the reply: more than a process can address.
const ANSWER_MAX: usize = 127 << 40;
/// For each of them, so many pending ones are looked at.
const ATTEMPTS: i64 = 10;

pub(super) fn no_group(key: &[u8], group: &[u8]) -> CmdError {
    CmdError::naming(&[
        b"NOGROUP No such key '",
        key,
        b"' or consumer group '",
        group,
        b"'",
    ])
}

/// The filter of the long form of XPENDING.
struct Filter<'a> {
    min_idle_ms: i64,
    start: StreamId,
    end: StreamId,
    count: usize,
    consumer: Option<&'a [u8]>,
}

fn filter<'a>(args: &mut Args<'a>) -> Result<Filter<'a>, CmdError> {
    let mut min_idle_ms = 0;
    if args.word("idle") {
        min_idle_ms = args.int()?;
        if args.left() < 3 {
            return Err(CmdError::Syntax);
        }
    }
    let (start, end) = (args.bytes(), args.bytes());
    let count = args.int()?.max(0) as usize;
    Ok(Filter {
        min_idle_ms,
        start: interval_start(start)?,
        end: interval_end(end)?,
        count,
        consumer: args.option(),
    })
}

pub(super) const XPENDING: DataCommand = Spec {
    name: "xpending",
    usage: "key:key group:string [filters{[min-idle-time:integer@IDLE!6.2.0] start:string end:string count:integer [consumer:string]}]",
    since: "5.0.0",
    summary: "What a group has delivered and waits for: a summary, or a list.",
    complexity: "O(N) for N entries listed; the summary O(1) for each consumer",
    tips: &["nondeterministic_output"],
    history: &[("6.2.0", "Takes IDLE, and ranges without their ends.")],
    ..Spec::reading(STREAM)
}
.runs(xpending);

fn xpending(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (key, name) = (args.key(), args.bytes());
    let now_ms = cx.now_ms();
    let filter = match args.left() {
        0 => None,
        3..=6 => Some(filter(args)?),
        _ => return Err(CmdError::Syntax),
    };
    let mut db = cx.db();
    let group = db.stream(key)?.and_then(|stream| stream.groups.get(name));
    let group = group.ok_or_else(|| no_group(key, name))?;
    match filter {
        None => summary(reply, group),
        Some(filter) => list(reply, group, &filter, now_ms),
    }
}

fn summary(reply: &mut Reply, group: &Group) -> CmdResult {
    let pending = group.pending();
    reply.array(4)?;
    reply.int(pending.len() as i64)?;
    let (Some((&first, _)), Some((&last, _))) =
        (pending.first_key_value(), pending.last_key_value())
    else {
        reply.null()?;
        reply.null()?;
        return reply.null_array();
    };
    reply_id(reply, first)?;
    reply_id(reply, last)?;
    let holders = || group.consumers().filter(|(_, c)| !c.pending().is_empty());
    reply.array(holders().count())?;
    for (_, consumer) in holders() {
        reply.array(2)?;
        reply.bulk(&consumer.name)?;
        reply.bulk_int(consumer.pending().len() as i64)?;
    }
    Ok(())
}

fn list(reply: &mut Reply, group: &Group, filter: &Filter, now_ms: i64) -> CmdResult {
    let head = reply.deferred();
    let mut shown = 0;
    // Shows a message if it is wanted; false if it was the last to be shown.
    let mut show = |id: StreamId, pending: &Pending| -> Result<bool, CmdError> {
        let idle_ms = pending.idle_ms(now_ms);
        if filter.min_idle_ms > 0 && idle_ms < filter.min_idle_ms {
            return Ok(true);
        }
        shown += 1;
        reply.array(4)?;
        reply_id(reply, id)?;
        reply.bulk(group.holder(pending))?;
        reply.int(if pending.is_released() {
            -1
        } else {
            idle_ms.max(0)
        })?;
        reply.int(pending.count as i64)?;
        Ok(shown < filter.count)
    };
    if filter.start <= filter.end && filter.count > 0 {
        let range = filter.start..=filter.end;
        match filter.consumer {
            None => {
                for (&id, pending) in group.pending().range(range) {
                    if !show(id, pending)? {
                        break;
                    }
                }
            }
            Some(name) => {
                let ids = group.find(name).map(|id| group.consumer(id).pending());
                for &id in ids.iter().flat_map(|ids| ids.range(range.clone())) {
                    if !show(id, &group.pending()[&id])? {
                        break;
                    }
                }
            }
        }
    }
    reply.close_array(head, shown)
}

/// The options behind the ids of XCLAIM.
#[derive(Default)]
struct Claim {
    min_idle_ms: i64,
    delivered_ms: Option<i64>,
    count: Option<u64>,
    force: bool,
    just_id: bool,
    last_id: StreamId,
}

fn claim_options(args: &mut Args, now_ms: i64, claim: &mut Claim) -> Result<(), CmdError> {
    while let Some(word) = args.option() {
        let more = args.left() > 0;
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        let mut number = |wrong| parse_i64(args.bytes()).ok_or(CmdError::Fixed(wrong));
        if is("force") {
            claim.force = true;
        } else if is("justid") {
            claim.just_id = true;
        } else if is("idle") && more {
            let idle_ms = number("ERR Invalid IDLE option argument for XCLAIM")?;
            claim.delivered_ms = Some(now_ms.saturating_sub(idle_ms));
        } else if is("time") && more {
            claim.delivered_ms = Some(number("ERR Invalid TIME option argument for XCLAIM")?);
        } else if is("retrycount") && more {
            let count = number("ERR Invalid RETRYCOUNT option argument for XCLAIM")?;
            claim.count = u64::try_from(count).ok();
        } else if is("lastid") && more {
            claim.last_id = strict_id(args.bytes(), 0)?;
        } else {
            return Err(CmdError::quoting(
                "ERR Unrecognized XCLAIM option '",
                word,
                usize::MAX,
                "'",
            ));
        }
    }
    // A time that cannot be is now.
    claim.delivered_ms = claim.delivered_ms.filter(|&ms| (0..=now_ms).contains(&ms));
    Ok(())
}

/// The result of claiming a pending entry.
enum Taken {
    /// Its entry was deleted, so it is no longer pending; the former consumer, unless it was
    /// released, and the pending record.
    Gone(Option<Vec<u8>>, Pending),
    /// It cannot be claimed.
    Left,
    Over(Pending),
}

/// Hands one pending entry to a consumer, if it may be.
fn take(
    stream: &mut Stream,
    group: &[u8],
    id: StreamId,
    consumer: ConsumerId,
    claim: &Claim,
    now_ms: i64,
) -> Taken {
    let exists = stream.contains(id);
    let Some(group) = stream.groups.get_mut(group) else {
        return Taken::Left;
    };
    let old = group.pending().get(&id).copied();
    if !exists {
        let Some(old) = old else {
            return Taken::Left;
        };
        let owner = old.consumer.map(|id| group.consumer(id).name.to_vec());
        group.acknowledge(id);
        return Taken::Gone(owner, old);
    }
    let count = match old {
        None if !claim.force => return Taken::Left,
        // As Redis does: a claim that is forced counts as a second delivery.
        None if claim.just_id => 1,
        None => 2,
        Some(old) if old.idle_ms(now_ms) < claim.min_idle_ms => return Taken::Left,
        Some(old) if claim.just_id => old.count,
        Some(old) => old.next_count(),
    };
    let delivered_ms = claim.delivered_ms.unwrap_or(now_ms);
    let pending = Pending::delivered(consumer, delivered_ms, claim.count.unwrap_or(count));
    group.deliver(id, pending);
    group.consumer_mut(consumer).active_ms = now_ms;
    Taken::Over(pending)
}

/// The consumer of this name, made if need be, and noted as seen; whether it was made.
fn consumer(
    cx: &mut Cx,
    key: &[u8],
    group: &[u8],
    name: &[u8],
) -> Result<(ConsumerId, bool), CmdError> {
    let now_ms = cx.now_ms();
    let mut db = cx.db();
    let stream = db.stream_for_write(key)?;
    let found = stream.and_then(|stream| stream.groups.get_mut(group));
    let members = found.ok_or_else(|| no_group(key, group))?;
    let known = members.find(name);
    let id = known.unwrap_or_else(|| members.add_consumer(name, now_ms));
    members.consumer_mut(id).seen_ms = now_ms;
    if known.is_none() {
        cx.changed(Event::XGROUP_CREATECONSUMER, key);
    }
    Ok((id, known.is_none()))
}

/// Whether the group is there; WRONGTYPE before that.
fn check_group(cx: &mut Cx, key: &[u8], group: &[u8]) -> CmdResult {
    let mut db = cx.db();
    let stream = db.stream(key)?;
    let known = stream.is_some_and(|stream| stream.groups.contains_key(group));
    known.then_some(()).ok_or_else(|| no_group(key, group))
}

/// Replies with a claimed entry.
fn reply_taken(reply: &mut Reply, stream: &Stream, id: StreamId, just_id: bool) -> CmdResult {
    match stream.find(id) {
        Some(entry) if !just_id => reply_entry(reply, &entry),
        _ => reply_id(reply, id),
    }
}

pub(super) const XCLAIM: DataCommand = Spec {
    name: "xclaim",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, UPDATE])],
    usage: "key:key group:string consumer:string min-idle-time:string id:string... [ms:integer@IDLE] [unix-time-milliseconds:unix-time@TIME] [count:integer@RETRYCOUNT] [force=FORCE] [justid=JUSTID] [lastid:string@LASTID]",
    since: "5.0.0",
    summary: "Hands entries that are pending for long to another consumer, by id.",
    complexity: "O(log N) for N entries pending in the group",
    tips: &["nondeterministic_output"],
    ..Spec::of(STREAM)
}
.runs(xclaim);

fn xclaim(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (key, group, name) = (args.key(), args.bytes(), args.bytes());
    let now_ms = cx.now_ms();
    check_group(cx, key, group)?;
    let mut claim = Claim {
        min_idle_ms: parse_i64(args.bytes())
            .ok_or(CmdError::Fixed(
                "ERR Invalid min-idle-time argument for XCLAIM",
            ))?
            .max(0),
        ..Claim::default()
    };
    let mut ids = Vec::new();
    while let Some(id) = args.peek().and_then(|text| StreamId::parse(text, 0)) {
        ids.push(id);
        args.bytes();
    }
    claim_options(args, now_ms, &mut claim)?;
    cx.propagate_nothing();
    let moved = move_last_id(cx, key, group, claim.last_id)?;
    let (id, is_new) = consumer(cx, key, group, name)?;
    let head = reply.deferred();
    let mut shown = 0;
    let mut told = false;
    for entry in ids {
        let mut db = cx.db();
        let stream = db.stream_for_write(key)?.ok_or(CmdError::NoSuchKey)?;
        match take(stream, group, entry, id, &claim, now_ms) {
            Taken::Left => {}
            Taken::Gone(owner, pending) => {
                let last = stream.groups[group].last_id;
                cx.effects.count_changes(1);
                told = true;
                propagate_taken(cx, key, group, owner.as_deref(), (entry, pending, last));
            }
            Taken::Over(pending) => {
                reply_taken(reply, stream, entry, claim.just_id)?;
                let last = stream.groups[group].last_id;
                shown += 1;
                cx.effects.count_changes(1);
                told = true;
                let state = (pending.delivered_ms(), pending.count, last);
                propagate_claim(cx, key, group, name, entry, state);
            }
        }
    }
    // A claimed entry creates the consumer on replicas, too.
    if claim.delivered_ms.is_some() {
        // An older entry may end a wait (CLAIM).
        cx.grew(Kind::Stream, key);
    }
    if is_new && shown == 0 {
        propagate_consumer(cx, key, (group, name));
    }
    if let Some((last, read)) = moved.filter(|_| !told) {
        cx.effects.count_changes(1);
        super::read_group::propagate_position(cx, key, group, last, read);
    }
    reply.close_array(head, shown)
}

/// LASTID: the group has read at least up to there.
fn move_last_id(
    cx: &mut Cx,
    key: &[u8],
    group: &[u8],
    last_id: StreamId,
) -> Result<Option<(StreamId, Option<u64>)>, CmdError> {
    let mut db = cx.db();
    let stream = db.stream_for_write(key)?.ok_or(CmdError::NoSuchKey)?;
    let members = stream.groups.get_mut(group);
    let members = members.ok_or_else(|| no_group(key, group))?;
    if last_id <= members.last_id {
        return Ok(None);
    }
    members.last_id = last_id;
    Ok(Some((last_id, members.entries_read())))
}

/// Propagates what became of a pending entry that a consumer now has, or that is no longer pending
/// because it was deleted: a replica that repeats the claim finds it deleted, too. Without a
/// consumer there is nothing to claim, so it is acknowledged.
fn propagate_taken(
    cx: &mut Cx,
    key: &[u8],
    group: &[u8],
    owner: Option<&[u8]>,
    (id, pending, last): (StreamId, Pending, StreamId),
) {
    if let Some(owner) = owner {
        let state = (pending.delivered_ms(), pending.count, last);
        propagate_claim(cx, key, group, owner, id, state);
    } else if cx.effects.propagates() {
        let id = id.to_string();
        cx.propagate_as([b"XACK".as_slice(), key, group, id.as_bytes()]);
    }
}

/// The new consumer and times of an entry: propagated instead of XREADGROUP, XCLAIM and
/// XAUTOCLAIM.
pub(super) fn propagate_claim(
    cx: &mut Cx,
    key: &[u8],
    group: &[u8],
    consumer: &[u8],
    id: StreamId,
    (delivered_ms, count, last): (i64, u64, StreamId),
) {
    if !cx.effects.propagates() {
        return;
    }
    cx.propagate_as([
        b"XCLAIM".as_slice(),
        key,
        group,
        consumer,
        b"0",
        id.to_string().as_bytes(),
        b"TIME",
        delivered_ms.to_string().as_bytes(),
        b"RETRYCOUNT",
        count.to_string().as_bytes(),
        b"FORCE",
        b"JUSTID",
        b"LASTID",
        last.to_string().as_bytes(),
    ]);
}

pub(super) const XAUTOCLAIM: DataCommand = Spec {
    name: "xautoclaim",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, DELETE])],
    usage: "key:key group:string consumer:string min-idle-time:string start:string [count:integer@COUNT] [justid=JUSTID]",
    since: "6.2.0",
    summary: "Hands entries that are pending for long to another consumer, walking the list.",
    complexity: "O(1) if COUNT is small",
    tips: &["nondeterministic_output"],
    history: &[("7.0.0", "Tells of deleted entries that it took off the pending list.")],
    ..Spec::of(STREAM)
}
.runs(xautoclaim);

fn xautoclaim(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (key, group, name) = (args.key(), args.bytes(), args.bytes());
    // As Redis does: the key is looked up first, though other errors are reported before.
    let checked = check_group(cx, key, group);
    let min_idle_ms = parse_i64(args.bytes()).ok_or(CmdError::Fixed(
        "ERR Invalid min-idle-time argument for XAUTOCLAIM",
    ))?;
    let start = interval_start(args.bytes())?;
    let mut claim = Claim {
        min_idle_ms: min_idle_ms.max(0),
        ..Claim::default()
    };
    let mut count = COUNT;
    while let Some(word) = args.option() {
        if word.eq_ignore_ascii_case(b"count") && args.left() > 0 {
            let most = i64::MAX / 16;
            count = parse_i64(args.bytes())
                .filter(|count| (1..=most).contains(count))
                .ok_or(CmdError::Fixed("ERR COUNT must be > 0"))?;
        } else if word.eq_ignore_ascii_case(b"justid") {
            claim.just_id = true;
        } else {
            return Err(CmdError::Syntax);
        }
    }
    checked?;
    if count as usize * size_of::<StreamId>() > ANSWER_MAX {
        return Err(CmdError::Fixed(
            "ERR Insufficient memory, failed allocating transient memory, COUNT too high.",
        ));
    }
    cx.propagate_nothing();
    let (id, is_new) = consumer(cx, key, group, name)?;
    let (now_ms, interest) = (cx.now_ms(), cx.effects.interest());
    let mut db = cx.db();
    let stream = db.stream_for_write(key)?.ok_or(CmdError::NoSuchKey)?;
    let (finder, groups) = stream.split();
    let members = groups.get_mut(group).ok_or_else(|| no_group(key, group))?;
    let walk = auto_walk(finder, members, id, (start, count), &claim, now_ms);
    let result = reply_walk(reply, &walk, claim.just_id);
    let last = members.last_id;
    let told = told(interest, members, &walk);
    let is_idle = !walk.seen.iter().any(|seen| seen.entry.is_some());
    let seen = walk.seen.len() as u64;
    cx.effects.count_changes(seen);
    for it in told {
        let state = (it.id, it.pending, last);
        propagate_taken(cx, key, group, it.holder.as_deref(), state);
    }
    if is_new && is_idle {
        propagate_consumer(cx, key, (group, name));
    }
    result
}

/// The result of XAUTOCLAIM.
struct Walk<'a> {
    /// The start of the next walk.
    cursor: StreamId,
    seen: Vec<Seen<'a>>,
}

/// A pending entry that XAUTOCLAIM claimed or, if the entry was deleted, removed.
struct Seen<'a> {
    id: StreamId,
    entry: Option<Entry<'a>>,
    /// The new pending record; for a deleted entry, the former one.
    pending: Pending,
}

fn auto_walk<'a>(
    mut finder: Finder<'a>,
    group: &mut Group,
    consumer: ConsumerId,
    (start, count): (StreamId, i64),
    claim: &Claim,
    now_ms: i64,
) -> Walk<'a> {
    let (most, mut looked) = (count.saturating_mul(ATTEMPTS), 0);
    let mut walk = Walk {
        cursor: StreamId::MIN,
        seen: Vec::new(),
    };
    group.pass(start, |id, old| {
        if looked == most || walk.seen.len() as i64 == count {
            walk.cursor = id;
            return Verdict::Stop;
        }
        looked += 1;
        let entry = finder.find(id);
        let pending = match entry {
            None => old,
            Some(_) if old.idle_ms(now_ms) < claim.min_idle_ms => return Verdict::Leave,
            Some(_) if claim.just_id => Pending::delivered(consumer, now_ms, old.count),
            Some(_) => Pending::delivered(consumer, now_ms, old.next_count()),
        };
        walk.seen.push(Seen { id, entry, pending });
        match entry {
            None => Verdict::Remove,
            Some(_) => Verdict::Deliver(pending),
        }
    });
    if walk.seen.iter().any(|seen| seen.entry.is_some()) {
        group.consumer_mut(consumer).active_ms = now_ms;
    }
    walk
}

fn reply_walk(reply: &mut Reply, walk: &Walk, just_id: bool) -> CmdResult {
    reply.array(3)?;
    reply_id(reply, walk.cursor)?;
    let taken = || walk.seen.iter().filter_map(|seen| seen.entry.as_ref());
    reply.array(taken().count())?;
    for entry in taken() {
        match just_id {
            true => reply_id(reply, entry.id)?,
            false => reply_entry(reply, entry)?,
        }
    }
    let mut gone = walk.seen.iter().filter(|seen| seen.entry.is_none());
    reply.array(gone.clone().count())?;
    gone.try_for_each(|seen| reply_id(reply, seen.id))
}

/// A pending entry whose state is propagated, with the name of its consumer; none if it was released.
struct Told {
    id: StreamId,
    holder: Option<Box<[u8]>>,
    pending: Pending,
}

/// The part of a walk that is propagated; empty without listeners.
fn told(interest: Interest, group: &Group, walk: &Walk) -> Vec<Told> {
    if !interest.has(Interest::PROPAGATE) {
        return Vec::new();
    }
    let name = |id| group.consumer(id).name.clone();
    let told = |seen: &Seen| Told {
        id: seen.id,
        holder: seen.pending.consumer.map(name),
        pending: seen.pending,
    };
    walk.seen.iter().map(told).collect()
}
