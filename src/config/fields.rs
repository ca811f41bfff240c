//! The configuration as the server reads it: typed fields, named after their directives.
//!
//! One row of `table/` stands behind each field; accepted but unused directives are in `kept`,
//! where they can be set, shown and saved all the same. Sizes are bytes, times in the unit of the
//! directive.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::directive::{Init, Kind, Place, Value};
use super::special::{NotifyFlags, OutputLimit, SavePoint, ShutdownFlags, SlotStats};
use super::table;
use super::words::*;
use crate::keyspace::RdbVersions;
use crate::version::Series;

/// Every directive's value. `Config::new` is the one way to a fresh one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    // Network and process.
    pub always_show_logo: bool,
    pub bind: Vec<Vec<u8>>,
    pub bind_source_addr: Vec<u8>,
    pub daemonize: bool,
    pub databases: usize,
    pub dir: Vec<u8>,
    pub logfile: Vec<u8>,
    pub loglevel: LogLevel,
    pub log_format: LogFormat,
    pub log_timestamp_format: LogTimestampFormat,
    pub maxclients: usize,
    pub max_new_connections_per_cycle: usize,
    pub pidfile: Vec<u8>,
    pub port: u16,
    pub proc_title_template: Vec<u8>,
    pub protected_mode: bool,
    pub set_proc_title: bool,
    pub shutdown_on_sigint: ShutdownFlags,
    pub shutdown_on_sigterm: ShutdownFlags,
    pub shutdown_timeout: u32,
    pub socket_mark_id: u32,
    pub supervised: Supervised,
    pub syslog_enabled: bool,
    pub syslog_facility: SyslogFacility,
    pub syslog_ident: Vec<u8>,
    pub tcp_backlog: i32,
    pub tcp_keepalive: u32,
    pub timeout: u32,
    pub unixsocket: Vec<u8>,
    pub unixsocketperm: u32,
    pub disable_thp: bool,
    pub crash_log_enabled: bool,
    pub crash_memcheck_enabled: bool,
    pub oom_score_adj: OomScoreAdj,
    pub oom_score_adj_values: [i32; 3],
    pub locale_collate: Vec<u8>,
    pub ignore_warnings: Vec<u8>,
    pub server_cpulist: Vec<u8>,
    pub bio_cpulist: Vec<u8>,
    pub aof_rewrite_cpulist: Vec<u8>,
    pub bgsave_cpulist: Vec<u8>,
    pub use_exit_on_panic: bool,
    pub redis_compat: RedisCompat,
    pub watchdog_period: u32,
    // Persistence.
    pub aof_load_truncated: bool,
    pub aof_load_corrupt_tail_max_size: u64,
    pub aof_rewrite_incremental_fsync: bool,
    pub aof_timestamp_enabled: bool,
    pub aof_use_rdb_preamble: bool,
    pub aof_disable_auto_gc: bool,
    pub appenddirname: Vec<u8>,
    pub backupdirname: Vec<u8>,
    pub backup_sealed_ttl: i64,
    pub appendfilename: Vec<u8>,
    pub appendfsync: AppendFsync,
    pub appendonly: bool,
    pub auto_aof_rewrite_min_size: u64,
    pub auto_aof_rewrite_percentage: u32,
    pub dbfilename: Vec<u8>,
    pub no_appendfsync_on_rewrite: bool,
    pub rdb_del_sync_files: bool,
    pub rdb_save_incremental_fsync: bool,
    pub rdb_save_version: RdbVersions,
    pub rdbchecksum: bool,
    pub rdbcompression: bool,
    pub sanitize_dump_payload: SanitizeDump,
    pub save: Vec<SavePoint>,
    pub stop_writes_on_bgsave_error: bool,
    pub rdb_key_save_delay: i32,
    pub key_load_delay: i32,
    // Memory and eviction.
    pub active_expire_effort: u32,
    pub activerehashing: bool,
    pub lazyfree_lazy_eviction: bool,
    pub lazyfree_lazy_expire: bool,
    pub lazyexpire_nested_arbitrary_keys: bool,
    pub lazyfree_lazy_server_del: bool,
    pub lazyfree_lazy_user_del: bool,
    pub lazyfree_lazy_user_flush: bool,
    pub lfu_decay_time: u32,
    pub lfu_log_factor: u32,
    pub maxmemory: u64,
    /// Bytes, or a percentage of `maxmemory` as a negative number; see `maxmemory_clients_bytes`.
    pub maxmemory_clients: i64,
    pub maxmemory_eviction_tenacity: u32,
    pub maxmemory_policy: MaxmemoryPolicy,
    pub maxmemory_samples: u32,
    pub replica_ignore_maxmemory: bool,
    pub replica_lazy_flush: bool,
    // Authentication, limits, events, observation.
    pub acl_pubsub_default: AclPubsubDefault,
    pub aclfile: Vec<u8>,
    pub acllog_max_len: u64,
    pub busy_reply_threshold: u64,
    /// Normal, replica and pubsub clients, in this order.
    pub client_output_buffer_limit: [OutputLimit; 3],
    pub client_query_buffer_limit: usize,
    pub enable_debug_command: Allowed,
    pub enable_module_command: Allowed,
    pub enable_protected_configs: Allowed,
    pub hide_user_data_from_log: bool,
    pub hz: u32,
    pub dynamic_hz: bool,
    pub latency_monitor_threshold: u64,
    pub latency_tracking: bool,
    pub latency_tracking_info_percentiles: Vec<f64>,
    pub key_memory_histograms: bool,
    pub lua_enable_deprecated_api: bool,
    pub notify_keyspace_events: NotifyFlags,
    pub proto_max_bulk_len: u64,
    pub requirepass: Vec<u8>,
    pub slowlog_log_slower_than: i64,
    pub slowlog_max_len: u64,
    pub commandlog_request_larger_than: i64,
    pub commandlog_large_request_max_len: u64,
    pub commandlog_reply_larger_than: i64,
    pub commandlog_large_reply_max_len: u64,
    pub slowlog_entry_max_argc: u32,
    pub slowlog_entry_max_string_len: u64,
    pub tracking_table_max_keys: u64,
    // Encodings.
    pub array_slice_size: u32,
    pub array_sparse_kmax: usize,
    pub array_sparse_kmin: usize,
    pub hash_max_listpack_entries: usize,
    pub hash_max_listpack_value: usize,
    pub hash_max_template_entries: usize,
    pub hash_min_template_entries: usize,
    pub hll_sparse_max_bytes: usize,
    pub list_compress_depth: u32,
    pub list_max_listpack_size: i32,
    pub set_max_intset_entries: usize,
    pub set_max_listpack_entries: usize,
    pub set_max_listpack_value: usize,
    pub stream_idmp_duration: u32,
    pub stream_idmp_maxsize: u32,
    pub stream_node_max_bytes: usize,
    pub stream_node_max_entries: u64,
    pub zset_max_listpack_entries: usize,
    pub zset_max_listpack_value: usize,
    // Replication.
    pub masterauth: Vec<u8>,
    pub masteruser: Vec<u8>,
    pub min_replicas_max_lag: u32,
    pub min_replicas_to_write: u32,
    pub propagation_error_behavior: PropagationError,
    pub repl_backlog_size: u64,
    pub repl_backlog_ttl: u64,
    pub repl_disable_tcp_nodelay: bool,
    pub repl_diskless_load: ReplDisklessLoad,
    pub repl_diskless_sync: bool,
    pub repl_diskless_sync_delay: u32,
    pub repl_diskless_sync_max_replicas: u32,
    pub repl_ping_replica_period: u32,
    pub repl_rdb_channel: bool,
    pub repl_timeout: u32,
    pub replica_announce_ip: Vec<u8>,
    pub replica_announce_port: u16,
    pub replica_announced: bool,
    pub replica_full_sync_buffer_limit: u64,
    pub replica_ignore_disk_write_errors: bool,
    pub replica_priority: u32,
    pub replica_read_only: bool,
    pub replica_serve_stale_data: bool,
    /// The primary's host and port; the server writes here what REPLICAOF changes.
    pub replicaof: Option<(Vec<u8>, u16)>,
    // TLS.
    pub max_new_tls_connections_per_cycle: usize,
    pub tls_auth_clients: TlsAuthClients,
    pub tls_auth_clients_user: TlsAuthClientsUser,
    /// Seconds; 0 for never.
    pub tls_auto_reload_interval: u32,
    pub tls_ca_cert_dir: Vec<u8>,
    pub tls_ca_cert_file: Vec<u8>,
    pub tls_cert_file: Vec<u8>,
    pub tls_ciphers: Vec<u8>,
    pub tls_ciphersuites: Vec<u8>,
    pub tls_client_cert_file: Vec<u8>,
    pub tls_client_key_file: Vec<u8>,
    pub tls_client_key_file_pass: Vec<u8>,
    pub tls_cluster: bool,
    /// Makes certificates for development, if none are configured.
    pub tls_dev: bool,
    pub tls_dh_params_file: Vec<u8>,
    pub tls_expected_peer_name: Vec<u8>,
    pub tls_key_file: Vec<u8>,
    pub tls_key_file_pass: Vec<u8>,
    pub tls_port: u16,
    pub tls_prefer_server_ciphers: bool,
    pub tls_protocols: Vec<u8>,
    pub tls_replication: bool,
    pub tls_session_cache_size: u32,
    pub tls_session_cache_timeout: u32,
    pub tls_session_caching: bool,
    // Cluster.
    pub cluster_allow_pubsubshard_when_down: bool,
    pub cluster_allow_reads_when_down: bool,
    pub cluster_allow_replica_migration: bool,
    pub cluster_announce_bus_port: u16,
    pub cluster_announce_hostname: Vec<u8>,
    pub cluster_announce_human_nodename: Vec<u8>,
    pub cluster_announce_ip: Vec<u8>,
    pub cluster_announce_port: u16,
    pub cluster_announce_tls_port: u16,
    pub cluster_config_file: Vec<u8>,
    pub cluster_enabled: bool,
    pub cluster_link_sendbuf_limit: u64,
    pub cluster_migration_barrier: u32,
    pub cluster_node_timeout: u64,
    pub cluster_port: u16,
    pub cluster_preferred_endpoint_type: EndpointType,
    pub cluster_replica_no_failover: bool,
    pub cluster_replica_validity_factor: u32,
    pub cluster_require_full_coverage: bool,
    pub cluster_slot_stats_enabled: SlotStats,
    // Set by files only.
    /// The file read at the start, absolute; CONFIG REWRITE writes there.
    pub config_file: Option<PathBuf>,
    /// `rename-command from to`, in file order.
    pub renamed_commands: Vec<(Vec<u8>, Vec<u8>)>,
    /// The words after `user` of each such line.
    pub users: Vec<Vec<Vec<u8>>>,
    /// The words after `loadmodule` of each such line; the server refuses to start on any.
    pub loadmodule: Vec<Vec<Vec<u8>>>,
    /// The words after `sentinel` of each such line.
    pub sentinel: Vec<Vec<Vec<u8>>>,
    /// Lines with an unknown name, as a module might have: name and arguments, joined by spaces.
    /// The server refuses to start on any, after its banner.
    pub unresolved: Vec<Vec<u8>>,
    /// Values of directives that nothing reads yet.
    pub(super) kept: BTreeMap<&'static str, Value>,
    /// A file said `save`, so its later lines add to the first.
    pub(super) save_seen: bool,
}

impl Config {
    /// Whether writes are refused after a snapshot failed.
    pub fn save_failure_stops_writes(&self) -> bool {
        self.stop_writes_on_bgsave_error && !self.save.is_empty()
    }

    /// The series of Redis whose commands exist and whose version is reported.
    pub fn series(&self) -> Series {
        Series::of_version(self.redis_compat.word())
    }

    /// The versions of the RDB format to choose from. `rdb-save-version auto` leaves them to the series
    /// of Redis; that of 8.8, which no server here tells, is taken for that of 8.10.
    pub fn rdb_versions(&self) -> RdbVersions {
        if self.rdb_save_version != RdbVersions::AUTO {
            return self.rdb_save_version;
        }
        let (least, most) = match self.series() {
            Series(7, 0) => (10, 10),
            Series(7, 2) => (11, 11),
            series if series <= Series(8, 4) => (11, 12),
            Series(8, 6) => (11, 13),
            _ => return RdbVersions::AUTO,
        };
        RdbVersions { least, most }
    }

    /// The defaults, with `dir` at the current directory.
    pub fn new() -> Config {
        let mut config = Config::default();
        for row in table::all() {
            let value = match row.default {
                Init::Bool(yes) => Value::Bool(yes),
                Init::Int(n) => Value::Int(n),
                Init::Word(index) => Value::Word(index),
                Init::Text(text) => Value::Text(text.into()),
                Init::Own => {
                    if let Kind::Special(special) = row.kind {
                        (special.init)(&mut config);
                    }
                    continue;
                }
            };
            match row.place {
                Place::Field { store, .. } => store(&mut config, value),
                Place::Kept => {
                    config.kept.insert(row.name, value);
                }
            }
        }
        config
    }

    /// The limit of all clients' buffers together in bytes, 0 for none. A percentage is of
    /// `maxmemory`, and means nothing without it.
    pub fn maxmemory_clients_bytes(&self) -> u64 {
        match u64::try_from(self.maxmemory_clients) {
            Ok(bytes) => bytes,
            Err(_) => {
                let percent = u128::from(self.maxmemory_clients.unsigned_abs());
                (u128::from(self.maxmemory) * percent / 100) as u64
            }
        }
    }
}
