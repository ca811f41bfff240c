//! Private stand-ins for four functions of `algo`, with their signatures; deleted when those exist.

/// Splits a line as redis.conf does: blanks, double quotes with escapes, single quotes.
pub fn split_args(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut at = 0;
    loop {
        while at < line.len() && is_space(line[at]) {
            at += 1;
        }
        if at >= line.len() {
            return Some(words);
        }
        let mut word = Vec::new();
        while at < line.len() && !is_space(line[at]) {
            match line[at] {
                quote @ (b'"' | b'\'') => {
                    at = quoted(line, at + 1, quote, &mut word)?;
                    if line.get(at).is_some_and(|&next| !is_space(next)) {
                        return None;
                    }
                }
                byte => {
                    word.push(byte);
                    at += 1;
                }
            }
        }
        words.push(word);
    }
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b || byte == 0
}

/// Reads up to the closing quote; answers the position after it.
fn quoted(line: &[u8], mut at: usize, quote: u8, word: &mut Vec<u8>) -> Option<usize> {
    loop {
        match *line.get(at)? {
            byte if byte == quote => return Some(at + 1),
            b'\\' if quote == b'\'' && line.get(at + 1) == Some(&b'\'') => {
                word.push(b'\'');
                at += 2;
            }
            b'\\' if quote == b'"' => {
                let next = *line.get(at + 1)?;
                let hex = |i: usize| line.get(i).and_then(|&b| (b as char).to_digit(16));
                if let (b'x', Some(high), Some(low)) = (next, hex(at + 2), hex(at + 3)) {
                    word.push((high * 16 + low) as u8);
                    at += 4;
                    continue;
                }
                word.push(match next {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => other,
                });
                at += 2;
            }
            byte => {
                word.push(byte);
                at += 1;
            }
        }
    }
}

/// A word in double quotes that `split_args` reads back unchanged.
pub fn quote(word: &[u8]) -> Vec<u8> {
    let mut out = vec![b'"'];
    for &byte in word {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            7 => out.extend(b"\\a"),
            8 => out.extend(b"\\b"),
            0x20..=0x7e => out.push(byte),
            _ => out.extend(format!("\\x{byte:02x}").bytes()),
        }
    }
    out.push(b'"');
    out
}

/// `10`, `10k`, `10kb`, `1gb` in bytes; what overflows is `u64::MAX`.
pub fn parse_memory(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let unit: u64 = match text[digits..].to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    let number = text[..digits].iter().fold(0u64, |sum, &digit| {
        sum.saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    });
    Some(number.saturating_mul(unit))
}

/// Glob with `*`, `?`, `[...]` and `\`.
pub fn matches(pattern: &[u8], text: &[u8], insensitive: bool) -> bool {
    let fold = |b: u8| {
        if insensitive {
            b.to_ascii_lowercase()
        } else {
            b
        }
    };
    match pattern.first() {
        None => text.is_empty(),
        Some(b'*') => (0..=text.len()).any(|i| matches(&pattern[1..], &text[i..], insensitive)),
        Some(_) if text.is_empty() => false,
        Some(b'?') => matches(&pattern[1..], &text[1..], insensitive),
        Some(b'[') => {
            let Some(end) = pattern.iter().position(|&b| b == b']') else {
                return false;
            };
            let negated = pattern.get(1) == Some(&b'^');
            let set = &pattern[if negated { 2 } else { 1 }..end];
            let mut found = false;
            let mut i = 0;
            while i < set.len() {
                if i + 2 < set.len() && set[i + 1] == b'-' {
                    found |= (fold(set[i])..=fold(set[i + 2])).contains(&fold(text[0]));
                    i += 3;
                } else {
                    found |= fold(set[i]) == fold(text[0]);
                    i += 1;
                }
            }
            found != negated && matches(&pattern[end + 1..], &text[1..], insensitive)
        }
        Some(b'\\') if pattern.len() > 1 => {
            fold(pattern[1]) == fold(text[0]) && matches(&pattern[2..], &text[1..], insensitive)
        }
        Some(&byte) => {
            fold(byte) == fold(text[0]) && matches(&pattern[1..], &text[1..], insensitive)
        }
    }
}
