//! MSETEX: several strings with one condition and one deadline.

use super::set::{Unit, store, value_of};
use crate::algo::number::parse_i64;
use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::commands::put;
use crate::keyspace::Deadline;
use crate::types::value::Kind;

/// The options behind the pairs.
#[derive(Default)]
struct Options<'a> {
    absent: bool,
    present: bool,
    keep_ttl: bool,
    expiry: Option<(Unit, &'a [u8])>,
}

impl<'a> Options<'a> {
    /// Parses the options. As in SET, the same one may be repeated, and the last one holds.
    fn parse(args: &mut Args<'a>) -> Result<Options<'a>, CmdError> {
        let mut o = Options::default();
        while let Some(word) = args.option() {
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            if is(b"NX") && !o.present {
                o.absent = true;
            } else if is(b"XX") && !o.absent {
                o.present = true;
            } else if is(b"KEEPTTL") && o.expiry.is_none() {
                o.keep_ttl = true;
            } else if let Some(unit) = Unit::of_option(word)
                && args.left() > 0
                && !o.keep_ttl
                && o.expiry.is_none_or(|(said, _)| said == unit)
            {
                o.expiry = Some((unit, args.bytes()));
            } else {
                return Err(CmdError::Syntax);
            }
        }
        Ok(o)
    }

    /// Whether the condition holds for all these keys.
    fn hold<'k>(&self, cx: &mut Cx, mut keys: impl Iterator<Item = &'k [u8]>) -> bool {
        match (self.absent, self.present) {
            (true, _) => keys.all(|key| cx.db().write(key).is_none()),
            (_, true) => keys.all(|key| cx.db().write(key).is_some()),
            (false, false) => true,
        }
    }
}

pub(super) const MSETEX: DataCommand = Spec {
    name: "msetex",
    flags: all(&[WRITE, DENYOOM]),
    keys: &[KeySpec::pairs(1, &[OW, UPDATE])],
    usage: "numkeys:integer data{key:key value:string}... [condition(nx=NX|xx=XX)] [expiration(seconds:integer@EX|milliseconds:integer@PX|unix-time-seconds:unix-time@EXAT|unix-time-milliseconds:unix-time@PXAT|keepttl=KEEPTTL)]",
    since: "8.4.0",
    summary: "Stores strings at several keys with one deadline, all or none.",
    complexity: "O(N) where N is the number of keys to set.",
    tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
    ..Spec::of(Group::String)
}
.runs(msetex);

fn msetex(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    const NUMBER: CmdError = CmdError::Fixed("ERR invalid numkeys value");
    const PAIRS: CmdError = CmdError::Fixed("ERR wrong number of key-value pairs");
    let number = parse_i64(args.bytes()).filter(|n| (1..=i64::from(i32::MAX)).contains(n));
    let number = number.ok_or(NUMBER)? as usize;
    if args.left() < 2 * number {
        return Err(PAIRS);
    }
    let first = args.position();
    (0..2 * number).for_each(|_| {
        args.bytes();
    });
    let o = Options::parse(args)?;
    let deadline = match o.expiry {
        Some((unit, n)) => Deadline::At(unit.deadline_ms(n, cx.now_ms(), MSETEX.name())?),
        None if o.keep_ttl => Deadline::Keep,
        None => Deadline::Clear,
    };
    let argv = args.argv();
    let places = (0..number).map(|n| first + 2 * n);
    if !o.hold(cx, places.clone().map(|at| argv.at(at))) {
        return reply.int(0);
    }
    for at in places {
        let key = argv.at(at);
        match deadline {
            // The deadline is told first, unlike that of SET.
            Deadline::At(_) => {
                put(cx, key, value_of(args, at + 1), Kind::String, deadline);
                cx.also(Event::EXPIRE, key);
                cx.changed(Event::SET, key);
            }
            Deadline::Keep | Deadline::Clear => store(cx, key, value_of(args, at + 1), deadline),
        }
    }
    if let (Deadline::At(deadline_ms), Some((Unit::Seconds | Unit::Milliseconds, _))) =
        (deadline, o.expiry)
    {
        propagate_pxat(cx, args, first + 2 * number, deadline_ms);
    }
    reply.int(1)
}

/// A relative deadline is propagated as the moment it meant, once.
fn propagate_pxat(cx: &mut Cx, args: &Args, options_at: usize, deadline_ms: i64) {
    let argv = args.argv();
    let mut buffer = itoa::Buffer::new();
    let deadline = buffer.format(deadline_ms).as_bytes();
    let mut words: Vec<&[u8]> = argv.iter().take(options_at).collect();
    let mut options = argv.from(options_at).iter();
    let mut is_told = false;
    while let Some(word) = options.next() {
        if Unit::of_option(word).is_none() {
            words.push(word);
            continue;
        }
        options.next();
        if !std::mem::replace(&mut is_told, true) {
            words.extend([b"PXAT".as_slice(), deadline]);
        }
    }
    cx.propagate_as(words);
}

#[cfg(test)]
mod tests {
    use crate::engine::Engine;

    #[test]
    fn all_or_none_are_set() {
        let mut e = Engine::new();
        assert_eq!(e.ask("MSETEX 2 a 1 b 2"), ":1");
        assert_eq!(e.ask("MSETEX 2 a 3 c 4 NX"), ":0");
        assert_eq!(e.ask("MSETEX 2 a 3 c 4 XX"), ":0");
        assert_eq!(e.ask("MGET a b c"), "*3 $1 1 $1 2 $-1");
        assert_eq!(e.ask("MSETEX 2 c 3 d 4 NX NX"), ":1");
        assert_eq!(e.outcome().propagated_text(), "MSETEX 2 c 3 d 4 NX NX");
    }

    #[test]
    fn one_deadline_is_told_for_each_key_and_propagated_as_a_moment() {
        let mut e = Engine::new();
        e.freeze_at_ms(1_000);
        assert_eq!(e.ask("MSETEX 2 a 1 b 2 PX 500 NX"), ":1");
        let outcome = e.outcome();
        assert_eq!(outcome.propagated_text(), "MSETEX 2 a 1 b 2 PXAT 1500 NX");
        assert_eq!(
            outcome.events_text(),
            "new a, expire a, set a, new b, expire b, set b"
        );
        // Redis would log `EX 10 PXAT 21000`, which it could not load again.
        e.ask("MSETEX 1 a 1 EX 10 EX 20");
        assert_eq!(e.outcome().propagated_text(), "MSETEX 1 a 1 PXAT 21000");
        e.ask("MSETEX 1 a 2 KEEPTTL");
        assert_eq!(e.ask("PTTL a"), ":20000");
        e.ask("MSETEX 1 a 2");
        assert_eq!(e.ask("PTTL a"), ":-1");
    }

    #[test]
    fn wrong_forms_change_nothing() {
        let mut e = Engine::new();
        for (line, error) in [
            ("0 a 1", "invalid numkeys value"),
            ("x a 1", "invalid numkeys value"),
            ("2147483648 a 1", "invalid numkeys value"),
            ("2147483647 a 1", "wrong number of key-value pairs"),
            ("2 a 1 b", "wrong number of key-value pairs"),
            ("1 a 1 b 2", "syntax error"),
            ("1 a 1 NX XX", "syntax error"),
            ("1 a 1 EX", "syntax error"),
            ("1 a 1 EX 1 PX 2", "syntax error"),
            ("1 a 1 KEEPTTL EX 1", "syntax error"),
            ("1 a 1 EX x", "value is not an integer or out of range"),
            ("1 a 1 EX 0", "invalid expire time in 'msetex' command"),
        ] {
            assert_eq!(e.ask(&format!("MSETEX {line}")), format!("-ERR {error}"));
        }
        assert_eq!(e.ask("DBSIZE"), ":0");
    }
}
