//! A running VM: compiling, running, and error replies.

use super::convert::{is_counted, trim_lines, write_reply};
use super::debug::Debugger;
use super::library::{Function, Loading};
use super::lua::{Failure, Kept, Kind, Lua, Outcome, Stack};
use super::random::Random;
use super::sandbox::{self, Role, Sandbox};
use super::{Host, Invocation};
use crate::command::{CmdError, CmdResult, Reply};
use crate::resp::encode::Resp;
use crate::version::Series;
use std::ffi::CStr;

/// Garbage is collected a little after so many runs, as in Redis.
const COLLECT_EVERY: u32 = 50;

/// The name of a script in messages.
const SCRIPT: &CStr = c"@user_script";
const FUNCTION: &CStr = c"@user_function";

/// A VM: compiles and runs scripts, and turns Lua errors into replies.
pub struct Vm {
    lua: Lua,
    sandbox: Sandbox,
    role: Role,
    handler: Kept,
    runs: u32,
}

/// Makes a table of what was raised, and notes where: the function that runs when an error is.
fn on_error(stack: &mut Stack) -> Outcome {
    let place = match stack.place(1) {
        Some(place) if place.is_native => stack.place(2),
        place => place,
    };
    if stack.kind(1) == Kind::Table {
        stack.push_table(0, 4);
        for name in [b"err".as_slice(), super::convert::COUNTED] {
            stack.get_named(1, name);
            stack.set_named(-2, name);
        }
    } else {
        let text = match stack.kind(1) {
            Kind::String | Kind::Number => stack.arg_text(1).unwrap_or_default().to_vec(),
            Kind::Nil | Kind::None => b"nil".to_vec(),
            Kind::Boolean => stack.truth(1).to_string().into_bytes(),
            kind => match stack.identity(1) {
                0 => format!("{}: (nil)", kind.name()).into_bytes(),
                address => format!("{}: {address:#x}", kind.name()).into_bytes(),
            },
        };
        stack.push_table(0, 4);
        stack.push_bytes(&[b"ERR ", text.as_slice()].concat());
        stack.set_named(-2, b"err");
    }
    if let Some(place) = place {
        stack.push_bytes(&place.source);
        stack.set_named(-2, b"source");
        stack.push_number(f64::from(place.line));
        stack.set_named(-2, b"line");
    }
    Ok(1)
}

impl Vm {
    /// A VM that may take so many bytes.
    pub fn new(role: Role, limit: usize, series: Series) -> Vm {
        let mut lua = Lua::new(limit);
        // Nearly all of what is made here stays, so that looking for garbage meanwhile is for nothing;
        // the little there is goes with that of the first scripts.
        lua.pause_collecting();
        let mut stack = lua.stack();
        let sandbox = sandbox::build(&mut stack, role, series);
        stack.push_function(on_error, 0);
        let handler = stack.keep();
        // As Redis does, also of a function.
        stack.vm_state().kill_text = c"Script killed by user with SCRIPT KILL...";
        lua.resume_collecting();
        Vm {
            lua,
            sandbox,
            role,
            handler,
            runs: 0,
        }
    }

    /// The state of `math.random`, which both VMs share.
    pub fn random(&mut self) -> &mut Random {
        &mut self.lua.vm_state().random
    }

    /// The debugger of the next run.
    pub fn debugger(&mut self) -> &mut Option<Box<Debugger>> {
        &mut self.lua.vm_state().debugger
    }

    /// Bytes in use by the VM.
    pub fn used_bytes(&self) -> usize {
        self.lua.used_bytes()
    }

    /// Compiles code; `Err` is the message.
    pub fn compile(&mut self, code: &[u8]) -> Result<Kept, Vec<u8>> {
        let name = match self.role {
            Role::Scripts => SCRIPT,
            Role::Functions => FUNCTION,
        };
        self.count_run();
        let mut stack = self.lua.stack();
        match stack.compile(code, name) {
            Ok(()) => Ok(stack.keep()),
            Err(_) => {
                let message = stack.bytes(-1).unwrap_or_default().to_vec();
                stack.pop(1);
                Err(message)
            }
        }
    }

    pub fn forget(&mut self, kept: Kept) {
        self.lua.stack().forget(kept);
    }

    /// Runs a script or function and replies with its result.
    pub fn run(&mut self, host: &mut dyn Host, call: &Invocation, reply: &mut Reply) -> CmdResult {
        self.lua.rearm();
        let (handler, real, role) = (self.handler, self.sandbox.real, self.role);
        let result = self.lua.serve(host, |stack| {
            let vm_state = stack.vm_state();
            (vm_state.killed, vm_state.failed) = (false, false);
            vm_state.resp = Resp::V2;
            stack.push_kept(handler);
            let base = stack.top();
            stack.push_kept(call.function);
            let args = match role {
                Role::Scripts => {
                    stack.push_kept(real);
                    push_list(stack, call.keys.iter());
                    stack.set_named(-2, b"KEYS");
                    push_list(stack, call.args.iter());
                    stack.set_named(-2, b"ARGV");
                    stack.pop(1);
                    0
                }
                Role::Functions => {
                    push_list(stack, call.keys.iter());
                    push_list(stack, call.args.iter());
                    2
                }
            };
            let result = match stack.call(args, 1, base) {
                Ok(()) => {
                    let resp = stack.vm_state().resp;
                    write_reply(stack, resp, reply)
                }
                Err(failure) => write_failure(stack, failure, call.name, reply),
            };
            let left = stack.top() - base + 1;
            stack.pop(left);
            match stack.vm_state().failed {
                true => result.and(Err(CmdError::Replied)),
                false => result,
            }
        });
        self.count_run();
        result
    }

    fn count_run(&mut self) {
        self.runs += 1;
        if self.runs.is_multiple_of(COLLECT_EVERY) {
            self.lua.collect();
        }
    }

    /// Runs the code of a library, which registers functions; `Err` is the message.
    pub fn load(&mut self, host: &mut dyn Host, code: &[u8]) -> Result<Vec<Function>, Vec<u8>> {
        let main = self
            .compile(code)
            .map_err(|message| [b"ERR Error compiling function: ", message.as_slice()].concat())?;
        self.lua.rearm();
        let (handler, sandbox) = (self.handler, &self.sandbox);
        let result = self.lua.serve(host, |stack| {
            let vm_state = stack.vm_state();
            vm_state.killed = false;
            let kill_text = std::mem::replace(&mut vm_state.kill_text, c"FUNCTION LOAD timeout");
            vm_state.loading = Some(Loading::default());
            sandbox.set_loading(stack, true);
            stack.push_kept(handler);
            let base = stack.top();
            stack.push_kept(main);
            let result = stack.call(0, 0, base).map_err(|_| error_text(stack));
            let left = stack.top() - base + 1;
            stack.pop(left);
            sandbox.set_loading(stack, false);
            let vm_state = stack.vm_state();
            vm_state.kill_text = kill_text;
            let loaded = vm_state.loading.take().unwrap_or_default().functions;
            match result {
                Ok(()) if loaded.is_empty() => Err(b"ERR No functions registered".to_vec()),
                Ok(()) => Ok(loaded),
                Err(text) => {
                    loaded.into_iter().for_each(|f| stack.forget(f.kept));
                    Err([b"ERR Error registering functions: ", text.as_slice()].concat())
                }
            }
        });
        self.forget(main);
        self.count_run();
        result
    }
}

fn push_list<'a>(stack: &mut Stack, items: impl ExactSizeIterator<Item = &'a [u8]>) {
    stack.push_table(items.len(), 0);
    for (place, item) in items.enumerate() {
        stack.push_bytes(item);
        stack.set_at(-2, place as i32 + 1);
    }
}

/// The text of the error on top.
fn error_text(stack: &mut Stack) -> Vec<u8> {
    if stack.kind(-1) != Kind::Table {
        return stack.bytes(-1).unwrap_or(b"unknown error").to_vec();
    }
    stack.get_named(-1, b"err");
    let text = stack.text(-1).map(|mut text| {
        // As Redis does, it ends at a zero byte.
        text.truncate(memchr::memchr(0, &text).unwrap_or(text.len()));
        text
    });
    stack.pop(1);
    text.unwrap_or_else(|| b"ERR unknown error".to_vec())
}

/// Writes the error of a failed script, with its place.
fn write_failure(stack: &mut Stack, failure: Failure, name: &[u8], reply: &mut Reply) -> CmdResult {
    let text = error_text(stack);
    let is_table = stack.kind(-1) == Kind::Table;
    let (full, counted) = if failure == Failure::Raised && is_table {
        let counted = is_counted(stack);
        stack.get_named(-1, b"source");
        stack.get_named(-2, b"line");
        let place = match (stack.bytes(-2), stack.number(-1)) {
            (Some(source), Some(line)) => {
                let line = (line as i64).to_string();
                [
                    b" script: ",
                    name,
                    b", on ",
                    source,
                    b":",
                    line.as_bytes(),
                    b".",
                ]
                .concat()
            }
            _ => Vec::new(),
        };
        stack.pop(2);
        ([text, place].concat(), counted)
    } else {
        let head = [b"ERR Error running script ", name, b", "].concat();
        ([head, text].concat(), false)
    };
    stack.vm_state().failed = true;
    if !counted && let (_, Some(host)) = stack.vm_state_and_host() {
        host.count_error(&full);
    }
    reply.error(trim_lines(&full))
}
