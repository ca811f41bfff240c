//! DEBUG subcommands for the server's own state: clock, generators, switches.

use super::switch;
use crate::algo::number::parse_f64;
use crate::algo::rng::Rng;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::config::Extent;
use crate::replication::PausePoint;
use crate::resp::request::OwnedArgv;
use crate::server::Server;
use crate::server::clients::Client;
use crate::server::clients::buffers::FORGET_PEAK_MS;
use crate::server::clients::session::Session;
use crate::server::commands::config;
use crate::server::gates::Gates;
use crate::sys::clock;
use crate::types::entry::EntryPtr;
use crate::types::value::Heap;

/// DEBUG SLEEP seconds. As in Redis, an argument that is not a number counts as zero.
pub(super) fn sleep(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let seconds = parse_f64(args.bytes()).unwrap_or(0.0).max(0.0);
    clock::sleep_us((seconds * 1e6) as u64);
    server.clock.refresh();
    show_time(server);
    reply.ok()
}

/// Updates the time for the following commands of this iteration.
fn show_time(server: &mut Server) {
    // Within a transaction or a script time stands still.
    if !server.unit.is_nested() {
        server.keyspace.set_now_ms(server.clock.now_ms());
    }
}

/// DEBUG CLOCK FREEZE | THAW | ADVANCE ms | SET unix-ms.
pub(super) fn clock(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let has_number = args.left() == 2;
    match (args.bytes().to_ascii_lowercase().as_slice(), has_number) {
        (b"freeze", false) => server.clock.freeze(),
        (b"thaw", false) => server.clock.thaw(),
        (b"advance", true) => {
            let ms = u64::try_from(args.int()?).map_err(|_| CmdError::NotPositive)?;
            server.clock.advance_ms(ms);
        }
        (b"set", true) => server.clock.set_unix_ms(args.int()?),
        _ => return Err(CmdError::wrong_form(&args.argv())),
    }
    show_time(server);
    reply.ok()
}

/// DEBUG SEED number. The hash of keys keeps its seed, and with it the order of SCAN.
pub(super) fn seed(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let mut rng = Rng::new(args.int()? as u64);
    server.keyspace.seed(rng.split());
    // A zero state would stop this generator for good.
    server.keyspace.shared.aging.dice = rng.next_u64() | 1;
    server.rng = rng;
    reply.ok()
}

/// DEBUG SET-DISABLE-DENY-SCRIPTS 0 | 1.
pub(super) fn set_disable_deny_scripts(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    server.script.allow_all(switch(args.bytes()));
    reply.ok()
}

/// DEBUG SET-ACTIVE-EXPIRE 0 | 1.
pub(super) fn set_active_expire(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    server.keyspace.shared.active_expiry = switch(args.bytes());
    reply.ok()
}

/// DEBUG SET-ALLOW-ACCESS-EXPIRED 0 | 1.
pub(super) fn set_allow_access_expired(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    server.keyspace.shared.none_overdue = switch(args.bytes());
    reply.ok()
}

/// DEBUG REPLY-COPY-AVOIDANCE 0 | 1. Values are always written to the output once.
pub(super) fn reply_copy_avoidance(
    _: &mut Server,
    _: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    reply.ok()
}

/// DEBUG PAUSE-CRON 0 | 1.
pub(super) fn pause_cron(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    server.timers.pause_cron(switch(args.bytes()));
    reply.ok()
}

/// DEBUG CONFIG-REWRITE-FORCE-ALL.
pub(super) fn rewrite_config(
    server: &mut Server,
    _: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    config::rewrite(server, Extent::All, reply)
}

/// DEBUG CHANGE-REPL-ID.
pub(super) fn change_repl_id(
    server: &mut Server,
    _: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    log::info!("Changing replication IDs after receiving change-repl-id");
    let id = String::from_utf8_lossy(&server.rng.hex40()).into_owned();
    server.replication.restart_history(id);
    reply.ok()
}

/// DEBUG REPLICATE command …
pub(super) fn replicate(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let mut words = Vec::new();
    while let Some(word) = args.option() {
        words.push(word);
    }
    let argv: OwnedArgv = words.into_iter().collect();
    server.replication.feed(None, &argv.as_argv());
    reply.ok()
}

/// DEBUG LOG text.
pub(super) fn log(
    _: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    log::warn!("DEBUG LOG: {}", String::from_utf8_lossy(args.bytes()));
    reply.ok()
}

/// DEBUG REPL-PAUSE: stops the process at a step of a full synchronization.
pub(super) fn repl_pause(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let all = args.argv();
    let pause = match args.bytes().to_ascii_lowercase().as_slice() {
        b"clear" => None,
        b"after-fork" => Some(PausePoint::AfterFork),
        b"before-rdb-channel" => Some(PausePoint::BeforeRdbChannel),
        b"on-streaming-repl-buf" => Some(PausePoint::OnStreaming),
        _ => return Err(CmdError::wrong_form(&all)),
    };
    server.replication.set_pause(pause);
    reply.ok()
}

/// DEBUG REPLYBUFFER PEAK-RESET-TIME value | RESIZING value.
pub(super) fn reply_buffer(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let recent = server.clients.recent_buffers();
    if args.word("PEAK-RESET-TIME") {
        recent.forget_peaks_after(match () {
            () if args.word("NEVER") => None,
            () if args.word("RESET") => Some(FORGET_PEAK_MS),
            () => u64::try_from(args.int()?).ok(),
        });
    } else if args.word("RESIZING") {
        recent.set_resizes(switch(args.bytes()));
    } else {
        return Err(CmdError::wrong_form(&args.argv()));
    }
    reply.ok()
}

/// DEBUG STRUCTSIZE.
pub(super) fn struct_sizes(
    _: &mut Server,
    _: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let text = format!(
        "bits:{} slot:{} heap:{} client:{} session:{} ",
        usize::BITS,
        size_of::<EntryPtr>(),
        size_of::<Heap>(),
        size_of::<Client>(),
        size_of::<Session>(),
    );
    reply.bulk(text.as_bytes())
}

/// The exponents of the smallest and the largest bucket of DEBUG CLIENT-EVICTION, as powers of two.
const BUCKETS: std::ops::RangeInclusive<u32> = 15..=33;

/// DEBUG CLIENT-EVICTION.
pub(super) fn client_eviction(
    server: &mut Server,
    _: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    if server.config.maxmemory_clients == Default::default() {
        return Err(CmdError::Fixed("ERR maxmemory-clients is disabled."));
    }
    let sizes: Vec<u64> = server
        .clients
        .iter()
        .map(|(_, client)| {
            let query = client.query.as_ref().map_or(0, |query| query.capacity());
            (size_of::<Client>() + query + client.output.held()) as u64
        })
        .collect();
    let mut text = String::new();
    for power in BUCKETS {
        let from = if power == 15 { 0 } else { 1 << (power - 1) };
        let last = power == *BUCKETS.end();
        let to = if last { u64::MAX } else { (1 << power) - 1 };
        let inside = sizes.iter().filter(|&&size| (from..=to).contains(&size));
        let (count, sum) = inside.fold((0, 0), |(count, sum), size| (count + 1, sum + size));
        let range = match last {
            true => format!("{from:>10}+            "),
            false => format!("{from:>10} - {to:>10}"),
        };
        text.push_str(&format!(
            "bucket {range}: tot-mem: {sum:>10}, clients: {count}\n"
        ));
    }
    reply.verbatim(b"txt", text.as_bytes())
}

/// DEBUG KEYSIZES-HIST-ASSERT 0 | 1.
pub(super) fn keysizes_assert(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    server.gates.set(Gates::RECOUNTED, switch(args.bytes()));
    reply.ok()
}
