//! EVAL, EVALSHA and their read-only forms, and SCRIPT. `server::script::run` runs the scripts.

use super::container;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::script::api::sha1_hex;
use crate::script::cache::parse_sha;
use crate::script::sandbox::Role;
use crate::server::clients::session::Debugging;
use crate::server::clients::session::Session;
use crate::server::script::debug;
use crate::server::script::run;
use crate::server::script::run::Rights;
use crate::server::{Server, ServerCommand};

/// The declaration that all commands that run code share.
pub(super) const RUNNER: Spec = Spec {
    flags: RUNS,
    script: Some(ScriptSource::Text),
    complexity: "Depends on the code that runs.",
    ..Spec::of(Group::Scripting)
};
const RUNS: Flags = all(&[
    NOSCRIPT,
    SKIP_MONITOR,
    STALE,
    NO_MANDATORY_KEYS,
    MOVABLEKEYS,
    SCRIPT_RUNNER,
]);
const READS: Flags = all(&[RUNS, READONLY]);
/// The declaration that the read-only forms share.
pub(super) const READER: Spec = Spec {
    flags: READS,
    since: "7.0.0",
    keys: &[KeySpec::counted(2, &[RO, ACCESS])],
    ..RUNNER
};
/// The declaration that the forms that may write share.
pub(super) const WRITER: Spec = Spec {
    keys: &[KeySpec::counted(2, &[RW, ACCESS, UPDATE])
        .noting("Scripts can read and write their keys as they please.")],
    ..RUNNER
};
const BODY: &str = "script:string numkeys:integer [key:key...] [arg:string...]";
const SHA: &str = "sha1:string numkeys:integer [key:key...] [arg:string...]";
const SCRIPT_SPEC: Spec = Spec {
    flags: NOSCRIPT,
    since: "2.6.0",
    ..Spec::of(Group::Scripting)
};

pub static TABLE: &[ServerCommand] = &[EVAL, EVAL_RO, EVALSHA, EVALSHA_RO, SCRIPT];

const SCRIPT: ServerCommand = Spec {
    name: "script",
    since: "2.6.0",
    summary: "About the scripts that are known.",
    ..Spec::of(Group::Scripting)
}
.contains(
    &[
        SCRIPT_DEBUG,
        SCRIPT_EXISTS,
        SCRIPT_SHOW,
        SCRIPT_FLUSH,
        SCRIPT_HELP,
        SCRIPT_KILL,
        SCRIPT_LOAD,
    ],
    container,
);

const EVAL: ServerCommand = Spec {
    name: "eval",
    usage: BODY,
    since: "2.6.0",
    summary: "Runs a script.",
    ..WRITER
}
.runs(eval);

fn eval(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    if session.debugging != Debugging::No {
        return debug::debug_script(server, session, args, reply, eval);
    }
    run_body(server, session, args, reply, Rights::All)
}

const EVAL_RO: ServerCommand = Spec {
    name: "eval_ro",
    usage: BODY,
    summary: "Runs a script that only reads.",
    ..READER
}
.runs(eval_ro);

fn eval_ro(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    if session.debugging != Debugging::No {
        return debug::debug_script(server, session, args, reply, eval_ro);
    }
    run_body(server, session, args, reply, Rights::ReadOnly)
}

const EVALSHA: ServerCommand = Spec {
    name: "evalsha",
    usage: SHA,
    script: Some(ScriptSource::Sha),
    since: "2.6.0",
    summary: "Runs a script that is known by its SHA1.",
    ..WRITER
}
.runs(evalsha);

fn evalsha(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    run_known(server, session, args, reply, Rights::All)
}

const EVALSHA_RO: ServerCommand = Spec {
    name: "evalsha_ro",
    usage: SHA,
    script: Some(ScriptSource::Sha),
    summary: "Runs a script that only reads and is known by its SHA1.",
    ..READER
}
.runs(evalsha_ro);

fn evalsha_ro(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    run_known(server, session, args, reply, Rights::ReadOnly)
}

/// Takes the number of keys of a script, which must not exceed the number of arguments after it.
pub(super) fn key_count(args: &mut Args, wrong: CmdError) -> Result<usize, CmdError> {
    let count = args.int().map_err(|_| wrong)?;
    if count > args.left() as i64 {
        let text = "ERR Number of keys can't be greater than number of args";
        return Err(CmdError::Fixed(text));
    }
    usize::try_from(count).map_err(|_| CmdError::Fixed("ERR Number of keys can't be negative"))
}

fn run_body(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
    rights: Rights,
) -> CmdResult {
    run::show_script(server, session, args, reply);
    let body = args.bytes();
    let keys = key_count(args, CmdError::NotInteger)?;
    let sha = sha1_hex(body);
    let (function, flags) = match server.script.cache.touch(&sha) {
        Some(found) => found,
        None => {
            server.script.load(body, true).map_err(CmdError::Bytes)?;
            let found = server.script.cache.touch(&sha);
            found.ok_or(CmdError::Fixed(NOSCRIPT_TEXT))?
        }
    };
    run::run_script(
        server,
        session,
        args,
        keys,
        (Role::Scripts, function, flags),
        &sha,
        rights,
        reply,
    )
}

const NOSCRIPT_TEXT: &str = "NOSCRIPT No matching script. Please use EVAL.";

fn run_known(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
    rights: Rights,
) -> CmdResult {
    run::show_script(server, session, args, reply);
    let name = args.bytes();
    let unknown = CmdError::Fixed(NOSCRIPT_TEXT);
    let Some(sha) = parse_sha(name) else {
        return Err(unknown);
    };
    if session.debugging != Debugging::No {
        let text = "ERR Please use EVAL instead of EVALSHA for debugging";
        return Err(CmdError::Fixed(text));
    }
    let keys = key_count(args, CmdError::NotInteger)?;
    let (function, flags) = server.script.cache.touch(&sha).ok_or(unknown)?;
    run::run_script(
        server,
        session,
        args,
        keys,
        (Role::Scripts, function, flags),
        &sha,
        rights,
        reply,
    )
}

const SCRIPT_LOAD: ServerCommand = Spec {
    name: "load",
    flags: all(&[NOSCRIPT, STALE]),
    usage: "script:string",
    summary: "Makes a script known without running it.",
    complexity: "O(N) with N being the length of the script",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..SCRIPT_SPEC
}
.subcommand(script_load);

fn script_load(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let sha = server.script.load(args.bytes(), false);
    reply.bulk(&sha.map_err(CmdError::Bytes)?)
}

const SCRIPT_EXISTS: ServerCommand = Spec {
    name: "exists",
    usage: "sha1:string...",
    summary: "Which scripts are known.",
    complexity: "O(N) with N being the number of scripts asked for",
    tips: &[
        "request_policy:all_shards",
        "response_policy:agg_logical_and",
    ],
    ..SCRIPT_SPEC
}
.subcommand(script_exists);

fn script_exists(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    reply.array(args.left())?;
    for name in args.rest().iter() {
        let known = parse_sha(name).is_some_and(|sha| server.script.cache.contains(&sha));
        reply.bool(known)?;
    }
    Ok(())
}

const SCRIPT_SHOW: ServerCommand = Spec {
    name: "show",
    usage: "sha1:string",
    since: "8.0.0",
    of_valkey: true,
    summary: "The text of a script that is known.",
    complexity: "O(1).",
    ..SCRIPT_SPEC
}
.subcommand(script_show);

fn script_show(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    const UNKNOWN: CmdError = CmdError::Fixed("NOSCRIPT No matching script.");
    let sha = parse_sha(args.bytes()).ok_or(UNKNOWN)?;
    reply.bulk(server.script.cache.body(&sha).ok_or(UNKNOWN)?)
}

const SCRIPT_FLUSH: ServerCommand = Spec {
    name: "flush",
    usage: "[flush-type(async=ASYNC|sync=SYNC)!6.2.0]",
    summary: "Forgets all scripts.",
    complexity: "O(N) with N being the number of scripts",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    history: &[("6.2.0", "Takes ASYNC and SYNC.")],
    ..SCRIPT_SPEC
}
.subcommand(script_flush);

fn script_flush(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let fine = args.left() == 0 || args.word("async") || args.word("sync");
    if !fine || args.left() > 0 {
        let text = "ERR SCRIPT FLUSH only support SYNC|ASYNC option";
        return Err(CmdError::Fixed(text));
    }
    let objects = server.script.cache.len() as u64;
    let vm = server.script.flush();
    let is_async = is_async(server, args);
    run::bury_vm(server, vm, objects, is_async);
    reply.ok()
}

/// Returns true if a flush is asynchronous, once its last argument, if any, has been taken.
pub(super) fn is_async(server: &Server, args: &Args) -> bool {
    let argv = args.argv();
    match argv.len() {
        0..=2 => server.config.lazyfree_lazy_user_flush,
        len => argv.at(len - 1).eq_ignore_ascii_case(b"async"),
    }
}

const SCRIPT_KILL: ServerCommand = Spec {
    name: "kill",
    flags: all(&[NOSCRIPT, ALLOW_BUSY]),
    summary: "Ends the script that runs, unless it has written.",
    complexity: "O(1)",
    tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
    ..SCRIPT_SPEC
}
.subcommand(script_kill);

fn script_kill(server: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    run::kill_script(server, Role::Scripts)?;
    reply.ok()
}

const SCRIPT_DEBUG: ServerCommand = Spec {
    name: "debug",
    usage: "mode(yes=YES|sync=SYNC|no=NO)",
    since: "3.2.0",
    summary: "Has the scripts of this connection debugged.",
    complexity: "O(1)",
    ..SCRIPT_SPEC
}
.subcommand(script_debug);

fn script_debug(
    _: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    // The output of the debugger would overtake earlier replies.
    if reply.written() > 0 {
        let text = "ERR SCRIPT DEBUG must be called outside a pipeline";
        return Err(CmdError::Fixed(text));
    }
    let is_off = args.word("no");
    if !is_off && session.is_secure {
        return Err(CmdError::Fixed(
            "ERR SCRIPT DEBUG does not work over TLS, use a plain connection",
        ));
    }
    session.debugging = if is_off {
        Debugging::No
    } else if args.word("yes") {
        Debugging::InChild
    } else if args.word("sync") {
        Debugging::Here
    } else {
        return Err(CmdError::Fixed("ERR Use SCRIPT DEBUG YES/SYNC/NO"));
    };
    reply.ok()
}

const SCRIPT_HELP: ServerCommand = Spec {
    name: "help",
    flags: all(&[LOADING, STALE]),
    since: "5.0.0",
    summary: "What SCRIPT can do.",
    complexity: "O(1)",
    ..SCRIPT_SPEC
}
.subcommand(script_help);

fn script_help(_: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    reply.help(&[
        "SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "DEBUG (YES|SYNC|NO)",
        "    Have the scripts of this connection debugged: on a copy of the data, here, or not.",
        "EXISTS <sha1> [<sha1> ...]",
        "    Which of these scripts are known.",
        "FLUSH [ASYNC|SYNC]",
        "    Forget all scripts.",
        "KILL",
        "    End the script that runs.",
        "LOAD <script>",
        "    Make a script known without running it.",
        "HELP",
        "    Print this help.",
    ])
}
