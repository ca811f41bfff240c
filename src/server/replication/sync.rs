//! How a replica gets to where the stream is: by what the backlog holds of it, or by a snapshot.
//!
//! Snapshots are made by the one child: into the file of the configuration, which then goes to all
//! who waited for it, or straight into their sockets (`repl-diskless-sync`). A replica that asks
//! while a child is at work joins in if it can, else it waits for the next. Starting is left to the
//! end of the turn, when everybody who asked in it can be served by one snapshot, and to cron.

use crate::algo::quoting::in_line;
use crate::command::Reply;
use crate::persist::child::Purpose;
use crate::persist::transfer::{TransferJob, transfer_in_child};
use crate::replication::replicas::{Replica, Said, Stage, Wants};
use crate::server::Server;
use crate::server::clients::Client;
use crate::server::clients::session::{ClientId, Ending, Peer, Session, Special};
use crate::server::storage::jobs;
use crate::sys::fork::Exit;
use crate::sys::socket::Sending;
use std::fs::File;

/// Who has not been offered a part of the stream, and why.
enum Refused {
    NeedsAll,
}

impl Server {
    /// How the log calls a replica.
    pub fn replica_name(&self, session: &Session, said: &Said) -> String {
        let ip = match said.ip.as_str() {
            "" => ip_of(&session.addresses.0),
            ip => ip,
        };
        if ip.is_empty() {
            return format!("client id #{}", session.id.0);
        }
        let shown = match ip.contains(':') {
            true => format!("[{ip}]"),
            false => ip.to_owned(),
        };
        match said.port {
            0 => format!("{shown}:<unknown-replica-port>"),
            port => format!("{shown}:{port}"),
        }
    }

    /// A client becomes a replica.
    fn register_replica(&mut self, session: &mut Session, stage: Stage, next: u64, plain: bool) {
        let said = session.said.as_deref().cloned().unwrap_or_default();
        let name = self.replica_name(session, &said);
        session.peer = Peer::Replica;
        session.special.set(Special::REPLICA, true);
        let now_s = self.clock.now_s();
        self.replication.replicas.list.push(Replica {
            client: session.id.0,
            slot: self.clients.slot_of(session.id).unwrap_or_default(),
            said,
            name,
            peer_ip: ip_of(&session.addresses.0).to_owned(),
            stage,
            next,
            awaits_ack: false,
            acked_early: false,
            is_plain: plain,
            is_blocked: false,
            acked: 0,
            logged: 0,
            heard_s: now_s,
            asked_s: now_s,
            over_soft_limit_ms: None,
            sending: Sending::default(),
            took_s: now_s,
        });
        self.refresh_good_replicas();
    }

    /// PSYNC: tries to go on from the byte that is asked for. True if that is possible.
    pub(in crate::server) fn resume(
        &mut self,
        session: &mut Session,
        (id, next): (&[u8], i64),
        reply: &mut Reply,
    ) -> bool {
        let said = session.said.as_deref().cloned().unwrap_or_default();
        if let Err(Refused::NeedsAll) = self.can_resume(session, &said, (id, next)) {
            return false;
        }
        let from = next as u64;
        let line = match said.takes_id {
            true => format!("+CONTINUE {}\r\n", self.replication.history.id),
            false => "+CONTINUE\r\n".to_owned(),
        };
        let _ = reply.raw(line.as_bytes());
        let owed = self.replication.history.offset + 1 - from;
        log::info!(
            "Partial resynchronization request from {} accepted. Sending {owed} bytes of backlog \
             starting from offset {next}.",
            self.replica_name(session, &said)
        );
        self.register_replica(session, Stage::Online, from, false);
        true
    }

    fn can_resume(
        &self,
        session: &Session,
        said: &Said,
        (id, next): (&[u8], i64),
    ) -> Result<(), Refused> {
        let history = &self.replication.history;
        let name = || self.replica_name(session, said);
        if !history.continues(id, next) {
            let text = in_line(id);
            let is_previous = id.eq_ignore_ascii_case(history.previous.as_bytes());
            if id.first() == Some(&b'?') {
                log::info!("Full resync requested by replica {}", name());
            } else if is_previous {
                log::info!(
                    "Partial resynchronization not accepted: Requested offset for second ID was \
                     {next}, but I can reply up to {}",
                    history.second_offset
                );
            } else {
                log::info!(
                    "Partial resynchronization not accepted: Replication ID mismatch (Replica \
                     asked for '{text}', my replication IDs are '{}' and '{}')",
                    history.id,
                    history.previous
                );
            }
            return Err(Refused::NeedsAll);
        }
        let is_held = self.replication.backlog.as_ref().is_some_and(|backlog| {
            u64::try_from(next).is_ok_and(|next| backlog.reaches_back_to(next))
        });
        if !is_held {
            log::info!(
                "Unable to partial resync with replica {} for lack of backlog (Replica request \
                 was: {next}).",
                name()
            );
            if next > history.offset as i64 {
                log::warn!(
                    "Warning: replica {} tried to PSYNC with an offset that is greater than the \
                     master replication offset.",
                    name()
                );
            }
            return Err(Refused::NeedsAll);
        }
        Ok(())
    }

    /// A replica needs a snapshot first.
    pub(in crate::server) fn resync(
        &mut self,
        session: &mut Session,
        is_plain: bool,
        reply: &mut Reply,
    ) {
        self.stats.sync_full += 1;
        if self.config.repl_disable_tcp_nodelay
            && let Some(client) = self.clients.slot_of(session.id)
            && let Some(client) = self.clients.get(client)
        {
            client.link.delay_small(true);
        }
        self.register_replica(session, Stage::WaitStart, 0, is_plain);
        if self.replication.replicas.len() == 1 {
            self.begin_backlog();
        }
        let said = session.said.as_deref().cloned().unwrap_or_default();
        match self.persist.child.as_ref().map(|job| job.purpose) {
            Some(Purpose::Snapshot) => self.join_snapshot(session.id, &said, reply),
            Some(Purpose::Transfer) => {
                log::info!("Current BGSAVE has socket target. Waiting for next BGSAVE for SYNC")
            }
            child => {
                let config = &self.config;
                let delays = config.repl_diskless_sync && config.repl_diskless_sync_delay > 0;
                if delays && said.reads_marked {
                    log::info!("Delay next BGSAVE for diskless SYNC");
                } else if child.is_some() {
                    log::info!(
                        "No BGSAVE in progress, but another BG operation is active. BGSAVE for \
                         replication delayed"
                    );
                } else {
                    self.replication.replicas.starts_now = true;
                }
            }
        }
    }

    /// A child writes a snapshot to its file: whoever asks now can have it too if another replica
    /// follows the stream from where it was begun.
    fn join_snapshot(&mut self, id: ClientId, said: &Said, reply: &mut Reply) {
        let other = self.replication.replicas.list.iter().find(|other| {
            other.waits_for_child(false) && (!other.said.only_snapshot || said.only_snapshot)
        });
        let fits = |other: &&Replica| {
            let has = |theirs: bool, ours: bool| ours || !theirs;
            has(other.said.reads_marked, said.reads_marked)
                && has(other.said.takes_id, said.takes_id)
                && other.said.wants == said.wants
        };
        let Some(next) = other.filter(fits).map(|other| other.next) else {
            log::info!(
                "Can't attach the replica to the current BGSAVE. Waiting for next BGSAVE for SYNC"
            );
            return;
        };
        let line = self.begin_full(id, next, false);
        let _ = reply.raw(line.as_bytes());
        log::info!("Waiting for end of BGSAVE for SYNC");
    }

    /// A snapshot is made for a replica: what it is told of that.
    fn begin_full(&mut self, id: ClientId, next: u64, through_socket: bool) -> String {
        // What follows has to name its database.
        self.replication.selected = None;
        let history = self.replication.history.id.clone();
        let Some(replica) = self.replication.replicas.get_mut(id.0) else {
            return String::new();
        };
        replica.stage = Stage::WaitEnd { through_socket };
        replica.next = next;
        match replica.is_plain {
            true => String::new(),
            false => format!("+FULLRESYNC {history} {}\r\n", next - 1),
        }
    }

    /// At the end of the turn: those who asked for a snapshot and need not wait for others.
    pub fn start_asked_syncs(&mut self) {
        if std::mem::take(&mut self.replication.replicas.looks_at_child) {
            jobs::check_child(self);
        }
        if !std::mem::take(&mut self.replication.replicas.starts_now) {
            return;
        }
        let waiting = |replica: &&Replica| replica.waits_for_start();
        let first = self.replication.replicas.list.iter().find(waiting);
        if let Some(wants) = first.map(|first| first.said.wants)
            && self.persist.child.is_none()
        {
            self.start_sync(wants);
        }
    }

    /// From cron: starts a snapshot for those who wait for one, once they have waited long enough
    /// for others to join them.
    pub(in crate::server) fn start_due_sync(&mut self) {
        if self.persist.child.is_some() || self.persist.loading.is_some() {
            return;
        }
        let list = &self.replication.replicas.list;
        let Some(first) = list.iter().find(|replica| replica.waits_for_start()) else {
            return;
        };
        let wants = first.said.wants;
        let waiting = list
            .iter()
            .filter(|replica| replica.waits_for_start() && replica.said.wants == wants);
        let now_s = self.clock.now_s();
        let longest_s = waiting.clone().map(|replica| now_s - replica.asked_s).max();
        let most = self.config.repl_diskless_sync_max_replicas as usize;
        let is_due = !self.config.repl_diskless_sync
            || most > 0 && waiting.count() >= most
            || longest_s >= Some(self.config.repl_diskless_sync_delay as i64);
        if is_due {
            self.start_sync(wants);
        }
    }

    fn start_sync(&mut self, wants: Wants) {
        let fitting = self.replication.replicas.list.iter();
        let fitting: Vec<&Replica> = fitting
            .filter(|replica| replica.waits_for_start() && replica.said.wants == wants)
            .collect();
        let all_read_marked = fitting.iter().all(|replica| replica.said.reads_marked);
        let through_socket = (self.config.repl_diskless_sync || wants.is_part()) && all_read_marked;
        let ids: Vec<ClientId> = fitting.iter().map(|one| ClientId(one.client)).collect();
        log::info!(
            "Starting BGSAVE for SYNC with target: {}",
            if through_socket {
                "replicas sockets"
            } else {
                "disk"
            }
        );
        let next = self.replication.history.offset + 1;
        let started = match through_socket {
            true => self.start_transfer(wants, &ids, next),
            false => {
                let started = jobs::start_bgsave(self).is_ok();
                if started {
                    ids.iter().for_each(|&id| self.tell_full(id, next, false));
                }
                started
            }
        };
        if started {
            self.persist.for_replicas |= !through_socket && self.config.rdb_del_sync_files;
        } else {
            log::warn!("BGSAVE for replication failed");
            self.fail_waiting();
        }
    }

    /// Tells a replica in its slot that a snapshot for it has begun.
    fn tell_full(&mut self, id: ClientId, next: u64, through_socket: bool) {
        let line = self.begin_full(id, next, through_socket);
        let Some(slot) = self.clients.slot_of(id) else {
            return;
        };
        let Some(client) = self.clients.get_mut(slot) else {
            return;
        };
        client.output.append(line.as_bytes());
        self.clients.note_output(slot);
    }

    /// Has a child send a snapshot to these replicas.
    fn start_transfer(&mut self, wants: Wants, ids: &[ClientId], next: u64) -> bool {
        let mut sockets = Vec::with_capacity(ids.len());
        for &id in ids {
            self.tell_full(id, next, true);
            // It has to be said before the child speaks.
            if let Some(slot) = self.clients.slot_of(id)
                && let Some(client) = self.clients.get_mut(slot)
                && say_now(client)
            {
                sockets.push(client.link.fd());
            } else if let Some(slot) = self.clients.slot_of(id) {
                self.clients.close(slot, Ending::Now);
            }
        }
        let mut snapshot = jobs::snapshot(self, false);
        if wants.no_functions {
            snapshot.functions.clear();
        }
        snapshot.key_delay_us = self.config.rdb_key_save_delay as i64;
        let job = TransferJob {
            snapshot,
            no_keys: wants.no_keys,
            mark: self.rng.hex40(),
            sockets,
        };
        let started = jobs::start_child(self, Purpose::Transfer, &job, |keyspace, job, pipe| {
            crate::logging::set_role(b'C');
            transfer_in_child(keyspace, job, pipe)
        });
        match started {
            Ok(pid) => {
                log::info!("Background RDB transfer started by pid {pid}");
                true
            }
            Err(error) => {
                let reason = crate::persist::reason(&error);
                log::warn!("Can't save in background: fork: {reason}");
                for replica in &mut self.replication.replicas.list {
                    if replica.waits_for_child(true) {
                        replica.stage = Stage::WaitStart;
                    }
                }
                false
            }
        }
    }

    /// No snapshot can be made: those who wait for one are sent away.
    fn fail_waiting(&mut self) {
        let list = &self.replication.replicas.list;
        let waiting = list.iter().filter(|replica| replica.waits_for_start());
        let waiting: Vec<(u64, usize)> = waiting.map(|one| (one.client, one.slot)).collect();
        for (id, slot) in waiting {
            self.replication.replicas.remove(id);
            let Some(client) = self.clients.get_mut(slot) else {
                continue;
            };
            client.session.peer = Peer::Client;
            let text = b"-ERR BGSAVE failed, replication can't continue\r\n";
            client.output.append(text);
            self.clients.note_output(slot);
            self.clients.close(slot, Ending::AfterReply);
        }
    }

    /// A child's snapshot to its file is done: it goes to those who waited for it.
    pub(in crate::server) fn snapshot_is_done(&mut self, succeeded: bool) {
        for index in 0..self.replication.replicas.len() {
            let replica = &self.replication.replicas.list[index];
            if !replica.waits_for_child(false) {
                continue;
            }
            let slot = replica.slot;
            if !succeeded {
                log::warn!("SYNC failed. BGSAVE child returned an error");
                self.clients.close(slot, Ending::Now);
                continue;
            }
            let name = String::from_utf8_lossy(&self.config.dbfilename).into_owned();
            let opened = File::open(&name).and_then(|file| Ok((file.metadata()?.len(), file)));
            let (len, file) = match opened {
                Ok(opened) => opened,
                Err(error) => {
                    let reason = crate::config::os_reason(&error);
                    log::warn!("SYNC failed. Can't open/stat DB after BGSAVE: {reason}");
                    self.clients.close(slot, Ending::Now);
                    continue;
                }
            };
            self.replication.replicas.list[index].stage = Stage::SendFile { file, sent: 0, len };
            if let Some(client) = self.clients.get_mut(slot) {
                let head = format!("${len}\r\n");
                client.output.append(head.as_bytes());
                self.clients.note_output(slot);
            }
        }
    }

    /// A child has sent its snapshot, or failed to.
    pub(in crate::server) fn finish_transfer(&mut self, exit: Exit) {
        match exit {
            Exit::Status(0) => {
                let list = self.replication.replicas.list.iter();
                let up = list.filter(|replica| replica.waits_for_child(true)).count();
                log::info!(
                    "Diskless rdb transfer, done reading from pipe, {up} replicas still up."
                );
                log::info!("Background RDB transfer terminated with success");
            }
            Exit::Status(_) => log::warn!("Background transfer error"),
            Exit::Signal(signal) => {
                log::warn!("Background transfer terminated by signal {signal}");
            }
        }
        for index in 0..self.replication.replicas.len() {
            let replica = &self.replication.replicas.list[index];
            if !replica.waits_for_child(true) {
                continue;
            }
            let slot = replica.slot;
            if exit != Exit::Status(0) {
                log::warn!("SYNC failed. BGSAVE child returned an error");
                self.clients.close(slot, Ending::Now);
                continue;
            }
            log::info!(
                "Streamed replica transfer with replica {} succeeded (socket). Waiting for \
                 REPLCONF ACK from replica to enable streaming",
                replica.name
            );
            let replica = &mut self.replication.replicas.list[index];
            replica.awaits_ack = !replica.acked_early;
            self.put_online(index);
        }
    }

    /// A replica has got the file with its snapshot.
    pub(in crate::server) fn snapshot_was_sent(&mut self, index: usize) {
        self.put_online(index);
    }

    fn put_online(&mut self, index: usize) {
        let now_s = self.clock.now_s();
        let replica = &mut self.replication.replicas.list[index];
        let (slot, name) = (replica.slot, replica.name.clone());
        replica.stage = Stage::Online;
        if replica.said.only_snapshot {
            log::info!(
                "RDB transfer completed, rdb only replica ({name}) should be disconnected asap"
            );
            self.clients.close(slot, Ending::Now);
            return;
        }
        replica.heard_s = now_s;
        log::info!("Synchronization with replica {name} succeeded");
        self.refresh_good_replicas();
    }

    /// A replica's connection is at its end.
    pub fn forget_replica(&mut self, session: &Session) {
        let Some(replica) = self.replication.replicas.remove(session.id.0) else {
            return;
        };
        log::info!("Connection with replica {} lost.", replica.name);
        if self.replication.replicas.is_empty() {
            self.replication.replicas.none_since_s = self.clock.now_s();
        }
        self.refresh_good_replicas();
        // What was held for it alone is free at once.
        self.trim_backlog();
        let waits = |socket| {
            let mut list = self.replication.replicas.list.iter();
            list.any(|other| other.waits_for_child(socket))
        };
        if replica.waits_for_child(true) && !waits(true) {
            if self.is_child(Purpose::Transfer) {
                log::info!("Diskless rdb transfer, last replica dropped, killing fork child.");
                self.ask_child_to_end();
            }
        } else if replica.waits_for_child(false)
            && self.config.save.is_empty()
            && !waits(false)
            && self.is_child(Purpose::Snapshot)
        {
            // Nobody else asked for it.
            self.ask_child_to_end();
        }
    }

    fn is_child(&self, purpose: Purpose) -> bool {
        let job = self.persist.child.as_ref();
        job.is_some_and(|job| job.purpose == purpose)
    }

    fn ask_child_to_end(&mut self) {
        if let Some(job) = &self.persist.child {
            job.process.kill();
        }
    }
}

/// Writes what a client is owed, here and now.
fn say_now(client: &mut Client) -> bool {
    let owed = client.output.pending();
    let sent = client.output.send(&client.link, owed);
    matches!(sent, Ok((n, _)) if n == owed)
}

/// The address in `1.2.3.4:5` or `[::1]:5`.
fn ip_of(address: &str) -> &str {
    let ip = address.rsplit_once(':').map_or(address, |(ip, _)| ip);
    ip.trim_start_matches('[').trim_end_matches(']')
}
