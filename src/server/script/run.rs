//! Script execution: the permissions of a running script, and its termination.
//!
//! A script runs on behalf of its caller, within the caller's execution unit: its commands go
//! through the same `call` as any, none of them blocks, and all of them are propagated together.
//! Before each command `ScriptHost` repeats those admission checks whose result can change within a
//! script.
//!
//! A script that takes longer than `busy-reply-threshold` is *busy*: from then on the loop serves
//! other clients in between (`Server::attend`), which get -BUSY unless they send a command that
//! ends the script.

use crate::acl::Context;
use crate::command::effects::Propagate;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::keyspace::{Garbage, LazyFree};
use crate::rdb::dump;
use crate::rdb::write::Style;
use crate::resp::encode::Resp;
use crate::resp::request::Argv;
use crate::script::engine::Vm;
use crate::script::flags::ScriptFlags;
use crate::script::library::Policy;
use crate::script::lua::Kept;
use crate::script::sandbox::Role;
use crate::script::{Busy, Host, Invocation};
use crate::server::Server;
use crate::server::clients::monitors;
use crate::server::clients::session::Session;
use crate::server::core::admit::{FEW_REPLICAS_TEXT, READ_ONLY_TEXT, STALE_TEXT};
use crate::server::gates::Gates;
use std::any::Any;
use std::borrow::Cow;

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

const STALE_SCRIPT: &str = "MASTERDOWN Link with MASTER is down, replica-serve-stale-data is set to \
    'no' and 'allow-stale' flag is not set on the script.";
/// The leading dash marks a text with its own error code.
const OUT_OF_MEMORY: &str = "-OOM command not allowed when used memory > 'maxmemory'.";

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
    if !flags.has(ScriptFlags::COMPATIBLE) {
        may_begin(server, session, flags, rights, out_of_memory)?;
    } else if server.is_stale() {
        return Err(CmdError::Fixed(STALE_TEXT));
    }
    let rest = args.rest();
    let call = Invocation {
        function,
        name,
        keys: rest.until(keys),
        args: rest.from(keys),
    };
    let began = server.life.stamp;
    server.unit.stop_time(began);
    let (db, commands_run) = (session.db, session.commands_run);
    let denied = std::mem::replace(&mut session.deny_blocking, true);
    let was_in_script = std::mem::replace(&mut session.in_script, true);
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
    server.unit.to = crate::server::core::propagate::EVERYBODY;
    session.deny_blocking = denied;
    session.in_script = was_in_script;
    (session.db, session.commands_run) = (db, commands_run);
    // The duration and the effects of a script are those of its commands.
    server.life.stamp = began;
    server.effects.propagate = Propagate::Nothing;
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
    if server.gates.0 & Gates::MONITORED != 0
        && let Some(number) = session.last_command
    {
        monitors::show(server, session, number, &args.argv(), reply);
    }
}

fn is_out_of_memory(server: &Server) -> bool {
    server.gates.0 & Gates::MAXMEMORY != 0 && server.eviction.failed
}

/// Checks that a script may begin, by the flags of its shebang line.
fn may_begin(
    server: &Server,
    session: &Session,
    flags: ScriptFlags,
    rights: Rights,
    out_of_memory: bool,
) -> CmdResult {
    if server.is_stale() && !flags.has(ScriptFlags::ALLOW_STALE) {
        return Err(CmdError::Fixed(STALE_SCRIPT));
    }
    if flags.has(ScriptFlags::NO_WRITES) || session.must_obey {
        return Ok(());
    }
    if server.replication.is_replica() && server.config.replica_read_only {
        let text = "READONLY Can not run script with write flag on readonly replica";
        return Err(CmdError::Fixed(text));
    }
    if server.gates.0 & Gates::DISK_ERROR != 0
        && let Some(why) = script_disk_error(server)
    {
        return Err(CmdError::Text(why));
    }
    if server.gates.0 & Gates::FEW_REPLICAS != 0 {
        return Err(CmdError::Fixed(FEW_REPLICAS_TEXT));
    }
    if rights == Rights::ReadOnly {
        let text = "ERR Can not execute a script with write flag using *_ro command.";
        return Err(CmdError::Fixed(text));
    }
    if out_of_memory && !flags.has(ScriptFlags::ALLOW_OOM) {
        let text = "OOM allow-oom flag is not set on the script, can not run it when used \
                    memory > 'maxmemory'";
        return Err(CmdError::Fixed(text));
    }
    Ok(())
}

/// Returns the persistence error that denies scripts that write.
fn script_disk_error(server: &Server) -> Option<String> {
    const BLOCKED: &str =
        "Writable scripts are blocked. Use 'no-writes' flag for read only scripts.";
    let why = server
        .persist
        .disk_error(server.config.save_failure_stops_writes())?;
    Some(match why.split_once("AOF file: ") {
        Some((_, why)) => format!(
            "MISCONF Redis is configured to persist data to AOF, but it's currently unable to \
             persist to disk. {BLOCKED} AOF error: {why}"
        ),
        None => format!(
            "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to \
             persist to disk. {BLOCKED}"
        ),
    })
}

/// Marks the running script as killed (SCRIPT KILL and FUNCTION KILL).
pub(in crate::server) fn kill_script(server: &mut Server, of: Role) -> CmdResult {
    let Some(busy) = &mut server.script.busy else {
        let text = "NOTBUSY No scripts in execution right now.";
        return Err(CmdError::Fixed(text));
    };
    if busy.must_obey {
        let text = "UNKILLABLE The busy script was sent by a master instance in the context of \
                    replication and cannot be killed.";
        return Err(CmdError::Fixed(text));
    }
    if busy.has_written {
        let text = "UNKILLABLE Sorry the script already executed write commands against the \
                    dataset. You can either wait the script termination or kill the server in \
                    a hard way using the SHUTDOWN NOSAVE command.";
        return Err(CmdError::Fixed(text));
    }
    if busy.role != of {
        return Err(CmdError::Fixed(crate::script::busy_text(busy.role)));
    }
    busy.killed = true;
    Ok(())
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
    if server.script.busy.take().is_some() {
        server.gates.set(Gates::BUSY, false);
    }
}

/// Lends the event loop to the server while commands run.
pub fn lend_attendant(server: &mut Server, attendant: Box<dyn Attendant>) {
    server.life.attendant = Some(attendant);
}

/// Takes the event loop back from the server.
pub fn take_attendant(server: &mut Server) -> Option<Box<dyn Attendant>> {
    server.life.attendant.take()
}

/// Returns true if the client in this slot is being served.
pub fn is_served(server: &Server, slot: usize) -> bool {
    server.clients.is_out(slot)
}

/// Lets the event loop serve other clients in the middle of a script.
fn attend(server: &mut Server) {
    let Some(mut attendant) = server.life.attendant.take() else {
        return;
    };
    let no_touch = server.keyspace.shared.no_touch;
    let mail = std::mem::take(&mut server.clients.mail);
    server.clock.refresh();
    server.unit.move_time(server.clock.cycles());
    attendant.attend(server);
    server.clients.mail = mail;
    server.keyspace.shared.no_touch = no_touch;
    server.life.attendant = Some(attendant);
}

/// Returns all libraries in the format of FUNCTION DUMP.
pub(in crate::server) fn dump_libraries(server: &Server) -> Vec<u8> {
    let style = Style {
        version: server.tuning.rdb_version,
        compress: server.tuning.rdb_compression,
        checksum: true,
    };
    dump::dump_functions(server.script.libraries.codes(), style)
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
    fn resolve(&self, argv: &Argv) -> Result<(u16, usize), &'static str> {
        const UNKNOWN: &str = "Unknown Redis command called from script";
        let table = &self.server.table;
        let mut number = table.lookup(argv.at(0)).ok_or(UNKNOWN)?;
        let mut skip = 1;
        if !table[number].subcommands.is_empty() && argv.len() > 1 {
            number = table.subcommand(number, argv.at(1)).ok_or(UNKNOWN)?;
            skip = 2;
        }
        Ok((number, skip))
    }

    /// Returns why a script may never run this command.
    fn misfit(&self, spec: &Spec, argc: usize) -> Option<&'static str> {
        if !spec.accepts(argc) {
            return Some("Wrong number of args calling Redis command from script");
        }
        if spec.flags.has(NOSCRIPT) && !self.server.script.allows_all {
            return Some("This Redis command is not allowed from script");
        }
        if !spec.flags.has(STALE) && self.server.is_stale() {
            return Some("Can not execute the command on a stale replica");
        }
        None
    }

    /// Returns why the user of the script may not run this command.
    fn forbidden(&mut self, number: u16, argv: &Argv) -> Option<String> {
        if !self.session.is_restricted() {
            return None;
        }
        let denial = self
            .server
            .denial(self.session, number, argv, Context::Lua)?;
        let command = &self.server.table[number].full_name;
        let text = denial.text(&self.session.user, command);
        let text = String::from_utf8_lossy(&text);
        Some(format!("ACL failure in script: {text}"))
    }

    /// Returns why a script may not run this command now.
    fn refusal(&self, spec: &Spec) -> Option<Cow<'static, str>> {
        if self.read_only && spec.flags.any(WRITE | MAY_REPLICATE) {
            return Some("Write commands are not allowed from read-only scripts.".into());
        }
        if spec.flags.has(WRITE)
            && !self.has_written
            && !self.session.must_obey
            && let Some(text) = self.write_refusal()
        {
            return Some(text);
        }
        let full = self.out_of_memory && !self.allow_oom && !self.has_written;
        (full && spec.flags.has(DENYOOM)).then_some(OUT_OF_MEMORY.into())
    }

    /// Returns why the script may not start to write now. A script that has written is not refused.
    fn write_refusal(&self) -> Option<Cow<'static, str>> {
        let server = &self.server;
        if server.replication.is_replica() && server.config.replica_read_only {
            return Some(format!("-{READ_ONLY_TEXT}").into());
        }
        if server.gates.0 & Gates::DISK_ERROR != 0
            && let Some(why) = server
                .persist
                .disk_error(server.config.save_failure_stops_writes())
        {
            return Some(format!("-{why}").into());
        }
        let few = server.gates.0 & Gates::FEW_REPLICAS != 0;
        few.then(|| format!("-{FEW_REPLICAS_TEXT}").into())
    }

    #[cold]
    fn refuse(&mut self, number: Option<u16>, text: &str) -> Result<(), Vec<u8>> {
        if let Some(number) = number {
            self.server.table[number].stats.rejected += 1;
        }
        let counted = match text.strip_prefix('-') {
            Some(text) => text.to_owned(),
            None => format!("ERR {text}"),
        };
        self.server.stats.count_error(counted.as_bytes());
        Err(text.as_bytes().to_vec())
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
        self.server.script.busy = Some(Busy {
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
            Err(text) => return self.refuse(None, text),
        };
        let spec = self.server.table[number].spec;
        if let Some(text) = self.misfit(spec, argv.len()) {
            return self.refuse(Some(number), text);
        }
        if let Some(text) = self.forbidden(number, &argv) {
            return self.refuse(Some(number), &text);
        }
        if let Some(text) = self.refusal(spec) {
            return self.refuse(Some(number), &text);
        }
        self.has_written |= spec.flags.has(WRITE);
        self.server.life.stamp = self.server.clock.cycles();
        let most = self.server.clients.reply_bounds.most;
        let mut reply = Reply::new(reply, resp).bounded(most);
        self.server
            .call(self.session, number, Args::new(argv, skip), &mut reply);
        match reply.is_over() {
            true => Err(TOO_LARGE.to_vec()),
            false => Ok(()),
        }
    }

    fn may_run(&mut self, argv: Argv) -> Option<bool> {
        let (number, _) = self.resolve(&argv).ok()?;
        let free = !self.session.is_restricted();
        Some(free || self.server.ask_rules(self.session, number, &argv).is_ok())
    }

    fn set_repl(&mut self, to: u8) {
        self.server.unit.to = to;
    }

    fn count_error(&mut self, text: &[u8]) {
        self.server.stats.count_error(text);
    }

    fn on_count(&mut self) -> bool {
        // Without a threshold all clients wait, as in Redis.
        if self.server.config.busy_reply_threshold == 0 && self.server.script.busy.is_none() {
            return false;
        }
        let now_ms = crate::sys::clock::mono_ms();
        let ms = now_ms.saturating_sub(self.began_ms);
        if self.server.script.busy.is_none() {
            if ms < self.server.config.busy_reply_threshold {
                return false;
            }
            self.begin_busy(ms);
        }
        if let Some(busy) = &mut self.server.script.busy {
            busy.has_written = self.has_written;
        }
        attend(self.server);
        let busy = self.server.script.busy.as_ref();
        let killed = busy.is_some_and(|busy| busy.killed);
        if killed {
            log::info!("Lua script killed by user with SCRIPT KILL.");
        }
        // A shutdown cannot wait for an endless script.
        killed || self.server.life.exit.is_some()
    }
}
