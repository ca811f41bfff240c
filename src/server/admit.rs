//! The gates before a command, in the order tests observe.
//!
//! In the common case this costs one test: `Gates` has a bit for each state in which some commands
//! are refused, and an authenticated client's command passes at once while none is set.

use super::Server;
use super::session::Session;
use crate::command::CmdError;
use crate::command::spec::{DENYOOM, NO_AUTH, PROTECTED, Spec};
use crate::config::Allowed;
use crate::resp::request::Argv;

/// States in which commands may be refused or have to wait.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Gates(pub u32);

impl Gates {
    /// A pause is on.
    pub const PAUSED: u32 = 1;
    /// There is a memory limit.
    pub const MAXMEMORY: u32 = 2;
    /// Somebody watches every command.
    pub const MONITORED: u32 = 4;

    pub fn set(&mut self, gate: u32, on: bool) {
        self.0 = self.0 & !gate | if on { gate } else { 0 };
    }
}

/// What the gates say.
pub enum Verdict {
    Run,
    Refuse(CmdError),
    /// Not now: the command stays where it is.
    Wait,
}

impl Server {
    /// Whether a known command with checked arity may run.
    #[inline(always)]
    pub fn admit(&self, session: &Session, spec: &'static Spec) -> Verdict {
        if self.gates.0 == 0 && session.authenticated && !spec.flags.has(PROTECTED) {
            return Verdict::Run;
        }
        self.ask_gates(session, spec)
    }

    #[cold]
    fn ask_gates(&self, session: &Session, spec: &'static Spec) -> Verdict {
        if let Some(error) = self.protected(session, spec) {
            return Verdict::Refuse(error);
        }
        if let Some(error) = self.stranger(session, spec) {
            return Verdict::Refuse(error);
        }
        if let Some(error) = self.out_of_memory(spec) {
            return Verdict::Refuse(error);
        }
        if self.is_held_by_pause(session, spec) {
            return Verdict::Wait;
        }
        Verdict::Run
    }

    /// DEBUG and the loading of modules: only for those whom the configuration names. Asked before
    /// anything else, as Redis does.
    fn protected(&self, session: &Session, spec: &Spec) -> Option<CmdError> {
        if !spec.flags.has(PROTECTED) {
            return None;
        }
        // Modules are what all other protected commands are about.
        let (name, allowed) = match spec.name {
            "debug" => ("debug", self.config.enable_debug_command),
            _ => ("module", self.config.enable_module_command),
        };
        let fine = match allowed {
            Allowed::No => false,
            Allowed::Yes => true,
            Allowed::Local => session.is_local(),
        };
        let upper = name.to_uppercase();
        (!fine).then(|| {
            CmdError::Text(format!(
                "ERR {upper} command not allowed. If the enable-{name}-command option is set to \
                 \"local\", you can run it from a local connection, otherwise you need to set this \
                 option in the configuration file, and then restart the server."
            ))
        })
    }

    /// Without a password, only the commands that lead to one.
    fn stranger(&self, session: &Session, spec: &Spec) -> Option<CmdError> {
        (!session.authenticated && !spec.flags.has(NO_AUTH))
            .then_some(CmdError::Fixed("NOAUTH Authentication required."))
    }

    /// At the memory limit, nothing that needs more.
    fn out_of_memory(&self, spec: &Spec) -> Option<CmdError> {
        let limit = self.config.maxmemory;
        let full = self.gates.0 & Gates::MAXMEMORY != 0
            && spec.flags.has(DENYOOM)
            && self.used_memory() as u64 > limit;
        full.then_some(CmdError::Fixed(
            "OOM command not allowed when used memory > 'maxmemory'.",
        ))
    }

    fn is_held_by_pause(&self, _session: &Session, _spec: &Spec) -> bool {
        false
    }

    /// The error for a name nobody knows.
    #[cold]
    pub fn unknown_command(&self, argv: &Argv) -> CmdError {
        const SHOWN: usize = 128;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let name = argv.at(0);
        let mut args = String::new();
        for arg in argv.from(1).iter() {
            if args.len() >= SHOWN {
                break;
            }
            let room = SHOWN - args.len();
            args.push_str(&format!("'{}' ", text(&arg[..arg.len().min(room)])));
        }
        let name = text(&name[..name.len().min(SHOWN)]);
        CmdError::Text(format!(
            "ERR unknown command '{name}', with args beginning with: {args}"
        ))
    }
}
