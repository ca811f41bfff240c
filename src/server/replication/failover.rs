//! FAILOVER: a primary hands over to one of its replicas, so that nothing is lost.
//!
//! Writes are held until a replica has all there is. Then we follow it, and our PSYNC tells it to
//! become a primary; it has our history, so nothing has to be sent. If it takes too long the plan is
//! given up, or carried out anyway if that was asked for.

use crate::replication::Failover;
use crate::server::Server;
use crate::server::core::pause;
use crate::server::core::pause::{Cause, Held};

impl Server {
    /// Begins to hand over, to a certain replica or to the first that has everything.
    pub(in crate::server) fn begin_failover(
        &mut self,
        target: Option<(String, i32)>,
        limit_ms: Option<u64>,
        force: bool,
    ) {
        let until_ms = limit_ms.map(|ms| self.clock.mono_ms_up().saturating_add(ms));
        self.replication.failover = Some(Failover {
            target,
            until_ms,
            force,
            in_progress: false,
        });
        pause::start_pause(self, Cause::Failover, Held::Writes, i64::MAX);
        if let Some(until_ms) = until_ms {
            self.timers
                .arm(until_ms, crate::server::timers::Timer::Failover);
        }
        self.replication.replicas.wants_acks = true;
    }

    /// Before the loop sleeps: whether it is time to hand over, or to give up.
    pub fn tend_failover(&mut self) {
        let Some(failover) = &self.replication.failover else {
            return;
        };
        if failover.in_progress {
            return;
        }
        let is_late = failover
            .until_ms
            .is_some_and(|until_ms| until_ms <= self.clock.mono_ms());
        if is_late && !failover.force {
            return self.abort_failover("Replica never caught up before timeout");
        }
        if is_late && let Some((host, port)) = failover.target.clone() {
            log::info!("Failover to {host}:{port} time out exceeded, failing over.");
            return self.hand_over(host, port);
        }
        let offset = self.replication.history.offset;
        let mut replicas = self.replication.replicas.list.iter();
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
            self.hand_over(host, port);
        }
    }

    fn hand_over(&mut self, host: String, port: i32) {
        if let Some(failover) = &mut self.replication.failover {
            failover.in_progress = true;
            failover.target = Some((host.clone(), port));
        }
        // A port that is none leads nowhere, and the plan is given up.
        self.follow(host, u16::try_from(port).unwrap_or(0));
    }

    /// The one we hand over to has answered our PSYNC.
    pub(in crate::server) fn failover_answered(&mut self, accepted: bool) {
        let failover = self.replication.failover.as_ref();
        if !failover.is_some_and(|failover| failover.in_progress) {
            return;
        }
        match accepted {
            true => self.end_failover(),
            false => self.abort_failover("Failover target rejected psync request"),
        }
    }

    fn end_failover(&mut self) {
        self.replication.failover = None;
        pause::end_pause(self, Cause::Failover);
    }

    /// Everything stays as it was.
    pub(in crate::server) fn abort_failover(&mut self, why: &str) {
        let Some(failover) = &self.replication.failover else {
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
            self.unfollow();
        }
        self.end_failover();
    }
}
