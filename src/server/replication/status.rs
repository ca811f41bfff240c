//! What a replica tells of itself and its primary.

use crate::command::{CmdResult, Reply};
use crate::replication::primary::Stage;
use crate::server::Server;
use crate::server::text::Text;

/// The lines of INFO replication between the role and what a primary has, too.
pub(in crate::server) fn replica_lines(server: &Server, text: &mut Text) {
    let Some(primary) = &server.replication.primary else {
        return;
    };
    let (now_ms, now_s) = (server.clock.mono_ms(), server.clock.now_s());
    let client = primary
        .client
        .and_then(|(_, slot)| server.clients.get(slot));
    let ago = |ms: u64| (now_ms.saturating_sub(ms) / 1000) as i64;
    let heard = client.map_or(-1, |client| ago(client.session.last_active_ms));
    let is_up = primary.stage == Stage::Connected;
    text.line("master_host", &primary.host);
    text.line("master_port", primary.port);
    text.line("master_link_status", if is_up { "up" } else { "down" });
    text.line("master_last_io_seconds_ago", heard);
    let syncs = primary.stage == Stage::Transfer;
    text.line("master_sync_in_progress", syncs as u8);
    let knows = is_up || primary.is_cached;
    let applied = match knows {
        true => server.replication.history.offset as i64,
        false => 1,
    };
    let read = applied
        + if is_up {
            primary.incoming.pending() as i64
        } else {
            0
        };
    text.line("slave_read_repl_offset", read);
    text.line("slave_repl_offset", applied);
    text.line("replica_full_sync_buffer_size", 0);
    text.line("replica_full_sync_buffer_peak", 0);
    text.line("master_current_sync_attempts", primary.tries);
    text.line("master_total_sync_attempts", primary.all_tries);
    if syncs {
        transfer_lines(server, text);
        text.line("master_sync_last_io_seconds_ago", ago(primary.heard_ms));
    }
    let down_s = primary.down_since_s.map(|since_s| now_s - since_s);
    if is_up {
        text.line("master_link_up_since_seconds", now_s - primary.up_since_s);
    } else {
        text.line("master_link_down_since_seconds", down_s.unwrap_or(-1));
    }
    let was_down_s = primary.was_down_s + down_s.unwrap_or(0);
    text.line("total_disconnect_time_sec", was_down_s);
    text.line("slave_priority", server.config.replica_priority);
    text.line("slave_read_only", server.config.replica_read_only as u8);
    text.line("replica_announced", server.config.replica_announced as u8);
}

/// How far a snapshot has come. As Redis has it, the length of one that ends with a mark is 0.
fn transfer_lines(server: &Server, text: &mut Text) {
    let primary = server.replication.primary.as_ref();
    let transfer = primary.and_then(|primary| primary.transfer.as_ref());
    let payload = transfer.and_then(|transfer| transfer.payload.as_ref());
    let total = payload.map_or(-1, |payload| payload.total().unwrap_or(0) as i64);
    let read = payload.map_or(0, |payload| payload.received as i64);
    let percent = match total {
        0 => 0.0,
        total => read as f64 / total as f64 * 100.0,
    };
    text.line("master_sync_total_bytes", total);
    text.line("master_sync_read_bytes", read);
    text.line("master_sync_left_bytes", total - read);
    text.line("master_sync_perc", format!("{percent:.2}"));
}

/// ROLE of a replica.
pub fn role_of_replica(server: &Server, reply: &mut Reply) -> CmdResult {
    let Some(primary) = &server.replication.primary else {
        return reply.null();
    };
    let applied = match primary.stage {
        Stage::Connected => server.replication.history.offset as i64,
        _ => -1,
    };
    reply.array(5)?;
    reply.bulk(b"slave")?;
    reply.bulk(primary.host.as_bytes())?;
    reply.int(primary.port.into())?;
    reply.bulk(primary.stage.word().as_bytes())?;
    reply.int(applied)
}
