//! Regular expressions of ARGREP: the extended ones of POSIX with the additions of Redis's library,
//! as the syntax of the crate `regex`, which searches in linear time.
//!
//! ```text
//!   a|b  (a)  (?:a)  (?i)  (?i:a)  (?#a)  ^  $  .  [a-z]  [^[:alpha:]]  a*  a+  a?  a{2,3}  a*?
//!   \w \W \s \S \d \D \b \B \< \> \a \e \f \n \r \t \x41 \x{41} \Q…\E   \ and any other character
//! ```
//!
//! A repetition of nothing matches nothing, and a parenthesis that closes none is a character.
//! Texts are bytes; `.` is any of them.

use crate::command::CmdError;
use regex::bytes::{Regex, RegexBuilder};
use std::fmt::Write;

/// The longest expression, in bytes.
const LEN_MAX: usize = 2048;
/// The greatest number in braces.
const REPEAT_MAX: u32 = 255;
/// Bytes that a compiled expression may take, and that a search may use for its states.
const SIZE_MAX: usize = 4 << 20;
/// Parentheses within each other.
const NEST_MAX: u32 = 1000;

/// Compiles an expression.
///
/// # Errors
/// If it is empty, too long, or none.
pub fn compile(text: &[u8], ignores_case: bool) -> Result<Regex, CmdError> {
    if text.is_empty() {
        return Err(CmdError::Fixed("ERR regular expression is empty"));
    }
    if text.len() > LEN_MAX {
        return Err(CmdError::Fixed(
            "ERR regular expression is too long, maximum is 2048 bytes",
        ));
    }
    let text = text.split(|&byte| byte == 0).next().unwrap_or(text);
    let mut parser = Parser {
        text,
        at: 0,
        out: String::with_capacity(text.len() * 2),
        groups: 0,
        greatest_reference: None,
        depth: 0,
        ignores_case,
    };
    parser.alternatives().map_err(Fault::error)?;
    match parser.greatest_reference {
        Some(number) if number > parser.groups => return Err(Fault::BackReference.error()),
        Some(_) => {
            return Err(CmdError::Fixed(
                "ERR regular expression backreferences are not supported",
            ));
        }
        None => {}
    }
    let regex = RegexBuilder::new(&parser.out)
        .unicode(false)
        .case_insensitive(ignores_case)
        .dot_matches_new_line(true)
        .nest_limit(NEST_MAX * 2)
        .size_limit(SIZE_MAX)
        .dfa_size_limit(SIZE_MAX)
        .build();
    regex.map_err(|_| Fault::Memory.error())
}

/// The reason for refusing an expression.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    Parenthesis,
    Bracket,
    Brace,
    BraceContents,
    RepeatMax,
    Repetition,
    Range,
    Class,
    Collation,
    Backslash,
    BackReference,
    Flags,
    Memory,
}

impl Fault {
    fn error(self) -> CmdError {
        CmdError::Fixed(match self {
            Fault::Parenthesis => "ERR invalid regular expression: Missing ')'",
            Fault::Bracket => "ERR invalid regular expression: Missing ']'",
            Fault::Brace => "ERR invalid regular expression: Missing '}'",
            Fault::BraceContents => "ERR invalid regular expression: Invalid contents of {}",
            Fault::RepeatMax => {
                "ERR invalid regular expression: Maximum repetition in {} larger than 255"
            }
            Fault::Repetition => {
                "ERR invalid regular expression: Invalid use of repetition operators"
            }
            Fault::Range => "ERR invalid regular expression: Invalid character range",
            Fault::Class => "ERR invalid regular expression: Unknown character class name",
            Fault::Collation => "ERR invalid regular expression: Unknown collating element",
            Fault::Backslash => "ERR invalid regular expression: Trailing backslash",
            Fault::BackReference => "ERR invalid regular expression: Invalid back reference",
            Fault::Flags => "ERR invalid regular expression: Invalid regexp",
            Fault::Memory => "ERR invalid regular expression: Out of memory",
        })
    }
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    /// The translation.
    out: String,
    groups: u32,
    greatest_reference: Option<u32>,
    depth: u32,
    ignores_case: bool,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn eat(&mut self, word: &[u8]) -> bool {
        let is_there = self.text[self.at..].starts_with(word);
        self.at += if is_there { word.len() } else { 0 };
        is_there
    }

    /// Writes a byte that stands for itself.
    fn literal(&mut self, byte: u8) {
        match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => self.out.push(char::from(byte)),
            _ => write!(self.out, "\\x{byte:02x}").expect("a string takes it"),
        }
    }

    /// The expression up to its end, or to the parenthesis that closes the group.
    fn alternatives(&mut self) -> Result<(), Fault> {
        loop {
            match self.peek() {
                None => return Ok(()),
                Some(b')') if self.depth > 0 => return Ok(()),
                Some(b'|') => {
                    self.at += 1;
                    self.out.push('|');
                }
                Some(_) => self.repeated()?,
            }
        }
    }

    /// An atom and how often it is repeated.
    fn repeated(&mut self) -> Result<(), Fault> {
        let start = self.out.len();
        match self.atom()? {
            Atom::Flags => Ok(()),
            Atom::One => self.repetitions(start),
            Atom::Assertion => {
                // It holds or not, however often it is asked for.
                let end = self.out.len();
                self.repetitions(end)?;
                self.out.truncate(end);
                Ok(())
            }
            // Behind a quotation a repetition repeats nothing.
            Atom::Quoted => self.repetitions(self.out.len()),
        }
    }

    /// The repetitions of what was written from `start` on. Behind each may stand a sign that asks for
    /// the shortest match, which is the same where only a match counts; no other may follow a sign.
    fn repetitions(&mut self, start: usize) -> Result<(), Fault> {
        while let Some(sign @ (b'*' | b'+' | b'?' | b'{')) = self.peek() {
            self.at += 1;
            let (least, most) = match sign {
                b'*' => (0, None),
                b'+' => (1, None),
                b'?' => (0, Some(1)),
                _ => self.braces()?,
            };
            match self.peek() {
                Some(b'?') => self.at += 1,
                Some(b'*' | b'+') => return Err(Fault::Repetition),
                _ => {}
            }
            self.out.insert_str(start, "(?:");
            let most = most.map_or(String::new(), |most| most.to_string());
            write!(self.out, "){{{least},{most}}}").expect("a string takes it");
        }
        Ok(())
    }

    /// What stands between braces: `2`, `2,`, `,3`, `2,3`.
    fn braces(&mut self) -> Result<(u32, Option<u32>), Fault> {
        let least = self.number()?;
        let (least, most) = match self.peek() {
            Some(b',') => {
                self.at += 1;
                (least.unwrap_or(0), self.number()?)
            }
            _ => (least.ok_or(self.brace_fault())?, least),
        };
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
        if !self.eat(b"}") {
            return Err(self.brace_fault());
        }
        match most.is_some_and(|most| most < least) {
            true => Err(Fault::BraceContents),
            false => Ok((least, most)),
        }
    }

    fn brace_fault(&self) -> Fault {
        match self.peek() {
            None => Fault::Brace,
            Some(_) => Fault::BraceContents,
        }
    }

    fn number(&mut self) -> Result<Option<u32>, Fault> {
        let mut number = None;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            self.at += 1;
            let next = number.unwrap_or(0) * 10 + u32::from(digit - b'0');
            if next > REPEAT_MAX {
                return Err(Fault::RepeatMax);
            }
            number = Some(next);
        }
        Ok(number)
    }

    fn atom(&mut self) -> Result<Atom, Fault> {
        let Some(byte) = self.next() else {
            return Ok(Atom::One);
        };
        match byte {
            b'(' => return self.group(),
            b'[' => self.bracket()?,
            b'.' => self.out.push('.'),
            b'^' => return Ok(self.assertion("\\A")),
            b'$' => return Ok(self.assertion("\\z")),
            b'\\' => return self.escape(),
            // A repetition of nothing.
            b'*' | b'+' | b'?' | b'{' => {
                self.at -= 1;
                self.out.push_str("(?:)");
            }
            other => self.literal(other),
        }
        Ok(Atom::One)
    }

    /// What follows an opening parenthesis.
    fn group(&mut self) -> Result<Atom, Fault> {
        let outer = self.ignores_case;
        if !self.eat(b"?") {
            self.groups += 1;
            self.out.push_str("(?:");
        } else if self.eat(b"#") {
            let rest = &self.text[self.at..];
            let end = memchr::memchr(b')', rest).ok_or(Fault::Flags)?;
            self.at += end + 1;
            return Ok(Atom::Flags);
        } else if is_quantifier_only(self.peek()) {
            // `(?)` repeats nothing in a group.
            self.groups += 1;
            self.out.push_str("(?:");
        } else if !self.flags()? {
            return Ok(Atom::Flags);
        }
        self.depth += 1;
        if self.depth > NEST_MAX {
            return Err(Fault::Memory);
        }
        self.alternatives()?;
        if !self.eat(b")") {
            return Err(Fault::Parenthesis);
        }
        self.depth -= 1;
        self.out.push(')');
        self.ignores_case = outer;
        Ok(Atom::One)
    }

    /// `i`, `n`, `r` and `U`, each on or off, of which only the first matters for whether there is a
    /// match. Returns whether they are those of a group that begins here.
    fn flags(&mut self) -> Result<bool, Fault> {
        let mut on = true;
        loop {
            match self.next().ok_or(Fault::Flags)? {
                b'i' => self.ignores_case = on,
                b'n' | b'r' | b'U' => {}
                b'-' => on = false,
                end @ (b')' | b':') => {
                    self.out.push_str(match self.ignores_case {
                        true => "(?i",
                        false => "(?-i",
                    });
                    self.out.push(char::from(end));
                    return Ok(end == b':');
                }
                _ => return Err(Fault::Flags),
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<Atom, Fault> {
        let byte = self.next().ok_or(Fault::Backslash)?;
        match byte {
            b'w' => self.out.push_str("[0-9A-Za-z_]"),
            b'W' => self.out.push_str("[^0-9A-Za-z_]"),
            b's' => self.out.push_str("[\\t-\\r ]"),
            b'S' => self.out.push_str("[^\\t-\\r ]"),
            b'd' => self.out.push_str("[0-9]"),
            b'D' => self.out.push_str("[^0-9]"),
            // Both ends of a text count as one of a word.
            b'b' => return Ok(self.assertion("(?:\\b|\\A|\\z)")),
            b'B' => return Ok(self.assertion("\\B")),
            b'<' => return Ok(self.assertion("\\b{start}")),
            b'>' => return Ok(self.assertion("\\b{end}")),
            b'a' => self.literal(0x07),
            b'e' => self.literal(0x1b),
            b'f' => self.literal(0x0c),
            b'n' => self.literal(b'\n'),
            b'r' => self.literal(b'\r'),
            b't' => self.literal(b'\t'),
            b'x' => self.hexadecimal()?,
            b'Q' => return Ok(self.quoted()),
            digit @ b'0'..=b'9' => {
                let number = u32::from(digit - b'0');
                let greatest = self.greatest_reference.unwrap_or(0);
                self.greatest_reference = Some(greatest.max(number));
                self.out.push_str("(?:)");
            }
            other => self.literal(other),
        }
        Ok(Atom::One)
    }

    /// `\x4`, `\x41`, `\x{41}`; without digits a zero byte.
    fn hexadecimal(&mut self) -> Result<(), Fault> {
        let is_braced = self.eat(b"{");
        let mut value = 0u32;
        let mut digits = 0;
        while let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(16)) {
            if !is_braced && digits == 2 {
                break;
            }
            value = value.wrapping_mul(16) | digit;
            digits += 1;
            self.at += 1;
        }
        if is_braced && !self.eat(b"}") {
            return Err(Fault::Brace);
        }
        match u8::try_from(value) {
            Ok(byte) => self.literal(byte),
            // A character that no text holds.
            Err(_) => self.out.push_str("[^\\x00-\\xff]"),
        }
        Ok(())
    }

    /// The text up to `\E`, of which each character stands for itself.
    fn quoted(&mut self) -> Atom {
        let rest = &self.text[self.at..];
        let end = memchr::memmem::find(rest, b"\\E");
        let quoted = rest[..end.unwrap_or(rest.len())].to_vec();
        self.at += quoted.len() + if end.is_some() { 2 } else { 0 };
        quoted.iter().for_each(|&byte| self.literal(byte));
        Atom::Quoted
    }

    fn assertion(&mut self, translation: &str) -> Atom {
        self.out.push_str(translation);
        Atom::Assertion
    }

    /// What follows an opening bracket.
    fn bracket(&mut self) -> Result<(), Fault> {
        let mut class = [false; 256];
        let is_negated = self.eat(b"^");
        let start = self.at;
        loop {
            let rest = &self.text[self.at..];
            match rest {
                [] => return Err(Fault::Bracket),
                [b']', ..] if self.at > start => {
                    self.at += 1;
                    break;
                }
                [b'[', b'.' | b'=', ..] => return Err(Fault::Collation),
                [b'[', b':', ..] => self.named_class(&mut class)?,
                [low, b'-', high, ..] if *high != b']' => {
                    // A class cannot end a range, nor can another range begin where one ended.
                    let is_class = *high == b'[' && matches!(rest.get(3), Some(b':' | b'.' | b'='));
                    if is_class || high < low {
                        return Err(Fault::Range);
                    }
                    class[usize::from(*low)..=usize::from(*high)].fill(true);
                    self.at += 3;
                    self.no_second_range()?;
                }
                [one, ..] => {
                    class[usize::from(*one)] = true;
                    self.at += 1;
                }
            }
        }
        self.write_class(&class, is_negated);
        Ok(())
    }

    /// Behind a range or a class no `-` may follow that would go on.
    fn no_second_range(&self) -> Result<(), Fault> {
        match &self.text[self.at..] {
            [b'-', after, ..] if *after != b']' => Err(Fault::Range),
            _ => Ok(()),
        }
    }

    fn named_class(&mut self, class: &mut [bool; 256]) -> Result<(), Fault> {
        let rest = &self.text[self.at + 2..];
        let end = memchr::memchr(b':', rest).ok_or(Fault::Class)?;
        let is: fn(&u8) -> bool = match &rest[..end] {
            b"alpha" => u8::is_ascii_alphabetic,
            b"digit" => u8::is_ascii_digit,
            b"alnum" => u8::is_ascii_alphanumeric,
            b"upper" if self.ignores_case => u8::is_ascii_alphabetic,
            b"lower" if self.ignores_case => u8::is_ascii_alphabetic,
            b"upper" => u8::is_ascii_uppercase,
            b"lower" => u8::is_ascii_lowercase,
            b"space" => |byte| matches!(byte, b'\t'..=b'\r' | b' '),
            b"cntrl" => u8::is_ascii_control,
            b"graph" => u8::is_ascii_graphic,
            b"print" => |byte| matches!(byte, b' '..=b'~'),
            b"punct" => u8::is_ascii_punctuation,
            b"xdigit" => u8::is_ascii_hexdigit,
            _ => return Err(Fault::Class),
        };
        for byte in 0..=u8::MAX {
            class[usize::from(byte)] |= is(&byte);
        }
        self.at += 2 + end + 1;
        if !self.eat(b"]") {
            return Err(Fault::Bracket);
        }
        self.no_second_range()
    }

    fn write_class(&mut self, class: &[bool; 256], is_negated: bool) {
        self.out.push_str(if is_negated { "[^" } else { "[" });
        let mut byte = 0;
        while byte < class.len() {
            let end = (byte..class.len())
                .find(|&at| !class[at])
                .unwrap_or(class.len());
            if end > byte {
                write!(self.out, "\\x{byte:02x}-\\x{:02x}", end - 1).expect("a string takes it");
                byte = end;
            }
            byte += 1;
        }
        self.out.push(']');
    }
}

/// What an atom is to a repetition behind it.
enum Atom {
    One,
    /// Nothing can be repeated: flags, or a comment.
    Flags,
    /// A condition on a place in the text.
    Assertion,
    /// Characters that stand for themselves.
    Quoted,
}

/// Whether a group begins with `?` that repeats nothing: where it ends at once.
fn is_quantifier_only(byte: Option<u8>) -> bool {
    byte == Some(b')')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_match(expression: &str, text: &str) -> bool {
        let regex = compile(expression.as_bytes(), false).expect(expression);
        regex.is_match(text.as_bytes())
    }

    /// As Redis 8.10.2 answers.
    #[test]
    fn expressions_match_as_in_redis() {
        for (expression, texts) in [
            ("^h.*o$", "hello"),
            ("a|w", "world"),
            ("l{2}", "hello"),
            ("\\bworld", "hello world"),
            ("(?i)HELLO", "hello"),
            ("l+?", "hello"),
            ("^$", ""),
            ("*", "x"),
            ("^*a", "a"),
            ("(*a)", "a"),
            ("^a{,2}$", "aa"),
            ("^a{2}{3}$", "aaaaaa"),
            ("^a*{2}$", "aaa"),
            ("a+?*", "b"),
            (")", ")"),
            ("^(?i:A)$", "a"),
            ("^a(?i)B$", "ab"),
            ("[]a]", "]"),
            ("[a-]", "-"),
            ("[--a]", "_"),
            ("^[\\]$", "\\"),
            ("[\\d]", "d"),
            ("[[:alpha:]]", "Q"),
            ("[a-z&&b]", "x"),
            ("a{1 }", "a"),
            ("\\Q.\\E", "a.b"),
            ("^\\Qa\\E*$", "a"),
            ("^?a$", "a"),
            ("\\<*", "a"),
            ("\\Qab\\E*", "ab"),
            ("\\x{61}", "a"),
            ("\\v", "v"),
            ("(?#x)a", "a"),
            ("(|a)", ""),
            ("a||b", ""),
            ("\\<a", "a.b"),
            ("a\\>", "a.b"),
            ("^\\b$", ""),
            ("(?)", ""),
            ("\\y", "y"),
        ] {
            assert!(is_match(expression, texts), "{expression} on {texts}");
        }
        for (expression, text) in [
            ("a.b", "ab"),
            ("a$b", "a$b"),
            ("x^y", "x^y"),
            ("^[^a]$", "a"),
            ("\\d", "a"),
            ("[\\]]", "]"),
            ("(?-i)a", "A"),
            ("^a\\B", "a"),
            ("\\x616", "a"),
            ("^?a$", "aa"),
            ("\\<*", "-"),
            ("\\Qab\\E*", "a"),
        ] {
            assert!(!is_match(expression, text), "{expression} on {text}");
        }
        let regex = compile(b"[[:upper:]]x", true).expect("it is one");
        assert!(regex.is_match(b"aX"));
        assert!(compile(b"^.$", false).expect("it is one").is_match(b"\xff"));
    }

    #[test]
    fn mistakes_are_named_as_in_redis() {
        for (expression, reason) in [
            ("(", "Missing ')'"),
            ("[", "Missing ']'"),
            ("[]", "Missing ']'"),
            ("a{2", "Missing '}'"),
            ("a{", "Missing '}'"),
            ("a**", "Invalid use of repetition operators"),
            ("a*+", "Invalid use of repetition operators"),
            ("a{2}*", "Invalid use of repetition operators"),
            ("a{2,1}", "Invalid contents of {}"),
            ("a{}", "Invalid contents of {}"),
            ("a{x", "Invalid contents of {}"),
            ("^{$", "Invalid contents of {}"),
            ("a{1,2,3}", "Invalid contents of {}"),
            ("a{256", "Maximum repetition in {} larger than 255"),
            ("[z-a]", "Invalid character range"),
            ("[a-c-e]", "Invalid character range"),
            ("[[:digit:]-a]", "Invalid character range"),
            ("[[:foo:]]", "Unknown character class name"),
            ("[[:alpha]]", "Unknown character class name"),
            ("[[:alpha:]", "Missing ']'"),
            ("[[=a=]]", "Unknown collating element"),
            ("\\", "Trailing backslash"),
            ("\\1", "Invalid back reference"),
            ("(a)\\2", "Invalid back reference"),
            ("(?=a)", "Invalid regexp"),
            ("(?i", "Invalid regexp"),
            ("\\x{zz}", "Missing '}'"),
            ("((a{255}){255}){255}", "Out of memory"),
        ] {
            let error = compile(expression.as_bytes(), false).expect_err(expression);
            let expected = format!("ERR invalid regular expression: {reason}");
            assert_eq!(
                String::from_utf8_lossy(&error.bytes()),
                expected,
                "{expression}"
            );
        }
        let error = |text: &[u8]| match compile(text, false) {
            Err(error) => String::from_utf8_lossy(&error.bytes()).into_owned(),
            Ok(_) => String::new(),
        };
        assert_eq!(error(b""), "ERR regular expression is empty");
        assert!(error(&[b'a'; 2049]).ends_with("maximum is 2048 bytes"));
        assert!(error(b"(a)\\1").ends_with("are not supported"));
    }

    proptest::proptest! {
        #[test]
        fn no_expression_panics(text in "[ab(){}\\[\\]*+?|\\\\^$.,0-9i:#x<>QEbBwd~-]{0,24}") {
            drop(compile(text.as_bytes(), false));
            drop(compile(text.as_bytes(), true));
        }
    }
}
