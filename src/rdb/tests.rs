//! Round trips of every encoding, and malformed input.

use super::decode::Decode;
use super::dump;
use super::*;
use crate::algo::rng::Rng;
use crate::engine::Engine;
use crate::keyspace::{DbIndex, RdbVersions, Tuning, soundness};
use crate::types::entry::EntryRef;
use crate::types::listpack::Item;
use crate::types::value::{Encoding, Kind};
use encode::Age;
use record::{Record, Records};
use write::Style;

/// Values of every type in every encoding.
const SCRIPT: &[&[&str]] = &[
    &["SET", "int", "12345"],
    &["SET", "long", "123456789012345"],
    &["SET", "text", "hello world"],
    &[
        "SET",
        "packed",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ],
    &[
        "RPUSH",
        "list",
        "a",
        "1",
        "b",
        "-77",
        "cccccccccccccccccccccccccccccccccccccccc",
    ],
    &["SADD", "ints", "1", "2", "70000"],
    &["SADD", "words", "a", "b", "3"],
    &["ZADD", "zset", "1", "a", "2.5", "b", "-inf", "c"],
    &["HSET", "hash", "f", "v", "g", "12"],
    &["HSET", "timed", "f", "v", "g", "12", "h", "x"],
    &[
        "HPEXPIREAT",
        "timed",
        "4000000000000",
        "FIELDS",
        "2",
        "f",
        "g",
    ],
    &["XADD", "stream", "1-1", "f", "v"],
    &["XADD", "stream", "1-2", "f", "w"],
    &["XADD", "stream", "5-0", "g", "7", "h", "8"],
    &["XDEL", "stream", "1-2"],
    &["XGROUP", "CREATE", "stream", "grp", "0"],
    &[
        "ARSET",
        "array",
        "7",
        "1",
        "2.5",
        "short",
        "a longer text",
        "",
    ],
    &["ARSET", "array", "18446744073709551614", "far"],
    &["ARINSERT", "array", "first"],
    &[
        "XREADGROUP",
        "GROUP",
        "grp",
        "me",
        "COUNT",
        "1",
        "STREAMS",
        "stream",
        ">",
    ],
    &["XADD", "released", "1-1", "f", "v"],
    &["XADD", "released", "2-1", "f", "v"],
    &["XGROUP", "CREATE", "released", "grp", "0"],
    &[
        "XNACK", "released", "grp", "FATAL", "IDS", "2", "2-1", "1-1", "FORCE",
    ],
    &["XADD", "producers", "IDMP", "p", "i", "*", "f", "v"],
    &["XADD", "producers", "IDMPAUTO", "q", "*", "f", "v"],
];

fn filled() -> Engine {
    let mut engine = Engine::with_seed(7);
    for command in SCRIPT {
        engine.run(command);
    }
    for n in 0..600 {
        let n = n.to_string();
        engine.run(&["SADD", "many", &format!("member:{n}")]);
        engine.run(&["HSET", "wide", &format!("field:{n}"), &n]);
        engine.run(&["ZADD", "tall", &n, &format!("member:{n}")]);
        engine.run(&["RPUSH", "deep", &format!("element:{n}:{}", "x".repeat(50))]);
        engine.run(&["HSET", "late", &format!("field:{n}"), &n]);
        engine.run(&["XADD", "log", "*", "name", &n]);
    }
    engine.run(&[
        "HPEXPIREAT",
        "late",
        "4000000000000",
        "FIELDS",
        "1",
        "field:5",
    ]);
    engine
}

fn payloads(engine: &mut Engine, versions: RdbVersions) -> Vec<(Vec<u8>, Vec<u8>)> {
    let view = engine.keyspace().view(DbIndex(0));
    let entries = view.entries().iter();
    entries
        .filter_map(|entry| {
            Some((
                entry.key().to_vec(),
                dump::dump(entry, versions, true).ok()?,
            ))
        })
        .collect()
}

fn put(engine: &mut Engine, key: &[u8], payload: &[u8]) -> Result<()> {
    let (body, valkey) = dump::verify(payload, true).ok_or(Error::Signature)?;
    let (tuning, hasher) = (
        Tuning::default(),
        engine
            .keyspace()
            .view(DbIndex(0))
            .entries()
            .hasher()
            .clone(),
    );
    let with = Decode {
        tuning: &tuning,
        hasher: &hasher,
        valkey,
    };
    let mut reader = Reader::of_bytes(body);
    let value = dump::restore(&mut reader, &with)?;
    let mut db = engine.keyspace().db(DbIndex(0));
    let found = db.add(key, value, None);
    soundness::check(db.get(found));
    Ok(())
}

#[test]
fn values_come_back_from_every_version() {
    let mut from = filled();
    for version in OLDEST_WRITTEN..=LATEST {
        let mut to = Engine::with_seed(3);
        for (key, payload) in payloads(&mut from, RdbVersions::exactly(version)) {
            assert!(dump::verify(&payload, false).is_some());
            put(&mut to, &key, &payload).expect("we have written it");
            let one = |engine: &mut Engine| {
                let mut digest = crate::keyspace::digest::Digest::default();
                let mut db = engine.keyspace().db(DbIndex(0));
                let found = db.peek(&key).expect("it is there");
                digest.add_value(db.get(found));
                (digest.to_hex(), db.get(found).encoding())
            };
            let name = String::from_utf8_lossy(&key).into_owned();
            assert_eq!(one(&mut from), one(&mut to), "{name} in version {version}");
            if let Ok(Some(stream)) = to.keyspace().db(DbIndex(0)).stream(&key) {
                assert_eq!(stream.check(), Ok(()));
            }
        }
        let view = from.keyspace().view(DbIndex(0));
        let fits = |entry: &EntryRef| version::need(*entry).version <= version;
        assert_eq!(
            to.keyspace().len(),
            view.entries().iter().filter(fits).count()
        );
    }
}

/// DUMP of Redis 8.10.2: three entries were read by c, 3-1 was released after a failure and then
/// 1-1 as one that no consumer can take; two producers added an entry each, and one came twice.
const OF_REDIS_8_10: &str = "1b011000000000000000010000000000000001c3404c4062116200000022000501000101018161020001\
        02200a400c0004200900012009000260094015000320090d0001f45002982da201000009dfff20210681\
        66028176020640180058e00b180101ff0581000001a22d98025900010100000501016703010303000000\
        000000000100000000000000010000000000000000817fffffffffffffff000000000000000200000000\
        000000011d02982da201000001000000000000000300000000000000010000000000000000010101631d\
        02982da20100001d02982da2010000010000000000000002000000000000000102000000000000000300\
        000000000000010000000000000001000000000000000180000151800702017001016981000001a22d98\
        025100017101106e95729ee727f0814aedffba5573007981000001a22d9802590002010f00499d68a171\
        79d45f";

#[test]
fn released_entries_and_producers_come_from_redis_8_10_and_go_there() {
    let byte = |at: usize| u8::from_str_radix(&OF_REDIS_8_10[at..at + 2], 16);
    let payload: Vec<u8> = (0..OF_REDIS_8_10.len())
        .step_by(2)
        .map(|at| byte(at).expect("hex"))
        .collect();
    let mut e = Engine::with_seed(3);
    e.freeze_at_ms(1_796_061_270_000);
    put(&mut e, b"key", &payload).expect("Redis has written it");
    let full = e.ask("XINFO STREAM key FULL COUNT 0");
    for part in [
        "idmp-duration :86400 $12 idmp-maxsize :7 $12 pids-tracked :2 $12 iids-tracked :2 \
         $10 iids-added :2 $15 iids-duplicates :1",
        "pel-count :3 $12 nacked-count :2 $7 pending *3 *4 $3 1-1 $0  :0 :9223372036854775807 \
         *4 $3 2-1 $1 c :1796061266461 :1 *4 $3 3-1 $0  :0 :1",
    ] {
        assert!(full.contains(part), "{full}");
    }
    // What is written again is the same, but for compression.
    for (_, again) in payloads(&mut e, RdbVersions::AUTO) {
        let mut to = Engine::with_seed(3);
        to.freeze_at_ms(1_796_061_270_000);
        put(&mut to, b"key", &again).expect("we have written it");
        assert_eq!(to.ask("XINFO STREAM key FULL COUNT 0"), full);
        assert_eq!(again[0], payload[0]);
        let (tail, told) = (again.len() - 130, payload.len() - 130);
        assert_eq!(
            again[tail..again.len() - 10],
            payload[told..payload.len() - 10]
        );
    }
    assert_eq!(e.ask("XADD key IDMP p i * f v"), "$15 1796061266513-0");
    assert_eq!(e.ask("XADD key IDMPAUTO q * f v"), "$15 1796061266521-0");
    let claimed = e.ask("XREADGROUP GROUP g d CLAIM 9999 STREAMS key >");
    let at = |id: &str| claimed.find(id).expect("it is there");
    assert!(at("$3 3-1") < at("$3 1-1"), "{claimed}");
    assert!(!claimed.contains("$3 2-1"), "{claimed}");
}

#[test]
fn a_cut_payload_is_refused() {
    let mut from = filled();
    for (_, payload) in payloads(&mut from, RdbVersions::AUTO) {
        let body = &payload[..payload.len() - 10];
        for cut in (0..body.len()).step_by(1 + body.len() / 300) {
            let mut short = body[..cut].to_vec();
            short.extend_from_slice(&payload[payload.len() - 10..]);
            let mut to = Engine::with_seed(3);
            assert!(put(&mut to, b"key", &short).is_err());
        }
    }
}

/// Whatever is read from damaged bytes must be sound enough for every command.
#[test]
fn damage_is_refused_or_harmless() {
    let mut from = filled();
    let mut rng = Rng::new(11);
    for (_, payload) in payloads(&mut from, RdbVersions::AUTO) {
        for _ in 0..300 {
            let mut broken = payload.clone();
            for _ in 0..1 + rng.below(3) {
                let at = rng.below(payload.len() as u64 - 10) as usize;
                broken[at] ^= 1 << rng.below(8);
            }
            let mut to = Engine::with_seed(3);
            if put(&mut to, b"key", &broken).is_ok() {
                exercise(&mut to);
            }
        }
    }
}

fn exercise(engine: &mut Engine) {
    for command in [
        &["GET", "key"][..],
        &["APPEND", "key", "x"],
        &["LRANGE", "key", "0", "-1"],
        &["RPUSH", "key", "x"],
        &["LPOP", "key"],
        &["LREM", "key", "0", "1"],
        &["SMEMBERS", "key"],
        &["SADD", "key", "new", "5"],
        &["SREM", "key", "1"],
        &["SPOP", "key"],
        &["ZRANGE", "key", "0", "-1", "WITHSCORES"],
        &["ZADD", "key", "3", "new"],
        &["ZRANK", "key", "new"],
        &["ZPOPMIN", "key"],
        &["HGETALL", "key"],
        &["HSET", "key", "new", "5"],
        &["HINCRBY", "key", "new", "5"],
        &["HPTTL", "key", "FIELDS", "1", "f"],
        &["HDEL", "key", "f"],
        &["XRANGE", "key", "-", "+"],
        &["XADD", "key", "*", "new", "5"],
        &["XINFO", "STREAM", "key", "FULL"],
        &["XREADGROUP", "GROUP", "grp", "me", "STREAMS", "key", ">"],
        &["XNACK", "key", "grp", "FAIL", "IDS", "1", "1-1", "FORCE"],
        &[
            "XREADGROUP",
            "GROUP",
            "grp",
            "you",
            "CLAIM",
            "0",
            "STREAMS",
            "key",
            ">",
        ],
        &["XADD", "key", "IDMP", "p", "i", "*", "new", "5"],
        &["XCFGSET", "key", "IDMP-MAXSIZE", "1"],
        &["XTRIM", "key", "MAXLEN", "1"],
        &["OBJECT", "ENCODING", "key"],
        &["COPY", "key", "other"],
        &["DEL", "key"],
    ] {
        engine.run(command);
    }
}

/// A payload of these bytes, which begin with the type.
fn payload(value: &[u8]) -> Vec<u8> {
    let mut payload = value.to_vec();
    payload.extend_from_slice(&[LATEST as u8, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    payload
}

/// A string as it stands in a payload.
fn string(bytes: &[u8]) -> Vec<u8> {
    let len = u8::try_from(bytes.len()).expect("a short string");
    assert!(len < 64, "the length is one byte");
    [&[len], bytes].concat()
}

/// A packed collection of type `kind` with these elements.
fn packed(kind: u8, elements: &[&str]) -> Vec<u8> {
    let mut lp = crate::types::listpack::new();
    for element in elements {
        crate::types::listpack::push_back(&mut lp, Item::of(element.as_bytes()));
    }
    [vec![kind], string(&lp)].concat()
}

#[test]
fn unsound_collections_are_refused_in_every_encoding() {
    let threes = |elements: &[&str]| {
        let body = packed(kind::HASH_LISTPACK_EX, elements);
        [&body[..1], &[0; 8], &body[1..]].concat()
    };
    let refused: &[(&str, Vec<u8>)] = &[
        (
            "a hash with a field twice",
            b"\x04\x02\x01a\x011\x01a\x012".to_vec(),
        ),
        (
            "an array with an index twice",
            b"\x1c\x02\x00\x05\x03\x01a\x05\x03\x01b".to_vec(),
        ),
        (
            "an array whose indexes fall",
            b"\x1c\x02\x00\x05\x03\x01a\x04\x03\x01b".to_vec(),
        ),
        (
            "an array with the index 2^64 - 1",
            b"\x1c\x01\x00\x81\xff\xff\xff\xff\xff\xff\xff\xff\x03\x01a".to_vec(),
        ),
        (
            "an array whose cursor is behind the greatest index",
            b"\x1c\x01\x01\x81\xff\xff\xff\xff\xff\xff\xff\xff\x05\x03\x01a".to_vec(),
        ),
        (
            "an array with fewer values than it claims",
            b"\x1c\x02\x00\x05\x03\x01a".to_vec(),
        ),
        ("an array of nothing", b"\x1c\x00\x00".to_vec()),
        (
            "an array with a short text that is long",
            b"\x1c\x01\x00\x05\x03\x08abcdefgh".to_vec(),
        ),
        (
            "an array with a value of no form",
            b"\x1c\x01\x00\x05\x04\x01a".to_vec(),
        ),
        ("a set with a member twice", b"\x02\x02\x01a\x01a".to_vec()),
        (
            "a set with a number twice",
            b"\x02\x02\x015\xc0\x05".to_vec(),
        ),
        (
            "a sorted set with a member twice",
            [
                &b"\x05\x02\x01a"[..],
                &1f64.to_le_bytes(),
                b"\x01a",
                &2f64.to_le_bytes(),
            ]
            .concat(),
        ),
        (
            "a packed set with a member twice",
            packed(kind::SET_LISTPACK, &["a", "b", "a"]),
        ),
        (
            "a packed hash with a field twice",
            packed(kind::HASH_LISTPACK, &["a", "1", "a", "2"]),
        ),
        (
            "a packed hash with half a pair",
            packed(kind::HASH_LISTPACK, &["a", "1", "b"]),
        ),
        (
            "a packed sorted set, twice",
            packed(kind::ZSET_LISTPACK, &["a", "1", "a", "2"]),
        ),
        (
            "scores out of order",
            packed(kind::ZSET_LISTPACK, &["a", "2", "b", "1"]),
        ),
        (
            "members out of order",
            packed(kind::ZSET_LISTPACK, &["b", "1", "a", "1"]),
        ),
        (
            "a score that is no number",
            packed(kind::ZSET_LISTPACK, &["b", "nan"]),
        ),
        (
            "fields with deadlines, twice",
            threes(&["a", "1", "9", "a", "2", "10"]),
        ),
        (
            "deadlines out of order",
            threes(&["a", "1", "10", "b", "2", "9"]),
        ),
        (
            "a field without deadline first",
            threes(&["a", "1", "0", "b", "2", "9"]),
        ),
        (
            "an intset out of order",
            [
                &[kind::SET_INTSET][..],
                &string(b"\x02\0\0\0\x02\0\0\0\x05\0\x04\0"),
            ]
            .concat(),
        ),
        (
            "an intset with a number twice",
            [
                &[kind::SET_INTSET][..],
                &string(b"\x02\0\0\0\x02\0\0\0\x05\0\x05\0"),
            ]
            .concat(),
        ),
        (
            "an intset that counts wrongly",
            [
                &[kind::SET_INTSET][..],
                &string(b"\x02\0\0\0\x03\0\0\0\x05\0\x06\0"),
            ]
            .concat(),
        ),
    ];
    for (what, value) in refused {
        let mut to = Engine::with_seed(3);
        assert!(put(&mut to, b"key", &payload(value)).is_err(), "{what}");
    }
    let taken: &[Vec<u8>] = &[
        b"\x04\x02\x01a\x011\x01b\x011".to_vec(),
        packed(kind::SET_LISTPACK, &["a", "b", "1"]),
        packed(kind::HASH_LISTPACK, &["a", "1", "1", "1"]),
        packed(
            kind::ZSET_LISTPACK,
            &["b", "-inf", "a", "1", "b2", "1", "c", "1.5"],
        ),
        threes(&["a", "1", "9", "b", "2", "9", "c", "3", "0"]),
    ];
    for value in taken {
        let mut to = Engine::with_seed(3);
        put(&mut to, b"key", &payload(value)).expect("a sound one");
    }
}

/// The bytes of a stream of three entries without the version and the sum, and the place of its
/// length.
fn stream_of_three() -> (Vec<u8>, usize) {
    let mut engine = Engine::with_seed(3);
    for id in ["1-1", "2-1", "3-1"] {
        engine.run(&["XADD", "s", id, "f", "v"]);
    }
    let payloads = payloads(&mut engine, RdbVersions::AUTO);
    let payload = &payloads[0].1;
    let value = payload[..payload.len() - 10].to_vec();
    let mut reader = Reader::of_bytes(&value);
    reader.byte().expect("the type");
    reader.length().expect("the number of nodes");
    reader.skip_string().expect("the first id of a node");
    reader.skip_string().expect("the node");
    let at = reader.offset() as usize;
    assert_eq!(value[at], 3);
    (value, at)
}

#[test]
fn a_stream_that_miscounts_is_mended_in_a_file_and_refused_in_a_payload() {
    let (value, at) = stream_of_three();
    // Its length; its last id, of which the time comes first; the number of added entries.
    for (place, wrong) in [(at, 7), (at + 1, 2), (at + 7, 1)] {
        let mut broken = value.clone();
        broken[place] = wrong;
        let mut to = Engine::with_seed(3);
        assert!(put(&mut to, b"s", &payload(&broken)).is_err(), "{place}");
        assert_eq!(read_from_file(&mut to, &broken).ok(), Some(true), "{place}");
        assert_eq!(to.ask("XLEN key"), ":3");
        assert_eq!(to.ask("XADD key 3-2 f v"), "$3 3-2");
        assert!(to.ask("XINFO STREAM key").contains("entries-added :4"));
    }
}

/// Reads a value as from a file: its type, then its bytes. Returns whether something was mended.
fn read_from_file(to: &mut Engine, value: &[u8]) -> Result<bool> {
    let mut reader = Reader::new(Box::new(std::io::Cursor::new(value[1..].to_vec())));
    let (tuning, hasher) = (
        Tuning::default(),
        to.keyspace().view(DbIndex(0)).entries().hasher().clone(),
    );
    let with = Decode {
        tuning: &tuning,
        hasher: &hasher,
        valkey: false,
    };
    let read = decode::value(&mut reader, value[0], &with)?;
    let found = to.keyspace().db(DbIndex(0)).add(b"key", read, None);
    soundness::check(to.keyspace().db(DbIndex(0)).get(found));
    Ok(reader.mended.is_some())
}

#[test]
fn faults_are_mended_in_a_file_where_no_guess_is_needed() {
    let threes = |elements: &[&str]| {
        let body = packed(kind::HASH_LISTPACK_EX, elements);
        [&body[..1], &[0; 8], &body[1..]].concat()
    };
    for (value, command, reply) in [
        (b"\x02\x03\x01a\x01b\x01a".to_vec(), "SCARD key", ":2"),
        (
            packed(kind::SET_LISTPACK, &["a", "b", "a"]),
            "SCARD key",
            ":2",
        ),
        (
            [
                &[kind::SET_INTSET][..],
                &string(b"\x02\0\0\0\x04\0\0\0\x05\0\x04\0\xff\xff\x05\0"),
            ]
            .concat(),
            "SMEMBERS key",
            "*3 $2 -1 $1 4 $1 5",
        ),
        (
            packed(kind::ZSET_LISTPACK, &["b", "2", "c", "1", "a", "1"]),
            "ZRANGE key 0 -1",
            "*3 $1 a $1 c $1 b",
        ),
        (
            threes(&[
                "a",
                "1",
                "0",
                "b",
                "2",
                "4000000000000",
                "c",
                "3",
                "3000000000000",
            ]),
            "HPEXPIRETIME key FIELDS 3 a b c",
            "*3 :-1 :4000000000000 :3000000000000",
        ),
    ] {
        let mut to = Engine::with_seed(3);
        assert!(put(&mut to, b"key", &payload(&value)).is_err(), "{command}");
        assert_eq!(
            read_from_file(&mut to, &value).ok(),
            Some(true),
            "{command}"
        );
        assert_eq!(to.ask(command), reply);
    }
    // Of two values of a field, or two scores, none is the right one.
    for value in [
        packed(kind::HASH_LISTPACK, &["a", "1", "a", "2"]),
        packed(kind::ZSET_LISTPACK, &["a", "1", "a", "2"]),
    ] {
        assert!(read_from_file(&mut Engine::with_seed(3), &value).is_err());
    }
}

#[test]
fn a_value_is_passed_over_by_its_structure() {
    let mut from = filled();
    for version in OLDEST_WRITTEN..=LATEST {
        for (key, payload) in payloads(&mut from, RdbVersions::exactly(version)) {
            let body = &payload[1..payload.len() - 10];
            let mut reader = Reader::of_bytes(body);
            let name = String::from_utf8_lossy(&key);
            let passed = skip::value(&mut reader, payload[0], false);
            assert!(passed.is_ok() && reader.is_at_end(), "{name} in {version}");
        }
    }
}

/// An engine with hashes that have templates, and plain ones between them.
fn with_templates() -> Engine {
    let mut e = Engine::with_seed(5);
    let long = "x".repeat(200);
    for n in 0..20 {
        e.tuning().hash_min_template_entries = (n % 3).min(1);
        e.tuning().hash_max_template_entries = 100;
        e.ask(&format!("HSET h{n} a {n} bb text c{} {n}", n % 4));
        e.ask(&format!("HSET long{n} a {n} bb {long}"));
        e.ask(&format!("SET s{n} {n}"));
    }
    e.tuning().hash_min_template_entries = 0;
    e
}

fn hash_encodings(e: &mut Engine) -> Vec<(Vec<u8>, Encoding)> {
    let view = e.keyspace().view(DbIndex(0));
    let hashes = view
        .entries()
        .iter()
        .filter(|entry| entry.kind() == Kind::Hash);
    let mut list: Vec<_> = hashes
        .map(|entry| (entry.key().to_vec(), entry.encoding()))
        .collect();
    list.sort_by(|a, b| a.0.cmp(&b.0));
    list
}

/// Reads a file; returns the templates that it defines.
fn read_file(to: &mut Engine, bytes: Vec<u8>) -> Result<usize> {
    let mut records = Records::open(Reader::new(Box::new(std::io::Cursor::new(bytes))))?;
    let tuning = Tuning::default();
    let hasher = to.keyspace().view(DbIndex(0)).entries().hasher().clone();
    let with = Decode {
        tuning: &tuning,
        hasher: &hasher,
        valkey: false,
    };
    loop {
        match records.advance()? {
            Record::Key(head) => {
                let key = records.key.clone();
                let value = records.value(head.kind, &with)?;
                to.keyspace().db(DbIndex(0)).add(&key, value, None);
            }
            Record::End { .. } => return Ok(records.reader.templates.len()),
            _ => {}
        }
    }
}

#[test]
fn templates_come_back_from_files_of_every_version() {
    let mut from = with_templates();
    for version in OLDEST_WRITTEN..=LATEST {
        let mut bytes = Vec::new();
        let style = Style {
            version,
            ..Style::default()
        };
        let mut out = Writer::new(&mut bytes, style);
        out.magic();
        template::define_all(&mut out, &from.keyspace().shared.templates);
        for entry in from.keyspace().view(DbIndex(0)).entries().iter() {
            encode::record(&mut out, entry, Age::Untold).expect("it fits");
        }
        out.finish().expect("in memory");
        let mut to = Engine::with_seed(6);
        let defined = read_file(&mut to, bytes).expect("we have written it");
        assert_eq!(defined > 0, version >= RdbVersions::TEMPLATES);
        assert_eq!(
            hash_encodings(&mut from),
            hash_encodings(&mut to),
            "{version}"
        );
        assert_eq!(from.ask("DEBUG DIGEST"), to.ask("DEBUG DIGEST"));
        for n in 0..20 {
            let line = format!("HMGET h{n} a bb c0 c1 c2 c3");
            assert_eq!(from.ask(&line), to.ask(&line), "{version}");
        }
        to.keyspace().check();
    }
}

#[test]
fn payloads_of_templates_are_those_of_redis() {
    let packed =
        b"\x1d\x00\x10\x10\x00\x00\x00\x03\x00\x81a\x02\x81b\x02\x81c\x02\xff\x0f\x0f\x00\x00\
        \x00\x04\x00\x00\x01\x01\x01\x02\x01\x03\x01\xff\x0f\x00\x96h\xc1\x8bAB\x9d\xf4";
    let named =
        b"\x1d\x01\x02\x01b\nlongername\r\r\x00\x00\x00\x03\x00\x04\x01\x02\x01\x01\x01\xff";
    let spread = b"\x1f\x01\x02\x01a\x01b\xc0\x01\x08somevalu";
    let mut e = Engine::with_seed(3);
    put(&mut e, b"packed", packed).expect("8.10.2 has written it");
    put(&mut e, b"named", &payload(named)).expect("8.10.2 has written it");
    put(&mut e, b"spread", &payload(spread)).expect("8.10.2 has written it");
    assert_eq!(e.ask("HGETALL packed"), "*6 $1 a $1 1 $1 b $1 2 $1 c $1 3");
    assert_eq!(e.ask("HGETALL named"), "*4 $1 b $1 2 $10 longername $1 1");
    assert_eq!(e.ask("HGETALL spread"), "*4 $1 a $1 1 $1 b $8 somevalu");
    let mut again = payloads(&mut e, RdbVersions::exactly(LATEST));
    again.retain(|(key, _)| key == b"packed");
    assert_eq!(again[0].1, packed);
    // The lowest version that can hold a hash is an older one, without templates.
    let plain = payloads(&mut e, RdbVersions::AUTO);
    assert!(plain.iter().all(|(_, it)| it[0] == kind::HASH_LISTPACK));
}

#[test]
fn templates_that_do_not_fit_their_values_are_refused() {
    let with_names = |names: &[&str], values: &[&str]| {
        let (names, values) = (
            packed(kind::HASH_TEMPLATE, names),
            packed(kind::HASH_TEMPLATE, values),
        );
        let head = [kind::HASH_TEMPLATE, 0];
        [&head[..], &names[1..], &values[1..]].concat()
    };
    let mut e = Engine::with_seed(3);
    let mut taken = |value: &[u8]| put(&mut e, b"key", &payload(value)).is_ok();
    assert!(taken(&with_names(&["b", "a"], &["0", "1", "2"])));
    for value in [
        with_names(&["a", "b"], &["0", "1"]),
        with_names(&["a", "b"], &["0", "1", "2", "3"]),
        with_names(&["a", "a"], &["0", "1", "2"]),
        with_names(&["a", "b"], &["x", "1", "2"]),
        with_names(&[], &["0"]),
        // A number that no file has given to a template, and a form that does not exist.
        packed(kind::HASH_TEMPLATE_REF, &["7", "1"]),
        vec![kind::HASH_TEMPLATE_SPREAD_REF, 7, 1, b'a'],
        vec![kind::HASH_TEMPLATE, 2, 1, b'a'],
    ] {
        assert!(!taken(&value), "{value:?}");
    }
    assert_eq!(e.ask("HGETALL key"), "*4 $1 a $1 2 $1 b $1 1");
}
