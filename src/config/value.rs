//! Texts to values and back: yes/no, numbers in their units, words, strings.
//!
//! The refusals are Redis's, to the byte; they appear in CONFIG SET errors and in the fatal message
//! of a bad file. `directive.rs` says which kind a directive is, this file what the kind means.

use super::directive::{IntRule, Kind, Unit, Value};
use crate::algo::quoting::has_control;
use crate::algo::quoting::quote;
use crate::algo::units::parse_memory;

/// The value a text stands for, or the reason why it stands for none.
pub fn parse(kind: &Kind, text: &[u8]) -> Result<Value, String> {
    match kind {
        Kind::Bool => match text.to_ascii_lowercase().as_slice() {
            b"yes" => Ok(Value::Bool(true)),
            b"no" => Ok(Value::Bool(false)),
            _ => Err("argument must be 'yes' or 'no'".into()),
        },
        Kind::Int(rule) => parse_number(rule, text).map(Value::Int),
        Kind::Words(words, listed) => find_listed(words, *listed, text).map(Value::Word),
        Kind::Text(rule) if !rule.is_secret && has_control(text) => {
            Err("argument must not contain control characters".into())
        }
        Kind::Text(rule) => match (rule.check)(text) {
            Ok(()) => Ok(Value::Text(text.to_vec())),
            Err(reason) => Err(reason.into()),
        },
        Kind::Special(_) => unreachable!("a special directive parses its own arguments"),
    }
}

/// The text that CONFIG GET returns.
pub fn print(kind: &Kind, value: &Value) -> Vec<u8> {
    match (kind, value) {
        (_, Value::Bool(yes)) => if *yes { "yes" } else { "no" }.into(),
        (Kind::Int(rule), Value::Int(n)) => print_number(rule.unit, *n).into_bytes(),
        (Kind::Words(words, _), Value::Word(index)) => words[*index].into(),
        (_, Value::Text(text)) => text.clone(),
        (_, value) => unreachable!("a directive never holds a value of another kind: {value:?}"),
    }
}

/// The text a rewritten file carries: round memory sizes with their unit, strings in quotes.
pub fn print_for_file(kind: &Kind, value: &Value) -> Vec<u8> {
    match (kind, value) {
        (
            Kind::Int(IntRule {
                unit: Unit::Memory, ..
            }),
            Value::Int(n),
        ) => print_memory(*n).into(),
        (
            Kind::Int(IntRule {
                unit: Unit::MemoryOrPercent,
                ..
            }),
            Value::Int(n),
        ) if *n >= 0 => print_memory(*n).into(),
        (_, Value::Text(text)) => quote(text),
        _ => print(kind, value),
    }
}

/// The index of a word, whatever its case.
pub fn find_word(words: &[&str], text: &[u8]) -> Result<usize, String> {
    find_listed(words, words.len(), text)
}

/// The same, where the error lists the first words only.
fn find_listed(words: &[&str], listed: usize, text: &[u8]) -> Result<usize, String> {
    let found = words
        .iter()
        .position(|word| word.as_bytes().eq_ignore_ascii_case(text));
    found.ok_or_else(|| {
        format!(
            "argument(s) must be one of the following: {}",
            words[..listed].join(", ")
        )
    })
}

/// A whole number as Redis takes it everywhere: no blanks, no plus, no leading zeros.
pub fn parse_int(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let plain =
        digits.first().is_some_and(u8::is_ascii_digit) && digits.iter().all(u8::is_ascii_digit);
    let canonical = text == b"0" || (plain && digits[0] != b'0');
    if !canonical {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `1gb`, `100mb`, `3kb` where the size is round, else the number of bytes.
pub fn print_memory(bytes: i64) -> String {
    const UNITS: [(i64, &str); 3] = [(1 << 30, "gb"), (1 << 20, "mb"), (1 << 10, "kb")];
    match UNITS
        .iter()
        .find(|(size, _)| bytes != 0 && bytes % size == 0)
    {
        Some((size, unit)) => format!("{}{unit}", bytes / size),
        None => bytes.to_string(),
    }
}

fn print_number(unit: Unit, n: i64) -> String {
    match unit {
        Unit::Octal => format!("{n:o}"),
        Unit::MemoryOrPercent if n < 0 => format!("{}%", n.unsigned_abs()),
        _ => n.to_string(),
    }
}

fn parse_number(rule: &IntRule, text: &[u8]) -> Result<i64, String> {
    let n = match rule.unit {
        Unit::Plain => parse_int(text).ok_or("argument couldn't be parsed into an integer")?,
        Unit::Octal => parse_octal(text).ok_or("argument couldn't be parsed as an octal number")?,
        Unit::Memory => parse_size(rule, text).ok_or("argument must be a memory value")?,
        Unit::MemoryOrPercent => match parse_percent(text) {
            Some(percent) if percent > 100 => {
                return Err("percentage argument must be less or equal to 100".into());
            }
            Some(percent) => -percent,
            None => parse_size(rule, text).ok_or("argument must be a memory or percent value")?,
        },
    };
    check_limits(rule, n)?;
    Ok(n)
}

/// A size in bytes. As Redis does, one beyond 64 bits wraps to -1 and fails on the limits; where
/// negative sizes mean something, it is no size at all.
fn parse_size(rule: &IntRule, text: &[u8]) -> Option<i64> {
    if rule.unsigned {
        return parse_memory(text).map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
    }
    if rule.min >= 0 {
        return parse_memory(text).map(|bytes| bytes as i64);
    }
    match text.strip_prefix(b"-") {
        Some(positive) => parse_memory(positive).map(|bytes| (bytes as i64).wrapping_neg()),
        None => i64::try_from(parse_memory(text)?).ok(),
    }
}

fn parse_percent(text: &[u8]) -> Option<i64> {
    parse_int(text.strip_suffix(b"%")?).filter(|&percent| percent >= 0)
}

/// Base eight; an empty text is zero, as strtoll has it.
fn parse_octal(text: &[u8]) -> Option<i64> {
    match text {
        b"" => Some(0),
        _ => i64::from_str_radix(std::str::from_utf8(text).ok()?, 8).ok(),
    }
}

fn check_limits(rule: &IntRule, n: i64) -> Result<(), String> {
    if rule.unit == Unit::MemoryOrPercent && n < 0 {
        return Ok(());
    }
    if (rule.min..=rule.max).contains(&n) {
        return Ok(());
    }
    let (min, max) = (
        print_number(rule.unit, rule.min),
        print_number(rule.unit, rule.max),
    );
    Err(format!(
        "argument must be between {min} and {max} inclusive"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_strict() {
        for bad in [
            "",
            " 5",
            "5 ",
            "+5",
            "05",
            "-0",
            "5.0",
            "5k",
            "0x10",
            "9223372036854775808",
        ] {
            assert_eq!(parse_int(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(parse_int(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(parse_int(b"0"), Some(0));
    }

    #[test]
    fn percentages_are_kept_negative() {
        let rule = IntRule {
            min: 0,
            max: i64::MAX,
            unit: Unit::MemoryOrPercent,
            unsigned: false,
        };
        assert_eq!(parse_number(&rule, b"10%"), Ok(-10));
        assert_eq!(parse_number(&rule, b"1mb"), Ok(1 << 20));
        assert!(parse_number(&rule, b"05%").is_err());
        assert_eq!(print(&Kind::Int(rule), &Value::Int(-10)), b"10%");
    }

    #[test]
    fn limits_speak_the_unit_of_the_directive() {
        let rule = IntRule {
            min: 0,
            max: 0o777,
            unit: Unit::Octal,
            unsigned: false,
        };
        let error = parse_number(&rule, b"1777").expect_err("too large");
        assert_eq!(error, "argument must be between 0 and 777 inclusive");
    }

    #[test]
    fn memory_is_printed_round_only_in_files() {
        assert_eq!(print_memory(100 << 20), "100mb");
        assert_eq!(print_memory((1 << 30) + 1), "1073741825");
        assert_eq!(print_memory(0), "0");
    }
}
