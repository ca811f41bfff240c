//! The command table: lookup by name, and the statistics of each command.

use crate::acl::{CommandIndex, CommandInfo};
use crate::algo::histogram::Histogram;
use crate::command::keys::Begin;
use crate::command::spec::{CATEGORIES, Group, REPLIES_WITH_PUSH, Spec, WRITE};
use crate::command::{CmdError, DataCommand, DataFn};
use crate::observe::commandlog::Slow;
use crate::resp::encode::Resp;
use crate::resp::request::Argv;
use crate::server::ServerCommand;
use crate::version::Series;
use bytes::Bytes;
use hashbrown::HashMap;

/// The handler of a command.
#[derive(Clone, Copy)]
pub enum Handler {
    Data(DataFn),
    Server(crate::server::ServerFn),
}

/// The statistics of a command, for INFO commandstats and latencystats.
#[derive(Default)]
pub struct CommandStats {
    pub calls: u64,
    pub ns: u64,
    pub rejected: u64,
    pub failed: u64,
    pub latency: Histogram,
    /// The calls that are in the slow log.
    pub slow: Slow,
}

/// A command in the table.
pub struct Slot {
    pub spec: &'static Spec,
    pub handler: Handler,
    /// `get`, or `client|list`.
    pub full_name: String,
    pub container: Option<u16>,
    pub subcommands: Vec<u16>,
    /// (packed name, length, number) of each subcommand with a short name, for the lookup.
    short: Vec<(u128, u8, u16)>,
    /// The index of the first key, 0 if it has no fixed position.
    pub first_key: u8,
    pub writes: bool,
    /// The index of the argument that names a collection element, as in `Spec::element`.
    pub element: u8,
    pub stats: CommandStats,
}

impl Slot {
    /// Returns whether the command is in an ACL category. A container is only in the categories it
    /// declares itself: those of its subcommands belong to the subcommands.
    pub fn in_category(&self, category: &str) -> bool {
        if self.subcommands.is_empty() {
            return self.spec.in_category(category);
        }
        let group = Group::Server;
        Spec {
            group,
            ..*self.spec
        }
        .in_category(category)
    }
}

/// Maximum length in bytes of a name on the fast path.
const SHORT: usize = 16;
/// Size of the fast path's hash table: a power of two, a few times the number of commands.
const PLACES: usize = 2048;

/// The command table.
pub struct Table {
    slots: Vec<Slot>,
    /// Command names as clients use them: after renaming, in lower case.
    names: HashMap<Vec<u8>, u16>,
    /// Number of names whose command is not absent.
    count: usize,
    /// Open addressing over the short names: (packed name, length, slot + 1).
    short: Vec<(u128, u8, u16)>,
    /// The encoded reply of COMMAND for each protocol, cached on first use.
    described: [Option<Bytes>; 2],
    /// The encoded COMMAND INFO entries of single commands, cached on first use.
    parts: HashMap<(u16, Resp), Box<[u8]>>,
}

/// Returns a short name as a number, in lower case. The length distinguishes names that end in zero
/// bytes.
#[inline(always)]
fn pack(name: &[u8]) -> (u128, u8) {
    let mut bytes = [0u8; SHORT];
    bytes[..name.len()].copy_from_slice(name);
    bytes.make_ascii_lowercase();
    (u128::from_le_bytes(bytes), name.len() as u8)
}

#[inline(always)]
fn place(packed: u128) -> usize {
    let folded = packed as u64 ^ (packed >> 64) as u64;
    (folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as usize % PLACES
}

impl Table {
    /// Returns the command or the subcommand it selects, with checked arity, and the number of
    /// words that name it.
    #[inline(always)]
    pub fn resolve(&self, number: u16, argv: &Argv) -> Result<(u16, usize), CmdError> {
        let slot = &self[number];
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
        let Some(sub) = self.subcommand(number, name) else {
            return Err(CmdError::unknown_subcommand(argv));
        };
        let slot = &self[sub];
        if !slot.spec.accepts(argv.len()) {
            return Err(CmdError::Arity(slot.full_name.clone()));
        }
        Ok((sub, 2))
    }

    /// Returns whether a session's last command replied by push messages, which CLIENT REPLY does
    /// not silence.
    #[cold]
    pub fn replied_with_push(&self, last_command: Option<u16>) -> bool {
        last_command.is_some_and(|number| self[number].spec.flags.has(REPLIES_WITH_PUSH))
    }

    /// Builds the table from the declarations of data and server commands.
    pub fn new(data: &[&'static [DataCommand]], server: &[&'static [ServerCommand]]) -> Self {
        let mut table = Table {
            slots: Vec::new(),
            names: HashMap::new(),
            count: 0,
            short: vec![(0, 0, 0); PLACES],
            described: [None, None],
            parts: HashMap::new(),
        };
        for entry in data.iter().copied().flatten() {
            let subs = entry
                .subcommands
                .iter()
                .map(|sub| (&sub.spec, Handler::Data(sub.run)));
            table.add(&entry.spec, Handler::Data(entry.run), subs);
        }
        for entry in server.iter().copied().flatten() {
            let subs = entry
                .subcommands
                .iter()
                .map(|sub| (&sub.spec, Handler::Server(sub.run)));
            table.add(&entry.spec, Handler::Server(entry.run), subs);
        }
        table.index();
        table
    }

    /// Removes the commands and subcommands that came after a series of Redis, and those that only
    /// Valkey has.
    pub fn limit_to(&mut self, series: Series) {
        if series >= Series::NEWEST {
            return;
        }
        let is_later = |spec: &Spec| spec.of_valkey || Series::of_version(spec.since) > series;
        let later: Vec<bool> = self.slots.iter().map(|slot| is_later(slot.spec)).collect();
        self.names.retain(|_, number| !later[*number as usize]);
        for (slot, is_later) in self.slots.iter_mut().zip(&later) {
            slot.subcommands.retain(|sub| !later[*sub as usize]);
            if *is_later {
                // Rules of users cannot name it either.
                slot.full_name.clear();
            }
        }
        self.index();
    }

    fn add(
        &mut self,
        spec: &'static Spec,
        handler: Handler,
        subcommands: impl Iterator<Item = (&'static Spec, Handler)>,
    ) {
        let number = self.push(spec, handler, spec.name.to_owned(), None);
        self.names.insert(spec.name.as_bytes().to_vec(), number);
        for (sub, handler) in subcommands {
            let full_name = format!("{}|{}", spec.name, sub.name);
            let sub = self.push(sub, handler, full_name, Some(number));
            self.slots[number as usize].subcommands.push(sub);
        }
    }

    fn push(
        &mut self,
        spec: &'static Spec,
        handler: Handler,
        full_name: String,
        container: Option<u16>,
    ) -> u16 {
        let first_key = match spec.keys.first().map(|keys| keys.begin) {
            Some(Begin::Index(index)) => index as u8,
            _ => 0,
        };
        self.slots.push(Slot {
            spec,
            handler,
            full_name,
            container,
            subcommands: Vec::new(),
            short: Vec::new(),
            first_key,
            writes: spec.flags.has(WRITE),
            element: spec.element,
            stats: CommandStats::default(),
        });
        (self.slots.len() - 1) as u16
    }

    /// Rebuilds the fast path.
    fn index(&mut self) {
        self.count = self.commands().count();
        self.described = [None, None];
        self.parts = HashMap::new();
        self.short.fill((0, 0, 0));
        for (name, &number) in &self.names {
            if name.len() > SHORT {
                continue;
            }
            let (packed, len) = pack(name);
            let mut at = place(packed);
            while self.short[at].2 != 0 {
                at = (at + 1) % PLACES;
            }
            self.short[at] = (packed, len, number + 1);
        }
        for container in 0..self.slots.len() {
            let named = |&sub: &u16| {
                let name = self[sub].spec.name.as_bytes();
                let (packed, len) = (name.len() <= SHORT).then(|| pack(name))?;
                Some((packed, len, sub))
            };
            let slot = &self.slots[container];
            let short = slot.subcommands.iter().filter_map(named).collect();
            self.slots[container].short = short;
        }
    }

    /// Returns whether a command is a subcommand of CLIENT.
    pub fn is_of_client(&self, number: u16) -> bool {
        self[number]
            .container
            .is_some_and(|container| self[container].spec.group == Group::Connection)
    }

    /// Returns the full name of a command.
    pub fn name_of(&self, spec: &'static Spec) -> &str {
        let slot = self.slots.iter().find(|slot| std::ptr::eq(slot.spec, spec));
        slot.map_or(spec.name, |slot| &slot.full_name)
    }

    /// Returns the command with this name, as clients use it.
    #[inline(always)]
    pub fn lookup(&self, name: &[u8]) -> Option<u16> {
        if name.len() > SHORT {
            return self.names.get(&name.to_ascii_lowercase()).copied();
        }
        let (packed, len) = pack(name);
        let mut at = place(packed);
        loop {
            let (candidate, length, number) = self.short[at];
            if number == 0 {
                return None;
            }
            if candidate == packed && length == len {
                return Some(number - 1);
            }
            at = (at + 1) % PLACES;
        }
    }

    /// Returns the subcommand of a container with this name.
    pub fn subcommand(&self, container: u16, name: &[u8]) -> Option<u16> {
        let slot = &self[container];
        if name.len() <= SHORT {
            let (packed, len) = pack(name);
            let is_it = |&&(other, length, _): &&(u128, u8, u16)| other == packed && length == len;
            return slot.short.iter().find(is_it).map(|&(_, _, sub)| sub);
        }
        let subs = slot.subcommands.iter().copied();
        subs.into_iter()
            .find(|&sub| self[sub].spec.name.as_bytes().eq_ignore_ascii_case(name))
    }

    /// Returns the command with this full name (`client|list`), as COMMAND INFO takes it.
    pub fn lookup_full(&self, name: &[u8]) -> Option<u16> {
        match name.iter().position(|&b| b == b'|') {
            Some(bar) => self.subcommand(self.lookup(&name[..bar])?, &name[bar + 1..]),
            None => self.lookup(name),
        }
    }

    /// Renames a command (`rename-command`); an empty new name removes it. Fails if there is no
    /// such command or the new name is taken.
    pub fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<(), &'static str> {
        let (from, to) = (from.to_ascii_lowercase(), to.to_ascii_lowercase());
        let Some(&number) = self.names.get(&from) else {
            return Err("No such command in rename-command");
        };
        if from != to && !to.is_empty() && self.names.contains_key(&to) {
            return Err("Target command name already exists");
        }
        self.names.remove(&from);
        if !to.is_empty() {
            self.names.insert(to, number);
        }
        self.index();
        Ok(())
    }

    /// Returns the top-level commands that can be called.
    pub fn commands(&self) -> impl Iterator<Item = u16> {
        let is_there = |number: &u16| !self[*number].spec.absent;
        let mut numbers: Vec<u16> = self.names.values().copied().filter(is_there).collect();
        numbers.sort_unstable();
        numbers.into_iter()
    }

    /// Returns the number of top-level commands that can be called.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns the cached reply of COMMAND for a protocol, if names have not changed since.
    pub fn described(&self, resp: Resp) -> Option<&Bytes> {
        self.described[resp as usize].as_ref()
    }

    /// Caches the reply of COMMAND for a protocol.
    pub fn keep_described(&mut self, resp: Resp, answer: Bytes) {
        self.described[resp as usize] = Some(answer);
    }

    /// Returns the cached COMMAND INFO entry of a command for a protocol; `make` encodes it on
    /// first use.
    pub fn part(&mut self, key: (u16, Resp), make: impl FnOnce(&Table) -> Box<[u8]>) -> &[u8] {
        if !self.parts.contains_key(&key) {
            let part = make(self);
            self.parts.insert(key, part);
        }
        &self.parts[&key]
    }

    /// Returns the command index of the ACL.
    pub fn command_index(&self) -> CommandIndex {
        let known = |slot: &Slot| CommandInfo {
            full_name: slot.full_name.clone(),
            categories: (0..)
                .zip(CATEGORIES)
                .filter(|(_, category)| !slot.full_name.is_empty() && slot.in_category(category))
                .fold(0, |bits, (at, _)| bits | 1 << at),
            is_subcommand: slot.container.is_some(),
            subcommands: slot.subcommands.clone(),
        };
        CommandIndex::new(self.slots.iter().map(known).collect())
    }

    /// Returns all commands and subcommands.
    pub fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.slots.iter_mut()
    }
}

impl std::ops::Index<u16> for Table {
    type Output = Slot;
    #[inline(always)]
    fn index(&self, number: u16) -> &Slot {
        &self.slots[number as usize]
    }
}

impl std::ops::IndexMut<u16> for Table {
    #[inline(always)]
    fn index_mut(&mut self, number: u16) -> &mut Slot {
        &mut self.slots[number as usize]
    }
}
