//! The end of a command: what its effects mean for everybody else.

use super::Server;
use crate::command::effects::Propagate;
use crate::keyspace::{Doomed, db::is_slow_to_drop};

impl Server {
    /// Draws the conclusions from what a command stated.
    #[inline(always)]
    pub fn settle(&mut self) {
        let effects = &mut self.effects;
        if !effects.happened.is_empty()
            || !matches!(effects.propagate, Propagate::Verbatim)
            || !self.keyspace.shared.departed.is_empty()
            || !self.keyspace.shared.doomed.is_empty()
        {
            self.settle_effects();
        }
    }

    #[cold]
    fn settle_effects(&mut self) {
        self.effects.happened.clear();
        self.effects.propagate = Propagate::Verbatim;
        self.keyspace.shared.departed.clear();
        for doomed in self.keyspace.shared.doomed.drain(..) {
            match &doomed {
                Doomed::Entries(entries) if !is_slow_to_drop(entries) => drop(doomed),
                _ => self.bio.bury(doomed),
            }
        }
    }
}
