//! SLOWLOG: the log of slow commands (`observe::commandlog`).

use super::container;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::observe::commandlog::{CommandLog, Kind};
use crate::server::clients::session::Session;
use crate::server::{Server, ServerCommand};

/// The default number of entries of SLOWLOG GET, as in Redis.
const DEFAULT_COUNT: usize = 10;

pub static TABLE: &[ServerCommand] = &[SLOWLOG];

const SLOWLOG: ServerCommand = Spec {
    name: "slowlog",
    since: "2.2.12",
    summary: "About slow commands.",
    ..Spec::of(Group::Server)
}
.contains(
    &[SLOWLOG_GET, SLOWLOG_HELP, SLOWLOG_LEN, SLOWLOG_RESET],
    container,
);

const SLOWLOG_GET: ServerCommand = Spec {
    name: "get",
    flags: all(&[ADMIN, LOADING, STALE]),
    usage: "[count:integer]",
    since: "2.2.12",
    summary: "The latest slow commands.",
    complexity: "O(N) where N is the number of entries returned",
    tips: &["request_policy:all_nodes", "nondeterministic_output"],
    history: &[
        ("4.0.0", "Shows the address and the name of the client."),
        ("8.10.0", "Shows how many arguments the command had."),
    ],
    ..Spec::of(Group::Server)
}
.subcommand(slowlog_get);

fn slowlog_get(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let count = match args.left() {
        0 => DEFAULT_COUNT,
        1 => count(args)?,
        _ => return Err(CmdError::wrong_form(&args.argv())),
    };
    entries(server.observe.logs.of(Kind::Slow), count, true, reply)
}

/// A number of entries; -1 stands for all.
pub fn count(args: &mut Args) -> Result<usize, CmdError> {
    match args.int() {
        Ok(-1) => Ok(usize::MAX),
        Ok(count @ 0..) => Ok(count as usize),
        _ => Err(CmdError::Fixed(
            "ERR count should be greater than or equal to -1",
        )),
    }
}

/// Replies with the newest entries of a log.
pub fn entries(log: &CommandLog, count: usize, with_argc: bool, reply: &mut Reply) -> CmdResult {
    reply.array(log.len().min(count))?;
    for entry in log.iter().take(count) {
        reply.array(6 + with_argc as usize)?;
        reply.int(entry.id as i64)?;
        reply.int(entry.unix_s)?;
        reply.int(entry.measure as i64)?;
        reply.array(entry.args.len())?;
        entry.args.iter().try_for_each(|arg| reply.bulk(arg))?;
        reply.bulk(entry.peer.as_bytes())?;
        reply.bulk(&entry.name)?;
        if with_argc {
            reply.int(entry.argc as i64)?;
        }
    }
    Ok(())
}

const SLOWLOG_LEN: ServerCommand = Spec {
    name: "len",
    flags: all(&[ADMIN, LOADING, STALE]),
    since: "2.2.12",
    summary: "How many slow commands are kept.",
    complexity: "O(1)",
    tips: &[
        "request_policy:all_nodes",
        "response_policy:agg_sum",
        "nondeterministic_output",
    ],
    ..Spec::of(Group::Server)
}
.subcommand(slowlog_len);

fn slowlog_len(server: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    reply.int(server.observe.logs.of(Kind::Slow).len() as i64)
}

const SLOWLOG_RESET: ServerCommand = Spec {
    name: "reset",
    flags: all(&[ADMIN, LOADING, STALE]),
    since: "2.2.12",
    summary: "Forgets slow commands.",
    complexity: "O(N) where N is the number of entries in the slowlog",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..Spec::of(Group::Server)
}
.subcommand(slowlog_reset);

fn slowlog_reset(
    server: &mut Server,
    _: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    server.observe.logs.of_mut(Kind::Slow).reset();
    reply.ok()
}

const SLOWLOG_HELP: ServerCommand = Spec {
    name: "help",
    flags: all(&[LOADING, STALE]),
    since: "6.2.0",
    summary: "What SLOWLOG can do.",
    complexity: "O(1)",
    ..Spec::of(Group::Server)
}
.subcommand(slowlog_help);

fn slowlog_help(_: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    reply.help(&[
        "SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "GET [<count>]",
        "    The latest <count> slow commands (default: 10; -1 for all). Each is made of",
        "    id, unix time, microseconds, arguments, address and name of the client,",
        "    number of arguments.",
        "LEN",
        "    How many slow commands are kept.",
        "RESET",
        "    Forget them.",
        "HELP",
        "    Print this help.",
    ])
}
