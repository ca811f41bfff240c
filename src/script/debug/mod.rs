//! The debugger of scripts: `redis-cli --ldb`.
//!
//! While a script is debugged Lua reports every line it comes to (`at_line`). Where the script is
//! to stop, the debugger talks to its user over the connection that sent EVAL, and nothing else
//! runs meanwhile: the process is a child made for this, or the user asked for SCRIPT DEBUG SYNC.
//! The module `server::script::debug` makes the child and ends the session.
//!
//! A command of the user is an array of strings, as any; the reply is an array of status lines for
//! a human reader. The script goes on where a command says so:
//!
//! ```text
//!   line ──> stop? ──no──────────────────────────────> on
//!              └─yes─> "* Stopped at …" ─> command ──> reply ──┐
//!                                            ^ └─ step, continue: on
//!                                            └─────────────────┘
//! ```

mod input;
mod prompt;
mod show;

use super::lua::{Outcome, Raise, Stack};
use crate::sys::clock;
use crate::sys::socket::Waiting;

/// Replies are cut at this many bytes, unless the user sets another limit (`maxlen`).
const MAX_LEN: usize = 256;
/// The smallest length to cut at.
const LEAST_LEN: i32 = 60;
/// The most breakpoints.
const BREAKPOINTS: usize = 64;
/// The number of arguments shown of a command.
const SHOWN_ARGS: usize = 10;

/// The debugger of a script.
pub struct Debugger {
    wire: Waiting,
    input: input::Input,
    /// Lines that wait to be sent.
    lines: Vec<Vec<u8>>,
    source: Vec<Vec<u8>>,
    /// The line the script stands at, from 1 on.
    line: i32,
    breakpoints: Vec<i32>,
    /// It stops at the next line, and shows commands and their replies on the way.
    step: bool,
    /// The script requested a stop (`redis.breakpoint`).
    asked: bool,
    max_len: usize,
    /// The user knows how to see more.
    hinted: bool,
    began_ms: u64,
    /// The time after which a running script is stopped.
    patience_ms: u64,
}

/// Whether the user is still connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum User {
    There,
    Gone,
}

impl Debugger {
    /// The debugger of a script, stopping at its first line.
    pub fn new(wire: Waiting, script: &[u8], patience_ms: u64) -> Debugger {
        let end = script.iter().rposition(|byte| !b"\r\n".contains(byte));
        let text = &script[..end.map_or(0, |end| end + 1)];
        let lines = text.split(|&byte| byte == b'\n').map(<[u8]>::to_vec);
        Debugger {
            wire,
            input: input::Input::default(),
            lines: Vec::new(),
            source: if text.is_empty() {
                Vec::new()
            } else {
                lines.collect()
            },
            line: 0,
            breakpoints: Vec::new(),
            step: true,
            asked: false,
            max_len: MAX_LEN,
            hinted: false,
            began_ms: clock::mono_ms(),
            patience_ms,
        }
    }

    fn say(&mut self, line: impl Into<Vec<u8>>) {
        self.lines.push(line.into());
    }

    /// Says what may be long.
    fn say_cut(&mut self, mut line: Vec<u8>) {
        let cut = self.max_len > 0 && line.len() > self.max_len;
        if cut {
            line.truncate(self.max_len);
            line.extend_from_slice(b" ...");
        }
        self.say(line);
        if cut && !self.hinted {
            self.hinted = true;
            self.say("<hint> The above reply was trimmed. Use 'maxlen 0' to disable trimming.");
        }
    }

    /// Sends the pending output. A lost connection shows when the next command is read.
    fn send(&mut self) {
        let mut bytes = format!("*{}\r\n", self.lines.len()).into_bytes();
        for line in self.lines.drain(..) {
            bytes.push(b'+');
            bytes.extend(line.iter().map(|&byte| match byte {
                b'\r' | b'\n' => b' ',
                byte => byte,
            }));
            bytes.extend_from_slice(b"\r\n");
        }
        let _ = self.wire.send(&bytes);
    }

    /// Ends the session with a message, and with the reply of EVAL if the debugger has to send it.
    pub fn end(mut self, reply: &[u8]) {
        self.say("<endsession>");
        self.send();
        let _ = self.wire.send(reply);
    }

    /// Whether the script's commands are shown because it runs step by step.
    pub fn is_watching(&self) -> bool {
        self.step
    }

    /// A command is about to run.
    pub fn show_command<'a>(&mut self, args: impl ExactSizeIterator<Item = &'a [u8]>) {
        let mut line = b"<redis>".to_vec();
        let count = args.len();
        for (place, arg) in args.enumerate() {
            if place == SHOWN_ARGS {
                // As Redis does, it counts one too few.
                line.extend(format!(" ... ({} more)", count - place - 1).into_bytes());
                break;
            }
            line.push(b' ');
            line.extend_from_slice(arg);
        }
        self.say(line);
    }

    /// Shows the reply of a command.
    pub fn show_reply(&mut self, reply: &[u8]) {
        if reply.first() == Some(&b'-') {
            self.show_error(reply.trim_ascii_end());
        }
        let mut line = b"<reply> ".to_vec();
        show::reply(&mut line, reply);
        self.say_cut(line);
    }

    /// An error that the script gets.
    pub fn show_error(&mut self, text: &[u8]) {
        self.say([b"<error> ", text].concat());
    }

    /// redis.breakpoint()
    pub fn ask(&mut self) {
        self.asked = true;
    }

    /// redis.debug(…): shows all arguments of the running function.
    pub fn show_values(stack: &mut Stack) {
        let mut line = Vec::new();
        for index in 1..=stack.args() {
            if index > 1 {
                line.extend_from_slice(b", ");
            }
            show::value(stack, index, &mut line);
        }
        if let Some(debugger) = &mut stack.vm_state().debugger {
            let head = format!("<debug> line {}: ", debugger.line).into_bytes();
            debugger.say([head, line].concat());
        }
    }

    fn is_breakpoint(&self, line: i32) -> bool {
        self.breakpoints.contains(&line)
    }

    /// Says a line of the source, with its number and how it is marked.
    fn say_source(&mut self, line: i32) {
        let text: &[u8] = match usize::try_from(line - 1) {
            Ok(place) if place < self.source.len() => &self.source[place],
            _ => b"<out of range source code line>",
        };
        let mark = match (line == self.line, self.is_breakpoint(line)) {
            (true, true) => "->#",
            (true, false) => "-> ",
            (false, true) => "  #",
            (false, false) => "   ",
        };
        let head = format!("{mark}{line:<3} ").into_bytes();
        let line = [head.as_slice(), text].concat();
        self.say(line);
    }

    /// The reason to stop the script at its current line, if there is one. `counted` tells that
    /// nothing but many instructions have passed.
    fn reason_to_stop(&mut self, counted: bool) -> Option<Stop> {
        let marked = self.is_breakpoint(self.line) || self.asked;
        let mut late = false;
        if counted && !self.step && !marked {
            late = clock::mono_ms().saturating_sub(self.began_ms) >= self.patience_ms;
            if !late {
                return None;
            }
        }
        if !self.step && !marked && !late {
            return None;
        }
        let reason = match (self.asked, marked, late) {
            (true, ..) => Stop::Asked,
            (_, true, _) => Stop::Breakpoint,
            (_, _, true) => Stop::Late,
            _ => Stop::Step,
        };
        (self.step, self.asked) = (false, false);
        Some(reason)
    }
}

/// The reason for stopping a script.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stop {
    Step,
    Breakpoint,
    Asked,
    Late,
}

impl Stop {
    fn text(self) -> &'static str {
        match self {
            Stop::Step => "step over",
            Stop::Breakpoint => "break point",
            Stop::Asked => "redis.breakpoint() called",
            Stop::Late => "timeout reached, infinite loop?",
        }
    }
}

/// An error that ends the script.
fn fail(stack: &mut Stack, text: &str) -> Raise {
    super::api::push_error(stack, text.as_bytes());
    Raise::Top
}

/// The script has come to a line, or many instructions have passed (`counted`).
pub(super) fn at_line(stack: &mut Stack, counted: bool) -> Outcome {
    let Some(place) = stack.place(0) else {
        return Ok(0);
    };
    let Some(debugger) = &mut stack.vm_state().debugger else {
        return Ok(0);
    };
    debugger.line = place.line;
    // Only the script itself is of interest.
    if place.short != b"user_script" {
        return Ok(0);
    }
    let Some(why) = debugger.reason_to_stop(counted) else {
        return Ok(0);
    };
    let line = debugger.line;
    let text = why.text();
    debugger.say(format!("* Stopped at {line}, stop reason = {text}"));
    debugger.say_source(line);
    debugger.send();
    let user = prompt::converse(stack)?;
    if user == User::Gone && why == Stop::Late {
        // The user is gone, so the debugger cannot end the script.
        let text = "timeout during Lua debugging with client closing connection";
        return Err(fail(stack, text));
    }
    Ok(0)
}
