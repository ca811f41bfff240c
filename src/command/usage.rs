//! The notation in which a command declares its arguments, for COMMAND DOCS.
//!
//! ```text
//!   key:key value:string [condition(nx=NX|xx=XX)] [seconds:integer@EX]
//!
//!   name:type            an argument; types as COMMAND DOCS names them, `key` counts key specs
//!   name:type@TOKEN      an argument behind a word
//!   name=TOKEN           the word alone
//!   name(a|b|c)          one of; name{a b c} all of, in this order
//!   name(…)@TOKEN        either behind a word
//!   [x]                  optional
//!   x...                 several; x+... several, each behind the token
//!   name:type#n          belongs to the nth key spec, whatever its type
//!   name~display:type    another name for display
//!   x!1.2.3              since this version of Redis, where the command itself is older
//!   x!!1.2.3             deprecated since this version
//! ```
//! A token with signs that mean something here stands in double quotes.

/// One argument, or group of arguments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Argument {
    pub name: String,
    pub display: Option<String>,
    pub kind: String,
    /// Which of the command's key specifications a key belongs to.
    pub key_spec: Option<usize>,
    pub token: Option<String>,
    pub optional: bool,
    pub multiple: bool,
    pub multiple_token: bool,
    /// Since when the argument exists, if the command is older.
    pub since: Option<String>,
    pub deprecated_since: Option<String>,
    pub arguments: Vec<Argument>,
}

/// Parses a declaration. It is our own, so a mistake in it is our bug, found by a test over all
/// commands; here it ends the list early.
pub fn parse(usage: &str) -> Vec<Argument> {
    let mut parser = Parser {
        rest: usage,
        keys: 0,
    };
    parser.list(None, ' ')
}

struct Parser<'a> {
    rest: &'a str,
    keys: usize,
}

impl Parser<'_> {
    fn eat(&mut self, word: &str) -> bool {
        match self.rest.strip_prefix(word) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn list(&mut self, close: Option<char>, separator: char) -> Vec<Argument> {
        let mut out = Vec::new();
        loop {
            while self.rest.starts_with(separator) || self.rest.starts_with(' ') {
                self.rest = &self.rest[1..];
            }
            if self.rest.is_empty() {
                return out;
            }
            if let Some(close) = close
                && self.rest.starts_with(close)
            {
                self.rest = &self.rest[close.len_utf8()..];
                return out;
            }
            let before = self.rest.len();
            out.push(self.item());
            if self.rest.len() == before {
                return out;
            }
        }
    }

    fn item(&mut self) -> Argument {
        let optional = self.eat("[");
        let mut item = self.argument();
        if self.eat("+...") {
            (item.multiple, item.multiple_token) = (true, true);
        } else if self.eat("...") {
            item.multiple = true;
        }
        if optional {
            self.eat("]");
            item.optional = true;
        }
        if self.eat("...") {
            item.multiple = true;
        }
        item
    }

    fn word(&mut self) -> String {
        if self.eat("\"") {
            let end = self.rest.find('"').unwrap_or(self.rest.len());
            let word = self.rest[..end].to_owned();
            self.rest = self.rest.get(end + 1..).unwrap_or("");
            return word;
        }
        let end = self
            .rest
            .find(|c: char| c.is_ascii() && is_sign(c as u8))
            .unwrap_or(self.rest.len());
        let word = self.rest[..end].to_owned();
        self.rest = &self.rest[end..];
        word
    }

    fn argument(&mut self) -> Argument {
        let mut item = Argument {
            name: self.word(),
            ..Argument::default()
        };
        if self.eat("~") {
            item.display = Some(self.word());
        }
        if self.eat("=") {
            item.kind = "pure-token".into();
            item.token = Some(self.word());
        } else if self.eat("(") {
            item.kind = "oneof".into();
            item.arguments = self.list(Some(')'), '|');
        } else if self.eat("{") {
            item.kind = "block".into();
            item.arguments = self.list(Some('}'), ' ');
        } else if self.eat(":") {
            item.kind = self.word();
        }
        if item.kind == "key" {
            item.key_spec = Some(self.keys);
            self.keys += 1;
        }
        if self.eat("#") {
            item.key_spec = self.word().parse().ok();
        }
        if self.eat("@") {
            item.token = Some(self.word());
        }
        if self.rest.starts_with('!') && !self.rest.starts_with("!!") {
            self.eat("!");
            item.since = Some(self.version());
        }
        if self.eat("!!") {
            item.deprecated_since = Some(self.version());
        }
        item
    }

    /// Numbers with single dots between them: three dots mean something else.
    fn version(&mut self) -> String {
        let digit = |b: Option<&u8>| b.is_some_and(u8::is_ascii_digit);
        let bytes = self.rest.as_bytes();
        let mut end = 0;
        while digit(bytes.get(end)) || (bytes.get(end) == Some(&b'.') && digit(bytes.get(end + 1)))
        {
            end += 1;
        }
        let version = self.rest[..end].to_owned();
        self.rest = &self.rest[end..];
        version
    }
}

/// How many words a part of a declaration takes.
#[derive(Clone, Copy)]
struct Words {
    least: i32,
    is_exact: bool,
}

/// Returns the arity that follows from a declaration: the number of words, those of the command's
/// own name included; negative for "at least".
///
/// It reads the same notation as `parse`, which cannot run in a constant.
pub const fn arity(usage: &str, name: i32) -> i32 {
    let (_, words) = arguments(usage.as_bytes(), 0, b'\0');
    let least = name + words.least;
    if words.is_exact { least } else { -least }
}

/// The words of a list of arguments up to `close`, and the index behind it.
const fn arguments(usage: &[u8], mut at: usize, close: u8) -> (usize, Words) {
    let mut sum = Words {
        least: 0,
        is_exact: true,
    };
    let mut is_first = true;
    while at < usage.len() && usage[at] != close {
        if usage[at] == b' ' || usage[at] == b'|' {
            at += 1;
            continue;
        }
        let (end, words) = one_argument(usage, at);
        // What stands in parentheses is one of several: the shortest counts.
        if close == b')' && !is_first {
            sum.is_exact = sum.is_exact && words.is_exact && words.least == sum.least;
            sum.least = if words.least < sum.least {
                words.least
            } else {
                sum.least
            };
        } else {
            sum.is_exact = sum.is_exact && words.is_exact;
            sum.least += words.least;
        }
        is_first = false;
        at = if end > at { end } else { at + 1 };
    }
    (at + 1, sum)
}

/// The words of the argument that begins here, and the index behind it.
const fn one_argument(usage: &[u8], mut at: usize) -> (usize, Words) {
    let is_optional = usage[at] == b'[';
    let mut words = Words {
        least: 1,
        is_exact: true,
    };
    at = past_word(usage, at + is_optional as usize);
    while at < usage.len() {
        match usage[at] {
            b'~' | b'=' | b':' | b'#' => at = past_word(usage, at + 1),
            b'@' => {
                at = past_word(usage, at + 1);
                words.least += 1;
            }
            b'(' => (at, words) = arguments(usage, at + 1, b')'),
            b'{' => (at, words) = arguments(usage, at + 1, b'}'),
            b'!' => at = past_version(usage, at + 1),
            b'+' | b'.' => {
                words.is_exact = false;
                at += 1;
            }
            b']' if is_optional => {
                words.least = 0;
                words.is_exact = false;
                at += 1;
            }
            _ => break,
        }
    }
    (at, words)
}

const fn past_word(usage: &[u8], mut at: usize) -> usize {
    if at < usage.len() && usage[at] == b'"' {
        at += 1;
        while at < usage.len() && usage[at] != b'"' {
            at += 1;
        }
        return at + 1;
    }
    while at < usage.len() && !is_sign(usage[at]) {
        at += 1;
    }
    at
}

/// Whether a byte means something in the notation, so that a word ends before it.
const fn is_sign(byte: u8) -> bool {
    let mut signs = b" :=@~|()[]{}+.!#".as_slice();
    while let [sign, rest @ ..] = signs {
        if *sign == byte {
            return true;
        }
        signs = rest;
    }
    false
}

const fn past_version(usage: &[u8], mut at: usize) -> usize {
    while at < usage.len() {
        let is_dot = usage[at] == b'.' && at + 1 < usage.len() && usage[at + 1].is_ascii_digit();
        if !usage[at].is_ascii_digit() && !is_dot {
            break;
        }
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of an argument as `parse` reads it.
    fn words(argument: &Argument) -> (i32, bool) {
        let inner = || argument.arguments.iter().map(words);
        let (mut least, mut exact) = match argument.kind.as_str() {
            "oneof" => {
                let least = inner().map(|(least, _)| least).min().unwrap_or(0);
                (least, inner().all(|one| one == (least, true)))
            }
            "block" => (
                inner().map(|(n, _)| n).sum(),
                inner().all(|(_, exact)| exact),
            ),
            _ => (1, true),
        };
        if argument.token.is_some() && argument.kind != "pure-token" {
            least += 1;
        }
        exact &= !argument.multiple && !argument.optional;
        (if argument.optional { 0 } else { least }, exact)
    }

    #[test]
    fn the_arity_is_that_of_the_arguments() {
        for (usage, expected) in [
            ("", 1),
            ("key:key value:string", 3),
            ("key:key [count:integer]", -2),
            ("key:key...", -2),
            ("key:key data{score:double member:string}...", -4),
            ("where(left=LEFT|right=RIGHT)", 2),
            ("by(a:string@A|b{c:string d:string}@B)", -3),
            ("a~\"ip:port\":string!1.0.0!!2.8.12 [b=\"\"]", -2),
            ("[from(a{b:string c:string}|d=D)@X!6.2.0+...]", -1),
        ] {
            assert_eq!(arity(usage, 1), expected, "{usage}");
            let all: Vec<_> = parse(usage).iter().map(words).collect();
            let least = 1 + all.iter().map(|(least, _)| least).sum::<i32>();
            let exact = all.iter().all(|(_, exact)| *exact);
            assert_eq!(if exact { least } else { -least }, expected, "{usage}");
        }
    }

    #[test]
    fn reads_versions() {
        let list = parse("[a:string!6.2.0...] [b(x=X!7.0.0|y=Y)@B!1.2.3+...]");
        assert_eq!(list[0].since.as_deref(), Some("6.2.0"));
        assert!(list[0].multiple && list[1].multiple_token);
        assert_eq!(list[1].since.as_deref(), Some("1.2.3"));
        assert_eq!(list[1].arguments[0].since.as_deref(), Some("7.0.0"));
        assert_eq!(list[1].arguments[1].since, None);
        let list = parse("a~\"ip:port\":string!1.0.0!!2.8.12 b:key#0");
        assert_eq!(list[0].display.as_deref(), Some("ip:port"));
        assert_eq!(list[0].deprecated_since.as_deref(), Some("2.8.12"));
        assert_eq!((list[1].kind.as_str(), list[1].key_spec), ("key", Some(0)));
    }

    #[test]
    fn reads_the_example() {
        let list = parse(
            "key:key value:string [condition(nx=NX|xx=XX)] [seconds:integer@EX] \
             [m{key:key member~m:string}...]",
        );
        let names: Vec<&str> = list.iter().map(|a| a.name.as_str()).collect();
        assert_eq!(names, ["key", "value", "condition", "seconds", "m"]);
        assert_eq!((list[0].key_spec, list[1].optional), (Some(0), false));
        assert_eq!(list[2].arguments[1].token.as_deref(), Some("XX"));
        assert_eq!(list[3].token.as_deref(), Some("EX"));
        assert!(list[3].optional && list[4].multiple && list[4].optional);
        assert_eq!(list[4].arguments[0].key_spec, Some(1));
        assert_eq!(list[4].arguments[1].display.as_deref(), Some("m"));
    }
}
