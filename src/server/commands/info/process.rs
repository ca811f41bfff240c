//! The sections about the process: Server, Memory, Threads, CPU, Debug.

use crate::algo::units::bytes_human;
use crate::config::Word;
use crate::net::Kind;
use crate::net::tls_settings::Facts;
use crate::server::Server;
use crate::server::lifecycle::cron;
use crate::server::lifecycle::memory::Resident;
use crate::server::text::Text;
use crate::sys::process::{self, CpuTime, Whose};
use crate::sys::{clock, memory};
use crate::version;
use std::sync::atomic::Ordering::Relaxed;

const DAY_S: i64 = 24 * 60 * 60;
/// The bits of the LRU clock.
const LRU_BITS: i64 = (1 << 24) - 1;

/// Writes the section Server.
pub fn server(server: &Server, text: &mut Text) {
    let (this, config) = (&server.process, &server.config);
    let uptime_s = this.uptime_s(server.clock.now_ms());
    text.line("redis_version", config.series().version());
    text.line("redwheel_version", version::OWN_VERSION);
    text.line("redis_git_sha1", version::BUILD_SHA);
    text.line("redis_git_dirty", 0);
    text.line("redis_build_id", version::BUILD_ID);
    text.line("redis_mode", "standalone");
    text.line("os", process::uname());
    text.line("arch_bits", usize::BITS);
    text.line("monotonic_clock", "POSIX clock_gettime");
    text.line("multiplexing_api", "epoll");
    text.line("atomicvar_api", "c11-builtin");
    text.line("gcc_version", "0.0.0");
    text.line("process_id", std::process::id());
    text.line("process_supervised", this.origin().supervisor.name());
    text.line("run_id", this.run_id());
    text.line(
        "tcp_port",
        match config.port {
            0 => config.tls_port,
            port => port,
        },
    );
    text.line("server_time_usec", clock::unix_us());
    if let Some(until_ms) = server.shutdown.waits_until_ms() {
        let left_ms = until_ms.saturating_sub(server.clock.mono_ms());
        text.line("shutdown_in_milliseconds", left_ms);
    }
    text.line("uptime_in_seconds", uptime_s);
    text.line("uptime_in_days", uptime_s / DAY_S);
    text.line("hz", config.hz);
    text.line("configured_hz", config.hz);
    text.line("lru_clock", server.clock.now_s() & LRU_BITS);
    text.line("executable", &this.origin().executable);
    let file = config.config_file.as_ref();
    let file = file.map_or(String::new(), |file| file.display().to_string());
    text.line("config_file", file);
    text.line("io_threads_active", 0);
    listeners(server, text);
}

fn listeners(server: &Server, text: &mut Text) {
    let config = &server.config;
    let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let hosts = || {
        config
            .bind
            .iter()
            .map(|host| format!(",bind={}", words(host)))
    };
    let on_port = |name: &str, port: u16| {
        let hosts: String = hosts().collect();
        format!("name={name}{hosts},port={port}")
    };
    let listening = |kind| server.doors.listeners.iter().any(|one| one.kind() == kind);
    // As in Redis, the number is that of the kind.
    if listening(Kind::Tcp) {
        text.line("listener0", on_port("tcp", config.port));
    }
    if listening(Kind::Unix) {
        let unix = format!("name=unix,bind={}", words(&config.unixsocket));
        text.line("listener1", unix);
    }
    if listening(Kind::Tls) {
        text.line("listener2", on_port("tls", config.tls_port));
    }
}

/// The certificates in use, as Valkey shows them.
pub fn tls(server: &Server, text: &mut Text) {
    let none = Facts::default();
    let facts = server.doors.contexts().map_or(&none, |one| one.facts());
    let now_s = server.clock.now_s();
    for (name, facts) in [
        ("tls_server_cert", &facts.server),
        ("tls_client_cert", &facts.client),
        ("tls_ca_cert", &facts.ca),
    ] {
        let left_s = facts.expires_s.map_or(0, |end_s| (end_s - now_s).max(0));
        text.suffixed(name, "_serial", &facts.serial);
        text.suffixed(name, "_expires_in_seconds", left_s);
    }
}

/// Writes a number of bytes, and the same in human-readable form.
fn bytes(text: &mut Text, name: &str, bytes: usize) {
    text.line(name, bytes);
    text.suffixed(name, "_human", bytes_human(bytes as u64));
}

fn percent(part: usize, whole: usize) -> String {
    format!("{:.2}%", part as f64 / whole.max(1) as f64 * 100.0)
}

fn ratio(text: &mut Text, name: &str, more: usize, less: usize) {
    let ratio = more as f64 / less.max(1) as f64;
    text.suffixed(name, "_ratio", format_args!("{ratio:.2}"));
    text.suffixed(name, "_bytes", more as i64 - less as i64);
}

/// Writes the section Memory.
pub fn memory(server: &Server, text: &mut Text) {
    // The buffer of this reply itself is not counted.
    let own = memory::block_size(text.0.capacity());
    let used = server.keyspace.used_memory().saturating_sub(own);
    let Resident { rss, committed, .. } = server.memory.resident(server.clock.now_ms());
    // The number that is shown: a peak that was shown must not be lower in the next reply.
    server.memory.peak.note(used, server.clock.now_ms());
    let peak = server.memory.peak.bytes();
    let startup = server.memory.startup_bytes();
    let clients = cron::client_bytes(server);
    let tables = server.keyspace.iter();
    let tables: usize = tables.map(|(_, db)| db.entries().table_bytes()).sum();
    let overhead = (startup + clients + tables).min(used);
    let dataset = used - overhead;
    bytes(text, "used_memory", used);
    bytes(text, "used_memory_rss", rss);
    bytes(text, "used_memory_peak", peak);
    text.line(
        "used_memory_peak_time",
        server.memory.peak.at_unix_ms() / 1000,
    );
    text.line("used_memory_peak_perc", percent(used, peak));
    text.line("used_memory_overhead", overhead);
    text.line("used_memory_startup", startup);
    text.line("used_memory_dataset", dataset);
    let above_startup = used.saturating_sub(startup);
    text.line("used_memory_dataset_perc", percent(dataset, above_startup));
    let allocated = memory::used_bytes();
    text.line("allocator_allocated", allocated);
    text.line("allocator_active", committed);
    text.line("allocator_resident", committed);
    text.line("allocator_muzzy", 0);
    let total = process::total_system_memory() as usize;
    bytes(text, "total_system_memory", total);
    script_memory(server, text);
    bytes(text, "maxmemory", server.config.maxmemory as usize);
    let policy = server.config.maxmemory_policy;
    text.line("maxmemory_policy", policy.word());
    ratio(text, "allocator_frag", committed, allocated);
    ratio(text, "allocator_rss", committed, committed);
    ratio(text, "rss_overhead", rss, committed);
    ratio(text, "mem_fragmentation", rss, used);
    let uncounted = server.uncounted_memory();
    text.line("mem_not_counted_for_evict", uncounted);
    let stream = server
        .replication
        .memory(server.config.repl_backlog_size as usize);
    text.line("mem_replication_backlog", stream.backlog);
    text.line("mem_total_replication_buffers", stream.all);
    let primary = server.replication.primary();
    let kept = primary.map_or(0, |primary| primary.kept_bytes().0);
    text.line("mem_replica_full_sync_buffer", kept);
    text.line("mem_clients_slaves", stream.replicas);
    text.line("mem_clients_normal", clients);
    text.lines(
        &[
            "mem_clients_normal_shared",
            "mem_clients_normal_unshared",
            "mem_cluster_slot_migration_output_buffer",
            "mem_cluster_slot_migration_input_buffer",
            "mem_cluster_slot_migration_input_buffer_peak",
        ],
        0,
    );
    text.line("mem_cluster_links", 0);
    let log = match server.persist.aof.is_on() {
        true => server.persist.aof.buffer_bytes(),
        false => 0,
    };
    text.line("mem_aof_buffer", log);
    text.line("mem_allocator", version::ALLOCATOR);
    text.line("mem_overhead_db_hashtable_rehashing", 0);
    text.line("active_defrag_running", 0);
    text.line("lazyfree_pending_objects", server.bio.pending());
    text.line(
        "lazyfreed_objects",
        server.bio.freed() + server.stats.freed_codes,
    );
}

/// Writes the memory of scripts and functions: that of their VMs, and that of their caches.
fn script_memory(server: &Server, text: &mut Text) {
    let script = &server.script;
    let (eval, functions) = script.vm_bytes();
    let (of_scripts, of_functions) = (script.cache.bytes(), script.libraries.bytes());
    text.lines(&["used_memory_lua", "used_memory_vm_eval"], eval);
    text.line("used_memory_lua_human", bytes_human(eval as u64));
    text.line("used_memory_scripts_eval", of_scripts);
    text.line("number_of_cached_scripts", script.cache.len());
    text.line("number_of_functions", script.libraries.function_count());
    text.line("number_of_libraries", script.libraries.len());
    text.line("used_memory_vm_functions", functions);
    bytes(text, "used_memory_vm_total", eval + functions);
    text.line("used_memory_functions", of_functions);
    let templates = server.keyspace.shared.templates.counts();
    text.line("used_memory_hash_templates", templates.bytes.load(Relaxed));
    bytes(text, "used_memory_scripts", of_scripts + of_functions);
}

/// Writes the section Threads.
pub fn threads(server: &Server, text: &mut Text) {
    let (reads, writes) = (server.stats.reads, server.stats.writes);
    let clients = server.clients.len();
    text.line(
        "io_thread_0",
        format!("clients={clients},reads={reads},writes={writes}"),
    );
}

/// Writes the section CPU.
pub fn cpu(_: &Server, text: &mut Text) {
    let seconds = |us: u64| format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    for (whose, suffix) in [
        (Whose::Process, ""),
        (Whose::Children, "_children"),
        (Whose::Thread, "_main_thread"),
    ] {
        let CpuTime { user_us, system_us } = process::cpu_time(whose);
        text.suffixed("used_cpu_sys", suffix, seconds(system_us));
        text.suffixed("used_cpu_user", suffix, seconds(user_us));
    }
}

/// Writes the section Debug.
pub fn debug(server: &Server, text: &mut Text) {
    let stats = &server.stats;
    text.line("eventloop_duration_aof_sum", 0);
    text.line("eventloop_duration_cron_sum", stats.cron_us);
    text.line("eventloop_duration_max", stats.turn_max_us);
    text.line("eventloop_cmd_per_cycle_max", stats.turn_max_commands);
    text.lines(
        &[
            "allocator_allocated_lua",
            "allocator_active_lua",
            "allocator_resident_lua",
            "allocator_frag_bytes_lua",
        ],
        0,
    );
}
