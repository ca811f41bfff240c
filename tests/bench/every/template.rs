//! Commands in writing: a line of words that becomes many commands.
//!
//! Words stand apart by spaces; what stands in single quotes is one word and taken as it is (or
//! none: `''`). Elsewhere these become something:
//!
//! | written      | becomes                                                                   |
//! |--------------|---------------------------------------------------------------------------|
//! | `{r:N}`      | a random number below N                                                   |
//! | `{s}`        | the number of the command, from 0                                         |
//! | `{i}`        | within brackets: the number of the repetition, from 0                     |
//! | `{x:N}`      | N times `x`                                                               |
//! | `{v:N}`      | N bytes that begin with a random number                                   |
//! | `{h:00ff}`   | these bytes                                                               |
//! | `[N a b ]`   | its words N times; the brackets are words of their own                    |

use crate::load::{Replies, command};
use crate::measures::Random;
use crate::subject::Running;

/// Commands sent at once when a server is filled.
const AT_ONCE: usize = 100;

/// A piece of a word.
enum Piece {
    Literal(Vec<u8>),
    Below(usize),
    Sequence,
    Repetition,
    Filler(usize),
    Value(usize),
}

enum Item {
    Word(Vec<Piece>),
    Repeat(usize, Vec<Item>),
}

pub struct Template(Vec<Item>);

impl Template {
    /// # Panics
    /// On what cannot be read: the tables are part of the program.
    pub fn parse(text: &str) -> Template {
        let mut open: Vec<(usize, Vec<Item>)> = Vec::new();
        let mut items = Vec::new();
        for word in words(text) {
            if let Some(count) = word.strip_prefix('[').and_then(|n| n.parse().ok()) {
                open.push((count, std::mem::take(&mut items)));
            } else if word == "]" {
                let (count, outer) = open.pop().expect("a bracket that was opened");
                let inner = std::mem::replace(&mut items, outer);
                items.push(Item::Repeat(count, inner));
            } else {
                items.push(Item::Word(pieces(&word)));
            }
        }
        assert!(open.is_empty(), "an open bracket in: {text}");
        Template(items)
    }

    /// Appends the command with this number.
    pub fn write(&self, random: &mut Random, sequence: usize, out: &mut Vec<u8>) {
        let mut argv = Vec::new();
        expand(&self.0, random, sequence, 0, &mut argv);
        let words: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
        command(out, &words);
    }
}

/// Runs these lines in turn, so many times over, and gives the first error among the replies.
pub fn fill(server: &Running, lines: &[&str], count: usize) -> Option<String> {
    let templates: Vec<Template> = lines.iter().map(|line| Template::parse(line)).collect();
    let mut random = Random::new();
    let mut replies = Replies::connect(server.port).expect("the server accepts");
    let mut out = Vec::new();
    let mut done = 0;
    while done < count {
        let end = count.min(done + AT_ONCE.div_ceil(lines.len()));
        out.clear();
        for n in done..end {
            templates
                .iter()
                .for_each(|template| template.write(&mut random, n, &mut out));
        }
        let commands = (end - done) * lines.len();
        let refusal = replies
            .exchange(&out, commands)
            .expect("the server replies");
        if refusal.is_some() {
            return refusal;
        }
        done = end;
    }
    None
}

fn expand(
    items: &[Item],
    random: &mut Random,
    sequence: usize,
    repetition: usize,
    argv: &mut Vec<Vec<u8>>,
) {
    for item in items {
        match item {
            Item::Repeat(count, inner) => {
                (0..*count).for_each(|n| expand(inner, random, sequence, n, argv));
            }
            Item::Word(pieces) => {
                let mut word = Vec::new();
                for piece in pieces {
                    match piece {
                        Piece::Literal(bytes) => word.extend_from_slice(bytes),
                        Piece::Below(n) => word.extend(random.below(*n).to_string().bytes()),
                        Piece::Sequence => word.extend(sequence.to_string().bytes()),
                        Piece::Repetition => word.extend(repetition.to_string().bytes()),
                        Piece::Filler(n) => word.resize(word.len() + n, b'x'),
                        Piece::Value(n) => {
                            let end = word.len() + n;
                            word.extend(random.below(1 << 40).to_string().bytes());
                            word.resize(end, b'v');
                        }
                    }
                }
                argv.push(word);
            }
        }
    }
}

/// The words of a line; a word in quotes keeps its opening quote.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = match rest.strip_prefix('\'') {
            Some(quoted) => 1 + quoted.find('\'').expect("a quote that is closed"),
            None => rest.find(' ').unwrap_or(rest.len()),
        };
        words.push(rest[..end].to_owned());
        rest = rest[end..].trim_start_matches('\'').trim_start();
    }
    words
}

fn pieces(word: &str) -> Vec<Piece> {
    if let Some(quoted) = word.strip_prefix('\'') {
        return vec![Piece::Literal(quoted.as_bytes().to_vec())];
    }
    let mut pieces = Vec::new();
    let mut rest = word;
    while let Some(start) = rest.find('{') {
        let (before, inside) = rest.split_at(start);
        if !before.is_empty() {
            pieces.push(Piece::Literal(before.as_bytes().to_vec()));
        }
        let (name, after) = inside[1..].split_once('}').expect("a brace that is closed");
        pieces.push(placeholder(name));
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest.as_bytes().to_vec()));
    }
    pieces
}

fn placeholder(name: &str) -> Piece {
    let (kind, argument) = name.split_once(':').unwrap_or((name, "0"));
    let number = || argument.parse().expect("a number after the colon");
    match kind {
        "s" => Piece::Sequence,
        "i" => Piece::Repetition,
        "r" => Piece::Below(number()),
        "x" => Piece::Filler(number()),
        "v" => Piece::Value(number()),
        "h" => {
            let byte = |n: usize| u8::from_str_radix(&argument[n..n + 2], 16).expect("hex digits");
            Piece::Literal((0..argument.len()).step_by(2).map(byte).collect())
        }
        _ => panic!("no such placeholder: {name}"),
    }
}
