//! The section Replication.

use crate::replication::failover::Failover;
use crate::replication::primary::{Primary, Stage};
use crate::replication::transfer::Transfer;
use crate::server::Server;
use crate::server::text::Text;

/// Writes the section Replication.
pub fn replication(server: &Server, text: &mut Text) {
    let is_replica = server.replication.is_replica();
    text.line("role", if is_replica { "slave" } else { "master" });
    replica_lines(server, text);
    replicas(server, text);
    let failover = server.replication.failover();
    let state = failover.map_or("no-failover", Failover::word);
    text.line("master_failover_state", state);
    text.line("master_replid", &server.replication.history().id);
    text.line("master_replid2", &server.replication.history().previous);
    text.line("master_repl_offset", server.replication.offset());
    text.line(
        "second_repl_offset",
        server.replication.history().second_offset,
    );
    let backlog = server.replication.backlog();
    text.line("repl_backlog_active", backlog.is_some() as u8);
    text.line("repl_backlog_size", server.config.repl_backlog_size);
    let (first, len) = backlog.map_or((0, 0), |backlog| (backlog.first(), backlog.len()));
    text.line("repl_backlog_first_byte_offset", first);
    text.line("repl_backlog_histlen", len);
}

/// Writes the lines about our replicas.
fn replicas(server: &Server, text: &mut Text) {
    let replicas = server.replication.replicas();
    text.line("connected_slaves", replicas.count());
    let config = &server.config;
    if config.min_replicas_to_write > 0 && config.min_replicas_max_lag > 0 {
        text.line("min_slaves_good_slaves", replicas.good());
    }
    let now_s = server.clock.now_s();
    for (index, replica) in replicas.known().enumerate() {
        let lag_s = replica.lag_s(now_s);
        text.line(
            &format!("slave{index}"),
            format!(
                "ip={},port={},state={},offset={},lag={lag_s},io-thread=0",
                replica.ip(),
                replica.port(),
                replica.state_word(),
                replica.acked()
            ),
        );
    }
}

/// Writes the lines of INFO replication that only a replica has, before those of a primary.
fn replica_lines(server: &Server, text: &mut Text) {
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
    let (kept, kept_peak) = primary.kept_bytes();
    text.line("replica_full_sync_buffer_size", kept);
    text.line("replica_full_sync_buffer_peak", kept_peak);
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
