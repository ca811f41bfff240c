//! LATENCY: the events of `observe::latency`, and the histograms of command durations.

use super::container;
use crate::algo::histogram::Histogram;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::server::clients::session::Session;
use crate::server::core::table::Slot;
use crate::server::{Server, ServerCommand};

/// The declaration that most subcommands share.
const LATENCY_SPEC: Spec = Spec {
    flags: all(&[ADMIN, NOSCRIPT, LOADING, STALE]),
    ..Spec::of(Group::Server)
};

pub static TABLE: &[ServerCommand] = &[LATENCY];

const LATENCY: ServerCommand = Spec {
    name: "latency",
    since: "2.8.13",
    summary: "About what took long.",
    ..Spec::of(Group::Server)
}
.contains(
    &[
        LATENCY_DOCTOR,
        LATENCY_GRAPH,
        LATENCY_HELP,
        LATENCY_HISTOGRAM,
        LATENCY_HISTORY,
        LATENCY_LATEST,
        LATENCY_RESET,
    ],
    container,
);

const LATENCY_LATEST: ServerCommand = Spec {
    name: "latest",
    since: "2.8.13",
    summary: "The latest of what took long.",
    complexity: "O(1)",
    tips: &[
        "nondeterministic_output",
        "request_policy:all_nodes",
        "response_policy:special",
    ],
    ..LATENCY_SPEC
}
.subcommand(latency_latest);

fn latency_latest(
    server: &mut Server,
    _: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let latency = &server.observe.latency;
    reply.array(latency.len())?;
    for (name, series) in latency.iter() {
        let last = series.samples.last();
        reply.array(4)?;
        reply.bulk(name.as_bytes())?;
        reply.int(last.map_or(0, |sample| sample.unix_s))?;
        reply.int(last.map_or(0, |sample| sample.latency_ms as i64))?;
        reply.int(series.max_ms as i64)?;
    }
    Ok(())
}

const LATENCY_HISTORY: ServerCommand = Spec {
    name: "history",
    usage: "event:string",
    since: "2.8.13",
    summary: "What took long, over time.",
    complexity: "O(1)",
    tips: &[
        "nondeterministic_output",
        "request_policy:all_nodes",
        "response_policy:special",
    ],
    ..LATENCY_SPEC
}
.subcommand(latency_history);

fn latency_history(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let found = server.observe.latency.get(args.bytes());
    let samples = found.map_or(&[][..], |(_, series)| &series.samples);
    reply.array(samples.len())?;
    for sample in samples {
        reply.array(2)?;
        reply.int(sample.unix_s)?;
        reply.int(sample.latency_ms as i64)?;
    }
    Ok(())
}

const LATENCY_GRAPH: ServerCommand = Spec {
    name: "graph",
    usage: "event:string",
    since: "2.8.13",
    summary: "A graph of what took long.",
    complexity: "O(1)",
    tips: &[
        "nondeterministic_output",
        "request_policy:all_nodes",
        "response_policy:special",
    ],
    ..LATENCY_SPEC
}
.subcommand(latency_graph);

fn latency_graph(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let event = args.bytes();
    let Some((name, series)) = server.observe.latency.get(event) else {
        let before = "ERR No samples available for event '";
        return Err(CmdError::quoting(before, event, usize::MAX, "'"));
    };
    let graph = series.graph(name, server.clock.now_s());
    reply.verbatim(b"txt", graph.as_bytes())
}

const LATENCY_RESET: ServerCommand = Spec {
    name: "reset",
    usage: "[event:string...]",
    since: "2.8.13",
    summary: "Forgets what took long.",
    complexity: "O(1)",
    tips: &["request_policy:all_nodes", "response_policy:agg_sum"],
    ..LATENCY_SPEC
}
.subcommand(latency_reset);

fn latency_reset(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let latency = &mut server.observe.latency;
    if args.left() == 0 {
        let count = latency.reset_all();
        return reply.int(count as i64);
    }
    let mut count = 0;
    while let Some(event) = args.option() {
        count += i64::from(latency.reset(event));
    }
    reply.int(count)
}

const LATENCY_DOCTOR: ServerCommand = Spec {
    name: "doctor",
    since: "2.8.13",
    summary: "Advice on what took long.",
    complexity: "O(1)",
    tips: &[
        "nondeterministic_output",
        "request_policy:all_nodes",
        "response_policy:special",
    ],
    ..LATENCY_SPEC
}
.subcommand(latency_doctor);

fn latency_doctor(
    server: &mut Server,
    _: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let latency = &server.observe.latency;
    if latency.threshold_ms == 0 && latency.is_empty() {
        let text = "The latency monitor is off. CONFIG SET latency-monitor-threshold \
                    <milliseconds> turns it on.\n";
        return reply.verbatim(b"txt", text.as_bytes());
    }
    if latency.is_empty() {
        let text = "Nothing took longer than the threshold so far.\n";
        return reply.verbatim(b"txt", text.as_bytes());
    }
    let mut text = String::from("These events took longer than the threshold:\n\n");
    for (index, (name, series)) in latency.iter().enumerate() {
        let s = series.summary();
        text.push_str(&format!(
            "{}. {name}: {} latency spikes (average {}ms, mean deviation {}ms, period {:.2} sec). \
             Worst all time event {}ms.\n",
            index + 1,
            s.spikes,
            s.average_ms,
            s.mean_deviation_ms,
            s.period_s,
            series.max_ms
        ));
    }
    text.push_str("\nWhat to look at:\n\n");
    if latency.get(b"command").is_some() {
        text.push_str("- SLOWLOG GET names the commands that take long.\n");
    }
    if latency.get(b"fast-command").is_some() {
        text.push_str(
            "- Commands that are fast by nature took long: the system itself may be slow, for \
             lack of processor time or because memory was swapped out.\n",
        );
    }
    if latency.get(b"expire-cycle").is_some() {
        text.push_str("- Many keys expire at the same moment: spread their deadlines.\n");
    }
    reply.verbatim(b"txt", text.as_bytes())
}

const LATENCY_HISTOGRAM: ServerCommand = Spec {
    name: "histogram",
    usage: "[command:string...]",
    since: "7.0.0",
    summary: "How the durations of commands are spread.",
    complexity: "O(N) where N is the number of commands with latency information being retrieved",
    tips: &[
        "nondeterministic_output",
        "request_policy:all_nodes",
        "response_policy:special",
    ],
    ..LATENCY_SPEC
}
.subcommand(latency_histogram);

fn latency_histogram(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let at = reply.deferred();
    let mut commands = 0;
    let mut show = |slot: &Slot, reply: &mut Reply| -> CmdResult {
        if slot.stats.latency.count() == 0 {
            return Ok(());
        }
        commands += 1;
        reply.bulk(slot.full_name.as_bytes())?;
        histogram(&slot.stats.latency, reply)
    };
    if args.left() == 0 {
        for slot in server.table.iter() {
            show(slot, reply)?;
        }
    }
    while let Some(name) = args.option() {
        let Some(number) = server.table.lookup_full(name) else {
            continue;
        };
        let slot = &server.table[number];
        show(slot, reply)?;
        // A container stands for its subcommands.
        for &sub in &slot.subcommands {
            show(&server.table[sub], reply)?;
        }
    }
    reply.close_map(at, commands)
}

fn histogram(latency: &Histogram, reply: &mut Reply) -> CmdResult {
    reply.map(2)?;
    reply.bulk(b"calls")?;
    reply.int(latency.count() as i64)?;
    reply.bulk(b"histogram_usec")?;
    let pairs = latency.cumulative_log2();
    reply.map(pairs.len())?;
    for (limit_us, count) in pairs {
        reply.int(limit_us as i64)?;
        reply.int(count as i64)?;
    }
    Ok(())
}

const LATENCY_HELP: ServerCommand = Spec {
    name: "help",
    flags: all(&[LOADING, STALE]),
    since: "2.8.13",
    summary: "What LATENCY can do.",
    complexity: "O(1)",
    ..Spec::of(Group::Server)
}
.subcommand(latency_help);

fn latency_help(_: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    reply.help(&[
        "LATENCY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "DOCTOR",
        "    A report for people on what took long.",
        "GRAPH <event>",
        "    A graph of the latencies of an event.",
        "HISTORY <event>",
        "    The latencies of an event with their times.",
        "LATEST",
        "    The latest latency of each event.",
        "RESET [<event> ...]",
        "    Forget some events (default: all).",
        "HISTOGRAM [COMMAND ...]",
        "    How the durations of commands are spread (default: of all commands).",
        "HELP",
        "    Print this help.",
    ])
}
