//! Argument lists drawn from what a command declares of its arguments (`command::usage`).
//!
//! Most lists are what the command expects. Some options come twice or in another order, and the
//! value of an option can be a word that is an option itself.

use redwheel::testing::algo::rng::Rng;
use redwheel::testing::command::usage::{Argument, parse};

const STRINGS: &[&str] = &[
    "a", "b", "c", "m", "0", "1", "2", "-", "+", "$", ">", "*", "0-1", "0-0", "5-5", "(1", "[a",
    "g",
];
const INTEGERS: &[&str] = &["0", "1", "1", "1", "2", "2", "3", "10", "100", "-1", "-2"];
const DOUBLES: &[&str] = &["0", "0.01", "1", "1.5", "13.4", "100", "-1"];

/// Draws the arguments of one command.
pub struct Drawer<'a> {
    rng: Rng,
    keys: &'a [&'a str],
    arguments: Vec<Argument>,
    /// Words with a meaning to this command.
    tokens: Vec<String>,
    /// Keys, fields or ids still to come, where a count was drawn before.
    announced: Option<usize>,
    /// Keys of the group that was drawn last.
    keys_drawn: usize,
}

impl<'a> Drawer<'a> {
    /// Arguments of the command whose declaration is `usage`, with keys out of `keys`.
    pub fn new(usage: &str, keys: &'a [&'a str], seed: u64) -> Drawer<'a> {
        let arguments = parse(usage);
        let mut tokens = Vec::new();
        arguments.iter().for_each(|a| collect(a, &mut tokens));
        Drawer {
            rng: Rng::new(seed),
            keys,
            arguments,
            tokens,
            announced: None,
            keys_drawn: 0,
        }
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.rng.below(n) == 0
    }

    fn pick(&mut self, from: &[&str]) -> String {
        from[self.rng.index(from.len())].to_owned()
    }

    /// All arguments behind the command's name.
    pub fn draw(&mut self) -> Vec<String> {
        (self.announced, self.keys_drawn) = (None, 0);
        let arguments = std::mem::take(&mut self.arguments);
        let mut groups: Vec<(bool, Vec<String>)> = Vec::new();
        // Some lists have few options, and those often twice.
        let (left_out, repeated) = if self.one_in(2) { (4, 2) } else { (2, 4) };
        for argument in &arguments {
            if argument.optional && !self.one_in(left_out) {
                continue;
            }
            let times = 1 + usize::from(argument.optional && self.one_in(repeated));
            for _ in 0..times {
                let mut words = Vec::new();
                self.one(argument, &mut words);
                groups.push((argument.optional, words));
            }
        }
        self.arguments = arguments;
        // Options can stand in any order; what must be there cannot.
        for at in 1..groups.len() {
            if groups[at - 1].0 && groups[at].0 && self.one_in(2) {
                groups.swap(at - 1, at);
            }
        }
        groups.into_iter().flat_map(|(_, words)| words).collect()
    }

    fn one(&mut self, argument: &Argument, out: &mut Vec<String>) {
        let times = match argument.multiple {
            false => 1,
            // Ids, as many as there were keys.
            true if argument.name == "id" && self.keys_drawn > 0 => self.keys_drawn,
            true => self
                .announced
                .take()
                .unwrap_or_else(|| 1 + self.rng.index(3)),
        };
        for n in 0..times {
            if let Some(token) = &argument.token
                && (n == 0 || argument.multiple_token)
            {
                out.push(token.clone());
            }
            self.value(argument, out);
        }
        if argument.kind == "key" {
            self.keys_drawn = times;
        }
    }

    fn value(&mut self, argument: &Argument, out: &mut Vec<String>) {
        match argument.kind.as_str() {
            "pure-token" => {}
            "oneof" => {
                let index = self.rng.index(argument.arguments.len());
                self.one(&argument.arguments[index], out);
            }
            "block" => {
                for part in &argument.arguments {
                    if !part.optional || self.one_in(2) {
                        self.one(part, out);
                    }
                }
            }
            _ if !self.tokens.is_empty() && self.one_in(12) => {
                let index = self.rng.index(self.tokens.len());
                out.push(self.tokens[index].clone());
            }
            "key" => out.push(self.pick(self.keys)),
            "integer" if argument.name.starts_with("num") => {
                let count = 1 + self.rng.index(3);
                self.announced = Some(count);
                // Now and then it does not fit.
                out.push((count + usize::from(self.one_in(10))).to_string());
            }
            "integer" => out.push(self.pick(INTEGERS)),
            "double" => out.push(self.pick(DOUBLES)),
            "unix-time" => out.push("9999999999".to_owned()),
            "pattern" => out.push(self.pick(&["*", "k*", "v*", "nosort", "v1"])),
            _ if argument.name == "min-idle-time" => out.push("0".to_owned()),
            _ if argument.name == "start" => out.push(self.pick(&["0-0", "0", "1", "-"])),
            _ if argument.name == "id" || argument.name.ends_with("-id") => {
                out.push(self.pick(&["0-1", "5-1", "0-0", "9-9", "$", ">"]));
            }
            _ if argument.name == "group" => out.push("g".to_owned()),
            _ if argument.name == "encoding" => out.push(self.pick(&["u8", "i5", "u1"])),
            _ => out.push(self.pick(STRINGS)),
        }
    }
}

fn collect(argument: &Argument, tokens: &mut Vec<String>) {
    tokens.extend(argument.token.clone());
    argument.arguments.iter().for_each(|a| collect(a, tokens));
}
