//! Commands out of templates: a template is a line as in a manual, and each use of it is different.
//!
//!     SET {k} {v} [ NX | XX ] [ GET ] [ EX {ttl} | KEEPTTL ]
//!
//! `[ … ]` may be left out, `< … >` is one of its alternatives, `( … )` comes one to four times;
//! alternatives are parted by `|`. A word in braces is drawn afresh each time (`draw` below), any
//! other stands as it is. One command in twenty is then broken on purpose.

use super::rng::Rng;

pub type Command = Vec<Vec<u8>>;

/// The way in which the replies to a command are compared.
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
    /// The words of a description about a list's nodes (DEBUG OBJECT).
    Nodes,
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
    "2147483647",
    "2147483648",
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
/// Numbers around the ends of 32 and of 64 bits.
const LARGE: &[&str] = &[
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "4294967297",
    "9223372036854775807",
    "-2147483648",
    "-2147483649",
    "-4294967296",
    "-4294967297",
    "-9223372036854775807",
    "-9223372036854775808",
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
/// Members of sorted sets: few, so that they meet.
const MEMBERS: &[&str] = &[
    "a", "b", "c", "d", "aa", "ab", "1", "2", "10", "-5", "3.5", "", "longer", "B", "zz", "\u{ff}",
];
const FIELD_TYPES: &[&str] = &[
    "u1", "u8", "i8", "u16", "i16", "i32", "u63", "i64", "i5", "u7", "u64", "i65", "i0", "x8", "u",
    "U8",
];

/// What ids of entries in a far future begin with; those of streams with this name of a field.
const FAR: &str = "99999999999999-";
const FAR_FIELD: &[u8] = b"ff";

/// The one place where every random choice of a command is made.
pub struct Generator {
    rng: Rng,
    /// Ids of stream entries rise with it.
    tick: u64,
}

impl Generator {
    pub fn new(seed: u64) -> Generator {
        Generator {
            rng: Rng::new(seed),
            tick: 1,
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
        if self.rng.one_in(8) {
            self.enlarge(&mut command);
        }
        // A word less may make another command of it.
        let compare = if is_random(&command) {
            Compare::Any
        } else {
            *compare
        };
        self.vary_case(&mut command[0]);
        (compare, command)
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
            "{e}" => return self.element(),
            "{where}" if rng.one_in(20) => rng.pick(&["MIDDLE", ""]).to_owned(),
            "{where}" => rng.pick(&["LEFT", "RIGHT"]).to_owned(),
            "{wait}" if rng.one_in(8) => rng
                .pick(&["-1", "nan", "inf", "1e400", "x", "", "9223372036854775807"])
                .to_owned(),
            "{wait}" => rng.pick(&["0.001", "0.01", "1e-3"]).to_owned(),
            // Members and fields: few, so that they meet, of all encodings and around their borders.
            "{m}" => {
                return match rng.below(10) {
                    0..=3 => rng.between(-3, 12).to_string().into_bytes(),
                    4..=7 => vec![b'a' + u8::try_from(rng.below(8)).expect("small")],
                    8 => vec![b'm'; [0, 2, 3, 63, 64, 65, 300][rng.below(7)]],
                    _ => rng
                        .pick(&["\x00\r\n", "-0", "01", "100000", "-3000000000", "1.5", " 1"])
                        .as_bytes()
                        .to_vec(),
                };
            }
            "{newid}" => {
                self.tick += rng.below(3) as u64;
                let ms = self.tick / 3;
                return match rng.below(4) {
                    0 => format!("{ms}-*"),
                    1 => ms.to_string(),
                    _ => format!("{ms}-{}", rng.below(5)),
                }
                .into_bytes();
            }
            "{id}" if rng.one_in(20) => rng.pick(EXTREMES).to_owned(),
            "{id}" => {
                let ms = (self.tick / 3).saturating_sub(rng.below(25) as u64);
                match rng.below(4) {
                    0 => ms.to_string(),
                    _ => format!("{ms}-{}", rng.below(5)),
                }
            }
            "{idbound}" => {
                let ms = (self.tick / 3).saturating_sub(rng.below(25) as u64);
                match rng.below(8) {
                    0 | 1 => "-".to_owned(),
                    2 | 3 => "+".to_owned(),
                    4 => format!("({ms}-{}", rng.below(5)),
                    5 => ms.to_string(),
                    6 => rng
                        .pick(&[
                            "(-",
                            "(+",
                            "x",
                            "(",
                            "0-0",
                            "(0-0",
                            "(18446744073709551615-18446744073709551615",
                        ])
                        .to_owned(),
                    _ => format!("{ms}-{}", rng.below(5)),
                }
            }
            // Of entries in a far future (`families_newer_streams`).
            "{farid}" => format!("{FAR}{}", rng.below(25)),
            "{new}" => ">".to_owned(),
            "{group}" => rng.pick(&["g", "g", "g", "h", ""]).to_owned(),
            "{consumer}" => rng.pick(&["alice", "bob", "bob", "carl"]).to_owned(),
            "{int}" if rng.one_in(4) => rng.pick(EXTREMES).to_owned(),
            "{int}" => rng.between(-20, 20).to_string(),
            "{float}" if rng.one_in(2) => rng.pick(FLOATS).to_owned(),
            "{float}" => format!("{}.{}", rng.between(-99, 99), rng.below(1000)),
            "{score}" if rng.one_in(4) => rng.pick(FLOATS).to_owned(),
            "{score}" if rng.one_in(3) => (rng.between(-300, 300) as f64 / 8.0).to_string(),
            "{score}" => rng.between(-9, 9).to_string(),
            "{bound}" if rng.one_in(12) => rng.pick(FLOATS).to_owned(),
            "{bound}" if rng.one_in(5) => {
                rng.pick(&["-inf", "+inf", "inf", "(inf", "("]).to_owned()
            }
            "{bound}" => format!("{}{}", rng.pick(&["", "("]), rng.between(-10, 10)),
            "{lex}" if rng.one_in(4) => rng.pick(&["-", "+", "(", "[", "a", ""]).to_owned(),
            "{lex}" => format!("{}{}", rng.pick(&["[", "("]), rng.pick(MEMBERS)),
            "{many}" => rng.below(5_000).to_string(),
            "{hll}" => return self.hyperloglog(),
            "{lon}" if rng.one_in(20) => rng.pick(FLOATS).to_owned(),
            "{lon}" if rng.one_in(2) => decimal(rng, -180_000_000, 180_000_000),
            "{lon}" => decimal(rng, 12_000_000, 16_000_000),
            "{lat}" if rng.one_in(20) => rng.pick(FLOATS).to_owned(),
            "{lat}" if rng.one_in(2) => decimal(rng, -85_000_000, 85_000_000),
            "{lat}" => decimal(rng, 36_000_000, 39_000_000),
            "{far}" if rng.one_in(15) => rng.pick(FLOATS).to_owned(),
            "{far}" if rng.one_in(3) => decimal(rng, 0, 20_000_000_000),
            "{far}" => decimal(rng, 0, 900_000_000),
            "{unit}" if rng.one_in(20) => "yd".to_owned(),
            "{unit}" => rng.pick(&["m", "km", "km", "km", "mi", "ft"]).to_owned(),
            "{member}" if rng.one_in(12) => return self.value(),
            "{member}" => rng.pick(MEMBERS).to_owned(),
            "{index}" if rng.one_in(12) => rng.pick(EXTREMES).to_owned(),
            "{index}" => rng.between(-30, 40).to_string(),
            // Bounded so that no single command makes a huge string.
            "{offset}" if rng.one_in(15) => {
                rng.pick(&["-1", "4294967296", "x", "1.5", ""]).to_owned()
            }
            "{offset}" => rng.between(0, 300).to_string(),
            "{bit}" if rng.one_in(20) => rng.pick(&["2", "-1", "x", ""]).to_owned(),
            "{bit}" => rng.below(2).to_string(),
            // Around the borders of slices, and near to each other.
            "{cell}" if rng.one_in(30) => rng
                .pick(&["-1", "18446744073709551615", "x", "01", ""])
                .to_owned(),
            "{cell}" => match rng.below(8) {
                0 => rng.between(250, 260).to_string(),
                1 => rng.between(4090, 4100).to_string(),
                2 => rng.between(0, 20_000).to_string(),
                _ => rng.between(0, 40).to_string(),
            },
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

    /// An element of a list: of few words, so that some are equal, and of sizes around the limits of
    /// nodes.
    fn element(&mut self) -> Vec<u8> {
        let rng = &mut self.rng;
        match rng.below(12) {
            0..=3 => rng.between(-3, 12).to_string().into_bytes(),
            4..=6 => rng.pick(&["a", "b", "c", "hello", ""]).into(),
            7 => vec![
                b'p';
                rng.pick(&[&62_usize, &63, &64, &65, &127, &128, &200])
                    .to_owned()
            ],
            8 => vec![b'q'; rng.between(300, 3000) as usize],
            9 if rng.one_in(4) => {
                vec![
                    b'r';
                    rng.pick(&[&4095_usize, &4096, &8191, &8192, &8193, &9000])
                        .to_owned()
                ]
            }
            _ => self.value(),
        }
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

    /// A sparse HyperLogLog of the client's own making, hardly ever a whole one.
    fn hyperloglog(&mut self) -> Vec<u8> {
        let rng = &mut self.rng;
        let mut bytes = b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80".to_vec();
        if rng.one_in(8) {
            let at = rng.below(16);
            bytes[at] = rng.below(256) as u8;
        }
        for _ in 0..rng.below(6) {
            match rng.below(4) {
                0 => bytes.push(rng.below(64) as u8),
                1 => bytes.extend([0x40 | rng.below(64) as u8, rng.below(256) as u8]),
                2 => bytes.extend(b"\x7f\xff"),
                _ => bytes.push(0x80 | rng.below(128) as u8),
            }
        }
        bytes
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

    /// Puts a number around the ends of 32 or 64 bits in the place of another number: an index, a
    /// count or an offset.
    fn enlarge(&mut self, command: &mut Command) {
        let is_number = |word: &[u8]| {
            let text = std::str::from_utf8(word).ok();
            text.is_some_and(|text| text.parse::<i64>().is_ok())
        };
        let numbers: Vec<usize> = (1..command.len())
            .filter(|&at| is_number(&command[at]) && !is_wait(command, at))
            .collect();
        if numbers.is_empty() || has_equal_scores(command) {
            return;
        }
        let at = numbers[self.rng.below(numbers.len())];
        let number = self.rng.pick(LARGE);
        if is_bearable(command, number) {
            command[at] = number.as_bytes().to_vec();
        }
    }

    /// A mistake a client could make.
    fn break_up(&mut self, command: &mut Command) {
        if has_equal_scores(command) {
            return;
        }
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

/// A number of millionths.
fn decimal(rng: &mut Rng, least: i64, most: i64) -> String {
    format!("{}", rng.between(least, most) as f64 / 1e6)
}

/// Whether a command returns one randomly picked element.
fn is_random(command: &Command) -> bool {
    let random: [&[u8]; 3] = [b"SRANDMEMBER", b"HRANDFIELD", b"ZRANDMEMBER"];
    command.len() == 2
        && random
            .iter()
            .any(|name| command[0].eq_ignore_ascii_case(name))
}

/// False where the reply describes the process itself, or where the server would block or close
/// the connection: breaking a command can make such a one out of a harmless one.
fn comparable(command: &[Vec<u8>]) -> bool {
    let words: Vec<String> = command
        .iter()
        .take(3)
        .map(|w| String::from_utf8_lossy(w).to_lowercase())
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let number = |word: &str| word.parse::<i64>().is_ok_and(|n| n >= 0);
    let last = String::from_utf8_lossy(&command[command.len() - 1]);
    match words[..] {
        [
            "blpop" | "brpop" | "brpoplpush" | "blmove" | "bzpopmin" | "bzpopmax",
            ..,
        ] => is_soon(&last),
        ["blmpop" | "bzmpop", timeout, ..] => is_soon(timeout),
        ["xadd", ..] => !follows_clock(command),
        ["blmovem", ..] => match command.get(5) {
            Some(timeout) => is_soon(&String::from_utf8_lossy(timeout)),
            None => true,
        },
        // A broken command may wait for ever.
        ["xread" | "xreadgroup", ..] => !command
            .windows(2)
            .any(|pair| pair[0].eq_ignore_ascii_case(b"block") && number_in(&pair[1])),
        // The help texts are in our own words.
        [_, "help"] => false,
        // Entries of the log tell of connections.
        ["acl", "log", count] => !number(count) || count == "0",
        // The commands of a category come in any order.
        ["acl", "cat", "read"] => command.len() > 3,
        // Several filters are taken as in Valkey.
        ["client", "list", "type", ..] => command.len() == 4,
        ["client", "list" | "info" | "id", ..] => command.len() > 3,
        ["client", "pause", time, ..] => !number(time),
        ["client", "reply", mode, ..] => !matches!(mode, "off" | "skip"),
        ["command"] | ["command", "count" | "docs" | "list" | "info"] => false,
        ["hello"] | ["hello", _] | ["memory", "stats" | "doctor" | "malloc-stats"] => false,
        // Redis has a module built in, vector sets.
        ["module", "list"] => false,
        // An overdue key counts until it is accessed.
        ["debug", "digest"] => false,
        ["hello", "2" | "3", ..] => !words[2].eq_ignore_ascii_case("setname"),
        // Redis cuts an unknown name short at a zero.
        ["config", "set", name, ..] if name.contains('\0') => false,
        ["scan", "0", ..] | ["zscan", _, "0", ..] => true,
        ["zscan", _, cursor, ..] => !number(cursor),
        ["scan", cursor, ..] => !number(cursor),
        ["sscan" | "hscan", _, "0"] => true,
        ["sscan" | "hscan", _, cursor] => !number(cursor),
        // A start alone is taken as in Valkey.
        ["bitcount", _, start] if command.len() == 3 => start.parse::<i64>().is_err(),
        // Redis takes the low 32 bits of the index.
        ["lset", _, index] => index.parse::<i64>().is_ok_and(|n| i32::try_from(n).is_ok()),
        // Redis walks over all indexes up to the greatest for a digest.
        ["arset" | "armset" | "arseek", ..] => command.iter().skip(2).all(|word| {
            let text = String::from_utf8_lossy(word);
            let index = text.trim().trim_start_matches(['+', '-']).parse::<u64>();
            index.unwrap_or(0) < 50_000
        }),
        // What is taken at random parts the two servers.
        ["spop", _] => false,
        ["spop", _, count] => count
            .parse::<i64>()
            .is_ok_and(|n| !(1..10_000).contains(&n)),
        _ => true,
    }
}

/// Whether a word is a number that is not negative.
fn number_in(word: &[u8]) -> bool {
    !word.is_empty() && word.iter().all(u8::is_ascii_digit)
}

/// Whether XADD may make a stream whose next id the clock decides, where those of a far future are
/// meant: the names of options may have become the names of a producer.
fn follows_clock(command: &[Vec<u8>]) -> bool {
    let is = |at: usize, name: &str| command[at].eq_ignore_ascii_case(name.as_bytes());
    let is_named = |at: usize| is(at - 1, "idmp") || is(at - 1, "idmpauto") || is(at - 2, "idmp");
    let star = command.iter().position(|word| word == b"*");
    let mut options = 2..star.unwrap_or(command.len()).max(2);
    let keeps = options.any(|at| is(at, "nomkstream") && !is_named(at));
    // No other id stands before one of the future.
    let far = |word: &Vec<u8>| word.starts_with(FAR.as_bytes());
    let is_far = command.get(2).is_some_and(far)
        || command.len() > 2 && is(2, "maxlen") && command.iter().any(far);
    command
        .iter()
        .any(|word| word.eq_ignore_ascii_case(FAR_FIELD))
        && !keeps
        && !is_far
}

/// Whether a command gives all members the same score: ranges of members mean something only then,
/// so that it stays as it is.
fn has_equal_scores(command: &[Vec<u8>]) -> bool {
    command[0].eq_ignore_ascii_case(b"ZADD") && command.get(2).is_some_and(|score| score == b"0")
}

/// Whether the word at `at` is a timeout for blocking. Timeouts at the end of a command are
/// checked in `comparable`, where those that are errors may pass.
fn is_wait(command: &[Vec<u8>], at: usize) -> bool {
    let is_wait = command[0].eq_ignore_ascii_case(b"wait");
    let behind_block = command[at - 1].eq_ignore_ascii_case(b"block");
    is_wait || command[0].eq_ignore_ascii_case(b"waitaof") || behind_block
}

/// Whether both servers survive the command with this number in it. What makes a string or a reply of
/// so many bytes or elements does not pass, what is refused for its size does.
fn is_bearable(command: &[Vec<u8>], number: &str) -> bool {
    let name = String::from_utf8_lossy(&command[0]).to_lowercase();
    let number: i64 = number.parse().expect("LARGE holds numbers");
    match name.as_str() {
        // Offsets are below 2^32.
        "setbit" => !(0..1 << 32).contains(&number),
        // 8.10.2 sets memory aside for so many ids, which it has or has not.
        "xautoclaim" => !(1 << 20..1 << 60).contains(&number),
        // A negative count is the length of the reply; only the very least is refused.
        "srandmember" | "hrandfield" | "zrandmember" => number > 0 || number == i64::MIN,
        _ => true,
    }
}

/// False if a wait for so many seconds would take long.
fn is_soon(timeout: &str) -> bool {
    match timeout.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 => !(0.05..1e16).contains(&seconds),
        // What rounds up to zero is for ever.
        Ok(seconds) => seconds <= -0.001,
        Err(_) => !timeout.contains('x') || timeout == "x",
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
