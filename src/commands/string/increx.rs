//! INCREX: a counter with bounds and a deadline.
//!
//! A result beyond a bound, or one that overflows, leaves the key as it is; with SATURATE it becomes
//! the nearest number that is allowed. Integers are counted exactly, decimal numbers with 80 bits as
//! INCRBYFLOAT does.

use super::set::Unit;
use crate::algo::long_double::LongDouble;
use crate::algo::number::parse_i64;
use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::keyspace::string::{self, StringRef};
use crate::keyspace::{Deadline, RemovalReason};
use crate::resp::encode::Resp;
use crate::types::entry::NewValue;

/// What happens to the deadline of the key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expiry<'a> {
    Keep,
    Persist,
    Set(Unit, &'a [u8]),
}

/// The options as given.
struct Options<'a> {
    by_int: Option<i64>,
    by_float: Option<LongDouble>,
    saturate: bool,
    lower: Option<&'a [u8]>,
    upper: Option<&'a [u8]>,
    expiry: Expiry<'a>,
    /// The deadline is set only where there is none.
    only_new: bool,
}

impl<'a> Options<'a> {
    /// Parses the options, each of which may be given once. The increment is checked where it
    /// stands, everything else when all are known.
    fn parse(args: &mut Args<'a>) -> Result<Options<'a>, CmdError> {
        let mut o = Options {
            by_int: None,
            by_float: None,
            saturate: false,
            lower: None,
            upper: None,
            expiry: Expiry::Keep,
            only_new: false,
        };
        while let Some(word) = args.option() {
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            let counts = o.by_int.is_some() || o.by_float.is_some();
            let more = args.left() > 0;
            if is(b"SATURATE") && !o.saturate {
                o.saturate = true;
            } else if is(b"ENX") && !o.only_new && o.expiry != Expiry::Persist {
                o.only_new = true;
            } else if is(b"PERSIST") && o.expiry == Expiry::Keep && !o.only_new {
                o.expiry = Expiry::Persist;
            } else if is(b"BYINT") && more && !counts {
                o.by_int = Some(parse_i64(args.bytes()).ok_or(NOT_INTEGER)?);
            } else if is(b"BYFLOAT") && more && !counts {
                o.by_float = Some(finite(args.bytes())?);
            } else if is(b"LBOUND") && more && o.lower.is_none() {
                o.lower = Some(args.bytes());
            } else if is(b"UBOUND") && more && o.upper.is_none() {
                o.upper = Some(args.bytes());
            } else if let Some(unit) = Unit::of_option(word)
                && more
                && o.expiry == Expiry::Keep
            {
                o.expiry = Expiry::Set(unit, args.bytes());
            } else {
                return Err(CmdError::Syntax);
            }
        }
        Ok(o)
    }

    /// The deadline to set, in Unix milliseconds.
    fn deadline_ms(&self, now_ms: i64) -> Result<Option<i64>, CmdError> {
        match self.expiry {
            Expiry::Set(unit, n) => unit.deadline_ms(n, now_ms, INCREX.name()).map(Some),
            Expiry::Keep | Expiry::Persist if self.only_new => {
                Err(CmdError::Fixed("ERR ENX flag requires an expiration"))
            }
            Expiry::Keep | Expiry::Persist => Ok(None),
        }
    }
}

const NOT_INTEGER: CmdError = CmdError::Fixed("ERR Increment is not an integer or out of range");

/// A decimal increment.
fn finite(text: &[u8]) -> Result<LongDouble, CmdError> {
    const WRONG: CmdError = CmdError::Fixed("ERR Increment is not a valid float");
    const INFINITE: CmdError = CmdError::Fixed("ERR BYFLOAT increment cannot be Infinity");
    let by = LongDouble::parse(text).ok_or(WRONG)?;
    if by.is_finite() {
        Ok(by)
    } else {
        Err(INFINITE)
    }
}

/// The error of bounds that leave nothing between them.
const CROSSED: CmdError = CmdError::Fixed("ERR LBOUND can't be greater than UBOUND");

/// A count to be made.
enum Plan {
    Int {
        by: i64,
        lower: i64,
        upper: i64,
    },
    Float {
        by: LongDouble,
        lower: LongDouble,
        upper: LongDouble,
    },
}

/// The outcome: the number after the command and what was added, or `None` if it stays as it is.
enum Counted {
    Int(i64, Option<i64>),
    Float(LongDouble, Option<LongDouble>),
}

impl Plan {
    fn of(o: &Options) -> Result<Plan, CmdError> {
        if let Some(by) = o.by_float {
            return Plan::of_float(o, by);
        }
        const LOWER: CmdError = CmdError::Fixed("ERR LBOUND is not an integer or out of range");
        const UPPER: CmdError = CmdError::Fixed("ERR UBOUND is not an integer or out of range");
        let number = |text: Option<&[u8]>, unless: i64, error: CmdError| match text {
            Some(text) => parse_i64(text).ok_or(error),
            None => Ok(unless),
        };
        let by = o.by_int.unwrap_or(1);
        let lower = number(o.lower, i64::MIN, LOWER)?;
        let upper = number(o.upper, i64::MAX, UPPER)?;
        if lower > upper {
            return Err(CROSSED);
        }
        Ok(Plan::Int { by, lower, upper })
    }

    fn of_float(o: &Options, by: LongDouble) -> Result<Plan, CmdError> {
        const LOWER: CmdError = CmdError::Fixed("ERR LBOUND is not a valid float");
        const UPPER: CmdError = CmdError::Fixed("ERR UBOUND is not a valid float");
        let number = |text: Option<&[u8]>, unless: LongDouble, error: CmdError| match text {
            Some(text) => LongDouble::parse(text).ok_or(error),
            None => Ok(unless),
        };
        let lower = number(o.lower, -LongDouble::MAX, LOWER)?;
        let upper = number(o.upper, LongDouble::MAX, UPPER)?;
        if lower > upper {
            return Err(CROSSED);
        }
        Ok(Plan::Float { by, lower, upper })
    }

    fn count(&self, old: Option<StringRef>, saturate: bool) -> Result<Counted, CmdError> {
        match *self {
            Plan::Int { by, lower, upper } => {
                let old = match old {
                    Some(value) => value.as_int().ok_or(CmdError::NotInteger)?,
                    None => 0,
                };
                let sum = i128::from(old) + i128::from(by);
                let allowed = sum.clamp(i128::from(lower), i128::from(upper));
                if sum != allowed && !saturate {
                    return Ok(Counted::Int(old, None));
                }
                const FAR: CmdError = CmdError::Fixed("ERR applied increment would overflow");
                // The bounds are 64 bits wide, so the number between them is, too.
                let new = allowed as i64;
                let added = new.checked_sub(old).ok_or(FAR)?;
                Ok(Counted::Int(new, Some(added)))
            }
            Plan::Float { by, lower, upper } => {
                let mut buffer = itoa::Buffer::new();
                let old = match &old {
                    Some(value) => LongDouble::parse(value.as_bytes(&mut buffer)),
                    None => Some(LongDouble::from(0)),
                };
                let old = old.ok_or(CmdError::NotFloat)?;
                if !old.is_finite() {
                    return Err(CmdError::Fixed("ERR value cannot be Infinity"));
                }
                let sum = old + by;
                let allowed = match () {
                    _ if sum < lower => lower,
                    _ if sum > upper => upper,
                    _ => sum,
                };
                let fits = allowed == sum && sum.is_finite();
                if saturate && !allowed.is_finite() && allowed != sum {
                    return Err(CmdError::Fixed("ERR applied increment would be Infinity"));
                }
                if !(fits || saturate && allowed.is_finite()) {
                    return Ok(Counted::Float(old, None));
                }
                Ok(Counted::Float(allowed, Some(allowed + -old)))
            }
        }
    }
}

/// Replies with a decimal number: a double in RESP3, with all digits that it has.
fn decimal(number: LongDouble, reply: &mut Reply) -> CmdResult {
    let text = number.to_text();
    match reply.resp {
        Resp::V2 => reply.bulk(&text),
        Resp::V3 => reply.raw(&[b",".as_slice(), &text, b"\r\n"].concat()),
    }
}

impl Counted {
    fn reply(&self, reply: &mut Reply) -> CmdResult {
        reply.array(2)?;
        match *self {
            Counted::Int(new, added) => {
                reply.int(new)?;
                reply.int(added.unwrap_or(0))
            }
            Counted::Float(new, added) => {
                decimal(new, reply)?;
                decimal(added.unwrap_or(LongDouble::from(0)), reply)
            }
        }
    }

    /// Whether something is written.
    fn is_applied(&self) -> bool {
        match self {
            Counted::Int(_, added) => added.is_some(),
            Counted::Float(_, added) => added.is_some(),
        }
    }

    fn event(&self) -> Event {
        match self {
            Counted::Int(..) => Event::INCRBY,
            Counted::Float(..) => Event::INCRBYFLOAT,
        }
    }

    fn text(&self) -> Vec<u8> {
        match self {
            Counted::Int(new, _) => new.to_string().into_bytes(),
            Counted::Float(new, _) => new.to_text(),
        }
    }
}

pub(super) const INCREX: DataCommand = Spec {
    name: "increx",
    flags: all(&[WRITE, DENYOOM, FAST]),
    keys: &[KeySpec::at(1, &[RW, ACCESS, UPDATE])],
    usage: "key:key [increment(float:double@BYFLOAT|integer:integer@BYINT)] [saturate=SATURATE] [lowerbound:string@LBOUND] [upperbound:string@UBOUND] [expiration(seconds:integer@EX|milliseconds:integer@PX|unix-time-seconds:unix-time@EXAT|unix-time-milliseconds:unix-time@PXAT|persist=PERSIST)] [enx=ENX]",
    since: "8.8.0",
    summary: "Adds to the number at a key within bounds, and sets its deadline.",
    complexity: "O(1)",
    ..Spec::of(Group::String)
}
.runs(increx);

fn increx(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let o = Options::parse(args)?;
    let plan = Plan::of(&o)?;
    let now_ms = cx.now_ms();
    let deadline_ms = o.deadline_ms(now_ms)?;
    let mut db = cx.db();
    let found = db.write(key);
    let old = match found {
        Some(found) => Some(db.string_at(found)?),
        None => None,
    };
    let counted = plan.count(old, o.saturate)?;
    if !counted.is_applied() {
        return counted.reply(reply);
    }
    let had_deadline = found.is_some_and(|found| db.get(found).deadline_ms().is_some());
    let deadline_ms = deadline_ms.filter(|_| !(o.only_new && had_deadline));
    if deadline_ms.is_some_and(|ms| ms <= now_ms) && !cx.caller.must_obey {
        if let Some(found) = found {
            cx.db().remove(found, RemovalReason::Deleted);
            cx.keyspace.shared.stats.expired += 1;
            cx.propagate_as([cx.tuning.word_for_expired(), key]);
            cx.changed(Event::DEL, key);
        }
        return counted.reply(reply);
    }
    let text = counted.text();
    write(cx, key, found.is_some(), &counted, &text);
    let mut buffer = itoa::Buffer::new();
    let mut db = cx.db();
    let found = db.write(key);
    match (deadline_ms, found) {
        (Some(deadline_ms), Some(found)) => {
            db.set_deadline(found, deadline_ms);
            cx.changed(counted.event(), key);
            cx.also(Event::EXPIRE, key);
            let deadline = buffer.format(deadline_ms).as_bytes();
            cx.propagate_as([b"SET".as_slice(), key, &text, b"PXAT", deadline]);
        }
        (None, Some(found)) if o.expiry == Expiry::Persist => {
            let had = db.clear_deadline(found);
            cx.changed(counted.event(), key);
            if had {
                cx.also(Event::PERSIST, key);
            }
            cx.propagate_as([b"SET".as_slice(), key, &text]);
        }
        _ => {
            cx.changed(counted.event(), key);
            cx.propagate_as([b"SET".as_slice(), key, &text, b"KEEPTTL"]);
        }
    }
    counted.reply(reply)
}

/// Writes the number, keeping the deadline.
fn write(cx: &mut Cx, key: &[u8], is_there: bool, counted: &Counted, text: &[u8]) {
    let value = match counted {
        Counted::Int(new, _) => NewValue::Int(*new),
        Counted::Float(..) => string::text(text),
    };
    cx.db().overwrite(key, value, Deadline::Keep);
    if !is_there {
        cx.also(Event::NEW, key);
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::Engine;

    #[test]
    fn integers_stay_within_their_bounds() {
        let mut e = Engine::new();
        for (line, reply) in [
            ("", "*2 :1 :1"),
            ("BYINT 5", "*2 :6 :5"),
            ("UBOUND 8 BYINT 5", "*2 :6 :0"),
            ("UBOUND 8 BYINT 5 SATURATE", "*2 :8 :2"),
            ("LBOUND 20", "*2 :8 :0"),
            ("LBOUND 20 SATURATE", "*2 :20 :12"),
            ("BYINT 9223372036854775807", "*2 :20 :0"),
            (
                "BYINT 9223372036854775807 SATURATE",
                "*2 :9223372036854775807 :9223372036854775787",
            ),
            ("SATURATE", "*2 :9223372036854775807 :0"),
            (
                "UBOUND -2 SATURATE",
                "-ERR applied increment would overflow",
            ),
        ] {
            assert_eq!(e.ask(&format!("INCREX n {line}")), reply, "{line}");
        }
        assert_eq!(e.ask("INCREX new UBOUND -1 EX 10"), "*2 :0 :0");
        assert_eq!(e.ask("EXISTS new"), ":0");
    }

    #[test]
    fn decimals_are_bulk_strings() {
        let mut e = Engine::new();
        for (line, reply) in [
            ("BYFLOAT 1.5", "*2 $3 1.5 $3 1.5"),
            ("BYFLOAT 1 UBOUND 1.7", "*2 $3 1.5 $1 0"),
            ("BYFLOAT 1 UBOUND 1.7 SATURATE", "*2 $3 1.7 $3 0.2"),
            ("BYFLOAT -5 LBOUND -inf UBOUND inf", "*2 $4 -3.3 $2 -5"),
            (
                "BYFLOAT 1 SATURATE LBOUND inf UBOUND inf",
                "-ERR applied increment would be Infinity",
            ),
            ("BYINT 1", "-ERR value is not an integer or out of range"),
            ("BYFLOAT inf", "-ERR BYFLOAT increment cannot be Infinity"),
            ("BYFLOAT nan", "-ERR Increment is not a valid float"),
            ("BYFLOAT 1 LBOUND x", "-ERR LBOUND is not a valid float"),
            (
                "BYFLOAT 1 LBOUND 2 UBOUND 1",
                "-ERR LBOUND can't be greater than UBOUND",
            ),
        ] {
            assert_eq!(e.ask(&format!("INCREX n {line}")), reply, "{line}");
        }
        e.ask("SET n abc");
        assert_eq!(
            e.ask("INCREX n BYFLOAT 1"),
            "-ERR value is not a valid float"
        );
        e.ask("SET n -inf");
        assert_eq!(e.ask("INCREX n BYFLOAT 1"), "-ERR value cannot be Infinity");
        e.ask("SET n 1.1e4932");
        assert!(e.ask("INCREX n BYFLOAT 1.1e4932").ends_with(" $1 0"));
    }

    #[test]
    fn the_deadline_follows_the_number() {
        let mut e = Engine::new();
        e.freeze_at_ms(1_000);
        let mut step = |line: &str, events: &str, told: &str| {
            e.ask(line);
            let outcome = e.outcome();
            assert_eq!(outcome.events_text(), events, "{line}");
            assert_eq!(outcome.propagated_text(), told, "{line}");
        };
        step("INCREX n", "new n, incrby n", "SET n 1 KEEPTTL");
        step("INCREX n PX 500", "incrby n, expire n", "SET n 2 PXAT 1500");
        step("INCREX n PX 900 ENX", "incrby n", "SET n 3 KEEPTTL");
        step("INCREX n PERSIST", "incrby n, persist n", "SET n 4");
        step("INCREX n PERSIST", "incrby n", "SET n 5");
        step("INCREX n BYFLOAT 1", "incrbyfloat n", "SET n 6 KEEPTTL");
        step(
            "INCREX n EX 1 ENX",
            "incrby n, expire n",
            "SET n 7 PXAT 2000",
        );
        step("INCREX n PXAT 1", "del n", "DEL n");
        step("INCREX n PXAT 1", "", "");
    }

    #[test]
    fn each_option_is_given_once() {
        let mut e = Engine::new();
        for line in [
            "BYINT 1 BYFLOAT 2",
            "BYINT 1 BYINT 1",
            "SATURATE SATURATE",
            "EX 1 EX 1",
            "EX 1 PX 1",
            "EX 1 PERSIST",
            "PERSIST ENX",
            "ENX PERSIST",
            "LBOUND 1 LBOUND 1",
            "EX",
            "what",
        ] {
            assert_eq!(
                e.ask(&format!("INCREX n {line}")),
                "-ERR syntax error",
                "{line}"
            );
        }
        assert_eq!(
            e.ask("INCREX n ENX"),
            "-ERR ENX flag requires an expiration"
        );
        assert_eq!(
            e.ask("INCREX n EX 0"),
            "-ERR invalid expire time in 'increx' command"
        );
        assert_eq!(
            e.ask("INCREX n LBOUND 1.5"),
            "-ERR LBOUND is not an integer or out of range"
        );
        assert_eq!(
            e.ask("INCREX n BYINT 1.5"),
            "-ERR Increment is not an integer or out of range"
        );
    }
}
