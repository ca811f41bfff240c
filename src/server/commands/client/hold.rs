//! CLIENT PAUSE, UNPAUSE and UNBLOCK: suspending and resuming clients.

use crate::algo::number::parse_i64;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::server::Server;
use crate::server::clients::session::{ClientId, Session};
use crate::server::core::pause;
use crate::server::core::pause::{Cause, Held};
use crate::server::core::unblock::Over;

fn wrong_form(args: &Args) -> CmdError {
    CmdError::wrong_form("CLIENT", args.argv().at(1))
}

/// CLIENT PAUSE timeout [WRITE|ALL].
pub(super) fn client_pause(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    if args.left() > 2 {
        return Err(wrong_form(args));
    }
    let timeout = args.bytes();
    let held = match args.option() {
        None => Held::Everything,
        Some(word) if word.eq_ignore_ascii_case(b"write") => Held::Writes,
        Some(word) if word.eq_ignore_ascii_case(b"all") => Held::Everything,
        Some(_) => {
            return Err(CmdError::Fixed(
                "ERR CLIENT PAUSE mode must be WRITE or ALL",
            ));
        }
    };
    let wrong = CmdError::Fixed("ERR timeout is not an integer or out of range");
    let timeout_ms = parse_i64(timeout).ok_or(wrong)?;
    if timeout_ms < 0 {
        return Err(CmdError::Fixed("ERR timeout is negative"));
    }
    server.clock.catch_up(server.clock.cycles());
    let Some(end_ms) = server.clock.now_ms().checked_add(timeout_ms) else {
        return Err(CmdError::Fixed("ERR timeout is out of range"));
    };
    pause::start_pause(server, Cause::Client, held, end_ms);
    reply.ok()
}

/// CLIENT UNPAUSE.
pub(super) fn client_unpause(
    server: &mut Server,
    _: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    pause::end_pause(server, Cause::Client);
    reply.ok()
}

/// CLIENT UNBLOCK id [TIMEOUT|ERROR].
pub(super) fn client_unblock(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    if args.left() > 2 {
        return Err(wrong_form(args));
    }
    let id = args.bytes();
    let with_error = match args.option() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case(b"timeout") => false,
        Some(word) if word.eq_ignore_ascii_case(b"error") => true,
        Some(_) => {
            return Err(CmdError::Fixed(
                "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR",
            ));
        }
    };
    let id = parse_i64(id).ok_or(CmdError::NotInteger)?;
    let over = match with_error {
        true => Over::Unblocked,
        false => Over::TimedOut,
    };
    reply.bool(server.end_wait(ClientId(id as u64), over))
}
