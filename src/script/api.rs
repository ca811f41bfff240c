//! The `redis` library: calls from scripts to the server.

use super::InvalidCall;
use super::args::to_integer;
use super::convert::{COUNTED, push_reply};
use super::debug::Debugger;
use super::lua::{Kind, Outcome, Raise, Stack};
use crate::algo::number::format_f64;
use crate::resp::encode::Resp;
use crate::resp::request::OwnedArgv;
use crate::version::Series;
use sha1::{Digest, Sha1};
use std::mem::ManuallyDrop;

/// A buffer larger than this is not kept between two commands.
const KEEP: usize = 64 << 10;

/// The debugger, if it is to see what the script does.
fn watcher<'s>(stack: &'s mut Stack) -> Option<&'s mut Debugger> {
    let debugger = stack.vm_state().debugger.as_deref_mut();
    debugger.filter(|debugger| debugger.is_watching())
}

/// Pushes the table of an error. A text behind a dash brings its own code; any other gets `ERR`.
pub fn push_error(stack: &mut Stack, text: &[u8]) {
    if let Some(debugger) = watcher(stack) {
        debugger.show_error(text);
    }
    let full = match text.strip_prefix(b"-") {
        Some(text) if text.contains(&b' ') => text.to_vec(),
        Some(text) => [b"ERR ", text].concat(),
        None => [b"ERR ", text].concat(),
    };
    stack.push_table(0, 0);
    stack.push_bytes(super::convert::trim_lines(&full));
    stack.set_named(-2, b"err");
}

/// An error of the API: raised in the script, or returned as its reply.
fn fail(stack: &mut Stack, text: &[u8], raise: bool) -> Outcome {
    push_error(stack, text);
    if raise { Err(Raise::Top) } else { Ok(1) }
}

/// The arguments of the function that runs as those of a command; false if one cannot be.
fn collect(stack: &mut Stack, argv: &mut OwnedArgv) -> bool {
    argv.clear();
    for index in 1..=stack.args() {
        match stack.kind(index) {
            Kind::String => argv.push(stack.arg_bytes(index).unwrap_or_default()),
            Kind::Number => {
                let number = stack.number(index).unwrap_or(0.0);
                if number.is_nan() && number.is_sign_negative() {
                    // As the C library writes what 0/0 makes.
                    argv.push(b"-nan");
                } else if number == 0.0 {
                    // As Redis does.
                    argv.push(b"0");
                } else {
                    argv.push(&format_f64(number));
                }
            }
            _ => return false,
        }
    }
    true
}

/// redis.call and redis.pcall: runs a command.
fn run(stack: &mut Stack, raise: bool) -> Outcome {
    if stack.args() == 0 {
        let text = b"Please specify at least one argument for this redis lib call";
        return fail(stack, text, raise);
    }
    let mut argv = std::mem::take(&mut stack.vm_state().argv);
    let fine = collect(stack, &mut argv);
    if !fine {
        stack.vm_state().argv = argv;
        let text = b"Lua redis lib command arguments must be strings or integers";
        return fail(stack, text, raise);
    }
    if let Some(debugger) = watcher(stack) {
        debugger.show_command(argv.as_argv().iter());
    }
    let (vm_state, host) = stack.vm_state_and_host();
    let mut reply = std::mem::take(&mut vm_state.reply);
    reply.clear();
    let refused = match host {
        Some(host) => host.call(argv.as_argv(), vm_state.resp, &mut reply),
        None => Err(b"redis.call/pcall can only be called inside a script invocation".to_vec()),
    };
    argv.clear();
    if argv.bytes() <= KEEP {
        vm_state.argv = argv;
    } else {
        drop(argv);
    }
    if let Err(text) = refused {
        vm_state.reply = reply;
        push_error(stack, &text);
        stack.push_bool(true);
        stack.set_named(-2, COUNTED);
        return if raise { Err(Raise::Top) } else { Ok(1) };
    }
    if let Some(debugger) = watcher(stack) {
        debugger.show_reply(&reply);
    }
    // Nothing here is to be dropped, should Lua raise an error of its own.
    let reply = ManuallyDrop::new(reply);
    let pushed = push_reply(stack, &reply).map(|_| ());
    let failed = reply.first() == Some(&b'-');
    let reply = ManuallyDrop::into_inner(reply);
    if reply.capacity() <= KEEP {
        stack.vm_state().reply = reply;
    }
    pushed?;
    if failed && raise {
        return Err(Raise::Top);
    }
    Ok(1)
}

fn call(stack: &mut Stack) -> Outcome {
    run(stack, true)
}

fn pcall(stack: &mut Stack) -> Outcome {
    run(stack, false)
}

/// redis.error_reply(text), redis.status_reply(text)
fn error_reply(stack: &mut Stack) -> Outcome {
    if stack.args() != 1 || stack.kind(1) != Kind::String {
        return fail(stack, b"wrong number or type of arguments", false);
    }
    let text = stack.arg_bytes(1).unwrap_or_default();
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    let text = text.strip_prefix(b"-").unwrap_or(text);
    push_error(stack, &[b"-", text].concat());
    Ok(1)
}

fn status_reply(stack: &mut Stack) -> Outcome {
    if stack.args() != 1 || stack.kind(1) != Kind::String {
        return fail(stack, b"wrong number or type of arguments", false);
    }
    stack.push_table(0, 0);
    stack.push_copy(1);
    stack.set_named(-2, b"ok");
    Ok(1)
}

/// redis.sha1hex(text)
fn sha1hex(stack: &mut Stack) -> Outcome {
    if stack.args() != 1 {
        return fail(stack, b"wrong number of arguments", true);
    }
    let text = stack.arg_text(1).unwrap_or_default();
    stack.push_bytes(&sha1_hex(text));
    Ok(1)
}

/// The SHA1 of a text in hexadecimal digits, which is the name of a script.
pub fn sha1_hex(text: &[u8]) -> [u8; 40] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hex = [0; 40];
    for (two, byte) in hex.chunks_mut(2).zip(Sha1::digest(text)) {
        two[0] = DIGITS[usize::from(byte >> 4)];
        two[1] = DIGITS[usize::from(byte & 15)];
    }
    hex
}

/// The levels of redis.log, quietest last.
const LEVELS: [log::Level; 4] = [
    log::Level::Trace,
    log::Level::Debug,
    log::Level::Info,
    log::Level::Warn,
];

/// redis.log(level, text, …)
fn log(stack: &mut Stack) -> Outcome {
    if stack.args() < 2 {
        let text = b"redis.log() requires two arguments or more.";
        return fail(stack, text, true);
    }
    let Some(level) = stack.number(1) else {
        let text = b"First argument must be a number (log level).";
        return fail(stack, text, true);
    };
    let level = LEVELS.get(level as i64 as usize).filter(|_| level >= 0.0);
    let Some(&level) = level else {
        return fail(stack, b"Invalid log level.", true);
    };
    let mut line = Vec::new();
    for index in 2..=stack.args() {
        if let Some(text) = stack.arg_text(index) {
            if index > 2 {
                line.push(b' ');
            }
            line.extend_from_slice(text);
        }
    }
    // As Redis does, it ends at a zero byte.
    line.truncate(memchr::memchr(0, &line).unwrap_or(line.len()));
    log::log!(level, "{}", String::from_utf8_lossy(&line));
    Ok(0)
}

/// redis.setresp(version)
fn setresp(stack: &mut Stack) -> Outcome {
    if stack.args() != 1 {
        return fail(stack, b"redis.setresp() requires one argument.", true);
    }
    let resp = match stack.number(1).unwrap_or(0.0) as i64 {
        2 => Resp::V2,
        3 => Resp::V3,
        _ => return fail(stack, b"RESP version must be 2 or 3.", true),
    };
    stack.vm_state().resp = resp;
    Ok(0)
}

/// The values that `redis.set_repl` accepts.
const REPL: [(&[u8], u8); 5] = [
    (b"REPL_NONE", 0),
    (b"REPL_AOF", 1),
    (b"REPL_SLAVE", 2),
    (b"REPL_REPLICA", 2),
    (b"REPL_ALL", 3),
];

/// redis.set_repl(flags)
fn set_repl(stack: &mut Stack) -> Outcome {
    if stack.args() != 1 {
        return fail(stack, b"redis.set_repl() requires one argument.", true);
    }
    let flags = to_integer(stack.number(1).unwrap_or(0.0));
    if !(0..=3).contains(&flags) {
        let text = b"Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.";
        return fail(stack, text, true);
    }
    if let (_, Some(host)) = stack.vm_state_and_host() {
        host.set_repl(flags as u8);
    }
    Ok(0)
}

/// redis.acl_check_cmd(command, …)
fn acl_check_cmd(stack: &mut Stack) -> Outcome {
    if stack.args() == 0 {
        let text = b"Please specify at least one argument for this redis lib call";
        return fail(stack, text, true);
    }
    let mut argv = OwnedArgv::default();
    if !collect(stack, &mut argv) {
        let text = b"Lua redis lib command arguments must be strings or integers";
        return fail(stack, text, true);
    }
    let (_, host) = stack.vm_state_and_host();
    let allowed = host.map_or(Err(InvalidCall::Name), |host| host.may_run(argv.as_argv()));
    let text: &[u8] = match allowed {
        Ok(allowed) => {
            stack.push_bool(allowed);
            return Ok(1);
        }
        Err(InvalidCall::Arity) => b"Wrong number of args for redis.acl_check_cmd()",
        Err(InvalidCall::Name) => b"Invalid command passed to redis.acl_check_cmd()",
    };
    fail(stack, text, true)
}

/// redis.replicate_commands(): effects are what is replicated, always.
fn replicate_commands(stack: &mut Stack) -> Outcome {
    stack.push_bool(true);
    Ok(1)
}

/// redis.breakpoint(): stops at the next line; false without a debugger.
fn breakpoint(stack: &mut Stack) -> Outcome {
    let debugger = &mut stack.vm_state().debugger;
    let is_debugged = debugger.as_mut().map(|debugger| debugger.ask()).is_some();
    stack.push_bool(is_debugged);
    Ok(1)
}

/// redis.debug(…): shows values to the user of the debugger.
fn debug(stack: &mut Stack) -> Outcome {
    if stack.vm_state().debugger.is_some() {
        Debugger::show_values(stack);
    }
    Ok(0)
}

macro_rules! define {
    ($stack:ident, $($name:literal: $function:expr;)*) => {$(
        $stack.push_function($function, 0);
        $stack.set_named(-2, $name);
    )*};
}

fn constants(stack: &mut Stack, series: Series) {
    let version = series.version();
    for (level, name) in ["DEBUG", "VERBOSE", "NOTICE", "WARNING"].iter().enumerate() {
        stack.push_number(level as f64);
        stack.set_named(-2, format!("LOG_{name}").as_bytes());
    }
    stack.push_bytes(version.as_bytes());
    stack.set_named(-2, b"REDIS_VERSION");
    let parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    stack.push_number(f64::from(
        parts.fold(0, |sum: u32, part: u32| sum << 8 | part),
    ));
    stack.set_named(-2, b"REDIS_VERSION_NUM");
}

/// Fills the table on top with what scripts and functions have while they run.
pub fn open(stack: &mut Stack, series: Series) {
    constants(stack, series);
    for (name, value) in REPL {
        stack.push_number(f64::from(value));
        stack.set_named(-2, name);
    }
    define! {stack,
        b"call": call;
        b"pcall": pcall;
        b"error_reply": error_reply;
        b"status_reply": status_reply;
        b"sha1hex": sha1hex;
        b"log": log;
        b"setresp": setresp;
        b"set_repl": set_repl;
        b"acl_check_cmd": acl_check_cmd;
    }
}

/// Adds the functions that only scripts of EVAL have.
pub fn open_eval(stack: &mut Stack) {
    define! {stack,
        b"replicate_commands": replicate_commands;
        b"breakpoint": breakpoint;
        b"debug": debug;
    }
}

/// Fills the table on top with what a library has while it loads.
pub fn open_load(stack: &mut Stack, series: Series) {
    constants(stack, series);
    define! {stack,
        b"log": log;
        b"register_function": super::library::register_function;
    }
}
