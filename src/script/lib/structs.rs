//! `struct`: values to bytes and back, by a format string.
//!
//! ```text
//!   > < ! [n]       big, little endian; align to n (a power of two; 8 if it is not said)
//!   b B h H l L T   integers of 1, 2, 8, 8 bytes; small letters are signed; iN IN of N bytes
//!   f d             floats        x   a zero byte        (space) nothing
//!   cN              N bytes; c0 all, or as many as the number before says
//!   s               bytes up to a zero
//! ```

use crate::script::args;
use crate::script::lua::{Outcome, Raise, Stack};

/// The largest integer, in bytes.
const INT_MAX_BYTES: usize = 32;
/// The default alignment of `!`.
const ALIGN: usize = 8;

/// A format being read, and what it has set.
struct Format<'t> {
    rest: &'t [u8],
    big: bool,
    align: usize,
}

impl<'t> Format<'t> {
    fn new(text: &'t [u8]) -> Format<'t> {
        // The format is a C string.
        let end = text
            .iter()
            .position(|&byte| byte == 0)
            .unwrap_or(text.len());
        Format {
            rest: &text[..end],
            big: false,
            align: 1,
        }
    }

    fn number(&mut self, default: usize) -> Result<usize, Raise> {
        if !self.rest.first().is_some_and(u8::is_ascii_digit) {
            return Ok(default);
        }
        let mut number = 0usize;
        while let Some(digit) = self.rest.first().filter(|byte| byte.is_ascii_digit()) {
            number = number * 10 + usize::from(digit - b'0');
            if number > i32::MAX as usize {
                return Err(Raise::here("integral size overflow"));
            }
            self.rest = &self.rest[1..];
        }
        Ok(number)
    }

    /// The next option and the size of what it is about.
    fn option(&mut self) -> Result<Option<(u8, usize)>, Raise> {
        let Some((&option, rest)) = self.rest.split_first() else {
            return Ok(None);
        };
        self.rest = rest;
        let size = match option {
            b'b' | b'B' | b'x' => 1,
            b'h' | b'H' => 2,
            b'f' => 4,
            b'l' | b'L' | b'T' | b'd' => 8,
            b'c' => self.number(1)?,
            b'i' | b'I' => {
                let size = self.number(4)?;
                if size > INT_MAX_BYTES {
                    let what =
                        format!("integral size {size} is larger than limit of {INT_MAX_BYTES}");
                    return Err(Raise::here(what));
                }
                size
            }
            _ => 0,
        };
        Ok(Some((option, size)))
    }

    /// Zero bytes that an option needs in front of it.
    fn padding(&self, at: usize, option: u8, size: usize) -> usize {
        if size == 0 || option == b'c' {
            return 0;
        }
        let size = size.min(self.align);
        size.wrapping_sub(at & size.wrapping_sub(1)) & size.wrapping_sub(1)
    }

    /// An option that only sets something.
    fn set(&mut self, option: u8) -> Result<(), Raise> {
        match option {
            b' ' => {}
            b'>' => self.big = true,
            b'<' => self.big = false,
            b'!' => {
                let align = self.number(ALIGN)?;
                if !align.is_power_of_two() {
                    let what = format!("alignment {align} is not a power of 2");
                    return Err(Raise::here(what));
                }
                self.align = align;
            }
            _ => {
                let what = [b"invalid format option '".as_slice(), &[option], b"'"].concat();
                return Err(Raise::argument(1, what));
            }
        }
        Ok(())
    }
}

/// A number argument of pack. Behind the arguments Lua finds the nil that the C library put there.
fn number(stack: &mut Stack, index: i32) -> Result<f64, Raise> {
    if index == stack.args() + 1 {
        return Err(Raise::argument(index, "number expected, got nil"));
    }
    args::number(stack, index)
}

/// A number as an unsigned integer, as the machine converts what does not fit, too.
fn to_unsigned(number: f64) -> u64 {
    if number < 0.0 {
        args::to_integer(number) as u64
    } else if number < 18_446_744_073_709_551_616.0 {
        number as u64
    } else if number.is_nan() {
        1 << 63
    } else {
        0
    }
}

fn write_int(out: &mut Vec<u8>, number: f64, size: usize, big: bool) {
    let mut value = to_unsigned(number);
    let start = out.len();
    for _ in 0..size {
        out.push(value as u8);
        value >>= 8;
    }
    if big {
        out[start..].reverse();
    }
}

fn write_in_order<const N: usize>(out: &mut Vec<u8>, mut bytes: [u8; N], big: bool) {
    if big {
        bytes.reverse();
    }
    out.extend_from_slice(&bytes);
}

/// struct.pack(format, value, …)
fn pack(stack: &mut Stack) -> Outcome {
    let mut format = Format::new(args::text(stack, 1)?);
    let (mut out, mut index) = (Vec::new(), 2);
    while let Some((option, size)) = format.option()? {
        let padding = format.padding(out.len(), option, size);
        out.resize(out.len() + padding, 0);
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let number = number(stack, index)?;
                write_int(&mut out, number, size, format.big);
                index += 1;
            }
            b'x' => out.push(0),
            b'f' => {
                let number = number(stack, index)? as f32;
                write_in_order(&mut out, number.to_le_bytes(), format.big);
                index += 1;
            }
            b'd' => {
                let number = number(stack, index)?;
                write_in_order(&mut out, number.to_le_bytes(), format.big);
                index += 1;
            }
            b'c' | b's' => {
                if index == stack.args() + 1 {
                    return Err(Raise::argument(index, "string expected, got nil"));
                }
                let bytes = args::text(stack, index)?;
                index += 1;
                let size = if size == 0 { bytes.len() } else { size };
                let Some(bytes) = bytes.get(..size) else {
                    return Err(Raise::argument(index, "string too short"));
                };
                out.extend_from_slice(bytes);
                if option == b's' {
                    out.push(0);
                }
            }
            _ => format.set(option)?,
        }
    }
    stack.push_bytes(&out);
    Ok(1)
}

fn read_int(bytes: &[u8], big: bool, signed: bool) -> f64 {
    let join = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    let mut value = match big {
        true => bytes.iter().fold(0, join),
        false => bytes.iter().rev().fold(0, join),
    };
    if !signed {
        return value as f64;
    }
    // As the machine shifts, whatever the size.
    let mask = u64::MAX.wrapping_shl((bytes.len() as u32 * 8).wrapping_sub(1));
    if value & mask != 0 {
        value |= mask;
    }
    value as i64 as f64
}

/// struct.unpack(format, bytes, position)
fn unpack(stack: &mut Stack) -> Outcome {
    let mut format = Format::new(args::text(stack, 1)?);
    let data = args::text(stack, 2)?;
    let position = args::optional_integer(stack, 3, 1)?;
    let Some(mut at) = (position as usize).checked_sub(1) else {
        return Err(Raise::argument(3, "offset must be 1 or greater"));
    };
    let short = || Raise::argument(2, "data string too short");
    let mut count = 0;
    while let Some((option, mut size)) = format.option()? {
        at = at.wrapping_add(format.padding(at, option, size));
        if at > data.len() || size > data.len() - at {
            return Err(short());
        }
        if !stack.room(2) {
            return Err(Raise::here("stack overflow (too many results)"));
        }
        let bytes = &data[at..at + size];
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let number = read_int(bytes, format.big, option.is_ascii_lowercase());
                stack.push_number(number);
                count += 1;
            }
            b'x' => {}
            b'f' | b'd' => {
                stack.push_number(read_float(bytes, format.big));
                count += 1;
            }
            b'c' => {
                if size == 0 {
                    let before = if count > 0 { stack.number(-1) } else { None };
                    let Some(before) = before else {
                        return Err(Raise::here("format 'c0' needs a previous size"));
                    };
                    stack.pop(1);
                    count -= 1;
                    size = to_unsigned(before) as usize;
                    if size > data.len() - at {
                        return Err(short());
                    }
                }
                stack.push_bytes(&data[at..at + size]);
                count += 1;
            }
            b's' => {
                let Some(end) = data[at..].iter().position(|&byte| byte == 0) else {
                    return Err(Raise::here("unfinished string in data"));
                };
                stack.push_bytes(&data[at..at + end]);
                size = end + 1;
                count += 1;
            }
            _ => format.set(option)?,
        }
        at += size;
    }
    // Nothing was read at a place that is negative as a signed number: it comes back as it came.
    stack.push_number(at.wrapping_add(1) as isize as f64);
    Ok(count + 1)
}

fn read_float(bytes: &[u8], big: bool) -> f64 {
    let mut ordered = [0; 8];
    let ordered = &mut ordered[..bytes.len()];
    ordered.copy_from_slice(bytes);
    if big {
        ordered.reverse();
    }
    match (ordered.first_chunk::<8>(), ordered.first_chunk::<4>()) {
        (Some(bytes), _) => f64::from_le_bytes(*bytes),
        (None, Some(bytes)) => f64::from(f32::from_le_bytes(*bytes)),
        _ => 0.0,
    }
}

/// struct.size(format)
fn size(stack: &mut Stack) -> Outcome {
    let mut format = Format::new(args::text(stack, 1)?);
    let mut total = 0usize;
    while let Some((option, size)) = format.option()? {
        total += format.padding(total, option, size);
        match option {
            b's' => return Err(Raise::argument(1, "option 's' has no fixed size")),
            b'c' if size == 0 => {
                return Err(Raise::argument(1, "option 'c0' has no fixed size"));
            }
            _ => {}
        }
        if !option.is_ascii_alphanumeric() {
            format.set(option)?;
        }
        total += size;
    }
    stack.push_number(total as f64);
    Ok(1)
}

/// Fills the table on top.
pub fn open(stack: &mut Stack) {
    stack.push_function(pack, 0);
    stack.set_named(-2, b"pack");
    stack.push_function(unpack, 0);
    stack.set_named(-2, b"unpack");
    stack.push_function(size, 0);
    stack.set_named(-2, b"size");
}
