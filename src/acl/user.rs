//! A user: whether it may log in, by which passwords, and what it may do then.

use super::command_index::CommandIndex;
use super::rules::{RuleError, Scope, until_zero};
use super::selector::Selector;
use crate::algo::quoting::{quote, split_args};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use subtle::{Choice, ConstantTimeEq};

/// The SHA-256 of a password, in hexadecimal digits as it is shown and saved.
type Hash = [u8; 64];

/// A user: whether it may log in, with which passwords, and its permissions.
#[derive(Clone, PartialEq, Debug)]
pub struct User {
    pub enabled: bool,
    /// Any password will do.
    pub no_password: bool,
    /// Values it restores are taken as they are (`skip-sanitize-payload`).
    pub skip_sanitize: bool,
    passwords: Vec<Hash>,
    /// The rules outside of parentheses.
    root: Selector,
    selectors: Vec<Selector>,
}

fn hash(password: &[u8]) -> Hash {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 64];
    for (two, byte) in text.chunks_mut(2).zip(Sha256::digest(password)) {
        two[0] = DIGITS[usize::from(byte >> 4)];
        two[1] = DIGITS[usize::from(byte & 15)];
    }
    text
}

fn parse_hash(text: &[u8]) -> Result<Hash, RuleError> {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let hash = Hash::try_from(text).map_err(|_| RuleError::BadHash)?;
    match hash.iter().all(is_digit) {
        true => Ok(hash),
        false => Err(RuleError::BadHash),
    }
}

/// A rule as it is written between parentheses: in quotes if a bare one would be read otherwise.
fn in_selector(word: &[u8]) -> Cow<'_, [u8]> {
    let has_quotes = word.iter().any(|byte| matches!(byte, b'"' | b'\''));
    match has_quotes || word.ends_with(b")") {
        true => Cow::Owned(quote(word)),
        false => Cow::Borrowed(word),
    }
}

impl User {
    /// A user without permissions.
    pub fn new(scope: Scope) -> User {
        User {
            enabled: false,
            no_password: false,
            skip_sanitize: false,
            passwords: Vec::new(),
            root: Selector::new(scope),
            selectors: Vec::new(),
        }
    }

    /// The default user as it is from the start.
    pub fn unlimited(command_index: &CommandIndex) -> User {
        User {
            enabled: true,
            no_password: true,
            skip_sanitize: false,
            passwords: Vec::new(),
            root: Selector::unlimited(command_index),
            selectors: Vec::new(),
        }
    }

    /// Whether a rule limits the databases it may use.
    pub fn has_database_rules(&self) -> bool {
        self.all_selectors()
            .any(|selector| selector.databases.is_some())
    }

    /// Whether its commands must be checked.
    pub fn is_restricted(&self) -> bool {
        !self.all_selectors().any(Selector::is_unlimited)
    }

    pub fn root(&self) -> &Selector {
        &self.root
    }

    /// The selectors in parentheses.
    pub fn selectors(&self) -> &[Selector] {
        &self.selectors
    }

    /// The root selector, then those in parentheses.
    pub fn all_selectors(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.selectors)
    }

    pub fn passwords(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.passwords.iter().map(Hash::as_slice)
    }

    /// Whether this is one of its passwords. All are compared, even after a match.
    pub fn accepts(&self, password: &[u8]) -> bool {
        let given = hash(password);
        let right = self.passwords.iter().map(|known| known.ct_eq(&given));
        let any = right.fold(Choice::from(0), |any, right| any | right);
        self.no_password || any.into()
    }

    /// Makes this the only password; an empty one does away with passwords.
    pub fn set_only_password(&mut self, password: &[u8]) {
        self.passwords.clear();
        self.no_password = password.is_empty();
        if !password.is_empty() {
            self.passwords.push(hash(password));
        }
    }

    /// Applies one rule; a selector in parentheses is one.
    pub fn apply(&mut self, word: &[u8], scope: Scope) -> Result<(), RuleError> {
        let text = until_zero(word);
        match text.to_ascii_lowercase().as_slice() {
            _ if word.is_empty() => {}
            b"on" => self.enabled = true,
            b"off" => self.enabled = false,
            b"nopass" => {
                self.no_password = true;
                self.passwords.clear();
            }
            b"resetpass" => {
                self.no_password = false;
                self.passwords.clear();
            }
            b"skip-sanitize-payload" => self.skip_sanitize = true,
            b"sanitize-payload" => self.skip_sanitize = false,
            b"clearselectors" => self.selectors.clear(),
            b"reset" => *self = User::new(scope),
            _ => return self.apply_marked(word, scope),
        }
        Ok(())
    }

    fn apply_marked(&mut self, word: &[u8], scope: Scope) -> Result<(), RuleError> {
        match *word {
            [b'>', ref password @ ..] => self.add_password(hash(password)),
            [b'#', ref digits @ ..] => self.add_password(parse_hash(digits)?),
            [b'<', ref password @ ..] => return self.remove_password(&hash(password)),
            [b'!', ref digits @ ..] => return self.remove_password(&parse_hash(digits)?),
            [b'(', ref inside @ .., b')'] => {
                let mut selector = Selector::new(scope);
                // As Redis does, unbalanced quotes leave nothing to be applied.
                for word in split_args(inside).unwrap_or_default() {
                    selector.apply(&word, scope)?;
                }
                self.selectors.push(selector);
            }
            _ => return self.root.apply(word, scope),
        }
        Ok(())
    }

    fn add_password(&mut self, hash: Hash) {
        if !self.passwords.contains(&hash) {
            self.passwords.push(hash);
        }
        self.no_password = false;
    }

    fn remove_password(&mut self, hash: &Hash) -> Result<(), RuleError> {
        let at = self.passwords.iter().position(|known| known == hash);
        self.passwords.remove(at.ok_or(RuleError::NoSuchPassword)?);
        Ok(())
    }

    /// The words for what is switched on and off.
    pub fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec![if self.enabled { "on" } else { "off" }];
        if self.no_password {
            flags.push("nopass");
        }
        flags.push(if self.skip_sanitize {
            "skip-sanitize-payload"
        } else {
            "sanitize-payload"
        });
        flags
    }

    /// All rules in a line that makes this user again.
    pub fn describe(&self) -> Vec<u8> {
        let flags = self.flags();
        let mut parts: Vec<Vec<u8>> = flags.iter().map(|flag| flag.as_bytes().to_vec()).collect();
        parts.extend(self.passwords().map(|hash| [b"#", hash].concat()));
        parts.push(self.root.describe());
        for selector in &self.selectors {
            let rules = selector.describe();
            let words: Vec<_> = rules.split(|&byte| byte == b' ').map(in_selector).collect();
            parts.push([b"(", words.join(&b' ').as_slice(), b")"].concat());
        }
        parts.join(&b' ')
    }

    /// The channel patterns of this user, if it may use less than `before`.
    pub fn channels_after(&self, before: &User) -> Option<Vec<Vec<u8>>> {
        if self.all_selectors().any(|selector| selector.all_channels) {
            return None;
        }
        let channels = |user: &User| -> Vec<Vec<u8>> {
            let patterns = user.all_selectors().flat_map(|selector| &selector.channels);
            patterns.cloned().collect()
        };
        let left = channels(self);
        let had_all = before.all_selectors().any(|selector| selector.all_channels);
        let kept = channels(before).iter().all(|known| left.contains(known));
        (had_all || !kept).then_some(left)
    }
}
