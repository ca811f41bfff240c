//! A pause: commands are held back for a while, where they stand, and run afterwards in the order in
//! which they were held. CLIENT PAUSE asks for one, and so does whoever lets replicas come to where
//! we are, to stop or to hand over; each ends its own.
//!
//! A pause of writes lets reads through. While any pause is on, nothing expires and nothing is
//! evicted: the data stands still.

use crate::command::spec::{Flags, MAY_REPLICATE, WRITE};
use crate::replication::primary::Primary;
use crate::server::Server;
use crate::server::clients::session::{ClientId, Peer, Session};
use crate::server::gates::Gates;
use crate::server::timers::Timer;

/// What is held back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Held {
    #[default]
    Nothing,
    /// What changes data, or could reach replicas.
    Writes,
    Everything,
}

/// Who asked for a pause.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    Client,
    Shutdown,
    Failover,
}

/// What one of them asked for, until when in unix milliseconds.
#[derive(Clone, Copy, Default)]
struct Asked {
    held: Held,
    end_ms: i64,
}

/// The pause that is on, if one is.
#[derive(Default)]
pub struct Pause {
    /// All that is asked for together.
    held: Held,
    asked: [Asked; 3],
    /// The clients held back, the first first.
    waiting: Vec<ClientId>,
}

impl Pause {
    pub fn is_on(&self) -> bool {
        self.held != Held::Nothing
    }

    /// Draws the sum of what is asked for.
    fn sum_up(&mut self) {
        let asked = self.asked.iter().map(|one| one.held);
        self.held = asked.max().unwrap_or_default();
    }

    /// Clients held back.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether this command of this client has to wait.
    pub fn holds(&self, session: &Session, flags: Flags) -> bool {
        // A monitor is to see that nothing happens, and a replica to tell how far it is.
        if session.monitor || session.peer == Peer::Replica {
            return false;
        }
        match self.held {
            Held::Nothing => false,
            Held::Writes => flags.any(WRITE | MAY_REPLICATE),
            Held::Everything => true,
        }
    }

    /// Notes a client whose next command waits.
    #[cold]
    pub fn hold(&mut self, session: &mut Session) {
        if !session.paused {
            session.paused = true;
            self.waiting.push(session.id);
        }
    }
}

/// Starts a pause, or extends and widens the one that is on: it never gets shorter or milder.
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
    // The millisecond in which it ends is still part of it.
    let left_ms = (end_ms - server.clock.now_ms()).max(0) as u64 + 1;
    let at_ms = server.clock.mono_ms().saturating_add(left_ms);
    server.timers.arm(at_ms, Timer::PauseEnd);
}

/// The time of a pause is over, unless it was extended meanwhile.
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

/// Everybody goes on, unless somebody else asked for a pause, too: whom that holds back is held
/// again.
pub fn end_pause(server: &mut Server, cause: Cause) {
    server.pause.asked[cause as usize] = Asked::default();
    server.pause.sum_up();
    let on = server.pause.is_on();
    server.gates.set(Gates::PAUSED, on);
    refresh_expiry_hold(server);
    // The stream of the primary goes on.
    let primary = server.replication.primary();
    let slot = primary.and_then(Primary::slot);
    server.clients.waking.extend(slot);
    for id in std::mem::take(&mut server.pause.waiting) {
        let slot = server.clients.slot_of(id);
        if let Some(client) = slot.and_then(|slot| server.clients.get_mut(slot)) {
            client.session.paused = false;
            // What waited for a key and was about to be served when the pause held it back.
            match client.session.parked {
                Some(_) => server.serve_held(id),
                None => server.clients.wake(id),
            }
        }
    }
}

/// During a pause, and on a replica, keys do not expire on their own.
pub fn refresh_expiry_hold(server: &mut Server) {
    server.keyspace.shared.hold_expired = server.pause.is_on() || server.replication.is_replica();
}
