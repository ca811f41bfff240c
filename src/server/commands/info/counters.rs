//! The sections with counters: Stats, Commandstats, Errorstats, Latencystats.

use crate::observe::commandlog::Slow;
use crate::pubsub::Scope;
use crate::server::Server;
use crate::server::core::stats::Rate;
use crate::server::core::table::Slot;
use crate::server::text::Text;
use std::sync::atomic::Ordering::Relaxed;

/// Writes the section Stats.
pub fn stats(server: &Server, text: &mut Text) {
    traffic(server, text);
    keys(server, text);
    text.line("unexpected_error_replies", server.stats.unexpected_errors);
    text.line("total_error_replies", server.stats.errors);
    text.line("dump_payload_sanitizations", 0);
    text.line("total_reads_processed", server.stats.reads);
    text.line("total_writes_processed", server.stats.writes);
    text.lines(
        &[
            "io_threaded_reads_processed",
            "io_threaded_writes_processed",
            "io_threaded_total_prefetch_batches",
            "io_threaded_total_prefetch_entries",
        ],
        0,
    );
    text.line(
        "client_query_buffer_limit_disconnections",
        server.stats.query_limit_disconnections,
    );
    text.line(
        "client_output_buffer_limit_disconnections",
        server.stats.output_limit_disconnections,
    );
    text.line("reply_buffer_shrinks", server.stats.reply_buffer_shrinks);
    text.line("reply_buffer_expands", server.stats.reply_buffer_expands);
    turns(server, text);
    slow_commands(server, text);
    let counts = server.keyspace.shared.templates.counts();
    text.line("hash_templates", counts.templates.load(Relaxed));
    text.line("hash_template_keys", counts.hashes.load(Relaxed));
    text.line("acl_access_denied_auth", server.stats.auth_denied);
    text.line("acl_access_denied_cmd", server.stats.command_denied);
    text.line("acl_access_denied_key", server.stats.key_denied);
    text.line("acl_access_denied_channel", server.stats.channel_denied);
    text.line(
        "acl_access_denied_tls_cert",
        server.stats.certificate_denied,
    );
    // A field of Valkey: INFO stays that of Redis where no user has a rule about databases.
    if server.stats.database_denied > 0 {
        text.line("acl_access_denied_db", server.stats.database_denied);
    }
}

fn traffic(server: &Server, text: &mut Text) {
    let stats = &server.stats;
    let kbps = |bytes: u64| format!("{:.2}", bytes as f64 / 1024.0);
    text.line("total_connections_received", stats.connections);
    text.line("total_commands_processed", stats.commands);
    text.line("instantaneous_ops_per_sec", stats.ops_rate.per_second());
    let (repl_in, repl_out) = (stats.repl_bytes_in, stats.repl_bytes_out);
    text.line("total_net_input_bytes", stats.bytes_in + repl_in);
    text.line("total_net_output_bytes", stats.bytes_out + repl_out);
    text.line("total_net_repl_input_bytes", repl_in);
    text.line("total_net_repl_output_bytes", repl_out);
    text.line("instantaneous_input_kbps", kbps(stats.in_rate.per_second()));
    text.line(
        "instantaneous_output_kbps",
        kbps(stats.out_rate.per_second()),
    );
    let kbps_of = |rate: &Rate| kbps(rate.per_second());
    text.line(
        "instantaneous_input_repl_kbps",
        kbps_of(&stats.repl_in_rate),
    );
    text.line(
        "instantaneous_output_repl_kbps",
        kbps_of(&stats.repl_out_rate),
    );
    text.line("rejected_connections", stats.rejected_connections);
    text.line("sync_full", stats.sync_full);
    text.line("sync_partial_ok", stats.sync_partial_ok);
    text.line("sync_partial_err", stats.sync_partial_err);
}

fn keys(server: &Server, text: &mut Text) {
    let keys = &server.keyspace.shared.stats;
    text.line("expired_subkeys", keys.expired_fields);
    text.line("expired_subkeys_active", keys.expired_fields_actively);
    text.line("expired_keys", keys.expired);
    text.line("expired_keys_active", keys.expired_actively);
    text.line("expired_stale_perc", "0.00");
    text.line("expired_time_cap_reached_count", keys.expiry_cut_short);
    text.line(
        "expire_cycle_cpu_milliseconds",
        server.stats.expire_cycle_us / 1000,
    );
    text.line("evicted_keys", keys.evicted);
    text.line("evicted_clients", server.stats.evicted_clients);
    text.line("evicted_scripts", server.script.evicted());
    let (total_ms, current_ms) = server.eviction.exceeded_ms();
    text.line("total_eviction_exceeded_time", total_ms);
    text.line("current_eviction_exceeded_time", current_ms);
    text.line("keyspace_hits", keys.hits);
    text.line("keyspace_misses", keys.misses);
    let pubsub = &server.pubsub;
    text.line("pubsub_channels", pubsub.len(Scope::Channel));
    text.line("pubsub_patterns", pubsub.len(Scope::Pattern));
    text.line("pubsubshard_channels", pubsub.len(Scope::Shard));
    text.line("latest_fork_usec", server.stats.fork_us);
    text.line("total_forks", server.stats.forks);
    text.line("migrate_cached_sockets", server.peers.len());
    let own = &server.keyspace.shared.replica_expires;
    text.line("slave_expires_tracked_keys", own.len());
    text.lines(
        &[
            "active_defrag_hits",
            "active_defrag_misses",
            "active_defrag_key_hits",
            "active_defrag_key_misses",
            "total_active_defrag_time",
            "current_active_defrag_time",
        ],
        0,
    );
    let tracking = &server.tracking;
    text.line("tracking_total_keys", tracking.keys());
    text.line("tracking_total_items", tracking.items());
    text.line("tracking_total_prefixes", tracking.prefixes());
}

fn turns(server: &Server, text: &mut Text) {
    let stats = &server.stats;
    let in_commands_ns: u64 = server.table.iter().map(|slot| slot.stats.ns).sum();
    let turns_per_s = stats.turn_rate.per_second();
    let us_per_turn = stats.turn_us_rate.per_second() / turns_per_s.max(1);
    text.line("eventloop_cycles", stats.turns);
    text.line("eventloop_duration_sum", stats.turns_us);
    text.line("eventloop_duration_cmd_sum", in_commands_ns / 1000);
    text.line("instantaneous_eventloop_cycles_per_sec", turns_per_s);
    text.line("instantaneous_eventloop_duration_usec", us_per_turn);
    text.line(
        "eventloop_cycles_with_clients_processing",
        stats.turns_with_input,
    );
    text.line("total_client_processing_events", stats.reads);
    text.line("avg_pipeline_length_sum", stats.parsed);
    text.line("avg_pipeline_length_cnt", stats.parsed_batches);
    let average = stats.parsed as f64 / stats.parsed_batches.max(1) as f64;
    text.line("avg_pipeline_length", format!("{average:.2}"));
}

fn slow_commands(server: &Server, text: &mut Text) {
    let slow = &server.observe.logs.slow;
    text.line("slowlog_commands_count", slow.count);
    text.line("slowlog_commands_time_ms_max", ms(slow.max_us));
    text.line("slowlog_commands_time_ms_sum", ms(slow.sum_us));
}

/// Microseconds as milliseconds with two digits.
fn ms(us: u64) -> String {
    format!("{:.2}", us as f64 / 1000.0)
}

/// Writes the section Commandstats.
pub fn commands(server: &Server, text: &mut Text) {
    for slot in server.table.iter() {
        let stats = &slot.stats;
        if stats.calls + stats.failed + stats.rejected == 0 {
            continue;
        }
        let usec = stats.ns / 1000;
        let per_call = match stats.calls {
            0 => 0.0,
            calls => stats.ns as f64 / 1000.0 / calls as f64,
        };
        let slow = match stats.slow {
            Slow { count: 0, .. } => String::new(),
            Slow {
                count,
                sum_us,
                max_us,
            } => format!(
                ",slowlog_count={count},slowlog_time_ms_sum={},slowlog_time_ms_max={}",
                ms(sum_us),
                ms(max_us)
            ),
        };
        text.line(
            &field("cmdstat", slot),
            format!(
                "calls={},usec={usec},usec_per_call={per_call:.2},rejected_calls={},\
                 failed_calls={}{slow}",
                stats.calls, stats.rejected, stats.failed
            ),
        );
    }
}

/// Returns the field name of a command. A command may have been renamed to anything; characters
/// that would break a line are replaced.
fn field(prefix: &str, slot: &Slot) -> String {
    let unsafe_in_line = |c: char| "#:".contains(c) || c.is_control();
    format!("{prefix}_{}", slot.full_name.replace(unsafe_in_line, "_"))
}

/// Writes the section Errorstats.
pub fn errors(server: &Server, text: &mut Text) {
    let mut codes: Vec<_> = server.stats.error_codes.iter().collect();
    codes.sort();
    for (code, count) in codes {
        let clean = code.replace(|c: char| "#:".contains(c) || c.is_control(), "_");
        text.line(&format!("errorstat_{clean}"), format!("count={count}"));
    }
}

/// Writes the section Latencystats.
pub fn latencies(server: &Server, text: &mut Text) {
    if !server.config.latency_tracking {
        return;
    }
    let percentiles = &server.config.latency_tracking_info_percentiles;
    for slot in server.table.iter() {
        if slot.stats.latency.count() == 0 {
            continue;
        }
        let values: Vec<String> = percentiles
            .iter()
            .map(|p| {
                let us = slot.stats.latency.percentile(*p) as f64 / 1000.0;
                format!("p{p}={us:.3}")
            })
            .collect();
        text.line(&field("latency_percentiles_usec", slot), values.join(","));
    }
}
