//! Replication, seen from both ends.

use super::super::directive::*;
use super::super::special;
use super::super::words::{PropagationError, ReplDisklessLoad};

/// Redis's smallest backlog, for CONFIG SET alone.
const REPL_BACKLOG_MIN: u64 = 16 << 10;

pub static TABLE: &[Directive] = &[
    special("replicaof", &special::REPLICAOF)
        .alias("slaveof")
        .multi()
        .immutable(),
    optional("masterauth", at!(masterauth))
        .alias("primaryauth")
        .sensitive(),
    optional("masteruser", at!(masteruser))
        .alias("primaryuser")
        .sensitive(),
    boolean(
        "replica-serve-stale-data",
        true,
        at!(replica_serve_stale_data),
    )
    .alias("slave-serve-stale-data")
    .apply(Apply::Replication),
    boolean("replica-read-only", true, at!(replica_read_only))
        .alias("slave-read-only")
        .apply(Apply::Replication),
    boolean("repl-diskless-sync", true, at!(repl_diskless_sync)),
    int(
        "repl-diskless-sync-delay",
        5,
        (0, INT_MAX),
        at!(repl_diskless_sync_delay),
    ),
    int(
        "repl-diskless-sync-max-replicas",
        0,
        (0, INT_MAX),
        at!(repl_diskless_sync_max_replicas),
    ),
    words::<ReplDisklessLoad>("repl-diskless-load", 0, at!(repl_diskless_load)).settled(),
    boolean("repl-rdb-channel", true, at!(repl_rdb_channel)).hidden(),
    memory(
        "replica-full-sync-buffer-limit",
        0,
        0,
        at!(replica_full_sync_buffer_limit),
    ),
    int(
        "repl-ping-replica-period",
        10,
        (1, INT_MAX),
        at!(repl_ping_replica_period),
    )
    .alias("repl-ping-slave-period")
    .apply(Apply::Replication),
    int("repl-timeout", 60, (1, INT_MAX), at!(repl_timeout)).apply(Apply::Replication),
    boolean(
        "repl-disable-tcp-nodelay",
        false,
        at!(repl_disable_tcp_nodelay),
    ),
    memory("repl-backlog-size", 1 << 20, 1, at!(repl_backlog_size))
        .correct(|config| {
            config.repl_backlog_size = config.repl_backlog_size.max(REPL_BACKLOG_MIN);
        })
        .apply(Apply::ReplBacklog),
    int(
        "repl-backlog-ttl",
        3600,
        (0, LONG_MAX),
        at!(repl_backlog_ttl),
    )
    .apply(Apply::Replication),
    int("replica-priority", 100, (0, INT_MAX), at!(replica_priority)).alias("slave-priority"),
    boolean("replica-announced", true, at!(replica_announced)),
    optional("replica-announce-ip", at!(replica_announce_ip)).alias("slave-announce-ip"),
    int(
        "replica-announce-port",
        0,
        (0, 65535),
        at!(replica_announce_port),
    )
    .alias("slave-announce-port"),
    int(
        "min-replicas-to-write",
        0,
        (0, INT_MAX),
        at!(min_replicas_to_write),
    )
    .alias("min-slaves-to-write")
    .apply(Apply::GoodReplicas),
    int(
        "min-replicas-max-lag",
        10,
        (0, INT_MAX),
        at!(min_replicas_max_lag),
    )
    .alias("min-slaves-max-lag")
    .apply(Apply::GoodReplicas),
    words::<PropagationError>(
        "propagation-error-behavior",
        0,
        at!(propagation_error_behavior),
    ),
    boolean(
        "replica-ignore-disk-write-errors",
        false,
        at!(replica_ignore_disk_write_errors),
    ),
];
