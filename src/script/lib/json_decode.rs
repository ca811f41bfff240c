//! `cjson.decode`: tokens, and what is made of them.

use super::json::{Setting, mark_array, setting};
use crate::algo::number::parse_number_prefix;
use crate::script::args;
use crate::script::lua::{Outcome, Raise, Stack, TABLE_MAX};

/// The token at a place of the text. The names in errors are those of the C library.
enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    /// Its bytes are in `Decoder::string`.
    String,
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Wrong(&'static str),
}

impl Token {
    fn name(&self) -> &'static str {
        match self {
            Token::ObjectBegin => "T_OBJ_BEGIN",
            Token::ObjectEnd => "T_OBJ_END",
            Token::ArrayBegin => "T_ARR_BEGIN",
            Token::ArrayEnd => "T_ARR_END",
            Token::String => "T_STRING",
            Token::Number(_) => "T_NUMBER",
            Token::Boolean(_) => "T_BOOLEAN",
            Token::Null => "T_NULL",
            Token::Colon => "T_COLON",
            Token::Comma => "T_COMMA",
            Token::End => "T_END",
            Token::Wrong(what) => what,
        }
    }
}

struct Decoder<'t> {
    text: &'t [u8],
    at: usize,
    /// The start of the last token, or the place of its error.
    token_at: usize,
    string: Vec<u8>,
    depth: i32,
    max_depth: i32,
    lenient: bool,
    marks_arrays: bool,
}

/// cjson.decode(text)
pub fn decode(stack: &mut Stack) -> Outcome {
    if stack.args() != 1 {
        return Err(Raise::argument(1, "expected 1 argument"));
    }
    let text = args::text(stack, 1)?;
    if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
        let what = "JSON parser does not support UTF-16 or UTF-32";
        return Err(Raise::here(what));
    }
    let mut decoder = Decoder {
        text,
        at: 0,
        token_at: 0,
        string: Vec::new(),
        depth: 0,
        max_depth: setting(stack, Setting::DecodeDepth),
        lenient: setting(stack, Setting::DecodeInvalid) != 0,
        marks_arrays: setting(stack, Setting::MarkArrays) != 0,
    };
    let token = decoder.token();
    decoder.value(stack, token)?;
    match decoder.token() {
        Token::End => Ok(1),
        token => Err(decoder.expected("the end", &token)),
    }
}

impl Decoder<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn expected(&self, what: &str, token: &Token) -> Raise {
        let found = token.name();
        let place = self.token_at + 1;
        Raise::here(format!(
            "Expected {what} but found {found} at character {place}"
        ))
    }

    fn wrong(&mut self, what: &'static str) -> Token {
        self.token_at = self.at;
        Token::Wrong(what)
    }

    fn token(&mut self) -> Token {
        while matches!(self.peek(0), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        self.token_at = self.at;
        let single = match self.peek(0) {
            // As the C library does, a zero byte ends the text.
            0 => return Token::End,
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayBegin,
            b']' => Token::ArrayEnd,
            b':' => Token::Colon,
            b',' => Token::Comma,
            b'"' => return self.string(),
            b'-' | b'0'..=b'9' => {
                if !self.lenient && self.is_unusual() {
                    return self.wrong("invalid number");
                }
                return self.number();
            }
            _ => return self.word(),
        };
        self.at += 1;
        single
    }

    fn word(&mut self) -> Token {
        let rest = &self.text[self.at..];
        let words = [
            (b"true".as_slice(), Token::Boolean(true)),
            (b"false", Token::Boolean(false)),
            (b"null", Token::Null),
        ];
        for (word, token) in words {
            if rest.starts_with(word) {
                self.at += word.len();
                return token;
            }
        }
        let may_be = matches!(rest[0], b'+' | b'i' | b'I' | b'n' | b'N');
        if may_be && self.lenient && self.is_unusual() {
            return self.number();
        }
        self.wrong("invalid token")
    }

    /// A number that JSON does not know: signed by a plus, hexadecimal, with leading zeros,
    /// infinite, or none.
    fn is_unusual(&self) -> bool {
        if self.peek(0) == b'+' {
            return true;
        }
        let skip = (self.peek(0) == b'-') as usize;
        match self.peek(skip) {
            b'0' => matches!(self.peek(skip + 1), b'x' | b'X' | b'0'..=b'9'),
            0..=b'9' => false,
            _ => {
                let word = self
                    .text
                    .get(self.at + skip..self.at + skip + 3)
                    .unwrap_or_default();
                word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"nan")
            }
        }
    }

    fn number(&mut self) -> Token {
        match parse_number_prefix(&self.text[self.at..]) {
            Some((number, len)) => {
                self.at += len;
                Token::Number(number)
            }
            None => self.wrong("invalid number"),
        }
    }

    fn string(&mut self) -> Token {
        self.string.clear();
        self.at += 1;
        loop {
            let rest = &self.text[self.at..];
            let plain = rest
                .iter()
                .position(|byte| matches!(byte, b'"' | b'\\' | 0));
            let plain = plain.unwrap_or(rest.len());
            self.string.extend_from_slice(&rest[..plain]);
            self.at += plain;
            match self.peek(0) {
                b'"' => {
                    self.at += 1;
                    return Token::String;
                }
                b'\\' => {
                    if let Err(what) = self.escape() {
                        return self.wrong(what);
                    }
                }
                _ => return self.wrong("unexpected end of string"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), &'static str> {
        let byte = match self.peek(1) {
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'b' => 8,
            b't' => 9,
            b'n' => 10,
            b'f' => 12,
            b'r' => 13,
            b'u' => {
                let (code, len) = self.code_point().ok_or("invalid unicode escape code")?;
                let mut utf8 = [0; 4];
                self.string
                    .extend_from_slice(code.encode_utf8(&mut utf8).as_bytes());
                self.at += len;
                return Ok(());
            }
            _ => return Err("invalid escape code"),
        };
        self.string.push(byte);
        self.at += 2;
        Ok(())
    }

    /// The character of a `\uXXXX`, or of two for what is beyond the first plane, and their length.
    fn code_point(&self) -> Option<(char, usize)> {
        let unit = |ahead: usize| {
            let digits = self.text.get(self.at + ahead..self.at + ahead + 4)?;
            let digit = |value: u32, byte: &u8| Some(value << 4 | (*byte as char).to_digit(16)?);
            digits.iter().try_fold(0, digit)
        };
        let high = unit(2)?;
        if high & 0xf800 != 0xd800 {
            return Some((char::from_u32(high)?, 6));
        }
        if high & 0x400 != 0 || self.peek(6) != b'\\' || self.peek(7) != b'u' {
            return None;
        }
        let low = unit(8).filter(|low| low & 0xfc00 == 0xdc00)?;
        let code = 0x10000 + ((high & 0x3ff) << 10 | low & 0x3ff);
        Some((char::from_u32(code)?, 12))
    }

    /// Pushes what begins with `token`.
    fn value(&mut self, stack: &mut Stack, token: Token) -> Result<(), Raise> {
        match token {
            Token::String => stack.push_bytes(&self.string),
            Token::Number(number) => stack.push_number(number),
            Token::Boolean(value) => stack.push_bool(value),
            Token::Null => stack.push_null(),
            Token::ObjectBegin => self.object(stack)?,
            Token::ArrayBegin => self.array(stack)?,
            token => return Err(self.expected("value", &token)),
        }
        Ok(())
    }

    fn descend(&mut self, stack: &mut Stack, slots: i32) -> Result<(), Raise> {
        self.depth += 1;
        if self.depth <= self.max_depth && stack.room(slots) {
            return Ok(());
        }
        let (depth, place) = (self.depth, self.at);
        let what = format!("Found too many nested data structures ({depth}) at character {place}");
        Err(Raise::here(what))
    }

    fn object(&mut self, stack: &mut Stack) -> Result<(), Raise> {
        self.descend(stack, 3)?;
        stack.push_table(0, 0);
        let mut token = self.token();
        if matches!(token, Token::ObjectEnd) {
            self.depth -= 1;
            return Ok(());
        }
        for _ in 0..TABLE_MAX {
            if !matches!(token, Token::String) {
                return Err(self.expected("object key string", &token));
            }
            stack.push_bytes(&self.string);
            token = self.token();
            if !matches!(token, Token::Colon) {
                return Err(self.expected("colon", &token));
            }
            token = self.token();
            self.value(stack, token)?;
            let _ = stack.set(-3);
            match self.token() {
                Token::ObjectEnd => {
                    self.depth -= 1;
                    return Ok(());
                }
                Token::Comma => token = self.token(),
                token => return Err(self.expected("comma or object end", &token)),
            }
        }
        Err(Raise::here("table overflow"))
    }

    fn array(&mut self, stack: &mut Stack) -> Result<(), Raise> {
        self.descend(stack, 2)?;
        stack.push_table(0, 0);
        if self.marks_arrays {
            mark_array(stack);
        }
        let mut token = self.token();
        if matches!(token, Token::ArrayEnd) {
            self.depth -= 1;
            return Ok(());
        }
        for place in 1..=TABLE_MAX {
            self.value(stack, token)?;
            stack.set_at(-2, place);
            match self.token() {
                Token::ArrayEnd => {
                    self.depth -= 1;
                    return Ok(());
                }
                Token::Comma => token = self.token(),
                token => return Err(self.expected("comma or array end", &token)),
            }
        }
        Err(Raise::here("table overflow"))
    }
}
