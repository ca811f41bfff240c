//! A synchronous flush answers when what it flushed is freed, so that whoever asks for the memory
//! used next sees it gone. The loop does not wait for that: the helper thread frees, the caller's
//! answer stays in its output, and a timer looks whether the thread is done.

use crate::server::Server;
use crate::server::clients::Clients;
use crate::server::clients::session::{ClientId, Session};
use crate::server::timers::Timer;

/// Milliseconds between two looks.
const LOOK_MS: u64 = 1;

impl Server {
    /// The command that is over flushed what is not freed yet: its caller waits.
    #[cold]
    pub(in crate::server) fn await_freeing(&mut self, session: &mut Session) {
        self.unit.awaits_freeing = false;
        if session.id == ClientId::NOBODY {
            return;
        }
        session.flushing = true;
        if self.blocking.until_freed.is_empty() {
            self.look_again();
        }
        self.blocking.until_freed.push(session.id.0);
    }

    fn look_again(&mut self) {
        self.timers
            .arm(self.clock.mono_ms() + LOOK_MS, Timer::Freed);
    }

    /// Lets those go on who waited, if the helper thread is done.
    pub(in crate::server) fn answer_flushes(&mut self) {
        if self.blocking.until_freed.is_empty() {
            return;
        }
        if !self.bio.is_idle() {
            return self.look_again();
        }
        for id in std::mem::take(&mut self.blocking.until_freed) {
            let id = ClientId(id);
            let Some(slot) = self.clients.slot_of(id) else {
                continue;
            };
            if let Some(mut client) = self.clients.check_out(slot) {
                client.session.flushing = false;
                Clients::will_write(&mut self.clients.writing, slot, &mut client);
                self.clients.check_in(slot, client);
                self.clients.waking.push(slot);
            }
        }
    }
}
