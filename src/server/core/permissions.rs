//! ACL rules applied to sessions: permission checks, their denials, and the disconnection of
//! sessions when rules change.
//!
//! A session holds the name of its user and three bits derived from it, so that an unrestricted
//! user needs no lookup: whether the session is authenticated, whether its commands must be
//! checked, and whether its RESTORE payloads are trusted. `enroll` sets them; code that changes
//! users calls `enroll_all` afterwards.

use crate::acl::{self, Acl, Context, DEFAULT_USER, Denial, Event, Reason, Request, Users};
use crate::command::spec::BY_PATTERN;
use crate::command::{Args, CmdError};
use crate::config::{AclPubsubDefault, os_reason};
use crate::multi::Queued;
use crate::pubsub::Scope;
use crate::resp::request::Argv;
use crate::server::Server;
use crate::server::clients::describe;
use crate::server::clients::session::{ClientId, Ending, Session, Special};
use std::os::unix::ffi::OsStrExt;

impl Server {
    /// Applies `acl-pubsub-default` and `acllog-max-len`.
    pub fn apply_acl(&mut self) {
        let all_channels = self.config.acl_pubsub_default == AclPubsubDefault::AllChannels;
        self.acl.configure(all_channels, self.config.acllog_max_len);
    }

    /// Applies `requirepass`. Authenticated sessions stay so; without a password every session is.
    pub(in crate::server) fn apply_password(&mut self) {
        self.acl.set_default_password(&self.config.requirepass);
        self.enroll_all();
    }

    /// Derives a session's permission bits from its user.
    pub fn enroll(&self, session: &mut Session) {
        follow(&self.acl, session);
    }

    /// Derives the permission bits of all sessions except the caller's, which is checked out.
    pub(in crate::server) fn enroll_all(&mut self) {
        let acl = &self.acl;
        for (_, client) in self.clients.iter_mut() {
            follow(acl, &mut client.session);
        }
    }

    /// Resets a session to the default user, authenticated or not as a new connection would be.
    pub fn welcome(&self, session: &mut Session) {
        session.user = DEFAULT_USER.to_vec();
        session.vouched = self.acl.admits_strangers();
        self.enroll(session);
    }

    /// Authenticates a session as a user, if the password is right.
    pub(in crate::server) fn log_in(
        &mut self,
        session: &mut Session,
        user: &[u8],
        password: &[u8],
        argv: &Argv,
    ) -> bool {
        if self.acl.authenticate(user, password) {
            session.vouched = true;
            session.user = user.to_vec();
            self.enroll(session);
            return true;
        }
        self.stats.auth_denied += 1;
        let event = Event {
            reason: Reason::Auth,
            context: context_of(session),
            object: argv.at(0).to_vec(),
            user: user.to_vec(),
            client: describe::caller_line(self, session, argv),
        };
        self.acl.log.add(event, self.clock.now_ms());
        false
    }

    /// Returns what the ACL denies a restricted user about a command, and adds it to the ACL log.
    #[cold]
    pub(in crate::server) fn denial(
        &mut self,
        session: &Session,
        number: u16,
        argv: &Argv,
        context: Context,
    ) -> Option<Denial> {
        let denial = self.ask_rules(session, number, argv).err()?;
        let (reason, count) = match denial {
            Denial::Command => (Reason::Command, &mut self.stats.command_denied),
            Denial::Key(_) => (Reason::Key, &mut self.stats.key_denied),
            Denial::Channel(_) => (Reason::Channel, &mut self.stats.channel_denied),
        };
        *count += 1;
        let command = &self.table[number].full_name;
        let event = Event {
            reason,
            context,
            object: denial.argument(argv).unwrap_or(command.as_bytes()).to_vec(),
            user: session.user.clone(),
            client: describe::caller_line(self, session, argv),
        };
        self.acl.log.add(event, self.clock.now_ms());
        Some(denial)
    }

    /// Checks a command against the ACL rules of a session's user.
    pub(in crate::server) fn ask_rules(
        &mut self,
        session: &Session,
        number: u16,
        argv: &Argv,
    ) -> Result<(), Denial> {
        let request = Request {
            number,
            spec: self.table[number].spec,
            argv: *argv,
        };
        self.acl.check(&session.user, &request)
    }

    /// The ACL gate: returns the error for a denied command.
    #[cold]
    pub(in crate::server) fn forbidden(
        &mut self,
        session: &Session,
        number: u16,
        argv: &Argv,
    ) -> Option<CmdError> {
        let denial = self.denial(session, number, argv, context_of(session))?;
        let text = denial.text(&session.user, &self.table[number].full_name);
        Some(CmdError::Bytes([b"NOPERM ".as_slice(), &text].concat()))
    }

    /// The ACL gate for a command that was allowed when it was queued.
    pub(in crate::server) fn revoked(
        &mut self,
        session: &Session,
        queued: &Queued,
    ) -> Option<CmdError> {
        if !session.is_restricted() {
            return None;
        }
        let argv = queued.argv.as_argv();
        let denial = self.denial(session, queued.number, &argv, Context::Multi)?;
        Some(CmdError::Text(format!(
            "NOPERM ACLs rules changed between the moment the transaction was accumulated and the \
             EXEC call. This command is no longer allowed for the following reason: {}",
            denial.reason()
        )))
    }

    /// Returns whether a command that may touch undeclared keys must not read them.
    #[cold]
    pub(in crate::server) fn is_confined(
        &mut self,
        session: &Session,
        number: u16,
        args: &Args,
    ) -> bool {
        let spec = self.table[number].spec;
        let argv = args.argv();
        let request = Request { number, spec, argv };
        spec.flags.has(BY_PATTERN) && !self.acl.may_look_around(&session.user, &request)
    }

    /// Disconnects the sessions selected by `is_doomed`, the caller's after its reply. They lose
    /// their permissions at once, so input still buffered is denied.
    fn expel(&mut self, caller: &mut Session, is_doomed: impl Fn(&Server, &Session) -> bool) {
        let all = self.clients.iter();
        let doomed: Vec<usize> = all
            .filter(|(_, client)| !client.session.must_obey && is_doomed(self, &client.session))
            .map(|(slot, _)| slot)
            .collect();
        for slot in doomed {
            if let Some(client) = self.clients.get_mut(slot) {
                client.session.user = DEFAULT_USER.to_vec();
                client.session.vouched = false;
            }
            self.clients.close(slot, Ending::Now);
        }
        if is_doomed(self, caller) {
            caller.user = DEFAULT_USER.to_vec();
            caller.vouched = false;
            caller.ending = Ending::AfterReply;
        }
    }

    /// Returns whether a session is subscribed to a channel that these patterns do not allow.
    fn overhears(&self, client: ClientId, allowed: &[Vec<u8>]) -> bool {
        [Scope::Pattern, Scope::Channel, Scope::Shard]
            .into_iter()
            .any(|scope| {
                let heard = self.pubsub.subscriptions(scope, client.0);
                let is_pattern = scope == Scope::Pattern;
                let mut heard = heard.iter();
                heard.any(|name| !acl::fits(allowed, name, is_pattern))
            })
    }

    /// Handles a changed or created user. `remaining`: the channels it may still access of those it
    /// had.
    pub(in crate::server) fn user_changed(
        &mut self,
        caller: &mut Session,
        name: &[u8],
        remaining: acl::Remaining,
    ) {
        if let Some(allowed) = remaining {
            self.expel(caller, |server, session| {
                session.user == name && server.overhears(session.id, &allowed)
            });
        }
        self.enroll_all();
        self.enroll(caller);
    }

    /// Handles a deleted user: disconnects its sessions.
    pub(in crate::server) fn user_deleted(&mut self, caller: &mut Session, name: &[u8]) {
        self.expel(caller, |_, session| session.user == name);
        self.enroll_all();
        self.enroll(caller);
    }

    /// Handles the replacement of all users: disconnects sessions whose user is gone, and
    /// subscribers of channels now denied.
    pub(in crate::server) fn users_replaced(&mut self, caller: &mut Session, before: &Users) {
        self.expel(caller, |server, session| {
            if session.user == DEFAULT_USER {
                return false;
            }
            let Some(user) = server.acl.user(&session.user) else {
                return true;
            };
            let before = before.get(&session.user);
            let remaining = before.and_then(|before| user.channels_after(before));
            remaining.is_some_and(|allowed| server.overhears(session.id, &allowed))
        });
        self.enroll_all();
        self.enroll(caller);
    }

    /// Loads the ACL file; returns the previous users, or the errors of the file.
    pub(in crate::server) fn load_users(&mut self) -> Result<Users, Vec<u8>> {
        let path = &self.config.aclfile;
        let name = String::from_utf8_lossy(path);
        match std::fs::read(std::ffi::OsStr::from_bytes(path)) {
            Ok(text) => self.acl.load(&text, &name),
            // A directory can be opened, but has no lines.
            Err(error) if error.kind() == std::io::ErrorKind::IsADirectory => {
                self.acl.load(b"", &name)
            }
            Err(error) => {
                let reason = os_reason(&error);
                let text = format!("Error loading ACLs, opening file '{name}': {reason}");
                Err(text.into_bytes())
            }
        }
    }

    /// Loads the users of the configuration or of the ACL file at startup. The error is for the
    /// log.
    pub(in crate::server) fn load_first_users(&mut self) -> Result<(), String> {
        if !self.config.aclfile.is_empty() && !self.config.users.is_empty() {
            return Err(
                "Configuring Redis with users defined in redis.conf and at the same setting an \
                 ACL file path is invalid. This setup is very likely to lead to configuration \
                 errors and security holes, please define either an ACL file or declare users \
                 directly in your redis.conf, but not both."
                    .into(),
            );
        }
        let configured = self.acl.configure_users(&self.config.users);
        configured.map_err(|why| {
            log::warn!("{why}");
            "Critical error while loading ACLs. Exiting.".to_owned()
        })?;
        if !self.config.aclfile.is_empty() {
            self.load_users().map_err(|why| {
                let why = String::from_utf8_lossy(&why);
                format!("Aborting Redis startup because of ACL errors: {why}")
            })?;
        }
        Ok(())
    }
}

/// Derives the permission bits. Commands of a primary or an AOF are never checked.
fn follow(acl: &Acl, session: &mut Session) {
    session.authenticated = session.vouched || acl.admits_strangers();
    session.trusted = acl.is_trusted(&session.user);
    let restricted = !session.must_obey && acl.is_restricted(&session.user);
    session.special.set(Special::RESTRICTED, restricted);
}

/// Returns the context of a denial for the ACL log.
fn context_of(session: &Session) -> Context {
    match session.multi {
        Some(_) => Context::Multi,
        None => Context::Toplevel,
    }
}
