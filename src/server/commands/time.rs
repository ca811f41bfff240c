//! TIME.

use crate::command::spec::*;
use crate::command::{Args, CmdResult, Reply};
use crate::server::clients::session::Session;
use crate::server::{Server, ServerCommand};

pub static TABLE: &[ServerCommand] = &[TIME];

const TIME: ServerCommand = Spec {
    name: "time",
    flags: all(&[LOADING, STALE, FAST]),
    since: "2.6.0",
    summary: "The time of the server.",
    complexity: "O(1)",
    tips: &["nondeterministic_output"],
    ..Spec::of(Group::Server)
}
.runs(time);

/// Read at the call, not at the start of the event-loop iteration; within a transaction or a
/// script, the time at which that began.
fn time(server: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    let us = if server.unit.is_nested() {
        server.unit.time_us(&server.clock)
    } else {
        server.clock.refresh();
        server.clock.unix_us()
    };
    reply.array(2)?;
    reply.bulk_int(us / 1_000_000)?;
    reply.bulk_int(us % 1_000_000)
}
