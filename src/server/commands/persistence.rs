//! SAVE, BGSAVE, BGREWRITEAOF, LASTSAVE.

use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::persist::child::Purpose;
use crate::persist::save::SaveFailed;
use crate::server::clients::session::Session;
use crate::server::storage::jobs;
use crate::server::{Server, ServerCommand};

const SAVING: Spec = Spec {
    flags: all(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING]),
    since: "1.0.0",
    ..Spec::of(Group::Server)
};

const IN_PROGRESS: CmdError = CmdError::Fixed("ERR Background save already in progress");

pub static TABLE: &[ServerCommand] = &[SAVE, BGSAVE, BGREWRITEAOF, LASTSAVE];

const LASTSAVE: ServerCommand = Spec {
    name: "lastsave",
    flags: all(&[LOADING, STALE, FAST]),
    acl: &["admin", "dangerous"],
    since: "1.0.0",
    summary: "When the data was last saved.",
    complexity: "O(1)",
    tips: &["nondeterministic_output"],
    ..Spec::of(Group::Server)
}
.runs(lastsave);

/// As in Redis, the start counts as a save.
fn lastsave(server: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    reply.int(server.persist.saves.results().last_save_s)
}

fn is_at(server: &Server, is_it: fn(Purpose) -> bool) -> bool {
    let job = server.persist.child.as_ref();
    job.is_some_and(|job| is_it(job.purpose))
}

fn is_rewrite(purpose: Purpose) -> bool {
    !purpose.is_snapshot()
}

const SAVE: ServerCommand = Spec {
    name: "save",
    flags: all(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING, NO_MULTI]),
    summary: "Writes a snapshot; no client is served meanwhile.",
    complexity: "O(N) where N is the total number of keys in all databases",
    ..SAVING
}
.runs(save);

fn save(server: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    if is_at(server, Purpose::is_snapshot) {
        return Err(IN_PROGRESS);
    }
    server.persist.saves.count();
    match jobs::save_now(server) {
        Ok(()) => reply.ok(),
        // As in Redis, a bare ERR: the reason is in the log, unless the client can remedy it.
        Err(SaveFailed(None)) => Err(CmdError::Fixed("ERR")),
        Err(SaveFailed(Some(refusal))) => Err(CmdError::Text(format!("ERR {refusal}"))),
    }
}

const BGSAVE: ServerCommand = Spec {
    name: "bgsave",
    usage: "[operation(schedule=SCHEDULE!3.2.2|cancel=CANCEL)]",
    summary: "Has a child write a snapshot.",
    complexity: "O(1)",
    history: &[("3.2.2", "Takes SCHEDULE.")],
    ..SAVING
}
.runs(bgsave);

fn bgsave(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let schedule = args.word("schedule");
    let cancel = !schedule && args.word("cancel");
    args.end()?;
    if cancel {
        return cancel_save(server, reply);
    }
    server.persist.saves.unschedule();
    if is_at(server, Purpose::is_snapshot) {
        return Err(IN_PROGRESS);
    }
    // In a transaction a fork would capture only part of its changes.
    if server.persist.child.is_some() || !server.frame.may_block(session) {
        if !schedule && server.frame.may_block(session) {
            return Err(CmdError::Fixed(
                "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE \
                 SCHEDULE in order to schedule a BGSAVE whenever possible.",
            ));
        }
        server.persist.saves.schedule();
        return reply.simple("Background saving scheduled");
    }
    match jobs::start_bgsave(server, None) {
        Ok(()) => reply.simple("Background saving started"),
        Err(_) => Err(CmdError::Fixed("ERR")),
    }
}

/// BGSAVE CANCEL, as in Valkey: ends the child that writes a snapshot, and forgets one to come.
fn cancel_save(server: &mut Server, reply: &mut Reply) -> CmdResult {
    let scheduled = server.persist.saves.unschedule();
    if is_at(server, Purpose::is_snapshot) {
        if let Some(job) = &server.persist.child {
            job.process.kill();
        }
        return reply.simple("Background saving cancelled");
    }
    match scheduled {
        true => reply.simple("Scheduled background saving cancelled"),
        false => Err(CmdError::Fixed(
            "ERR Background saving is currently not in progress or scheduled",
        )),
    }
}

const BGREWRITEAOF: ServerCommand = Spec {
    name: "bgrewriteaof",
    summary: "Has a child write the log anew, as short as can be.",
    complexity: "O(1)",
    ..SAVING
}
.runs(bgrewriteaof);

fn bgrewriteaof(
    server: &mut Server,
    session: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    if is_at(server, is_rewrite) {
        return Err(CmdError::Fixed(
            "ERR Background append only file rewriting already in progress",
        ));
    }
    let held = server.persist.child.is_some() || server.persist.backup.holds_rewrites();
    if held || !server.frame.may_block(session) {
        server.persist.aof.rewrites.request();
        return reply.simple("Background append only file rewriting scheduled");
    }
    let config = &server.config;
    let (directory, name) = (&config.appenddirname, &config.appendfilename);
    server.persist.aof.locate(directory, name);
    match jobs::start_rewrite(server) {
        Ok(()) => reply.simple("Background append only file rewriting started"),
        Err(_) => Err(CmdError::Fixed(
            "ERR Can't execute an AOF background rewriting. Please check the server logs for more \
             information.",
        )),
    }
}
