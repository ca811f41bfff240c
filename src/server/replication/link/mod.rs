//! Following a primary: how a server becomes a replica and ceases to be one, and what a replica does
//! every second.
//!
//! ```text
//!   connect    the link and the talk over it, up to the answer to PSYNC
//!   transfer   a full synchronization: the snapshot comes, and takes the place of the data
//!   apply      the stream: commands of the primary, run as they come and passed on
//! ```
//!
//! What is known of the primary is in `replication::primary`. While a link is being made the loop
//! tells of it through `hear_primary`; then it is a client of its own kind (`Peer::Primary`).

pub mod apply;
pub mod connect;
pub mod transfer;

use crate::logging;
use crate::replication::primary::{Primary, Stage};
use crate::replication::{NO_ID, OFFSET_MAX};
use crate::resp::request::OwnedArgv;
use crate::server::Server;
use crate::server::clients::session::{ClientId, Ending, Session};
use crate::server::core::unblock::Over;
use crate::server::gates::Gates;
use crate::server::storage::jobs;
use crate::server::timers::Timer;
use crate::sys::clock;

/// We ask a primary for the rest of what we have, though we never followed it.
const SYNTHESIZED: &str = "Before turning into a replica, using my own master parameters to \
    synthesize a cached master: I may be able to synchronize with the new master with just a partial \
    transfer.";

/// How often a replica looks after its link, in milliseconds.
const TICK_MS: u64 = 1_000;

impl Server {
    /// Becomes a replica of another server, or of another than before.
    pub fn follow(&mut self, host: String, port: u16) {
        let before = self.replication.primary.take();
        let was_primary = before.is_none();
        let mut primary = Primary::new(host, port, clock::mono_us());
        if let Some(mut before) = before {
            // In between it follows nobody.
            logging::set_role(b'M');
            self.leave_primary(&mut before);
            primary.is_cached = before.is_cached;
            primary.db = before.db;
            primary.down_since_s = before.down_since_s;
        }
        self.let_go_of_the_blocked();
        logging::set_role(b'S');
        if was_primary {
            log::info!("{SYNTHESIZED}");
            primary.is_cached = true;
        }
        self.begin_following(primary);
        self.connect_anew("Connecting to MASTER", "");
    }

    /// `replicaof` of the configuration: the link is made once the data is loaded.
    pub fn follow_from_start(&mut self) {
        if let Some((host, port)) = self.config.replicaof.clone() {
            let host = String::from_utf8_lossy(&host).into_owned();
            self.begin_following(Primary::new(host, port, clock::mono_us()));
        }
    }

    /// The data is loaded: a replica looks for its primary.
    pub(in crate::server) fn begin_to_follow(&mut self) {
        if self.replication.is_replica() {
            self.connect_anew("Connecting to MASTER", "");
        }
    }

    /// The snapshot of the start says where in which history it was taken: a replica can ask for the
    /// rest, and a primary can be asked for it.
    pub(in crate::server) fn go_on_with_history(&mut self) {
        let position = std::mem::take(&mut self.persist.loaded_position);
        let dropped = std::mem::take(&mut self.persist.dropped);
        let (Some(id), Some(offset), Some(db)) = (position.id, position.offset, position.db) else {
            return;
        };
        let (Ok(offset), Ok(db)) = (u64::try_from(offset), u32::try_from(db)) else {
            return;
        };
        let id = String::from_utf8_lossy(&id).into_owned();
        if id.len() != NO_ID.len()
            || !id.bytes().all(|byte| byte.is_ascii_graphic())
            || offset > OFFSET_MAX
        {
            return;
        }
        let history = &mut self.replication.history;
        if let Some(primary) = &mut self.replication.primary {
            history.id = id;
            history.offset = offset;
            primary.is_cached = true;
            primary.db = db;
            log::info!("{SYNTHESIZED}");
            return;
        }
        history.previous = id;
        history.second_offset = offset as i64 + 1;
        history.offset += offset;
        self.keep_backlog();
        for (db, key) in dropped {
            let argv: OwnedArgv = [b"DEL".as_slice(), &key].into_iter().collect();
            self.replication.feed(Some(db.0), &argv.as_argv());
        }
    }

    /// What waited for the end of a pause goes on.
    pub(in crate::server) fn wake_primary(&mut self) {
        let primary = self.replication.primary.as_ref();
        let slot = primary.and_then(|primary| primary.client);
        self.clients.waking.extend(slot.map(|(_, slot)| slot));
    }

    fn begin_following(&mut self, primary: Primary) {
        self.config.replicaof = Some((primary.host.clone().into_bytes(), primary.port));
        let round = primary.round;
        self.replication.primary = Some(Box::new(primary));
        self.role_changed();
        self.timers
            .arm(self.clock.mono_ms() + TICK_MS, Timer::Follow(round));
    }

    /// Becomes a primary: goes on with the history under a name of its own.
    pub fn unfollow(&mut self) {
        let Some(mut primary) = self.replication.primary.take() else {
            return;
        };
        self.config.replicaof = None;
        self.role_changed();
        self.leave_primary(&mut primary);
        if primary.is_cached {
            log::info!("Discarding previously cached master state.");
        }
        let id = self.fresh_history_id();
        self.replication.history.shift(id);
        let history = &self.replication.history;
        log::info!(
            "Setting secondary replication ID to {}, valid up to offset: {}. New replication ID is {}",
            history.previous,
            history.second_offset,
            history.id
        );
        // They have to hear of the new name, and can go on from where they are.
        self.disconnect_replicas();
        self.replication.selected = None;
        self.replication.replicas.none_since_s = self.clock.now_s();
        if self.config.appendonly && !self.persist.aof.is_on() && self.persist.loading.is_none() {
            log::info!("Restarting AOF after becoming master");
            self.restart_log();
        }
    }

    /// Ends the link to a primary that is no longer ours, whatever state it is in.
    fn leave_primary(&mut self, primary: &mut Primary) {
        if let Some((id, slot)) = primary.client.take() {
            log::info!("Connection with master lost.");
            log::info!("Caching the disconnected master state.");
            let client = self.clients.get(slot);
            let client = client.filter(|client| client.session.id.0 == id);
            if let Some(client) = client {
                primary.db = client.session.db.0;
                self.clients.close(slot, Ending::Now);
            }
            primary.is_cached = true;
            primary.down_since_s = Some(self.clock.now_s());
        }
        self.abort_transfer(primary);
        primary.hang_up();
    }

    /// The server ends: half a snapshot is of use to nobody.
    pub(in crate::server) fn forget_transfer(&mut self) {
        if let Some(mut primary) = self.replication.primary.take() {
            self.abort_transfer(&mut primary);
            self.replication.primary = Some(primary);
        }
    }

    /// The client that was the link to our primary is gone.
    pub fn lose_primary(&mut self, session: &Session) {
        let now_s = self.clock.now_s();
        let Some(primary) = &mut self.replication.primary else {
            return;
        };
        if primary.client.is_none_or(|(id, _)| id != session.id.0) {
            return;
        }
        log::info!("Connection with master lost.");
        primary.client = None;
        // What broke the protocol is not asked for again.
        primary.is_cached = !std::mem::take(&mut primary.is_spoiled);
        if primary.is_cached {
            log::info!("Caching the disconnected master state.");
        }
        primary.db = session.db.0;
        primary.down_since_s = Some(now_s);
        primary.tries = 0;
        primary.hang_up();
        self.refresh_gates_of_role();
        self.connect_anew("Reconnecting to MASTER", "");
    }

    /// We are a replica now, or a primary: everybody who has to know.
    fn role_changed(&mut self) {
        let is_replica = self.replication.is_replica();
        logging::set_role(if is_replica { b'S' } else { b'M' });
        self.refresh_gates_of_role();
        self.refresh_expiry_hold();
        jobs::refresh_log_interest(self);
        self.refresh_good_replicas();
        // The log has said what went wrong; it is no reason not to change.
        let _ = self
            .life
            .process
            .set_oom_score(&self.config, self.replication.is_replica());
    }

    /// Some commands are refused by a replica.
    pub fn refresh_gates_of_role(&mut self) {
        self.gates
            .set(Gates::REPLICA, self.replication.is_replica());
        let writable = self.replication.is_replica() && !self.config.replica_read_only;
        self.keyspace.shared.own_deadlines.set_kept(writable);
    }

    /// While the data stands still, or follows that of another, nothing expires by itself.
    pub fn refresh_expiry_hold(&mut self) {
        self.keyspace.shared.hold_expired = self.pause.is_on() || self.replication.is_replica();
    }

    /// Who waits for a key waited for a change that only a primary makes.
    fn let_go_of_the_blocked(&mut self) {
        let ids: Vec<ClientId> = self.clients.ids().collect();
        for id in ids {
            self.end_wait(id, Over::RoleChanged);
        }
    }

    /// A replica keeps what it gets for others, whether there are any or not.
    fn keep_backlog(&mut self) {
        if self.replication.backlog.is_none() {
            self.create_backlog();
        }
    }

    /// The data is to become another: what we have can neither be asked for more nor passed on.
    fn part_with_history(&mut self) {
        if let Some(primary) = &mut self.replication.primary
            && std::mem::take(&mut primary.is_cached)
        {
            log::info!("Discarding previously cached master state.");
        }
        self.disconnect_replicas();
        self.free_backlog();
    }

    /// What a replica does every second.
    pub fn tick_follow(&mut self, round: u64) {
        let now_ms = self.clock.mono_ms();
        let Some(primary) = &mut self.replication.primary else {
            return;
        };
        if primary.round != round {
            return;
        }
        self.timers.arm(now_ms + TICK_MS, Timer::Follow(round));
        let limit_ms = u64::from(self.config.repl_timeout) * 1000;
        let is_late = now_ms.saturating_sub(primary.heard_ms) > limit_ms;
        match primary.stage {
            Stage::Connect if self.persist.loading.is_none() => {
                self.connect_anew("Connecting to MASTER", "");
            }
            Stage::Connect => {}
            Stage::Connecting | Stage::Handshake(_) if is_late => {
                log::warn!("Timeout connecting to the MASTER...");
                self.cancel_handshake();
            }
            Stage::Connecting | Stage::Handshake(_) => {}
            Stage::Transfer => self.tend_transfer(is_late),
            Stage::Connected => self.tend_link(limit_ms),
        }
    }

    /// A link that stands: is the primary still there, and does it know that we are?
    fn tend_link(&mut self, limit_ms: u64) {
        let client = self.replication.primary.as_ref().and_then(|p| p.client);
        let Some((_, slot)) = client else { return };
        let now_ms = self.clock.mono_ms();
        let Some(client) = self.clients.get(slot) else {
            return;
        };
        if now_ms.saturating_sub(client.session.last_active_ms) > limit_ms {
            log::warn!("MASTER timeout: no data nor PING received...");
            return self.clients.close(slot, Ending::Now);
        }
        self.send_ack();
    }

    /// The log of writes begins anew with what is there.
    pub(in crate::server) fn restart_log(&mut self) {
        if jobs::apply_append_only(self).is_err() {
            log::warn!(
                "FATAL: this replica instance finished the synchronization with its master, but \
                 the AOF can't be turned on. Exiting now."
            );
            self.life.exit = Some(1);
        }
    }
}
