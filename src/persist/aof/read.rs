//! Reading a log: commands one by one, and what to do where they stop making sense.
//!
//! ```text
//!   *3 $3 SET $1 k $1 v      a command, each word on a line of its own with its length before it
//!   #TS:1700000000           a moment, between commands
//! ```
//!
//! A file that ends in the middle of a command was torn by a crash, and so was a transaction
//! without its end: the part before is sound. Bytes that are no command at all are damage.

use super::super::reason;
use crate::resp::request::OwnedArgv;
use std::fs::OpenOptions;
use std::io::Read;
use std::path::PathBuf;

/// Bytes read at once.
const CHUNK: usize = 256 << 10;
/// The longest line that holds a number.
const LINE_MAX: usize = 128;
/// Words from this length on have a buffer of their own.
const BIG: usize = 32 << 10;
/// Words of a command and bytes of a word that a log can hold.
const WORDS_MAX: i64 = i32::MAX as i64;
const WORD_MAX: i64 = 1 << 40;

/// The next item of a log.
pub enum Next {
    Command(OwnedArgv),
    End,
    Damaged(Damage),
}

/// The kind of damage of a log.
#[derive(Debug)]
pub enum Damage {
    /// It ends in the middle of a command.
    Torn,
    /// It ends in the middle of a transaction.
    TornTransaction,
    /// These bytes are no command.
    Garbled,
    Unreadable(std::io::Error),
}

/// A log that is being read.
pub struct Commands {
    path: PathBuf,
    name: String,
    source: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    at: usize,
    /// The offset of the buffer in the file.
    base: u64,
    /// The offset of the last command.
    began: u64,
    /// The end of the last whole command.
    sound: u64,
    /// The same before the transaction that is open.
    before_multi: Option<u64>,
}

enum Stop {
    End,
    Short,
    Bad,
    Io(std::io::Error),
}

impl Commands {
    /// The commands of a file from `offset` on, where `source` stands.
    pub fn new(path: PathBuf, name: String, source: Box<dyn Read + Send>, offset: u64) -> Self {
        Commands {
            path,
            name,
            source,
            buffer: Vec::new(),
            at: 0,
            base: offset,
            began: offset,
            sound: offset,
            before_multi: None,
        }
    }

    /// The offset in the file up to which bytes were consumed.
    pub fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    /// The offset of the last command in its file.
    pub fn began(&self) -> u64 {
        self.began
    }

    /// The number of bytes that are whole commands, outside of any open transaction.
    pub fn sound_bytes(&self) -> u64 {
        self.before_multi.unwrap_or(self.sound)
    }

    /// The last command has begun a transaction, or none is open after it.
    pub fn note_multi(&mut self, open: bool) {
        match (open, self.before_multi) {
            (true, None) => self.before_multi = Some(self.sound),
            (false, _) => {
                self.before_multi = None;
                self.sound = self.offset();
            }
            (true, Some(_)) => {}
        }
    }

    /// The next command. The caller reports its effect on a transaction with `note_multi`.
    pub fn advance(&mut self) -> Next {
        match self.command() {
            Ok(argv) => Next::Command(argv),
            Err(Stop::End) if self.before_multi.is_some() => Next::Damaged(Damage::TornTransaction),
            Err(Stop::End) => {
                // Notes behind the last command are sound, too.
                self.sound = self.offset();
                Next::End
            }
            Err(Stop::Short) => Next::Damaged(Damage::Torn),
            Err(Stop::Bad) => Next::Damaged(Damage::Garbled),
            Err(Stop::Io(error)) => Next::Damaged(Damage::Unreadable(error)),
        }
    }

    /// Cuts the file after its sound part, unless another file follows; `why` it is allowed.
    fn cut(&self, is_last: bool, why: &str) -> Result<(), DamagedLog> {
        if !is_last {
            log::warn!("Fatal error: the truncated file is not the last file");
            return Err(DamagedLog);
        }
        let name = &self.name;
        match cut(&self.path, self.sound_bytes()) {
            Ok(kept) => {
                let path = self.path.display();
                log::warn!("AOF {path} loaded anyway because {why}");
                log::warn!("What was cut off is kept in {kept}");
                Ok(())
            }
            Err(error) => {
                log::warn!("Error truncating the AOF file {name}: {}", reason(&error));
                Err(DamagedLog)
            }
        }
    }

    fn command(&mut self) -> Result<OwnedArgv, Stop> {
        let words = loop {
            if self.at == self.buffer.len() {
                self.need(1).map_err(|stop| match stop {
                    Stop::Short => Stop::End,
                    other => other,
                })?;
            }
            match self.buffer[self.at] {
                b'#' => self.note()?,
                _ => {
                    self.began = self.offset();
                    break self.header(b'*', 1..=WORDS_MAX)?;
                }
            }
        };
        let mut argv = OwnedArgv::default();
        for _ in 0..words {
            let len = self.header(b'$', 0..=WORD_MAX)? as usize;
            self.need(len + 2)?;
            let word = &self.buffer[self.at..self.at + len];
            match len {
                0..BIG => argv.push(word),
                _ => argv.push_big(bytes::Bytes::copy_from_slice(word)),
            }
            // Unlike Redis, which passes over whatever stands here: it shows that the length is wrong.
            if self.buffer[self.at + len..][..2] != *b"\r\n" {
                return Err(Stop::Bad);
            }
            self.at += len + 2;
        }
        Ok(argv)
    }

    /// A mark with a number in this range behind it, on a line.
    #[inline]
    fn header(&mut self, mark: u8, range: std::ops::RangeInclusive<i64>) -> Result<i64, Stop> {
        let len = self.line_len()?;
        let line = &self.buffer[self.at..self.at + len];
        let digits = match line.strip_suffix(b"\r").unwrap_or(line).split_first() {
            // A line that was torn holds nothing.
            None => return Err(Stop::Short),
            Some((&first, digits)) if first == mark => digits,
            Some(_) => return Err(Stop::Bad),
        };
        let n = crate::algo::number::parse_i64(digits).filter(|n| range.contains(n));
        self.at += len + 1;
        n.ok_or(Stop::Bad)
    }

    /// Skips a line that is no command: an annotation such as a time stamp.
    fn note(&mut self) -> Result<(), Stop> {
        let len = self.line_len()?;
        self.at += len + 1;
        Ok(())
    }

    /// Bytes up to the end of the line, which is not among them.
    #[inline]
    fn line_len(&mut self) -> Result<usize, Stop> {
        loop {
            let rest = &self.buffer[self.at..];
            let looked = &rest[..rest.len().min(LINE_MAX)];
            if let Some(len) = looked.iter().position(|&b| b == b'\n') {
                return Ok(len);
            }
            if looked.len() == LINE_MAX {
                return Err(Stop::Bad);
            }
            let have = rest.len();
            self.need(have + 1)?;
        }
    }

    /// Sees to `len` bytes in the buffer.
    fn need(&mut self, len: usize) -> Result<(), Stop> {
        if self.buffer.len() - self.at >= len {
            return Ok(());
        }
        self.buffer.drain(..self.at);
        self.base += self.at as u64;
        self.at = 0;
        while self.buffer.len() < len {
            let have = self.buffer.len();
            let more = CHUNK.max((len - have).min(have));
            self.buffer.resize(have + more, 0);
            let got = self.source.read(&mut self.buffer[have..]);
            self.buffer.truncate(have + *got.as_ref().unwrap_or(&0));
            match got {
                Ok(0) => return Err(Stop::Short),
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Stop::Io(error)),
            }
        }
        Ok(())
    }
}

/// The server cannot start from this; the log states what to do.
#[derive(Debug, PartialEq, Eq)]
pub struct DamagedLog;

/// The ends of a log that may be cut off.
#[derive(Clone, Copy, Debug, Default)]
pub struct CutRules {
    /// A torn command or transaction (`aof-load-truncated`).
    pub torn: bool,
    /// The most bytes from the first damage on, of any kind (`aof-load-corrupt-tail-max-size`).
    pub corrupt_max: u64,
}

impl Damage {
    /// Cuts off a damaged end, if that is allowed and no file follows; logs the action taken, or the
    /// one required from the user.
    pub fn settle(
        self,
        commands: &Commands,
        rules: CutRules,
        is_last: bool,
    ) -> Result<(), DamagedLog> {
        let name = &commands.name;
        let sound = commands.sound_bytes();
        match self {
            Damage::Torn => {}
            Damage::TornTransaction => {
                log::warn!("Revert incomplete MULTI/EXEC transaction in AOF file {name}");
            }
            Damage::Unreadable(error) => {
                let reason = reason(&error);
                log::warn!("Unrecoverable error reading the append only file {name}: {reason}");
                return Err(DamagedLog);
            }
            Damage::Garbled => {
                let path = commands.path.display();
                let end = std::fs::metadata(&commands.path).map_or(u64::MAX, |file| file.len());
                let tail = end.saturating_sub(sound);
                if tail > rules.corrupt_max {
                    // With Redis's spaces.
                    log::warn!(
                        "Bad file format reading the append only file {path} at offset {sound}. \
                         \x20        make a backup of your AOF file, then use ./redis-check-aof --fix \
                         <filename.manifest>. \x20        Alternatively you can set the \
                         'aof-load-corrupt-tail-max-size' configuration option to {tail} and \
                         restart the server."
                    );
                    return Err(DamagedLog);
                }
                log::warn!("!!! Warning: corrupt AOF file tail!!!");
                log::warn!(
                    "!!! Truncating the AOF {path} at offset {sound} (remaining {tail}) !!!"
                );
                return commands.cut(is_last, "aof-load-corrupt-tail-max-size is enabled");
            }
        }
        if !rules.torn {
            log::warn!(
                "Unexpected end of file reading the append only file {name}. You can: 1) Make a \
                 backup of your AOF file, then use ./redis-check-aof --fix <filename.manifest>. 2) \
                 Alternatively you can set the 'aof-load-truncated' configuration option to yes \
                 and restart the server."
            );
            return Err(DamagedLog);
        }
        log::warn!("!!! Warning: short read while loading the AOF file {name}!!!");
        log::warn!("!!! Truncating the AOF {name} at offset {sound} !!!");
        commands.cut(is_last, "aof-load-truncated is enabled")
    }
}

/// Shortens a file; the part that goes is kept beside it. Returns where.
pub fn cut(path: &std::path::Path, len: u64) -> std::io::Result<String> {
    use std::io::{Seek, SeekFrom, Write};
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    file.seek(SeekFrom::Start(len))?;
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".cut-at-{len}"));
    let beside = PathBuf::from(name);
    let mut kept = std::fs::File::create(&beside)?;
    std::io::copy(&mut file, &mut kept)?;
    kept.flush()?;
    crate::sys::file::fsync(&kept)?;
    file.set_len(len)?;
    crate::sys::file::fsync(&file)?;
    Ok(beside.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &[u8] = b"#TS:17\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$0\r\n\r\n*1\r\n$4\r\nEXEC\r\n";

    /// The number of commands read, the number of sound bytes, and the kind of end.
    fn read(log: &[u8]) -> (usize, u64, &'static str) {
        let source = Box::new(std::io::Cursor::new(log.to_vec()));
        let mut commands = Commands::new(PathBuf::new(), String::new(), source, 0);
        let (mut count, mut open) = (0, false);
        loop {
            match commands.advance() {
                Next::Command(argv) => {
                    open = match argv.as_argv().at(0) {
                        b"MULTI" => true,
                        b"EXEC" => false,
                        _ => open,
                    };
                    commands.note_multi(open);
                    count += 1;
                }
                Next::End => return (count, commands.sound_bytes(), "end"),
                Next::Damaged(damage) => {
                    let how = match damage {
                        Damage::Torn => "torn",
                        Damage::TornTransaction => "open",
                        Damage::Garbled => "bad",
                        Damage::Unreadable(_) => "io",
                    };
                    return (count, commands.sound_bytes(), how);
                }
            }
        }
    }

    #[test]
    fn commands_come_one_by_one() {
        assert_eq!(read(LOG), (4, LOG.len() as u64, "end"));
        assert_eq!(read(b""), (0, 0, "end"));
        assert_eq!(read(b"+OK\r\n"), (0, 0, "bad"));
        assert_eq!(read(b"*1\r\n#x"), (0, 0, "torn"));
        assert_eq!(read(b"*-1\r\n"), (0, 0, "bad"));
        assert_eq!(read(b"*1\r\n$3\r\nPINGS\r\n"), (0, 0, "bad"));
    }

    #[test]
    fn a_torn_end_leaves_the_sound_part() {
        // The note and SELECT; the rest is one transaction.
        let first = 31;
        for cut in first + 1..LOG.len() {
            let (_, sound, how) = read(&LOG[..cut]);
            assert!(how == "torn" || how == "open", "{how} at {cut}");
            assert_eq!(sound, first as u64, "at {cut}");
        }
        assert_eq!(read(&LOG[..first]), (1, first as u64, "end"));
    }
}
