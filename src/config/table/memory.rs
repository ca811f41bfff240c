//! The memory limit, eviction, expiry and lazy freeing.

use super::super::directive::*;
use super::super::words::MaxmemoryPolicy;

pub static TABLE: &[Directive] = &[
    memory("maxmemory", 0, 0, at!(maxmemory))
        .unsigned()
        .apply(Apply::MaxMemory),
    words::<MaxmemoryPolicy>("maxmemory-policy", 9, at!(maxmemory_policy)).apply(Apply::Eviction),
    int("maxmemory-samples", 5, (1, 64), at!(maxmemory_samples)),
    int(
        "maxmemory-eviction-tenacity",
        10,
        (0, 100),
        at!(maxmemory_eviction_tenacity),
    ),
    percent("maxmemory-clients", 0, at!(maxmemory_clients)).apply(Apply::MaxMemoryClients),
    boolean(
        "replica-ignore-maxmemory",
        true,
        at!(replica_ignore_maxmemory),
    )
    .alias("slave-ignore-maxmemory"),
    int("lfu-log-factor", 10, (0, INT_MAX), at!(lfu_log_factor)).apply(Apply::Eviction),
    int("lfu-decay-time", 1, (0, INT_MAX), at!(lfu_decay_time)).apply(Apply::Eviction),
    int(
        "active-expire-effort",
        1,
        (1, 10),
        at!(active_expire_effort),
    ),
    boolean("activerehashing", true, at!(activerehashing)),
    boolean("lazyfree-lazy-eviction", false, at!(lazyfree_lazy_eviction)).apply(Apply::Encodings),
    boolean("lazyfree-lazy-expire", false, at!(lazyfree_lazy_expire)).apply(Apply::Encodings),
    boolean(
        "lazyexpire-nested-arbitrary-keys",
        true,
        at!(lazyexpire_nested_arbitrary_keys),
    )
    .hidden()
    .apply(Apply::Encodings),
    boolean(
        "lazyfree-lazy-server-del",
        false,
        at!(lazyfree_lazy_server_del),
    )
    .apply(Apply::Encodings),
    boolean("replica-lazy-flush", false, at!(replica_lazy_flush)).alias("slave-lazy-flush"),
    boolean("lazyfree-lazy-user-del", false, at!(lazyfree_lazy_user_del)).apply(Apply::Encodings),
    boolean(
        "lazyfree-lazy-user-flush",
        false,
        at!(lazyfree_lazy_user_flush),
    )
    .apply(Apply::Encodings),
];
