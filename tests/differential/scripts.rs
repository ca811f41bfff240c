//! Random scripts: what they return, raise, convert, encode and decode must be as in Redis.
//!
//! A script is a line of Lua out of a grammar of values and calls. Both servers run it, in RESP2 or
//! RESP3, and every reply must be the same. REDWHEEL_DIFF_SCRIPTS says how many.

use super::rng::Rng;
use super::support::client::{Value, encode};
use super::{Pair, setting, shown};
use std::fmt::Write;

/// Scripts sent in one write.
const CHUNK: usize = 50;
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "3.5",
    "-3.99",
    "1e15",
    "1e14",
    "123456789012345",
    "1e100",
    "-1e300",
    "0.1",
    "1/3",
    "1/0",
    "-1/0",
    "0/0",
    "2^31",
    "2^53",
    "2^63",
    "-2^63",
    "255",
    "256",
    "65536",
    "4294967295",
    "4294967296",
    "-128",
    "-129",
    "-32769",
    "1e-7",
    "5e-324",
    "0.5",
    "1.5",
];
const STRINGS: &[&str] = &[
    "''",
    "'a'",
    "'foo bar'",
    "'\\0\\1\\2'",
    "'\\255\\254'",
    "'a\\nb'",
    "'a/b\"\\\\'",
    "'10'",
    "'0x10'",
    "'3.0'",
    "'-1'",
    "'nan'",
    "'k\\r\\n'",
    "'\\127\\8\\12'",
    "('x'):rep(40)",
    "('y'):rep(300)",
    "'ERR x'",
    "'WRONGTYPE y z'",
    "'-CODE z'",
];
const NAMES: &[&str] = &[
    "a",
    "b",
    "err",
    "ok",
    "double",
    "map",
    "set",
    "x1",
    "big_number",
];
const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"a\"",
    "\"\\\\u00e9\"",
    "\"\\\\ud83d\\\\ude00\"",
    "\"\\\\x\"",
    "1",
    "-0",
    "1.5e3",
    "0x1F",
    "nan",
    "inf",
    "-inf",
    "01",
    "-",
    "true",
    "false",
    "null",
    "nul",
    " ",
    "\"b\":",
    "\"\\\\n\\\\/\"",
    "\"",
    "1e999",
    "+1",
    "\\0",
    "Infinity",
    "1.",
    "tru",
];
const FORMATS: &[&str] = &[
    "b",
    "B",
    "h",
    "H",
    "l",
    "L",
    "T",
    "i",
    "I",
    "i3",
    "I5",
    "i8",
    "i9",
    "i16",
    "f",
    "d",
    "s",
    "c0",
    "c3",
    "c",
    "x",
    ">",
    "<",
    "!",
    "!4",
    "!8",
    "!3",
    " ",
    "i33",
    "y",
    "Bc0",
    "i99999999999",
];
const BITS: &[&str] = &[
    "tobit", "bnot", "band", "bor", "bxor", "lshift", "rshift", "arshift", "rol", "ror", "bswap",
    "tohex",
];
const COMMANDS: &[&str] = &[
    "'set','s',V",
    "'get','s'",
    "'get','none'",
    "'incr','n'",
    "'incrbyfloat','f',N",
    "'lpush','l',V,V",
    "'lrange','l',0,5",
    "'hset','h',V,V",
    "'hgetall','h'",
    "'sadd','t',N,N",
    "'smembers','none'",
    "'ping'",
    "'echo',V",
    "'lpush','s','x'",
    "'nosuch'",
    "'get'",
    "",
    "V",
    "'zadd','z',N,'m'",
    "'zscore','z','m'",
    "'zrange','z',0,-1,'withscores'",
    "'type','s'",
    "'exists','s','l'",
    "'multi'",
    "'config','get','port'",
    "'blpop','none',0",
    "'mget','s','none','l'",
    "'strlen','s'",
    "'sismember','t',N",
    "'del','s','l','f','n'",
    "'set','s',V,'get'",
    "'object','encoding','l'",
    "'debug','protocol','map'",
    "'expire','s',N",
    "'select',3",
    "'lpop','none',2",
    "'hrandfield','none'",
    "'zpopmin','none'",
    "'spop','none'",
    "'eval','x',0",
];

struct Author {
    rng: Rng,
}

impl Author {
    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.rng.below(words.len())]
    }

    fn number(&mut self) -> String {
        match self.rng.below(4) {
            0 => (self.rng.below(1000) as i64 - 500).to_string(),
            _ => self.pick(NUMBERS).to_owned(),
        }
    }

    fn scalar(&mut self) -> String {
        match self.rng.below(8) {
            0..=2 => self.number(),
            3..=5 => self.pick(STRINGS).to_owned(),
            6 => self.pick(&["true", "false"]).to_owned(),
            _ => self.pick(&["nil", "cjson.null"]).to_owned(),
        }
    }

    fn value(&mut self, depth: usize) -> String {
        if depth == 0 || self.rng.below(3) == 0 {
            return self.scalar();
        }
        let depth = depth - 1;
        match self.rng.below(10) {
            0..=2 => {
                let items: Vec<_> = (0..self.rng.below(4)).map(|_| self.value(depth)).collect();
                format!("{{{}}}", items.join(","))
            }
            3 => format!("{{{}={}}}", self.pick(NAMES), self.value(depth)),
            4 => format!(
                "{{[{}]={}}}",
                self.pick(&["1", "2", "5", "20", "1.5", "-1", "true", "'k'"]),
                self.value(depth)
            ),
            5 => format!("{{double={}}}", self.number()),
            6 => format!("{{map={{[{}]={}}}}}", self.pick(STRINGS), self.value(depth)),
            7 => format!("{{set={{[{}]=true}}}}", self.pick(STRINGS)),
            8 => format!(
                "{{verbatim_string={{string={},format={}}}}}",
                self.pick(STRINGS),
                self.pick(&["'txt'", "'mkd'", "1"])
            ),
            _ => format!(
                "{{{}={}}}",
                self.pick(&["ok", "err", "big_number"]),
                self.pick(STRINGS)
            ),
        }
    }

    fn command(&mut self) -> String {
        let mut call = String::new();
        for part in self.pick(COMMANDS).split_inclusive(['V', 'N']) {
            match part.strip_suffix(['V', 'N']) {
                Some(head) if part.ends_with('V') => {
                    call += head;
                    call += &match self.rng.below(12) {
                        0 => self.value(1),
                        1..=4 => self.number(),
                        _ => self.pick(STRINGS).to_owned(),
                    };
                }
                Some(head) => {
                    call += head;
                    call += &self.number();
                }
                None => call += part,
            }
        }
        let how = self.pick(&["call", "pcall", "pcall"]);
        format!("redis.{how}({call})")
    }

    fn format(&mut self) -> String {
        (0..1 + self.rng.below(4))
            .map(|_| self.pick(FORMATS))
            .collect()
    }

    fn values(&mut self, most: usize) -> String {
        let values: Vec<_> = (0..self.rng.below(most + 1))
            .map(|_| self.value(2))
            .collect();
        values.join(",")
    }

    fn expression(&mut self) -> String {
        match self.rng.below(17) {
            0..=2 => self.value(3),
            3 | 4 => self.command(),
            5 => format!("cjson.encode({})", self.values(1)),
            6 => {
                let text: String = (0..1 + self.rng.below(7))
                    .map(|_| self.pick(JSON))
                    .collect();
                format!("cjson.decode('{text}')")
            }
            7 => format!("cmsgpack.pack({})", self.values(3)),
            8 => format!("{{cmsgpack.unpack(cmsgpack.pack({}))}}", self.values(3)),
            9 => {
                let mut bytes = String::new();
                for _ in 0..self.rng.below(8) {
                    let _ = write!(bytes, "\\{:03}", self.rng.below(256));
                }
                let which = self.pick(&[
                    "unpack(B)",
                    "unpack_one(B,1)",
                    "unpack_one(B)",
                    "unpack_limit(B,2)",
                    "unpack_limit(B,1,1)",
                ]);
                format!("{{cmsgpack.{}}}", which.replace('B', &format!("'{bytes}'")))
            }
            10 => format!("struct.pack('{}',{})", self.format(), self.scalars(3)),
            11 => {
                let (format, text) = (self.format(), self.pick(STRINGS));
                format!("{{struct.unpack('{format}',{text}..'\\1\\2\\3\\4\\0\\5\\6\\7\\8')}}")
            }
            12 => format!("struct.size('{}')", self.format()),
            13 => format!("bit.{}({})", self.pick(BITS), self.scalars(3)),
            14 => format!("cjson.decode(cjson.encode({}))", self.values(1)),
            15 => {
                let text: String = (0..1 + self.rng.below(7))
                    .map(|_| self.pick(JSON))
                    .collect();
                let choice = self.pick(&["", "true", "true", "false", "'on'", "'off'", "1"]);
                let choose = format!("cjson.decode_array_with_array_mt({choice})");
                format!("(function() {choose} return cjson.encode(cjson.decode('{text}')) end)()")
            }
            _ => format!("tostring({})", self.number()),
        }
    }

    fn scalars(&mut self, most: usize) -> String {
        let values: Vec<_> = (0..1 + self.rng.below(most))
            .map(|_| match self.rng.below(6) {
                0 => self.pick(STRINGS).to_owned(),
                _ => self.number(),
            })
            .collect();
        values.join(",")
    }

    fn body(&mut self) -> String {
        let resp = self.pick(&["", "", "redis.setresp(3) "]);
        let (a, b) = (self.expression(), self.expression());
        let tail = match self.rng.below(12) {
            0..=3 => format!("return {a}"),
            4 => format!("local x = {a} return {{x, {b}}}"),
            5 => {
                format!("local ok, e = pcall(function() return {a} end) return {{tostring(ok), e}}")
            }
            6 => format!("error({})", self.value(2)),
            7 => format!("local function f()\n  local y = {a}\n  return y\nend\nreturn f()"),
            8 => format!("local t = {a} return {{type(t), type(t) == 'table' and #t or 0}}"),
            9 => format!(
                "local t = {a} if type(t) == 'table' then return cjson.encode(t) end return t"
            ),
            10 => format!("return {a} .. {b}"),
            _ => format!("return {{{a}, {b}, KEYS[1], ARGV[1]}}"),
        };
        // In an error that is raised Redis 8.2.3 lets line breaks through, which breaks the protocol.
        let tail = match tail.contains("error(") {
            true => tail.replace("\\r", "").replace("\\n", ""),
            false => tail,
        };
        format!("{resp}{tail}")
    }
}

#[test]
fn scripts_return_the_same_as_in_redis() {
    let Some(pair) = Pair::start() else { return };
    let first = setting("REDWHEEL_DIFF_SEED", 1);
    let scripts = setting("REDWHEEL_DIFF_SCRIPTS", 5_000) as usize;
    let mut differences = Vec::new();
    for chunk in 0..scripts.div_ceil(CHUNK) as u64 {
        let mut author = Author {
            rng: Rng::new(first + chunk),
        };
        let [mut ours, mut real] = pair.fresh(2 + chunk % 2);
        let mut commands = vec![["SCRIPT", "FLUSH"].map(|w| w.as_bytes().to_vec()).to_vec()];
        for _ in 0..CHUNK {
            let which = author.pick(&["EVAL", "EVAL", "EVAL", "EVAL_RO"]);
            let body = author.body();
            commands.push(
                [which.as_bytes(), body.as_bytes(), b"1", b"key", b"arg"]
                    .map(<[u8]>::to_vec)
                    .to_vec(),
            );
        }
        for command in &commands {
            for client in [&mut ours, &mut real] {
                client
                    .send_raw(&encode(command))
                    .expect("the server listens");
            }
            let replies = [ours.reply_raw(), real.reply_raw()]
                .map(|reply| reply.expect("the server replies"));
            if replies[0] != replies[1] {
                let [a, b] = replies.map(|reply| reply.escape_ascii().to_string());
                differences.push(format!("{}\n  ours {a}\n  real {b}", shown(command)));
                // What was written may differ from here on.
                break;
            }
        }
        assert!(matches!(ours.run("PING"), Value::Simple(_)));
        if differences.len() >= 20 {
            break;
        }
    }
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        differences.join("\n")
    );
}
