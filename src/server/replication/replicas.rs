//! Those who follow us: what is done about them each second, and for clients that wait until they
//! have what was written (WAIT, WAITAOF).

use crate::persist::child::Purpose;
use crate::resp::request::Argv;
use crate::server::Server;
use crate::server::clients::describe;
use crate::server::clients::session::{ClientId, Ending, Session};
use crate::server::gates::Gates;
use crate::server::replication::link::apply::error_as_logged;
use crate::server::timers::Timer;
use crate::sys::socket;

/// Between two looks at the replicas.
const LOOK_MS: u64 = 1_000;
/// Between two looks at what the helper thread has brought to disk, while somebody waits for it.
const SYNC_LOOK_MS: u64 = 5;

impl Server {
    pub(in crate::server) fn start_looking_at_replicas(&mut self) {
        self.timers
            .arm(self.clock.mono_ms() + LOOK_MS, Timer::Replicas);
    }

    /// Each second.
    pub(in crate::server) fn look_at_replicas(&mut self) {
        self.start_looking_at_replicas();
        if self.life.cron_paused {
            return;
        }
        self.replication.looks += 1;
        if !self.replication.replicas.is_empty() {
            self.ping_replicas();
            self.keep_waiting_alive();
            self.drop_silent_replicas();
        }
        self.free_idle_backlog();
        self.start_due_sync();
        self.remove_snapshot_for_replicas();
        self.refresh_good_replicas();
    }

    /// A replica hears the stream and nothing else: an answer in it would garble it. One that asked
    /// for an answer is let go instead, as in Redis.
    #[cold]
    pub fn hang_up_on_replica(&mut self, session: &mut Session, argv: &Argv, answer: &[u8]) {
        let name = self.last_command_name(session);
        log::warn!(
            "Replica generated a reply to command '{name}', disconnecting it: {}",
            describe::caller_line(self, session, argv)
        );
        if let Some(error) = answer.strip_prefix(b"-") {
            let error = error_as_logged(error.strip_suffix(b"\r\n").unwrap_or(error));
            log::warn!(
                "== CRITICAL == This master is sending an error to its replica: '{error}' after \
                 processing the command '{name}'"
            );
            self.stats.unexpected_errors += 1;
        }
        session.ending = Ending::Now;
    }

    fn ping_replicas(&mut self) {
        let period = self.config.repl_ping_replica_period.max(1) as u64;
        if self.replication.looks.is_multiple_of(period) && !self.holds_stream() {
            self.tell_replicas(&["PING"]);
        }
    }

    /// Who waits for a snapshot hears a newline, which means nothing but that we are there. Into a
    /// socket that a child writes to nobody else may write.
    fn keep_waiting_alive(&mut self) {
        for replica in &self.replication.replicas.list {
            if !replica.waits_for_start() && !replica.waits_for_child(false) {
                continue;
            }
            if let Some(client) = self.clients.get_mut(replica.slot) {
                client.output.append(b"\n");
                self.clients.note_output(replica.slot);
            }
        }
    }

    fn drop_silent_replicas(&mut self) {
        let now_s = self.clock.now_s();
        let patience_s = self.config.repl_timeout as i64;
        for replica in &mut self.replication.replicas.list {
            if replica.waits_for_child(true) {
                let Some(client) = self.clients.get(replica.slot) else {
                    continue;
                };
                let sending = socket::sending(client.link.fd()).unwrap_or_default();
                // Who has taken everything waits for the others.
                if sending.waiting == 0 || sending.taken != replica.sending.taken {
                    (replica.sending, replica.took_s) = (sending, now_s);
                } else if now_s - replica.took_s > patience_s {
                    log::warn!(
                        "Disconnecting timedout replica (full sync): {}",
                        replica.name
                    );
                    // The child holds the connection, too.
                    client.link.shut_down();
                    self.clients.close(replica.slot, Ending::Now);
                }
                continue;
            }
            let silent_s = now_s - replica.heard_s;
            let tells = replica.is_online() && !replica.is_plain;
            if tells && silent_s > patience_s {
                log::warn!(
                    "Disconnecting timedout replica (streaming sync): {}",
                    replica.name
                );
                self.clients.close(replica.slot, Ending::Now);
            }
        }
    }

    /// Nobody has followed for a while: what they would need is not kept for ever.
    fn free_idle_backlog(&mut self) {
        let ttl_s = self.config.repl_backlog_ttl as i64;
        let replicas = &self.replication.replicas;
        if ttl_s == 0
            || !replicas.is_empty()
            || self.replication.backlog.is_none()
            || self.replication.is_replica()
            || self.clock.now_s() - replicas.none_since_s <= ttl_s
        {
            return;
        }
        // Whatever is written from here on nobody could get: it is another history.
        self.restart_history();
        self.free_backlog();
        log::info!("Replication backlog freed after {ttl_s} seconds without connected replicas.");
    }

    /// A snapshot that was made for replicas only does not stay on a disk where nothing else does.
    fn remove_snapshot_for_replicas(&mut self) {
        if !self.config.rdb_del_sync_files {
            self.persist.for_replicas = false;
            return;
        }
        let persists = self.config.appendonly || !self.config.save.is_empty();
        let job = self.persist.child.as_ref();
        let is_made = job.is_some_and(|job| job.purpose == Purpose::Snapshot);
        let list = &self.replication.replicas.list;
        let is_needed = list
            .iter()
            .any(|one| !one.is_online() && !one.waits_for_start());
        if !self.persist.for_replicas || persists || is_made || is_needed {
            return;
        }
        self.persist.for_replicas = false;
        let name = String::from_utf8_lossy(&self.config.dbfilename).into_owned();
        if std::path::Path::new(&name).exists() {
            log::info!(
                "Removing the RDB file {name} used to feed replicas in a persistence-less instance"
            );
            // If it cannot be removed it is no worse than not having tried.
            let _ = std::fs::remove_file(&name);
        }
    }

    /// Counts the replicas that are near enough, and closes writing off if they are too few.
    pub(in crate::server) fn refresh_good_replicas(&mut self) {
        let now_s = self.clock.now_s();
        let (wanted, lag_s) = (
            self.config.min_replicas_to_write as usize,
            self.config.min_replicas_max_lag as i64,
        );
        let replicas = &mut self.replication.replicas;
        replicas.has_news = true;
        let counts = wanted > 0 && lag_s > 0;
        replicas.good = if counts {
            replicas.count_good(now_s, lag_s)
        } else {
            0
        };
        let few = counts && replicas.good < wanted && !self.replication.is_replica();
        self.gates.set(Gates::FEW_REPLICAS, few);
    }

    /// REPLCONF ACK: how far a replica is.
    pub(in crate::server) fn note_ack(&mut self, id: ClientId, offset: i64, logged: Option<i64>) {
        let now_s = self.clock.now_s();
        let Some(replica) = self.replication.replicas.get_mut(id.0) else {
            return;
        };
        let at_least = |n: i64| u64::try_from(n).unwrap_or(0);
        replica.acked = replica.acked.max(at_least(offset));
        replica.logged = replica.logged.max(logged.map_or(0, at_least));
        replica.heard_s = now_s;
        // It may be through before cron has seen that the child is.
        let is_early = replica.waits_for_child(true);
        replica.acked_early |= is_early;
        if replica.is_online() {
            // It is through with its snapshot, and so its socket is free for the stream.
            replica.awaits_ack = false;
        }
        self.replication.replicas.has_news = true;
        self.replication.replicas.looks_at_child |= is_early;
    }

    /// How far the stream is safe in the log, as far as we know.
    pub fn synced_offset(&self) -> Option<u64> {
        self.persist.aof.synced_offset()
    }

    /// The caller waits for replicas, or for the log.
    pub(in crate::server) fn await_replicas(&mut self, id: ClientId) {
        self.replication.replicas.wants_acks = true;
        if self.blocking.until_acked.is_empty() && self.persist.aof.is_on() {
            self.timers
                .arm(self.clock.mono_ms() + SYNC_LOOK_MS, Timer::Synced);
        }
        self.blocking.until_acked.push(id.0);
    }

    /// The helper thread may have brought more of the log to disk.
    pub(in crate::server) fn look_at_log(&mut self) {
        if self.blocking.until_acked.is_empty() {
            return;
        }
        self.replication.replicas.has_news = true;
        self.timers
            .arm(self.clock.mono_ms() + SYNC_LOOK_MS, Timer::Synced);
    }

    /// Before the loop sleeps: those who wait look again whether replicas have what they wrote.
    pub fn serve_acked(&mut self) {
        if !std::mem::take(&mut self.replication.replicas.has_news) {
            return;
        }
        let mut waiting = std::mem::take(&mut self.blocking.until_acked);
        waiting.dedup();
        for id in waiting.into_iter().map(ClientId) {
            if self.waits_for_acks(id) {
                self.serve_held(id);
            }
        }
    }
}
