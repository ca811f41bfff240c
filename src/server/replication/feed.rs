//! The stream of changes on its way to replicas: the life of the backlog, and what is written to each
//! replica before the event loop sleeps.
//!
//! Replicas exceeding `client-output-buffer-limit` are disconnected, which bounds the backlog.

use crate::config::OutputLimit;
use crate::replication::replica::Limits;
use crate::server::Server;
use crate::server::clients::describe;
use crate::server::clients::session::Ending;
use crate::server::replication::replicas;
use crate::server::storage::jobs;

/// Creates the backlog for the first replica. No replica shares the old history, so the history gets
/// a new replication ID.
pub(super) fn start_backlog(server: &mut Server) {
    if server.replication.backlog().is_some() {
        return;
    }
    let id = fresh_history_id(server);
    server.replication.restart_history(id);
    create_backlog(server);
    let history = server.replication.history();
    log::info!(
        "Replication backlog created, my new replication IDs are '{}' and '{}'",
        history.id,
        history.previous
    );
}

/// Keeps the stream from its next byte on.
pub(super) fn create_backlog(server: &mut Server) {
    let size = server.config.repl_backlog_size as usize;
    let now_s = server.clock.now_s();
    server.replication.create_backlog(size, now_s);
    jobs::refresh_log_interest(server);
}

pub(super) fn free_backlog(server: &mut Server) {
    server.replication.free_backlog();
    jobs::refresh_log_interest(server);
}

/// Returns a random replication ID.
pub(super) fn fresh_history_id(server: &mut Server) -> String {
    String::from_utf8_lossy(&server.rng.hex40()).into_owned()
}

/// Writes to each replica what it is owed, as far as its socket takes it.
pub fn flush(server: &mut Server) {
    let replication = &mut server.replication;
    if replication.backlog().is_none() && replication.replicas().is_empty() {
        return;
    }
    if !is_held(server) {
        server.replication.send_ack_request();
    }
    server.replication.replicas_mut().begin_flush();
    for index in (0..server.replication.replicas().len()).rev() {
        flush_replica(server, index);
    }
    server.replication.trim();
    enforce_limits(server);
}

/// Whether nothing may be appended to the stream: a pause lets the replicas catch up.
pub(super) fn is_held(server: &Server) -> bool {
    server.pause.is_on()
}

fn flush_replica(server: &mut Server, index: usize) {
    let now_s = server.clock.now_s();
    let Some(slot) = server.replication.owed(index) else {
        return;
    };
    let client = server.clients.get_mut(slot);
    let Some(client) = client.filter(|client| client.session.ending == Ending::No) else {
        return;
    };
    // Replies go first: they announce what follows.
    if client.output.pending() > 0 {
        return server.replication.block(index);
    }
    let link = &mut client.link;
    let mut send = |pieces: &[std::io::IoSlice]| link.write_pieces(pieces);
    let (bytes, wrote) = server.replication.write(index, &mut send, now_s);
    client.session.bytes_out += bytes;
    server.stats.repl_bytes_out += bytes;
    match wrote {
        Ok(actions) => replicas::execute(server, actions),
        Err(error) => {
            log::debug!("Error writing to replica: {error}");
            server.clients.close(slot, Ending::Now);
        }
    }
}

/// Disconnects replicas whose pending output exceeds `client-output-buffer-limit replica`.
fn enforce_limits(server: &mut Server) {
    let [_, limit, _] = server.config.client_output_buffer_limit;
    let OutputLimit {
        hard_bytes,
        soft_bytes,
        soft_seconds,
    } = limit;
    // A limit below the size of the backlog would save no memory.
    let least = server.config.repl_backlog_size;
    let bytes = |n: u64| if n == 0 { u64::MAX } else { n.max(least) };
    let limits = Limits {
        hard: bytes(hard_bytes),
        soft: bytes(soft_bytes),
        soft_ms: u64::from(soft_seconds) * 1000,
    };
    let now_ms = server.clock.mono_ms();
    for slot in server.replication.over_limits(&limits, now_ms) {
        if let Some(client) = server.clients.get(slot)
            && client.session.ending == Ending::No
        {
            let line = describe::client_line(server, client);
            log::warn!(
                "Client {line} scheduled to be closed ASAP for overcoming of output buffer limits."
            );
            server.stats.output_limit_disconnections += 1;
            server.clients.close(slot, Ending::Now);
        }
    }
}

/// Disconnects all replicas: their history is not the one that is sent from now on.
pub fn disconnect_replicas(server: &mut Server) {
    for replica in server.replication.replicas().iter() {
        server.clients.close(replica.slot(), Ending::Now);
    }
}
