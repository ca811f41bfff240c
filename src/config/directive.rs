//! The model of a directive: a name, a kind that parses and prints its value, and a place in
//! `Config`.
//!
//! The tables under `table/` are lists of these, written with the small builders below:
//!
//! ```text
//! int("tcp-backlog", 511, 0, INT_MAX, at!(tcp_backlog)).immutable()
//! ```
//!
//! A default stands in the row and nowhere else; `Config::new` writes the defaults into the fields.
//! Everything else (files, CONFIG GET, SET and REWRITE) walks the table.

use super::fields::Config;
use super::words::Word;

/// The action required in the server after a directive changed at run time. This layer only names
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Apply {
    /// No action: the value is read when it is needed.
    Nothing,
    /// Rebind every listener to the addresses of `bind`.
    Bind,
    /// Listen on another `port`.
    Port,
    /// Listen on another `tls-port`.
    TlsPort,
    /// Build the TLS context anew.
    Tls,
    /// Grow the tables (and the fd limit) for `maxclients`; may fail.
    MaxClients,
    /// Arm the idle timers of the clients again.
    ClientTimeout,
    /// The level of the log changed.
    LogLevel,
    /// The layout of log lines changed.
    LogFormat,
    /// The process title follows its template.
    ProcTitle,
    /// The kernel's OOM score.
    OomScoreAdj,
    /// The cron period.
    Hz,
    /// The password of the default user.
    RequirePass,
    /// The interest in keyspace events.
    NotifyEvents,
    /// The save points, to be armed anew.
    SavePoints,
    /// Start or stop the AOF; may fail.
    AppendOnly,
    /// The fsync rhythm of the AOF.
    AppendFsync,
    /// The memory limit: evict now if it shrank.
    MaxMemory,
    /// The memory limit of all clients together.
    MaxMemoryClients,
    /// The settings of eviction and aging.
    Eviction,
    /// The encoding thresholds of the keyspace.
    Encodings,
    /// The output buffer limits of clients.
    OutputLimits,
    /// The lengths and limits of slow log, latency monitor and latency tracking.
    Observe,
    /// The length of the ACL log, and what new users get.
    Acl,
    /// The size of the invalidation table.
    Tracking,
    /// Resize the replication backlog.
    ReplBacklog,
    /// Count the good replicas again (min-replicas-*).
    GoodReplicas,
    /// The settings of the link to the primary, or to replicas.
    Replication,
    /// The settings that the cluster bus announces to other nodes.
    Cluster,
    /// The collation of SORT ALPHA; may fail.
    Locale,
    /// The crash handlers.
    CrashLog,
    /// The software watchdog.
    Watchdog,
}

/// The parsed value of a directive, between its text and its field.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Bool(bool),
    Int(i64),
    /// An index into the words of the directive.
    Word(usize),
    Text(Vec<u8>),
}

/// A default, as a table can hold it.
#[derive(Clone, Copy, Debug)]
pub enum Init {
    Bool(bool),
    Int(i64),
    Word(usize),
    Text(&'static str),
    /// Specials set their own.
    Own,
}

/// The notation of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Plain,
    /// `10mb`.
    Memory,
    /// `10mb`, or `5%`, which is kept as -5.
    MemoryOrPercent,
    /// `700`, base eight.
    Octal,
}

/// The limits of a number.
#[derive(Clone, Copy, Debug)]
pub struct IntRule {
    pub min: i64,
    pub max: i64,
    pub unit: Unit,
    /// Numbers from 2^63 to 2^64 - 1 are valid, too. They are kept as 2^63 - 1.
    pub unsigned: bool,
}

/// The rule of a string. A `nullable` one that is empty is left out of a rewritten file.
#[derive(Clone, Copy)]
pub struct TextRule {
    pub nullable: bool,
    /// Any byte may be in it: it is shown nowhere.
    pub is_secret: bool,
    pub check: fn(&[u8]) -> Result<(), &'static str>,
}

/// The source of a directive's arguments. A file adds to `save`; CONFIG SET replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    File,
    Set,
}

/// One line of a rewritten file; a line that is not `forced` only replaces an old one.
pub struct Line {
    /// The arguments; the name of the directive comes before them.
    pub text: Vec<u8>,
    pub forced: bool,
}

/// The setter of a special; the error is the reason for refusing the arguments.
pub type SetFn = fn(&mut Config, &[&[u8]], Source) -> Result<(), String>;

/// Whether the values of the configuration go together; the error is the reason why not.
pub type VerifyFn = fn(&Config) -> Result<(), &'static str>;

/// A directive with a grammar of its own.
#[derive(Clone, Copy)]
pub struct Special {
    pub init: fn(&mut Config),
    pub set: SetFn,
    pub get: fn(&Config) -> Vec<u8>,
    pub lines: fn(&Config) -> Vec<Line>,
}

#[derive(Clone, Copy)]
pub enum Kind {
    Bool,
    Int(IntRule),
    /// The words, and how many of them errors list.
    Words(&'static [&'static str], usize),
    Text(TextRule),
    Special(&'static Special),
}

/// The place of the value: a field of `Config`, or the map of accepted but unused directives.
#[derive(Clone, Copy)]
pub enum Place {
    Field {
        load: fn(&Config) -> Value,
        store: fn(&mut Config, Value),
    },
    Kept,
}

/// A row of the table.
#[derive(Clone, Copy)]
pub struct Directive {
    pub name: &'static str,
    pub alias: Option<&'static str>,
    pub kind: Kind,
    pub default: Init,
    pub place: Place,
    pub apply: Apply,
    /// Cannot change after the start.
    pub immutable: bool,
    /// Changes only where `enable-protected-configs` allows it.
    pub protected: bool,
    /// Does not change while data is loaded.
    pub settled: bool,
    /// Its value is kept out of logs.
    pub sensitive: bool,
    /// No pattern of CONFIG GET finds it, only its full name.
    pub hidden: bool,
    /// Takes several arguments, or one that holds them all, separated by spaces.
    pub multi: bool,
    /// The value is a directory, which the process enters through the `Host` before it is stored.
    pub is_entered: bool,
    /// Refuses a value that does not go with others: after each CONFIG SET, and at the end of a file.
    pub verify: Option<VerifyFn>,
    /// Corrects a value that CONFIG SET stored.
    pub correct: Option<fn(&mut Config)>,
    /// Whether the value asks for a part that does not exist yet, so that the start is refused.
    pub is_unsupported: Option<fn(&Config) -> bool>,
}

pub const INT_MAX: i64 = i32::MAX as i64;
pub const LONG_MAX: i64 = i64::MAX;
pub const UINT_MAX: i64 = u32::MAX as i64;

impl Directive {
    const fn new(name: &'static str, kind: Kind, default: Init, place: Place) -> Directive {
        Directive {
            name,
            alias: None,
            kind,
            default,
            place,
            apply: Apply::Nothing,
            immutable: false,
            protected: false,
            settled: false,
            sensitive: false,
            hidden: false,
            multi: false,
            is_entered: false,
            verify: None,
            correct: None,
            is_unsupported: None,
        }
    }

    pub const fn alias(mut self, alias: &'static str) -> Directive {
        self.alias = Some(alias);
        self
    }

    pub const fn apply(mut self, apply: Apply) -> Directive {
        self.apply = apply;
        self
    }

    pub const fn immutable(mut self) -> Directive {
        self.immutable = true;
        self
    }

    pub const fn protected(mut self) -> Directive {
        self.protected = true;
        self
    }

    pub const fn settled(mut self) -> Directive {
        self.settled = true;
        self
    }

    pub const fn sensitive(mut self) -> Directive {
        self.sensitive = true;
        if let Kind::Text(mut rule) = self.kind {
            rule.is_secret = true;
            self.kind = Kind::Text(rule);
        }
        self
    }

    pub const fn hidden(mut self) -> Directive {
        self.hidden = true;
        self
    }

    pub const fn multi(mut self) -> Directive {
        self.multi = true;
        self
    }

    pub const fn entered(mut self) -> Directive {
        self.is_entered = true;
        self
    }

    pub const fn verified(mut self, verify: VerifyFn) -> Directive {
        self.verify = Some(verify);
        self
    }

    pub const fn correct(mut self, correct: fn(&mut Config)) -> Directive {
        self.correct = Some(correct);
        self
    }

    pub const fn unsupported(mut self, is_unsupported: fn(&Config) -> bool) -> Directive {
        self.is_unsupported = Some(is_unsupported);
        self
    }

    /// Numbers of 64 bits without a sign are valid.
    pub const fn unsigned(mut self) -> Directive {
        if let Kind::Int(mut rule) = self.kind {
            rule.unsigned = true;
            self.kind = Kind::Int(rule);
        }
        self
    }

    /// Another check of a string.
    pub const fn check(mut self, check: fn(&[u8]) -> Result<(), &'static str>) -> Directive {
        if let Kind::Text(mut rule) = self.kind {
            rule.check = check;
            self.kind = Kind::Text(rule);
        }
        self
    }
}

pub const fn boolean(name: &'static str, default: bool, place: Place) -> Directive {
    Directive::new(name, Kind::Bool, Init::Bool(default), place)
}

const fn number(name: &'static str, unit: Unit, limits: [i64; 3], place: Place) -> Directive {
    let [default, min, max] = limits;
    let rule = IntRule {
        min,
        max,
        unit,
        unsigned: false,
    };
    Directive::new(name, Kind::Int(rule), Init::Int(default), place)
}

pub const fn int(name: &'static str, default: i64, range: (i64, i64), place: Place) -> Directive {
    number(name, Unit::Plain, [default, range.0, range.1], place)
}

pub const fn memory(name: &'static str, default: i64, min: i64, place: Place) -> Directive {
    number(name, Unit::Memory, [default, min, LONG_MAX], place)
}

pub const fn percent(name: &'static str, default: i64, place: Place) -> Directive {
    number(name, Unit::MemoryOrPercent, [default, 0, LONG_MAX], place)
}

pub const fn octal(name: &'static str, default: i64, max: i64, place: Place) -> Directive {
    number(name, Unit::Octal, [default, 0, max], place)
}

pub const fn words<T: Word>(name: &'static str, default: usize, place: Place) -> Directive {
    Directive::new(
        name,
        Kind::Words(T::NAMES, T::LISTED),
        Init::Word(default),
        place,
    )
}

fn anything(_: &[u8]) -> Result<(), &'static str> {
    Ok(())
}

/// A string that may be empty.
pub const fn text(name: &'static str, default: &'static str, place: Place) -> Directive {
    let rule = TextRule {
        nullable: false,
        is_secret: false,
        check: anything,
    };
    Directive::new(name, Kind::Text(rule), Init::Text(default), place)
}

/// A string that is absent when empty.
pub const fn optional(name: &'static str, place: Place) -> Directive {
    let rule = TextRule {
        nullable: true,
        is_secret: false,
        check: anything,
    };
    Directive::new(name, Kind::Text(rule), Init::Text(""), place)
}

pub const fn special(name: &'static str, special: &'static Special) -> Directive {
    Directive::new(name, Kind::Special(special), Init::Own, Place::Kept)
}

/// A field type that can hold one kind of value.
pub trait Stored {
    fn load(&self) -> Value;
    fn store(&mut self, value: Value);
}

/// A row whose kind does not match its field is a bug; `Config::new` meets it in every test.
fn misfit(value: &Value) -> ! {
    panic!("the kind of a directive and the type of its field disagree: {value:?}")
}

impl Stored for bool {
    fn load(&self) -> Value {
        Value::Bool(*self)
    }

    fn store(&mut self, value: Value) {
        match value {
            Value::Bool(yes) => *self = yes,
            other => misfit(&other),
        }
    }
}

impl Stored for Vec<u8> {
    fn load(&self) -> Value {
        Value::Text(self.clone())
    }

    fn store(&mut self, value: Value) {
        match value {
            Value::Text(text) => *self = text,
            other => misfit(&other),
        }
    }
}

impl<T: Word> Stored for T {
    fn load(&self) -> Value {
        let index = T::VALUES.iter().position(|value| value == self);
        Value::Word(index.expect("every value of an enum of redis.conf has a word"))
    }

    fn store(&mut self, value: Value) {
        match value {
            Value::Word(index) => *self = T::VALUES[index],
            other => misfit(&other),
        }
    }
}

/// Numbers of any width: the limits in the row keep a value inside its type.
macro_rules! stored_numbers {
    ($($type:ty)*) => {$(
        impl Stored for $type {
            fn load(&self) -> Value {
                Value::Int(i64::try_from(*self).expect("the limits of the row fit its field"))
            }

            fn store(&mut self, value: Value) {
                match value {
                    Value::Int(n) => {
                        *self = <$type>::try_from(n).expect("the limits of the row fit its field");
                    }
                    other => misfit(&other),
                }
            }
        }
    )*};
}
stored_numbers!(u8 u16 u32 u64 usize i32 i64);

/// The place of a row: a named field of `Config`.
macro_rules! at {
    ($field:ident) => {
        $crate::config::directive::Place::Field {
            load: |config| $crate::config::directive::Stored::load(&config.$field),
            store: |config, value| {
                $crate::config::directive::Stored::store(&mut config.$field, value)
            },
        }
    };
}
pub(crate) use at;
