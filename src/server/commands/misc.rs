//! Small questions to the server as a whole: TIME, ROLE.

use crate::command::spec::*;
use crate::command::{Args, CmdResult, Reply};
use crate::server::follow::report;
use crate::server::session::Session;
use crate::server::{Server, ServerCommand};

pub static TABLE: &[ServerCommand] = &[
    Entry {
        spec: Spec {
            name: "time",
            arity: 1,
            flags: all(&[LOADING, STALE, FAST]),
            group: Group::Server,
            since: "2.6.0",
            summary: "The time of the server.",
            complexity: "O(1)",
            tips: &["nondeterministic_output"],
            ..Spec::BASE
        },
        run: time,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "role",
            arity: 1,
            flags: all(&[NOSCRIPT, LOADING, STALE, FAST]),
            group: Group::Server,
            acl: &["admin", "dangerous"],
            since: "2.8.12",
            summary: "The role of the server in replication.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: role,
        subcommands: &[],
    },
];

/// TIME. Not that of the turn but of this very moment, as far as the clock runs; within a transaction
/// or a script, the moment at which that began.
fn time(server: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    let us = if server.unit.is_nested() {
        server.unit.time_us(&server.clock)
    } else {
        server.clock.refresh();
        server.clock.unix_us()
    };
    reply.array(2)?;
    reply.bulk_int(us / 1_000_000)?;
    reply.bulk_int(us % 1_000_000)
}

/// ROLE.
fn role(server: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    if server.replication.is_replica() {
        return report::role_of_replica(server, reply);
    }
    let replicas = server.replication.replicas.list.iter();
    let online: Vec<_> = replicas.filter(|replica| replica.is_online()).collect();
    reply.array(3)?;
    reply.bulk(b"master")?;
    reply.int(server.replication.history.offset as i64)?;
    reply.array(online.len())?;
    for replica in online {
        reply.array(3)?;
        reply.bulk(replica.ip().as_bytes())?;
        reply.bulk_int(replica.said.port as i64)?;
        reply.bulk_int(replica.acked as i64)?;
    }
    Ok(())
}
