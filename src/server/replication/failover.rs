//! FAILOVER: the actions of `crate::replication::failover`.

use crate::replication::failover::{Failover, Step};
use crate::server::Server;
use crate::server::core::pause;
use crate::server::core::pause::{Cause, Held};
use crate::server::replication::link;
use crate::server::timers::Timer;

/// Begins to hand over, to a certain replica or to the first that has everything.
pub(in crate::server) fn begin(
    server: &mut Server,
    target: Option<(String, i32)>,
    limit_ms: Option<u64>,
    force: bool,
) {
    let until_ms = limit_ms.map(|ms| server.clock.mono_ms_up().saturating_add(ms));
    let failover = Failover::new(target, until_ms, force);
    server.replication.begin_failover(failover);
    pause::start_pause(server, Cause::Failover, Held::Writes, i64::MAX);
    if let Some(until_ms) = until_ms {
        server.timers.arm(until_ms, Timer::Failover);
    }
}

/// Hands over if a replica has everything, or gives up if the time is over. Called before the event
/// loop sleeps, and by a timer.
pub fn tick(server: &mut Server) {
    let now_ms = server.clock.mono_ms();
    match server.replication.step_failover(now_ms) {
        Step::Wait => {}
        Step::Abort(why) => abort(server, why),
        Step::HandOver { host, port, log } => {
            log::info!("{log}");
            // An invalid port leads nowhere, and the failover is given up.
            link::set_primary(server, host, u16::try_from(port).unwrap_or(0));
        }
    }
}

/// Handles the reply of the target to PSYNC.
pub(super) fn psync_replied(server: &mut Server, accepted: bool) {
    let failover = server.replication.failover();
    if !failover.is_some_and(Failover::in_progress) {
        return;
    }
    match accepted {
        true => end(server),
        false => abort(server, "Failover target rejected psync request"),
    }
}

fn end(server: &mut Server) {
    server.replication.end_failover();
    pause::end_pause(server, Cause::Failover);
}

/// Gives up the failover, if there is one: the server stays, or becomes again, a primary.
pub(in crate::server) fn abort(server: &mut Server, why: &str) {
    let Some(failover) = server.replication.failover() else {
        return;
    };
    log::info!("{}", failover.abort_line(why));
    if failover.in_progress() {
        link::unset_primary(server);
    }
    end(server);
}
