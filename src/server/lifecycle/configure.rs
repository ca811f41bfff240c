//! What happens when directives change at run time, and once for all of them at the start.

use crate::config::OomScoreAdj;
use crate::config::{Apply, Config, LogFormat, LogLevel, LogTimestampFormat, MaxmemoryPolicy};
use crate::logging::{self, Layout, Timestamp};
use crate::server::Server;
use crate::server::core::admit::Gates;
use crate::server::core::evict::Room;
use crate::server::replication::link;
use crate::server::replication::replicas;
use crate::sys::{crash, process, watchdog};
use log::LevelFilter;

/// File descriptors that are not for clients: listeners, files, the poll.
const RESERVED_FDS: usize = 32;

impl Server {
    /// Hands the configuration to everybody who keeps a part of it. At the start.
    pub fn apply_all(&mut self) {
        for apply in [
            Apply::Encodings,
            Apply::Eviction,
            Apply::Observe,
            Apply::Acl,
            Apply::RequirePass,
            Apply::NotifyEvents,
            Apply::GoodReplicas,
        ] {
            // None of these can fail.
            let _ = self.apply(apply);
        }
        self.gates.set(Gates::MAXMEMORY, self.config.maxmemory > 0);
        self.apply_reply_bounds();
        if self.config.watchdog_period > 0 {
            self.apply_watchdog();
        }
    }

    /// Does what a change asks for. The error is the reason a client is told.
    pub fn apply(&mut self, apply: Apply) -> Result<(), String> {
        match apply {
            Apply::Bind => self
                .listen_elsewhere()
                .map_err(|_| "Failed to bind to specified addresses.".to_owned())?,
            Apply::Port => self
                .listen_elsewhere()
                .map_err(|_| "Unable to listen on this port. Check server logs.".to_owned())?,
            Apply::MaxClients => self.raise_open_files()?,
            Apply::ClientTimeout => self.watch_idle_anew(),
            Apply::LogLevel => log::set_max_level(level_filter(self.config.loglevel)),
            Apply::LogFormat => apply_log_format(&self.config),
            Apply::ProcTitle => self.show_title(),
            Apply::OomScoreAdj => self.set_oom_score()?,
            Apply::RequirePass => self.apply_password(),
            Apply::Acl => self.apply_acl(),
            Apply::MaxMemory => {
                self.apply_memory_limit();
                self.apply_reply_bounds();
                self.recount_all();
            }
            Apply::MaxMemoryClients => self.recount_all(),
            Apply::SavePoints => self.refresh_disk_gate(),
            Apply::AppendOnly => self.apply_append_only()?,
            Apply::Eviction => self.apply_aging(),
            Apply::Encodings => self.apply_tuning(),
            Apply::OutputLimits => {
                self.apply_reply_bounds();
                for (_, client) in self.clients.iter_mut() {
                    client.output.buffer.judge_anew();
                }
            }
            Apply::NotifyEvents => self.refresh_interest(),
            Apply::Replication => link::refresh_role_gates(self),
            Apply::ReplBacklog => self
                .replication
                .resize_backlog(self.config.repl_backlog_size as usize),
            Apply::GoodReplicas => replicas::refresh_good(self),
            Apply::Observe => {
                let c = &self.config;
                self.observe.configure(
                    c.slowlog_log_slower_than,
                    c.latency_monitor_threshold,
                    c.latency_tracking,
                );
            }
            Apply::Watchdog => self.apply_watchdog(),
            Apply::CrashLog => crash::set_enabled(self.config.crash_log_enabled),
            // Read where needed: cron looks at `hz` whenever it arms itself anew, and so on.
            Apply::Hz | Apply::Tracking | Apply::AppendFsync | Apply::Nothing => {}
            // For parts that are not there yet.
            Apply::TlsPort | Apply::Tls | Apply::Cluster | Apply::Locale => {}
        }
        Ok(())
    }

    /// Winds the watchdog, or stops it. A period shorter than two runs of cron would always be over.
    fn apply_watchdog(&mut self) {
        let period_ms = &mut self.config.watchdog_period;
        if *period_ms > 0 {
            *period_ms = (*period_ms).max(2_000 / self.config.hz.clamp(1, 500));
        }
        if let Err(error) = watchdog::wind(*period_ms) {
            log::warn!("Can't set the timer of the watchdog: {error}");
        }
    }

    /// Raises the limit of open files for `maxclients`.
    fn raise_open_files(&mut self) -> Result<(), String> {
        let wanted = self.config.maxclients;
        let possible = allow_clients(wanted);
        if possible < wanted {
            return Err(format!(
                "The operating system is not able to handle the specified number of clients, try \
                 with {possible}"
            ));
        }
        Ok(())
    }

    fn apply_memory_limit(&mut self) {
        let limit = self.config.maxmemory;
        self.gates.set(Gates::MAXMEMORY, limit > 0);
        let used = self.counted_memory();
        if limit == 0 {
            self.eviction.note(Room::Enough);
            return;
        }
        self.eviction.goes_on = true;
        if (limit as usize) < used {
            log::warn!(
                "WARNING: the new maxmemory value set via CONFIG SET ({limit}) is smaller than the \
                 current memory usage ({used}). This will result in key eviction and/or the \
                 inability to accept new write commands depending on the maxmemory-policy."
            );
        }
    }

    fn apply_aging(&mut self) {
        self.keyspace.pool.clear();
        let aging = &mut self.keyspace.shared.aging;
        aging.lfu = matches!(
            self.config.maxmemory_policy,
            MaxmemoryPolicy::AllkeysLfu | MaxmemoryPolicy::VolatileLfu
        );
        aging.lfu_log_factor = self.config.lfu_log_factor;
        aging.lfu_decay_minutes = self.config.lfu_decay_time;
    }

    /// Tells the kernel how readily to kill us, as a primary or a replica. What was there before counts
    /// as the base, and comes back when we are told `no`.
    pub fn set_oom_score(&mut self) -> Result<(), String> {
        let role = self.replication.is_replica() as usize;
        let before = self.life.process.oom_base;
        if self.config.oom_score_adj == OomScoreAdj::No && before.is_none() {
            return Ok(());
        }
        let base = match before {
            Some(base) => base,
            None => process::oom_score_adj().map_err(|error| complain("read", error))?,
        };
        let wanted = self.oom_score_of(role, base);
        process::set_oom_score_adj(wanted.unwrap_or(base))
            .map_err(|error| complain("write", error))?;
        self.life.process.oom_base = wanted.map(|_| base);
        Ok(())
    }

    /// The score of a primary (0) or a replica (1), if we set any.
    fn oom_score_of(&self, role: usize, base: i32) -> Option<i32> {
        let value = self.config.oom_score_adj_values[role];
        let score = match self.config.oom_score_adj {
            OomScoreAdj::No => return None,
            OomScoreAdj::Relative => base + value,
            OomScoreAdj::Absolute => value,
        };
        Some(score.clamp(-1000, 1000))
    }
}

impl Server {
    /// Tells the kernel how readily to kill a child, which can be done without.
    pub(in crate::server) fn set_oom_score_of_child(&self, pid: i32) {
        let wanted = self.config.oom_score_adj_values[2];
        let value = match (self.config.oom_score_adj, self.life.process.oom_base) {
            (OomScoreAdj::Relative, Some(base)) => base + wanted,
            (OomScoreAdj::Absolute, _) => wanted,
            _ => return,
        };
        if let Err(error) = process::set_oom_score_adj_of(pid, value.clamp(-1000, 1000)) {
            complain("write", error);
        }
    }
}

/// Logs why the kernel's score is out of reach; the answer is what a client is told.
fn complain(what: &str, error: std::io::Error) -> String {
    let reason = crate::config::os_reason(&error);
    log::warn!("Unable to {what} oom_score_adj: {reason}");
    "Failed to set current oom_score_adj. Check server logs.".into()
}

/// Raises the limit of open files for so many clients, and says in the log where it cannot; how
/// many clients are possible.
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

/// The levels of redis.conf as those of the logger.
pub fn level_filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Debug => LevelFilter::Trace,
        LogLevel::Verbose => LevelFilter::Debug,
        LogLevel::Notice => LevelFilter::Info,
        LogLevel::Warning => LevelFilter::Warn,
        LogLevel::Nothing => LevelFilter::Off,
    }
}

/// `log-format` and `log-timestamp-format`.
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
