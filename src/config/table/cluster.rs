//! The cluster: kept and shown; acted on once cluster mode exists.

use super::super::checks;
use super::super::directive::*;
use super::super::special;
use super::super::words::EndpointType;

/// A port or other number that nodes announce to each other.
const fn announced(name: &'static str, place: Place) -> Directive {
    int(name, 0, (0, 65535), place).apply(Apply::Cluster)
}

pub static TABLE: &[Directive] = &[
    boolean("cluster-enabled", false, at!(cluster_enabled))
        .immutable()
        .unsupported(|config| config.cluster_enabled),
    text(
        "cluster-config-file",
        "nodes.conf",
        at!(cluster_config_file),
    )
    .immutable(),
    int(
        "cluster-node-timeout",
        15000,
        (0, LONG_MAX),
        at!(cluster_node_timeout),
    ),
    int("cluster-port", 0, (0, 65535), at!(cluster_port)).immutable(),
    int(
        "cluster-replica-validity-factor",
        10,
        (0, INT_MAX),
        at!(cluster_replica_validity_factor),
    )
    .alias("cluster-slave-validity-factor"),
    int(
        "cluster-migration-barrier",
        1,
        (0, INT_MAX),
        at!(cluster_migration_barrier),
    ),
    boolean(
        "cluster-allow-replica-migration",
        true,
        at!(cluster_allow_replica_migration),
    ),
    boolean(
        "cluster-require-full-coverage",
        true,
        at!(cluster_require_full_coverage),
    ),
    boolean(
        "cluster-replica-no-failover",
        false,
        at!(cluster_replica_no_failover),
    )
    .alias("cluster-slave-no-failover")
    .apply(Apply::Cluster),
    boolean(
        "cluster-allow-reads-when-down",
        false,
        at!(cluster_allow_reads_when_down),
    ),
    boolean(
        "cluster-allow-pubsubshard-when-down",
        true,
        at!(cluster_allow_pubsubshard_when_down),
    ),
    memory(
        "cluster-link-sendbuf-limit",
        0,
        0,
        at!(cluster_link_sendbuf_limit),
    )
    .unsigned(),
    optional("cluster-announce-hostname", at!(cluster_announce_hostname))
        .check(checks::hostname)
        .apply(Apply::Cluster),
    optional(
        "cluster-announce-human-nodename",
        at!(cluster_announce_human_nodename),
    )
    .check(checks::human_nodename)
    .apply(Apply::Cluster),
    words::<EndpointType>(
        "cluster-preferred-endpoint-type",
        0,
        at!(cluster_preferred_endpoint_type),
    ),
    optional("cluster-announce-ip", at!(cluster_announce_ip))
        .check(checks::announced_address)
        .apply(Apply::Cluster),
    announced("cluster-announce-port", at!(cluster_announce_port)),
    announced("cluster-announce-tls-port", at!(cluster_announce_tls_port)),
    announced("cluster-announce-bus-port", at!(cluster_announce_bus_port)),
    special("cluster-slot-stats-enabled", &special::SLOT_STATS).multi(),
];
