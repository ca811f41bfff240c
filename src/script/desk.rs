//! What the libraries of a VM share, beside what lies in the VM itself.

use crate::resp::encode::Resp;
use crate::resp::request::OwnedArgv;
use std::ffi::CStr;

/// See the head of this file.
pub struct Desk {
    /// The arguments of the command under way; empty between two.
    pub argv: OwnedArgv,
    /// The answer of the command under way.
    pub reply: Vec<u8>,
    /// What `redis.setresp` chose.
    pub resp: Resp,
    /// Somebody ended the script: it dies at its next instruction, and the one after.
    pub killed: bool,
    /// An error was answered.
    pub failed: bool,
    /// What it dies with.
    pub kill_text: &'static CStr,
    /// The state of `math.random`.
    pub random: super::random::Random,
    /// The functions that a library registers while it loads.
    pub loading: Option<super::library::Loading>,
    /// Who debugs the script, if somebody does.
    pub debugger: Option<Box<super::debug::Debugger>>,
}

impl Default for Desk {
    fn default() -> Desk {
        Desk {
            argv: OwnedArgv::default(),
            reply: Vec::new(),
            resp: Resp::V2,
            killed: false,
            failed: false,
            kill_text: c"",
            random: Default::default(),
            loading: None,
            debugger: None,
        }
    }
}
