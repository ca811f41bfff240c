//! Invariants for any input: one function per fuzz target, which panics on a violation.
//!
//! The targets under `targets/` call them with what the fuzzer makes up, `tests/fuzz_corpus.rs`
//! with the files of the corpus.
#![allow(dead_code)]

use redwheel::testing::acl::{Acl, CommandIndex};
use redwheel::testing::algo::glob::{self, Case};
use redwheel::testing::algo::rng::Rng;
use redwheel::testing::algo::{lzf, number, quoting};
use redwheel::testing::commands;
use redwheel::testing::config::{Config, Extent, Host};
use redwheel::testing::keyspace::digest::Digest;
use redwheel::testing::keyspace::{DbIndex, Keyspace, RdbVersions, Tuning, soundness};
use redwheel::testing::net::tls::names::PeerNames;
use redwheel::testing::net::tls::verify::{ClientVerifier, ServerVerifier, Trust};
use redwheel::testing::persist::aof::manifest::{Manifest, SEQ_MAX};
use redwheel::testing::rdb::decode::Decode;
use redwheel::testing::rdb::record::{Record, Records};
use redwheel::testing::rdb::{Reader, dump};
use redwheel::testing::replication::action::Action;
use redwheel::testing::replication::handshake::{Context, Handshake, Identity};
use redwheel::testing::replication::incoming::Incoming;
use redwheel::testing::replication::transfer::{Sink, Transfer};
use redwheel::testing::resp::request::{Limits, Query, Stop};
use redwheel::testing::server::commands as server;
use redwheel::testing::server::core::table::Table;
use redwheel::testing::types::entries::KeyHasher;
use redwheel::testing::types::entry::EntryRef;
use redwheel::testing::types::intset;
use redwheel::testing::types::listpack::Item;
use redwheel::testing::types::pack::Pack;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

type Commands = Vec<Vec<Vec<u8>>>;

/// The first byte says how large the pieces are, and whether the client has authenticated; the rest
/// is what a client sends. However it is cut, the same commands and the same error come of it, as
/// long as no line is so long that it matters how much of it has arrived.
pub fn request(data: &[u8]) {
    /// No line that could be cut is longer.
    const LINE_MAX: usize = 64 << 10;
    let Some((&control, bytes)) = data.split_first() else {
        return;
    };
    let limits = Limits {
        max_bulk: 1 << 20,
        authenticated: control & 1 == 1,
    };
    let whole = recognise(bytes, bytes.len().max(1), limits);
    let piece = usize::from(control >> 1) % 61 + 1;
    if bytes.len() > LINE_MAX {
        recognise(bytes, piece, limits);
        return;
    }
    assert_eq!(whole, recognise(bytes, piece, limits), "pieces of {piece}");
}

fn recognise(bytes: &[u8], piece: usize, limits: Limits) -> (Commands, Option<Vec<u8>>) {
    let mut query = Query::default();
    let mut commands = Commands::new();
    for piece in bytes.chunks(piece) {
        query.feed(piece);
        loop {
            let result = query.parse(limits);
            while let Some(argv) = query.peek(0) {
                assert!(!argv.is_empty(), "a command has a name");
                commands.push(argv.iter().map(<[u8]>::to_vec).collect());
                query.pass();
            }
            query.compact();
            match result {
                Ok(Stop::Starved) => break,
                Ok(Stop::Full) => {}
                Err(error) => return (commands, Some(error.bytes())),
            }
        }
    }
    assert!(query.pending_bytes() <= bytes.len());
    (commands, None)
}

struct Anywhere;

impl Host for Anywhere {}

/// Any text is a configuration or is refused; what was accepted and written reads back the same.
pub fn config(data: &[u8]) {
    if data.split(|&byte| byte == b'\n').any(reads_files) {
        return;
    }
    let mut config = Config::new();
    if config.load(data, &mut Anywhere).is_err() {
        return;
    }
    let written = config.rewrite(data, None, Extent::All);
    let mut again = Config::new();
    if let Err(why) = again.load(&written, &mut Anywhere) {
        panic!("{}\ndoes not load: {why:?}", written.escape_ascii());
    }
    for ((name, was), (_, is)) in config.get(&[b"*"]).iter().zip(again.get(&[b"*"])) {
        let (was, is, name) = (was.escape_ascii(), is.escape_ascii(), name.escape_ascii());
        assert_eq!(was.to_string(), is.to_string(), "{name}");
    }
}

/// Lines that would make the check depend on this machine's files.
fn reads_files(line: &[u8]) -> bool {
    let words = quoting::split_args(line).unwrap_or_default();
    words
        .first()
        .is_some_and(|word| word.eq_ignore_ascii_case(b"include"))
}

/// A pattern and a text, apart by the first zero byte.
pub fn glob(data: &[u8]) {
    /// The model is slow.
    const MAX: usize = 512;
    let mut halves = data.splitn(2, |&byte| byte == 0);
    let pattern = halves.next().unwrap_or_default();
    let text = halves.next().unwrap_or_default();
    for case in [Case::Sensitive, Case::Insensitive] {
        let found = glob::matches(pattern, text, case);
        if pattern.len() <= MAX && text.len() <= MAX {
            assert_eq!(found, glob_model(pattern, text, case), "{case:?}");
        }
    }
}

/// Which prefixes of the text each part of the pattern can reach, part by part.
fn glob_model(pattern: &[u8], text: &[u8], case: Case) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    let mut rest = pattern;
    while let Some(&first) = rest.first() {
        let len = part_len(rest);
        let (part, behind) = rest.split_at(len);
        let mut next = vec![false; text.len() + 1];
        if first == b'*' {
            let from = reached.iter().position(|&r| r).unwrap_or(next.len());
            next[from..].fill(true);
        } else {
            for (at, &byte) in text.iter().enumerate() {
                next[at + 1] = reached[at] && glob::matches(part, &[byte], case);
            }
        }
        (reached, rest) = (next, behind);
    }
    reached[text.len()]
}

/// The length of the first part of a pattern: a star, a class, an escaped or a plain byte.
fn part_len(pattern: &[u8]) -> usize {
    match pattern {
        [b'\\', _, ..] => 2,
        [b'[', ..] => {
            let mut at = 1 + usize::from(pattern.get(1) == Some(&b'^'));
            while at < pattern.len() {
                at += match pattern[at..] {
                    [b']', ..] => return at + 1,
                    [b'\\', _, ..] => 2,
                    [_, b'-', _, ..] => 3,
                    _ => 1,
                };
            }
            pattern.len()
        }
        _ => 1,
    }
}

/// A text that is a number prints as itself, or as a text with the same value.
pub fn number(data: &[u8]) {
    if let Some(value) = number::parse_i64(data) {
        let mut printed = Vec::new();
        number::write_i64(&mut printed, value);
        assert_eq!(printed, data);
    }
    if let Some(value) = number::parse_f64(data) {
        assert!(!value.is_nan());
        let text = number::format_f64(value);
        assert_eq!(number::parse_f64(text.as_bytes()), Some(value));
    }
    let mut halves = data.splitn(2, |&byte| byte == b' ');
    let a = halves.next().unwrap_or_default();
    let b = halves.next().unwrap_or_default();
    if let Ok(sum) = number::add_decimal(a, b) {
        assert_eq!(number::add_decimal(b, a).as_ref(), Ok(&sum));
        assert!(number::add_decimal(&sum, b"0").is_ok());
    }
}

/// Quoted bytes split back to themselves, and so does every line once its words are quoted.
pub fn quoting(data: &[u8]) {
    assert_eq!(
        quoting::split_args(&quoting::quote(data)),
        Some(vec![data.to_vec()])
    );
    if let Some(words) = quoting::split_args(data) {
        let quoted: Vec<Vec<u8>> = words.iter().map(|word| quoting::quote(word)).collect();
        assert_eq!(quoting::split_args(&quoted.join(&b' ')), Some(words));
    }
}

/// Compressed input comes back; other input is refused or gives the requested number of bytes.
pub fn lzf(data: &[u8]) {
    if let Some(packed) = lzf::compress(data, data.len()) {
        assert_eq!(lzf::decompress(&packed, data.len()).as_deref(), Ok(data));
    }
    let Some((&size, packed)) = data.split_first() else {
        return;
    };
    for len in [size as usize, 32 * size as usize] {
        if let Ok(out) = lzf::decompress(packed, len) {
            assert_eq!(out.len(), len);
        }
    }
}

/// The first byte says whether the rest are dense registers or sparse ones; whatever they are, they
/// are read or refused, and what was read can be changed and read again.
pub fn hyperloglog(data: &[u8]) {
    use redwheel::testing::types::hll;
    let Some((&control, body)) = data.split_first() else {
        return;
    };
    let mut bytes = hll::new();
    bytes.truncate(hll::HEADER);
    bytes.extend_from_slice(body);
    if control & 1 == 1 {
        bytes[4] = 0;
        bytes.resize(hll::dense::SIZE, control);
    }
    assert!(hll::is_hll(&bytes));
    let estimate = hll::estimate(&bytes);
    let mut registers = [0; hll::REGISTERS];
    assert_eq!(hll::merge(&mut registers, &bytes).is_ok(), estimate.is_ok());
    if !hll::is_dense(&bytes) {
        hll::sparse::describe(&bytes[hll::HEADER..]);
    }
    for n in 0..=control {
        let _ = hll::add(&mut bytes, &[n], 200);
    }
    if estimate.is_ok() {
        hll::to_dense(&mut bytes).expect("what could be read can be changed");
        assert!(hll::estimate(&bytes).is_ok());
    }
}

/// An intset as DUMP would bring it: refused, or it reads back as it came and takes members.
pub fn intset(data: &[u8]) {
    let Ok(mut set) = intset::from_redis(data) else {
        return;
    };
    intset::check(&set);
    assert_eq!(intset::to_redis(&set), data);
    let all: Vec<i64> = intset::iter(&set).collect();
    for &n in &all {
        assert!(intset::contains(&set, n) && !intset::insert(&mut set, n));
    }
    let new = data.len() as i64 * 1_000_003;
    assert_eq!(intset::insert(&mut set, new), !all.contains(&new));
    intset::check(&set);
    assert!(all.iter().all(|&n| intset::remove(&mut set, n)));
}

/// Four bytes are an operation: what, the length of the value, and which key.
pub fn pack(data: &[u8]) {
    let mut pack = Pack::of_fields(KeyHasher::new([1, 2, 3, 4]));
    let mut model = HashMap::<Vec<u8>, Vec<u8>>::new();
    for step in data.as_chunks::<4>().0 {
        let number = u16::from_le_bytes([step[2], step[3]]);
        let key = match number % 3 {
            0 => number.to_string().into_bytes(),
            1 => vec![b'k'; number as usize % 500],
            _ => number.to_be_bytes().to_vec(),
        };
        let value = vec![step[0]; step[1] as usize * 3];
        let atom = Item::of(&key);
        match (pack.find(atom), step[0] % 4) {
            (Some(at), 0) => {
                pack.remove(at);
                assert!(model.remove(&key).is_some());
            }
            (Some(at), _) => {
                pack.replace(at, atom, Some(Item::of(&value)), None);
                model.insert(key, value);
            }
            (None, _) => {
                pack.insert(pack.hash(atom), atom, Some(Item::of(&value)), None);
                assert!(model.insert(key, value).is_none());
            }
        }
    }
    pack.check();
    let pairs = pack
        .iter()
        .filter_map(|r| Some((r.key.to_vec(), r.value?.to_vec())));
    assert_eq!(pairs.collect::<HashMap<_, _>>(), model);
}

/// The first byte says whether the rest is a whole file or the payload of a value, and whether Valkey
/// wrote it. Any bytes are refused, or make values that are sound, can be digested and written, and
/// read back the same.
pub fn snapshot(data: &[u8]) {
    let Some((&control, bytes)) = data.split_first() else {
        return;
    };
    let mut keyspace = Keyspace::new(4, Rng::new(1), 1_700_000_000_000);
    match control & 1 {
        0 => read_file(&mut keyspace, bytes),
        _ => drop(read_value(&mut keyspace, b"key", bytes, control)),
    }
    let mut again = Keyspace::new(4, Rng::new(1), 1_700_000_000_000);
    let view = keyspace.view(DbIndex(0));
    for entry in view.entries().iter() {
        soundness::check(entry);
        let payload = dump::dump(entry, RdbVersions::AUTO, true)
            .expect("the latest version holds everything");
        let (body, _) = dump::verify(&payload, false).expect("we wrote it");
        read_value(&mut again, entry.key(), body, 1).expect("what we write can be read");
    }
    keyspace.check();
    assert_eq!(digests(&keyspace), digests(&again));
}

/// The digest of every key.
fn digests(keyspace: &Keyspace) -> HashMap<Vec<u8>, String> {
    let digest = |entry: EntryRef| {
        let mut digest = Digest::default();
        digest.add_value(entry);
        (entry.key().to_vec(), digest.to_hex())
    };
    keyspace
        .view(DbIndex(0))
        .entries()
        .iter()
        .map(digest)
        .collect()
}

fn read_file(keyspace: &mut Keyspace, bytes: &[u8]) {
    let Ok(mut records) = Records::open(Reader::of_bytes(bytes)) else {
        return;
    };
    let (tuning, valkey) = (Tuning::default(), records.header.valkey);
    let hasher = keyspace.view(DbIndex(0)).entries().hasher().clone();
    let with = Decode {
        tuning: &tuning,
        hasher: &hasher,
        valkey,
    };
    loop {
        match records.advance() {
            Ok(Record::End { .. }) | Err(_) => {
                let mut db = keyspace.db(DbIndex(0));
                while db.admit().is_some() {}
                return;
            }
            Ok(Record::Key(head)) => {
                let key = records.key.clone();
                let Ok(value) = records.value(head.kind, &with) else {
                    return;
                };
                // Without deadlines: a payload has none, and all are compared with theirs.
                let mut db = keyspace.db(DbIndex(0));
                if db.announce(&key, value, None) {
                    db.admit();
                }
            }
            Ok(_) => {}
        }
    }
}

fn read_value(
    keyspace: &mut Keyspace,
    key: &[u8],
    body: &[u8],
    control: u8,
) -> Result<(), redwheel::testing::rdb::Error> {
    let tuning = Tuning::default();
    let hasher = keyspace.view(DbIndex(0)).entries().hasher().clone();
    let with = Decode {
        tuning: &tuning,
        hasher: &hasher,
        valkey: control & 4 != 0,
    };
    let mut reader = Reader::of_bytes(body);
    let value = dump::restore(&mut reader, &with)?;
    let mut db = keyspace.db(DbIndex(0));
    db.announce(key, value, None);
    db.admit();
    Ok(())
}

/// The first byte says how large the pieces are, and how the replica presents itself; the rest is all
/// that a primary sends: replies of the handshake, the snapshot, the stream of commands. However it
/// is cut, the same comes of it, as long as no line is so long that it matters how much of it has
/// arrived.
pub fn primary(data: &[u8]) {
    const LINE_MAX: usize = 1000;
    let Some((&control, bytes)) = data.split_first() else {
        return;
    };
    let piece = usize::from(control >> 3) + 1;
    let cut = follow(bytes, piece, control);
    if bytes.len() <= LINE_MAX {
        assert_eq!(
            follow(bytes, bytes.len().max(1), control),
            cut,
            "of {piece}"
        );
    }
}

/// What a replica made of the bytes of its primary.
#[derive(Default, PartialEq, Debug)]
struct Followed {
    /// What it did, without the bytes of the snapshot.
    steps: Vec<String>,
    snapshot: Vec<u8>,
    commands: Commands,
    /// Bytes of the stream that were applied.
    applied: usize,
}

enum Phase {
    Handshake(Handshake),
    Snapshot(Box<Transfer>),
    Stream,
    Over,
}

fn follow(bytes: &[u8], piece: usize, control: u8) -> Followed {
    const ID: &str = "0123456789abcdef0123456789abcdef01234567";
    let identity = Identity {
        password: if control & 1 == 1 { "secret" } else { "" }.to_owned(),
        address: if control & 2 == 2 { "10.0.0.9" } else { "" }.to_owned(),
        ..Identity::default()
    };
    let context = Context {
        identity: &identity,
        resume: (control & 4 == 4).then_some((ID, 1001)),
        is_failover: false,
    };
    let mut incoming = Incoming::default();
    let mut phase = Phase::Handshake(Handshake::start().0);
    let mut followed = Followed::default();
    for piece in bytes.chunks(piece) {
        incoming.extend(piece);
        while take_step(&mut phase, &mut incoming, &context, &mut followed) {}
    }
    assert!(incoming.pending() + followed.applied <= bytes.len());
    followed
}

/// Handles what has arrived; false if more must arrive first.
fn take_step(
    phase: &mut Phase,
    incoming: &mut Incoming,
    context: &Context,
    followed: &mut Followed,
) -> bool {
    let actions = match phase {
        Phase::Over => return false,
        Phase::Handshake(handshake) => match incoming.line() {
            Some(line) => handshake.reply(&line, context),
            None => return false,
        },
        Phase::Snapshot(transfer) if transfer.is_starved(incoming) => return false,
        Phase::Snapshot(transfer) => transfer.receive(incoming),
        Phase::Stream => match incoming.advance() {
            Ok(true) => {
                let argv = incoming.argv();
                assert!(!argv.is_empty(), "a command has a name");
                let words = argv.iter().map(<[u8]>::to_vec).collect();
                followed.commands.push(words);
                followed.applied += incoming.position();
                incoming.release(incoming.position());
                return true;
            }
            Ok(false) => return false,
            Err(broken) => {
                followed.steps.push(format!("{broken:?}"));
                *phase = Phase::Over;
                return false;
            }
        },
    };
    for action in actions {
        match action {
            Action::Feed { bytes, is_last } => {
                followed.snapshot.extend(bytes);
                if is_last {
                    *phase = Phase::Stream;
                }
                continue;
            }
            Action::BeginTransfer { .. } => {
                *phase = Phase::Snapshot(Box::new(Transfer::new(Sink::Memory)));
            }
            Action::Continue { .. } => *phase = Phase::Stream,
            Action::Abandon | Action::Reconnect => *phase = Phase::Over,
            _ => {}
        }
        followed.steps.push(format!("{action:?}"));
    }
    true
}

/// Any bytes are a manifest or are refused; what was accepted and written reads back the same, and
/// so it does after a rewrite of the log.
pub fn manifest(data: &[u8]) {
    let Ok(mut manifest) = Manifest::parse(data) else {
        return;
    };
    reads_back(&manifest);
    let highest = (manifest.base_seq, manifest.increment_seq);
    manifest.new_increment("appendonly.aof", u64::MAX);
    manifest.new_base("appendonly.aof", true);
    manifest.retire_increments(1);
    assert_eq!(
        (manifest.base_seq, manifest.increment_seq),
        (highest.0 + 1, highest.1 + 1)
    );
    assert_eq!(manifest.increments.len(), 1);
    if highest.0 < SEQ_MAX && highest.1 < SEQ_MAX {
        reads_back(&manifest);
    }
}

fn reads_back(manifest: &Manifest) {
    /// No line that would be refused: no file has so long a name.
    const LINE_MAX: usize = 1024;
    let text = manifest.to_text();
    // One of nothing but comments has nothing to write.
    if !text.is_empty() && text.lines().all(|line| line.len() < LINE_MAX) {
        let again = Manifest::parse(text.as_bytes());
        assert_eq!(again.as_ref(), Ok(manifest), "{}", text.escape_debug());
    }
}

/// Lines of rules for a user, or a file of users. Any bytes are taken or refused; the users that come
/// of them are written as a file that makes the same users.
pub fn acl(data: &[u8]) {
    let Some((&control, text)) = data.split_first() else {
        return;
    };
    static COMMANDS: LazyLock<CommandIndex> =
        LazyLock::new(|| Table::new(commands::TABLES, server::TABLES).command_index());
    let new = || {
        let mut acl = Acl::new(COMMANDS.clone());
        acl.configure(control & 1 == 1, 128);
        acl
    };
    let mut acl = new();
    if control & 2 == 2 {
        let _ = acl.load(text, "users.acl");
    } else {
        for line in text.split(|&byte| byte == b'\n') {
            let rules: Vec<&[u8]> = line.split(|&byte| byte == b'\t').collect();
            let _ = acl.set_user(b"ann", &rules);
        }
    }
    let file = acl.file_text();
    let mut again = new();
    if let Err(errors) = again.load(&file, "users.acl") {
        panic!(
            "{}\ndoes not load: {}",
            file.escape_ascii(),
            errors.escape_ascii()
        );
    }
    assert_eq!(
        again.file_text().escape_ascii().to_string(),
        file.escape_ascii().to_string()
    );
    let commands = 0..acl.command_index().len() as u16;
    for (name, user) in acl.users() {
        let other = again.user(name).expect("every user is in the file");
        assert_eq!(user.selectors().len(), other.selectors().len());
        for (one, two) in user.all_selectors().zip(other.all_selectors()) {
            assert_eq!((&one.keys, &one.channels), (&two.keys, &two.channels));
            let allowed = commands
                .clone()
                .all(|n| one.has_command(n) == two.has_command(n));
            assert!(allowed, "{}", user.describe().escape_ascii());
        }
    }
}

/// The certificates of tests/data/tls that a peer may present where `ca` and `self` are trusted.
const ACCEPTED: [&str; 6] = ["ca", "client", "server", "old", "self", "uri"];

/// A certificate that a peer presents. Any bytes are judged, and nothing is accepted but what an
/// authority has signed: the certificates that it has signed are known.
pub fn certificate(der: &[u8]) {
    type Known = (Arc<Trust>, Arc<CryptoProvider>, Vec<Vec<u8>>);
    static TRUST: LazyLock<Known> = LazyLock::new(|| {
        let read = |name: &str| {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tls");
            let folder = folder.replace("/tests/fuzz/tests", "/tests");
            let pem = std::fs::read(format!("{folder}/{name}.crt")).expect("it is there");
            CertificateDer::from_pem_slice(&pem).expect("it is a certificate")
        };
        let provider = Arc::new(ring::default_provider());
        let trust = Trust::new(["ca", "self"].map(read).into(), &provider);
        let known = ACCEPTED.map(|name| read(name).to_vec());
        (Arc::new(trust), provider, known.into())
    });
    let (trust, provider, known) = &*TRUST;
    let leaf = CertificateDer::from(der);
    // Within the dates of all of them.
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(2_000_000_000));
    let client = ClientVerifier::new(trust.clone(), provider.clone(), true);
    let server = ServerVerifier::new(trust.clone(), PeerNames::new(""));
    let dialled = ServerName::try_from("localhost").expect("it is a name");
    let accepted = client.verify_client_cert(&leaf, &[], now).is_ok()
        || server
            .verify_server_cert(&leaf, &[], &dialled, &[], now)
            .is_ok();
    assert!(!accepted || known.iter().any(|one| one == der));
    PeerNames::new("localhost .example").accept(&leaf);
}
