//! MODULE. Modules are not supported: the list is empty, and loading one is an error.

use super::container;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::server::clients::session::Session;
use crate::server::{Server, ServerCommand};

pub static TABLE: &[ServerCommand] = &[MODULE_CONTAINER];

const MODULE_CONTAINER: ServerCommand = Spec {
    name: "module",
    since: "4.0.0",
    summary: "About modules.",
    ..Spec::of(Group::Server)
}
.contains(
    &[
        MODULE_HELP,
        MODULE_LIST,
        MODULE_LOAD,
        MODULE_LOADEX,
        MODULE_UNLOAD,
    ],
    container,
);

const MODULE_LIST: ServerCommand = Spec {
    name: "list",
    flags: all(&[ADMIN, NOSCRIPT]),
    since: "4.0.0",
    summary: "The modules that are loaded.",
    complexity: "O(N) where N is the number of loaded modules.",
    tips: &["nondeterministic_output_order"],
    ..Spec::of(Group::Server)
}
.subcommand(module_list);

fn module_list(_: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    reply.array(0)
}

const MODULE_LOAD: ServerCommand = Spec {
    name: "load",
    flags: all(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING, PROTECTED]),
    guard: Some(Guard::Module),
    usage: "path:string [arg:string...]",
    since: "4.0.0",
    summary: "Loads a module.",
    complexity: "O(1)",
    ..Spec::of(Group::Server)
}
.subcommand(module_load);

const MODULE_LOADEX: ServerCommand = Spec {
    name: "loadex",
    flags: all(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING, PROTECTED]),
    guard: Some(Guard::Module),
    usage: "path:string [configs{name:string value:string}@CONFIG+...] [args:string@ARGS...]",
    since: "7.0.0",
    summary: "Loads a module with settings.",
    complexity: "O(1)",
    ..Spec::of(Group::Server)
}
.subcommand(module_load);

fn module_load(_: &mut Server, _: &mut Session, args: &mut Args, _: &mut Reply) -> CmdResult {
    let path = String::from_utf8_lossy(args.bytes()).into_owned();
    log::warn!("Module {path} failed to load: modules are not supported");
    Err(CmdError::Fixed(
        "ERR Error loading the extension. Please check the server logs.",
    ))
}

const MODULE_UNLOAD: ServerCommand = Spec {
    name: "unload",
    flags: all(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING, PROTECTED]),
    guard: Some(Guard::Module),
    usage: "name:string",
    since: "4.0.0",
    summary: "Unloads a module.",
    complexity: "O(1)",
    ..Spec::of(Group::Server)
}
.subcommand(module_unload);

fn module_unload(_: &mut Server, _: &mut Session, _: &mut Args, _: &mut Reply) -> CmdResult {
    Err(CmdError::Fixed(
        "ERR Error unloading module: no such module with that name",
    ))
}

const MODULE_HELP: ServerCommand = Spec {
    name: "help",
    flags: all(&[LOADING, STALE]),
    since: "5.0.0",
    summary: "What MODULE can do.",
    complexity: "O(1)",
    ..Spec::of(Group::Server)
}
.subcommand(module_help);

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
