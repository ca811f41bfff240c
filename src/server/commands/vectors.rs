//! The commands of vector sets, which Redis 8.2 has built in as a module. They are not implemented,
//! but ACL rules may name them; a call gets the error of an unknown command.

use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::server::clients::session::Session;
use crate::server::{Server, ServerCommand};

const fn unknown(name: &'static str, flags: Flags) -> ServerCommand {
    Spec {
        name,
        arity: -1,
        flags: flags.and(MODULE),
        keys: KEY,
        since: "",
        absent: true,
        ..Spec::of(Group::Module)
    }
    .runs(refuse)
}

/// The key of commands of modules that declare no details.
const KEY: &[KeySpec] = &[KeySpec::at(1, &[RW, ACCESS, UPDATE])];
const READ_FAST: Flags = all(&[READONLY, FAST]);

pub static TABLE: &[ServerCommand] = &[
    unknown("vadd", all(&[WRITE, DENYOOM])),
    unknown("vcard", READ_FAST),
    unknown("vdim", READ_FAST),
    unknown("vemb", READ_FAST),
    unknown("vgetattr", READ_FAST),
    unknown("vinfo", READ_FAST),
    unknown("vismember", READONLY),
    unknown("vlinks", READ_FAST),
    unknown("vrandmember", READONLY),
    unknown("vrem", WRITE),
    unknown("vsetattr", all(&[WRITE, FAST])),
    unknown("vsim", READONLY),
];

fn refuse(_: &mut Server, _: &mut Session, args: &mut Args, _: &mut Reply) -> CmdResult {
    Err(CmdError::unknown_command(&args.argv()))
}
