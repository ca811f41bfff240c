//! Script execution: the permissions of a running script, and its termination.
//!
//! A script runs on behalf of its caller, within the caller's execution unit: its commands go
//! through the same `call` as any, none of them blocks, and all of them are propagated together.
//! Before each command `ScriptHost` asks those gates whose verdict can change within a script.
//!
//! A script that takes longer than `busy-reply-threshold` is *busy*: from then on the loop serves
//! other clients in between (`Server::attend`), which get -BUSY unless they send a command that
//! ends the script.

use crate::command::effects::Propagate;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::keyspace::{Garbage, LazyFree};
use crate::rdb::dump;
use crate::resp::encode::Resp;
use crate::resp::request::Argv;
use crate::script::engine::Vm;
use crate::script::flags::ScriptFlags;
use crate::script::library::Policy;
use crate::script::lua::Kept;
use crate::script::sandbox::Role;
use crate::script::{Busy, Host, InvalidCall, Invocation};
use crate::server::Server;
use crate::server::clients::monitors;
use crate::server::clients::session::{Session, Special};
use crate::server::core::admit::{self, Admission, Origin};
use crate::server::gates::Gates;
use std::any::Any;

/// The event loop as seen by a busy script: it serves other clients, and commands cannot reach it
/// otherwise.
pub trait Attendant: Any {
    fn attend(&mut self, server: &mut Server);
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// The permissions of a script, from the command that runs it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rights {
    All,
    /// EVAL_RO, EVALSHA_RO and FCALL_RO.
    ReadOnly,
}

/// The error of a command within a script whose reply exceeds the size limit of replies.
const TOO_LARGE: &[u8] = b"The reply of the command is too large";

/// The number of objects up to which a flush is not counted as lazily freed, as in Redis.
const FEW_OBJECTS: u64 = 64;

/// The `Host` of a script: the server and the session of its caller.
struct ScriptHost<'s> {
    server: &'s mut Server,
    session: &'s mut Session,
    role: Role,
    name: &'s [u8],
    command: Argv<'s>,
    began_ms: u64,
    read_only: bool,
    allow_oom: bool,
    /// The memory limit was exceeded when the script began.
    out_of_memory: bool,
    /// The script has called a command that writes.
    has_written: bool,
}

/// Runs a script or function. The arguments taken so far are its name and the number of its keys.
#[allow(clippy::too_many_arguments)]
pub(in crate::server) fn run_script(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    keys: usize,
    (role, function, flags): (Role, Kept, ScriptFlags),
    name: &[u8],
    rights: Rights,
    reply: &mut Reply,
) -> CmdResult {
    let out_of_memory = is_out_of_memory(server);
    may_begin(server, session, args.argv(), flags, rights, out_of_memory)?;
    let rest = args.rest();
    let call = Invocation {
        function,
        name,
        keys: rest.until(keys),
        args: rest.from(keys),
    };
    server.unit.stop_time(server.frame.began());
    let db = session.db;
    let fieldsets = session.fieldsets.take();
    let outer = server.frame.enter(true);
    let mut vm = server.script.take_vm(role);
    let mut host = ScriptHost {
        began_ms: server.clock.mono_ms(),
        server,
        session,
        role,
        name,
        command: args.argv(),
        read_only: rights == Rights::ReadOnly || flags.has(ScriptFlags::NO_WRITES),
        allow_oom: flags.has(ScriptFlags::ALLOW_OOM),
        out_of_memory,
        has_written: false,
    };
    let result = vm.run(&mut host, &call, reply);
    server.script.put_vm(role, vm);
    end_busy(server);
    server.unit.unrestrict();
    session.db = db;
    session.fieldsets = fieldsets;
    // The duration and the effects of a script are those of its commands.
    server.frame.leave(outer);
    server.effects.set_propagate(Propagate::Nothing);
    result
}

/// Sends a command that runs code to the monitors, before the commands that it calls and also if it
/// fails.
pub(in crate::server) fn show_script(
    server: &mut Server,
    session: &Session,
    args: &Args,
    reply: &mut Reply,
) {
    if server.gates.has(Gates::MONITORED)
        && let Some(number) = session.last_command
    {
        monitors::show(server, session, number, &args.argv(), reply);
    }
}

fn is_out_of_memory(server: &Server) -> bool {
    server.gates.has(Gates::MAXMEMORY) && server.eviction.has_failed()
}

/// Checks that a script may begin, by the flags of its shebang line.
fn may_begin(
    server: &mut Server,
    session: &Session,
    argv: Argv,
    flags: ScriptFlags,
    rights: Rights,
    out_of_memory: bool,
) -> CmdResult {
    let Some(number) = session.last_command else {
        return Ok(());
    };
    let spec = server.table[number].spec;
    let old = flags.has(ScriptFlags::COMPATIBLE);
    let origin = if old {
        Origin::OldScript
    } else {
        Origin::Script
    };
    let writes = !old && !flags.has(ScriptFlags::NO_WRITES) && !session.must_obey;
    let needs_memory = writes && out_of_memory && !flags.has(ScriptFlags::ALLOW_OOM);
    let kept = |flag: Flags, on: bool| if on { flag } else { Flags::NONE };
    let admission = Admission {
        flags: kept(STALE, flags.has(ScriptFlags::ALLOW_STALE) && !old)
            | kept(WRITE, writes)
            | kept(DENYOOM, needs_memory),
        reads_only: rights == Rights::ReadOnly,
        ..Admission::new(session, number, spec, argv, origin)
    };
    match admit::refusal(server, &admission) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// Marks the running script as killed (SCRIPT KILL and FUNCTION KILL).
pub(in crate::server) fn kill_script(server: &mut Server, of: Role) -> CmdResult {
    server.script.kill(of)
}

/// Hands a VM to the helper thread, since dropping it may take long. It counts as lazily freed only
/// if a client asked for that and it held enough objects.
pub(in crate::server) fn bury_vm(
    server: &mut Server,
    vm: Option<Box<Vm>>,
    objects: u64,
    is_async: bool,
) {
    let Some(vm) = vm else { return };
    let counts = is_async && objects > FEW_OBJECTS;
    server.bio.defer_free(LazyFree {
        garbage: Garbage::Foreign(vm),
        objects: if counts { objects } else { 0 },
    });
}

fn end_busy(server: &mut Server) {
    if server.script.end_busy() {
        server.gates.set(Gates::BUSY, false);
    }
}

/// Lends the event loop to the server while commands run.
pub fn lend_attendant(server: &mut Server, attendant: Box<dyn Attendant>) {
    server.attendant = Some(attendant);
}

/// Takes the event loop back from the server.
pub fn take_attendant(server: &mut Server) -> Option<Box<dyn Attendant>> {
    server.attendant.take()
}

/// Returns true if the client in this slot is being served.
pub fn is_served(server: &Server, slot: usize) -> bool {
    server.clients.is_out(slot)
}

/// Lets the event loop serve other clients in the middle of a script.
fn attend(server: &mut Server) {
    let Some(mut attendant) = server.attendant.take() else {
        return;
    };
    let no_touch = server.keyspace.shared.no_touch;
    let mail = server.clients.take_all_mail();
    let frame = std::mem::take(&mut server.frame);
    server.clock.refresh();
    server.unit.move_time(server.clock.cycles());
    attendant.attend(server);
    server.clients.restore_mail(mail);
    server.frame = frame;
    server.keyspace.shared.no_touch = no_touch;
    server.attendant = Some(attendant);
}

/// Returns all libraries in the format of FUNCTION DUMP.
pub(in crate::server) fn dump_libraries(server: &Server) -> Vec<u8> {
    let tuning = &server.tuning;
    let codes = server.script.libraries.codes();
    dump::dump_functions(codes, tuning.rdb_versions, tuning.rdb_compression)
}

/// Loads the libraries of a `dump_libraries` payload, all or none.
pub(in crate::server) fn restore_libraries(
    server: &mut Server,
    payload: &[u8],
    policy: Policy,
) -> Result<(), Vec<u8>> {
    let wrong = b"ERR DUMP payload version or checksum are wrong";
    let Some((body, _)) = dump::verify(payload, false) else {
        return Err(wrong.to_vec());
    };
    let codes = dump::restore_functions(body).map_err(|text| format!("ERR {text}"))?;
    let replace = policy == Policy::Replace;
    server
        .script
        .load_libraries(&codes, replace, policy == Policy::Flush)
}

impl ScriptHost<'_> {
    /// Returns the command, and the number of words in its name.
    fn resolve(&self, argv: &Argv) -> Result<(u16, usize), CmdError> {
        const UNKNOWN: CmdError = CmdError::Fixed("ERR Unknown Redis command called from script");
        let table = &self.server.table;
        let mut number = table.lookup(argv.at(0)).ok_or(UNKNOWN)?;
        let mut skip = 1;
        if !table[number].subcommands.is_empty() && argv.len() > 1 {
            number = table.subcommand(number, argv.at(1)).ok_or(UNKNOWN)?;
            skip = 2;
        }
        Ok((number, skip))
    }

    /// Returns the error of a command that the script may not run now.
    #[inline(always)]
    fn refusal(&mut self, number: u16, argv: &Argv) -> Option<CmdError> {
        let spec = self.server.table[number].spec;
        let full = self.out_of_memory && !self.allow_oom && !self.has_written;
        let asks = self.server.gates.has(Gates::BEFORE)
            || self.session.special != Special::default()
            || self.read_only
            || full
            || spec.flags.has(NOSCRIPT)
            || !spec.accepts(argv.len());
        if asks {
            return self.ask_gates(number, spec, argv, full);
        }
        None
    }

    #[cold]
    fn ask_gates(
        &mut self,
        number: u16,
        spec: &'static Spec,
        argv: &Argv,
        full: bool,
    ) -> Option<CmdError> {
        let mut flags = spec.flags;
        // A script that has written is not stopped half way; a primary's never is.
        if self.has_written || self.session.must_obey {
            flags = flags.without(WRITE);
        }
        if !full {
            flags = flags.without(DENYOOM);
        }
        let admission = Admission {
            flags,
            reads_only: self.read_only,
            ..Admission::new(self.session, number, spec, *argv, Origin::InScript)
        };
        admit::refusal(self.server, &admission)
    }

    /// Counts an error and returns it as the script sees it: without the code ERR, and with a
    /// leading dash before any other code.
    #[cold]
    fn refuse(&mut self, number: Option<u16>, error: &CmdError) -> Result<(), Vec<u8>> {
        if let Some(number) = number {
            self.server.table[number].stats.rejected += 1;
        }
        let text = error.bytes();
        self.server.stats.count_error(&text);
        Err(match text.strip_prefix(b"ERR ") {
            Some(text) => text.to_vec(),
            None => [b"-".as_slice(), &text].concat(),
        })
    }

    /// Marks the script as busy: other clients get -BUSY from now on.
    #[cold]
    fn begin_busy(&mut self, ms: u64) {
        let (name, command) = (
            String::from_utf8_lossy(self.name),
            match self.role {
                Role::Scripts => "SCRIPT KILL",
                Role::Functions => "FUNCTION KILL",
            },
        );
        log::warn!(
            "Slow script detected: still in execution after {ms} milliseconds. You can try killing \
             the script using the {command} command. Script name is: {name}."
        );
        self.server.gates.set(Gates::BUSY, true);
        self.server.script.begin_busy(Busy {
            role: self.role,
            name: self.name.to_vec(),
            command: self.command.to_owned(),
            since_ms: self.began_ms,
            has_written: false,
            must_obey: self.session.must_obey,
            killed: false,
        });
    }
}

impl Host for ScriptHost<'_> {
    fn call(&mut self, argv: Argv, resp: Resp, reply: &mut Vec<u8>) -> Result<(), Vec<u8>> {
        let (number, skip) = match self.resolve(&argv) {
            Ok(found) => found,
            Err(error) => return self.refuse(None, &error),
        };
        if let Some(error) = self.refusal(number, &argv) {
            return self.refuse(Some(number), &error);
        }
        self.has_written |= self.server.table[number].spec.flags.has(WRITE);
        self.server.frame.start(self.server.clock.cycles());
        let most = self.server.clients.largest_reply();
        let mut reply = Reply::new(reply, resp).bounded(most);
        self.server
            .call(self.session, number, Args::new(argv, skip), &mut reply);
        match reply.is_over() {
            true => Err(TOO_LARGE.to_vec()),
            false => Ok(()),
        }
    }

    fn may_run(&mut self, argv: Argv) -> Result<bool, InvalidCall> {
        let (number, _) = self.resolve(&argv).map_err(|_| InvalidCall::Name)?;
        if !self.server.table[number].spec.accepts(argv.len()) {
            return Err(InvalidCall::Arity);
        }
        self.server.frame.keys().forget();
        let free = !self.session.is_restricted();
        Ok(free || self.server.ask_rules(self.session, number, &argv).is_ok())
    }

    fn set_repl(&mut self, to: u8) {
        self.server.unit.restrict(to);
    }

    fn count_error(&mut self, text: &[u8]) {
        self.server.stats.count_error(text);
    }

    fn on_count(&mut self) -> bool {
        // Without a threshold all clients wait, as in Redis.
        if self.server.config.busy_reply_threshold == 0 && self.server.script.busy().is_none() {
            return false;
        }
        let now_ms = crate::sys::clock::mono_ms();
        let ms = now_ms.saturating_sub(self.began_ms);
        if self.server.script.busy().is_none() {
            if ms < self.server.config.busy_reply_threshold {
                return false;
            }
            self.begin_busy(ms);
        }
        self.server.script.note_written(self.has_written);
        attend(self.server);
        let busy = self.server.script.busy();
        let killed = busy.is_some_and(|busy| busy.killed);
        if killed {
            log::info!("Lua script killed by user with SCRIPT KILL.");
        }
        // A shutdown cannot wait for an endless script.
        killed || self.server.shutdown.is_over()
    }
}
