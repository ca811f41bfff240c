//! Commands out of templates: a template is a line as in a manual, and each use of it is different.
//!
//!     SET {k} {v} [ NX | XX ] [ GET ] [ EX {ttl} | KEEPTTL ]
//!
//! `[ … ]` may be left out, `< … >` is one of its alternatives, `( … )` comes one to four times;
//! alternatives are parted by `|`. A word in braces is drawn afresh each time (`draw` below), any
//! other stands as it is. One command in twenty is then broken on purpose.

use super::rng::Rng;

pub type Command = Vec<Vec<u8>>;

/// How the replies to a command are held against each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// Byte for byte.
    Exact,
    /// The same elements in any order.
    Unordered,
    /// Replies of the same kind (a random element, a description of the server); errors are equal.
    Any,
    /// A SCAN from cursor 0, walked to its end: the elements found are the same.
    Walk,
    /// Integers may differ by this much: time passes between two servers.
    Within(i64),
}

/// A template, and how its replies compare.
pub struct Template(pub Compare, pub &'static str);

/// Few keys, so that commands meet; one is binary, one empty.
pub const KEYS: &[&[u8]] = &[
    b"a",
    b"b",
    b"c",
    b"key:1",
    b"key:2",
    b"k{tag}",
    b"\x00\xff\r\n",
    b"",
];
const PATTERNS: &[&str] = &[
    "*", "a*", "?", "key:[12]", "[^a]", "key:[1-", "\\*", "*[", "k*g}", "[a-c]", "[c-a]", "key:?",
    "",
];
const EXTREMES: &[&str] = &[
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "4294967296",
    "-1",
    "0",
    "-0",
    "+1",
    "01",
    " 1",
    "1 ",
    "1.0",
    "1e3",
    "0x10",
    "abc",
    "",
];
const FLOATS: &[&str] = &[
    "0.1",
    "0.2",
    "3.0e3",
    "-1.5",
    "1e308",
    "-1e308",
    "1e-20",
    "inf",
    "-inf",
    "nan",
    "5.",
    ".5",
    "1e400",
    "123456789.123456789",
    "0x1p3",
    "1,5",
    "17179869184.25",
    "10",
    "-0.0",
    "1e17",
    "99999999999999999",
    "infinity",
    " 1.5",
    "1.5 ",
    "abc",
    "",
];
const FIELD_TYPES: &[&str] = &[
    "u1", "u8", "i8", "u16", "i16", "i32", "u63", "i64", "i5", "u7", "u64", "i65", "i0", "x8", "u",
    "U8",
];

/// The one place where every random choice of a command is made.
pub struct Generator {
    rng: Rng,
}

impl Generator {
    pub fn new(seed: u64) -> Generator {
        Generator {
            rng: Rng::new(seed),
        }
    }

    /// One command of a random template, whose replies can be compared.
    pub fn command(&mut self, templates: &[&'static Template]) -> (Compare, Command) {
        loop {
            let (compare, command) = self.any_command(templates);
            if comparable(&command) {
                return (compare, command);
            }
        }
    }

    fn any_command(&mut self, templates: &[&'static Template]) -> (Compare, Command) {
        let Template(compare, text) = self.rng.pick(templates);
        let words: Vec<&str> = text.split_whitespace().collect();
        let mut command = Command::new();
        self.expand(&words, &mut command);
        if self.rng.one_in(20) {
            self.break_up(&mut command);
        }
        self.vary_case(&mut command[0]);
        (*compare, command)
    }

    /// Writes the words of one alternative, groups resolved.
    fn expand(&mut self, words: &[&str], out: &mut Command) {
        let mut at = 0;
        while at < words.len() {
            let word = words[at];
            if !matches!(word, "[" | "<" | "(") {
                out.push(self.draw(word));
                at += 1;
                continue;
            }
            let end = at + closing(&words[at..]);
            let inner = alternatives(&words[at + 1..end]);
            let times = match word {
                "[" => usize::from(self.rng.one_in(3)),
                "(" => 1 + self.rng.below(4),
                _ => 1,
            };
            for _ in 0..times {
                let chosen = inner[self.rng.below(inner.len())];
                self.expand(chosen, out);
            }
            at = end + 1;
        }
    }

    fn draw(&mut self, word: &str) -> Vec<u8> {
        let rng = &mut self.rng;
        let text = match word {
            "{k}" => return KEYS[rng.below(KEYS.len())].to_vec(),
            "{v}" => return self.value(),
            "{int}" if rng.one_in(4) => rng.pick(EXTREMES).to_owned(),
            "{int}" => rng.between(-20, 20).to_string(),
            "{float}" if rng.one_in(2) => rng.pick(FLOATS).to_owned(),
            "{float}" => format!("{}.{}", rng.between(-99, 99), rng.below(1000)),
            "{index}" if rng.one_in(12) => rng.pick(EXTREMES).to_owned(),
            "{index}" => rng.between(-30, 40).to_string(),
            // Bounded so that no single command makes a huge string.
            "{offset}" if rng.one_in(15) => {
                rng.pick(&["-1", "4294967296", "x", "1.5", ""]).to_owned()
            }
            "{offset}" => rng.between(0, 300).to_string(),
            "{bit}" if rng.one_in(20) => rng.pick(&["2", "-1", "x", ""]).to_owned(),
            "{bit}" => rng.below(2).to_string(),
            "{field}" if rng.one_in(3) => rng.pick(FIELD_TYPES).to_owned(),
            "{field}" => format!("{}{}", rng.pick(&["i", "u"]), rng.between(1, 63)),
            "{fieldat}" if rng.one_in(4) => format!("#{}", rng.between(-1, 20)),
            "{fieldat}" => rng.between(-1, 200).to_string(),
            // Far enough that no deadline falls between the two servers; spread so that none coincide.
            "{ttl}" if rng.one_in(8) => rng.pick(EXTREMES).to_owned(),
            "{ttl}" => rng.between(1_000, 900_000_000).to_string(),
            "{pttl}" if rng.one_in(8) => rng.pick(EXTREMES).to_owned(),
            "{pttl}" => rng.between(1_000_000, 900_000_000_000).to_string(),
            "{at}" if rng.one_in(8) => rng.pick(EXTREMES).to_owned(),
            "{at}" => rng
                .pick(&["1", "1000000000", "5000000000", "6000000000", "7000000000"])
                .to_owned(),
            "{pat}" if rng.one_in(8) => rng.pick(EXTREMES).to_owned(),
            "{pat}" => rng
                .pick(&["1", "1000000000000", "5000000000000", "6000000000001"])
                .to_owned(),
            "{glob}" => rng.pick(PATTERNS).to_owned(),
            "{db}" if rng.one_in(5) => rng.pick(&["16", "-1", "x", "99999999999", ""]).to_owned(),
            "{db}" => rng.below(3).to_string(),
            "{name}" => rng
                .pick(&[
                    "n1",
                    "a b",
                    "line\nbreak",
                    "",
                    "ünicode",
                    "tab\t",
                    "ok-name",
                ])
                .to_owned(),
            other => {
                let mut word = other.as_bytes().to_vec();
                self.vary_case(&mut word);
                return word;
            }
        };
        text.into_bytes()
    }

    fn value(&mut self) -> Vec<u8> {
        let rng = &mut self.rng;
        match rng.below(10) {
            0 | 1 => rng.between(-1000, 100_000).to_string().into_bytes(),
            2 => rng.pick(EXTREMES).as_bytes().to_vec(),
            3 => rng.pick(FLOATS).as_bytes().to_vec(),
            4 => b"ohmytext".to_vec(),
            5 => b"mynewtext".to_vec(),
            // Around the borders of the encodings: 44 bytes embed, 64 is where some peers go to.
            6 => vec![
                b'x';
                rng.pick(&[&43_usize, &44, &45, &63, &64, &65, &127, &128])
                    .to_owned()
            ],
            7 => (0..rng.below(20))
                .map(|_| u8::try_from(rng.next() & 255).expect("a byte"))
                .collect(),
            8 => Vec::new(),
            _ => (0..rng.below(12))
                .map(|_| b'a' + u8::try_from(rng.next() % 4).expect("small"))
                .collect(),
        }
    }

    /// Now and then a command word in another case: names and options are case-free.
    fn vary_case(&mut self, word: &mut [u8]) {
        match self.rng.below(6) {
            0 => word.make_ascii_lowercase(),
            1 => {
                for byte in word.iter_mut().filter(|b| b.is_ascii_alphabetic()) {
                    *byte ^= if self.rng.one_in(2) { 0x20 } else { 0 };
                }
            }
            _ => {}
        }
    }

    /// A mistake a client could make.
    fn break_up(&mut self, command: &mut Command) {
        let at = self.rng.below(command.len());
        match self.rng.below(5) {
            0 if command.len() > 1 => drop(command.remove(1.max(at))),
            1 => command.insert(at + 1, command[at].clone()),
            2 => {
                let value = self.value();
                command.push(value);
            }
            // The name stays: another name might be another command altogether.
            3 if at > 0 => command[at] = self.value(),
            4 if command.len() > 2 => {
                let other = 1 + self.rng.below(command.len() - 1);
                command.swap(1.max(at), other);
            }
            _ => command.truncate(1),
        }
    }
}

/// False where the reply tells of the process itself, or where the server would wait or close:
/// breaking a command can make such a one out of a harmless one.
fn comparable(command: &[Vec<u8>]) -> bool {
    let words: Vec<String> = command
        .iter()
        .take(3)
        .map(|w| String::from_utf8_lossy(w).to_lowercase())
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let number = |word: &str| word.parse::<i64>().is_ok_and(|n| n >= 0);
    match words[..] {
        // The help texts are in our own words.
        [_, "help"] => false,
        ["client", "list" | "info" | "id", ..] => command.len() > 3,
        ["client", "pause", time, ..] => !number(time),
        ["client", "reply", mode, ..] => !matches!(mode, "off" | "skip"),
        ["command"] | ["command", "count" | "docs" | "list" | "info"] => false,
        ["hello"] | ["hello", _] | ["memory", "stats" | "doctor" | "malloc-stats"] => false,
        // Redis has a module built in, vector sets.
        ["module", "list"] => false,
        // What is overdue counts until somebody finds it.
        ["debug", "digest"] => false,
        ["hello", "2" | "3", ..] => !words[2].eq_ignore_ascii_case("setname"),
        ["scan", "0", ..] => true,
        ["scan", cursor, ..] => !number(cursor),
        _ => true,
    }
}

/// The place of the bracket that closes the one at the start.
fn closing(words: &[&str]) -> usize {
    let mut depth = 0;
    for (i, word) in words.iter().enumerate() {
        match *word {
            "[" | "<" | "(" => depth += 1,
            "]" | ">" | ")" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return i;
        }
    }
    panic!("a template has an open bracket: {}", words.join(" "));
}

/// The parts between the bars of one group, leaving inner groups whole.
fn alternatives<'a, 'b>(words: &'b [&'a str]) -> Vec<&'b [&'a str]> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0);
    for (i, word) in words.iter().enumerate() {
        match *word {
            "[" | "<" | "(" => depth += 1,
            "]" | ">" | ")" => depth -= 1,
            "|" if depth == 0 => {
                parts.push(&words[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&words[start..]);
    parts
}
