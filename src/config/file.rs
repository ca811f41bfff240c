//! The grammar of redis.conf: lines to directives, `include`, and the statements of files only.
//!
//! A configuration is one text: the file, then what came on stdin, then the command line rewritten
//! as lines. Errors count lines from there, as Redis's do. What a line asks of the rest of the
//! server (go to a directory, rename a command, define a user) is asked through `Host`.

use crate::sys::reason as os_reason;
use std::path::{Path, PathBuf};

use super::directive::{Directive, Kind, Place, Source};
use super::fields::Config;
use super::words::AclPubsubDefault;
use super::{table, value};
use crate::algo::glob::{Case, matches};
use crate::algo::quoting::split_args;
use crate::version::REDIS_VERSION;

/// The services that the configuration requires from the server. The defaults suit a test:
/// everything is accepted.
pub trait Host {
    /// Makes `dir` the current directory; returns its absolute name.
    fn chdir(&mut self, dir: &[u8]) -> Result<Vec<u8>, String> {
        Ok(dir.to_vec())
    }

    /// `rename-command from to`; an empty `to` removes the command.
    fn rename_command(&mut self, _from: &[u8], _to: &[u8]) -> Result<(), String> {
        Ok(())
    }

    /// Checks the rules of `user name rules...`; the error is the index of a bad rule and the
    /// reason. New users may use all channels, or none.
    fn check_user(
        &mut self,
        _rules: &[Vec<u8>],
        _channels: AclPubsubDefault,
    ) -> Result<(), (usize, String)> {
        Ok(())
    }

    /// Whether this is a sentinel, for which `sentinel ...` lines are meant.
    fn is_sentinel(&self) -> bool {
        false
    }

    /// Checks that lines can be logged to this file; the error is the reason why not.
    fn check_logfile(&mut self, _path: &[u8]) -> Result<(), String> {
        Ok(())
    }
}

/// The reason why a configuration cannot be used. Both end the process with status 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fatal {
    /// Written to stderr as it is.
    Stderr(Vec<u8>),
    /// A line of the log, at level warning.
    Log(String),
}

/// The message of a configuration that is wrong as a whole.
pub fn fatal_text(reason: &str) -> Vec<u8> {
    let title = format!("*** FATAL CONFIG FILE ERROR (Redis {REDIS_VERSION}) ***");
    format!("\n{title}\n{reason}\n").into_bytes()
}

fn fatal_line(number: usize, line: &[u8], reason: &str) -> Fatal {
    let mut text = fatal_text(&format!("Reading the configuration file, at line {number}"));
    text.extend_from_slice(b">>> '");
    text.extend_from_slice(line);
    text.extend_from_slice(format!("'\n{reason}\n").as_bytes());
    Fatal::Stderr(text)
}

/// A file may include itself by mistake; Redis then runs out of stack, we stop here.
const INCLUDE_DEPTH_MAX: usize = 64;

impl Config {
    /// Reads a whole configuration: the text of the file, stdin and command line together.
    pub fn load(&mut self, text: &[u8], host: &mut dyn Host) -> Result<(), Fatal> {
        self.load_nested(text, host, 0)?;
        // Values that have to go together may stand in any order.
        for verify in super::table::all().filter_map(|row| row.verify) {
            verify(self).map_err(|reason| Fatal::Stderr(fatal_text(reason)))?;
        }
        if !self.logfile.is_empty()
            && let Err(reason) = host.check_logfile(&self.logfile)
        {
            let reason = format!("Can't open the log file: {reason}");
            return Err(Fatal::Stderr(fatal_text(&reason)));
        }
        Ok(())
    }

    fn load_nested(&mut self, text: &[u8], host: &mut dyn Host, depth: usize) -> Result<(), Fatal> {
        for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let line = trim(line);
            if line.is_empty() || line[0] == b'#' {
                continue;
            }
            let fail = |reason: &str| fatal_line(index + 1, line, reason);
            let Some(words) = split_args(line) else {
                return Err(fail("Unbalanced quotes in configuration line"));
            };
            if words.is_empty() {
                continue;
            }
            let name = words[0].to_ascii_lowercase();
            if name == b"include" && words.len() == 2 {
                self.include(&words[1], host, depth + 1, &fail)?;
                continue;
            }
            self.load_line(&name, &words, host)
                .map_err(|reason| fail(&reason))?;
        }
        self.settle();
        if self.cluster_enabled && self.replicaof.is_some() {
            let reason = "replicaof directive not allowed in cluster mode";
            return Err(Fatal::Stderr(fatal_text(reason)));
        }
        Ok(())
    }

    fn include(
        &mut self,
        pattern: &[u8],
        host: &mut dyn Host,
        depth: usize,
        fail: &dyn Fn(&str) -> Fatal,
    ) -> Result<(), Fatal> {
        if depth > INCLUDE_DEPTH_MAX {
            return Err(fail("include directives are nested too deeply"));
        }
        let text = read_config_file(pattern)?;
        self.load_nested(&text, host, depth)
    }

    /// One line, already split; the name in lower case.
    fn load_line(
        &mut self,
        name: &[u8],
        words: &[Vec<u8>],
        host: &mut dyn Host,
    ) -> Result<(), String> {
        const BAD: &str = "Bad directive or wrong number of arguments";
        if let Some(named) = table::find(name) {
            let args: Vec<&[u8]> = words[1..].iter().map(Vec::as_slice).collect();
            return self.load_directive(named.row, &args, host);
        }
        let is_removed = table::REMOVED
            .iter()
            .any(|removed| removed.as_bytes() == name);
        match (name, words.len()) {
            (_, 2) if is_removed => {}
            (b"rename-command", 3) => {
                host.rename_command(&words[1], &words[2])?;
                self.renamed_commands
                    .push((words[1].clone(), words[2].clone()));
            }
            (b"user", 2..) => self.load_user(&words[1..], host)?,
            (b"loadmodule", 2..) => self.loadmodule.push(words[1..].to_vec()),
            // A bare `sentinel` is what `--sentinel` leaves behind in the text.
            (b"sentinel", 1) => {}
            (b"sentinel", _) if host.is_sentinel() => self.sentinel.push(words[1..].to_vec()),
            (b"sentinel", _) => return Err("sentinel directive while not in sentinel mode".into()),
            (_, 2..) => {
                let mut line = vec![name.to_vec()];
                line.extend_from_slice(&words[1..]);
                self.unresolved.push(line.join(&b' '));
            }
            _ => return Err(BAD.into()),
        }
        Ok(())
    }

    fn load_user(&mut self, words: &[Vec<u8>], host: &mut dyn Host) -> Result<(), String> {
        let say = |word: &[u8], reason: &str| {
            format!(
                "Error in user declaration '{}': {reason}",
                String::from_utf8_lossy(word)
            )
        };
        if self.users.iter().any(|user| user[0] == words[0]) {
            let reason = "Duplicate user found. A user can only be defined once in config files";
            return Err(say(&words[0], reason));
        }
        if let Err((index, reason)) = host.check_user(&words[1..], self.acl_pubsub_default) {
            // As Redis does, the word named is the one two before the bad rule.
            let word = if index == 0 {
                b"user".as_slice()
            } else {
                &words[index - 1]
            };
            return Err(say(word, &reason));
        }
        self.users.push(words.to_vec());
        Ok(())
    }

    fn load_directive(
        &mut self,
        row: &Directive,
        args: &[&[u8]],
        host: &mut dyn Host,
    ) -> Result<(), String> {
        if !row.multi && args.len() != 1 {
            return Err("wrong number of arguments".into());
        }
        // A single argument may hold them all: `save "60 1 300 10"`.
        let inner = match args {
            [one] if row.multi && !one.is_empty() => split_args(one),
            _ => None,
        };
        let inner: Option<Vec<&[u8]>> = inner
            .as_ref()
            .map(|words| words.iter().map(Vec::as_slice).collect());
        self.assign(row, inner.as_deref().unwrap_or(args), Source::File, host)
    }

    /// Gives a directive its arguments.
    pub(super) fn assign(
        &mut self,
        row: &Directive,
        args: &[&[u8]],
        source: Source,
        host: &mut dyn Host,
    ) -> Result<(), String> {
        if let Kind::Special(special) = row.kind {
            if !row.is_entered {
                return (special.set)(self, args, source);
            }
            let dir = host.chdir(args[0])?;
            return (special.set)(self, &[dir.as_slice()], source);
        }
        // A string of several words is kept as they would be written.
        let value = match row.multi {
            true => value::parse(&row.kind, &args.join(&b' '))?,
            false => value::parse(&row.kind, args[0])?,
        };
        match row.place {
            Place::Field { store, .. } => store(self, value),
            Place::Kept => {
                self.kept.insert(row.name, value);
            }
        }
        match row.verify {
            Some(verify) if source == Source::Set => verify(self).map_err(str::to_owned),
            _ => Ok(()),
        }
    }

    /// Adjusts values that are accepted in any form but stored in another.
    pub(super) fn settle(&mut self) {
        self.hz = self.hz.clamp(1, 500);
    }
}

/// Makes `dir` the current directory and returns its absolute name: the implementation of a real
/// `Host`.
pub fn enter_directory(dir: &[u8]) -> Result<Vec<u8>, String> {
    std::env::set_current_dir(to_path(dir)).map_err(|error| os_reason(&error))?;
    let here = std::env::current_dir().map_err(|error| os_reason(&error))?;
    Ok(here.into_os_string().into_encoded_bytes())
}

/// The text of a file, or of all files a pattern matches, in the order of their names.
pub fn read_config_file(path: &[u8]) -> Result<Vec<u8>, Fatal> {
    let is_pattern = path.iter().any(|byte| b"*?[".contains(byte));
    let paths = if is_pattern {
        expand(path)
    } else {
        vec![to_path(path)]
    };
    let mut text = Vec::new();
    for path in paths {
        match std::fs::read(&path) {
            Ok(bytes) => text.extend(bytes),
            // A directory opens, but has no lines.
            Err(error) if error.kind() == std::io::ErrorKind::IsADirectory => {}
            Err(error) => {
                let (path, reason) = (path.display(), os_reason(&error));
                let text = format!("Fatal error, can't open config file '{path}': {reason}");
                return Err(Fatal::Log(text));
            }
        }
    }
    Ok(text)
}

fn to_path(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

/// The paths a shell pattern matches, sorted. A leading dot is matched only by a dot.
fn expand(pattern: &[u8]) -> Vec<PathBuf> {
    let root = if pattern.starts_with(b"/") { "/" } else { "" };
    let mut found = vec![PathBuf::from(root)];
    for part in pattern
        .split(|&byte| byte == b'/')
        .filter(|part| !part.is_empty())
    {
        if !part.iter().any(|byte| b"*?[".contains(byte)) {
            found = found.iter().map(|base| base.join(to_path(part))).collect();
            found.retain(|path| path.exists());
            continue;
        }
        found = found.iter().flat_map(|base| entries(base, part)).collect();
    }
    found.sort();
    found
}

fn entries(base: &Path, part: &[u8]) -> Vec<PathBuf> {
    let here = if base.as_os_str().is_empty() {
        Path::new(".")
    } else {
        base
    };
    let Ok(listing) = std::fs::read_dir(here) else {
        return Vec::new();
    };
    let names = listing.flatten().map(|entry| entry.file_name());
    let fits = |name: &std::ffi::OsString| {
        let name = name.as_encoded_bytes();
        (part[0] == b'.' || name[0] != b'.') && matches(part, name, Case::Sensitive)
    };
    names.filter(fits).map(|name| base.join(name)).collect()
}

fn trim(line: &[u8]) -> &[u8] {
    let blank = |byte: &u8| b" \t\r\n".contains(byte);
    let start = line
        .iter()
        .position(|byte| !blank(byte))
        .unwrap_or(line.len());
    let end = line
        .iter()
        .rposition(|byte| !blank(byte))
        .map_or(start, |last| last + 1);
    &line[start..end]
}
