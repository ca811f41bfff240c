//! Amounts of memory as people write them (`64mb`) and as INFO shows them (`1.02M`).

/// Digits and a unit as bytes: `k`, `m`, `g` count in thousands, `kb`, `mb`, `gb` in 1024s, a bare
/// number or `b` in ones; case does not matter.
///
/// As Redis does, no digits mean zero, too many mean the largest number, and a product that
/// overflows wraps. A sign, a blank, a fraction or another unit is `None`.
pub fn parse_memory(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1000 * 1000,
        b"mb" => 1 << 20,
        b"g" => 1000 * 1000 * 1000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    let amount = number.iter().fold(0u64, |n, d| {
        n.saturating_mul(10).saturating_add(u64::from(d - b'0'))
    });
    Some(amount.wrapping_mul(factor))
}

/// Bytes with two decimals and a letter, as in INFO's `used_memory_human`.
pub fn bytes_human(bytes: u64) -> String {
    const LETTERS: [char; 5] = ['K', 'M', 'G', 'T', 'P'];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let step = (bytes.ilog2() / 10) as usize;
    match LETTERS.get(step - 1) {
        Some(letter) => format!("{:.2}{letter}", bytes as f64 / (1u64 << (10 * step)) as f64),
        None => format!("{bytes}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Redis 8.2.3 takes them for maxmemory.
    #[test]
    fn memory_amounts() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("1b", Some(1)),
            ("1k", Some(1000)),
            ("1KB", Some(1024)),
            ("2m", Some(2_000_000)),
            ("1Mb", Some(1_048_576)),
            ("1g", Some(1_000_000_000)),
            ("1gB", Some(1 << 30)),
            ("00012", Some(12)),
            ("", Some(0)),
            ("kb", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("1tb", None),
            ("-1", None),
            ("1.5mb", None),
            ("1 kb", None),
            (" 1", None),
            ("+1", None),
            ("0x10", None),
            ("1kbb", None),
        ] {
            assert_eq!(parse_memory(text.as_bytes()), bytes, "{text}");
        }
    }

    #[test]
    fn human_sizes() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.00K"),
            (1536, "1.50K"),
            (1_048_575, "1024.00K"),
            (1_048_576, "1.00M"),
            (1 << 30, "1.00G"),
            (3 << 40, "3.00T"),
            (1 << 50, "1.00P"),
            (1 << 60, "1152921504606846976B"),
        ] {
            assert_eq!(bytes_human(bytes), text);
        }
    }
}
