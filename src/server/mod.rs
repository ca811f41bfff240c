//! The server: the sum of its parts, and what happens to a command that has arrived.
//!
//! `process` serves one client's input: for each complete command it looks the command up, asks the
//! gates (`admit`) and calls it (`call`), and stops early when the client ends or must wait.

pub mod admit;
pub mod apply;
pub mod boot;
pub mod buffers;
pub mod call;
pub mod clients;
pub mod commands;
pub mod cron;
pub mod debugging;
pub mod evict;
pub mod failover;
pub mod follow;
pub mod followers;
pub mod freeing;
pub mod invalidate;
pub mod jobs;
pub mod limits;
pub mod listen;
pub mod loading;
pub mod notice;
pub mod output;
pub mod pause;
pub mod permissions;
pub mod propagate;
pub mod publish;
pub mod redact;
pub mod reply_buffer;
pub mod resync;
pub mod scripts;
pub mod session;
pub mod shutdown;
pub mod slack;
pub mod stats;
pub mod stream;
pub mod table;
pub mod unblock;
pub mod unit;

use crate::acl::Acl;
use crate::algo::rng::Rng;
use crate::bio::Bio;
use crate::blocking::Blocking;
use crate::command::effects::Effects;
use crate::command::spec::ANSWERS_PUSH;
use crate::command::{Args, CmdResult, Entry, Reply};
use crate::config::Config;
use crate::keyspace::{Db, Keyspace, Tuning};
use crate::multi::WatchIndex;
use crate::observe::Observe;
use crate::persist::Persist;
use crate::pubsub::PubSub;
use crate::replication::Replication;
use crate::resp::request::{Limits, ProtocolError, Query, Stop, Tag};
use crate::script::Script;
use crate::sys::clock::Clock;
use crate::sys::memory::Peak;
use crate::sys::signal::Signal;
use crate::tracking::Tracking;
use admit::Gates;
use boot::Process;
use clients::{Client, Clients, Output};
use cron::Timers;
use evict::Eviction;
use listen::Doors;
use pause::Pause;
use propagate::Unit;
use session::{Ending, Peer, ReplyMode, Session, Wire};
use stats::Stats;
use table::Table;

/// The function of a server command: it can reach everything.
pub type ServerFn =
    for<'a> fn(&mut Server, &mut Session, &mut Args<'a>, &mut Reply<'_>) -> CmdResult;
/// A server command as it is declared.
pub type ServerCommand = Entry<ServerFn>;

/// The sum of the parts. A function that needs two parts takes two parts.
pub struct Server {
    pub keyspace: Keyspace,
    pub effects: Effects,
    pub unit: Unit,
    pub watch: WatchIndex,
    pub tuning: Tuning,
    pub clients: Clients,
    pub table: Table,
    pub gates: Gates,
    pub acl: Acl,
    pub config: Config,
    pub timers: Timers,
    pub clock: Clock,
    pub stats: Stats,
    pub bio: Bio,
    pub blocking: Blocking,
    pub doors: Doors,
    pub observe: Observe,
    pub rng: Rng,
    pub life: Life,
    pub pause: Pause,
    pub script: Script,
    pub pubsub: PubSub,
    pub tracking: Tracking,
    pub persist: Persist,
    pub replication: Replication,
    pub eviction: Eviction,
}

/// What concerns the process as a whole.
#[derive(Default)]
pub struct Life {
    pub run_id: String,
    pub started_ms: i64,
    /// The cycle counter at the end of the last command: the start of the next.
    pub stamp: u64,
    /// When the log last told of a connection that spoke HTTP, in monotonic milliseconds.
    pub cross_protocol_ms: Option<u64>,
    /// Something asked the server to stop: with this exit code.
    pub exit: Option<i32>,
    pub process: Process,
    /// Bytes in use when the start was over, and the most since.
    pub startup_bytes: usize,
    pub peak: Peak,
    /// The last figures of the system about our memory, for INFO.
    pub resident: std::cell::Cell<Resident>,
    /// How long the last fork took, in microseconds, and how many there were.
    pub fork_us: u64,
    pub forks: u64,
    /// Who runs the commands of a log that is being read, and room for the answers.
    pub loader: Option<Box<Session>>,
    pub loader_answer: Vec<u8>,
    /// A signal asked for the end, and cron has not seen to it yet.
    pub asked_to_stop: Option<Signal>,
    /// It stops when replicas have caught up.
    pub stopping: Option<shutdown::Stopping>,
    /// A pause before the log is written, for tests (DEBUG AOF-FLUSH-SLEEP).
    pub flush_sleep_us: u64,
    /// Connections that MIGRATE keeps.
    pub peers: commands::migrate::Peers,
    /// The loop, while commands run (`scripts`).
    pub attendant: Option<Box<dyn scripts::Attendant>>,
    /// What the allocator holds for nothing.
    pub slack: slack::Slack,
    /// Cron does nothing, for tests (DEBUG PAUSE-CRON).
    pub cron_paused: bool,
    /// Looks in a row at which the table of cached keys was too large.
    pub tracking_overruns: usize,
}

/// Bytes of memory as the system and the allocator count them, and when they were asked.
#[derive(Clone, Copy, Default)]
pub struct Resident {
    at_ms: i64,
    /// In memory.
    pub rss: usize,
    /// Held by the allocator, used or not.
    pub committed: usize,
}

impl Life {
    /// The figures of the last tenth of a second, or new ones: the system takes its time to tell.
    pub fn resident(&self, now_ms: i64) -> Resident {
        let known = self.resident.get();
        if (0..100).contains(&(now_ms - known.at_ms)) {
            return known;
        }
        let fresh = Resident {
            at_ms: now_ms,
            rss: crate::sys::process::rss_bytes() as usize,
            committed: crate::sys::memory::committed_bytes(),
        };
        self.resident.set(fresh);
        fresh
    }
}

/// What one VM for scripts may take, unless half of the machine's memory is less. Unlike Redis, which
/// takes what it gets.
const VM_BYTES: usize = 4 << 30;

/// After so many bytes of answers a client has to wait for its next turn, so that they are sent and
/// its limits looked at.
const BATCH_OUTPUT: usize = 512 << 10;

/// How far ahead of the running command the entries of its successors are loaded.
pub const NEAR: usize = 8;
/// The same for the records of the elements they look up.
const NEARER: usize = 4;

impl Server {
    pub fn new(config: Config, mut rng: Rng) -> Self {
        let clock = Clock::new();
        let now_ms = clock.now_ms();
        let keyspace = Keyspace::new(config.databases as u32, rng.split(), now_ms);
        let run_id = String::from_utf8_lossy(&rng.hex40()).into_owned();
        let replid = String::from_utf8_lossy(&rng.hex40()).into_owned();
        let table = Table::new(crate::commands::TABLES, commands::TABLES);
        let acl = Acl::new(table.roster());
        let mut server = Server {
            keyspace,
            effects: Effects::default(),
            unit: Unit::default(),
            watch: WatchIndex::default(),
            tuning: Tuning::default(),
            clients: Clients::default(),
            table,
            gates: Gates::default(),
            acl,
            timers: Timers::new(clock.mono_ms()),
            clock,
            stats: Stats::default(),
            bio: Bio::default(),
            blocking: Blocking::default(),
            doors: Doors::default(),
            observe: Observe::default(),
            rng,
            life: Life {
                run_id,
                started_ms: now_ms,
                ..Life::default()
            },
            pause: Pause::default(),
            script: Script::default(),
            pubsub: PubSub::default(),
            tracking: Tracking::default(),
            persist: Persist::default(),
            replication: Replication::new(replid),
            eviction: Eviction::default(),
            config,
        };
        for (from, to) in &server.config.renamed_commands {
            // The configuration was refused if a name was wrong.
            let _ = server.table.rename(from, to);
        }
        let half = crate::sys::process::total_system_memory() as usize / 2;
        server.script.set_limit(half.min(VM_BYTES));
        server.apply_all();
        server.start_timers();
        server
    }

    /// Hands the thresholds of the configuration to the keyspace.
    pub fn apply_tuning(&mut self) {
        let (c, tuning) = (&self.config, &mut self.tuning);
        tuning.max_string = c.proto_max_bulk_len as usize;
        tuning.lazy_user_del = c.lazyfree_lazy_user_del;
        tuning.lazy_user_flush = c.lazyfree_lazy_user_flush;
        tuning.lazy_expire = c.lazyfree_lazy_expire;
        tuning.lazy_server_del = c.lazyfree_lazy_server_del;
        tuning.lazy_eviction = c.lazyfree_lazy_eviction;
        tuning.hash_max_listpack_entries = c.hash_max_listpack_entries;
        tuning.hash_max_listpack_value = c.hash_max_listpack_value;
        tuning.set_max_intset_entries = c.set_max_intset_entries;
        tuning.set_max_listpack_entries = c.set_max_listpack_entries;
        tuning.set_max_listpack_value = c.set_max_listpack_value;
        tuning.zset_max_listpack_entries = c.zset_max_listpack_entries;
        tuning.zset_max_listpack_value = c.zset_max_listpack_value;
        tuning.list_max_listpack_size = c.list_max_listpack_size;
        tuning.list_compress_depth = c.list_compress_depth;
        tuning.stream_node_max_bytes = c.stream_node_max_bytes;
        tuning.stream_node_max_entries = c.stream_node_max_entries;
        tuning.hll_sparse_max_bytes = c.hll_sparse_max_bytes;
        self.apply_sanitizing();
    }

    /// What a client may send just now.
    pub fn limits(&self, session: &Session) -> Limits {
        Limits {
            max_bulk: self.config.proto_max_bulk_len as i64,
            authenticated: session.authenticated,
        }
    }

    /// Looks up the commands a client's query has newly recognised and starts loading the table
    /// buckets of their keys.
    #[inline]
    pub fn prepare(&self, client: &mut Client) {
        let Some(query) = &mut client.query else {
            return;
        };
        let entries = self.keyspace.view(client.session.db).entries();
        let mut elements = false;
        for ahead in 0..query.ready() {
            let Some(argv) = query.peek(ahead) else {
                break;
            };
            let mut tag = Tag::default();
            if let Some(number) = self.table.lookup(argv.at(0)) {
                tag.command = number + 1;
                let slot = &self.table[number];
                if slot.first_key > 0 && argv.len() > slot.first_key as usize {
                    tag.hash = self.keyspace.hash(argv.at(slot.first_key as usize));
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

    /// Starts loading the entries of the first keys of a client's input.
    #[inline]
    pub fn prefetch(&self, client: &Client, commands: usize) {
        let Some(query) = &client.query else { return };
        let entries = self.keyspace.view(client.session.db).entries();
        for ahead in 0..commands.min(query.ready()) {
            if let Some(tag) = query.tag(ahead)
                && tag.hashed
            {
                entries.prefetch_entry(tag.hash);
            }
        }
    }

    /// Starts loading what the first commands of a client look up in collections, whose entries
    /// should have arrived by now.
    #[inline]
    pub fn prefetch_elements(&mut self, slot: usize) {
        let keyspace = &self.keyspace;
        if let Some(client) = self.clients.get_mut(slot)
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

    /// Runs what a client's query has recognised.
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
        self.clock.catch_up(self.life.stamp);
        if !self.unit.is_open() {
            self.keyspace.set_now_ms(self.clock.now_ms());
        }
        session.last_active_ms = self.clock.mono_ms();
        session.wire = Wire::of(query, output);
        let elements = query.has_elements();
        let mut silent = session.reply_mode.is_silent();
        let reply_limit = self.reply_limit(session);
        let batch = output.written() + BATCH_OUTPUT;
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
            if self.gates.0 & Gates::TRACKED != 0 && self.remembers_too_much() {
                self.limit_tracking();
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
                // What is not wanted may be as long as it likes.
                output.is_over = !silent;
            }
            if session.reply_mode != ReplyMode::On && session.parked.is_none() {
                if silent && !self.answered_push(session) {
                    output.undo(start);
                }
                session.reply_mode = session.reply_mode.next();
            }
            if is_replica && output.mark() != start {
                let answer = output.take_since(start);
                self.hang_up_on_replica(session, &argv, &answer);
            }
            if !self.clients.mail.is_empty() {
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
        query.compact();
    }

    /// Whether the last command answered by pushes, which nothing silences.
    #[cold]
    pub(in crate::server) fn answered_push(&self, session: &Session) -> bool {
        let last = session.last_command.map(|number| self.table[number].spec);
        last.is_some_and(|spec| spec.flags.has(ANSWERS_PUSH))
    }

    /// Recognises what a client has sent. A protocol error is answered, and ends the client once
    /// the commands before it have run.
    pub fn parse(&mut self, client: &mut Client) -> Result<Stop, ProtocolError> {
        let limits = self.limits(&client.session);
        match &mut client.query {
            Some(query) => query.parse(limits),
            None => Ok(Stop::Starved),
        }
    }
}

/// Starts loading the bucket of what a command will look up in a collection.
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

/// Starts loading the record itself.
#[inline(always)]
fn prefetch_record_of_element(db: &Db, query: &Query, ahead: usize) {
    if let Some(tag) = query.tag(ahead)
        && tag.element_hash != 0
    {
        db.prefetch_element_record(tag.hash, tag.element_hash);
    }
}
