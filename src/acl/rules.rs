//! The words of ACL SETUSER: how they are grouped, what can be wrong with them.

use super::command_index::CommandIndex;

/// The reason for refusing a rule. The texts are those sent to clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RuleError {
    #[error("Unknown command or category name in ACL")]
    Unknown,
    #[error("Syntax error")]
    Syntax,
    #[error(
        "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not \
         have any effect. Try 'resetkeys' to start with an empty list of patterns"
    )]
    AfterAllKeys,
    #[error(
        "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does \
         not have any effect. Try 'resetchannels' to start with an empty list of channels"
    )]
    AfterAllChannels,
    #[error("The password you are trying to remove from the user does not exist")]
    NoSuchPassword,
    #[error(
        "The password hash must be exactly 64 characters and contain only lowercase hexadecimal \
         characters"
    )]
    BadHash,
    #[error("The provided database ID is out of range")]
    NoDatabase,
    #[error("Allowing first-arg of a subcommand is not supported")]
    TooDeep,
}

/// The scope of rules: the existing commands, and the defaults of new selectors.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    pub command_index: &'a CommandIndex,
    pub all_channels: bool,
}

/// A parenthesis that is opened by this word and never closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unclosed(pub usize);

/// Joins the words between parentheses: `(+get`, `~a)` is one rule.
pub fn merge_selectors(words: &[&[u8]]) -> Result<Vec<Vec<u8>>, Unclosed> {
    let mut merged: Vec<Vec<u8>> = Vec::new();
    let mut open: Option<(usize, Vec<u8>)> = None;
    for (at, word) in words.iter().enumerate() {
        match &mut open {
            Some((_, joined)) => {
                joined.push(b' ');
                joined.extend_from_slice(until_zero(word));
                if word.last() == Some(&b')') {
                    merged.extend(open.take().map(|(_, joined)| joined));
                }
            }
            None if word.first() == Some(&b'(') && word.last() != Some(&b')') => {
                open = Some((at, word.to_vec()));
            }
            None => merged.push(word.to_vec()),
        }
    }
    match open {
        Some((at, _)) => Err(Unclosed(at)),
        None => Ok(merged),
    }
}

/// Whether a name or pattern has blanks or zero bytes in it, which no line could hold.
pub fn has_blanks(text: &[u8]) -> bool {
    text.iter()
        .any(|byte| matches!(byte, b' ' | b'\t'..=b'\r' | 0))
}

/// Whether a text can be the name of a user: CLIENT LIST and ACL LIST show it in a line.
pub fn is_user_name(text: &[u8]) -> bool {
    !has_blanks(text) && !crate::algo::quoting::has_control(text)
}

/// A word as Redis compares it: up to a zero byte.
pub fn until_zero(text: &[u8]) -> &[u8] {
    &text[..memchr::memchr(0, text).unwrap_or(text.len())]
}
