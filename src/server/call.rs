//! The one path by which commands run, whoever calls.

use super::Server;
use super::admit::Verdict;
use super::session::Session;
use super::table::Handler;
use crate::command::context::Caller;
use crate::command::{Args, CmdError, CmdResult, Cx, Reply};
use crate::resp::request::{Argv, Tag};

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
                    let error = self.unknown_command(&argv);
                    self.refuse(None, error, reply);
                    return true;
                }
            },
            command => command - 1,
        };
        let (number, skip) = match self.resolve(number, &argv) {
            Ok(found) => found,
            Err(error) => {
                self.refuse(Some(number), error, reply);
                return true;
            }
        };
        match self.admit(session, self.table[number].spec) {
            Verdict::Run => {}
            Verdict::Wait => return false,
            Verdict::Refuse(error) => {
                self.refuse(Some(number), error, reply);
                return true;
            }
        }
        let mut args = Args::new(argv, skip);
        if tag.hashed {
            args = args.with_key_hash(self.table[number].first_key as usize, tag.hash);
        }
        self.call(session, number, args, reply);
        true
    }

    /// The command itself or the subcommand that is meant, with checked arity, and how many words
    /// name it.
    #[inline(always)]
    fn resolve(&self, number: u16, argv: &Argv) -> Result<(u16, usize), CmdError> {
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
            return Err(CmdError::UnknownSubcommand {
                container: self.table[number].spec.name.to_uppercase(),
                sub: String::from_utf8_lossy(&name[..name.len().min(128)]).into_owned(),
            });
        };
        let slot = &self.table[sub];
        if !slot.spec.accepts(argv.len()) {
            return Err(CmdError::Arity(slot.full_name.clone()));
        }
        Ok((sub, 2))
    }

    /// Answers with an error instead of running a command.
    #[cold]
    fn refuse(&mut self, number: Option<u16>, error: CmdError, reply: &mut Reply) {
        if let Some(number) = number {
            self.table[number].stats.rejected += 1;
        }
        self.reply_error(&error, reply);
    }

    #[cold]
    fn reply_error(&mut self, error: &CmdError, reply: &mut Reply) {
        let text = error.to_string();
        self.stats.count_error(text.as_bytes());
        let _ = reply.error(text.as_bytes());
    }

    /// Runs a command: the handler, its time, its statistics, and what follows from its effects.
    #[inline(always)]
    pub fn call(&mut self, session: &mut Session, number: u16, mut args: Args, reply: &mut Reply) {
        let handler = self.table[number].handler;
        let argv = args.argv();
        let result: CmdResult = match handler {
            Handler::Data(run) => {
                let mut cx = Cx {
                    keyspace: &mut self.keyspace,
                    effects: &mut self.effects,
                    tuning: &self.tuning,
                    rng: &mut self.rng,
                    db: session.db,
                    caller: Caller {
                        id: session.id.0,
                        must_obey: false,
                    },
                };
                run(&mut cx, &mut args, reply)
            }
            Handler::Server(run) => run(self, session, &mut args, reply),
        };
        let failed = result.is_err();
        if let Err(error) = result {
            self.reply_error(&error, reply);
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
        session.last_command = Some(number);
        if ns >= self.observe.noticed_ns {
            self.notice(session, number, argv, ns);
        }
        self.settle();
    }
}
