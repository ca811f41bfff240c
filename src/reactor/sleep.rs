//! Before the loop sleeps: every answer is written, and clients that ended are reaped.

use super::Reactor;
use crate::server::Server;
use crate::server::clients::Client;
use crate::server::clients::invalidate;
use crate::server::clients::limits;
use crate::server::clients::monitors;
use crate::server::clients::publish;
use crate::server::clients::session::{Ending, Peer};
use crate::server::replication::failover;
use crate::server::replication::feed;
use crate::server::replication::link;
use crate::server::replication::replicas;
use crate::server::replication::sync;
use crate::server::script::run;
use crate::server::storage::jobs;
use mio::Registry;
use std::io;

/// Bytes written to one client per turn, so that a huge answer does not starve the others.
const WRITE_MAX: usize = 1 << 20;

/// Bytes read and forgotten from a client that is closed: more than one read of a query takes.
const UNREAD_MAX: usize = 64 << 10;

impl Reactor {
    /// In this order: the log of writes, so that what is acknowledged is in it; answers; the end of
    /// those who leave.
    pub(super) fn before_sleep(&mut self) {
        invalidate::broadcast_invalid(&mut self.server);
        jobs::flush_before_answers(&mut self.server);
        if jobs::is_lost(&self.server) {
            return;
        }
        sync::start_requested(&mut self.server);
        replicas::recheck_wait_clients(&mut self.server);
        failover::tick(&mut self.server);
        self.server.write_all();
        feed::flush(&mut self.server);
        // Who follows gets the last words, as far as the sockets take them.
        while self.server.life.exit.is_some() && self.server.replication.replicas().goes_on() {
            feed::flush(&mut self.server);
        }
        limits::evict_clients(&mut self.server);
        if !self.server.clients.closing.is_empty()
            && let Some(intake) = &self.intake
        {
            reap(&mut self.server, intake.poll.registry(), false);
        }
    }
}

/// Removes the clients that ended, once what they are owed is written. In the middle of a turn that
/// is done for those who are in their places, and not for our primary, whose end means a lot.
pub(super) fn reap(server: &mut Server, registry: &Registry, amid: bool) {
    let closing = std::mem::take(&mut server.clients.closing);
    for slot in closing {
        let Some(client) = server.clients.get(slot) else {
            if run::is_served(server, slot) {
                server.clients.closing.push(slot);
            }
            continue;
        };
        let owed = client.output.pending() > 0 && client.session.ending == Ending::AfterReply;
        if owed || client.session.ending == Ending::No {
            continue;
        }
        if amid && client.session.peer == Peer::Primary {
            server.clients.closing.push(slot);
            continue;
        }
        let Some(mut client) = server.clients.remove(slot) else {
            continue;
        };
        if client.readable && client.session.ending == Ending::AfterReply {
            // Closing over unread bytes would reset the connection, and the peer could lose the
            // answer that tells it why.
            let mut unread = Vec::with_capacity(UNREAD_MAX);
            let _ = client.link.read(&mut unread, UNREAD_MAX);
        }
        if client.session.peer == Peer::Replica {
            // A child may write to it, too.
            client.link.shut_down();
        }
        let _ = client.link.deregister(registry);
        server.forget(*client);
    }
}

impl Server {
    /// Writes what everybody is owed. Who is checked out is written to later.
    pub(super) fn write_all(&mut self) {
        let mut writing = std::mem::take(&mut self.clients.writing);
        let mut out = Vec::new();
        for slot in writing.drain(..) {
            if run::is_served(self, slot) {
                out.push(slot);
            } else {
                self.write(slot);
                limits::recount_slot(self, slot);
            }
        }
        let fresh = std::mem::replace(&mut self.clients.writing, writing);
        self.clients.writing.extend(fresh);
        self.clients.writing.extend(out);
    }

    /// Writes what a client is owed, as far as the socket takes it.
    fn write(&mut self, slot: usize) {
        let Some(client) = self.clients.get_mut(slot) else {
            return;
        };
        client.is_writing = false;
        // Who is thrown out hears nothing more.
        if client.session.ending == Ending::Now || client.session.flushing {
            return;
        }
        let held = match client.output.queue.is_empty() {
            true => 0,
            false => client.output.held(),
        };
        match client.output.send(&client.link, WRITE_MAX) {
            Ok((n, all)) => {
                client.session.bytes_out += n as u64;
                self.stats.bytes_out += n as u64;
                self.stats.writes += 1;
                if held > 0 {
                    self.clients.recent_buffers.output.note(held);
                }
                self.after_write(slot, all);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                client.is_writing = true;
                self.clients.writing.push(slot);
            }
            Err(error) => {
                log::debug!("Error writing to client: {error}");
                self.clients.close(slot, Ending::Now);
            }
        }
    }

    /// Lets go of what was sent; `all` tells that this write went as far as it was to go.
    fn after_write(&mut self, slot: usize, all: bool) {
        let Some(client) = self.clients.get_mut(slot) else {
            return;
        };
        let output = &mut client.output;
        if output.pending() == 0 {
            let bytes = output.take_bytes();
            client.over_soft_limit_ms = None;
            if client.session.ending != Ending::No {
                self.clients.closing.push(slot);
            }
            return self.clients.recycle_output(bytes);
        }
        // A short write waits for the socket; a full one only made room for the others.
        // A slow reader's buffer must not keep what was sent.
        output.compact();
        if all {
            client.is_writing = true;
            self.clients.writing.push(slot);
        }
    }

    /// Lets go of a client that is closed.
    fn forget(&mut self, mut client: Client) {
        if client.session.peer == Peer::Primary {
            link::link_lost(self, &client.session);
        }
        self.stop_waiting(&mut client.session);
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
