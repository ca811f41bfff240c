//! XNACK: entries that a consumer gives back to its group without acknowledging them.

use super::STREAM;
use super::args::strict_id;
use super::claim::no_group;
use crate::algo::number::parse_i64;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::keyspace::RdbVersions;
use crate::types::stream::{COUNT_MAX, Pending, StreamId};
use crate::types::value::Kind;

/// Why entries are given back.
#[derive(Clone, Copy)]
enum Mode {
    /// They were not tried: the delivery does not count.
    Silent,
    /// The consumer failed.
    Fail,
    /// Any consumer would fail: the count is the highest there is.
    Fatal,
}

impl Mode {
    fn parse(word: &[u8]) -> Result<Mode, CmdError> {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if is("silent") {
            Ok(Mode::Silent)
        } else if is("fail") {
            Ok(Mode::Fail)
        } else if is("fatal") {
            Ok(Mode::Fatal)
        } else {
            Err(CmdError::Fixed("ERR mode must be SILENT, FAIL, or FATAL"))
        }
    }

    /// The number of deliveries of a released entry, after `count`.
    fn count(self, count: u64) -> u64 {
        match self {
            Mode::Silent => count.saturating_sub(1),
            Mode::Fail => count,
            Mode::Fatal => COUNT_MAX,
        }
    }
}

/// The words behind the mode.
struct Options {
    ids: Vec<StreamId>,
    count: Option<u64>,
    force: bool,
}

fn options(args: &mut Args) -> Result<Options, CmdError> {
    let mut out = Options {
        ids: Vec::new(),
        count: None,
        force: false,
    };
    while let Some(word) = args.option() {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if is("ids") && args.left() > 0 {
            let count = parse_i64(args.bytes()).and_then(|count| i32::try_from(count).ok());
            let count = count
                .filter(|&count| count > 0)
                .ok_or(CmdError::Fixed("ERR numids must be a positive integer"))?
                as usize;
            if count > args.left() {
                return Err(CmdError::Fixed("ERR number of IDs doesn't match numids"));
            }
            out.ids.clear();
            for _ in 0..count {
                out.ids.push(strict_id(args.bytes(), 0)?);
            }
        } else if is("retrycount") && args.left() > 0 {
            let count = u64::try_from(args.int()?);
            out.count = Some(
                count.map_err(|_| CmdError::Fixed("ERR Invalid RETRYCOUNT value, must be >= 0"))?,
            );
        } else if is("force") {
            out.force = true;
        } else {
            let start = "ERR Unrecognized XNACK option '";
            return Err(CmdError::quoting(start, word, usize::MAX, "'"));
        }
    }
    if out.ids.is_empty() {
        return Err(CmdError::Fixed("ERR syntax error, expected IDS keyword"));
    }
    Ok(out)
}

pub(super) const XNACK: DataCommand = Spec {
    name: "xnack",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, UPDATE])],
    usage: "key:key group:string mode(silent=SILENT|fail=FAIL|fatal=FATAL) ids{numids:integer id:string...}@IDS [count:integer@RETRYCOUNT] [force=FORCE]",
    since: "8.8.0",
    summary: "Gives pending entries back to their group, for other consumers to claim.",
    complexity: "O(log N) for each id, with N entries pending in the group",
    ..Spec::of(STREAM)
}
.runs(xnack);

/// Replies with the number of entries released. One that is not pending counts only under FORCE,
/// which makes it pending if it exists.
fn xnack(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (key, name) = (args.key(), args.bytes());
    let mut db = cx.db();
    let stream = db
        .stream_for_write(key)?
        .ok_or_else(|| no_group(key, name))?;
    if !stream.groups.contains_key(name) {
        return Err(no_group(key, name));
    }
    let mode = Mode::parse(args.bytes())?;
    let options = options(args)?;
    let mut released = 0;
    for id in options.ids {
        let is_new = options.force && stream.contains(id);
        let Some(group) = stream.groups.get_mut(name) else {
            break;
        };
        let count = match group.pending().get(&id) {
            Some(Pending { count, .. }) => mode.count(*count),
            None if is_new => mode.count(0),
            None => continue,
        };
        group.release(id, options.count.unwrap_or(count));
        released += 1;
    }
    if released > 0 {
        cx.effects.count_changes(released);
        let shared = &mut cx.keyspace.shared;
        shared.raise_rdb_bound(RdbVersions::RELEASED);
        // A client blocked under CLAIM can have them now.
        cx.grew(Kind::Stream, key);
    }
    reply.int(released as i64)
}

#[cfg(test)]
mod tests {
    use crate::engine::Engine;

    /// A stream of four entries, all held by c.
    fn engine() -> Engine {
        let mut e = Engine::new();
        e.freeze_at_ms(5_000);
        for id in 1..=4 {
            e.run(&["XADD", "s", &format!("{id}-1"), "a", "1"]);
        }
        e.ask("XGROUP CREATE s g 0");
        e.ask("XREADGROUP GROUP g c STREAMS s >");
        e
    }

    fn sound(e: &mut Engine) {
        let db = crate::keyspace::DbIndex(0);
        let mut db = e.keyspace().db(db);
        let stream = db.stream(b"s").expect("a stream").expect("it is there");
        assert_eq!(stream.check(), Ok(()));
    }

    #[test]
    fn released_entries_stay_pending_without_a_consumer() {
        let mut e = engine();
        assert_eq!(e.ask("XNACK s g FAIL IDS 1 3-1"), ":1");
        assert_eq!(e.outcome().propagated_text(), "XNACK s g FAIL IDS 1 3-1");
        assert_eq!(e.ask("XPENDING s g"), "*4 :4 $3 1-1 $3 4-1 *1 *2 $1 c $1 3");
        e.freeze_at_ms(5_010);
        assert_eq!(
            e.ask("XPENDING s g IDLE 100000 - + 10"),
            "*1 *4 $3 3-1 $0  :-1 :1"
        );
        assert_eq!(e.ask("XNACK s g SILENT IDS 2 9-9 1-1"), ":1");
        assert_eq!(e.ask("XNACK s g FATAL IDS 1 2-1"), ":1");
        assert_eq!(e.ask("XNACK s g SILENT IDS 1 2-1"), ":1");
        assert_eq!(
            e.ask("XPENDING s g - + 2"),
            "*2 *4 $3 1-1 $0  :-1 :0 *4 $3 2-1 $0  :-1 :9223372036854775806"
        );
        let full = e.ask("XINFO STREAM s FULL");
        assert!(
            full.contains("$9 pel-count :4 $12 nacked-count :3 $7 pending *4 *4 $3 1-1 $0  :0 :0")
        );
        assert_eq!(e.ask("XNACK s g FAIL IDS 1 9-9"), ":0");
        assert_eq!(e.outcome().propagated_text(), "");
        sound(&mut e);
        // A consumer without a name is another matter.
        assert_eq!(e.ask("XGROUP CREATECONSUMER s g \"\""), ":1");
        assert_eq!(e.ask("XPENDING s g - + 9 \"\""), "*0");
        assert_eq!(e.ask("XGROUP DELCONSUMER s g c"), ":1");
        assert_eq!(e.ask("XACK s g 1-1 2-1 3-1"), ":3");
        assert_eq!(e.ask("XPENDING s g"), "*4 :0 $-1 $-1 *-1");
        sound(&mut e);
    }

    #[test]
    fn force_makes_entries_pending_that_were_not() {
        let mut e = engine();
        e.ask("XACK s g 1-1 2-1 3-1 4-1");
        assert_eq!(e.ask("XNACK s g FAIL IDS 1 1-1"), ":0");
        assert_eq!(e.ask("XNACK s g FATAL IDS 2 1-1 9-9 FORCE"), ":1");
        assert_eq!(e.ask("XNACK s g FAIL FORCE RETRYCOUNT 7 IDS 1 2-1"), ":1");
        assert_eq!(
            e.ask("XPENDING s g - + 9"),
            "*2 *4 $3 1-1 $0  :-1 :9223372036854775807 *4 $3 2-1 $0  :-1 :7"
        );
        // The count cannot grow beyond that.
        assert_eq!(
            e.ask("XCLAIM s g d 999999999 1-1"),
            "*1 *2 $3 1-1 *2 $1 a $1 1"
        );
        assert_eq!(
            e.outcome().propagated_text(),
            "XGROUP CREATECONSUMER s g d; XCLAIM s g d 0 1-1 TIME 5000 RETRYCOUNT 9223372036854775807 FORCE JUSTID LASTID 4-1"
                .split_once("; ")
                .map_or("", |(_, claim)| claim)
        );
        sound(&mut e);
    }

    #[test]
    fn deleted_entries_that_were_released_are_acknowledged_by_a_claim() {
        let mut e = engine();
        e.ask("XNACK s g FAIL IDS 2 1-1 2-1");
        e.ask("XDEL s 1-1 2-1");
        assert_eq!(e.ask("XCLAIM s g c 0 1-1"), "*0");
        assert_eq!(e.outcome().propagated_text(), "XACK s g 1-1");
        assert_eq!(e.ask("XAUTOCLAIM s g c 999999 0"), "*3 $3 0-0 *0 *1 $3 2-1");
        assert_eq!(e.outcome().propagated_text(), "XACK s g 2-1");
        sound(&mut e);
    }

    #[test]
    fn wrong_words_are_named() {
        let mut e = engine();
        for (line, error) in [
            (
                "XNACK s g BAD IDS 1 1-1",
                "ERR mode must be SILENT, FAIL, or FATAL",
            ),
            (
                "XNACK s h BAD IDS 1 1-1",
                "NOGROUP No such key 's' or consumer group 'h'",
            ),
            (
                "XNACK t g FAIL IDS 1 x",
                "NOGROUP No such key 't' or consumer group 'g'",
            ),
            (
                "XNACK s g FAIL FOO 1 1-1",
                "ERR Unrecognized XNACK option 'FOO'",
            ),
            (
                "XNACK s g FAIL IDS 0 1-1",
                "ERR numids must be a positive integer",
            ),
            (
                "XNACK s g FAIL IDS 2147483648 1-1",
                "ERR numids must be a positive integer",
            ),
            (
                "XNACK s g FAIL IDS 9223372036854775808 1-1",
                "ERR numids must be a positive integer",
            ),
            (
                "XNACK s g FAIL FORCE RETRYCOUNT 1",
                "ERR syntax error, expected IDS keyword",
            ),
            (
                "XNACK s g FAIL IDS 2 1-1",
                "ERR number of IDs doesn't match numids",
            ),
            (
                "XNACK s g FAIL IDS 1 1-1 2-1",
                "ERR Unrecognized XNACK option '2-1'",
            ),
            (
                "XNACK s g FAIL IDS 1 1-1 RETRYCOUNT",
                "ERR Unrecognized XNACK option 'RETRYCOUNT'",
            ),
            (
                "XNACK s g FAIL IDS 1 1-1 RETRYCOUNT -1",
                "ERR Invalid RETRYCOUNT value, must be >= 0",
            ),
            (
                "XNACK s g FAIL IDS 1 1-1 RETRYCOUNT x",
                "ERR value is not an integer or out of range",
            ),
        ] {
            assert_eq!(e.ask(line), format!("-{error}"), "{line}");
        }
    }
}
