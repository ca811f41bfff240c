//! Access control: users, their rules, and the log of denials.
//!
//! ```text
//!   Acl ── users ── "alice" ── switched on? passwords
//!     │                └── selectors: the root one, then those in parentheses
//!     │                       └── commands (a bit each) · key patterns · channel patterns
//!     ├── command_index    the commands there are: what rules may name, and in which categories
//!     └── log       refused commands, keys, channels and logins
//! ```
//!
//! A user may do what any one of its selectors allows as a whole. Rules come as words (`rules`),
//! are kept in the form in which they are shown again (`selector`), and are checked with the
//! number of a command and its arguments (`check`). A user without restrictions is never checked
//! at all: that is the purpose of `is_restricted`.
//!
//! This knows nothing of connections: a session holds the name of its user, and
//! `server::core::permissions` asks here and draws the conclusions.

mod check;
mod command_index;
mod file;
mod log;
mod rules;
mod secrets;
mod selector;
#[cfg(test)]
mod tests;
mod user;

pub use check::{Denial, Request, fits};
pub use command_index::{CommandIndex, CommandInfo};
pub use log::{AclLog, Context, Entry, Event, Reason};
pub use rules::{RuleError, Unclosed, is_user_name, merge_selectors};
pub use selector::Selector;
pub use user::User;

use crate::command::keys::FoundKeys;
use rules::Scope;
use secrets::Secrets;
use std::collections::BTreeMap;

/// The user of a connection that has not authenticated as another one.
pub const DEFAULT_USER: &[u8] = b"default";

/// Users by name, in the order in which they are listed.
pub type Users = BTreeMap<Vec<u8>, User>;

/// The consequence of a user's change for its subscribers: every channel pattern still allowed.
/// `None` if nothing was taken away.
pub type Remaining = Option<Vec<Vec<u8>>>;

/// The users of the server, and the log of denials.
pub struct Acl {
    command_index: CommandIndex,
    users: Users,
    pub log: AclLog,
    /// The source of new passwords.
    secrets: Secrets,
    /// New users and selectors may use all channels (`acl-pubsub-default`).
    all_channels: bool,
}

impl Acl {
    /// Fills `out` with random bytes from the system, for a new password.
    pub fn fill_secret(&mut self, out: &mut [u8]) -> Result<(), getrandom::Error> {
        self.secrets.fill(out)
    }

    pub fn new(command_index: CommandIndex) -> Acl {
        let default = User::unlimited(&command_index);
        Acl {
            command_index,
            users: Users::from([(DEFAULT_USER.to_vec(), default)]),
            log: AclLog::default(),
            secrets: Secrets::default(),
            all_channels: false,
        }
    }

    /// `acl-pubsub-default` and `acllog-max-len`.
    pub fn configure(&mut self, all_channels: bool, log_max: u64) {
        self.all_channels = all_channels;
        self.log.max = usize::try_from(log_max).unwrap_or(usize::MAX);
    }

    pub fn command_index(&self) -> &CommandIndex {
        &self.command_index
    }

    pub fn users(&self) -> &Users {
        &self.users
    }

    pub fn user(&self, name: &[u8]) -> Option<&User> {
        self.users.get(name)
    }

    fn default_user(&self) -> &User {
        &self.users[DEFAULT_USER]
    }

    fn scope(&self) -> Scope<'_> {
        Scope {
            command_index: &self.command_index,
            all_channels: self.all_channels,
        }
    }

    /// `requirepass`: the one password of the default user; an empty one removes authentication.
    pub fn set_default_password(&mut self, password: &[u8]) {
        if let Some(user) = self.users.get_mut(DEFAULT_USER) {
            user.set_only_password(password);
        }
    }

    /// Whether a new connection is the default user without saying so.
    pub fn admits_strangers(&self) -> bool {
        let user = self.default_user();
        user.no_password && user.enabled
    }

    /// Whether the default user has no password, so that clients need not authenticate.
    pub fn is_open(&self) -> bool {
        self.default_user().no_password
    }

    /// Whether this user's commands must be checked. A user without a name does not exist here.
    pub fn is_restricted(&self, name: &[u8]) -> bool {
        self.user(name).is_none_or(User::is_restricted)
    }

    /// Whether values that this user restores are taken without a close look.
    pub fn is_trusted(&self, name: &[u8]) -> bool {
        self.user(name).is_some_and(|user| user.skip_sanitize)
    }

    /// Whether this name and password are right.
    pub fn authenticate(&self, name: &[u8], password: &[u8]) -> bool {
        self.user(name)
            .is_some_and(|user| user.enabled && user.accepts(password))
    }

    /// Whether a user may run a command; if not, what stands in the way.
    pub fn check(
        &self,
        name: &[u8],
        request: &Request,
        keys: &mut FoundKeys,
    ) -> Result<(), Denial> {
        let Some(user) = self.users.get(name) else {
            return Err(Denial::Command);
        };
        user.check(request, keys)
    }

    /// Whether a user may run a command and besides read any key, though the arguments name none.
    pub fn may_look_around(&self, name: &[u8], request: &Request, keys: &mut FoundKeys) -> bool {
        let user = self.users.get(name);
        user.is_some_and(|user| user.may_look_around(request, keys))
    }

    /// Changes or creates a user: all of the rules, or none. The error is the text for the client.
    pub fn set_user(&mut self, name: &[u8], rules: &[&[u8]]) -> Result<Remaining, Vec<u8>> {
        let words = merge_selectors(rules).map_err(|Unclosed(at)| {
            let before = b"Unmatched parenthesis in acl selector starting at '".as_slice();
            [before, rules::until_zero(rules[at]), b"'."].concat()
        })?;
        let before = self.users.get(name);
        let mut user = match before {
            Some(user) => user.clone(),
            None => User::new(self.scope()),
        };
        for word in &words {
            user.apply(word, self.scope()).map_err(|error| {
                let before = b"Error in ACL SETUSER modifier '".as_slice();
                let text = error.to_string();
                [before, rules::until_zero(word), b"': ", text.as_bytes()].concat()
            })?;
        }
        let remaining = before.and_then(|before| user.channels_after(before));
        self.users.insert(name.to_vec(), user);
        Ok(remaining)
    }

    /// Removes a user; false if there was none.
    pub fn delete_user(&mut self, name: &[u8]) -> bool {
        self.users.remove(name).is_some()
    }

    /// Checks the rules of a `user` line; the error names the first bad rule. Unknown commands are
    /// no error yet.
    pub fn check_rules(&self, rules: &[Vec<u8>]) -> Result<(), (usize, String)> {
        let rules: Vec<&[u8]> = rules.iter().map(Vec::as_slice).collect();
        let wrong_format = |Unclosed(at)| (at, "Wrong format".to_owned());
        let words = merge_selectors(&rules).map_err(wrong_format)?;
        let mut user = User::new(self.scope());
        for (index, word) in words.iter().enumerate() {
            match user.apply(word, self.scope()) {
                Ok(()) | Err(RuleError::Unknown) => {}
                Err(error) => return Err((index, error.to_string())),
            }
        }
        Ok(())
    }

    /// Takes the users of a configuration: for each its name and rules. The error is a line for the
    /// log.
    pub fn configure_users(&mut self, lines: &[Vec<Vec<u8>>]) -> Result<(), String> {
        let text = String::from_utf8_lossy;
        for line in lines {
            let (name, rules) = line.split_first().expect("a line names its user");
            if !is_user_name(name) {
                return Err("Spaces not allowed in ACL usernames".into());
            }
            let rules: Vec<&[u8]> = rules.iter().map(Vec::as_slice).collect();
            let words = merge_selectors(&rules).unwrap_or_default();
            let mut user = User::new(self.scope());
            for word in &words {
                user.apply(word, self.scope()).map_err(|error| {
                    let (word, name) = (text(word), text(name));
                    format!("Error loading ACL rule '{word}' for the user named '{name}': {error}")
                })?;
            }
            if !user.enabled {
                ::log::info!(
                    "The user '{}' is disabled (there is no 'on' modifier in the user \
                     description). Make sure this is not a configuration error.",
                    text(name)
                );
            }
            self.users.insert(name.clone(), user);
        }
        Ok(())
    }
}
