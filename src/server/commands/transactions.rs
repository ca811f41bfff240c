//! Transactions: MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//!
//! Between MULTI and EXEC the admission checks queue commands instead of running them (`queue`).
//! EXEC runs the queue through the same `call` as any command, within its own execution unit: no
//! other client's command runs in between, no command blocks, and all of them are propagated
//! together.

use crate::command::effects::Propagate;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::multi::Queued;
use crate::resp::request::Argv;
use crate::server::clients::session::{Peer, Session, Special};
use crate::server::core::admit::{self, Admission, Origin};
use crate::server::core::undelivered;
use crate::server::{Server, ServerCommand};

pub static TABLE: &[ServerCommand] = &[MULTI, EXEC, DISCARD, WATCH, UNWATCH];

const MULTI: ServerCommand = Spec {
    name: "multi",
    flags: all(&[NOSCRIPT, LOADING, STALE, FAST, ALLOW_BUSY, IN_MULTI]),
    since: "1.2.0",
    summary: "Begins a transaction.",
    complexity: "O(1)",
    ..Spec::of(Group::Transactions)
}
.runs(multi);

fn multi(_: &mut Server, session: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    if session.multi.is_some() {
        return Err(CmdError::Fixed("ERR MULTI calls can not be nested"));
    }
    session.multi = Some(Box::default());
    session.special.set(Special::MULTI, true);
    reply.ok()
}

const EXEC: ServerCommand = Spec {
    name: "exec",
    flags: all(&[NOSCRIPT, LOADING, STALE, SKIP_SLOWLOG, IN_MULTI, RUNS_QUEUE]),
    since: "1.2.0",
    summary: "Runs the commands of a transaction.",
    complexity: "Depends on commands in the transaction",
    ..Spec::of(Group::Transactions)
}
.runs(exec);

fn exec(server: &mut Server, session: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    let Some(multi) = &mut session.multi else {
        return Err(CmdError::Fixed("ERR EXEC without MULTI"));
    };
    let queue = multi.take();
    if multi.failed {
        server.end_transaction(session);
        return Err(CmdError::Fixed(
            "EXECABORT Transaction discarded because of previous errors.",
        ));
    }
    if server.watch.is_dirty(session.id.0)
        || server.watch.has_expired(session.id.0, &server.keyspace)
    {
        server.end_transaction(session);
        return reply.null_array();
    }
    // Unwatched first, so that the queued commands need not be compared with the watched keys.
    unwatch_all(server, session);
    let result = server.run_queue(session, queue, reply);
    server.end_transaction(session);
    result
}

const DISCARD: ServerCommand = Spec {
    name: "discard",
    flags: all(&[NOSCRIPT, LOADING, STALE, FAST, ALLOW_BUSY, IN_MULTI]),
    since: "2.0.0",
    summary: "Gives a transaction up.",
    complexity: "O(N), when N is the number of queued commands",
    ..Spec::of(Group::Transactions)
}
.runs(discard);

fn discard(
    server: &mut Server,
    session: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    if session.multi.is_none() {
        return Err(CmdError::Fixed("ERR DISCARD without MULTI"));
    }
    server.end_transaction(session);
    reply.ok()
}

const WATCH: ServerCommand = Spec {
    name: "watch",
    flags: all(&[NOSCRIPT, LOADING, STALE, FAST, ALLOW_BUSY, IN_MULTI]),
    keys: &[KeySpec::range(1, -1, 1, &[RO])],
    usage: "key:key...",
    since: "2.2.0",
    summary: "Lets the next transaction run only if these keys stay as they are.",
    complexity: "O(1) for every key.",
    ..Spec::of(Group::Transactions)
}
.runs(watch);

fn watch(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    if session.multi.is_some() {
        return Err(CmdError::Fixed("ERR WATCH inside MULTI is not allowed"));
    }
    for key in args.rest().iter() {
        let was_expired = server.keyspace.is_overdue(session.db, key);
        server
            .watch
            .watch(session.id.0, session.db, key, was_expired);
    }
    server.refresh_interest();
    reply.ok()
}

const UNWATCH: ServerCommand = Spec {
    name: "unwatch",
    flags: all(&[NOSCRIPT, LOADING, STALE, FAST, ALLOW_BUSY]),
    since: "2.2.0",
    summary: "Forgets which keys were to stay as they are.",
    complexity: "O(1)",
    ..Spec::of(Group::Transactions)
}
.runs(unwatch);

fn unwatch(
    server: &mut Server,
    session: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    unwatch_all(server, session);
    reply.ok()
}

/// Removes a client from the watchers of its keys.
fn unwatch_all(server: &mut Server, session: &Session) {
    if server.watch.forget(session.id.0) {
        server.refresh_interest();
    }
}

impl Server {
    /// Queues a command of a client.
    #[cold]
    pub(in crate::server) fn queue(
        &mut self,
        session: &mut Session,
        number: u16,
        skip: usize,
        argv: Argv,
        reply: &mut Reply,
    ) {
        session.last_command = Some(number);
        let spec = self.table[number].spec;
        // The flags of a script come from its shebang line, and EXEC is refused for the flags of
        // the queued commands.
        let flags = self.script.flags_of_call(spec, &argv);
        // The transaction will not run, so the command need not be kept.
        let is_lost = self.watch.is_dirty(session.id.0);
        if let Some(multi) = session.multi.as_mut().filter(|multi| !multi.failed)
            && !is_lost
        {
            let argv = argv.to_owned();
            let command = Queued { number, skip, argv };
            multi.push(command, flags);
        }
        let _ = reply.simple("QUEUED");
    }

    /// Records that a command was refused: within a transaction, EXEC will then fail. A refusal of
    /// EXEC itself discards the transaction, and the reply says so.
    #[cold]
    pub(in crate::server) fn fail_transaction(
        &mut self,
        session: &mut Session,
        spec: Option<&Spec>,
        error: &CmdError,
        reply: &mut Reply,
    ) {
        if let Some(multi) = &mut session.multi {
            multi.failed = true;
        }
        if session.peer == Peer::Primary {
            undelivered::report_error(self, session, &error.bytes());
        }
        if spec.is_none_or(|spec| !spec.flags.has(RUNS_QUEUE)) {
            return self.stats.reply_error(error, reply);
        }
        self.end_transaction(session);
        let before = b"EXECABORT Transaction discarded because of: ";
        let why = error.bytes();
        let why = why.strip_prefix(b"ERR ").unwrap_or(&why);
        let text = [before.as_slice(), why].concat();
        self.stats.reply_error(&CmdError::Bytes(text), reply);
    }

    /// Runs the queue, each command with a reply of its own. As Redis counts, EXEC itself has
    /// failed if its last command is not allowed any more.
    fn run_queue(
        &mut self,
        session: &mut Session,
        queue: Vec<Queued>,
        reply: &mut Reply,
    ) -> CmdResult {
        let mut result = Ok(());
        self.unit.stop_time(self.frame.began());
        let outer = self.frame.enter(false);
        if !session.reply_mode.is_silent() {
            let _ = reply.array(queue.len());
        }
        for command in &queue {
            let silent = session.reply_mode.is_silent();
            let start = silent.then(|| reply.deferred());
            session.wire.output = reply.written();
            let argv = command.argv.as_argv();
            let spec = self.table[command.number].spec;
            let again = Admission::new(session, command.number, spec, argv, Origin::Exec);
            match admit::refusal(self, &again) {
                Some(error) => {
                    self.stats.reply_error(&error, reply);
                    result = Err(CmdError::Replied);
                }
                None => {
                    result = Ok(());
                    let args = Args::new(argv, command.skip);
                    self.call(session, command.number, args, reply);
                }
            }
            if let Some(start) = start
                && session.reply_mode.is_silent()
            {
                reply.undo(start);
            }
            reply.resp = session.resp;
        }
        // The duration and the effects of EXEC are those of its commands.
        self.frame.leave(outer);
        self.effects.set_propagate(Propagate::Nothing);
        result
    }

    /// Resets the state of MULTI and WATCH.
    pub fn end_transaction(&mut self, session: &mut Session) {
        session.multi = None;
        session.special.set(Special::MULTI, false);
        unwatch_all(self, session);
    }
}
