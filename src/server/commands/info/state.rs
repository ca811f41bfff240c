//! The sections Clients, Modules, Cluster, Keyspace and Keysizes.

use crate::keyspace::{Db, DbIndex, measure};
use crate::server::Server;
use crate::server::text::Text;
use crate::types::value::Kind;

/// The number of keys that are sampled for the average time to live.
const TTL_LOOKS: usize = 256;

/// Writes the section Clients.
pub fn clients(server: &Server, text: &mut Text) {
    let replicas = server.replication.replicas().len();
    text.line("connected_clients", server.clients.len() - replicas);
    text.line("cluster_connections", 0);
    text.line("maxclients", server.config.maxclients);
    let (input, output) = server.clients.recent_peaks();
    text.line("client_recent_max_input_buffer", input);
    text.line("client_recent_max_output_buffer", output);
    let blocking = &server.blocking;
    let blocked = server.pause.waiting() + blocking.len();
    text.line("blocked_clients", blocked);
    text.line("tracking_clients", server.tracking.clients());
    text.line("pubsub_clients", server.pubsub.clients());
    text.line("watching_clients", server.watch.clients());
    text.line("clients_in_timeout_table", blocking.timed());
    text.line("active_clients", active_clients(server));
    text.line("total_watched_keys", server.watch.keys());
    text.line("total_blocking_keys", blocking.keys());
    let until_gone = blocking.keys_until_gone();
    text.line("total_blocking_keys_on_nokey", until_gone);
}

/// The number of clients that were served within the last moment.
fn active_clients(server: &Server) -> usize {
    const MOMENT_MS: u64 = 500;
    let since_ms = server.clock.mono_ms().saturating_sub(MOMENT_MS);
    let clients = server.clients.iter();
    let active = clients.filter(|(_, client)| {
        client.session.commands_run > 0 && client.session.last_active_ms >= since_ms
    });
    // The caller is not among them while it is served.
    1 + active.count()
}

/// Writes the section Hotkeys: whether a collection is going on, and the time of its commands.
pub fn hotkeys(server: &Server, text: &mut Text) {
    if let Some(hotkeys) = &server.observe.hotkeys {
        text.line(
            "hotkeys-tracking-active",
            hotkeys.is_active(server.clock.mono_ms()) as u8,
        );
        text.line("hotkeys-cmd-cpu-time", hotkeys.all_ns / 1_000_000);
    }
}

/// Writes nothing: modules are not supported.
pub fn modules(_: &Server, _: &mut Text) {}

/// Writes the section Cluster.
pub fn cluster(_: &Server, text: &mut Text) {
    text.line("cluster_enabled", 0);
}

/// Writes the section Keyspace.
pub fn keyspace(server: &Server, text: &mut Text) {
    let now_ms = server.keyspace.now_ms();
    for (index, db) in server.keyspace.iter().filter(|(_, db)| !db.is_empty()) {
        let (keys, expires) = (db.len(), db.volatile());
        let avg_ttl = average_ttl_ms(db, now_ms);
        let subexpiry = db.volatile_hashes();
        text.line(
            &format!("db{}", index.0),
            format!("keys={keys},expires={expires},avg_ttl={avg_ttl},subexpiry={subexpiry}"),
        );
    }
}

/// Returns the average time to live of the first volatile keys of a scan, in milliseconds.
fn average_ttl_ms(db: &Db, now_ms: i64) -> i64 {
    if db.volatile() == 0 {
        return 0;
    }
    let met = db.entries().iter().take(TTL_LOOKS);
    let (mut sum, mut count) = (0, 0);
    for deadline_ms in met.filter_map(|entry| entry.deadline_ms()) {
        sum += (deadline_ms - now_ms).max(0);
        count += 1;
    }
    sum / count.max(1)
}

/// Writes the distribution of value sizes by powers of two, for each database and type.
pub fn keysizes(server: &Server, text: &mut Text) {
    let filled = |(_, db): &(_, &Db)| !db.entries().is_empty();
    for (index, db) in server.keyspace.iter().filter(filled) {
        for (kind, counts) in db.sizes().shown() {
            let what = match kind {
                Kind::String => "strings_sizes",
                Kind::List => "lists_items",
                Kind::Set => "sets_items",
                Kind::Zset => "zsets_items",
                Kind::Hash | Kind::Stream | Kind::Array => "hashes_items",
            };
            let name = format!("db{}_distrib_{what}", index.0);
            text.line(&name, counted(counts));
        }
        if server.config.key_memory_histograms {
            memory_sizes(index, db, text);
        }
    }
}

/// Writes the same of the memory of collections.
fn memory_sizes(index: DbIndex, db: &Db, text: &mut Text) {
    for (kind, counts) in measure::histograms(db) {
        let what = match kind {
            Kind::List => "lists_sizes",
            Kind::Set => "sets_sizes",
            Kind::Zset => "zsets_sizes",
            _ => "hashes_sizes",
        };
        let name = format!("db{}_distrib_{what}", index.0);
        text.line(&name, counted(counts));
    }
}

fn counted(counts: Vec<(u64, u64)>) -> String {
    let counts = counts.into_iter();
    let counts = counts.map(|(size, count)| format!("{}={count}", power_of_two(size)));
    counts.collect::<Vec<_>>().join(",")
}

/// Returns a power of two in its shortest form: 1024 is 1K.
fn power_of_two(n: u64) -> String {
    let mut units = ["", "K", "M", "G", "T", "P", "E"].into_iter();
    let mut rest = n;
    while rest >= 1024 {
        rest /= 1024;
        units.next();
    }
    format!("{rest}{}", units.next().unwrap_or_default())
}
