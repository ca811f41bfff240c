//! The same data here and there: as files in both directions, and by DUMP and RESTORE.

use crate::support::client::{Client, Value};
use crate::support::oracle;
use crate::support::server::Server;
use crate::support::wait::wait_until;
use crate::{data_set, fill};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

const DEBUG: &[&str] = &["--enable-debug-command", "yes"];

/// A real server, the version of files it reads, and whether it knows deadlines of fields.
struct Other {
    binary: PathBuf,
    version: &'static str,
    field_deadlines: bool,
}

fn others() -> Vec<Other> {
    let found = [
        (oracle::redis(), "12", true),
        (oracle::redis_8_6(), "12", true),
        (oracle::redis_8_2(), "12", true),
        (oracle::valkey(), "11", false),
        (oracle::redis_7_0(), "10", false),
    ];
    let other = |(binary, version, field_deadlines): (Option<PathBuf>, _, _)| {
        Some(Other {
            binary: binary?,
            version,
            field_deadlines,
        })
    };
    found.into_iter().filter_map(other).collect()
}

fn digest(client: &mut Client) -> String {
    client.run("DEBUG DIGEST").text()
}

fn carry(from: &Server, to: &mut Server) {
    assert_eq!(from.client().run("SAVE").text(), "OK");
    let file = |server: &Server| server.path().join("dump.rdb");
    let bytes = std::fs::read(file(from)).expect("it was saved");
    to.kill();
    std::fs::write(file(to), bytes).expect("the folder is ours");
    to.restart();
}

/// The versions for files that a server is to read: its own, and the lowest that holds the data if it
/// reads that.
fn versions(other: &Other) -> Vec<&'static str> {
    match other.version {
        "10" => vec!["10"],
        version => vec![version, "auto"],
    }
}

#[test]
fn files_are_the_same_here_and_there() {
    for (other, version) in others()
        .iter()
        .flat_map(|other| versions(other).into_iter().map(move |v| (other, v)))
    {
        let name = format!("{} {version}", other.binary.display());
        let lines = data_set(other.field_deadlines);
        let mut ours = Server::ours()
            .with(DEBUG)
            .with(&["--rdb-save-version", version])
            .start();
        fill(&mut ours.client(), &lines);
        let expected = digest(&mut ours.client());
        // A digest tells how a server prints scores, too: it is held against one of its own.
        let mut fresh = Server::of(&other.binary).with(DEBUG).start();
        fill(&mut fresh.client(), &lines);
        let mut theirs = Server::of(&other.binary).with(DEBUG).start();
        carry(&ours, &mut theirs);
        let there = digest(&mut fresh.client());
        assert_eq!(digest(&mut theirs.client()), there, "ours to {name}");
        carry(&fresh, &mut ours);
        assert_eq!(digest(&mut ours.client()), expected, "{name} to ours");
        fresh.kill();
    }
}

fn payload(client: &mut Client, key: &str) -> Vec<u8> {
    match client.call(&["DUMP", key]) {
        Value::Bulk(bytes) => bytes,
        other => panic!("DUMP {key}: {other:?}"),
    }
}

/// Carries every key of database 0 over.
fn restore_all(from: &mut Client, to: &mut Client, name: &str) {
    for key in from.run("KEYS *").items() {
        let key = key.text();
        let bytes = payload(from, &key);
        let ttl = from
            .run(&format!("PEXPIRETIME {key}"))
            .as_int()
            .unwrap_or(-1)
            .max(0);
        let words: [&[u8]; 5] = [
            b"RESTORE",
            key.as_bytes(),
            &ttl.to_string().into_bytes(),
            &bytes,
            b"ABSTTL",
        ];
        let answer = to.call(&words);
        assert_eq!(answer.text(), "OK", "{key} {name}");
    }
}

#[test]
fn values_are_the_same_here_and_there() {
    for (other, version) in others()
        .iter()
        .flat_map(|other| versions(other).into_iter().map(move |v| (other, v)))
    {
        let name = format!("{} {version}", other.binary.display());
        let lines = data_set(other.field_deadlines);
        let options = ["--rdb-save-version", version];
        let ours = Server::ours().with(DEBUG).with(&options).start();
        let theirs = Server::of(&other.binary).with(DEBUG).start();
        let (mut ours, mut theirs) = (ours.client(), theirs.client());
        fill(&mut ours, &lines);
        ours.run("SELECT 3");
        ours.run("FLUSHDB");
        ours.run("SELECT 0");
        let expected = digest(&mut ours);
        fill(&mut theirs, &lines);
        theirs.run("SELECT 3");
        theirs.run("FLUSHDB");
        theirs.run("SELECT 0");
        let there = digest(&mut theirs);
        theirs.run("FLUSHALL");
        restore_all(&mut ours, &mut theirs, "to them");
        assert_eq!(digest(&mut theirs), there, "ours to {name}");
        ours.run("FLUSHALL");
        restore_all(&mut theirs, &mut ours, "to us");
        assert_eq!(digest(&mut ours), expected, "{name} to ours");
    }
}

#[test]
fn logs_are_the_same_here_and_there() {
    let Some(redis) = oracle::redis() else { return };
    for preamble in ["yes", "no"] {
        let options = ["--appendonly", "yes", "--aof-use-rdb-preamble", preamble];
        let start = |binary: &Path| Server::of(binary).with(DEBUG).with(&options).start();
        let ours_binary = crate::support::server::our_binary();
        let mut ours = start(&ours_binary);
        let mut theirs = start(&redis);
        let lines = data_set(true);
        fill(&mut ours.client(), &lines);
        fill(&mut theirs.client(), &lines);
        let expected = digest(&mut ours.client());
        assert_eq!(digest(&mut theirs.client()), expected);
        for server in [&ours, &theirs] {
            server.client().run("BGREWRITEAOF");
            server.wait_for_log("Background AOF rewrite finished successfully");
            server.client().run("SET after rewrite");
            server.client().run("DEL after");
        }
        ours.kill();
        theirs.kill();
        let folder = |server: &Server| server.path().join("appendonlydir");
        let aside = theirs.path().join("aside");
        std::fs::rename(folder(&theirs), &aside).expect("the folder is ours");
        std::fs::rename(folder(&ours), folder(&theirs)).expect("the folder is ours");
        std::fs::rename(&aside, folder(&ours)).expect("the folder is ours");
        ours.restart();
        theirs.restart();
        assert_eq!(
            digest(&mut theirs.client()),
            expected,
            "ours to Redis, {preamble}"
        );
        assert_eq!(
            digest(&mut ours.client()),
            expected,
            "Redis to ours, {preamble}"
        );
    }
}

/// Changes that go into a log as something else than what was said.
const TOLD_OTHERWISE: &str = "HINCRBYFLOAT hash price 1.5|INCRBYFLOAT float 1.5|SPOP words 3|\
    SET soon 1 EX 100000|EXPIRE text 100000|XADD stream 9-* f v|GETEX long EX 100000|GETDEL packed|\
    XREADGROUP GROUP grp me COUNT 1 STREAMS stream >|COPY zset zset2|SORT ints STORE sorted";

#[test]
fn logs_of_old_servers_are_read_and_read_there() {
    let ours_binary = crate::support::server::our_binary();
    for other in others() {
        for (from, to) in [(&ours_binary, &other.binary), (&other.binary, &ours_binary)] {
            let start = |binary: &Path| {
                let version: &[&str] = match binary == ours_binary {
                    true => &["--rdb-save-version", other.version],
                    false => &[],
                };
                let server = Server::of(binary).with(DEBUG).with(version);
                server.with(&["--appendonly", "yes"]).start()
            };
            let (mut from, mut to) = (start(from), start(to));
            for server in [&from, &to] {
                let mut client = server.client();
                fill(&mut client, &data_set(false));
                client.run("BGREWRITEAOF");
                server.wait_for_log("Background AOF rewrite finished successfully");
                let lines = TOLD_OTHERWISE.split('|').map(|line| line.trim().to_owned());
                fill(&mut client, &lines.collect::<Vec<_>>());
            }
            // A digest tells how a server prints scores, too: it is held against one of its own.
            let expected = digest(&mut to.client());
            from.signal("TERM");
            from.wait();
            to.kill();
            let folder = |server: &Server| server.path().join("appendonlydir");
            std::fs::remove_dir_all(folder(&to)).expect("the folder is ours");
            std::fs::rename(folder(&from), folder(&to)).expect("the folder is ours");
            to.restart();
            assert_eq!(digest(&mut to.client()), expected, "{}", other.version);
        }
    }
}

/// Puts this file in the place of a server's snapshot and has it start from there.
fn start_from(server: &mut Server, file: &Path) {
    server.kill();
    std::fs::copy(file, server.path().join("dump.rdb")).expect("the folder is ours");
    server.restart();
}

/// Valkey has an encoding of its own for hashes whose fields have deadlines.
#[test]
fn field_deadlines_of_valkey_are_read() {
    let Some(valkey) = oracle::valkey() else {
        return eprintln!("skipped: no Valkey 9.1 here; run tests/oracles.sh");
    };
    let theirs = Server::of(&valkey).with(DEBUG).start();
    let mut client = theirs.client();
    for n in 0..600 {
        client.run(&format!("HSET wide field:{n} {n}"));
    }
    for line in [
        "HPEXPIREAT wide 4000000000000 FIELDS 2 field:7 field:8",
        "HSET small f v g 12 h x",
        "HPEXPIREAT small 4000000000001 FIELDS 2 f g",
        "PEXPIREAT small 4000000000002",
        "HSET plain f v",
    ] {
        assert!(!client.run(line).is_error(), "{line}");
    }
    assert_eq!(client.run("SAVE").text(), "OK");
    let mut ours = Server::ours().with(DEBUG).start();
    start_from(&mut ours, &theirs.path().join("dump.rdb"));
    let mut here = ours.client();
    for line in [
        "DBSIZE",
        "HLEN wide",
        "HPEXPIRETIME wide FIELDS 3 field:7 field:8 field:9",
        "HPEXPIRETIME small FIELDS 3 f g h",
        "PEXPIRETIME small",
        "HMGET small f g h",
        "HGET wide field:599",
        "HGETALL plain",
    ] {
        assert_eq!(here.run(line), client.run(line), "{line}");
    }
}

/// The face that converts writes files that older servers open, and says what they cannot hold.
#[test]
fn converted_files_open_in_other_servers() {
    let ours = Server::ours().with(DEBUG).start();
    fill(&mut ours.client(), &data_set(false));
    let expected = digest(&mut ours.client());
    assert_eq!(ours.client().run("SAVE").text(), "OK");
    let convert = |version: &str| {
        let out = ours.path().join(format!("v{version}.rdb"));
        let done = std::process::Command::new(crate::support::server::our_binary())
            .arg0("redis-check-rdb")
            .arg(ours.path().join("dump.rdb"))
            .arg("--convert")
            .arg(&out)
            .args(["--version", version])
            .output()
            .expect("our binary runs");
        (done.status.success(), out)
    };
    for version in ["9", "10", "11", "12"] {
        let (done, file) = convert(version);
        assert!(done, "version {version}");
        let bytes = std::fs::read(&file).expect("it was written");
        assert!(bytes.starts_with(format!("REDIS{version:0>4}").as_bytes()));
        for other in others() {
            let newest: u32 = other.version.parse().expect("a number");
            if version.parse::<u32>().expect("a number") > newest {
                continue;
            }
            let mut theirs = Server::of(&other.binary).with(DEBUG).start();
            start_from(&mut theirs, &file);
            let fresh = Server::of(&other.binary).with(DEBUG).start();
            fill(&mut fresh.client(), &data_set(false));
            let (name, there) = (other.binary.display(), digest(&mut fresh.client()));
            assert_eq!(digest(&mut theirs.client()), there, "{version} in {name}");
        }
        let mut again = Server::ours().with(DEBUG).start();
        start_from(&mut again, &file);
        assert_eq!(digest(&mut again.client()), expected, "{version} here");
    }
    ours.client().run("HSET timed f v");
    ours.client().run("HPEXPIRE timed 100000 FIELDS 1 f");
    assert_eq!(ours.client().run("SAVE").text(), "OK");
    assert!(
        !convert("11").0,
        "an old version holds no deadlines of fields"
    );
    assert!(convert("12").0);
}

const LIBRARY: &str = "#!lua name=shop\n\
    redis.register_function('price', function(keys, args) return args[1] * 2 end)\n\
    redis.register_function{function_name='look', flags={'no-writes'},\n\
    callback=function(keys) return redis.call('GET', keys[1]) end}";

fn functions(client: &mut Client) -> String {
    let listed = client.call(&["FUNCTION", "LIST", "WITHCODE"]).items();
    let mut known = listed[0].field("functions").expect("it says").items();
    known.sort();
    let code = listed[0].field("library_code").expect("it was asked for");
    let price = client.call(&["FCALL", "price", "0", "21"]).text();
    format!("{known:?} {} {price}", code.text())
}

#[test]
fn libraries_are_the_same_here_and_there() {
    let Some(redis) = oracle::redis() else { return };
    let binaries = [crate::support::server::our_binary(), redis];
    let loaded = |client: &mut Client| {
        let answer = client
            .call(&["FUNCTION", "LOAD", "REPLACE", LIBRARY])
            .text();
        assert_eq!(answer, "shop");
    };
    for (from, to) in [(0, 1), (1, 0)] {
        let from = Server::of(&binaries[from]).with(DEBUG).start();
        let mut to = Server::of(&binaries[to]).with(DEBUG).start();
        loaded(&mut from.client());
        assert_eq!(from.client().run("SET a 1").text(), "OK");
        // As a file.
        carry(&from, &mut to);
        assert_eq!(to.client().run("GET a").text(), "1");
        assert!(to.client().run("FUNCTION LIST").items().len() == 1);
        // As a payload.
        let Value::Bulk(dumped) = from.client().run("FUNCTION DUMP") else {
            panic!("FUNCTION DUMP returns a string");
        };
        for policy in ["FLUSH", "REPLACE"] {
            let words: [&[u8]; 4] = [b"FUNCTION", b"RESTORE", &dumped, policy.as_bytes()];
            assert_eq!(to.client().call(&words).text(), "OK", "{policy}");
        }
        let words: [&[u8]; 3] = [b"FUNCTION", b"RESTORE", &dumped];
        assert!(to.client().call(&words).is_error(), "it is there already");
        assert_eq!(functions(&mut to.client()), functions(&mut from.client()));
    }
}

/// A reply on one line, its arrays in brackets.
fn shown(value: &Value) -> String {
    let items: Vec<String> = value.items().iter().map(shown).collect();
    match items.is_empty() {
        true => value.text(),
        false => format!("[{}]", items.join(", ")),
    }
}

/// The file holds streams with an idempotent producer and a released entry, hashes with a template,
/// and one value of each other type.
#[test]
fn a_file_of_redis_8_10_is_loaded() {
    let mut ours = Server::ours().with(DEBUG).start();
    ours.kill();
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/files/redis-8.10-dump"
    );
    let bytes = std::fs::read(file).expect("it lies beside the tests");
    std::fs::write(ours.path().join("dump.rdb"), bytes).expect("the folder is ours");
    ours.restart();
    let mut client = ours.client();
    let mut ask = |line: &str| shown(&client.run(line));
    assert_eq!(ask("DBSIZE"), "10");
    assert_eq!(ask("HGET person mail"), "ada@example.org");
    assert_eq!(ask("HGET other name"), "17");
    assert_eq!(ask("XLEN s"), "2");
    assert_eq!(ask("XRANGE plain - +"), "[[5-1, [f, v]]]");
    assert_eq!(ask("LRANGE l 0 -1"), "[1, two, 3]");
    assert_eq!(ask("ZRANGE z 0 -1 WITHSCORES"), "[a, 1.5, b, 2]");
    assert_eq!(ask("HPTTL h FIELDS 2 f g").split(", ").nth(1), Some("-1]"));
    // The released entry can be claimed.
    assert_eq!(ask("XPENDING s g").split(", ").next(), Some("[2"));
    let claimed = ask("XAUTOCLAIM s g other 0 0 JUSTID");
    assert_eq!(claimed.matches("-0").count(), 2, "{claimed}");
    let told = ours.log();
    assert!(!told.contains("loaded without"), "{told}");
}

/// A primary gives a replica a snapshot that it reads, by file and through its socket.
#[test]
fn replicas_of_every_server_read_our_snapshots() {
    for diskless in ["yes", "no"] {
        let primary = Server::ours()
            .with(DEBUG)
            .with(&["--repl-diskless-sync", diskless])
            .with(&["--repl-diskless-sync-delay", "0"])
            .start();
        let port = primary.port.to_string();
        let mut client = primary.client();
        fill(&mut client, &data_set(false));
        let keys = client.run("DBSIZE").as_int();
        let follow = ["--replicaof", "127.0.0.1", port.as_str()];
        let follows = |binary: &Path| {
            let replica = Server::of(binary).with(&follow).start();
            let mut there = replica.client();
            wait_until("the replica has the data", || {
                there.run("DBSIZE").as_int() == keys
            });
            replica
        };
        for other in others() {
            follows(&other.binary);
        }
        follows(&crate::support::server::our_binary());
        // Valkey 9 has an encoding of its own for deadlines of fields.
        client.run("HSET due f v g w");
        client.run("HPEXPIREAT due 4000000000000 FIELDS 1 f");
        let keys = client.run("DBSIZE").as_int();
        let newer = others().into_iter().map(|other| other.binary);
        for binary in newer.filter(|binary| Some(binary) != oracle::redis_7_0().as_ref()) {
            let replica = Server::of(&binary).with(&follow).start();
            let mut there = replica.client();
            wait_until("the replica has the data", || {
                there.run("DBSIZE").as_int() == keys
            });
            let deadlines = there.run("HPEXPIRETIME due FIELDS 2 f g");
            let expected = [Value::Int(4_000_000_000_000), Value::Int(-1)];
            assert_eq!(deadlines.items(), expected, "{}", binary.display());
        }
    }
}

/// Valkey before 9 reads no deadlines of fields: the log says which key is in the way, and saving as
/// such still works.
#[test]
fn a_replica_that_cannot_read_the_data_is_refused_with_a_reason() {
    for diskless in ["yes", "no"] {
        let primary = Server::ours()
            .with(&["--repl-diskless-sync", diskless])
            .with(&["--repl-diskless-sync-delay", "0"])
            .start();
        let mut client = primary.client();
        client.run("HSET due f v");
        client.run("HEXPIRE due 1000 FIELDS 1 f");
        let mut replica = primary.client();
        for line in [
            "REPLCONF listening-port 7777",
            "REPLCONF capa eof capa psync2",
            "REPLCONF version 8.1.3",
        ] {
            assert_eq!(replica.run(line).text(), "OK");
        }
        replica.send(&["PSYNC", "?", "-1"]);
        primary.wait_for_log("key 'due' in database 0, type hash, needs version 12");
        primary.wait_for_log("SYNC failed. BGSAVE child returned an error");
        let status = client.run("INFO persistence").text();
        assert!(status.contains("rdb_last_bgsave_status:ok"));
    }
}

/// Files of Redis 5 contain streams that miscount their entries. One such value does not keep a
/// server from starting, which is logged; RESTORE refuses it.
#[test]
fn a_stream_that_miscounts_is_loaded_with_a_warning() {
    let mut ours = Server::ours()
        .with(DEBUG)
        .with(&["--rdbchecksum", "no"])
        .start();
    let mut client = ours.client();
    client.run("SELECT 3");
    for id in ["1-1", "2-1", "3-1"] {
        client.run(&format!("XADD stream {id} f v"));
    }
    client.run("SET other value");
    let mut dump = payload(&mut client, "stream");
    assert_eq!(client.run("SAVE").text(), "OK");
    ours.kill();
    // The length; then the last id, the first, the greatest deleted one, and the entries added.
    let counts = b"\x03\x03\x01\x01\x01\x00\x00\x03";
    let place = |bytes: &[u8]| {
        let mut places = bytes.windows(counts.len());
        places
            .position(|window| window == counts)
            .expect("a stream")
    };
    let file = ours.path().join("dump.rdb");
    let mut bytes = std::fs::read(&file).expect("it was saved");
    let at = place(&bytes);
    bytes[at] = 9;
    std::fs::write(&file, bytes).expect("the folder is ours");
    ours.restart();
    let mut client = ours.client();
    client.run("SELECT 3");
    assert_eq!(client.run("XLEN stream").as_int(), Some(3));
    assert_eq!(client.run("GET other").text(), "value");
    let warning = "Key 'stream' in database 3 was repaired: Stream length inconsistent with rax";
    assert!(ours.log().contains(warning), "{}", ours.log());
    let at = place(&dump);
    dump[at] = 9;
    client.run("DEBUG SET-SKIP-CHECKSUM-VALIDATION 1");
    let words: [&[u8]; 4] = [b"RESTORE", b"copy", b"0", &dump];
    assert_eq!(client.call(&words).text(), "ERR Bad data format");
}
