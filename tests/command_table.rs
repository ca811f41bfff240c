//! COMMAND INFO and COMMAND DOCS of every command we have, held against those of Redis 8.10.2.
//!
//! `tests/data/command-info-8.10.2.txt` is the record: a block of lines for each core command, with
//! the facts and without the prose (no summaries, no complexity, of the history just the versions). The same function
//! writes the blocks of the record and those of the server under test, so equal is equal:
//!
//!     command getex
//!       arity -2
//!       flags fast write
//!       keys 1 1 1
//!       acl @fast @string @write
//!       tip nondeterministic_output
//!       keyspec RW access update begin index index=1 find range keystep=1 lastkey=0 limit=0
//!       since 6.2.0
//!       changed 7.0.0
//!       group string
//!       arg name=key type=key key_spec_index=0
//!       arg name=expiration type=oneof flags=optional
//!         arg name=seconds type=integer token=EX
//!
//! A command we do not have yet is not an error. `cargo test --test command_table -- --ignored`
//! makes the record anew from the installed Redis.

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use support::client::{Client, Value};
use support::oracle;
use support::server::Server;

/// Commands that take more than those of Redis, as Valkey does: their arguments and their history are
/// not compared.
const EXTENDED: &[&str] = &[
    "bgsave",
    "bitcount",
    "client|kill",
    "client|list",
    "geosearch",
    "geosearchstore",
    "hsetex",
    "zscan",
];

/// Blocks by the command's full name, such as `config|set`.
type Blocks = BTreeMap<String, String>;

fn record_path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/command-info-8.10.2.txt")
}

fn sorted(value: &Value) -> String {
    let mut words: Vec<String> = value.items().iter().map(Value::text).collect();
    words.sort();
    words.join(" ")
}

/// A map as `key=value` words in the order of the keys.
fn pairs(value: Option<Value>) -> String {
    let items = value.map(|v| v.items()).unwrap_or_default();
    let mut words: Vec<String> = items
        .chunks(2)
        .map(|pair| format!("{}={}", pair[0].text(), plain(&pair[1])))
        .collect();
    words.sort();
    words.join(" ")
}

fn plain(value: &Value) -> String {
    let items = value.items();
    if items.is_empty() {
        value.text()
    } else {
        items.iter().map(plain).collect::<Vec<_>>().join(",")
    }
}

fn key_spec(spec: &Value) -> String {
    let flags = spec.field("flags").map(|f| sorted(&f)).unwrap_or_default();
    let part = |name: &str| {
        let part = spec.field(name);
        let kind = part
            .as_ref()
            .and_then(|p| p.field("type"))
            .map(|t| t.text())
            .unwrap_or_default();
        let details = pairs(part.and_then(|p| p.field("spec")));
        format!("{kind} {details}").trim_end().to_owned()
    };
    format!(
        "{flags} begin {} find {}",
        part("begin_search"),
        part("find_keys")
    )
}

/// The facts of one element of COMMAND INFO.
fn info_lines(info: &Value) -> String {
    let fields = info.items();
    let mut out = String::new();
    let mut line =
        |text: String| writeln!(out, "  {}", text.trim_end()).expect("a string takes it");
    line(format!("arity {}", fields[1].text()));
    line(format!("flags {}", sorted(&fields[2])));
    line(format!(
        "keys {} {} {}",
        fields[3].text(),
        fields[4].text(),
        fields[5].text()
    ));
    line(format!("acl {}", sorted(&fields[6])));
    for tip in fields[7].items() {
        line(format!("tip {}", tip.text()));
    }
    for spec in fields[8].items() {
        line(format!("keyspec {}", key_spec(&spec)));
    }
    out
}

/// The facts of one element of COMMAND DOCS.
fn docs_lines(docs: &Value) -> String {
    let mut out = String::new();
    for name in [
        "since",
        "group",
        "deprecated_since",
        "replaced_by",
        "module",
    ] {
        if let Some(value) = docs.field(name) {
            writeln!(out, "  {name} {}", value.text()).expect("a string takes it");
        }
    }
    if let Some(flags) = docs.field("doc_flags") {
        writeln!(out, "  docflags {}", sorted(&flags)).expect("a string takes it");
    }
    let history = docs.field("history");
    for change in history.map(|h| h.items()).unwrap_or_default() {
        let version = change.items()[0].text();
        writeln!(out, "  changed {version}").expect("a string takes it");
    }
    if let Some(arguments) = docs.field("arguments") {
        for argument in arguments.items() {
            argument_lines(&argument, 1, &mut out);
        }
    }
    out
}

fn argument_lines(argument: &Value, depth: usize, out: &mut String) {
    let text = |name: &str| argument.field(name).map(|v| v.text());
    write!(out, "{}arg", "  ".repeat(depth)).expect("a string takes it");
    for name in [
        "name",
        "type",
        "token",
        "key_spec_index",
        "since",
        "deprecated_since",
    ] {
        if let Some(value) = text(name) {
            write!(out, " {name}={value}").expect("a string takes it");
        }
    }
    if let Some(shown) = text("display_text").filter(|shown| Some(shown) != text("name").as_ref()) {
        write!(out, " display={shown}").expect("a string takes it");
    }
    if let Some(flags) = argument.field("flags") {
        write!(out, " flags={}", sorted(&flags).replace(' ', ",")).expect("a string takes it");
    }
    out.push('\n');
    for inner in argument
        .field("arguments")
        .map(|a| a.items())
        .unwrap_or_default()
    {
        argument_lines(&inner, depth + 1, out);
    }
}

/// Adds the block of one command and those of its subcommands.
fn add_blocks(info: &Value, docs: Option<Value>, blocks: &mut Blocks) {
    let fields = info.items();
    let name = fields[0].text();
    let mut block = format!("command {name}\n{}", info_lines(info));
    if let Some(docs) = &docs {
        block += &docs_lines(docs);
    }
    blocks.insert(name, block);
    let inner = docs.and_then(|d| d.field("subcommands"));
    for sub in fields[9].items() {
        let name = sub.items()[0].text();
        add_blocks(&sub, inner.as_ref().and_then(|d| d.field(&name)), blocks);
    }
}

/// The blocks of a live server, for these commands or for all, modules left out.
fn live_blocks(client: &mut Client, names: &[String]) -> Blocks {
    assert!(!client.run("HELLO 3").is_error(), "the server speaks RESP3");
    let mut blocks = Blocks::new();
    let words = |verb: &str| {
        ["COMMAND", verb]
            .iter()
            .map(ToString::to_string)
            .chain(names.iter().cloned())
            .collect()
    };
    let (info, docs): (Vec<String>, Vec<String>) = (words("INFO"), words("DOCS"));
    let (info, docs) = (client.call(&info), client.call(&docs));
    for entry in info.items() {
        let fields = entry.items();
        // The reply for a command that does not exist is a null.
        if fields.is_empty() || sorted(&fields[2]).split(' ').any(|flag| flag == "module") {
            continue;
        }
        add_blocks(&entry, docs.field(&fields[0].text()), &mut blocks);
    }
    blocks
}

fn recorded_blocks() -> Blocks {
    let text = std::fs::read_to_string(record_path()).expect("the record is part of the sources");
    let mut blocks = Blocks::new();
    let mut name = String::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(next) = line.strip_prefix("command ") {
            next.clone_into(&mut name);
        }
        writeln!(blocks.entry(name.clone()).or_default(), "{line}").expect("a string takes it");
    }
    blocks
}

/// The lines of a block that are neither arguments nor history.
fn without_arguments(block: &str) -> Vec<&str> {
    let extends = |line: &&str| {
        let line = line.trim_start();
        line.starts_with("arg ") || line.starts_with("changed ")
    };
    block.lines().filter(|line| !extends(line)).collect()
}

#[test]
fn commands_describe_themselves_as_those_of_redis() {
    let recorded = recorded_blocks();
    let server = Server::start();
    let names: Vec<String> = recorded
        .keys()
        .filter(|n| !n.contains('|'))
        .cloned()
        .collect();
    let live = live_blocks(&mut server.client(), &names);
    assert!(
        !live.is_empty(),
        "the server has at least one command of Redis"
    );
    let mut differences = String::new();
    for (name, ours) in &live {
        // A subcommand Redis does not have is ours to describe.
        let Some(theirs) = recorded.get(name) else {
            continue;
        };
        let same = match EXTENDED.contains(&name.as_str()) {
            true => without_arguments(ours) == without_arguments(theirs),
            false => ours == theirs,
        };
        if same {
            continue;
        }
        writeln!(differences, "{name}:").expect("a string takes it");
        let (ours, theirs): (Vec<_>, Vec<_>) = (ours.lines().collect(), theirs.lines().collect());
        for line in theirs.iter().filter(|line| !ours.contains(line)) {
            writeln!(differences, "  missing: {line}").expect("a string takes it");
        }
        for line in ours.iter().filter(|line| !theirs.contains(line)) {
            writeln!(differences, "  not so:  {line}").expect("a string takes it");
        }
        if ours.iter().all(|line| theirs.contains(line)) && ours.len() == theirs.len() {
            writeln!(differences, "  the same lines in another order").expect("a string takes it");
        }
    }
    println!(
        "{} of {} commands and subcommands exist here",
        live.len(),
        recorded.len()
    );
    assert!(
        differences.is_empty(),
        "COMMAND INFO or DOCS differ from Redis 8.10.2:\n{differences}"
    );
}

#[test]
#[ignore = "writes the record; needs the installed Redis 8.10.2"]
fn make_the_record() {
    let Some(redis) = oracle::redis() else { return };
    let server = Server::of(&redis).start();
    let blocks = live_blocks(&mut server.client(), &[]);
    let mut text = String::from(
        "# What COMMAND INFO and COMMAND DOCS of Redis 8.10.2 say of its core commands, facts only.\n\
         # Written by tests/command_table.rs, which also tells the format.\n",
    );
    text.extend(blocks.into_values());
    std::fs::write(record_path(), text).expect("the folder is there");
}
