//! CLIENT PAUSE, UNPAUSE and UNBLOCK: suspending and resuming clients.

use crate::algo::number::parse_i64;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::server::clients::session::{ClientId, Session};
use crate::server::core::pause;
use crate::server::core::pause::{Cause, Held};
use crate::server::core::unblock::Over;
use crate::server::{Server, ServerCommand};

fn wrong_form(args: &Args) -> CmdError {
    CmdError::wrong_form(&args.argv())
}

pub(super) const CLIENT_PAUSE: ServerCommand = Spec {
    name: "pause",
    flags: all(&[ADMIN, NOSCRIPT, LOADING, STALE]),
    usage: "timeout:integer [mode(write=WRITE|all=ALL)!6.2.0]",
    since: "3.0.0",
    summary: "Holds back the commands of clients for a while.",
    complexity: "O(1)",
    history: &[("6.2.0", "Takes a mode: writes only, or everything.")],
    ..Spec::of(Group::Connection)
}
.subcommand(client_pause);

fn client_pause(
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

pub(super) const CLIENT_UNPAUSE: ServerCommand = Spec {
    name: "unpause",
    flags: all(&[ADMIN, NOSCRIPT, LOADING, STALE]),
    since: "6.2.0",
    summary: "Ends a pause.",
    complexity: "O(N) Where N is the number of paused clients",
    ..Spec::of(Group::Connection)
}
.subcommand(client_unpause);

fn client_unpause(
    server: &mut Server,
    _: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    pause::end_pause(server, Cause::Client);
    reply.ok()
}

pub(super) const CLIENT_UNBLOCK: ServerCommand = Spec {
    name: "unblock",
    flags: all(&[ADMIN, NOSCRIPT, LOADING, STALE]),
    usage: "client-id:integer [unblock-type(timeout=TIMEOUT|error=ERROR)]",
    since: "5.0.0",
    summary: "Wakes a client that waits in a blocking command.",
    complexity: "O(log N) where N is the number of client connections",
    ..Spec::of(Group::Connection)
}
.subcommand(client_unblock);

fn client_unblock(
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
