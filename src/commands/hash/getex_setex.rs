//! HGETDEL, HGETEX and HSETEX: values and deadlines in one step.

use super::expire::{Names, fields, find, propagate_gone};
use super::options::{self, FieldList, ListRules};
use super::{OverdueFields, leave_if_empty};
use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::keyspace::Found;
use crate::keyspace::hash::{FieldDeadline, HashRef, stays_small};
use crate::resp::request::Argv;

pub(super) const HGETDEL: DataCommand = Spec {
    name: "hgetdel",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, ACCESS, DELETE])],
    usage: "key:key fields{numfields:integer field:string...}@FIELDS",
    since: "8.0.0",
    summary: "The values of fields, which are removed.",
    complexity: "O(1) for each field",
    ..Spec::of(Group::Hash)
}
.runs(hgetdel);

fn hgetdel(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let found = find(cx, key)?;
    let names = fields(args)?;
    reply.array(names.len())?;
    let Some(found) = found else {
        return names.iter().try_for_each(|_| reply.null());
    };
    let mut fields = OverdueFields::at(cx, found)?;
    let (mut removed, mut gone) = (0, Names::new());
    for name in &names {
        fields.reply_value(cx, name, reply)?;
        if cx.db().remove_field(found, name) {
            removed += 1;
            if cx.effects.tells_fields() {
                gone.push(*name);
            }
        }
    }
    if removed == 0 {
        fields.end(cx);
        return Ok(());
    }
    cx.changed(Event::HDEL, key);
    cx.of_fields(gone);
    cx.effects.count_changes(removed - 1);
    leave_if_empty(cx, found, key);
    cx.propagate_as([b"HDEL".as_slice(), key].into_iter().chain(names));
    Ok(())
}

/// The effect of HGETEX on deadlines.
#[derive(Clone, Copy)]
enum Change {
    None,
    Persist,
    Set(i64),
}

impl Change {
    /// Parses the change and the list of fields.
    fn parse<'a>(args: &mut Args<'a>, now_ms: i64) -> Result<(Change, FieldList<'a>), CmdError> {
        const RULES: ListRules = ListRules {
            per_field: 1,
            least: (1, "ERR wrong number of arguments for 'hgetex' command"),
            bad_count: options::INVALID_COUNT,
            no_list: "ERR wrong number of arguments for 'hgetex' command",
        };
        const TWO: CmdError = CmdError::Fixed(
            "ERR Only one of EX, PX, EXAT, PXAT or PERSIST arguments can be specified",
        );
        let mut change = Change::None;
        let list = options::parse(args, &RULES, |args| {
            let given = !matches!(change, Change::None);
            change = match options::deadline(args, now_ms, HGETEX.name(), (given, TWO))? {
                Some(deadline_ms) => Change::Set(deadline_ms),
                None if !args.word("PERSIST") => return Ok(false),
                None if given => return Err(TWO),
                None => Change::Persist,
            };
            Ok(true)
        })?;
        Ok((change, list))
    }
}

pub(super) const HGETEX: DataCommand = Spec {
    name: "hgetex",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, ACCESS, UPDATE])
        .noting("RW and UPDATE because it changes the TTL")],
    usage: "key:key [expiration(seconds:integer@EX|milliseconds:integer@PX|unix-time-seconds:unix-time@EXAT|unix-time-milliseconds:unix-time@PXAT|persist=PERSIST)] fields{numfields:integer field:string...}@FIELDS",
    since: "8.0.0",
    summary: "Returns the values of fields and changes their deadlines.",
    complexity: "O(1) for each field",
    ..Spec::of(Group::Hash)
}
.runs(hgetex);

fn hgetex(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let found = find(cx, key)?;
    let now_ms = cx.now_ms();
    let (change, list) = Change::parse(args, now_ms)?;
    let names: Names = list.fields.iter().collect();
    reply.array(names.len())?;
    let Some(found) = found else {
        return names.iter().try_for_each(|_| reply.null());
    };
    let mut fields = OverdueFields::at(cx, found)?;
    if !matches!(change, Change::None) {
        let (tuning, mut db) = (cx.tuning, cx.keyspace.db(cx.db));
        db.hash_to_list(found, tuning);
    }
    let mut touched = Names::new();
    for name in &names {
        let there = fields.has(cx, name);
        fields.reply_value(cx, name, reply)?;
        if there && change_field(cx, found, name, change) {
            touched.push(*name);
        }
    }
    if touched.is_empty() {
        fields.end(cx);
        return Ok(());
    }
    tell_changed(cx, (key, found), change, (&names, &touched));
    Ok(())
}

/// Changes the deadline of a field that is there; returns whether it did.
fn change_field(cx: &mut Cx, found: Found, name: &[u8], change: Change) -> bool {
    let now_ms = cx.now_ms();
    let must_obey = cx.caller.must_obey;
    let (tuning, mut db) = (cx.tuning, cx.keyspace.db(cx.db));
    match change {
        Change::None => false,
        Change::Set(deadline_ms) if deadline_ms <= now_ms && !must_obey => {
            db.remove_field(found, name)
        }
        Change::Set(deadline_ms) => {
            db.set_field_deadline(found, name, Some(deadline_ms), tuning);
            true
        }
        Change::Persist => {
            let field = db.hash_at(found).ok().and_then(|hash| hash.get(name));
            let volatile = field.is_some_and(|field| field.deadline_ms.is_some());
            if volatile {
                db.set_field_deadline(found, name, None, tuning);
            }
            volatile
        }
    }
}

/// Notes and propagates the changes that HGETEX made to some of the given fields.
fn tell_changed(
    cx: &mut Cx,
    (key, found): (&[u8], Found),
    change: Change,
    (names, touched): (&Names, &Names),
) {
    let (mut at, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
    let fields: [&[u8]; 2] = [b"FIELDS", count.format(names.len()).as_bytes()];
    let fields = fields.into_iter().chain(names.iter().copied());
    match change {
        Change::Set(deadline_ms) if deadline_ms <= cx.now_ms() && !cx.caller.must_obey => {
            propagate_gone(cx, key, touched);
            cx.changed(Event::HDEL, key);
            cx.of_fields(touched.iter().copied());
            leave_if_empty(cx, found, key);
        }
        Change::Set(deadline_ms) => {
            let words: [&[u8]; 3] = [b"HPEXPIREAT", key, at.format(deadline_ms).as_bytes()];
            cx.propagate_as(words.into_iter().chain(fields));
            cx.changed(Event::HEXPIRE, key);
            cx.of_fields(touched.iter().copied());
        }
        Change::Persist | Change::None => {
            let words: [&[u8]; 2] = [b"HPERSIST", key];
            cx.propagate_as(words.into_iter().chain(fields));
            cx.changed(Event::HGETEX_PERSIST, key);
            cx.of_fields(touched.iter().copied());
        }
    }
    cx.effects.count_changes(touched.len() as u64 - 1);
}

/// The condition of HSETEX.
#[derive(Clone, Copy, PartialEq)]
enum When {
    Always,
    NoneThere,
    AllThere,
}

impl When {
    const WORDS: [(&'static str, When); 2] = [("FNX", When::NoneThere), ("FXX", When::AllThere)];
}

/// The conditions of HSETEX on its key.
const KEY_CONDITIONS: [(&str, bool); 2] = [("NX", false), ("XX", true)];

/// The arguments of HSETEX.
struct Order<'a> {
    when: When,
    /// NX or XX: whether the key must exist, as in Valkey.
    key_exists: Option<bool>,
    deadline: FieldDeadline,
    /// The index of the option with the deadline.
    time_at: Option<usize>,
    pairs: Argv<'a>,
}

impl<'a> Order<'a> {
    fn parse(args: &mut Args<'a>, now_ms: i64) -> Result<Order<'a>, CmdError> {
        const RULES: ListRules = ListRules {
            per_field: 2,
            least: (1, "ERR wrong number of arguments for 'hsetex' command"),
            bad_count: options::INVALID_COUNT,
            no_list: "ERR wrong number of arguments for 'hsetex' command",
        };
        const BOTH: CmdError =
            CmdError::Fixed("ERR Only one of FXX or FNX arguments can be specified");
        const TWO: CmdError = CmdError::Fixed(
            "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
        );
        let (mut when, mut deadline, mut time_at) = (When::Always, FieldDeadline::Clear, None);
        let mut key_exists = None;
        let list = options::parse(args, &RULES, |args| {
            if let Some((_, one)) = When::WORDS.iter().find(|(word, _)| args.word(word)) {
                if when != When::Always {
                    return Err(BOTH);
                }
                when = *one;
                return Ok(true);
            }
            if let Some((_, exists)) = KEY_CONDITIONS.iter().find(|(word, _)| args.word(word)) {
                if key_exists.is_some_and(|other: bool| other != *exists) {
                    return Err(CmdError::Syntax);
                }
                key_exists = Some(*exists);
                return Ok(true);
            }
            let (given, at) = (deadline != FieldDeadline::Clear, args.position());
            deadline = match options::deadline(args, now_ms, HSETEX.name(), (given, TWO))? {
                Some(deadline_ms) => {
                    time_at = Some(at);
                    FieldDeadline::At(deadline_ms)
                }
                None if !args.word("KEEPTTL") => return Ok(false),
                None if given => return Err(TWO),
                None => FieldDeadline::Keep,
            };
            Ok(true)
        })?;
        Ok(Order {
            when,
            key_exists,
            deadline,
            time_at,
            pairs: list.fields,
        })
    }
}

pub(super) const HSETEX: DataCommand = Spec {
    name: "hsetex",
    flags: all(&[WRITE, DENYOOM, FAST]),
    keys: &[KeySpec::at(1, &[RW, UPDATE])],
    usage: "key:key [key-condition(nx=NX|xx=XX)] [condition(fnx=FNX|fxx=FXX)] [expiration(seconds:integer@EX|milliseconds:integer@PX|unix-time-seconds:unix-time@EXAT|unix-time-milliseconds:unix-time@PXAT|keepttl=KEEPTTL)] fields{numfields:integer data{field:string value:string}...}@FIELDS",
    since: "8.0.0",
    summary: "Sets fields together with their deadline.",
    complexity: "O(1) for each field",
    ..Spec::of(Group::Hash)
}
.runs(hsetex);

fn hsetex(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let now_ms = cx.now_ms();
    let order = Order::parse(args, now_ms)?;
    let count = order.pairs.len() / 2;
    let names = || (0..count).map(|i| order.pairs.at(2 * i));
    let found = find(cx, key)?;
    let is_wanted = order
        .key_exists
        .is_none_or(|exists| exists == found.is_some());
    if !is_wanted || !allowed(cx, found, order.when, names()) {
        return reply.int(0);
    }
    let found = match found {
        Some(found) => found,
        None => {
            cx.also(Event::NEW, key);
            cx.db().add_hash(key)
        }
    };
    let (tuning, mut db) = (cx.tuning, cx.keyspace.db(cx.db));
    if !matches!(db.hash_at(found)?, HashRef::Table(_) | HashRef::Template(_))
        && !stays_small(count, order.pairs.iter(), tuning)
    {
        db.hash_to_table(found);
    }
    let past = matches!(order.deadline, FieldDeadline::At(ms) if ms <= now_ms);
    for (name, value) in super::pairs(order.pairs) {
        db.put_field(found, name, value, order.deadline, tuning);
    }
    db.fit_template(found, tuning);
    cx.changed(Event::HSET, key);
    cx.of_fields(names());
    cx.effects.count_changes(count as u64 - 1);
    if order.key_exists.is_some() {
        propagate_unconditional(cx, key, &order);
    }
    let FieldDeadline::At(deadline_ms) = order.deadline else {
        return reply.int(1);
    };
    if past && !cx.caller.must_obey {
        let names: Names = names().collect();
        for name in &names {
            cx.db().remove_field(found, name);
        }
        propagate_gone(cx, key, &names);
        cx.also(Event::HDEL, key);
        cx.of_fields(names.iter().copied());
        leave_if_empty(cx, found, key);
    } else {
        cx.also(Event::HEXPIRE, key);
        cx.of_fields(names());
        if let (Some(time_at), None) = (order.time_at, order.key_exists) {
            propagate_absolute(cx, args.argv(), time_at, deadline_ms);
        }
    }
    reply.int(1)
}

/// Whether the fields are there, or not, as HSETEX demands. Overdue ones go on the way.
fn allowed<'a>(
    cx: &mut Cx,
    found: Option<Found>,
    when: When,
    names: impl Iterator<Item = &'a [u8]>,
) -> bool {
    let Some(found) = found else {
        return when != When::AllThere;
    };
    if when == When::Always {
        return true;
    }
    let Ok(mut fields) = OverdueFields::at(cx, found) else {
        return false;
    };
    for name in names {
        if fields.has(cx, name) != (when == When::AllThere) {
            fields.end(cx);
            return false;
        }
    }
    true
}

/// Propagates HSETEX without its conditions: Redis does not know those on the key.
fn propagate_unconditional(cx: &mut Cx, key: &[u8], order: &Order) {
    let (mut at, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
    let deadline: &[&[u8]] = match order.deadline {
        FieldDeadline::Clear => &[],
        FieldDeadline::Keep => &[b"KEEPTTL"],
        FieldDeadline::At(ms) => &[b"PXAT", at.format(ms).as_bytes()],
    };
    let count = count.format(order.pairs.len() / 2).as_bytes();
    cx.propagate_as(
        ([b"HSETEX".as_slice(), key].into_iter())
            .chain(deadline.iter().copied())
            .chain([b"FIELDS".as_slice(), count])
            .chain(order.pairs.iter()),
    );
}

/// Propagates HSETEX as it came, but with the moment in the place of the time.
fn propagate_absolute(cx: &mut Cx, argv: Argv, time_at: usize, deadline_ms: i64) {
    if argv.at(time_at).eq_ignore_ascii_case(b"PXAT") {
        return;
    }
    let mut buffer = itoa::Buffer::new();
    let at = buffer.format(deadline_ms).as_bytes();
    cx.propagate_as(argv.iter().enumerate().map(|(i, word)| match i {
        i if i == time_at => b"PXAT",
        i if i == time_at + 1 => at,
        _ => word,
    }));
}
