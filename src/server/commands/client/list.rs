//! CLIENT INFO and CLIENT LIST: one line per connection.

use super::CLIENT_SPEC;
use super::filter::{self, Filter};
use crate::algo::number::parse_i64;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::server::clients::describe::{self, Seen, caller, describe, find};
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
    usage: "[client-type(normal=NORMAL|master=MASTER|replica=REPLICA|pubsub=PUBSUB)@TYPE!5.0.0] [client-id:integer@ID!6.2.0...] [username:string@USER!8.1.0] [addr:string@ADDR!8.1.0] [laddr:string@LADDR!8.1.0] [skipme(yes=YES|no=NO)@SKIPME!8.1.0] [maxage:integer@MAXAGE!8.1.0] [name:string@NAME!9.0.0] [idle:integer@IDLE!9.0.0] [flags:string@FLAGS!9.0.0] [lib-name:string@LIB-NAME!9.0.0] [lib-ver:string@LIB-VER!9.0.0] [db:integer@DB!9.0.0] [capa:string@CAPA!9.0.0] [ip:string@IP!9.0.0] [not-client-type(normal=NORMAL|master=MASTER|replica=REPLICA|pubsub=PUBSUB)@NOT-TYPE!9.0.0] [not-client-id:integer@NOT-ID!9.0.0...] [not-username:string@NOT-USER!9.0.0] [not-addr:string@NOT-ADDR!9.0.0] [not-laddr:string@NOT-LADDR!9.0.0] [not-name:string@NOT-NAME!9.0.0] [not-flags:string@NOT-FLAGS!9.0.0] [not-lib-name:string@NOT-LIB-NAME!9.0.0] [not-lib-ver:string@NOT-LIB-VER!9.0.0] [not-db:integer@NOT-DB!9.0.0] [not-capa:string@NOT-CAPA!9.0.0] [not-ip:string@NOT-IP!9.0.0]",
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
        (
            "8.1.0",
            "Takes USER, ADDR, LADDR, SKIPME and MAXAGE, and several filters, as Valkey does.",
        ),
        (
            "9.0.0",
            "Takes NAME, IDLE, FLAGS, LIB-NAME, LIB-VER, DB, CAPA, IP and the filters with NOT-, as \
             Valkey does.",
        ),
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
    match parse(server, args)? {
        // In the order given, as in Redis.
        Selection::Ids(ids) => chosen.extend(ids.iter().filter_map(|&id| find(&all, id))),
        Selection::Filter(filter) => {
            let is_taken = |seen: &&Seen| filter.takes(server, seen, session.id);
            chosen.extend(all.iter().filter(is_taken));
        }
    }
    let lines: String = chosen.iter().map(|seen| describe(server, seen)).collect();
    reply.verbatim(b"txt", lines.as_bytes())
}

/// What CLIENT LIST is asked for.
enum Selection<'a> {
    Ids(Vec<i64>),
    Filter(Box<Filter<'a>>),
}

/// Reads the filters. A list of IDs alone is that of Redis.
fn parse<'a>(server: &Server, args: &mut Args<'a>) -> Result<Selection<'a>, CmdError> {
    if args.left() < 2 || !args.word("ID") {
        let filter = Filter::default().parse(server, args, true)?;
        return Ok(Selection::Filter(Box::new(filter)));
    }
    let mut ids = Vec::new();
    while args.left() > 0 {
        let word = args.rest().at(0);
        match parse_i64(word) {
            Some(id) => ids.push(id),
            None if !ids.is_empty() && filter::is_name(word) => {
                let filter = Filter::of_ids(ids).parse(server, args, true)?;
                return Ok(Selection::Filter(Box::new(filter)));
            }
            None => return Err(CmdError::Fixed("ERR Invalid client ID")),
        }
        args.bytes();
    }
    Ok(Selection::Ids(ids))
}
