//! XREADGROUP: the part of one stream, for a member of a group.
//!
//! Under `>` it is first what other members have held for too long (CLAIM), then what the group has
//! not delivered yet; under an id, what the member itself has to acknowledge. The outcome is
//! propagated: XCLAIM for each entry, and the position of the group.

use super::claim::propagate_claim;
use super::lag::advance;
use super::range::{reply_entry, reply_id, reply_parts};
use super::read::{Budget, From, Options, name};
use crate::command::effects::Event;
use crate::command::{CmdError, CmdResult, Cx, Reply};
use crate::resp::request::Argv;
use crate::types::stream::{ConsumerId, Entry, Group, Order, Pending, Stream, StreamId};
use std::ops::ControlFlow;

/// Milliseconds after which a client that waits for entries to claim looks again at the latest.
const LOOK_MS: i64 = 100;

/// A group and one of its consumers, by their names.
type Member<'a> = (&'a [u8], &'a [u8]);

/// Replies with the part of one stream. Returns whether there is any.
pub fn show_for(
    cx: &mut Cx,
    key: &[u8],
    member: Member,
    from: From,
    (options, budget): (&Options, &mut Budget),
    reply: &mut Reply,
) -> Result<bool, CmdError> {
    let now_ms = cx.now_ms();
    let mut db = cx.db();
    // A lookup of its own, after that of the group.
    db.count_hit();
    let Some(stream) = db.stream_for_write(key)? else {
        return Ok(false);
    };
    let Some(group) = stream.groups.get_mut(member.0) else {
        return Ok(false);
    };
    let known = group.find(member.1);
    let consumer = known.unwrap_or_else(|| group.add_consumer(member.1, now_ms));
    group.consumer_mut(consumer).seen_ms = now_ms;
    let last_id = group.last_id;
    let is_shown = match (from, options.claim_ms) {
        (From::Behind(_), _) => true,
        (From::New, _) if !stream.is_empty() && stream.last_live_id() > last_id => true,
        (From::New, None) => false,
        (From::New, Some(idle_ms)) => {
            oldest_ms(stream, member.0).is_some_and(|ms| now_ms.saturating_sub(ms) >= idle_ms)
        }
    };
    if known.is_none() {
        cx.changed(Event::XGROUP_CREATECONSUMER, key);
    }
    let mut is_told = false;
    if is_shown {
        name(reply, key)?;
        match from {
            From::Behind(after) => {
                history(cx, key, member, (consumer, after), (options, budget), reply)?;
            }
            From::New => {
                is_told = deliver(cx, key, member, consumer, (options, budget), reply)?;
            }
        }
    }
    // A delivery creates the consumer on replicas, too, unless it is under NOACK.
    if known.is_none() && (options.noack || !is_told) {
        propagate_consumer(cx, key, member);
    }
    Ok(is_shown)
}

/// Replies with the pending entries of a consumer, which counts as another delivery.
fn history(
    cx: &mut Cx,
    key: &[u8],
    member: Member,
    (consumer, after): (ConsumerId, StreamId),
    (options, budget): (&Options, &mut Budget),
    reply: &mut Reply,
) -> CmdResult {
    let now_ms = cx.now_ms();
    let mut db = cx.db();
    let stream = db.stream_for_write(key)?.ok_or(CmdError::NoSuchKey)?;
    let held = stream.groups[member.0].consumer(consumer).pending();
    let held: Vec<StreamId> = match after.next() {
        Some(start) => {
            let most = options.count.into_iter().chain(options.max_count).min();
            let most = most.map_or(usize::MAX, |most| most as usize);
            held.range(start..).take(most).copied().collect()
        }
        None => Vec::new(),
    };
    let head = reply.deferred();
    let (mut shown, mut delivered) = (0, Vec::new());
    for id in held {
        if budget.is_spent(reply) {
            break;
        }
        (shown, budget.shown) = (shown + 1, budget.shown + 1);
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
        let group = stream.groups.get_mut(member.0).expect("read from just now");
        if found && let Some(count) = group.redeliver(id, now_ms) {
            delivered.push((id, count));
        }
    }
    reply.close_array(head, shown)?;
    if cx.effects.propagates() {
        propagate_deliveries(cx, key, member, &delivered)?;
    }
    Ok(())
}

/// Others count these deliveries as well. Redis keeps them to itself, so that there the counts of a
/// primary are lost with it.
fn propagate_deliveries(
    cx: &mut Cx,
    key: &[u8],
    (group, consumer): Member,
    delivered: &[(StreamId, u64)],
) -> CmdResult {
    let now_ms = cx.now_ms();
    let mut db = cx.db();
    let stream = db.stream(key)?.ok_or(CmdError::NoSuchKey)?;
    let last = stream.groups[group].last_id;
    for &(id, count) in delivered {
        propagate_claim(cx, key, group, consumer, id, (now_ms, count, last));
    }
    Ok(())
}

/// The entries of one delivery.
#[derive(Default)]
struct Delivery {
    /// Claimed from other consumers, with the number of deliveries.
    claimed: Vec<(StreamId, u64)>,
    /// New to the group.
    new: Vec<StreamId>,
}

impl Delivery {
    fn len(&self) -> u64 {
        (self.claimed.len() + self.new.len()) as u64
    }
}

/// Replies with the entries that can be claimed and those not yet delivered to the group, and marks
/// them as delivered. Returns whether there were any.
fn deliver(
    cx: &mut Cx,
    key: &[u8],
    member: Member,
    consumer: ConsumerId,
    (options, budget): (&Options, &mut Budget),
    reply: &mut Reply,
) -> Result<bool, CmdError> {
    let now_ms = cx.now_ms();
    let mut db = cx.db();
    let stream = db.stream_for_write(key)?.ok_or(CmdError::NoSuchKey)?;
    let head = reply.deferred();
    let before = stream.groups[member.0].last_id;
    let mut delivery = Delivery::default();
    let (result, state) = with_group(stream, member.0, |stream, group| {
        let limits = (options, &mut *budget);
        let mut result = claim_idle(stream, group, now_ms, limits, reply, &mut delivery);
        for &(id, count) in &delivery.claimed {
            group.deliver(id, Pending::delivered(consumer, now_ms, count));
        }
        if result.is_ok() && options.count.is_none_or(|most| delivery.len() < most) {
            result = take_new(stream, group, (options, budget), reply, &mut delivery);
        }
        if !options.noack {
            for &id in &delivery.new {
                group.deliver(id, Pending::delivered(consumer, now_ms, 1));
            }
        }
        if !delivery.claimed.is_empty() || !delivery.new.is_empty() && !options.noack {
            group.consumer_mut(consumer).active_ms = now_ms;
        }
        (result, (group.last_id, group.entries_read()))
    });
    result?;
    reply.close_array(head, delivery.len() as usize)?;
    if delivery.len() > 0 {
        cx.effects.count_changes(1);
        propagate_delivery(cx, key, member, &delivery, options.noack, before, state);
    }
    Ok(delivery.len() > 0)
}

/// Lets `act` change a group while it looks at the entries of the stream.
fn with_group<R>(
    stream: &mut Stream,
    name: &[u8],
    act: impl FnOnce(&Stream, &mut Group) -> R,
) -> R {
    const KNOWN: &str = "the group was there just now";
    let mut group = std::mem::take(stream.groups.get_mut(name).expect(KNOWN));
    let result = act(stream, &mut group);
    *stream.groups.get_mut(name).expect(KNOWN) = group;
    result
}

/// The delivery, in Unix milliseconds, of the entry that can be claimed first; 0 for a released one.
fn oldest_ms(stream: &mut Stream, group: &[u8]) -> Option<i64> {
    with_group(stream, group, |stream, group| {
        let mut live = group.by_age().filter(|(id, _)| stream.contains(*id));
        live.next().map(|(_, pending)| pending.delivered_ms())
    })
}

/// Replies with the pending entries that have been idle for so long, the oldest first.
fn claim_idle(
    stream: &Stream,
    group: &mut Group,
    now_ms: i64,
    (options, budget): (&Options, &mut Budget),
    reply: &mut Reply,
    delivery: &mut Delivery,
) -> CmdResult {
    let Some(min_idle_ms) = options.claim_ms else {
        return Ok(());
    };
    for (id, pending) in group.by_age() {
        let idle_ms = now_ms.saturating_sub(pending.delivered_ms()).max(0);
        let is_full = options.count.is_some_and(|most| delivery.len() >= most);
        if idle_ms < min_idle_ms || is_full || budget.is_spent(reply) {
            break;
        }
        if let Some(entry) = stream.find(id) {
            reply_delivered(reply, &entry, (idle_ms, pending.count))?;
            delivery.claimed.push((id, pending.next_count()));
            budget.shown += 1;
        }
    }
    Ok(())
}

/// An entry with the time that it was idle, and the number of deliveries before this one.
fn reply_delivered(reply: &mut Reply, entry: &Entry, (idle_ms, count): (i64, u64)) -> CmdResult {
    reply.array(4)?;
    reply_parts(reply, entry)?;
    reply.int(idle_ms)?;
    reply.int(count as i64)
}

/// Replies with the entries not yet delivered to the group, which moves on.
fn take_new(
    stream: &Stream,
    group: &mut Group,
    (options, budget): (&Options, &mut Budget),
    reply: &mut Reply,
    delivery: &mut Delivery,
) -> CmdResult {
    let start = group.last_id.next().unwrap_or(StreamId::MAX);
    let shown = stream.walk(start, StreamId::MAX, Order::Rising, |entry| {
        if budget.is_spent(reply) {
            return ControlFlow::Break(Ok(()));
        }
        let result = match options.claim_ms {
            None => reply_entry(reply, entry),
            Some(_) => reply_delivered(reply, entry, (0, 0)),
        };
        if let Err(error) = result {
            return ControlFlow::Break(Err(error));
        }
        advance(stream, group, entry.id);
        delivery.new.push(entry.id);
        budget.shown += 1;
        match options.count == Some(delivery.len()) {
            true => ControlFlow::Break(Ok(())),
            false => ControlFlow::Continue(()),
        }
    });
    shown.break_value().unwrap_or(Ok(()))
}

/// Milliseconds until the next entry of these streams can be claimed, as far as is known now. An
/// entry that another consumer gets meanwhile can be claimed `min_idle_ms` from now at the earliest.
pub fn next_claim_ms(
    cx: &mut Cx,
    argv: &Argv,
    (options, min_idle_ms): (&Options, i64),
    ids: &[From],
) -> u64 {
    let now_ms = cx.now_ms();
    let mut next_ms = min_idle_ms.max(LOOK_MS);
    let Some((group, _)) = options.group else {
        return next_ms as u64;
    };
    for (i, _) in ids
        .iter()
        .enumerate()
        .filter(|(_, from)| **from == From::New)
    {
        let mut db = cx.db();
        let found = db.peek(argv.at(options.first + i));
        let stream = found.and_then(|found| db.stream_mut(found).ok());
        if let Some(stream) = stream.filter(|stream| stream.groups.contains_key(group))
            && let Some(delivered_ms) = oldest_ms(stream, group)
        {
            let due_ms = delivered_ms.saturating_add(min_idle_ms);
            next_ms = next_ms.min(due_ms.saturating_sub(now_ms).max(1));
        }
    }
    next_ms as u64
}

pub fn propagate_consumer(cx: &mut Cx, key: &[u8], (group, consumer): Member) {
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
    (group, consumer): Member,
    delivery: &Delivery,
    noack: bool,
    before: StreamId,
    (last, read): (StreamId, Option<u64>),
) {
    if !cx.effects.propagates() {
        return;
    }
    let now_ms = cx.now_ms();
    for &(id, count) in &delivery.claimed {
        propagate_claim(cx, key, group, consumer, id, (now_ms, count, before));
    }
    if !noack {
        for &id in &delivery.new {
            propagate_claim(cx, key, group, consumer, id, (now_ms, 1, before));
        }
    }
    if !delivery.new.is_empty() {
        propagate_position(cx, key, group, last, read);
    }
}

/// Propagates the last delivered id of a group.
pub fn propagate_position(
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

#[cfg(test)]
mod tests {
    use crate::engine::Engine;

    /// A stream of four entries, three of them held by c since the millisecond 5000.
    fn engine() -> Engine {
        let mut e = Engine::new();
        e.freeze_at_ms(5_000);
        for id in 1..=4 {
            e.run(&["XADD", "s", &format!("{id}-1"), "a", "1"]);
        }
        e.ask("XGROUP CREATE s g 0");
        e.ask("XREADGROUP GROUP g c COUNT 3 STREAMS s >");
        e
    }

    /// The ids of a reply with the two numbers behind each.
    fn claimed(e: &mut Engine, line: &str) -> String {
        let reply = e.ask(line);
        let words: Vec<&str> = reply.split(' ').collect();
        let at = |i: usize| words.get(i).copied().unwrap_or_default();
        let entries = (0..words.len()).filter(|&i| at(i) == "*4" && at(i + 1).starts_with('$'));
        let text = entries.map(|i| format!("{} {} {}", at(i + 2), at(i + 8), at(i + 9)));
        text.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn idle_entries_come_first_and_the_oldest_before_the_others() {
        let mut e = engine();
        e.freeze_at_ms(5_100);
        assert_eq!(
            claimed(&mut e, "XREADGROUP GROUP g d CLAIM 101 COUNT 1 STREAMS s >"),
            "4-1 :0 :0"
        );
        e.ask("XCLAIM s g c 0 3-1 TIME 50 JUSTID");
        e.ask("XCLAIM s g c 0 2-1 TIME 50 JUSTID");
        e.ask("XNACK s g FAIL IDS 1 4-1");
        assert_eq!(
            claimed(&mut e, "XREADGROUP GROUP g d CLAIM 100 STREAMS s >"),
            "4-1 :5100 :1, 3-1 :5050 :1, 2-1 :5050 :1, 1-1 :100 :1"
        );
        let claim = |id, count| {
            format!("XCLAIM s g d 0 {id}-1 TIME 5100 RETRYCOUNT {count} FORCE JUSTID LASTID 4-1")
        };
        assert_eq!(
            e.outcome().propagated_text(),
            [claim(4, 2), claim(3, 2), claim(2, 2), claim(1, 2)].join("; ")
        );
        // A released entry is as old as time itself, but not older.
        e.ask("XNACK s g FAIL IDS 1 4-1");
        let line = "XREADGROUP GROUP g d CLAIM 5101 STREAMS s >";
        assert_eq!(e.ask(line), "*-1");
        e.freeze_at_ms(5_101);
        assert_eq!(claimed(&mut e, line), "4-1 :5101 :2");
        // Entries that are gone are passed over, and stay pending.
        e.ask("XDEL s 1-1 2-1 3-1");
        assert_eq!(
            claimed(&mut e, "XREADGROUP GROUP g d CLAIM 0 STREAMS s >"),
            "4-1 :0 :3"
        );
        assert!(e.ask("XPENDING s g").starts_with("*4 :4 "));
    }

    #[test]
    fn noack_holds_for_new_entries_alone() {
        let mut e = engine();
        assert_eq!(
            claimed(&mut e, "XREADGROUP GROUP g d CLAIM 0 NOACK STREAMS s >"),
            "1-1 :0 :1, 2-1 :0 :1, 3-1 :0 :1, 4-1 :0 :0"
        );
        let told = e.outcome().propagated_text();
        let end = "; XGROUP SETID s g 4-1 ENTRIESREAD 4; XGROUP CREATECONSUMER s g d";
        assert!(told.ends_with(end), "{told}");
        assert!(e.ask("XPENDING s g").starts_with("*4 :3 "));
    }

    #[test]
    fn limits_hold_for_all_streams_together() {
        let mut e = engine();
        e.ask("XADD t 1-1 a 1");
        e.ask("XADD t 2-1 a 1");
        e.ask("XGROUP CREATE t g 0");
        let entry = |id| format!("*2 $3 {id}-1 *2 $1 a $1 1");
        let reply = e.ask("XREAD MAXCOUNT 5 STREAMS s t 0 0");
        assert!(reply.ends_with(&format!("{} *2 $1 t *1 {}", entry(4), entry(1))));
        // Nothing is done for a stream that is not reached.
        e.ask("XREADGROUP GROUP g d MAXCOUNT 1 STREAMS s t > >");
        assert_eq!(e.ask("XINFO CONSUMERS t g"), "*0");
        e.ask("XREADGROUP GROUP g d MAXCOUNT 2 CLAIM 0 STREAMS s t > >");
        assert_eq!(e.ask("XINFO CONSUMERS t g"), "*0");
        let reply = e.ask("XREADGROUP GROUP g d MAXCOUNT 5 CLAIM 0 STREAMS s t > >");
        assert!(
            reply.ends_with("*2 $1 t *1 *4 $3 1-1 *2 $1 a $1 1 :0 :0"),
            "{reply}"
        );
        for (size, entries) in [(1, 1), (42, 1), (43, 2), (73, 2), (74, 3)] {
            let reply = e.ask(&format!("XREAD MAXSIZE {size} STREAMS s 0"));
            assert!(
                reply.starts_with(&format!("*1 *2 $1 s *{entries} ")),
                "{size}: {reply}"
            );
        }
        for (line, error) in [
            (
                "XREAD COUNT 3 MAXCOUNT 2 STREAMS s 0",
                "MAXCOUNT must be greater than or equal to COUNT",
            ),
            (
                "XREAD MAXCOUNT 0 STREAMS s 0",
                "MAXCOUNT must be a positive integer",
            ),
            (
                "XREAD MAXSIZE -1 STREAMS s 0",
                "MAXSIZE must be a positive integer",
            ),
            (
                "XREAD MAXSIZE 9223372036854775808 STREAMS s 0",
                "value is not an integer or out of range",
            ),
            (
                "XREAD CLAIM 5 STREAMS s 0",
                "The CLAIM option is only supported by XREADGROUP. You called XREAD instead.",
            ),
            (
                "XREADGROUP GROUP g c CLAIM -1 STREAMS s 0",
                "min-idle-time must be a positive integer",
            ),
            (
                "XREADGROUP GROUP g c CLAIM 1.5 STREAMS s >",
                "min-idle-time is not an integer or out of range",
            ),
        ] {
            assert_eq!(e.ask(line), format!("-ERR {error}"), "{line}");
        }
    }
}
