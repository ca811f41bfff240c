//! The 80-bit extended double of x86 in software: what INCRBYFLOAT and HINCRBYFLOAT count with.
//!
//! Redis adds with C's `long double` and prints with 17 digits after the point, so `0.1 + 0.2` is
//! `0.3`. The bytes that come out are replicated and compared, hence this arithmetic gives the same
//! on every machine: 64 bits of mantissa, 15 of exponent, one correct rounding (to nearest, ties to
//! even) per operation.
//!
//! ```text
//!   value = (-1)^negative * mantissa * 2^exponent        mantissa: 64 bits, top bit set
//!   exponent: -16445 (the denormals' and the smallest normals') ..= 16320
//! ```
//!
//! Numbers of everyday size never leave `u128`; long digit strings and huge exponents take the road
//! over [`Natural`], a minimal unsigned big integer. Called by the float counters (strings and
//! hashes) through `number::add_decimal` or directly.

use std::cmp::Ordering;

/// The exponent of the last bit of the smallest numbers.
const MIN_EXPONENT: i32 = -16445;
/// The exponent of the last bit of the largest ones (16383 less 63 bits below the first).
const MAX_EXPONENT: i32 = 16320;
/// A text as long as this is refused unread: the size of Redis's buffer for it, less the final zero.
pub const MAX_TEXT_LEN: usize = 5 * 1024 - 1;
/// Digits after the point in a text.
const FRACTION_SCALE: u128 = 100_000_000_000_000_000;
/// The most digits a `u64` surely holds, and the power of ten of that.
const CHUNK_DIGITS: usize = 19;
const CHUNK: u64 = 10_000_000_000_000_000_000;

/// An 80-bit extended double.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongDouble {
    negative: bool,
    magnitude: Magnitude,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Magnitude {
    Zero,
    Finite { mantissa: u64, exponent: i32 },
    Infinite,
    NotANumber,
}

impl LongDouble {
    /// Reads a decimal or hexadecimal number or an infinity, as C's `strtold` does, with what Redis
    /// refuses on top: NaN, blanks before, anything behind, overflow, underflow to zero, length.
    pub fn parse(text: &[u8]) -> Option<LongDouble> {
        if text.len() > MAX_TEXT_LEN {
            return None;
        }
        let (negative, body) = match text.split_first()? {
            (b'-', rest) => (true, rest),
            (b'+', rest) => (false, rest),
            _ => (false, text),
        };
        let magnitude = match body.first()? {
            b'i' | b'I' if is_infinity(body) => Magnitude::Infinite,
            b'0' if body.get(1).is_some_and(|x| x | 0x20 == b'x') => parse_hex(&body[2..])?,
            _ => parse_decimal(body)?,
        };
        Some(LongDouble {
            negative,
            magnitude,
        })
    }

    /// The largest finite number.
    pub const MAX: LongDouble = LongDouble {
        negative: false,
        magnitude: Magnitude::Finite {
            mantissa: u64::MAX,
            exponent: MAX_EXPONENT,
        },
    };

    pub fn is_finite(self) -> bool {
        matches!(self.magnitude, Magnitude::Zero | Magnitude::Finite { .. })
    }

    /// The text that Redis stores and returns: 17 digits after the point, trailing zeros dropped,
    /// no exponent, no negative zero.
    pub fn to_text(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(24);
        match self.magnitude {
            Magnitude::Zero => out.push(b'0'),
            Magnitude::NotANumber => out.extend_from_slice(b"nan"),
            Magnitude::Infinite => {
                out.extend_from_slice(if self.negative { b"-inf" } else { b"inf" });
            }
            Magnitude::Finite { mantissa, exponent } => {
                if self.negative {
                    out.push(b'-');
                }
                if exponent >= 0 {
                    let mut whole = Natural::from(mantissa);
                    whole.shift_left(exponent as u32);
                    whole.write_decimal(&mut out);
                } else {
                    write_scaled(&mut out, scale_fraction(mantissa, exponent.unsigned_abs()));
                }
            }
        }
        if out == b"-0" {
            out.remove(0);
        }
        out
    }
}

/// What AROP needs: other numbers, and the text of C's `%.17Lg`.
impl LongDouble {
    /// The number without what stands behind the point, if it is one of 64 bits.
    pub fn to_i64(self) -> Option<i64> {
        let whole = match self.magnitude {
            Magnitude::Zero => 0,
            Magnitude::Finite { exponent: 1.., .. } => return None,
            Magnitude::Finite { mantissa, exponent } => {
                mantissa.checked_shr(exponent.unsigned_abs()).unwrap_or(0)
            }
            Magnitude::Infinite | Magnitude::NotANumber => return None,
        };
        let whole = i128::from(whole);
        i64::try_from(if self.negative { -whole } else { whole }).ok()
    }

    /// The text as `%.17Lg` of C writes it.
    pub fn to_general_text(self) -> Vec<u8> {
        const DIGITS: usize = 17;
        let sign = if self.negative { "-" } else { "" };
        let text = match self.magnitude {
            Magnitude::Zero => format!("{sign}0"),
            Magnitude::NotANumber => "nan".to_owned(),
            Magnitude::Infinite => format!("{sign}inf"),
            Magnitude::Finite { mantissa, exponent } => {
                let (digits, power) = decimal(mantissa, exponent);
                let (digits, lead) = round_digits(digits, power, DIGITS);
                super::number::general(self.negative, &digits, lead, DIGITS)
            }
        };
        text.into_bytes()
    }
}

/// The digits of `mantissa * 2^exponent`, and the power of ten of the last.
fn decimal(mantissa: u64, exponent: i32) -> (Vec<u8>, i32) {
    /// The greatest power of five in 64 bits.
    const FIVES: u32 = 27;
    let mut number = Natural::from(mantissa);
    let mut fives = 0;
    if exponent >= 0 {
        number.shift_left(exponent as u32);
    } else {
        // Half is five tenths.
        fives = exponent.unsigned_abs();
        let mut left = fives;
        while left > 0 {
            let step = left.min(FIVES);
            number.multiply_add(5u64.pow(step), 0);
            left -= step;
        }
    }
    let mut digits = Vec::new();
    number.write_decimal(&mut digits);
    (digits, -(fives as i32))
}

/// Up to so many digits, rounded to nearest, ties to even, and the power of ten of the first.
fn round_digits(mut digits: Vec<u8>, power: i32, most: usize) -> (String, i32) {
    let mut lead = power + digits.len() as i32 - 1;
    if digits.len() > most {
        let rest = digits.split_off(most);
        let is_odd = digits.last().is_some_and(|digit| digit % 2 == 1);
        let beyond_half = rest[0] > b'5' || rest[0] == b'5' && rest[1..].iter().any(|&d| d != b'0');
        if beyond_half || rest[0] == b'5' && is_odd {
            let kept = digits
                .iter()
                .rposition(|&digit| digit != b'9')
                .map_or(0, |at| at + 1);
            digits.truncate(kept);
            match digits.last_mut() {
                Some(digit) => *digit += 1,
                None => {
                    digits.push(b'1');
                    lead += 1;
                }
            }
        }
    }
    (digits.into_iter().map(char::from).collect(), lead)
}

impl From<f64> for LongDouble {
    fn from(value: f64) -> LongDouble {
        const FRACTION: u32 = 52;
        let bits = value.to_bits();
        let fraction = bits & ((1 << FRACTION) - 1);
        let exponent = (bits >> FRACTION & 0x7ff) as i32;
        let magnitude = match (exponent, fraction) {
            (0x7ff, 0) => Magnitude::Infinite,
            (0x7ff, _) => Magnitude::NotANumber,
            (0, _) => round(u128::from(fraction), -1074, false),
            _ => round(u128::from(fraction | 1 << FRACTION), exponent - 1075, false),
        };
        LongDouble {
            negative: value.is_sign_negative(),
            magnitude,
        }
    }
}

impl std::ops::Neg for LongDouble {
    type Output = LongDouble;

    fn neg(self) -> LongDouble {
        LongDouble {
            negative: !self.negative,
            ..self
        }
    }
}

/// The order of the numbers; the two zeros are equal, and what is no number has no place.
impl PartialOrd for LongDouble {
    fn partial_cmp(&self, other: &LongDouble) -> Option<Ordering> {
        use Magnitude::{Finite, Infinite, NotANumber, Zero};
        // The size alone; a larger exponent means more, since the top bit of a mantissa is set.
        let rank = |magnitude: Magnitude| match magnitude {
            NotANumber => None,
            Zero => Some((0, 0, 0)),
            Finite { mantissa, exponent } => Some((1, exponent, mantissa)),
            Infinite => Some((2, 0, 0)),
        };
        let (a, b) = (rank(self.magnitude)?, rank(other.magnitude)?);
        let is_negative = |number: &LongDouble| number.negative && number.magnitude != Zero;
        Some(match (is_negative(self), is_negative(other)) {
            (false, false) => a.cmp(&b),
            (true, true) => b.cmp(&a),
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
        })
    }
}

/// The sum, rounded once. Too large a sum is an infinity; infinities of two signs give no number.
impl std::ops::Add for LongDouble {
    type Output = LongDouble;

    fn add(self, other: LongDouble) -> LongDouble {
        use Magnitude::{Finite, Infinite, NotANumber, Zero};
        match (self.magnitude, other.magnitude) {
            (Zero, Zero) => LongDouble {
                negative: self.negative && other.negative,
                ..self
            },
            (NotANumber, _) | (_, Zero) => self,
            (_, NotANumber) | (Zero, _) => other,
            (Infinite, Infinite) if self.negative != other.negative => LongDouble {
                negative: false,
                magnitude: NotANumber,
            },
            (Infinite, _) => self,
            (_, Infinite) => other,
            (
                Finite {
                    mantissa: m1,
                    exponent: e1,
                },
                Finite {
                    mantissa: m2,
                    exponent: e2,
                },
            ) => {
                if (e1, m1) >= (e2, m2) {
                    add_finite((self.negative, m1, e1), (other.negative, m2, e2))
                } else {
                    add_finite((other.negative, m2, e2), (self.negative, m1, e1))
                }
            }
        }
    }
}

impl From<i64> for LongDouble {
    fn from(value: i64) -> LongDouble {
        LongDouble {
            negative: value < 0,
            magnitude: round(u128::from(value.unsigned_abs()), 0, false),
        }
    }
}

/// Adds two finite numbers, the first being the larger in magnitude.
fn add_finite(large: (bool, u64, i32), small: (bool, u64, i32)) -> LongDouble {
    // The larger moves up by 62 bits, which leaves one for a carry; the smaller follows as far as
    // its exponent allows, and what falls out at the bottom is remembered as "and a bit".
    const ROOM: u32 = 62;
    let (negative, mantissa, exponent) = large;
    let wide = u128::from(mantissa) << ROOM;
    let distance = (exponent - small.2) as u32;
    let other = u128::from(small.1);
    let (addend, inexact) = if distance <= ROOM {
        (other << (ROOM - distance), false)
    } else if distance - ROOM >= 64 {
        (0, true)
    } else {
        let shifted = other >> (distance - ROOM);
        (shifted, shifted << (distance - ROOM) != other)
    };
    let sum = if negative == small.0 {
        wide + addend
    } else {
        wide - addend - u128::from(inexact)
    };
    LongDouble {
        negative: negative && sum != 0,
        magnitude: round(sum, exponent - ROOM as i32, inexact),
    }
}

/// `bits * 2^exponent`, plus less than one unit of `bits` if `inexact`, as the nearest number.
/// Inexact values come with more than 64 bits, so that the rest cannot decide alone.
fn round(bits: u128, exponent: i32, inexact: bool) -> Magnitude {
    match round_to(bits, exponent, inexact, 64, MIN_EXPONENT) {
        (0, _) => Magnitude::Zero,
        (_, exponent) if exponent > MAX_EXPONENT => Magnitude::Infinite,
        (mantissa, exponent) => Magnitude::Finite { mantissa, exponent },
    }
}

/// Rounds `bits * 2^exponent` (and a bit, if `inexact`) to a mantissa of `precision` bits whose
/// last bit is worth at least `2^min_exponent`: nearest, ties to even. Shared with the hexadecimal
/// doubles of `number::parse_f64`.
pub(super) fn round_to(
    bits: u128,
    exponent: i32,
    inexact: bool,
    precision: u32,
    min_exponent: i32,
) -> (u64, i32) {
    if bits == 0 {
        return (0, 0);
    }
    let used = 128 - bits.leading_zeros();
    let target = (exponent + used as i32 - precision as i32).max(min_exponent);
    let shift = target - exponent;
    if shift <= 0 {
        return ((bits << -shift) as u64, target);
    }
    if shift > 128 {
        return (0, 0);
    }
    let kept = bits.checked_shr(shift as u32).unwrap_or(0);
    let rest = bits << (128 - shift);
    const HALF: u128 = 1 << 127;
    let up = rest > HALF || (rest == HALF && (inexact || kept & 1 == 1));
    let rounded = kept + u128::from(up);
    if rounded >> precision != 0 {
        return ((rounded >> 1) as u64, target + 1);
    }
    (rounded as u64, target)
}

/// `mantissa / 2^shift` in units of 10^-17, rounded to nearest, ties to even.
fn scale_fraction(mantissa: u64, shift: u32) -> u128 {
    if shift > 127 {
        return 0;
    }
    let scaled = u128::from(mantissa) * FRACTION_SCALE;
    let kept = scaled >> shift;
    let rest = scaled << (128 - shift);
    const HALF: u128 = 1 << 127;
    kept + u128::from(rest > HALF || (rest == HALF && kept & 1 == 1))
}

fn write_scaled(out: &mut Vec<u8>, scaled: u128) {
    let whole = (scaled / FRACTION_SCALE) as u64;
    let mut fraction = (scaled % FRACTION_SCALE) as u64;
    out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
    if fraction == 0 {
        return;
    }
    let mut digits = 17;
    while fraction.is_multiple_of(10) {
        fraction /= 10;
        digits -= 1;
    }
    let mut buffer = itoa::Buffer::new();
    let text = buffer.format(fraction).as_bytes();
    out.push(b'.');
    out.resize(out.len() + digits - text.len(), b'0');
    out.extend_from_slice(text);
}

pub(super) fn is_infinity(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"infinity")
}

/// The part behind `0x`: `hex[.hex][p[+-]decimal]` as bits, binary exponent and "bits were lost".
pub(super) fn hex_parts(text: &[u8]) -> Option<(u128, i32, bool)> {
    let (mut bits, mut exponent, mut inexact) = (0u128, 0i32, false);
    let (mut any, mut point, mut at) = (false, false, 0);
    while let Some(&byte) = text.get(at) {
        match (byte as char).to_digit(16) {
            Some(digit) => {
                any = true;
                if bits >> 120 == 0 {
                    bits = bits << 4 | u128::from(digit);
                    exponent -= if point { 4 } else { 0 };
                } else {
                    inexact |= digit != 0;
                    exponent += if point { 0 } else { 4 };
                }
            }
            None if byte == b'.' && !point => point = true,
            None => break,
        }
        at += 1;
    }
    if !any {
        return None;
    }
    let power = match text.get(at) {
        None => 0,
        Some(b'p' | b'P') => parse_exponent(&text[at + 1..])?,
        Some(_) => return None,
    };
    Some((bits, exponent + power, inexact))
}

fn parse_hex(text: &[u8]) -> Option<Magnitude> {
    let (bits, exponent, inexact) = hex_parts(text)?;
    in_range(round(bits, exponent, inexact), bits != 0)
}

/// An optional sign and at least one digit; clamped, since no number needs more.
fn parse_exponent(text: &[u8]) -> Option<i32> {
    const CLAMP: i32 = 1_000_000;
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits
        .iter()
        .fold(0i32, |n, d| (n * 10 + i32::from(d - b'0')).min(CLAMP));
    Some(if negative { -value } else { value })
}

/// Overflow, and underflow of something to nothing, are no numbers to Redis.
fn in_range(magnitude: Magnitude, nonzero: bool) -> Option<Magnitude> {
    match magnitude {
        Magnitude::Infinite => None,
        Magnitude::Zero if nonzero => None,
        other => Some(other),
    }
}

/// `digits[.digits][e[+-]digits]`, with at least one digit in front of the exponent.
fn parse_decimal(text: &[u8]) -> Option<Magnitude> {
    let end = text
        .iter()
        .position(|b| b | 0x20 == b'e')
        .unwrap_or(text.len());
    let power = match text.get(end) {
        Some(_) => parse_exponent(&text[end + 1..])?,
        None => 0,
    };
    let mantissa = &text[..end];
    let point = mantissa.iter().position(|&b| b == b'.');
    let (whole, fraction) = match point {
        Some(at) => (&mantissa[..at], &mantissa[at + 1..]),
        None => (mantissa, &[][..]),
    };
    let is_number = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    if whole.len() + fraction.len() == 0 || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    // Only digits between the first and the last that are not zero count.
    let digits: Vec<u8> = whole
        .iter()
        .chain(fraction)
        .copied()
        .skip_while(|&d| d == b'0')
        .collect();
    let significant = digits.iter().rposition(|&d| d != b'0').map_or(0, |i| i + 1);
    let exponent = power - fraction.len() as i32 + (digits.len() - significant) as i32;
    convert(&digits[..significant], exponent)
}

/// The nearest number to `digits * 10^exponent`.
fn convert(digits: &[u8], exponent: i32) -> Option<Magnitude> {
    if digits.is_empty() {
        return Some(Magnitude::Zero);
    }
    // The position of the first digit is enough for values far outside.
    let scale = digits.len() as i32 + exponent;
    if !(-4970..=4935).contains(&scale) {
        return None;
    }
    let magnitude = if digits.len() <= CHUNK_DIGITS && exponent.unsigned_abs() <= 19 {
        convert_short(read_chunk(digits), exponent)
    } else {
        convert_long(digits, exponent)
    };
    in_range(magnitude, true)
}

fn read_chunk(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |n, d| n * 10 + u64::from(d - b'0'))
}

/// The everyday case: both the digits and the power of ten fit 64 bits.
fn convert_short(digits: u64, exponent: i32) -> Magnitude {
    let power = 10u64.pow(exponent.unsigned_abs());
    if exponent >= 0 {
        return round(u128::from(digits) * u128::from(power), 0, false);
    }
    // Both with the top bit set, the quotient has at least 127 - 63 = 64 bits; two more steps of
    // division give the bits that rounding needs.
    let (up, down) = (digits.leading_zeros(), power.leading_zeros());
    let divisor = u128::from(power << down);
    let dividend = u128::from(digits << up) << 63;
    let (quotient, rest) = (dividend / divisor, (dividend % divisor) << 2);
    let (tail, rest) = (rest / divisor, rest % divisor);
    let bits = quotient << 2 | tail;
    round(bits, down as i32 - up as i32 - 65, rest != 0)
}

fn convert_long(digits: &[u8], exponent: i32) -> Magnitude {
    let mut numerator = Natural::default();
    for chunk in digits.chunks(CHUNK_DIGITS) {
        numerator.multiply_add(10u64.pow(chunk.len() as u32), read_chunk(chunk));
    }
    if exponent >= 0 {
        numerator.multiply_power_of_ten(exponent as u32);
        let (bits, shift, inexact) = numerator.top_bits();
        return round(bits, shift, inexact);
    }
    let mut denominator = Natural::from(1);
    denominator.multiply_power_of_ten(exponent.unsigned_abs());
    // Line both up so that the quotient begins with its first bit, then take 68 bits of it.
    const BITS: i32 = 68;
    let lead = numerator.bit_len() as i32 - denominator.bit_len() as i32;
    if lead >= 0 {
        denominator.shift_left(lead as u32);
    } else {
        numerator.shift_left(lead.unsigned_abs());
    }
    let mut bits = 0u128;
    for _ in 0..BITS {
        bits <<= 1;
        if numerator.subtract_if_not_less(&denominator) {
            bits |= 1;
        }
        numerator.shift_left(1);
    }
    round(bits, lead - (BITS - 1), !numerator.is_zero())
}

/// An unsigned integer of any size: 64-bit limbs, lowest first, no zero limb on top.
#[derive(Debug, Clone, Default)]
struct Natural {
    limbs: Vec<u64>,
}

impl From<u64> for Natural {
    fn from(value: u64) -> Natural {
        let mut natural = Natural { limbs: vec![value] };
        natural.trim();
        natural
    }
}

impl Natural {
    fn trim(&mut self) {
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
    }

    fn is_zero(&self) -> bool {
        self.limbs.is_empty()
    }

    fn bit_len(&self) -> u32 {
        match self.limbs.last() {
            Some(top) => self.limbs.len() as u32 * 64 - top.leading_zeros(),
            None => 0,
        }
    }

    fn multiply_add(&mut self, factor: u64, addend: u64) {
        let mut carry = addend;
        for limb in &mut self.limbs {
            let product = u128::from(*limb) * u128::from(factor) + u128::from(carry);
            *limb = product as u64;
            carry = (product >> 64) as u64;
        }
        if carry != 0 {
            self.limbs.push(carry);
        }
    }

    fn multiply_power_of_ten(&mut self, mut exponent: u32) {
        while exponent > 0 {
            let step = exponent.min(CHUNK_DIGITS as u32);
            self.multiply_add(10u64.pow(step), 0);
            exponent -= step;
        }
    }

    fn shift_left(&mut self, bits: u32) {
        let (limbs, bits) = ((bits / 64) as usize, bits % 64);
        if bits > 0 {
            self.multiply_add(1 << bits, 0);
        }
        if limbs > 0 && !self.is_zero() {
            self.limbs.splice(0..0, std::iter::repeat_n(0, limbs));
        }
    }

    /// Subtracts `other` unless that would go below zero. Returns whether it did.
    fn subtract_if_not_less(&mut self, other: &Natural) -> bool {
        let (mine, theirs) = (self.limbs.iter().rev(), other.limbs.iter().rev());
        if self
            .limbs
            .len()
            .cmp(&other.limbs.len())
            .then_with(|| mine.cmp(theirs))
            .is_lt()
        {
            return false;
        }
        let mut borrow = false;
        for (at, limb) in self.limbs.iter_mut().enumerate() {
            let subtrahend = other.limbs.get(at).copied().unwrap_or(0);
            let (first, under1) = limb.overflowing_sub(subtrahend);
            let (second, under2) = first.overflowing_sub(u64::from(borrow));
            *limb = second;
            borrow = under1 || under2;
        }
        self.trim();
        true
    }

    /// The upper 128 bits at most, the exponent of their last, and whether others follow.
    fn top_bits(&self) -> (u128, i32, bool) {
        let skip = self.limbs.len().saturating_sub(2);
        let bits = self.limbs[skip..]
            .iter()
            .rev()
            .fold(0u128, |n, &limb| n << 64 | u128::from(limb));
        let inexact = self.limbs[..skip].iter().any(|&limb| limb != 0);
        (bits, skip as i32 * 64, inexact)
    }

    fn write_decimal(mut self, out: &mut Vec<u8>) {
        let mut chunks = Vec::new();
        while !self.is_zero() {
            let mut rest = 0u64;
            for limb in self.limbs.iter_mut().rev() {
                let dividend = u128::from(rest) << 64 | u128::from(*limb);
                *limb = (dividend / u128::from(CHUNK)) as u64;
                rest = (dividend % u128::from(CHUNK)) as u64;
            }
            self.trim();
            chunks.push(rest);
        }
        let mut buffer = itoa::Buffer::new();
        for (at, &chunk) in chunks.iter().rev().enumerate() {
            let text = buffer.format(chunk).as_bytes();
            if at > 0 {
                out.resize(out.len() + CHUNK_DIGITS - text.len(), b'0');
            }
            out.extend_from_slice(text);
        }
    }
}
