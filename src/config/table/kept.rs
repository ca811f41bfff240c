//! Accepted directives without effect, kept and shown: those of machinery this server does not
//! have (threads, jemalloc, defragmentation), those of newer Redis, and those only Valkey knows.

use super::super::checks;
use super::super::directive::*;

const KEPT: Place = Place::Kept;

/// A word of a list without an enum of its own, because it has no effect.
const fn choice(name: &'static str, names: &'static [&'static str], default: usize) -> Directive {
    let mut row = text(name, "", KEPT);
    row.kind = Kind::Words(names, names.len());
    row.default = Init::Word(default);
    row
}

/// A signed memory size, which -1 turns off.
const fn signed_memory(name: &'static str, default: i64) -> Directive {
    memory(name, default, -1, KEPT)
}

pub static TABLE: &[Directive] = &[
    // Redis 8.2.
    boolean("activedefrag", false, KEPT),
    memory("active-defrag-ignore-bytes", 100 << 20, 1, KEPT),
    int("active-defrag-threshold-lower", 10, (0, 1000), KEPT),
    int("active-defrag-threshold-upper", 100, (0, 1000), KEPT),
    int("active-defrag-cycle-min", 1, (1, 99), KEPT),
    int("active-defrag-cycle-max", 25, (1, 99), KEPT),
    int("active-defrag-max-scan-fields", 1000, (1, LONG_MAX), KEPT),
    boolean("jemalloc-bg-thread", true, KEPT),
    int("io-threads", 1, (1, 128), KEPT).immutable(),
    int("cluster-compatibility-sample-ratio", 0, (0, 100), KEPT),
    boolean("vset-force-single-threaded-execution", false, KEPT),
    int("cluster-ping-interval", 0, (0, LONG_MAX), KEPT).hidden(),
    int(
        "loading-process-events-interval-bytes",
        512 << 10,
        (1 << 10, INT_MAX),
        KEPT,
    )
    .hidden(),
    // Redis 8.4 to 8.10, of features that are not there yet. All of them can be set at run time.
    boolean("cluster-bus-port-protected-mode", false, KEPT),
    memory(
        "cluster-slot-migration-handoff-max-lag-bytes",
        1 << 20,
        0,
        KEPT,
    ),
    int(
        "cluster-slot-migration-write-pause-timeout",
        10_000,
        (0, LONG_MAX),
        KEPT,
    ),
    int("hash-rdb-load-max-template-entries", 0, (0, LONG_MAX), KEPT),
    int("hash-rdb-load-min-template-entries", 0, (0, LONG_MAX), KEPT),
    int(
        "hash-rdb-load-template-disassembly-threshold",
        0,
        (0, LONG_MAX),
        KEPT,
    ),
    int("lookahead", 16, (1, INT_MAX), KEPT),
    text("preload-file", "", KEPT),
    // Valkey 9.1. Unlike there, all of them can be set at run time: nothing reads them.
    boolean("io-threads-always-active", false, KEPT).hidden(),
    text("debug-context", "", KEPT).hidden(),
    boolean("enable-debug-assert", false, KEPT).hidden(),
    int("active-defrag-cycle-us", 500, (0, 100_000), KEPT),
    text("availability-zone", "", KEPT),
    optional("cluster-announce-client-ipv4", KEPT).check(checks::ipv4),
    optional("cluster-announce-client-ipv6", KEPT).check(checks::ipv6),
    int("cluster-announce-client-port", 0, (0, 65535), KEPT),
    int("cluster-announce-client-tls-port", 0, (0, 65535), KEPT),
    int("cluster-blacklist-ttl", 60, (i64::MIN, LONG_MAX), KEPT),
    choice("cluster-config-save-behavior", &["sync", "best-effort"], 0),
    int("cluster-databases", 1, (1, INT_MAX), KEPT),
    int("cluster-manual-failover-timeout", 5000, (1, INT_MAX), KEPT),
    int(
        "cluster-slot-migration-log-max-len",
        1000,
        (0, LONG_MAX),
        KEPT,
    ),
    boolean("dual-channel-replication-enabled", false, KEPT),
    boolean("extended-redis-compatibility", false, KEPT),
    optional("hash-seed", KEPT),
    boolean("import-mode", false, KEPT),
    boolean("mptcp", false, KEPT),
    boolean("repl-mptcp", false, KEPT),
    int("prefetch-batch-max-size", 16, (0, 128), KEPT),
    choice("rdb-version-check", &["strict", "relaxed"], 0),
    text("rdma-bind", "", KEPT).multi(),
    int("rdma-port", 0, (0, 65535), KEPT),
    int("rdma-completion-vector", -1, (-1, 1024), KEPT),
    int("rdma-rx-size", 1 << 20, (64 << 10, 16 << 20), KEPT),
    signed_memory("slot-migration-max-failover-repl-bytes", 0),
    optional("unixsocketgroup", KEPT),
];
