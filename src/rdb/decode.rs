//! Decoding values: every form that any version wrote, in the encoding for our thresholds.
//!
//! A compact form is checked (`sound`) and then taken as it lies in the buffer; nothing is built
//! element by element unless the form asks for it.

use super::decode_stream::stream;
use super::sound::{self, unsound};
use super::{Error, Reader, Result, kind, legacy, template};
use crate::keyspace::hash::HashRef;
use crate::keyspace::set::{SetRef, SetValue};
use crate::keyspace::zset::Build;
use crate::keyspace::{DbMut, Tuning, list, string, zset};
use crate::types::entries::KeyHasher;
use crate::types::entry::{INLINE_MAX, NewValue};
use crate::types::fields::{self, FieldList, FieldTable};
use crate::types::intset;
use crate::types::listpack::{self, Item};
use crate::types::quicklist::{Node, Quicklist};
use crate::types::value::{Encoding, Heap, Kind};

/// Strings from this length on are read into their final buffer, not copied once more.
const LARGE: usize = 64 << 10;
/// Containers of a list's nodes.
const PLAIN: u64 = 1;
const PACKED: u64 = 2;

/// The limits and checks of decoding.
#[derive(Clone, Copy)]
pub struct Decode<'t> {
    pub tuning: &'t Tuning,
    pub hasher: &'t KeyHasher,
    /// The bytes come from Valkey, which means something else by some numbers.
    pub valkey: bool,
}

/// The value of type `kind` that follows.
///
/// # Errors
/// Where the bytes are none that a server writes; `Empty` for a collection of nothing.
#[inline]
pub fn value<'r>(r: &'r mut Reader, kind: u8, with: &Decode) -> Result<NewValue<'r>> {
    match r.had_templates && template::is_plain(kind) {
        true => template::read_marked(r, kind, with),
        false => plain(r, kind, with),
    }
}

/// As `value`, of a value without a mark before it.
pub(super) fn plain<'r>(r: &'r mut Reader, kind: u8, with: &Decode) -> Result<NewValue<'r>> {
    match kind {
        kind::STRING => text(r),
        kind::SET_INTSET => ints(r, with),
        kind::HASH_LISTPACK | kind::ZSET_LISTPACK | kind::SET_LISTPACK => compact(r, kind, with),
        kind::HASH_ZIPMAP | kind::HASH_ZIPLIST | kind::ZSET_ZIPLIST => old_compact(r, kind, with),
        kind::SET => members(r, with),
        kind::ZSET | kind::ZSET_2 => scores(r, kind, with),
        kind::HASH => pairs(r, with),
        kind::HASH_METADATA_OLD if with.valkey => fields(r, Deadlines::Valkey, with),
        kind::HASH_METADATA_OLD => fields(r, Deadlines::Absolute, with),
        kind::HASH_METADATA => fields(r, Deadlines::Relative, with),
        kind::HASH_LISTPACK_EX_OLD => field_list(r, with),
        kind::HASH_LISTPACK_EX => {
            r.millis()?;
            field_list(r, with)
        }
        kind::LIST => elements(r, with),
        kind::LIST_ZIPLIST | kind::LIST_QUICKLIST | kind::LIST_QUICKLIST_2 => nodes(r, kind, with),
        kind::STREAM | kind::STREAM_2 | kind::STREAM_3 | kind::STREAM_4 | kind::STREAM_5 => {
            stream(r, kind)
        }
        kind::ARRAY => super::array::read(r, with.tuning.array),
        kind::HASH_TEMPLATE
        | kind::HASH_TEMPLATE_REF
        | kind::HASH_TEMPLATE_SPREAD
        | kind::HASH_TEMPLATE_SPREAD_REF => template::read(r, kind, with),
        kind::MODULE => Err(Error::Module("of an early version".into())),
        kind::MODULE_2 => Err(Error::Module(module_name(r.length()?))),
        unknown => Err(Error::UnknownKind(unknown)),
    }
}

/// The nine letters in a module's number.
pub fn module_name(number: u64) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..9)
        .rev()
        .map(|place| LETTERS[(number >> (10 + 6 * place) & 0x3f) as usize] as char)
        .collect()
}

fn text<'r>(r: &'r mut Reader) -> Result<NewValue<'r>> {
    let span = r.string()?;
    if let super::read::Span::Int(n) = span {
        return Ok(NewValue::Int(n));
    }
    let bytes = r.span_bytes(&span);
    if bytes.len() >= LARGE {
        return Ok(string::raw_owned(bytes.to_vec()));
    }
    Ok(string::encode(bytes))
}

fn ints<'r>(r: &'r mut Reader, with: &Decode) -> Result<NewValue<'r>> {
    let span = r.string()?;
    let mut set = std::mem::take(&mut r.room);
    let read = intset::read_redis(r.text(&span)?, &mut set);
    r.room = set;
    let is_ascending = read.map_err(|_| Error::Corrupt("Intset integrity check failed."))?;
    if !is_ascending {
        r.mend("Intset with integers out of order detected")?;
        intset::sort(&mut r.room);
    }
    let set: &'r [u8] = &r.room;
    if intset::is_empty(set) {
        return Err(Error::Empty);
    }
    if intset::len(set) > with.tuning.set_max_intset_entries {
        return set_table(SetRef::Ints(set), with);
    }
    Ok(DbMut::compact_value(Kind::Set, set, Encoding::Intset))
}

/// A set as a table; none of its members may be there twice.
fn set_table(set: SetRef, with: &Decode) -> Result<NewValue<'static>> {
    let mut pack = crate::types::pack::Pack::of_members(with.hasher.clone());
    for item in set.iter() {
        if !pack.add(item) {
            return Err(Error::Corrupt("Duplicate set members detected"));
        }
    }
    let heap = Box::new(Heap::Set(Box::new(pack)));
    Ok(NewValue::Heap(heap, Encoding::Hashtable))
}

fn hash_table(hash: HashRef, with: &Decode) -> Result<NewValue<'static>> {
    table_of(hash, with).map(of_table)
}

/// A hash as a table; none of its fields may be there twice.
fn table_of(hash: HashRef, with: &Decode) -> Result<FieldTable> {
    let mut table = FieldTable::new(with.hasher.clone());
    let mut unique = true;
    hash.each(|f| unique &= insert_new(&mut table, f.name, f.value, f.deadline_ms));
    unique.then_some(table).ok_or(TWICE)
}

fn of_table(table: FieldTable) -> NewValue<'static> {
    let heap = Box::new(Heap::Hash(Box::new(table)));
    NewValue::Heap(heap, Encoding::Hashtable)
}

fn compact<'r>(r: &'r mut Reader, kind: u8, with: &Decode) -> Result<NewValue<'r>> {
    let span = r.string()?;
    let checked = sound::packed(r.text(&span)?, kind, with.hasher)?;
    if let Some(fault) = checked.fault {
        r.mend(fault)?;
        let lp = r.text(&span)?.to_vec();
        return mended(&lp, kind, r, with);
    }
    take(r.text(&span)?, kind, checked.count, with)
}

/// The value that a listpack becomes once it is checked.
fn adopt<'r>(lp: &'r [u8], kind: u8, with: &Decode) -> Result<NewValue<'r>> {
    let checked = sound::packed(lp, kind, with.hasher)?;
    match checked.fault {
        Some(fault) => Err(Error::Corrupt(fault)),
        None => take(lp, kind, checked.count, with),
    }
}

/// The value that a checked listpack becomes, by the number of its elements.
fn take<'r>(lp: &'r [u8], kind: u8, count: usize, with: &Decode) -> Result<NewValue<'r>> {
    let tuning = with.tuning;
    let kind = match kind {
        kind::SET_LISTPACK => {
            if count > tuning.set_max_listpack_entries {
                return set_table(SetRef::Listpack(lp), with);
            }
            Kind::Set
        }
        kind::HASH_LISTPACK | kind::HASH_ZIPLIST | kind::HASH_ZIPMAP => {
            if count > tuning.hash_max_listpack_entries {
                return hash_table(HashRef::Listpack(lp), with);
            }
            Kind::Hash
        }
        _ => {
            if count > tuning.zset_max_listpack_entries {
                return zset::large_of(lp, with.hasher)
                    .ok_or(Error::Corrupt("Duplicate zset fields detected"));
            }
            Kind::Zset
        }
    };
    Ok(DbMut::compact_value(kind, lp, Encoding::Listpack))
}

/// The value of a listpack with a fault that `sound::packed` names: its elements one by one.
fn mended<'r>(lp: &[u8], kind: u8, r: &'r mut Reader, with: &Decode) -> Result<NewValue<'r>> {
    let mut items = listpack::iter(lp);
    if kind == kind::SET_LISTPACK {
        let first = items.next().ok_or(Error::Empty)?;
        let len = listpack::len(lp);
        let mut set = SetValue::for_members(first, len, with.tuning, with.hasher);
        for item in listpack::iter(lp) {
            set.add(item, with.tuning, with.hasher);
        }
        return Ok(of_set(set, r));
    }
    let mut build = Build::new(with.hasher.clone());
    while let (Some(member), Some(score)) = (items.next(), items.next()) {
        let score = sound::score(score)?;
        build.add(member.as_bytes(&mut itoa::Buffer::new()), score);
    }
    Ok(match build.finish(with.tuning) {
        zset::Built::Small(lp) => compact_owned(Kind::Zset, lp, Encoding::Listpack, r),
        zset::Built::Large(value) => value,
    })
}

fn of_set(set: SetValue, r: &mut Reader) -> NewValue<'_> {
    match set {
        SetValue::Ints(bytes) => compact_owned(Kind::Set, bytes, Encoding::Intset, r),
        SetValue::Listpack(bytes) => compact_owned(Kind::Set, bytes, Encoding::Listpack, r),
        SetValue::Table(pack) => NewValue::Heap(Box::new(Heap::Set(pack)), Encoding::Hashtable),
    }
}

/// A ziplist or zipmap, turned into a listpack.
fn old_compact<'r>(r: &'r mut Reader, kind: u8, with: &Decode) -> Result<NewValue<'r>> {
    let span = r.string()?;
    let mut lp = std::mem::take(&mut r.room);
    lp.clear();
    lp.extend_from_slice(&listpack::EMPTY);
    let read = r.text(&span).and_then(|bytes| match kind {
        kind::HASH_ZIPMAP => legacy::zipmap(bytes, &mut lp),
        _ => legacy::ziplist(bytes, &mut lp),
    });
    r.room = lp;
    if read.map_err(|_| unsound(kind))? == 0 && kind == kind::HASH_ZIPMAP {
        return Err(unsound(kind));
    }
    let lp: &'r [u8] = &r.room;
    let long = with.tuning.hash_max_listpack_value;
    if kind == kind::HASH_ZIPMAP && listpack::iter(lp).any(|item| item.len() > long) {
        sound::groups(lp, 2, kind, with.hasher)?;
        return hash_table(HashRef::Listpack(lp), with);
    }
    adopt(lp, kind, with)
}

/// The number of elements that follow. An empty collection is an error.
fn count(r: &mut Reader) -> Result<u64> {
    match r.length()? {
        0 => Err(Error::Empty),
        len => Ok(len),
    }
}

fn members<'r>(r: &'r mut Reader, with: &Decode) -> Result<NewValue<'r>> {
    let len = count(r)?;
    let (mut set, mut is_unique) = (None::<SetValue>, true);
    for _ in 0..len {
        let span = r.string()?;
        let item = r.item(&span);
        let set = set.get_or_insert_with(|| {
            SetValue::for_members(item, len as usize, with.tuning, with.hasher)
        });
        is_unique &= set.add(item, with.tuning, with.hasher);
    }
    if !is_unique {
        r.mend("Duplicate set members detected")?;
    }
    Ok(of_set(set.ok_or(Error::Empty)?, r))
}

/// A compact value in a buffer of our own.
fn compact_owned<'r>(
    kind: Kind,
    bytes: Vec<u8>,
    encoding: Encoding,
    r: &'r mut Reader,
) -> NewValue<'r> {
    if bytes.len() > INLINE_MAX {
        return NewValue::Heap(Box::new(Heap::Compact(kind, bytes)), encoding);
    }
    r.room = bytes;
    NewValue::Compact(kind, &r.room, encoding)
}

fn scores<'r>(r: &'r mut Reader, kind: u8, with: &Decode) -> Result<NewValue<'r>> {
    let len = count(r)?;
    let mut build = Build::new(with.hasher.clone());
    for done in 0..len {
        let span = r.string()?;
        let mut member = std::mem::take(&mut r.room);
        member.clear();
        member.extend_from_slice(r.bytes(&span, &mut itoa::Buffer::new()));
        let score = match kind {
            kind::ZSET => r.double_text(),
            _ => r.double(),
        };
        let score = score?;
        if score.is_nan() {
            return Err(Error::Corrupt("Zset with NAN score detected"));
        }
        build.add(&member, score);
        r.room = member;
        if build.len() as u64 != done + 1 {
            return Err(Error::Corrupt("Duplicate zset fields detected"));
        }
    }
    Ok(match build.finish(with.tuning) {
        zset::Built::Small(lp) => compact_owned(Kind::Zset, lp, Encoding::Listpack, r),
        zset::Built::Large(value) => value,
    })
}

fn pairs<'r>(r: &'r mut Reader, with: &Decode) -> Result<NewValue<'r>> {
    let len = count(r)?;
    let tuning = with.tuning;
    let mut table = None;
    let mut lp = listpack::new();
    if len > tuning.hash_max_listpack_entries as u64 {
        table = Some(FieldTable::new(with.hasher.clone()));
    }
    let mut name = Vec::new();
    for _ in 0..len {
        r.string_into(&mut name)?;
        let span = r.string()?;
        let (field, value) = (Item::of(&name), r.item(&span));
        let long = name.len().max(value.len()) > tuning.hash_max_listpack_value;
        if long && table.is_none() {
            table = Some(table_of(HashRef::Listpack(&lp), with)?);
        }
        match &mut table {
            Some(table) => {
                if !insert_new(table, field, value, None) {
                    return Err(TWICE);
                }
            }
            None => listpack::append(&mut lp, [field, value]),
        }
    }
    Ok(match table {
        Some(table) => of_table(table),
        None if !sound::is_unique(&lp, 2, with.hasher) => return Err(TWICE),
        None => compact_owned(Kind::Hash, lp, Encoding::Listpack, r),
    })
}

const TWICE: Error = Error::Corrupt("Duplicate hash fields detected");

/// Adds a field; false if it is there.
fn insert_new(table: &mut FieldTable, name: Item, value: Item, deadline_ms: Option<i64>) -> bool {
    let fresh = table.find(name).is_none();
    if fresh {
        table.insert(name, value, deadline_ms);
    }
    fresh
}

/// The encoding of field deadlines.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deadlines {
    /// Before each field: the moment, or 0.
    Absolute,
    /// The least moment first; before each field one more than the distance to it, or 0.
    Relative,
    /// Behind each field: the moment in eight bytes, or -1.
    Valkey,
}

fn fields<'r>(r: &'r mut Reader, form: Deadlines, with: &Decode) -> Result<NewValue<'r>> {
    let least_ms = match form {
        Deadlines::Relative => r.millis()?,
        _ => 0,
    };
    let len = count(r)?;
    let tuning = with.tuning;
    let mut table = FieldTable::new(with.hasher.clone());
    let (mut name, mut value) = (Vec::new(), Vec::new());
    let mut small = len <= tuning.hash_max_listpack_entries as u64;
    for _ in 0..len {
        let told = match form {
            Deadlines::Valkey => 0,
            _ => {
                i64::try_from(r.length()?).map_err(|_| Error::Corrupt("An impossible deadline"))?
            }
        };
        r.string_into(&mut name)?;
        r.string_into(&mut value)?;
        let deadline_ms = match (form, told) {
            (Deadlines::Valkey, _) => match r.millis()? {
                -1 => None,
                ms => sound::deadline(ms)?,
            },
            (Deadlines::Relative, 1..) => sound::deadline(least_ms.saturating_add(told - 1))?,
            (_, told) => sound::deadline(told)?,
        };
        small &= name.len().max(value.len()) <= tuning.hash_max_listpack_value;
        if !insert_new(&mut table, Item::of(&name), Item::of(&value), deadline_ms) {
            return Err(TWICE);
        }
    }
    if !small {
        return Ok(of_table(table));
    }
    let mut list = fields::list_of_pairs(&listpack::EMPTY);
    fields::edit_list(&mut list, |list| {
        table.each(|field| list.insert(field.name, field.value, field.deadline_ms));
    });
    Ok(compact_owned(Kind::Hash, list, Encoding::ListpackEx, r))
}

/// A listpack of threes, ordered by deadline.
fn field_list<'r>(r: &'r mut Reader, with: &Decode) -> Result<NewValue<'r>> {
    let span = r.string()?;
    let lp = r.text(&span)?;
    let count = sound::groups(lp, 3, kind::HASH_LISTPACK_EX, with.hasher)?;
    let ordered = sound::deadlines_are_ordered(lp)?;
    let mut lp = lp.to_vec();
    if !ordered {
        r.mend("The deadlines of a hash's fields are out of order")?;
        lp = in_order(&lp)?;
    }
    let list = fields::list_of_threes(lp);
    if count > with.tuning.hash_max_listpack_entries {
        return hash_table(HashRef::List(FieldList::of(&list)), with);
    }
    Ok(compact_owned(Kind::Hash, list, Encoding::ListpackEx, r))
}

/// The same fields by their deadlines, those without last.
fn in_order(lp: &[u8]) -> Result<Vec<u8>> {
    let items: Vec<Item> = listpack::iter(lp).collect();
    let mut fields: Vec<(i64, &[Item])> = Vec::with_capacity(items.len() / fields::STEP);
    for field in items.chunks_exact(fields::STEP) {
        let ms = field[2].as_int().map_or(Ok(None), sound::deadline)?;
        fields.push((ms.unwrap_or(i64::MAX), field));
    }
    fields.sort_by_key(|(ms, _)| *ms);
    let mut ordered = listpack::new();
    for (_, field) in fields {
        listpack::append(&mut ordered, [field[0], field[1], field[2]]);
    }
    Ok(ordered)
}

fn elements<'r>(r: &'r mut Reader, with: &Decode) -> Result<NewValue<'r>> {
    let len = count(r)?;
    let tuning = with.tuning;
    let mut list = Quicklist::new(tuning.list_max_listpack_size, tuning.list_compress_depth);
    for _ in 0..len {
        let span = r.string()?;
        let mut buffer = itoa::Buffer::new();
        let element = r.bytes(&span, &mut buffer);
        list.push(
            crate::types::quicklist::End::Right,
            element,
            tuning.list_large_element,
        );
    }
    Ok(list::settle(list, tuning))
}

fn nodes<'r>(r: &'r mut Reader, kind: u8, with: &Decode) -> Result<NewValue<'r>> {
    let tuning = with.tuning;
    let len = match kind {
        kind::LIST_ZIPLIST => 1,
        _ => count(r)?,
    };
    let mut list = Quicklist::new(tuning.list_max_listpack_size, tuning.list_compress_depth);
    for _ in 0..len {
        let container = match kind {
            kind::LIST_QUICKLIST_2 => r.length()?,
            _ => PACKED,
        };
        let span = r.string()?;
        if container == PLAIN {
            let mut buffer = itoa::Buffer::new();
            match r.bytes(&span, &mut buffer) {
                b"" => return Err(Error::Corrupt("Quicklist integrity check failed.")),
                element => list.push_node_back(Node::plain(element)),
            }
            continue;
        }
        if container != PACKED {
            return Err(Error::Corrupt("Quicklist integrity check failed."));
        }
        if kind != kind::LIST_QUICKLIST_2 {
            let mut lp = std::mem::take(&mut r.room);
            lp.clear();
            lp.extend_from_slice(&listpack::EMPTY);
            let read = r.text(&span).and_then(|zl| legacy::ziplist(zl, &mut lp));
            if read.as_ref().is_ok_and(|&count| count > 0) {
                list.push_node_back(Node::from_listpack(&lp));
            }
            r.room = lp;
            read?;
            continue;
        }
        let lp = r.text(&span)?;
        let count = listpack::validate(lp, |_| true)
            .map_err(|_| Error::Corrupt("Listpack integrity check failed."))?;
        // A list of one small node is what it lies in the buffer.
        if len == 1 && count > 0 && list::is_inline(lp, count, tuning) {
            return Ok(NewValue::Compact(
                Kind::List,
                r.text(&span)?,
                Encoding::Listpack,
            ));
        }
        if count > 0 {
            list.push_node_back(Node::from_listpack(lp));
        }
    }
    if list.is_empty() {
        return Err(Error::Empty);
    }
    Ok(list::settle(list, tuning))
}
