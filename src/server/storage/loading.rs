//! Loading of data from disk, at the start and for DEBUG RELOAD and LOADAOF.
//!
//! The loop calls `load_slice` in each iteration until all data is loaded; in between, clients get
//! -LOADING. The commands of an AOF run through `call`, like those of any client.

use crate::algo::quoting::in_line;
use crate::command::{CmdError, Reply};
use crate::persist::aof::read::CutRules;
use crate::persist::load::{Loading, Part, Role, Rules, Step};
use crate::persist::reason;
use crate::resp::encode::Resp;
use crate::resp::request::{Argv, OwnedArgv, Tag};
use crate::server::Server;
use crate::server::clients::session::{ClientId, Session};
use crate::server::core::undelivered;
use crate::server::gates::Gates;
use crate::server::storage::jobs;
use crate::sys::clock;
use crate::sys::signal;
use std::path::PathBuf;

/// The budget of a slice, in microseconds: the delay of a -LOADING reply.
const SLICE_US: u64 = 10_000;

/// Loading failed; the reason is in the log.
#[derive(Debug, PartialEq, Eq)]
pub struct Unloadable;

/// Returns true if all these files exist; logs the missing one.
fn are_there(parts: &[Part]) -> bool {
    parts.iter().all(|part| {
        let told = |error: &std::io::Error| {
            log::warn!(
                "Unable to obtain the AOF file {} length. stat: {}",
                part.name,
                reason(error)
            );
        };
        std::fs::metadata(&part.path).inspect_err(told).is_ok()
    })
}

/// Returns the rules of loading, as configured.
pub(in crate::server) fn rules(server: &Server) -> Rules {
    Rules {
        checksum: server.config.rdbchecksum && !server.tuning.skip_checksum,
        cut: CutRules {
            torn: server.config.aof_load_truncated,
            corrupt_max: server.config.aof_load_corrupt_tail_max_size,
        },
        keep_expired: false,
        key_delay_us: server.config.key_load_delay as i64,
        merge: false,
        note_dropped: false,
    }
}

/// Returns the snapshot, if it exists.
fn snapshot_parts(server: &Server) -> Vec<Part> {
    let name = String::from_utf8_lossy(&server.config.dbfilename).into_owned();
    let path = PathBuf::from(&name);
    // A file that cannot be inspected fails when it is opened.
    let missing = matches!(path.try_exists(), Ok(false));
    match missing || name.is_empty() {
        true => Vec::new(),
        false => vec![Part {
            path,
            name,
            role: Role::Snapshot,
        }],
    }
}

/// Returns the files of the AOF.
fn log_parts(server: &Server) -> Vec<Part> {
    let aof = &server.persist.aof;
    let part = |name: &String, role| Part {
        path: aof.path_of(name),
        name: name.clone(),
        role,
    };
    let old = String::from_utf8_lossy(&server.config.appendfilename);
    let base = aof
        .manifest()
        .base
        .iter()
        .map(|entry| match entry.name == old {
            true => part(&entry.name, Role::OldLog),
            false => part(&entry.name, Role::Base),
        });
    let rest = aof.manifest().increments.iter();
    let rest = rest.map(|entry| part(&entry.name, Role::Increment));
    base.chain(rest).collect()
}

/// Begins to load the data on disk: the AOF if it is enabled, else the snapshot. Returns false if
/// there is nothing to load. The error is for the log.
pub fn begin_load(server: &mut Server) -> Result<bool, String> {
    let config = &server.config;
    server.persist.set_opens_log(config.appendonly);
    let (directory, name) = (&config.appenddirname, &config.appendfilename);
    server.persist.aof.locate(directory, name);
    server.persist.aof.keep_history(config.aof_disable_auto_gc);
    // The manifest holds the numbers of earlier files, and is needed even if the AOF is disabled
    // now.
    server.persist.aof.read_manifest()?;
    let parts = if server.persist.opens_log() {
        server.persist.aof.adopt_single_file()?;
        let parts = log_parts(server);
        if !are_there(&parts) {
            return Err(String::new());
        }
        parts
    } else {
        snapshot_parts(server)
    };
    let now_s = server.clock.now_s();
    server.persist.saves.start(now_s);
    if parts.is_empty() {
        return Ok(false);
    }
    // An AOF has a DEL for each expired key; a snapshot does not.
    start_loading(server, parts, server.persist.opens_log());
    Ok(true)
}

fn start_loading(server: &mut Server, parts: Vec<Part>, keep_expired: bool) {
    let rules = Rules {
        // On a replica, the primary propagates their expiry.
        keep_expired: keep_expired || server.replication.is_replica(),
        note_dropped: true,
        ..rules(server)
    };
    let now_s = server.clock.now_s();
    install_loading(server, Loading::new(parts, rules, now_s));
}

/// Installs a load that the loop continues from now on.
pub(in crate::server) fn install_loading(server: &mut Server, loading: Loading) {
    server.persist.loading = Some(Box::new(loading));
    server.gates.set(Gates::LOADING, true);
    signal::set_loading(true);
    jobs::refresh_log_interest(server);
}

/// Loads for one slice. Returns true when all data is loaded.
pub fn load_slice(server: &mut Server) -> Result<bool, Unloadable> {
    let until_us = clock::mono_us() + SLICE_US;
    load_until(server, &mut || clock::mono_us() < until_us)
}

fn load_until(server: &mut Server, go_on: &mut dyn FnMut() -> bool) -> Result<bool, Unloadable> {
    let mut session = None;
    loop {
        let Some(mut loading) = server.persist.loading.take() else {
            return Ok(true);
        };
        server.keyspace.set_now_ms(server.clock.now_ms());
        loading.set_key_delay(server.config.key_load_delay as i64);
        let mut staging = server.replication.take_staging(server.keyspace.now_ms());
        let keyspace = staging.as_deref_mut().unwrap_or(&mut server.keyspace);
        let step = loading.step(keyspace, &server.tuning, go_on);
        let is_aside = staging.is_some();
        if let Some(transfer) = server.replication.transfer_mut() {
            transfer.put_staging(staging);
        }
        match step {
            Step::Run(argv) => {
                server.persist.loading = Some(loading);
                let session = session.get_or_insert_with(|| loader(server));
                run_logged(server, session, &argv)?;
                if go_on() {
                    continue;
                }
                park_loader(server, session);
                return Ok(false);
            }
            Step::More => {
                server.persist.loading = Some(loading);
                if !go_on() {
                    if let Some(session) = &mut session {
                        park_loader(server, session);
                    }
                    return Ok(false);
                }
            }
            Step::Starved => {
                server.persist.loading = Some(loading);
                return Ok(false);
            }
            Step::Function(code) if is_aside => {
                if let Some(transfer) = server.replication.transfer_mut() {
                    transfer.add_library(code);
                }
                server.persist.loading = Some(loading);
            }
            Step::Function(code) => {
                if let Err(text) = server.script.load_library(&code, loading.merges(), None) {
                    let text = in_line(&text);
                    log::warn!("Failed creating the library: {text}");
                    server.gates.set(Gates::LOADING, false);
                    return Err(Unloadable);
                }
                server.persist.loading = Some(loading);
            }
            Step::Done => {
                finish_loading(server, *loading);
                return Ok(true);
            }
            Step::Failed => {
                server.gates.set(Gates::LOADING, false);
                return Err(Unloadable);
            }
        }
    }
}

/// Returns the session that runs the commands of an AOF; it is kept between slices.
fn loader(server: &mut Server) -> Session {
    let now_ms = server.clock.mono_ms();
    server.clients.loader().take_session(now_ms)
}

fn park_loader(server: &mut Server, session: &mut Session) {
    let fresh = Session::new(ClientId::NOBODY, server.clock.mono_ms());
    let session = std::mem::replace(session, fresh);
    server.clients.loader().keep_session(session);
}

/// Runs a command of the AOF.
fn run_logged(
    server: &mut Server,
    session: &mut Session,
    argv: &OwnedArgv,
) -> Result<(), Unloadable> {
    let argv = argv.as_argv();
    check_logged(server, &argv)?;
    if server.config.key_load_delay > 0 {
        clock::sleep_us(server.config.key_load_delay as u64);
    }
    server.keyspace.shared.none_overdue = true;
    let mut answer = server.clients.loader().take_reply();
    let most = server.clients.largest_reply();
    let mut reply = Reply::new(&mut answer, Resp::V2).bounded(most);
    let noted = server.stats.unexpected_errors;
    server.execute(session, argv, Tag::default(), &mut reply);
    if answer.first() == Some(&b'-') && server.stats.unexpected_errors == noted {
        let text = answer[1..].strip_suffix(b"\r\n").unwrap_or_default();
        undelivered::report_error(server, session, text);
    }
    server.clients.loader().keep_reply(answer);
    server.keyspace.shared.none_overdue = false;
    if let Some(loading) = &mut server.persist.loading {
        loading.note_multi(session.multi.is_some());
    }
    Ok(())
}

/// Checks that a command of the AOF exists and has a valid number of arguments.
fn check_logged(server: &Server, argv: &Argv) -> Result<(), Unloadable> {
    let Some(loading) = &server.persist.loading else {
        return Ok(());
    };
    let (name, file) = (in_line(argv.at(0)), loading.file_name());
    let number = server.table.lookup(argv.at(0));
    match number.map(|number| server.table.resolve(number, argv)) {
        Some(Ok(_)) => return Ok(()),
        Some(Err(CmdError::Arity(name))) => log::warn!(
            "Wrong number of arguments for command '{name}' at offset {} reading the append \
             only file {file}",
            loading.command_offset()
        ),
        _ => log::warn!("Unknown command '{name}' reading the append only file {file}"),
    }
    Err(Unloadable)
}

fn finish_loading(server: &mut Server, loading: Loading) {
    let seconds = loading.seconds();
    match loading.is_log {
        _ if loading.again => {}
        true => log::info!("DB loaded from append only file: {seconds:.3} seconds"),
        false => log::info!("DB loaded from disk: {seconds:.3} seconds"),
    }
    server.persist.loaded(loading);
    server.clients.loader().end();
    server.gates.set(Gates::LOADING, false);
    signal::set_loading(false);
    let dirty = server.effects.dirty();
    server.persist.saves.set_clean(dirty);
}

/// Loads the snapshot again on the main thread, mostly into an empty server.
pub fn reload_snapshot(server: &mut Server, flush: bool, merge: bool) -> Result<(), Unloadable> {
    let parts = snapshot_parts(server);
    if flush {
        empty_everything(server);
    }
    if parts.is_empty() {
        return Err(Unloadable);
    }
    start_loading(server, parts, false);
    if let Some(loading) = &mut server.persist.loading {
        loading.merge(merge);
    }
    load_it_all(server)
}

/// Loads the AOF again on the main thread, into an empty server.
pub fn reload_log(server: &mut Server) -> Result<(), Unloadable> {
    jobs::flush_aof(server, true);
    empty_everything(server);
    let config = &server.config;
    let (directory, name) = (&config.appenddirname, &config.appendfilename);
    server.persist.aof.locate(directory, name);
    if let Err(why) = server.persist.aof.read_manifest() {
        if !why.is_empty() {
            log::warn!("{why}");
        }
        return Err(Unloadable);
    }
    let parts = log_parts(server);
    // As in Redis, there is nothing to load if there has never been an AOF.
    if parts.is_empty() || !are_there(&parts) {
        return Err(Unloadable);
    }
    start_loading(server, parts, true);
    load_it_all(server)
}

fn load_it_all(server: &mut Server) -> Result<(), Unloadable> {
    if let Some(loading) = &mut server.persist.loading {
        loading.again = true;
    }
    let loaded = load_until(server, &mut || true);
    server.persist.loading = None;
    server.persist.take_dropped();
    server.gates.set(Gates::LOADING, false);
    signal::set_loading(false);
    jobs::refresh_log_interest(server);
    loaded.map(|_| ())
}

fn empty_everything(server: &mut Server) {
    drop(server.script.flush_libraries());
    for index in 0..server.keyspace.databases() {
        server.keyspace.flush(crate::keyspace::DbIndex(index));
    }
    server.settle_alone();
}

#[cfg(test)]
mod tests;
