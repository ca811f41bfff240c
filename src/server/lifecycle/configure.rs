//! The effects of configuration changes, at run time and once for all directives at the start.

use crate::config::{
    AclPubsubDefault, Apply, Config, LogFormat, LogLevel, LogTimestampFormat, MaxmemoryPolicy,
};
use crate::keyspace::aging::Measure;
use crate::logging::{self, Layout, Timestamp};
use crate::net::Kind;
use crate::server::Server;
use crate::server::clients::limits;
use crate::server::core::evict::Room;
use crate::server::gates::Gates;
use crate::server::lifecycle::boot;
use crate::server::lifecycle::cron;
use crate::server::lifecycle::listen;
use crate::server::lifecycle::secure;
use crate::server::replication::link;
use crate::server::replication::replicas;
use crate::server::storage::jobs;
use crate::sys::{crash, process, watchdog};
use log::LevelFilter;

/// File descriptors that are reserved for other uses than clients: listeners, files, the poll.
const RESERVED_FDS: usize = 32;

/// Applies the whole configuration to all parts that keep a copy of a value. Called at the start.
pub fn apply_all(server: &mut Server) {
    for change in [
        Apply::Encodings,
        Apply::Eviction,
        Apply::Observe,
        Apply::Acl,
        Apply::RequirePass,
        Apply::NotifyEvents,
        Apply::GoodReplicas,
    ] {
        // None of these can fail.
        let _ = apply(server, change);
    }
    server
        .gates
        .set(Gates::MAXMEMORY, server.config.maxmemory > 0);
    limits::apply_reply_bounds(server);
    if server.config.watchdog_period > 0 {
        apply_watchdog(server);
    }
}

/// Applies a change of the configuration. The error is the reason that the client gets.
pub fn apply(server: &mut Server, apply: Apply) -> Result<(), String> {
    match apply {
        Apply::Bind => listen::listen_elsewhere(server, Kind::Tcp)
            .and_then(|()| listen::listen_elsewhere(server, Kind::Tls))
            .map_err(|_| "Failed to bind to specified addresses.".to_owned())?,
        Apply::Port => listen::listen_elsewhere(server, Kind::Tcp)
            .map_err(|_| "Unable to listen on this port. Check server logs.".to_owned())?,
        Apply::TlsPort => {
            if server.doors.contexts().is_none() {
                rebuild_contexts(server, true)?;
            }
            listen::listen_elsewhere(server, Kind::Tls)
                .map_err(|_| "Unable to listen on this port. Check server logs.".to_owned())?;
        }
        Apply::Tls => rebuild_contexts(server, false)?,
        Apply::MaxClients => raise_open_files(server)?,
        Apply::ClientTimeout => cron::watch_idle_anew(server),
        Apply::LogLevel => log::set_max_level(level_filter(server.config.loglevel)),
        Apply::LogFormat => apply_log_format(&server.config),
        Apply::ProcTitle => boot::show_title(server),
        Apply::OomScoreAdj => server
            .process
            .set_oom_score(&server.config, server.replication.is_replica())?,
        Apply::RequirePass => server.apply_password(),
        Apply::Acl => {
            let all = server.config.acl_pubsub_default == AclPubsubDefault::AllChannels;
            server.acl.configure(all, server.config.acllog_max_len);
        }
        Apply::MaxMemory => {
            apply_memory_limit(server);
            limits::apply_reply_bounds(server);
            limits::recount_all(server);
        }
        Apply::MaxMemoryClients => limits::recount_all(server),
        Apply::SavePoints => jobs::refresh_disk_gate(server),
        Apply::AppendOnly => jobs::apply_append_only(server)?,
        Apply::Eviction => apply_aging(server),
        Apply::Encodings => server.apply_tuning(),
        Apply::OutputLimits => {
            limits::apply_reply_bounds(server);
            for (_, client) in server.clients.iter_mut() {
                client.output.buffer.judge_anew();
            }
        }
        Apply::NotifyEvents => server.refresh_interest(),
        Apply::Replication => link::refresh_role_gates(server),
        Apply::ReplBacklog => server
            .replication
            .resize_backlog(server.config.repl_backlog_size as usize),
        Apply::GoodReplicas => replicas::refresh_good(server),
        Apply::Observe => {
            let c = &server.config;
            server.observe.configure(
                c.slowlog_log_slower_than,
                c.latency_monitor_threshold,
                c.latency_tracking,
            );
            server.observe.configure_sizes(
                c.commandlog_request_larger_than,
                c.commandlog_reply_larger_than,
            );
        }
        Apply::Watchdog => apply_watchdog(server),
        Apply::CrashLog => crash::set_enabled(server.config.crash_log_enabled),
        // These are read where they are used: cron reads `hz` whenever it is armed, and so on.
        Apply::Hz | Apply::Tracking | Apply::AppendFsync | Apply::Nothing => {}
        // The parts that these belong to are not implemented yet.
        Apply::Cluster | Apply::Locale => {}
    }
    Ok(())
}

fn rebuild_contexts(server: &mut Server, is_for_port: bool) -> Result<(), String> {
    secure::rebuild(server).map_err(|_| secure::set_failure(is_for_port).to_owned())
}

/// Starts or stops the watchdog. Its period is at least two runs of cron, since a shorter one would
/// always expire.
fn apply_watchdog(server: &mut Server) {
    let period_ms = &mut server.config.watchdog_period;
    if *period_ms > 0 {
        *period_ms = (*period_ms).max(2_000 / server.config.hz.clamp(1, 500));
    }
    if let Err(error) = watchdog::wind(*period_ms) {
        log::warn!("Can't set the timer of the watchdog: {error}");
    }
}

/// Raises the limit of open files for `maxclients`.
fn raise_open_files(server: &mut Server) -> Result<(), String> {
    let wanted = server.config.maxclients;
    let possible = allow_clients(wanted);
    if possible < wanted {
        return Err(format!(
            "The operating system is not able to handle the specified number of clients, try \
             with {possible}"
        ));
    }
    Ok(())
}

fn apply_memory_limit(server: &mut Server) {
    let limit = server.config.maxmemory;
    server.gates.set(Gates::MAXMEMORY, limit > 0);
    let used = server.counted_memory();
    if limit == 0 {
        server.eviction.note(Room::Enough);
        return;
    }
    server.eviction.go_on();
    if (limit as usize) < used {
        log::warn!(
            "WARNING: the new maxmemory value set via CONFIG SET ({limit}) is smaller than the \
             current memory usage ({used}). This will result in key eviction and/or the \
             inability to accept new write commands depending on the maxmemory-policy."
        );
    }
}

fn apply_aging(server: &mut Server) {
    server.keyspace.forget_candidates();
    let aging = &mut server.keyspace.shared.aging;
    aging.measure = match server.config.maxmemory_policy {
        MaxmemoryPolicy::AllkeysLfu | MaxmemoryPolicy::VolatileLfu => Measure::Frequency,
        MaxmemoryPolicy::AllkeysLrm | MaxmemoryPolicy::VolatileLrm => Measure::Change,
        _ => Measure::Use,
    };
    aging.lfu_log_factor = server.config.lfu_log_factor;
    aging.lfu_decay_minutes = server.config.lfu_decay_time;
    server.refresh_interest();
}

/// Raises the limit of open files for this number of clients, and logs a failure. Returns the
/// number of clients that are possible.
pub fn allow_clients(wanted: usize) -> usize {
    let needed = wanted + RESERVED_FDS;
    let before = process::adjust_open_files(0).unwrap_or(0) as usize;
    if before >= needed {
        return wanted;
    }
    let (now, refusal) = match process::adjust_open_files(needed as u64) {
        Ok(now) => (now as usize, std::io::Error::last_os_error()),
        Err(error) => (before, error),
    };
    if now >= needed {
        log::info!(
            "Increased maximum number of open files to {needed} (it was originally set to {before})."
        );
        return wanted;
    }
    let possible = now.saturating_sub(RESERVED_FDS);
    if possible == 0 {
        log::warn!(
            "Your current 'ulimit -n' of {before} is not enough for the server to start. Please \
             increase your open file limit to at least {needed}. Exiting."
        );
        return 0;
    }
    let reason = crate::config::os_reason(&refusal);
    log::warn!(
        "You requested maxclients of {wanted} requiring at least {needed} max file descriptors."
    );
    log::warn!("Server can't set maximum open files to {needed} because of OS error: {reason}.");
    log::warn!(
        "Current maximum open files is {now}. maxclients has been reduced to {possible} to \
         compensate for low ulimit. If you need higher maxclients increase 'ulimit -n'."
    );
    possible
}

/// Converts the levels of redis.conf to those of the logger.
pub fn level_filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Debug => LevelFilter::Trace,
        LogLevel::Verbose => LevelFilter::Debug,
        LogLevel::Notice => LevelFilter::Info,
        LogLevel::Warning => LevelFilter::Warn,
        LogLevel::Nothing => LevelFilter::Off,
    }
}

/// Applies `log-format` and `log-timestamp-format`.
pub fn apply_log_format(config: &Config) {
    let layout = match config.log_format {
        LogFormat::Legacy => Layout::Legacy,
        LogFormat::Logfmt => Layout::Logfmt,
        LogFormat::Json => Layout::Json,
    };
    let timestamp = match config.log_timestamp_format {
        LogTimestampFormat::Legacy => Timestamp::Legacy,
        LogTimestampFormat::Iso8601 => Timestamp::Iso8601,
        LogTimestampFormat::Milliseconds => Timestamp::Milliseconds,
    };
    logging::set_layout(layout, timestamp);
}
