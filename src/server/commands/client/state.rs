//! Properties that a client sets for its connection: name, library, reply mode.

use super::CLIENT_SPEC;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::server::clients::session::{ReplyMode, Session};
use crate::server::{Server, ServerCommand};

pub(super) const CLIENT_ID: ServerCommand = Spec {
    name: "id",
    since: "5.0.0",
    summary: "The number of the connection.",
    complexity: "O(1)",
    ..CLIENT_SPEC
}
.subcommand(client_id);

fn client_id(_: &mut Server, session: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    reply.int(session.id.0 as i64)
}

pub(super) const CLIENT_GETNAME: ServerCommand = Spec {
    name: "getname",
    since: "2.6.9",
    summary: "The name of the connection.",
    complexity: "O(1)",
    ..CLIENT_SPEC
}
.subcommand(client_getname);

fn client_getname(
    _: &mut Server,
    session: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    if session.name.is_empty() {
        return reply.null();
    }
    reply.bulk(&session.name)
}

pub(super) const CLIENT_SETNAME: ServerCommand = Spec {
    name: "setname",
    usage: "connection-name:string",
    since: "2.6.9",
    summary: "Names the connection.",
    complexity: "O(1)",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..CLIENT_SPEC
}
.subcommand(client_setname);

fn client_setname(
    _: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    session.set_name(args.bytes())?;
    reply.ok()
}

impl Session {
    /// Names the connection; an empty name removes the name.
    pub fn set_name(&mut self, name: &[u8]) -> CmdResult {
        check_name(name)?;
        self.name = name.to_vec();
        Ok(())
    }
}

/// Checks that a name has no characters that would end a field of CLIENT LIST.
pub(in crate::server) fn check_name(name: &[u8]) -> CmdResult {
    if name.iter().all(u8::is_ascii_graphic) {
        return Ok(());
    }
    Err(CmdError::Fixed(
        "ERR Client names cannot contain spaces, newlines or special characters.",
    ))
}

pub(super) const CLIENT_SETINFO: ServerCommand = Spec {
    name: "setinfo",
    usage: "attr(libname:string@LIB-NAME|libver:string@LIB-VER)",
    since: "7.2.0",
    summary: "Says which library the connection uses.",
    complexity: "O(1)",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..CLIENT_SPEC
}
.subcommand(client_setinfo);

fn client_setinfo(
    _: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let (option, value) = (args.bytes(), args.bytes());
    let field = if option.eq_ignore_ascii_case(b"lib-name") {
        &mut session.lib_name
    } else if option.eq_ignore_ascii_case(b"lib-ver") {
        &mut session.lib_ver
    } else {
        let before = "ERR Unrecognized option '";
        return Err(CmdError::quoting(before, option, usize::MAX, "'"));
    };
    if !value.iter().all(u8::is_ascii_graphic) {
        let after = " cannot contain spaces, newlines or special characters.";
        return Err(CmdError::quoting("ERR ", option, usize::MAX, after));
    }
    *field = value.to_vec();
    reply.ok()
}

/// Parses ON or OFF.
fn switch(args: &mut Args) -> Result<bool, CmdError> {
    if args.word("on") {
        Ok(true)
    } else if args.word("off") {
        Ok(false)
    } else {
        Err(CmdError::Syntax)
    }
}

pub(super) const CLIENT_NO_EVICT: ServerCommand = Spec {
    name: "no-evict",
    flags: all(&[ADMIN, NOSCRIPT, LOADING, STALE]),
    usage: "enabled(on=ON|off=OFF)",
    since: "7.0.0",
    summary: "Spares the connection when clients are evicted.",
    complexity: "O(1)",
    ..Spec::of(Group::Connection)
}
.subcommand(client_no_evict);

fn client_no_evict(
    _: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    session.no_evict = switch(args)?;
    reply.ok()
}

pub(super) const CLIENT_NO_TOUCH: ServerCommand = Spec {
    name: "no-touch",
    usage: "enabled(on=ON|off=OFF)",
    since: "7.2.0",
    summary: "Lets the connection read without marking keys as used.",
    complexity: "O(1)",
    ..CLIENT_SPEC
}
.subcommand(client_no_touch);

fn client_no_touch(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    session.no_touch = switch(args)?;
    server.keyspace.shared.no_touch = session.no_touch;
    reply.ok()
}

pub(super) const CLIENT_REPLY: ServerCommand = Spec {
    name: "reply",
    usage: "action(on=ON|off=OFF|skip=SKIP)",
    since: "3.2.0",
    summary: "Whether the connection gets replies.",
    complexity: "O(1)",
    ..CLIENT_SPEC
}
.subcommand(client_reply);

/// The new mode applies to this reply already.
fn client_reply(
    _: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    if args.word("on") {
        session.reply_mode = ReplyMode::On;
        return reply.ok();
    }
    if args.word("off") {
        session.reply_mode = ReplyMode::Off;
        return Ok(());
    }
    if !args.word("skip") {
        return Err(CmdError::Syntax);
    }
    if session.reply_mode != ReplyMode::Off {
        session.reply_mode = ReplyMode::SkipNext;
    }
    Ok(())
}
