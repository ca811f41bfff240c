//! Input processing: commands are parsed, prepared, and run in order.
//!
//! `process` serves one client's input: for each complete command it looks up the command, checks
//! the gates (`admit`) and calls it (`call`), and stops early when the client is closed or must
//! wait.

use crate::command::Reply;
use crate::config::Config;
use crate::keyspace::{Db, Keyspace};
use crate::resp::request::{Limits, ProtocolError, Query, Stop, Tag};
use crate::server::Server;
use crate::server::clients::invalidate;
use crate::server::clients::limits;
use crate::server::clients::session::{Ending, Peer, ReplyMode, Wire};
use crate::server::clients::{Client, Clients, Output};
use crate::server::core::table::Table;
use crate::server::core::undelivered;
use crate::server::gates::Gates;

/// Reply bytes after which a client yields to the next iteration, so that its output is sent and
/// its limits are checked.
const BATCH_OUTPUT: usize = 512 << 10;

/// Look-ahead distance, in commands, at which entries are prefetched.
pub const NEAR: usize = 8;
/// Look-ahead distance, in commands, at which the records of collection elements are prefetched.
const NEARER: usize = 4;

/// Parses a client's input. A protocol error is replied, and closes the client once the
/// commands before it have run.
pub fn parse(config: &Config, client: &mut Client) -> Result<Stop, ProtocolError> {
    let limits = Limits {
        max_bulk: config.proto_max_bulk_len as i64,
        authenticated: client.session.authenticated,
    };
    match &mut client.query {
        Some(query) => query.parse(limits),
        None => Ok(Stop::Starved),
    }
}

/// Looks up the newly parsed commands of a client's query and prefetches the table buckets of
/// their keys.
#[inline]
pub fn prepare(table: &Table, keyspace: &Keyspace, client: &mut Client) {
    let Some(query) = &mut client.query else {
        return;
    };
    let entries = keyspace.view(client.session.db).entries();
    let mut elements = false;
    for ahead in 0..query.ready() {
        let Some(argv) = query.peek(ahead) else {
            break;
        };
        let mut tag = Tag::default();
        if let Some(number) = table.lookup(argv.at(0)) {
            tag.command = number + 1;
            let slot = &table[number];
            if slot.first_key > 0 && argv.len() > slot.first_key as usize {
                tag.hash = keyspace.hash(argv.at(slot.first_key as usize));
                tag.hashed = true;
                entries.prefetch_bucket(tag.hash);
                if slot.writes {
                    entries.prefetch_insert(tag.hash);
                }
                if slot.element > 0 && argv.len() > slot.element as usize {
                    tag.element = slot.element;
                    elements = true;
                }
            }
        }
        query.set_tag(ahead, tag);
    }
    query.expect_elements(elements);
}

/// Prefetches the entries of the first keys of a client's input.
#[inline]
pub fn prefetch(keyspace: &Keyspace, client: &Client, commands: usize) {
    let Some(query) = &client.query else { return };
    let entries = keyspace.view(client.session.db).entries();
    for ahead in 0..commands.min(query.ready()) {
        if let Some(tag) = query.tag(ahead)
            && tag.hashed
        {
            entries.prefetch_entry(tag.hash);
        }
    }
}

/// Prefetches the collection elements that a client's first commands look up; the entries of
/// the collections should have arrived by now.
#[inline]
pub fn prefetch_elements(keyspace: &Keyspace, clients: &mut Clients, slot: usize) {
    if let Some(client) = clients.get_mut(slot)
        && let Some(query) = &mut client.query
        && query.has_elements()
    {
        let db = keyspace.view(client.session.db);
        for ahead in 0..NEAR.min(query.ready()) {
            prefetch_bucket_of_element(db, query, ahead);
        }
        for ahead in 0..NEARER.min(query.ready()) {
            prefetch_record_of_element(db, query, ahead);
        }
    }
}

impl Server {
    /// Runs the parsed commands of a client's query.
    pub fn process(&mut self, client: &mut Client) {
        let Client {
            query,
            session,
            output,
            ..
        } = client;
        let Some(query) = query else { return };
        if output.bytes.capacity() == 0 {
            output.bytes = self.clients.output();
        }
        self.keyspace.shared.no_touch = session.no_touch;
        self.clock.catch_up(self.frame.began());
        if !self.unit.is_open() {
            self.keyspace.set_now_ms(self.clock.now_ms());
        }
        session.last_active_ms = self.clock.mono_ms();
        session.wire = Wire::of(query, output);
        let elements = query.has_elements();
        let mut silent = session.reply_mode.is_silent();
        let reply_limit = limits::reply_limit(self, session);
        let batch = output.written() + BATCH_OUTPUT;
        if query.may_hold_request(self.observe.logs.request_bytes) {
            self.gates.set(Gates::LARGE_REQUEST, true);
        }
        loop {
            if elements {
                let db = self.keyspace.view(session.db);
                prefetch_bucket_of_element(db, query, NEAR);
                prefetch_record_of_element(db, query, NEARER);
            }
            let Some(argv) = query.peek(0) else { break };
            if let Some(tag) = query.tag(NEAR)
                && tag.hashed
            {
                self.keyspace
                    .view(session.db)
                    .entries()
                    .prefetch_entry(tag.hash);
            }
            let tag = query.tag(0).unwrap_or_default();
            if self.gates.has(Gates::TRACKED) && invalidate::remembers_too_much(self) {
                invalidate::limit_tracking(self);
                let end = output.mark();
                self.clients.take_mail(output, session, end);
            }
            let start = output.mark();
            let is_replica = session.peer == Peer::Replica;
            let Output { bytes, queue, .. } = output;
            let mut reply = Reply::chunked(bytes, queue, session.resp, reply_limit);
            if silent {
                reply = reply.unwanted(true);
            }
            let done = self.execute(session, argv, tag, &mut reply);
            if reply.is_over() {
                // A discarded reply may exceed the limit.
                output.is_over = !silent;
            }
            if session.reply_mode != ReplyMode::On && session.parked.is_none() {
                if silent && !self.table.replied_with_push(session.last_command) {
                    output.undo(start);
                }
                session.reply_mode = session.reply_mode.next();
            }
            if is_replica && output.mark() != start {
                let answer = output.take_since(start);
                undelivered::disconnect_replica(self, session, &argv, &answer);
            }
            if self.clients.has_mail() {
                self.clients.take_mail(output, session, start);
            }
            silent = session.reply_mode.is_silent();
            if !done {
                break;
            }
            query.pass();
            if session.ending != Ending::No
                || session.is_held()
                || output.written() > batch
                || output.is_over
            {
                break;
            }
        }
        self.gates.set(Gates::LARGE_REQUEST, false);
        query.compact();
    }
}

/// Prefetches the bucket of the collection element that a command will look up.
#[inline(always)]
fn prefetch_bucket_of_element(db: &Db, query: &mut Query, ahead: usize) {
    if let Some(mut tag) = query.tag(ahead)
        && tag.element > 0
        && let Some(argv) = query.peek(ahead)
    {
        let element = argv.at(tag.element as usize);
        (tag.element_hash, tag.packed) = db.prefetch_element(tag.hash, element);
        query.set_tag(ahead, tag);
    }
}

/// Prefetches the record itself.
#[inline(always)]
fn prefetch_record_of_element(db: &Db, query: &Query, ahead: usize) {
    if let Some(tag) = query.tag(ahead)
        && tag.element_hash != 0
    {
        db.prefetch_element_record(tag.hash, tag.element_hash);
    }
}
