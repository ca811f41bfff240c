//! The admission checks (gates) before a command, in the order tests observe.
//!
//! In the common case this costs one test: `Gates` has a bit for each state in which some commands
//! are rejected, and the command of an unrestricted client is admitted at once while none is set.

use crate::command::spec::*;
use crate::command::{CmdError, Reply};
use crate::config::Allowed;
use crate::resp::request::Argv;
use crate::server::Server;
use crate::server::clients::session::{Ending, Peer, Session, Special};
use crate::server::core::evict::Room;
use crate::server::gates::Gates;

pub const FEW_REPLICAS_TEXT: &str = "NOREPLICAS Not enough good replicas to write.";
pub const LOADING_TEXT: &str = "LOADING Redis is loading the dataset in memory";

pub const READ_ONLY_TEXT: &str = "READONLY You can't write against a read only replica.";
pub const STALE_TEXT: &str =
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";

/// Minimum interval between log lines about connections that speak HTTP, in milliseconds, as in
/// Redis.
const CROSS_PROTOCOL_QUIET_MS: u64 = 60_000;

/// The verdict of the gates on a command.
pub enum Verdict {
    Run,
    Refuse(CmdError),
    /// The command stays where it is until a pause ends.
    Wait,
    /// The command is queued for EXEC.
    Queue,
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
        if self.gates.0 & Gates::BEFORE == 0
            && session.authenticated
            && session.special == Special::default()
            && !spec.flags.has(PROTECTED)
        {
            return Verdict::Run;
        }
        self.ask_gates(session, number, spec, argv, reply)
    }

    #[cold]
    fn ask_gates(
        &mut self,
        session: &mut Session,
        number: u16,
        spec: &'static Spec,
        argv: &Argv,
        reply: &mut Reply,
    ) -> Verdict {
        // Commands of a primary or an AOF were already admitted at their source.
        if session.must_obey {
            // A replica with its own memory limit evicts for the writes of its primary.
            if self.gates.0 & Gates::MAXMEMORY != 0 && session.peer == Peer::Primary {
                self.make_room();
            }
            let queues = session.special.has(Special::MULTI) && !spec.flags.has(IN_MULTI);
            return if queues { Verdict::Queue } else { Verdict::Run };
        }
        if let Some(error) = self.protected(session, spec) {
            return Verdict::Refuse(error);
        }
        if let Some(error) = self.stranger(session, spec) {
            return Verdict::Refuse(error);
        }
        if let Some(error) = self.outside_only(session, spec) {
            return Verdict::Refuse(error);
        }
        if session.is_restricted() {
            // A denial is logged with the client's output size of this moment.
            session.wire.output = reply.written();
            if let Some(error) = self.forbidden(session, number, argv) {
                return Verdict::Refuse(error);
            }
        }
        // EXEC has the flags of all commands it will run.
        let mut flags = self.script.flags_of_call(spec, argv);
        let mut lacks = Flags::NONE;
        if let Some(multi) = &session.multi
            && flags.has(RUNS_QUEUE)
        {
            flags = flags | multi.flags;
            lacks = multi.lacks;
        }
        if self.gates.0 & Gates::MAXMEMORY != 0
            && let Some(error) = self.out_of_memory(session, flags, reply)
        {
            return Verdict::Refuse(error);
        }
        if let Some(error) = self.disk_refuses(spec, flags) {
            return Verdict::Refuse(error);
        }
        if let Some(text) = self.role_refuses(flags) {
            return Verdict::Refuse(CmdError::Fixed(text));
        }
        if let Some(error) = self.subscribed(session, spec) {
            return Verdict::Refuse(error);
        }
        if let Some(error) = self.only_watches(session, flags) {
            return Verdict::Refuse(error);
        }
        if let Some(text) = self.data_is_not_ready(spec, flags, lacks) {
            return Verdict::Refuse(CmdError::Fixed(text));
        }
        if let Some(error) = self
            .script
            .busy_error()
            .filter(|_| !spec.flags.has(ALLOW_BUSY))
        {
            return Verdict::Refuse(error);
        }
        if self.gates.0 & Gates::PAUSED != 0 && self.pause.holds(session, flags) {
            return Verdict::Wait;
        }
        if session.special.has(Special::MULTI) && !flags.has(IN_MULTI) {
            return Verdict::Queue;
        }
        Verdict::Run
    }

    /// Rejects writes on a read-only replica, and on a primary with too few good replicas.
    fn role_refuses(&self, flags: Flags) -> Option<&'static str> {
        if !flags.has(WRITE) {
            return None;
        }
        if self.gates.0 & Gates::FEW_REPLICAS != 0 {
            return Some(FEW_REPLICAS_TEXT);
        }
        let is_replica = self.gates.0 & Gates::REPLICA != 0;
        (is_replica && self.config.replica_read_only).then_some(READ_ONLY_TEXT)
    }

    /// Rejects reads of stale data (link to the primary is down) or while loading.
    fn data_is_not_ready(&self, spec: &Spec, flags: Flags, lacks: Flags) -> Option<&'static str> {
        let minds_age = !flags.has(STALE) || lacks.has(STALE);
        if self.gates.0 & Gates::REPLICA != 0 && minds_age && self.is_stale() {
            return Some(STALE_TEXT);
        }
        if self.gates.0 & Gates::LOADING == 0 {
            return None;
        }
        let refused = match self.replication.serves_reads_while_loading() {
            true => flags.has(NO_ASYNC_LOADING),
            false => !spec.flags.has(LOADING) || lacks.has(LOADING),
        };
        refused.then_some(LOADING_TEXT)
    }

    /// Rejects DEBUG and module loading unless the configuration allows them to this client.
    /// Checked first, as in Redis.
    fn protected(&self, session: &Session, spec: &Spec) -> Option<CmdError> {
        let (name, allowed) = match spec.guard? {
            Guard::Debug => ("debug", self.config.enable_debug_command),
            Guard::Module => ("module", self.config.enable_module_command),
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

    /// Rejects commands of an unauthenticated client, except those that authenticate.
    fn stranger(&self, session: &Session, spec: &Spec) -> Option<CmdError> {
        (!session.authenticated && !spec.flags.has(NO_AUTH))
            .then_some(CmdError::Fixed("NOAUTH Authentication required."))
    }

    /// Rejects commands that are not allowed in a transaction.
    fn outside_only(&self, session: &Session, spec: &Spec) -> Option<CmdError> {
        (session.special.has(Special::MULTI) && spec.flags.has(NO_MULTI)).then_some(
            CmdError::Fixed("ERR Command not allowed inside a transaction"),
        )
    }

    /// Evicts at the memory limit; if that fails, rejects commands that need more memory, queued
    /// ones included.
    fn out_of_memory(
        &mut self,
        session: &Session,
        flags: Flags,
        reply: &mut Reply,
    ) -> Option<CmdError> {
        if self.gates.0 & Gates::BUSY != 0 {
            return None;
        }
        let full = self.make_room() == Room::None;
        self.eviction.failed = full;
        // Deliver invalidations for keys evicted here before the reply.
        if !self.clients.mail.is_empty() && !session.reply_mode.is_silent() {
            self.clients.answer_with_mail(session, reply);
        }
        (full && flags.has(DENYOOM)).then_some(CmdError::Fixed(
            "OOM command not allowed when used memory > 'maxmemory'.",
        ))
    }

    /// Restricts a RESP2 subscriber to the commands allowed while subscribed: it could take other
    /// replies for messages.
    fn subscribed(&self, session: &Session, spec: &'static Spec) -> Option<CmdError> {
        let held = session.is_confined() && !spec.flags.has(SUBSCRIBER);
        held.then(|| {
            let name = self.table.name_of(spec);
            CmdError::Text(format!(
                "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT \
                 / RESET are allowed in this context"
            ))
        })
    }

    /// Rejects writes that cannot be persisted, and PING, which reports the disk error.
    fn disk_refuses(&self, spec: &Spec, flags: Flags) -> Option<CmdError> {
        let asked = flags.has(WRITE) || spec.flags.has(REPORTS_DISK_ERROR);
        if self.gates.0 & Gates::DISK_ERROR == 0 || !asked {
            return None;
        }
        self.persist
            .disk_error(self.config.save_failure_stops_writes())
            .map(CmdError::Text)
    }

    /// Returns whether the link to our primary is down and stale data must not be served.
    pub(in crate::server) fn is_stale(&self) -> bool {
        !self.config.replica_serve_stale_data && self.replication.is_link_down()
    }

    /// Rejects data commands of a monitor or a replica: they only receive a feed.
    fn only_watches(&self, session: &Session, flags: Flags) -> Option<CmdError> {
        let data = flags.any(WRITE | READONLY | MAY_REPLICATE);
        ((session.monitor || session.peer == Peer::Replica) && data).then_some(CmdError::Fixed(
            "ERR Replica can't interact with the keyspace",
        ))
    }

    /// Returns the error for an unknown command.
    #[cold]
    pub fn unknown_command(&self, argv: &Argv) -> CmdError {
        CmdError::unknown_command(argv)
    }

    /// Returns whether the words are those of an HTTP request (cross-protocol scripting attack).
    pub fn is_cross_protocol(&self, argv: &Argv) -> bool {
        let name = argv.at(0);
        name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:")
    }

    /// Closes a connection that speaks HTTP, and logs it at most once a minute.
    #[cold]
    pub fn abort_cross_protocol(&mut self, session: &mut Session) {
        let now_ms = self.clock.mono_ms();
        let quiet_ms = now_ms.saturating_sub(self.life.cross_protocol_ms.unwrap_or(0));
        if self.life.cross_protocol_ms.is_none() || quiet_ms > CROSS_PROTOCOL_QUIET_MS {
            self.life.cross_protocol_ms = Some(now_ms);
            log::warn!(
                "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or \
                 Host: commands to Redis. Connection from {} aborted.",
                session.addresses.0
            );
        }
        session.ending = Ending::Now;
    }
}

#[cfg(test)]
mod tests;
