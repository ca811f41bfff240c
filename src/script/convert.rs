//! Conversion of replies to Lua values, and of script results to replies.
//!
//! ```text
//!   integer        number                       number         integer (the fraction goes)
//!   bulk string    string                       string         bulk string
//!   null           false (RESP3: nil)           false, nil     null
//!   simple string  {ok = text}                  true           1 (RESP3: true)
//!   error          {err = text}                 array part     array, up to the first nil
//!   array          table
//!   map, set       {map = {…}}, {set = {element = true}}             and the same tables back
//!   double, big number, verbatim string: {double = n}, {big_number = text},
//!                  {verbatim_string = {string = text, format = three letters}}
//! ```

use super::args::to_integer;
use super::lua::{Kind, Raise, Stack, TABLE_MAX};
use crate::algo::number::{parse_i64, parse_number_prefix};
use crate::command::{CmdResult, Reply};
use crate::resp::encode::Resp;

/// Marks an error table whose error was counted when it arose.
pub const COUNTED: &[u8] = b"ignore_error_stats_update";

/// Pushes the reply at the start of `reply` as a value. Returns the bytes behind it.
pub fn push_reply<'r>(stack: &mut Stack, reply: &'r [u8]) -> Result<&'r [u8], Raise> {
    let Some((line, rest)) = split_line(reply) else {
        stack.push_nil();
        return Ok(b"");
    };
    let (mark, text) = (line[0], &line[1..]);
    match mark {
        b':' => stack.push_number(number(text) as f64),
        b'$' => return Ok(push_bulk(stack, text, rest)),
        b'+' => push_field(stack, b"ok", text),
        b'-' => {
            push_field(stack, b"err", text);
            stack.push_bool(true);
            stack.set_named(-2, COUNTED);
        }
        b'*' | b'>' => return push_array(stack, number(text), rest),
        b'%' => return push_map(stack, number(text), rest),
        b'~' => return push_set(stack, number(text), rest),
        b'_' => stack.push_nil(),
        b'#' => stack.push_bool(text == b"t"),
        b',' => {
            stack.push_table(0, 0);
            stack.push_number(parse_number_prefix(text).map_or(0.0, |(number, _)| number));
            stack.set_named(-2, b"double");
        }
        b'(' => push_field(stack, b"big_number", text),
        // Attributes are nothing to scripts: what they are about follows.
        b'|' => {
            let mut rest = push_map(stack, number(text), rest)?;
            stack.pop(1);
            rest = push_reply(stack, rest)?;
            return Ok(rest);
        }
        b'=' => return Ok(push_verbatim(stack, number(text), rest)),
        _ => stack.push_nil(),
    }
    Ok(rest)
}

fn split_line(reply: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b'\r', reply)?;
    (end > 0).then(|| (&reply[..end], reply.get(end + 2..).unwrap_or_default()))
}

fn number(text: &[u8]) -> i64 {
    parse_i64(text).unwrap_or(-1)
}

/// `{name = text}`
fn push_field(stack: &mut Stack, name: &[u8], text: &[u8]) {
    stack.push_table(0, 0);
    stack.push_bytes(text);
    stack.set_named(-2, name);
}

/// The `len` bytes at the start of `rest`, and what is behind them and their line end.
fn split_bulk(len: i64, rest: &[u8]) -> (&[u8], &[u8]) {
    let len = (len.max(0) as usize).min(rest.len());
    (&rest[..len], rest.get(len + 2..).unwrap_or_default())
}

fn push_bulk<'r>(stack: &mut Stack, len: &[u8], rest: &'r [u8]) -> &'r [u8] {
    let len = number(len);
    if len < 0 {
        stack.push_bool(false);
        return rest;
    }
    let (bytes, rest) = split_bulk(len, rest);
    stack.push_bytes(bytes);
    rest
}

fn push_verbatim<'r>(stack: &mut Stack, len: i64, rest: &'r [u8]) -> &'r [u8] {
    let (bytes, rest) = split_bulk(len, rest);
    let (format, text) = bytes.split_at(bytes.len().min(3));
    stack.push_table(0, 0);
    push_field(stack, b"string", text.get(1..).unwrap_or_default());
    stack.push_bytes(format);
    stack.set_named(-2, b"format");
    stack.set_named(-2, b"verbatim_string");
    rest
}

/// Room for one more level.
fn room(stack: &mut Stack) -> Result<(), Raise> {
    match stack.room(6) {
        true => Ok(()),
        false => Err(Raise::Text(b"ERR reached lua stack limit".to_vec())),
    }
}

fn push_array<'r>(stack: &mut Stack, len: i64, mut rest: &'r [u8]) -> Result<&'r [u8], Raise> {
    if len < 0 {
        stack.push_bool(false);
        return Ok(rest);
    }
    room(stack)?;
    stack.push_table(0, 0);
    for place in 1..=len.min(TABLE_MAX.into()) {
        rest = push_reply(stack, rest)?;
        stack.set_at(-2, place as i32);
    }
    Ok(rest)
}

fn push_map<'r>(stack: &mut Stack, pairs: i64, mut rest: &'r [u8]) -> Result<&'r [u8], Raise> {
    room(stack)?;
    stack.push_table(0, 0);
    stack.push_table(0, 0);
    for _ in 0..pairs.min(TABLE_MAX.into()) {
        rest = push_reply(stack, rest)?;
        rest = push_reply(stack, rest)?;
        if !stack.set(-3) {
            stack.pop(2);
        }
    }
    stack.set_named(-2, b"map");
    Ok(rest)
}

fn push_set<'r>(stack: &mut Stack, len: i64, mut rest: &'r [u8]) -> Result<&'r [u8], Raise> {
    room(stack)?;
    stack.push_table(0, 0);
    stack.push_table(0, 0);
    for _ in 0..len.min(TABLE_MAX.into()) {
        rest = push_reply(stack, rest)?;
        stack.push_bool(true);
        if !stack.set(-3) {
            stack.pop(2);
        }
    }
    stack.set_named(-2, b"set");
    Ok(rest)
}

/// Pops the value on top and writes it as a reply. `resp` is the protocol of the script.
pub fn write_reply(stack: &mut Stack, resp: Resp, reply: &mut Reply) -> CmdResult {
    let kind = stack.kind(-1);
    if !stack.room(4) {
        let text = b"ERR reached lua stack limit";
        count_error(stack, text);
        stack.pop(1);
        return reply.error(text);
    }
    let done = match kind {
        Kind::Table => write_table(stack, resp, reply),
        _ => write_scalar(stack, kind, resp, reply),
    };
    stack.pop(1);
    done
}

/// Writes the value on top, which is of this kind and no table, and leaves it there.
fn write_scalar(stack: &mut Stack, kind: Kind, resp: Resp, reply: &mut Reply) -> CmdResult {
    match kind {
        Kind::String => reply.bulk(stack.bytes(-1).unwrap_or_default()),
        Kind::Boolean => match (resp, stack.truth(-1)) {
            (Resp::V2, true) => reply.int(1),
            (Resp::V2, false) => reply.null(),
            (Resp::V3, value) => reply.boolean(value),
        },
        Kind::Number => reply.int(to_integer(stack.number(-1).unwrap_or(0.0))),
        _ => reply.null(),
    }
}

fn count_error(stack: &mut Stack, text: &[u8]) {
    stack.vm_state().failed = true;
    if let (_, Some(host)) = stack.vm_state_and_host() {
        host.count_error(text);
    }
}

/// Pushes a field of the table on top if it is of this kind.
fn has(stack: &mut Stack, name: &[u8], kind: Kind) -> bool {
    stack.get_named(-1, name);
    let has = stack.kind(-1) == kind;
    if !has {
        stack.pop(1);
    }
    has
}

fn write_table(stack: &mut Stack, resp: Resp, reply: &mut Reply) -> CmdResult {
    let has_text = |stack: &mut Stack, name: &[u8]| {
        has(stack, name, Kind::String).then(|| {
            let text = stack.bytes(-1).unwrap_or_default().to_vec();
            stack.pop(1);
            text
        })
    };
    if let Some(text) = has_text(stack, b"err") {
        // As Redis does, it ends at a zero byte.
        let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
        if is_counted(stack) {
            stack.vm_state().failed = true;
        } else {
            count_error(stack, text);
        }
        return reply.error(trim_lines(text));
    }
    if let Some(text) = has_text(stack, b"ok") {
        let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
        return reply.status(text);
    }
    if has(stack, b"double", Kind::Number) {
        let number = stack.number(-1).unwrap_or(0.0);
        stack.pop(1);
        return reply.double(number);
    }
    if has(stack, b"map", Kind::Table) {
        return write_map(stack, resp, reply);
    }
    if has(stack, b"set", Kind::Table) {
        return write_set(stack, resp, reply);
    }
    if let Some(text) = has_text(stack, b"big_number") {
        return reply.big_number(&text);
    }
    if has(stack, b"verbatim_string", Kind::Table) {
        let format = has_text(stack, b"format");
        let text = has_text(stack, b"string");
        stack.pop(1);
        if let (Some(format), Some(text)) = (format, text) {
            let mut three = [b' '; 3];
            let len = format.len().min(3);
            three[..len].copy_from_slice(&format[..len]);
            return reply.verbatim(&three, &text);
        }
    }
    write_array(stack, resp, reply)
}

/// The text without line breaks at its end.
pub fn trim_lines(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n'));
    &text[..end.map_or(0, |end| end + 1)]
}

/// Whether the error table on top was counted already.
pub fn is_counted(stack: &mut Stack) -> bool {
    stack.get_named(-1, COUNTED);
    let counted = stack.truth(-1);
    stack.pop(1);
    counted
}

/// The number of elements of the table on top.
fn count(stack: &mut Stack) -> usize {
    let mut count = 0;
    stack.push_nil();
    while stack.next(-2) {
        stack.pop(1);
        count += 1;
    }
    count
}

/// The table on top goes, too.
fn write_map(stack: &mut Stack, resp: Resp, reply: &mut Reply) -> CmdResult {
    let pairs = count(stack);
    reply.map(pairs)?;
    stack.push_nil();
    while stack.next(-2) {
        stack.push_copy(-2);
        write_reply(stack, resp, reply)?;
        write_reply(stack, resp, reply)?;
    }
    stack.pop(1);
    Ok(())
}

fn write_set(stack: &mut Stack, resp: Resp, reply: &mut Reply) -> CmdResult {
    let len = count(stack);
    reply.set(len)?;
    stack.push_nil();
    while stack.next(-2) {
        stack.pop(1);
        stack.push_copy(-1);
        write_reply(stack, resp, reply)?;
    }
    stack.pop(1);
    Ok(())
}

/// Writes an array up to its first nil. Its head goes in front of the elements once they are
/// counted, which moves them once; elements that are tables would be moved at every level, so that
/// an array with such elements is counted first.
fn write_array(stack: &mut Stack, resp: Resp, reply: &mut Reply) -> CmdResult {
    let begin = reply.deferred();
    let mut len = 0;
    loop {
        stack.get_at(-1, len + 1);
        let kind = stack.kind(-1);
        let done = match kind {
            Kind::Nil | Kind::None | Kind::Table => Ok(()),
            _ => write_scalar(stack, kind, resp, reply),
        };
        stack.pop(1);
        done?;
        match kind {
            Kind::Nil | Kind::None => return reply.close_array(begin, len as usize),
            Kind::Table => break,
            _ => len += 1,
        }
    }
    reply.undo(begin);
    write_nested(stack, resp, reply)
}

/// Writes an array with elements that are tables.
fn write_nested(stack: &mut Stack, resp: Resp, reply: &mut Reply) -> CmdResult {
    let mut len = 0;
    loop {
        stack.get_at(-1, len + 1);
        let end = stack.is_nil(-1);
        stack.pop(1);
        if end {
            break;
        }
        len += 1;
    }
    reply.array(len as usize)?;
    for place in 1..=len {
        stack.get_at(-1, place);
        write_reply(stack, resp, reply)?;
    }
    Ok(())
}
