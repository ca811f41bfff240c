//! What the server asks of scripts before it runs a command: what the script may do, and whether one
//! is busy.

use super::Script;
use super::cache::parse_sha;
use super::flags::{ScriptFlags, of_script};
use super::sandbox::Role;
use crate::command::CmdError;
use crate::command::spec::{
    DENYOOM, Flags, MAY_REPLICATE, READONLY, STALE, ScriptSource, Spec, WRITE,
};
use crate::resp::request::Argv;

pub const BUSY_SCRIPT: &str =
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
pub const BUSY_FUNCTION: &str =
    "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.";

impl Script {
    /// The flags of a command; of one that runs a script, as the script itself declares them.
    pub fn flags_of_call(&self, spec: &Spec, argv: &Argv) -> Flags {
        let flags = match spec.script {
            None => return spec.flags,
            Some(ScriptSource::Function) => {
                let function = self.libraries.function(argv.at(1));
                function.map(|function| function.flags)
            }
            Some(ScriptSource::Sha) => {
                let sha = parse_sha(argv.at(1));
                sha.and_then(|sha| self.flags_of(&sha))
            }
            Some(ScriptSource::Text) => of_script(argv.at(1)).ok().map(|(flags, _)| flags),
        };
        let Some(flags) = flags.filter(|flags| !flags.has(ScriptFlags::COMPATIBLE)) else {
            // It may do anything, unless it is run to read.
            let reads = spec.flags.has(READONLY);
            return spec.flags | if reads { Flags::NONE } else { MAY_REPLICATE };
        };
        let mut kept = Flags(spec.flags.0 & !(STALE | DENYOOM | WRITE).0);
        let writes = !flags.has(ScriptFlags::NO_WRITES);
        if writes && !flags.has(ScriptFlags::ALLOW_OOM) {
            kept = kept | DENYOOM;
        }
        if writes {
            kept = kept | WRITE;
        }
        if flags.has(ScriptFlags::ALLOW_STALE) {
            kept = kept | STALE;
        }
        kept
    }

    /// The error of most commands while a script is busy.
    pub fn busy_error(&self) -> Option<CmdError> {
        let busy = self.busy.as_ref()?;
        Some(CmdError::Fixed(busy_text(busy.role)))
    }
}

/// The error while a script (or function) of this VM is busy.
pub fn busy_text(role: Role) -> &'static str {
    match role {
        Role::Scripts => BUSY_SCRIPT,
        Role::Functions => BUSY_FUNCTION,
    }
}
