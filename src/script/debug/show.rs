//! Lua values and replies of commands in readable form.

use crate::algo::number::{parse_i64, write_g};
use crate::algo::quoting::write_quoted;
use crate::script::guards;
use crate::script::lua::{Kind, Stack};

/// Tables are shown this deep.
const DEPTH: usize = 10;
/// A text this long grows no more: a table may hold itself many times.
const ENOUGH: usize = 1 << 20;
const TOO_DEEP: &[u8] = b"<max recursion level reached! Nested table?>";

/// Appends a value of the stack.
pub fn value(stack: &mut Stack, index: i32, out: &mut Vec<u8>) {
    stack.push_copy(index);
    top(stack, DEPTH, out);
    stack.pop(1);
}

/// Appends the value on top of the stack.
fn top(stack: &mut Stack, depth: usize, out: &mut Vec<u8>) {
    if depth == 0 || !stack.room(8) {
        out.extend_from_slice(TOO_DEEP);
        return;
    }
    match stack.kind(-1) {
        Kind::String => write_quoted(out, stack.bytes(-1).unwrap_or_default()),
        Kind::Boolean => out.extend_from_slice(if stack.truth(-1) { b"true" } else { b"false" }),
        Kind::Nil | Kind::None => out.extend_from_slice(b"nil"),
        Kind::Number => write_g(out, stack.number(-1).unwrap_or(0.0), 6),
        Kind::Table => table(stack, depth, out),
        kind => {
            let name = match kind {
                Kind::LightUserdata => "light-userdata",
                kind => kind.name(),
            };
            let text = match stack.identity(-1) {
                0 => format!("\"{name}@(nil)\""),
                address => format!("\"{name}@{address:#x}\""),
            };
            out.extend_from_slice(text.as_bytes());
        }
    }
}

/// `{1; 2}` or `{["a"]=1; ["b"]=2}`
fn table(stack: &mut Stack, depth: usize, out: &mut Vec<u8>) {
    // What stands in front of a protected table is empty.
    let is_front = guards::push_real_of(stack, -1);
    let is_list = is_list(stack);
    out.push(b'{');
    let start = out.len();
    stack.push_nil();
    while stack.next(-2) {
        if out.len() > start {
            out.extend_from_slice(b"; ");
        }
        if out.len() > ENOUGH {
            out.extend_from_slice(b"...");
            stack.pop(2);
            break;
        }
        if !is_list {
            out.push(b'[');
            stack.push_copy(-2);
            top(stack, depth - 1, out);
            stack.pop(1);
            out.extend_from_slice(b"]=");
        }
        top(stack, depth - 1, out);
        stack.pop(1);
    }
    out.push(b'}');
    if is_front {
        stack.pop(1);
    }
}

/// Whether the keys of the table on top are 1, 2, 3 … and come in this order.
fn is_list(stack: &mut Stack) -> bool {
    let mut expected = 1.0;
    stack.push_nil();
    while stack.next(-2) {
        stack.pop(1);
        if stack.kind(-1) != Kind::Number || stack.number(-1) != Some(expected) {
            stack.pop(1);
            return false;
        }
        expected += 1.0;
    }
    true
}

/// Appends the reply at the start of `reply` in readable form. Returns the bytes behind it.
pub fn reply<'r>(out: &mut Vec<u8>, reply: &'r [u8]) -> &'r [u8] {
    let Some(end) = memchr::memchr(b'\r', reply).filter(|&end| end > 0) else {
        return b"";
    };
    let (line, rest) = (&reply[..end], reply.get(end + 2..).unwrap_or_default());
    let text = &line[1..];
    let count = parse_i64(text).unwrap_or(-1);
    match line[0] {
        b'$' | b'*' if count < 0 => out.extend_from_slice(b"NULL"),
        b':' => out.extend_from_slice(text),
        b'$' | b'=' => {
            let len = (count.max(0) as usize).min(rest.len());
            write_quoted(out, &rest[..len]);
            return rest.get(len + 2..).unwrap_or_default();
        }
        b'*' | b'>' => return elements(out, rest, count, ["[", "]"]),
        b'~' => return elements(out, rest, count, ["~(", ")"]),
        b'%' => return pairs(out, rest, count),
        b'|' => {
            let rest = pairs(out, rest, count);
            out.push(b' ');
            return self::reply(out, rest);
        }
        b'_' => out.extend_from_slice(b"(null)"),
        b'#' => out.extend_from_slice(if text == b"t" { b"#true" } else { b"#false" }),
        b',' => out.extend_from_slice(&[b"(double) ", text].concat()),
        b'(' => out.extend_from_slice(&[b"(bignumber) ", text].concat()),
        _ => write_quoted(out, line),
    }
    rest
}

fn elements<'r>(
    out: &mut Vec<u8>,
    mut rest: &'r [u8],
    count: i64,
    [open, close]: [&str; 2],
) -> &'r [u8] {
    out.extend_from_slice(open.as_bytes());
    for place in 0..count.max(0) {
        if place > 0 {
            out.push(b',');
        }
        rest = reply(out, rest);
    }
    out.extend_from_slice(close.as_bytes());
    rest
}

fn pairs<'r>(out: &mut Vec<u8>, mut rest: &'r [u8], count: i64) -> &'r [u8] {
    out.push(b'{');
    for place in 0..count.max(0) {
        if place > 0 {
            out.push(b',');
        }
        rest = reply(out, rest);
        out.extend_from_slice(b" => ");
        rest = reply(out, rest);
    }
    out.push(b'}');
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_read_as_in_redis() {
        for (bytes, text) in [
            (":12\r\n", "12"),
            ("+OK\r\n", "\"+OK\""),
            ("-ERR no\r\n", "\"-ERR no\""),
            ("$-1\r\n", "NULL"),
            ("*-1\r\n", "NULL"),
            ("$3\r\na\nb\r\n", "\"a\\nb\""),
            ("*2\r\n$1\r\na\r\n*0\r\n", "[\"a\",[]]"),
            ("%1\r\n$1\r\nf\r\n,1.5\r\n", "{\"f\" => (double) 1.5}"),
            ("~2\r\n#t\r\n_\r\n", "~(#true,(null))"),
            ("*9\r\n", "[,,,,,,,,]"),
            ("", ""),
        ] {
            let mut out = Vec::new();
            assert!(reply(&mut out, bytes.as_bytes()).is_empty());
            assert_eq!(String::from_utf8_lossy(&out), text);
        }
    }
}
