//! The frame of a call: what holds for one call of a command, and for the calls within it.
//!
//! ```text
//!   a client's command          frame: may block
//!     EXEC, a script      ---->   frame of the calls within: they may not block
//!                         <----   the outer frame again, with its time of beginning
//!   a blocked command, ready    frame: resumed, with the deadline it had
//! ```
//!
//! `Server::frame` is the frame of the running call.

use crate::command::keys::FoundKeys;
use crate::server::clients::session::Session;

/// The frame of the running call.
#[derive(Debug, Default)]
pub struct Frame {
    /// The cycle counter when the command began, which is when the one before it ended.
    began: u64,
    /// The call cannot block: it belongs to EXEC or a script, or its time to wait is over.
    is_bound: bool,
    /// The call is one of a script.
    in_script: bool,
    /// `Some` if the command was blocked before: its deadline in monotonic milliseconds, if it has
    /// one.
    resumed: Option<Option<u64>>,
    /// The keys of the command that is being admitted.
    keys: FoundKeys,
}

impl Frame {
    /// Returns the cycle stamp at which the command began.
    #[inline(always)]
    pub fn began(&self) -> u64 {
        self.began
    }

    /// Starts the clock of a command at the cycle stamp `now`.
    #[inline(always)]
    pub fn start(&mut self, now: u64) {
        self.began = now;
    }

    /// Ends a command at the cycle stamp `now`, where the next one begins. Returns the cycles it
    /// took.
    #[inline(always)]
    pub fn lap(&mut self, now: u64) -> u64 {
        now.wrapping_sub(std::mem::replace(&mut self.began, now))
    }

    /// Returns whether the call is one of a script.
    #[inline(always)]
    pub fn in_script(&self) -> bool {
        self.in_script
    }

    /// Returns the keys of the command that is being admitted.
    pub fn keys(&mut self) -> &mut FoundKeys {
        &mut self.keys
    }

    /// Returns whether the command was blocked before.
    pub fn is_resumed(&self) -> bool {
        self.resumed.is_some()
    }

    /// Begins the second run of a blocked command, with the deadline in monotonic milliseconds
    /// that it had.
    pub fn resume(&mut self, deadline_ms: Option<u64>) {
        self.resumed = Some(deadline_ms);
    }

    /// Takes the deadline of a command that was blocked before.
    pub fn take_deadline(&mut self) -> Option<Option<u64>> {
        self.resumed.take()
    }

    /// Ends the second run of a blocked command.
    pub fn end_resumed(&mut self) {
        self.resumed = None;
    }

    /// Begins the last run of a blocked command, which has to reply. Returns what `unbind` takes.
    #[must_use]
    pub fn bind(&mut self) -> bool {
        self.resumed = Some(None);
        std::mem::replace(&mut self.is_bound, true)
    }

    /// Ends the last run of a blocked command.
    pub fn unbind(&mut self, was_bound: bool) {
        self.resumed = None;
        self.is_bound = was_bound;
    }

    /// Returns whether the call may block its client. Commands of a primary or an AOF never do.
    #[inline(always)]
    pub fn may_block(&self, session: &Session) -> bool {
        !self.is_bound && !session.must_obey
    }

    /// Begins the calls within EXEC or a script. Returns the outer frame, which `leave` restores.
    #[must_use]
    pub fn enter(&mut self, in_script: bool) -> Frame {
        let inner = Frame {
            began: self.began,
            is_bound: true,
            in_script: in_script || self.in_script,
            ..Frame::default()
        };
        std::mem::replace(self, inner)
    }

    /// Ends the calls within EXEC or a script: the time they took is not that of the outer command.
    pub fn leave(&mut self, outer: Frame) {
        *self = outer;
    }
}
