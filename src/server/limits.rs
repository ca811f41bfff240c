//! What a client may make us hold: its query buffer and its output.
//!
//! A hard limit ends the client at once; a soft limit when it has been exceeded without a break for
//! its seconds, which a timer looks after.

use super::Server;
use super::clients::Client;
use super::cron::Timer;
use super::session::{ClientId, Ending};
use crate::config::OutputLimit;

/// What somebody who has not authenticated may have waiting, in bytes: answers to strangers are
/// short, and whoever does not read them is not waited for.
const STRANGER_QUERY: usize = 1 << 20;
/// As in Redis, whose buffer for short answers is that large.
const STRANGER_OUTPUT: usize = 16 << 10;

impl Server {
    /// Ends a client whose unfinished request has grown past `client-query-buffer-limit`.
    #[inline]
    pub fn check_query_limit(&mut self, client: &mut Client) {
        let Some(query) = &client.query else { return };
        let held = query.pending_bytes() + query.argument_bytes();
        if held <= STRANGER_QUERY {
            return;
        }
        let stranger = !client.session.authenticated;
        if stranger || held > self.config.client_query_buffer_limit {
            let line = self.client_line(client);
            log::warn!("Closing client that reached max query buffer length: {line}");
            self.stats.query_limit_disconnections += 1;
            client.session.ending = Ending::Now;
        }
    }

    /// Ends a client that does not read its answers fast enough, or begins to watch it.
    #[inline]
    pub fn check_output_limit(&mut self, client: &mut Client) {
        let pending = client.output.pending();
        if pending <= STRANGER_OUTPUT || client.session.ending == Ending::Now {
            client.over_soft_limit_ms = None;
            return;
        }
        self.judge_output(client, pending as u64);
    }

    #[cold]
    fn judge_output(&mut self, client: &mut Client, pending: u64) {
        let [limit, ..] = self.config.client_output_buffer_limit;
        let OutputLimit {
            hard_bytes,
            soft_bytes,
            soft_seconds,
        } = limit;
        let over_hard = hard_bytes > 0 && pending >= hard_bytes;
        if over_hard || !client.session.authenticated {
            return self.end_slow_reader(client);
        }
        if soft_bytes == 0 || pending < soft_bytes {
            client.over_soft_limit_ms = None;
            return;
        }
        let now_ms = self.clock.mono_ms();
        let patience_ms = u64::from(soft_seconds) * 1000;
        match client.over_soft_limit_ms {
            Some(since_ms) if now_ms - since_ms > patience_ms => self.end_slow_reader(client),
            Some(_) => {}
            None => {
                client.over_soft_limit_ms = Some(now_ms);
                let timer = Timer::SlowReader(client.session.id);
                self.timers.arm(now_ms + patience_ms + 1, timer);
            }
        }
    }

    fn end_slow_reader(&mut self, client: &mut Client) {
        let line = self.client_line(client);
        log::warn!(
            "Client {line} scheduled to be closed ASAP for overcoming of output buffer limits."
        );
        self.stats.output_limit_disconnections += 1;
        client.session.ending = Ending::Now;
    }

    /// Looks again at a client that exceeded its soft limit a while ago.
    pub fn check_slow_reader(&mut self, id: ClientId) {
        let Some(slot) = self.clients.slot_of(id) else {
            return;
        };
        let Some(mut client) = self.clients.check_out(slot) else {
            return;
        };
        self.check_output_limit(&mut client);
        if client.session.ending == Ending::Now {
            self.clients.closing.push(slot);
        }
        self.clients.check_in(slot, client);
    }
}
