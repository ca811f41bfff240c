//! MEMORY: usage by purpose, the size of a key, and the allocator's statistics.

use super::container;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::keyspace::measure;
use crate::server::clients::session::Session;
use crate::server::lifecycle::cron;
use crate::server::lifecycle::memory::Resident;
use crate::server::{Server, ServerCommand};
use crate::sys::memory;

pub static TABLE: &[ServerCommand] = &[MEMORY];

const MEMORY: ServerCommand = Spec {
    name: "memory",
    since: "4.0.0",
    summary: "About memory.",
    ..Spec::of(Group::Server)
}
.contains(
    &[
        MEMORY_DOCTOR,
        MEMORY_HELP,
        MEMORY_MALLOC_STATS,
        MEMORY_PURGE,
        MEMORY_STATS,
        MEMORY_USAGE,
    ],
    container,
);

/// The memory in use below which MEMORY DOCTOR gives no advice, in bytes.
const TOO_LITTLE: usize = 5 << 20;
const NOTHING_TO_SAY: &[u8] =
    b"Hi Sam, there is so little in memory here that nothing can be said about it. \
      Come back when there is data.\n";

const MEMORY_USAGE: ServerCommand = Spec {
    name: "usage",
    flags: READONLY,
    keys: &[KeySpec::at(2, &[RO])],
    usage: "key:key [count:integer@SAMPLES]",
    since: "4.0.0",
    summary: "The bytes a key takes.",
    complexity: "O(N) where N is the number of samples.",
    ..Spec::of(Group::Server)
}
.subcommand(memory_usage);

/// Nothing is sampled: the exact size of a value is known.
fn memory_usage(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let key = args.key();
    while args.left() > 0 {
        if !args.word("SAMPLES") || args.left() == 0 {
            return Err(CmdError::Syntax);
        }
        if args.int()? < 0 {
            return Err(CmdError::Syntax);
        }
    }
    let mut db = server.keyspace.db(session.db);
    match db.peek(key) {
        Some(found) => reply.int(measure::usage(db.get(found)) as i64),
        None => reply.null(),
    }
}

/// The memory in use, by purpose.
struct Picture {
    used: usize,
    peak: usize,
    startup: usize,
    clients: usize,
    tables: usize,
    timers: usize,
    keys: usize,
    allocated: usize,
    committed: usize,
    rss: usize,
    /// Scripts, libraries and their VMs, in bytes.
    scripts: usize,
    libraries: usize,
    vms: usize,
}

impl Picture {
    fn of(server: &mut Server) -> Picture {
        let used = server.keyspace.used_memory();
        server.memory.peak.note(used, server.clock.now_ms());
        let Resident { rss, committed, .. } = server.memory.resident(server.clock.now_ms());
        let (eval, functions) = server.script.vm_bytes();
        let dbs = || server.keyspace.iter().map(|(_, db)| db);
        Picture {
            used,
            peak: server.memory.peak.bytes(),
            startup: server.memory.startup_bytes(),
            clients: cron::client_bytes(server),
            tables: dbs().map(|db| db.entries().table_bytes()).sum(),
            timers: dbs().map(|db| db.timers() * TIMER).sum(),
            keys: server.keyspace.len(),
            allocated: memory::used_bytes(),
            committed,
            rss,
            scripts: server.script.cache.bytes(),
            libraries: server.script.libraries.bytes(),
            vms: eval + functions,
        }
    }

    /// Returns the bytes of everything but data.
    fn overhead(&self) -> usize {
        let scripts = self.scripts + self.libraries + self.vms;
        let sum = self.startup + self.clients + self.tables + self.timers + scripts;
        sum.min(self.used)
    }

    fn dataset(&self) -> usize {
        self.used - self.overhead()
    }

    fn above_startup(&self) -> usize {
        self.used.saturating_sub(self.startup)
    }
}

/// The size of the wheel's item of a volatile key, in bytes.
const TIMER: usize = 8;

fn ratio(more: usize, less: usize) -> f64 {
    more as f64 / less.max(1) as f64
}

/// A field of MEMORY STATS.
enum Field {
    Bytes(&'static str, usize),
    Ratio(&'static str, f64),
    /// The number of a database, and the bytes of its tables: keys, and deadlines.
    Db(u32, usize, usize),
}

const MEMORY_STATS: ServerCommand = Spec {
    name: "stats",
    since: "4.0.0",
    summary: "Where memory goes.",
    complexity: "O(1)",
    tips: &[
        "nondeterministic_output",
        "request_policy:all_shards",
        "response_policy:special",
    ],
    ..Spec::of(Group::Server)
}
.subcommand(memory_stats);

fn memory_stats(
    server: &mut Server,
    _: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let picture = Picture::of(server);
    let mut fields = consumers(&picture);
    let dbs = server.keyspace.iter().filter(|(_, db)| !db.is_empty());
    fields.extend(dbs.map(|(index, db)| {
        let timers = db.timers() * TIMER;
        Field::Db(index.0, db.entries().table_bytes(), timers)
    }));
    fields.extend(totals(&picture));
    reply.map(fields.len())?;
    fields.into_iter().try_for_each(|field| match field {
        Field::Bytes(name, bytes) => {
            reply.bulk(name.as_bytes())?;
            reply.int(bytes as i64)
        }
        Field::Ratio(name, ratio) => {
            reply.bulk(name.as_bytes())?;
            reply.double(ratio)
        }
        Field::Db(number, main, expires) => {
            reply.bulk(format!("db.{number}").as_bytes())?;
            reply.map(2)?;
            reply.bulk(b"overhead.hashtable.main")?;
            reply.int(main as i64)?;
            reply.bulk(b"overhead.hashtable.expires")?;
            reply.int(expires as i64)
        }
    })
}

/// Returns the fields before the databases. Parts that this server does not have use 0 bytes.
fn consumers(picture: &Picture) -> Vec<Field> {
    vec![
        Field::Bytes("peak.allocated", picture.peak),
        Field::Bytes("total.allocated", picture.used),
        Field::Bytes("startup.allocated", picture.startup),
        Field::Bytes("replication.backlog", 0),
        Field::Bytes("replica.fullsync.buffer", 0),
        Field::Bytes("clients.slaves", 0),
        Field::Bytes("clients.normal", picture.clients),
        Field::Bytes("cluster.links", 0),
        Field::Bytes("aof.buffer", 0),
        Field::Bytes("lua.caches", picture.scripts),
        Field::Bytes("functions.caches", picture.libraries),
        Field::Bytes("script.VMs", picture.vms),
    ]
}

/// Returns the fields after the databases.
fn totals(p: &Picture) -> Vec<Field> {
    let percent = |part, whole| ratio(part, whole) * 100.0;
    let less = |more: usize, less: usize| more.saturating_sub(less);
    vec![
        Field::Bytes("overhead.db.hashtable.lut", p.tables),
        Field::Bytes("overhead.db.hashtable.rehashing", 0),
        Field::Bytes("overhead.total", p.overhead()),
        Field::Bytes("db.dict.rehashing.count", 0),
        Field::Bytes("keys.count", p.keys),
        Field::Bytes(
            "keys.bytes-per-key",
            p.above_startup().checked_div(p.keys).unwrap_or(0),
        ),
        Field::Bytes("dataset.bytes", p.dataset()),
        Field::Ratio(
            "dataset.percentage",
            percent(p.dataset(), p.above_startup()),
        ),
        Field::Ratio("peak.percentage", percent(p.used, p.peak)),
        Field::Bytes("allocator.allocated", p.allocated),
        Field::Bytes("allocator.active", p.committed),
        Field::Bytes("allocator.resident", p.committed),
        Field::Bytes("allocator.muzzy", 0),
        Field::Ratio(
            "allocator-fragmentation.ratio",
            ratio(p.committed, p.allocated),
        ),
        Field::Bytes(
            "allocator-fragmentation.bytes",
            less(p.committed, p.allocated),
        ),
        Field::Ratio("allocator-rss.ratio", 1.0),
        Field::Bytes("allocator-rss.bytes", 0),
        Field::Ratio("rss-overhead.ratio", ratio(p.rss, p.committed)),
        Field::Bytes("rss-overhead.bytes", less(p.rss, p.committed)),
        Field::Ratio("fragmentation", ratio(p.rss, p.used)),
        Field::Bytes("fragmentation.bytes", less(p.rss, p.used)),
    ]
}

const MEMORY_DOCTOR: ServerCommand = Spec {
    name: "doctor",
    since: "4.0.0",
    summary: "Advice on memory.",
    complexity: "O(1)",
    tips: &[
        "nondeterministic_output",
        "request_policy:all_shards",
        "response_policy:special",
    ],
    ..Spec::of(Group::Server)
}
.subcommand(memory_doctor);

fn memory_doctor(
    server: &mut Server,
    _: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    if server.keyspace.used_memory() < TOO_LITTLE {
        return reply.verbatim(b"txt", NOTHING_TO_SAY);
    }
    let picture = Picture::of(server);
    let text = diagnosis(&picture, server.clients.len());
    reply.verbatim(b"txt", text.as_bytes())
}

/// Returns the findings about memory use, with advice.
fn diagnosis(p: &Picture, clients: usize) -> String {
    /// The average size per client above which it is a finding, in bytes.
    const LARGE_CLIENT: usize = 200 << 10;
    let findings: [(bool, &str); 3] = [
        (
            p.peak * 2 > p.used * 3,
            "Peak: at some time more than one and a half times the memory was in use. What the \
             allocator kept of it makes the process look larger than its data; it is used again \
             when needed, and MEMORY PURGE gives it back.",
        ),
        (
            p.rss * 5 > p.used * 7 && p.rss > p.used + TOO_LITTLE * 2,
            "Fragmentation: the process takes more than 1.4 times what is in use. Many values of \
             other sizes than before may have replaced older ones. MEMORY PURGE may help; a \
             restart does.",
        ),
        (
            p.clients / clients.max(1) > LARGE_CLIENT,
            "Clients: their buffers take more than 200 kB each on average. Some of them may read \
             too slowly, or ask for too much at once; CLIENT LIST shows which.",
        ),
    ];
    let found: Vec<&str> = findings.iter().filter(|f| f.0).map(|f| f.1).collect();
    if found.is_empty() {
        return "Hi Sam, nothing is wrong with the memory of this server.\n".into();
    }
    let mut text = String::from("Sam, there are things to look at:\n\n");
    for finding in found {
        text.push_str(&format!(" * {finding}\n\n"));
    }
    text
}

const MEMORY_PURGE: ServerCommand = Spec {
    name: "purge",
    since: "4.0.0",
    summary: "Asks the allocator to give memory back.",
    complexity: "Depends on how much memory is allocated, could be slow",
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    ..Spec::of(Group::Server)
}
.subcommand(memory_purge);

fn memory_purge(_: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    memory::collect();
    reply.ok()
}

const MEMORY_MALLOC_STATS: ServerCommand = Spec {
    name: "malloc-stats",
    since: "4.0.0",
    summary: "What the allocator says of itself.",
    complexity: "Depends on how much memory is allocated, could be slow",
    tips: &[
        "nondeterministic_output",
        "request_policy:all_shards",
        "response_policy:special",
    ],
    ..Spec::of(Group::Server)
}
.subcommand(memory_malloc_stats);

fn memory_malloc_stats(
    _: &mut Server,
    _: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    reply.verbatim(b"txt", memory::malloc_stats_text().as_bytes())
}

const MEMORY_HELP: ServerCommand = Spec {
    name: "help",
    flags: all(&[LOADING, STALE]),
    since: "4.0.0",
    summary: "What MEMORY can do.",
    complexity: "O(1)",
    ..Spec::of(Group::Server)
}
.subcommand(memory_help);

fn memory_help(_: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    reply.help(&[
        "MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "DOCTOR",
        "    What is remarkable about the use of memory.",
        "MALLOC-STATS",
        "    The report of the allocator.",
        "PURGE",
        "    Give free memory back to the system.",
        "STATS",
        "    What is in use, and for what.",
        "USAGE <key> [SAMPLES <count>]",
        "    The bytes that a key and its value take.",
        "HELP",
        "    Print this help.",
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(used: usize, peak: usize, rss: usize) -> Picture {
        Picture {
            used,
            peak,
            startup: 1 << 20,
            clients: 1 << 20,
            tables: 0,
            timers: 0,
            keys: 1,
            allocated: used,
            committed: used,
            rss,
            scripts: 0,
            libraries: 0,
            vms: 0,
        }
    }

    #[test]
    fn the_doctor_sees_what_is_there() {
        const MB: usize = 1 << 20;
        assert!(diagnosis(&picture(90 * MB, 90 * MB, 95 * MB), 100).contains("nothing is wrong"));
        assert!(diagnosis(&picture(90 * MB, 190 * MB, 95 * MB), 100).contains("* Peak"));
        assert!(diagnosis(&picture(90 * MB, 90 * MB, 150 * MB), 100).contains("* Fragm"));
        assert!(diagnosis(&picture(90 * MB, 90 * MB, 95 * MB), 1).contains("* Clients"));
    }
}
