//! OBJECT: how a value is stored and how much it is used.

use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::types::entry::EntryRef;

/// Replies with `show` of the entry at the next key; nil if there is none. Does not count as an
/// access.
fn look(
    cx: &mut Cx,
    args: &mut Args,
    reply: &mut Reply,
    show: impl FnOnce(EntryRef, &mut Reply) -> CmdResult,
) -> CmdResult {
    let mut db = cx.db();
    match db.examine(args.key()) {
        Some(found) => show(db.get(found), reply),
        None => reply.null(),
    }
}

pub(super) const OBJECT_ENCODING: DataCommand = Spec {
    name: "encoding",
    flags: READONLY,
    keys: &[KeySpec::at(2, &[RO])],
    usage: "key:key",
    since: "2.2.3",
    summary: "How the value of a key is stored.",
    complexity: "O(1)",
    tips: &["nondeterministic_output"],
    ..Spec::of(Group::Generic)
}
.subcommand(object_encoding);

fn object_encoding(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    look(cx, args, reply, |entry, reply| {
        reply.bulk(entry.encoding().name().as_bytes())
    })
}

pub(super) const OBJECT_FREQ: DataCommand = Spec {
    name: "freq",
    flags: READONLY,
    keys: &[KeySpec::at(2, &[RO])],
    usage: "key:key",
    since: "4.0.0",
    summary: "How often a key is used, as the LFU policies count.",
    complexity: "O(1)",
    tips: &["nondeterministic_output"],
    ..Spec::of(Group::Generic)
}
.subcommand(object_freq);

fn object_freq(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (aging, now_ms) = (cx.keyspace.shared.aging.clone(), cx.now_ms());
    look(cx, args, reply, |entry, reply| {
        if !aging.is_lfu() {
            return Err(CmdError::Fixed(
                "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
            ));
        }
        reply.int(aging.frequency(entry.aging(), now_ms) as i64)
    })
}

pub(super) const OBJECT_IDLETIME: DataCommand = Spec {
    name: "idletime",
    flags: READONLY,
    keys: &[KeySpec::at(2, &[RO])],
    usage: "key:key",
    since: "2.2.3",
    summary: "The seconds since a key was last used.",
    complexity: "O(1)",
    tips: &["nondeterministic_output"],
    ..Spec::of(Group::Generic)
}
.subcommand(object_idletime);

fn object_idletime(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (aging, now_ms) = (cx.keyspace.shared.aging.clone(), cx.now_ms());
    look(cx, args, reply, |entry, reply| {
        if aging.is_lfu() {
            return Err(CmdError::Fixed(
                "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
            ));
        }
        reply.int(aging.idle_seconds(entry.aging(), now_ms))
    })
}

pub(super) const OBJECT_REFCOUNT: DataCommand = Spec {
    name: "refcount",
    flags: READONLY,
    keys: &[KeySpec::at(2, &[RO])],
    usage: "key:key",
    since: "2.2.3",
    summary: "How many references to a value there are.",
    complexity: "O(1)",
    tips: &["nondeterministic_output"],
    ..Spec::of(Group::Generic)
}
.subcommand(object_refcount);

/// Values are never shared between keys.
fn object_refcount(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    look(cx, args, reply, |_, reply| reply.int(1))
}

pub(super) const OBJECT_HELP: DataCommand = Spec {
    name: "help",
    flags: all(&[LOADING, STALE]),
    since: "6.2.0",
    summary: "What OBJECT can do.",
    complexity: "O(1)",
    ..Spec::of(Group::Generic)
}
.subcommand(object_help);

fn object_help(_: &mut Cx, _: &mut Args, reply: &mut Reply) -> CmdResult {
    reply.help(&[
        "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "ENCODING <key>",
        "    How the value of the key is stored.",
        "FREQ <key>",
        "    How often the key is used, on the logarithmic scale of the LFU policies.",
        "IDLETIME <key>",
        "    Seconds since the key was last used.",
        "REFCOUNT <key>",
        "    How many references to the value there are.",
        "HELP",
        "    Print this help.",
    ])
}

#[cfg(test)]
mod tests {
    use crate::engine::Engine;
    use crate::keyspace::aging::Measure;

    #[test]
    fn encodings_are_those_of_redis() {
        let mut e = Engine::new();
        let (long, longer) = ("x".repeat(40), "x".repeat(41));
        for (value, encoding) in [
            ("12", "$3 int"),
            ("012", "$6 embstr"),
            (&longer, "$3 raw"),
            (&long, "$6 embstr"),
        ] {
            e.run(&["SET", "k", value]);
            assert_eq!(e.ask("OBJECT ENCODING k"), encoding);
        }
        e.ask("EXPIRE k 100");
        assert_eq!(e.ask("OBJECT ENCODING k"), "$3 raw");
        assert_eq!(e.ask("OBJECT ENCODING nokey"), "$-1");
        assert_eq!(e.ask("OBJECT REFCOUNT k"), ":1");
    }

    #[test]
    fn an_integer_over_a_long_string_is_an_integer() {
        let mut e = Engine::new();
        e.run(&["SET", "k", &"x".repeat(1000)]);
        e.ask("SET k 12");
        assert_eq!(e.ask("OBJECT ENCODING k"), "$3 int");
    }

    #[test]
    fn idle_time_grows_until_the_key_is_used() {
        let mut e = Engine::new();
        e.freeze_at_ms(1_000_000);
        e.ask("SET k v");
        e.advance_ms(7_000);
        assert_eq!(e.ask("OBJECT IDLETIME k"), ":7");
        e.ask("TTL k");
        assert_eq!(e.ask("OBJECT IDLETIME k"), ":7");
        e.keyspace().shared.no_touch = true;
        e.ask("GET k");
        assert_eq!(e.ask("OBJECT IDLETIME k"), ":7");
        e.ask("TOUCH k");
        assert_eq!(e.ask("OBJECT IDLETIME k"), ":0");
        assert!(
            e.ask("OBJECT FREQ k")
                .starts_with("-ERR An LFU maxmemory policy is not")
        );
    }

    #[test]
    fn frequency_counts_under_lfu() {
        let mut e = Engine::new();
        e.freeze_at_ms(1_000_000);
        e.keyspace().shared.aging.measure = Measure::Frequency;
        e.ask("SET k v");
        assert_eq!(e.ask("OBJECT FREQ k"), ":5");
        assert!(
            e.ask("OBJECT IDLETIME k")
                .starts_with("-ERR An LFU maxmemory policy is sel")
        );
    }
}
