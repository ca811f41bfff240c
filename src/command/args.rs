//! The arguments of a command as a cursor: take the next, as what it must be.

use super::error::CmdError;
use crate::algo::number::{parse_f64, parse_i64};
use crate::resp::request::Argv;
use bytes::Bytes;

/// A cursor over the arguments; it starts behind the command's name (and its subcommand's).
#[derive(Clone)]
pub struct Args<'a> {
    argv: Argv<'a>,
    next: usize,
    /// The hash of the first key, if it was computed already.
    pub(super) first_key: Option<(usize, u64)>,
    /// The same for the first element, as packed tables look it up; 0 if it was not computed.
    element_hash: u64,
}

impl<'a> Args<'a> {
    pub fn new(argv: Argv<'a>, skip: usize) -> Self {
        Args {
            argv,
            next: skip,
            first_key: None,
            element_hash: 0,
        }
    }

    /// Remembers the hash of the key at `index`.
    #[inline(always)]
    pub fn with_key_hash(mut self, index: usize, hash: u64) -> Self {
        self.first_key = Some((index, hash));
        self
    }

    /// The first key and its hash, where it has been hashed.
    #[inline(always)]
    pub fn hashed_key(&self) -> Option<(&'a [u8], u64)> {
        let (index, hash) = self.first_key?;
        Some((self.argv.at(index), hash))
    }

    /// Remembers the hash of the first element (`Tag::element`).
    #[inline(always)]
    pub fn with_element_hash(mut self, hash: u64) -> Self {
        self.element_hash = hash;
        self
    }

    /// The hash by which packed tables look the first element up, if it is known already.
    #[inline(always)]
    pub fn element_hash(&self) -> Option<u64> {
        (self.element_hash != 0).then_some(self.element_hash)
    }

    /// All arguments, the command's name first.
    pub fn argv(&self) -> Argv<'a> {
        self.argv
    }

    /// Arguments not taken yet.
    #[inline(always)]
    pub fn left(&self) -> usize {
        self.argv.len() - self.next.min(self.argv.len())
    }

    /// The next argument. Empty past the end, which a checked arity rules out.
    #[inline(always)]
    pub fn bytes(&mut self) -> &'a [u8] {
        self.next += 1;
        self.argv.at(self.next - 1)
    }

    /// The next argument as a key.
    #[inline(always)]
    pub fn key(&mut self) -> &'a [u8] {
        self.bytes()
    }

    /// The next argument, if there is one.
    #[inline(always)]
    pub fn option(&mut self) -> Option<&'a [u8]> {
        (self.next < self.argv.len()).then(|| self.bytes())
    }

    /// The next argument, without taking it.
    pub fn peek(&self) -> Option<&'a [u8]> {
        (self.next < self.argv.len()).then(|| self.argv.at(self.next))
    }

    /// Takes the next argument if it is this word, in any case.
    #[inline]
    pub fn word(&mut self, word: &str) -> bool {
        let word = word.as_bytes();
        // Nearly all words that are not meant differ in length or in their first letter.
        let is = self.peek().is_some_and(|arg| {
            arg.len() == word.len()
                && arg.first().map(u8::to_ascii_lowercase)
                    == word.first().map(u8::to_ascii_lowercase)
                && arg.eq_ignore_ascii_case(word)
        });
        self.next += is as usize;
        is
    }

    /// The next argument as an integer; the missing one of an option is a syntax error.
    #[inline]
    pub fn int(&mut self) -> Result<i64, CmdError> {
        parse_i64(self.bytes()).ok_or(CmdError::NotInteger)
    }

    /// The next argument as a double; an error if it is none.
    pub fn float(&mut self) -> Result<f64, CmdError> {
        parse_f64(self.bytes()).ok_or(CmdError::NotFloat)
    }

    /// Checks that no argument is left.
    pub fn end(&self) -> Result<(), CmdError> {
        if self.left() == 0 {
            Ok(())
        } else {
            Err(CmdError::Syntax)
        }
    }

    /// Passes over `count` arguments.
    pub fn skip(&mut self, count: usize) {
        self.next += count;
    }

    /// The index of the next argument.
    pub fn position(&self) -> usize {
        self.next
    }

    /// The argument at `index` as a buffer that can be kept, if it came in one.
    pub fn shared(&self, index: usize) -> Option<Bytes> {
        self.argv.shared(index)
    }

    /// The arguments not taken yet.
    pub fn rest(&self) -> Argv<'a> {
        self.argv.from(self.next)
    }
}
