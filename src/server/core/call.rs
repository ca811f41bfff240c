//! The one path by which commands run, whoever calls.

use crate::command::context::Caller;
use crate::command::spec::{ARBITRARY_KEYS, READONLY};
use crate::command::{Args, CmdError, CmdResult, Cx, Reply, Wait};
use crate::resp::request::{Argv, Tag};
use crate::server::Server;
use crate::server::clients::invalidate;
use crate::server::clients::monitors;
use crate::server::clients::session::Session;
use crate::server::core::admit::Verdict;
use crate::server::core::table::Handler;
use crate::server::core::undelivered;
use crate::server::core::unit::Ran;
use crate::server::gates::Gates;

impl Server {
    /// Looks a command up, asks the gates and calls it; an error is the answer. False if the
    /// command has to wait and stays where it is.
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
        let (number, skip) = match self.resolve(number, &argv) {
            Ok(found) => found,
            Err(error) => {
                self.refuse_form(session, number, &argv, error, reply);
                return true;
            }
        };
        let spec = self.table[number].spec;
        // What is refused is logged with it.
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

    /// The command itself or the subcommand that is meant, with checked arity, and how many words
    /// name it.
    #[inline(always)]
    pub(in crate::server) fn resolve(
        &self,
        number: u16,
        argv: &Argv,
    ) -> Result<(u16, usize), CmdError> {
        let slot = &self.table[number];
        if !slot.subcommands.is_empty() && argv.len() > 1 {
            return self.resolve_subcommand(number, argv);
        }
        if !slot.spec.accepts(argv.len()) {
            return Err(CmdError::Arity(slot.full_name.clone()));
        }
        Ok((number, 1))
    }

    fn resolve_subcommand(&self, number: u16, argv: &Argv) -> Result<(u16, usize), CmdError> {
        let name = argv.at(1);
        let Some(sub) = self.table.subcommand(number, name) else {
            let container = self.table[number].spec.name;
            return Err(CmdError::unknown_subcommand(container, name));
        };
        let slot = &self.table[sub];
        if !slot.spec.accepts(argv.len()) {
            return Err(CmdError::Arity(slot.full_name.clone()));
        }
        Ok((sub, 2))
    }

    /// Refuses what has the wrong form. A subcommand that nobody knows counts for no command; a wrong
    /// number of arguments counts for the one that is meant.
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

    /// Answers with an error instead of running a command.
    #[cold]
    fn refuse(&mut self, session: &mut Session, number: u16, error: CmdError, reply: &mut Reply) {
        self.table[number].stats.rejected += 1;
        session.last_command = Some(number);
        let spec = self.table[number].spec;
        self.fail_transaction(session, Some(spec), &error, reply);
    }

    /// A name nobody knows is an error, or the words of a browser that was led here.
    #[cold]
    fn answer_unknown(&mut self, session: &mut Session, argv: &Argv, reply: &mut Reply) {
        session.last_command = None;
        if self.is_cross_protocol(argv) {
            self.abort_cross_protocol(session);
            return;
        }
        let error = self.unknown_command(argv);
        self.fail_transaction(session, None, &error, reply);
    }

    #[cold]
    pub(in crate::server) fn reply_error(&mut self, error: &CmdError, reply: &mut Reply) {
        let text = error.bytes();
        self.stats.count_error(&text);
        let _ = reply.error(&text);
    }

    /// Runs a command: the handler, its time, its statistics, and what follows from its effects.
    #[inline(always)]
    pub fn call(&mut self, session: &mut Session, number: u16, mut args: Args, reply: &mut Reply) {
        let slot = &self.table[number];
        let handler = slot.handler;
        reply.set_may_end(!slot.writes);
        let dirty = self.effects.dirty;
        self.enter_unit();
        let confined = session.is_restricted() && self.is_confined(session, number, &args);
        // Other bytes may stand where an earlier command had its key.
        match args.hashed_key() {
            Some((key, hash)) => self.keyspace.hint(key, hash),
            None => self.keyspace.forget_hint(),
        }
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
                        in_script: session.in_script,
                        confined,
                        trusted: session.trusted,
                        may_wait: !session.deny_blocking,
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
                self.reply_error(&error, reply);
                if session.must_obey && !session.in_script {
                    undelivered::report_error(self, session, &error.bytes());
                }
            }
        }
        let now = self.clock.cycles();
        let ns = self.clock.cycles_to_ns(now.wrapping_sub(self.life.stamp));
        self.life.stamp = now;
        let stats = &mut self.table[number].stats;
        stats.calls += 1;
        stats.ns += ns;
        stats.failed += failed as u64;
        if self.observe.tracking {
            stats.latency.record(ns);
        }
        self.stats.commands += 1;
        session.commands_run += 1;
        if ns >= self.observe.noticed_ns {
            self.notice(session, number, args.argv(), ns);
        }
        if self.gates.0 & Gates::BEHIND != 0 {
            self.look_behind(session, number, &args, reply);
        }
        self.leave(session, number, &args, dirty);
    }

    /// What those see of a command who watch all of them, and who cache what they read.
    #[cold]
    fn look_behind(&mut self, session: &Session, number: u16, args: &Args, reply: &mut Reply) {
        // Who ran this before, and waited, was seen then.
        if self.gates.0 & Gates::MONITORED != 0 && session.resumed.is_none() {
            monitors::feed(self, session, number, &args.argv(), reply);
        }
        if session.tracks {
            let spec = self.table[number].spec;
            // What a script reads it calls itself.
            if spec.flags.has(READONLY) && spec.script.is_none() {
                invalidate::remember_keys(self, session, number, &args.argv());
            }
            if !self.table.is_of_client(number) {
                invalidate::forget_caching(self, session);
            }
        }
    }

    /// The effects of a command are settled, and the unit ends if it was all of it.
    #[inline(always)]
    fn leave(&mut self, session: &mut Session, number: u16, args: &Args, dirty: u64) {
        self.settle(Ran {
            client: session.id,
            db: session.db,
            argv: args.argv(),
            changed: self.effects.dirty != dirty,
        });
        self.unit.depth -= 1;
        if self.unit.is_eventful && self.unit.depth == 0 {
            self.leave_eventful(session, number);
        }
        session.written_to = self.replication.offset();
    }

    /// The outermost call is over, and something follows from it.
    #[cold]
    fn leave_eventful(&mut self, session: &mut Session, number: u16) {
        let flags = self.table[number].spec.flags;
        self.unit.is_loose = flags.has(ARBITRARY_KEYS);
        if self.unit.awaits_freeing {
            self.await_freeing(session);
        }
        self.end_unit(session.id);
    }

    /// A command has nothing to answer yet. It counts when it answers.
    #[cold]
    fn wait(
        &mut self,
        session: &mut Session,
        number: u16,
        args: &Args,
        wait: Box<Wait>,
        reply: &mut Reply,
    ) {
        if self.gates.0 & Gates::MONITORED != 0 && session.resumed.is_none() {
            monitors::feed(self, session, number, &args.argv(), reply);
        }
        // It has read, if only that there is nothing yet.
        if session.tracks && self.table[number].spec.flags.has(READONLY) {
            invalidate::remember_keys(self, session, number, &args.argv());
        }
        self.park(session, number, args, wait);
        self.life.stamp = self.clock.cycles();
        let written_to = session.written_to;
        self.leave(session, number, args, self.effects.dirty);
        session.written_to = written_to;
    }
}
