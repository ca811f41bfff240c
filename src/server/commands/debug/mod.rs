//! DEBUG: tools for tests and for the inspection of a running server, not for applications.
//!
//! A tool is a row: its name, the number of its arguments, its function, and its lines of help. A
//! number of arguments that does not fit gets the error of an unknown name, as in Redis.

mod crash;
mod data;
mod list;
mod protocol;
mod reload;
mod state;

use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::server::clients::session::Session;
use crate::server::{Server, ServerCommand, ServerFn};
use std::ops::RangeInclusive;

pub static TABLE: &[ServerCommand] = &[DEBUG];

struct Tool {
    name: &'static str,
    /// The number of arguments after the name.
    args: RangeInclusive<usize>,
    run: ServerFn,
    /// The lines of help: the usage, and the effect.
    help: &'static [&'static str],
}

const fn tool(
    name: &'static str,
    args: RangeInclusive<usize>,
    run: ServerFn,
    help: &'static [&'static str],
) -> Tool {
    Tool {
        name,
        args,
        run,
        help,
    }
}

const MANY: usize = usize::MAX;

/// All tools, in the order of HELP.
#[rustfmt::skip]
static TOOLS: &[Tool] = &[
    tool("AOF-FLUSH-SLEEP", 1..=1, reload::flush_sleep, &[
        "AOF-FLUSH-SLEEP <microseconds>", "    Sleep before the log is written."]),
    tool("ASSERT", 0..=0, crash::assert, &[
        "ASSERT", "    End the server as a failed assertion does."]),
    tool("CHANGE-REPL-ID", 0..=0, state::change_repl_id, &[
        "CHANGE-REPL-ID", "    Give our history of changes another name. Replicas will resync."]),
    tool("CLIENT-EVICTION", 0..=0, state::client_eviction, &[
        "CLIENT-EVICTION", "    How many clients use how much memory, by powers of two."]),
    tool("CLOCK", 1..=2, state::clock, &[
        "CLOCK <FREEZE|THAW|ADVANCE ms|SET unix-ms>",
        "    Stop the clock of the server, let it go on from where it stands, move",
        "    it forward, or set the wall clock. Timers follow it; sleeping does not."]),
    tool("CONFIG-REWRITE-FORCE-ALL", 0..=0, state::rewrite_config, &[
        "CONFIG-REWRITE-FORCE-ALL", "    Like CONFIG REWRITE, with every directive there is."]),
    tool("DICT-RESIZING", 1..=1, accept, &[
        "DICT-RESIZING <0|1>", "    Accepted; the table grows and shrinks without rehashing."]),
    tool("DIGEST", 0..=0, data::digest, &[
        "DIGEST", "    A digest of all data: equal for equal data."]),
    tool("DIGEST-VALUE", 0..=MANY, data::digest_value, &[
        "DIGEST-VALUE <key> [<key> ...]", "    Digests of values."]),
    tool("ERROR", 1..=1, protocol::error, &[
        "ERROR <text>", "    Answer with this error."]),
    tool("HTSTATS", 1..=2, data::htstats, &[
        "HTSTATS <db> [full]", "    The shape of the tables of a database."]),
    tool("HTSTATS-KEY", 1..=2, data::htstats_key, &[
        "HTSTATS-KEY <key> [full]", "    The same for the table inside a value."]),
    tool("KEYSIZES-HIST-ASSERT", 1..=1, state::keysizes_assert, &[
        "KEYSIZES-HIST-ASSERT <0|1>",
        "    Count the sizes of values anew after each command, and crash if INFO keysizes is wrong."]),
    tool("LISTPACK", 1..=1, list::listpack, &[
        "LISTPACK <key>", "    Print the listpack of a small value to the standard output."]),
    tool("LOADAOF", 0..=0, reload::load_aof, &[
        "LOADAOF", "    Write the log, empty the server and load the log."]),
    tool("LOG", 1..=1, state::log, &[
        "LOG <text>", "    Write a line to the log."]),
    tool("OBJECT", 1..=1, data::object, &[
        "OBJECT <key>", "    Where and how a value is kept."]),
    tool("PANIC", 0..=0, crash::panic, &[
        "PANIC", "    End the server as a bug does."]),
    tool("PAUSE-CRON", 1..=1, state::pause_cron, &[
        "PAUSE-CRON <0|1>", "    Stop the regular jobs."]),
    tool("POPULATE", 1..=3, data::populate, &[
        "POPULATE <count> [<prefix>] [<size>]",
        "    Make keys `<prefix>:0`, `<prefix>:1` and so on (the prefix is `key` unless",
        "    given) with strings, of this size if one is given, without events."]),
    tool("PROTOCOL", 1..=1, protocol::protocol, &[
        "PROTOCOL <type>",
        "    Answer with a value of a type of the protocol: string, integer, double,",
        "    bignum, null, array, set, map, attrib, push, verbatim, true or false."]),
    tool("QUICKLIST", 1..=2, list::quicklist, &[
        "QUICKLIST <key> [<0|1>]",
        "    Print the nodes of a list to the standard output, with 1 its elements too."]),
    tool("QUICKLIST-PACKED-THRESHOLD", 1..=1, list::packed_threshold, &[
        "QUICKLIST-PACKED-THRESHOLD <size>",
        "    List elements of this size and more get nodes of their own; 0 for those",
        "    that fit no node."]),
    tool("REPLICATE", 1..=MANY, state::replicate, &[
        "REPLICATE <command> [<arg> ...]", "    Tell replicas of a command without running it."]),
    tool("REPL-PAUSE", 1..=1, state::repl_pause, &[
        "REPL-PAUSE <clear|after-fork|before-rdb-channel|on-streaming-repl-buf>",
        "    Stop the process at a step of a full synchronization, until it gets the signal CONT."]),
    tool("REPLYBUFFER", 2..=2, state::reply_buffer, &[
        "REPLYBUFFER <PEAK-RESET-TIME|RESIZING> <value>",
        "    How long a peak of a reply buffer is remembered, in milliseconds, or never, or reset;",
        "    whether sizes of reply buffers follow what is used of them."]),
    tool("REPLY-COPY-AVOIDANCE", 1..=1, state::reply_copy_avoidance, &[
        "REPLY-COPY-AVOIDANCE <0|1>", "    Accepted; a value is copied into the output once."]),
    tool("SDSLEN", 1..=1, data::sdslen, &[
        "SDSLEN <key>", "    Lengths and spare room of a key and its string."]),
    tool("SEED", 1..=1, state::seed, &[
        "SEED <number>", "    Let every random pick follow from this number from now on."]),
    tool("SEGFAULT", 0..=0, crash::segfault, &[
        "SEGFAULT", "    End the server by a memory fault."]),
    tool("RELOAD", 0..=MANY, reload::reload, &[
        "RELOAD [option ...]",
        "    Save a snapshot, empty the server and load the snapshot. Options:",
        "    * MERGE: keys that are there already are replaced.",
        "    * NOFLUSH: nothing is emptied; without MERGE, keys that are there are an error.",
        "    * NOSAVE: the snapshot that is there is loaded."]),
    tool("SET-ACTIVE-EXPIRE", 1..=1, state::set_active_expire, &[
        "SET-ACTIVE-EXPIRE <0|1>",
        "    Without it, overdue keys stay until a command looks them up."]),
    tool("SET-ALLOW-ACCESS-EXPIRED", 1..=1, state::set_allow_access_expired, &[
        "SET-ALLOW-ACCESS-EXPIRED <0|1>",
        "    With it, overdue keys and fields can be read, and reading does not remove them."]),
    tool("SET-DISABLE-DENY-SCRIPTS", 1..=1, state::set_disable_deny_scripts, &[
        "SET-DISABLE-DENY-SCRIPTS <0|1>", "    Let scripts call what is not for them."]),
    tool("SET-SKIP-CHECKSUM-VALIDATION", 1..=1, reload::skip_checksum, &[
        "SET-SKIP-CHECKSUM-VALIDATION <0|1>",
        "    With it, the sums of files and of RESTORE's payloads are not looked at."]),
    tool("SLEEP", 1..=1, state::sleep, &[
        "SLEEP <seconds>", "    Stop the server for a while."]),
    tool("STRUCTSIZE", 0..=0, state::struct_sizes, &[
        "STRUCTSIZE", "    The sizes of central structures."]),
    tool("HELP", 0..=0, help, &[
        "HELP", "    Print this help."]),
];

const DEBUG: ServerCommand = Spec {
    name: "debug",
    arity: -2,
    flags: all(&[ADMIN, NOSCRIPT, LOADING, STALE, PROTECTED]),
    guard: Some(Guard::Debug),
    since: "1.0.0",
    summary: "Helps to look into the server and to test it.",
    complexity: "Depends on subcommand.",
    internal: true,
    ..Spec::of(Group::Server)
}
.runs(debug);

fn debug(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let word = args.bytes();
    let fits = |tool: &&Tool| {
        tool.name.as_bytes().eq_ignore_ascii_case(word) && tool.args.contains(&args.left())
    };
    match TOOLS.iter().find(fits) {
        Some(tool) => (tool.run)(server, session, args, reply),
        None => Err(CmdError::wrong_form(&args.argv())),
    }
}

/// Accepts a switch of Redis's tests that has no effect here.
fn accept(_: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    reply.ok()
}

fn help(_: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    let mut lines = vec!["DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"];
    lines.extend(TOOLS.iter().flat_map(|tool| tool.help));
    reply.help(&lines)
}

/// Parses a number as C's `atoi` does: tests pass arbitrary text to a switch.
fn switch(bytes: &[u8]) -> bool {
    let digits = bytes.iter().take_while(|b| b.is_ascii_digit());
    digits.into_iter().any(|&b| b != b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_are_read_leniently() {
        for on in ["1", "01", "7x"] {
            assert!(switch(on.as_bytes()), "{on}");
        }
        for off in ["0", "", "x1", "00"] {
            assert!(!switch(off.as_bytes()), "{off}");
        }
    }

    #[test]
    fn every_tool_is_explained_under_its_name() {
        for tool in TOOLS {
            assert!(tool.help.len() > 1, "{}", tool.name);
            assert!(tool.help[0].starts_with(tool.name), "{}", tool.name);
            assert!(tool.help[1..].iter().all(|line| line.starts_with("    ")));
        }
    }
}
