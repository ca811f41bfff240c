//! Numbers as texts, read and written exactly as Redis does.
//!
//! Every command that takes or gives a number comes here, so these functions decide what is an
//! integer, what a float, and how a double looks in a reply. Integers are strict (one text per
//! number: no `+1`, `01` or `-0`), because "is this value an integer" is asked of stored strings
//! too, and must not change their bytes. Doubles follow C's `strtod` without blanks and NaN.

use super::grisu;
use super::long_double::{self, LongDouble};

/// The integer a text denotes, if it is the one text for it.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    match text.split_first()? {
        (b'-', digits) => {
            let magnitude = parse_digits(digits)?;
            // Zero has no sign; the least integer has one more than the greatest.
            if magnitude == 0 || magnitude > i64::MIN.unsigned_abs() {
                return None;
            }
            Some((magnitude as i64).wrapping_neg())
        }
        _ => i64::try_from(parse_digits(text)?).ok(),
    }
}

/// The unsigned integer a text denotes, if it is the one text for it.
#[inline]
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    parse_digits(text)
}

/// Digits without leading zeros, up to `u64::MAX`.
#[inline]
fn parse_digits(digits: &[u8]) -> Option<u64> {
    // 19 digits always fit; the 20th needs the checked road.
    const SURE: usize = 19;
    match digits {
        [] => return None,
        [b'0'] => return Some(0),
        [b'0', ..] => return None,
        _ => {}
    }
    let mut chunks = digits[..digits.len().min(SURE)].chunks_exact(8);
    let mut value = 0u64;
    for chunk in &mut chunks {
        let eight = u64::from_le_bytes(chunk.try_into().expect("a chunk of eight"));
        value = value * 100_000_000 + parse_eight(eight)?;
    }
    for byte in chunks.remainder() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    match digits.get(SURE..) {
        None | Some([]) => Some(value),
        Some([last]) => {
            let digit = last.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value.checked_mul(10)?.checked_add(u64::from(digit))
        }
        Some(_) => None,
    }
}

/// Eight digits at once, the first in the lowest byte.
#[inline]
fn parse_eight(text: u64) -> Option<u64> {
    let digits = text ^ 0x3030_3030_3030_3030;
    // A byte above 9 reaches its top bit when 0x76 is added, or has it already.
    let above_nine = digits.wrapping_add(0x7676_7676_7676_7676) | digits;
    if above_nine & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    // Neighbours join into pairs; the pairs then gather in the upper half, each with its weight:
    // 10^6 and 10^2 for the odd ones, 10^4 and 1 for the even ones.
    const PAIRS: u64 = 0x0000_00ff_0000_00ff;
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let odd = (pairs & PAIRS).wrapping_mul(100 + (1_000_000 << 32));
    let even = ((pairs >> 16) & PAIRS).wrapping_mul(1 + (10_000 << 32));
    Some(odd.wrapping_add(even) >> 32)
}

/// Appends the decimal text of an integer.
#[inline]
pub fn write_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// The double a text denotes: decimal, hexadecimal or an infinity, nothing before or behind it.
///
/// NaN is refused, and so is what overflows or what is lost to zero; infinities are accepted only
/// when spelled out.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    // Small integers are what scores and increments mostly are.
    if text.len() <= 15
        && let Some(value) = parse_i64(text)
    {
        return Some(value as f64);
    }
    let body = text
        .strip_prefix(b"-")
        .or(text.strip_prefix(b"+"))
        .unwrap_or(text);
    if let [b'0', b'x' | b'X', hex @ ..] = body {
        let value = parse_hex_f64(hex)?;
        return Some(if text[0] == b'-' { -value } else { value });
    }
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    if value.is_nan() || (value.is_infinite() && !long_double::is_infinity(body)) {
        return None;
    }
    if value == 0.0 && !is_zero_text(body) {
        return None;
    }
    Some(value)
}

/// The double that a bound of a range denotes, as C reads one: decimal or hexadecimal behind blanks,
/// with nothing as zero, beyond the largest as infinite. As Redis does, it ends at a zero byte.
pub fn parse_bound(text: &[u8]) -> Option<f64> {
    let text = text.split(|&b| b == 0).next().unwrap_or(b"");
    if text.is_empty() {
        return Some(0.0);
    }
    let blanks = text
        .iter()
        .take_while(|b| matches!(b, b' ' | b'\t'..=b'\r'));
    let text = &text[blanks.count()..];
    let (minus, body) = match text.split_first() {
        Some((b'-', body)) => (true, body),
        Some((b'+', body)) => (false, body),
        _ => (false, text),
    };
    if let [b'0', b'x' | b'X', hex @ ..] = body {
        let value = parse_hex_f64(hex)?;
        return Some(if minus { -value } else { value });
    }
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (!value.is_nan()).then_some(value)
}

/// Whether no digit in front of the exponent differs from zero.
fn is_zero_text(body: &[u8]) -> bool {
    body.iter()
        .take_while(|b| **b | 0x20 != b'e')
        .all(|b| matches!(b, b'0' | b'.'))
}

fn parse_hex_f64(text: &[u8]) -> Option<f64> {
    const MIN_EXPONENT: i32 = -1074;
    const MAX_EXPONENT: i32 = 971;
    let (bits, exponent, inexact) = long_double::hex_parts(text)?;
    let (mantissa, exponent) = long_double::round_to(bits, exponent, inexact, 53, MIN_EXPONENT);
    if exponent > MAX_EXPONENT || (mantissa == 0 && bits != 0) {
        return None;
    }
    if mantissa == 0 {
        return Some(0.0);
    }
    // A mantissa without the hidden bit only occurs at the least exponent: a denormal.
    const HIDDEN: u64 = 1 << 52;
    if mantissa < HIDDEN {
        return Some(f64::from_bits(mantissa));
    }
    let biased = (exponent - MIN_EXPONENT + 1) as u64;
    Some(f64::from_bits(biased << 52 | (mantissa - HIDDEN)))
}

/// The reason for refusing a float counter; the caller makes the error text of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    #[error("value is not a valid float")]
    NotAFloat,
    #[error("increment would produce NaN or Infinity")]
    NanOrInfinity,
}

/// The sum of two decimal texts as INCRBYFLOAT computes and prints it.
pub fn add_decimal(a: &[u8], b: &[u8]) -> Result<Vec<u8>, NumberError> {
    let a = LongDouble::parse(a).ok_or(NumberError::NotAFloat)?;
    let b = LongDouble::parse(b).ok_or(NumberError::NotAFloat)?;
    let sum = a + b;
    if !sum.is_finite() {
        return Err(NumberError::NanOrInfinity);
    }
    Ok(sum.to_text())
}

/// The text of a double: at most a sign, 17 digits with a point, or an exponent of five characters.
#[derive(Clone, Copy)]
pub struct F64Text {
    bytes: [u8; 32],
    len: u8,
}

impl F64Text {
    fn new() -> F64Text {
        F64Text {
            bytes: [0; 32],
            len: 0,
        }
    }

    fn push(&mut self, part: &[u8]) {
        let start = usize::from(self.len);
        self.bytes[start..start + part.len()].copy_from_slice(part);
        self.len += part.len() as u8;
    }

    fn zeros(&mut self, count: usize) {
        self.push(&b"00000000"[..count]);
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl std::ops::Deref for F64Text {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// The text of a double as scores and RESP3 doubles show it.
///
/// Integers in the range of half an `i64` are written out; everything else shows the digits of
/// Grisu2 in one of three layouts. A negative zero keeps its sign.
pub fn format_f64(value: f64) -> F64Text {
    let mut out = F64Text::new();
    if value.is_nan() {
        out.push(b"nan");
    } else if value.is_infinite() {
        out.push(if value < 0.0 { b"-inf" } else { b"inf" });
    } else if value == 0.0 {
        out.push(if value.is_sign_negative() {
            b"-0"
        } else {
            b"0"
        });
    } else if let Some(integer) = as_integer(value) {
        out.push(itoa::Buffer::new().format(integer).as_bytes());
    } else {
        push_digits(&mut out, value);
    }
    out
}

/// The text of a double as `%.17g` of C writes it: scores in replies of ZSCAN.
pub fn format_g17(value: f64) -> Vec<u8> {
    let mut out = Vec::new();
    write_g(&mut out, value, 17);
    out
}

/// Appends the text of a double as `%.{precision}g` of C writes it.
pub fn write_g(out: &mut Vec<u8>, value: f64, precision: usize) {
    if !value.is_finite() || value == 0.0 {
        if value.is_nan() && value.is_sign_negative() {
            out.push(b'-');
        }
        return write_f64(out, value);
    }
    // What is mostly written, without detours.
    if let Some(integer) = as_integer(value)
        && precision < 20
        && integer.unsigned_abs() < 10u64.pow(precision as u32)
    {
        return write_i64(out, integer);
    }
    let text = format!("{:.*e}", precision.max(1) - 1, value.abs());
    let (digits, exponent) = text.split_once('e').expect("this format has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is a number");
    let text = general(value < 0.0, &digits.replace('.', ""), exponent, precision);
    out.extend_from_slice(text.as_bytes());
}

/// The layout of `%.{precision}g`: `d.ddd * 10^exponent` with these digits, without zeros at the end.
pub(super) fn general(is_negative: bool, digits: &str, exponent: i32, precision: usize) -> String {
    let digits = digits.trim_end_matches('0');
    let sign = if is_negative { "-" } else { "" };
    if !(-4..precision as i32).contains(&exponent) {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        let mark = if exponent < 0 { '-' } else { '+' };
        format!("{sign}{first}{point}{rest}e{mark}{:02}", exponent.abs())
    } else if exponent < 0 {
        let zeros = "0".repeat((-exponent - 1) as usize);
        format!("{sign}0.{zeros}{digits}")
    } else if digits.len() as i32 <= exponent + 1 {
        let width = (exponent + 1) as usize;
        format!("{sign}{digits:0<width$}")
    } else {
        let (whole, fraction) = digits.split_at((exponent + 1) as usize);
        format!("{sign}{whole}.{fraction}")
    }
}

/// The double at the start of a text and how many bytes make it up, as `strtod` of C reads it.
pub fn parse_number_prefix(text: &[u8]) -> Option<(f64, usize)> {
    let signed = matches!(text.first(), Some(b'-' | b'+')) as usize;
    let negative = text.first() == Some(&b'-');
    let body = &text[signed..];
    let starts = |word: &[u8]| {
        body.get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    let (value, len) = if starts(b"infinity") {
        (f64::INFINITY, 8)
    } else if starts(b"inf") {
        (f64::INFINITY, 3)
    } else if starts(b"nan") {
        (f64::NAN, 3)
    } else if starts(b"0x") && hex_len(&body[2..]) > 0 {
        let len = hex_len(&body[2..]);
        (
            parse_hex_f64(&body[2..2 + len]).unwrap_or(f64::INFINITY),
            2 + len,
        )
    } else {
        let len = decimal_len(body);
        let text = std::str::from_utf8(&body[..len]).ok()?;
        (text.parse().ok()?, len)
    };
    Some((if negative { -value } else { value }, signed + len))
}

/// Bytes of a mantissa with an exponent behind the mark `e` or `p`; 0 if there is no digit.
fn mantissa_len(text: &[u8], is_digit: fn(&u8) -> bool, mark: u8) -> usize {
    let run = |from: usize, is: fn(&u8) -> bool| text[from..].iter().take_while(|b| is(b)).count();
    let whole = run(0, is_digit);
    let mut len = whole;
    if text.get(len) == Some(&b'.') {
        let fraction = run(len + 1, is_digit);
        if whole + fraction > 0 {
            len += 1 + fraction;
        }
    }
    if len == 0 || !text.get(len).is_some_and(|b| b.eq_ignore_ascii_case(&mark)) {
        return len;
    }
    let sign = matches!(text.get(len + 1), Some(b'-' | b'+')) as usize;
    let digits = text.get(len + 1 + sign..).unwrap_or_default();
    let digits = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    if digits > 0 {
        len + 1 + sign + digits
    } else {
        len
    }
}

fn decimal_len(text: &[u8]) -> usize {
    mantissa_len(text, u8::is_ascii_digit, b'e')
}

fn hex_len(text: &[u8]) -> usize {
    mantissa_len(text, u8::is_ascii_hexdigit, b'p')
}

/// As `format_f64`, but integers get no treatment of their own: for digests.
pub fn format_digits(value: f64) -> F64Text {
    if !value.is_finite() || value == 0.0 {
        return format_f64(value);
    }
    let mut out = F64Text::new();
    push_digits(&mut out, value);
    out
}

fn push_digits(out: &mut F64Text, value: f64) {
    if value < 0.0 {
        out.push(b"-");
    }
    let digits = grisu::digits(value.abs());
    lay_out(out, digits.as_ascii(), digits.exponent);
}

/// Appends the text of a double.
pub fn write_f64(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(&format_f64(value));
}

/// The double as an integer, if it is one that Redis prints as such.
pub fn as_integer(value: f64) -> Option<i64> {
    const LIMIT: f64 = (i64::MAX / 2) as f64;
    let integer = value as i64;
    (value.abs() <= LIMIT && integer as f64 == value).then_some(integer)
}

/// Puts the point, or an exponent, into `digits * 10^exponent`.
fn lay_out(out: &mut F64Text, digits: &[u8], exponent: i32) {
    let len = digits.len() as i32;
    // The power of ten of the first digit, and its size.
    let lead = exponent + len - 1;
    let size = lead.abs();
    if exponent >= 0 && size < len + 7 {
        out.push(digits);
        out.zeros(exponent as usize);
    } else if exponent < 0 && (exponent > -7 || size < 4) {
        if lead < 0 {
            out.push(b"0.");
            out.zeros((-lead - 1) as usize);
            out.push(digits);
        } else {
            let (whole, fraction) = digits.split_at((lead + 1) as usize);
            out.push(whole);
            out.push(b".");
            out.push(fraction);
        }
    } else {
        let (first, rest) = digits.split_at(1);
        out.push(first);
        if !rest.is_empty() {
            out.push(b".");
            out.push(rest);
        }
        out.push(if lead < 0 { b"e-" } else { b"e+" });
        out.push(itoa::Buffer::new().format(size).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What ZCOUNT of Redis 8.10.2 takes as a bound.
    #[test]
    fn bounds_read_as_c_reads_them() {
        let cases: [(&[u8], Option<f64>); 10] = [
            (b"", Some(0.0)),
            (b" 1.5", Some(1.5)),
            (b"\t-inf", Some(f64::NEG_INFINITY)),
            (b"0x10", Some(16.0)),
            (b"-0x1", Some(-1.0)),
            (b"1e400", Some(f64::INFINITY)),
            (b"1\0a", Some(1.0)),
            (b" ", None),
            (b"1 ", None),
            (b"nan", None),
        ];
        for (text, bound) in cases {
            assert_eq!(parse_bound(text), bound, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn seventeen_digits_are_those_of_c() {
        for (value, text) in [
            (0.2, "0.20000000000000001"),
            (-1.5, "-1.5"),
            (1e17, "1e+17"),
            (1e16, "10000000000000000"),
            (1e-5, "1.0000000000000001e-05"),
            (0.0001, "0.0001"),
            (123.0, "123"),
            (-0.0, "-0"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(format_g17(value), text.as_bytes(), "{value}");
        }
    }

    #[test]
    fn integers_are_strict() {
        for text in [
            "", "-", "+1", "01", "-0", "-01", " 1", "1 ", "1a", "a", "--1", "0x1", "1.0",
        ] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text:?}");
        }
        for n in [
            0,
            1,
            -1,
            9,
            10,
            -10,
            i64::MAX,
            i64::MIN,
            i64::MAX - 1,
            1_234_567_890,
        ] {
            let mut text = Vec::new();
            write_i64(&mut text, n);
            assert_eq!(parse_i64(&text), Some(n));
        }
        assert_eq!(parse_i64(b"9223372036854775808"), None);
        assert_eq!(parse_i64(b"-9223372036854775809"), None);
        assert_eq!(parse_i64(b"18446744073709551616"), None);
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_u64(b"18446744073709551616"), None);
        assert_eq!(parse_u64(b"-1"), None);
        assert_eq!(parse_u64(b"100000000000000000000"), None);
    }

    #[test]
    fn a_wrong_byte_is_seen_wherever_it_stands() {
        let digits = b"1234567890123456789";
        for len in 1..=digits.len() {
            for at in 0..len {
                for byte in (0..=255u8).filter(|b| !b.is_ascii_digit()) {
                    let mut text = digits[..len].to_vec();
                    text[at] = byte;
                    assert_eq!(parse_u64(&text), None, "{byte} at {at} of {len}");
                }
            }
        }
    }

    /// Replies of Redis 8.2.3 to SET k a, INCRBYFLOAT k b.
    #[test]
    fn sums_as_redis_prints_them() {
        for (a, b, expected) in SUMS {
            let sum = match add_decimal(a.as_bytes(), b.as_bytes()) {
                Ok(text) => String::from_utf8(text).expect("digits"),
                Err(error) => format!("ERR {error}"),
            };
            assert_eq!(&sum, expected, "{a} + {b}");
        }
    }

    #[test]
    fn the_length_of_a_float_is_bounded() {
        let fits = format!("1.{}", "0".repeat(5117));
        assert_eq!(add_decimal(fits.as_bytes(), b"1"), Ok(b"2".to_vec()));
        let longer = format!("{fits}0");
        assert_eq!(
            add_decimal(longer.as_bytes(), b"1"),
            Err(NumberError::NotAFloat)
        );
    }

    /// Replies of Redis 8.2.3 to ZINCRBY z text m, with no z before.
    #[test]
    fn doubles_as_redis_reads_and_prints_them() {
        for (text, expected) in DOUBLES {
            let ours = parse_f64(text.as_bytes()).map(format_f64);
            assert_eq!(ours.as_deref(), expected.map(str::as_bytes), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn integers_round_trip(n: i64) {
            let mut text = Vec::new();
            write_i64(&mut text, n);
            proptest::prop_assert_eq!(parse_i64(&text), Some(n));
        }

        #[test]
        fn doubles_round_trip(bits: u64) {
            let value = f64::from_bits(bits);
            if !value.is_nan() {
                let text = format_f64(value);
                proptest::prop_assert_eq!(parse_f64(&text).map(f64::to_bits), Some(bits));
            }
        }

        #[test]
        fn no_text_panics(text: Vec<u8>, other in "[-+0-9.eExXpPa-f]{0,30}") {
            let _ = (parse_i64(&text), parse_f64(&text), add_decimal(&text, other.as_bytes()));
        }
    }

    #[rustfmt::skip]
    const SUMS: &[(&str, &str, &str)] = &[
        ("0.1", "0.2", "0.3"),
        ("3e4932", "1", "ERR value is not a valid float"),
        ("-0", "0", "0"),
        ("-0.1", "0.1", "0"),
        ("1e4932", "1e4932", "ERR increment would produce NaN or Infinity"),
        ("inf", "1", "ERR increment would produce NaN or Infinity"),
        ("inf", "-inf", "ERR increment would produce NaN or Infinity"),
        ("nan", "1", "ERR value is not a valid float"),
        ("1", "nan", "ERR value is not a valid float"),
        ("", "1", "ERR value is not a valid float"),
        ("1", "", "ERR value is not a valid float"),
        (" 1", "1", "ERR value is not a valid float"),
        ("1 ", "1", "ERR value is not a valid float"),
        ("0x1p3", "0X.8p1", "9"),
        ("5.", ".5", "5.5"),
        ("1e", "1", "ERR value is not a valid float"),
        ("1e-4950", "0", "0"),
        ("1e-5000", "0", "ERR value is not a valid float"),
        ("9223372036854775807", "1", "9223372036854775808"),
        ("18446744073709551615", "1", "18446744073709551616"),
        ("1e-17", "0", "0.00000000000000001"),
        ("5e-18", "0", "0"),
        ("5.1e-18", "0", "0.00000000000000001"),
        ("-5e-18", "0", "0"),
        ("1.5e-17", "0", "0.00000000000000002"),
        ("1.18973149535723176509e4932", "0", "ERR value is not a valid float"),
        ("-2999805e-31", "251.151", "251.151"),
        ("0xce2491250fe3281.11p42", "-6082268", "4083079601889123866698592550912"),
        ("0xe67646f84c69290.26c0a95p18", "28288", "272081530195526887211008"),
        ("248664827492292.1818989403545856475830078125", "0x3.1p21", "248664833914820.1819000244140625"),
        ("-inf", "40607e19", "ERR increment would produce NaN or Infinity"),
        ("-69302802511", "83617395131800193756496853663e-33", "-69302802510.99991638213396072"),
        ("+338760164828503.1818989403545856475830078125", "0.0144", "338760164828503.1962890625"),
        ("-92413389092.37036", "0x63be14460cc4779447fc73719.11e01b04fp-8", "1929300476097604632717557760"),
        ("827842.491737929808184593039", "92754210.1136868377216160297393798828125", "93582052.60542476752743823"),
        ("29183025159907940", "+4253969137", "29183029413877077"),
        ("-0x21c7b07.23dd2777d073cdp35", "+nan", "ERR value is not a valid float"),
        ("86792442.836033105850220", "-48005403.59604644775390625", "38787039.23998665809631348"),
        ("-", "2395.730241923375160695", "ERR value is not a valid float"),
        ("0x2a35.55f3c58112780ac0p67", "113039611101.762939453125", "1594586105820132408295424"),
        ("+0.00", "+2.4596387607298443e+34", "24596387607298443000946643955613696"),
        ("2705718315540122.2910383045673370361328125", "+408900930523184379369", "408903636241499919488"),
        ("0.0000000000000000000510767712470470845547285", "-4.186233540556361e-119", "0"),
        ("49655.74193", "24696.00173472347597680709441192448139190673828125", "74351.74366472347597323"),
        ("755230919735e-798", "+9170790081.52093887329101562", "9170790081.52093887329101562"),
        ("0x1ec8dd78.bafe5a0713a0deed9p7", "+278571029374055169e-28", "66109488221.49678060784935951"),
        ("+0.004631714277673754", "943.3", "943.30463171427767372"),
        ("838399", ".5", "838399.5"),
        ("9.28281166911694539", "81.0000000011920928955078125", "90.28281167030903829"),
        ("2603.78108904613645791", "155613536339", "155613538942.78108905255794525"),
        ("222169", "0.007605386", "222169.0076053859999945"),
        ("-1.9920285228346418e+36", "+9245006633024435181297700174e7", "-1899578456504397448154929280522911744"),
        ("21.97", "0x2e0555092p-568", "21.97"),
        ("7954449959349592", "33893150285251091e17", "3389315028525109107817800315961344"),
        ("-315027737230057034290e7", "789504.781265360", "-3150277372300570342815956992"),
        ("250.813", "2175062510.8212671279907227", "2175062761.63426712807267904"),
        ("0.00298719", "17323.2911722437", "17323.29415943370000086"),
        ("inf", "0x3dc066fb68fp-2213", "ERR increment would produce NaN or Infinity"),
        ("-6459353575.539891348218363", "+0xb2337ddb2ed.1606p79", "7402185720504930616711773614254325760"),
        ("-6.83", "+1e-18", "-6.83"),
        ("6287.300892", "-7516094560311231011671952587e-13", "-751609456024835.80029296875"),
        ("-17679.9602417795755078984541", "0x1f9be.11ad51860ca379p-68", "-17679.96024177957550805"),
        ("54029583255341.857", "2.3422295580476175e-05", "54029583255341.85702133178710938"),
        ("-4.998", "+126865345.64", "126865340.64199999999982538"),
        ("0.000339235801292", "+5964539.78659251611680", "5964539.78693175191801856"),
        ("791045182e-39", "0x17f5dc8e9196faa8p-7600", "0"),
        ("353333434928225215069802e-4716", "-1", "-1"),
        ("+82202190064.73", "-7716319472.7112979889", "74485870592.01870200783014297"),
        ("nan", "-7e-4531", "ERR value is not a valid float"),
        ("+339.462", "56302689504638720771982e-15", "56303028.96663872077260748"),
        ("38.876348631133", "83774.65", "83813.52634863113299701"),
        ("+127350348729.27120060231", "3052880701764221e52", "30528807017642209999817467048040440804442068424771818192291298803712"),
        ("+699152221733670.00000000000000000125", "-7.790068932609464e-272", "699152221733670"),
        ("0.578311184487", "1.5724907327992521e-155", "0.578311184487"),
        ("-9801.826", "0x1.511315eb573af927dbdp25", "44171234.01259955945715774"),
        ("-8.88675457", "0x570988ddfe6a32637f96516.bc99c7cc8ef8784p-48", "5981153910749.75054740905761719"),
        ("+0.17", "-1.173", "-1.003"),
        ("126", "189949178.938", "189949304.9379999999946449"),
        ("486079159017.827208669177", "9233776801035668e-1", "923863759262584.627197265625"),
        ("2.4710939996854098e-201", "5406593647361.1818989403545856475830078125", "5406593647361.18189907073974609"),
        ("", "55145807.05477855354547501", "ERR value is not a valid float"),
        ("+772005756072775526470649062535e-842", "-0x11e87.5822278898ad495p92", "-363218264034677351490272649805824"),
        ("972023873282816.225493", "0x759323358592e5f9077b8c0cp-15347", "972023873282816.2254638671875"),
        ("+1946990576.094133138657", "+7894", "1946998470.09413313865661621"),
    ];

    #[rustfmt::skip]
    const DOUBLES: &[(&str, Option<&str>)] = &[
        ("0", Some("0")),
        ("-0", Some("-0")),
        ("1", Some("1")),
        ("-1", Some("-1")),
        ("3.14", Some("3.14")),
        ("1e15", Some("1000000000000000")),
        ("1e17", Some("100000000000000000")),
        ("1e21", Some("1e+21")),
        ("-1e17", Some("-100000000000000000")),
        ("4611686018427387904", Some("4611686018427387904")),
        ("4611686018427388416", Some("4611686018427387904")),
        ("1.5e-7", Some("1.5e-7")),
        ("0.00001", Some("0.00001")),
        ("1.23e-5", Some("1.23e-5")),
        ("1e-6", Some("0.000001")),
        ("1e-7", Some("1e-7")),
        ("12345678e-13", Some("1.2345678e-6")),
        ("1e300", Some("1e+300")),
        ("1.7976931348623157e308", Some("1.7976931348623157e+308")),
        ("5e-324", Some("5e-324")),
        ("2.2250738585072014e-308", Some("2.2250738585072014e-308")),
        ("1234567890.1234567", Some("1.2345678901234567e+9")),
        ("0.1234567890123456", Some("0.1234567890123456")),
        ("-1.2345678901234567e-100", Some("-1.2345678901234567e-100")),
        ("inf", Some("inf")),
        ("-inf", Some("-inf")),
        ("1.8e308", None),
        ("1e-400", None),
        ("0x1p-1074", Some("5e-324")),
        ("0x1p-1075", None),
        ("0x1.fffffffffffff8p1023", None),
        ("0x1.fffffffffffff7p1023", Some("1.7976931348623157e+308")),
        ("0x.8", Some("0.5")),
        ("0x.", None),
        ("+5", Some("5")),
        (".", None),
        ("nan", None),
        (" 1", None),
        ("1 ", None),
        ("1e5.5", None),
        ("infinit", None),
        ("-Infinity", Some("-inf")),
        ("2.11868184906253e-156", Some("2.1186818490625299e-156")),
        ("2.184091208419192e+21", Some("2184091208419192000000")),
        ("153509322.55528614", Some("1.5350932255528614e+8")),
        ("168643895.26520607", Some("1.6864389526520607e+8")),
        ("1201164.9715129884", Some("1.2011649715129884e+6")),
        ("4.557237775531054e+55", Some("4.5572377755310543e+55")),
        ("5.879431993138713e+22", Some("58794319931387130000000")),
        ("129966.43338657013", Some("1.2996643338657013e+5")),
        ("3.7345878519977006e+23", Some("373458785199770060000000")),
        ("3.4792255778543607e+22", Some("34792255778543607000000")),
        ("4.685475690777589e+22", Some("46854756907775890000000")),
        ("1.202816742618045e+22", Some("12028167426180450000000")),
        ("4100210.971551674", Some("4.100210971551674e+6")),
        ("3.7093355214825247e+22", Some("37093355214825247000000")),
        ("9735129.75345681", Some("9.73512975345681e+6")),
    ];
}
