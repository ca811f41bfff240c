//! `cjson.encode`.

use super::json::{Setting, marked_len, setting};
use crate::algo::number::write_g;
use crate::script::guards::show_real;
use crate::script::lua::{Kind, Outcome, Raise, Stack};

/// Unlike Redis, which takes what the machine has.
const TEXT_MAX: usize = 1 << 30;

struct Encoder {
    text: Vec<u8>,
    depth: i32,
    max_depth: i32,
    precision: usize,
    invalid: i32,
    sparse_convert: bool,
    sparse_ratio: i64,
    sparse_safe: i64,
}

/// cjson.encode(value)
pub fn encode(stack: &mut Stack) -> Outcome {
    if stack.args() != 1 {
        return Err(Raise::argument(1, "expected 1 argument"));
    }
    let mut encoder = Encoder {
        text: Vec::new(),
        depth: 0,
        max_depth: setting(stack, Setting::EncodeDepth),
        precision: setting(stack, Setting::Precision) as usize,
        invalid: setting(stack, Setting::EncodeInvalid),
        sparse_convert: setting(stack, Setting::SparseConvert) != 0,
        sparse_ratio: setting(stack, Setting::SparseRatio).into(),
        sparse_safe: setting(stack, Setting::SparseSafe).into(),
    };
    stack.push_copy(1);
    encoder.value(stack)?;
    stack.push_bytes(&encoder.text);
    Ok(1)
}

fn refused(stack: &Stack, index: i32, why: &str) -> Raise {
    let kind = stack.kind(index).name();
    Raise::here(format!("Cannot serialise {kind}: {why}"))
}

impl Encoder {
    /// Writes the value on top.
    fn value(&mut self, stack: &mut Stack) -> Result<(), Raise> {
        match stack.kind(-1) {
            Kind::String => write_string(&mut self.text, stack.bytes(-1).unwrap_or_default()),
            Kind::Number => self.number(stack, -1)?,
            Kind::Boolean => {
                let word: &[u8] = if stack.truth(-1) { b"true" } else { b"false" };
                self.text.extend_from_slice(word);
            }
            Kind::Table => self.table(stack)?,
            Kind::Nil => self.text.extend_from_slice(b"null"),
            Kind::LightUserdata if stack.is_null(-1) => self.text.extend_from_slice(b"null"),
            _ => return Err(refused(stack, -1, "type not supported")),
        }
        if self.text.len() > TEXT_MAX {
            return Err(Raise::Text(b"not enough memory".to_vec()));
        }
        Ok(())
    }

    fn number(&mut self, stack: &Stack, index: i32) -> Result<(), Raise> {
        let number = stack.number(index).unwrap_or(0.0);
        if !number.is_finite() {
            match self.invalid {
                0 => return Err(refused(stack, index, "must not be NaN or Inf")),
                1 if number.is_nan() => {
                    self.text.extend_from_slice(b"nan");
                    return Ok(());
                }
                1 => {}
                _ => {
                    self.text.extend_from_slice(b"null");
                    return Ok(());
                }
            }
        }
        write_g(&mut self.text, number, self.precision);
        Ok(())
    }

    fn table(&mut self, stack: &mut Stack) -> Result<(), Raise> {
        self.depth += 1;
        if self.depth > self.max_depth || !stack.room(5) {
            let text = format!("Cannot serialise, excessive nesting ({})", self.depth);
            return Err(Raise::here(text));
        }
        show_real(stack);
        if let Some(len) = marked_len(stack) {
            self.array(stack, i32::try_from(len).unwrap_or(i32::MAX))?;
        } else {
            match self.array_len(stack)? {
                Some(len) if len > 0 => self.array(stack, len)?,
                _ => self.object(stack)?,
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// The array length of the table on top, if all its keys are positive integers.
    fn array_len(&self, stack: &mut Stack) -> Result<Option<i32>, Raise> {
        let (mut max, mut items) = (0i32, 0i64);
        stack.push_nil();
        while stack.next(-2) {
            let key = match stack.kind(-2) {
                Kind::Number => stack
                    .number(-2)
                    .filter(|key| key.floor() == *key && *key >= 1.0),
                _ => None,
            };
            let Some(key) = key else {
                stack.pop(2);
                return Ok(None);
            };
            if key > f64::from(max) {
                // What no int holds is what the machine makes of it.
                max = if key <= f64::from(i32::MAX) {
                    key as i32
                } else {
                    i32::MIN
                };
            }
            items += 1;
            stack.pop(1);
        }
        let long = i64::from(max);
        if self.sparse_ratio > 0 && long > items * self.sparse_ratio && long > self.sparse_safe {
            if !self.sparse_convert {
                return Err(refused(stack, -1, "excessively sparse array"));
            }
            return Ok(None);
        }
        Ok(Some(max))
    }

    fn array(&mut self, stack: &mut Stack, len: i32) -> Result<(), Raise> {
        self.text.push(b'[');
        for place in 1..=len {
            if place > 1 {
                self.text.push(b',');
            }
            stack.get_at(-1, place);
            self.value(stack)?;
            stack.pop(1);
        }
        self.text.push(b']');
        Ok(())
    }

    fn object(&mut self, stack: &mut Stack) -> Result<(), Raise> {
        self.text.push(b'{');
        let mut first = true;
        stack.push_nil();
        while stack.next(-2) {
            if !std::mem::take(&mut first) {
                self.text.push(b',');
            }
            match stack.kind(-2) {
                Kind::Number => {
                    self.text.push(b'"');
                    self.number(stack, -2)?;
                    self.text.extend_from_slice(b"\":");
                }
                Kind::String => {
                    write_string(&mut self.text, stack.bytes(-2).unwrap_or_default());
                    self.text.push(b':');
                }
                _ => return Err(refused(stack, -2, "table key must be a number or string")),
            }
            self.value(stack)?;
            stack.pop(1);
        }
        self.text.push(b'}');
        Ok(())
    }
}

fn write_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    for &byte in bytes {
        let short: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            // As the C library does.
            b'/' => b"\\/",
            8 => b"\\b",
            9 => b"\\t",
            10 => b"\\n",
            12 => b"\\f",
            13 => b"\\r",
            0..32 | 127 => {
                out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
                continue;
            }
            _ => {
                out.push(byte);
                continue;
            }
        };
        out.extend_from_slice(short);
    }
    out.push(b'"');
}
