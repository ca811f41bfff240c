//! MODULE. Modules are not supported: the list is empty, and loading one is an error.

use super::container;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::server::clients::session::Session;
use crate::server::{Server, ServerCommand};

pub static TABLE: &[ServerCommand] = &[Entry {
    spec: Spec {
        name: "module",
        arity: -2,
        group: Group::Server,
        since: "4.0.0",
        summary: "About modules.",
        complexity: "Depends on subcommand.",
        ..Spec::BASE
    },
    run: container,
    subcommands: &[
        Entry {
            spec: Spec {
                name: "help",
                arity: 2,
                flags: all(&[LOADING, STALE]),
                group: Group::Server,
                since: "5.0.0",
                summary: "What MODULE can do.",
                complexity: "O(1)",
                ..Spec::BASE
            },
            run: module_help,
            subcommands: &[],
        },
        Entry {
            spec: Spec {
                name: "list",
                arity: 2,
                flags: all(&[ADMIN, NOSCRIPT]),
                group: Group::Server,
                since: "4.0.0",
                summary: "The modules that are loaded.",
                complexity: "O(N) where N is the number of loaded modules.",
                tips: &["nondeterministic_output_order"],
                ..Spec::BASE
            },
            run: module_list,
            subcommands: &[],
        },
        Entry {
            spec: Spec {
                name: "load",
                arity: -3,
                flags: all(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING, PROTECTED]),
                guard: Some(Guard::Module),
                group: Group::Server,
                usage: "path:string [arg:string...]",
                since: "4.0.0",
                summary: "Loads a module.",
                complexity: "O(1)",
                ..Spec::BASE
            },
            run: module_load,
            subcommands: &[],
        },
        Entry {
            spec: Spec {
                name: "loadex",
                arity: -3,
                flags: all(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING, PROTECTED]),
                guard: Some(Guard::Module),
                group: Group::Server,
                usage: "path:string [configs{name:string value:string}@CONFIG+...] [args:string@ARGS...]",
                since: "7.0.0",
                summary: "Loads a module with settings.",
                complexity: "O(1)",
                ..Spec::BASE
            },
            run: module_load,
            subcommands: &[],
        },
        Entry {
            spec: Spec {
                name: "unload",
                arity: 3,
                flags: all(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING, PROTECTED]),
                guard: Some(Guard::Module),
                group: Group::Server,
                usage: "name:string",
                since: "4.0.0",
                summary: "Unloads a module.",
                complexity: "O(1)",
                ..Spec::BASE
            },
            run: module_unload,
            subcommands: &[],
        },
    ],
}];

/// MODULE LIST.
fn module_list(_: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    reply.array(0)
}

/// MODULE LOAD path [arg ...], MODULE LOADEX path [CONFIG name value ...] [ARGS arg ...].
fn module_load(_: &mut Server, _: &mut Session, args: &mut Args, _: &mut Reply) -> CmdResult {
    let path = String::from_utf8_lossy(args.bytes()).into_owned();
    log::warn!("Module {path} failed to load: modules are not supported");
    Err(CmdError::Fixed(
        "ERR Error loading the extension. Please check the server logs.",
    ))
}

/// MODULE UNLOAD name.
fn module_unload(_: &mut Server, _: &mut Session, _: &mut Args, _: &mut Reply) -> CmdResult {
    Err(CmdError::Fixed(
        "ERR Error unloading module: no such module with that name",
    ))
}

/// MODULE HELP.
fn module_help(_: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    reply.help(&[
        "MODULE <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "LIST",
        "    The modules that are loaded: none.",
        "LOAD <path> [<arg> ...]",
        "    Refused: modules are not supported.",
        "LOADEX <path> [[CONFIG NAME VALUE] [CONFIG NAME VALUE]] [ARGS ...]",
        "    Refused as well.",
        "UNLOAD <name>",
        "    There is none to unload.",
        "HELP",
        "    Print this help.",
    ])
}
