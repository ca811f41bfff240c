//! A full synchronization: the snapshot of a primary comes and takes the place of our data.
//!
//! It goes into a file first, which then becomes our own snapshot and is loaded as at the start; or
//! into memory as it comes, without a file (`repl-diskless-load`). Either way it is read and loaded
//! a slice at a time, so that clients hear meanwhile that they have to wait. Under `swapdb` it goes
//! into databases beside ours, which change places when everything is there: what breaks off in
//! between leaves the old data as it was.

use crate::algo::quoting::in_line;
use crate::command::effects::Sweep;
use crate::config::ReplDisklessLoad;
use crate::keyspace::{DbIndex, Doomed, Keyspace, Waste};
use crate::persist::child::Purpose;
use crate::persist::load::{Loading, Part, Role, Rules};
use crate::persist::reason;
use crate::replication::payload::{NoSnapshot, Payload, parse_line};
use crate::replication::primary::{Primary, Sink, Stage, Transfer};
use crate::server::Server;
use crate::server::gates::Gates;
use crate::server::storage::jobs;
use crate::server::storage::loading;
use crate::sys::{file, supervisor};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

/// Bytes read at once.
const READ: usize = 256 << 10;
/// So often is read in a turn of the loop.
const READS: usize = 4;
/// Bytes that may wait to be loaded before more are read, unless a single value is larger.
const AHEAD: usize = 1 << 20;
/// A file is brought to disk whenever it grew by so much, so that the end does not take long.
const SYNC_EACH: u64 = 8 << 20;
/// The longest line before a snapshot.
const LINE_MAX: usize = 1024;

impl Server {
    /// Whether snapshots go into memory as they come.
    fn loads_without_disk(&self) -> bool {
        match self.config.repl_diskless_load {
            ReplDisklessLoad::Disabled => false,
            ReplDisklessLoad::OnEmptyDb => self.keyspace.is_empty(),
            ReplDisklessLoad::SwapDb => true,
        }
    }

    fn swaps(&self) -> bool {
        self.config.repl_diskless_load == ReplDisklessLoad::SwapDb
    }

    /// A snapshot was promised.
    pub(in crate::server) fn begin_transfer(&mut self) {
        let sink = match self.loads_without_disk() {
            true => Sink::Memory,
            false => match self.open_temporary() {
                Ok((file, path)) => Sink::File(file, path),
                Err(error) => {
                    log::warn!(
                        "Opening the temp file needed for MASTER <-> REPLICA synchronization: {}",
                        reason(&error)
                    );
                    return self.give_up_transfer();
                }
            },
        };
        if let Some(primary) = &mut self.replication.primary {
            primary.stage = Stage::Transfer;
            primary.heard_ms = self.clock.mono_ms();
            primary.transfer = Some(Box::new(Transfer::new(sink)));
        }
    }

    fn open_temporary(&self) -> io::Result<(File, PathBuf)> {
        let name = format!("temp-{}.{}.rdb", self.clock.now_s(), std::process::id());
        let path = PathBuf::from(name);
        // It may be left from another try within the same second.
        let _ = std::fs::remove_file(&path);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)?;
        Ok((file, path))
    }

    fn give_up_transfer(&mut self) {
        if let Some(primary) = &mut self.replication.primary {
            primary.hang_up();
        }
    }

    /// Lets go of what came so far.
    pub(in crate::server) fn abort_transfer(&mut self, primary: &mut Primary) {
        let Some(transfer) = primary.transfer.take() else {
            return;
        };
        if let Sink::File(_, path) = &transfer.sink
            && !transfer.loads
        {
            let _ = std::fs::remove_file(path);
        }
        if transfer.loads {
            self.persist.loading = None;
            self.end_of_loading();
        }
        self.drop_staging(*transfer);
    }

    fn drop_staging(&mut self, transfer: Transfer) {
        if let Some(staging) = transfer.staging {
            self.bio.bury(Doomed {
                waste: Waste::Foreign(Box::new(Stale(staging))),
                objects: 0,
            });
        }
    }

    /// Nothing is being loaded any more.
    fn end_of_loading(&mut self) {
        self.gates.set(Gates::LOADING, false);
        crate::sys::signal::set_loading(false);
        jobs::refresh_log_interest(self);
    }

    /// Reads what came of a snapshot.
    pub(in crate::server) fn hear_transfer(&mut self) {
        for _ in 0..READS {
            let now_ms = self.clock.mono_ms();
            let primary = self.replication.primary.as_ref();
            let transfer = primary.and_then(|primary| primary.transfer.as_ref());
            if !transfer.is_some_and(|transfer| self.wants_more(transfer)) {
                return;
            }
            let Some(primary) = &mut self.replication.primary else {
                return;
            };
            // What came with the line before is there already.
            if primary.incoming.pending() == 0 {
                match Server::read_link(primary, READ) {
                    Ok(None) => return,
                    Ok(Some(n)) => {
                        self.stats.repl_bytes_in += n as u64;
                        primary.heard_ms = now_ms;
                    }
                    Err(why) => return self.break_transfer(&why),
                }
            }
            if !self.take_received() {
                return;
            }
        }
    }

    /// Whether more of the snapshot is to be read now.
    fn wants_more(&self, transfer: &Transfer) -> bool {
        match (&transfer.sink, &self.persist.loading) {
            (Sink::File(..), _) => !transfer.loads,
            (Sink::Memory, Some(loading)) => loading.wants_more(AHEAD),
            (Sink::Memory, None) => true,
        }
    }

    /// The loop need not wait for anything to go on loading.
    pub fn can_go_on_loading(&self) -> bool {
        let Some(loading) = &self.persist.loading else {
            return false;
        };
        !loading.is_starved
    }

    /// There is more to be read of what a primary sends before the stream.
    pub fn can_hear_primary(&self) -> bool {
        let Some(primary) = &self.replication.primary else {
            return false;
        };
        primary.is_ready && primary.transfer.as_ref().is_none_or(|t| self.wants_more(t))
    }

    /// The link ended in the middle.
    fn break_transfer(&mut self, why: &str) {
        let Some(primary) = &mut self.replication.primary else {
            return;
        };
        primary.is_ready = false;
        let Some(transfer) = &primary.transfer else {
            return;
        };
        match (&transfer.payload, &transfer.sink) {
            (None, _) => log::warn!("I/O error reading bulk count from MASTER: {why}"),
            (Some(_), Sink::File(..)) => {
                let why = if why == "Success" {
                    "connection lost"
                } else {
                    why
                };
                log::warn!("I/O error trying to sync with MASTER: {why}");
            }
            // Whoever loads comes to the end of what there is, and says so.
            (Some(_), Sink::Memory) => {
                if let Some(loading) = &mut self.persist.loading {
                    loading.feed_ends();
                    return;
                }
                log::warn!("Replication stream EOF marker is broken");
                return self.snapshot_failed();
            }
        }
        self.cancel_handshake();
    }

    /// Puts what was received where it belongs. False if there is nothing more to do with it now.
    fn take_received(&mut self) -> bool {
        let Some(primary) = &mut self.replication.primary else {
            return false;
        };
        let Some(transfer) = &mut primary.transfer else {
            return false;
        };
        let Some(payload) = &mut transfer.payload else {
            return match primary.incoming.line() {
                Some(line) => self.hear_announcement(&line),
                None if primary.incoming.pending() > LINE_MAX => {
                    log::warn!("I/O error reading bulk count from MASTER: Success");
                    self.cancel_handshake();
                    false
                }
                None => true,
            };
        };
        let mut bytes = primary.incoming.rest();
        let before = bytes.len();
        let mut body = Vec::new();
        payload.take(&mut bytes, &mut body);
        let used = before - bytes.len();
        let is_done = payload.is_done();
        primary.incoming.skip(used);
        match &mut transfer.sink {
            Sink::File(file, _) => {
                let written = file.write_all(&body);
                if let Err(error) = written.and_then(|()| sync_some(transfer)) {
                    log::warn!(
                        "Write error or short write writing to the DB dump file needed for MASTER \
                         <-> REPLICA synchronization: {}",
                        reason(&error)
                    );
                    self.cancel_handshake();
                    return false;
                }
                if is_done {
                    self.load_file();
                }
            }
            Sink::Memory => self.feed_loading(&body, is_done),
        }
        !is_done
    }

    fn feed_loading(&mut self, body: &[u8], is_done: bool) {
        match &mut self.persist.loading {
            Some(loading) => {
                loading.feed(body);
                if is_done {
                    loading.feed_ends();
                }
            }
            // The snapshot was at its end, and so must be what is sent.
            None if !body.is_empty() => {
                log::warn!("Replication stream EOF marker is broken");
                self.snapshot_failed();
            }
            None if is_done => self.take_over(),
            None => {}
        }
    }

    /// The line that says how long the snapshot is. False if none comes.
    fn hear_announcement(&mut self, line: &[u8]) -> bool {
        let end = match parse_line(line) {
            Ok(None) => return true,
            Ok(Some(end)) => end,
            Err(NoSnapshot::Refused(why)) => {
                let why = in_line(&why);
                log::warn!("MASTER aborted replication with an error: {why}");
                self.cancel_handshake();
                return false;
            }
            Err(NoSnapshot::Strange(line)) => {
                let line = in_line(&line);
                log::warn!(
                    "Bad protocol from MASTER, the first byte is not '$' (we received '{line}'), \
                     are you sure the host and port are right?"
                );
                self.cancel_handshake();
                return false;
            }
        };
        let Some(primary) = &mut self.replication.primary else {
            return false;
        };
        let Some(transfer) = &mut primary.transfer else {
            return false;
        };
        let to = match transfer.sink {
            Sink::File(..) => "disk",
            Sink::Memory => "parser",
        };
        let payload = Payload::new(end);
        match payload.total() {
            Some(bytes) => {
                log::info!("MASTER <-> REPLICA sync: receiving {bytes} bytes from master to {to}");
            }
            None => log::info!(
                "MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF to {to}"
            ),
        }
        let (total, is_done) = (payload.total(), payload.is_done());
        transfer.payload = Some(payload);
        if matches!(transfer.sink, Sink::Memory) {
            self.load_from_link(total.unwrap_or(0));
            if is_done {
                self.feed_loading(&[], true);
            }
        } else if is_done {
            self.load_file();
        }
        true
    }

    /// Nothing may be written while the data is replaced, and no child may see it change.
    fn still_the_disk(&mut self, uses_file: bool) {
        if self.persist.aof.is_on() {
            jobs::flush_aof(self, true);
            self.persist.aof.offset = self.replication.history.offset;
            self.persist.aof.switch_off();
            jobs::kill_child(self, Purpose::Rewrite);
            jobs::refresh_log_interest(self);
            jobs::refresh_disk_gate(self);
        }
        let Some(child) = &self.persist.child else {
            return;
        };
        if child.purpose != Purpose::Snapshot {
            return;
        }
        let pid = child.process.pid;
        if uses_file {
            log::info!(
                "Replica is about to load the RDB file received from the master, but there is a \
                 pending RDB child running. Killing process {pid} and removing its temp file to \
                 avoid any race"
            );
        }
        jobs::kill_child(self, Purpose::Snapshot);
    }

    fn rules_of_snapshot(&self) -> Rules {
        Rules {
            // The primary tells when they go.
            keep_expired: true,
            ..loading::rules(self)
        }
    }

    /// Everything that was there goes, and what belongs to it.
    fn empty_for_snapshot(&mut self) {
        log::info!("MASTER <-> REPLICA sync: Flushing old data");
        self.empty_data();
    }

    fn empty_data(&mut self) {
        drop(self.script.flush_libraries());
        for index in 0..self.keyspace.databases() {
            self.keyspace.flush(DbIndex(index));
        }
        self.effects.sweeps.push(Sweep::Emptied);
        self.settle_alone();
    }

    /// The snapshot is loaded as it comes.
    fn load_from_link(&mut self, total: u64) {
        self.still_the_disk(false);
        let swaps = self.swaps();
        let is_ours = self.replication.primary.as_ref().is_some_and(|primary| {
            let id = primary.offered.as_ref().map(|(id, _)| id);
            id.is_some_and(|id| id.eq_ignore_ascii_case(&self.replication.history.id))
        });
        if !swaps {
            self.part_with_history();
        }
        log::info!("MASTER <-> REPLICA sync: Loading DB in memory");
        if !swaps {
            self.empty_for_snapshot();
        }
        let staging = swaps.then(|| Box::new(self.keyspace.sibling()));
        let keeps_serving = swaps && is_ours;
        if let Some(primary) = &mut self.replication.primary
            && let Some(transfer) = &mut primary.transfer
        {
            transfer.staging = staging;
            transfer.keeps_serving = keeps_serving;
            transfer.loads = true;
        }
        let loading = Loading::fed(self.rules_of_snapshot(), total, self.clock.now_s());
        loading::install_loading(self, loading);
    }

    /// The file is all there: it becomes our snapshot and is loaded.
    fn load_file(&mut self) {
        let Some(primary) = &mut self.replication.primary else {
            return;
        };
        let Some(transfer) = &mut primary.transfer else {
            return;
        };
        let Sink::File(received, temporary) = &transfer.sink else {
            return;
        };
        let name = String::from_utf8_lossy(&self.config.dbfilename).into_owned();
        let path = PathBuf::from(&name);
        let failure = if let Err(error) = file::fsync(received) {
            Some(format!(
                "sync the temp DB to disk in MASTER <-> REPLICA synchronization: {}",
                reason(&error)
            ))
        } else if let Err(error) = std::fs::rename(temporary, &path) {
            Some(format!(
                "rename the temp DB into {name} in MASTER <-> REPLICA synchronization: {}",
                reason(&error)
            ))
        } else if let Err(error) = file::fsync_directory(&file::directory_of(&path)) {
            Some(format!(
                "sync DB directory {name} in MASTER <-> REPLICA synchronization: {}",
                reason(&error)
            ))
        } else {
            None
        };
        if let Some(failure) = failure {
            log::warn!("Failed trying to {failure}");
            return self.cancel_handshake();
        }
        transfer.loads = true;
        self.still_the_disk(true);
        self.part_with_history();
        log::info!("MASTER <-> REPLICA sync: Loading DB in memory");
        self.empty_for_snapshot();
        let part = Part {
            path,
            name,
            role: Role::Snapshot,
        };
        let mut loading = Loading::new(vec![part], self.rules_of_snapshot(), self.clock.now_s());
        loading.again = true;
        loading::install_loading(self, loading);
    }

    /// A snapshot from the primary is being loaded.
    pub(in crate::server) fn loads_for_primary(&self) -> bool {
        let primary = self.replication.primary.as_ref();
        let transfer = primary.and_then(|primary| primary.transfer.as_ref());
        transfer.is_some_and(|transfer| transfer.loads)
    }

    /// What is loaded does not take the place of the old data before it is all there, and that is of
    /// the same history: it can be read.
    pub fn loads_aside(&self) -> bool {
        let primary = self.replication.primary.as_ref();
        let transfer = primary.and_then(|primary| primary.transfer.as_ref());
        transfer.is_some_and(|transfer| transfer.keeps_serving)
    }

    /// The databases that a snapshot is loaded into, if they are not ours yet.
    pub(in crate::server) fn take_staging(&mut self) -> Option<Box<Keyspace>> {
        let primary = self.replication.primary.as_mut()?;
        let mut staging = primary.transfer.as_mut()?.staging.take()?;
        staging.set_now_ms(self.keyspace.now_ms());
        Some(staging)
    }

    pub(in crate::server) fn put_staging(&mut self, staging: Option<Box<Keyspace>>) {
        if let Some(primary) = &mut self.replication.primary
            && let Some(transfer) = &mut primary.transfer
            && staging.is_some()
        {
            transfer.staging = staging;
        }
    }

    /// A library of functions that came with a snapshot, and takes effect with it.
    pub(in crate::server) fn keep_function(&mut self, code: Vec<u8>) {
        if let Some(primary) = &mut self.replication.primary
            && let Some(transfer) = &mut primary.transfer
        {
            transfer.functions.push(code);
        }
    }

    /// The snapshot came to its end while it was loaded.
    pub(in crate::server) fn snapshot_loaded(&mut self, left_over: usize) {
        let Some(primary) = &mut self.replication.primary else {
            return;
        };
        let Some(transfer) = &mut primary.transfer else {
            return;
        };
        transfer.loaded = true;
        let is_done = transfer.payload.as_ref().is_some_and(Payload::is_done);
        if matches!(transfer.sink, Sink::Memory) {
            if left_over > 0 {
                log::warn!("Replication stream EOF marker is broken");
                return self.snapshot_failed();
            }
            if !is_done {
                // The mark has yet to come.
                return self.hear_transfer();
            }
        }
        self.take_over();
    }

    /// Loading came to nothing. The log says why.
    pub(in crate::server) fn snapshot_failed(&mut self) {
        let Some(transfer) = self
            .replication
            .primary
            .as_mut()
            .and_then(|primary| primary.transfer.take())
        else {
            return;
        };
        self.persist.loading = None;
        self.end_of_loading();
        match transfer.sink {
            Sink::File(..) => {
                log::warn!(
                    "Failed trying to load the MASTER synchronization DB from disk, check server logs."
                );
                self.remove_synced_file();
            }
            Sink::Memory => {
                log::warn!(
                    "Failed trying to load the MASTER synchronization DB from socket, check server logs."
                );
            }
        }
        let is_file = matches!(transfer.sink, Sink::File(..));
        match transfer.staging {
            Some(_) => {
                log::info!("MASTER <-> REPLICA sync: Discarding temporary DB in background");
                self.drop_staging(*transfer);
            }
            None => self.empty_data(),
        }
        if is_file {
            // It was all there, and no good: there is no hurry to get it once more.
            return self.give_up();
        }
        self.cancel_handshake();
    }

    /// A snapshot that is not wanted as a file of ours.
    fn remove_synced_file(&mut self) {
        let persists = self.config.appendonly || !self.config.save.is_empty();
        if self.config.rdb_del_sync_files && !persists {
            log::info!(
                "Removing the RDB file obtained from the master. This replica has persistence disabled"
            );
            let name = String::from_utf8_lossy(&self.config.dbfilename).into_owned();
            let _ = std::fs::remove_file(name);
        }
    }

    /// All is there: we are at the place in the history that was promised, and follow the stream.
    fn take_over(&mut self) {
        let Some(primary) = &mut self.replication.primary else {
            return;
        };
        let Some(mut transfer) = primary.transfer.take() else {
            return;
        };
        let offered = primary.offered.take();
        let is_marked = transfer
            .payload
            .as_ref()
            .is_some_and(|payload| payload.total().is_none());
        match transfer.sink {
            Sink::File(..) => self.remove_synced_file(),
            Sink::Memory => {
                if transfer.staging.is_some() && !self.swap_in(&mut transfer) {
                    self.drop_staging(*transfer);
                    return self.cancel_handshake();
                }
                // Nothing of it is on our disk.
                self.effects.dirty += 1;
            }
        }
        self.end_of_loading();
        let db = self.persist.loaded_position.db.unwrap_or(0);
        self.adopt_link(u32::try_from(db).unwrap_or(0));
        let (id, offset) = match offered {
            Some(offered) => offered,
            None => (String::from_utf8_lossy(&self.rng.hex40()).into_owned(), 0),
        };
        self.replication.history.restart(id);
        self.replication.history.offset = offset;
        self.keep_backlog();
        log::info!("MASTER <-> REPLICA sync: Finished with success");
        supervisor::sd_notify(
            "STATUS=MASTER <-> REPLICA sync: Finished with success. Ready to accept connections in \
             read-write mode.\n",
        );
        if is_marked {
            self.send_ack();
        }
        if self.config.appendonly {
            log::info!("MASTER <-> REPLICA sync: Starting AOF after a successful sync");
            self.restart_log();
        }
    }

    /// The new data takes the place of the old.
    fn swap_in(&mut self, transfer: &mut Transfer) -> bool {
        let Some(mut staging) = transfer.staging.take() else {
            return true;
        };
        self.part_with_history();
        log::info!("MASTER <-> REPLICA sync: Swapping active DB with loaded DB");
        let codes = std::mem::take(&mut transfer.functions);
        if let Err(why) = self.script.load_libraries(&codes, true, true) {
            log::warn!("Failed creating the library: {}", in_line(&why));
            transfer.staging = Some(staging);
            return false;
        }
        self.keyspace.exchange(&mut staging);
        self.touch_exchanged(&staging);
        self.effects.sweeps.push(Sweep::Emptied);
        self.settle_alone();
        log::info!("MASTER <-> REPLICA sync: Discarding old DB in background");
        self.bio.bury(Doomed {
            waste: Waste::Foreign(Box::new(Stale(staging))),
            objects: 0,
        });
        true
    }

    /// Every second of a full synchronization.
    pub(in crate::server) fn tend_transfer(&mut self, is_late: bool) {
        let Some(primary) = &mut self.replication.primary else {
            return;
        };
        let Some(transfer) = &mut primary.transfer else {
            return;
        };
        let is_starved = self.persist.loading.as_ref().is_none_or(|l| l.is_starved);
        let waits = !transfer.loads || matches!(transfer.sink, Sink::Memory) && is_starved;
        if transfer.loads
            && let Some(link) = &primary.link
        {
            // It shows the primary that we are still there.
            let _ = link.write(b"\n");
        }
        if !is_late || !waits {
            return;
        }
        if transfer.loads {
            return self.break_transfer("Resource temporarily unavailable");
        }
        log::warn!(
            "Timeout receiving bulk data from MASTER... If the problem persists try to set the \
             'repl-timeout' parameter in redis.conf to a larger value."
        );
        self.cancel_handshake();
    }
}

/// Databases on their way to being dropped.
struct Stale(#[allow(dead_code)] Box<Keyspace>);

/// Brings to disk what was written since the last time, if that is much.
fn sync_some(transfer: &mut Transfer) -> io::Result<()> {
    let received = transfer.payload.as_ref().map_or(0, |p| p.received);
    if let Sink::File(file, _) = &transfer.sink
        && received >= transfer.synced + SYNC_EACH
    {
        file::write_out(file, transfer.synced, received - transfer.synced)?;
        transfer.synced = received;
    }
    Ok(())
}
