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
            .find(|c| " :=@~|()[]{}+.!#".contains(c))
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

#[cfg(test)]
mod tests {
    use super::*;

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
