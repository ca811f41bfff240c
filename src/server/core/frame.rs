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
    pub began: u64,
    /// The call cannot block: it belongs to EXEC or a script, or its time to wait is over.
    pub is_bound: bool,
    /// The call is one of a script.
    pub in_script: bool,
    /// `Some` if the command was blocked before: its deadline in monotonic milliseconds, if it has
    /// one.
    pub resumed: Option<Option<u64>>,
    /// The keys of the command that is being admitted.
    pub keys: FoundKeys,
}

impl Frame {
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
