//! A selector: commands, keys and channels that go together.
//!
//! Permissions are kept twice: as bits and patterns for checks, and for the commands also as the
//! words that led there, because those are shown and saved. A new word takes the place of older
//! ones about the same command, and `+@all` and `-@all` take the place of all.

use super::command_index::CommandIndex;
use super::rules::{RuleError, Scope, has_blanks, until_zero};
use hashbrown::HashMap;

/// The access allowed to keys that match a pattern.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access(pub u8);

impl Access {
    pub const READ: u8 = 1;
    pub const WRITE: u8 = 2;
    const ALL: u8 = Access::READ | Access::WRITE;

    /// Whether this includes all of `wanted`.
    pub fn covers(self, wanted: u8) -> bool {
        self.0 & wanted == wanted
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyPattern {
    pub pattern: Vec<u8>,
    pub access: Access,
}

/// A selector: commands, keys and channels that are allowed together.
#[derive(Clone, PartialEq, Debug)]
pub struct Selector {
    pub all_keys: bool,
    pub all_channels: bool,
    /// No command was taken away since `+@all`.
    pub all_commands: bool,
    /// `+@all` came after `-@all`: what is shown begins with it.
    begins_with_all: bool,
    /// A bit for each command.
    commands: Box<[u64]>,
    /// Of commands that are not allowed: the first arguments with which they are.
    first_args: HashMap<u16, Vec<Vec<u8>>>,
    /// The command rules since `+@all` or `-@all`, a sign in front of each.
    words: Vec<Vec<u8>>,
    pub keys: Vec<KeyPattern>,
    pub channels: Vec<Vec<u8>>,
    /// The databases that may be used, in order; without, all of them. A rule of Valkey.
    pub databases: Option<Vec<u32>>,
}

impl Selector {
    /// A selector that allows nothing, save all channels if that is the default.
    pub fn new(scope: Scope) -> Selector {
        Selector {
            all_keys: false,
            all_channels: scope.all_channels,
            all_commands: false,
            begins_with_all: false,
            commands: vec![0; scope.command_index.len().div_ceil(64)].into(),
            first_args: HashMap::new(),
            words: Vec::new(),
            keys: Vec::new(),
            channels: Vec::new(),
            databases: None,
        }
    }

    /// A selector that allows everything.
    pub fn unlimited(command_index: &CommandIndex) -> Selector {
        let mut selector = Selector::new(Scope {
            command_index,
            all_channels: true,
        });
        selector.all_keys = true;
        selector.set_all(true);
        selector
    }

    /// Whether everything is allowed, so that no check is needed.
    pub fn is_unlimited(&self) -> bool {
        self.all_commands && self.all_keys && self.all_channels && self.databases.is_none()
    }

    /// Whether a command is allowed, with any arguments.
    #[inline]
    pub fn has_command(&self, number: u16) -> bool {
        let (word, bit) = (usize::from(number) / 64, number % 64);
        self.commands
            .get(word)
            .is_some_and(|word| word >> bit & 1 == 1)
    }

    /// Whether a command is allowed with this first argument.
    pub fn has_first_arg(&self, number: u16, arg: &[u8]) -> bool {
        let allowed = self.first_args.get(&number);
        let is_it = |known: &Vec<u8>| until_zero(arg).eq_ignore_ascii_case(known);
        allowed.is_some_and(|allowed| allowed.iter().any(is_it))
    }

    fn set_all(&mut self, on: bool) {
        self.commands.fill(if on { u64::MAX } else { 0 });
        (self.all_commands, self.begins_with_all) = (on, on);
        self.words.clear();
        self.first_args.clear();
    }

    fn set_bit(&mut self, number: u16, on: bool) {
        let (word, bit) = (usize::from(number) / 64, number % 64);
        if on {
            self.commands[word] |= 1 << bit;
        } else {
            self.commands[word] &= !(1 << bit);
            self.all_commands = false;
        }
    }

    /// Allows or forbids a command with all its subcommands.
    fn set_command(&mut self, command_index: &CommandIndex, number: u16, on: bool) {
        self.set_bit(number, on);
        self.first_args.remove(&number);
        for &sub in &command_index.get(number).subcommands {
            self.set_bit(sub, on);
        }
    }

    /// Remembers a word about commands, in the place of those it supersedes.
    fn remember(&mut self, sign: u8, name: &[u8]) {
        let name = name.to_ascii_lowercase();
        self.words.retain(|word| {
            let rest = word[1..].strip_prefix(name.as_slice());
            !rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'|')
        });
        self.words.push([&[sign], name.as_slice()].concat());
    }

    /// Applies one word.
    pub fn apply(&mut self, word: &[u8], scope: Scope) -> Result<(), RuleError> {
        let text = until_zero(word);
        let is = |name: &str| text.eq_ignore_ascii_case(name.as_bytes());
        if is("allkeys") || is("~*") {
            self.all_keys = true;
            self.keys.clear();
        } else if is("resetkeys") {
            self.all_keys = false;
            self.keys.clear();
        } else if is("allchannels") || is("&*") {
            self.all_channels = true;
            self.channels.clear();
        } else if is("resetchannels") {
            self.all_channels = false;
            self.channels.clear();
        } else if is("alldbs") {
            self.databases = None;
        } else if is("resetdbs") {
            self.databases = Some(Vec::new());
        } else if is("allcommands") || is("+@all") {
            self.set_all(true);
        } else if is("nocommands") || is("-@all") {
            self.set_all(false);
        } else {
            return self.apply_marked(word, text, scope);
        }
        Ok(())
    }

    /// Applies a word whose first letter is its kind.
    fn apply_marked(&mut self, word: &[u8], text: &[u8], scope: Scope) -> Result<(), RuleError> {
        match *text {
            [b'~', ..] => self.add_keys(&word[1..], Access(Access::ALL)),
            // Said before anything that may be wrong with the pattern.
            [b'%', ..] if self.all_keys => Err(RuleError::AfterAllKeys),
            [b'%', ..] => {
                let (access, pattern) = parse_access(&word[1..])?;
                self.add_keys(pattern, access)
            }
            [b'&', ..] => self.add_channels(&word[1..]),
            [b'd' | b'D', b'b' | b'B', b'=', ref list @ ..] => {
                self.databases = Some(parse_databases(list)?);
                Ok(())
            }
            [sign @ (b'+' | b'-'), b'@', ref category @ ..] => {
                self.set_category(sign, category, scope.command_index)
            }
            [b'+', ref name @ ..] => self.allow(name, scope.command_index),
            [b'-', ref name @ ..] => {
                let number = scope.command_index.find(name).ok_or(RuleError::Unknown)?;
                self.set_command(scope.command_index, number, false);
                self.remember(b'-', name);
                Ok(())
            }
            _ => Err(RuleError::Syntax),
        }
    }

    fn set_category(
        &mut self,
        sign: u8,
        name: &[u8],
        command_index: &CommandIndex,
    ) -> Result<(), RuleError> {
        let category = CommandIndex::category(name).ok_or(RuleError::Unknown)?;
        self.remember(sign, &[b"@", name].concat());
        for number in command_index.in_category(category) {
            self.set_command(command_index, number, sign == b'+');
        }
        Ok(())
    }

    /// `+command`, `+command|subcommand`, or `+command|argument` of a command without subcommands.
    fn allow(&mut self, name: &[u8], command_index: &CommandIndex) -> Result<(), RuleError> {
        let bar = memchr::memrchr(b'|', name);
        let Some(bar) = bar else {
            let number = command_index.find(name).ok_or(RuleError::Unknown)?;
            self.set_command(command_index, number, true);
            self.remember(b'+', name);
            return Ok(());
        };
        let (command, sub) = (&name[..bar], &name[bar + 1..]);
        let number = command_index.find(command).ok_or(RuleError::Unknown)?;
        let known = command_index.get(number);
        if known.is_subcommand {
            return Err(RuleError::TooDeep);
        }
        // A blank or the end of a line would break the word in two where it is saved.
        if sub.is_empty() || has_blanks(sub) {
            return Err(RuleError::Syntax);
        }
        if known.subcommands.is_empty() {
            log::warn!(
                "Deprecation warning: Allowing a first arg of an otherwise blocked command is a \
                 misuse of ACL and may get disabled in the future (offender: +{})",
                String::from_utf8_lossy(name)
            );
            let allowed = self.first_args.entry(number).or_default();
            if !allowed.iter().any(|known| known.eq_ignore_ascii_case(sub)) {
                allowed.push(sub.to_vec());
            }
        } else {
            let number = command_index.find(name).ok_or(RuleError::Unknown)?;
            self.set_command(command_index, number, true);
        }
        self.remember(b'+', name);
        Ok(())
    }

    fn add_keys(&mut self, pattern: &[u8], access: Access) -> Result<(), RuleError> {
        if self.all_keys {
            return Err(RuleError::AfterAllKeys);
        }
        if has_blanks(pattern) {
            return Err(RuleError::Syntax);
        }
        match self.keys.iter_mut().find(|known| known.pattern == pattern) {
            Some(known) => known.access.0 |= access.0,
            None => self.keys.push(KeyPattern {
                pattern: pattern.to_vec(),
                access,
            }),
        }
        Ok(())
    }

    fn add_channels(&mut self, pattern: &[u8]) -> Result<(), RuleError> {
        if self.all_channels {
            return Err(RuleError::AfterAllChannels);
        }
        if has_blanks(pattern) {
            return Err(RuleError::Syntax);
        }
        if !self.channels.iter().any(|known| known == pattern) {
            self.channels.push(pattern.to_vec());
        }
        Ok(())
    }

    /// The commands as rules.
    pub fn show_commands(&self) -> Vec<u8> {
        let first: &[u8] = if self.begins_with_all {
            b"+@all"
        } else {
            b"-@all"
        };
        let words = self.words.iter().map(Vec::as_slice);
        std::iter::once(first)
            .chain(words)
            .collect::<Vec<_>>()
            .join(&b' ')
    }

    /// The keys as rules.
    pub fn show_keys(&self) -> Vec<u8> {
        if self.all_keys {
            return b"~*".to_vec();
        }
        let show = |keys: &KeyPattern| {
            let mark: &[u8] = match keys.access.0 {
                Access::READ => b"%R~",
                Access::WRITE => b"%W~",
                _ => b"~",
            };
            [mark, &keys.pattern].concat()
        };
        self.keys.iter().map(show).collect::<Vec<_>>().join(&b' ')
    }

    /// The channels as rules.
    pub fn show_channels(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        let show = |channel: &Vec<u8>| [b"&", channel.as_slice()].concat();
        let shown: Vec<_> = self.channels.iter().map(show).collect();
        shown.join(&b' ')
    }

    /// The databases as a rule.
    pub fn show_databases(&self) -> Vec<u8> {
        match self.databases.as_deref() {
            None => b"alldbs".to_vec(),
            Some([]) => Vec::new(),
            Some(databases) => {
                let numbers: Vec<String> = databases.iter().map(u32::to_string).collect();
                format!("db={}", numbers.join(",")).into_bytes()
            }
        }
    }

    /// All rules in a line that makes this selector again.
    pub fn describe(&self) -> Vec<u8> {
        let mut parts = vec![self.show_keys()];
        if !self.all_channels {
            parts.push(b"resetchannels".to_vec());
        }
        parts.push(self.show_channels());
        match &self.databases {
            None => {}
            Some(none) if none.is_empty() => parts.push(b"resetdbs".to_vec()),
            Some(_) => parts.push(self.show_databases()),
        }
        parts.push(self.show_commands());
        parts.retain(|part| !part.is_empty());
        parts.join(&b' ')
    }
}

/// Numbers of databases with commas between them, in order and each once.
fn parse_databases(list: &[u8]) -> Result<Vec<u32>, RuleError> {
    let mut databases = Vec::new();
    for number in list.split(|&byte| byte == b',') {
        let digits = number.strip_prefix(b"-").unwrap_or(number);
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(RuleError::Syntax);
        }
        let value = std::str::from_utf8(number)
            .ok()
            .and_then(|n| n.parse::<i32>().ok());
        let value = value.and_then(|value| u32::try_from(value).ok());
        databases.push(value.ok_or(RuleError::NoDatabase)?);
    }
    databases.sort_unstable();
    databases.dedup();
    Ok(databases)
}

/// `R`, `W` or both in front of a pattern; what stands behind the `~`.
fn parse_access(text: &[u8]) -> Result<(Access, &[u8]), RuleError> {
    let mut access = 0;
    for (at, letter) in text.iter().enumerate() {
        access |= match letter.to_ascii_uppercase() {
            b'R' if access & Access::READ == 0 => Access::READ,
            b'W' if access & Access::WRITE == 0 => Access::WRITE,
            b'~' if access != 0 => return Ok((Access(access), &text[at + 1..])),
            _ => return Err(RuleError::Syntax),
        };
    }
    // As Redis does: without a pattern it is the empty one.
    match access {
        0 => Err(RuleError::Syntax),
        _ => Ok((Access(access), b"")),
    }
}
