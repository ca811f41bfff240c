//! The question: may this user run this command with these arguments?

use super::rules::until_zero;
use super::selector::{Access, Selector};
use super::user::User;
use crate::algo::glob::{Case, matches};
use crate::algo::number::parse_i64;
use crate::command::keys::{ACCESS, DELETE, FoundKeys, INSERT, KeyFlags, UPDATE};
use crate::command::spec::{Channels, Databases, NO_AUTH, READONLY, Spec, WRITE};
use crate::resp::request::Argv;

/// A command to be checked before it runs.
pub struct Request<'a> {
    /// Its number in the command table.
    pub number: u16,
    pub spec: &'a Spec,
    pub argv: Argv<'a>,
    /// The selected database, and how many there are.
    pub db: u32,
    pub dbs: usize,
}

/// The reason for a denial. With a key or channel, and with a database that an argument names, comes
/// the index of the argument; with the selected database 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Denial {
    Command,
    Key(usize),
    Channel(usize),
    Database(usize),
}

impl Denial {
    /// The rank of a denial: of several selectors' denials the highest is reported.
    fn rank(self) -> (u8, usize) {
        match self {
            Denial::Database(at) => (0, at),
            Denial::Command => (1, 0),
            Denial::Key(at) => (2, at),
            Denial::Channel(at) => (3, at),
        }
    }

    /// The argument that it is about, if it is one.
    pub fn argument<'a>(self, argv: &Argv<'a>) -> Option<&'a [u8]> {
        match self {
            Denial::Command | Denial::Database(0) => None,
            Denial::Key(at) | Denial::Channel(at) | Denial::Database(at) => Some(argv.at(at)),
        }
    }

    /// The error for the denied client: without the key or channel.
    pub fn text(self, user: &[u8], command: &str) -> Vec<u8> {
        match self {
            Denial::Command => self.verbose_text(user, command, b""),
            Denial::Key(_) => b"No permissions to access a key".to_vec(),
            Denial::Channel(_) => b"No permissions to access a channel".to_vec(),
            Denial::Database(_) => b"No permissions to access database".to_vec(),
        }
    }

    /// The detailed error, for clients with sufficient permissions.
    pub fn verbose_text(self, user: &[u8], command: &str, argument: &[u8]) -> Vec<u8> {
        let (may_not, what, kind) = match self {
            Denial::Command => ("run", command.as_bytes(), "command"),
            Denial::Key(_) => ("access", argument, "key"),
            Denial::Channel(_) => ("access", argument, "channel"),
            Denial::Database(_) => {
                let middle = b" has no permissions to access database ".as_slice();
                return [b"User ", user, middle, argument].concat();
            }
        };
        let middle = format!(" has no permissions to {may_not} the '");
        let end = format!("' {kind}");
        [b"User ", user, middle.as_bytes(), what, end.as_bytes()].concat()
    }

    /// The reason in EXEC's error for a command that was allowed when it was queued.
    pub fn reason(self) -> &'static str {
        match self {
            Denial::Command => "no permission to execute the command or subcommand",
            Denial::Key(_) => "no permission to touch the specified keys",
            Denial::Channel(_) => "no permission to access one of the channels used as arguments",
            Denial::Database(_) => "no permission",
        }
    }
}

/// The access that a use of a key requires.
fn access_for(flags: KeyFlags) -> u8 {
    let reads = flags.has(ACCESS);
    let writes = flags.has(INSERT) || flags.has(DELETE) || flags.has(UPDATE);
    (if reads { Access::READ } else { 0 }) | if writes { Access::WRITE } else { 0 }
}

/// The channels that a command names: the first and the one behind the last, and whether they are
/// patterns.
fn channels(request: &Request) -> Option<(usize, usize, bool)> {
    let end = request.argv.len();
    Some(match request.spec.channels? {
        Channels::Names => (1, end, false),
        Channels::Patterns => (1, end, true),
        Channels::First => (1, end.min(2), false),
    })
}

/// Whether one of these patterns allows a channel. A pattern is only allowed by an identical one.
pub fn fits(allowed: &[Vec<u8>], channel: &[u8], is_pattern: bool) -> bool {
    allowed.iter().any(|known| match is_pattern {
        true => until_zero(known) == until_zero(channel),
        false => matches(known, channel, Case::Sensitive),
    })
}

/// Checks the databases that a command uses. A wrong number is left to the command.
fn check_databases(allowed: &[u32], request: &Request) -> Result<(), Denial> {
    let (spec, argv) = (request.spec, &request.argv);
    let named = |at: usize| {
        let number = (at < argv.len()).then(|| parse_i64(argv.at(at))).flatten();
        let db = number.and_then(|number| u32::try_from(number).ok());
        db.filter(|&db| (db as usize) < request.dbs)
    };
    let check = |at: usize| match named(at) {
        Some(db) if !allowed.contains(&db) => Err(Denial::Database(at)),
        _ => Ok(()),
    };
    match spec.databases {
        Some(Databases::Named(places)) => {
            let are_all = places.iter().all(|&at| named(at).is_some());
            return match are_all {
                true => places.iter().try_for_each(|&at| check(at)),
                false => Ok(()),
            };
        }
        Some(Databases::All) => return Err(Denial::Database(0)),
        Some(Databases::And(at)) => check(at)?,
        Some(Databases::Behind(word, from)) => {
            let is_word = |at: &usize| argv.at(*at).eq_ignore_ascii_case(word.as_bytes());
            let mut words = (from..argv.len()).filter(is_word);
            words.try_for_each(|at| check(at + 1))?;
        }
        None => {}
    }
    let uses_it = !spec.keys.is_empty() || spec.flags.has(READONLY) || spec.flags.has(WRITE);
    match uses_it && !allowed.contains(&request.db) {
        true => Err(Denial::Database(0)),
        false => Ok(()),
    }
}

impl Selector {
    fn check(&self, request: &Request, keys: &mut FoundKeys) -> Result<(), Denial> {
        if let Some(allowed) = &self.databases {
            check_databases(allowed, request)?;
        }
        let spec = request.spec;
        let free = self.all_commands || spec.flags.has(NO_AUTH);
        if !free && !self.has_command(request.number) {
            let with =
                request.argv.len() > 1 && self.has_first_arg(request.number, request.argv.at(1));
            if !with {
                return Err(Denial::Command);
            }
        }
        if !self.all_keys {
            for &(at, flags) in keys.of(spec, &request.argv) {
                if !self.has_key(request.argv.at(at), access_for(flags)) {
                    return Err(Denial::Key(at));
                }
            }
        }
        if !self.all_channels
            && let Some((first, end, is_pattern)) = channels(request)
        {
            for at in first..end {
                if !fits(&self.channels, request.argv.at(at), is_pattern) {
                    return Err(Denial::Channel(at));
                }
            }
        }
        Ok(())
    }

    fn has_key(&self, key: &[u8], access: u8) -> bool {
        self.keys.iter().any(|known| {
            known.access.covers(access) && matches(&known.pattern, key, Case::Sensitive)
        })
    }

    /// Whether every key may be read.
    fn reads_all(&self) -> bool {
        let every = |pattern: &[u8]| until_zero(pattern) == b"*";
        let mut keys = self.keys.iter();
        self.all_keys
            || keys.any(|known| known.access.covers(Access::READ) && every(&known.pattern))
    }
}

impl User {
    /// Whether one of the selectors allows all of a command.
    pub fn check(&self, request: &Request, keys: &mut FoundKeys) -> Result<(), Denial> {
        let mut worst: Option<Denial> = None;
        for selector in self.all_selectors() {
            match selector.check(request, keys) {
                Ok(()) => return Ok(()),
                Err(denial) if worst.is_none_or(|worst| denial.rank() > worst.rank()) => {
                    worst = Some(denial);
                }
                Err(_) => {}
            }
        }
        Err(worst.unwrap_or(Denial::Command))
    }

    /// Whether one of the selectors allows all of a command and reading every key.
    pub fn may_look_around(&self, request: &Request, keys: &mut FoundKeys) -> bool {
        self.all_selectors()
            .any(|selector| selector.reads_all() && selector.check(request, keys).is_ok())
    }
}
