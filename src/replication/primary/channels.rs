//! The two channels of a full synchronization over an RDB channel: `Primary::link` is the RDB channel,
//! `Primary::main` keeps the main channel and its stream. When the snapshot is loaded the main channel
//! becomes the client, and what was kept is applied before anything is read from it.

use super::super::action::Action;
use super::super::handshake::Identity;
use super::super::rdb_channel::{Channel, MainChannel, Received};
use super::{Primary, Stage};
use crate::net::Link;
use crate::sys::reason;
use std::io;

/// The main channel, while an RDB channel is being made and used.
impl Primary {
    /// An RDB channel was opened, which does not mean that it is connected. To the primary the link
    /// so far is the client `client`.
    pub fn open_channel(
        &mut self,
        opened: io::Result<Link>,
        us: &Identity,
        client: u64,
        now_ms: u64,
    ) -> Vec<Action> {
        let Some(main) = self.link.take() else {
            return Vec::new();
        };
        match opened {
            Ok(link) => {
                let (channel, greeting) = Channel::start(us, client);
                let main = MainChannel::new(main, self.incoming.rest(), greeting);
                self.main = Some(Box::new(main));
                self.kept_peak = 0;
                self.incoming.clear();
                self.link = Some(link);
                self.is_watched = false;
                self.is_ready = false;
                self.stage = Stage::OpenChannel(channel);
                self.active_ms = now_ms;
                Vec::new()
            }
            Err(error) => vec![no_channel(&error), Action::Abandon],
        }
    }

    /// Whether a synchronization over an RDB channel is under way.
    pub fn has_channel(&self) -> bool {
        self.main.is_some()
    }

    pub fn main_mut(&mut self) -> Option<&mut MainChannel> {
        self.main.as_deref_mut()
    }

    /// Whether the main channel is to be read now. Before the place of the snapshot in the history is
    /// known the stream does not start.
    pub fn wants_stream(&self) -> bool {
        let main = self.main.as_ref();
        self.stage == Stage::Transfer && main.is_some_and(|main| main.wants_input())
    }

    /// Reads once from the main channel; returns the number of bytes that came, `None` if it cannot
    /// be read further now, and actions. The limit of what is kept is in bytes.
    pub fn read_stream(&mut self, limit: u64) -> (Option<usize>, Vec<Action>) {
        let Some(main) = &mut self.main else {
            return (None, Vec::new());
        };
        let received = main.read(limit);
        self.kept_peak = self.kept_peak.max(main.kept().bytes());
        match received {
            Received::Bytes(n) => (Some(n), Vec::new()),
            Received::Nothing => (None, Vec::new()),
            Received::Full(limit) => {
                let text = format!(
                    "Replication buffer limit has been reached ({limit} bytes), stopped buffering \
                     replication stream. Further accumulation may occur on master side."
                );
                (None, vec![Action::info(text)])
            }
            Received::Ended(why) => (None, self.main_ended(&why)),
        }
    }

    /// The main channel ended. A file that is complete is loaded nevertheless, and the stream up to
    /// there applied: the end is handled then.
    fn main_ended(&self, why: &str) -> Vec<Action> {
        let text = format!("Main channel error while reading from master: {why}");
        let mut actions = vec![Action::warn(text)];
        let transfer = self.transfer.as_ref();
        let Some(transfer) = transfer.filter(|transfer| transfer.is_loading()) else {
            actions.push(Action::Reconnect);
            return actions;
        };
        actions.push(Action::info(
            "Aborting rdb channel sync while loading the RDB.",
        ));
        actions.push(match transfer.is_file() {
            true => Action::info("After loading RDB, replica will try psync with master."),
            false => Action::FailSync,
        });
        actions
    }

    /// Shows the primary that the replica is alive, on the channel that is to stay.
    pub fn ping(&mut self) {
        match &mut self.main {
            Some(main) => main.ping(),
            None => {
                // A link that fails is noticed when it is read.
                let _ = self.send(b"\n");
            }
        }
    }

    /// Memory of the stream that waits until it can be applied, in bytes, and the most there was.
    pub fn kept_bytes(&self) -> (usize, usize) {
        let main = self.main.as_ref();
        let kept = main.map_or(&self.kept, |main| main.kept());
        (kept.bytes(), self.kept_peak)
    }

    /// Whether there is stream from before the link became a client.
    pub fn has_kept(&self) -> bool {
        !self.kept.is_empty()
    }

    /// The length of the stream that came before the link became a client, in bytes, if it was not
    /// applied completely yet.
    pub fn kept_in_all(&self) -> Option<usize> {
        self.kept_in_all
    }

    /// Adds a block of it to the bytes received.
    pub fn receive_kept(&mut self) {
        if let Some(block) = self.kept.take_block() {
            self.incoming.extend(&block);
        }
    }

    /// All of it is applied, if `kept_in_all` is the length that is returned.
    pub fn take_kept_in_all(&mut self) -> Option<usize> {
        let is_applied = self.kept.is_empty() && !self.incoming.has_whole();
        self.kept_in_all.take_if(|_| is_applied)
    }
}

pub(super) fn no_channel(error: &io::Error) -> Action {
    let why = reason(error);
    Action::warn(format!(
        "Error condition on socket for rdb channel replication: {why}"
    ))
}
