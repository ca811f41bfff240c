//! After a slow command: the clock, the slow log and the latency monitor.

use crate::command::spec::{FAST, SKIP_SLOWLOG};
use crate::observe::slowlog::{Entry, cut};
use crate::resp::request::Argv;
use crate::server::Server;
use crate::server::clients::redact::is_secret;
use crate::server::clients::session::Session;

impl Server {
    /// Records a command that exceeded one of the thresholds.
    #[cold]
    pub fn notice(&mut self, session: &Session, number: u16, argv: Argv, ns: u64) {
        self.clock.catch_up(self.frame.began);
        if !self.unit.is_nested() {
            self.keyspace.set_now_ms(self.clock.now_ms());
        }
        let slot = &self.table[number];
        let event = match slot.spec.flags.has(FAST) {
            true => "fast-command",
            false => "command",
        };
        self.observe
            .latency
            .note(event, self.clock.now_s(), ns / 1_000_000);
        let slowlog = &mut self.observe.slowlog;
        if ns < slowlog.threshold_ns || slot.spec.flags.has(SKIP_SLOWLOG) {
            return;
        }
        let spec = slot.spec;
        let args = (0..argv.len()).map(|index| argv.at(index));
        // A script has no connection of its own.
        let (peer, client) = match self.frame.in_script {
            true => Default::default(),
            false => (session.addresses.0.clone(), session.name.clone()),
        };
        let entry = Entry {
            id: 0,
            unix_s: self.clock.now_s(),
            duration_us: ns / 1000,
            args: cut(args, |index| is_secret(spec, &argv, index)),
            peer,
            name: client,
        };
        slowlog.push(entry, self.config.slowlog_max_len as usize);
    }
}
