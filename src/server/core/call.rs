//! The execution path of all commands, whatever their source.

use crate::command::context::Caller;
use crate::command::spec::{ARBITRARY_KEYS, READONLY};
use crate::command::{Args, CmdError, CmdResult, Cx, Reply, Wait};
use crate::observe::Observe;
use crate::resp::request::{Argv, Tag};
use crate::server::Server;
use crate::server::clients::invalidate;
use crate::server::clients::monitors;
use crate::server::clients::session::{Ending, Session};
use crate::server::core::admit::Verdict;
use crate::server::core::after_command::{count_hot_keys, log_large_request};
use crate::server::core::table::Handler;
use crate::server::core::undelivered;
use crate::server::core::unit::Ran;
use crate::server::gates::Gates;

/// Minimum interval between log lines about connections that speak HTTP, in milliseconds, as in
/// Redis.
const CROSS_PROTOCOL_QUIET_MS: u64 = 60_000;

/// Returns whether the words are those of an HTTP request (cross-protocol scripting attack).
fn is_cross_protocol(argv: &Argv) -> bool {
    let name = argv.at(0);
    name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:")
}

/// Closes a connection that speaks HTTP, and logs it at most once a minute.
#[cold]
fn abort_cross_protocol(observe: &mut Observe, now_ms: u64, session: &mut Session) {
    if observe.logs_cross_protocol(now_ms, CROSS_PROTOCOL_QUIET_MS) {
        log::warn!(
            "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: \
             commands to Redis. Connection from {} aborted.",
            session.addresses.0
        );
    }
    session.ending = Ending::Now;
}

impl Server {
    /// Looks up a command, checks the gates and calls it; an error becomes the reply. Returns false
    /// if the command must wait and stays where it is.
    #[inline(always)]
    pub fn execute(
        &mut self,
        session: &mut Session,
        argv: Argv,
        tag: Tag,
        reply: &mut Reply,
    ) -> bool {
        let number = match tag.command {
            0 => match self.table.lookup(argv.at(0)) {
                Some(number) => number,
                None => {
                    self.answer_unknown(session, &argv, reply);
                    return true;
                }
            },
            command => command - 1,
        };
        let (number, skip) = match self.table.resolve(number, &argv) {
            Ok(found) => found,
            Err(error) => {
                self.refuse_form(session, number, &argv, error, reply);
                return true;
            }
        };
        let spec = self.table[number].spec;
        // A rejected command is logged with its name.
        session.last_command = Some(number);
        match self.admit(session, number, spec, &argv, reply) {
            Verdict::Run => {}
            Verdict::Wait => {
                self.pause.hold(session);
                return false;
            }
            Verdict::Refuse(error) => {
                self.refuse(session, number, error, reply);
                return true;
            }
            Verdict::Queue => {
                self.queue(session, number, skip, argv, reply);
                return true;
            }
        }
        let mut args = Args::new(argv, skip);
        if tag.hashed {
            args = args.with_key_hash(self.table[number].first_key as usize, tag.hash);
            if tag.packed {
                args = args.with_element_hash(tag.element_hash);
            }
        }
        self.call(session, number, args, reply);
        true
    }

    /// Rejects an unknown subcommand or a wrong number of arguments. Unknown subcommands are not
    /// attributed to any command's stats; arity errors count as `rejected_calls` of the resolved
    /// one.
    #[cold]
    fn refuse_form(
        &mut self,
        session: &mut Session,
        number: u16,
        argv: &Argv,
        error: CmdError,
        reply: &mut Reply,
    ) {
        if self.table[number].subcommands.is_empty() || argv.len() == 1 {
            return self.refuse(session, number, error, reply);
        }
        match self.table.subcommand(number, argv.at(1)) {
            Some(number) => self.refuse(session, number, error, reply),
            None => {
                session.last_command = None;
                self.fail_transaction(session, None, &error, reply);
            }
        }
    }

    /// Replies with an error instead of running a command.
    #[cold]
    fn refuse(&mut self, session: &mut Session, number: u16, error: CmdError, reply: &mut Reply) {
        self.table[number].stats.rejected += 1;
        session.last_command = Some(number);
        let spec = self.table[number].spec;
        self.fail_transaction(session, Some(spec), &error, reply);
    }

    /// Replies to an unknown command; an HTTP request closes the connection instead.
    #[cold]
    fn answer_unknown(&mut self, session: &mut Session, argv: &Argv, reply: &mut Reply) {
        session.last_command = None;
        if is_cross_protocol(argv) {
            abort_cross_protocol(&mut self.observe, self.clock.mono_ms(), session);
            return;
        }
        let error = CmdError::unknown_command(argv);
        self.fail_transaction(session, None, &error, reply);
    }

    /// Runs a command: the handler, its timing, its statistics, and its effects.
    #[inline(always)]
    pub fn call(&mut self, session: &mut Session, number: u16, mut args: Args, reply: &mut Reply) {
        let slot = &self.table[number];
        let handler = slot.handler;
        reply.set_may_end(!slot.writes);
        let dirty = self.effects.dirty();
        debug_assert!(
            self.unit.is_open() || self.unit.is_empty(),
            "a unit begins with nothing to propagate"
        );
        self.unit.enter();
        let confined = session.is_restricted() && self.is_confined(session, number, &args);
        // Without a key the hint is cleared: the address of an earlier command's key may now hold
        // other bytes.
        match args.hashed_key() {
            Some((key, hash)) => self.keyspace.hint(key, hash),
            None => self.keyspace.forget_hint(),
        }
        let written = reply.written();
        let result: CmdResult = match handler {
            Handler::Data(run) => {
                let mut cx = Cx {
                    keyspace: &mut self.keyspace,
                    effects: &mut self.effects,
                    tuning: &self.tuning,
                    rng: &mut self.rng,
                    db: session.db,
                    caller: Caller {
                        must_obey: session.must_obey,
                        in_script: self.frame.in_script(),
                        confined,
                        trusted: session.trusted,
                        may_wait: self.frame.may_block(session),
                        nested: self.unit.is_nested(),
                    },
                };
                run(&mut cx, &mut args, reply)
            }
            Handler::Server(run) => run(self, session, &mut args, reply),
        };
        let failed = result.is_err();
        if let Err(error) = result {
            if let CmdError::Wait(wait) = error {
                return self.wait(session, number, &args, wait, reply);
            }
            if !matches!(error, CmdError::Replied) {
                self.stats.reply_error(&error, reply);
                if session.must_obey && !self.frame.in_script() {
                    undelivered::report_error(self, session, &error.bytes());
                }
            }
        }
        let now = self.clock.cycles();
        let ns = self.clock.cycles_to_ns(self.frame.lap(now));
        let stats = &mut self.table[number].stats;
        stats.calls += 1;
        stats.ns += ns;
        stats.failed += failed as u64;
        if self.observe.tracks_latency() {
            stats.latency.record(ns);
        }
        self.stats.commands += 1;
        session.commands_run += 1;
        let replied = reply.written().saturating_sub(written);
        if self.observe.is_noticed(ns, replied) {
            self.notice(session, number, args.argv(), (ns, replied));
        }
        if self.gates.has(Gates::BEHIND) {
            self.look_behind(session, number, &args, reply, (ns, replied));
        }
        self.leave(session, number, &args, dirty);
    }

    /// Feeds a command to the monitors, logs its request if that is large, counts it for the hottest keys, and remembers the keys it
    /// read for a tracking client. It took so many nanoseconds and replied so many bytes.
    #[cold]
    fn look_behind(
        &mut self,
        session: &Session,
        number: u16,
        args: &Args,
        reply: &mut Reply,
        (ns, replied): (u64, usize),
    ) {
        if self.gates.has(Gates::RECOUNTED) {
            let counted = self.keyspace.iter().all(|(_, db)| db.counts_sizes());
            assert!(counted, "the sizes of values are counted");
        }
        if self.gates.has(Gates::HOTKEYS) && !self.frame.in_script() {
            count_hot_keys(self, number, &args.argv(), ns, replied);
        }
        // A command that blocked and resumed was fed on its first run.
        if self.gates.has(Gates::MONITORED) && !self.frame.is_resumed() {
            monitors::feed(self, session, number, &args.argv(), reply);
        }
        log_large_request(self, session, number, args);
        if session.tracks {
            let spec = self.table[number].spec;
            // The commands a script calls remember their own keys.
            if spec.flags.has(READONLY) && spec.script.is_none() {
                invalidate::remember_keys(self, session, number, &args.argv());
            }
            if !self.table.is_of_client(number) {
                invalidate::forget_caching(self, session);
            }
        }
    }

    /// Settles the effects of a command, and ends the unit if this was the outermost call.
    #[inline(always)]
    fn leave(&mut self, session: &mut Session, number: u16, args: &Args, dirty: u64) {
        self.settle(Ran {
            client: session.id,
            db: session.db,
            argv: args.argv(),
            changed: self.effects.dirty() != dirty,
        });
        if self.unit.leave() {
            self.leave_eventful(session, number);
        }
        debug_assert!(
            self.unit.is_open() || self.unit.is_empty(),
            "a unit ends with everything propagated"
        );
        session.written_to = self.replication.offset();
    }

    /// Ends the unit of an outermost call that has effects to handle.
    #[cold]
    fn leave_eventful(&mut self, session: &mut Session, number: u16) {
        let flags = self.table[number].spec.flags;
        self.unit.set_loose(flags.has(ARBITRARY_KEYS));
        if self.unit.take_awaits_freeing() {
            self.await_freeing(session);
        }
        self.end_unit(session.id);
    }

    /// Blocks the caller of a command that has no reply yet. The command is counted when it
    /// replies.
    #[cold]
    fn wait(
        &mut self,
        session: &mut Session,
        number: u16,
        args: &Args,
        wait: Box<Wait>,
        reply: &mut Reply,
    ) {
        if self.gates.has(Gates::MONITORED) && !self.frame.is_resumed() {
            monitors::feed(self, session, number, &args.argv(), reply);
        }
        log_large_request(self, session, number, args);
        // It has read the key, even if it found nothing to return yet.
        if session.tracks && self.table[number].spec.flags.has(READONLY) {
            invalidate::remember_keys(self, session, number, &args.argv());
        }
        self.park(session, number, args, wait);
        self.frame.start(self.clock.cycles());
        let written_to = session.written_to;
        self.leave(session, number, args, self.effects.dirty());
        session.written_to = written_to;
    }
}
