//! The clients: a slab of boxed clients.
//!
//! To serve a client its box is taken out (`check_out`), so that the rest of the server can be
//! borrowed meanwhile, and put back afterwards (`check_in`). Closing only marks a client; the
//! reactor frees it.

pub mod buffers;
pub mod describe;
pub mod fieldsets;
pub mod invalidate;
pub mod limits;
pub mod monitors;
pub mod output;
pub mod parked;
pub mod publish;
pub mod redact;
pub mod reply_buffer;
pub mod session;

use crate::command::blocking::Nothing;
use crate::net::Link;
use crate::resp::chunks::CHUNK;
use crate::resp::request::{ProtocolError, Query};
use crate::server::clients::buffers::RecentBuffers;
use crate::server::clients::limits::ReplyBounds;
use crate::server::clients::monitors::Monitors;
pub use crate::server::clients::output::Output;
use crate::server::clients::publish::Mail;
use crate::server::clients::session::{ClientId, Ending, ReplyMode, Session};
use hashbrown::HashMap;
use slab::Slab;

/// Initial size of a query buffer, in bytes.
pub const QUERY_BYTES: usize = 16 << 10;
/// Largest output buffer kept for reuse, in bytes.
const KEEP_OUTPUT: usize = CHUNK;
/// Maximum number of buffers kept for reuse.
const POOLED: usize = 64;

/// A client connection.
pub struct Client {
    pub link: Link,
    pub session: Session,
    /// Present while there is input to parse or to run.
    pub query: Option<Box<Query>>,
    pub output: Output,
    /// Whether it is in the list of clients with output to write.
    pub is_writing: bool,
    /// Whether it is in the list of clients to serve in the next iteration.
    pub is_ready: bool,
    /// Whether the socket may hold unread bytes.
    pub readable: bool,
    /// Whether the peer has shut down its writing side or disconnected.
    pub hung_up: bool,
    /// The protocol error after the last parsed command.
    pub protocol_error: Option<ProtocolError>,
    /// Since when the soft output limit is exceeded, in monotonic milliseconds.
    pub over_soft_limit_ms: Option<u64>,
    /// Its share of the total of all clients in bytes, while `maxmemory-clients` is set.
    pub counted_bytes: usize,
}

impl Client {
    pub fn new(link: Link, session: Session) -> Client {
        Client {
            link,
            session,
            query: None,
            output: Output::default(),
            is_writing: false,
            is_ready: false,
            readable: false,
            hung_up: false,
            protocol_error: None,
            over_soft_limit_ms: None,
            counted_bytes: 0,
        }
    }
}

/// Capacity up to which the buffer of replies without a connection is kept, in bytes.
const KEEP_REPLIES: usize = 64 << 10;

/// The client without a connection that runs the commands of an AOF.
#[derive(Default)]
pub struct Loader {
    /// Kept between two slices of loading.
    session: Option<Box<Session>>,
    /// The buffer of its replies, and of those to a primary.
    reply: Vec<u8>,
}

impl Loader {
    /// Returns the session, a new one at the first call.
    pub fn take_session(&mut self, now_ms: u64) -> Session {
        match self.session.take() {
            Some(session) => *session,
            None => {
                let mut session = Session::new(ClientId::NOBODY, now_ms);
                session.must_obey = true;
                session
            }
        }
    }

    /// Keeps the session until the next slice.
    pub fn keep_session(&mut self, session: Session) {
        self.session = Some(Box::new(session));
    }

    /// Drops the session: all commands have run.
    pub fn end(&mut self) {
        self.session = None;
    }

    /// Returns the buffer of replies, empty.
    pub fn take_reply(&mut self) -> Vec<u8> {
        let mut reply = std::mem::take(&mut self.reply);
        reply.clear();
        reply
    }

    /// Takes back the buffer of replies, unless it has grown large.
    pub fn keep_reply(&mut self, reply: Vec<u8>) {
        if reply.capacity() <= KEEP_REPLIES {
            self.reply = reply;
        }
    }
}

/// Schedules a client's output to be written before the loop sleeps.
#[inline(always)]
fn queue_write(writing: &mut Vec<usize>, slot: usize, client: &mut Client) {
    if !client.is_writing && client.output.pending() > 0 {
        client.is_writing = true;
        writing.push(slot);
    }
}

/// The most steps of TLS handshakes in an iteration of the event loop: one takes 0.1 ms, with a key
/// of RSA 0.7 ms, and other clients wait meanwhile.
const HANDSHAKE_STEPS: u32 = 4;

/// The slab of clients and its indexes.
#[derive(Default)]
pub struct Clients {
    slots: Slab<Option<Box<Client>>>,
    by_id: HashMap<ClientId, usize>,
    last_id: u64,
    /// Slots of clients with output to write before the loop sleeps.
    writing: Vec<usize>,
    /// Slots of closed clients to be freed.
    closing: Vec<usize>,
    /// Slots of clients whose remaining input may be processed.
    waking: Vec<usize>,
    /// Slots of clients whose output may have reached a limit through messages of other clients.
    bulky: Vec<usize>,
    /// Slots of replicas that are disconnected because there was a message for them; the log line
    /// is still due.
    addressed_replicas: Vec<usize>,
    /// Messages for clients that are being served.
    mail: Vec<Mail>,
    /// Mail precedes the reply of the running command, which is sent when all is done.
    mail_goes_first: bool,
    /// The clients in MONITOR mode.
    monitors: Monitors,
    loader: Loader,
    recent_buffers: RecentBuffers,
    reply_bounds: ReplyBounds,
    /// Total bytes of all clients, while `maxmemory-clients` is set.
    counted_bytes: usize,
    // Boxed, because a client holds its query in a box: lending one moves a pointer.
    #[allow(clippy::vec_box)]
    queries: Vec<Box<Query>>,
    outputs: Vec<Vec<u8>>,
    /// Steps of TLS handshakes that may still be made in this iteration of the event loop.
    handshake_steps: u32,
    /// The capacities of the largest query and output buffer returned since the last
    /// `take_lent_peaks`.
    lent_peaks: (usize, usize),
}

impl Clients {
    /// Begins an iteration of the event loop.
    pub fn begin_turn(&mut self) {
        self.handshake_steps = HANDSHAKE_STEPS;
    }

    /// Takes one of the steps of TLS handshakes that an iteration has. Returns false if there is
    /// none left.
    pub fn take_handshake_step(&mut self) -> bool {
        let is_left = self.handshake_steps > 0;
        self.handshake_steps -= u32::from(is_left);
        is_left
    }

    /// Returns a new client id.
    pub fn next_id(&mut self) -> ClientId {
        self.last_id += 1;
        ClientId(self.last_id)
    }

    /// Returns whether a client waits for acknowledgements of replicas or of the AOF.
    pub fn waits_for_acks(&self, id: ClientId) -> bool {
        let client = self.slot_of(id).and_then(|slot| self.get(slot));
        let parked = client.and_then(|client| client.session.parked.as_ref());
        parked.is_some_and(|parked| parked.wait.nothing == Nothing::Again)
    }

    /// Adds a client; returns its slot.
    pub fn add(&mut self, client: Box<Client>) -> usize {
        let id = client.session.id;
        let slot = self.slots.insert(Some(client));
        self.by_id.insert(id, slot);
        slot
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Returns the exclusive upper bound of the slots.
    pub fn slots(&self) -> usize {
        self.slots.capacity()
    }

    /// Takes a client out of its slot to serve it.
    #[inline(always)]
    pub fn check_out(&mut self, slot: usize) -> Option<Box<Client>> {
        self.slots.get_mut(slot)?.take()
    }

    /// Puts a client back into its slot.
    #[inline(always)]
    pub fn check_in(&mut self, slot: usize, client: Box<Client>) {
        let place = &mut self.slots[slot];
        assert!(
            place.is_none(),
            "a client is in one place at a time: it was checked in twice"
        );
        debug_assert_eq!(
            self.by_id.get(&client.session.id),
            Some(&slot),
            "a client goes back into its own slot"
        );
        *place = Some(client);
    }

    /// Returns the client in a slot, unless it is checked out.
    #[inline(always)]
    pub fn get_mut(&mut self, slot: usize) -> Option<&mut Client> {
        self.slots.get_mut(slot)?.as_deref_mut()
    }

    /// Returns the client in a slot, unless it is checked out.
    pub fn get(&self, slot: usize) -> Option<&Client> {
        self.slots.get(slot)?.as_deref()
    }

    /// Returns whether the client in this slot is checked out.
    pub fn is_out(&self, slot: usize) -> bool {
        self.slots.get(slot).is_some_and(Option::is_none)
    }

    /// Returns the slot of a client.
    pub fn slot_of(&self, id: ClientId) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    /// Removes a client's share from the total: it is being closed.
    pub fn uncount(&mut self, slot: usize) {
        let client = self
            .slots
            .get_mut(slot)
            .and_then(|client| client.as_deref_mut());
        if let Some(client) = client {
            self.counted_bytes -= std::mem::take(&mut client.counted_bytes);
        }
    }

    /// Removes a client from the slab.
    pub fn remove(&mut self, slot: usize) -> Option<Box<Client>> {
        self.uncount(slot);
        let client = self.slots.try_remove(slot)??;
        self.by_id.remove(&client.session.id);
        Some(client)
    }

    /// Returns all clients that are not checked out, with their slots.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Client)> {
        self.slots
            .iter()
            .filter_map(|(slot, client)| Some((slot, client.as_deref()?)))
    }

    /// Returns all clients that are not checked out, with their slots.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut Client)> {
        self.slots
            .iter_mut()
            .filter_map(|(slot, client)| Some((slot, client.as_deref_mut()?)))
    }

    /// Returns the ids of all clients.
    pub fn ids(&self) -> impl Iterator<Item = ClientId> {
        self.by_id.keys().copied()
    }

    /// Returns the client without a connection.
    pub fn loader(&mut self) -> &mut Loader {
        &mut self.loader
    }

    /// Returns the use of buffers in the last seconds.
    pub fn recent_buffers(&mut self) -> &mut RecentBuffers {
        &mut self.recent_buffers
    }

    /// Returns the largest query and output buffer of the last seconds, in bytes.
    pub fn recent_peaks(&self) -> (usize, usize) {
        self.recent_buffers.peaks()
    }

    /// Notes the bytes that a client's output held before they were written.
    #[inline]
    pub fn note_held(&mut self, bytes: usize) {
        self.recent_buffers.output.note(bytes);
    }

    /// Returns the size of the largest reply that is built, in bytes.
    #[inline(always)]
    pub fn largest_reply(&self) -> usize {
        self.reply_bounds.most
    }

    /// Returns whether a message waits for a client that is being served.
    #[inline(always)]
    pub fn has_mail(&self) -> bool {
        !self.mail.is_empty()
    }

    /// Takes all waiting messages, which `restore_mail` gives back.
    #[must_use]
    pub fn take_all_mail(&mut self) -> Vec<Mail> {
        std::mem::take(&mut self.mail)
    }

    /// Gives back what `take_all_mail` has taken.
    pub fn restore_mail(&mut self, mail: Vec<Mail>) {
        self.mail = mail;
    }

    /// Sets whether mail precedes the reply of the running command.
    pub fn set_mail_goes_first(&mut self, first: bool) {
        self.mail_goes_first = first;
    }

    /// Ends a unit: without mail there is nothing to go first.
    pub fn end_unit(&mut self) {
        self.mail_goes_first &= !self.mail.is_empty();
    }

    /// Returns whether there are clients with output to write.
    pub fn has_writing(&self) -> bool {
        !self.writing.is_empty()
    }

    /// Takes the slots of the clients with output to write.
    pub fn take_writing(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.writing)
    }

    /// Takes back the list of `take_writing`, in which those remain that are to be tried again.
    pub fn restore_writing(&mut self, again: Vec<usize>) {
        let fresh = std::mem::replace(&mut self.writing, again);
        self.writing.extend(fresh);
    }

    /// Schedules the output of a client in its slot, which may be too much for its socket.
    pub fn write_again(&mut self, slot: usize) {
        if let Some(client) = self.get_mut(slot) {
            client.is_writing = true;
            self.writing.push(slot);
        }
    }

    /// Returns whether there are clients to be freed.
    pub fn has_closing(&self) -> bool {
        !self.closing.is_empty()
    }

    /// Takes the slots of the clients to be freed.
    pub fn take_closing(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.closing)
    }

    /// Schedules a client that was marked for closing to be freed.
    pub fn reap_later(&mut self, slot: usize) {
        self.closing.push(slot);
    }

    /// Takes the slots of the clients whose remaining input may be processed.
    pub fn take_waking(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.waking)
    }

    /// Schedules the remaining input of the client in a slot for the next iteration.
    pub fn wake_slot(&mut self, slot: usize) {
        self.waking.push(slot);
    }

    /// Marks a client for closing; the reactor frees it at the end of the iteration.
    pub fn close(&mut self, slot: usize, ending: Ending) {
        if let Some(client) = self.get_mut(slot) {
            client.session.ending = ending;
            self.closing.push(slot);
        }
    }

    /// Closes a client to free memory: its output is freed at once.
    pub fn drop_out(&mut self, slot: usize) {
        self.uncount(slot);
        self.close(slot, Ending::Now);
        if let Some(client) = self.get_mut(slot) {
            client.output = Output::default();
        }
    }

    /// Schedules a client's remaining input for the next iteration of the event loop.
    pub fn wake(&mut self, id: ClientId) {
        if let Some(slot) = self.slot_of(id) {
            self.waking.push(slot);
        }
    }

    /// Appends bytes that are not part of a reply to a client's output. Does nothing for the client
    /// being served: the caller has its reply at hand.
    pub fn tell(&mut self, id: ClientId, bytes: &[u8]) {
        let Some(slot) = self.slot_of(id) else { return };
        let Some(client) = self.get_mut(slot) else {
            return;
        };
        if client.session.ending == Ending::No && client.session.reply_mode != ReplyMode::Off {
            client.output.append(bytes);
            self.note_output(slot);
        }
    }

    /// Handles output added to a client by other clients.
    #[inline]
    pub fn note_output(&mut self, slot: usize) {
        let client = self.slots.get_mut(slot).and_then(|c| c.as_deref_mut());
        let Some(client) = client else { return };
        queue_write(&mut self.writing, slot, client);
        if client.output.buffer.alarms(client.output.pending()) {
            self.bulky.push(slot);
        }
    }

    /// Schedules the output of a client that is checked out.
    #[inline(always)]
    pub fn will_write(&mut self, slot: usize, client: &mut Client) {
        queue_write(&mut self.writing, slot, client);
    }

    /// Returns a query for a client without one.
    #[inline(always)]
    pub fn query(&mut self) -> Box<Query> {
        self.queries
            .pop()
            .unwrap_or_else(|| Box::new(Query::with_capacity(QUERY_BYTES)))
    }

    /// Takes back the query of an idle client for reuse.
    #[inline(always)]
    pub fn recycle_query(&mut self, query: Box<Query>) {
        self.lent_peaks.0 = self.lent_peaks.0.max(query.capacity());
        let bytes = query.capacity() + query.index_bytes();
        if self.queries.len() < POOLED && bytes <= 4 * QUERY_BYTES {
            self.queries.push(query);
        }
    }

    /// Returns the capacities of the largest query and output buffer returned since the last call.
    pub fn take_lent_peaks(&mut self) -> (usize, usize) {
        std::mem::take(&mut self.lent_peaks)
    }

    /// Returns an output buffer.
    #[inline(always)]
    pub fn output(&mut self) -> Vec<u8> {
        self.outputs.pop().unwrap_or_default()
    }

    /// Takes back an output buffer for reuse.
    #[inline(always)]
    pub fn recycle_output(&mut self, mut bytes: Vec<u8>) {
        self.lent_peaks.1 = self.lent_peaks.1.max(bytes.capacity());
        if self.outputs.len() < POOLED && bytes.capacity() <= KEEP_OUTPUT {
            bytes.clear();
            self.outputs.push(bytes);
        }
    }
}
