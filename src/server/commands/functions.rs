//! FCALL, FCALL_RO, FUNCTION: libraries of functions.

use super::container;
use super::scripting::{READER, WRITER, is_async, key_count};
use crate::algo::glob::{self, Case};
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::script::LOAD_MS;
use crate::script::flags::ScriptFlags;
use crate::script::library::Function;
use crate::script::library::Policy;
use crate::script::sandbox::Role;
use crate::server::clients::session::Session;
use crate::server::script::run;
use crate::server::script::run::Rights;
use crate::server::{Server, ServerCommand};
use std::borrow::Cow;

const CALL: &str = "function:string numkeys:integer [key:key...] [arg:string...]";
const FUNCTION_SPEC: Spec = Spec {
    flags: NOSCRIPT,
    since: "7.0.0",
    ..Spec::of(Group::Scripting)
};
const ALL_SHARDS: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];

pub static TABLE: &[ServerCommand] = &[FCALL, FCALL_RO, FUNCTION];

const FUNCTION: ServerCommand = Spec {
    name: "function",
    since: "7.0.0",
    summary: "About libraries of functions.",
    ..Spec::of(Group::Scripting)
}
.contains(
    &[
        FUNCTION_DELETE,
        FUNCTION_DUMP,
        FUNCTION_FLUSH,
        FUNCTION_HELP,
        FUNCTION_KILL,
        FUNCTION_LIST,
        FUNCTION_LOAD,
        FUNCTION_RESTORE,
        FUNCTION_STATS,
    ],
    container,
);

const FCALL: ServerCommand = Spec {
    name: "fcall",
    usage: CALL,
    script: Some(ScriptSource::Function),
    since: "7.0.0",
    summary: "Calls a function.",
    ..WRITER
}
.runs(fcall);

fn fcall(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    run(server, session, args, reply, Rights::All)
}

const FCALL_RO: ServerCommand = Spec {
    name: "fcall_ro",
    usage: CALL,
    script: Some(ScriptSource::Function),
    summary: "Calls a function that only reads.",
    ..READER
}
.runs(fcall_ro);

fn fcall_ro(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    run(server, session, args, reply, Rights::ReadOnly)
}

fn run(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
    rights: Rights,
) -> CmdResult {
    run::show_script(server, session, args, reply);
    let name = args.bytes();
    let Some(function) = server.script.libraries.function(name) else {
        return Err(CmdError::Fixed("ERR Function not found"));
    };
    // Errors and FUNCTION STATS show the name as it was registered.
    let name = match function.name[..] == *name {
        true => Cow::Borrowed(name),
        false => Cow::Owned(function.name.to_vec()),
    };
    let code = (Role::Functions, function.kept, function.flags);
    let keys = key_count(args, CmdError::Fixed("ERR Bad number of keys provided"))?;
    run::run_script(server, session, args, keys, code, &name, rights, reply)
}

const FUNCTION_LOAD: ServerCommand = Spec {
    name: "load",
    flags: all(&[NOSCRIPT, WRITE, DENYOOM]),
    usage: "[replace=REPLACE] function-code:string",
    summary: "Loads a library.",
    complexity: "O(1) and what the code of the library takes",
    tips: ALL_SHARDS,
    ..FUNCTION_SPEC
}
.subcommand(function_load);

fn function_load(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let mut replace = false;
    while args.left() > 1 {
        if !args.word("replace") {
            let option = args.bytes();
            return Err(CmdError::naming(&[b"ERR Unknown option given: ", option]));
        }
        replace = true;
    }
    let limit_ms = (!session.must_obey).then_some(LOAD_MS);
    let name = server.script.load_library(args.bytes(), replace, limit_ms);
    let name = name.map_err(CmdError::Bytes)?;
    server.effects.count_changes(1);
    reply.bulk(&name)
}

const FUNCTION_DELETE: ServerCommand = Spec {
    name: "delete",
    flags: all(&[NOSCRIPT, WRITE]),
    usage: "library-name:string",
    summary: "Forgets a library.",
    complexity: "O(1)",
    tips: ALL_SHARDS,
    ..FUNCTION_SPEC
}
.subcommand(function_delete);

fn function_delete(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    if !server.script.delete_library(args.bytes()) {
        return Err(CmdError::Fixed("ERR Library not found"));
    }
    server.effects.count_changes(1);
    reply.ok()
}

const FUNCTION_FLUSH: ServerCommand = Spec {
    name: "flush",
    flags: all(&[NOSCRIPT, WRITE]),
    usage: "[flush-type(async=ASYNC|sync=SYNC)]",
    summary: "Forgets all libraries.",
    complexity: "O(N) where N is the number of functions",
    tips: ALL_SHARDS,
    ..FUNCTION_SPEC
}
.subcommand(function_flush);

fn function_flush(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    if args.left() > 1 {
        return Err(CmdError::wrong_form(&args.argv()));
    }
    if args.left() == 1 && !args.word("async") && !args.word("sync") {
        let text = "ERR FUNCTION FLUSH only supports SYNC|ASYNC option";
        return Err(CmdError::Fixed(text));
    }
    // As Redis counts: the functions and their engine.
    let objects = server.script.libraries.function_count() as u64 + 1;
    let vm = server.script.flush_libraries();
    let is_async = is_async(server, args);
    run::bury_vm(server, vm, objects, is_async);
    server.effects.count_changes(1);
    reply.ok()
}

const FUNCTION_LIST: ServerCommand = Spec {
    name: "list",
    usage: "[library-name-pattern:string@LIBRARYNAME] [withcode=WITHCODE]",
    summary: "The libraries and what is in them.",
    complexity: "O(N) where N is the number of functions",
    tips: &["nondeterministic_output_order"],
    ..FUNCTION_SPEC
}
.subcommand(function_list);

fn function_list(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let (mut with_code, mut pattern) = (false, None);
    while let Some(word) = args.option() {
        if !with_code && word.eq_ignore_ascii_case(b"withcode") {
            with_code = true;
        } else if pattern.is_none() && word.eq_ignore_ascii_case(b"libraryname") {
            let given = args.option();
            let missing = CmdError::Fixed("ERR library name argument was not given");
            pattern = Some(given.ok_or(missing)?);
        } else {
            return Err(CmdError::naming(&[b"ERR Unknown argument ", word]));
        }
    }
    let shown =
        |name: &[u8]| pattern.is_none_or(|pattern| glob::matches(pattern, name, Case::Insensitive));
    let libraries = &server.script.libraries;
    let count = libraries.iter().filter(|(name, _)| shown(name)).count();
    reply.array(count)?;
    for (name, library) in libraries.iter().filter(|(name, _)| shown(name)) {
        reply.map(if with_code { 4 } else { 3 })?;
        reply.bulk(b"library_name")?;
        reply.bulk(name)?;
        reply.bulk(b"engine")?;
        reply.bulk(b"LUA")?;
        reply.bulk(b"functions")?;
        reply.array(library.functions.len())?;
        for function in &library.functions {
            describe(function, reply)?;
        }
        if with_code {
            reply.bulk(b"library_code")?;
            reply.bulk(&library.code)?;
        }
    }
    Ok(())
}

fn describe(function: &Function, reply: &mut Reply) -> CmdResult {
    reply.map(3)?;
    reply.bulk(b"name")?;
    reply.bulk(&function.name)?;
    reply.bulk(b"description")?;
    match &function.description {
        Some(text) => reply.bulk(text)?,
        None => reply.null()?,
    }
    reply.bulk(b"flags")?;
    let flags = ScriptFlags::NAMES.iter();
    let flags: Vec<_> = flags
        .filter(|(flag, _)| function.flags.has(*flag))
        .collect();
    reply.set(flags.len())?;
    flags.iter().try_for_each(|(_, name)| reply.simple(name))
}

const FUNCTION_DUMP: ServerCommand = Spec {
    name: "dump",
    summary: "All libraries as bytes for FUNCTION RESTORE.",
    complexity: "O(N) where N is the number of functions",
    ..FUNCTION_SPEC
}
.subcommand(function_dump);

fn function_dump(
    server: &mut Server,
    _: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    reply.bulk(&run::dump_libraries(server))
}

const FUNCTION_RESTORE: ServerCommand = Spec {
    name: "restore",
    flags: all(&[NOSCRIPT, WRITE, DENYOOM]),
    usage: "serialized-value:string [policy(flush=FLUSH|append=APPEND|replace=REPLACE)]",
    summary: "Loads the libraries that FUNCTION DUMP told of.",
    complexity: "O(N) where N is the number of functions",
    tips: ALL_SHARDS,
    ..FUNCTION_SPEC
}
.subcommand(function_restore);

fn function_restore(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    if args.left() > 2 {
        return Err(CmdError::wrong_form(&args.argv()));
    }
    let payload = args.bytes();
    let policy = match args.option() {
        None => Policy::Append,
        Some(word) if word.eq_ignore_ascii_case(b"append") => Policy::Append,
        Some(word) if word.eq_ignore_ascii_case(b"replace") => Policy::Replace,
        Some(word) if word.eq_ignore_ascii_case(b"flush") => Policy::Flush,
        Some(_) => {
            let text = "ERR Wrong restore policy given, value should be either FLUSH, APPEND or \
                        REPLACE.";
            return Err(CmdError::Fixed(text));
        }
    };
    run::restore_libraries(server, payload, policy).map_err(CmdError::Bytes)?;
    server.effects.count_changes(1);
    reply.ok()
}

const FUNCTION_KILL: ServerCommand = Spec {
    name: "kill",
    flags: all(&[NOSCRIPT, ALLOW_BUSY]),
    summary: "Ends the function that runs, unless it has written.",
    complexity: "O(1)",
    tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
    ..FUNCTION_SPEC
}
.subcommand(function_kill);

fn function_kill(
    server: &mut Server,
    _: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    run::kill_script(server, Role::Functions)?;
    reply.ok()
}

const FUNCTION_STATS: ServerCommand = Spec {
    name: "stats",
    flags: all(&[NOSCRIPT, ALLOW_BUSY]),
    summary: "What runs, and how much is loaded.",
    complexity: "O(1)",
    tips: &[
        "nondeterministic_output",
        "request_policy:all_shards",
        "response_policy:special",
    ],
    ..FUNCTION_SPEC
}
.subcommand(function_stats);

fn function_stats(
    server: &mut Server,
    _: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    // A running script that is not a function is not shown.
    if server
        .script
        .busy()
        .is_some_and(|busy| busy.role == Role::Scripts)
        && let Some(error) = server.script.busy_error()
    {
        return Err(error);
    }
    reply.map(2)?;
    reply.bulk(b"running_script")?;
    match server.script.busy() {
        None => reply.null()?,
        Some(busy) => {
            let ms = server.clock.mono_ms().saturating_sub(busy.since_ms);
            reply.map(3)?;
            reply.bulk(b"name")?;
            reply.bulk(&busy.name)?;
            reply.bulk(b"command")?;
            reply.array(busy.command.as_argv().len())?;
            busy.command
                .as_argv()
                .iter()
                .try_for_each(|arg| reply.bulk(arg))?;
            reply.bulk(b"duration_ms")?;
            reply.int(ms as i64)?;
        }
    }
    reply.bulk(b"engines")?;
    reply.map(1)?;
    reply.bulk(b"LUA")?;
    reply.map(2)?;
    reply.bulk(b"libraries_count")?;
    reply.int(server.script.libraries.len() as i64)?;
    reply.bulk(b"functions_count")?;
    reply.int(server.script.libraries.function_count() as i64)
}

const FUNCTION_HELP: ServerCommand = Spec {
    name: "help",
    flags: all(&[LOADING, STALE]),
    summary: "What FUNCTION can do.",
    complexity: "O(1)",
    ..FUNCTION_SPEC
}
.subcommand(function_help);

fn function_help(_: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    reply.help(&[
        "FUNCTION <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "LOAD [REPLACE] <FUNCTION CODE>",
        "    Load a library.",
        "DELETE <LIBRARY NAME>",
        "    Forget a library.",
        "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
        "    The libraries with their functions, and with their code if asked for.",
        "STATS",
        "    What runs just now, and how much is loaded.",
        "KILL",
        "    End the function that runs.",
        "FLUSH [ASYNC|SYNC]",
        "    Forget all libraries.",
        "DUMP",
        "    All libraries as bytes.",
        "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
        "    Load what DUMP told: in place of all that is there, beside it (the default), or",
        "    in place of libraries of the same name.",
        "HELP",
        "    Print this help.",
    ])
}
