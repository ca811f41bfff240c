//! Synchronization of a replica: the rest of the stream from the backlog, or a snapshot first.
//!
//! Snapshots are made by the one child: into the file of the configuration, which then goes to all
//! replicas that waited for it, or straight into their sockets (`repl-diskless-sync`). A replica that
//! asks while a child is at work joins it if it can, else it waits for the next. A child starts at
//! the end of an iteration of the event loop, so that it serves all replicas that asked in it, or
//! with the tick of replicas.

use crate::command::Reply;
use crate::net::Link;
use crate::persist::child::Purpose;
use crate::persist::transfer::{TransferJob, transfer_in_child};
use crate::replication::PausePoint;
use crate::replication::relay::{Progress, Relay};
use crate::replication::replica::{Announced, Form, NewReplica, Target};
use crate::replication::replicas::SyncRules;
use crate::server::Server;
use crate::server::clients::Client;
use crate::server::clients::session::{ClientId, Ending, Peer, Session, Special};
use crate::server::replication::{feed, replicas};
use crate::server::storage::jobs;
use crate::sys::fork::Exit;
use crate::sys::reason;
use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};

/// Returns the name of a replica in the log.
pub fn replica_name(session: &Session) -> String {
    let announced = session.announced.as_deref();
    let ip = ip_of(&session.addresses.0);
    match announced {
        Some(announced) => announced.name(ip, session.id.0),
        None => Announced::default().name(ip, session.id.0),
    }
}

/// Makes a client a replica.
fn new_replica(server: &Server, session: &mut Session, is_plain: bool) -> NewReplica {
    session.peer = Peer::Replica;
    session.special.set(Special::REPLICA, true);
    NewReplica {
        client: session.id.0,
        slot: server.clients.slot_of(session.id).unwrap_or_default(),
        announced: session.announced.as_deref().cloned().unwrap_or_default(),
        peer_ip: ip_of(&session.addresses.0).to_owned(),
        is_plain,
    }
}

/// PSYNC: continues at byte `next` of the history `id`. False if that is not possible.
pub(in crate::server) fn try_partial(
    server: &mut Server,
    session: &mut Session,
    (id, next): (&[u8], i64),
    reply: &mut Reply,
) -> bool {
    let name = replica_name(session);
    let announced = session.announced.as_deref();
    let kind = match announced.is_some_and(|one| one.is_rdb_channel) {
        true => "(rdb-channel)",
        false => "",
    };
    if let Err(lines) = server.replication.can_resume(id, next, (&name, kind)) {
        replicas::execute(server, lines);
        return false;
    }
    let history = server.replication.history();
    let takes_id = announced.is_some_and(|one| one.takes_id);
    let line = match takes_id {
        true => format!("+CONTINUE {}\r\n", history.id),
        false => "+CONTINUE\r\n".to_owned(),
    };
    let _ = reply.raw(line.as_bytes());
    let from = next as u64;
    let owed = history.offset + 1 - from;
    log::info!(
        "Partial resynchronization request from {name} accepted. Sending {owed} bytes of backlog \
         starting from offset {next}."
    );
    let new = new_replica(server, session, false);
    let now_s = server.clock.now_s();
    let replicas = server.replication.replicas_mut();
    replicas.add_online(new, from, now_s);
    replicas::refresh_good(server);
    true
}

/// PSYNC that cannot continue: the replica is to open an RDB channel for the snapshot, if it can do
/// that. False if it gets the snapshot here.
pub(in crate::server) fn offer_channel(
    server: &mut Server,
    session: &mut Session,
    reply: &mut Reply,
) -> bool {
    let config = &server.config;
    let announced = session.announced.as_deref();
    let can = announced.is_some_and(|one| one.takes_rdb_channel && !one.is_rdb_channel);
    if !can || !config.repl_rdb_channel || !config.repl_diskless_sync {
        return false;
    }
    add_waiting(server, session, false);
    let name = replica_name(session);
    log::info!(
        "Replica {name} is capable of rdb channel synchronization, and partial sync isn't possible. \
         Full sync will continue with dedicated rdb channel."
    );
    server
        .replication
        .replicas_mut()
        .await_channel(session.id.0);
    let _ = reply.raw(format!("+RDBCHANNELSYNC {}\r\n", session.id.0).as_bytes());
    true
}

/// Makes a client a replica that needs a snapshot.
fn add_waiting(server: &mut Server, session: &mut Session, is_plain: bool) {
    if server.config.repl_disable_tcp_nodelay
        && let Some(slot) = server.clients.slot_of(session.id)
        && let Some(client) = server.clients.get(slot)
    {
        client.link.delay_small(true);
    }
    let new = new_replica(server, session, is_plain);
    let now_s = server.clock.now_s();
    server.replication.replicas_mut().add_waiting(new, now_s);
    replicas::refresh_good(server);
    if server.replication.replicas().len() == 1 {
        feed::start_backlog(server);
    }
}

/// SYNC, or PSYNC that cannot continue: the replica needs a snapshot first.
pub(in crate::server) fn start_full(
    server: &mut Server,
    session: &mut Session,
    is_plain: bool,
    reply: &mut Reply,
) {
    server.stats.sync_full += 1;
    add_waiting(server, session, is_plain);
    let announced = session.announced.as_deref().cloned().unwrap_or_default();
    match server.persist.child.as_ref().map(|job| job.purpose) {
        Some(Purpose::Snapshot) => join_snapshot(server, session.id, &announced, reply),
        Some(Purpose::Transfer) => {
            log::info!("Current BGSAVE has socket target. Waiting for next BGSAVE for SYNC");
        }
        child => request_snapshot(server, &announced, child.is_some()),
    }
}

/// Asks for a snapshot at the end of this iteration of the event loop, unless it has to wait.
fn request_snapshot(server: &mut Server, announced: &Announced, is_child_busy: bool) {
    let config = &server.config;
    let delays = config.repl_diskless_sync && config.repl_diskless_sync_delay > 0;
    if delays && announced.reads_marked {
        log::info!("Delay next BGSAVE for diskless SYNC");
    } else if is_child_busy {
        log::info!(
            "No BGSAVE in progress, but another BG operation is active. BGSAVE for replication \
             delayed"
        );
    } else {
        server.replication.replicas_mut().request_start();
    }
}

/// A child writes a snapshot to the file: a replica can have that, too, if another replica already
/// follows the stream from its start.
fn join_snapshot(server: &mut Server, id: ClientId, announced: &Announced, reply: &mut Reply) {
    let Some(next) = server.replication.replicas().joinable(announced) else {
        log::info!(
            "Can't attach the replica to the current BGSAVE. Waiting for next BGSAVE for SYNC"
        );
        return;
    };
    let begun = server.replication.begin_full(id.0, next, Target::File);
    if let Some((_, line)) = begun {
        let _ = reply.raw(line.as_bytes());
    }
    log::info!("Waiting for end of BGSAVE for SYNC");
}

/// Finishes the job of a child that has ended, and goes on with the replicas that waited for it.
pub fn check_child(server: &mut Server) {
    match jobs::reap_child(server) {
        Some((Purpose::Snapshot, exit)) => snapshot_done(server, exit == Exit::Status(0)),
        Some((Purpose::Transfer, exit)) => transfer_ended(server, exit),
        Some((Purpose::Rewrite, _)) | None => {}
    }
}

/// Starts the snapshot that was asked for in this iteration of the event loop, if it need not wait.
pub fn start_requested(server: &mut Server) {
    if server.replication.replicas_mut().take_child_check() {
        check_child(server);
    }
    if !server.replication.relays().is_empty() {
        return;
    }
    if let Some(form) = server.replication.replicas_mut().take_start()
        && server.persist.child.is_none()
    {
        start(server, form);
    }
}

/// Starts a snapshot for the replicas that have waited long enough for others to join them.
pub(super) fn start_due(server: &mut Server) {
    let is_busy = server.persist.child.is_some() || !server.replication.relays().is_empty();
    if is_busy || server.persist.loading.is_some() {
        return;
    }
    let rules = SyncRules {
        diskless: server.config.repl_diskless_sync,
        delay_s: server.config.repl_diskless_sync_delay as i64,
        max_replicas: server.config.repl_diskless_sync_max_replicas as usize,
    };
    let now_s = server.clock.now_s();
    if let Some(form) = server.replication.replicas().due(&rules, now_s) {
        start(server, form);
    }
}

/// Starts a snapshot for all replicas that wait for one in this form.
fn start(server: &mut Server, form: Form) {
    let diskless = server.config.repl_diskless_sync;
    let plan = server.replication.replicas().plan(form, diskless);
    let is_file = plan.target == Target::File;
    let to = match is_file {
        true => "disk",
        false if form.on_rdb_channel => "replicas sockets (rdb-channel)",
        false => "replicas sockets",
    };
    log::info!("Starting BGSAVE for SYNC with target: {to}");
    let next = server.replication.offset() + 1;
    let started = match plan.target {
        Target::Socket => start_diskless(server, form, &plan.clients, next),
        Target::File => {
            let started = jobs::start_bgsave(server, Some(form)).is_ok();
            if started {
                for &client in &plan.clients {
                    announce(server, client, next, Target::File);
                }
                begin_streams(server, &plan.clients, next);
            }
            started
        }
    };
    if started {
        if is_file && server.config.rdb_del_sync_files {
            server.persist.set_for_replicas(true);
        }
    } else {
        log::warn!("BGSAVE for replication failed");
        let actions = server.replication.replicas_mut().refuse_waiting();
        replicas::execute(server, actions);
    }
}

/// Tells a replica that a snapshot for it has begun. Returns its slot.
fn announce(server: &mut Server, client: u64, next: u64, target: Target) -> Option<usize> {
    let (slot, line) = server.replication.begin_full(client, next, target)?;
    replicas::send(server, slot, line.as_bytes());
    Some(slot)
}

/// The replicas that get the snapshot on RDB channels get the stream on their main channels.
fn begin_streams(server: &mut Server, clients: &[u64], next: u64) {
    let replicas = server.replication.replicas_mut();
    let actions = replicas.begin_streams(clients, next);
    replicas::execute(server, actions);
}

/// Has a child send a snapshot to the sockets of these replicas.
fn start_diskless(server: &mut Server, form: Form, clients: &[u64], next: u64) -> bool {
    let mut sockets = Vec::with_capacity(clients.len());
    // The ends of relays that the child writes to.
    let mut ends = Vec::new();
    for &client in clients {
        let Some(slot) = announce(server, client, next, Target::Socket) else {
            continue;
        };
        // The reply has to leave before the child writes.
        let socket = server.clients.get_mut(slot).and_then(write_now);
        let is_secure = |server: &Server| {
            let client = server.clients.get(slot);
            client.is_some_and(|client| client.session.is_secure)
        };
        match socket {
            None => server.clients.close(slot, Ending::Now),
            Some(_) if is_secure(server) => match Link::pair() {
                Ok((from_child, end)) => {
                    let relay = Relay::new(client, slot, from_child);
                    server.replication.relays_mut().add(relay);
                    sockets.push(end.as_raw_fd());
                    ends.push(end);
                }
                Err(error) => {
                    log::warn!("Can't relay a snapshot over TLS: {}", reason(&error));
                    server.clients.close(slot, Ending::Now);
                }
            },
            Some(socket) => sockets.push(socket),
        }
    }
    begin_streams(server, clients, next);
    let mut snapshot = jobs::snapshot(server, false);
    jobs::fit(&mut snapshot, server, form);
    if form.filter.no_functions {
        snapshot.functions.clear();
    }
    snapshot.key_delay_us = server.config.rdb_key_save_delay as i64;
    let job = TransferJob {
        snapshot,
        no_keys: form.filter.no_keys,
        mark: server.rng.hex40(),
        sockets,
    };
    let started = jobs::start_child(server, Purpose::Transfer, &job, |keyspace, job, teller| {
        crate::logging::set_role(b'C');
        transfer_in_child(keyspace, job, teller)
    });
    // The child has its own copies, and the relays end with them.
    drop(ends);
    if started.is_ok() {
        server.replication.pause_at(PausePoint::AfterFork);
    }
    match started {
        Ok(pid) if form.on_rdb_channel => {
            log::info!("Background RDB transfer started by pid {pid} to replica socket");
        }
        Ok(pid) => log::info!("Background RDB transfer started by pid {pid}"),
        Err(error) => {
            log::warn!("Can't save in background: fork: {}", reason(&error));
            server.replication.relays_mut().clear();
            server.replication.replicas_mut().transfer_not_started();
            return false;
        }
    }
    true
}

/// Handles the end of the child that wrote the snapshot file: the file goes to the replicas that
/// waited for it.
pub(in crate::server) fn snapshot_done(server: &mut Server, succeeded: bool) {
    let name = String::from_utf8_lossy(&server.config.dbfilename).into_owned();
    let open = || {
        let file = File::open(&name)?;
        let len = file.metadata()?.len();
        Ok((file, len))
    };
    let replicas = server.replication.replicas_mut();
    let actions = replicas.file_done(succeeded, &open);
    replicas::execute(server, actions);
}

/// Handles the end of the child that writes to replicas: what it has written to relays is still on
/// its way.
fn transfer_ended(server: &mut Server, exit: Exit) {
    let relays = server.replication.relays_mut();
    if exit == Exit::Status(0) && !relays.is_empty() {
        return relays.child_ended(exit);
    }
    relays.clear();
    transfer_done(server, exit);
}

/// Moves bytes of a child to replicas over TLS, and ends the transfer with the last of them.
pub fn relay(server: &mut Server) {
    if !server.replication.relays().goes_on() {
        return;
    }
    let mut relays = server.replication.relays_mut().take();
    relays.retain_mut(|relay| {
        let client = server.clients.get_mut(relay.slot());
        let Some(client) = client
            .filter(|one| one.session.id.0 == relay.client() && one.session.ending == Ending::No)
        else {
            return false;
        };
        match relay.relay(&mut client.link) {
            Ok(relayed) => {
                server.stats.repl_bytes_out += relayed.bytes as u64;
                if relayed.state == Progress::GoesOn {
                    server.replication.relays_mut().note_news();
                }
                relayed.state != Progress::Ended
            }
            Err(error) => {
                log::debug!("Error writing to client: {error}");
                server.clients.close(relay.slot(), Ending::Now);
                false
            }
        }
    });
    let relays_left = server.replication.relays_mut();
    relays_left.put_back(relays);
    if let Some(exit) = relays_left.take_exit() {
        transfer_done(server, exit);
    }
}

/// Handles the end of the child that wrote to the sockets of replicas.
pub(in crate::server) fn transfer_done(server: &mut Server, exit: Exit) {
    match exit {
        Exit::Status(0) => {
            let replicas = server.replication.replicas();
            let up = replicas.count_transfers();
            if !replicas.sends_to_channels() {
                log::info!(
                    "Diskless rdb transfer, done reading from pipe, {up} replicas still up."
                );
            }
            log::info!("Background RDB transfer terminated with success");
        }
        Exit::Status(_) => log::warn!("Background transfer error"),
        Exit::Signal(signal) => log::warn!("Background transfer terminated by signal {signal}"),
    }
    let now_s = server.clock.now_s();
    let replicas = server.replication.replicas_mut();
    let actions = replicas.transfer_done(exit == Exit::Status(0), now_s);
    replicas::execute(server, actions);
}

/// Handles the end of a replica's connection.
pub fn forget(server: &mut Server, session: &Session) {
    let now_s = server.clock.now_s();
    let replicas = server.replication.replicas_mut();
    let Some(departed) = replicas.remove(session.id.0, now_s) else {
        return;
    };
    let kind = if departed.is_rdb_channel {
        "(rdbchannel) "
    } else {
        ""
    };
    log::info!("Connection with replica {kind}{} lost.", departed.name);
    // A relay to it ends.
    server.replication.relays_mut().note_news();
    replicas::execute(server, departed.then);
    replicas::refresh_good(server);
    // The part of the stream that was held for it alone is freed.
    server.replication.trim();
    match departed.abandons {
        // The child finds its socket closed.
        Some(Target::Socket) if departed.is_rdb_channel => {}
        Some(Target::Socket) if is_child(server, Purpose::Transfer) => {
            log::info!("Diskless rdb transfer, last replica dropped, killing fork child.");
            stop_child(server);
        }
        // Without save points the file was made for replicas alone.
        Some(Target::File)
            if server.config.save.is_empty() && is_child(server, Purpose::Snapshot) =>
        {
            stop_child(server);
        }
        _ => {}
    }
}

/// Whether a child works for this purpose.
pub(super) fn is_child(server: &Server, purpose: Purpose) -> bool {
    let job = server.persist.child.as_ref();
    job.is_some_and(|job| job.purpose == purpose)
}

fn stop_child(server: &mut Server) {
    if let Some(job) = &server.persist.child {
        job.process.kill();
    }
}

/// Writes the pending output of a client at once. Returns its socket if that took all of it.
fn write_now(client: &mut Client) -> Option<RawFd> {
    let owed = client.output.pending();
    let sent = client.output.send(&mut client.link, owed);
    let took_all = matches!(sent, Ok((n, _)) if n == owed);
    took_all.then(|| client.link.fd())
}

/// The address in `1.2.3.4:5` or `[::1]:5`.
fn ip_of(address: &str) -> &str {
    let ip = address.rsplit_once(':').map_or(address, |(ip, _)| ip);
    ip.trim_start_matches('[').trim_end_matches(']')
}

#[cfg(test)]
mod tests;
