//! Glob patterns as KEYS, SCAN, PSUBSCRIBE, CONFIG GET and ACL rules take them.
//!
//! `*` any run, `?` one byte, `[a-z]` a class, `[^a-z]` its complement, `\x` the byte x. Oddities
//! are kept: a class without `]` ends with the pattern, an escaped byte inside a class is compared
//! with its case even when case is ignored, and no star matches an empty text on its own.
//!
//! Only the last star met needs to be remembered: whatever an earlier star could swallow more, the
//! last one can swallow instead. So the time is at most pattern times text, never exponential.

/// Whether upper and lower ASCII letters differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    Sensitive,
    Insensitive,
}

/// A pattern with more stars than this matches nothing, as in Redis, which recurses on each.
const MAX_STARS: usize = 1000;

/// Whether the whole text matches the pattern.
pub fn matches(pattern: &[u8], text: &[u8], case: Case) -> bool {
    let (mut rest, mut at) = (pattern, 0);
    // The pattern behind the last star, and where in the text it was last tried.
    let mut retry: Option<(&[u8], usize)> = None;
    let mut stars = 0;
    loop {
        if rest.is_empty() && at == text.len() {
            return true;
        }
        if !rest.is_empty() && at < text.len() {
            if rest[0] == b'*' {
                rest = skip_stars(rest);
                stars += 1;
                if rest.is_empty() {
                    return true;
                }
                if stars > MAX_STARS {
                    return false;
                }
                retry = Some((rest, at));
                continue;
            }
            let used = literals(rest, &text[at..], case);
            if used > 0 {
                (rest, at) = (&rest[used..], at + used);
                if at == text.len() {
                    rest = skip_stars(rest);
                }
                continue;
            }
            let (matched, used) = match_one(rest, text[at], case);
            if matched {
                rest = &rest[used..];
                at += 1;
                if at == text.len() {
                    rest = skip_stars(rest);
                }
                continue;
            }
        }
        // Let the last star swallow one more byte.
        match retry {
            Some((behind, tried)) if tried + 1 < text.len() => {
                let next = tried + 1 + until_literal(behind, &text[tried + 1..], case);
                if next == text.len() {
                    return false;
                }
                (rest, at) = (behind, next);
                retry = Some((rest, at));
            }
            _ => return false,
        }
    }
}

/// Whether a byte of a pattern stands for itself alone.
#[inline(always)]
fn is_literal(byte: u8) -> bool {
    !matches!(byte, b'*' | b'?' | b'[' | b'\\')
}

/// The length of the literal head of a pattern that the text begins with.
#[inline(always)]
fn literals(pattern: &[u8], text: &[u8], case: Case) -> usize {
    if case == Case::Insensitive {
        return 0;
    }
    let pairs = pattern.iter().zip(text);
    pairs.take_while(|(p, t)| p == t && is_literal(**p)).count()
}

/// The number of leading bytes of the text that cannot match the first byte of the pattern.
#[inline(always)]
fn until_literal(pattern: &[u8], text: &[u8], case: Case) -> usize {
    match pattern.first() {
        Some(&first) if case == Case::Sensitive && is_literal(first) => {
            let at = text.iter().position(|&byte| byte == first);
            at.unwrap_or(text.len())
        }
        _ => 0,
    }
}

fn skip_stars(pattern: &[u8]) -> &[u8] {
    let stars = pattern.iter().take_while(|&&b| b == b'*').count();
    &pattern[stars..]
}

/// Matches one byte against the head of a pattern that is not a star; how long that head is.
fn match_one(pattern: &[u8], byte: u8, case: Case) -> (bool, usize) {
    match pattern {
        [b'?', ..] => (true, 1),
        [b'[', ..] => match_class(pattern, byte, case),
        [b'\\', escaped, ..] => (equal(*escaped, byte, case), 2),
        [literal, ..] => (equal(*literal, byte, case), 1),
        [] => (false, 0),
    }
}

fn match_class(pattern: &[u8], byte: u8, case: Case) -> (bool, usize) {
    let negated = pattern.get(1) == Some(&b'^');
    let mut at = 1 + usize::from(negated);
    let mut found = false;
    loop {
        match pattern[at..] {
            [] => break,
            [b'\\', escaped, ..] => {
                found |= escaped == byte;
                at += 2;
            }
            [b']', ..] => {
                at += 1;
                break;
            }
            [first, b'-', last, ..] => {
                // Ends may come in either order; case is dropped only after they are put right.
                let range = fold(first.min(last), case)..=fold(first.max(last), case);
                found |= range.contains(&fold(byte, case));
                at += 3;
            }
            [literal, ..] => {
                found |= equal(literal, byte, case);
                at += 1;
            }
        }
    }
    (found != negated, at)
}

fn equal(a: u8, b: u8, case: Case) -> bool {
    fold(a, case) == fold(b, case)
}

fn fold(byte: u8, case: Case) -> u8 {
    match case {
        Case::Sensitive => byte,
        Case::Insensitive => byte.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn yes(pattern: &str, text: &str) -> bool {
        matches(pattern.as_bytes(), text.as_bytes(), Case::Sensitive)
    }

    #[test]
    fn everyday_patterns() {
        assert!(yes("*", "anything"));
        assert!(yes("user:*:name", "user:12:name"));
        assert!(!yes("user:*:name", "user:12:names"));
        assert!(yes("h?llo", "hello") && !yes("h?llo", "hllo"));
        assert!(yes("h[ae]llo", "hallo") && !yes("h[ae]llo", "hillo"));
        assert!(yes("h[^e]llo", "hallo") && !yes("h[^e]llo", "hello"));
        assert!(yes("h[a-c]llo", "hbllo") && yes("h[c-a]llo", "hbllo"));
        assert!(yes("a\\*b", "a*b") && !yes("a\\*b", "axb"));
        assert!(yes("*a*b*c*", "xxaxxbxxc") && yes("a*", "a"));
        assert!(matches(b"MAX*", b"maxmemory", Case::Insensitive));
        assert!(matches(b"[M-N]AX", b"max", Case::Insensitive));
    }

    /// Each pattern with those of the keys `a \ ^ - ]` and the empty key that Redis 8.2.3 finds.
    #[test]
    fn odd_patterns_as_redis_takes_them() {
        for (pattern, found) in [
            ("**", "a\\^-]"),
            ("?", "a\\^-]"),
            ("[", ""),
            ("[^", "a\\^-]"),
            ("[]", ""),
            ("[a", "a"),
            ("[^a", "\\^-]"),
            ("\\", "\\"),
            ("[\\", "\\"),
            ("[\\\\]", "\\"),
            ("[a-", "a-"),
            ("[a-]", "a^]"),
            ("[z-a]", "a"),
            ("[]a]", ""),
            ("[^]", "a\\^-]"),
            ("a\\", ""),
            ("[\\a]", "a"),
            ("[--a]", "a\\^-]"),
            ("[a-\\]", "a\\^]"),
            ("[\\a-z]", "a-"),
            ("[^]]", ""),
            ("", ""),
        ] {
            for key in ["a", "\\", "^", "-", "]"] {
                assert_eq!(yes(pattern, key), found.contains(key), "{pattern} {key}");
            }
            assert_eq!(yes(pattern, ""), pattern.is_empty());
        }
        assert!(!matches(b"[\\P]ORT", b"port", Case::Insensitive));
        assert!(matches(b"[\\p]ORT", b"port", Case::Insensitive));
    }

    proptest! {
        /// Where case is ignored no literals are skipped, so the two check each other.
        #[test]
        fn skipping_literals_changes_nothing(pattern in "[ab*?\\\\^\\[\\]]{0,8}", text in "[ab^*]{0,8}") {
            let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
            let plain = matches(pattern, text, Case::Insensitive);
            prop_assert_eq!(matches(pattern, text, Case::Sensitive), plain);
        }
    }

    #[test]
    fn stars_are_bounded_in_number_and_time() {
        let text = "a".repeat(1200);
        assert!(yes(&"*a".repeat(1000), &text));
        assert!(!yes(&"*a".repeat(1001), &text));
        assert!(yes(&"a*".repeat(1001), &text));
        assert!(!yes(&"a*".repeat(1002), &text));
        assert!(!yes(&format!("{}b", "a*".repeat(900)), &"a".repeat(20_000)));
    }

    proptest::proptest! {
        #[test]
        fn no_pattern_panics(pattern in "[a*?\\[\\]^\\\\-]{0,12}", text in "[a\\-^]{0,8}") {
            let _ = yes(&pattern, &text);
        }

        #[test]
        fn an_escaped_text_matches_itself_only(text: Vec<u8>, other: Vec<u8>) {
            let pattern: Vec<u8> = text.iter().flat_map(|&b| [b'\\', b]).collect();
            proptest::prop_assert!(matches(&pattern, &text, Case::Sensitive));
            proptest::prop_assert_eq!(matches(&pattern, &other, Case::Sensitive), text == other);
        }
    }
}
