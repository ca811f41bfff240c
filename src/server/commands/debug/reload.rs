//! RELOAD and LOADAOF: the data is written to disk and loaded again.

use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::server::Server;
use crate::server::clients::session::Session;
use crate::server::core::checks::LOADING_TEXT;
use crate::server::storage::jobs;
use crate::server::storage::loading;

/// RELOAD [MERGE] [NOFLUSH] [NOSAVE].
pub(super) fn reload(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let (mut flush, mut save, mut merge) = (true, true, false);
    while args.left() > 0 {
        if args.word("MERGE") {
            merge = true;
        } else if args.word("NOFLUSH") {
            flush = false;
        } else if args.word("NOSAVE") {
            save = false;
        } else {
            return Err(CmdError::Fixed(
                "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
            ));
        }
    }
    refuse_while_loading(server, session)?;
    if save && jobs::save_now(server).is_err() {
        return Err(CmdError::Fixed("ERR"));
    }
    let dirty = server.effects.dirty();
    let loaded = loading::reload_snapshot(server, flush, merge);
    forget_changes(server, dirty);
    if loaded.is_err() {
        return Err(CmdError::Fixed(
            "ERR Error trying to load the RDB dump, check server logs.",
        ));
    }
    log::info!("DB reloaded by DEBUG RELOAD");
    reply.ok()
}

/// Refuses to load within an AOF that is being loaded, which would never end. Unlike in Redis,
/// other clients are refused as well while the start is still loading: an incomplete data set must
/// not replace the one on disk.
fn refuse_while_loading(server: &Server, session: &Session) -> CmdResult {
    if session.must_obey {
        return Err(CmdError::Fixed("ERR Loading within loading"));
    }
    match server.persist.loading.is_some() {
        true => Err(CmdError::Fixed(LOADING_TEXT)),
        false => Ok(()),
    }
}

/// Restores the number of changes: loaded data was there before and is not a change.
fn forget_changes(server: &mut Server, dirty: u64) {
    server.effects.restore_dirty(dirty);
    server.persist.saves.set_clean(dirty);
}

/// LOADAOF.
pub(super) fn load_aof(
    server: &mut Server,
    session: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    refuse_while_loading(server, session)?;
    let dirty = server.effects.dirty();
    let loaded = loading::reload_log(server);
    forget_changes(server, dirty);
    if loaded.is_err() {
        return Err(CmdError::Fixed(
            "ERR Error trying to load the AOF files, check server logs.",
        ));
    }
    log::info!("Append Only File loaded by DEBUG LOADAOF");
    reply.ok()
}

/// SET-SKIP-CHECKSUM-VALIDATION <0|1>.
pub(super) fn skip_checksum(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    server.tuning.skip_checksum = args.int()? != 0;
    reply.ok()
}

/// AOF-FLUSH-SLEEP <microseconds>.
pub(super) fn flush_sleep(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    server
        .persist
        .aof
        .set_flush_sleep(args.int()?.max(0) as u64);
    reply.ok()
}
