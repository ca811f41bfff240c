//! Jobs for snapshots and AOF rewrites: when a child starts, and the steps after it ends; flushing
//! the AOF at the end of an iteration.
//!
//! There is at most one child. Cron reaps it, checks the save points, and starts postponed jobs
//! (`scheduled`) when no child is running.

use crate::command::effects::Interest;
use crate::config::{AppendFsync, MaxmemoryPolicy};
use crate::keyspace::{Keyspace, RdbVersions, Sanitize};
use crate::logging;
use crate::persist::aof::flush::{self, Policy};
use crate::persist::aof::{Aof, State, commands};
use crate::persist::child::{ChildJob, Purpose};
use crate::persist::reason;
use crate::persist::save::{self, Aging, SaveFailed, SaveJob, Snapshot};
use crate::replication::primary::Primary;
use crate::replication::replica::Form;
use crate::server::Server;
use crate::server::gates::Gates;
use crate::server::storage::backup;
use crate::sys::clock;
use crate::sys::fork::{self, Exit, ProgressPipe, Report};
use std::path::{Path, PathBuf};

/// A child could not be started; the reason is in the log.
#[derive(Debug, PartialEq, Eq)]
pub struct NotStarted;

/// The work of the child of BGREWRITEAOF.
struct RewriteJob {
    snapshot: Snapshot,
    with_rdb: bool,
    stamp_s: Option<i64>,
}

/// Collects the inputs of a snapshot, for a file of its own or as the base of the AOF.
pub(in crate::server) fn snapshot(server: &Server, is_base: bool) -> Snapshot {
    let text = |n: usize| n.to_string();
    let number = |on: bool| (on as u8).to_string();
    let mut notes = vec![
        ("redis-ver", server.config.series().version().to_owned()),
        ("redis-bits", "64".to_owned()),
        ("ctime", (clock::unix_us() / 1_000_000).to_string()),
        ("used-mem", text(server.keyspace.used_memory())),
    ];
    let is_known = server.replication.primary().is_none_or(Primary::is_known);
    if !is_base && is_known && server.replication.backlog().is_some() {
        let history = server.replication.history();
        notes.push(("repl-stream-db", server.replication.database().to_string()));
        notes.push(("repl-id", history.id.clone()));
        notes.push(("repl-offset", history.offset.to_string()));
    }
    notes.push(("aof-base", number(is_base)));
    Snapshot {
        versions: server.config.rdb_versions(),
        for_valkey: false,
        compress: server.config.rdbcompression,
        checksum: server.config.rdbchecksum,
        aging: match server.config.maxmemory_policy {
            MaxmemoryPolicy::AllkeysLfu | MaxmemoryPolicy::VolatileLfu => Aging::Frequency,
            MaxmemoryPolicy::AllkeysLru | MaxmemoryPolicy::VolatileLru => Aging::Idle,
            _ => Aging::Nothing,
        },
        notes,
        functions: server
            .script
            .libraries
            .codes()
            .map(<[u8]>::to_vec)
            .collect(),
        sync_in_steps: match is_base {
            true => server.config.aof_rewrite_incremental_fsync,
            false => server.config.rdb_save_incremental_fsync,
        },
        key_delay_us: server.config.rdb_key_save_delay as i64,
    }
}

fn save_job(server: &Server) -> SaveJob {
    let name = String::from_utf8_lossy(&server.config.dbfilename).into_owned();
    SaveJob {
        snapshot: snapshot(server, false),
        path: PathBuf::from(name),
        log_done: true,
        for_replicas: false,
    }
}

/// Writes a snapshot on the main thread.
pub fn save_now(server: &mut Server) -> Result<(), SaveFailed> {
    let job = save_job(server);
    save::save(&server.keyspace, &job, &mut |_| {})?;
    let now_s = server.clock.now_s();
    server.persist.saves.done(server.effects.dirty(), now_s);
    refresh_disk_gate(server);
    Ok(())
}

/// Forks a child that runs a job, and returns its process id.
pub(in crate::server) fn start_child<J>(
    server: &mut Server,
    purpose: Purpose,
    job: &J,
    run: fn(&Keyspace, &J, &mut ProgressPipe) -> i32,
) -> std::io::Result<i32> {
    let mut unused = server.doors.listeners.fds();
    unused.extend(server.replication.relays().fds());
    let begun_us = clock::mono_us();
    let process = fork::run_in_child(&server.keyspace, job, &unused, run)?;
    server.stats.fork_us = clock::mono_us() - begun_us;
    server.stats.forks += 1;
    let took_us = server.stats.fork_us;
    server.observe.note("fork", server.clock.now_s(), took_us);
    let pid = process.pid;
    server.process.set_oom_score_of_child(&server.config, pid);
    server.persist.child = Some(ChildJob {
        purpose,
        process,
        started_s: server.clock.now_s(),
        dirty: server.effects.dirty(),
        keys: server.keyspace.len() as u64,
        report: Report::default(),
        peak_copied_bytes: 0,
        reported_ms: 0,
    });
    Ok(pid)
}

/// Fits a snapshot to the replicas that ask for one in this form, unless `rdb-save-version` decides
/// with a number. Returns whether the versions are those of the replicas.
pub(in crate::server) fn fit(snapshot: &mut Snapshot, server: &Server, form: Form) -> bool {
    if server.config.rdb_save_version != RdbVersions::AUTO {
        return false;
    }
    (snapshot.versions, snapshot.for_valkey) = (form.versions, form.for_valkey);
    form.versions != RdbVersions::AUTO
}

/// Starts a child that writes a snapshot, for replicas in the form that they ask for.
pub fn start_bgsave(server: &mut Server, form: Option<Form>) -> Result<(), NotStarted> {
    if server.persist.child.is_some() {
        return Err(NotStarted);
    }
    server.persist.saves.begin(server.clock.now_s());
    let mut job = save_job(server);
    if let Some(form) = form {
        job.for_replicas = fit(&mut job.snapshot, server, form);
    }
    match start_child(server, Purpose::Snapshot, &job, run_snapshot) {
        Ok(pid) => {
            log::info!("Background saving started by pid {pid}");
            Ok(())
        }
        Err(error) => {
            server.persist.saves.failed();
            log::warn!("Can't save in background: fork: {}", reason(&error));
            refresh_disk_gate(server);
            Err(NotStarted)
        }
    }
}

/// Starts a child that writes a new base of the AOF.
pub fn start_rewrite(server: &mut Server) -> Result<(), NotStarted> {
    if server.persist.child.is_some() {
        return Err(NotStarted);
    }
    flush_aof(server, true);
    if is_lost(server) {
        return Err(NotStarted);
    }
    server.persist.aof.set_offset(server.replication.offset());
    if server.persist.aof.begin_increment().is_err() {
        server.persist.aof.rewrites.not_begun();
        return Err(NotStarted);
    }
    server.persist.aof.rewrites.begin();
    let stamp = server.config.aof_timestamp_enabled;
    let job = RewriteJob {
        snapshot: snapshot(server, true),
        with_rdb: server.config.aof_use_rdb_preamble,
        stamp_s: stamp.then_some(server.clock.now_s()),
    };
    match start_child(server, Purpose::Rewrite, &job, run_rewrite) {
        Ok(pid) => {
            log::info!("Background append only file rewriting started by pid {pid}");
            server.persist.aof.rewrites.unschedule();
            Ok(())
        }
        Err(error) => {
            server.persist.aof.rewrites.failed();
            let reason = reason(&error);
            log::warn!("Can't rewrite append only file in background: fork: {reason}");
            Err(NotStarted)
        }
    }
}

/// Writes the first base of an AOF at the start. Returns false if it could not be written.
pub fn write_first_base(server: &Server, path: &Path) -> bool {
    let job = RewriteJob {
        snapshot: snapshot(server, true),
        with_rdb: server.config.aof_use_rdb_preamble,
        stamp_s: server
            .config
            .aof_timestamp_enabled
            .then_some(server.clock.now_s()),
    };
    write_base(&server.keyspace, &job, path, &mut |_| {})
}

/// Runs the persistence part of cron: reaps the child, and starts one when it is due.
pub fn tend_persistence(server: &mut Server) {
    flush_aof(server, false);
    backup::tend(server);
    if server.persist.loading.is_some() || server.persist.child.is_some() {
        return;
    }
    let holds = server.persist.backup.holds_rewrites();
    let rewrites = &mut server.persist.aof.rewrites;
    if rewrites.is_scheduled() && !holds && !rewrites.is_held_back(server.clock.mono_ms()) {
        let _ = start_rewrite(server);
        return;
    }
    let now_s = server.clock.now_s();
    let points = server.config.save.iter();
    let points: Vec<(i64, i64)> = points
        .map(|point| (point.seconds as i64, point.changes as i64))
        .collect();
    let saves = &server.persist.saves;
    if let Some((seconds, changes)) = saves.due(&points, server.effects.dirty(), now_s) {
        log::info!("{changes} changes in {seconds} seconds. Saving...");
        let _ = start_bgsave(server, None);
    } else if saves.is_scheduled(now_s) {
        if start_bgsave(server, None).is_ok() {
            server.persist.saves.unschedule();
        }
    } else {
        rewrite_if_grown(server);
    }
}

/// Starts a rewrite if the AOF has grown by `auto-aof-rewrite-percentage`.
fn rewrite_if_grown(server: &mut Server) {
    let (percentage, least) = (
        server.config.auto_aof_rewrite_percentage as u64,
        server.config.auto_aof_rewrite_min_size,
    );
    if server.persist.backup.holds_rewrites() {
        return;
    }
    let aof = &mut server.persist.aof;
    if aof.state() != State::On || percentage == 0 || aof.size() <= least {
        return;
    }
    let growth = aof.growth();
    if growth >= percentage && !aof.rewrites.is_held_back(server.clock.mono_ms()) {
        log::info!("Starting automatic rewriting of AOF on {growth}% growth");
        let _ = start_rewrite(server);
    }
}

/// Reads the progress of the child. If it has ended, finishes its job and returns its purpose and
/// its exit status.
pub(in crate::server) fn reap_child(server: &mut Server) -> Option<(Purpose, Exit)> {
    let now_ms = server.clock.mono_ms();
    let job = server.persist.child.as_mut()?;
    job.note_progress(now_ms);
    let exit = job.process.reap()?;
    job.note_progress(now_ms);
    let job = server.persist.child.take()?;
    match job.purpose {
        Purpose::Snapshot => finish_snapshot(server, &job, exit),
        Purpose::Rewrite => finish_rewrite(server, &job, exit),
        Purpose::Transfer => {
            let took_s = server.clock.now_s() - job.started_s;
            server.persist.saves.took(took_s);
        }
    }
    refresh_disk_gate(server);
    Some((job.purpose, exit))
}

fn finish_snapshot(server: &mut Server, job: &ChildJob, exit: Exit) {
    let now_s = server.clock.now_s();
    let saves = &mut server.persist.saves;
    saves.copied(job.copied_bytes());
    saves.took(now_s - job.started_s);
    match exit {
        Exit::Status(0) => {
            log::info!("Background saving terminated with success");
            saves.done(job.dirty, now_s);
        }
        Exit::Status(save::UNREADABLE) => {
            log::warn!("The replica that asked for the snapshot cannot read it");
        }
        Exit::Status(_) => {
            log::warn!("Background saving error");
            saves.failed();
        }
        Exit::Signal(signal) => {
            log::warn!("Background saving terminated by signal {signal}");
            let _ = std::fs::remove_file(save::temporary_name(job.process.pid as u32));
            // Killed on purpose: no sign of trouble with the disk.
            if signal != libc::SIGUSR1 {
                saves.failed();
            }
        }
    }
}

fn finish_rewrite(server: &mut Server, job: &ChildJob, exit: Exit) {
    let pid = job.process.pid;
    let aof = &mut server.persist.aof;
    let took_s = server.clock.now_s() - job.started_s;
    aof.rewrites.took(took_s, job.copied_bytes());
    let mut done = false;
    let mut on_purpose = false;
    match exit {
        Exit::Status(0) => {
            log::info!("Background AOF rewrite terminated with success");
            done = aof.install_base(pid, server.config.aof_use_rdb_preamble);
            if done {
                log::info!("Background AOF rewrite finished successfully");
            }
        }
        Exit::Status(_) => {
            log::warn!("Background AOF rewrite terminated with error");
        }
        Exit::Signal(signal) => {
            log::warn!("Background AOF rewrite terminated by signal {signal}");
            on_purpose = signal == libc::SIGUSR1;
        }
    }
    match done {
        true => aof.rewrites.done(),
        false => {
            match on_purpose {
                true => aof.rewrites.killed(),
                false => aof.rewrites.failed(),
            }
            aof.discard_rewrite(pid);
        }
    }
    // Without a base the requested AOF cannot begin.
    if aof.state() == State::WaitRewrite {
        aof.rewrites.schedule();
    }
    backup::note_rewrite(server, done, exit);
}

/// Kills the running child if it has this purpose.
pub fn kill_child(server: &mut Server, purpose: Purpose) {
    let Some(job) = server.persist.child.take_if(|job| job.purpose == purpose) else {
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
        Purpose::Rewrite => server.persist.aof.discard_rewrite(pid),
        Purpose::Transfer => {}
    }
}

/// Replaces the snapshot on disk after FLUSHALL and kills the child that saves the old data, so
/// that the old data does not come back.
pub fn reset_snapshot(server: &mut Server) {
    if let Some(job) = &server.persist.child
        && job.purpose.is_snapshot()
    {
        job.process.kill();
    }
    if !server.config.save.is_empty() && server.persist.loading.is_none() {
        // A failure is logged.
        let _ = save_now(server);
    }
}

/// Updates the gate that denies writes after a persistence error.
pub fn refresh_disk_gate(server: &mut Server) {
    let refuses = server
        .persist
        .disk_error(server.config.save_failure_stops_writes())
        .is_some();
    server.gates.set(Gates::DISK_ERROR, refuses);
}

/// Copies the directives on the RDB format and on payload validation to `Tuning`.
pub fn apply_sanitizing(server: &mut Server) {
    use crate::config::SanitizeDump;
    server.tuning.rdb_versions = server.config.rdb_versions();
    server.tuning.rdb_compression = server.config.rdbcompression;
    server.tuning.sanitize = match server.config.sanitize_dump_payload {
        SanitizeDump::No => Sanitize::No,
        SanitizeDump::Yes => Sanitize::Yes,
        SanitizeDump::Clients => Sanitize::Clients,
    };
}

/// Updates whether commands are propagated, to the AOF or to replicas. The replicas of a replica
/// get the stream of its own primary, and nothing else.
pub fn refresh_log_interest(server: &mut Server) {
    let streams = server.replication.backlog().is_some() && !server.replication.is_replica();
    let on = (server.persist.aof.is_on() || streams) && server.persist.loading.is_none();
    server.effects.set_interest(Interest::PROPAGATE, on);
    server.refresh_interest();
}

/// Writes the AOF, before any reply of this iteration is sent.
#[inline(always)]
pub fn flush_before_answers(server: &mut Server) {
    if server.persist.aof.needs_flush() {
        flush_aof(server, false);
    }
}

/// Returns true if the server ends because it cannot keep its durability guarantee: then no write
/// is acknowledged.
pub fn is_lost(server: &Server) -> bool {
    server.shutdown.exit_code().is_some_and(|code| code != 0)
}

/// Writes the AOF and syncs it as configured.
pub fn flush_aof(server: &mut Server, force: bool) {
    if !server.persist.aof.is_on() {
        return;
    }
    let rules = flush::Rules {
        policy: match server.config.appendfsync {
            AppendFsync::Always => Policy::Always,
            AppendFsync::EverySec => Policy::EverySecond,
            AppendFsync::No => Policy::No,
        },
        spare_disk: server.config.no_appendfsync_on_rewrite && server.persist.child.is_some(),
        force,
        now_ms: server.clock.mono_ms(),
        offset: server.replication.offset(),
    };
    server.persist.aof.sleep_before_flush();
    let begun_us = clock::mono_us();
    let flushed = server.persist.aof.flush(rules);
    let took_us = clock::mono_us() - begun_us;
    server
        .observe
        .note("aof-write", server.clock.now_s(), took_us);
    if flushed.is_err() {
        server.shutdown.end(1);
    }
    if server.gates.has(Gates::DISK_ERROR) || server.persist.aof.failure().is_some() {
        refresh_disk_gate(server);
    }
}

/// Applies a change of `appendonly`.
pub fn apply_append_only(server: &mut Server) -> Result<(), String> {
    server
        .persist
        .aof
        .keep_history(server.config.aof_disable_auto_gc);
    let wanted = server.config.appendonly;
    // The log of a backup stays, as one that is wanted.
    if server.persist.backup.owns_log {
        server.persist.backup.owns_log = !wanted;
        return Ok(());
    }
    if server.persist.loading.is_some() || wanted == server.persist.aof.is_on() {
        return Ok(());
    }
    if !wanted {
        flush_aof(server, true);
        server.persist.aof.set_offset(server.replication.offset());
        server.persist.aof.switch_off();
        kill_child(server, Purpose::Rewrite);
        backup::note_log_stopped(server);
        refresh_log_interest(server);
        refresh_disk_gate(server);
        return Ok(());
    }
    let config = &server.config;
    server
        .persist
        .aof
        .locate(&config.appenddirname, &config.appendfilename);
    server.persist.aof.switch_on();
    if server
        .persist
        .child
        .as_ref()
        .is_some_and(|job| job.purpose == Purpose::Rewrite)
    {
        log::info!(
            "AOF was enabled but there is already an AOF rewriting in background. Stopping \
             background AOF and starting a rewrite now."
        );
        kill_child(server, Purpose::Rewrite);
    }
    if server.persist.child.is_some() {
        server.persist.aof.rewrites.schedule();
        log::info!(
            "AOF was enabled but there is already another background operation. An AOF \
             background was scheduled to start when possible."
        );
    } else if server.unit.is_nested() {
        server.persist.aof.rewrites.schedule();
        log::info!(
            "AOF was enabled during a transaction. An AOF background was scheduled to start \
             when possible."
        );
    } else if start_rewrite(server).is_err() {
        server.persist.aof.switch_off();
        log::warn!(
            "Redis needs to enable the AOF but can't trigger a background AOF rewrite \
             operation. Check the above logs for more info about the error."
        );
        return Err("Unable to turn on AOF. Check server logs.".into());
    }
    refresh_log_interest(server);
    Ok(())
}

fn run_snapshot(keyspace: &Keyspace, job: &SaveJob, pipe: &mut ProgressPipe) -> i32 {
    logging::set_role(b'C');
    save::save_in_child(keyspace, job, pipe)
}

fn run_rewrite(keyspace: &Keyspace, job: &RewriteJob, pipe: &mut ProgressPipe) -> i32 {
    logging::set_role(b'C');
    let path = Aof::temporary_base(std::process::id() as i32);
    let mut told_us = clock::mono_us();
    let done = write_base(keyspace, job, &path, &mut |keys| {
        let now_us = clock::mono_us();
        if now_us - told_us >= 1_000_000 {
            told_us = now_us;
            let copied_bytes = fork::private_dirty_bytes();
            pipe.send(Report { copied_bytes, keys });
        }
    });
    let copied_bytes = fork::private_dirty_bytes();
    pipe.send(Report {
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

/// Writes the data as a base of the AOF, to a temporary file beside `path` first; logs a failure.
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
        false => commands::write(
            keyspace,
            &mut file,
            functions,
            job.stamp_s,
            job.snapshot.versions,
            progress,
        ),
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

#[cfg(test)]
mod tests;
