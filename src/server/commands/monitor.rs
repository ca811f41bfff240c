//! MONITOR: every command as it is executed, with its time, database, client and arguments.
//!
//! `feed_monitors` is called after each command while the gate `MONITORED` is set; without
//! monitors, that gate is the only cost.

use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::server::clients::monitors;
use crate::server::clients::session::{Peer, Session};
use crate::server::{Server, ServerCommand};

pub static TABLE: &[ServerCommand] = &[MONITOR];

const MONITOR: ServerCommand = Spec {
    name: "monitor",
    flags: all(&[ADMIN, NOSCRIPT, LOADING, STALE]),
    since: "1.0.0",
    summary: "Shows every command as it comes.",
    ..Spec::of(Group::Server)
}
.runs(monitor);

fn monitor(
    server: &mut Server,
    session: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    if !server.frame.may_block(session) {
        return Err(CmdError::Fixed(
            "ERR MONITOR isn't allowed for DENY BLOCKING client",
        ));
    }
    // A monitor or replica gets no reply.
    if session.monitor || session.peer == Peer::Replica {
        return Ok(());
    }
    monitors::start(server, session);
    reply.ok()
}
