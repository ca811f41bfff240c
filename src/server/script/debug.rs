//! Debugger sessions: their start and their end. The debugger itself is `script::debug`.
//!
//! After SCRIPT DEBUG YES a script runs in a forked child with a copy of the data, which owns the
//! connection; the parent drops the client. After SCRIPT DEBUG SYNC it runs in the server and
//! blocks all other clients. Either way the connection ends with the script.

use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::logging;
use crate::persist::reason;
use crate::script::debug::Debugger;
use crate::server::Server;
use crate::server::clients::session::{Debugging, Ending, Session};
use crate::sys::fork::{self, Side};
use crate::sys::socket::Waiting;

/// The time a script runs before the debugger asks its user about it, in milliseconds, if
/// `busy-reply-threshold` is 0.
const PATIENCE_MS: u64 = 5000;

/// The function that runs the script.
type Run = fn(&mut Server, &mut Session, &mut Args, &mut Reply) -> CmdResult;

/// Runs EVAL of a client that has debugging enabled.
pub(in crate::server) fn debug_script(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
    run: Run,
) -> CmdResult {
    let place = std::mem::take(&mut session.debugging);
    if place == Debugging::Here {
        log::info!("Redis synchronous debugging eval session started");
        let (result, debugger) = run_session(server, session, args, reply, run)?;
        debugger.end(b"");
        log::info!("Redis synchronous debugging eval session ended");
        return result;
    }
    match fork::split(&server.doors.listeners.fds()) {
        Ok(Side::Child(_)) => {}
        Ok(Side::Parent(child)) => {
            server.stats.forks += 1;
            server.script.add_session(child);
            // The child owns the connection now.
            session.ending = Ending::Now;
            return Ok(());
        }
        Err(error) => return Err(cannot_debug("Fork() failed", &error)),
    }
    become_session(server);
    if let Ok((result, debugger)) = run_session(server, session, args, reply, run) {
        if let Err(error) = result
            && !matches!(error, CmdError::Replied)
        {
            server.stats.reply_error(&error, reply);
        }
        debugger.end(&reply.to_vec());
    }
    log::info!("Lua debugging session child exiting");
    fork::leave(0)
}

/// Detaches a child from everything that belongs to the parent: files, helper threads, the other
/// children.
fn become_session(server: &mut Server) {
    logging::set_role(b'C');
    log::info!("Redis forked for debugging eval");
    server.persist.child = None;
    server.script.forget_sessions();
    server.config.save.clear();
    // Its thread does not exist in the child, and the work it was given must not be waited for.
    std::mem::forget(std::mem::take(&mut server.bio));
}

/// Runs a script under a debugger, which is returned to end the session.
fn run_session(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
    run: Run,
) -> Result<(CmdResult, Box<Debugger>), CmdError> {
    let wire = Waiting::over(session.fd)
        .map_err(|error| cannot_debug("No hold on the connection", &error))?;
    let patience_ms = match server.config.busy_reply_threshold {
        0 => PATIENCE_MS,
        ms => ms,
    };
    let debugger = Debugger::new(wire, args.argv().at(1), patience_ms);
    server.script.set_debugger(Box::new(debugger));
    let result = run(server, session, args, reply);
    session.ending = Ending::AfterReply;
    let debugger = server.script.take_debugger();
    let debugger = debugger.expect("a VM that is put back leaves its debugger here");
    Ok((result, debugger))
}

/// Reaps the children whose sessions have ended.
pub(in crate::server) fn tend_sessions(server: &mut Server) {
    server.script.reap_sessions();
}

/// Kills all sessions in children.
pub(in crate::server) fn kill_sessions(server: &mut Server) {
    server.script.kill_sessions();
}

#[cold]
fn cannot_debug(what: &str, error: &std::io::Error) -> CmdError {
    let reason = reason(error);
    let text = format!("ERR {what}: can't run EVAL in debugging mode: {reason}");
    CmdError::Text(text)
}
