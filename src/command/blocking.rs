//! Blocking commands: how a command states that it must wait for data.
//!
//! A blocking command first tries. If there is nothing to take, it ends with `cx.wait(…)`: on
//! which keys, for which type of value, and for how long. The server blocks the client and runs
//! *the same command again* when one of these keys gets a value of that type, so the command needs
//! no second half; while it finds nothing the client stays blocked, until its first timeout. Where
//! blocking is not allowed (inside MULTI, in scripts, in an `Engine`), `wait` replies at once as
//! after a timeout.
//!
//! ```ignore
//! fn bzpopmin(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
//!     let keys = args.rest();                       // all but the last
//!     let timeout = parse_timeout(args.argv().at(args.argv().len() - 1), Unit::Seconds)?;
//!     // … pop from the first sorted set that exists and reply, else:
//!     cx.wait(Wait::new(Kind::Zset, keys, timeout), reply)
//! }
//! ```
//!
//! A command that makes a value need not care about blocked clients: a new key (`DbMut::add`:
//! pushes, RENAME, COPY, STORE, RESTORE …) wakes the clients blocked on its type. Only a command
//! that adds to an existing value and may thereby end a wait, as XADD does, calls `cx.grew(key)`.
//! With `Wait::until_gone` the command runs again, too, when its key is deleted or overwritten:
//! XREADGROUP, which then replies with an error. With `Wait::retry_after` it runs again after a
//! time, too: XREADGROUP CLAIM, because entries can be claimed when they have been idle for long.

use super::error::{CmdError, CmdResult};
use super::{Cx, Reply};
use crate::algo::long_double::LongDouble;
use crate::algo::number::{parse_f64, parse_i64};
use crate::resp::request::OwnedArgv;
use crate::types::value::Kind;

/// The timeout of a blocking command, in milliseconds; `None` for no limit.
pub type TimeoutMs = Option<u64>;

/// The unit in which a timeout is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Seconds with decimals: BLPOP and similar commands.
    Seconds,
    /// Without: XREAD BLOCK.
    Milliseconds,
}

/// The reply where blocking is not allowed; the reply to a timeout is always a null array.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Nothing {
    Array,
    /// A plain null: BLMOVE and BRPOPLPUSH, which return an element.
    Element,
    /// No reply at all: SHUTDOWN.
    Never,
    /// The command's own reply when it may not block: WAIT.
    Again,
}

/// The condition that a blocked client waits for.
#[derive(Debug)]
pub struct Wait {
    /// The type of value that ends the wait.
    pub kind: Kind,
    pub keys: Vec<Vec<u8>>,
    pub timeout_ms: TimeoutMs,
    /// Also ends when a key is deleted or overwritten.
    pub until_gone: bool,
    /// Also ends when a list at a key grows.
    pub until_grown: bool,
    /// The command also runs again after so many milliseconds.
    pub retry_ms: Option<u64>,
    /// The command to run then, if it is not the very same: XREAD with its `$` made an id.
    pub again: Option<OwnedArgv>,
    pub nothing: Nothing,
}

impl Wait {
    pub fn new<'k>(
        kind: Kind,
        keys: impl IntoIterator<Item = &'k [u8]>,
        timeout_ms: TimeoutMs,
    ) -> Wait {
        Wait {
            kind,
            keys: keys.into_iter().map(<[u8]>::to_vec).collect(),
            timeout_ms,
            until_gone: false,
            until_grown: false,
            retry_ms: None,
            again: None,
            nothing: Nothing::Array,
        }
    }

    /// Deleting or overwriting a key ends the wait, too.
    pub fn until_gone(mut self) -> Wait {
        self.until_gone = true;
        self
    }

    /// A list that grows ends the wait, too.
    pub fn until_grown(mut self) -> Wait {
        self.until_grown = true;
        self
    }

    /// The command runs again after so many milliseconds, whatever happens to its keys.
    pub fn retry_after(mut self, ms: Option<u64>) -> Wait {
        self.retry_ms = ms;
        self
    }

    /// This is what runs when the wait ends.
    pub fn again(mut self, argv: OwnedArgv) -> Wait {
        self.again = Some(argv);
        self
    }

    /// The command returns one element, so its "nothing" is a plain null.
    pub fn for_element(mut self) -> Wait {
        self.nothing = Nothing::Element;
        self
    }
}

/// A timeout as clients write it. Zero, and what rounds up to it, is for ever.
pub fn parse_timeout(text: &[u8], unit: Unit) -> Result<TimeoutMs, CmdError> {
    const RANGE: CmdError = CmdError::Fixed("ERR timeout is out of range");
    let ms = match unit {
        Unit::Seconds => {
            let wrong = CmdError::Fixed("ERR timeout is not a float or out of range");
            let seconds = parse_f64(text).or_else(|| beyond_f64(text)).ok_or(wrong)?;
            let ms = (seconds * 1000.0).ceil();
            if ms >= i64::MAX as f64 {
                return Err(RANGE);
            }
            ms as i64
        }
        Unit::Milliseconds => {
            let wrong = CmdError::Fixed("ERR timeout is not an integer or out of range");
            parse_i64(text).ok_or(wrong)?
        }
    };
    if ms < 0 {
        return Err(CmdError::Fixed("ERR timeout is negative"));
    }
    Ok((ms > 0).then_some(ms as u64))
}

/// A number too large or too small for a double, as the nearest there is: timeouts are read with
/// the range of an 80-bit one.
#[cold]
fn beyond_f64(text: &[u8]) -> Option<f64> {
    LongDouble::parse(text)?;
    let tiny = text.windows(2).any(|two| two.eq_ignore_ascii_case(b"e-"));
    let size = if tiny { f64::MIN_POSITIVE } else { f64::MAX };
    Some(if text[0] == b'-' { -size } else { size })
}

impl Cx<'_> {
    /// Ends a blocking command that has nothing to reply with yet: blocks the client (see the
    /// module).
    pub fn wait(&mut self, wait: Wait, reply: &mut Reply) -> CmdResult {
        // As Redis does: the moment must be one that the clock can show.
        let end_ms = self
            .now_ms()
            .checked_add_unsigned(wait.timeout_ms.unwrap_or(0));
        if end_ms.is_none() {
            return Err(CmdError::Fixed("ERR timeout is out of range"));
        }
        match (self.caller.may_wait, wait.nothing) {
            (true, _) => Err(CmdError::Wait(Box::new(wait))),
            (false, Nothing::Array | Nothing::Again | Nothing::Never) => reply.null_array(),
            (false, Nothing::Element) => reply.null(),
        }
    }

    /// A key that was there got something that may end a wait.
    #[inline(always)]
    pub fn grew(&mut self, kind: Kind, key: &[u8]) {
        self.db().signal(kind, key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_read_as_redis_reads_them() {
        let seconds = |text: &str| match parse_timeout(text.as_bytes(), Unit::Seconds) {
            Ok(ms) => format!("{ms:?}"),
            Err(error) => error.to_string(),
        };
        assert_eq!(seconds("0"), "None");
        assert_eq!(seconds("-0.0001"), "None");
        assert_eq!(seconds("0.0001"), "Some(1)");
        assert_eq!(seconds("1.5"), "Some(1500)");
        assert_eq!(seconds("-1"), "ERR timeout is negative");
        assert_eq!(seconds("1e-400"), "Some(1)");
        assert_eq!(seconds("-1e400"), "ERR timeout is negative");
        assert_eq!(seconds("1e400"), "ERR timeout is out of range");
        assert_eq!(seconds("inf"), "ERR timeout is out of range");
        assert_eq!(
            seconds("9223372036854775807"),
            "ERR timeout is out of range"
        );
        for wrong in ["", "abc", "nan", "1 "] {
            assert_eq!(seconds(wrong), "ERR timeout is not a float or out of range");
        }
        let ms = |text: &str| parse_timeout(text.as_bytes(), Unit::Milliseconds).ok();
        assert_eq!(ms("1500"), Some(Some(1500)));
        assert_eq!(ms("0"), Some(None));
        assert_eq!(ms("1.5"), None);
        assert_eq!(ms("-1"), None);
    }
}
