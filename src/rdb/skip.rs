//! Values passed over by their structure alone: lengths are followed, content is not looked at.
//!
//! So a value whose content is broken does not hide the records behind it. Called by the salvage of
//! a damaged file.

use super::record::skip_module;
use super::template::FileTemplate;
use super::{Error, Reader, Result, kind};

/// Passes over the value of type `kind` that follows. `valkey`: the file is Valkey's, which means
/// something else by some numbers.
///
/// # Errors
/// If the structure is broken too.
pub fn value(r: &mut Reader, kind: u8, valkey: bool) -> Result<()> {
    match kind {
        kind::STRING
        | kind::HASH_ZIPMAP
        | kind::LIST_ZIPLIST
        | kind::SET_INTSET
        | kind::ZSET_ZIPLIST
        | kind::HASH_ZIPLIST
        | kind::HASH_LISTPACK
        | kind::ZSET_LISTPACK
        | kind::SET_LISTPACK
        | kind::HASH_LISTPACK_EX_OLD
        | kind::HASH_TEMPLATE_REF => r.skip_string(),
        kind::LIST | kind::SET | kind::LIST_QUICKLIST => times(r, Reader::skip_string),
        kind::LIST_QUICKLIST_2 => times(r, |r| {
            r.length()?;
            r.skip_string()
        }),
        kind::ZSET => times(r, |r| {
            r.skip_string()?;
            match r.byte()? {
                253.. => Ok(()),
                len => r.skip(len as usize),
            }
        }),
        kind::ZSET_2 => times(r, |r| {
            r.skip_string()?;
            r.skip(8)
        }),
        kind::HASH => times(r, strings::<2>),
        kind::HASH_METADATA_OLD if valkey => times(r, |r| {
            strings::<2>(r)?;
            r.skip(8)
        }),
        kind::HASH_METADATA_OLD => times(r, told_field),
        kind::HASH_METADATA => {
            r.skip(8)?;
            times(r, told_field)
        }
        kind::HASH_LISTPACK_EX => {
            r.skip(8)?;
            r.skip_string()
        }
        kind::HASH_TEMPLATE => {
            names(r)?;
            r.skip_string()
        }
        kind::HASH_TEMPLATE_SPREAD => {
            let count = names(r)?;
            (0..count).try_for_each(|_| r.skip_string())
        }
        kind::HASH_TEMPLATE_SPREAD_REF => {
            let number = r.length()?;
            let count = r.templates.get(&number).map_or(0, FileTemplate::len);
            (0..count).try_for_each(|_| r.skip_string())
        }
        kind::STREAM | kind::STREAM_2 | kind::STREAM_3 | kind::STREAM_4 | kind::STREAM_5 => {
            stream(r, kind)
        }
        kind::ARRAY => array(r),
        kind::MODULE_2 => {
            r.length()?;
            skip_module(r)
        }
        unknown => Err(Error::UnknownKind(unknown)),
    }
}

/// The names in front of the values of a hash; returns how many.
fn names(r: &mut Reader) -> Result<usize> {
    super::template::names(r).map(|names| names.len())
}

/// A length, and as many items.
fn times(r: &mut Reader, mut item: impl FnMut(&mut Reader) -> Result<()>) -> Result<()> {
    for _ in 0..r.length()? {
        item(r)?;
    }
    Ok(())
}

fn strings<const N: usize>(r: &mut Reader) -> Result<()> {
    (0..N).try_for_each(|_| r.skip_string())
}

fn lengths<const N: usize>(r: &mut Reader) -> Result<()> {
    (0..N).try_for_each(|_| r.length().map(drop))
}

/// A field with its deadline in front.
fn told_field(r: &mut Reader) -> Result<()> {
    r.length()?;
    strings::<2>(r)
}

fn array(r: &mut Reader) -> Result<()> {
    let count = r.length()?;
    if r.length()? != 0 {
        r.length()?;
    }
    for _ in 0..count {
        r.length()?;
        match r.length()? {
            1 | 2 => r.skip(8)?,
            _ => r.skip_string()?,
        }
    }
    Ok(())
}

fn stream(r: &mut Reader, kind: u8) -> Result<()> {
    times(r, strings::<2>)?;
    lengths::<3>(r)?;
    if kind >= kind::STREAM_2 {
        lengths::<5>(r)?;
    }
    times(r, |r| {
        r.skip_string()?;
        lengths::<2>(r)?;
        if kind >= kind::STREAM_2 {
            r.length()?;
        }
        times(r, |r| {
            r.skip(16 + 8)?;
            r.length().map(drop)
        })?;
        times(r, |r| {
            r.skip_string()?;
            r.skip(if kind >= kind::STREAM_3 { 16 } else { 8 })?;
            times(r, |r| r.skip(16))
        })?;
        match kind >= kind::STREAM_5 {
            true => times(r, |r| r.skip(16)),
            false => Ok(()),
        }
    })?;
    if kind < kind::STREAM_4 {
        return Ok(());
    }
    lengths::<2>(r)?;
    times(r, |r| {
        r.skip_string()?;
        times(r, |r| {
            r.skip_string()?;
            lengths::<2>(r)
        })
    })?;
    lengths::<2>(r)
}
