//! FAILOVER: a primary hands over to one of its replicas, so that nothing is lost.
//!
//! Writes are held until a replica has all there is. Then we follow it, and our PSYNC tells it to
//! become a primary; it has our history, so nothing has to be sent. If it takes too long the plan is
//! given up, or carried out anyway if that was asked for.

use crate::replication::Failover;
use crate::server::Server;
use crate::server::lifecycle::pause::{Cause, Held};
use crate::server::replication::link;

/// Begins to hand over, to a certain replica or to the first that has everything.
pub(in crate::server) fn begin(
    server: &mut Server,
    target: Option<(String, i32)>,
    limit_ms: Option<u64>,
    force: bool,
) {
    let until_ms = limit_ms.map(|ms| server.clock.mono_ms_up().saturating_add(ms));
    server.replication.failover = Some(Failover {
        target,
        until_ms,
        force,
        in_progress: false,
    });
    server.start_pause(Cause::Failover, Held::Writes, i64::MAX);
    if let Some(until_ms) = until_ms {
        server
            .timers
            .arm(until_ms, crate::server::timers::Timer::Failover);
    }
    server.replication.replicas.wants_acks = true;
}

/// Before the loop sleeps: whether it is time to hand over, or to give up.
pub fn tick(server: &mut Server) {
    let Some(failover) = &server.replication.failover else {
        return;
    };
    if failover.in_progress {
        return;
    }
    let is_late = failover
        .until_ms
        .is_some_and(|until_ms| until_ms <= server.clock.mono_ms());
    if is_late && !failover.force {
        return abort(server, "Replica never caught up before timeout");
    }
    if is_late && let Some((host, port)) = failover.target.clone() {
        log::info!("Failover to {host}:{port} time out exceeded, failing over.");
        return hand_over(server, host, port);
    }
    let offset = server.replication.history.offset;
    let mut replicas = server.replication.replicas.list.iter();
    let ready = replicas.find(|replica| {
        let is_meant = failover
            .target
            .as_ref()
            .is_none_or(|(host, port)| replica.ip() == host && replica.said.port == *port);
        is_meant && replica.is_online() && replica.acked == offset
    });
    if let Some(replica) = ready {
        let (host, port) = (replica.ip().to_owned(), replica.said.port);
        log::info!("Failover target is synced, failing over to {host}:{port}");
        hand_over(server, host, port);
    }
}

fn hand_over(server: &mut Server, host: String, port: i32) {
    if let Some(failover) = &mut server.replication.failover {
        failover.in_progress = true;
        failover.target = Some((host.clone(), port));
    }
    // A port that is none leads nowhere, and the plan is given up.
    link::set_primary(server, host, u16::try_from(port).unwrap_or(0));
}

/// The one we hand over to has answered our PSYNC.
pub(in crate::server) fn psync_replied(server: &mut Server, accepted: bool) {
    let failover = server.replication.failover.as_ref();
    if !failover.is_some_and(|failover| failover.in_progress) {
        return;
    }
    match accepted {
        true => end(server),
        false => abort(server, "Failover target rejected psync request"),
    }
}

fn end(server: &mut Server) {
    server.replication.failover = None;
    server.end_pause(Cause::Failover);
}

/// Everything stays as it was.
pub(in crate::server) fn abort(server: &mut Server, why: &str) {
    let Some(failover) = &server.replication.failover else {
        return;
    };
    let state = failover.word();
    match &failover.target {
        Some((host, port)) => {
            log::info!("Aborting failover to {host}:{port} while {state}: {why}.");
        }
        None => log::info!("Aborting failover while {state}: {why}."),
    }
    if failover.in_progress {
        link::unset_primary(server);
    }
    end(server);
}
