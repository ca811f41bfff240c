//! The arguments of array commands: indexes and ranges.

use crate::algo::number::parse_u64;
use crate::command::{Args, CmdError};
use crate::types::array::{INDEX_MAX, Order};

pub const INVALID_INDEX: CmdError = CmdError::Fixed("ERR invalid array index");

/// An index, or one beyond the greatest.
///
/// Redis reads what is no plain number as C's `strtoull` does: blanks and a sign may come first, it
/// ends at a zero byte, and a minus counts from 2^64 down. Such indexes may stand in logs.
pub fn index_or_end(text: &[u8]) -> Result<u64, CmdError> {
    match parse_u64(text) {
        Some(index) => Ok(index),
        None => odd_index(text).ok_or(INVALID_INDEX),
    }
}

#[cold]
fn odd_index(text: &[u8]) -> Option<u64> {
    // One text for a negative number is refused, others are not.
    if crate::algo::number::parse_i64(text).is_some() {
        return None;
    }
    let text = text.split(|&byte| byte == 0).next()?;
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = text.iter().position(|byte| !is_blank(byte))?;
    let (is_negative, digits) = match &text[start..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let index = digits.iter().try_fold(0u64, |sum, digit| {
        sum.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    })?;
    Some(if is_negative {
        index.wrapping_neg()
    } else {
        index
    })
}

/// An index.
#[inline]
pub fn index(text: &[u8]) -> Result<u64, CmdError> {
    match index_or_end(text)? {
        index @ ..=INDEX_MAX => Ok(index),
        _ => Err(INVALID_INDEX),
    }
}

/// A range of indexes as it was given: the first may be greater than the last.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    pub low: u64,
    pub high: u64,
    pub order: Order,
}

impl Range {
    pub fn of(start: u64, end: u64) -> Range {
        let order = match start <= end {
            true => Order::Rising,
            false => Order::Falling,
        };
        Range {
            low: start.min(end),
            high: start.max(end),
            order,
        }
    }

    /// The two next arguments.
    pub fn next(args: &mut Args) -> Result<Range, CmdError> {
        let start = index(args.bytes())?;
        let end = index(args.bytes())?;
        Ok(Range::of(start, end))
    }
}

/// A number of results.
pub fn limit(args: &mut Args) -> Result<u64, CmdError> {
    match args.int()? {
        count @ 1.. => Ok(count as u64),
        _ => Err(CmdError::Fixed("ERR LIMIT must be positive")),
    }
}
