//! The slow log: the latest commands that took longer than `slowlog-log-slower-than`.
//!
//! Entries hold copies, cut so that a huge command makes a small entry. Written by the server after
//! a command; read by SLOWLOG.

use std::collections::VecDeque;

/// Arguments an entry keeps, as in Redis; the last of them states the number of the others.
const ARGS_MAX: usize = 32;
/// Bytes an entry keeps of an argument, as in Redis.
const ARG_BYTES_MAX: usize = 128;

/// A slow command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub id: u64,
    pub unix_s: i64,
    pub duration_us: u64,
    pub args: Vec<Vec<u8>>,
    /// The address of the caller, and the name it gave itself.
    pub peer: String,
    pub name: Vec<u8>,
}

/// The slow log.
#[derive(Debug, Default)]
pub struct Slowlog {
    /// The newest is in front.
    entries: VecDeque<Entry>,
    next_id: u64,
    /// Commands that take this long are logged; the largest number for none.
    pub threshold_ns: u64,
}

impl Slowlog {
    /// Adds an entry and forgets the oldest beyond `max_len`. The id is given here; without room for
    /// any entry nothing happens, and what was logged before stays.
    pub fn push(&mut self, mut entry: Entry, max_len: usize) {
        if max_len == 0 {
            // As if nothing had happened: not even a number is used up.
            return;
        }
        entry.id = self.next_id;
        self.next_id += 1;
        self.entries.push_front(entry);
        self.entries.truncate(max_len);
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

/// Copies arguments in the form of an entry. `hide` marks secret ones.
pub fn cut<'a>(
    args: impl ExactSizeIterator<Item = &'a [u8]>,
    hide: impl Fn(usize) -> bool,
) -> Vec<Vec<u8>> {
    let count = args.len();
    let kept = if count > ARGS_MAX {
        ARGS_MAX - 1
    } else {
        count
    };
    let mut cut: Vec<Vec<u8>> = args
        .take(kept)
        .enumerate()
        .map(|(index, arg)| match hide(index) {
            true => b"(redacted)".to_vec(),
            false => cut_one(arg),
        })
        .collect();
    if kept < count {
        cut.push(format!("... ({} more arguments)", count - kept).into_bytes());
    }
    cut
}

fn cut_one(arg: &[u8]) -> Vec<u8> {
    if arg.len() <= ARG_BYTES_MAX {
        return arg.to_vec();
    }
    let mut cut = arg[..ARG_BYTES_MAX].to_vec();
    let more = arg.len() - ARG_BYTES_MAX;
    cut.extend_from_slice(format!("... ({more} more bytes)").as_bytes());
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_cut() {
        let long = vec![b'x'; 200];
        let args: Vec<&[u8]> = vec![b"set", b"a", &long];
        let cut = cut(args.into_iter(), |index| index == 1);
        assert_eq!(cut[1], b"(redacted)");
        assert!(cut[2].ends_with(b"x... (72 more bytes)") && cut[2].len() == 128 + 19);
    }

    #[test]
    fn too_many_arguments_are_counted() {
        let args: Vec<&[u8]> = vec![b"x"; 41];
        let cut = cut(args.into_iter(), |_| false);
        assert_eq!(cut.len(), 32);
        assert_eq!(cut[31], b"... (10 more arguments)");
    }

    #[test]
    fn the_oldest_is_forgotten_and_ids_go_on() {
        let entry = || Entry {
            id: 0,
            unix_s: 0,
            duration_us: 1,
            args: vec![],
            peer: String::new(),
            name: vec![],
        };
        let mut log = Slowlog::default();
        (0..4).for_each(|_| log.push(entry(), 2));
        assert_eq!(log.iter().map(|e| e.id).collect::<Vec<_>>(), [3, 2]);
        log.reset();
        log.push(entry(), 2);
        assert_eq!(log.iter().next().map(|e| e.id), Some(4));
        log.push(entry(), 0);
        log.push(entry(), 2);
        assert_eq!(log.iter().map(|e| e.id).collect::<Vec<_>>(), [5, 4]);
    }
}
