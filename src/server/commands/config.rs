//! CONFIG: access to the table of directives.

use super::container;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::config::is_sensitive;
use crate::config::{Allowed, Extent, Host, enter_directory, is_settled};
use crate::server::clients::session::Session;
use crate::server::core::checks::LOADING_TEXT;
use crate::server::core::permissions;
use crate::server::gates::Gates;
use crate::server::lifecycle::configure;
use crate::server::{Server, ServerCommand};

/// The declaration that most subcommands share.
const CONFIG_SPEC: Spec = Spec {
    flags: all(&[ADMIN, NOSCRIPT, LOADING, STALE]),
    ..Spec::of(Group::Server)
};

pub static TABLE: &[ServerCommand] = &[CONFIG];

const CONFIG: ServerCommand = Spec {
    name: "config",
    since: "2.0.0",
    summary: "About the configuration.",
    ..Spec::of(Group::Server)
}
.contains(
    &[
        CONFIG_GET,
        CONFIG_HELP,
        CONFIG_RESETSTAT,
        CONFIG_REWRITE,
        CONFIG_SET,
    ],
    container,
);

const CONFIG_GET: ServerCommand = Spec {
    name: "get",
    usage: "parameter:string...",
    since: "2.0.0",
    summary: "The values of settings.",
    complexity: "O(N) when N is the number of configuration parameters provided",
    history: &[("7.0.0", "Takes several patterns.")],
    ..CONFIG_SPEC
}
.subcommand(config_get);

fn config_get(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let rest = args.rest();
    let patterns: Vec<&[u8]> = rest.iter().collect();
    let found = server.config.get(&patterns);
    reply.map(found.len())?;
    for (name, value) in found {
        reply.bulk(&name)?;
        reply.bulk(&value)?;
    }
    Ok(())
}

const CONFIG_SET: ServerCommand = Spec {
    name: "set",
    usage: "data{parameter:string value:string}...",
    since: "2.0.0",
    secrets: Some(|argv, index| index > 2 && index % 2 == 1 && is_sensitive(argv.at(index - 1))),
    summary: "Changes settings while the server runs.",
    complexity: "O(N) when N is the number of configuration parameters provided",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    history: &[("7.0.0", "Takes several pairs.")],
    ..CONFIG_SPEC
}
.subcommand(config_set);

/// All of them are set, or none.
fn config_set(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    if args.left() % 2 == 1 {
        return Err(CmdError::Syntax);
    }
    let mut pairs = Vec::new();
    while args.left() > 0 {
        pairs.push((args.bytes(), args.bytes()));
    }
    // Checked before all other errors: clients know how to handle it.
    let loads = server.gates.has(Gates::LOADING);
    if loads && pairs.iter().any(|(name, _)| is_settled(name)) {
        return Err(CmdError::Fixed(LOADING_TEXT));
    }
    let allowed = match server.config.enable_protected_configs {
        Allowed::No => false,
        Allowed::Yes => true,
        Allowed::Local => session.is_local(),
    };
    let changes = server
        .config
        .set(&pairs, allowed, &mut RunningHost)
        .map_err(|error| CmdError::Bytes(error.bytes()))?;
    for (done, (apply, name)) in changes.applies.iter().enumerate() {
        let Err(reason) = configure::apply(server, *apply) else {
            continue;
        };
        // Rolls back the values, also in parts that have applied them already.
        server.config.rollback(changes.undo, &mut RunningHost);
        for (apply, name) in &changes.applies[..done] {
            if let Err(reason) = configure::apply(server, *apply) {
                log::warn!("Can't go back to the former value of '{name}': {reason}");
            }
        }
        return Err(CmdError::Text(format!(
            "ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}"
        )));
    }
    // A changed `requirepass` has been applied to the other sessions; this one is checked out.
    permissions::enroll(&server.acl, session);
    reply.ok()
}

const CONFIG_REWRITE: ServerCommand = Spec {
    name: "rewrite",
    since: "2.8.0",
    summary: "Writes the configuration to its file.",
    complexity: "O(1)",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..CONFIG_SPEC
}
.subcommand(config_rewrite);

fn config_rewrite(
    server: &mut Server,
    _: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    rewrite(server, Extent::Changed, reply)
}

/// Writes the configuration to the file it came from.
pub(super) fn rewrite(server: &mut Server, extent: Extent, reply: &mut Reply) -> CmdResult {
    let Some(path) = &server.config.config_file else {
        let text = "ERR The server is running without a config file";
        return Err(CmdError::Fixed(text));
    };
    // With an ACL file, users are not written to redis.conf.
    let users: Vec<Vec<u8>> = match server.config.aclfile.is_empty() {
        true => server.acl.lines().collect(),
        false => Vec::new(),
    };
    if let Err(error) = server.config.rewrite_file(path, Some(&users), extent) {
        let reason = crate::config::os_reason(&error);
        log::warn!("CONFIG REWRITE failed: {reason}");
        return Err(CmdError::Text(format!(
            "ERR Rewriting config file: {reason}"
        )));
    }
    log::info!("CONFIG REWRITE executed with success.");
    reply.ok()
}

const CONFIG_RESETSTAT: ServerCommand = Spec {
    name: "resetstat",
    since: "2.0.0",
    summary: "Sets the statistics back.",
    complexity: "O(1)",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..CONFIG_SPEC
}
.subcommand(config_resetstat);

fn config_resetstat(
    server: &mut Server,
    _: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    server.reset_stats();
    reply.ok()
}

const CONFIG_HELP: ServerCommand = Spec {
    name: "help",
    flags: all(&[LOADING, STALE]),
    since: "5.0.0",
    summary: "What CONFIG can do.",
    complexity: "O(1)",
    ..Spec::of(Group::Server)
}
.subcommand(config_help);

fn config_help(_: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    reply.help(&[
        "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "GET <pattern>",
        "    The directives whose names match, with their values.",
        "SET <directive> <value>",
        "    Change a directive while the server runs.",
        "RESETSTAT",
        "    Set the statistics of INFO back to zero.",
        "REWRITE",
        "    Write the directives to the configuration file.",
        "HELP",
        "    Print this help.",
    ])
}

/// The host of configuration changes while the server runs: it changes the directory.
struct RunningHost;

impl Host for RunningHost {
    fn chdir(&mut self, dir: &[u8]) -> Result<Vec<u8>, String> {
        enter_directory(dir)
    }
}
