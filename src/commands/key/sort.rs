//! SORT and SORT_RO: the elements of a collection, ordered by themselves or by other keys.
//!
//! Elements are copied out first; then each gets its weight, which may come from another key; then
//! they are sorted, and the requested range is returned or stored. A pattern names a key by
//! putting the element in the place of its `*`, and with `->` a field of the hash there.

use super::pieces::{By, Pieces, word};
use crate::algo::number::parse_f64;
use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::commands::hash::OverdueFields;
use crate::commands::put;
use crate::keyspace::{Deadline, Found, RemovalReason, list};
use crate::resp::request::Argv;
use crate::types::listpack::Item;
use crate::types::quicklist::Toward;
use crate::types::value::Kind;
use std::cmp::Ordering;

const NO_NUMBER: CmdError =
    CmdError::Fixed("ERR One or more scores can't be converted into double");

/// The arguments of SORT.
#[derive(Default)]
struct Order<'a> {
    /// The pattern of the keys that hold the weights.
    by: Option<&'a [u8]>,
    /// The elements stay in the order in which they are.
    unsorted: bool,
    descending: bool,
    alpha: bool,
    limit: Option<(i64, i64)>,
    get: Vec<&'a [u8]>,
    store: Option<&'a [u8]>,
    /// The index of the destination key among the arguments.
    store_at: usize,
}

impl Order<'_> {
    /// Whether elements are their own weights and their own results.
    fn is_plain(&self) -> bool {
        (self.by.is_none() || self.unsorted) && self.get.is_empty()
    }
}

pub(super) const SORT: DataCommand = Spec {
    name: "sort",
    flags: all(&[WRITE, DENYOOM, MOVABLEKEYS, BY_PATTERN]),
    acl: &["-keyspace", "set", "sortedset", "list", "dangerous"],
    keys: &[KeySpec::at(1, &[RO, ACCESS]), KeySpec::unknown(&[RO, ACCESS]).noting("For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the content of the key we sort"), KeySpec::unknown(&[OW, UPDATE]).noting("For the optional STORE keyword. It is marked 'unknown' because the keyword can appear anywhere in the argument array")],
    find: Some(keys_of_sort),
    usage: "key:key [by-pattern~pattern:pattern#1@BY] [limit{offset:integer count:integer}@LIMIT] [get-pattern~pattern:pattern#1@GET+...] [order(asc=ASC|desc=DESC)] [sorting=ALPHA] [destination:key#2@STORE]",
    since: "1.0.0",
    summary: "Sorts what a list, a set or a sorted set holds, and may store the result.",
    complexity: "O(N+M*log(M)) where N is the number of elements and M the number of those returned",
    ..Spec::of(Group::Generic)
}
.runs(sort);

pub(super) fn sort(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let order = parse(cx.caller.confined, args, true)?;
    run(cx, key, order, reply)
}

pub(super) const SORT_RO: DataCommand = Spec {
    name: "sort_ro",
    flags: all(&[READONLY, MOVABLEKEYS, BY_PATTERN]),
    acl: &["-keyspace", "set", "sortedset", "list", "dangerous"],
    keys: &[KeySpec::at(1, &[RO, ACCESS]), KeySpec::unknown(&[RO, ACCESS]).noting("For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the content of the key we sort")],
    usage: "key:key [by-pattern~pattern:pattern#1@BY] [limit{offset:integer count:integer}@LIMIT] [get-pattern~pattern:pattern#1@GET+...] [order(asc=ASC|desc=DESC)] [sorting=ALPHA]",
    since: "7.0.0",
    summary: "Sorts what a list, a set or a sorted set holds.",
    complexity: "O(N+M*log(M)) where N is the number of elements and M the number of those returned",
    ..Spec::of(Group::Generic)
}
.runs(sort_ro);

/// SORT_RO: the same without STORE.
fn sort_ro(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let order = parse(cx.caller.confined, args, false)?;
    run(cx, key, order, reply)
}

/// The keys among the arguments of SORT: of several destinations the last one counts.
pub(super) fn keys_of_sort(
    argv: &Argv,
    found: &mut Vec<(usize, KeyFlags)>,
) -> Result<(), InvalidKeys> {
    if argv.len() < 2 {
        return Err(InvalidKeys);
    }
    let store_at = match parse(false, &mut Args::new(*argv, 2), true) {
        Ok(order) => order.store.map(|_| order.store_at),
        Err(_) => likely_destination(argv),
    };
    found.push((1, key_flags(&[RO, ACCESS])));
    found.extend(store_at.map(|at| (at, key_flags(&[OW, UPDATE]))));
    Ok(())
}

/// The destination among options that are not in order, as Redis finds it: the last one, and what
/// stands behind STORE may be an option itself.
fn likely_destination(argv: &Argv) -> Option<usize> {
    let (mut at, mut found) = (2, None);
    while at < argv.len() {
        let is = |word: &str| argv.at(at).eq_ignore_ascii_case(word.as_bytes());
        if is("STORE") && at + 1 < argv.len() {
            found = Some(at + 1);
        }
        at += match () {
            _ if is("LIMIT") => 3,
            _ if is("GET") || is("BY") => 2,
            _ => 1,
        };
    }
    found
}

/// Reads the options. `confined`: the caller may not read all keys, so patterns are refused.
fn parse<'a>(confined: bool, args: &mut Args<'a>, may_store: bool) -> Result<Order<'a>, CmdError> {
    let mut order = Order::default();
    while args.left() > 0 {
        let more = args.left() - 1;
        if args.word("asc") {
            order.descending = false;
        } else if args.word("desc") {
            order.descending = true;
        } else if args.word("alpha") {
            order.alpha = true;
        } else if more >= 2 && args.word("limit") {
            order.limit = Some((args.int()?, args.int()?));
        } else if may_store && more >= 1 && args.word("store") {
            order.store_at = args.position();
            order.store = Some(args.key());
        } else if more >= 1 && args.word("by") {
            let pattern = args.bytes();
            // A pattern without a star names the same key for all: there is nothing to sort by.
            let sorts = pattern.contains(&b'*');
            if sorts && confined {
                return Err(CmdError::Fixed(
                    "ERR BY option of SORT denied due to insufficient ACL permissions.",
                ));
            }
            order.unsorted |= !sorts;
            order.by = Some(pattern);
        } else if more >= 1 && args.word("get") {
            if confined {
                return Err(CmdError::Fixed(
                    "ERR GET option of SORT denied due to insufficient ACL permissions.",
                ));
            }
            order.get.push(args.bytes());
        } else {
            return Err(CmdError::Syntax);
        }
    }
    Ok(order)
}

fn run(cx: &mut Cx, key: &[u8], mut order: Order, reply: &mut Reply) -> CmdResult {
    let mut elements = match cx.db().read(key) {
        Some(found) => elements(cx, found, &mut order)?,
        None => Pieces::with_room(0, By::Nothing),
    };
    let (start, count) = range(elements.len(), order.limit);
    let range = start..start + count;
    if order.is_plain() {
        if !order.unsorted {
            elements.sort(&range, order.descending);
        }
        let results = elements.range(range);
        return match order.store {
            Some(to) => store(cx, to, results, reply),
            None => {
                begin_reply(results.len(), reply)?;
                results
                    .into_iter()
                    .try_for_each(|result| reply.bulk(result))
            }
        };
    }
    let mut rows = weigh(cx, &elements, &order)?;
    if !order.unsorted {
        let lexical = order.store.is_some();
        rows.sort_by(|a, b| {
            let natural = compare(a, b, &order, lexical);
            if order.descending {
                natural.reverse()
            } else {
                natural
            }
        });
    }
    let rows = &rows[range];
    match order.store {
        Some(to) => {
            let mut results = Vec::new();
            for_results(cx, rows, &order, |result| {
                results.push(result.unwrap_or_default().to_vec());
                Ok(())
            })?;
            store(cx, to, results.iter().map(Vec::as_slice), reply)
        }
        None => write_rows(cx, rows, &order, reply),
    }
}

/// The elements of a collection, in its own order or, unsorted and descending, in the reverse.
fn elements(cx: &mut Cx, found: Found, order: &mut Order) -> Result<Pieces, CmdError> {
    let in_script = cx.caller.in_script;
    let mut db = cx.db();
    let kind = db.get(found).kind();
    // The order of a set is no order: what is stored, and what a script gets, is sorted all the same,
    // and there is nothing to reverse.
    if kind == Kind::Set && order.unsorted && (order.store.is_some() || in_script) {
        (order.unsorted, order.alpha, order.by) = (false, true, None);
    }
    let by = match order.by {
        _ if order.unsorted || !order.is_plain() => By::Nothing,
        _ if order.alpha => By::Word(order.store.is_none()),
        _ => By::Number,
    };
    let mut elements = Pieces::with_room(0, by);
    let mut right = true;
    match kind {
        Kind::List => {
            let list = db.list_at(found)?;
            elements = Pieces::with_room(list.len(), by);
            list.walk(0, Toward::Tail, |item| {
                right &= elements.push(item, parse_f64);
                true
            });
        }
        Kind::Zset => {
            // As Redis does, a sorted set that was sorted is no listpack any more.
            db.zset_to_skiplist(found);
            let set = db.zset_at(found)?;
            set.all(|member, _| {
                right &= elements.push(Item::of(member), parse_f64);
                true
            });
        }
        Kind::Set => {
            let set = db.set_at(found)?;
            set.iter()
                .for_each(|item| right &= elements.push(item, parse_f64));
        }
        Kind::String | Kind::Hash | Kind::Stream | Kind::Array => return Err(CmdError::WrongType),
    }
    if !right {
        return Err(NO_NUMBER);
    }
    if kind != Kind::Set && order.unsorted && order.descending {
        elements.reverse();
    }
    Ok(elements)
}

/// The start and the length of the requested range.
fn range(len: usize, limit: Option<(i64, i64)>) -> (usize, usize) {
    let (offset, count) = limit.unwrap_or((0, -1));
    let start = usize::try_from(offset).unwrap_or(0).min(len);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    (start, count.min(len - start))
}

/// An element with what it is sorted by.
struct Row {
    element: Vec<u8>,
    score: f64,
    /// With BY and ALPHA: the string at its key, if there is one.
    word: Option<Vec<u8>>,
}

fn weigh(cx: &mut Cx, elements: &Pieces, order: &Order) -> Result<Vec<Row>, CmdError> {
    let mut rows = Vec::with_capacity(elements.len());
    let mut wrong = false;
    for element in elements.range(0..elements.len()) {
        let mut row = Row {
            element: element.to_vec(),
            score: 0.0,
            word: None,
        };
        if !order.unsorted {
            let by = match order.by {
                Some(pattern) => look_up(cx, pattern, &row.element),
                None if order.alpha => None,
                None => Some(row.element.clone()),
            };
            if order.alpha {
                row.word = by;
            } else if let Some(text) = by {
                let score = parse_f64(&text);
                wrong |= score.is_none();
                row.score = score.unwrap_or(0.0);
            }
        }
        rows.push(row);
    }
    match wrong {
        true => Err(NO_NUMBER),
        false => Ok(rows),
    }
}

fn compare(a: &Row, b: &Row, order: &Order, lexical: bool) -> Ordering {
    if order.alpha && order.by.is_some() {
        return match (&a.word, &b.word) {
            (Some(a), Some(b)) => collate(a, b, lexical),
            // A row without a weight sorts first.
            (a, b) => a.is_some().cmp(&b.is_some()),
        };
    }
    if order.alpha {
        return collate(&a.element, &b.element, lexical);
    }
    // Equal weights: the elements themselves, so that the result is always the same.
    let by_score = a.score.partial_cmp(&b.score).unwrap_or(Ordering::Equal);
    by_score.then_with(|| a.element.cmp(&b.element))
}

/// The order of words. As in Redis under the C locale, a word ends at a zero byte unless the result
/// is stored.
fn collate(a: &[u8], b: &[u8], lexical: bool) -> Ordering {
    word(a, !lexical).cmp(word(b, !lexical))
}

/// The value that a pattern names for an element; `#` is the element itself.
fn look_up(cx: &mut Cx, pattern: &[u8], element: &[u8]) -> Option<Vec<u8>> {
    if pattern == b"#" {
        return Some(element.to_vec());
    }
    let star = pattern.iter().position(|&byte| byte == b'*')?;
    let (before, behind) = (&pattern[..star], &pattern[star + 1..]);
    let arrow = behind.windows(2).position(|two| two == b"->");
    // An arrow that nothing follows belongs to the name.
    let (behind, field) = match arrow {
        Some(at) if at + 2 < behind.len() => (&behind[..at], Some(&behind[at + 2..])),
        _ => (behind, None),
    };
    let key = [before, element, behind].concat();
    let mut db = cx.db();
    let found = db.read(&key)?;
    match field {
        None => {
            let string = db.string_at(found).ok()?;
            Some(string.as_bytes(&mut itoa::Buffer::new()).to_vec())
        }
        Some(field) => {
            let mut fields = OverdueFields::at(cx, found).ok()?;
            let value = fields.value(cx, field);
            fields.end(cx);
            value
        }
    }
}

/// Calls `each` with the results: the elements, or the values that the GET patterns name for each.
fn for_results(
    cx: &mut Cx,
    rows: &[Row],
    order: &Order,
    mut each: impl FnMut(Option<&[u8]>) -> CmdResult,
) -> CmdResult {
    for row in rows {
        if order.get.is_empty() {
            each(Some(&row.element))?;
        }
        for pattern in &order.get {
            each(look_up(cx, pattern, &row.element).as_deref())?;
        }
    }
    Ok(())
}

fn begin_reply(len: usize, reply: &mut Reply) -> CmdResult {
    // A SORT that stores nothing changes nothing, though it is declared to write.
    reply.set_may_end(true);
    reply.array(len)
}

fn write_rows(cx: &mut Cx, rows: &[Row], order: &Order, reply: &mut Reply) -> CmdResult {
    begin_reply(rows.len() * order.get.len().max(1), reply)?;
    for_results(cx, rows, order, |result| match result {
        Some(result) => reply.bulk(result),
        None => reply.null(),
    })
}

/// Stores the results as a list; none at all leave no key.
fn store<'r>(
    cx: &mut Cx,
    to: &[u8],
    results: impl ExactSizeIterator<Item = &'r [u8]>,
    reply: &mut Reply,
) -> CmdResult {
    let len = results.len();
    if len > 0 {
        let value = list::build(results, cx.tuning);
        put(cx, to, value, Kind::List, Deadline::Clear);
        if let Some(found) = cx.db().peek(to) {
            let tuning = cx.tuning;
            cx.db().list_shrunk(found, tuning);
        }
        cx.effects.count_changes(len as u64);
        cx.also(Event::SORTSTORE, to);
    } else if let Some(found) = cx.db().write(to) {
        cx.db().remove(found, RemovalReason::Deleted);
        cx.changed(Event::DEL, to);
    }
    reply.int(len as i64)
}

#[cfg(test)]
mod tests {

    use crate::engine::Engine;

    #[test]
    fn overdue_fields_are_removed_on_access() {
        let mut e = Engine::new();
        e.freeze_at_ms(1_000_000);
        e.ask("RPUSH ids 1 2");
        e.ask("HSET user:1 score 50");
        e.ask("HSETEX user:2 PX 1 FIELDS 1 score 70");
        e.advance_ms(5);
        assert_eq!(e.keyspace().len(), 3);
        assert_eq!(
            e.ask("SORT ids BY user:*->score GET user:*->score"),
            "*2 $-1 $2 50"
        );
        assert_eq!(e.keyspace().len(), 2);
    }

    #[test]
    fn sorts_by_itself_and_by_others() {
        let mut e = Engine::new();
        e.ask("RPUSH l 3 10 2 1");
        assert_eq!(e.ask("SORT l"), "*4 $1 1 $1 2 $1 3 $2 10");
        assert_eq!(e.ask("SORT l ALPHA DESC"), "*4 $1 3 $1 2 $2 10 $1 1");
        assert_eq!(e.ask("SORT l DESC LIMIT 1 2"), "*2 $1 3 $1 2");
        e.ask("MSET w_1 9 w_2 8 w_3 7 w_10 10 n_1 one n_2 two");
        assert_eq!(
            e.ask("SORT l BY w_* LIMIT 0 2 GET # GET n_*"),
            "*4 $1 3 $-1 $1 2 $3 two"
        );
        assert_eq!(e.ask("SORT l BY nosort DESC"), "*4 $1 1 $1 2 $2 10 $1 3");
        assert_eq!(e.ask("SORT l BY n_* ALPHA LIMIT 2 2"), "*2 $1 1 $1 2");
        assert_eq!(e.ask("SORT none"), "*0");
        assert_eq!(e.ask("SORT w_1"), WRONG);
        assert_eq!(e.ask("SORT_RO l STORE d"), "-ERR syntax error");
        e.ask("RPUSH l x");
        assert_eq!(
            e.ask("SORT l"),
            "-ERR One or more scores can't be converted into double"
        );
    }

    const WRONG: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

    #[test]
    fn results_are_stored() {
        let mut e = Engine::new();
        e.ask("RPUSH l 3 2 1");
        assert_eq!(e.ask("SORT l STORE d"), ":3");
        assert_eq!(
            (e.outcome().dirty, e.outcome().events_text().as_str()),
            (3, "new d, sortstore d")
        );
        assert_eq!(e.ask("LRANGE d 0 -1"), "*3 $1 1 $1 2 $1 3");
        assert_eq!(e.ask("OBJECT ENCODING d"), "$8 listpack");
        assert_eq!(e.ask("SORT l GET no_* STORE d"), ":3");
        assert_eq!(e.ask("LRANGE d 0 -1"), "*3 $0  $0  $0");
        assert_eq!(e.ask("SORT none STORE d"), ":0");
        assert_eq!(
            (e.outcome().dirty, e.outcome().events_text().as_str()),
            (1, "del d")
        );
    }

    #[test]
    fn weights_read_as_redis_reads_them() {
        let mut e = Engine::new();
        e.ask("RPUSH l k j");
        e.ask("SET w_j 15");
        for (weight, order) in [("+1.5", "k j"), ("0x10", "j k"), ("inf", "j k")] {
            e.ask(&format!("SET w_k {weight}"));
            let sorted: Vec<&str> = order.split(' ').collect();
            let shown = format!("*2 $1 {} $1 {}", sorted[0], sorted[1]);
            assert_eq!(e.ask("SORT l BY w_*"), shown, "{weight}");
        }
        for wrong in ["x", "nan", ".", "1e400", "1e-400"] {
            e.ask(&format!("SET w_k {wrong}"));
            assert_eq!(
                e.ask("SORT l BY w_*"),
                "-ERR One or more scores can't be converted into double",
                "{wrong:?}"
            );
        }
    }
}
