//! Messages of the log and the checkers about files that are whole, torn, damaged or missing:
//! those of Redis 8.10.2, because people and programs look for them. Our additional lines are left
//! out here.

use crate::support::client::{Client, Value};
use crate::support::oracle;
use crate::support::server::{Server, our_binary};
use crate::support::wait::wait_for;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

const SELECT: &str = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n";
const SET: &str = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n";
const MULTI: &str = "*1\r\n$5\r\nMULTI\r\n";
const EXEC: &str = "*1\r\n$4\r\nEXEC\r\n";
const MANIFEST: &str = "file base.rdb seq 1 type b\nfile one.aof seq 1 type i\n";

/// A snapshot as our server writes it.
fn snapshot() -> Vec<u8> {
    let server = Server::start();
    let mut client = server.client();
    for line in ["SET a 1", "HSET h f v", "SET e 1 EX 1000", "RPUSH l 1 2 3"] {
        assert!(!client.run(line).is_error());
    }
    client.run("HPEXPIREAT h 4000000000000 FIELDS 1 f");
    assert_eq!(client.run("SAVE").text(), "OK");
    std::fs::read(server.path().join("dump.rdb")).expect("it was saved")
}

/// Increments of a log, each with what is wrong with it.
fn logs() -> Vec<(&'static str, String)> {
    let all = |parts: &[&str]| parts.concat();
    vec![
        (
            "whole",
            all(&[SELECT, "#TS:1700000000\r\n", SET, MULTI, SET, EXEC]),
        ),
        ("empty", String::new()),
        (
            "torn in a word",
            all(&[SELECT, "#TS:1700000000\r\n", &SET[..SET.len() - 3]]),
        ),
        ("torn in a length", all(&[SELECT, SET, "*3\r\n$3\r"])),
        ("torn behind a length", all(&[SELECT, SET, "*3\r\n"])),
        ("an open transaction", all(&[SELECT, SET, MULTI, SET])),
        ("no command", all(&[SELECT, SET, "hello\r\n", SET])),
        ("a wrong count", all(&[SELECT, SET, "*x\r\n"])),
        (
            "a wrong length",
            all(&[SELECT, SET, "*1\r\n$3\r\nPINGS\r\n", SET]),
        ),
        ("a length below zero", all(&[SELECT, SET, "*1\r\n$-1\r\n"])),
        (
            "a word without a length",
            all(&[SELECT, SET, "*1\r\nPING\r\n"]),
        ),
        (
            "notes",
            all(&[
                SELECT,
                "#TS:1700000000\r\n#anything\r\n",
                SET,
                "#TS:1700000002\r\n",
                SET,
            ]),
        ),
    ]
}

fn write(path: PathBuf, bytes: impl AsRef<[u8]>) {
    std::fs::write(path, bytes).expect("the folder is ours");
}

/// Runs a face of a server, and returns what it prints and its exit status.
fn face(binary: &Path, folder: &Path, words: &[&str], answer: &str) -> String {
    let input = folder.join("answer");
    write(input.clone(), answer);
    let input = std::fs::File::open(input).expect("it was written");
    // Under the name of the face: a link, since the real server may be a script that becomes it.
    let named = folder.join("bin").join(words[0]);
    if !named.exists() {
        let _ = std::fs::create_dir(folder.join("bin"));
        std::os::unix::fs::symlink(binary, &named).expect("the folder is ours");
    }
    let mut command = Command::new(named);
    let command = command.arg0(words[0]).args(&words[1..]).current_dir(folder);
    let out = command.stdin(Stdio::from(input)).output();
    let out = out.expect("the server's binary can be run");
    let text = String::from_utf8_lossy(&out.stdout);
    let only_ours = ["[info] RDB version", "[info] Readable by"];
    let lines = text.lines();
    let lines: Vec<_> = lines
        .filter(|line| !only_ours.iter().any(|start| line.starts_with(start)))
        // A line as in a log has its process and time before it.
        .map(|line| line.split_once(" # ").map_or(line, |(_, text)| text))
        .collect();
    format!("{}\n{words:?}: {:?}", lines.join("\n"), out.status.code())
}

/// Runs the same on both servers in folders of their own, compares, and returns ours.
fn both(what: &str, tell: &dyn Fn(&Path, &Path) -> String) -> String {
    let there = |binary: &Path| {
        let folder = tempfile::TempDir::new().expect("a temporary folder can be made");
        tell(binary, folder.path())
    };
    let ours = there(&our_binary());
    if let Some(redis) = oracle::redis() {
        let theirs = there(&redis);
        assert!(ours == theirs, "{what}\nours:\n{ours}\n\ntheirs:\n{theirs}");
    }
    ours
}

#[test]
fn the_checker_of_logs_prints_the_same_as_that_of_redis() {
    let base = snapshot();
    for (what, log) in logs() {
        let said = both(what, &|binary, folder| {
            write(folder.join("base.rdb"), &base);
            write(folder.join("one.aof"), &log);
            write(folder.join("manifest"), MANIFEST);
            write(
                folder.join("old.aof"),
                [base.as_slice(), log.as_bytes()].concat(),
            );
            let run = |words: &[&str], answer| face(binary, folder, words, answer);
            let size = || std::fs::metadata(folder.join("one.aof")).map_or(0, |file| file.len());
            let mut said = vec![
                run(&["redis-check-aof", "manifest"], ""),
                run(&["redis-check-aof", "one.aof"], ""),
                run(&["redis-check-aof", "old.aof"], ""),
                run(
                    &[
                        "redis-check-aof",
                        "--truncate-to-timestamp",
                        "1700000001",
                        "manifest",
                    ],
                    "",
                ),
                format!("{} bytes", size()),
                run(&["redis-check-aof", "--fix", "manifest"], "n\n"),
                run(&["redis-check-aof", "--fix", "manifest"], "y\n"),
                format!("{} bytes", size()),
                run(
                    &[
                        "redis-check-aof",
                        "--truncate-to-timestamp",
                        "5",
                        "manifest",
                    ],
                    "",
                ),
            ];
            write(folder.join("one.aof"), &log);
            write(folder.join("two.aof"), SET);
            let manifest = format!("{MANIFEST}file two.aof seq 2 type i\n");
            write(folder.join("manifest"), manifest);
            said.push(run(&["redis-check-aof", "--fix", "manifest"], "y\n"));
            // Lines of a second file go on from those of the first there.
            said.iter_mut()
                .for_each(|text| *text = without_second_count(text));
            said.join("\n")
        });
        assert!(
            said.contains("AOF analyzed") || log.is_empty(),
            "{what}: {said}"
        );
    }
}

fn without_second_count(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| match line.split_once(", ok_up_to_line=") {
            Some((start, _)) if start.contains("two.aof") => start,
            _ => line,
        });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_checkers_print_the_same_as_those_of_redis_for_other_files() {
    let base = snapshot();
    let changed = |at: usize, byte: u8| {
        let mut bytes = base.clone();
        bytes[at] = byte;
        bytes
    };
    let last = base.len() - 1;
    let snapshots = [
        base.clone(),
        base[..last - 8].to_vec(),
        base[..last - 2].to_vec(),
        base[..20].to_vec(),
        base[..5].to_vec(),
        Vec::new(),
        changed(last, !base[last]),
        changed(0, b'B'),
        changed(5, b'9'),
        [&base[..base.len() - 8], &[0; 8]].concat(),
    ];
    let manifests = [
        "",
        "\n",
        "#only\n",
        "#one\nfile base.rdb seq 1 type b\n",
        "file base.rdb seq 1 type b",
        "file base.rdb seq 1\n",
        "file gone.aof seq 1 type i\n",
        "file a/b seq 1 type i\n",
        "file base.rdb seq 1 type b\nwhat is this\n",
        "FILE base.rdb seq 1 type b\n",
    ];
    both("other files", &|binary, folder| {
        let run = |words: &[&str]| face(binary, folder, words, "");
        let mut said = Vec::new();
        for bytes in &snapshots {
            write(folder.join("dump.rdb"), bytes);
            write(folder.join("base.rdb"), bytes);
            write(folder.join("manifest"), manifests[3]);
            said.push(run(&["redis-check-rdb", "dump.rdb"]));
            said.push(run(&["redis-check-aof", "manifest"]));
        }
        write(folder.join("base.rdb"), &base);
        for text in manifests {
            write(folder.join("manifest"), text);
            said.push(run(&["redis-check-aof", "manifest"]));
        }
        for words in [
            &["redis-check-aof", "gone"][..],
            // A folder.
            &["redis-check-aof", "."],
            &["redis-check-aof"],
            &["redis-check-aof", "--other", "manifest"],
            &[
                "redis-check-aof",
                "--truncate-to-timestamp",
                "x",
                "manifest",
            ],
            &[
                "redis-check-aof",
                "--truncate-to-timestamp",
                "0",
                "manifest",
            ],
        ] {
            said.push(run(words));
        }
        said.join("\n")
    });
}

/// The lines of a log without what differs from run to run, and without what only we say.
fn told(log: &str) -> String {
    const NOT_COMPARED: &[&str] = &[
        "WARNING",
        "Redis version=",
        "What was cut off is kept",
        "Internal error in RDB",
        "Error reading the RDB base file",
        // Redis runs its checker over the file, too.
        "[offset",
    ];
    let lines = log
        .lines()
        .filter(|line| !NOT_COMPARED.iter().any(|part| line.contains(part)));
    let plain = lines.map(|line| {
        // Process, day, month, year and time stand before the mark of the level.
        let text = match line.split_once(':') {
            Some((pid, rest)) if pid.bytes().all(|b| b.is_ascii_digit()) => {
                rest.splitn(6, ' ').last().unwrap_or(rest)
            }
            _ => line,
        };
        let text = text
            .split(". What is no command begins")
            .next()
            .unwrap_or(text);
        text.replace(|c: char| c.is_ascii_digit(), "#")
    });
    plain
        .collect::<Vec<_>>()
        .join("\n")
        .replace("##", "#")
        .replace("##", "#")
}

/// The log of a start from these files, and whether it succeeds.
fn start(binary: &Path, files: &[(&str, &[u8])], options: &[&str]) -> String {
    let mut server = Server::of(binary).with(options).start();
    server.kill();
    let _ = std::fs::remove_dir_all(server.path().join("appendonlydir"));
    let before = server.log().len();
    for (name, bytes) in files {
        let path = server.path().join(name);
        let folder = path.parent().unwrap_or(&path).to_owned();
        std::fs::create_dir_all(folder).expect("the folder is ours");
        write(path, bytes);
    }
    server.relaunch();
    let ended = wait_for("the server is ready or has ended", || {
        if let Some(status) = server.exited() {
            return Some(status.code());
        }
        let is_ready = server.log()[before..].contains("Ready to accept");
        is_ready.then_some(None)
    });
    let log = server.log()[before..].to_owned();
    format!("{}\n{ended:?}", told(&log))
}

#[test]
fn a_start_from_a_log_logs_the_same_as_redis() {
    const FOLDER: &str = "appendonlydir/";
    let base = snapshot();
    let tell = |what: &str, files: &[(&str, &[u8])], options: &[&str]| {
        let options = [&["--appendonly", "yes"], options].concat();
        let named: Vec<_> = files
            .iter()
            .map(|(name, bytes)| match *name {
                "appendonly.aof" => ((*name).to_owned(), *bytes),
                name => (format!("{FOLDER}{name}"), *bytes),
            })
            .collect();
        let files: Vec<_> = named
            .iter()
            .map(|(name, bytes)| (name.as_str(), *bytes))
            .collect();
        let ours = start(&our_binary(), &files, &options);
        if let Some(redis) = oracle::redis() {
            let theirs = start(&redis, &files, &options);
            assert!(ours == theirs, "{what}\nours:\n{ours}\n\ntheirs:\n{theirs}");
        }
        ours
    };
    let manifest = ("appendonly.aof.manifest", MANIFEST.as_bytes());
    for (what, log) in logs() {
        // Redis passes over the end of a word without a look, and crashes for want of memory.
        if matches!(what, "a wrong length" | "a length below zero") {
            continue;
        }
        let files = [manifest, ("base.rdb", &base), ("one.aof", log.as_bytes())];
        let said = tell(what, &files, &[]);
        assert!(said.contains("DB loaded from base file"), "{what}: {said}");
        tell(what, &files, &["--aof-load-truncated", "no"]);
    }
    tell("a file is missing", &[manifest, ("base.rdb", &base)], &[]);
    let torn = ("base.rdb", &base[..base.len() - 12]);
    let said = tell("the base is torn", &[manifest, torn, ("one.aof", b"")], &[]);
    assert!(said.contains("Short read or OOM"), "{said}");
    for text in [
        "",
        "\n",
        "file x seq 1 type q\n",
        "file x seq 1 type b",
        "file a/b seq 1 type b\n",
    ] {
        tell(
            "the manifest",
            &[("appendonly.aof.manifest", text.as_bytes())],
            &[],
        );
    }
    // A log of before there were manifests.
    let log = [SELECT, SET].concat();
    let both = [base.as_slice(), log.as_bytes()].concat();
    for old in [log.as_bytes(), &both, &log.as_bytes()[..log.len() - 3], b""] {
        tell("an old log", &[("appendonly.aof", old)], &[]);
    }
}

#[test]
fn a_long_load_logs_its_progress() {
    let source = Server::ours()
        .with(&["--enable-debug-command", "yes"])
        .start();
    source.client().run("DEBUG POPULATE 400");
    source.client().run("SAVE");
    let file = std::fs::read(source.path().join("dump.rdb")).expect("it was saved");
    let mut server = Server::ours().with(&["--key-load-delay", "20000"]).start();
    server.kill();
    write(server.path().join("dump.rdb"), file);
    server.relaunch();
    server.wait_for_log("Loading dump.rdb: ");
    server.signal("TERM");
    server.wait();
    let heard = "Received shutdown signal during loading, scheduling shutdown.";
    assert!(server.log().contains(heard), "{}", server.log());
}

#[test]
fn a_log_grows_from_its_base_and_the_past_stays_if_it_is_to() {
    let mut server = Server::ours()
        .with(&["--appendonly", "yes", "--aof-disable-auto-gc", "yes"])
        .start();
    let mut client = server.client();
    client.run("SET before x");
    client.run("BGREWRITEAOF");
    server.wait_for_log("Background AOF rewrite finished successfully");
    for _ in 0..100 {
        client.run("SET after y");
    }
    server.signal("TERM");
    server.wait();
    server.restart();
    let bytes = |name: &str| {
        let path = server.path().join("appendonlydir").join(name);
        std::fs::metadata(&path).map_or(0, |file| file.len())
    };
    let base = bytes("appendonly.aof.2.base.rdb");
    let all = base + bytes("appendonly.aof.2.incr.aof");
    let text = server.client().run("INFO persistence").text();
    for line in [
        format!("aof_base_size:{base}\r\n"),
        format!("aof_current_size:{all}\r\n"),
    ] {
        assert!(text.contains(&line), "{line}: {text}");
    }
    assert!(bytes("appendonly.aof.1.base.rdb") > 0 && bytes("appendonly.aof.1.incr.aof") > 0);
}

#[test]
fn a_log_that_is_switched_on_shows_the_size_of_its_base() {
    let server = Server::ours().with(&["--appendonly", "yes"]).start();
    let mut client = server.client();
    let sizes = |client: &mut Client| {
        let text = client.run("INFO persistence").text();
        ["aof_current_size:", "aof_base_size:"].map(|name| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.map_or(0, |size| size.parse::<usize>().expect("a size"))
        })
    };
    assert_eq!(sizes(&mut client), [0, 0]);
    client.run("SET a 1");
    let written = SELECT.len() + SET.len();
    assert_eq!(sizes(&mut client), [written, 0]);
    client.run("CONFIG SET appendonly no");
    client.run("CONFIG SET appendonly yes");
    server.wait_for_log("Background AOF rewrite finished successfully");
    let [current, base] = sizes(&mut client);
    assert!(current == base && base > 0, "{current} {base}");
    client.run("SET a 1");
    assert_eq!(sizes(&mut client), [base + written, base]);
}

#[test]
fn a_child_that_saves_leaves_it_to_its_parent_to_stop() {
    let server = Server::ours()
        .with(&["--save", "3600 1", "--rdb-key-save-delay", "300000"])
        .start();
    let mut client = server.client();
    client.run("SET a 1");
    client.run("BGSAVE");
    let started = "Background saving started by pid ";
    server.wait_for_log(started);
    // The child may not have come to its first line yet.
    sleep(Duration::from_millis(50));
    let log = server.log();
    let pid = log
        .split(started)
        .nth(1)
        .and_then(|rest| rest.lines().next());
    let killed = Command::new("kill").arg(pid.unwrap_or_default()).status();
    assert!(killed.is_ok_and(|status| status.success()));
    server.wait_for_log("Background saving terminated with success");
}

#[test]
fn a_save_reports_what_an_old_version_cannot_hold() {
    let server = Server::ours().with(&["--rdb-save-version", "11"]).start();
    let mut client = server.client();
    client.run("HSET h f v");
    client.run("HEXPIRE h 1000 FIELDS 1 f");
    let refusal = "ERR RDB version 11 cannot hold hash fields with a deadline: key 'h'";
    let (more, version) = (" in database 0", ", type hash, needs version 12");
    let save = client.run("SAVE").text();
    assert_eq!(save, format!("{refusal}{more}{version}"));
    assert_eq!(client.run("DUMP h").text(), format!("{refusal}{version}"));
    client.run("BGSAVE");
    server.wait_for_log("Background saving error");
    assert!(server.log().contains("needs version 12"));
    // By default the lowest version that can hold the data is written.
    assert_eq!(client.run("CONFIG SET rdb-save-version auto").text(), "OK");
    let header = |server: &Server| {
        let file = std::fs::read(server.path().join("dump.rdb")).expect("it was saved");
        String::from_utf8_lossy(&file[..9]).into_owned()
    };
    assert_eq!(client.run("SAVE").text(), "OK");
    assert_eq!(header(&server), "REDIS0012");
    client.run("DEL h");
    assert_eq!(client.run("SAVE").text(), "OK");
    assert_eq!(header(&server), "REDIS0011");
    let wrong = client.run("CONFIG SET rdb-save-version 16").text();
    assert!(
        wrong.ends_with("argument must be 'auto' or a number from 9 to 15"),
        "{wrong}"
    );
}

#[test]
fn automatic_saves_do_not_count() {
    let server = Server::ours()
        .with(&["--save", "3600 1", "--rdb-key-save-delay", "300000"])
        .with(&["--appendonly", "yes", "--enable-debug-command", "yes"])
        .start();
    let mut client = server.client();
    let mut info = |line: &str| {
        let text = client.run("INFO persistence").text();
        assert!(text.contains(line), "{line}: {text}");
    };
    info("rdb_saves:0\r\n");
    let mut other = server.client();
    other.run("FLUSHALL");
    other.run("DEBUG RELOAD");
    info("rdb_saves:0\r\n");
    other.run("SET a 1");
    other.run("BGSAVE");
    info("rdb_saves:1\r\n");
    other.run("BGREWRITEAOF");
    info("aof_rewrite_scheduled:1\r\n");
    info("aof_pending_rewrite:1\r\n");
}

#[test]
fn migrate_finds_its_keys_and_no_server() {
    let server = Server::start();
    let mut client = server.client();
    client.run("SET a 1");
    for (port, why) in [
        (
            crate::support::server::free_port().to_string(),
            "writing to target instance",
        ),
        ("x".into(), "writing to target instance"),
        ("-1".into(), "connecting to the client"),
    ] {
        let said = client
            .run(&format!("MIGRATE 127.0.0.1 {port} a 0 500"))
            .text();
        assert_eq!(said, format!("IOERR error or timeout {why}"), "{port}");
    }
    let mut keys = |words: &[&str]| {
        let command = [&["COMMAND", "GETKEYS", "MIGRATE", "h", "1"], words].concat();
        let found = client.call(&command).items();
        found.iter().map(Value::text).collect::<Vec<_>>().join(" ")
    };
    let texts = [
        keys(&["k", "0", "1"]),
        keys(&["", "0", "1", "KEYS", "a", "b"]),
        keys(&["", "0", "1", "AUTH", "KEYS", "KEYS", "a"]),
    ];
    assert_eq!(texts, ["k", "a b", "a"]);
}
