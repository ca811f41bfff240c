//! A value on its own: what DUMP gives and RESTORE takes.
//!
//! ```text
//!   type | value | version u16 | CRC-64 of all before          little-endian
//! ```

use super::version::{self, Refusal};
use super::write::Style;
use super::{Error, LATEST, Reader, VALKEY_VERSION, Writer, decode, encode, opcode};
use crate::algo::crc64::crc64;
use crate::keyspace::RdbVersions;
use crate::types::entry::{EntryRef, NewValue};

/// Version and sum.
const FOOTER: usize = 10;

/// The payload of a value, in the lowest of the versions that can hold it.
///
/// # Errors
/// If none of them can.
pub fn dump(entry: EntryRef, versions: RdbVersions, compress: bool) -> Result<Vec<u8>, Refusal> {
    let style = Style {
        version: version::for_value(entry, versions)?,
        compress,
        checksum: true,
        valkey: false,
    };
    let mut out = Writer::in_memory(style);
    out.byte(encode::kind_of(&out, entry));
    encode::value(&mut out, entry).map_err(|_| Refusal::of(entry, style.version, None))?;
    out.bytes(&(style.version as u16).to_le_bytes());
    let sum = out.checksum();
    out.bytes(&sum.to_le_bytes());
    Ok(out.into_bytes())
}

/// The payload of a hash with a template in the form that keeps the template, without a sum, as Redis logs
/// it; `None` if that form is none of the versions.
pub fn dump_template(entry: EntryRef, versions: RdbVersions) -> Option<Vec<u8>> {
    if versions.most < RdbVersions::TEMPLATES {
        return None;
    }
    let style = Style {
        version: RdbVersions::TEMPLATES,
        compress: true,
        checksum: false,
        valkey: false,
    };
    let mut out = Writer::in_memory(style);
    out.byte(encode::kind_of(&out, entry));
    encode::value(&mut out, entry).ok()?;
    out.bytes(&(style.version as u16).to_le_bytes());
    out.bytes(&[0; 8]);
    Some(out.into_bytes())
}

/// The value part of a payload, and whether Valkey made it; `None` if version or sum are wrong.
pub fn verify(payload: &[u8], skip_checksum: bool) -> Option<(&[u8], bool)> {
    let body_len = payload.len().checked_sub(FOOTER)?;
    let (body, footer) = payload.split_at(body_len);
    let (version, sum) = footer.split_at(2);
    let version = u16::from_le_bytes(version.try_into().ok()?) as u32;
    let valkey = version == VALKEY_VERSION;
    if version > LATEST && !valkey {
        return None;
    }
    if !skip_checksum {
        // As in a file, a sum of zero stands for none.
        let sum = u64::from_le_bytes(sum.try_into().ok()?);
        if sum != 0 && sum != crc64(0, &payload[..payload.len() - 8]) {
            return None;
        }
    }
    Some((body, valkey))
}

/// The payload of libraries of functions, as FUNCTION DUMP gives it.
pub fn dump_functions<'c>(
    codes: impl Iterator<Item = &'c [u8]>,
    versions: RdbVersions,
    compress: bool,
) -> Vec<u8> {
    let style = Style {
        version: versions.least,
        compress,
        checksum: true,
        valkey: false,
    };
    let mut out = Writer::in_memory(style);
    for code in codes {
        out.byte(opcode::FUNCTION);
        out.string(code);
    }
    out.bytes(&(style.version as u16).to_le_bytes());
    let sum = out.checksum();
    out.bytes(&sum.to_le_bytes());
    out.into_bytes()
}

/// The codes in the first part of a payload of functions; `Err` is the error in it.
///
/// # Errors
/// If it holds anything else.
pub fn restore_functions(body: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    let mut reader = Reader::of_bytes(body);
    let mut codes = Vec::new();
    while !reader.is_at_end() {
        match reader.byte() {
            Ok(opcode::FUNCTION) => {}
            Ok(opcode::FUNCTION_OLD) => return Err("Pre-GA function format not supported"),
            _ => return Err("given type is not a function"),
        }
        let code = reader.string_vec();
        codes.push(code.map_err(|_| "Failed loading library")?);
    }
    Ok(codes)
}

/// The value in the first part of a payload; all of it must be used.
///
/// # Errors
/// If the bytes are none that a server writes.
pub fn restore<'r>(reader: &'r mut Reader, with: &decode::Decode) -> Result<NewValue<'r>, Error> {
    let kind = reader.byte()?;
    decode::value(reader, kind, with)
}
