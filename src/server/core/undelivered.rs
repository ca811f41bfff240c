//! Replies that are never delivered: to our primary, to a replica, and of commands loaded from an
//! AOF.
//!
//! An error among them means that two copies of the data differ, so it is logged as critical
//! (`afterErrorReply` in Redis's networking.c).

use crate::algo::quoting::{in_line, quote};
use crate::config::PropagationError;
use crate::resp::request::Argv;
use crate::server::Server;
use crate::server::clients::describe;
use crate::server::clients::session::{Ending, Peer, Session};

/// Maximum bytes of an error shown in the log.
const ERROR_SHOWN: usize = 4096;
/// Maximum bytes of the replication stream shown beside an error.
const STREAM_SHOWN: usize = 256;

/// Reports the error reply of a command of the replication stream or of a log that is being loaded.
///
/// # Panics
/// If `propagation-error-behavior` asks for it.
#[cold]
pub fn report_error(server: &mut Server, session: &Session, text: &[u8]) {
    let name = describe::last_command_name(server, session);
    let text = error_as_logged(&text[..text.len().min(ERROR_SHOWN)]);
    let is_stream = session.peer == Peer::Primary;
    let (from, to) = match is_stream {
        true => ("replica", "master"),
        false => ("server", "AOF-loading-client"),
    };
    log::warn!(
        "== CRITICAL == This {from} is sending an error to its {to}: '{text}' after processing the \
         command '{name}'"
    );
    if is_stream && let Some(latest) = server.replication.latest(STREAM_SHOWN) {
        let shown = quote(&latest);
        log::info!("Latest backlog is: '{}'", String::from_utf8_lossy(&shown));
    }
    server.stats.unexpected_errors += 1;
    let panics = match server.config.propagation_error_behavior {
        PropagationError::Panic => !is_stream || server.config.replica_read_only,
        PropagationError::PanicOnReplicas => is_stream && server.config.replica_read_only,
        PropagationError::Ignore => false,
    };
    if panics {
        // Required by the directive: a copy that differs from its source must not go on.
        panic!(
            "This {from} panicked sending an error to its {to} after processing the command \
             '{name}'"
        );
    }
}

/// Disconnects a replica whose command produced a reply: a replica only receives the stream, which
/// the reply would corrupt.
#[cold]
pub fn disconnect_replica(server: &mut Server, session: &mut Session, argv: &Argv, reply: &[u8]) {
    let name = describe::last_command_name(server, session);
    log::warn!(
        "Replica generated a reply to command '{name}', disconnecting it: {}",
        describe::caller_line(server, session, argv)
    );
    if let Some(error) = reply.strip_prefix(b"-") {
        let error = error_as_logged(error.strip_suffix(b"\r\n").unwrap_or(error));
        log::warn!(
            "== CRITICAL == This master is sending an error to its replica: '{error}' after \
             processing the command '{name}'"
        );
        server.stats.unexpected_errors += 1;
    }
    session.ending = Ending::Now;
}

/// Returns an error as the log of Redis shows it: one without a special code loses its `ERR`.
fn error_as_logged(text: &[u8]) -> String {
    match text.strip_prefix(b"ERR ") {
        Some(text) => in_line(text),
        None => format!("-{}", in_line(text)),
    }
}
