//! SHUTDOWN.

use crate::command::blocking::{Nothing, Wait};
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::config::ShutdownFlags;
use crate::server::clients::session::{Ending, Session};
use crate::server::lifecycle::shutdown;
use crate::server::lifecycle::shutdown::Stop;
use crate::server::{Server, ServerCommand};
use crate::types::value::Kind;

pub static TABLE: &[ServerCommand] = &[SHUTDOWN];

const SHUTDOWN: ServerCommand = Spec {
    name: "shutdown",
    flags: all(&[ADMIN, NOSCRIPT, LOADING, STALE, NO_MULTI, ALLOW_BUSY]),
    usage: "[save-selector(nosave=NOSAVE|save=SAVE)] [now=NOW!7.0.0] [force=FORCE!7.0.0] [abort=ABORT!7.0.0]",
    since: "1.0.0",
    summary: "Stops the server.",
    complexity: "O(N) when saving, where N is the total number of keys in all databases when \
    saving data, otherwise O(1)",
    history: &[("7.0.0", "Takes NOW, FORCE and ABORT.")],
    ..Spec::of(Group::Server)
}
.runs(shutdown);

/// On success there is no reply: the connection closes.
fn shutdown(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let mut flags = ShutdownFlags::default();
    let mut abort = false;
    while args.left() > 0 {
        if args.word("nosave") {
            flags.nosave = true;
        } else if args.word("save") {
            flags.save = true;
        } else if args.word("now") {
            flags.now = true;
        } else if args.word("force") {
            flags.force = true;
        } else if args.word("abort") {
            abort = true;
        } else {
            return Err(CmdError::Syntax);
        }
    }
    let others = flags != ShutdownFlags::default();
    if (abort && others) || (flags.nosave && flags.save) {
        return Err(CmdError::Syntax);
    }
    if abort {
        return match shutdown::abort_stop(server) {
            true => reply.ok(),
            false => Err(CmdError::Fixed("ERR No shutdown in progress.")),
        };
    }
    if !flags.now && !server.frame.may_block(session) {
        return Err(CmdError::Fixed(
            "ERR SHUTDOWN without NOW or ABORT isn't allowed for DENY BLOCKING client",
        ));
    }
    if !flags.nosave
        && let Some(error) = server.script.busy_error()
    {
        return Err(error);
    }
    let stop = shutdown::stop(server, flags)
        .map_err(|_| CmdError::Fixed("ERR Errors trying to SHUTDOWN. Check logs."))?;
    if stop == Stop::Waits {
        server.blocking.await_stop(session.id.0);
        return Err(CmdError::Wait(Box::new(Wait {
            nothing: Nothing::Never,
            ..Wait::new(Kind::String, [], None)
        })));
    }
    session.ending = Ending::Now;
    Ok(())
}
