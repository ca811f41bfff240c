//! XADD, XTRIM, XSETID, XLEN: what makes a stream longer or shorter at its ends.

use super::STREAM;
use super::args::{Form, NewId, Producer, add_or_trim, node_limits, strict_id};
use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::keyspace::{DbMut, Found};
use crate::types::stream::{Bound, IdText, References, Stream, StreamId, content_id};
use crate::types::value::Kind;
use std::borrow::Cow;

const TOO_SMALL: CmdError = CmdError::Fixed(
    "ERR The ID specified in XADD is equal or smaller than the target stream top item",
);
/// The most that one entry holds, in bytes.
const ENTRY_MAX: usize = 1 << 30;

/// The id of a new entry.
fn next_id(stream: &Stream, new: NewId, now_ms: i64) -> Result<StreamId, CmdError> {
    let last = stream.last_id();
    let id = match new {
        NewId::Exact(id) => id,
        NewId::At(ms) if ms == last.ms => {
            StreamId::new(ms, last.seq.checked_add(1).ok_or(TOO_SMALL)?)
        }
        NewId::At(ms) => StreamId::new(ms, 0),
        NewId::Auto => {
            let now = StreamId::new(now_ms.max(0) as u64, 0);
            return if now.ms > last.ms {
                Ok(now)
            } else {
                last.next().ok_or(TOO_SMALL)
            };
        }
    };
    (id > last).then_some(id).ok_or(TOO_SMALL)
}

pub(super) const XADD: DataCommand = Spec {
    name: "xadd",
    flags: all(&[WRITE, DENYOOM, FAST]),
    keys: &[KeySpec::at(1, &[RW, UPDATE])
        .noting("UPDATE instead of INSERT because of the optional trimming feature")],
    usage: "key:key [nomkstream=NOMKSTREAM!6.2.0] [condition(keepref=KEEPREF|delref=DELREF|acked=ACKED)] [idmp(pid:string@IDMPAUTO|idmp{pid:string iid:string}@IDMP)!8.6.0] [trim{strategy(maxlen=MAXLEN|minid=MINID!6.2.0) [operator(equal=\"=\"|approximately=\"~\")] threshold:string [count:integer@LIMIT!6.2.0]}] id-selector(auto-id=\"*\"|id:string) data{field:string value:string}...",
    since: "5.0.0",
    summary: "Appends an entry to a stream, which is made if it is not there, and may trim it.",
    complexity: "O(1); with trimming O(N) for N entries removed",
    tips: &["nondeterministic_output"],
    history: &[
        ("6.2.0", "Takes NOMKSTREAM, MINID and LIMIT."),
        ("7.0.0", "Takes an id whose second part is left open."),
        ("8.2.0", "Takes KEEPREF, DELREF and ACKED."),
    ],
    ..Spec::of(STREAM)
}
.runs(xadd);

fn xadd(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let options = add_or_trim(cx, args, Form::Add)?;
    let (id_at, parts) = (args.position().wrapping_sub(1), args.left());
    let new = form_of_id(options.id, parts)?;
    let (now_ms, limits) = (cx.now_ms(), node_limits(cx.tuning));
    let (retention, obeys) = (cx.tuning.stream_retention, cx.caller.must_obey);
    let rest = args.rest();
    let fields = (0..parts).map(move |i| rest.at(i));
    let mut db = cx.db();
    let found = db.write(key);
    let producer = options.producer;
    let producer = producer.map(|it| identify(args, it, fields.clone()));
    if let Some(producer) = producer.as_ref().filter(|_| new == NewId::Auto)
        && let Some(known) = duplicate(&mut db, found, producer, (obeys, now_ms))?
    {
        cx.effects.count_changes(u64::from(known.is_some()));
        return match known {
            Some(id) => reply.bulk(id.text(&mut IdText::default())),
            None => reply.null(),
        };
    }
    if let Some(found) = found {
        let stream = db.stream_at(found)?;
        if stream.last_id() == StreamId::MAX {
            return Err(CmdError::Fixed(
                "ERR The stream has exhausted the last possible ID, unable to add more items",
            ));
        }
    } else if !options.make {
        return reply.null();
    }
    if fields.clone().map(<[u8]>::len).sum::<usize>() > ENTRY_MAX {
        return Err(CmdError::Fixed("ERR Elements are too large to be stored"));
    }
    let at = match found {
        Some(found) => found,
        None => db.add_stream(key, retention),
    };
    let stream = db.stream_mut(at)?;
    let id = match next_id(stream, new, now_ms) {
        Ok(id) => id,
        Err(error) => {
            // As Redis does: a stream made for the entry stays when its id is refused.
            if found.is_none() {
                cx.also(Event::NEW, key);
            }
            return Err(error);
        }
    };
    stream.append(id, fields, limits);
    if let Some((name, iid)) = &producer {
        // A replica judges the age of ids by the clock of its primary.
        let now_ms = if obeys { id.unix_ms() } else { now_ms };
        stream.producers_mut().record(name, iid, id, now_ms);
    }
    let trimmed = options
        .trim
        .map_or(0, |trim| stream.trim(trim, options.references));
    let after = (stream.len(), stream.first_id());
    if producer.is_some() {
        db.arm_producers(at);
    }
    if found.is_none() {
        cx.also(Event::NEW, key);
    }
    cx.changed(Event::XADD, key);
    cx.grew(Kind::Stream, key);
    cx.effects.count_changes(trimmed);
    if trimmed > 0 {
        cx.also(Event::XTRIM, key);
    }
    let text = id.text(&mut IdText::default()).to_vec();
    let decided =
        !matches!(new, NewId::Exact(_)) || options.trim.is_some_and(|trim| trim.approximate);
    if decided && cx.effects.propagates() {
        propagate(cx, args, &options, (id_at, Some(&text)), after);
    }
    reply.bulk(&text)
}

/// The form of the id of a new entry, if so many words behind it are its fields.
fn form_of_id(id: Option<NewId>, parts: usize) -> Result<NewId, CmdError> {
    let id = id.filter(|_| parts >= 2 && parts.is_multiple_of(2));
    match id.ok_or_else(|| CmdError::arity(XADD.name()))? {
        NewId::Exact(StreamId::MIN) => Err(CmdError::Fixed(
            "ERR The ID specified in XADD must be greater than 0-0",
        )),
        new => Ok(new),
    }
}

/// The name of an idempotent producer, and the id that it gives an entry.
type Identity<'a> = (&'a [u8], Cow<'a, [u8]>);

fn identify<'a>(
    args: &Args<'a>,
    producer: Producer,
    fields: impl Iterator<Item = &'a [u8]>,
) -> Identity<'a> {
    let argv = args.argv();
    let iid = match producer.iid_at {
        Some(at) => Cow::Borrowed(argv.at(at)),
        None => Cow::Owned(content_id(fields).to_vec()),
    };
    (argv.at(producer.name_at), iid)
}

/// The entry that a producer added under this id before, which is counted as a duplicate. `None` if
/// the entry is new; within, `None` if it is a duplicate of one that is unknown here.
fn duplicate(
    db: &mut DbMut,
    found: Option<Found>,
    (name, iid): &Identity,
    (obeys, now_ms): (bool, i64),
) -> Result<Option<Option<StreamId>>, CmdError> {
    let stream = found.map(|found| db.stream_mut(found)).transpose()?;
    let producers = stream.and_then(|stream| stream.producers.as_mut());
    let known = producers.and_then(|producers| {
        let known = match obeys {
            true => producers.peek(name, iid),
            false => producers.find(name, iid, now_ms),
        };
        known.inspect(|_| producers.count_duplicate())
    });
    // For a caller that is obeyed it was a duplicate: of entries that it adds it sends the ids.
    Ok((known.is_some() || obeys).then_some(known))
}

/// The command with what was decided here: the id, and the exact result of an approximate trim.
fn propagate(
    cx: &mut Cx,
    args: &Args,
    options: &super::args::AddOrTrim,
    (id_at, id): (usize, Option<&[u8]>),
    (len, first): (u64, StreamId),
) {
    let argv = args.argv();
    let mut out: Vec<Vec<u8>> = argv.iter().map(<[u8]>::to_vec).collect();
    if let Some(trim) = options.trim
        && trim.approximate
    {
        out[options.threshold_at - 1] = b"=".to_vec();
        // Where entries that are needed stay in between, the first id does not tell what went.
        let by_len = matches!(trim.bound, Bound::MaxLen(_))
            || options.references == References::Acknowledged;
        if by_len && matches!(trim.bound, Bound::MinId(_)) {
            out[options.threshold_at - 2] = b"MAXLEN".to_vec();
        }
        out[options.threshold_at] = match by_len {
            true => len.to_string().into_bytes(),
            false => first.to_string().into_bytes(),
        };
    }
    if let Some(id) = id {
        out[id_at] = id.to_vec();
    }
    cx.propagate_as(out);
}

pub(super) const XTRIM: DataCommand = Spec {
    name: "xtrim",
    flags: WRITE,
    keys: &[KeySpec::at(1, &[RW, DELETE])],
    usage: "key:key trim{strategy(maxlen=MAXLEN|minid=MINID!6.2.0) [operator(equal=\"=\"|approximately=\"~\")] threshold:string [count:integer@LIMIT!6.2.0] [condition(keepref=KEEPREF|delref=DELREF|acked=ACKED)]}",
    since: "5.0.0",
    summary: "Removes the oldest entries down to a length or up to an id.",
    complexity: "O(N) for N entries removed",
    tips: &["nondeterministic_output"],
    history: &[("6.2.0", "Takes MINID and LIMIT."), ("8.2.0", "Takes KEEPREF, DELREF and ACKED.")],
    ..Spec::of(STREAM)
}
.runs(xtrim);

fn xtrim(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let options = add_or_trim(cx, args, Form::Trim)?;
    let trim = options
        .trim
        .expect("XTRIM without a bound is refused above");
    let mut db = cx.db();
    let Some(stream) = db.stream_for_write(key)? else {
        return reply.int(0);
    };
    let trimmed = stream.trim(trim, options.references);
    let after = (stream.len(), stream.first_id());
    if trimmed > 0 {
        cx.changed(Event::XTRIM, key);
        cx.effects.count_changes(trimmed - 1);
        if trim.approximate && cx.effects.propagates() {
            propagate(cx, args, &options, (0, None), after);
        }
    }
    reply.int(trimmed as i64)
}

pub(super) const XLEN: DataCommand = Spec {
    name: "xlen",
    flags: all(&[READONLY, FAST]),
    keys: &[KeySpec::at(1, &[RO])],
    usage: "key:key",
    since: "5.0.0",
    summary: "How many entries a stream has.",
    complexity: "O(1)",
    ..Spec::of(STREAM)
}
.runs(xlen);

fn xlen(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let len = cx.db().stream(args.key())?.map_or(0, Stream::len);
    reply.int(len as i64)
}

pub(super) const XSETID: DataCommand = Spec {
    name: "xsetid",
    flags: all(&[WRITE, DENYOOM, FAST]),
    keys: &[KeySpec::at(1, &[RW, UPDATE])],
    usage: "key:key last-id:string [entries-added:integer@ENTRIESADDED!7.0.0] [max-deleted-id:string@MAXDELETEDID!7.0.0]",
    since: "5.0.0",
    summary: "Sets a stream's last id and what lag is counted from.",
    complexity: "O(1)",
    history: &[("7.0.0", "Takes ENTRIESADDED and MAXDELETEDID.")],
    ..Spec::of(STREAM)
}
.runs(xsetid);

fn xsetid(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let id = strict_id(args.bytes(), 0)?;
    let (mut added, mut max_deleted) = (None, None);
    while let Some(word) = args.option() {
        if word.eq_ignore_ascii_case(b"entriesadded") && args.left() > 0 {
            added = Some(
                u64::try_from(args.int()?)
                    .map_err(|_| CmdError::Fixed("ERR entries_added must be positive"))?,
            );
        } else if word.eq_ignore_ascii_case(b"maxdeletedid") && args.left() > 0 {
            let deleted = strict_id(args.bytes(), 0)?;
            if id < deleted {
                return Err(CmdError::Fixed(
                    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                ));
            }
            max_deleted = Some(deleted);
        } else {
            return Err(CmdError::Syntax);
        }
    }
    let mut db = cx.db();
    let stream = db.stream_for_write(key)?.ok_or(CmdError::NoSuchKey)?;
    if id < stream.max_deleted_id() {
        return Err(CmdError::Fixed(
            "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id",
        ));
    }
    if !stream.is_empty() {
        if id < stream.last_live_id() {
            return Err(CmdError::Fixed(
                "ERR The ID specified in XSETID is smaller than the target stream top item",
            ));
        }
        if added.is_some_and(|added| added < stream.len()) {
            return Err(CmdError::Fixed(
                "ERR The entries_added specified in XSETID is smaller than the target stream length",
            ));
        }
    }
    stream.set_ids(id, added, max_deleted.filter(|&id| id != StreamId::MIN));
    cx.changed(Event::XSETID, key);
    reply.ok()
}
