//! Tests over the whole table, most against recorded replies of the real servers
//! (`tests/data/config`).

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::directive::{Directive, Kind, Unit};
use super::file::fatal_text;
use super::set::Changes;
use super::table;
use super::*;

const REDIS_DEFAULTS: &str = include_str!("../../tests/data/config/redis-8.10.2-defaults.tsv");
const VALKEY_DEFAULTS: &str = include_str!("../../tests/data/config/valkey-9.1.2-defaults.tsv");
/// A line of configuration, and the reply of Redis 8.10.2 (Valkey 9.1.2 for its own directives).
const REFUSALS: &str = include_str!("../../tests/data/config/refusals.tsv");
/// A directive, a value, and the replies of Redis 8.10.2 to CONFIG SET, then CONFIG GET (`=
/// value`).
const SETS: &str = include_str!("../../tests/data/config/sets.tsv");
const EXAMPLE: &str = include_str!("../../redis.conf.example");

struct Anything;
impl Host for Anything {}

fn rows(table: &str) -> Vec<(&str, &str)> {
    table
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .collect()
}

fn loaded(text: &str) -> Config {
    let mut config = Config::new();
    config
        .load(text.as_bytes(), &mut Anything)
        .unwrap_or_else(|why| panic!("{text}: {why:?}"));
    config
}

/// The reason why a line is refused.
fn refusal(line: &str) -> Option<String> {
    let mut config = Config::new();
    match config.load(line.as_bytes(), &mut Anything) {
        Ok(()) => None,
        Err(Fatal::Stderr(text)) => {
            let text = String::from_utf8_lossy(&text).into_owned();
            text.trim_end().rsplit('\n').next().map(str::to_string)
        }
        Err(Fatal::Log(text)) => Some(text),
    }
}

fn get(config: &Config, name: &str) -> String {
    let answer = config.get(&[name.as_bytes()]);
    let [(_, value)] = answer.as_slice() else {
        panic!("{name}: {answer:?}")
    };
    String::from_utf8_lossy(value).into_owned()
}

fn set(config: &mut Config, name: &str, value: &str) -> Result<Changes, String> {
    let pair = (name.as_bytes(), value.as_bytes());
    config
        .set(&[pair], true, &mut Anything)
        .map_err(|error| error.to_string())
}

#[test]
fn defaults_are_those_of_redis() {
    // The recording ran in a directory and on a port of its own.
    let own = ["dir", "port"];
    let config = Config::new();
    for (name, value) in rows(REDIS_DEFAULTS) {
        if !own.contains(&name) {
            assert_eq!(get(&config, name), value, "{name}");
        }
    }
    assert_eq!(get(&config, "port"), "6379");
}

#[test]
fn valkey_only_directives_have_its_defaults() {
    let config = Config::new();
    let redis: BTreeMap<&str, &str> = rows(REDIS_DEFAULTS).into_iter().collect();
    for (name, value) in rows(VALKEY_DEFAULTS) {
        if !redis.contains_key(name) {
            assert_eq!(get(&config, name), value, "{name}");
        }
    }
}

#[test]
fn get_star_returns_every_name_once_and_no_other() {
    let recorded = rows(REDIS_DEFAULTS)
        .into_iter()
        .chain(rows(VALKEY_DEFAULTS));
    let mut expected: Vec<&str> = recorded.map(|(name, _)| name).collect();
    // Our own.
    expected.push("rdb-save-version");
    expected.sort_unstable();
    expected.dedup();
    let answer = Config::new().get(&[b"*", b"port", b"*max*"]);
    let mut names: Vec<String> = answer
        .iter()
        .map(|(name, _)| String::from_utf8_lossy(name).into_owned())
        .collect();
    names.sort();
    assert_eq!(names, expected);
}

#[test]
fn every_recorded_line_is_taken_or_refused_in_the_same_words() {
    for (line, answer) in rows(REFUSALS) {
        let ours = refusal(line);
        assert_eq!(ours.as_deref().unwrap_or("OK"), answer, "{line}");
    }
}

#[test]
fn every_recorded_set_gets_the_same_reply() {
    for line in SETS.lines() {
        let parts: Vec<&str> = line.split('\t').collect();
        let [name, value, answer] = parts.as_slice() else {
            panic!("{line}")
        };
        let mut config = Config::new();
        let ours = match set(&mut config, name, value) {
            Ok(_) => format!("= {}", get(&config, name)),
            Err(error) => error,
        };
        // Sizes from 2^63 on are kept as the largest number below.
        let kept = match *name == "cluster-link-sendbuf-limit" && ours == format!("= {}", i64::MAX)
        {
            true => format!("= {value}"),
            false => ours,
        };
        assert_eq!(kept, *answer, "{name} {value}");
    }
}

#[test]
fn a_name_stands_in_one_row_only() {
    let mut names: Vec<&str> = super::names().map(|(name, _)| name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(
        table::REMOVED
            .iter()
            .all(|removed| table::find(removed.as_bytes()).is_none())
    );
}

/// A text, the line that is bad in it, and why.
const FATAL: &[(&str, usize, &str, &str)] = &[
    (
        "# a\n\nport x",
        3,
        "port x",
        "argument couldn't be parsed into an integer",
    ),
    (
        "port \"abc",
        1,
        "port \"abc",
        "Unbalanced quotes in configuration line",
    ),
    (
        "port 'a'b",
        1,
        "port 'a'b",
        "Unbalanced quotes in configuration line",
    ),
    (
        "zzz",
        1,
        "zzz",
        "Bad directive or wrong number of arguments",
    ),
    (
        "\"\"",
        1,
        "\"\"",
        "Bad directive or wrong number of arguments",
    ),
    (
        "include",
        1,
        "include",
        "Bad directive or wrong number of arguments",
    ),
    (
        "user",
        1,
        "user",
        "Bad directive or wrong number of arguments",
    ),
    (
        "loadmodule",
        1,
        "loadmodule",
        "Bad directive or wrong number of arguments",
    ),
    (
        "a.b",
        1,
        "a.b",
        "Bad directive or wrong number of arguments",
    ),
    ("port 0 # x", 1, "port 0 # x", "wrong number of arguments"),
    (
        "port abc\r",
        1,
        "port abc",
        "argument couldn't be parsed into an integer",
    ),
    (
        "sentinel a",
        1,
        "sentinel a",
        "sentinel directive while not in sentinel mode",
    ),
    (
        "user a on\nuser a on",
        2,
        "user a on",
        "Error in user declaration 'a': Duplicate user found. A user can only be defined once \
             in config files",
    ),
];

#[test]
fn fatal_errors_read_as_redis_prints_them() {
    for &(text, number, line, reason) in FATAL {
        let title = "\n*** FATAL CONFIG FILE ERROR (Redis 8.10.2) ***\n";
        let place = format!("Reading the configuration file, at line {number}\n>>> '{line}'");
        let expected = Fatal::Stderr(format!("{title}{place}\n{reason}\n").into_bytes());
        assert_eq!(
            Config::new().load(text.as_bytes(), &mut Anything),
            Err(expected)
        );
    }
}

#[test]
fn a_replica_in_cluster_mode_is_fatal_without_a_line() {
    let text = b"replicaof a 1\ncluster-enabled yes";
    let expected = fatal_text("replicaof directive not allowed in cluster mode");
    assert_eq!(
        Config::new().load(text, &mut Anything),
        Err(Fatal::Stderr(expected))
    );
}

#[test]
fn unknown_names_with_arguments_wait_for_a_module() {
    let config = loaded("ZZZ 1 'b c'\nmod.name x\nlist-max-ziplist-entries 3\ngopher-enabled no");
    assert_eq!(
        config.unresolved,
        [b"zzz 1 b c".to_vec(), b"mod.name x".to_vec()]
    );
}

#[test]
fn file_only_words_are_kept() {
    let config = loaded("rename-command GET \"\"\nuser bob on >x\nloadmodule /x.so a b\nsentinel");
    assert_eq!(config.renamed_commands, [(b"GET".to_vec(), Vec::new())]);
    assert_eq!(config.users[0].join(&b' '), b"bob on >x");
    assert_eq!(config.loadmodule[0].join(&b' '), b"/x.so a b");
}

#[test]
fn the_host_may_refuse_a_line() {
    struct Strict;
    impl Host for Strict {
        fn rename_command(&mut self, _: &[u8], _: &[u8]) -> Result<(), String> {
            Err("No such command in rename-command".into())
        }
        fn check_user(
            &mut self,
            rules: &[Vec<u8>],
            _: AclPubsubDefault,
        ) -> Result<(), (usize, String)> {
            Err((rules.len() - 1, "Syntax error".into()))
        }
        fn chdir(&mut self, _: &[u8]) -> Result<Vec<u8>, String> {
            Err("No such file or directory".into())
        }
    }
    for (line, reason) in [
        ("rename-command a b", "No such command in rename-command"),
        (
            "user a badrule",
            "Error in user declaration 'user': Syntax error",
        ),
        (
            "user a on badrule",
            "Error in user declaration 'a': Syntax error",
        ),
        (
            "user a on off badrule",
            "Error in user declaration 'on': Syntax error",
        ),
        ("dir /nope", "No such file or directory"),
    ] {
        let Err(Fatal::Stderr(text)) = Config::new().load(line.as_bytes(), &mut Strict) else {
            panic!("{line} should be refused");
        };
        assert!(text.ends_with(format!("\n{reason}\n").as_bytes()), "{line}");
    }
}

#[test]
fn save_lines_replace_the_defaults_and_then_add_up() {
    assert_eq!(get(&loaded("save 60 1\nsave 10 2"), "save"), "60 1 10 2");
    assert_eq!(get(&loaded("save 60 1 300 10"), "save"), "60 1 300 10");
    assert_eq!(get(&loaded("save \" 60  1\""), "save"), "60 1");
    assert_eq!(get(&loaded("save \"\""), "save"), "");
    assert_eq!(get(&loaded("save 60 1\nsave ''\nsave 5 5"), "save"), "5 5");
    let mut config = loaded("save 60 1");
    set(&mut config, "save", "01 2").expect("fine");
    assert_eq!(get(&config, "save"), "1 2");
    assert!(set(&mut config, "save", "1  2").is_err());
    set(&mut config, "save", "99999999999999999999 99999999999").expect("fine");
    assert_eq!(get(&config, "save"), "9223372036854775807 1215752191");
}

#[test]
fn output_limits_merge_by_class() {
    let config =
        loaded("client-output-buffer-limit PUBSUB 1mb 2 3\nclient-output-buffer-limit slave 1 2 3");
    let expected = "normal 0 0 0 slave 1 2 3 pubsub 1048576 2 3";
    assert_eq!(get(&config, "client-output-buffer-limit"), expected);
}

#[test]
fn events_print_in_redis_order() {
    let cases = [
        ("KEA", "AKE"),
        ("g$lshzxet", "g$lshzxet"),
        ("g$lshzxetd", "g$lshzxetd"),
        ("g$lshzxetda", "A"),
        ("KEdano", "danoKE"),
        ("Anoc", "A"),
        ("$lshzxetdnocEmK", "$lshzxetdnocKEm"),
        ("", ""),
    ];
    for (given, shown) in cases {
        let mut config = Config::new();
        set(&mut config, "notify-keyspace-events", given).expect("letters");
        assert_eq!(get(&config, "notify-keyspace-events"), shown);
    }
}

#[test]
fn values_are_shown_as_redis_shows_them() {
    let cases = [
        ("shutdown-on-sigint", "force NOW nosave", "nosave now force"),
        ("shutdown-on-sigint", "default now", "now"),
        (
            "latency-tracking-info-percentiles",
            "50.123456 99.99999 0.1 1e1",
            "50.123456 99.99999 0.1 10",
        ),
        (
            "latency-tracking-info-percentiles",
            "99.9999999 0.000000001",
            "100 0",
        ),
        ("oom-score-adj", "relative", "yes"),
        ("maxmemory-clients", "0%", "0"),
        ("maxmemory-clients", "99999999999999999999", "1%"),
        ("maxmemory", "1Gb", "1073741824"),
        ("maxmemory", "kb", "0"),
        ("hz", "1000", "500"),
        ("hz", "0", "1"),
        ("repl-backlog-size", "1", "16384"),
        ("maxmemory-policy", "ALLKEYS-LRU", "allkeys-lru"),
        ("bind", "", ""),
        ("cluster-announce-human-nodename", "a_b", "a_b"),
    ];
    for (name, given, shown) in cases {
        let mut config = Config::new();
        set(&mut config, name, given).unwrap_or_else(|error| panic!("{name} {given}: {error}"));
        assert_eq!(get(&config, name), shown, "{name} {given}");
    }
}

#[test]
fn get_returns_plain_words_in_the_callers_spelling() {
    let config = Config::new();
    let names = |patterns: &[&[u8]]| -> Vec<String> {
        let answer = config.get(patterns);
        answer
            .iter()
            .map(|(name, _)| String::from_utf8_lossy(name).into_owned())
            .collect()
    };
    assert_eq!(names(&[b"PORT"]), ["PORT"]);
    assert_eq!(names(&[b"p?rt", b"port"]), ["port"]);
    assert_eq!(names(&[b"SLAVE-pri*"]), ["slave-priority"]);
    assert_eq!(
        names(&[b"key-load-delay", b"key-load-dela?"]),
        ["key-load-delay"]
    );
    assert_eq!(names(&[b"nothing"]), Vec::<String>::new());
}

#[test]
fn set_refuses_in_the_words_of_redis() {
    let failed = "ERR CONFIG SET failed (possibly related to argument";
    let cases: [(&[(&str, &str)], String); 7] = [
        (
            &[("nope", "1")],
            "ERR Unknown option or number of arguments for CONFIG SET - 'nope'".into(),
        ),
        (
            &[("timeout", "x"), ("nope", "1")],
            "ERR Unknown option or number of arguments for CONFIG SET - 'nope'".into(),
        ),
        (
            &[("databases", "x")],
            format!("{failed} 'databases') - can't set immutable config"),
        ),
        (
            &[("DIR", "/")],
            format!("{failed} 'DIR') - can't set protected config"),
        ),
        (
            &[("hz", "1"), ("hz", "1")],
            format!("{failed} 'hz') - duplicate parameter"),
        ),
        (
            &[("timeout", "5"), ("HZ", "abc")],
            format!("{failed} 'hz') - argument couldn't be parsed into an integer"),
        ),
        (
            &[("shutdown-on-sigint", "save nosave")],
            format!(
                "{failed} 'shutdown-on-sigint') - shutdown options SAVE and NOSAVE can't be used \
                 simultaneously"
            ),
        ),
    ];
    for (pairs, expected) in cases {
        let mut config = Config::new();
        let bytes: Vec<(&[u8], &[u8])> = pairs
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect();
        let error = config
            .set(&bytes, false, &mut Anything)
            .expect_err("refused");
        assert_eq!(error.to_string(), expected);
        assert_eq!(config, Config::new(), "a refused SET changes nothing");
    }
}

#[test]
fn set_returns_actions_only_if_a_value_changed() {
    let mut config = Config::new();
    assert!(
        set(&mut config, "maxmemory", "0")
            .expect("fine")
            .applies
            .is_empty()
    );
    assert!(
        set(&mut config, "slave-priority", "7")
            .expect("fine")
            .applies
            .is_empty()
    );
    let pairs: [(&[u8], &[u8]); 3] = [
        (b"hz", b"20"),
        (b"dynamic-hz", b"no"),
        (b"maxmemory", b"1mb"),
    ];
    let changes = config.set(&pairs, false, &mut Anything).expect("fine");
    assert_eq!(
        changes.applies,
        [(Apply::Hz, "hz"), (Apply::MaxMemory, "maxmemory")]
    );
    config.rollback(changes.undo, &mut Anything);
    assert_eq!(
        (config.hz, config.dynamic_hz, config.maxmemory),
        (10, true, 0)
    );
}

#[test]
fn both_names_of_a_directive_may_be_set_and_the_last_wins() {
    let mut config = Config::new();
    let pairs: [(&[u8], &[u8]); 2] = [(b"slave-priority", b"5"), (b"replica-priority", b"6")];
    config
        .set(&pairs, false, &mut Anything)
        .expect("two names are not a duplicate");
    assert_eq!(config.replica_priority, 6);
}

#[test]
fn includes_are_read_in_place_and_errors_count_their_own_lines() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(path("a1.conf"), "hz 11\ntimeout 1\n").expect("written");
    std::fs::write(path("a2.conf"), "hz 12\n").expect("written");
    std::fs::write(path("bad.conf"), "\nport x\n").expect("written");
    std::fs::write(
        path("self.conf"),
        format!("include {}\n", path("self.conf")),
    )
    .expect("written");
    let config = loaded(&format!(
        "include {}\ntimeout 9\ninclude {}",
        path("a?.conf"),
        path("no*")
    ));
    assert_eq!((config.hz, config.timeout), (12, 9));
    let load = |text: String| Config::new().load(text.as_bytes(), &mut Anything);
    let Err(Fatal::Stderr(text)) = load(format!("include {}", path("bad.conf"))) else {
        panic!("bad.conf is bad");
    };
    assert!(String::from_utf8_lossy(&text).contains("at line 2\n>>> 'port x'"));
    let missing = load("include nofile".into());
    let reason = "Fatal error, can't open config file 'nofile': No such file or directory";
    assert_eq!(missing, Err(Fatal::Log(reason.into())));
    assert!(matches!(
        load(format!("include {}", path("self.conf"))),
        Err(Fatal::Stderr(_))
    ));
}

#[test]
fn a_percentage_of_client_memory_is_of_maxmemory() {
    let config = loaded("maxmemory 1000\nmaxmemory-clients 10%");
    assert_eq!(config.maxmemory_clients_bytes(), 100);
    assert_eq!(
        loaded("maxmemory-clients 5kb").maxmemory_clients_bytes(),
        5120
    );
}

/// The part of a rewritten file before the signature, and the sorted lines after it.
fn halves(text: &str) -> (String, Vec<String>) {
    let (head, tail) = text
        .split_once("# Generated by CONFIG REWRITE\n")
        .unwrap_or((text, ""));
    let mut tail: Vec<String> = tail
        .lines()
        .filter(|line| !line.is_empty())
        .map(str::to_string)
        .collect();
    tail.sort();
    (head.to_string(), tail)
}

/// Rewrites `old` after `sets`; `dir` and the user lines are not compared.
fn rewritten(old: &str, sets: &[(&str, &str)]) -> (String, Vec<String>) {
    let mut config = loaded(old);
    for (name, value) in sets {
        set(&mut config, name, value).unwrap_or_else(|error| panic!("{error}"));
    }
    let text =
        String::from_utf8(config.rewrite(old.as_bytes(), None, Extent::Changed)).expect("utf-8");
    let (head, mut tail) = halves(&text);
    tail.retain(|line| !line.starts_with("dir "));
    (head, tail)
}

const ALWAYS: [&str; 4] = [
    "latency-tracking-info-percentiles 50 99 99.9",
    "save 300 100",
    "save 3600 1",
    "save 60 10000",
];

#[test]
fn rewrite_keeps_comments_and_order() {
    let old = "# hello\n\nport 1\n  timeout   5   \n# mid\nloglevel notice\nsave 60 1\n#x\nsave 10 2\n\
               TIMEOUT 7\nappendonly no\n\n\nhz 20\n# end";
    let sets = [
        ("hz", "10"),
        ("maxmemory", "100mb"),
        ("requirepass", "a b\"c"),
        ("notify-keyspace-events", "KEA"),
    ];
    let (head, tail) = rewritten(old, &sets);
    let expected = "# hello\n\nport 1\ntimeout 7\n# mid\nloglevel notice\nsave 60 1\n#x\nsave 10 2\n\n\
                    appendonly no\n\nhz 10\n# end\n";
    assert_eq!(head, expected);
    let appended = [
        ALWAYS[0],
        "maxmemory 100mb",
        "notify-keyspace-events \"AKE\"",
        "requirepass \"a b\\\"c\"",
    ];
    assert_eq!(tail, appended);
}

#[test]
fn rewrite_uses_new_names_and_marks_dead_lines() {
    let old = "hz 10\nslave-priority 50\nreplica-priority 60\nhash-max-ziplist-entries 3\n\
               list-max-ziplist-entries 5\nrename-command KEYS \"\"\nuser bob off\n\
               client-output-buffer-limit normal 1mb 1mb 10\nsave \"\"\nbind 127.0.0.1 -::1\n\
               maxmemory 1gb\nunixsocketperm 700\nmaxmemory-clients 10%\nlogfile \"\"\nmasterauth \"\"\n\
               slaveof 127.0.0.1 3\nlua-time-limit 3\n";
    let (head, tail) = rewritten(
        old,
        &[("slave-priority", "51"), ("maxmemory", "1073741825")],
    );
    let expected = "hz 10\nreplica-priority 51\n\nhash-max-listpack-entries 3\n\
                    # ??? list-max-ziplist-entries 5\nrename-command KEYS \"\"\nuser bob off\n\
                    client-output-buffer-limit normal 1mb 1mb 10\nsave \"\"\nbind 127.0.0.1 -::1\n\
                    maxmemory 1073741825\nunixsocketperm 700\nmaxmemory-clients 10%\nlogfile \"\"\n\n\
                    replicaof 127.0.0.1 3\nbusy-reply-threshold 3\n\n";
    assert_eq!(head, expected);
    assert_eq!(tail, ALWAYS[..1]);
}

#[test]
fn rewrite_gives_output_limits_the_old_lines_in_class_order() {
    let old =
        "client-output-buffer-limit pubsub 1mb 2 3 normal 0 0 0\nbind 127.0.0.1 ::1\nhz 1000\n";
    let sets = [("client-output-buffer-limit", "slave 1 2 3"), ("bind", "")];
    let (head, tail) = rewritten(old, &sets);
    assert_eq!(
        head,
        "client-output-buffer-limit normal 0 0 0\nbind \"\"\nhz 500\n\n"
    );
    let mut appended = vec![
        "client-output-buffer-limit pubsub 1mb 2 3",
        "client-output-buffer-limit replica 1 2 3",
    ];
    appended.extend(ALWAYS);
    assert_eq!(tail, appended);
}

#[test]
fn rewrite_puts_users_where_they_stood() {
    let old = "user default on\nuser bob on\nhz 10\n";
    let users = [
        b"user carl on".to_vec(),
        b"user dan off".to_vec(),
        b"user eve off".to_vec(),
    ];
    let text = loaded(old).rewrite(old.as_bytes(), Some(&users), Extent::Changed);
    let text = String::from_utf8(text).expect("utf-8");
    assert!(
        text.starts_with("user carl on\nuser dan off\nhz 10\n"),
        "{text}"
    );
    assert!(text.ends_with("\nuser eve off\n"), "{text}");
}

#[test]
fn rewriting_twice_changes_nothing() {
    let config = loaded(EXAMPLE);
    // As Redis does, the first time leaves an empty line at the end of what was the file.
    let whole = Config::new().rewrite(b"", None, Extent::All);
    let lines = whole.split(|&byte| byte == b'\n').count();
    assert!(lines > 150, "{lines} lines");
    let text = String::from_utf8(whole.clone()).expect("utf-8");
    assert!(loaded(&text).rewrite(b"", None, Extent::All) == whole);
    let once = config.rewrite(EXAMPLE.as_bytes(), None, Extent::Changed);
    let twice = config.rewrite(&once, None, Extent::Changed);
    assert!(config.rewrite(&twice, None, Extent::Changed) == twice);
}

#[test]
fn a_rewritten_file_replaces_the_old_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("r.conf");
    std::fs::write(&path, "# kept\nport 7\n").expect("written");
    let mut config = loaded("port 7");
    set(&mut config, "timeout", "3").expect("fine");
    config
        .rewrite_file(&path, None, Extent::Changed)
        .expect("rewritten");
    let text = std::fs::read_to_string(&path).expect("there");
    assert!(
        text.starts_with("# kept\nport 7\n") && text.contains("\ntimeout 3\n"),
        "{text}"
    );
    assert_eq!(
        std::fs::read_dir(dir.path()).expect("there").count(),
        1,
        "no temporary file is left"
    );
}

#[test]
fn the_example_file_shows_every_directive_at_its_default() {
    let config = loaded(EXAMPLE);
    let fresh = Config::new();
    for (name, hidden) in super::names() {
        if name != "dir" {
            assert_eq!(get(&config, name), get(&fresh, name), "{name}");
        }
        let is_part = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        let shown = EXAMPLE.split(|c| !is_part(c)).any(|word| word == name);
        assert!(shown || hidden, "redis.conf.example lacks {name}");
    }
    assert!(config.unresolved.is_empty(), "{:?}", config.unresolved);
}

/// A text the directive accepts, grown from random numbers.
fn sample(row: &Directive, seed: u64, letters: &str) -> String {
    match row.kind {
        Kind::Bool => ["yes", "no"][(seed % 2) as usize].into(),
        Kind::Words(words, _) => words[(seed % words.len() as u64) as usize].into(),
        Kind::Int(rule) => {
            let span = (i128::from(rule.max) - i128::from(rule.min) + 1) as u128;
            let n = (i128::from(rule.min) + (u128::from(seed) % span) as i128) as i64;
            let n = if row.name == "hz" { 1 + n % 500 } else { n };
            match rule.unit {
                Unit::Octal => format!("{n:o}"),
                Unit::MemoryOrPercent if seed.is_multiple_of(2) => format!("{}%", 1 + seed % 100),
                _ => n.to_string(),
            }
        }
        Kind::Text(_) => match row.name {
            "cluster-announce-client-ipv4" => format!("10.0.0.{}", seed % 256),
            "cluster-announce-client-ipv6" => format!("::{:x}", seed % 65536),
            "cluster-announce-hostname" => format!("host-{seed}.example"),
            "cluster-announce-human-nodename" => format!("node-{seed}"),
            "cluster-announce-ip" => format!("10.0.1.{}", seed % 256),
            "dbfilename" | "appendfilename" | "appenddirname" | "backupdirname" => {
                format!("name {seed}")
            }
            "rdma-bind" => "192.168.1.1 ::1".into(),
            "proc-title-template" => format!("{{title}} {seed}"),
            _ => letters.into(),
        },
        Kind::Special(_) => special_sample(row.name, seed),
    }
}

fn special_sample(name: &str, seed: u64) -> String {
    match name {
        "save" => format!("{} {} 5 6", 1 + seed % 10_000, seed % 10_000),
        "bind" => "127.0.0.1 -::1".into(),
        "client-output-buffer-limit" => {
            let class = ["normal", "slave", "pubsub"][(seed % 3) as usize];
            format!("{class} {} {} {}", seed % (1 << 40), 1024, seed % 100)
        }
        "shutdown-on-sigint" | "shutdown-on-sigterm" => "nosave now".into(),
        "cluster-slot-stats-enabled" => ["cpu", "net cpu", "net", "no"][(seed % 4) as usize].into(),
        "oom-score-adj-values" => format!("-{} 0 {}", seed % 2001, seed % 2001),
        "latency-tracking-info-percentiles" => format!("{}.5 99", seed % 100),
        "notify-keyspace-events" => ["KEA", "xK", "hSTIV", "g$mE"][(seed % 4) as usize].into(),
        "key-memory-histograms" => "no".into(),
        "rdb-save-version" => ["auto", "9", "12", "15"][(seed % 4) as usize].into(),
        "replicaof" => format!("example.org {}", seed % 65536),
        "dir" => format!("/some where/{seed}"),
        other => panic!("no sample for {other}"),
    }
}

proptest! {
    // A case takes all directives in turn, so a few cases draw enough values.
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Every accepted value is shown by CONFIG GET and survives a rewrite of the file.
    #[test]
    fn values_survive_get_and_rewrite(seed: u64, letters in "\\PC{0,12}") {
        for row in table::all().filter(|row| row.verify.is_none()) {
            let text = sample(row, seed, &letters);
            let mut config = Config::new();
            let args: Vec<&[u8]> = match row.multi {
                true => text.split(' ').map(str::as_bytes).collect(),
                false => vec![text.as_bytes()],
            };
            let taken = config.assign(row, &args, super::directive::Source::Set, &mut Anything);
            prop_assert!(taken.is_ok(), "{} {text}: {taken:?}", row.name);
            let shown = config.get(&[row.name.as_bytes()]);
            let file = config.rewrite(b"", None, Extent::Changed);
            let mut read = Config::new();
            let loaded = read.load(&file, &mut Anything);
            prop_assert!(loaded.is_ok(), "{} {text}: {loaded:?}", row.name);
            prop_assert_eq!(read.get(&[row.name.as_bytes()]), shown, "{} {}", row.name, text);
            read.save_seen = config.save_seen;
            prop_assert_eq!(read, config);
        }
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_fall(text in "[ -~\n]{0,200}") {
        let _ = Config::new().load(text.as_bytes(), &mut Anything);
    }
}
