//! The manifest: which files the log consists of, in order.
//!
//! ```text
//!   file appendonly.aof.3.base.rdb seq 3 type b      the data as of some moment
//!   file appendonly.aof.2.incr.aof seq 2 type h      no longer needed, to be deleted
//!   file appendonly.aof.7.incr.aof seq 7 type i      what was written since, in order
//! ```
//!
//! It is replaced by renaming, and that is the moment at which a new base counts. A file whose name
//! has blanks or signs in it is written in quotes.

use crate::algo::quoting::{quote, split_args};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A longer line is refused, as in Redis.
const LINE_MAX: usize = 1024;
/// The highest number a line may hold: those of later files are counted on from there.
pub const SEQ_MAX: u64 = u64::MAX / 2;
const TOO_LONG: &str = "The AOF manifest file contains too long line";

/// A file of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub seq: u64,
    /// The range of an increment in replication offsets. Files of earlier servers have none; the
    /// end is known only after the last write.
    pub start: Option<u64>,
    pub end: Option<u64>,
}

impl Entry {
    pub fn new(name: String, seq: u64) -> Entry {
        Entry {
            name,
            seq,
            start: None,
            end: None,
        }
    }
}

/// The manifest: the files of the AOF, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    pub base: Option<Entry>,
    pub increments: Vec<Entry>,
    pub history: Vec<Entry>,
    /// The highest numbers used so far.
    pub base_seq: u64,
    pub increment_seq: u64,
}

/// The error in a manifest, and its line, counted from 1.
#[derive(Debug, PartialEq, Eq)]
pub struct Bad {
    pub why: &'static str,
    line: Option<(usize, String)>,
}

impl Bad {
    fn whole(why: &'static str) -> Bad {
        Bad { why, line: None }
    }

    /// Says it in the log, as Redis does, with blank lines around.
    pub fn tell(&self) {
        log::warn!("\n*** FATAL AOF MANIFEST FILE ERROR ***\n");
        if let Some((number, text)) = &self.line {
            log::warn!("Reading the manifest file, at line {number}\n");
            log::warn!(">>> '{text}'\n");
        }
        log::warn!("{}\n", self.why);
    }
}

impl Manifest {
    /// Reads a manifest.
    pub fn parse(text: &[u8]) -> Result<Manifest, Bad> {
        let mut manifest = Manifest::default();
        if text.is_empty() {
            return Err(Bad::whole("Found an empty AOF manifest"));
        }
        // As Redis has it, a line without an end is too long.
        let Some(text) = text.strip_suffix(b"\n") else {
            return Err(Bad::whole(TOO_LONG));
        };
        for (at, line) in text.split(|&b| b == b'\n').enumerate() {
            if line.first() == Some(&b'#') {
                continue;
            }
            if line.len() >= LINE_MAX {
                return Err(Bad::whole(TOO_LONG));
            }
            manifest.take(line).map_err(|why| Bad {
                why,
                line: Some((at + 1, String::from_utf8_lossy(line).into_owned())),
            })?;
        }
        Ok(manifest)
    }

    /// Takes in one line.
    fn take(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let (entry, kind) = Manifest::line(line)?;
        match kind {
            b'b' if self.base.is_some() => return Err("Found duplicate base file information"),
            b'b' => {
                self.base_seq = entry.seq;
                self.base = Some(entry);
            }
            b'h' => self.history.push(entry),
            b'i' if entry.seq <= self.increment_seq => {
                return Err("Found a non-monotonic sequence number");
            }
            b'i' => {
                self.increment_seq = entry.seq;
                self.increments.push(entry);
            }
            _ => return Err("Unknown AOF file type"),
        }
        Ok(())
    }

    fn line(line: &[u8]) -> Result<(Entry, u8), &'static str> {
        const BAD: &str = "Invalid AOF manifest file format";
        let words = split_args(line).filter(|words| words.len() >= 6 && words.len() % 2 == 0);
        let words = words.ok_or(BAD)?;
        let (mut name, mut seq, mut kind) = (None, None, None);
        let (mut start, mut end) = (None, None);
        let number = |word: &[u8]| {
            std::str::from_utf8(word)
                .ok()
                .and_then(|n| n.parse::<u64>().ok())
        };
        for pair in words.chunks_exact(2) {
            match pair[0].to_ascii_lowercase().as_slice() {
                b"file" => {
                    let text = String::from_utf8(pair[1].clone()).map_err(|_| BAD)?;
                    if text.contains('/') {
                        return Err("File can't be a path, just a filename");
                    }
                    name = Some(text);
                }
                b"seq" => seq = number(&pair[1]).filter(|&seq| seq <= SEQ_MAX),
                b"startoffset" => start = number(&pair[1]),
                b"endoffset" => end = number(&pair[1]),
                b"type" => kind = pair[1].first().copied(),
                // As Redis does, words of the future are passed over.
                _ => {}
            }
        }
        match (name, seq, kind) {
            (Some(name), Some(seq), Some(kind)) if !name.is_empty() && seq > 0 => {
                let entry = Entry {
                    name,
                    seq,
                    start,
                    end,
                };
                Ok((entry, kind))
            }
            _ => Err(BAD),
        }
    }

    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let mut add = |entry: &Entry, kind: char| {
            let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\'' | b'\\');
            let name = match entry.name.bytes().all(plain) {
                true => entry.name.clone(),
                false => String::from_utf8_lossy(&quote(entry.name.as_bytes())).into_owned(),
            };
            // Writing to a string cannot fail.
            let _ = write!(text, "file {name} seq {} type {kind}", entry.seq);
            for (word, offset) in [("startoffset", entry.start), ("endoffset", entry.end)] {
                if let Some(offset) = offset {
                    let _ = write!(text, " {word} {offset}");
                }
            }
            text.push('\n');
        };
        self.base.iter().for_each(|entry| add(entry, 'b'));
        self.history.iter().for_each(|entry| add(entry, 'h'));
        self.increments.iter().for_each(|entry| add(entry, 'i'));
        text
    }

    /// The next base becomes this; the one before is history. Returns the name.
    pub fn new_base(&mut self, file: &str, is_rdb: bool) -> String {
        if let Some(old) = self.base.take() {
            self.history.insert(0, old);
        }
        self.base_seq += 1;
        let suffix = if is_rdb { "rdb" } else { "aof" };
        let name = format!("{file}.{}.base.{suffix}", self.base_seq);
        self.base = Some(Entry::new(name.clone(), self.base_seq));
        name
    }

    /// Another increment follows. Returns its name.
    pub fn new_increment(&mut self, file: &str, offset: u64) -> String {
        self.increment_seq += 1;
        let name = format!("{file}.{}.incr.aof", self.increment_seq);
        let mut entry = Entry::new(name.clone(), self.increment_seq);
        entry.start = Some(offset);
        self.increments.push(entry);
        name
    }

    /// All increments but the last `keep` are history: a base holds their effect.
    pub fn retire_increments(&mut self, keep: usize) {
        let gone = self.increments.len().saturating_sub(keep);
        // As in Redis, what is retired later comes before, and the oldest of one time first.
        for entry in self.increments.drain(..gone).rev() {
            self.history.insert(0, entry);
        }
    }
}

/// The path of the manifest.
pub fn path(directory: &Path, file: &str) -> PathBuf {
    directory.join(format!("{file}.manifest"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_comes_back() {
        let mut manifest = Manifest::default();
        assert_eq!(manifest.new_base("a b.aof", true), "a b.aof.1.base.rdb");
        manifest.new_increment("a b.aof", 0);
        manifest.new_increment("a b.aof", 7);
        manifest.new_base("plain", false);
        manifest.retire_increments(1);
        let text = manifest.to_text();
        assert_eq!(
            text,
            "file plain.2.base.aof seq 2 type b\n\
             file \"a b.aof.1.incr.aof\" seq 1 type h startoffset 0\n\
             file \"a b.aof.1.base.rdb\" seq 1 type h\n\
             file \"a b.aof.2.incr.aof\" seq 2 type i startoffset 7\n"
        );
        assert_eq!(Manifest::parse(text.as_bytes()), Ok(manifest.clone()));
        manifest.new_increment("plain", 9);
        manifest.new_increment("plain", 9);
        manifest.retire_increments(1);
        let retired = manifest.history.iter().map(|entry| entry.name.as_str());
        assert_eq!(
            retired.collect::<Vec<_>>(),
            [
                "a b.aof.2.incr.aof",
                "plain.3.incr.aof",
                "a b.aof.1.incr.aof",
                "a b.aof.1.base.rdb"
            ]
        );
    }

    #[test]
    fn an_invalid_manifest_is_refused() {
        for (text, why) in [
            ("", "Found an empty AOF manifest"),
            ("\n", "Invalid AOF manifest file format"),
            (
                "file x seq 18446744073709551615 type i\n",
                "Invalid AOF manifest file format",
            ),
            ("file x seq 1\n", "Invalid AOF manifest file format"),
            ("file x seq 1 type b", TOO_LONG),
            (
                "file a/b seq 1 type b\n",
                "File can't be a path, just a filename",
            ),
            ("file x seq 1 type q\n", "Unknown AOF file type"),
            (
                "file x seq 1 type b\nfile y seq 2 type b\n",
                "Found duplicate base file information",
            ),
            (
                "file x seq 2 type i\nfile y seq 1 type i\n",
                "Found a non-monotonic sequence number",
            ),
        ] {
            let bad = Manifest::parse(text.as_bytes()).unwrap_err();
            assert_eq!(bad.why, why);
        }
        let bad = Manifest::parse(b"# note\nfile x seq 1 type b\nwhat\n").unwrap_err();
        assert_eq!(bad.line, Some((3, "what".to_owned())));
    }
}
