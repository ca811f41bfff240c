//! COMMAND: descriptions of the commands, all taken from their `Spec`.

use crate::algo::glob;
use crate::command::keys::{Begin, Find, INCOMPLETE, KeyFlags, KeySpec, NOT_KEY, legacy_range};
use crate::command::spec::*;
use crate::command::usage::{self, Argument};
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::resp::request::Argv;
use crate::server::clients::session::Session;
use crate::server::core::table::{Slot, Table};
use crate::server::{Server, ServerCommand};
use bytes::Bytes;

/// The declaration that all subcommands share.
const COMMAND_SPEC: Spec = Spec {
    flags: all(&[LOADING, STALE]),
    acl: &["connection"],
    ..Spec::of(Group::Server)
};

pub static TABLE: &[ServerCommand] = &[COMMAND];

const HELP: &[&str] = &[
    "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "(no subcommand)",
    "    Describe all commands.",
    "COUNT",
    "    How many commands there are.",
    "LIST",
    "    The names of all commands.",
    "INFO [<command-name> ...]",
    "    Describe these commands, or all.",
    "DOCS [<command-name> ...]",
    "    The documentation of these commands, or of all.",
    "GETKEYS <full-command>",
    "    The keys of a full command.",
    "GETKEYSANDFLAGS <full-command>",
    "    The keys of a full command and what happens to each.",
    "HELP",
    "    Print this help.",
];

const COMMAND: ServerCommand = Spec {
    name: "command",
    arity: -1,
    flags: all(&[LOADING, STALE]),
    acl: &["connection"],
    since: "2.8.13",
    summary: "Describes all commands.",
    complexity: "O(N) where N is the total number of Redis commands",
    tips: &["nondeterministic_output_order"],
    ..Spec::of(Group::Server)
}
.contains(
    &[
        COMMAND_COUNT,
        COMMAND_DOCS,
        COMMAND_GETKEYS,
        COMMAND_GETKEYSANDFLAGS,
        COMMAND_HELP,
        COMMAND_INFO,
        COMMAND_LIST,
    ],
    command,
);

fn command(server: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    info_of_all(&mut server.table, reply)
}

const COMMAND_COUNT: ServerCommand = Spec {
    name: "count",
    since: "2.8.13",
    summary: "How many commands there are.",
    complexity: "O(1)",
    ..COMMAND_SPEC
}
.subcommand(command_count);

fn command_count(
    server: &mut Server,
    _: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    reply.int(server.table.count() as i64)
}

const COMMAND_HELP: ServerCommand = Spec {
    name: "help",
    since: "5.0.0",
    summary: "What COMMAND can do.",
    complexity: "O(1)",
    ..COMMAND_SPEC
}
.subcommand(command_help);

fn command_help(_: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    reply.help(HELP)
}

const COMMAND_INFO: ServerCommand = Spec {
    name: "info",
    usage: "[command-name:string...]",
    since: "2.8.13",
    summary: "Describes some commands.",
    complexity: "O(N) where N is the number of commands to look up",
    tips: &["nondeterministic_output_order"],
    history: &[("7.0.0", "Without names it describes all commands.")],
    ..COMMAND_SPEC
}
.subcommand(command_info);

fn command_info(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    if args.left() == 0 {
        return info_of_all(&mut server.table, reply);
    }
    reply.array(args.left())?;
    while let Some(name) = args.option() {
        match server.table.lookup_full(name) {
            Some(number) => info_of_one(&mut server.table, number, reply)?,
            None => reply.null()?,
        }
    }
    Ok(())
}

/// Describes all commands. The reply is built once and then shared.
fn info_of_all(table: &mut Table, reply: &mut Reply) -> CmdResult {
    let resp = reply.resp;
    if let Some(answer) = table.described(resp) {
        return reply.shared(answer);
    }
    let mut bytes = Vec::new();
    let mut whole = Reply::new(&mut bytes, resp);
    whole.array(table.count())?;
    for number in table.commands() {
        info(table, number, &mut whole)?;
    }
    let answer = Bytes::from(bytes.into_boxed_slice());
    table.keep_described(resp, answer.clone());
    reply.shared(&answer)
}

/// Describes one command. The reply is built once.
fn info_of_one(table: &mut Table, number: u16, reply: &mut Reply) -> CmdResult {
    let resp = reply.resp;
    reply.raw(table.part((number, resp), |table| {
        let mut bytes = Vec::new();
        // A reply without a size limit does not fail.
        let _ = info(table, number, &mut Reply::new(&mut bytes, resp));
        bytes.into()
    }))
}

/// Writes a set of words as simple strings.
fn words<'a>(mut words: impl Iterator<Item = &'a str> + Clone, reply: &mut Reply) -> CmdResult {
    reply.set(words.clone().count())?;
    words.try_for_each(|word| reply.simple(word))
}

/// Writes the ten fields of COMMAND INFO.
fn info(table: &Table, number: u16, reply: &mut Reply) -> CmdResult {
    let slot = &table[number];
    let spec = slot.spec;
    reply.array(10)?;
    reply.bulk(slot.full_name.as_bytes())?;
    reply.int(spec.arity as i64)?;
    let flags = Flags::NAMES
        .iter()
        .filter(|(flag, _)| spec.flags.has(*flag))
        .map(|(_, name)| *name);
    let movable = has_movable_keys(spec) && !spec.flags.has(MOVABLEKEYS);
    words(flags.chain(movable.then_some("movablekeys")), reply)?;
    let (first, last, step) = legacy_range(spec.keys);
    reply.int(first)?;
    reply.int(last)?;
    reply.int(step)?;
    let categories = || CATEGORIES.iter().filter(|name| slot.in_category(name));
    reply.set(categories().count())?;
    for category in categories() {
        reply.raw(b"+@")?;
        reply.raw(category.as_bytes())?;
        reply.raw(b"\r\n")?;
    }
    reply.set(spec.tips.len())?;
    for tip in spec.tips {
        reply.bulk(tip.as_bytes())?;
    }
    reply.set(spec.keys.len())?;
    spec.keys
        .iter()
        .try_for_each(|keys| key_spec(keys, reply))?;
    // As in Redis: an array of subcommands, but an empty set if there are none.
    match slot.subcommands.len() {
        0 => reply.set(0)?,
        len => reply.array(len)?,
    }
    slot.subcommands
        .iter()
        .try_for_each(|&sub| info(table, sub, reply))
}

/// Returns true if the key range of the oldest form does not cover all keys.
fn has_movable_keys(spec: &Spec) -> bool {
    spec.keys.iter().any(|keys| {
        keys.flags.has(INCOMPLETE)
            || !matches!(keys.find, Find::Range { limit: 0, .. })
            || !matches!(keys.begin, Begin::Index(_))
    })
}

fn field(name: &str, reply: &mut Reply) -> CmdResult {
    reply.bulk(name.as_bytes())
}

/// Writes `name` with a text.
fn text(name: &str, value: &str, reply: &mut Reply) -> CmdResult {
    field(name, reply)?;
    reply.bulk(value.as_bytes())
}

/// Writes `name` with a number.
fn number(name: &str, value: i64, reply: &mut Reply) -> CmdResult {
    field(name, reply)?;
    reply.int(value)
}

fn key_spec(keys: &KeySpec, reply: &mut Reply) -> CmdResult {
    reply.map(3 + !keys.notes.is_empty() as usize)?;
    if !keys.notes.is_empty() {
        text("notes", keys.notes, reply)?;
    }
    field("flags", reply)?;
    key_flags(keys.flags, reply)?;
    field("begin_search", reply)?;
    reply.map(2)?;
    match keys.begin {
        Begin::Index(index) => {
            text("type", "index", reply)?;
            field("spec", reply)?;
            reply.map(1)?;
            number("index", index as i64, reply)?;
        }
        Begin::Keyword { word, from } => {
            text("type", "keyword", reply)?;
            field("spec", reply)?;
            reply.map(2)?;
            text("keyword", word, reply)?;
            number("startfrom", from as i64, reply)?;
        }
        Begin::Unknown => unknown(reply)?,
    }
    field("find_keys", reply)?;
    reply.map(2)?;
    match keys.find {
        Find::Range { last, step, limit } => {
            text("type", "range", reply)?;
            field("spec", reply)?;
            reply.map(3)?;
            number("lastkey", last as i64, reply)?;
            number("keystep", step as i64, reply)?;
            number("limit", limit as i64, reply)
        }
        Find::Count { count, first, step } => {
            text("type", "keynum", reply)?;
            field("spec", reply)?;
            reply.map(3)?;
            number("keynumidx", count as i64, reply)?;
            number("firstkey", first as i64, reply)?;
            number("keystep", step as i64, reply)
        }
        Find::Unknown => unknown(reply),
    }
}

fn unknown(reply: &mut Reply) -> CmdResult {
    text("type", "unknown", reply)?;
    field("spec", reply)?;
    reply.map(0)
}

fn key_flags(flags: KeyFlags, reply: &mut Reply) -> CmdResult {
    let names = KeyFlags::NAMES
        .iter()
        .filter(|(flag, _)| flags.has(*flag))
        .map(|(_, name)| *name);
    words(names, reply)
}

const COMMAND_DOCS: ServerCommand = Spec {
    name: "docs",
    usage: "[command-name:string...]",
    since: "7.0.0",
    summary: "The documentation of commands.",
    complexity: "O(N) where N is the number of commands to look up",
    tips: &["nondeterministic_output_order"],
    ..COMMAND_SPEC
}
.subcommand(command_docs);

fn command_docs(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let table = &server.table;
    let asked: Vec<u16> = if args.left() == 0 {
        table.commands().collect()
    } else {
        let names = args.rest();
        names
            .iter()
            .filter_map(|name| table.lookup_full(name))
            .collect()
    };
    reply.map(asked.len())?;
    asked
        .iter()
        .try_for_each(|&number| docs(table, number, reply))
}

/// Writes the name of a command and its documentation.
fn docs(table: &Table, number: u16, reply: &mut Reply) -> CmdResult {
    let slot = &table[number];
    let spec = slot.spec;
    let arguments = usage::parse(spec.usage);
    let changes = spec.history;
    let flags: Vec<&str> = [
        (spec.deprecated.is_some(), "deprecated"),
        (spec.internal, "syscmd"),
    ]
    .iter()
    .filter(|(on, _)| *on)
    .map(|(_, name)| *name)
    .collect();
    let fields = [
        !spec.summary.is_empty(),
        !spec.since.is_empty(),
        true,
        !spec.complexity.is_empty(),
        !flags.is_empty(),
        spec.deprecated.is_some(),
        spec.deprecated.is_some(),
        !changes.is_empty(),
        !arguments.is_empty(),
        !slot.subcommands.is_empty(),
    ];
    reply.bulk(slot.full_name.as_bytes())?;
    reply.map(fields.iter().filter(|there| **there).count())?;
    if !spec.summary.is_empty() {
        text("summary", spec.summary, reply)?;
    }
    if !spec.since.is_empty() {
        text("since", spec.since, reply)?;
    }
    text("group", spec.group.name(), reply)?;
    if !spec.complexity.is_empty() {
        text("complexity", spec.complexity, reply)?;
    }
    if !flags.is_empty() {
        field("doc_flags", reply)?;
        words(flags.iter().copied(), reply)?;
    }
    if let Some(deprecated) = &spec.deprecated {
        text("deprecated_since", deprecated.since, reply)?;
        text("replaced_by", deprecated.replaced_by, reply)?;
    }
    if !changes.is_empty() {
        field("history", reply)?;
        reply.set(changes.len())?;
        for (version, change) in changes {
            reply.array(2)?;
            reply.bulk(version.as_bytes())?;
            reply.bulk(change.as_bytes())?;
        }
    }
    if !arguments.is_empty() {
        argument_list("arguments", &arguments, reply)?;
    }
    if slot.subcommands.is_empty() {
        return Ok(());
    }
    field("subcommands", reply)?;
    reply.map(slot.subcommands.len())?;
    slot.subcommands
        .iter()
        .try_for_each(|&sub| docs(table, sub, reply))
}

fn argument_list(name: &str, arguments: &[Argument], reply: &mut Reply) -> CmdResult {
    field(name, reply)?;
    reply.array(arguments.len())?;
    arguments.iter().try_for_each(|a| argument(a, reply))
}

fn argument(a: &Argument, reply: &mut Reply) -> CmdResult {
    let is_group = !a.arguments.is_empty();
    let display = match &a.display {
        Some(display) => Some(display),
        None => (!is_group).then_some(&a.name),
    };
    let flags: Vec<&str> = [
        (a.optional, "optional"),
        (a.multiple, "multiple"),
        (a.multiple_token, "multiple_token"),
    ]
    .iter()
    .filter(|(on, _)| *on)
    .map(|(_, name)| *name)
    .collect();
    let fields = [
        display.is_some(),
        a.key_spec.is_some(),
        a.token.is_some(),
        a.since.is_some(),
        a.deprecated_since.is_some(),
        !flags.is_empty(),
        is_group,
    ];
    reply.map(2 + fields.iter().filter(|there| **there).count())?;
    text("name", &a.name, reply)?;
    text("type", &a.kind, reply)?;
    if let Some(display) = display {
        text("display_text", display, reply)?;
    }
    if let Some(index) = a.key_spec {
        number("key_spec_index", index as i64, reply)?;
    }
    if let Some(token) = &a.token {
        text("token", token, reply)?;
    }
    if let Some(since) = &a.since {
        text("since", since, reply)?;
    }
    if let Some(since) = &a.deprecated_since {
        text("deprecated_since", since, reply)?;
    }
    if !flags.is_empty() {
        field("flags", reply)?;
        words(flags.iter().copied(), reply)?;
    }
    if is_group {
        argument_list("arguments", &a.arguments, reply)?;
    }
    Ok(())
}

const COMMAND_LIST: ServerCommand = Spec {
    name: "list",
    usage: "[filterby(module-name:string@MODULE|category:string@ACLCAT|pattern:pattern@PATTERN)@FILTERBY]",
    since: "7.0.0",
    summary: "The names of commands.",
    complexity: "O(N) where N is the total number of Redis commands",
    tips: &["nondeterministic_output_order"],
    ..COMMAND_SPEC
}
.subcommand(command_list);

/// Subcommands are listed too.
fn command_list(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let filter = match args.left() {
        0 => None,
        3 if args.word("filterby") => Some((args.bytes(), args.bytes())),
        _ => return Err(CmdError::Syntax),
    };
    let kind = filter.map(|(kind, _)| kind.to_ascii_lowercase());
    let value = filter.map_or(&b""[..], |(_, value)| value);
    let category = String::from_utf8_lossy(value).to_lowercase();
    let takes = |slot: &Slot| match kind.as_deref() {
        None => Ok(true),
        Some(b"module") => Ok(false),
        Some(b"aclcat") => {
            Ok(CATEGORIES.contains(&category.as_str()) && slot.in_category(&category))
        }
        Some(b"pattern") => Ok(glob::matches(
            value,
            slot.full_name.as_bytes(),
            glob::Case::Insensitive,
        )),
        Some(_) => Err(CmdError::Syntax),
    };
    let mut names = Vec::new();
    for number in server.table.commands() {
        let slot = &server.table[number];
        let subs = slot.subcommands.iter().map(|&sub| &server.table[sub]);
        for slot in std::iter::once(slot).chain(subs) {
            if takes(slot)? {
                names.push(&slot.full_name);
            }
        }
    }
    reply.array(names.len())?;
    names
        .iter()
        .try_for_each(|name| reply.bulk(name.as_bytes()))
}

const COMMAND_GETKEYS: ServerCommand = Spec {
    name: "getkeys",
    usage: "command:string [arg:string...]",
    since: "2.8.13",
    summary: "The keys among the arguments of a command.",
    complexity: "O(N) where N is the number of arguments to the command",
    ..COMMAND_SPEC
}
.subcommand(command_getkeys);

fn command_getkeys(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let argv = args.rest();
    let keys = keys_of(&server.table, &argv)?;
    reply.array(keys.len())?;
    keys.iter()
        .try_for_each(|(index, _)| reply.bulk(argv.at(*index)))
}

const COMMAND_GETKEYSANDFLAGS: ServerCommand = Spec {
    name: "getkeysandflags",
    usage: "command:string [arg:string...]",
    since: "7.0.0",
    summary: "The keys among the arguments of a command, and what happens to each.",
    complexity: "O(N) where N is the number of arguments to the command",
    ..COMMAND_SPEC
}
.subcommand(command_getkeysandflags);

fn command_getkeysandflags(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let argv = args.rest();
    let keys = keys_of(&server.table, &argv)?;
    reply.array(keys.len())?;
    for (index, flags) in keys {
        reply.array(2)?;
        reply.bulk(argv.at(index))?;
        key_flags(flags, reply)?;
    }
    Ok(())
}

/// Returns the keys of a whole command, with the kind of access to each.
fn keys_of(table: &Table, argv: &Argv) -> Result<Vec<(usize, KeyFlags)>, CmdError> {
    let mut found = table.lookup(argv.at(0));
    if let Some(number) = found
        && !table[number].subcommands.is_empty()
        && argv.len() > 1
    {
        found = table.subcommand(number, argv.at(1));
    }
    let Some(number) = found else {
        return Err(CmdError::Fixed("ERR Invalid command specified"));
    };
    let spec = table[number].spec;
    if spec.keys.iter().all(|keys| keys.flags.has(NOT_KEY)) {
        return Err(CmdError::Fixed("ERR The command has no key arguments"));
    }
    if !spec.accepts(argv.len()) {
        return Err(CmdError::Fixed(
            "ERR Invalid number of arguments specified for command",
        ));
    }
    match spec.find_keys(argv) {
        Ok(keys) if !keys.is_empty() || spec.flags.has(NO_MANDATORY_KEYS) => Ok(keys),
        Err(_) if spec.flags.has(NO_MANDATORY_KEYS) => Ok(Vec::new()),
        _ => Err(CmdError::Fixed(
            "ERR Invalid arguments specified for command",
        )),
    }
}
