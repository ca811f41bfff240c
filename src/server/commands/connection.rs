//! Greeting and choosing: PING, ECHO, SELECT, AUTH, HELLO, RESET, QUIT.

use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::keyspace::DbIndex;
use crate::server::session::{Ending, Session};
use crate::server::{Server, ServerCommand};

pub static TABLE: &[ServerCommand] = &[
    Entry {
        spec: Spec {
            name: "ping",
            arity: -1,
            flags: FAST,
            group: Group::Connection,
            usage: "[message:string]",
            since: "1.0.0",
            summary: "Answers that the server is there.",
            complexity: "O(1)",
            tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
            ..Spec::BASE
        },
        run: ping,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "echo",
            arity: 2,
            flags: all(&[LOADING, STALE, FAST]),
            group: Group::Connection,
            usage: "message:string",
            since: "1.0.0",
            summary: "Answers its argument.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: echo,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "select",
            arity: 2,
            flags: all(&[LOADING, STALE, FAST]),
            group: Group::Connection,
            usage: "index:integer",
            since: "1.0.0",
            summary: "Chooses the database.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: select,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "quit",
            arity: -1,
            flags: all(&[NOSCRIPT, LOADING, STALE, FAST, NO_AUTH, ALLOW_BUSY]),
            group: Group::Connection,
            since: "1.0.0",
            summary: "Closes the connection.",
            complexity: "O(1)",
            deprecated: Some(Deprecated {
                since: "7.2.0",
                replaced_by: "just closing the connection",
            }),
            ..Spec::BASE
        },
        run: quit,
        subcommands: &[],
    },
];

/// PING [message].
fn ping(_: &mut Server, _: &mut Session, args: &mut Args, reply: &mut Reply) -> CmdResult {
    match args.left() {
        0 => reply.simple("PONG"),
        1 => reply.bulk(args.bytes()),
        _ => Err(CmdError::arity("ping")),
    }
}

/// ECHO message.
fn echo(_: &mut Server, _: &mut Session, args: &mut Args, reply: &mut Reply) -> CmdResult {
    reply.bulk(args.bytes())
}

/// SELECT index.
fn select(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let index = args.int().map_err(|_| CmdError::NotInteger)?;
    if !(0..server.keyspace.databases() as i64).contains(&index) {
        return Err(CmdError::DbRange);
    }
    session.db = DbIndex(index as u32);
    reply.ok()
}

/// QUIT.
fn quit(_: &mut Server, session: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    session.ending = Ending::AfterReply;
    reply.ok()
}
