//! REPLICAOF, its old name SLAVEOF, and ROLE.

use crate::algo::quoting::has_control;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::server::clients::describe;
use crate::server::clients::session::Session;
use crate::server::replication::link;
use crate::server::{Server, ServerCommand};

const BASE: Spec = Spec {
    flags: all(&[ADMIN, NOSCRIPT, STALE, NO_ASYNC_LOADING]),
    usage: "args(host-port{host:string port:integer}|no-one{no=NO one=ONE})",
    complexity: "O(1)",
    ..Spec::of(Group::Server)
};

pub static TABLE: &[ServerCommand] = &[REPLICAOF, SLAVEOF, ROLE];

const REPLICAOF: ServerCommand = Spec {
    name: "replicaof",
    since: "5.0.0",
    summary: "Makes the server a replica of another, or a primary.",
    ..BASE
}
.runs(replicaof);

const SLAVEOF: ServerCommand = Spec {
    name: "slaveof",
    since: "1.0.0",
    deprecated: deprecated("5.0.0", "`REPLICAOF`"),
    summary: "The old name of REPLICAOF.",
    ..BASE
}
.runs(replicaof);

/// REPLICAOF host port, REPLICAOF NO ONE.
fn replicaof(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    if server.config.cluster_enabled {
        return Err(CmdError::Fixed(
            "ERR REPLICAOF not allowed in cluster mode.",
        ));
    }
    if server.replication.failover().is_some() {
        return Err(CmdError::Fixed(
            "ERR REPLICAOF not allowed while failing over.",
        ));
    }
    let (host, port) = (args.bytes(), args.bytes());
    if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
        if server.replication.is_replica() {
            let line = describe::caller_line(server, session, &args.argv());
            link::unset_primary(server);
            log::info!("MASTER MODE enabled (user request from '{line}')");
        }
        return reply.ok();
    }
    let number = crate::algo::number::parse_i64(port);
    let port = number.filter(|n| (0..=65535).contains(n));
    let port = port.ok_or(CmdError::Fixed("ERR Invalid master port"))? as u16;
    // ROLE and INFO show the host.
    if has_control(host) {
        return Err(CmdError::Fixed("ERR Invalid master host"));
    }
    let host = String::from_utf8_lossy(host).into_owned();
    if let Some(primary) = server.replication.primary()
        && primary.host().eq_ignore_ascii_case(&host)
        && primary.port() == port
    {
        log::info!(
            "REPLICAOF would result into synchronization with the master we are already connected \
             with. No operation performed."
        );
        return reply.simple("OK Already connected to specified master");
    }
    let line = describe::caller_line(server, session, &args.argv());
    link::set_primary(server, host.clone(), port);
    log::info!("REPLICAOF {host}:{port} enabled (user request from '{line}')");
    reply.ok()
}

const ROLE: ServerCommand = Spec {
    name: "role",
    flags: all(&[NOSCRIPT, LOADING, STALE, FAST]),
    acl: &["admin", "dangerous"],
    since: "2.8.12",
    summary: "The role of the server in replication.",
    complexity: "O(1)",
    ..Spec::of(Group::Server)
}
.runs(role);

fn role(server: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    if server.replication.is_replica() {
        return role_of_replica(server, reply);
    }
    let replicas = server.replication.replicas().known();
    let online: Vec<_> = replicas.filter(|replica| replica.is_online()).collect();
    reply.array(3)?;
    reply.bulk(b"master")?;
    reply.int(server.replication.offset() as i64)?;
    reply.array(online.len())?;
    for replica in online {
        reply.array(3)?;
        reply.bulk(replica.ip().as_bytes())?;
        reply.bulk_int(replica.port() as i64)?;
        reply.bulk_int(replica.acked() as i64)?;
    }
    Ok(())
}

/// Writes the reply to ROLE of a replica.
fn role_of_replica(server: &Server, reply: &mut Reply) -> CmdResult {
    let Some(primary) = server.replication.primary() else {
        return reply.null();
    };
    let applied = match primary.is_connected() {
        true => server.replication.offset() as i64,
        false => -1,
    };
    reply.array(5)?;
    reply.bulk(b"slave")?;
    reply.bulk(primary.host().as_bytes())?;
    reply.int(primary.port().into())?;
    reply.bulk(primary.stage().word().as_bytes())?;
    reply.int(applied)
}
