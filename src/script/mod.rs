//! Scripts and functions: Lua, and what is kept of it between two runs.
//!
//! Two VMs, one for scripts and one for functions, each made when it is first needed. A VM is taken
//! out while it runs (scripts do not nest), and reaches the server only through a `Host`, which the
//! server hands in. What the server and others ask meanwhile, is in `Running`.
//!
//! ```text
//!   EVAL ──> Cache ─┐                        ┌─> redis.call ──> Host::call ──> the one path
//!                   ├──> Vm (engine) ── Lua ─┤
//!   FCALL ─> Libraries                       └─> every 100,000 instructions: Host::on_count
//! ```

pub mod api;
pub mod args;
pub mod cache;
pub mod convert;
pub mod debug;
pub mod engine;
pub mod flags;
mod gate;
mod guards;
pub mod lib;
pub mod library;
pub mod lua;
pub mod random;
pub mod sandbox;
#[cfg(test)]
mod tests;
pub mod vm_state;

use crate::command::{CmdError, CmdResult};
use crate::resp::encode::Resp;
use crate::resp::request::{Argv, OwnedArgv};
use crate::sys::clock;
use crate::sys::fork::Child;
use crate::version::Series;
use cache::Cache;
use debug::Debugger;
use engine::Vm;
use flags::ScriptFlags;
pub use gate::busy_text;
use library::{Function, Libraries, Library};
use lua::Kept;
use sandbox::Role;

/// The server as seen by a running script.
pub trait Host {
    /// Runs a command and writes its reply; `Err` is the reason why it was not run.
    fn call(&mut self, argv: Argv, resp: Resp, reply: &mut Vec<u8>) -> Result<(), Vec<u8>>;
    /// Whether the caller may run a command with these arguments.
    ///
    /// # Errors
    /// No command takes them.
    fn may_run(&mut self, argv: Argv) -> Result<bool, InvalidCall>;
    /// Selects the propagation of the script's writes: 1 for the AOF, 2 for replicas.
    fn set_repl(&mut self, to: u8);
    /// Counts an error in a reply that was not counted yet.
    fn count_error(&mut self, text: &[u8]);
    /// Called now and then while the script runs; true ends it.
    fn on_count(&mut self) -> bool;
}

/// The fault of a command that cannot be called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InvalidCall {
    /// No command has this name.
    Name,
    /// The number of arguments is wrong.
    Arity,
}

/// For how long the code of a library may run while it is loaded for a client, in milliseconds.
pub const LOAD_MS: u64 = 500;

/// The host of library code, which calls no commands and has a time limit.
struct Loader {
    /// Monotonic milliseconds; none for what was loaded before and comes from a file.
    until_ms: Option<u64>,
}

impl Loader {
    fn within(limit_ms: Option<u64>) -> Loader {
        Loader {
            until_ms: limit_ms.map(|ms| clock::mono_ms() + ms),
        }
    }
}

impl Host for Loader {
    fn call(&mut self, _: Argv, _: Resp, _: &mut Vec<u8>) -> Result<(), Vec<u8>> {
        Err(b"redis.call/pcall can only be called inside a script invocation".to_vec())
    }

    fn may_run(&mut self, _: Argv) -> Result<bool, InvalidCall> {
        Err(InvalidCall::Name)
    }

    fn set_repl(&mut self, _: u8) {}

    fn count_error(&mut self, _: &[u8]) {}

    fn on_count(&mut self) -> bool {
        self.until_ms.is_some_and(|ms| clock::mono_ms() >= ms)
    }
}

/// One run of a script or function.
pub struct Invocation<'a> {
    pub function: Kept,
    /// Its name in messages.
    pub name: &'a [u8],
    pub keys: Argv<'a>,
    pub args: Argv<'a>,
}

/// A script that others have to wait for.
#[derive(Debug)]
pub struct Busy {
    pub role: Role,
    pub name: Vec<u8>,
    pub command: OwnedArgv,
    /// The start, in monotonic milliseconds.
    pub since_ms: u64,
    pub has_written: bool,
    /// It came from the primary or the AOF, and may not be killed.
    pub must_obey: bool,
    /// It was killed.
    pub killed: bool,
}

/// The scripts and functions of the server, and their VMs.
#[derive(Default)]
pub struct Script {
    scripts: Option<Box<Vm>>,
    functions: Option<Box<Vm>>,
    pub cache: Cache,
    /// Scripts may call commands that are not for them: for tests.
    allows_all: bool,
    pub libraries: Libraries,
    /// Scripts that went to make room.
    evicted: u64,
    /// The most bytes a VM may take; 0 before `limit` is set.
    limit: usize,
    /// The series of Redis that scripts are told.
    series: Series,
    /// The VM that is out, and what it took when it went.
    out: Option<Role>,
    out_bytes: usize,
    random: random::Random,
    /// The script that has taken too long, while it runs.
    busy: Option<Busy>,
    /// The debugger of the script that is about to run or has run.
    debugger: Option<Box<Debugger>>,
    /// Children in which scripts are debugged.
    sessions: Vec<Child>,
}

/// Without a limit of its own a VM may take this much.
const LIMIT: usize = 4 << 30;

impl Script {
    /// Sets whether scripts may call commands that are not for them.
    pub fn allow_all(&mut self, allows_all: bool) {
        self.allows_all = allows_all;
    }

    /// Returns whether scripts may call commands that are not for them.
    pub fn allows_all(&self) -> bool {
        self.allows_all
    }

    /// Returns the number of scripts that were evicted from the cache.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Sets the number of evicted scripts to 0 (CONFIG RESETSTAT).
    pub fn reset_evicted(&mut self) {
        self.evicted = 0;
    }

    /// Returns the script that has taken too long, while it runs.
    pub fn busy(&self) -> Option<&Busy> {
        self.busy.as_ref()
    }

    /// Notes that the running script has taken too long.
    pub fn begin_busy(&mut self, busy: Busy) {
        self.busy = Some(busy);
    }

    /// Notes whether the script that takes too long has written.
    pub fn note_written(&mut self, has_written: bool) {
        if let Some(busy) = &mut self.busy {
            busy.has_written = has_written;
        }
    }

    /// Notes that the running script has ended. Returns whether it had taken too long.
    pub fn end_busy(&mut self) -> bool {
        self.busy.take().is_some()
    }

    /// Marks the running script as killed (SCRIPT KILL and FUNCTION KILL). Fails if it has written,
    /// must run to its end, or is of another role.
    pub fn kill(&mut self, of: Role) -> CmdResult {
        let Some(busy) = &mut self.busy else {
            let text = "NOTBUSY No scripts in execution right now.";
            return Err(CmdError::Fixed(text));
        };
        if busy.must_obey {
            let text = "UNKILLABLE The busy script was sent by a master instance in the context \
                        of replication and cannot be killed.";
            return Err(CmdError::Fixed(text));
        }
        if busy.has_written {
            let text = "UNKILLABLE Sorry the script already executed write commands against the \
                        dataset. You can either wait the script termination or kill the server \
                        in a hard way using the SHUTDOWN NOSAVE command.";
            return Err(CmdError::Fixed(text));
        }
        if busy.role != of {
            return Err(CmdError::Fixed(busy_text(busy.role)));
        }
        busy.killed = true;
        Ok(())
    }

    /// Sets the debugger of the script that is about to run.
    pub fn set_debugger(&mut self, debugger: Box<Debugger>) {
        self.debugger = Some(debugger);
    }

    /// Takes the debugger of the script that has run.
    pub fn take_debugger(&mut self) -> Option<Box<Debugger>> {
        self.debugger.take()
    }

    /// Adds a child in which a script is debugged.
    pub fn add_session(&mut self, child: Child) {
        self.sessions.push(child);
    }

    /// Forgets the children, which belong to the parent of this process.
    pub fn forget_sessions(&mut self) {
        self.sessions.clear();
    }

    /// Reaps the children that have ended.
    pub fn reap_sessions(&mut self) {
        self.sessions.retain(|child| child.reap().is_none());
    }

    /// Kills all children.
    pub fn kill_sessions(&mut self) {
        for child in self.sessions.drain(..) {
            log::info!("Killing debugging session {}", child.pid);
            child.finish_off();
        }
    }

    /// Sets the memory limit of a VM, in bytes.
    pub fn set_limit(&mut self, bytes: usize) {
        self.limit = bytes;
    }

    pub fn set_series(&mut self, series: Series) {
        self.series = series;
    }

    fn slot(&mut self, role: Role) -> &mut Option<Box<Vm>> {
        match role {
            Role::Scripts => &mut self.scripts,
            Role::Functions => &mut self.functions,
        }
    }

    /// Takes a VM to run something in it.
    pub fn take_vm(&mut self, role: Role) -> Box<Vm> {
        let limit = if self.limit == 0 { LIMIT } else { self.limit };
        let series = self.series;
        let vm = self.slot(role).take();
        let mut vm = vm.unwrap_or_else(|| Box::new(Vm::new(role, limit, series)));
        (self.out, self.out_bytes) = (Some(role), vm.used_bytes());
        *vm.random() = self.random;
        *vm.debugger() = self.debugger.take();
        vm
    }

    /// Puts a VM back after a run.
    pub fn put_vm(&mut self, role: Role, mut vm: Box<Vm>) {
        self.random = *vm.random();
        self.debugger = vm.debugger().take();
        self.out = None;
        *self.slot(role) = Some(vm);
    }

    /// Bytes of the VM of scripts and that of functions. What is out counts as it went.
    pub fn vm_bytes(&self) -> (usize, usize) {
        let of = |role, vm: &Option<Box<Vm>>| match vm {
            Some(vm) => vm.used_bytes(),
            None if self.out == Some(role) => self.out_bytes,
            None => 0,
        };
        let scripts = of(Role::Scripts, &self.scripts);
        (scripts, of(Role::Functions, &self.functions))
    }

    /// Compiles a script and keeps it, unless it is there. `Err` is the text of the error.
    pub fn load(&mut self, body: &[u8], evictable: bool) -> Result<cache::Sha, Vec<u8>> {
        let sha = api::sha1_hex(body);
        if self.cache.contains(&sha) {
            if !evictable {
                self.cache.pin(&sha);
            }
            return Ok(sha);
        }
        let (flags, code) = flags::of_script(body)?;
        let mut vm = self.take_vm(Role::Scripts);
        let compiled = vm.compile(code);
        if let Ok(function) = &compiled
            && let Some(evicted) = self.cache.add(sha, *function, flags, body, evictable)
        {
            vm.forget(evicted);
            self.evicted += 1;
        }
        self.put_vm(Role::Scripts, vm);
        match compiled {
            Ok(_) => Ok(sha),
            Err(message) => {
                let head = b"ERR Error compiling script (new function): ";
                Err([head, message.as_slice()].concat())
            }
        }
    }

    /// Forgets all scripts, and their VM; the VM comes back to be dropped.
    pub fn flush(&mut self) -> Option<Box<Vm>> {
        self.cache = Cache::default();
        self.scripts.take()
    }

    /// The flags of a cached script.
    pub fn flags_of(&self, sha: &cache::Sha) -> Option<ScriptFlags> {
        Some(self.cache.get(sha)?.flags)
    }

    /// Loads a library and returns its name. `Err` is the text of the error. Its code may run for
    /// the given number of milliseconds.
    pub fn load_library(
        &mut self,
        code: &[u8],
        replace: bool,
        limit_ms: Option<u64>,
    ) -> Result<Vec<u8>, Vec<u8>> {
        let (name, body) = flags::of_library(code)?;
        if !replace && self.libraries.get(&name).is_some() {
            let text = [b"ERR Library '", name.as_slice(), b"' already exists"];
            return Err(text.concat());
        }
        let mut vm = self.take_vm(Role::Functions);
        let result = vm.load(&mut Loader::within(limit_ms), body);
        let result =
            result.and_then(
                |functions| match self.libraries.conflict(&name, &functions) {
                    None => Ok(functions),
                    Some(text) => {
                        forget_all(&mut vm, &functions);
                        Err(text)
                    }
                },
            );
        let result = result.map(|functions| {
            let code = code.to_vec();
            let old = self
                .libraries
                .insert(name.clone(), Library { code, functions });
            if let Some(old) = old {
                forget_all(&mut vm, &old.functions);
            }
            name
        });
        self.put_vm(Role::Functions, vm);
        result
    }

    /// Loads many libraries for a client: all or none.
    pub fn load_libraries(
        &mut self,
        codes: &[Vec<u8>],
        replace: bool,
        flush: bool,
    ) -> Result<(), Vec<u8>> {
        let mut vm = self.take_vm(Role::Functions);
        let mut loaded: Vec<(Vec<u8>, Library)> = Vec::new();
        let mut host = Loader::within(Some(LOAD_MS));
        let result = codes.iter().try_for_each(|code| {
            let (name, body) = flags::of_library(code)?;
            let there = !flush && !replace && self.libraries.get(&name).is_some();
            if there || loaded.iter().any(|(other, _)| *other == name) {
                return Err([b"ERR Library ", name.as_slice(), b" already exists"].concat());
            }
            let functions = vm.load(&mut host, body)?;
            let code = code.clone();
            loaded.push((name, Library { code, functions }));
            Ok(())
        });
        let result = result.and_then(|()| self.check_functions(&loaded, flush));
        match &result {
            Ok(()) => {
                let old = match flush {
                    true => std::mem::take(&mut self.libraries).into_libraries(),
                    false => Vec::new(),
                };
                old.iter()
                    .for_each(|library| forget_all(&mut vm, &library.functions));
                for (name, library) in loaded {
                    if let Some(old) = self.libraries.insert(name, library) {
                        forget_all(&mut vm, &old.functions);
                    }
                }
            }
            Err(_) => loaded
                .iter()
                .for_each(|(_, library)| forget_all(&mut vm, &library.functions)),
        }
        self.put_vm(Role::Functions, vm);
        result
    }

    /// Whether the functions of new libraries go together with each other and with what stays.
    fn check_functions(&self, loaded: &[(Vec<u8>, Library)], flush: bool) -> Result<(), Vec<u8>> {
        let taken = |name: &[u8]| [b"ERR Function ", name, b" already exists"].concat();
        let mut names = std::collections::HashSet::new();
        for function in loaded.iter().flat_map(|(_, library)| &library.functions) {
            if !names.insert(function.name.to_ascii_lowercase()) {
                return Err(taken(&function.name));
            }
            let owner = self.libraries.owner(&function.name).filter(|_| !flush);
            if owner.is_some_and(|owner| loaded.iter().all(|(name, _)| name.as_slice() != owner)) {
                return Err(taken(&function.name));
            }
        }
        Ok(())
    }

    /// Forgets a library; false if there is none of this name.
    pub fn delete_library(&mut self, name: &[u8]) -> bool {
        let Some(library) = self.libraries.remove(name) else {
            return false;
        };
        if let Some(vm) = &mut self.functions {
            forget_all(vm, &library.functions);
        }
        true
    }

    /// Forgets all libraries, and their VM; the VM comes back to be dropped.
    pub fn flush_libraries(&mut self) -> Option<Box<Vm>> {
        self.libraries = Libraries::default();
        self.functions.take()
    }
}

fn forget_all(vm: &mut Vm, functions: &[Function]) {
    functions
        .iter()
        .for_each(|function| vm.forget(function.kept));
}
