//! EXPIRE and its relatives, TTL and its relatives, PERSIST: the deadlines of keys.

use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::keyspace::RemovalReason;

/// The condition for setting a deadline: NX, XX, GT and LT.
#[derive(Clone, Copy, Default)]
struct Conditions {
    absent: bool,
    present: bool,
    later: bool,
    earlier: bool,
}

impl Conditions {
    fn parse(args: &mut Args) -> Result<Conditions, CmdError> {
        let mut c = Conditions::default();
        while args.left() > 0 {
            if args.word("NX") {
                c.absent = true;
            } else if args.word("XX") {
                c.present = true;
            } else if args.word("GT") {
                c.later = true;
            } else if args.word("LT") {
                c.earlier = true;
            } else {
                let before = "ERR Unsupported option ";
                return Err(CmdError::quoting(before, args.bytes(), usize::MAX, ""));
            }
        }
        if c.absent && (c.present || c.later || c.earlier) {
            return Err(CmdError::Fixed(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if c.later && c.earlier {
            return Err(CmdError::Fixed(
                "ERR GT and LT options at the same time are not compatible",
            ));
        }
        Ok(c)
    }

    /// Whether a key with the deadline `old_ms` gets this one. No deadline is later than any.
    fn allow(self, old_ms: Option<i64>, deadline_ms: i64) -> bool {
        match old_ms {
            None => !(self.present || self.later),
            Some(old_ms) => {
                !(self.absent
                    || self.later && deadline_ms <= old_ms
                    || self.earlier && deadline_ms >= old_ms)
            }
        }
    }
}

/// The unit and base of an EXPIRE command's number.
#[derive(Clone, Copy)]
struct Unit {
    command: &'static str,
    /// Milliseconds in one.
    ms: i64,
    /// Whether it counts from now.
    relative: bool,
}

impl Unit {
    /// In Unix milliseconds. Unlike that of SET, it may lie in the past.
    fn deadline_ms(self, n: i64, now_ms: i64) -> Result<i64, CmdError> {
        let base_ms = if self.relative { now_ms } else { 0 };
        n.checked_mul(self.ms)
            .and_then(|ms| ms.checked_add(base_ms))
            .ok_or(CmdError::InvalidExpire(self.command))
    }
}

fn set_deadline(cx: &mut Cx, args: &mut Args, reply: &mut Reply, unit: Unit) -> CmdResult {
    let (key, number) = (args.key(), args.bytes());
    let options = args.rest();
    let conditions = Conditions::parse(args)?;
    let n = crate::algo::number::parse_i64(number).ok_or(CmdError::NotInteger)?;
    let now_ms = cx.now_ms();
    let deadline_ms = unit.deadline_ms(n, now_ms)?;
    let must_obey = cx.caller.must_obey;
    let mut db = cx.db();
    let Some(found) = db.write(key) else {
        return reply.int(0);
    };
    if !conditions.allow(db.get(found).deadline_ms(), deadline_ms) {
        return reply.int(0);
    }
    // A deadline in the past deletes, except where deletions come from elsewhere.
    if deadline_ms <= now_ms && !must_obey {
        db.remove(found, RemovalReason::Deleted);
        cx.propagate_as([cx.tuning.word_for_expired(), key]);
        cx.changed(Event::DEL, key);
        return reply.int(1);
    }
    db.set_deadline(found, deadline_ms);
    // Replicas get the absolute time, since a relative one would start at its arrival.
    if unit.relative || unit.ms != 1 {
        let mut buffer = itoa::Buffer::new();
        let deadline = buffer.format(deadline_ms).as_bytes();
        let words = [b"PEXPIREAT".as_slice(), key, deadline];
        cx.propagate_as(words.into_iter().chain(options.iter()));
    }
    cx.changed(Event::EXPIRE, key);
    reply.int(1)
}

pub(super) const EXPIRE: DataCommand = Spec {
    name: "expire",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, UPDATE])],
    usage: "key:key seconds:integer [condition(nx=NX|xx=XX|gt=GT|lt=LT)!7.0.0]",
    since: "1.0.0",
    summary: "Sets the time to live of a key in seconds.",
    complexity: "O(1)",
    history: &[("7.0.0", "Takes NX, XX, GT and LT.")],
    ..Spec::of(Group::Generic)
}
.runs(expire);

fn expire(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let unit = Unit {
        command: EXPIRE.name(),
        ms: 1000,
        relative: true,
    };
    set_deadline(cx, args, reply, unit)
}

pub(super) const PEXPIRE: DataCommand = Spec {
    name: "pexpire",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, UPDATE])],
    usage: "key:key milliseconds:integer [condition(nx=NX|xx=XX|gt=GT|lt=LT)!7.0.0]",
    since: "2.6.0",
    summary: "Sets the time to live of a key in milliseconds.",
    complexity: "O(1)",
    history: &[("7.0.0", "Takes NX, XX, GT and LT.")],
    ..Spec::of(Group::Generic)
}
.runs(pexpire);

fn pexpire(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let unit = Unit {
        command: PEXPIRE.name(),
        ms: 1,
        relative: true,
    };
    set_deadline(cx, args, reply, unit)
}

pub(super) const EXPIREAT: DataCommand = Spec {
    name: "expireat",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, UPDATE])],
    usage: "key:key unix-time-seconds:unix-time [condition(nx=NX|xx=XX|gt=GT|lt=LT)!7.0.0]",
    since: "1.2.0",
    summary: "Sets the moment a key expires, in Unix seconds.",
    complexity: "O(1)",
    history: &[("7.0.0", "Takes NX, XX, GT and LT.")],
    ..Spec::of(Group::Generic)
}
.runs(expireat);

fn expireat(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let unit = Unit {
        command: EXPIREAT.name(),
        ms: 1000,
        relative: false,
    };
    set_deadline(cx, args, reply, unit)
}

pub(super) const PEXPIREAT: DataCommand = Spec {
    name: "pexpireat",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, UPDATE])],
    usage: "key:key unix-time-milliseconds:unix-time [condition(nx=NX|xx=XX|gt=GT|lt=LT)!7.0.0]",
    since: "2.6.0",
    summary: "Sets the moment a key expires, in Unix milliseconds.",
    complexity: "O(1)",
    history: &[("7.0.0", "Takes NX, XX, GT and LT.")],
    ..Spec::of(Group::Generic)
}
.runs(pexpireat);

fn pexpireat(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let unit = Unit {
        command: PEXPIREAT.name(),
        ms: 1,
        relative: false,
    };
    set_deadline(cx, args, reply, unit)
}

/// Replies with `show` of a key's deadline; -1 without one, -2 without a key.
fn reply_deadline(
    cx: &mut Cx,
    args: &mut Args,
    reply: &mut Reply,
    show: impl FnOnce(i64, i64) -> i64,
) -> CmdResult {
    let now_ms = cx.now_ms();
    let mut db = cx.db();
    let Some(found) = db.inspect(args.key()) else {
        return reply.int(-2);
    };
    match db.get(found).deadline_ms() {
        Some(deadline_ms) => reply.int(show(deadline_ms, now_ms)),
        None => reply.int(-1),
    }
}

/// The nearest second.
fn seconds(ms: i64) -> i64 {
    ms.saturating_add(500) / 1000
}

pub(super) const TTL: DataCommand = Spec {
    name: "ttl",
    usage: "key:key",
    since: "1.0.0",
    summary: "The seconds a key has left to live.",
    complexity: "O(1)",
    tips: &["nondeterministic_output"],
    history: &[("2.8.0", "Returns -2 where there is no key.")],
    ..Spec::reading_fast(Group::Generic)
}
.runs(ttl);

fn ttl(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    reply_deadline(cx, args, reply, |at, now| seconds((at - now).max(0)))
}

pub(super) const PTTL: DataCommand = Spec {
    name: "pttl",
    usage: "key:key",
    since: "2.6.0",
    summary: "The milliseconds a key has left to live.",
    complexity: "O(1)",
    tips: &["nondeterministic_output"],
    history: &[("2.8.0", "Returns -2 where there is no key.")],
    ..Spec::reading_fast(Group::Generic)
}
.runs(pttl);

fn pttl(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    reply_deadline(cx, args, reply, |at, now| (at - now).max(0))
}

pub(super) const EXPIRETIME: DataCommand = Spec {
    name: "expiretime",
    usage: "key:key",
    since: "7.0.0",
    summary: "The moment a key expires, in Unix seconds.",
    complexity: "O(1)",
    ..Spec::reading_fast(Group::Generic)
}
.runs(expiretime);

fn expiretime(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    reply_deadline(cx, args, reply, |at, _| seconds(at))
}

pub(super) const PEXPIRETIME: DataCommand = Spec {
    name: "pexpiretime",
    usage: "key:key",
    since: "7.0.0",
    summary: "The moment a key expires, in Unix milliseconds.",
    complexity: "O(1)",
    ..Spec::reading_fast(Group::Generic)
}
.runs(pexpiretime);

fn pexpiretime(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    reply_deadline(cx, args, reply, |at, _| at)
}

pub(super) const PERSIST: DataCommand = Spec {
    name: "persist",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, UPDATE])],
    usage: "key:key",
    since: "2.2.0",
    summary: "Makes a key permanent.",
    complexity: "O(1)",
    ..Spec::of(Group::Generic)
}
.runs(persist);

fn persist(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let mut db = cx.db();
    let Some(found) = db.write(key) else {
        return reply.int(0);
    };
    if !db.clear_deadline(found) {
        return reply.int(0);
    }
    cx.changed(Event::PERSIST, key);
    reply.int(1)
}

#[cfg(test)]
mod tests {
    use crate::engine::Engine;

    fn engine() -> Engine {
        let mut e = Engine::new();
        e.freeze_at_ms(1_000_000);
        e.ask("SET a 1");
        e
    }

    #[test]
    fn a_deadline_is_propagated_as_an_absolute_time() {
        let mut e = engine();
        assert_eq!(e.ask("EXPIRE a 10"), ":1");
        assert_eq!(e.outcome().propagated_text(), "PEXPIREAT a 1010000");
        assert_eq!(e.ask("PEXPIREAT a 1020001 GT"), ":1");
        assert_eq!(e.outcome().propagated_text(), "PEXPIREAT a 1020001 GT");
        assert_eq!(
            (e.ask("TTL a"), e.ask("PTTL a")),
            (":20".into(), ":20001".into())
        );
        assert_eq!(e.ask("EXPIRETIME a"), ":1020");
        assert_eq!(e.ask("PEXPIRETIME a"), ":1020001");
        assert_eq!(e.ask("PERSIST a"), ":1");
        assert_eq!(e.ask("PERSIST a"), ":0");
        assert_eq!(
            (e.ask("TTL a"), e.ask("TTL b")),
            (":-1".into(), ":-2".into())
        );
    }

    #[test]
    fn conditions_compare_with_the_old_deadline() {
        let mut e = engine();
        assert_eq!(e.ask("EXPIRE a 10 XX"), ":0");
        assert_eq!(e.ask("EXPIRE a 10 GT"), ":0");
        assert_eq!(e.ask("EXPIRE a 10 LT"), ":1");
        assert_eq!(e.ask("EXPIRE a 10 LT"), ":0");
        assert_eq!(e.ask("EXPIRE a 20 NX"), ":0");
        assert_eq!(e.ask("EXPIRE a 20 XX GT"), ":1");
        assert_eq!(
            e.ask("EXPIRE a x NX GT"),
            "-ERR NX and XX, GT or LT options at the same time are not compatible"
        );
        assert_eq!(e.ask("EXPIRE a 1 no"), "-ERR Unsupported option no");
        assert_eq!(
            e.ask("PEXPIRE a 9223372036854775807"),
            "-ERR invalid expire time in 'pexpire' command"
        );
    }

    #[test]
    fn the_past_deletes() {
        let mut e = engine();
        assert_eq!(e.ask("EXPIREAT a 5"), ":1");
        assert_eq!(e.outcome().events_text(), "del a");
        assert_eq!(e.outcome().propagated_text(), "DEL a");
        assert_eq!(e.ask("EXISTS a"), ":0");
        assert_eq!(e.ask("EXPIRE a 5"), ":0");
    }
}
