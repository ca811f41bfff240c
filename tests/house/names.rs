//! Nothing depends on the name of a command or of a directive outside its declaration.
//!
//! A name that stands elsewhere is a second place that knows the command, and a rename or a new
//! relative misses it. What depends on a command is a field of its `Spec`, what depends on a
//! directive is a field of its `Directive`; a function that shows the name of its own command takes
//! it from the declaration (`ZRANK.name()`).

use super::{Source, find, is_word, raw_string_len, report, sources, string_len};
use std::collections::BTreeSet;

/// Commands whose name is also a word of the protocol: an option, a type, a category, a section.
#[rustfmt::skip]
const ALSO_WORDS: &[&str] = &[
    "append", "asking", "auth", "cluster", "command", "debug", "digest", "dump", "eval", "exec",
    "failover", "function", "get", "hotkeys", "incr", "info", "keys", "memory", "module", "multi",
    "flushdb", "object", "pubsub", "readonly", "reset", "role", "save", "set", "swapdb", "sync", "time",
    "type",
];

/// Where a command is written in capitals, to be executed elsewhere.
const WRITTEN: &[(&str, &str)] = &[
    ("commands/", "a command is propagated as another one"),
    (
        "command/settle.rs",
        "an expired field is propagated as HDEL",
    ),
    (
        "keyspace/mod.rs",
        "an expired key is propagated as DEL or UNLINK",
    ),
    ("persist/aof/", "the AOF is made of commands"),
    (
        "replication/",
        "a replica sends commands to its primary, a primary to its replicas",
    ),
    ("server/replication/", "the same"),
    (
        "server/commands/migrate.rs",
        "MIGRATE sends commands to the target",
    ),
    (
        "server/commands/himport.rs",
        "a hash is propagated as RESTORE takes it",
    ),
];

/// Where names are declared that happen to be those of commands.
const OTHER_NAMES: &[(&str, &str)] = &[
    (
        "config/table/",
        "a directive may have the name of a command",
    ),
    ("command/effects.rs", "the names of keyspace events"),
    (
        "server/script/run.rs",
        "a line of the log says how to end a script",
    ),
];

/// Directives whose name is also another word.
const DIRECTIVES_ALSO_WORDS: &[&str] = &[
    // Fields of INFO.
    "hz",
    "maxclients",
    "maxmemory",
    // A command, options.
    "save",
    "timeout",
    // A field of ACL GETUSER.
    "databases",
];

/// Comparisons with the name of a declaration, and the files that look it up.
const COMPARISONS: &[(&str, &[&str])] = &[
    ("spec.name ==", &["command/spec.rs"]),
    ("spec.name !=", &[]),
    ("match spec.name", &[]),
    (".name() ==", &[]),
    (".name() !=", &[]),
    ("row.name ==", &[]),
    ("row.name !=", &[]),
    ("match row.name", &[]),
];

/// The string literals of a file outside of comments and unit tests: line, offset and content.
fn literals(source: &Source) -> Vec<(usize, usize, &str)> {
    let last = source.lines().last().map_or(0, |(n, _)| n);
    let (text, mut found) = (source.text.as_bytes(), Vec::new());
    let (mut at, mut line) = (0, 1);
    while at < text.len() && line <= last {
        let rest = &text[at..];
        let (len, is_string) = match rest {
            [b'/', b'/', ..] => (find(rest, b"\n").unwrap_or(rest.len()), false),
            [b'"', ..] => (string_len(rest), true),
            [b'r', b'"' | b'#', ..] if !is_word(text, at) => {
                (raw_string_len(rest).unwrap_or(1), false)
            }
            [b'\'', b'\\', ..] => (find(&rest[2..], b"'").map_or(1, |n| n + 3), false),
            [b'\'', _, b'\'', ..] => (3, false),
            _ => (1, false),
        };
        if is_string && len >= 2 {
            found.push((line, at, &source.text[at + 1..at + len - 1]));
        }
        line += rest[..len].iter().filter(|byte| **byte == b'\n').count();
        at += len;
    }
    found
}

/// The text before a literal, without the blanks and the `b` of a byte string.
fn before(source: &Source, at: usize) -> &str {
    let text = &source.text[..at];
    text.strip_suffix('b').unwrap_or(text).trim_end()
}

/// The first of these places that a file is in.
fn place<'a>(source: &Source, places: &[(&'a str, &str)]) -> Option<&'a str> {
    let found = places.iter().find(|(place, _)| source.is_in(&[place]));
    found.map(|(place, _)| *place)
}

/// Lists of commands that are not implemented, and the function that declares one.
const BUILDERS: &[(&str, &str)] = &[
    ("server/commands/cluster.rs", "word("),
    ("server/commands/vectors.rs", "unknown("),
];

/// Whether a literal is the name in a declaration.
fn declares(source: &Source, at: usize) -> bool {
    let before = before(source, at);
    let field = before.strip_suffix("name:").map(str::trim_end);
    let is_field =
        source.path.contains("commands/") && field.is_some_and(|spec| spec.ends_with("Spec {"));
    let builds = |(path, builder): &(&str, &str)| source.path == *path && before.ends_with(builder);
    is_field || BUILDERS.iter().any(builds)
}

/// The declared names: of commands, and of subcommands with their container.
fn command_names(sources: &[Source]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for source in sources {
        for (_, at, name) in literals(source)
            .into_iter()
            .filter(|(_, at, _)| declares(source, *at))
        {
            let ends = [".runs(", ".contains(", ".subcommand(", "\nfn "];
            let rest = &source.text[at..];
            let end = ends
                .iter()
                .filter_map(|end| Some((rest.find(end)?, *end)))
                .min();
            if end.is_some_and(|(_, end)| end != ".subcommand(") {
                names.insert(name.to_owned());
            }
        }
    }
    names
}

/// Whether a literal is the name of a command, or of a subcommand behind its container's.
fn command_in<'a>(names: &'a BTreeSet<String>, literal: &str) -> Option<&'a str> {
    let lower = literal.to_lowercase();
    let words: Vec<&str> = lower.split([' ', '|']).collect();
    let is_pair = words.len() == 2 && !words[1].is_empty() && literal == literal.to_uppercase();
    let name = names.get(words[0])?;
    (words.len() == 1 || is_pair).then_some(name)
}

/// Reports breaches, and the exceptions that no literal needs any more.
fn report_with_unused<'a>(
    mut breaches: Vec<String>,
    excused: &BTreeSet<&str>,
    exceptions: impl Iterator<Item = &'a str>,
) {
    let unused = exceptions.filter(|exception| !excused.contains(exception));
    breaches.extend(unused.map(|exception| format!("the exception {exception} is not needed")));
    report(&breaches);
}

#[test]
fn no_command_is_named_outside_its_declaration() {
    let sources = sources();
    let names = command_names(&sources);
    assert!(names.len() > 230, "{} commands are declared", names.len());
    let (mut breaches, mut excused) = (Vec::new(), BTreeSet::new());
    for source in &sources {
        for (n, at, literal) in literals(source) {
            let Some(name) = command_in(&names, literal).filter(|_| !declares(source, at)) else {
                continue;
            };
            let is_capital = literal == literal.to_uppercase();
            let written = place(source, WRITTEN).filter(|_| is_capital);
            let word = ALSO_WORDS.iter().find(|word| **word == name).copied();
            match written.or(place(source, OTHER_NAMES)).or(word) {
                Some(exception) => _ = excused.insert(exception),
                None => breaches.push(format!(
                    "src/{}:{n}: the command \"{literal}\" is named",
                    source.path
                )),
            }
        }
    }
    let places = WRITTEN.iter().chain(OTHER_NAMES).map(|(place, _)| *place);
    report_with_unused(breaches, &excused, places.chain(ALSO_WORDS.iter().copied()));
}

#[test]
fn no_directive_is_named_outside_its_declaration() {
    let sources = sources();
    let (tables, others): (Vec<_>, Vec<_>) = sources
        .iter()
        .filter(|source| source.path.starts_with("config/table/") || source.module() != "config")
        .partition(|source| source.module() == "config");
    let mut names = BTreeSet::new();
    for source in tables {
        let of_builder = |at| before(source, at).ends_with('(');
        let found = literals(source)
            .into_iter()
            .filter(|(_, at, _)| of_builder(*at));
        names.extend(found.map(|(_, _, name)| name));
    }
    assert!(names.len() > 250, "{} directives are declared", names.len());
    let (mut breaches, mut excused) = (Vec::new(), BTreeSet::new());
    for source in others {
        for (n, at, literal) in literals(source) {
            if !names.contains(literal) || declares(source, at) {
                continue;
            }
            match DIRECTIVES_ALSO_WORDS.iter().find(|word| **word == literal) {
                Some(word) => _ = excused.insert(*word),
                None => breaches.push(format!(
                    "src/{}:{n}: the directive \"{literal}\" is named",
                    source.path
                )),
            }
        }
    }
    report_with_unused(breaches, &excused, DIRECTIVES_ALSO_WORDS.iter().copied());
}

#[test]
fn nothing_compares_with_the_name_of_a_declaration() {
    let mut breaches = Vec::new();
    for source in sources() {
        for (n, line) in source.lines() {
            for (what, places) in COMPARISONS {
                if line.contains(what) && !source.is_in(places) {
                    breaches.push(format!("src/{}:{n}: {what}", source.path));
                }
            }
        }
    }
    report(&breaches);
}
