//! A failing disk: log lines, refused writes, and the recovery.
//!
//! The faults are made between the server and the C library (`faults.c`), so that the same can be
//! done to the real Redis: replies to clients and lines of the log are then compared one by one.
//! Without a C compiler these tests say so and pass.

use crate::support::ask::await_info;
use crate::support::client::Client;
use crate::support::oracle;
use crate::support::server::{Server, our_binary};
use crate::support::wait::{wait_for, wait_until};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;
use tempfile::TempDir;

/// The library of faults, built once for all tests.
fn library() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/durability/faults.c");
        let done = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([path.as_os_str(), source.as_os_str(), "-ldl".as_ref()])
            .status();
        let built = done.is_ok_and(|status| status.success());
        if !built {
            eprintln!("skipped: no C compiler that builds tests/durability/faults.c");
        }
        built.then_some(path)
    });
    built.as_deref()
}

/// A server on a disk that fails on request, and the observations so far.
struct FaultyServer {
    server: Server,
    faults: TempDir,
    seen: Vec<String>,
}

impl FaultyServer {
    fn start(binary: &Path, library: &Path, options: &[&str]) -> FaultyServer {
        let faults = TempDir::new().expect("a temporary folder can be made");
        let server = Server::of(binary)
            .with(options)
            .with(&["--enable-debug-command", "yes"])
            .with(&["--enable-protected-configs", "yes"])
            .env("LD_PRELOAD", &library.to_string_lossy())
            .env("FAULTS", &faults.path().join("fault").to_string_lossy())
            .start();
        FaultyServer {
            server,
            faults,
            seen: Vec::new(),
        }
    }

    fn client(&self) -> Client {
        self.server.client()
    }

    /// The named call fails on files whose path has this part, from now on.
    fn fail(&self, call: &str, part: &str, error: i32, bytes: u64) {
        let fresh = self.faults.path().join("fresh");
        std::fs::write(&fresh, format!("{call} {part} {error} {bytes}\n")).expect("ours");
        std::fs::rename(fresh, self.faults.path().join("fault")).expect("the folder is ours");
    }

    fn heal(&self) {
        std::fs::remove_file(self.faults.path().join("fault")).expect("something failed before");
    }

    /// Runs a command and records the reply.
    fn run(&mut self, line: &str) -> String {
        let answer = self.client().run(line).text();
        self.seen.push(format!("{line} -> {answer}"));
        answer
    }

    /// Repeats a command until its reply begins like this, and records that it did.
    fn until(&mut self, line: &str, start: &str) {
        let mut client = self.client();
        let answer = wait_for(&format!("{line} gives {start}"), || {
            Some(client.run(line).text()).filter(|answer| answer.starts_with(start))
        });
        self.seen.push(format!("{line} -> {answer}"));
    }

    /// Waits until INFO persistence says so.
    fn until_info(&mut self, text: &str) {
        let (name, value) = text.split_once(':').expect("a field and its value");
        await_info(&mut self.client(), name, value);
        self.seen.push(text.to_owned());
    }

    /// The observations, and the log from its first line with `from` on.
    fn story(self, from: &str) -> Vec<String> {
        let mut seen = self.seen;
        let log = self.server.log();
        let folders = [self.server.path(), self.faults.path()];
        let folders = folders.map(|folder| folder.to_string_lossy().into_owned());
        let lines = log.lines().skip_while(|line| !line.contains(from));
        let (ours, others): (Vec<_>, Vec<_>) = lines
            .filter_map(|line| message(line, &folders))
            .partition(|line| line.starts_with('M'));
        // A child and its parent write at the same time.
        seen.extend(ours.into_iter().chain(others));
        seen
    }
}

/// A line of the log without what differs from run to run; nothing where it is not about files.
fn message(line: &str, folders: &[String]) -> Option<String> {
    let (head, rest) = line.split_once(' ')?;
    let role = head.split_once(':')?.1;
    // Day, month, year and time.
    let mut text = rest.splitn(5, ' ').nth(4)?.to_owned();
    for folder in folders {
        text = text.replace(folder, "FOLDER");
    }
    const NOT_COMPARED: &[&str] = &[
        "Fork CoW",
        "BGSAVE done",
        "WARNING",
        "Redis version=",
        "Removing the temp incr",
        "Failed restoring",
    ];
    if NOT_COMPARED.iter().any(|part| text.contains(part)) {
        return None;
    }
    let mut plain = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' if plain.ends_with('#') => {}
            '0'..='9' => plain.push('#'),
            c => plain.push(c),
        }
    }
    Some(format!("{role} {plain}"))
}

/// Does the same to our server and to the real one, and compares what is seen; ours is returned.
fn compare(options: &[&str], from: &str, story: fn(&mut FaultyServer)) -> Vec<String> {
    let Some(library) = library() else {
        return Vec::new();
    };
    let tell = |binary: &Path| {
        let mut server = FaultyServer::start(binary, library, options);
        story(&mut server);
        server.story(from)
    };
    let ours = tell(&our_binary());
    if let Some(redis) = oracle::redis() {
        let theirs = tell(&redis);
        assert!(
            ours == theirs,
            "ours:\n  {}\ntheirs:\n  {}",
            ours.join("\n  "),
            theirs.join("\n  ")
        );
    }
    ours
}

const EIO: i32 = 5;
const ENOMEM: i32 = 12;
const ENOSPC: i32 = 28;
const SNAPSHOTS: &[&str] = &["--save", "3600", "1"];

#[test]
fn a_snapshot_that_cannot_be_synced_or_renamed() {
    compare(SNAPSHOTS, "Write error", |server| {
        server.run("SET a 1");
        server.fail("sync", "temp-", EIO, 0);
        server.run("SAVE");
        server.until("BGSAVE", "Background");
        server.until_info("rdb_last_bgsave_status:err");
        server.run("SET a 2");
        server.run("PING");
        server.run("GET a");
        server.run("CONFIG SET stop-writes-on-bgsave-error no");
        server.run("SET a 2");
        server.run("CONFIG SET stop-writes-on-bgsave-error yes");
        server.run("SET a 3");
        server.fail("rename", "dump.rdb", ENOSPC, 0);
        server.run("SAVE");
        server.heal();
        server.run("SAVE");
        server.run("SET a 4");
    });
}

#[test]
fn a_fork_that_fails() {
    compare(SNAPSHOTS, "in background", |server| {
        server.run("SET a 1");
        server.fail("fork", "fork", ENOMEM, 0);
        server.run("BGSAVE");
        server.run("SET a 2");
        server.run("BGREWRITEAOF");
        server.run("CONFIG SET appendonly yes");
        server.run("CONFIG GET appendonly");
        server.heal();
        server.run("BGSAVE");
        server.until_info("rdb_last_bgsave_status:ok");
        server.until_info("rdb_bgsave_in_progress:0");
        server.run("SET a 2");
    });
}

#[test]
fn save_points_try_again_by_themselves() {
    compare(&["--save", "1", "1"], "changes in", |server| {
        server.fail("rename", "dump.rdb", ENOSPC, 0);
        server.run("SET a 1");
        server.until_info("rdb_last_bgsave_status:err");
        server.run("SET a 2");
        server.heal();
        server.until_info("rdb_last_bgsave_status:ok");
        server.run("SET a 2");
    });
}

const LOG: &[&str] = &["--appendonly", "yes", "--appendfsync"];

#[test]
fn a_log_that_cannot_be_written_with_everysec() {
    let options = [LOG, &["everysec"]].concat();
    compare(&options, "rror writing", |server| {
        server.run("SET a 1");
        server.fail("write", "incr.aof", EIO, 0);
        server.run("SET a 2");
        server.until("SET a 3", "MISCONF");
        server.until_info("aof_last_write_status:err");
        server.run("PING");
        server.heal();
        server.until("SET a 4", "OK");
        server.until_info("aof_last_write_status:ok");
        server.run("DEBUG LOADAOF");
        server.run("GET a");
    });
}

#[test]
fn a_log_that_is_written_short_is_made_whole() {
    let options = [LOG, &["everysec"]].concat();
    compare(&options, "hort write", |server| {
        server.run("SET a 1");
        server.fail("write", "incr.aof", ENOSPC, 10);
        server.run("SET a 2");
        server.until("SET a 3", "MISCONF");
        server.heal();
        server.until("SET a 4", "OK");
        server.until("CONFIG SET appendonly no", "OK");
        server.server.restart();
        server.run("GET a");
    });
}

#[test]
fn a_log_that_cannot_be_written_ends_always() {
    for (call, bytes) in [("write", 0), ("write", 10), ("sync", 0)] {
        let Some(library) = library() else { return };
        let tell = |binary: &Path| {
            let options = [LOG, &["always"]].concat();
            let mut server = FaultyServer::start(binary, library, &options);
            server.run("SET a 1");
            server.run("DEL a");
            server.fail(call, "incr.aof", ENOSPC, bytes);
            let mut client = server.client();
            client.send(&["SET", "a", "2"]);
            assert!(client.reply_raw().map_or(true, |bytes| bytes.is_empty()));
            assert_eq!(server.server.wait().code(), Some(1));
            server.heal();
            server.server.restart();
            server.run("INCR n");
            server.story("ing")
        };
        let ours = tell(&our_binary());
        if let Some(redis) = oracle::redis() {
            let theirs = tell(&redis);
            assert!(ours == theirs, "{call}\n{ours:#?}\n{theirs:#?}");
        }
    }
}

#[test]
fn a_log_that_cannot_be_synced_with_everysec() {
    let options = [LOG, &["everysec"]].concat();
    compare(&options, "fsync", |server| {
        server.run("SET a 1");
        server.fail("sync", "incr.aof", EIO, 0);
        server.until("SET a 3", "MISCONF");
        server.run("PING");
    });
}

/// The real one refuses writes until its log is rewritten.
#[test]
fn a_log_that_can_be_synced_again_is_rewritten() {
    let Some(library) = library() else { return };
    let options = [LOG, &["everysec"]].concat();
    let mut server = FaultyServer::start(&our_binary(), library, &options);
    server.run("SET a 1");
    server.fail("sync", "incr.aof", EIO, 0);
    server.until("SET a 3", "MISCONF");
    server.heal();
    server.until("SET a 4", "OK");
    server.until_info("aof_rewrites:1");
    let finished = "Background AOF rewrite finished successfully";
    server.server.wait_for_log(finished);
}

#[test]
fn a_log_that_cannot_be_written_with_no_sync() {
    let options = [LOG, &["no"]].concat();
    compare(&options, "rror writing", |server| {
        server.fail("write", "incr.aof", ENOSPC, 0);
        server.run("SET a 1");
        server.until("SET a 3", "MISCONF");
        server.heal();
        server.until("SET a 4", "OK");
    });
}

#[test]
fn a_rewrite_that_fails() {
    let options = [LOG, &["everysec"]].concat();
    compare(
        &options,
        "Background append only file rewriting",
        |server| {
            server.run("SET a 1");
            server.fail("rename", "temp-rewriteaof", EIO, 0);
            server.run("BGREWRITEAOF");
            server.until_info("aof_last_bgrewrite_status:err");
            server.fail("rename", "base", EIO, 0);
            server.run("BGREWRITEAOF");
            server.until_info("aof_rewrites_consecutive_failures:2");
            server.fail("rename", "manifest", EIO, 0);
            server.run("BGREWRITEAOF");
            server.until_info("aof_rewrite_in_progress:0");
            server.until_info("aof_rewrites_consecutive_failures:2");
            server.until_info("aof_rewrites:2");
            server.heal();
            server.run("BGREWRITEAOF");
            server.until_info("aof_last_bgrewrite_status:ok");
            server.run("DEBUG LOADAOF");
            server.run("GET a");
        },
    );
}

/// Limits the length of a server's files.
type Limit = dyn Fn(&FaultyServer, &str);

/// Ours with these options, and a limit on the length of its files from some moment on; the real
/// one ends by the signal that says so.
fn limited(options: &[&str], story: fn(&mut FaultyServer, &Limit)) {
    let Some(library) = library() else { return };
    if Command::new("prlimit").arg("--version").output().is_err() {
        return eprintln!("skipped: no prlimit here");
    }
    let mut server = FaultyServer::start(&our_binary(), library, options);
    story(&mut server, &|server, bytes| {
        let pid = server.server.pid().to_string();
        let limit = format!("--fsize={bytes}:unlimited");
        let done = Command::new("prlimit")
            .args(["--pid", &pid, &limit])
            .status();
        assert!(done.is_ok_and(|status| status.success()));
    });
}

#[test]
fn files_that_may_not_grow() {
    limited(SNAPSHOTS, |server, limit| {
        server.run("CONFIG SET rdbcompression no");
        server.run("DEBUG POPULATE 2000 key 100");
        limit(server, "20000");
        assert_eq!(server.run("SAVE"), "ERR");
        server.until("BGSAVE", "Background");
        server.until_info("rdb_last_bgsave_status:err");
        assert!(server.run("SET a 2").starts_with("MISCONF"));
        limit(server, "unlimited");
        server.until("BGSAVE", "Background");
        server.until_info("rdb_last_bgsave_status:ok");
        assert_eq!(server.run("SET a 2"), "OK");
    });
}

#[test]
fn a_log_that_may_not_grow() {
    let options = [LOG, &["everysec", "--auto-aof-rewrite-percentage", "0"]].concat();
    limited(&options, |server, limit| {
        server.run("SET a 1");
        limit(server, "20000");
        let mut client = server.client();
        client.run(&format!("SET b {}", "x".repeat(30_000)));
        server.until("SET a 3", "MISCONF");
        limit(server, "unlimited");
        server.until("SET a 4", "OK");
        assert_eq!(server.run("DEBUG LOADAOF"), "OK");
        assert_eq!(server.run("STRLEN b"), "30000");
        let log = server.server.log();
        assert!(
            log.contains("Short write while writing to the AOF file"),
            "{log}"
        );
    });
}

#[test]
fn a_folder_that_is_gone() {
    compare(SNAPSHOTS, "Failed opening", |server| {
        server.run("SET a 1");
        let work = server.faults.path().join("work");
        std::fs::create_dir(&work).expect("the folder is ours");
        let set = format!("CONFIG SET dir {}", work.display());
        assert_eq!(server.client().run(&set).text(), "OK");
        std::fs::remove_dir(&work).expect("the folder is ours");
        server.run("SAVE");
        server.until("BGSAVE", "Background");
        server.until_info("rdb_last_bgsave_status:err");
        server.run("SET a 2");
        server.run("BGREWRITEAOF");
        server.run("CONFIG SET appendonly yes");
        server.run("CONFIG SET dir /nowhere/at/all");
        let back = format!("CONFIG SET dir {}", server.server.path().display());
        assert_eq!(server.client().run(&back).text(), "OK");
        server.until("BGSAVE", "Background");
        server.until_info("rdb_last_bgsave_status:ok");
        server.run("SET a 2");
    });
}

#[test]
fn a_final_save_that_fails() {
    compare(SNAPSHOTS, "requested", |server| {
        server.run("SET a 1");
        server.fail("rename", "dump.rdb", EIO, 0);
        server.run("SHUTDOWN SAVE");
        server.server.signal("TERM");
        let refused = || server.server.log().matches("Errors trying").count();
        wait_until("both are refused", || refused() == 2);
        server.run("GET a");
        let mut client = server.client();
        client.send(&["SHUTDOWN", "FORCE"]);
        assert_eq!(server.server.wait().code(), Some(0));
    });
}

/// TERM while a child is at work on so many slow keys.
fn stop_while(server: &mut FaultyServer, work: &str) {
    server.run("DEBUG POPULATE 1000 key 10");
    server.run("CONFIG SET rdb-key-save-delay 10000");
    server.run(work);
    server.run("CONFIG SET rdb-key-save-delay 0");
    server.server.signal("TERM");
    assert_eq!(server.server.wait().code(), Some(0));
    let mut left: Vec<String> = std::fs::read_dir(server.server.path())
        .expect("it is there")
        .map(|file| file.expect("it is there").file_name().display().to_string())
        .collect();
    left.sort();
    server.seen.push(left.join(" "));
    server.server.restart();
    server.run("DBSIZE");
}

#[test]
fn shutdown_while_a_child_saves() {
    compare(SNAPSHOTS, "scheduling", |p| stop_while(p, "BGSAVE"));
}

#[test]
fn shutdown_while_a_child_rewrites() {
    let options = [LOG, &["everysec"]].concat();
    compare(&options, "scheduling", |p| stop_while(p, "BGREWRITEAOF"));
}

/// A file system of a megabyte; nothing where none can be mounted.
struct Small(PathBuf);

impl Small {
    fn mount(at: PathBuf) -> Option<Small> {
        std::fs::create_dir_all(&at).ok()?;
        let words = ["-t", "tmpfs", "-o", "size=1m", "tmpfs"];
        let mut mount = Command::new("mount");
        let done = mount
            .args(words)
            .arg(&at)
            .stderr(std::process::Stdio::null());
        let done = done.status().is_ok_and(|status| status.success());
        if !done {
            eprintln!("skipped: no file system can be mounted here");
        }
        done.then_some(Small(at))
    }

    fn remount(&self, how: &str) -> bool {
        let words = ["-o", &format!("remount,{how}")];
        let done = Command::new("mount").args(words).arg(&self.0).status();
        done.is_ok_and(|status| status.success())
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_disk_that_is_read_only() {
    compare(SNAPSHOTS, "Failed opening", |server| {
        let Some(disk) = Small::mount(server.faults.path().join("disk")) else {
            return;
        };
        let set = format!("CONFIG SET dir {}", disk.0.display());
        assert_eq!(server.client().run(&set).text(), "OK");
        server.run("SET a 1");
        assert!(disk.remount("ro"));
        server.run("SAVE");
        server.until("BGSAVE", "Background");
        server.until_info("rdb_last_bgsave_status:err");
        server.run("SET a 2");
        server.run("CONFIG SET appendonly yes");
        assert!(disk.remount("rw"));
        server.until("BGSAVE", "Background");
        server.until_info("rdb_last_bgsave_status:ok");
        server.run("SET a 2");
    });
}

#[test]
fn a_disk_that_is_full() {
    compare(&[], "Write error", |server| {
        let Some(disk) = Small::mount(server.faults.path().join("disk")) else {
            return;
        };
        server.run("CONFIG SET rdbcompression no");
        server.run("CONFIG SET auto-aof-rewrite-percentage 0");
        let set = format!("CONFIG SET dir {}", disk.0.display());
        assert_eq!(server.client().run(&set).text(), "OK");
        server.run("CONFIG SET appendonly yes");
        server.until_info("aof_last_bgrewrite_status:ok");
        server.until_info("aof_rewrite_in_progress:0");
        let mut client = server.client();
        let value = "x".repeat(10_000);
        let mut taken = 0;
        while client.run(&format!("SET key:{taken} {value}")).text() == "OK" {
            taken += 1;
            assert!(taken < 10_000, "the disk never is full");
            sleep(Duration::from_millis(1));
        }
        server.until("SET a 3", "MISCONF");
        server.run("SAVE");
        server.run("CONFIG SET appendonly no");
        server.run("SET a 1");
        server.run("FLUSHALL");
        server.run("SET a 1");
        server.run("SAVE");
    });
}
