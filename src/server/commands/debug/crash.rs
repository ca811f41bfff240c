//! DEBUG subcommands that crash the server, to test crash reports.

use crate::command::{Args, CmdResult, Reply};
use crate::server::Server;
use crate::server::clients::session::Session;
use crate::sys::{clock, crash};

/// DEBUG ASSERT.
pub(super) fn assert(_: &mut Server, _: &mut Session, _: &mut Args, _: &mut Reply) -> CmdResult {
    log::warn!("=== ASSERTION FAILED ===");
    log::warn!("==> DEBUG ASSERT asked for it");
    panic!("DEBUG ASSERT asked for it");
}

/// DEBUG PANIC.
pub(super) fn panic(_: &mut Server, _: &mut Session, _: &mut Args, _: &mut Reply) -> CmdResult {
    let now_s = clock::unix_us() / 1_000_000;
    panic!("DEBUG PANIC called at Unix time {now_s}");
}

/// DEBUG SEGFAULT.
pub(super) fn segfault(
    _: &mut Server,
    _: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    crash::segfault();
    reply.ok()
}
