//! The section Persistence: snapshots, the AOF and loading.

use crate::persist::load::Loading;
use crate::server::Server;
use crate::server::text::Text;

fn status(failed: bool) -> &'static str {
    if failed { "err" } else { "ok" }
}

/// Writes the section Persistence.
pub fn persistence(server: &Server, text: &mut Text) {
    let persist = &server.persist;
    let aside = server.replication.serves_reads_while_loading();
    let loads = persist.loading.is_some() && !aside;
    text.line("loading", loads as u8);
    text.line("async_loading", aside as u8);
    child(server, text);
    snapshots(server, text);
    log(server, text);
    if let Some(loading) = &persist.loading {
        progress(server, loading, text);
    }
}

/// Writes the progress of the child.
fn child(server: &Server, text: &mut Text) {
    let job = server.persist.child.as_ref();
    let now_ms = server.clock.mono_ms();
    let age_s = job.filter(|job| job.reported_ms > 0);
    let age_s = age_s.map_or(0, |job| now_ms.saturating_sub(job.reported_ms) / 1000);
    text.line(
        "current_cow_peak",
        job.map_or(0, |job| job.peak_copied_bytes),
    );
    text.line(
        "current_cow_size",
        job.map_or(0, |job| job.report.copied_bytes),
    );
    text.line("current_cow_size_age", age_s);
    let (done, keys) = job.map_or((0, 0), |job| (job.report.keys, job.keys));
    let percent = if keys == 0 {
        0.0
    } else {
        done as f64 * 100.0 / keys as f64
    };
    text.line("current_fork_perc", format!("{percent:.2}"));
    text.line("current_save_keys_processed", done);
    text.line("current_save_keys_total", keys);
}

/// Returns the seconds since a child of this kind was started; -1 if none is running.
fn at_work_s(server: &Server, snapshot: bool) -> i64 {
    let job = server.persist.child.as_ref();
    let job = job.filter(|job| job.purpose.is_snapshot() == snapshot);
    job.map_or(-1, |job| server.clock.now_s() - job.started_s)
}

fn snapshots(server: &Server, text: &mut Text) {
    let saves = &server.persist.saves;
    let working_s = at_work_s(server, true);
    text.line(
        "rdb_changes_since_last_save",
        saves.changes(server.effects.dirty()),
    );
    text.line("rdb_bgsave_in_progress", (working_s >= 0) as u8);
    text.line("rdb_last_save_time", saves.results().last_save_s);
    text.line(
        "rdb_last_bgsave_status",
        status(saves.results().last_failed),
    );
    text.line("rdb_last_bgsave_time_sec", saves.results().last_took_s);
    text.line("rdb_current_bgsave_time_sec", working_s);
    text.line("rdb_saves", saves.results().saves);
    text.line(
        "rdb_saves_consecutive_failures",
        saves.results().failures_in_a_row,
    );
    text.line("rdb_last_cow_size", saves.results().last_copied_bytes);
    text.line("rdb_last_load_keys_expired", server.persist.tally().expired);
    text.line("rdb_last_load_keys_loaded", server.persist.tally().keys);
}

fn log(server: &Server, text: &mut Text) {
    let aof = &server.persist.aof;
    let rewrites = &aof.rewrites;
    let working_s = at_work_s(server, false);
    text.line("aof_enabled", aof.is_on() as u8);
    text.line("aof_rewrite_in_progress", (working_s >= 0) as u8);
    text.line("aof_rewrite_scheduled", rewrites.is_scheduled() as u8);
    text.line("aof_last_rewrite_time_sec", rewrites.results().last_took_s);
    text.line("aof_current_rewrite_time_sec", working_s);
    text.line(
        "aof_last_bgrewrite_status",
        status(rewrites.results().last_failed),
    );
    text.line("aof_rewrites", rewrites.results().count);
    text.line(
        "aof_rewrites_consecutive_failures",
        rewrites.results().failures_in_a_row,
    );
    text.line("aof_last_write_status", status(aof.failure().is_some()));
    text.line("aof_last_cow_size", rewrites.results().last_copied_bytes);
    let backup = server.persist.backup.stage();
    text.line("backup_in_progress", backup.is_in_progress() as u8);
    text.lines(&["module_fork_in_progress", "module_fork_last_cow_size"], 0);
    if aof.is_on() {
        text.line("aof_current_size", aof.size());
        text.line("aof_base_size", aof.base_size());
        text.line("aof_pending_rewrite", rewrites.is_scheduled() as u8);
        text.line("aof_buffer_length", aof.buffered_bytes());
        text.line("aof_pending_bio_fsync", aof.pending_syncs());
        text.line("aof_delayed_fsync", aof.delayed_syncs());
    }
}

/// Writes the progress of loading, and the estimated time to its end.
fn progress(server: &Server, loading: &Loading, text: &mut Text) {
    let (total, loaded) = (loading.total_bytes, loading.loaded_bytes());
    let elapsed_s = server.clock.now_s() - loading.started_s;
    let percent = if total == 0 {
        0.0
    } else {
        loaded as f64 * 100.0 / total as f64
    };
    let eta_s = match loaded {
        0 => 1,
        loaded if elapsed_s == 0 => 1 + (total.saturating_sub(loaded) > loaded) as i64,
        loaded => (elapsed_s as u64 * total.saturating_sub(loaded) / loaded) as i64,
    };
    text.line("loading_start_time", loading.started_s);
    text.line("loading_total_bytes", total);
    text.line("loading_rdb_used_mem", loading.used_memory);
    text.line("loading_loaded_bytes", loaded);
    text.line("loading_loaded_perc", format!("{percent:.2}"));
    text.line("loading_eta_seconds", eta_s);
}
