//! Authentication, limits of clients, events, and what is observed.

use super::super::directive::*;
use super::super::special;
use super::super::words::{AclPubsubDefault, Allowed};

pub static TABLE: &[Directive] = &[
    optional("requirepass", at!(requirepass))
        .sensitive()
        .apply(Apply::RequirePass),
    text("aclfile", "", at!(aclfile)).immutable(),
    int("acllog-max-len", 128, (0, LONG_MAX), at!(acllog_max_len)).apply(Apply::Acl),
    words::<AclPubsubDefault>("acl-pubsub-default", 1, at!(acl_pubsub_default)).apply(Apply::Acl),
    words::<Allowed>("enable-protected-configs", 0, at!(enable_protected_configs)).immutable(),
    words::<Allowed>("enable-debug-command", 0, at!(enable_debug_command)).immutable(),
    words::<Allowed>("enable-module-command", 0, at!(enable_module_command)).immutable(),
    special(
        "client-output-buffer-limit",
        &special::CLIENT_OUTPUT_BUFFER_LIMIT,
    )
    .multi()
    .apply(Apply::OutputLimits),
    memory(
        "client-query-buffer-limit",
        1 << 30,
        1 << 20,
        at!(client_query_buffer_limit),
    ),
    memory(
        "proto-max-bulk-len",
        512 << 20,
        1 << 20,
        at!(proto_max_bulk_len),
    )
    .apply(Apply::Encodings),
    int(
        "busy-reply-threshold",
        5000,
        (0, LONG_MAX),
        at!(busy_reply_threshold),
    )
    .alias("lua-time-limit"),
    boolean(
        "lua-enable-deprecated-api",
        false,
        at!(lua_enable_deprecated_api),
    )
    .hidden()
    .immutable(),
    int("hz", 10, (0, INT_MAX), at!(hz)).apply(Apply::Hz),
    boolean("dynamic-hz", true, at!(dynamic_hz)).apply(Apply::Hz),
    boolean(
        "hide-user-data-from-log",
        false,
        at!(hide_user_data_from_log),
    ),
    special("key-memory-histograms", &special::KEY_MEMORY_HISTOGRAMS),
    special("notify-keyspace-events", &special::NOTIFY_KEYSPACE_EVENTS).apply(Apply::NotifyEvents),
    int(
        "slowlog-log-slower-than",
        10000,
        (-1, LONG_MAX),
        at!(slowlog_log_slower_than),
    )
    .alias("commandlog-execution-slower-than")
    .apply(Apply::Observe),
    int(
        "slowlog-entry-max-argc",
        32,
        (2, INT_MAX),
        at!(slowlog_entry_max_argc),
    ),
    int(
        "slowlog-entry-max-string-len",
        128,
        (1, LONG_MAX),
        at!(slowlog_entry_max_string_len),
    ),
    int("slowlog-max-len", 128, (0, LONG_MAX), at!(slowlog_max_len))
        .alias("commandlog-slow-execution-max-len")
        .apply(Apply::Observe),
    int(
        "commandlog-request-larger-than",
        1 << 20,
        (-1, LONG_MAX),
        at!(commandlog_request_larger_than),
    )
    .apply(Apply::Observe),
    int(
        "commandlog-large-request-max-len",
        128,
        (0, LONG_MAX),
        at!(commandlog_large_request_max_len),
    ),
    int(
        "commandlog-reply-larger-than",
        1 << 20,
        (-1, LONG_MAX),
        at!(commandlog_reply_larger_than),
    )
    .apply(Apply::Observe),
    int(
        "commandlog-large-reply-max-len",
        128,
        (0, LONG_MAX),
        at!(commandlog_large_reply_max_len),
    ),
    int(
        "latency-monitor-threshold",
        0,
        (0, LONG_MAX),
        at!(latency_monitor_threshold),
    )
    .apply(Apply::Observe),
    boolean("latency-tracking", true, at!(latency_tracking)).apply(Apply::Observe),
    special(
        "latency-tracking-info-percentiles",
        &special::LATENCY_TRACKING_INFO_PERCENTILES,
    )
    .multi()
    .apply(Apply::Observe),
    int(
        "tracking-table-max-keys",
        1_000_000,
        (0, LONG_MAX),
        at!(tracking_table_max_keys),
    )
    .apply(Apply::Tracking),
];
