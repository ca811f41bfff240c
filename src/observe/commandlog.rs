//! The command logs: the latest commands that took long, those with a large request, and those with
//! a large reply.
//!
//! Entries hold copies, cut so that a huge command makes a small entry. Written by the server after
//! a command; read by COMMANDLOG, and by SLOWLOG, which knows only the first log.

use crate::resp::request::Argv;
use std::collections::VecDeque;

/// The size of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Arguments an entry keeps (`slowlog-entry-max-argc`); the last of them states the number of the
    /// others.
    pub args: usize,
    /// Bytes an entry keeps of an argument (`slowlog-entry-max-string-len`).
    pub arg_bytes: usize,
}

/// The property for which a command is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Slow,
    LargeRequest,
    LargeReply,
}

/// A logged command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub id: u64,
    pub unix_s: i64,
    /// Its duration in microseconds, or the size of its request or reply in bytes.
    pub measure: u64,
    pub args: Vec<Vec<u8>>,
    /// The number of arguments that the command had.
    pub argc: usize,
    /// The address of the caller, and the name it gave itself.
    pub peer: String,
    pub name: Vec<u8>,
}

/// Counts of slow commands, of one command or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slow {
    pub count: u64,
    pub sum_us: u64,
    pub max_us: u64,
}

impl Slow {
    pub fn note(&mut self, us: u64) {
        self.count += 1;
        self.sum_us += us;
        self.max_us = self.max_us.max(us);
    }
}

/// The log of commands of one kind.
#[derive(Debug, Default)]
pub struct CommandLog {
    /// The newest is in front.
    entries: VecDeque<Entry>,
    next_id: u64,
}

impl CommandLog {
    /// Adds an entry and forgets the oldest beyond `max_len`. The id is given here; without room for
    /// any entry nothing happens, and what was logged before stays. Returns whether it was added.
    pub fn push(&mut self, mut entry: Entry, max_len: usize) -> bool {
        if max_len == 0 {
            // As if nothing had happened: not even a number is used up.
            return false;
        }
        entry.id = self.next_id;
        self.next_id += 1;
        self.entries.push_front(entry);
        self.entries.truncate(max_len);
        true
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The newest first.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Forgets the entries; ids go on.
    pub fn reset(&mut self) {
        self.entries.clear();
    }
}

/// The logs of all kinds.
#[derive(Debug)]
pub struct CommandLogs {
    logs: [CommandLog; 3],
    /// All slow commands since the statistics were reset.
    pub slow: Slow,
    /// Commands that take this long are logged; the largest number for none.
    pub slow_ns: u64,
    /// Requests of so many bytes are logged; the largest number for none.
    pub request_bytes: usize,
    /// Replies of so many bytes are logged; the largest number for none.
    pub reply_bytes: usize,
}

impl Default for CommandLogs {
    fn default() -> Self {
        CommandLogs {
            logs: Default::default(),
            slow: Slow::default(),
            slow_ns: u64::MAX,
            request_bytes: usize::MAX,
            reply_bytes: usize::MAX,
        }
    }
}

impl CommandLogs {
    pub fn of(&self, kind: Kind) -> &CommandLog {
        &self.logs[kind as usize]
    }

    pub fn of_mut(&mut self, kind: Kind) -> &mut CommandLog {
        &mut self.logs[kind as usize]
    }
}

/// Bytes of a request as RESP writes it.
pub fn request_bytes(argv: &Argv) -> usize {
    prefixed_len(argv.len()) + argv.iter().map(bulk_len).sum::<usize>()
}

/// The bytes of a number behind its type, with the end of the line.
fn prefixed_len(n: usize) -> usize {
    const PREFIX_AND_END: usize = 3;
    PREFIX_AND_END + n.checked_ilog10().unwrap_or(0) as usize + 1
}

/// The bytes of a word in a request.
fn bulk_len(word: &[u8]) -> usize {
    prefixed_len(word.len()) + word.len() + 2
}

/// Copies arguments in the form of an entry. `hide` marks secret ones.
pub fn cut<'a>(
    args: impl ExactSizeIterator<Item = &'a [u8]>,
    hide: impl Fn(usize) -> bool,
    limits: Limits,
) -> Vec<Vec<u8>> {
    let count = args.len();
    let kept = if count > limits.args {
        limits.args - 1
    } else {
        count
    };
    let mut cut: Vec<Vec<u8>> = args
        .take(kept)
        .enumerate()
        .map(|(index, arg)| match hide(index) {
            true => b"(redacted)".to_vec(),
            false => cut_one(arg, limits.arg_bytes),
        })
        .collect();
    if kept < count {
        cut.push(format!("... ({} more arguments)", count - kept).into_bytes());
    }
    cut
}

fn cut_one(arg: &[u8], most: usize) -> Vec<u8> {
    if arg.len() <= most {
        return arg.to_vec();
    }
    let mut cut = arg[..most].to_vec();
    let more = arg.len() - most;
    cut.extend_from_slice(format!("... ({more} more bytes)").as_bytes());
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::request::OwnedArgv;

    const LIMITS: Limits = Limits {
        args: 32,
        arg_bytes: 128,
    };

    #[test]
    fn arguments_are_cut() {
        let long = vec![b'x'; 200];
        let args: Vec<&[u8]> = vec![b"set", b"a", &long];
        let cut = cut(args.into_iter(), |index| index == 1, LIMITS);
        assert_eq!(cut[1], b"(redacted)");
        assert!(cut[2].ends_with(b"x... (72 more bytes)") && cut[2].len() == 128 + 19);
    }

    #[test]
    fn too_many_arguments_are_counted() {
        let args: Vec<&[u8]> = vec![b"x"; 41];
        let kept = cut(args.iter().copied(), |_| false, LIMITS);
        assert_eq!(kept.len(), 32);
        assert_eq!(kept[31], b"... (10 more arguments)");
        let least = Limits {
            args: 2,
            arg_bytes: 1,
        };
        let args: Vec<&[u8]> = vec![b"set", b"a", b"b"];
        let kept = cut(args.into_iter(), |_| false, least);
        assert_eq!(
            kept,
            [&b"s... (2 more bytes)"[..], b"... (2 more arguments)"]
        );
    }

    #[test]
    fn a_request_is_as_long_as_on_the_wire() {
        for words in [&[&b"GET"[..], b"k"][..], &[b"ECHO", &[b'x'; 100]], &[b""]] {
            let owned: OwnedArgv = words.iter().copied().collect();
            let mut wire = format!("*{}\r\n", words.len()).into_bytes();
            for word in words {
                wire.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
                wire.extend_from_slice(word);
                wire.extend_from_slice(b"\r\n");
            }
            assert_eq!(request_bytes(&owned.as_argv()), wire.len());
        }
    }

    #[test]
    fn the_oldest_is_forgotten_and_ids_go_on() {
        let entry = || Entry {
            id: 0,
            unix_s: 0,
            measure: 1,
            args: vec![],
            argc: 0,
            peer: String::new(),
            name: vec![],
        };
        let mut log = CommandLog::default();
        (0..4).for_each(|_| assert!(log.push(entry(), 2)));
        assert_eq!(log.iter().map(|e| e.id).collect::<Vec<_>>(), [3, 2]);
        log.reset();
        log.push(entry(), 2);
        assert_eq!(log.iter().next().map(|e| e.id), Some(4));
        assert!(!log.push(entry(), 0));
        log.push(entry(), 2);
        assert_eq!(log.iter().map(|e| e.id).collect::<Vec<_>>(), [5, 4]);
    }
}
