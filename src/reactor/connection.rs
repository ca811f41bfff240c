//! Connection input: read, parse, run.
//!
//! Clients are served in groups: all clients of a group are read and parsed first, which prefetches
//! the memory their commands will access, then their commands run in order. A group is small, so
//! that its buffers stay in the cache.

use super::Reactor;
use crate::net::Received;
use crate::resp::request::{Argv, Stop};
use crate::server::Server;
use crate::server::clients::Client;
use crate::server::clients::limits;
use crate::server::clients::session::{Ending, Peer, ReplyMode};
use crate::server::core::input;
use crate::server::core::stats::Stats;
use crate::server::core::undelivered;
use crate::server::lifecycle::secure;
use crate::server::replication::link::apply;
use std::io;

/// Clients per group.
const GROUP: usize = 16;
/// Commands per client whose entries are prefetched before the first command of the group runs:
/// those that the look-ahead of `Server::process` does not reach.
const FIRST: usize = input::NEAR;

impl Reactor {
    /// Serves each ready client once; a client with more input stays ready.
    pub(super) fn serve(&mut self) {
        if self.ready.is_empty() {
            return;
        }
        let mut serving = std::mem::take(&mut self.serving);
        std::mem::swap(&mut serving, &mut self.ready);
        for group in serving.chunks(GROUP) {
            for &slot in group {
                self.server.receive(slot);
            }
            for &slot in group {
                if let Some(client) = self.server.clients.get(slot) {
                    input::prefetch(&self.server.keyspace, client, FIRST);
                }
            }
            for &slot in group {
                let server = &mut self.server;
                input::prefetch_elements(&server.keyspace, &mut server.clients, slot);
            }
            let server = &mut self.server;
            server.frame.start(server.clock.cycles());
            for &slot in group {
                if server.respond(slot) {
                    self.ready.push(slot);
                }
            }
        }
        serving.clear();
        self.serving = serving;
    }
}

/// Reads what a client's socket holds, as far as its query has room.
fn read(stats: &mut Stats, client: &mut Client) {
    let Some(query) = &mut client.query else {
        return;
    };
    let (buffer, wanted) = query.target();
    match client.link.read(buffer, wanted) {
        // Unlike Redis, a peer that has only shut down its writing side receives all pending
        // output, not just what the socket accepts at once.
        Ok(Received { bytes: 0, .. }) => {
            client.session.ending = match client.output.pending() {
                0 => Ending::Now,
                _ => Ending::AfterReply,
            };
        }
        Ok(Received { bytes, more }) => {
            // A peer that hung up triggers no further edge: keep reading up to its EOF.
            client.readable = more || client.hung_up;
            client.session.bytes_in += bytes as u64;
            client.session.reads += 1;
            stats.bytes_in += bytes as u64;
            stats.reads += 1;
            query.note_read(bytes == wanted);
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => client.readable = false,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Err(error) => {
            match client.link.is_handshaking() {
                true => secure::failed(client, &error),
                false => log::debug!("Reading from client: {error}"),
            }
            client.session.ending = Ending::Now;
        }
    }
}

impl Server {
    /// Reads and parses a client's input.
    pub(super) fn receive(&mut self, slot: usize) {
        let Some(mut client) = self.clients.check_out(slot) else {
            return;
        };
        client.is_ready = false;
        if client.session.peer == Peer::Primary {
            if client.session.ending == Ending::No {
                apply::read(self, &mut client);
            }
            return self.clients.check_in(slot, client);
        }
        if client.session.ending == Ending::No {
            if client.query.is_none() {
                client.query = Some(self.clients.query());
            }
            let has_input = client.query.as_ref().is_some_and(|query| query.may_go_on());
            // A held-back client is still read, to detect its disconnection.
            // Without a step it stays readable, and is served again in the next iteration.
            if client.readable
                && (!has_input || client.session.is_held())
                && (!client.link.is_handshaking() || self.clients.take_handshake_step())
            {
                read(&mut self.stats, &mut client);
                if client
                    .link
                    .session()
                    .is_some_and(|tls| tls.take_established())
                {
                    secure::established(self, &mut client);
                }
            }
            self.recognise(&mut client);
            limits::check_query_limit(self, &mut client);
        }
        self.clients.check_in(slot, client);
    }

    fn recognise(&mut self, client: &mut Client) {
        let ready = |client: &Client| client.query.as_ref().map_or(0, |query| query.ready());
        let before = ready(client);
        match input::parse(&self.config, client) {
            Ok(Stop::Starved | Stop::Full) => {}
            Err(error) => {
                // The commands before the error run first; then the error is replied.
                client.protocol_error = Some(error);
            }
        }
        let parsed = ready(client).saturating_sub(before);
        self.stats.count_parsed(&mut client.session, parsed);
        input::prepare(&self.table, &self.keyspace, client);
    }

    /// Runs a client's parsed commands. Returns true if it can continue without waiting for the
    /// socket.
    pub(super) fn respond(&mut self, slot: usize) -> bool {
        let client = self.clients.get(slot);
        if client.is_some_and(|client| client.session.peer == Peer::Primary) {
            return apply::apply(self, slot);
        }
        let Some(mut client) = self.clients.check_out(slot) else {
            return false;
        };
        if client.session.ending == Ending::No && !client.session.is_held() {
            self.process(&mut client);
        }
        let again = self.after_process(slot, &mut client);
        client.is_ready = again;
        self.clients.check_in(slot, client);
        again
    }

    fn after_process(&mut self, slot: usize, client: &mut Client) -> bool {
        let mut again = client.readable;
        if let Some(query) = &mut client.query {
            if !query.is_idle() {
                let waits = client.protocol_error.is_some() || !query.may_go_on();
                again |= !waits;
                if waits || client.session.is_held() {
                    query.keep();
                }
            } else if !query.is_kept() {
                let query = client.query.take().expect("just seen");
                self.clients.recycle_query(query);
            }
        }
        if client.protocol_error.is_some()
            && client.session.ending == Ending::No
            && client.query.as_ref().is_none_or(|query| query.ready() == 0)
        {
            self.answer_protocol_error(client);
        }
        limits::check_output_limit(self, client);
        limits::recount(self, client);
        self.clients.will_write(slot, client);
        if client.output.bytes.is_empty() && client.output.bytes.capacity() > 0 {
            let unused = std::mem::take(&mut client.output.bytes);
            self.clients.recycle_output(unused);
        }
        if client.session.ending != Ending::No {
            self.clients.reap_later(slot);
            return false;
        }
        // A blocked client is only read to detect disconnection (EOF), which is near once the peer
        // has hung up.
        again && (!client.session.is_held() || client.hung_up && client.readable)
    }

    #[cold]
    fn answer_protocol_error(&mut self, client: &mut Client) {
        let Some(error) = client.protocol_error.take() else {
            return;
        };
        log::debug!("Protocol error ({error}) from client");
        let text = [b"ERR Protocol error: ".as_slice(), &error.bytes()].concat();
        self.stats.count_error(&text);
        if client.session.peer == Peer::Replica {
            let answer = [b"-".as_slice(), &text].concat();
            return undelivered::disconnect_replica(
                self,
                &mut client.session,
                &Argv::of(&[], &[]),
                &answer,
            );
        }
        if client.session.reply_mode == ReplyMode::On {
            crate::resp::encode::line(&mut client.output.bytes, b'-', &text);
        }
        client.session.ending = Ending::AfterReply;
    }
}
