//! The state that the libraries of a VM share, beside the state in the VM itself.

use crate::resp::encode::Resp;
use crate::resp::request::OwnedArgv;
use std::ffi::CStr;

/// The state that the libraries of a VM share.
pub struct VmState {
    /// The arguments of the command under way; empty between two.
    pub argv: OwnedArgv,
    /// The reply of the running command.
    pub reply: Vec<u8>,
    /// The protocol chosen by `redis.setresp`.
    pub resp: Resp,
    /// The script was killed: it ends at its next instruction, and the one after.
    pub killed: bool,
    /// An error was returned.
    pub failed: bool,
    /// The error of a killed script.
    pub kill_text: &'static CStr,
    /// The state of `math.random`.
    pub random: super::random::Random,
    /// The functions that a library registers while it loads.
    pub loading: Option<super::library::Loading>,
    /// The debugger of the script, if there is one.
    pub debugger: Option<Box<super::debug::Debugger>>,
}

impl Default for VmState {
    fn default() -> VmState {
        VmState {
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
