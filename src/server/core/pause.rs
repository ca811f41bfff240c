//! Pauses: commands are held back for a while and then run in the order in which they were held.
//! CLIENT PAUSE starts one, and so do shutdown and failover, to let replicas catch up; each ends
//! its own.
//!
//! A write pause lets reads through. During any pause keys are neither expired nor evicted: the
//! data set does not change.

use crate::command::spec::{Flags, MAY_REPLICATE, WRITE};
use crate::replication::primary::Primary;
use crate::server::Server;
use crate::server::clients::session::{ClientId, Peer, Session};
use crate::server::gates::Gates;
use crate::server::timers::Timer;

/// The commands that are held back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Held {
    #[default]
    Nothing,
    /// Writes, and commands that may propagate to replicas.
    Writes,
    Everything,
}

/// The origin of a pause.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    Client,
    Shutdown,
    Failover,
}

/// The request of one origin, with its end in unix milliseconds.
#[derive(Clone, Copy, Default)]
struct Asked {
    held: Held,
    end_ms: i64,
}

/// The active pause, if any.
#[derive(Default)]
pub struct Pause {
    /// The union of all requests.
    held: Held,
    asked: [Asked; 3],
    /// The held-back clients, in order of arrival.
    waiting: Vec<ClientId>,
}

impl Pause {
    pub fn is_on(&self) -> bool {
        self.held != Held::Nothing
    }

    /// Recomputes the union of all requests.
    fn sum_up(&mut self) {
        let asked = self.asked.iter().map(|one| one.held);
        self.held = asked.max().unwrap_or_default();
    }

    /// Returns the number of clients held back.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Returns whether this command of this client has to wait.
    pub fn holds(&self, session: &Session, flags: Flags) -> bool {
        // Monitors and replicas are never paused: a replica must be able to acknowledge its offset.
        if session.monitor || session.peer == Peer::Replica {
            return false;
        }
        match self.held {
            Held::Nothing => false,
            Held::Writes => flags.any(WRITE | MAY_REPLICATE),
            Held::Everything => true,
        }
    }

    /// Records a client whose next command waits.
    #[cold]
    pub fn hold(&mut self, session: &mut Session) {
        if !session.paused {
            session.paused = true;
            self.waiting.push(session.id);
        }
    }
}

/// Starts a pause, or extends and widens the active one: it never becomes shorter or weaker.
pub fn start_pause(server: &mut Server, cause: Cause, held: Held, end_ms: i64) {
    let asked = &mut server.pause.asked[cause as usize];
    asked.held = asked.held.max(held);
    asked.end_ms = asked.end_ms.max(end_ms);
    server.pause.sum_up();
    server.gates.set(Gates::PAUSED, true);
    refresh_expiry_hold(server);
    arm_pause_end(server, cause);
}

fn arm_pause_end(server: &mut Server, cause: Cause) {
    let end_ms = server.pause.asked[cause as usize].end_ms;
    if end_ms == i64::MAX {
        return;
    }
    // The last millisecond is still part of the pause.
    let left_ms = (end_ms - server.clock.now_ms()).max(0) as u64 + 1;
    let at_ms = server.clock.mono_ms().saturating_add(left_ms);
    server.timers.arm(at_ms, Timer::PauseEnd);
}

/// Ends the pauses whose time is over, unless they were extended meanwhile.
pub fn end_pause_if_due(server: &mut Server) {
    for cause in [Cause::Client, Cause::Shutdown, Cause::Failover] {
        let asked = server.pause.asked[cause as usize];
        if asked.held == Held::Nothing {
            continue;
        }
        if asked.end_ms < server.clock.now_ms() {
            end_pause(server, cause);
        } else {
            arm_pause_end(server, cause);
        }
    }
}

/// Ends the pause of one origin and resumes the held-back clients; if another pause is active,
/// their commands may be held again.
pub fn end_pause(server: &mut Server, cause: Cause) {
    server.pause.asked[cause as usize] = Asked::default();
    server.pause.sum_up();
    let on = server.pause.is_on();
    server.gates.set(Gates::PAUSED, on);
    refresh_expiry_hold(server);
    // Resume the stream of the primary.
    let primary = server.replication.primary();
    let slot = primary.and_then(Primary::slot);
    if let Some(slot) = slot {
        server.clients.wake_slot(slot);
    }
    for id in std::mem::take(&mut server.pause.waiting) {
        let slot = server.clients.slot_of(id);
        if let Some(client) = slot.and_then(|slot| server.clients.get_mut(slot)) {
            client.session.paused = false;
            // A blocked command that was about to be served when the pause held it back.
            match client.session.parked {
                Some(_) => server.serve_held(id),
                None => server.clients.wake(id),
            }
        }
    }
}

/// Suspends expiration during a pause and on a replica.
pub fn refresh_expiry_hold(server: &mut Server) {
    server.keyspace.shared.hold_expired = server.pause.is_on() || server.replication.is_replica();
}
