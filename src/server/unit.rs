//! The end of a command: what its effects mean for everybody else.

use super::Server;
use crate::command::effects::Propagate;
use crate::keyspace::db::is_slow_to_drop;

/// For how long a synchronous flush waits for the helper thread, in microseconds. Entries and
/// tables count as free at once, since nobody can reach them; this is for values beside them. It
/// is enough for a thousand of those and holds up nobody; what is left is freed a little later.
const SYNC_FLUSH_US: u64 = 2_000;

impl Server {
    /// Draws the conclusions from what a command stated.
    #[inline(always)]
    pub fn settle(&mut self) {
        let effects = &mut self.effects;
        if !effects.happened.is_empty()
            || !matches!(effects.propagate, Propagate::Verbatim)
            || !self.keyspace.shared.departed.is_empty()
            || !self.keyspace.shared.doomed.is_empty()
            || !self.keyspace.shared.lapsed.is_empty()
            || !effects.sweeps.is_empty()
            || !self.keyspace.shared.ready.is_empty()
        {
            self.settle_effects();
        }
    }

    #[cold]
    fn settle_effects(&mut self) {
        self.effects.happened.clear();
        for sweep in std::mem::take(&mut self.effects.sweeps) {
            self.settle_sweep(sweep);
        }
        self.effects.propagate = Propagate::Verbatim;
        self.keyspace.shared.departed.clear();
        self.keyspace.shared.lapsed.clear();
        for doomed in self.keyspace.shared.doomed.drain(..) {
            if is_slow_to_drop(&doomed.waste) {
                self.bio.bury(doomed);
            } else {
                self.bio.count_freed(doomed.objects);
            }
        }
        if std::mem::take(&mut self.keyspace.shared.await_doomed) {
            self.bio.await_idle(SYNC_FLUSH_US);
        }
        if !self.keyspace.shared.ready.is_empty() || self.blocking.has_ready() {
            self.settle_ready();
        }
    }
}
