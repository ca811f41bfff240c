//! redis-check-aof: is this log whole? `--fix` cuts off what is not, `--truncate-to-timestamp` what
//! was written after a moment.

use super::path_of;
use crate::persist::aof::manifest::Manifest;
use crate::persist::aof::read::{Commands, Next};
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// What is to be done with a log that is not whole.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Look,
    Fix,
    CutAfter(i64),
}

/// redis-check-aof [--fix | --truncate-to-timestamp seconds] file. Returns the exit status.
pub fn run(args: &[Vec<u8>]) -> i32 {
    let words: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
    let (mode, file) = match words.as_slice() {
        [_, file] => (Mode::Look, file),
        [_, b"--fix", file] => (Mode::Fix, file),
        [_, b"--truncate-to-timestamp", moment, file] => {
            let moment = crate::algo::number::parse_i64(moment);
            let Some(moment) = moment.filter(|&moment| moment > 0) else {
                println!("Invalid timestamp, aborting...");
                return 1;
            };
            (Mode::CutAfter(moment), file)
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
    let path = path_of(file);
    let result = match is_manifest(&path) {
        Ok(true) => check_manifest(&path, mode),
        Ok(false) if starts_with_snapshot(&path) => {
            println!("Start checking Old-Style AOF");
            check_file(&path, "", true, true, mode)
        }
        Ok(false) => {
            println!("Start checking Old-Style AOF");
            check_file(&path, "", true, true, mode)
        }
        Err(error) => Err(format!(
            "Cannot open file {}: {error}, aborting...",
            path.display()
        )),
    };
    match result {
        Ok(()) => 0,
        Err(why) => {
            println!("{why}");
            1
        }
    }
}

/// A manifest's first line that is no comment begins so.
fn is_manifest(path: &Path) -> std::io::Result<bool> {
    let mut lines = BufReader::new(File::open(path)?).split(b'\n');
    let first = lines.find_map(|line| line.ok().filter(|line| !line.starts_with(b"#")));
    Ok(first.is_some_and(|line| line.starts_with(b"file ")))
}

fn starts_with_snapshot(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = File::open(path).map(|file| file.take(6).read_to_end(&mut start));
    read.is_ok() && (start.starts_with(b"REDIS") || start.starts_with(b"VALKEY"))
}

fn check_manifest(path: &Path, mode: Mode) -> Result<(), String> {
    println!("Start checking Multi Part AOF");
    let text = fs::read(path).map_err(|error| format!("Cannot read the manifest: {error}"))?;
    let manifest = Manifest::parse(&text)?;
    let directory = crate::sys::file::directory_of(path);
    if manifest.base.is_none() && manifest.increments.is_empty() {
        println!("No AOF file found in the manifest");
    }
    let files = manifest.base.iter().map(|entry| (entry, "BASE"));
    let files: Vec<_> = files
        .chain(manifest.increments.iter().map(|entry| (entry, "INCR")))
        .collect();
    for (at, (entry, kind)) in files.iter().enumerate() {
        if *kind == "BASE" {
            println!(
                "Start to check BASE AOF ({}).",
                format_of(&directory.join(&entry.name))
            );
        } else if at == 0 || files[at - 1].1 == "BASE" {
            println!("Start to check INCR files.");
        }
        let last = at + 1 == files.len();
        check_file(&directory.join(&entry.name), kind, last, false, mode)?;
    }
    println!("All AOF files and manifest are valid");
    Ok(())
}

fn format_of(path: &Path) -> &'static str {
    if starts_with_snapshot(path) {
        "RDB format"
    } else {
        "RESP format"
    }
}

/// Walks over one file. Only the last may be shortened.
fn check_file(path: &Path, kind: &str, last: bool, alone: bool, mode: Mode) -> Result<(), String> {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let name = if alone {
        path.display().to_string()
    } else {
        name
    };
    let mut file = File::open(path)
        .map_err(|error| format!("Cannot open file {name}: {error}, aborting..."))?;
    let size = file.metadata().map_or(0, |data| data.len());
    if size == 0 {
        println!("Empty file: {name}");
        return Ok(());
    }
    let mut start = 0;
    if starts_with_snapshot(path) {
        println!("The AOF appears to start with an RDB preamble.");
        println!("Checking the RDB preamble to start:");
        start = super::rdb::length_of(path)
            .map_err(|why| format!("RDB preamble of AOF file is not sane, aborting: {why}"))?;
        println!("RDB preamble is OK, proceeding with AOF tail...");
        let seek = file.seek(SeekFrom::Start(start));
        seek.map_err(|error| format!("Cannot read {name}: {error}"))?;
    }
    let mut commands = Commands::new(PathBuf::new(), name.clone(), Box::new(file), start);
    let mut open = false;
    let end = loop {
        if let Mode::CutAfter(moment) = mode
            && commands.stamp().is_some_and(|stamp| stamp > moment)
        {
            return cut_after(path, &name, &commands, last);
        }
        match commands.advance() {
            Next::Command(argv) => {
                let word = argv.as_argv().at(0).to_ascii_lowercase();
                open = match word.as_slice() {
                    b"multi" => true,
                    b"exec" | b"discard" => false,
                    _ => open,
                };
                commands.note_multi(open);
            }
            end => break end,
        }
    };
    if let Mode::CutAfter(moment) = mode
        && commands.stamp().is_some_and(|stamp| stamp > moment)
    {
        return cut_after(path, &name, &commands, last);
    }
    let ended = matches!(end, Next::End);
    conclude((path, &name, kind), last, mode, (&commands, size, ended))
}

/// Says what was found of a file that was walked over to its end or to damage, and cuts the damage
/// off if that is asked for.
fn conclude(
    (path, name, kind): (&Path, &str, &str),
    last: bool,
    mode: Mode,
    (commands, size, ended): (&Commands, u64, bool),
) -> Result<(), String> {
    let label = if kind.is_empty() {
        String::new()
    } else {
        format!("{kind} ")
    };
    let sound = commands.sound_bytes();
    let diff = size - sound.min(size);
    let whole = ended && diff == 0;
    let line = commands.lines() + !whole as u64;
    println!(
        "AOF analyzed: filename={name}, size={size}, ok_up_to={sound}, ok_up_to_line={line}, \
         diff={diff}"
    );
    if whole {
        if let Mode::CutAfter(moment) = mode
            && last
        {
            println!("Truncate nothing in AOF {name} to timestamp {moment}");
        }
        println!("{label}AOF {name} is valid");
        return Ok(());
    }
    if mode != Mode::Fix {
        return Err(format!(
            "AOF {name} is not valid. Use the --fix option to try fixing it."
        ));
    }
    if !last {
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
    shorten(path, sound).map_err(|error| format!("Failed to truncate AOF {name}: {error}"))?;
    println!("Successfully truncated AOF {name}");
    Ok(())
}

fn cut_after(path: &Path, name: &str, commands: &Commands, last: bool) -> Result<(), String> {
    let offset = commands.stamp_offset();
    if !last {
        return Err(format!(
            "Failed to truncate AOF {name} to timestamp to offset {offset} because it is not the \
             last file."
        ));
    }
    if offset == 0 {
        return Err(format!(
            "AOF {name} has nothing before this timestamp, aborting..."
        ));
    }
    shorten(path, offset).map_err(|error| format!("Failed to truncate AOF {name}: {error}"))?;
    println!("Successfully truncated AOF {name} to timestamp to offset {offset}");
    Ok(())
}

fn shorten(path: &Path, len: u64) -> std::io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(len)?;
    crate::sys::file::fsync(&file)
}

fn confirmed() -> bool {
    use std::io::Write as _;
    print!("Continue? [y/N]: ");
    let _ = std::io::stdout().flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.is_ok() && answer.trim_start().to_lowercase().starts_with('y')
}
