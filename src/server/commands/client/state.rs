//! Properties that a client sets for its connection: name, library, reply mode.

use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::server::Server;
use crate::server::clients::session::{ReplyMode, Session};

/// CLIENT ID.
pub(super) fn client_id(
    _: &mut Server,
    session: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    reply.int(session.id.0 as i64)
}

/// CLIENT GETNAME.
pub(super) fn client_getname(
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

/// CLIENT SETNAME name.
pub(super) fn client_setname(
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

/// CLIENT SETINFO LIB-NAME|LIB-VER value.
pub(super) fn client_setinfo(
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

/// CLIENT NO-EVICT ON|OFF.
pub(super) fn client_no_evict(
    _: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    session.no_evict = switch(args)?;
    reply.ok()
}

/// CLIENT NO-TOUCH ON|OFF.
pub(super) fn client_no_touch(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    session.no_touch = switch(args)?;
    server.keyspace.shared.no_touch = session.no_touch;
    reply.ok()
}

/// CLIENT REPLY ON|OFF|SKIP. The new mode applies to this reply already.
pub(super) fn client_reply(
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
