//! The end of a command and of its execution unit: handles the effects on other clients, the AOF
//! and the replicas.
//!
//! Calls nest: EXEC runs the commands of its queue, a script those it calls. After each command
//! `settle` notifies watching, tracking and subscribed clients. When the outermost call ends, at
//! the end of the *execution unit*, its records are propagated to the AOF and the replicas, and
//! blocked clients are served.

use crate::command::effects::{DatabaseChange, Effects, Event, Interest, KeyEvent};
use crate::command::settle::{Noted, Target};
use crate::keyspace::db::is_slow_to_drop;
use crate::keyspace::{DbIndex, Garbage, Keyspace};
use crate::resp::request::Argv;
use crate::server::Server;
use crate::server::clients::invalidate;
use crate::server::clients::publish;
use crate::server::clients::session::ClientId;
use crate::server::gates::Gates;
use crate::server::storage::jobs;

/// How long a synchronous flush inside a transaction or script waits for the helper thread, in
/// microseconds: it cannot defer its reply (`flush_wait`). Entries and tables count as free at
/// once, since they are unreachable; the wait is for values stored outside of them.
const SYNC_FLUSH_US: u64 = 2_000;

/// A command that has run.
pub struct Ran<'a> {
    pub client: ClientId,
    pub db: DbIndex,
    pub argv: Argv<'a>,
    /// It changed the data set.
    pub changed: bool,
}

/// Returns whether there is anything to settle besides the command itself.
#[inline(always)]
fn has_effects(effects: &Effects, keyspace: &Keyspace) -> bool {
    keyspace.shared.stirred || effects.are_stated()
}

impl Server {
    /// Handles the effects of a command.
    #[inline(always)]
    pub(in crate::server) fn settle(&mut self, ran: Ran) {
        let told = ran.changed && self.effects.propagates();
        if has_effects(&self.effects, &self.keyspace) {
            self.settle_effects(&ran);
        } else if told {
            self.tell(&ran);
        }
    }

    /// Propagates a command that changed something and has no other effects: outside of nested
    /// calls directly to the AOF and the replicas.
    #[inline]
    fn tell(&mut self, ran: &Ran) {
        let is_fed = self.persist.aof.is_on() || self.replication.backlog().is_some();
        if self.unit.is_outermost() && self.unit.is_empty() && is_fed {
            return self.feed_everybody(ran.db, &ran.argv);
        }
        self.settle_effects(ran);
    }

    #[cold]
    fn settle_effects(&mut self, ran: &Ran) {
        self.settle_facts(ran.client);
        self.propagate_command(ran.db, &ran.argv, ran.changed);
    }

    /// Settles effects without a command, each as a unit of its own.
    pub fn settle_alone(&mut self) {
        if has_effects(&self.effects, &self.keyspace) {
            self.unit.set_loose(true);
            self.settle_facts(ClientId::NOBODY);
            self.end_unit(ClientId::NOBODY);
        }
    }

    /// Handles all effects in the order in which they occurred.
    fn settle_facts(&mut self, client: ClientId) {
        for change in self.effects.take_database_changes() {
            self.settle_database_change(client, change);
        }
        let mut facts = self.effects.take_key_events();
        self.gather_facts(&mut facts);
        let mut untold = None;
        for fact in facts.drain(..) {
            self.settle_fact(client, fact, &mut untold);
        }
        self.touch_untold(client, &mut untold);
        self.effects.restore_key_events(facts);
        self.bury_doomed();
        self.keyspace.shared.settled();
        if !self.keyspace.shared.ready.is_empty() || self.blocking.has_ready() {
            self.unit.mark_eventful();
        }
    }

    /// Merges the removals recorded by the keyspace into the facts stated by the command.
    fn gather_facts(&mut self, facts: &mut Vec<KeyEvent>) {
        let noted = Noted::take(&mut self.keyspace.shared, &self.tuning);
        noted.settle(facts, |db, words| {
            let argv = words.iter().collect();
            self.unit.record(&self.effects, db, argv, Target::Everybody);
        });
    }

    /// Handles one fact. `untold` is a change reported to watching and tracking clients only after
    /// all its events are published.
    fn settle_fact(&mut self, client: ClientId, fact: KeyEvent, untold: &mut Option<KeyEvent>) {
        let mut touches = fact.event.is_none_or(|event| event.touches);
        if touches {
            let same = |other: &KeyEvent| other.db == fact.db && other.key == fact.key;
            let continues = untold.as_ref().is_some_and(same);
            if !continues {
                self.touch_untold(client, untold);
            }
            if !continues && !fact.event.is_some_and(|event| event.is_told_first) {
                self.touch(client, &fact);
                touches = false;
            }
        }
        if self.effects.interest().has(Interest::AGES) {
            self.keyspace.db(fact.db).note_change(&fact.key);
        }
        if let Some(event) = fact.event {
            publish::notify(self, event, &fact);
        }
        if touches {
            let is_whole = matches!(fact.event, Some(Event::EXPIRED | Event::EVICTED));
            untold.get_or_insert(fact);
            if is_whole {
                self.touch_untold(client, untold);
            }
        }
    }

    fn touch_untold(&mut self, client: ClientId, untold: &mut Option<KeyEvent>) {
        if let Some(fact) = untold.take() {
            self.touch(client, &fact);
        }
    }

    /// Reports a changed key to watching and tracking clients. `client` is the client being served,
    /// even if the change is not its own.
    fn touch(&mut self, client: ClientId, fact: &KeyEvent) {
        if !self.watch.is_empty() {
            let keyspace = &self.keyspace;
            let is_there = || keyspace.holds(fact.db, &fact.key);
            self.watch.touch(fact.db, &fact.key, is_there);
        }
        if !self.tracking.is_empty() {
            let by = match fact.is_background {
                true => ClientId::NOBODY,
                false => client,
            };
            invalidate::invalidate(self, client, by, &fact.key);
        }
    }

    /// Handles a change of whole databases.
    #[cold]
    fn settle_database_change(&mut self, client: ClientId, change: DatabaseChange) {
        if change == DatabaseChange::FlushedAll {
            jobs::reset_snapshot(self);
        }
        if !self.watch.is_empty() {
            self.watch.touch_database(&self.keyspace, change);
        }
        if !self.tracking.is_empty() && !matches!(change, DatabaseChange::Swapped(..)) {
            // As in Redis, invalidations precede the reply of a flush that waits for its
            // completion.
            let first = self.keyspace.shared.await_lazy_free && self.unit.is_outermost();
            self.clients.set_mail_goes_first(first);
            self.unit.mark_eventful();
            invalidate::invalidate_all(self, client);
        }
        self.blocking
            .note_database_change(change, self.keyspace.databases());
    }

    /// Frees removed keys and databases, expensive ones in the helper thread.
    fn bury_doomed(&mut self) {
        // As in Redis, a flush within a transaction is synchronous, and nothing of it counts as
        // freed in the background.
        let is_plain = self.keyspace.shared.await_lazy_free && self.unit.is_nested();
        let mut all = std::mem::take(&mut self.keyspace.shared.to_free);
        for mut job in all.drain(..) {
            if is_plain && matches!(job.garbage, Garbage::Entries(..)) {
                job.objects = 0;
            }
            if is_slow_to_drop(&job.garbage) {
                self.bio.defer_free(job);
            } else {
                self.bio.count_freed(job.objects);
                self.keyspace.drop_quickly(job.garbage);
            }
        }
        self.keyspace.shared.to_free = all;
        if std::mem::take(&mut self.keyspace.shared.await_lazy_free) && !self.bio.is_idle() {
            if self.unit.is_outermost() {
                self.unit.await_freeing();
            } else {
                self.bio.await_idle(SYNC_FLUSH_US);
            }
        }
    }

    /// Updates the set of effects that commands must state: those with a consumer.
    pub fn refresh_interest(&mut self) {
        let effects = &mut self.effects;
        let keys = !self.watch.is_empty() || !self.tracking.is_empty();
        effects.set_interest(Interest::KEYS, keys);
        self.gates.set(Gates::TRACKED, self.tracking.clients() > 0);
        let notifies = publish::notifies(self);
        self.effects.set_interest(Interest::EVENTS, notifies);
        let tells_fields = notifies && self.config.notify_keyspace_events.tells_fields();
        self.effects.set_interest(Interest::FIELDS, tells_fields);
        let is_lrm = self.keyspace.shared.aging.is_lrm();
        self.effects.set_interest(Interest::AGES, is_lrm);
        self.keyspace.shared.note_misses =
            notifies && self.config.notify_keyspace_events.has_class(b'm');
        self.keyspace.shared.note_removed_keys = keys || notifies || self.effects.propagates();
    }

    /// Ends the unit when the outermost call is over.
    pub(in crate::server) fn end_unit(&mut self, client: ClientId) {
        self.unit.end();
        self.propagate_pending();
        invalidate::send_own_invalid(self, client);
        self.clients.end_unit();
        if !self.keyspace.shared.ready.is_empty() || self.blocking.has_ready() {
            // Time stood still in a unit of several commands; clients served now see the current
            // time.
            self.clock.refresh();
            self.keyspace.set_now_ms(self.clock.now_ms());
        }
        self.serve_ready();
    }
}
