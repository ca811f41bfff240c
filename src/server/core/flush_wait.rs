//! A synchronous flush replies when the flushed data is freed, so that a client that then reads the
//! used memory sees it gone. The event loop does not wait for that: the helper thread frees, the
//! caller's reply stays in its output, and a timer polls for completion.

use crate::server::Server;
use crate::server::clients::session::{ClientId, Session};
use crate::server::timers::{Timer, Timers};
use crate::sys::clock::Clock;

/// Polling interval in milliseconds.
const LOOK_MS: u64 = 1;

fn look_again(timers: &mut Timers, clock: &Clock) {
    timers.arm(clock.mono_ms() + LOOK_MS, Timer::Freed);
}

impl Server {
    /// Holds back the caller's reply: its command flushed data that is not freed yet.
    #[cold]
    pub(in crate::server) fn await_freeing(&mut self, session: &mut Session) {
        if session.id == ClientId::NOBODY {
            return;
        }
        session.flushing = true;
        if self.blocking.await_freeing(session.id.0) {
            look_again(&mut self.timers, &self.clock);
        }
    }

    /// Resumes the clients of flushes once the helper thread is done.
    pub(in crate::server) fn answer_flushes(&mut self) {
        if !self.blocking.awaits_freeing() {
            return;
        }
        if !self.bio.is_idle() {
            return look_again(&mut self.timers, &self.clock);
        }
        for id in self.blocking.take_until_freed() {
            let id = ClientId(id);
            let Some(slot) = self.clients.slot_of(id) else {
                continue;
            };
            if let Some(mut client) = self.clients.check_out(slot) {
                client.session.flushing = false;
                self.clients.will_write(slot, &mut client);
                self.clients.check_in(slot, client);
                self.clients.wake_slot(slot);
            }
        }
    }
}
