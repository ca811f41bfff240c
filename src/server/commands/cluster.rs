//! What clients say to a server of a cluster: READONLY, READWRITE, ASKING. There is no cluster, and
//! they are told so.

use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::server::session::Session;
use crate::server::{Server, ServerCommand};

const fn word(name: &'static str, flags: Flags, summary: &'static str) -> ServerCommand {
    Entry {
        spec: Spec {
            name,
            arity: 1,
            flags,
            group: Group::Cluster,
            acl: &["connection"],
            since: "3.0.0",
            summary,
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: refuse,
        subcommands: &[],
    }
}

const HINTS: Flags = all(&[LOADING, STALE, FAST]);

pub static TABLE: &[ServerCommand] = &[
    word(
        "readonly",
        HINTS,
        "Lets a replica of a cluster answer reads.",
    ),
    word(
        "readwrite",
        HINTS,
        "Has a replica of a cluster redirect reads again.",
    ),
    word("asking", FAST, "The next command follows a redirection."),
];

fn refuse(_: &mut Server, _: &mut Session, _: &mut Args, _: &mut Reply) -> CmdResult {
    Err(CmdError::Fixed(
        "ERR This instance has cluster support disabled",
    ))
}
