//! Snapshots and rewrites: when a child begins its work, and what follows when it ends; the log of
//! writes at the end of a turn.
//!
//! There is one child at a time. Cron looks after it, asks the save points, and starts what was
//! put off (`scheduled`) when the way is free.

use crate::command::effects::Interest;
use crate::config::{AppendFsync, MaxmemoryPolicy};
use crate::keyspace::{Keyspace, Sanitize};
use crate::logging;
use crate::persist::aof::flush::{self, Policy};
use crate::persist::aof::{Aof, State, commands};
use crate::persist::child::{ChildJob, Purpose};
use crate::persist::reason;
use crate::persist::save::{self, Aging, SaveFailed, SaveJob, Snapshot};
use crate::rdb::write::Style;
use crate::replication::primary::Primary;
use crate::server::Server;
use crate::server::core::admit::Gates;
use crate::server::replication::sync;
use crate::sys::clock;
use crate::sys::fork::{self, Exit, Report, Teller};
use std::path::{Path, PathBuf};

/// A child could not be started; the log says why.
#[derive(Debug, PartialEq, Eq)]
pub struct NotStarted;

/// What a child does for BGREWRITEAOF.
struct RewriteJob {
    snapshot: Snapshot,
    with_rdb: bool,
    stamp_s: Option<i64>,
}

impl Server {
    fn style(&self) -> Style {
        Style {
            version: self.config.rdb_save_version,
            compress: self.config.rdbcompression,
            checksum: self.config.rdbchecksum,
        }
    }

    /// What a snapshot is made of, for a file of its own or as the base of the log.
    pub(in crate::server) fn snapshot(&self, is_base: bool) -> Snapshot {
        let text = |n: usize| n.to_string();
        let number = |on: bool| (on as u8).to_string();
        let mut notes = vec![
            ("redis-ver", crate::version::REDIS_VERSION.to_owned()),
            ("redis-bits", "64".to_owned()),
            ("ctime", (clock::unix_us() / 1_000_000).to_string()),
            ("used-mem", text(self.used_memory())),
        ];
        let is_known = self.replication.primary().is_none_or(Primary::is_known);
        if !is_base && is_known && self.replication.backlog().is_some() {
            let history = self.replication.history();
            notes.push(("repl-stream-db", self.replication.database().to_string()));
            notes.push(("repl-id", history.id.clone()));
            notes.push(("repl-offset", history.offset.to_string()));
        }
        notes.push(("aof-base", number(is_base)));
        Snapshot {
            style: self.style(),
            aging: match self.config.maxmemory_policy {
                MaxmemoryPolicy::AllkeysLfu | MaxmemoryPolicy::VolatileLfu => Aging::Frequency,
                MaxmemoryPolicy::AllkeysLru | MaxmemoryPolicy::VolatileLru => Aging::Idle,
                _ => Aging::Nothing,
            },
            notes,
            functions: self.script.libraries.codes().map(<[u8]>::to_vec).collect(),
            sync_in_steps: match is_base {
                true => self.config.aof_rewrite_incremental_fsync,
                false => self.config.rdb_save_incremental_fsync,
            },
            key_delay_us: self.config.rdb_key_save_delay as i64,
        }
    }

    fn save_job(&self) -> SaveJob {
        let name = String::from_utf8_lossy(&self.config.dbfilename).into_owned();
        SaveJob {
            snapshot: self.snapshot(false),
            path: PathBuf::from(name),
            log_done: true,
        }
    }

    /// Writes a snapshot here and now.
    pub fn save_now(&mut self) -> Result<(), SaveFailed> {
        let job = self.save_job();
        save::save(&self.keyspace, &job, &mut |_| {})?;
        let now_s = self.clock.now_s();
        self.persist.saves.done(self.effects.dirty, now_s);
        self.refresh_disk_gate();
        Ok(())
    }

    pub(in crate::server) fn start_child<J>(
        &mut self,
        purpose: Purpose,
        job: &J,
        run: fn(&Keyspace, &J, &mut Teller) -> i32,
    ) -> std::io::Result<i32> {
        let unused = self.doors.listeners.fds();
        let begun_us = clock::mono_us();
        let process = fork::run_in_child(&self.keyspace, job, &unused, run)?;
        self.life.fork_us = clock::mono_us() - begun_us;
        self.life.forks += 1;
        let took_us = self.life.fork_us;
        self.note_latency("fork", took_us);
        let pid = process.pid;
        self.set_oom_score_of_child(pid);
        self.persist.child = Some(ChildJob {
            purpose,
            process,
            started_s: self.clock.now_s(),
            started_ms: self.clock.mono_ms(),
            dirty: self.effects.dirty,
            keys: self.keyspace.len() as u64,
            report: Report::default(),
            peak_copied_bytes: 0,
            reported_ms: 0,
        });
        Ok(pid)
    }

    /// Has a child write a snapshot.
    pub fn start_bgsave(&mut self) -> Result<(), NotStarted> {
        if self.persist.child.is_some() {
            return Err(NotStarted);
        }
        self.persist.saves.saves += 1;
        self.persist.saves.last_try_s = self.clock.now_s();
        let job = self.save_job();
        match self.start_child(Purpose::Snapshot, &job, run_snapshot) {
            Ok(pid) => {
                log::info!("Background saving started by pid {pid}");
                Ok(())
            }
            Err(error) => {
                self.persist.saves.last_failed = true;
                log::warn!("Can't save in background: fork: {}", reason(&error));
                self.refresh_disk_gate();
                Err(NotStarted)
            }
        }
    }

    /// Has a child write a new base of the log.
    pub fn start_rewrite(&mut self) -> Result<(), NotStarted> {
        if self.persist.child.is_some() {
            return Err(NotStarted);
        }
        self.flush_aof(true);
        if self.is_lost() {
            return Err(NotStarted);
        }
        self.persist.aof.offset = self.replication.offset();
        if self.persist.aof.begin_increment().is_err() {
            self.persist.aof.rewrites.last_failed = true;
            return Err(NotStarted);
        }
        self.persist.aof.rewrites.count += 1;
        let stamp = self.config.aof_timestamp_enabled;
        let job = RewriteJob {
            snapshot: self.snapshot(true),
            with_rdb: self.config.aof_use_rdb_preamble,
            stamp_s: stamp.then_some(self.clock.now_s()),
        };
        match self.start_child(Purpose::Rewrite, &job, run_rewrite) {
            Ok(pid) => {
                log::info!("Background append only file rewriting started by pid {pid}");
                self.persist.aof.rewrites.scheduled = false;
                Ok(())
            }
            Err(error) => {
                self.persist.aof.rewrites.last_failed = true;
                self.persist.aof.rewrites.failures_in_a_row += 1;
                let reason = reason(&error);
                log::warn!("Can't rewrite append only file in background: fork: {reason}");
                Err(NotStarted)
            }
        }
    }

    /// Writes the first base of a log at the start.
    pub fn write_base(&self, path: &Path) -> bool {
        let job = RewriteJob {
            snapshot: self.snapshot(true),
            with_rdb: self.config.aof_use_rdb_preamble,
            stamp_s: self
                .config
                .aof_timestamp_enabled
                .then_some(self.clock.now_s()),
        };
        write_base(&self.keyspace, &job, path, &mut |_| {})
    }

    /// What cron does for files: looks after the child, and starts one where it is time to.
    pub fn tend_persistence(&mut self) {
        self.check_child();
        self.flush_aof(false);
        if self.persist.loading.is_some() || self.persist.child.is_some() {
            return;
        }
        if self.persist.aof.rewrites.scheduled
            && !self.persist.aof.rewrites.is_held_back(self.clock.mono_ms())
        {
            let _ = self.start_rewrite();
            return;
        }
        let now_s = self.clock.now_s();
        let points = self.config.save.iter();
        let points: Vec<(i64, i64)> = points
            .map(|point| (point.seconds as i64, point.changes as i64))
            .collect();
        let saves = &self.persist.saves;
        if let Some((seconds, changes)) = saves.due(&points, self.effects.dirty, now_s) {
            log::info!("{changes} changes in {seconds} seconds. Saving...");
            let _ = self.start_bgsave();
        } else if saves.scheduled && saves.may_retry(now_s) {
            if self.start_bgsave().is_ok() {
                self.persist.saves.scheduled = false;
            }
        } else {
            self.rewrite_if_grown();
        }
    }

    /// The log has grown so much that a new base pays.
    fn rewrite_if_grown(&mut self) {
        let (percentage, least) = (
            self.config.auto_aof_rewrite_percentage as u64,
            self.config.auto_aof_rewrite_min_size,
        );
        let aof = &mut self.persist.aof;
        if aof.state != State::On || percentage == 0 || aof.size <= least {
            return;
        }
        let growth = aof.growth();
        if growth >= percentage && !aof.rewrites.is_held_back(self.clock.mono_ms()) {
            log::info!("Starting automatic rewriting of AOF on {growth}% growth");
            let _ = self.start_rewrite();
        }
    }

    pub(in crate::server) fn check_child(&mut self) {
        let now_ms = self.clock.mono_ms();
        let Some(job) = &mut self.persist.child else {
            return;
        };
        job.hear(now_ms);
        let Some(exit) = job.process.reap() else {
            return;
        };
        job.hear(now_ms);
        let Some(job) = self.persist.child.take() else {
            return;
        };
        match job.purpose {
            Purpose::Snapshot => self.finish_snapshot(&job, exit),
            Purpose::Rewrite => self.finish_rewrite(&job, exit),
            Purpose::Transfer => {
                self.persist.saves.last_took_s = self.clock.now_s() - job.started_s;
                sync::transfer_done(self, exit);
            }
        }
        self.refresh_disk_gate();
    }

    fn finish_snapshot(&mut self, job: &ChildJob, exit: Exit) {
        let now_s = self.clock.now_s();
        let saves = &mut self.persist.saves;
        saves.last_copied_bytes = job.copied_bytes().unwrap_or(saves.last_copied_bytes);
        saves.last_took_s = now_s - job.started_s;
        match exit {
            Exit::Status(0) => {
                log::info!("Background saving terminated with success");
                saves.done(job.dirty, now_s);
            }
            Exit::Status(_) => {
                log::warn!("Background saving error");
                saves.last_failed = true;
            }
            Exit::Signal(signal) => {
                log::warn!("Background saving terminated by signal {signal}");
                let _ = std::fs::remove_file(save::temporary_name(job.process.pid as u32));
                // Somebody wanted it to end: no sign of trouble with the disk.
                saves.last_failed |= signal != libc::SIGUSR1;
            }
        }
        sync::snapshot_done(self, exit == Exit::Status(0));
    }

    fn finish_rewrite(&mut self, job: &ChildJob, exit: Exit) {
        let pid = job.process.pid;
        let aof = &mut self.persist.aof;
        let copied = &mut aof.rewrites.last_copied_bytes;
        *copied = job.copied_bytes().unwrap_or(*copied);
        aof.rewrites.last_took_s = self.clock.now_s() - job.started_s;
        let mut done = false;
        match exit {
            Exit::Status(0) => {
                log::info!("Background AOF rewrite terminated with success");
                done = aof.install_base(pid, self.config.aof_use_rdb_preamble);
                if done {
                    log::info!("Background AOF rewrite finished successfully");
                }
                aof.rewrites.last_failed = !done;
            }
            Exit::Status(_) => {
                log::warn!("Background AOF rewrite terminated with error");
                aof.rewrites.last_failed = true;
            }
            Exit::Signal(signal) => {
                log::warn!("Background AOF rewrite terminated by signal {signal}");
                aof.rewrites.last_failed |= signal != libc::SIGUSR1;
            }
        }
        match done {
            true => aof.rewrites.failures_in_a_row = 0,
            false => {
                aof.rewrites.failures_in_a_row += 1;
                aof.discard_rewrite(pid);
            }
        }
        // Without a base the log that was asked for cannot begin.
        if aof.state == State::WaitRewrite {
            aof.rewrites.scheduled = true;
        }
    }

    /// Ends a child that is no longer wanted, if it works on this.
    pub fn kill_child(&mut self, purpose: Purpose) {
        let Some(job) = self.persist.child.take_if(|job| job.purpose == purpose) else {
            return;
        };
        let pid = job.process.pid;
        if purpose == Purpose::Rewrite {
            log::info!("Killing running AOF rewrite child: {pid}");
        }
        job.process.finish_off();
        match purpose {
            Purpose::Snapshot => {
                let _ = std::fs::remove_file(save::temporary_name(pid as u32));
            }
            Purpose::Rewrite => self.persist.aof.discard_rewrite(pid),
            Purpose::Transfer => {}
        }
    }

    /// FLUSHALL: a snapshot of what was there is of no use any more, and the one on disk is not to
    /// come back.
    pub fn reset_snapshot(&mut self) {
        if let Some(job) = &self.persist.child
            && job.purpose.is_snapshot()
        {
            job.process.kill();
        }
        if !self.config.save.is_empty() && self.persist.loading.is_none() {
            // The log says so if it fails.
            let _ = self.save_now();
        }
    }

    /// Whether writes are refused because the disk does not take them: the answer.
    pub fn disk_error(&self) -> Option<String> {
        let config = &self.config;
        if config.stop_writes_on_bgsave_error
            && !config.save.is_empty()
            && self.persist.saves.last_failed
        {
            return Some(
                "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to \
                 persist to disk. Commands that may modify the data set are disabled, because \
                 this instance is configured to report errors during writes if RDB snapshotting \
                 fails (stop-writes-on-bgsave-error option). Please check the Redis logs for \
                 details about the RDB error."
                    .into(),
            );
        }
        let why = self
            .persist
            .aof
            .is_on()
            .then(|| self.persist.aof.failure())??;
        Some(format!("MISCONF Errors writing to the AOF file: {why}"))
    }

    pub fn refresh_disk_gate(&mut self) {
        let refuses = self.disk_error().is_some();
        self.gates.set(Gates::DISK_ERROR, refuses);
    }

    /// What the configuration says about values that come in from bytes.
    pub fn apply_sanitizing(&mut self) {
        use crate::config::SanitizeDump;
        self.tuning.rdb_version = self.config.rdb_save_version;
        self.tuning.rdb_compression = self.config.rdbcompression;
        self.tuning.sanitize = match self.config.sanitize_dump_payload {
            SanitizeDump::No => Sanitize::No,
            SanitizeDump::Yes => Sanitize::Yes,
            SanitizeDump::Clients => Sanitize::Clients,
        };
    }

    /// Whether anybody is told of changes: the log, or replicas. Those of a replica get what its own
    /// primary sends, and nothing else.
    pub fn refresh_log_interest(&mut self) {
        let streams = self.replication.backlog().is_some() && !self.replication.is_replica();
        let on = (self.persist.aof.is_on() || streams) && self.persist.loading.is_none();
        self.effects.interest.set(Interest::PROPAGATE, on);
        self.refresh_interest();
    }

    /// Writes the log, before any answer of this turn leaves.
    #[inline(always)]
    pub fn flush_before_answers(&mut self) {
        if self.persist.aof.needs_flush() {
            self.flush_aof(false);
        }
    }

    /// Whether the server ends because it cannot keep its promises: then nothing is acknowledged.
    pub fn is_lost(&self) -> bool {
        self.life.exit.is_some_and(|code| code != 0)
    }

    /// Writes the log and has it synced as configured.
    pub fn flush_aof(&mut self, force: bool) {
        if !self.persist.aof.is_on() {
            return;
        }
        let rules = flush::Rules {
            policy: match self.config.appendfsync {
                AppendFsync::Always => Policy::Always,
                AppendFsync::EverySec => Policy::EverySecond,
                AppendFsync::No => Policy::No,
            },
            spare_disk: self.config.no_appendfsync_on_rewrite && self.persist.child.is_some(),
            force,
            now_ms: self.clock.mono_ms(),
            offset: self.replication.offset(),
        };
        if self.life.flush_sleep_us > 0 && self.persist.aof.needs_flush() {
            clock::sleep_us(self.life.flush_sleep_us);
        }
        let begun_us = clock::mono_us();
        let flushed = self.persist.aof.flush(rules);
        let took_us = clock::mono_us() - begun_us;
        self.note_latency("aof-write", took_us);
        if flushed.is_err() {
            self.life.exit = Some(1);
        }
        if self.gates.0 & Gates::DISK_ERROR != 0 || self.persist.aof.failure().is_some() {
            self.refresh_disk_gate();
        }
    }

    /// `appendonly` was changed.
    pub fn apply_append_only(&mut self) -> Result<(), String> {
        self.persist
            .aof
            .keep_history(self.config.aof_disable_auto_gc);
        let wanted = self.config.appendonly;
        if self.persist.loading.is_some() || wanted == self.persist.aof.is_on() {
            return Ok(());
        }
        if !wanted {
            self.flush_aof(true);
            self.persist.aof.offset = self.replication.offset();
            self.persist.aof.switch_off();
            self.kill_child(Purpose::Rewrite);
            self.refresh_log_interest();
            self.refresh_disk_gate();
            return Ok(());
        }
        let config = &self.config;
        self.persist
            .aof
            .locate(&config.appenddirname, &config.appendfilename);
        self.persist.aof.switch_on();
        if self
            .persist
            .child
            .as_ref()
            .is_some_and(|job| job.purpose == Purpose::Rewrite)
        {
            log::info!(
                "AOF was enabled but there is already an AOF rewriting in background. Stopping \
                 background AOF and starting a rewrite now."
            );
            self.kill_child(Purpose::Rewrite);
        }
        if self.persist.child.is_some() {
            self.persist.aof.rewrites.scheduled = true;
            log::info!(
                "AOF was enabled but there is already another background operation. An AOF \
                 background was scheduled to start when possible."
            );
        } else if self.unit.depth > 1 {
            self.persist.aof.rewrites.scheduled = true;
            log::info!(
                "AOF was enabled during a transaction. An AOF background was scheduled to start \
                 when possible."
            );
        } else if self.start_rewrite().is_err() {
            self.persist.aof.switch_off();
            log::warn!(
                "Redis needs to enable the AOF but can't trigger a background AOF rewrite \
                 operation. Check the above logs for more info about the error."
            );
            return Err("Unable to turn on AOF. Check server logs.".into());
        }
        self.refresh_log_interest();
        Ok(())
    }
}

fn run_snapshot(keyspace: &Keyspace, job: &SaveJob, teller: &mut Teller) -> i32 {
    logging::set_role(b'C');
    save::save_in_child(keyspace, job, teller)
}

fn run_rewrite(keyspace: &Keyspace, job: &RewriteJob, teller: &mut Teller) -> i32 {
    logging::set_role(b'C');
    let path = Aof::temporary_base(std::process::id() as i32);
    let mut told_us = clock::mono_us();
    let done = write_base(keyspace, job, &path, &mut |keys| {
        let now_us = clock::mono_us();
        if now_us - told_us >= 1_000_000 {
            told_us = now_us;
            let copied_bytes = fork::private_dirty_bytes();
            teller.tell(Report { copied_bytes, keys });
        }
    });
    let copied_bytes = fork::private_dirty_bytes();
    teller.tell(Report {
        copied_bytes,
        keys: 0,
    });
    if done {
        log::info!(
            "Successfully created the temporary AOF base file {}",
            path.display()
        );
        let mb = copied_bytes / (1 << 20);
        log::info!("Fork CoW for AOF rewrite: current {mb} MB, peak {mb} MB, average {mb} MB");
    }
    !done as i32
}

/// Writes the data as a base of the log, beside `path` first; says in the log what went wrong.
fn write_base(
    keyspace: &Keyspace,
    job: &RewriteJob,
    path: &Path,
    progress: &mut dyn FnMut(u64),
) -> bool {
    let temporary = PathBuf::from(format!("temp-rewriteaof-{}.aof", std::process::id()));
    let failed = |what: &str, error: std::io::Error| {
        log::warn!("{what}: {}", reason(&error));
        let _ = std::fs::remove_file(&temporary);
        false
    };
    let mut file = match std::fs::File::create(&temporary) {
        Ok(file) => file,
        Err(error) => {
            let what = "Opening the temp file for AOF rewrite in rewriteAppendOnlyFile()";
            return failed(what, error);
        }
    };
    let functions = &job.snapshot.functions;
    let written = match job.with_rdb {
        true => save::write(keyspace, &mut file, &job.snapshot, progress),
        false => commands::write(keyspace, &mut file, functions, job.stamp_s, progress),
    };
    let written = written.and_then(|()| crate::sys::file::fsync(&file));
    if let Err(error) = written {
        return failed("Write error writing append only file on disk", error);
    }
    if let Err(error) = std::fs::rename(&temporary, path) {
        let what = "Error moving temp append only file on the final destination";
        return failed(what, error);
    }
    true
}
