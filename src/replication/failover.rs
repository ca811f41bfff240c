//! FAILOVER: a primary hands over to one of its replicas, so that nothing is lost.
//!
//! ```text
//!   writes are paused
//!   waiting-for-sync ---a replica has everything--> failover-in-progress --PSYNC accepted--> done
//!        |          '--time is over, FORCE--------'        |
//!        '--time is over, ABORT--> as before <--refused----'
//! ```
//!
//! In progress the server is a replica of the target already; its PSYNC tells the target to become a
//! primary. The target has our history, so nothing has to be sent.

use super::replicas::Replicas;

/// A failover that was asked for.
#[derive(Clone, Debug)]
pub struct Failover {
    /// Address and port; `None` while any replica will do.
    target: Option<(String, i32)>,
    /// In monotonic milliseconds; `None` for no limit.
    until_ms: Option<u64>,
    /// When the time is over, hand over to the target although it lags.
    force: bool,
    /// The server follows the target and waits for its reply.
    in_progress: bool,
}

/// The decision of `Failover::step`.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    Wait,
    Abort(&'static str),
    HandOver {
        host: String,
        port: i32,
        log: String,
    },
}

impl Failover {
    pub fn new(target: Option<(String, i32)>, until_ms: Option<u64>, force: bool) -> Failover {
        Failover {
            target,
            until_ms,
            force,
            in_progress: false,
        }
    }

    pub fn in_progress(&self) -> bool {
        self.in_progress
    }

    /// The word of INFO.
    pub fn word(&self) -> &'static str {
        match self.in_progress {
            true => "failover-in-progress",
            false => "waiting-for-sync",
        }
    }

    /// Decides what to do, given the offset of our history.
    pub fn step(&self, now_ms: u64, offset: u64, replicas: &Replicas) -> Step {
        if self.in_progress {
            return Step::Wait;
        }
        let is_late = self.until_ms.is_some_and(|until_ms| until_ms <= now_ms);
        if is_late && !self.force {
            return Step::Abort("Replica never caught up before timeout");
        }
        if is_late && let Some((host, port)) = self.target.clone() {
            let log = format!("Failover to {host}:{port} time out exceeded, failing over.");
            return Step::HandOver { host, port, log };
        }
        let is_meant = |ip: &str, port: i32| {
            let target = self.target.as_ref();
            target.is_none_or(|(host, its)| host == ip && *its == port)
        };
        let ready = replicas
            .iter()
            .find(|one| is_meant(one.ip(), one.port()) && one.is_online() && one.acked() == offset);
        match ready {
            Some(replica) => {
                let (host, port) = (replica.ip().to_owned(), replica.port());
                let log = format!("Failover target is synced, failing over to {host}:{port}");
                Step::HandOver { host, port, log }
            }
            None => Step::Wait,
        }
    }

    /// The server follows the target from now on.
    pub fn hand_over(&mut self, host: String, port: i32) {
        self.in_progress = true;
        self.target = Some((host, port));
    }

    /// The log line of a failover that is given up.
    pub fn abort_line(&self, why: &str) -> String {
        let state = self.word();
        match &self.target {
            Some((host, port)) => {
                format!("Aborting failover to {host}:{port} while {state}: {why}.")
            }
            None => format!("Aborting failover while {state}: {why}."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::replica::{Announced, NewReplica};
    use super::*;

    fn replicas(acks: &[(u64, i32, i64)]) -> Replicas {
        let mut replicas = Replicas::default();
        for &(client, port, offset) in acks {
            let new = NewReplica {
                client,
                slot: client as usize,
                announced: Announced {
                    port,
                    ..Announced::default()
                },
                peer_ip: "h".into(),
                is_plain: false,
            };
            replicas.add_online(new, 1, 0);
            replicas.acknowledge(client, offset, None, 0);
        }
        replicas
    }

    fn to(step: Step) -> Option<i32> {
        match step {
            Step::HandOver { port, .. } => Some(port),
            Step::Wait => None,
            Step::Abort(why) => panic!("{why}"),
        }
    }

    #[test]
    fn the_first_replica_that_has_everything_takes_over() {
        let failover = Failover::new(None, None, false);
        assert_eq!(to(failover.step(0, 100, &replicas(&[(1, 1, 99)]))), None);
        let two = replicas(&[(1, 1, 99), (2, 2, 100)]);
        assert_eq!(to(failover.step(0, 100, &two)), Some(2));
    }

    #[test]
    fn a_named_target_is_waited_for() {
        let failover = Failover::new(Some(("h".into(), 1)), Some(50), false);
        let two = replicas(&[(1, 1, 99), (2, 2, 100)]);
        assert_eq!(failover.step(49, 100, &two), Step::Wait);
        let abort = Step::Abort("Replica never caught up before timeout");
        assert_eq!(failover.step(50, 100, &two), abort);
        let forced = Failover::new(Some(("h".into(), 1)), Some(50), true);
        assert_eq!(to(forced.step(49, 100, &two)), None);
        assert_eq!(to(forced.step(50, 100, &two)), Some(1));
    }

    #[test]
    fn a_failover_in_progress_waits_for_the_reply() {
        let mut failover = Failover::new(None, Some(50), false);
        assert_eq!(
            failover.abort_line("why"),
            "Aborting failover while waiting-for-sync: why."
        );
        failover.hand_over("h".into(), 2);
        assert_eq!(
            failover.step(99, 100, &replicas(&[(1, 1, 100)])),
            Step::Wait
        );
        assert_eq!(
            failover.abort_line("why"),
            "Aborting failover to h:2 while failover-in-progress: why."
        );
    }
}
