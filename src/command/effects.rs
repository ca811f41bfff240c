//! The effects that a command states. The server derives the consequences (`server::core::unit`).
//!
//! `dirty` is always counted; everything else is kept only if there is a listener, which is one
//! test of a bit set.

use crate::keyspace::{DbIndex, Shared};
use crate::resp::request::OwnedArgv;

/// The set of listeners. The server sets a bit when the first listener comes and clears it after
/// the last.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Interest(u8);

impl Interest {
    /// Keys that changed matter: WATCH, client-side caching, parked clients.
    pub const KEYS: Interest = Interest(1);
    /// Notifications about keys and events are configured.
    pub const EVENTS: Interest = Interest(2);
    /// Writes go on: to the AOF or to replicas.
    pub const PROPAGATE: Interest = Interest(4);
    /// Changed keys become young (LRM).
    pub const AGES: Interest = Interest(8);
    /// Notifications name the fields of hashes that an event is about.
    pub const FIELDS: Interest = Interest(16);
    /// Any of those that are about keys.
    const OF_KEYS: Interest = Interest(Interest::KEYS.0 | Interest::EVENTS.0 | Interest::AGES.0);

    #[inline(always)]
    pub fn has(self, other: Interest) -> bool {
        self.0 & other.0 != 0
    }

    pub fn set(&mut self, bits: Interest, on: bool) {
        self.0 = self.0 & !bits.0 | if on { bits.0 } else { 0 };
    }
}

/// The class of a notification, as `notify-keyspace-events` writes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Class(pub u8);

/// A keyspace event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    pub name: &'static str,
    pub class: Class,
    /// Whether the notification precedes the invalidation of cached keys. Redis has no rule for
    /// that, but a client that receives both sees the order.
    pub is_told_first: bool,
    /// Whether the key changed for clients that watch or cache it. Some events come beside another
    /// that counts; and, as in Redis, a change of a stream's groups is none.
    pub touches: bool,
}

macro_rules! events {
    (is_told_first: $first:literal, touches: $touches:literal; $($constant:ident = $name:literal, $class:literal;)*) => {
        impl Event {
            $(pub const $constant: Event = Event {
                name: $name,
                class: Class($class),
                is_told_first: $first,
                touches: $touches,
            };)*
        }
    };
}

events! { is_told_first: false, touches: true;
    SET = "set", b'$';
    APPEND = "append", b'$';
    SETRANGE = "setrange", b'$';
    INCRBY = "incrby", b'$';
    INCRBYFLOAT = "incrbyfloat", b'$';
    SETBIT = "setbit", b'$';
    ZADD = "zadd", b'z';
    ZINCR = "zincr", b'z';
    ZREMRANGEBYRANK = "zremrangebyrank", b'z';
    ZREMRANGEBYSCORE = "zremrangebyscore", b'z';
    ZREMRANGEBYLEX = "zremrangebylex", b'z';
    ZRANGESTORE = "zrangestore", b'z';
    ZUNIONSTORE = "zunionstore", b'z';
    ZINTERSTORE = "zinterstore", b'z';
    ZDIFFSTORE = "zdiffstore", b'z';
    GEOSEARCHSTORE = "geosearchstore", b'z';
    GEORADIUSSTORE = "georadiusstore", b'z';
    PFADD = "pfadd", b'$';
    SADD = "sadd", b's';
    SREM = "srem", b's';
    SINTERSTORE = "sinterstore", b's';
    SUNIONSTORE = "sunionstore", b's';
    SDIFFSTORE = "sdiffstore", b's';
    HSET = "hset", b'h';
    HDEL = "hdel", b'h';
    HINCRBY = "hincrby", b'h';
    HINCRBYFLOAT = "hincrbyfloat", b'h';
    HEXPIRE = "hexpire", b'h';
    HGETEX_PERSIST = "hpersist", b'h';
    LPUSH = "lpush", b'l';
    RPUSH = "rpush", b'l';
    LINSERT = "linsert", b'l';
    LSET = "lset", b'l';
    SORTSTORE = "sortstore", b'l';
    DEL = "del", b'g';
    EXPIRE = "expire", b'g';
    PERSIST = "persist", b'g';
    RENAME_FROM = "rename_from", b'g';
    RENAME_TO = "rename_to", b'g';
    MOVE_FROM = "move_from", b'g';
    MOVE_TO = "move_to", b'g';
    COPY_TO = "copy_to", b'g';
    RESTORE = "restore", b'g';
    XDEL = "xdel", b't';
    ARSET = "arset", b'a';
    ARMSET = "armset", b'a';
    ARDEL = "ardel", b'a';
    ARDELRANGE = "ardelrange", b'a';
    ARINSERT = "arinsert", b'a';
    ARRING = "arring", b'a';
    ARSEEK = "arseek", b'a';
}

events! { is_told_first: false, touches: false;
    NEW = "new", b'n';
    OVERWRITTEN = "overwritten", b'o';
    TYPE_CHANGED = "type_changed", b'c';
    KEYMISS = "keymiss", b'm';
    XSETID = "xsetid", b't';
    XGROUP_CREATE = "xgroup-create", b't';
    XGROUP_SETID = "xgroup-setid", b't';
    XGROUP_DESTROY = "xgroup-destroy", b't';
    XGROUP_CREATECONSUMER = "xgroup-createconsumer", b't';
    XGROUP_DELCONSUMER = "xgroup-delconsumer", b't';
}

events! { is_told_first: true, touches: true;
    LPOP = "lpop", b'l';
    RPOP = "rpop", b'l';
    LREM = "lrem", b'l';
    LTRIM = "ltrim", b'l';
    SPOP = "spop", b's';
    // Of SMOVE: that of SREM comes after the change.
    SMOVED = "srem", b's';
    ZREM = "zrem", b'z';
    ZPOPMIN = "zpopmin", b'z';
    ZPOPMAX = "zpopmax", b'z';
    XADD = "xadd", b't';
    XTRIM = "xtrim", b't';
    HPERSIST = "hpersist", b'h';
    EXPIRED = "expired", b'x';
    EVICTED = "evicted", b'e';
    HEXPIRED = "hexpired", b'h';
}

/// A change of a key, or an event about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyEvent {
    /// Its place among the facts of the command (`Shared::fact`).
    pub seq: u32,
    pub db: DbIndex,
    pub key: Vec<u8>,
    /// `None` where only the change matters, not its name.
    pub event: Option<Event>,
    /// It expired or was evicted: no command caused it.
    pub is_background: bool,
    /// The fields of a hash that it is about, if `Interest::FIELDS` asks for them.
    pub fields: Vec<Vec<u8>>,
}

/// A change of whole databases.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DatabaseChange {
    Flushed(DbIndex),
    FlushedAll,
    /// The same for a snapshot of our primary: what we saved is left alone.
    Emptied,
    Swapped(DbIndex, DbIndex),
}

/// The commands that go to the AOF and to replicas instead of this one.
#[derive(Default)]
pub enum Propagate {
    /// The command as it came, if it changed anything.
    #[default]
    Verbatim,
    /// Nothing, whatever it changed.
    Nothing,
    /// The command as it came, to replicas alone, whether or not it changed anything.
    Replicas,
    /// These instead.
    Instead(Vec<OwnedArgv>),
}

impl Propagate {
    /// Whether the command replaces its own propagation.
    #[inline(always)]
    pub fn is_set(&self) -> bool {
        !matches!(self, Propagate::Verbatim)
    }
}

/// Collected while a command runs, drained right after it.
#[derive(Default)]
pub struct Effects {
    /// Changes since the start; a command that raises it has written.
    dirty: u64,
    interest: Interest,
    key_events: Vec<KeyEvent>,
    /// Kept without listeners, too: flushes are rare, and saving depends on them.
    database_changes: Vec<DatabaseChange>,
    propagate: Propagate,
}

impl Effects {
    /// Returns the number of changes since the start.
    #[inline(always)]
    pub fn dirty(&self) -> u64 {
        self.dirty
    }

    /// Counts changes.
    #[inline(always)]
    pub fn count_changes(&mut self, changes: u64) {
        self.dirty += changes;
    }

    /// Sets the number of changes back to what `dirty` returned: what was done since is no change.
    pub fn restore_dirty(&mut self, dirty: u64) {
        self.dirty = dirty;
    }

    /// Returns the listeners.
    #[inline(always)]
    pub fn interest(&self) -> Interest {
        self.interest
    }

    /// Adds or removes listeners.
    pub fn set_interest(&mut self, bits: Interest, on: bool) {
        self.interest.set(bits, on);
    }

    /// Returns whether a command stated effects besides its changes.
    #[inline(always)]
    pub fn are_stated(&self) -> bool {
        !self.key_events.is_empty() || self.propagate.is_set() || !self.database_changes.is_empty()
    }

    /// Takes the events of keys, in a buffer that `restore_key_events` takes back.
    pub fn take_key_events(&mut self) -> Vec<KeyEvent> {
        std::mem::take(&mut self.key_events)
    }

    /// Takes back the buffer of `take_key_events`, drained.
    pub fn restore_key_events(&mut self, events: Vec<KeyEvent>) {
        self.key_events = events;
    }

    /// Notes a change of whole databases.
    pub fn note_database_change(&mut self, change: DatabaseChange) {
        self.database_changes.push(change);
    }

    /// Takes the changes of whole databases, in order.
    pub fn take_database_changes(&mut self) -> Vec<DatabaseChange> {
        std::mem::take(&mut self.database_changes)
    }

    /// States what is propagated instead of the command.
    pub fn set_propagate(&mut self, propagate: Propagate) {
        self.propagate = propagate;
    }

    /// Adds a command to those that are propagated instead of the running one.
    pub fn propagate_instead(&mut self, argv: OwnedArgv) {
        match &mut self.propagate {
            Propagate::Instead(list) => list.push(argv),
            other => *other = Propagate::Instead(vec![argv]),
        }
    }

    /// Takes what is propagated instead of the command.
    #[inline(always)]
    pub fn take_propagate(&mut self) -> Propagate {
        std::mem::take(&mut self.propagate)
    }

    /// Whether changes are propagated to any target.
    #[inline(always)]
    pub fn propagates(&self) -> bool {
        self.interest.has(Interest::PROPAGATE)
    }

    /// Whether notifications name the fields of hashes.
    #[inline(always)]
    pub fn tells_fields(&self) -> bool {
        self.interest.has(Interest::FIELDS)
    }

    /// Names the fields that the event noted last is about.
    #[cold]
    pub fn name_fields<'a>(&mut self, fields: impl IntoIterator<Item = &'a [u8]>) {
        if let Some(event) = self.key_events.last_mut() {
            event.fields = fields.into_iter().map(<[u8]>::to_vec).collect();
        }
    }

    /// Notes what happened to a key, for its listeners.
    #[inline(always)]
    pub fn note(&mut self, shared: &mut Shared, db: DbIndex, key: &[u8], event: Option<Event>) {
        if self.interest.has(Interest::OF_KEYS) {
            self.key_events.push(KeyEvent {
                seq: shared.fact(),
                db,
                key: key.to_vec(),
                event,
                is_background: false,
                fields: Vec::new(),
            });
        }
    }
}
