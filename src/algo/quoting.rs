//! Splitting a line into arguments, and showing bytes as a quoted word: two inverse grammars.
//!
//! Inline commands, config files and the command line are split by [`split_args`]; MONITOR, logs
//! and CONFIG REWRITE show bytes through [`quote`]. What `quote` writes, `split_args` reads back.

/// The arguments of a line: words between blanks, `"…"` with escapes, `'…'` with only `\'`.
///
/// A quote may begin inside a word, but must be followed by a blank or the end. `None` if quotes
/// are unbalanced. A zero byte ends the line, as it does for Redis.
pub fn split_args(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let end = memchr::memchr(0, line).unwrap_or(line.len());
    let mut rest = &line[..end];
    let mut args = Vec::new();
    loop {
        let blanks = rest.iter().take_while(|&&b| is_space(b)).count();
        rest = &rest[blanks..];
        if rest.is_empty() {
            return Some(args);
        }
        let (arg, behind) = take_arg(rest)?;
        args.push(arg);
        rest = behind;
    }
}

/// Whether a text has bytes that would end a line, or steer a terminal.
pub fn has_control(text: &[u8]) -> bool {
    text.iter().any(u8::is_ascii_control)
}

/// A text from elsewhere as part of a line: what would end the line is shown as `\n`, `\u{1b}` and
/// so on.
pub fn in_line(text: &[u8]) -> String {
    let mut line = String::with_capacity(text.len());
    for c in String::from_utf8_lossy(text).chars() {
        match c.is_control() {
            true => line.extend(c.escape_default()),
            false => line.push(c),
        }
    }
    line
}

/// C's `isspace`.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// One argument and the rest of the line.
fn take_arg(line: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut arg = Vec::new();
    let mut rest = line;
    loop {
        match *rest {
            // Vertical tab and form feed separate arguments but do not end a bare word.
            [] | [b' ' | b'\n' | b'\r' | b'\t', ..] => return Some((arg, rest)),
            [quote @ (b'"' | b'\''), ref inside @ ..] => {
                let behind = if quote == b'"' {
                    take_double_quoted(inside, &mut arg)?
                } else {
                    take_single_quoted(inside, &mut arg)?
                };
                let closed = behind.first().is_none_or(|&b| is_space(b));
                return closed.then_some((arg, behind));
            }
            [byte, ref behind @ ..] => {
                arg.push(byte);
                rest = behind;
            }
        }
    }
}

fn take_double_quoted<'a>(mut rest: &'a [u8], arg: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (byte, used) = match *rest {
            [] | [b'\\'] => return None,
            [b'"', ref behind @ ..] => return Some(behind),
            [b'\\', b'x', high, low, ..] if is_hex(high) && is_hex(low) => {
                (hex_value(high) << 4 | hex_value(low), 4)
            }
            [b'\\', escaped, ..] => (unescape(escaped), 2),
            [byte, ..] => (byte, 1),
        };
        arg.push(byte);
        rest = &rest[used..];
    }
}

fn take_single_quoted<'a>(mut rest: &'a [u8], arg: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (byte, used) = match *rest {
            [] => return None,
            [b'\'', ref behind @ ..] => return Some(behind),
            [b'\\', b'\'', ..] => (b'\'', 2),
            [byte, ..] => (byte, 1),
        };
        arg.push(byte);
        rest = &rest[used..];
    }
}

fn unescape(letter: u8) -> u8 {
    match letter {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

fn hex_value(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        _ => (byte | 0x20) - b'a' + 10,
    }
}

/// The bytes in double quotes, with everything unprintable escaped.
pub fn quote(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 2);
    write_quoted(&mut out, bytes);
    out
}

/// Appends the bytes in double quotes.
pub fn write_quoted(out: &mut Vec<u8>, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x07 => out.extend_from_slice(b"\\a"),
            0x08 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(byte),
            _ => {
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                out.extend_from_slice(&[b'\\', b'x', high, low]);
            }
        }
    }
    out.push(b'"');
}

/// Whether the bytes would not survive as a bare word: blanks, quotes, backslashes, unprintables.
pub fn needs_repr(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .any(|b| matches!(b, b'\\' | b'"') || !b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Option<Vec<String>> {
        let args = split_args(line.as_bytes())?;
        Some(
            args.iter()
                .map(|a| String::from_utf8_lossy(a).into_owned())
                .collect(),
        )
    }

    /// Lines as Redis 8.2.3 takes them inline.
    #[test]
    fn lines_split_as_in_redis() {
        for (line, expected) in [
            ("", Some(&[][..])),
            ("  \r\n", Some(&[][..])),
            ("set  a\tb\r\n", Some(&["set", "a", "b"][..])),
            ("e \"a\\x41\\n\\q\\\\\"", Some(&["e", "aA\nq\\"][..])),
            ("e foo\"bar\"", Some(&["e", "foobar"][..])),
            ("e a'b'", Some(&["e", "ab"][..])),
            ("e 'a\\'b\\n'", Some(&["e", "a'b\\n"][..])),
            ("e a\x0bb", Some(&["e", "a\x0bb"][..])),
            ("e \"a\"\x0b", Some(&["e", "a"][..])),
            ("\x0be a", Some(&["e", "a"][..])),
            ("e \"\" ''", Some(&["e", "", ""][..])),
            ("e \\x41", Some(&["e", "\\x41"][..])),
            ("e \"\\x4g\\X41\"", Some(&["e", "x4gX41"][..])),
            ("e \"a\"b", None),
            ("e 'a'b", None),
            ("e \"abc", None),
            ("e \"a\\", None),
            ("e 'abc\\'", None),
            ("e a\0b", Some(&["e", "a"][..])),
        ] {
            assert_eq!(
                split(line).as_deref(),
                expected
                    .map(|e| { e.iter().map(|s| s.to_string()).collect::<Vec<_>>() })
                    .as_deref(),
                "{line:?}"
            );
        }
    }

    #[test]
    fn a_text_from_elsewhere_stays_in_its_line() {
        assert_eq!(
            in_line(b"a b\r\nc\x1b[0m\xff"),
            "a b\\r\\nc\\u{1b}[0m\u{fffd}"
        );
        assert!(has_control(b"a\n") && has_control(b"\x7f") && has_control(b"\0"));
        assert!(!has_control("é ~".as_bytes()));
    }

    #[test]
    fn quoted_bytes() {
        assert_eq!(
            quote(b"a\"b\\c\n\r\t\x07\x08\x00\xff~"),
            b"\"a\\\"b\\\\c\\n\\r\\t\\a\\b\\x00\\xff~\""
        );
        assert!(!needs_repr(b"plain'word"));
        for odd in [&b"a b"[..], b"a\"", b"\\", b"\xff", b"\n"] {
            assert!(needs_repr(odd));
        }
    }

    proptest::proptest! {
        #[test]
        fn quoted_words_read_back(words: Vec<Vec<u8>>) {
            let line: Vec<u8> = words.iter().flat_map(|w| [quote(w), b" ".to_vec()].concat()).collect();
            proptest::prop_assert_eq!(split_args(&line), Some(words));
        }

        #[test]
        fn no_line_panics(line: Vec<u8>, quoted in "[\"' \\\\xa0]{0,20}") {
            let _ = (split_args(&line), split_args(quoted.as_bytes()));
        }
    }
}
