//! CLIENT PAUSE: commands are held back for a while, where they stand, and run afterwards in the
//! order in which they were held.
//!
//! A pause of writes lets reads through. While any pause is on, nothing expires and nothing is
//! evicted: the data stands still.

use super::Server;
use super::admit::Gates;
use super::cron::Timer;
use super::session::{ClientId, Peer, Session};
use crate::command::spec::{Flags, MAY_REPLICATE, WRITE};

/// What is held back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Held {
    #[default]
    Nothing,
    /// What changes data, or could reach replicas.
    Writes,
    Everything,
}

/// The pause that is on, if one is.
#[derive(Default)]
pub struct Pause {
    held: Held,
    /// In unix milliseconds.
    end_ms: i64,
    /// The clients held back, the first first.
    waiting: Vec<ClientId>,
}

impl Pause {
    pub fn is_on(&self) -> bool {
        self.held != Held::Nothing
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

impl Server {
    /// Starts a pause, or extends and widens the one that is on: it never gets shorter or milder.
    pub fn start_pause(&mut self, held: Held, end_ms: i64) {
        let pause = &mut self.pause;
        if pause.held != Held::Everything {
            pause.held = held;
        }
        pause.end_ms = pause.end_ms.max(end_ms);
        self.gates.set(Gates::PAUSED, true);
        self.keyspace.shared.hold_expired = true;
        self.arm_pause_end();
    }

    fn arm_pause_end(&mut self) {
        let left_ms = (self.pause.end_ms - self.clock.now_ms()).max(0) as u64;
        let at_ms = self.clock.mono_ms().saturating_add(left_ms);
        self.timers.arm(at_ms, Timer::PauseEnd);
    }

    /// The time of a pause is over, unless it was extended meanwhile.
    pub fn end_pause_if_due(&mut self) {
        if self.pause.is_on() {
            if self.pause.end_ms <= self.clock.now_ms() {
                self.end_pause();
            } else {
                self.arm_pause_end();
            }
        }
    }

    /// Everybody goes on.
    pub fn end_pause(&mut self) {
        self.pause.held = Held::Nothing;
        self.pause.end_ms = 0;
        self.gates.set(Gates::PAUSED, false);
        self.keyspace.shared.hold_expired = false;
        for id in std::mem::take(&mut self.pause.waiting) {
            let slot = self.clients.slot_of(id);
            if let Some(client) = slot.and_then(|slot| self.clients.get_mut(slot)) {
                client.session.paused = false;
                // What waited for a key and was about to be served when the pause held it back.
                match client.session.parked {
                    Some(_) => self.serve_held(id),
                    None => self.clients.wake(id),
                }
            }
        }
    }
}
