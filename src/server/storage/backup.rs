//! Backups as far as the log and its rewrites are concerned (`persist::backup` has their files).
//!
//! A backup begins with a rewrite of the log, whose base it takes. A log that is off is on for as long as the
//! backup is made.

use crate::persist::backup::Stage;
use crate::persist::child::Purpose;
use crate::persist::reason;
use crate::server::Server;
use crate::server::storage::jobs;
use crate::sys::fork::Exit;
use std::path::PathBuf;

fn directory(server: &Server) -> PathBuf {
    let name = String::from_utf8_lossy(&server.config.backupdirname);
    PathBuf::from(name.as_ref())
}

/// BACKUP START. Within a transaction, or beside a child that writes a snapshot, the rewrite begins later.
pub fn start(server: &mut Server) -> Result<(), String> {
    let refused = match server.persist.backup.stage() {
        Stage::Sealed => "A sealed backup exists, CLEANUP it first",
        stage if stage.is_in_progress() => "A backup is already in progress, ABORT it first",
        _ => "",
    };
    if !refused.is_empty() {
        return Err(refused.into());
    }
    let directory = directory(server);
    server.persist.backup.prepare(&directory)?;
    if server.unit.is_nested() {
        return Ok(());
    }
    begin(server)
}

/// Begins the rewrite of a pending backup if it can begin now.
fn begin(server: &mut Server) -> Result<(), String> {
    const REFUSED: &str = "Can't execute an AOF background rewriting. Please check the server logs \
                           for more information.";
    let is_on = server.persist.aof.is_on();
    let purpose = server.persist.child.as_ref().map(|job| job.purpose);
    match purpose {
        Some(Purpose::Rewrite) if is_on => {
            // The base that is being written will do.
            server.persist.backup.begin(server.clock.now_s());
            return Ok(());
        }
        Some(Purpose::Rewrite) => jobs::kill_child(server, Purpose::Rewrite),
        Some(_) => return Ok(()),
        None => {}
    }
    if !is_on {
        let config = &server.config;
        let (directory, name) = (&config.appenddirname, &config.appendfilename);
        server.persist.aof.locate(directory, name);
        server.persist.aof.switch_on();
        server.persist.backup.owns_log = true;
    }
    server.persist.backup.begin(server.clock.now_s());
    let started = jobs::start_rewrite(server);
    jobs::refresh_log_interest(server);
    started.map_err(|_| {
        fail(server, "snapshot rewrite failed: it could not be started");
        REFUSED.to_owned()
    })
}

/// BACKUP SEAL.
pub fn seal(server: &mut Server) -> Result<(), String> {
    if server.persist.backup.stage() != Stage::Incrementing {
        return Err("No backup ready to seal (must be in the incrementing state)".into());
    }
    jobs::flush_aof(server, true);
    let persist = &mut server.persist;
    persist.aof.set_offset(server.replication.offset());
    let sealed = if let Some(why) = persist.aof.failure() {
        Err(why.to_string())
    } else {
        persist.aof.note_end();
        let ended = match persist.backup.owns_log {
            true => Ok(0),
            false => persist.aof.begin_increment().map(|()| 1),
        };
        let now_s = server.clock.now_s();
        ended
            .and_then(|open| {
                let count = persist.aof.manifest().increments.len() - open;
                persist.backup.seal(&persist.aof, count, now_s)
            })
            .map_err(|error| reason(&error).to_string())
    };
    match sealed {
        Ok(()) => {
            end_own_log(server);
            Ok(())
        }
        Err(why) => {
            fail(server, &why);
            Err(format!("Can't seal the backup: {why}"))
        }
    }
}

/// BACKUP ABORT.
pub fn abort(server: &mut Server) -> Result<(), String> {
    if !server.persist.backup.stage().is_in_progress() {
        return Err("No backup in progress".into());
    }
    fail(server, "aborted by user");
    Ok(())
}

/// BACKUP CLEANUP.
pub fn cleanup(server: &mut Server) -> Result<(), String> {
    if server.persist.backup.stage().is_in_progress() {
        return Err("Backup is in progress".into());
    }
    clean(server);
    Ok(())
}

fn clean(server: &mut Server) {
    let directory = directory(server);
    let name = String::from_utf8_lossy(&server.config.appendfilename);
    server.persist.backup.clean(&directory, &name);
}

fn fail(server: &mut Server, why: &str) {
    end_own_log(server);
    server.persist.backup.fail(why);
}

/// Switches a log off that is on for the backup alone, and removes its files.
fn end_own_log(server: &mut Server) {
    if !std::mem::take(&mut server.persist.backup.owns_log) {
        return;
    }
    server.persist.aof.switch_off();
    jobs::kill_child(server, Purpose::Rewrite);
    server.persist.aof.remove_files();
    jobs::refresh_log_interest(server);
    jobs::refresh_disk_gate(server);
}

/// A rewrite of the log has ended: its base is that of a backup that waits for one.
pub fn note_rewrite(server: &mut Server, done: bool, exit: Exit) {
    if server.persist.backup.stage() != Stage::Snapshotting {
        return;
    }
    let why = match exit {
        Exit::Status(0) if done => {
            let persist = &mut server.persist;
            match persist.backup.pin_base(&persist.aof) {
                Ok(()) => return,
                Err(error) => format!("Can't link the base: {}", reason(&error)),
            }
        }
        Exit::Status(0) => "snapshot rewrite failed: the base could not be installed".to_owned(),
        Exit::Status(code) => format!("snapshot rewrite failed: child exited with status {code}"),
        Exit::Signal(signal) => {
            format!("snapshot rewrite failed: child terminated by signal {signal}")
        }
    };
    fail(server, &why);
}

/// The log was switched off, or begun anew: a backup that is being made misses what was written.
pub fn note_log_stopped(server: &mut Server) {
    let stage = server.persist.backup.stage();
    if matches!(stage, Stage::Snapshotting | Stage::Incrementing) {
        server.persist.backup.owns_log = false;
        fail(server, "appendonly is stopped");
    }
}

/// The server shuts down. A log that is on for a backup alone must not be taken for the data by a later start.
pub fn note_shutdown(server: &mut Server) {
    if server.persist.backup.owns_log {
        fail(server, "the server was shut down");
    }
}

/// Runs with cron: begins a pending backup, and removes a sealed one after its time.
pub fn tend(server: &mut Server) {
    let (ttl_s, now_s) = (server.config.backup_sealed_ttl, server.clock.now_s());
    if server.persist.backup.stage() == Stage::Pending && server.persist.loading.is_none() {
        // A failure is logged, and BACKUP STATUS tells it.
        let _ = begin(server);
    }
    if server.persist.backup.is_overdue(ttl_s, now_s) {
        log::info!("BACKUP: auto cleaning sealed backup after {ttl_s} seconds");
        clean(server);
    }
}
