//! The clients: a slab of boxes, each in one place at a time.
//!
//! Whoever serves a client takes its box out (`check_out`), so that the rest of the server can be
//! borrowed meanwhile, and puts it back (`check_in`). Closing only marks; the reactor reaps.

pub mod buffers;
pub mod describe;
pub mod invalidate;
pub mod limits;
pub mod monitors;
pub mod output;
pub mod parked;
pub mod publish;
pub mod redact;
pub mod reply_buffer;
pub mod session;

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

/// Bytes of a fresh query buffer.
pub const QUERY_BYTES: usize = 16 << 10;
/// Bytes of output a client may keep between answers.
const KEEP_OUTPUT: usize = CHUNK;
/// Buffers kept for the next client that needs one.
const POOLED: usize = 64;

/// A connection.
pub struct Client {
    pub link: Link,
    pub session: Session,
    /// Present while there are bytes to parse or to run.
    pub query: Option<Box<Query>>,
    pub output: Output,
    /// In the list of those with output to write.
    pub is_writing: bool,
    /// In the list of those to be served in the next turn.
    pub is_ready: bool,
    /// The socket may hold more than was read.
    pub readable: bool,
    /// The peer will send nothing more.
    pub hung_up: bool,
    /// What the bytes behind the recognised commands were.
    pub protocol_error: Option<ProtocolError>,
    /// Since when the soft limit of the output is exceeded, in monotonic milliseconds.
    pub over_soft_limit_ms: Option<u64>,
    /// How it is counted in the sum of all clients, while there is a limit on that.
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

/// The slab and what finds clients in it.
#[derive(Default)]
pub struct Clients {
    slots: Slab<Option<Box<Client>>>,
    by_id: HashMap<ClientId, usize>,
    last_id: u64,
    /// Slots with output to write before the loop sleeps.
    pub writing: Vec<usize>,
    /// Slots to be reaped.
    pub closing: Vec<usize>,
    /// Slots of clients that may go on with what they have sent.
    pub waking: Vec<usize>,
    /// Slots of clients whose output may have reached a limit by what others sent.
    pub bulky: Vec<usize>,
    /// What was sent to clients that are being served.
    pub mail: Vec<Mail>,
    /// It goes before the answer of the command that runs: that is given when all is done.
    pub mail_goes_first: bool,
    /// Who watches every command.
    pub monitors: Monitors,
    pub recent_buffers: RecentBuffers,
    pub reply_bounds: ReplyBounds,
    /// Bytes of all clients, while there is a limit on them.
    pub counted_bytes: usize,
    // Boxes, because that is how a client holds its query: lending one moves a pointer.
    #[allow(clippy::vec_box)]
    queries: Vec<Box<Query>>,
    outputs: Vec<Vec<u8>>,
    /// The largest query and output given back since somebody asked.
    lent_peaks: (usize, usize),
}

impl Clients {
    pub fn next_id(&mut self) -> ClientId {
        self.last_id += 1;
        ClientId(self.last_id)
    }

    /// Adds a client; the answer is its slot.
    pub fn add(&mut self, client: Box<Client>) -> usize {
        let id = client.session.id;
        let slot = self.slots.insert(Some(client));
        self.by_id.insert(id, slot);
        slot
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Slots are below this number.
    pub fn slots(&self) -> usize {
        self.slots.capacity()
    }

    /// Takes a client out to serve it.
    #[inline(always)]
    pub fn check_out(&mut self, slot: usize) -> Option<Box<Client>> {
        self.slots.get_mut(slot)?.take()
    }

    /// Puts a client back.
    #[inline(always)]
    pub fn check_in(&mut self, slot: usize, client: Box<Client>) {
        let place = &mut self.slots[slot];
        assert!(
            place.is_none(),
            "a client is in one place at a time: it was checked in twice"
        );
        *place = Some(client);
    }

    #[inline(always)]
    pub fn get_mut(&mut self, slot: usize) -> Option<&mut Client> {
        self.slots.get_mut(slot)?.as_deref_mut()
    }

    pub fn get(&self, slot: usize) -> Option<&Client> {
        self.slots.get(slot)?.as_deref()
    }

    /// Whether the client in this slot is checked out.
    pub fn is_out(&self, slot: usize) -> bool {
        self.slots.get(slot).is_some_and(Option::is_none)
    }

    pub fn slot_of(&self, id: ClientId) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    /// A client no longer counts: it is on its way out.
    pub fn uncount(&mut self, slot: usize) {
        let client = self
            .slots
            .get_mut(slot)
            .and_then(|client| client.as_deref_mut());
        if let Some(client) = client {
            self.counted_bytes -= std::mem::take(&mut client.counted_bytes);
        }
    }

    /// Removes a client for good.
    pub fn remove(&mut self, slot: usize) -> Option<Box<Client>> {
        self.uncount(slot);
        let client = self.slots.try_remove(slot)??;
        self.by_id.remove(&client.session.id);
        Some(client)
    }

    /// All clients that are not checked out, with their slots.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Client)> {
        self.slots
            .iter()
            .filter_map(|(slot, client)| Some((slot, client.as_deref()?)))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut Client)> {
        self.slots
            .iter_mut()
            .filter_map(|(slot, client)| Some((slot, client.as_deref_mut()?)))
    }

    pub fn ids(&self) -> impl Iterator<Item = ClientId> {
        self.by_id.keys().copied()
    }

    /// Marks a client for closing; the reactor reaps it at the end of the turn.
    pub fn close(&mut self, slot: usize, ending: Ending) {
        if let Some(client) = self.get_mut(slot) {
            client.session.ending = ending;
            self.closing.push(slot);
        }
    }

    /// Closes a client for what it takes: that is free at once.
    pub fn drop_out(&mut self, slot: usize) {
        self.uncount(slot);
        self.close(slot, Ending::Now);
        if let Some(client) = self.get_mut(slot) {
            client.output = Output::default();
        }
    }

    /// Lets a client go on with what it has sent, in the next turn of the loop.
    pub fn wake(&mut self, id: ClientId) {
        if let Some(slot) = self.slot_of(id) {
            self.waking.push(slot);
        }
    }

    /// Appends bytes that are no answer to what a client is owed. Nothing happens to the client
    /// that is being served: the caller has its reply at hand.
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

    /// A client is owed more, by what others did.
    #[inline]
    pub fn note_output(&mut self, slot: usize) {
        let client = self.slots.get_mut(slot).and_then(|c| c.as_deref_mut());
        let Some(client) = client else { return };
        Clients::will_write(&mut self.writing, slot, client);
        if client.output.buffer.alarms(client.output.pending()) {
            self.bulky.push(slot);
        }
    }

    /// Sees to it that a client's output is written before the loop sleeps.
    #[inline(always)]
    pub fn will_write(writing: &mut Vec<usize>, slot: usize, client: &mut Client) {
        if !client.is_writing && client.output.pending() > 0 {
            client.is_writing = true;
            writing.push(slot);
        }
    }

    /// A query for a client that has none.
    #[inline(always)]
    pub fn query(&mut self) -> Box<Query> {
        self.queries
            .pop()
            .unwrap_or_else(|| Box::new(Query::with_capacity(QUERY_BYTES)))
    }

    /// Takes a query back that its client does not need now.
    #[inline(always)]
    pub fn recycle_query(&mut self, query: Box<Query>) {
        self.lent_peaks.0 = self.lent_peaks.0.max(query.capacity());
        let bytes = query.capacity() + query.index_bytes();
        if self.queries.len() < POOLED && bytes <= 4 * QUERY_BYTES {
            self.queries.push(query);
        }
    }

    /// The largest query and output that clients gave back since the last call.
    pub fn take_lent_peaks(&mut self) -> (usize, usize) {
        std::mem::take(&mut self.lent_peaks)
    }

    /// A buffer for a client that has something to say.
    #[inline(always)]
    pub fn output(&mut self) -> Vec<u8> {
        self.outputs.pop().unwrap_or_default()
    }

    #[inline(always)]
    pub fn recycle_output(&mut self, mut bytes: Vec<u8>) {
        self.lent_peaks.1 = self.lent_peaks.1.max(bytes.capacity());
        if self.outputs.len() < POOLED && bytes.capacity() <= KEEP_OUTPUT {
            bytes.clear();
            self.outputs.push(bytes);
        }
    }
}
