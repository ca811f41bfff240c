//! The commands of the debugger's user.
//!
//! The debugger stays where the script can reach it, for some of these commands run Lua themselves:
//! so they are functions of the stack, and borrow it by the line.

use super::input::{Malformed, leading_number};
use super::{BREAKPOINTS, Debugger, LEAST_LEN, User, fail, show};
use crate::algo::number::parse_i64;
use crate::script::guards::push_real_of;
use crate::script::lua::{Failure, GLOBALS, Kind, Raise, Stack};

/// The next step after a command.
enum Next {
    /// The next command.
    Ask,
    /// The script.
    Run,
}

const UNKNOWN: &str = "<error> Unknown Redis Lua debugger command or wrong number of arguments.";

const HELP: &[&str] = &[
    "Redis Lua debugger, its commands (one letter is enough):",
    "[h]elp               This text.",
    "[s]tep               Run this line and stop at the next.",
    "[n]ext               The same.",
    "[c]ontinue           Run on to the next breakpoint.",
    "[l]ist               The source around this line.",
    "[l]ist <line>        The source around another line; 0 is this one.",
    "[l]ist <line> <ctx>  With so many lines before and behind.",
    "[w]hole              All of the source.",
    "[p]rint              The local variables.",
    "[p]rint <var>        One of them, of whichever function on the way here, or KEYS or ARGV.",
    "[b]reak              The breakpoints.",
    "[b]reak <line>       Stop at this line from now on.",
    "[b]reak -<line>      No longer stop at this line.",
    "[b]reak 0            Stop at no line.",
    "[t]race              Which functions called which.",
    "[e]val <code>        Run Lua, apart from the variables of the script.",
    "[r]edis <cmd>        Run a command.",
    "[m]axlen <len>       Cut what is shown at so many bytes; 0 is never.",
    "[a]bort              End the script. In sync mode what it has changed stays changed.",
    "",
    "For scripts themselves:",
    "redis.debug(...)     Show values here.",
    "redis.breakpoint()   Stop at the next line.",
];

/// Runs the user's commands until the script is to go on.
pub(super) fn converse(stack: &mut Stack) -> Result<User, Raise> {
    loop {
        let Some(words) = next_command(stack)? else {
            return Ok(User::Gone);
        };
        if let Next::Run = obey(stack, &words)? {
            return Ok(User::There);
        }
        if let Some(debugger) = &mut stack.vm_state().debugger {
            debugger.send();
        }
    }
}

/// The next command, or `None` after a disconnection: then the script runs to its end.
fn next_command(stack: &mut Stack) -> Result<Option<Vec<Vec<u8>>>, Raise> {
    let Some(debugger) = &mut stack.vm_state().debugger else {
        return Ok(None);
    };
    match debugger.listen() {
        Ok(command) => Ok(command),
        Err(Malformed(text)) => Err(fail(stack, text)),
    }
}

impl Debugger {
    fn listen(&mut self) -> Result<Option<Vec<Vec<u8>>>, Malformed> {
        loop {
            if let Some(command) = self.input.take()? {
                return Ok(Some(command));
            }
            match self.wire.receive() {
                Ok(bytes) if !bytes.is_empty() => self.input.add(&bytes)?,
                _ => {
                    self.step = false;
                    self.breakpoints.clear();
                    return Ok(None);
                }
            }
        }
    }
}

fn obey(stack: &mut Stack, words: &[Vec<u8>]) -> Result<Next, Raise> {
    let name = words[0].to_ascii_lowercase();
    match name.as_slice() {
        b"s" | b"step" | b"n" | b"next" => {
            if let Some(debugger) = &mut stack.vm_state().debugger {
                debugger.step = true;
            }
            return Ok(Next::Run);
        }
        b"c" | b"continue" => return Ok(Next::Run),
        b"a" | b"abort" => return Err(fail(stack, "script aborted for user request")),
        b"t" | b"trace" => trace(stack),
        b"e" | b"eval" => eval(stack, &words[1..]),
        b"r" | b"redis" if words.len() > 1 => run_command(stack, &words[1..]),
        b"p" | b"print" => match words.get(1) {
            Some(name) if words.len() == 2 => print(stack, name),
            _ => print_all(stack),
        },
        name => {
            if let Some(debugger) = &mut stack.vm_state().debugger {
                debugger.obey(name, &words[1..]);
            }
        }
    }
    Ok(Next::Ask)
}

/// Commands that need only the debugger.
impl Debugger {
    fn obey(&mut self, name: &[u8], args: &[Vec<u8>]) {
        match name {
            b"h" | b"help" => HELP.iter().for_each(|line| self.say(*line)),
            b"l" | b"list" => {
                let number = |place: usize| args.get(place).map(|arg| leading_number(arg));
                self.list(number(0).unwrap_or(0), number(1).unwrap_or(5));
            }
            b"w" | b"whole" => self.list(1, 1_000_000),
            b"b" | b"break" if args.is_empty() => self.say_breakpoints(),
            b"b" | b"break" => args.iter().for_each(|arg| self.change_breakpoint(arg)),
            b"m" | b"maxlen" => self.set_max_len(args),
            _ => self.say(UNKNOWN),
        }
    }

    /// The source around a line, or around where the script stands.
    fn list(&mut self, around: i32, context: i32) {
        let around = if around > 0 { around } else { self.line };
        for line in 1..=self.source.len() as i32 {
            if (around - line).abs() <= context {
                self.say_source(line);
            }
        }
    }

    fn say_breakpoints(&mut self) {
        if self.breakpoints.is_empty() {
            return self.say("No breakpoints set. Use 'b <line>' to add one.");
        }
        self.say(format!("{} breakpoints set:", self.breakpoints.len()));
        for line in self.breakpoints.clone() {
            self.say_source(line);
        }
    }

    /// Sets a breakpoint, removes the one at `-line`, or all with 0.
    fn change_breakpoint(&mut self, arg: &[u8]) {
        let Some(number) = parse_i64(arg) else {
            return self.say([b"Invalid argument:'", arg, b"'"].concat());
        };
        if number == 0 {
            self.breakpoints.clear();
            return self.say("All breakpoints removed.");
        }
        let line = i32::try_from(number.unsigned_abs()).unwrap_or(i32::MAX);
        let known = self.breakpoints.iter().position(|known| *known == line);
        if number < 0 {
            return match known {
                Some(place) => {
                    self.breakpoints.remove(place);
                    self.say("Breakpoint removed.");
                }
                None => self.say("No breakpoint in the specified line."),
            };
        }
        if self.breakpoints.len() == BREAKPOINTS {
            self.say("Too many breakpoints set.");
        } else if known.is_some() || line as usize > self.source.len() {
            self.say("Wrong line number.");
        } else {
            self.breakpoints.push(line);
            self.list(line, 1);
        }
    }

    fn set_max_len(&mut self, args: &[Vec<u8>]) {
        if let [len] = args {
            let len = leading_number(len);
            self.max_len = if len == 0 {
                0
            } else {
                len.max(LEAST_LEN) as usize
            };
            self.hinted = true;
        }
        self.say(match self.max_len {
            0 => "<value> replies are unlimited.".to_owned(),
            len => format!("<value> replies are truncated at {len} bytes."),
        });
    }
}

fn say(stack: &mut Stack, line: impl Into<Vec<u8>>) {
    if let Some(debugger) = &mut stack.vm_state().debugger {
        debugger.say(line);
    }
}

/// Says the value on top, and takes it off.
fn say_value(stack: &mut Stack, head: Vec<u8>) {
    let mut line = head;
    show::value(stack, -1, &mut line);
    stack.pop(1);
    if let Some(debugger) = &mut stack.vm_state().debugger {
        debugger.say_cut(line);
    }
}

/// Shows the call stack, as far as it is the script's own.
fn trace(stack: &mut Stack) {
    let mut level = 0;
    while let Some(place) = stack.place(level) {
        if place.short == b"user_script" {
            let head: &[u8] = if level == 0 { b"In " } else { b"From " };
            let name = place.name.unwrap_or_else(|| b"top level".to_vec());
            say(stack, [head, &name, b":"].concat());
            if let Some(debugger) = &mut stack.vm_state().debugger {
                debugger.say_source(place.line);
            }
        }
        level += 1;
    }
}

/// The innermost variable of this name on the way here.
fn print(stack: &mut Stack, name: &[u8]) {
    let mut level = 0;
    while stack.place(level).is_some() {
        let mut number = 1;
        while let Some(local) = stack.push_local(level, number) {
            if local == name {
                return say_value(stack, b"<value> ".to_vec());
            }
            stack.pop(1);
            number += 1;
        }
        level += 1;
    }
    if name != b"KEYS" && name != b"ARGV" {
        return say(stack, "No such variable.");
    }
    let height = stack.top();
    push_global(stack, name);
    say_value(stack, b"<value> ".to_vec());
    let left = stack.top() - height;
    stack.pop(left);
}

/// Pushes a global of the script, above what leads there.
fn push_global(stack: &mut Stack, name: &[u8]) {
    stack.push_copy(GLOBALS);
    push_real_of(stack, -1);
    stack.get_named(-1, name);
}

/// All variables of the function where the script stands.
fn print_all(stack: &mut Stack) {
    let (mut number, mut shown) = (1, 0);
    while let Some(local) = stack.push_local(0, number) {
        number += 1;
        if local.starts_with(b"(*temporary)") {
            stack.pop(1);
            continue;
        }
        say_value(stack, [b"<value> ", local.as_slice(), b" = "].concat());
        shown += 1;
    }
    if shown == 0 {
        say(stack, "No local variables in the current context.");
    }
}

/// Runs a piece of Lua, as an expression if it is one. Unlike Redis, which waits for it forever, what
/// does not end is ended.
fn eval(stack: &mut Stack, words: &[Vec<u8>]) {
    const NAME: &std::ffi::CStr = c"@ldb_eval";
    let code = words.join(&b' ');
    let mut compiled = stack.compile(&[b"return ", code.as_slice()].concat(), NAME);
    if compiled.is_err() {
        stack.pop(1);
        compiled = stack.compile(&code, NAME);
    }
    let debugger = stack.vm_state().debugger.as_ref();
    let patience_ms = debugger.map_or(0, |debugger| debugger.patience_ms);
    match compiled.and_then(|()| stack.call_apart(patience_ms)) {
        Ok(()) => say_value(stack, b"<retval> ".to_vec()),
        Err(failure) => say_failure(stack, failure),
    }
}

/// Says the error on top, and takes it off.
fn say_failure(stack: &mut Stack, failure: Failure) {
    let mut line = b"<error> ".to_vec();
    match stack.kind(-1) {
        _ if failure == Failure::Memory => line.extend_from_slice(b"not enough memory"),
        Kind::String => line.extend_from_slice(stack.bytes(-1).unwrap_or_default()),
        Kind::Table => {
            stack.get_named(-1, b"err");
            line.extend_from_slice(stack.bytes(-1).unwrap_or(b"a table"));
            stack.pop(1);
        }
        _ => show::value(stack, -1, &mut line),
    }
    stack.pop(1);
    say(stack, line);
}

/// Runs a command as the script would, and shows the command and its reply.
fn run_command(stack: &mut Stack, words: &[Vec<u8>]) {
    if !stack.room(words.len() as i32 + 4) {
        return say(stack, "<error> max lua stack reached");
    }
    let height = stack.top();
    push_global(stack, b"redis");
    push_real_of(stack, -1);
    stack.get_named(-1, b"call");
    for word in words {
        stack.push_bytes(word);
    }
    let watch = |stack: &mut Stack, step| {
        if let Some(debugger) = &mut stack.vm_state().debugger {
            debugger.step = step;
        }
    };
    watch(stack, true);
    // An error was shown when it arose.
    let _ = stack.call(words.len() as i32, 1, 0);
    watch(stack, false);
    let left = stack.top() - height;
    stack.pop(left);
}
