//! BACKUP: copies of the data for keeping, made while the server runs (`server::storage::backup`).

use super::container;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::server::clients::session::Session;
use crate::server::storage::backup;
use crate::server::{Server, ServerCommand};

pub static TABLE: &[ServerCommand] = &[BACKUP];

const BACKUP: ServerCommand = Spec {
    name: "backup",
    arity: 2,
    since: "8.10.0",
    summary: "About backups.",
    ..Spec::of(Group::Server)
}
.contains(
    &[
        BACKUP_ABORT,
        BACKUP_CLEANUP,
        BACKUP_HELP,
        BACKUP_LIST,
        BACKUP_SEAL,
        BACKUP_START,
        BACKUP_STATUS,
    ],
    container,
);

const CHANGING: Spec = Spec {
    flags: all(&[ADMIN, NOSCRIPT]),
    since: "8.10.0",
    complexity: "O(1)",
    ..Spec::of(Group::Server)
};

const SHOWING: Spec = Spec {
    flags: all(&[ADMIN, STALE]),
    since: "8.10.0",
    complexity: "O(1)",
    ..Spec::of(Group::Server)
};

/// The reply to a change.
fn changed(result: Result<(), String>, reply: &mut Reply) -> CmdResult {
    match result {
        Ok(()) => reply.ok(),
        Err(why) => Err(CmdError::Text(format!("ERR {why}"))),
    }
}

const BACKUP_START: ServerCommand = Spec {
    name: "start",
    summary: "Begins a backup in the directory that `backupdirname` names.",
    ..CHANGING
}
.subcommand(start);

fn start(server: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    changed(backup::start(server), reply)
}

const BACKUP_SEAL: ServerCommand = Spec {
    name: "seal",
    summary: "Completes the backup with what was written up to now.",
    ..CHANGING
}
.subcommand(seal);

fn seal(server: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    changed(backup::seal(server), reply)
}

const BACKUP_ABORT: ServerCommand = Spec {
    name: "abort",
    summary: "Ends a backup that is not sealed.",
    ..CHANGING
}
.subcommand(abort);

fn abort(server: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    changed(backup::abort(server), reply)
}

const BACKUP_CLEANUP: ServerCommand = Spec {
    name: "cleanup",
    summary: "Removes the files of a backup.",
    ..CHANGING
}
.subcommand(cleanup);

fn cleanup(server: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    changed(backup::cleanup(server), reply)
}

const BACKUP_STATUS: ServerCommand = Spec {
    name: "status",
    summary: "The state of the backup.",
    ..SHOWING
}
.subcommand(status);

fn status(server: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    let backup = &server.persist.backup;
    let (start_s, end_s) = backup.times_s();
    reply.map(4)?;
    reply.bulk(b"state")?;
    reply.bulk(backup.stage().name().as_bytes())?;
    reply.bulk(b"error")?;
    reply.bulk(backup.error().as_bytes())?;
    reply.bulk(b"start_time")?;
    reply.int(start_s)?;
    reply.bulk(b"end_time")?;
    reply.int(end_s)
}

const BACKUP_LIST: ServerCommand = Spec {
    name: "list",
    summary: "The files that the backup consists of up to now.",
    ..SHOWING
}
.subcommand(list);

fn list(server: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    let mut files = server.persist.backup.files();
    reply.array(files.len())?;
    files.try_for_each(|path| reply.bulk(path.as_bytes()))
}

const BACKUP_HELP: ServerCommand = Spec {
    name: "help",
    flags: all(&[LOADING, STALE]),
    since: "8.10.0",
    summary: "The subcommands.",
    complexity: "O(1)",
    ..Spec::of(Group::Server)
}
.subcommand(help);

fn help(_: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    reply.help(&[
        "BACKUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "START",
        "    Begin a backup in the directory that 'backupdirname' names.",
        "SEAL",
        "    Complete it with what was written up to now, and a manifest.",
        "ABORT",
        "    End a backup that is not sealed.",
        "CLEANUP",
        "    Remove the files of a backup.",
        "STATUS",
        "    The state of the backup.",
        "LIST",
        "    The files that the backup consists of up to now.",
    ])
}
