//! CLIENT INFO and CLIENT LIST: one line per connection.

use super::CLIENT_SPEC;
use crate::algo::number::parse_i64;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::server::clients::describe::{self, Kind, Seen, caller, describe, find};
use crate::server::clients::session::Session;
use crate::server::{Server, ServerCommand};

pub(super) const CLIENT_INFO: ServerCommand = Spec {
    name: "info",
    since: "6.2.0",
    summary: "What is known of this connection.",
    complexity: "O(1)",
    tips: &["nondeterministic_output"],
    ..CLIENT_SPEC
}
.subcommand(client_info);

fn client_info(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let line = describe(server, &caller(session, args));
    reply.verbatim(b"txt", line.as_bytes())
}

pub(super) const CLIENT_LIST: ServerCommand = Spec {
    name: "list",
    flags: all(&[ADMIN, NOSCRIPT, LOADING, STALE]),
    usage: "[client-type(normal=NORMAL|master=MASTER|replica=REPLICA|pubsub=PUBSUB)@TYPE!5.0.0] [client-id:integer@ID!6.2.0...]",
    since: "2.4.0",
    summary: "What is known of all connections.",
    complexity: "O(N) where N is the number of client connections",
    tips: &["nondeterministic_output"],
    history: &[
        ("2.8.12", "Shows the id of a client."),
        ("5.0.0", "Takes TYPE."),
        ("6.0.0", "Shows the user."),
        (
            "6.2.0",
            "Shows argv-mem, tot-mem, laddr and redir; takes ID.",
        ),
        ("7.0.0", "Shows resp, multi-mem, rbs and rbp."),
        ("7.0.3", "Shows ssub."),
        ("7.2.0", "Shows lib-name and lib-ver."),
        ("7.4.0", "Shows watch."),
        ("8.0.0", "Shows io-thread."),
    ],
    ..Spec::of(Group::Connection)
}
.subcommand(client_list);

fn client_list(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let all = describe::all(server, caller(session, args));
    let mut chosen: Vec<&Seen> = Vec::new();
    match args.left() {
        0 => chosen.extend(&all),
        2 if args.word("type") => {
            let word = args.bytes();
            let kind = Kind::parse(word).ok_or_else(|| unknown_type(word))?;
            chosen.extend(all.iter().filter(|seen| seen.kind() == kind));
        }
        2.. if args.word("id") => {
            while let Some(word) = args.option() {
                let id = parse_i64(word).ok_or(CmdError::Fixed("ERR Invalid client ID"))?;
                chosen.extend(find(&all, id));
            }
        }
        _ => return Err(CmdError::Syntax),
    }
    let lines: String = chosen.iter().map(|seen| describe(server, seen)).collect();
    reply.verbatim(b"txt", lines.as_bytes())
}

/// Returns the error for an unknown client type.
pub(super) fn unknown_type(word: &[u8]) -> CmdError {
    CmdError::quoting("ERR Unknown client type '", word, usize::MAX, "'")
}
