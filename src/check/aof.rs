//! redis-check-aof: is this log whole? `--fix` cuts off what is not, `--truncate-to-timestamp` what
//! was written after a moment.
//!
//! The output is that of Redis's tool, line by line. Two things differ on purpose: lines are
//! counted anew in each file, and a command of no words is no command, because no server loads it.

use super::log_walk::{End, Walk};
use super::{path_of, rdb};
use crate::persist::aof::manifest::{Entry, Manifest};
use crate::persist::reason;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// The action for a log that is not whole, or too long.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Look,
    Fix,
    CutAfter(i64),
}

/// The format of a file, by its first bytes.
enum Form {
    Manifest,
    Snapshot,
    Commands,
}

/// A file of the log.
struct Part<'a> {
    path: &'a Path,
    /// As messages call it, and what stands before that.
    name: String,
    label: &'static str,
    /// Only the last file may be shortened.
    is_last: bool,
}

/// redis-check-aof [--fix | --truncate-to-timestamp seconds] file. Returns the exit status.
pub fn run(args: &[Vec<u8>]) -> i32 {
    let words: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
    let (mode, file) = match words.as_slice() {
        [_, b"-v" | b"--version"] => {
            println!("redis-check-aof {}", crate::version::build_line());
            return 0;
        }
        [_, file] => (Mode::Look, file),
        [_, b"--fix", file] => (Mode::Fix, file),
        [_, b"--truncate-to-timestamp", moment, file] => {
            match crate::algo::number::parse_i64(moment) {
                // As Redis has it, moment 0 means no moment.
                Some(0) => (Mode::Look, file),
                Some(moment) => (Mode::CutAfter(moment), file),
                None => {
                    println!("Invalid timestamp, aborting...");
                    return 1;
                }
            }
        }
        _ => {
            let name = args.first().map_or(&b"redis-check-aof"[..], Vec::as_slice);
            let name = String::from_utf8_lossy(name);
            println!(
                "Usage: {name} [--fix|--truncate-to-timestamp $timestamp] <file.manifest|file.aof>"
            );
            return 1;
        }
    };
    match check(&path_of(file), mode) {
        Ok(()) => 0,
        Err(why) => {
            if !why.is_empty() {
                println!("{why}");
            }
            1
        }
    }
}

fn check(path: &Path, mode: Mode) -> Result<(), String> {
    match form_of(path)? {
        Form::Manifest => check_manifest(path, mode),
        form => {
            println!("Start checking Old-Style AOF");
            let part = Part {
                path,
                name: path.display().to_string(),
                label: "",
                is_last: true,
            };
            check_file(&part, &form, mode)
        }
    }
}

fn cannot_open(path: &Path, error: &io::Error) -> String {
    format!("Cannot open file {}: {}", path.display(), reason(error))
}

/// A manifest's first line that is no comment begins with `file`.
fn form_of(path: &Path) -> Result<Form, String> {
    let file = File::open(path).map_err(|error| cannot_open(path, &error))?;
    let unreadable = |_| format!("Cannot read file: {}", path.display());
    let mut source = BufReader::new(file);
    let start = source.fill_buf().map_err(unreadable)?;
    let of_servers = start.starts_with(b"REDIS") || start.starts_with(b"VALKEY");
    if of_servers && start.len() >= 8 {
        return Ok(Form::Snapshot);
    }
    loop {
        /// A longer line is none of a manifest.
        const LINE_MAX: u64 = 1024;
        let mut line = Vec::new();
        let limited = source.by_ref().take(LINE_MAX).read_until(b'\n', &mut line);
        limited.map_err(unreadable)?;
        match line.as_slice() {
            [b'#', .., b'\n'] => {}
            line if line.starts_with(b"file") => return Ok(Form::Manifest),
            _ => return Ok(Form::Commands),
        }
    }
}

fn check_manifest(path: &Path, mode: Mode) -> Result<(), String> {
    println!("Start checking Multi Part AOF");
    let text = fs::read(path).map_err(|error| cannot_open(path, &error))?;
    let manifest = Manifest::parse(&text).map_err(|bad| {
        bad.tell();
        String::new()
    })?;
    let directory = crate::sys::file::directory_of(path);
    let mut left = manifest.base.iter().count() + manifest.increments.len();
    let mut look_at = |entry: &Entry, label| {
        left -= 1;
        let path = directory.join(&entry.name);
        // Only a base may begin with a snapshot.
        let mut form = Form::Commands;
        if label == "BASE " {
            form = form_of(&path)?;
            let format = match form {
                Form::Snapshot => "RDB",
                _ => "RESP",
            };
            println!("Start to check BASE AOF ({format} format).");
        }
        let part = Part {
            path: &path,
            name: entry.name.clone(),
            label,
            is_last: left == 0,
        };
        check_file(&part, &form, mode)
    };
    if let Some(base) = &manifest.base {
        look_at(base, "BASE ")?;
    }
    if !manifest.increments.is_empty() {
        println!("Start to check INCR files.");
    }
    for increment in &manifest.increments {
        look_at(increment, "INCR ")?;
    }
    println!("All AOF files and manifest are valid");
    Ok(())
}

/// Walks over one file.
fn check_file(part: &Part, form: &Form, mode: Mode) -> Result<(), String> {
    let Part {
        path, name, label, ..
    } = part;
    let opened = File::open(path);
    let file = opened.map_err(|error| format!("{}, aborting...", cannot_open(path, &error)))?;
    let size = file.metadata().map_or(0, |data| data.len());
    if size == 0 {
        println!("{label}AOF {name} is empty");
        return Ok(());
    }
    let mut start = 0;
    if matches!(form, Form::Snapshot) {
        start = rdb::report(path).ok_or("RDB preamble of AOF file is not sane, aborting.")?;
        println!("RDB preamble is OK, proceeding with AOF tail...");
    }
    let limit = match mode {
        Mode::CutAfter(moment) => Some(moment),
        _ => None,
    };
    let walk = Walk::new(file, start, limit);
    let mut walk = walk.map_err(|_| format!("Cannot read file: {}", path.display()))?;
    match walk.run() {
        End::Past(offset) => return cut_after(part, offset, limit.unwrap_or(0)),
        End::Whole => {}
        End::Torn => {}
        End::Unclear => println!("AOF {name} format error"),
        End::Bad(at, what) => println!("0x{at:16x}: {what}"),
        End::Misplaced(at, word) => {
            println!("0x{at:16x}: Unexpected {word} in AOF {}", path.display());
        }
    }
    conclude(part, mode, &walk, size)
}

/// Prints the findings, and cuts the damage off if `mode` says so.
fn conclude(part: &Part, mode: Mode, walk: &Walk, size: u64) -> Result<(), String> {
    let Part {
        path, name, label, ..
    } = part;
    let (sound, line) = (walk.sound, walk.line);
    let diff = size - sound.min(size);
    match mode {
        Mode::CutAfter(moment) if diff == 0 => {
            println!("Truncate nothing in AOF {name} to timestamp {moment}");
        }
        _ => println!(
            "AOF analyzed: filename={name}, size={size}, ok_up_to={sound}, ok_up_to_line={line}, \
             diff={diff}"
        ),
    }
    if diff == 0 {
        println!("{label}AOF {name} is valid");
        return Ok(());
    }
    if mode != Mode::Fix {
        return Err(format!(
            "AOF {name} is not valid. Use the --fix option to try fixing it."
        ));
    }
    if !part.is_last {
        return Err(format!(
            "Failed to truncate AOF {name} because it is not the last file"
        ));
    }
    println!(
        "This will shrink the AOF {name} from {size} bytes, with {diff} bytes, to {sound} bytes"
    );
    if !confirmed() {
        return Err("Aborting...".into());
    }
    shorten(path, sound).map_err(|_| format!("Failed to truncate AOF {name}"))?;
    println!("Successfully truncated AOF {name}");
    Ok(())
}

fn cut_after(part: &Part, offset: u64, moment: i64) -> Result<(), String> {
    let (path, name) = (part.path, &part.name);
    let shown = path.display();
    if offset == 0 {
        return Err(format!(
            "AOF {shown} has nothing before timestamp {moment}, aborting..."
        ));
    }
    if !part.is_last {
        return Err(format!(
            "Failed to truncate AOF {shown} to timestamp {moment} to offset {offset} because it is \
             not the last file.\nIf you insist, please delete all files after this file according \
             to the manifest file and delete the corresponding records in manifest file manually. \
             Then re-run redis-check-aof."
        ));
    }
    shorten(path, offset)
        .map_err(|_| format!("Failed to truncate AOF {name} to timestamp {moment}"))?;
    println!("Successfully truncated AOF {name} to timestamp {moment}");
    Ok(())
}

fn shorten(path: &Path, len: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(len)?;
    crate::sys::file::fsync(&file)
}

fn confirmed() -> bool {
    use std::io::Write as _;
    print!("Continue? [y/N]: ");
    let _ = io::stdout().flush();
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.is_ok() && answer.trim_start().to_lowercase().starts_with('y')
}
