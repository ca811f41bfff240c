//! A full synchronization: the snapshot of a primary comes and replaces our data.
//!
//! It goes into a file first, which then becomes our own snapshot and is loaded as at the start; or
//! into memory as it comes, without a file (`repl-diskless-load`). Either way it is read and loaded
//! a slice at a time, so that clients get replies (`-LOADING`) meanwhile. Under `swapdb` it goes into
//! databases beside ours, which are exchanged when it is complete: a transfer that fails before that
//! leaves the old data as it was.
//!
//! The state of a transfer and its decisions are in `crate::replication::transfer`.

use crate::algo::quoting::in_line;
use crate::command::effects::DatabaseChange;
use crate::config::ReplDisklessLoad;
use crate::keyspace::{DbIndex, Garbage, Keyspace, LazyFree};
use crate::persist::child::Purpose;
use crate::persist::load::{Loading, Part, Role, Rules};
use crate::replication::primary::Primary;
use crate::replication::transfer::{Sink, Transfer};
use crate::server::Server;
use crate::server::gates::Gates;
use crate::server::replication::link::{self, apply, connect};
use crate::server::storage::backup;
use crate::server::storage::jobs;
use crate::server::storage::loading;
use crate::sys::{reason, supervisor};
use std::fs::OpenOptions;
use std::io;
use std::path::PathBuf;

/// Bytes read at once.
const READ: usize = 256 << 10;
/// Reads per iteration of the event loop.
const READS: usize = 4;
/// Reads of the main channel per iteration of the event loop.
const STREAM_READS: usize = 16;
/// Bytes that may wait to be loaded before more are read, unless a single value is larger.
const AHEAD: usize = 1 << 20;

const TEMPORARY: &str = "Opening the temp file needed for MASTER <-> REPLICA synchronization";

/// Prepares for a snapshot; see `Action::BeginTransfer`.
pub(super) fn begin(server: &mut Server, offered: Option<(String, u64)>) {
    let into_memory = match server.config.repl_diskless_load {
        ReplDisklessLoad::Disabled => false,
        ReplDisklessLoad::OnEmptyDb => server.keyspace.is_empty(),
        ReplDisklessLoad::SwapDb | ReplDisklessLoad::FlushDb => true,
    };
    let sink = match into_memory {
        true => Ok(Sink::Memory),
        false => open_temporary(server.clock.now_s()),
    };
    let now_ms = server.clock.mono_ms();
    let Some(primary) = server.replication.primary_mut() else {
        return;
    };
    match sink {
        Ok(sink) => primary.begin_transfer(Transfer::new(sink), offered, now_ms),
        Err(error) => {
            log::warn!("{TEMPORARY}: {}", reason(&error));
            primary.hang_up();
        }
    }
}

fn open_temporary(now_s: i64) -> io::Result<Sink> {
    let path = PathBuf::from(format!("temp-{now_s}.{}.rdb", std::process::id()));
    // It may be left from another attempt within the same second.
    let _ = std::fs::remove_file(&path);
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)?;
    Ok(Sink::File(file, path))
}

/// Gives up the transfer that is under way, if there is one.
pub(in crate::server) fn abort(server: &mut Server) {
    let primary = server.replication.primary_mut();
    if let Some(transfer) = primary.and_then(Primary::take_transfer) {
        discard(server, *transfer);
    }
}

/// Drops what a transfer has received and loaded.
pub(super) fn discard(server: &mut Server, mut transfer: Transfer) {
    transfer.remove_temporary();
    if transfer.is_loading() {
        server.persist.loading = None;
        end_loading(server);
    }
    bury(server, transfer.take_staging());
}

/// Has the helper thread drop databases.
fn bury(server: &mut Server, databases: Option<Box<Keyspace>>) {
    if let Some(databases) = databases {
        server.bio.defer_free(LazyFree {
            garbage: Garbage::Foreign(Box::new(Discarded(databases))),
            objects: 0,
        });
    }
}

/// Databases to be dropped.
struct Discarded(#[allow(dead_code, reason = "held to be dropped")] Box<Keyspace>);

fn end_loading(server: &mut Server) {
    server.gates.set(Gates::LOADING, false);
    crate::sys::signal::set_loading(false);
    jobs::refresh_log_interest(server);
}

/// Reads bytes of a snapshot and handles them.
pub(super) fn read(server: &mut Server) {
    for _ in 0..READS {
        let has_room = has_room(server);
        let Some(primary) = server.replication.primary() else {
            return;
        };
        let transfer = primary.transfer();
        if !transfer.is_some_and(|transfer| transfer.wants_more(has_room)) {
            return;
        }
        // Bytes that came with the line before are here already.
        if primary.is_starved() && !connect::read(server, READ) {
            return;
        }
        if let Some(primary) = server.replication.primary_mut() {
            let actions = primary.receive_snapshot();
            link::execute(server, actions);
        }
    }
}

/// Reads the stream that comes on the main channel while the snapshot comes on the RDB channel.
pub fn read_stream(server: &mut Server) {
    let limit = match server.config.replica_full_sync_buffer_limit {
        // The primary would hold this much for us.
        0 => server.config.client_output_buffer_limit[1].hard_bytes,
        limit => limit,
    };
    let limit = if limit == 0 { u64::MAX } else { limit };
    for _ in 0..STREAM_READS {
        let Some(primary) = server.replication.primary_mut() else {
            return;
        };
        if !primary.wants_stream() {
            return;
        }
        let (received, actions) = primary.read_stream(limit);
        server.stats.repl_bytes_in += received.unwrap_or(0) as u64;
        link::execute(server, actions);
    }
}

/// Whether the main channel has input to be read now.
pub fn wants_stream(server: &Server) -> bool {
    let primary = server.replication.primary();
    primary.is_some_and(Primary::wants_stream)
}

/// Whether the loader, if there is one, takes more bytes.
fn has_room(server: &Server) -> bool {
    let loading = server.persist.loading.as_ref();
    loading.is_none_or(|loading| loading.wants_more(AHEAD))
}

/// Whether a load can go on without waiting for input.
pub fn can_go_on_loading(server: &Server) -> bool {
    let loading = server.persist.loading.as_ref();
    loading.is_some_and(|loading| !loading.is_starved)
}

/// Whether the link that is being made has input to be read now.
pub fn wants_input(server: &Server) -> bool {
    let primary = server.replication.primary();
    primary.is_some_and(|primary| primary.wants_input(has_room(server)))
}

/// Hands bytes of the snapshot to the loader.
pub(super) fn feed(server: &mut Server, bytes: &[u8], is_last: bool) {
    if let Some(loading) = &mut server.persist.loading {
        loading.feed(bytes);
        if is_last {
            loading.feed_ends();
        }
    }
}

/// Stops what must not see the data being replaced: the log, and a child that writes a snapshot.
fn stop_persistence(server: &mut Server, uses_file: bool) {
    if server.persist.aof.is_on() {
        jobs::flush_aof(server, true);
        server.persist.aof.set_offset(server.replication.offset());
        server.persist.aof.switch_off();
        jobs::kill_child(server, Purpose::Rewrite);
        backup::note_log_stopped(server);
        jobs::refresh_log_interest(server);
        jobs::refresh_disk_gate(server);
    }
    let Some(child) = &server.persist.child else {
        return;
    };
    if child.purpose != Purpose::Snapshot {
        return;
    }
    let pid = child.process.pid;
    if uses_file {
        log::info!(
            "Replica is about to load the RDB file received from the master, but there is a \
             pending RDB child running. Killing process {pid} and removing its temp file to avoid \
             any race"
        );
    }
    jobs::kill_child(server, Purpose::Snapshot);
}

fn load_rules(server: &Server) -> Rules {
    Rules {
        // The primary propagates their expiry.
        keep_expired: true,
        ..loading::rules(server)
    }
}

fn empty_for_snapshot(server: &mut Server) {
    log::info!("MASTER <-> REPLICA sync: Flushing old data");
    empty_data(server);
}

/// Drops all keys and functions.
fn empty_data(server: &mut Server) {
    drop(server.script.flush_libraries());
    for index in 0..server.keyspace.databases() {
        server.keyspace.flush(DbIndex(index));
    }
    server.effects.note_database_change(DatabaseChange::Emptied);
    server.settle_alone();
}

/// Starts loading the snapshot as it comes; `total` is its length in bytes, 0 if unknown.
pub(super) fn load_stream(server: &mut Server, total: u64) {
    stop_persistence(server, false);
    let swaps = server.config.repl_diskless_load == ReplDisklessLoad::SwapDb;
    let history = server.replication.history();
    let offered = server.replication.primary().and_then(Primary::offered);
    let is_ours = offered.is_some_and(|(id, _)| id.eq_ignore_ascii_case(&history.id));
    if !swaps {
        link::discard_history(server);
    }
    log::info!("MASTER <-> REPLICA sync: Loading DB in memory");
    if !swaps {
        empty_for_snapshot(server);
    }
    let staging = swaps.then(|| Box::new(server.keyspace.sibling()));
    if let Some(transfer) = server.replication.transfer_mut() {
        transfer.start_loading(staging, swaps && is_ours);
    }
    let loading = Loading::fed(load_rules(server), total, server.clock.now_s());
    loading::install_loading(server, loading);
}

/// Makes the received file our snapshot and starts loading it.
pub(super) fn load_file(server: &mut Server) {
    let name = String::from_utf8_lossy(&server.config.dbfilename).into_owned();
    let path = PathBuf::from(&name);
    let Some(transfer) = server.replication.transfer_mut() else {
        return;
    };
    if let Err(failure) = transfer.install_file(&path) {
        log::warn!("Failed trying to {failure}");
        return connect::reconnect(server);
    }
    stop_persistence(server, true);
    link::discard_history(server);
    log::info!("MASTER <-> REPLICA sync: Loading DB in memory");
    empty_for_snapshot(server);
    let part = Part {
        path,
        name,
        role: Role::Snapshot,
    };
    let mut loading = Loading::new(vec![part], load_rules(server), server.clock.now_s());
    loading.again = true;
    loading::install_loading(server, loading);
}

/// Handles the end of loading; `left_over` bytes came behind the snapshot.
pub(in crate::server) fn on_loaded(server: &mut Server, left_over: usize) {
    let Some(transfer) = server.replication.transfer_mut() else {
        return;
    };
    let actions = transfer.loaded(left_over);
    let waits = actions.is_empty();
    link::execute(server, actions);
    if waits {
        // The mark has yet to come, or is here already.
        read(server);
    }
}

/// Discards a snapshot that cannot be loaded, for the reason that is in the log.
pub(in crate::server) fn on_failed(server: &mut Server) {
    let primary = server.replication.primary_mut();
    let Some(mut transfer) = primary.and_then(Primary::take_transfer) else {
        return;
    };
    server.persist.loading = None;
    end_loading(server);
    let from = if transfer.is_file() { "disk" } else { "socket" };
    log::warn!(
        "Failed trying to load the MASTER synchronization DB from {from}, check server logs."
    );
    if transfer.is_file() {
        remove_synced_file(server);
    }
    match transfer.take_staging() {
        Some(staging) => {
            log::info!("MASTER <-> REPLICA sync: Discarding temporary DB in background");
            bury(server, Some(staging));
        }
        None => empty_data(server),
    }
    match transfer.is_file() {
        // It was complete and invalid: another one can wait until the next tick.
        true => connect::abandon(server),
        false => connect::reconnect(server),
    }
}

/// Removes the received file if the configuration keeps no snapshots.
fn remove_synced_file(server: &Server) {
    let persists = server.config.appendonly || !server.config.save.is_empty();
    if server.config.rdb_del_sync_files && !persists {
        log::info!(
            "Removing the RDB file obtained from the master. This replica has persistence disabled"
        );
        let name = String::from_utf8_lossy(&server.config.dbfilename).into_owned();
        let _ = std::fs::remove_file(name);
    }
}

/// Puts the loaded snapshot in place: we are where the primary offered, and follow the stream.
pub(super) fn finish(server: &mut Server) {
    let Some(primary) = server.replication.primary_mut() else {
        return;
    };
    let Some(mut transfer) = primary.take_transfer() else {
        return;
    };
    let offered = primary.take_offered();
    let on_channel = primary.has_channel();
    if transfer.is_file() {
        remove_synced_file(server);
    } else {
        if transfer.has_staging() && !swap_in(server, &mut transfer) {
            bury(server, transfer.take_staging());
            end_loading(server);
            return connect::reconnect(server);
        }
        // Nothing of it is in a file of ours.
        server.effects.count_changes(1);
    }
    end_loading(server);
    let db = server.persist.position().db.unwrap_or(0);
    connect::adopt(server, u32::try_from(db).unwrap_or(0));
    let (id, offset) = match offered {
        Some(offered) => offered,
        None => (String::from_utf8_lossy(&server.rng.hex40()).into_owned(), 0),
    };
    server.replication.synchronized(id, offset);
    link::ensure_backlog(server);
    log::info!("MASTER <-> REPLICA sync: Finished with success");
    supervisor::sd_notify(
        "STATUS=MASTER <-> REPLICA sync: Finished with success. Ready to accept connections in \
         read-write mode.\n",
    );
    if on_channel {
        apply::begin_kept(server);
    }
    if transfer.is_marked() || on_channel {
        apply::send_ack(server);
    }
    if server.config.appendonly {
        log::info!("MASTER <-> REPLICA sync: Starting AOF after a successful sync");
        link::restart_aof(server);
    }
}

/// Exchanges the databases for those of the snapshot. False, and nothing changed, if its functions
/// cannot be loaded.
fn swap_in(server: &mut Server, transfer: &mut Transfer) -> bool {
    let Some(mut staging) = transfer.take_staging() else {
        return true;
    };
    link::discard_history(server);
    log::info!("MASTER <-> REPLICA sync: Swapping active DB with loaded DB");
    let codes = transfer.take_libraries();
    if let Err(why) = server.script.load_libraries(&codes, true, true) {
        log::warn!("Failed creating the library: {}", in_line(&why));
        transfer.put_staging(Some(staging));
        return false;
    }
    server.keyspace.exchange(&mut staging);
    server.watch.touch_exchanged(&staging, &server.keyspace);
    server.effects.note_database_change(DatabaseChange::Emptied);
    server.settle_alone();
    log::info!("MASTER <-> REPLICA sync: Discarding old DB in background");
    bury(server, Some(staging));
    true
}
