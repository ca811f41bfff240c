//! The description of a replica and its primary in INFO and ROLE.

use crate::command::{CmdResult, Reply};
use crate::replication::primary::{Primary, Stage};
use crate::replication::transfer::Transfer;
use crate::server::Server;
use crate::server::commands::info::Text;

/// Writes the lines of INFO replication that only a replica has, in front of those of a primary.
pub(in crate::server) fn replica_lines(server: &Server, text: &mut Text) {
    let Some(primary) = server.replication.primary() else {
        return;
    };
    let (now_ms, now_s) = (server.clock.mono_ms(), server.clock.now_s());
    let client = primary.slot().and_then(|slot| server.clients.get(slot));
    let ago = |ms: u64| (now_ms.saturating_sub(ms) / 1000) as i64;
    let active_s = client.map_or(-1, |client| ago(client.session.last_active_ms));
    let is_up = primary.is_connected();
    text.line("master_host", primary.host());
    text.line("master_port", primary.port());
    text.line("master_link_status", if is_up { "up" } else { "down" });
    text.line("master_last_io_seconds_ago", active_s);
    let syncs = primary.stage() == Stage::Transfer;
    text.line("master_sync_in_progress", syncs as u8);
    let applied = match primary.is_known() {
        true => server.replication.offset() as i64,
        false => 1,
    };
    let pending = if is_up { primary.pending() as i64 } else { 0 };
    text.line("slave_read_repl_offset", applied + pending);
    text.line("slave_repl_offset", applied);
    text.line("replica_full_sync_buffer_size", 0);
    text.line("replica_full_sync_buffer_peak", 0);
    let (attempts, all_attempts) = primary.attempts();
    text.line("master_current_sync_attempts", attempts);
    text.line("master_total_sync_attempts", all_attempts);
    if syncs {
        transfer_lines(primary, text);
        let active_s = ago(primary.active_ms());
        text.line("master_sync_last_io_seconds_ago", active_s);
    }
    let (down_s, was_down_s) = primary.down_s(now_s);
    if is_up {
        text.line("master_link_up_since_seconds", primary.up_s(now_s));
    } else {
        text.line("master_link_down_since_seconds", down_s.unwrap_or(-1));
    }
    text.line("total_disconnect_time_sec", was_down_s);
    text.line("slave_priority", server.config.replica_priority);
    text.line("slave_read_only", server.config.replica_read_only as u8);
    text.line("replica_announced", server.config.replica_announced as u8);
}

/// Writes the progress of a snapshot, in bytes. As in Redis the length of one that ends with a mark
/// is 0.
fn transfer_lines(primary: &Primary, text: &mut Text) {
    let progress = primary.transfer().map(Transfer::progress);
    let (total, read) = progress.unwrap_or_default();
    let total = total.map_or(-1, |total| total as i64);
    let read = read as i64;
    let percent = match total {
        0 => 0.0,
        total => read as f64 / total as f64 * 100.0,
    };
    text.line("master_sync_total_bytes", total);
    text.line("master_sync_read_bytes", read);
    text.line("master_sync_left_bytes", total - read);
    text.line("master_sync_perc", format!("{percent:.2}"));
}

/// Writes the reply to ROLE of a replica.
pub fn role_of_replica(server: &Server, reply: &mut Reply) -> CmdResult {
    let Some(primary) = server.replication.primary() else {
        return reply.null();
    };
    let applied = match primary.is_connected() {
        true => server.replication.offset() as i64,
        false => -1,
    };
    reply.array(5)?;
    reply.bulk(b"slave")?;
    reply.bulk(primary.host().as_bytes())?;
    reply.int(primary.port().into())?;
    reply.bulk(primary.stage().word().as_bytes())?;
    reply.int(applied)
}
