//! XCFGSET and XIDMPRECORD: what a stream keeps of idempotent producers (XADD IDMP).

use super::STREAM;
use super::args::strict_id;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::keyspace::RdbVersions;
use crate::types::stream::Retention;

pub(super) const XCFGSET: DataCommand = Spec {
    name: "xcfgset",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, UPDATE])],
    usage: "key:key [idmp-duration:integer@IDMP-DURATION] [idmp-maxsize:integer@IDMP-MAXSIZE]",
    since: "8.6.0",
    summary: "Sets how long, and how many, ids of idempotent producers a stream keeps.",
    complexity: "O(N) for N ids that are forgotten",
    ..Spec::of(STREAM)
}
.runs(xcfgset);

/// A change forgets all ids.
fn xcfgset(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let mut db = cx.db();
    let stream = db.stream_for_write(key)?.ok_or(CmdError::NoSuchKey)?;
    let (mut seconds, mut ids) = (None, None);
    while let Some(word) = args.option() {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        let (option, most, errors) = if is("idmp-duration") {
            (&mut seconds, Retention::MAX.seconds, DURATION)
        } else if is("idmp-maxsize") {
            (&mut ids, Retention::MAX.ids, MAXSIZE)
        } else {
            return Err(CmdError::Syntax);
        };
        if args.left() == 0 {
            return Err(CmdError::Syntax);
        }
        if option.is_some() {
            return Err(CmdError::Fixed(errors.1));
        }
        let value = u32::try_from(args.int()?).ok();
        let value = value.filter(|value| (1..=most).contains(value));
        *option = Some(value.ok_or(CmdError::Fixed(errors.0))?);
    }
    if seconds.is_none() && ids.is_none() {
        return Err(CmdError::Fixed(
            "ERR At least one parameter must be specified",
        ));
    }
    let old = stream.retention();
    let new = Retention {
        seconds: seconds.unwrap_or(old.seconds),
        ids: ids.unwrap_or(old.ids),
    };
    if new != old {
        stream.producers_mut().set_retention(new);
        let shared = &mut cx.keyspace.shared;
        shared.raise_rdb_bound(RdbVersions::PRODUCERS);
        cx.effects.count_changes(1);
    }
    reply.ok()
}

/// The errors of an option: a value out of its range, and that the option was there before.
type Errors = (&'static str, &'static str);
const DURATION: Errors = (
    "ERR IDMP-DURATION must be between 1 and 86400 seconds",
    "ERR IDMP-DURATION specified multiple times",
);
const MAXSIZE: Errors = (
    "ERR IDMP-MAXSIZE must be between 1 and 10000 entries",
    "ERR IDMP-MAXSIZE specified multiple times",
);

pub(super) const XIDMPRECORD: DataCommand = Spec {
    name: "xidmprecord",
    flags: all(&[WRITE, DENYOOM, FAST]),
    keys: &[KeySpec::at(1, &[RW, UPDATE])],
    usage: "key:key pid:string iid:string stream-id:string",
    since: "8.6.2",
    summary: "Records the id that an idempotent producer gave an entry (for internal use).",
    complexity: "O(1)",
    ..Spec::of(STREAM)
}
.runs(xidmprecord);

fn xidmprecord(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (key, name, iid) = (args.key(), args.bytes(), args.bytes());
    let id = strict_id(args.bytes(), 0)?;
    if name.is_empty() {
        return Err(CmdError::Fixed("ERR producer ID must be non-empty"));
    }
    if iid.is_empty() {
        return Err(CmdError::Fixed("ERR idempotent ID must be non-empty"));
    }
    let (now_ms, obeys) = (cx.now_ms(), cx.caller.must_obey);
    let mut db = cx.db();
    let found = db.write(key).ok_or(CmdError::NoSuchKey)?;
    let stream = db.stream_mut(found)?;
    // The entry may have been deleted when the log was rewritten.
    if !stream.contains(id) && !obeys {
        return Err(CmdError::Fixed("ERR No such message in stream"));
    }
    let producers = stream.producers_mut();
    let known = match obeys {
        true => producers.peek(name, iid),
        false => producers.find(name, iid, now_ms),
    };
    match known {
        Some(known) if known == id => {}
        Some(_) => {
            return Err(CmdError::Fixed(
                "ERR IID already exists for this producer with a different stream ID",
            ));
        }
        None => {
            producers.record(name, iid, id, now_ms);
            db.arm_producers(found);
            cx.effects.count_changes(1);
        }
    }
    reply.ok()
}

#[cfg(test)]
mod tests {
    use crate::engine::Engine;

    fn tracked(e: &mut Engine) -> String {
        let info = e.ask("XINFO STREAM s");
        let (_, tail) = info.split_once("$13 idmp-duration ").unwrap_or_default();
        let (figures, _) = tail.split_once(" $6 groups").unwrap_or_default();
        let figures = figures.split(' ').filter(|word| word.starts_with(':'));
        figures.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn an_entry_sent_again_is_not_added_again() {
        let mut e = Engine::new();
        e.freeze_at_ms(5_000);
        assert_eq!(e.ask("XADD s IDMP p i * a 1"), "$6 5000-0");
        assert_eq!(e.outcome().propagated_text(), "XADD s IDMP p i 5000-0 a 1");
        assert_eq!(e.ask("XADD s IDMP p i MAXLEN 0 * b 2"), "$6 5000-0");
        assert_eq!(
            e.outcome().propagated_text(),
            "XADD s IDMP p i MAXLEN 0 * b 2"
        );
        assert_eq!(e.ask("XADD s IDMP q i * a 1"), "$6 5000-1");
        assert_eq!(e.ask("XADD s IDMPAUTO q * a 1 b 2"), "$6 5000-2");
        assert_eq!(e.ask("XADD s NOMKSTREAM IDMPAUTO q * b 2 a 1"), "$6 5000-2");
        assert_eq!(e.ask("XLEN s"), ":3");
        assert_eq!(tracked(&mut e), ":100 :100 :2 :3 :3 :2");
        e.freeze_at_ms(105_001);
        assert_eq!(tracked(&mut e), ":100 :100 :0 :0 :3 :2");
        assert_eq!(e.ask("XADD s IDMP p i * a 1"), "$8 105001-0");
    }

    #[test]
    fn limits_are_of_the_stream_and_a_change_forgets_all_ids() {
        let mut e = Engine::new();
        e.freeze_at_ms(5_000);
        e.tuning().stream_retention.ids = 2;
        e.ask("XADD s IDMP p 1 * a 1");
        e.tuning().stream_retention.ids = 50;
        e.ask("XADD s IDMP p 2 * a 1");
        e.ask("XADD s IDMP p 3 * a 1");
        assert_eq!(tracked(&mut e), ":100 :2 :1 :2 :3 :0");
        assert_eq!(e.ask("XCFGSET s IDMP-MAXSIZE 2 IDMP-DURATION 100"), "+OK");
        assert_eq!(e.outcome().propagated_text(), "");
        assert_eq!(e.ask("XADD s IDMP p 3 * a 1"), "$6 5000-2");
        assert_eq!(e.ask("XCFGSET s IDMP-DURATION 7"), "+OK");
        assert_eq!(e.outcome().propagated_text(), "XCFGSET s IDMP-DURATION 7");
        assert_eq!(tracked(&mut e), ":7 :2 :0 :0 :3 :1");
        for (line, error) in [
            ("XCFGSET t", "no such key"),
            ("XCFGSET s", "At least one parameter must be specified"),
            ("XCFGSET s IDMP-DURATION", "syntax error"),
            (
                "XCFGSET s IDMP-DURATION 0",
                "IDMP-DURATION must be between 1 and 86400 seconds",
            ),
            (
                "XCFGSET s IDMP-MAXSIZE 4294967297",
                "IDMP-MAXSIZE must be between 1 and 10000 entries",
            ),
            (
                "XCFGSET s IDMP-MAXSIZE 9223372036854775808",
                "value is not an integer or out of range",
            ),
            (
                "XCFGSET s IDMP-MAXSIZE 2 IDMP-MAXSIZE 2",
                "IDMP-MAXSIZE specified multiple times",
            ),
            (
                "XADD s IDMP p i 9999-1 a 1",
                "syntax error, IDMP/IDMPAUTO can be used only with auto-generated IDs",
            ),
            (
                "XADD s IDMPAUTO \"\" * a 1",
                "syntax error, IDMPAUTO requires a non-empty producer ID",
            ),
            (
                "XADD s IDMP p i IDMPAUTO p * a 1",
                "syntax error, IDMP/IDMPAUTO specified multiple times",
            ),
        ] {
            assert_eq!(e.ask(line), format!("-ERR {error}"), "{line}");
        }
    }

    /// The ids of producers that the stream at a key keeps, whatever their age.
    fn kept(e: &mut Engine, key: &str) -> usize {
        let mut db = e.keyspace().db(crate::keyspace::DbIndex(0));
        let stream = db
            .stream(key.as_bytes())
            .expect("a stream")
            .expect("it is there");
        assert_eq!(stream.check(), Ok(()));
        stream.producers.as_ref().map_or(0, |it| it.ids())
    }

    #[test]
    fn old_ids_are_forgotten_even_if_the_stream_is_not_touched_again() {
        let mut e = Engine::new();
        e.freeze_at_ms(5_000);
        for n in 0..3_000 {
            e.ask(&format!("XADD s IDMP {n} i * a 1"));
        }
        e.ask("COPY s copy");
        e.ask("RENAME s t");
        e.advance_ms(90_000);
        e.ask("XADD t IDMP late i * a 1");
        e.expire_due();
        assert_eq!((kept(&mut e, "t"), kept(&mut e, "copy")), (3_001, 3_000));
        for _ in 0..10 {
            e.advance_ms(3_000);
            e.expire_due();
        }
        assert_eq!((kept(&mut e, "t"), kept(&mut e, "copy")), (1, 0));
        e.advance_ms(100_000);
        e.expire_due();
        assert_eq!(kept(&mut e, "t"), 0);
    }

    #[test]
    fn a_primary_decides_what_is_a_duplicate() {
        let mut e = Engine::new();
        e.freeze_at_ms(500_000);
        e.obey(true);
        // The primary has forgotten the first one by then: the second is another entry.
        assert_eq!(e.ask("XADD s IDMP p i 1000-0 a 1"), "$6 1000-0");
        assert_eq!(e.ask("XADD s IDMP p i 200000-0 a 2"), "$8 200000-0");
        // A duplicate comes without an id, and is one even if it is unknown here.
        assert_eq!(e.ask("XADD s IDMP p i * a 3"), "$8 200000-0");
        assert_eq!(e.ask("XADD s IDMP p j * a 3"), "$-1");
        assert_eq!(e.ask("XADD t IDMP p j * a 3"), "$-1");
        assert_eq!(e.ask("EXISTS t"), ":0");
        assert_eq!(e.ask("XLEN s"), ":2");
    }

    #[test]
    fn recorded_ids_count() {
        let mut e = Engine::new();
        e.freeze_at_ms(5_000);
        e.ask("XADD s 5000-1 a 1");
        e.ask("XADD s 5000-2 a 1");
        assert_eq!(e.ask("XIDMPRECORD s p i 5000-1"), "+OK");
        assert_eq!(e.outcome().propagated_text(), "XIDMPRECORD s p i 5000-1");
        assert_eq!(e.ask("XIDMPRECORD s p i 5000-1"), "+OK");
        assert_eq!(e.outcome().propagated_text(), "");
        assert_eq!(tracked(&mut e), ":100 :100 :1 :1 :1 :0");
        assert_eq!(e.ask("XADD s IDMP p i * a 1"), "$6 5000-1");
        for (line, error) in [
            (
                "XIDMPRECORD s p i 5000-2",
                "IID already exists for this producer with a different stream ID",
            ),
            ("XIDMPRECORD s p j 5000-3", "No such message in stream"),
            ("XIDMPRECORD t p j 5000-3", "no such key"),
            (
                "XIDMPRECORD t p j x",
                "Invalid stream ID specified as stream command argument",
            ),
            (
                "XIDMPRECORD s \"\" j 5000-1",
                "producer ID must be non-empty",
            ),
            (
                "XIDMPRECORD s p \"\" 5000-1",
                "idempotent ID must be non-empty",
            ),
        ] {
            assert_eq!(e.ask(line), format!("-ERR {error}"), "{line}");
        }
    }
}
