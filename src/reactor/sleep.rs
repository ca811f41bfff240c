//! Before the event loop sleeps: pending replies are written and closed clients are freed.

use super::Reactor;
use crate::server::Server;
use crate::server::clients::invalidate;
use crate::server::clients::limits;
use crate::server::clients::monitors;
use crate::server::clients::publish;
use crate::server::clients::session::{Ending, Peer};
use crate::server::clients::{Client, Clients};
use crate::server::core::stats::Stats;
use crate::server::core::unblock;
use crate::server::replication::failover;
use crate::server::replication::feed;
use crate::server::replication::link;
use crate::server::replication::replicas;
use crate::server::replication::sync;
use crate::server::script::run;
use crate::server::storage::jobs;
use mio::Registry;
use std::io;

/// Maximum bytes written to one client per iteration, so that a huge reply does not starve others.
const WRITE_MAX: usize = 1 << 20;

/// Maximum bytes read and discarded from a closing client: more than one read of a query takes.
const UNREAD_MAX: usize = 64 << 10;

impl Reactor {
    /// Runs the work due before the loop sleeps. The order of the steps matters.
    pub(super) fn before_sleep(&mut self) {
        // Before replies are written, because invalidations join the output of this iteration.
        invalidate::broadcast_invalid(&mut self.server);
        // Before any reply is sent, because an acknowledged write must be in the AOF; nothing is
        // sent if the AOF is lost.
        jobs::flush_before_answers(&mut self.server);
        if jobs::is_lost(&self.server) {
            return;
        }
        // Before replies are written, because it announces snapshots to replicas (+FULLRESYNC).
        sync::start_requested(&mut self.server);
        // Before replies are written, because it replies to the WAIT clients of new ACKs.
        replicas::recheck_wait_clients(&mut self.server);
        // After the ACKs are counted, because a failover proceeds once its replica has caught up.
        failover::tick(&mut self.server);
        // After every step that adds replies, because they leave in this iteration.
        self.server.write_all();
        // After the replies, because a replica's own replies announce the stream that follows them.
        feed::flush(&mut self.server);
        // After the replies, because +FULLRESYNC precedes the snapshot.
        sync::relay(&mut self.server);
        // Before exit, because replicas must get the end of the stream, as far as sockets accept.
        while self.server.shutdown.is_over() && self.server.replication.replicas().goes_on() {
            feed::flush(&mut self.server);
        }
        // After writing, because sent output no longer counts towards `maxmemory-clients`.
        limits::evict_clients(&mut self.server);
        // Last, because every step above may close clients.
        if self.server.clients.has_closing()
            && let Some(intake) = &self.intake
        {
            reap(&mut self.server, intake.poll.registry(), false);
        }
    }
}

/// Frees closed clients once their pending output is written. In the middle of an iteration
/// (`amid`) checked-out clients and the link to our primary are left for later: losing that link
/// has side effects.
pub(super) fn reap(server: &mut Server, registry: &Registry, amid: bool) {
    let closing = server.clients.take_closing();
    for slot in closing {
        let Some(client) = server.clients.get(slot) else {
            if run::is_served(server, slot) {
                server.clients.reap_later(slot);
            }
            continue;
        };
        let owed = client.output.pending() > 0 && client.session.ending == Ending::AfterReply;
        if owed || client.session.ending == Ending::No {
            continue;
        }
        if amid && client.session.peer == Peer::Primary {
            server.clients.reap_later(slot);
            continue;
        }
        let Some(mut client) = server.clients.remove(slot) else {
            continue;
        };
        if client.readable && client.session.ending == Ending::AfterReply {
            // Closing over unread bytes would reset the connection, and the peer could lose the
            // reply that explains why.
            let mut unread = Vec::with_capacity(UNREAD_MAX);
            let _ = client.link.read(&mut unread, UNREAD_MAX);
        }
        client.link.close();
        if client.session.peer == Peer::Replica {
            // A forked child may write to the same socket.
            client.link.shut_down();
        }
        let _ = client.link.deregister(registry);
        server.forget(*client);
    }
}

/// Releases sent output; `all` is true if the socket accepted everything that was tried.
fn after_write(clients: &mut Clients, slot: usize, all: bool) {
    let Some(client) = clients.get_mut(slot) else {
        return;
    };
    let output = &mut client.output;
    if output.pending() == 0 {
        let bytes = output.take_bytes();
        client.over_soft_limit_ms = None;
        if client.session.ending != Ending::No {
            clients.reap_later(slot);
        }
        return clients.recycle_output(bytes);
    }
    // Release the sent bytes, so that a slow reader's buffer does not keep them. After a short
    // write the client waits for its socket; a full one only yields to the other clients.
    output.compact();
    if all {
        clients.write_again(slot);
    }
}

/// Flushes a client's pending output, as far as the socket accepts it.
fn write(clients: &mut Clients, stats: &mut Stats, slot: usize) {
    let Some(client) = clients.get_mut(slot) else {
        return;
    };
    client.is_writing = false;
    // A client closed with `Ending::Now` gets no further output.
    if client.session.ending == Ending::Now || client.session.flushing {
        return;
    }
    let held = match client.output.queue.is_empty() {
        true => 0,
        false => client.output.held(),
    };
    match client.output.send(&mut client.link, WRITE_MAX) {
        Ok((n, all)) => {
            client.session.bytes_out += n as u64;
            stats.bytes_out += n as u64;
            stats.writes += 1;
            if held > 0 {
                clients.note_held(held);
            }
            after_write(clients, slot, all);
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            clients.write_again(slot);
        }
        Err(error) => {
            log::debug!("Error writing to client: {error}");
            clients.close(slot, Ending::Now);
        }
    }
}

impl Server {
    /// Flushes pending output of all clients. Checked-out clients are deferred to the next flush.
    pub(super) fn write_all(&mut self) {
        let mut writing = self.clients.take_writing();
        writing.retain(|&slot| {
            let is_served = run::is_served(self, slot);
            if !is_served {
                write(&mut self.clients, &mut self.stats, slot);
                limits::recount_slot(self, slot);
            }
            is_served
        });
        self.clients.restore_writing(writing);
    }

    /// Frees a closed client and undoes its registrations in the other subsystems.
    fn forget(&mut self, mut client: Client) {
        if client.session.peer == Peer::Primary {
            link::link_lost(self, &client.session);
        }
        unblock::stop_waiting(&mut self.blocking, &mut self.keyspace, &mut client.session);
        self.end_transaction(&mut client.session);
        invalidate::stop_tracking(self, &mut client.session);
        publish::unsubscribe_all(self, &mut client.session);
        if client.session.peer == Peer::Replica {
            sync::forget(self, &client.session);
        }
        if client.session.monitor {
            monitors::stop(self, &mut client.session);
        }
        if let Some(query) = client.query
            && query.is_idle()
        {
            self.clients.recycle_query(query);
        }
    }
}
