//! The server: its subsystems and their construction.
//!
//! Its modules, lowest layer first; a module imports only from modules before it: `clients`
//! (sessions, output and limits), `core` (the execution path of a command), `storage` (snapshots
//! and the AOF), `script`, `replication`, `lifecycle` (start, periodic jobs, shutdown) and
//! `commands` (those that need more than the keyspace).

pub mod clients;
pub mod commands;
pub mod core;
pub mod gates;
pub mod lifecycle;
pub mod process;
pub mod replication;
pub mod script;
pub mod storage;
pub mod text;
pub mod timers;

use self::core::evict::Eviction;
use self::core::propagate::Unit;
use self::core::stats::Stats;
use self::core::table::Table;
use self::gates::Gates;
use crate::acl::Acl;
use crate::algo::rng::Rng;
use crate::bio::Bio;
use crate::blocking::Blocking;
use crate::command::effects::Effects;
use crate::command::{Args, CmdResult, Entry, Reply};
use crate::config::Config;
use crate::keyspace::{Keyspace, Tuning};
use crate::multi::WatchIndex;
use crate::observe::Observe;
use crate::persist::Persist;
use crate::pubsub::PubSub;
use crate::replication::Replication;
use crate::script::Script;
use crate::server::lifecycle::configure;
use crate::server::lifecycle::cron;
use crate::server::storage::jobs;
use crate::sys::clock::Clock;
use crate::tracking::Tracking;
use crate::types::stream::Retention;
use clients::Clients;
use clients::session::Session;
use commands::migrate::Peers;
use core::frame::Frame;
use core::pause::Pause;
use lifecycle::listen::Doors;
use lifecycle::memory::Memory;
use lifecycle::shutdown::Shutdown;
use process::Process;
use script::run::Attendant;
use timers::Timers;

/// The handler of a server command: it has access to the whole server.
pub type ServerFn =
    for<'a> fn(&mut Server, &mut Session, &mut Args<'a>, &mut Reply<'_>) -> CmdResult;
/// The declaration of a server command.
pub type ServerCommand = Entry<ServerFn>;

/// The server: all subsystems. A function that needs only some of them takes those as arguments.
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
    pub frame: Frame,
    pub process: Process,
    pub memory: Memory,
    pub shutdown: Shutdown,
    /// Cached connections of MIGRATE.
    pub peers: Peers,
    /// The event source of the reactor, while commands run (`script::run`).
    pub attendant: Option<Box<dyn Attendant>>,
    pub pause: Pause,
    pub script: Script,
    pub pubsub: PubSub,
    pub tracking: Tracking,
    pub persist: Persist,
    pub replication: Replication,
    pub eviction: Eviction,
}

/// Memory limit of one script VM in bytes, unless half of the machine's memory is less. Redis has
/// no such limit.
const VM_BYTES: usize = 4 << 30;

impl Server {
    pub fn new(config: Config, mut rng: Rng) -> Self {
        let clock = Clock::new();
        let now_ms = clock.now_ms();
        let keyspace = Keyspace::new(config.databases as u32, rng.split(), now_ms);
        let run_id = String::from_utf8_lossy(&rng.hex40()).into_owned();
        let replid = String::from_utf8_lossy(&rng.hex40()).into_owned();
        let mut table = Table::new(crate::commands::TABLES, commands::TABLES);
        table.limit_to(config.series());
        let acl = Acl::new(table.command_index());
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
            frame: Frame::default(),
            process: Process::new(run_id, now_ms),
            memory: Memory::default(),
            shutdown: Shutdown::default(),
            peers: Peers::default(),
            attendant: None,
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
            // The configuration is rejected earlier if a name is wrong.
            let _ = server.table.rename(from, to);
        }
        let half = crate::sys::process::total_system_memory() as usize / 2;
        server.script.set_limit(half.min(VM_BYTES));
        server.script.set_series(server.config.series());
        configure::apply_all(&mut server);
        cron::start_timers(&mut server);
        server
    }

    /// Copies the thresholds of the configuration to the keyspace.
    pub fn apply_tuning(&mut self) {
        let (c, tuning) = (&self.config, &mut self.tuning);
        tuning.max_string = c.proto_max_bulk_len as usize;
        tuning.lazy_user_del = c.lazyfree_lazy_user_del;
        tuning.lazy_user_flush = c.lazyfree_lazy_user_flush;
        tuning.lazy_expire = c.lazyfree_lazy_expire;
        tuning.nested_expiry = c.lazyexpire_nested_arbitrary_keys;
        tuning.lazy_server_del = c.lazyfree_lazy_server_del;
        tuning.lazy_eviction = c.lazyfree_lazy_eviction;
        tuning.hash_max_listpack_entries = c.hash_max_listpack_entries;
        tuning.hash_max_listpack_value = c.hash_max_listpack_value;
        tuning.hash_min_template_entries = c.hash_min_template_entries;
        tuning.hash_max_template_entries = c.hash_max_template_entries;
        tuning.set_max_intset_entries = c.set_max_intset_entries;
        tuning.set_max_listpack_entries = c.set_max_listpack_entries;
        tuning.set_max_listpack_value = c.set_max_listpack_value;
        tuning.zset_max_listpack_entries = c.zset_max_listpack_entries;
        tuning.zset_max_listpack_value = c.zset_max_listpack_value;
        tuning.list_max_listpack_size = c.list_max_listpack_size;
        tuning.list_compress_depth = c.list_compress_depth;
        tuning.stream_node_max_bytes = c.stream_node_max_bytes;
        tuning.stream_node_max_entries = c.stream_node_max_entries;
        tuning.stream_retention = Retention {
            seconds: c.stream_idmp_duration,
            ids: c.stream_idmp_maxsize,
        };
        tuning.hll_sparse_max_bytes = c.hll_sparse_max_bytes;
        tuning.array.slice_size = c.array_slice_size;
        tuning.array.sparse_max = c.array_sparse_kmax;
        tuning.array.sparse_min = c.array_sparse_kmin;
        jobs::apply_sanitizing(self);
    }
}
