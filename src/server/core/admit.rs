//! Admission: the gates a command passes before it runs, in the order tests observe.
//!
//! ```text
//!   a client's command     Origin::Client    every gate, then pause and queue
//!   EXEC's queue           Origin::Exec      the ACL again: rules may have changed
//!   a script               Origin::Script    by the flags it declares
//!   a command within one   Origin::InScript  what may change while the script runs
//!   primary, AOF           Origin::Stream    admitted at its source
//! ```
//!
//! Unblocked clients pass the gates of a client again. In the common case admission costs one test:
//! `Gates` has a bit for each state in which some commands are rejected, and the command of an
//! unrestricted client is admitted at once while none is set.

use crate::command::spec::*;
use crate::command::{CmdError, Reply};
use crate::resp::request::Argv;
use crate::server::Server;
use crate::server::clients::session::{Session, Special};
use crate::server::core::checks::*;
use crate::server::gates::Gates;

/// The verdict of the gates on a command.
pub enum Verdict {
    Run,
    Refuse(CmdError),
    /// The command stays where it is until a pause ends.
    Wait,
    /// The command is queued for EXEC.
    Queue,
}

/// The source of a command, which selects its gates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    Client,
    /// Our primary, or an AOF.
    Stream,
    /// The queue of a transaction.
    Exec,
    /// A script or function with flags of its own, before it begins.
    Script,
    /// A script without flags.
    OldScript,
    /// A command of a script.
    InScript,
}

impl Origin {
    /// The gates that a command passes, in their order. The order differs where Redis's does.
    fn gates(self) -> &'static [Gate] {
        match self {
            Origin::Client => &[
                GUARDED,
                UNAUTHENTICATED,
                OUTSIDE_MULTI,
                ACL_RULES,
                MEMORY,
                DISK_ERROR,
                FEW_REPLICAS,
                READ_ONLY_REPLICA,
                SUBSCRIBED,
                FEED_ONLY,
                STALE_DATA,
                LOADING_DATA,
                BUSY_SCRIPT,
                PAUSED,
                IN_TRANSACTION,
            ],
            Origin::Stream => &[REPLICA_MEMORY, IN_TRANSACTION],
            Origin::Exec => &[ACL_RULES],
            Origin::Script => &[
                STALE_DATA,
                READ_ONLY_REPLICA,
                DISK_ERROR,
                FEW_REPLICAS,
                READ_ONLY_CALL,
                SCRIPT_MEMORY,
            ],
            Origin::OldScript => &[STALE_DATA],
            Origin::InScript => &[
                ARITY,
                NOT_FROM_SCRIPTS,
                STALE_DATA,
                ACL_RULES,
                READ_ONLY_CALL,
                READ_ONLY_REPLICA,
                DISK_ERROR,
                FEW_REPLICAS,
                SCRIPT_MEMORY,
            ],
        }
    }
}

/// A command at the gates.
pub struct Admission<'a> {
    pub session: &'a Session,
    pub number: u16,
    pub spec: &'static Spec,
    pub argv: Argv<'a>,
    /// The flags of the command; of EXEC and of a script, what the commands within may do.
    pub flags: Flags,
    /// Flags that some command in a transaction lacks.
    pub lacks: Flags,
    pub origin: Origin,
    /// The script may only read.
    pub reads_only: bool,
}

impl<'a> Admission<'a> {
    pub fn new(
        session: &'a Session,
        number: u16,
        spec: &'static Spec,
        argv: Argv<'a>,
        origin: Origin,
    ) -> Admission<'a> {
        Admission {
            session,
            number,
            spec,
            argv,
            flags: spec.flags,
            lacks: Flags::NONE,
            origin,
            reads_only: false,
        }
    }
}

/// Asks the gates of a command's origin, in their order, until one does not let it pass.
pub(in crate::server) fn ask_gates(server: &mut Server, admission: &Admission) -> Verdict {
    server.frame.keys().forget();
    for gate in admission.origin.gates() {
        let is_asked = gate.states == ANY_STATE || server.gates.has(gate.states);
        if is_asked && let Some(verdict) = (gate.check)(server, admission) {
            log::trace!(
                "{} does not pass the gate {}",
                admission.spec.name,
                gate.name
            );
            return verdict;
        }
    }
    Verdict::Run
}

/// The error of the first gate that refuses a command, for origins whose commands never wait.
pub(in crate::server) fn refusal(server: &mut Server, admission: &Admission) -> Option<CmdError> {
    match ask_gates(server, admission) {
        Verdict::Refuse(error) => Some(error),
        Verdict::Run | Verdict::Wait | Verdict::Queue => None,
    }
}

impl Server {
    /// Decides whether a known command with checked arity may run.
    #[inline(always)]
    pub fn admit(
        &mut self,
        session: &mut Session,
        number: u16,
        spec: &'static Spec,
        argv: &Argv,
        reply: &mut Reply,
    ) -> Verdict {
        if !self.gates.has(Gates::BEFORE)
            && session.authenticated
            && session.special == Special::default()
            && !spec.flags.has(PROTECTED)
        {
            return Verdict::Run;
        }
        self.admit_carefully(session, number, spec, argv, reply)
    }

    #[cold]
    fn admit_carefully(
        &mut self,
        session: &mut Session,
        number: u16,
        spec: &'static Spec,
        argv: &Argv,
        reply: &mut Reply,
    ) -> Verdict {
        let origin = match session.must_obey {
            true => Origin::Stream,
            false => Origin::Client,
        };
        if session.is_restricted() {
            // A denial is logged with the client's output size of this moment.
            session.wire.output = reply.written();
        }
        let mut admission = Admission::new(session, number, spec, *argv, origin);
        if origin == Origin::Client {
            admission.flags = self.script.flags_of_call(spec, argv);
            // EXEC has the flags of all commands it will run.
            if let Some(multi) = &session.multi
                && admission.flags.has(RUNS_QUEUE)
            {
                admission.flags = admission.flags | multi.flags;
                admission.lacks = multi.lacks;
            }
        }
        let verdict = ask_gates(self, &admission);
        // Invalidations of keys that were evicted here precede the reply.
        let evicts = self.gates.has(Gates::MAXMEMORY) && !self.gates.has(Gates::BUSY);
        if evicts
            && origin == Origin::Client
            && self.clients.has_mail()
            && !session.reply_mode.is_silent()
        {
            self.clients.answer_with_mail(session, reply);
        }
        verdict
    }
}

#[cfg(test)]
mod tests;
