//! The declaration of a command. Everything the server says about a command derives from here:
//! lookup and arity, COMMAND INFO/DOCS/LIST, ACL categories, key positions, gates, statistics.
//!
//! A declaration stands directly above its function and is a constant, which the `TABLE` of its
//! family lists:
//!
//! ```text
//!   const GET: DataCommand = Spec {
//!       name: "get",
//!       usage: "key:key",
//!       since: "1.0.0",
//!       summary: "The string at a key.",
//!       complexity: "O(1)",
//!       ..Spec::reading_fast(Group::String)
//!   }
//!   .runs(get);
//! ```

use super::keys::{ACCESS, FindKeys, KeySpec, RO};
use super::usage;
use crate::resp::request::Argv;

/// Properties of a command: what it does and where it may run. Names as COMMAND INFO prints them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flags(pub u32);

macro_rules! flags {
    ($($constant:ident = $bit:literal, $name:literal;)*) => {
        $(pub const $constant: Flags = Flags(1 << $bit);)*
        impl Flags {
            /// Every flag with its name, in the order COMMAND INFO prints them.
            pub const NAMES: &[(Flags, &str)] = &[$(($constant, $name),)*];
        }
    };
}

flags! {
    WRITE = 0, "write";
    READONLY = 1, "readonly";
    DENYOOM = 2, "denyoom";
    MODULE = 3, "module";
    ADMIN = 4, "admin";
    PUBSUB = 5, "pubsub";
    NOSCRIPT = 6, "noscript";
    BLOCKING = 7, "blocking";
    LOADING = 8, "loading";
    STALE = 9, "stale";
    SKIP_MONITOR = 10, "skip_monitor";
    SKIP_SLOWLOG = 11, "skip_slowlog";
    ASKING = 12, "asking";
    FAST = 13, "fast";
    NO_AUTH = 14, "no_auth";
    NO_MANDATORY_KEYS = 16, "no_mandatory_keys";
    NO_ASYNC_LOADING = 17, "no_async_loading";
    NO_MULTI = 18, "no_multi";
    ALLOW_BUSY = 19, "allow_busy";
    MOVABLEKEYS = 20, "movablekeys";
    SCRIPT_RUNNER = 21, "script_runner";
}

/// Runs only where the directive that its `guard` names allows it. COMMAND INFO does not show it.
pub const PROTECTED: Flags = Flags(1 << 31);

// What the server must know of single commands beyond that. COMMAND INFO shows none of these.

/// Reads, but what it does can matter to replicas.
pub const MAY_REPLICATE: Flags = Flags(1 << 15);
/// Runs at once between MULTI and EXEC, where others are queued.
pub const IN_MULTI: Flags = Flags(1 << 30);
/// Runs the queue: it is all that the queued commands are.
pub const RUNS_QUEUE: Flags = Flags(1 << 28);
/// Removes keys that are not arguments. Such removals do not make the command a transaction.
pub const ARBITRARY_KEYS: Flags = Flags(1 << 27);
/// Allowed for a RESP2 client in subscribed mode.
pub const SUBSCRIBER: Flags = Flags(1 << 26);
/// Its reply is a push, which CLIENT REPLY does not silence.
pub const REPLIES_WITH_PUSH: Flags = Flags(1 << 25);
/// Replies with the disk error, if there is one, though it writes nothing.
pub const REPORTS_DISK_ERROR: Flags = Flags(1 << 24);

/// Reads keys matching patterns among its arguments, if there are any.
pub const BY_PATTERN: Flags = Flags(1 << 22);

impl Flags {
    /// Whether any of these is among them.
    #[inline(always)]
    pub const fn any(self, others: Flags) -> bool {
        self.0 & others.0 != 0
    }

    pub const NONE: Flags = Flags(0);

    #[inline(always)]
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// These flags except `others`.
    pub const fn without(self, others: Flags) -> Flags {
        Flags(self.0 & !others.0)
    }

    /// Both sets of flags.
    pub const fn and(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

impl std::ops::BitOr for Flags {
    type Output = Flags;
    fn bitor(self, other: Flags) -> Flags {
        self.and(other)
    }
}

/// All these flags together, in a constant.
pub const fn all(flags: &[Flags]) -> Flags {
    let mut sum = Flags::NONE;
    let mut i = 0;
    while i < flags.len() {
        sum = sum.and(flags[i]);
        i += 1;
    }
    sum
}

/// ACL categories in the order of COMMAND INFO.
pub const CATEGORIES: [&str; 22] = [
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "array",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

/// The family a command belongs to, as COMMAND DOCS names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Group {
    Generic,
    String,
    List,
    Set,
    SortedSet,
    Hash,
    Stream,
    Bitmap,
    HyperLogLog,
    Geo,
    Array,
    PubSub,
    Transactions,
    Connection,
    Server,
    Scripting,
    Cluster,
    Module,
}

impl Group {
    pub const fn name(self) -> &'static str {
        match self {
            Group::Generic => "generic",
            Group::String => "string",
            Group::List => "list",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Hash => "hash",
            Group::Stream => "stream",
            Group::Bitmap => "bitmap",
            Group::HyperLogLog => "hyperloglog",
            Group::Geo => "geo",
            Group::Array => "array",
            Group::PubSub => "pubsub",
            Group::Transactions => "transactions",
            Group::Connection => "connection",
            Group::Server => "server",
            Group::Scripting => "scripting",
            Group::Cluster => "cluster",
            Group::Module => "module",
        }
    }

    /// The ACL category every command of the group is in.
    const fn category(self) -> Option<&'static str> {
        Some(match self {
            Group::Generic => "keyspace",
            Group::String => "string",
            Group::List => "list",
            Group::Set => "set",
            Group::SortedSet => "sortedset",
            Group::Hash => "hash",
            Group::Stream => "stream",
            Group::Bitmap => "bitmap",
            Group::HyperLogLog => "hyperloglog",
            Group::Geo => "geo",
            Group::Array => "array",
            Group::Transactions => "transaction",
            Group::Connection => "connection",
            Group::Scripting => "scripting",
            // That of Pub/Sub follows from a flag.
            Group::PubSub | Group::Server | Group::Cluster | Group::Module => return None,
        })
    }
}

/// The mark of a deprecated command in COMMAND DOCS.
#[derive(Clone, Copy)]
pub struct Deprecated {
    pub since: &'static str,
    pub replaced_by: &'static str,
}

/// The mark of a command that is deprecated since a version of Redis in favour of another.
pub const fn deprecated(since: &'static str, replaced_by: &'static str) -> Option<Deprecated> {
    Some(Deprecated { since, replaced_by })
}

/// A change of a command, for COMMAND DOCS: the version of Redis that brought it, and a sentence.
pub type Change = (&'static str, &'static str);

/// A directive that allows commands, from everywhere or from local connections alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guard {
    /// `enable-debug-command`.
    Debug,
    /// `enable-module-command`.
    Module,
}

impl Guard {
    /// The command that the directive is about.
    pub const fn command(self) -> &'static str {
        match self {
            Guard::Debug => "debug",
            Guard::Module => "module",
        }
    }
}

/// Arguments that are names or patterns of channels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Channels {
    /// All arguments are names.
    Names,
    /// All arguments are patterns.
    Patterns,
    /// The first argument is a name.
    First,
}

/// Arguments that are numbers of databases. Indexes are counted from the command's name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Databases {
    /// These arguments; the selected database is not touched.
    Named(&'static [usize]),
    /// The selected database and the one that this argument names.
    And(usize),
    /// The selected database and those behind each such word, from this index on.
    Behind(&'static str, usize),
    /// All databases there are.
    All,
}

/// Whether the argument at this index, counted from the command's name, is a secret.
pub type IsSecret = fn(&Argv, usize) -> bool;

/// What the first argument of a command that runs a script is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScriptSource {
    /// Its text.
    Text,
    /// Its SHA1, in hexadecimal digits.
    Sha,
    /// The name of a function.
    Function,
}

/// The declaration of a command, from which everything else about it derives.
#[derive(Clone, Copy)]
pub struct Spec {
    /// Lower case; of a subcommand, without its container.
    pub name: &'static str,
    /// Number of words with the command's name; negative for "at least". Zero in a declaration
    /// stands for the number that follows from `usage`; few commands declare another.
    pub arity: i32,
    pub flags: Flags,
    pub group: Group,
    /// ACL categories that do not follow from flags and group.
    pub acl: &'static [&'static str],
    pub keys: &'static [KeySpec],
    /// Finds the keys that options name, or the access to them, where `keys` cannot describe it.
    pub find: Option<FindKeys>,
    /// The argument that is looked up in the collection under the first key, so that the lookup can
    /// be prepared; 0 if there is none at a fixed place. With options before it, it is a guess.
    pub element: u8,
    /// For COMMAND DOCS: the arguments in the notation of `usage`.
    pub usage: &'static str,
    pub since: &'static str,
    pub summary: &'static str,
    pub complexity: &'static str,
    pub tips: &'static [&'static str],
    pub deprecated: Option<Deprecated>,
    /// The changes since the first version, oldest first.
    pub history: &'static [Change],
    /// Of a command that runs a script: what its first argument is.
    pub script: Option<ScriptSource>,
    /// The directive without which the command is refused.
    pub guard: Option<Guard>,
    /// The arguments that are names or patterns of channels, which rules of users limit.
    pub channels: Option<Channels>,
    /// The databases it uses, which rules of users limit. Without: the selected one, if it has keys,
    /// reads or writes.
    pub databases: Option<Databases>,
    /// Whether the argument at an index is a secret, which MONITOR and the slow log do not show.
    pub secrets: Option<IsSecret>,
    /// Marked `syscmd` in COMMAND DOCS: for servers, not for people.
    pub internal: bool,
    /// Rules of users may name it, but it is not there: no list of commands shows it.
    pub absent: bool,
    /// Redis has no such command; Valkey has it, since the version that `since` names.
    pub of_valkey: bool,
}

impl Spec {
    pub const BASE: Spec = Spec {
        name: "",
        arity: 0,
        flags: Flags::NONE,
        group: Group::Generic,
        acl: &[],
        keys: &[],
        find: None,
        element: 0,
        usage: "",
        since: "1.0.0",
        summary: "",
        complexity: "",
        tips: &[],
        deprecated: None,
        history: &[],
        script: None,
        guard: None,
        channels: None,
        databases: None,
        secrets: None,
        internal: false,
        absent: false,
        of_valkey: false,
    };

    /// The start of the declaration of a command of this group.
    pub const fn of(group: Group) -> Spec {
        Spec {
            group,
            ..Spec::BASE
        }
    }

    /// The same for a command that reads the value under its first argument.
    pub const fn reading(group: Group) -> Spec {
        Spec {
            flags: READONLY,
            keys: const { &[KeySpec::at(1, &[RO, ACCESS])] },
            ..Spec::of(group)
        }
    }

    /// The same for a command that does so in constant or logarithmic time.
    pub const fn reading_fast(group: Group) -> Spec {
        Spec {
            flags: all(&[READONLY, FAST]),
            ..Spec::reading(group)
        }
    }

    /// Completes the declaration of a command with its function.
    pub const fn runs<F: Copy>(self, run: F) -> Entry<F> {
        self.entry(usage::arity(self.usage, 1), run, &[])
    }

    /// Completes the declaration of a subcommand, which is called with two words, with its function.
    pub const fn subcommand<F: Copy>(self, run: F) -> Entry<F> {
        self.entry(usage::arity(self.usage, 2), run, &[])
    }

    /// Completes the declaration of a command with subcommands. `run` serves a call without one,
    /// which the arity rules out unless the declaration gives another.
    pub const fn contains<F: Copy>(mut self, subcommands: &'static [Entry<F>], run: F) -> Entry<F> {
        if self.complexity.is_empty() {
            self.complexity = "Depends on subcommand.";
        }
        self.entry(-2, run, subcommands)
    }

    const fn entry<F: Copy>(
        mut self,
        arity: i32,
        run: F,
        subcommands: &'static [Entry<F>],
    ) -> Entry<F> {
        if self.arity == 0 {
            self.arity = arity;
        }
        Entry {
            spec: self,
            run,
            subcommands,
        }
    }

    /// Whether the arity allows this number of words, the command's name included.
    pub fn accepts(&self, argc: usize) -> bool {
        let argc = argc as i64;
        let arity = self.arity as i64;
        if arity >= 0 {
            argc == arity
        } else {
            argc >= -arity
        }
    }

    /// Whether the command is in an ACL category.
    pub fn in_category(&self, category: &str) -> bool {
        let f = self.flags;
        let implied = match category {
            // Commands of modules are in no category but those they name.
            _ if f.has(MODULE) => false,
            "write" => f.has(WRITE),
            // Scripts are no reads even where they are read only: their keys are declared apart.
            "read" => f.has(READONLY) && self.group != Group::Scripting,
            "admin" => f.has(ADMIN),
            "dangerous" => f.has(ADMIN),
            "pubsub" => f.has(PUBSUB),
            "fast" => f.has(FAST),
            "slow" => !f.has(FAST),
            "blocking" => f.has(BLOCKING),
            _ => false,
        };
        // SORT alone is no part of its group's category, which a minus declares.
        let leaves = |word: &&str| word.strip_prefix('-') == Some(category);
        let of_group = self.group.category() == Some(category) && !self.acl.iter().any(leaves);
        implied || of_group || self.acl.contains(&category)
    }
}

/// A command: its declaration, its function, and the same for its subcommands.
pub struct Entry<F: 'static> {
    pub spec: Spec,
    pub run: F,
    pub subcommands: &'static [Entry<F>],
}

impl<F> Entry<F> {
    /// The declared name, which errors show even where the command was renamed.
    pub const fn name(&self) -> &'static str {
        self.spec.name
    }

    /// The subcommand of this name, in lower case.
    pub fn find_subcommand(&self, name: &str) -> Option<&'static Entry<F>> {
        self.subcommands
            .iter()
            .find(|entry| entry.spec.name == name)
    }
}
