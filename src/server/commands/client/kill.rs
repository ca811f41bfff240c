//! CLIENT KILL: disconnects clients, by address or by filter.

use super::filter::Filter;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::server::clients::describe::{self, caller};
use crate::server::clients::session::{ClientId, Ending, Session};
use crate::server::{Server, ServerCommand};

pub(super) const CLIENT_KILL: ServerCommand = Spec {
    name: "kill",
    arity: -3,
    flags: all(&[ADMIN, NOSCRIPT, LOADING, STALE]),
    usage: "filter(old-format~\"ip:port\":string!!2.8.12|new-format([client-id:integer@ID!2.8.12...]|[client-type(normal=NORMAL|master=MASTER!3.2.0|slave=SLAVE|replica=REPLICA!5.0.0|pubsub=PUBSUB)@TYPE!2.8.12]|[username:string@USER]|[addr~\"ip:port\":string@ADDR]|[laddr~\"ip:port\":string@LADDR!6.2.0]|[skipme(yes=YES|no=NO)@SKIPME]|[maxage:integer@MAXAGE!7.4.0]|[name:string@NAME!9.0.0]|[idle:integer@IDLE!9.0.0]|[flags:string@FLAGS!9.0.0]|[lib-name:string@LIB-NAME!9.0.0]|[lib-ver:string@LIB-VER!9.0.0]|[db:integer@DB!9.0.0]|[capa:string@CAPA!9.0.0]|[ip:string@IP!9.0.0]|[not-client-type(normal=NORMAL|master=MASTER|slave=SLAVE|replica=REPLICA|pubsub=PUBSUB)@NOT-TYPE!9.0.0]|[not-client-id:integer@NOT-ID!9.0.0...]|[not-username:string@NOT-USER!9.0.0]|[not-addr:string@NOT-ADDR!9.0.0]|[not-laddr:string@NOT-LADDR!9.0.0]|[not-name:string@NOT-NAME!9.0.0]|[not-flags:string@NOT-FLAGS!9.0.0]|[not-lib-name:string@NOT-LIB-NAME!9.0.0]|[not-lib-ver:string@NOT-LIB-VER!9.0.0]|[not-db:integer@NOT-DB!9.0.0]|[not-capa:string@NOT-CAPA!9.0.0]|[not-ip:string@NOT-IP!9.0.0])...)",
    since: "2.4.0",
    summary: "Closes connections.",
    complexity: "O(N) where N is the number of client connections",
    history: &[
        ("2.8.12", "Takes filters."),
        ("2.8.12", "Takes ID."),
        ("3.2.0", "Takes the type master."),
        (
            "5.0.0",
            "The type slave is called replica; the old name is still taken.",
        ),
        ("6.2.0", "Takes LADDR."),
        ("7.4.0", "Takes MAXAGE."),
        ("8.1.0", "ID takes several, as in Valkey."),
        (
            "9.0.0",
            "Takes NAME, IDLE, FLAGS, LIB-NAME, LIB-VER, DB, CAPA, IP and the filters with NOT-, as \
             Valkey does.",
        ),
    ],
    ..Spec::of(Group::Connection)
}
.subcommand(client_kill);

/// CLIENT KILL address, or CLIENT KILL filter value ….
fn client_kill(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    // The old form names one address, and includes the caller.
    let oldest = args.left() == 1;
    let filter = if oldest {
        Filter::of_address(args.bytes())
    } else {
        Filter::of_others().parse(server, args, false)?
    };
    let doomed: Vec<ClientId> = describe::all(server, caller(session, args))
        .iter()
        .filter(|seen| filter.takes(server, seen, session.id))
        .map(|seen| seen.session.id)
        .collect();
    for &id in &doomed {
        if id == session.id {
            // The caller still gets the reply.
            session.ending = Ending::AfterReply;
        } else if let Some(slot) = server.clients.slot_of(id) {
            server.clients.close(slot, Ending::Now);
        }
    }
    match (oldest, doomed.is_empty()) {
        (true, true) => Err(CmdError::Fixed("ERR No such client")),
        (true, false) => reply.ok(),
        (false, _) => reply.int(doomed.len() as i64),
    }
}
