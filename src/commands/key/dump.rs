//! DUMP and RESTORE: a value as bytes, to be kept or taken elsewhere. The bytes are `rdb::dump`'s.

use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::commands::tell_overwritten;
use crate::keyspace::{RemovalReason, Sanitize};
use crate::rdb::decode::Decode;
use crate::rdb::{Reader, dump as payload};

const RESTORE_USAGE: &str = "key:key ttl:integer serialized-value:string [replace=REPLACE!3.0.0] \
                             [absttl=ABSTTL!5.0.0] [seconds:integer@IDLETIME!5.0.0] \
                             [frequency:integer@FREQ!5.0.0]";
const RESTORE_COST: &str = "O(1) to create the new key and additional O(N*M) to reconstruct the \
                            serialized value, where N is the number of objects composing the \
                            value and M their average size. For small string values the time \
                            complexity is thus O(1)+O(1*M) where M is small, so simply O(1). \
                            However for sorted set values the complexity is O(N*M*log(N)) because \
                            inserting values into sorted sets is O(log(N)).";

pub(super) const DUMP: DataCommand = Spec {
    name: "dump",
    usage: "key:key",
    since: "2.6.0",
    summary: "A value as bytes that RESTORE takes.",
    complexity: "O(1) to access the key and additional O(N*M) to serialize it, where N is \
    the number of objects composing the value and M their average size",
    tips: &["nondeterministic_output"],
    ..Spec::reading(Group::Generic)
}
.runs(dump);

fn dump(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (versions, compress) = (cx.tuning.rdb_versions, cx.tuning.rdb_compression);
    let mut db = cx.db();
    let Some(found) = db.read(args.key()) else {
        return reply.null();
    };
    match payload::dump(db.get(found), versions, compress) {
        Ok(bytes) => reply.bulk(&bytes),
        Err(refusal) => Err(CmdError::Text(format!("ERR {refusal}"))),
    }
}

/// The options of RESTORE.
#[derive(Default)]
struct Options {
    replace: bool,
    absolute: bool,
    idle_seconds: Option<i64>,
    frequency: Option<u8>,
}

fn options(args: &mut Args) -> Result<Options, CmdError> {
    let mut options = Options::default();
    while args.left() > 0 {
        if args.word("REPLACE") {
            options.replace = true;
        } else if args.word("ABSTTL") {
            options.absolute = true;
        } else if args.left() > 1 && options.frequency.is_none() && args.word("IDLETIME") {
            let seconds = args.int()?;
            if seconds < 0 {
                return Err(CmdError::Fixed("ERR Invalid IDLETIME value, must be >= 0"));
            }
            options.idle_seconds = Some(seconds);
        } else if args.left() > 1 && options.idle_seconds.is_none() && args.word("FREQ") {
            let frequency = u8::try_from(args.int()?)
                .map_err(|_| CmdError::Fixed("ERR Invalid FREQ value, must be >= 0 and <= 255"))?;
            options.frequency = Some(frequency);
        } else {
            return Err(CmdError::Syntax);
        }
    }
    Ok(options)
}

pub(super) const RESTORE: DataCommand = Spec {
    name: "restore",
    flags: all(&[WRITE, DENYOOM]),
    acl: &["dangerous"],
    keys: &[KeySpec::at(1, &[OW, UPDATE])],
    usage: RESTORE_USAGE,
    since: "2.6.0",
    summary: "Makes a key of the bytes that DUMP gave.",
    complexity: RESTORE_COST,
    history: &[
        ("3.0.0", "Takes REPLACE."),
        ("5.0.0", "Takes ABSTTL."),
        ("5.0.0", "Takes IDLETIME and FREQ."),
    ],
    ..Spec::of(Group::Generic)
}
.runs(restore);

pub(super) const RESTORE_ASKING: DataCommand = Spec {
    name: "restore-asking",
    flags: all(&[WRITE, DENYOOM, ASKING]),
    acl: &["dangerous", "keyspace"],
    keys: &[KeySpec::at(1, &[OW, UPDATE])],
    usage: RESTORE_USAGE,
    since: "3.0.0",
    summary: "What MIGRATE sends to another server of the cluster.",
    complexity: RESTORE_COST,
    internal: true,
    history: &[
        ("3.0.0", "Takes REPLACE."),
        ("5.0.0", "Takes ABSTTL."),
        ("5.0.0", "Takes IDLETIME and FREQ."),
    ],
    ..Spec::of(Group::Server)
}
.runs(restore);

fn restore(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let argv = args.argv();
    let (key, ttl_at, bytes) = (args.key(), args.position(), {
        args.bytes();
        args.bytes()
    });
    let options = options(args)?;
    if !options.replace && cx.db().write(key).is_some() {
        return Err(CmdError::Fixed("BUSYKEY Target key name already exists."));
    }
    let ttl_ms = crate::algo::number::parse_i64(argv.at(ttl_at)).ok_or(CmdError::NotInteger)?;
    if ttl_ms < 0 {
        return Err(CmdError::Fixed("ERR Invalid TTL value, must be >= 0"));
    }
    let (body, valkey) = payload::verify(bytes, cx.tuning.skip_checksum).ok_or(CmdError::Fixed(
        "ERR DUMP payload version or checksum are wrong",
    ))?;
    let hasher = cx.db().entries().hasher().clone();
    // Every payload is checked; the setting decides which of them INFO counts.
    let is_sanitized = match cx.tuning.sanitize {
        Sanitize::No => false,
        Sanitize::Yes => true,
        Sanitize::Clients => !cx.caller.must_obey && !cx.caller.trusted,
    };
    let with = Decode {
        tuning: cx.tuning,
        hasher: &hasher,
        valkey,
    };
    let mut reader = Reader::of_bytes(body);
    cx.keyspace.shared.stats.sanitized += is_sanitized as u64;
    let value = payload::restore(&mut reader, &with).map_err(|error| {
        let shown = String::from_utf8_lossy(key).escape_debug().to_string();
        log::warn!("Internal error in RDB reading of a payload for key '{shown}' -> {error}");
        CmdError::Fixed("ERR Bad data format")
    })?;
    let now_ms = cx.now_ms();
    let deadline_ms = match (ttl_ms, options.absolute) {
        (0, _) => None,
        (ms, true) => Some(ms),
        (ms, false) => Some(now_ms.saturating_add(ms)),
    };
    let old = cx.db().write(key);
    let old_kind = old.map(|found| cx.db().get(found).kind());
    if let Some(found) = old {
        cx.db().remove(found, RemovalReason::Overwritten);
    }
    if deadline_ms.is_some_and(|ms| ms <= now_ms && !cx.caller.must_obey) {
        // It would be gone at once; only what it replaced has left.
        cx.keyspace.shared.stats.expired += 1;
        if old.is_some() {
            cx.propagate_as([cx.tuning.word_for_deleted(), key]);
            cx.changed(Event::DEL, key);
        }
        return reply.ok();
    }
    let kind = value.kind();
    let mut db = cx.db();
    let found = db.add(key, value, deadline_ms);
    db.set_age(found, options.idle_seconds, options.frequency);
    if let (Some(deadline_ms), false) = (deadline_ms, options.absolute) {
        let mut buffer = itoa::Buffer::new();
        let deadline = buffer.format(deadline_ms).as_bytes();
        let said = argv.iter().enumerate();
        let words = said.map(|(at, word)| if at == ttl_at { deadline } else { word });
        let absolute = std::iter::once(&b"ABSTTL"[..]);
        cx.propagate_as(words.chain(absolute));
    }
    cx.also(Event::NEW, key);
    cx.changed(Event::RESTORE, key);
    if let Some(old) = old_kind {
        tell_overwritten(cx, cx.db, key, old, kind);
    }
    reply.ok()
}

#[cfg(test)]
mod tests {
    use crate::engine::Engine;
    use crate::keyspace::RdbVersions;

    fn bulk(reply: &[u8]) -> Vec<u8> {
        let at = reply.iter().position(|&b| b == b'\n').expect("a bulk") + 1;
        reply[at..reply.len() - 2].to_vec()
    }

    #[test]
    fn payloads_are_those_of_redis() {
        let mut e = Engine::new();
        e.ask("SET a 12345");
        let payload = bulk(&e.run(&["DUMP", "a"]));
        // That of Redis 7.2, the oldest version that can hold it.
        assert_eq!(payload[..6], *b"\x00\xc1\x39\x30\x0b\x00");
        let of_redis_8_2 = b"\x00\xc1\x39\x30\x0c\x00V\xe2\xde\xe7i\xd6\x96\xf0";
        let restore: [&[u8]; 4] = [b"RESTORE", b"b", b"0", of_redis_8_2];
        assert_eq!(e.run(&restore), b"+OK\r\n");
        e.ask("HSET h f v");
        e.ask("HEXPIRE h 100 FIELDS 1 f");
        let payload = bulk(&e.run(&["DUMP", "h"]));
        assert_eq!(payload[payload.len() - 10..payload.len() - 8], [12, 0]);
        e.tuning().rdb_versions = RdbVersions::exactly(11);
        assert_eq!(
            e.ask("DUMP h"),
            "-ERR RDB version 11 cannot hold hash fields with a deadline: key 'h', type hash, needs \
             version 12"
        );
        assert_eq!(e.ask("DUMP nosuch"), "$-1");
    }

    #[test]
    fn a_value_is_restored_with_its_deadline() {
        let mut e = Engine::new();
        e.freeze_at_ms(1_000_000);
        e.ask("RPUSH a x y 3");
        let payload = bulk(&e.run(&["DUMP", "a"]));
        let run = |e: &mut Engine, words: &[&[u8]]| {
            String::from_utf8_lossy(&e.run(words)).trim_end().to_owned()
        };
        let busy = "-BUSYKEY Target key name already exists.";
        assert_eq!(run(&mut e, &[b"RESTORE", b"a", b"0", &payload]), busy);
        assert_eq!(run(&mut e, &[b"RESTORE", b"b", b"500", &payload]), "+OK");
        assert_eq!(e.ask("PTTL b"), ":500");
        assert_eq!(e.ask("LRANGE b 0 -1"), "*3 $1 x $1 y $1 3");
        let expired: &[&[u8]] = &[b"RESTORE", b"b", b"5", &payload, b"REPLACE", b"ABSTTL"];
        assert_eq!(run(&mut e, expired), "+OK");
        assert_eq!(e.outcome().propagated_text(), "DEL b");
        assert_eq!(e.ask("EXISTS b"), ":0");
        let mut broken = payload.clone();
        broken[3] ^= 1;
        let refused = "-ERR DUMP payload version or checksum are wrong";
        assert_eq!(run(&mut e, &[b"RESTORE", b"c", b"0", &broken]), refused);
        assert_eq!(
            run(&mut e, &[b"RESTORE", b"c", b"0", &payload, b"FREQ", b"256"]),
            "-ERR Invalid FREQ value, must be >= 0 and <= 255"
        );
    }
}
