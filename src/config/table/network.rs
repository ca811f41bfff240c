//! The process and its sockets.

use super::super::checks;
use super::super::directive::*;
use super::super::special;
use super::super::words::{
    LogFormat, LogLevel, LogTimestampFormat, OomScoreAdj, RedisCompat, Supervised, SyslogFacility,
};

pub static TABLE: &[Directive] = &[
    special("bind", &special::BIND).multi().apply(Apply::Bind),
    optional("bind-source-addr", at!(bind_source_addr)),
    boolean("protected-mode", true, at!(protected_mode)),
    int("port", 6379, (0, 65535), at!(port)).apply(Apply::Port),
    int("tcp-backlog", 511, (0, INT_MAX), at!(tcp_backlog)).immutable(),
    int("socket-mark-id", 0, (0, UINT_MAX), at!(socket_mark_id)).immutable(),
    optional("unixsocket", at!(unixsocket)).immutable(),
    octal("unixsocketperm", 0, 0o777, at!(unixsocketperm)).immutable(),
    int("timeout", 0, (0, INT_MAX), at!(timeout)).apply(Apply::ClientTimeout),
    int("tcp-keepalive", 300, (0, INT_MAX), at!(tcp_keepalive)),
    int("maxclients", 10000, (1, UINT_MAX), at!(maxclients)).apply(Apply::MaxClients),
    int(
        "max-new-connections-per-cycle",
        10,
        (1, 1000),
        at!(max_new_connections_per_cycle),
    ),
    boolean("daemonize", false, at!(daemonize)).immutable(),
    words::<Supervised>("supervised", 3, at!(supervised)).immutable(),
    optional("pidfile", at!(pidfile)).immutable(),
    words::<LogLevel>("loglevel", 2, at!(loglevel)).apply(Apply::LogLevel),
    text("logfile", "", at!(logfile)).immutable(),
    words::<LogFormat>("log-format", 0, at!(log_format)).apply(Apply::LogFormat),
    words::<LogTimestampFormat>("log-timestamp-format", 0, at!(log_timestamp_format))
        .apply(Apply::LogFormat),
    boolean("syslog-enabled", false, at!(syslog_enabled)).immutable(),
    text("syslog-ident", "redis", at!(syslog_ident)).immutable(),
    words::<SyslogFacility>("syslog-facility", 1, at!(syslog_facility)).immutable(),
    boolean("crash-log-enabled", true, at!(crash_log_enabled)).apply(Apply::CrashLog),
    boolean("crash-memcheck-enabled", true, at!(crash_memcheck_enabled)),
    words::<RedisCompat>("redis-compat", 8, at!(redis_compat))
        .immutable()
        .hidden(),
    boolean("use-exit-on-panic", false, at!(use_exit_on_panic)).hidden(),
    int("watchdog-period", 0, (0, INT_MAX), at!(watchdog_period))
        .hidden()
        .apply(Apply::Watchdog),
    int("databases", 16, (1, INT_MAX), at!(databases)).immutable(),
    boolean("always-show-logo", false, at!(always_show_logo)).immutable(),
    boolean("set-proc-title", true, at!(set_proc_title)).immutable(),
    text(
        "proc-title-template",
        "{title} {listen-addr} {server-mode}",
        at!(proc_title_template),
    )
    .check(checks::proc_title_template)
    .apply(Apply::ProcTitle),
    special("shutdown-on-sigint", &special::SHUTDOWN_ON_SIGINT).multi(),
    special("shutdown-on-sigterm", &special::SHUTDOWN_ON_SIGTERM).multi(),
    int("shutdown-timeout", 10, (0, INT_MAX), at!(shutdown_timeout)),
    words::<OomScoreAdj>("oom-score-adj", 0, at!(oom_score_adj)).apply(Apply::OomScoreAdj),
    special("oom-score-adj-values", &special::OOM_SCORE_ADJ_VALUES)
        .multi()
        .apply(Apply::OomScoreAdj),
    boolean("disable-thp", true, at!(disable_thp)).immutable(),
    text("locale-collate", "", at!(locale_collate)).apply(Apply::Locale),
    text("ignore-warnings", "", at!(ignore_warnings)),
    optional("server-cpulist", at!(server_cpulist))
        .alias("server_cpulist")
        .immutable(),
    optional("bio-cpulist", at!(bio_cpulist))
        .alias("bio_cpulist")
        .immutable(),
    optional("aof-rewrite-cpulist", at!(aof_rewrite_cpulist))
        .alias("aof_rewrite_cpulist")
        .immutable(),
    optional("bgsave-cpulist", at!(bgsave_cpulist))
        .alias("bgsave_cpulist")
        .immutable(),
];
