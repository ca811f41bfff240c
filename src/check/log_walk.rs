//! A walk over the commands of a log that runs none of them: how far all is well, and what is wrong
//! there. Stricter than loading, since it has nothing to lose: transactions have to be closed, and
//! the ends of lines have to be where they belong.
//!
//! A position in a message is, as in Redis, where the line or word that was being read begins.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

/// The longest line that holds a number, and the longest note.
const LINE_MAX: u64 = 127;
const NOTE_MAX: u64 = 1023;

/// The end of a walk.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    Whole,
    /// The file ends where a line should begin.
    Torn,
    /// Neither a command nor a note begins here.
    Unclear,
    Bad(u64, String),
    /// EXEC without MULTI, or MULTI within MULTI.
    Misplaced(u64, &'static str),
    /// The following commands were written after the requested time.
    Past(u64),
}

/// A validating walk over the commands of a log.
pub struct Walk {
    source: BufReader<File>,
    offset: u64,
    /// The start of the item being read.
    mark: u64,
    /// The end of the part with whole commands only, and no open transaction.
    pub sound: u64,
    /// The line that is being read, counted from 1; notes do not count.
    pub line: u64,
    limit: Option<i64>,
    in_transaction: bool,
    word: Vec<u8>,
}

impl Walk {
    /// A walk from `start` on, and up to what was noted after the moment `limit`.
    pub fn new(mut file: File, start: u64, limit: Option<i64>) -> io::Result<Walk> {
        file.seek(SeekFrom::Start(start))?;
        Ok(Walk {
            source: BufReader::new(file),
            offset: start,
            mark: start,
            sound: start,
            line: 1,
            limit,
            in_transaction: false,
            word: Vec::new(),
        })
    }

    pub fn run(&mut self) -> End {
        loop {
            if !self.in_transaction {
                self.sound = self.offset;
            }
            let first = match self.source.fill_buf() {
                Ok(bytes) => bytes.first().copied(),
                Err(error) => return self.unreadable(&error),
            };
            let step = match first {
                None if self.in_transaction => {
                    let what = "Reached EOF before reading EXEC for MULTI";
                    return End::Bad(self.mark, what.into());
                }
                None => return End::Whole,
                Some(b'#') => self.note(),
                Some(b'*') => self.command(),
                Some(_) => return End::Unclear,
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    fn unreadable(&self, error: &io::Error) -> End {
        End::Bad(self.mark, crate::persist::reason(error))
    }

    /// Reads a line into `word`, or as much of it as a line may have.
    fn read_line(&mut self, most: u64) -> Result<(), End> {
        self.mark = self.offset;
        self.word.clear();
        let source = &mut self.source;
        match source.take(most).read_until(b'\n', &mut self.word) {
            Ok(0) => Err(End::Torn),
            Ok(len) => {
                self.offset += len as u64;
                Ok(())
            }
            Err(error) => Err(self.unreadable(&error)),
        }
    }

    /// Reads an annotation; it may be a time stamp.
    fn note(&mut self) -> Result<(), End> {
        self.read_line(NOTE_MAX)?;
        let moment = self.word.strip_prefix(b"#TS:");
        let moment = moment.and_then(|text| crate::algo::number::parse_i64(text.trim_ascii_end()));
        match (moment, self.limit) {
            (Some(moment), Some(limit)) if moment > limit => Err(End::Past(self.sound)),
            _ => Ok(()),
        }
    }

    /// The end of a line, which `rest` begins with.
    fn line_end(&mut self, rest: &[u8]) -> Result<(), End> {
        if rest.starts_with(b"\r\n") {
            self.line += 1;
            return Ok(());
        }
        let byte = |at: usize| rest.get(at).copied().unwrap_or(0);
        let what = format!("Expected \\r\\n, got: {:02x}{:02x}", byte(0), byte(1));
        Err(End::Bad(self.mark, what))
    }

    /// A line with a number behind `prefix`.
    fn number(&mut self, prefix: u8) -> Result<i64, End> {
        self.read_line(LINE_MAX)?;
        let line = std::mem::take(&mut self.word);
        let first = line.first().copied().unwrap_or(0);
        if first != prefix {
            let (prefix, first) = (prefix as char, first as char);
            let what = format!("Expected prefix '{prefix}', got: '{first}'");
            return Err(End::Bad(self.mark, what));
        }
        let signed = (line.get(1) == Some(&b'-')) as usize;
        let digits = line[1 + signed..].iter();
        let end = 1 + signed + digits.take_while(|b| b.is_ascii_digit()).count();
        let number = crate::algo::number::parse_i64(&line[1..end]);
        let ends = self.line_end(&line[if number.is_some() { end } else { 1 }..]);
        self.word = line;
        ends.map(|()| number.unwrap_or(0))
    }

    /// A word with its length before it, into `word`.
    fn read_word(&mut self) -> Result<(), End> {
        let len = self.number(b'$')?;
        if !(0..=i64::MAX - 2).contains(&len) {
            let what = format!(
                "Expected to read string of {len} bytes, which is not in the suitable range"
            );
            return Err(End::Bad(self.mark, what));
        }
        self.mark = self.offset;
        self.word.clear();
        let wanted = len as u64 + 2;
        let source = &mut self.source;
        let got = match source.take(wanted).read_to_end(&mut self.word) {
            Ok(got) => got as u64,
            Err(error) => return Err(self.unreadable(&error)),
        };
        self.offset += got;
        if got < wanted {
            let what = format!("Expected to read {wanted} bytes, got {got} bytes");
            return Err(End::Bad(self.mark, what));
        }
        let rest = self.word.split_off(len as usize);
        self.line_end(&rest)
    }

    fn command(&mut self) -> Result<(), End> {
        let words = self.number(b'*')?;
        if words < 1 {
            let what = format!("Expected a command of at least one word, got: {words}");
            return Err(End::Bad(self.mark, what));
        }
        for at in 0..words {
            self.read_word()?;
            if at > 0 {
                continue;
            }
            let opens = self.word.eq_ignore_ascii_case(b"multi");
            let closes = self.word.eq_ignore_ascii_case(b"exec");
            match (opens, closes, self.in_transaction) {
                (true, _, true) => return Err(End::Misplaced(self.mark, "MULTI")),
                (_, true, false) => return Err(End::Misplaced(self.mark, "EXEC")),
                (true, _, _) => self.in_transaction = true,
                (_, true, _) => self.in_transaction = false,
                _ => {}
            }
        }
        Ok(())
    }
}
