//! SLOWLOG: the entries of `observe::slowlog`.

use super::container;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::server::clients::session::Session;
use crate::server::{Server, ServerCommand};

/// The default number of entries of SLOWLOG GET, as in Redis.
const DEFAULT_COUNT: usize = 10;

pub static TABLE: &[ServerCommand] = &[Entry {
    spec: Spec {
        name: "slowlog",
        arity: -2,
        group: Group::Server,
        since: "2.2.12",
        summary: "About slow commands.",
        complexity: "Depends on subcommand.",
        ..Spec::BASE
    },
    run: container,
    subcommands: &[
        Entry {
            spec: Spec {
                name: "get",
                arity: -2,
                flags: all(&[ADMIN, LOADING, STALE]),
                group: Group::Server,
                usage: "[count:integer]",
                since: "2.2.12",
                summary: "The latest slow commands.",
                complexity: "O(N) where N is the number of entries returned",
                tips: &["request_policy:all_nodes", "nondeterministic_output"],
                ..Spec::BASE
            },
            run: slowlog_get,
            subcommands: &[],
        },
        Entry {
            spec: Spec {
                name: "help",
                arity: 2,
                flags: all(&[LOADING, STALE]),
                group: Group::Server,
                since: "6.2.0",
                summary: "What SLOWLOG can do.",
                complexity: "O(1)",
                ..Spec::BASE
            },
            run: slowlog_help,
            subcommands: &[],
        },
        Entry {
            spec: Spec {
                name: "len",
                arity: 2,
                flags: all(&[ADMIN, LOADING, STALE]),
                group: Group::Server,
                since: "2.2.12",
                summary: "How many slow commands are kept.",
                complexity: "O(1)",
                tips: &[
                    "request_policy:all_nodes",
                    "response_policy:agg_sum",
                    "nondeterministic_output",
                ],
                ..Spec::BASE
            },
            run: slowlog_len,
            subcommands: &[],
        },
        Entry {
            spec: Spec {
                name: "reset",
                arity: 2,
                flags: all(&[ADMIN, LOADING, STALE]),
                group: Group::Server,
                since: "2.2.12",
                summary: "Forgets slow commands.",
                complexity: "O(N) where N is the number of entries in the slowlog",
                tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
                ..Spec::BASE
            },
            run: slowlog_reset,
            subcommands: &[],
        },
    ],
}];

/// SLOWLOG GET [count].
fn slowlog_get(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let bad_count = CmdError::Fixed("ERR count should be greater than or equal to -1");
    let count = match args.left() {
        0 => DEFAULT_COUNT,
        1 => match args.int() {
            Ok(-1) => usize::MAX,
            Ok(count @ 0..) => count as usize,
            _ => return Err(bad_count),
        },
        _ => return Err(CmdError::wrong_form("SLOWLOG", args.argv().at(1))),
    };
    let slowlog = &server.observe.slowlog;
    reply.array(slowlog.len().min(count))?;
    for entry in slowlog.iter().take(count) {
        reply.array(6)?;
        reply.int(entry.id as i64)?;
        reply.int(entry.unix_s)?;
        reply.int(entry.duration_us as i64)?;
        reply.array(entry.args.len())?;
        entry.args.iter().try_for_each(|arg| reply.bulk(arg))?;
        reply.bulk(entry.peer.as_bytes())?;
        reply.bulk(&entry.name)?;
    }
    Ok(())
}

/// SLOWLOG LEN.
fn slowlog_len(server: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    reply.int(server.observe.slowlog.len() as i64)
}

/// SLOWLOG RESET.
fn slowlog_reset(
    server: &mut Server,
    _: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    server.observe.slowlog.reset();
    reply.ok()
}

/// SLOWLOG HELP.
fn slowlog_help(_: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    reply.help(&[
        "SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "GET [<count>]",
        "    The latest <count> slow commands (default: 10; -1 for all). Each is made of",
        "    id, unix time, microseconds, arguments, address and name of the client.",
        "LEN",
        "    How many slow commands are kept.",
        "RESET",
        "    Forget them.",
        "HELP",
        "    Print this help.",
    ])
}
