//! Script execution: running, busy and killed scripts, and the sessions of the debugger.

pub mod debug;
pub mod run;
