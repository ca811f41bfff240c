//! HOTKEYS: the keys that take the most time or move the most bytes (`observe::hotkeys`).

use super::container;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::observe::hotkeys::{Hotkeys, Request, Top};
use crate::server::clients::session::Session;
use crate::server::gates::Gates;
use crate::server::{Server, ServerCommand};

/// The default and the highest number of keys to list, and the longest duration in seconds, as in
/// Redis.
const COUNT: usize = 10;
const COUNT_MAX: i64 = 64;
const DURATION_MAX_S: i64 = 1_000_000;

pub static TABLE: &[ServerCommand] = &[HOTKEYS];

const HOTKEYS: ServerCommand = Spec {
    name: "hotkeys",
    since: "8.6.0",
    summary: "About the keys that cost the most.",
    ..Spec::of(Group::Server)
}
.contains(
    &[
        HOTKEYS_HELP,
        HOTKEYS_RESET,
        HOTKEYS_START,
        HOTKEYS_GET,
        HOTKEYS_STOP,
    ],
    container,
);

const HOTKEYS_START: ServerCommand = Spec {
    name: "start",
    arity: -2,
    flags: all(&[ADMIN, NOSCRIPT]),
    usage: "metrics{count:integer [cpu=CPU] [net=NET]}@METRICS [k:integer@COUNT] [seconds:integer@DURATION] [ratio:integer@SAMPLE] [slots{count:integer slot:integer...}@SLOTS]",
    since: "8.6.0",
    summary: "Begins to collect.",
    complexity: "O(1)",
    tips: &["request_policy:special"],
    ..Spec::of(Group::Server)
}
.subcommand(start);

fn start(server: &mut Server, _: &mut Session, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let now_ms = server.clock.mono_ms();
    if server.observe.is_collecting(now_ms) {
        return Err(CmdError::Fixed(
            "ERR hotkey tracking session already in progress",
        ));
    }
    let request = request(args)?;
    let started = Hotkeys::start(request, server.clock.now_ms(), now_ms);
    server.observe.hotkeys = Some(Box::new(started));
    server.gates.set(Gates::HOTKEYS, true);
    reply.ok()
}

fn request(args: &mut Args) -> Result<Request, CmdError> {
    const MISSING: CmdError = CmdError::Fixed("ERR METRICS parameter is required");
    if args.left() < 2 || !args.word("METRICS") {
        return Err(MISSING);
    }
    let (cpu, net) = metrics(args)?;
    let mut request = Request {
        cpu,
        net,
        count: COUNT,
        duration_s: None,
        ratio: 1,
    };
    while args.left() > 0 {
        if args.left() < 2 {
            return Err(CmdError::Syntax);
        }
        if args.word("COUNT") {
            let count = args.int().ok().filter(|n| (1..=COUNT_MAX).contains(n));
            let wrong = CmdError::Fixed("ERR COUNT must be between 1 and 64");
            request.count = count.ok_or(wrong)? as usize;
        } else if args.word("DURATION") {
            let seconds = args.int().ok().filter(|n| (1..=DURATION_MAX_S).contains(n));
            let wrong = CmdError::Fixed("ERR DURATION must be between 1 and 1000000");
            request.duration_s = Some(seconds.ok_or(wrong)? as u64);
        } else if args.word("SAMPLE") {
            let ratio = args.int().ok().filter(|&n| n > 0);
            let wrong = CmdError::Fixed("ERR SAMPLE ratio must be positive");
            request.ratio = ratio.ok_or(wrong)? as u64;
        } else if args.word("SLOTS") {
            return Err(CmdError::Fixed(
                "ERR SLOTS parameter cannot be used in non-cluster mode",
            ));
        } else {
            return Err(CmdError::Syntax);
        }
    }
    Ok(request)
}

/// METRICS count metric …: whether time and bytes are measured. As in Redis, words that are no metric
/// are passed over beside one that is.
fn metrics(args: &mut Args) -> Result<(bool, bool), CmdError> {
    let count = args.int().ok().filter(|n| (1..=2).contains(n));
    let count = count.ok_or(CmdError::Fixed("ERR METRICS count must be > 0 and <= 2"))?;
    let (mut cpu, mut net) = (false, false);
    for _ in 0..count {
        if args.left() == 0 {
            return Err(CmdError::Fixed(
                "ERR METRICS count does not match number of metric types provided",
            ));
        }
        if args.word("CPU") {
            if std::mem::replace(&mut cpu, true) {
                return Err(CmdError::Fixed("ERR METRICS CPU defined more than once!"));
            }
        } else if args.word("NET") {
            if std::mem::replace(&mut net, true) {
                return Err(CmdError::Fixed("ERR METRICS NET defined more than once!"));
            }
        } else {
            args.bytes();
        }
    }
    match cpu || net {
        true => Ok((cpu, net)),
        false => Err(CmdError::Fixed(
            "ERR METRICS no valid metrics passed. Supported: CPU|NET",
        )),
    }
}

const HOTKEYS_STOP: ServerCommand = Spec {
    name: "stop",
    flags: all(&[ADMIN, NOSCRIPT]),
    since: "8.6.0",
    summary: "Ends the collection; GET still shows its results.",
    complexity: "O(1)",
    tips: &["request_policy:special"],
    ..Spec::of(Group::Server)
}
.subcommand(stop);

fn stop(server: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    let now_ms = server.clock.mono_ms();
    if !server.observe.is_collecting(now_ms) {
        return reply.null();
    }
    if let Some(hotkeys) = &mut server.observe.hotkeys {
        hotkeys.stop(now_ms);
    }
    server.gates.set(Gates::HOTKEYS, false);
    reply.ok()
}

const HOTKEYS_RESET: ServerCommand = Spec {
    name: "reset",
    flags: all(&[ADMIN, NOSCRIPT]),
    since: "8.6.0",
    summary: "Forgets the results of a collection that has ended.",
    complexity: "O(1)",
    tips: &["request_policy:special"],
    ..Spec::of(Group::Server)
}
.subcommand(reset);

fn reset(server: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    let now_ms = server.clock.mono_ms();
    if server.observe.is_collecting(now_ms) {
        return Err(CmdError::Fixed(
            "ERR hotkey tracking session in progress, stop tracking first",
        ));
    }
    server.observe.hotkeys = None;
    reply.ok()
}

const HOTKEYS_GET: ServerCommand = Spec {
    name: "get",
    flags: all(&[ADMIN, NOSCRIPT]),
    since: "8.6.0",
    summary: "The keys that cost the most so far.",
    complexity: "O(K) where K is the number of hotkeys returned.",
    tips: &[
        "nondeterministic_output",
        "request_policy:special",
        "response_policy:special",
    ],
    ..Spec::of(Group::Server)
}
.subcommand(get);

fn get(server: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    let now_ms = server.clock.mono_ms();
    let is_active = server.observe.is_collecting(now_ms);
    let Some(hotkeys) = &server.observe.hotkeys else {
        return reply.null();
    };
    let cpu = hotkeys.cpu();
    let (by_cpu, by_net) = (&hotkeys.by_cpu, &hotkeys.by_net);
    reply.array(1)?;
    reply.map(7 + 3 * by_cpu.is_some() as usize + 2 * by_net.is_some() as usize)?;
    let number = |reply: &mut Reply, name: &str, n: i64| -> CmdResult {
        reply.bulk(name.as_bytes())?;
        reply.int(n)
    };
    number(reply, "tracking-active", is_active as i64)?;
    number(reply, "sample-ratio", hotkeys.request.ratio as i64)?;
    reply.bulk(b"selected-slots")?;
    // All of them: there is no cluster.
    reply.array(1)?;
    reply.array(2)?;
    reply.int(0)?;
    reply.int(16383)?;
    let all_us = (hotkeys.all_ns / 1000) as i64;
    number(reply, "all-commands-all-slots-us", all_us)?;
    let all_bytes = hotkeys.all_bytes as i64;
    number(reply, "net-bytes-all-commands-all-slots", all_bytes)?;
    let started_ms = hotkeys.started_unix_ms;
    number(reply, "collection-start-time-unix-ms", started_ms)?;
    let duration_ms = hotkeys.duration_ms(now_ms) as i64;
    number(reply, "collection-duration-ms", duration_ms)?;
    if by_cpu.is_some() {
        let (user_ms, system_ms) = (cpu.user_us / 1000, cpu.system_us / 1000);
        number(reply, "total-cpu-time-user-ms", user_ms as i64)?;
        number(reply, "total-cpu-time-sys-ms", system_ms as i64)?;
    }
    if by_net.is_some() {
        let counted = hotkeys.counted_bytes as i64;
        number(reply, "total-net-bytes", counted)?;
    }
    if let Some(top) = by_cpu {
        list(reply, "by-cpu-time-us", top, 1000)?;
    }
    if let Some(top) = by_net {
        list(reply, "by-net-bytes", top, 1)?;
    }
    Ok(())
}

/// Keys and their sums in turn; `unit` is what a sum is shown in.
fn list(reply: &mut Reply, name: &str, top: &Top, unit: u64) -> CmdResult {
    reply.bulk(name.as_bytes())?;
    let ranked = top.ranked();
    reply.array(2 * ranked.len())?;
    for (key, sum) in ranked {
        reply.bulk(key)?;
        reply.int((sum / unit) as i64)?;
    }
    Ok(())
}

const HOTKEYS_HELP: ServerCommand = Spec {
    name: "help",
    flags: all(&[LOADING, STALE]),
    since: "8.6.1",
    summary: "What HOTKEYS can do.",
    complexity: "O(1)",
    ..Spec::of(Group::Server)
}
.subcommand(help);

fn help(_: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    reply.help(&[
        "HOTKEYS <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "START <METRICS count [CPU] [NET]> [COUNT k] [DURATION duration] [SAMPLE ratio] [SLOTS count slot...]",
        "    Begins to collect the keys that cost the most.",
        "    * METRICS count [CPU] [NET]",
        "        What a key costs: time of commands (CPU), bytes of requests and replies (NET).",
        "    * COUNT k",
        "        How many keys are listed. Default: 10",
        "    * DURATION duration",
        "        The collection ends after so many seconds. Default: with STOP",
        "    * SAMPLE ratio",
        "        One of so many commands is looked at. Default: 1 (all)",
        "    * SLOTS count slot...",
        "        The slots whose keys are collected, in a cluster.",
        "STOP",
        "    Ends the collection; GET still shows its results.",
        "GET",
        "    The results.",
        "RESET",
        "    Forgets the results of a collection that has ended.",
        "HELP",
        "    Print this help.",
    ])
}
