//! ACL rules applied to sessions: permission checks, their denials, and the disconnection of
//! sessions when rules change.
//!
//! A session holds the name of its user and three bits derived from it, so that an unrestricted
//! user needs no lookup: whether the session is authenticated, whether its commands must be
//! checked, and whether its RESTORE payloads are trusted. `enroll` sets them; code that changes
//! users calls `enroll_all` afterwards.

use crate::acl::{self, Acl, Context, DEFAULT_USER, Denial, Event, Reason, Request, Users};
use crate::command::Args;
use crate::command::spec::BY_PATTERN;
use crate::config::{Config, os_reason};
use crate::pubsub::{PubSub, Scope};
use crate::resp::request::Argv;
use crate::server::Server;
use crate::server::clients::session::{ClientId, Ending, Session, Special};
use crate::server::clients::{Client, Clients, describe};
use std::os::unix::ffi::OsStrExt;

impl Server {
    /// Applies `requirepass`. Authenticated sessions stay so; without a password every session is.
    pub(in crate::server) fn apply_password(&mut self) {
        self.acl.set_default_password(&self.config.requirepass);
        enroll_all(&self.acl, &mut self.clients);
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
            enroll(&self.acl, session);
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
            Denial::Database(_) => (Reason::Database, &mut self.stats.database_denied),
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
            db: session.db.0,
            dbs: self.config.databases,
        };
        self.acl.check(&session.user, &request, self.frame.keys())
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
        let request = Request {
            number,
            spec,
            argv,
            db: session.db.0,
            dbs: self.config.databases,
        };
        if !spec.flags.has(BY_PATTERN) {
            return false;
        }
        let keys = self.frame.keys();
        keys.forget();
        !self.acl.may_look_around(&session.user, &request, keys)
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
                session.user == name && overhears(&server.pubsub, session.id, &allowed)
            });
        }
        enroll_all(&self.acl, &mut self.clients);
        enroll(&self.acl, caller);
    }

    /// Handles a deleted user: disconnects its sessions.
    pub(in crate::server) fn user_deleted(&mut self, caller: &mut Session, name: &[u8]) {
        self.expel(caller, |_, session| session.user == name);
        enroll_all(&self.acl, &mut self.clients);
        enroll(&self.acl, caller);
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
            remaining.is_some_and(|allowed| overhears(&server.pubsub, session.id, &allowed))
        });
        enroll_all(&self.acl, &mut self.clients);
        enroll(&self.acl, caller);
    }
}

/// Derives the permission bits of all sessions except the caller's, which is checked out.
pub(in crate::server) fn enroll_all(acl: &Acl, clients: &mut Clients) {
    for (_, client) in clients.iter_mut() {
        enroll(acl, &mut client.session);
    }
}

/// Returns whether a session is subscribed to a channel that these patterns do not allow.
fn overhears(pubsub: &PubSub, client: ClientId, allowed: &[Vec<u8>]) -> bool {
    [Scope::Pattern, Scope::Channel, Scope::Shard]
        .into_iter()
        .any(|scope| {
            let heard = pubsub.subscriptions(scope, client.0);
            let is_pattern = scope == Scope::Pattern;
            let mut heard = heard.iter();
            heard.any(|name| !acl::fits(allowed, name, is_pattern))
        })
}

/// Loads the ACL file; returns the previous users, or the errors of the file.
pub(in crate::server) fn load_users(acl: &mut Acl, config: &Config) -> Result<Users, Vec<u8>> {
    let path = &config.aclfile;
    let name = String::from_utf8_lossy(path);
    match std::fs::read(std::ffi::OsStr::from_bytes(path)) {
        Ok(text) => acl.load(&text, &name),
        // A directory can be opened, but has no lines.
        Err(error) if error.kind() == std::io::ErrorKind::IsADirectory => acl.load(b"", &name),
        Err(error) => {
            let reason = os_reason(&error);
            let text = format!("Error loading ACLs, opening file '{name}': {reason}");
            Err(text.into_bytes())
        }
    }
}

/// Loads the users of the configuration or of the ACL file at startup. The error is for the
/// log.
pub(in crate::server) fn load_first_users(acl: &mut Acl, config: &Config) -> Result<(), String> {
    if !config.aclfile.is_empty() && !config.users.is_empty() {
        return Err(
            "Configuring Redis with users defined in redis.conf and at the same setting an \
             ACL file path is invalid. This setup is very likely to lead to configuration \
             errors and security holes, please define either an ACL file or declare users \
             directly in your redis.conf, but not both."
                .into(),
        );
    }
    let configured = acl.configure_users(&config.users);
    configured.map_err(|why| {
        log::warn!("{why}");
        "Critical error while loading ACLs. Exiting.".to_owned()
    })?;
    if !config.aclfile.is_empty() {
        load_users(acl, config).map_err(|why| {
            let why = String::from_utf8_lossy(&why);
            format!("Aborting Redis startup because of ACL errors: {why}")
        })?;
    }
    Ok(())
}

/// Logs a client in as the user that its certificate names. If there is no such user, or it is
/// disabled, the client keeps its user, and the ACL log gets an entry.
#[cold]
pub(in crate::server) fn log_in_by_certificate(
    server: &mut Server,
    client: &mut Client,
    name: &[u8],
) {
    let shown = String::from_utf8_lossy(name);
    if server.acl.user(name).is_some_and(|user| user.enabled) {
        log::debug!("TLS: Auto-authenticated client as {shown}");
        client.session.vouched = true;
        client.session.user = name.to_vec();
        return enroll(&server.acl, &mut client.session);
    }
    server.stats.certificate_denied += 1;
    let event = Event {
        reason: Reason::Certificate,
        context: Context::Toplevel,
        object: Vec::new(),
        user: name.to_vec(),
        client: describe::client_line(server, client),
    };
    server.acl.log.add(event, server.clock.now_ms());
}

/// Resets a session to the default user, authenticated or not as a new connection would be.
pub fn welcome(acl: &Acl, session: &mut Session) {
    session.user = DEFAULT_USER.to_vec();
    session.vouched = acl.admits_strangers();
    enroll(acl, session);
}

/// Derives a session's permission bits from its user. Commands of a primary or an AOF are never
/// checked.
pub fn enroll(acl: &Acl, session: &mut Session) {
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
