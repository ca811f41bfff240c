//! Hashes with a template as bytes.
//!
//! ```text
//!   before the keys of a file, for each template
//!              TEMPLATE | number | count | names…
//!   29, 31     form 0 | listpack of names | values        in DUMP, and where the file has no number
//!              form 1 | count | names…    | values
//!   30         values                                     in a file
//!   32         number | values
//!
//!   values of 29, 30   a listpack: the number of the template, then each value
//!   values of 31, 32   each as a string
//! ```
//!
//! A version that does not know templates gets plain hashes. A mark before such hashes, which other servers
//! pass over, tells us that they had a template (`MARK`).

use super::decode::{self, Decode};
use super::{Error, Reader, Result, Writer, kind, opcode};
use crate::keyspace::RdbVersions;
use crate::keyspace::hash::HashRef;
use crate::keyspace::templates::{self, Templates};
use crate::types::entry::{EntryRef, NewValue};
use crate::types::listpack::{self, Item};
use crate::types::template::{Template, TemplateRef, ValuesRef, order};
use crate::types::value::{Heap, Kind, Value};
use std::sync::Arc;

/// The auxiliary field that stands before plain hashes which had a template (`1`), and before others
/// behind them (`0`).
pub const MARK: &[u8] = b"redwheel-hash-templates";

// Forms of names.
const PACKED: u64 = 0;
const STRINGS: u64 = 1;

/// Names that are written as a listpack: so many, each of so many bytes.
const PACKED_NAMES: usize = 512;
const PACKED_NAME: usize = 64;

const WRONG: Error = Error::Corrupt("Hash template integrity check failed.");
const TWICE: Error = Error::Corrupt("Duplicate hash fields detected");

/// The names of a template as a file has them.
#[derive(Debug, Clone)]
pub struct FileTemplate {
    template: Arc<Template>,
    /// The index in the template of each name of the file, if the order is another.
    places: Option<Vec<usize>>,
}

impl FileTemplate {
    fn of(names: Vec<Vec<u8>>) -> Result<FileTemplate> {
        let mut sorted: Vec<usize> = (0..names.len()).collect();
        sorted.sort_by(|&a, &b| order(&names[a], &names[b]));
        let is_twice = |two: &[usize]| names[two[0]] == names[two[1]];
        if names.is_empty() || sorted.windows(2).any(is_twice) {
            return Err(if names.is_empty() { WRONG } else { TWICE });
        }
        let template = Template::of_ordered(sorted.iter().map(|&at| names[at].as_slice()));
        Ok(FileTemplate {
            template: Arc::new(template),
            places: (!sorted.is_sorted()).then(|| {
                let mut places = vec![0; sorted.len()];
                (0..)
                    .zip(&sorted)
                    .for_each(|(place, &at)| places[at] = place);
                places
            }),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.template.len()
    }

    /// The value of a hash with these names.
    fn hash<'r>(
        self,
        mut values: Vec<Vec<u8>>,
        r: &'r mut Reader,
        with: &Decode,
    ) -> Result<NewValue<'r>> {
        if values.len() != self.template.len() {
            return Err(WRONG);
        }
        if let Some(places) = self.places {
            let mut sorted = vec![Vec::new(); values.len()];
            let moved = values.into_iter().zip(places);
            moved.for_each(|(value, place)| sorted[place] = value);
            values = sorted;
        }
        let items: Vec<Item> = values.iter().map(|value| Item::of(value)).collect();
        let value = templates::value(self.template, &items, &mut r.room, with.tuning);
        Ok(value)
    }
}

/// The hash of a type that has a template.
pub(super) fn read<'r>(r: &'r mut Reader, kind: u8, with: &Decode) -> Result<NewValue<'r>> {
    match kind {
        kind::HASH_TEMPLATE => {
            let names = names(r)?;
            let (_, values) = packed(r)?;
            names.hash(values, r, with)
        }
        kind::HASH_TEMPLATE_REF => {
            let (number, values) = packed(r)?;
            known(r, number)?.hash(values, r, with)
        }
        _ => {
            let names = match kind {
                kind::HASH_TEMPLATE_SPREAD => names(r)?,
                _ => {
                    let number = r.length()?;
                    known(r, number)?
                }
            };
            let values = (0..names.template.len()).map(|_| r.string_vec());
            let values = values.collect::<Result<Vec<_>>>()?;
            names.hash(values, r, with)
        }
    }
}

fn known(r: &Reader, number: u64) -> Result<FileTemplate> {
    r.templates.get(&number).cloned().ok_or(WRONG)
}

/// The names of a template as they stand before the values.
pub(super) fn names(r: &mut Reader) -> Result<FileTemplate> {
    let names = match r.length()? {
        PACKED => {
            let span = r.string()?;
            let lp = r.text(&span)?;
            listpack::validate(lp, |_| true).map_err(|_| WRONG)?;
            listpack::iter(lp).map(Item::to_vec).collect()
        }
        STRINGS => strings(r)?,
        _ => return Err(WRONG),
    };
    FileTemplate::of(names)
}

/// A length, and as many strings.
fn strings(r: &mut Reader) -> Result<Vec<Vec<u8>>> {
    (0..r.length()?).map(|_| r.string_vec()).collect()
}

/// The number of the template, and the values, of a listpack.
fn packed(r: &mut Reader) -> Result<(u64, Vec<Vec<u8>>)> {
    let span = r.string()?;
    let lp = r.text(&span)?;
    listpack::validate(lp, |_| true).map_err(|_| WRONG)?;
    let mut items = listpack::iter(lp);
    match items.next() {
        Some(Item::Int(number)) => Ok((number as u64, items.map(Item::to_vec).collect())),
        _ => Err(WRONG),
    }
}

/// Reads a template of the file.
pub(super) fn define(r: &mut Reader) -> Result<()> {
    let number = r.length()?;
    let names = strings(r)?;
    r.templates.insert(number, FileTemplate::of(names)?);
    Ok(())
}

/// The plain hash of a type in `is_plain`, which had a template.
pub(super) fn read_marked<'r>(r: &'r mut Reader, kind: u8, with: &Decode) -> Result<NewValue<'r>> {
    let last = r.last_template.take();
    let pairs = pairs_of(&decode::plain(r, kind, with)?).ok_or(WRONG)?;
    let names = pairs.iter().map(|(name, _)| name);
    let template = match last {
        Some(last)
            if last
                .template
                .names()
                .eq(names.clone().map(|name| &name[..])) =>
        {
            last
        }
        _ => FileTemplate::of(names.cloned().collect())?,
    };
    r.last_template = Some(template.clone());
    let values = pairs.into_iter().map(|(_, value)| value).collect();
    template.hash(values, r, with)
}

/// Whether a hash that had a template may be written as this type.
pub(super) fn is_plain(kind: u8) -> bool {
    matches!(kind, kind::HASH_LISTPACK | kind::HASH)
}

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fn pairs_of(value: &NewValue) -> Option<Pairs> {
    let encoding = value.encoding();
    let hash = match value {
        NewValue::Compact(Kind::Hash, lp, _) => HashRef::of(Value::Compact(lp), encoding),
        NewValue::Heap(heap, _) => match &**heap {
            Heap::Compact(Kind::Hash, lp) => HashRef::of(Value::Compact(lp), encoding),
            rich => HashRef::of(Value::Rich(rich), encoding),
        },
        _ => None,
    };
    let mut pairs = Vec::new();
    hash?.each(|field| pairs.push((field.name.to_vec(), field.value.to_vec())));
    Some(pairs)
}

/// Writes all templates that hashes of a file may refer to.
pub fn define_all(out: &mut Writer, templates: &Templates) {
    if out.version() < RdbVersions::TEMPLATES {
        return;
    }
    out.defines_templates = true;
    for template in templates.iter() {
        out.byte(opcode::TEMPLATE);
        out.length(template.number());
        out.length(template.len() as u64);
        template.names().for_each(|name| out.string(name));
    }
}

/// Writes the mark before a plain hash if it is not the one that stands.
#[cold]
pub(super) fn mark(out: &mut Writer, had_template: bool) {
    out.marks_templates = had_template;
    out.aux(MARK, if had_template { b"1" } else { b"0" });
}

/// Whether the next hash needs another mark before it.
#[inline(always)]
pub(super) fn needs_mark(out: &Writer, entry: EntryRef) -> bool {
    let is_template = entry.encoding().is_template();
    is_template != out.marks_templates
        && entry.kind() == Kind::Hash
        && out.version() < RdbVersions::TEMPLATES
}

fn refers(out: &Writer, template: &Template) -> bool {
    out.defines_templates && template.number() != Templates::UNLISTED
}

/// The type of a hash with a template, in a version that knows them.
pub(super) fn kind_of(out: &Writer, hash: TemplateRef) -> u8 {
    match (hash.values, refers(out, hash.template)) {
        (ValuesRef::Packed(_), false) => kind::HASH_TEMPLATE,
        (ValuesRef::Packed(_), true) => kind::HASH_TEMPLATE_REF,
        (ValuesRef::Spread(_), false) => kind::HASH_TEMPLATE_SPREAD,
        (ValuesRef::Spread(_), true) => kind::HASH_TEMPLATE_SPREAD_REF,
    }
}

/// Writes a hash with a template.
pub(super) fn write(out: &mut Writer, hash: TemplateRef) {
    let number = match hash.template.number() {
        Templates::UNLISTED => 0,
        number => number,
    };
    let refers = refers(out, hash.template);
    if !refers {
        write_names(out, hash.template);
    }
    match hash.values {
        ValuesRef::Packed(_) => {
            let mut lp = std::mem::take(&mut out.scratch);
            lp.clear();
            lp.extend_from_slice(&listpack::EMPTY);
            listpack::push_back(&mut lp, Item::Int(number as i64));
            hash.values
                .iter()
                .for_each(|it| listpack::push_back(&mut lp, it));
            out.string(&lp);
            out.scratch = lp;
        }
        ValuesRef::Spread(values) => {
            if refers {
                out.length(number);
            }
            values.iter().for_each(|value| out.string(value));
        }
    }
}

fn write_names(out: &mut Writer, template: &Template) {
    let short = template.names().all(|name| name.len() <= PACKED_NAME);
    if short && template.len() <= PACKED_NAMES {
        let mut lp = listpack::new();
        let names = template.names().map(Item::of);
        names.for_each(|name| listpack::push_back(&mut lp, name));
        out.length(PACKED);
        return out.string(&lp);
    }
    out.length(STRINGS);
    out.length(template.len() as u64);
    template.names().for_each(|name| out.string(name));
}
