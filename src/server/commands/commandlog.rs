//! COMMANDLOG of Valkey: the logs of slow commands, of large requests and of large replies.

use super::container;
use super::slowlog::{count, entries};
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::observe::commandlog::Kind;
use crate::server::clients::session::Session;
use crate::server::{Server, ServerCommand};

pub static TABLE: &[ServerCommand] = &[COMMANDLOG];

const COMMANDLOG_SPEC: Spec = Spec {
    since: "8.1.0",
    of_valkey: true,
    ..Spec::of(Group::Server)
};

const COMMANDLOG: ServerCommand = Spec {
    name: "commandlog",
    summary: "About slow commands, large requests and large replies.",
    ..COMMANDLOG_SPEC
}
.contains(
    &[
        COMMANDLOG_GET,
        COMMANDLOG_HELP,
        COMMANDLOG_LEN,
        COMMANDLOG_RESET,
    ],
    container,
);

/// Takes the name of a log.
fn kind(args: &mut Args) -> Result<Kind, CmdError> {
    let name = args.bytes();
    let kinds = [
        ("slow", Kind::Slow),
        ("large-request", Kind::LargeRequest),
        ("large-reply", Kind::LargeReply),
    ];
    let found = kinds
        .iter()
        .find(|(word, _)| name.eq_ignore_ascii_case(word.as_bytes()));
    found.map(|(_, kind)| *kind).ok_or(CmdError::Fixed(
        "ERR type should be one of the following: slow, large-request, large-reply",
    ))
}

const COMMANDLOG_GET: ServerCommand = Spec {
    name: "get",
    flags: all(&[ADMIN, LOADING, STALE]),
    usage: "count:integer type(slow=SLOW|large-request=LARGE-REQUEST|large-reply=LARGE-REPLY)",
    summary: "The latest commands of a log.",
    complexity: "O(N) where N is the number of entries returned",
    tips: &["request_policy:all_nodes", "nondeterministic_output"],
    ..COMMANDLOG_SPEC
}
.subcommand(commandlog_get);

fn commandlog_get(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let count = count(args)?;
    let kind = kind(args)?;
    entries(server.observe.logs.of(kind), count, false, reply)
}

const COMMANDLOG_LEN: ServerCommand = Spec {
    name: "len",
    flags: all(&[ADMIN, LOADING, STALE]),
    usage: "type(slow=SLOW|large-request=LARGE-REQUEST|large-reply=LARGE-REPLY)",
    summary: "The number of entries in a log.",
    complexity: "O(1)",
    tips: &[
        "request_policy:all_nodes",
        "response_policy:agg_sum",
        "nondeterministic_output",
    ],
    ..COMMANDLOG_SPEC
}
.subcommand(commandlog_len);

fn commandlog_len(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    reply.int(server.observe.logs.of(kind(args)?).len() as i64)
}

const COMMANDLOG_RESET: ServerCommand = Spec {
    name: "reset",
    flags: all(&[ADMIN, LOADING, STALE]),
    usage: "type(slow=SLOW|large-request=LARGE-REQUEST|large-reply=LARGE-REPLY)",
    summary: "Empties a log.",
    complexity: "O(N) where N is the number of entries in the commandlog",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..COMMANDLOG_SPEC
}
.subcommand(commandlog_reset);

fn commandlog_reset(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    server.observe.logs.of_mut(kind(args)?).reset();
    reply.ok()
}

const COMMANDLOG_HELP: ServerCommand = Spec {
    name: "help",
    flags: all(&[LOADING, STALE]),
    summary: "The subcommands of COMMANDLOG.",
    complexity: "O(1)",
    ..COMMANDLOG_SPEC
}
.subcommand(commandlog_help);

fn commandlog_help(_: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    reply.help(&[
        "COMMANDLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "GET <count> <type>",
        "    The latest <count> entries of a log (-1 for all). A type is slow, large-request",
        "    or large-reply. An entry is made of id, unix time, microseconds or bytes,",
        "    arguments, address and name of the client.",
        "LEN <type>",
        "    The number of entries in a log.",
        "RESET <type>",
        "    Empty a log.",
        "HELP",
        "    Print this help.",
    ])
}
