//! `cmsgpack`: MessagePack.
//!
//! Numbers that are integers are packed as such, doubles as floats where nothing is lost; tables
//! whose keys are 1 to n are arrays, all others maps; beyond 16 levels there is only nil.

use crate::script::args;
use crate::script::guards::show_real;
use crate::script::lua::{Kind, Outcome, Raise, Stack, TABLE_MAX};

/// Levels of tables that are packed.
const NESTING: usize = 16;

/// The largest head: a mark and eight bytes.
struct Head([u8; 9], usize);

impl Head {
    fn new<const N: usize>(mark: u8, number: [u8; N]) -> Head {
        let mut bytes = [0; 9];
        bytes[0] = mark;
        bytes[1..=N].copy_from_slice(&number);
        Head(bytes, N + 1)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0[..self.1]);
    }
}

fn write_int(out: &mut Vec<u8>, n: i64) {
    let head = match n {
        -32..=127 => Head::new(n as u8, []),
        128..=0xff => Head::new(0xcc, [n as u8]),
        0x100..=0xffff => Head::new(0xcd, (n as u16).to_be_bytes()),
        0x1_0000..=0xffff_ffff => Head::new(0xce, (n as u32).to_be_bytes()),
        0x1_0000_0000.. => Head::new(0xcf, n.to_be_bytes()),
        -0x80.. => Head::new(0xd0, [n as u8]),
        -0x8000.. => Head::new(0xd1, (n as i16).to_be_bytes()),
        -0x8000_0000.. => Head::new(0xd2, (n as i32).to_be_bytes()),
        _ => Head::new(0xd3, n.to_be_bytes()),
    };
    head.write(out);
}

fn write_number(out: &mut Vec<u8>, number: f64) {
    let whole = args::to_integer(number);
    if number.is_finite() && whole as f64 == number && number < 9_223_372_036_854_775_808.0 {
        return write_int(out, whole);
    }
    let short = number as f32;
    if f64::from(short) == number {
        Head::new(0xca, short.to_be_bytes()).write(out);
    } else {
        Head::new(0xcb, number.to_be_bytes()).write(out);
    }
}

fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let len = bytes.len();
    let head = match len {
        0..32 => Head::new(0xa0 | len as u8, []),
        32..=0xff => Head::new(0xd9, [len as u8]),
        0x100..=0xffff => Head::new(0xda, (len as u16).to_be_bytes()),
        _ => Head::new(0xdb, (len as u32).to_be_bytes()),
    };
    head.write(out);
    out.extend_from_slice(bytes);
}

/// The head of an array (`mark` 0x90, 0xdc) or a map (0x80, 0xde).
fn write_count(out: &mut Vec<u8>, small: u8, large: u8, count: usize) {
    let head = match count {
        0..16 => Head::new(small | count as u8, []),
        16..=0xffff => Head::new(large, (count as u16).to_be_bytes()),
        _ => Head::new(large + 1, (count as u32).to_be_bytes()),
    };
    head.write(out);
}

/// Whether the keys of the table on top are 1 to n, and how many keys there are.
fn shape(stack: &mut Stack) -> (bool, usize) {
    let (mut count, mut max, mut is_array) = (0usize, 0f64, true);
    stack.push_nil();
    while stack.next(-2) {
        stack.pop(1);
        count += 1;
        let key = match stack.kind(-1) {
            Kind::Number => stack.number(-1).unwrap_or(0.0),
            _ => 0.0,
        };
        if key <= 0.0 || f64::from(key as i32) != key {
            is_array = false;
        }
        max = max.max(key);
    }
    (is_array && max == count as f64, count)
}

fn write_table(out: &mut Vec<u8>, stack: &mut Stack, level: usize) -> Result<(), Raise> {
    let full = |place| {
        Raise::here(format!(
            "stack overflow (in function mp_encode_lua_{place})"
        ))
    };
    show_real(stack);
    let (is_array, count) = shape(stack);
    if is_array {
        if !stack.room(2) {
            return Err(full("table_as_array"));
        }
        let len = stack.len(-1);
        write_count(out, 0x90, 0xdc, len);
        for place in 1..=len {
            stack.get_at(-1, place as i32);
            write_top(out, stack, level + 1)?;
        }
        return Ok(());
    }
    if !stack.room(4) {
        return Err(full("table_as_map"));
    }
    write_count(out, 0x80, 0xde, count);
    stack.push_nil();
    while stack.next(-2) {
        stack.push_copy(-2);
        write_top(out, stack, level + 1)?;
        write_top(out, stack, level + 1)?;
    }
    Ok(())
}

/// Packs the value on top and takes it off.
fn write_top(out: &mut Vec<u8>, stack: &mut Stack, level: usize) -> Result<(), Raise> {
    match stack.kind(-1) {
        Kind::String => write_bytes(out, stack.bytes(-1).unwrap_or_default()),
        Kind::Boolean => out.push(if stack.truth(-1) { 0xc3 } else { 0xc2 }),
        Kind::Number => write_number(out, stack.number(-1).unwrap_or(0.0)),
        Kind::Table if level < NESTING => write_table(out, stack, level)?,
        _ => out.push(0xc0),
    }
    stack.pop(1);
    Ok(())
}

/// cmsgpack.pack(value, …)
fn pack(stack: &mut Stack) -> Outcome {
    if stack.args() == 0 {
        return Err(Raise::argument(0, "MessagePack pack needs input."));
    }
    if !stack.room(stack.args()) {
        return Err(Raise::argument(
            0,
            "Too many arguments for MessagePack pack.",
        ));
    }
    let mut out = Vec::new();
    for index in 1..=stack.args() {
        stack.push_copy(index);
        write_top(&mut out, stack, 0)?;
    }
    stack.push_bytes(&out);
    Ok(1)
}

/// The input left to read.
struct Input<'t>(&'t [u8]);

impl<'t> Input<'t> {
    fn take(&mut self, count: usize) -> Result<&'t [u8], Raise> {
        let Some((taken, rest)) = self.0.split_at_checked(count) else {
            return Err(Raise::here("Missing bytes in input."));
        };
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Raise> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    fn u8(&mut self) -> Result<usize, Raise> {
        Ok(self.array::<1>()?[0].into())
    }

    fn u16(&mut self) -> Result<usize, Raise> {
        Ok(u16::from_be_bytes(self.array()?).into())
    }

    fn u32(&mut self) -> Result<usize, Raise> {
        Ok(u32::from_be_bytes(self.array()?) as usize)
    }

    /// Pushes the next value.
    fn value(&mut self, stack: &mut Stack) -> Result<(), Raise> {
        if !stack.room(1) {
            let what = "stack overflow (too many return values at once; use unpack_one or \
                        unpack_limit instead.)";
            return Err(Raise::here(what));
        }
        let number = match self.u8()? as u8 {
            fix @ 0..=0x7f => f64::from(fix),
            fix @ 0xe0.. => f64::from(fix as i8),
            0xcc => self.u8()? as f64,
            0xcd => self.u16()? as f64,
            0xce => self.u32()? as f64,
            // As Redis does, the highest bit is a sign here, too.
            0xcf => i64::from_be_bytes(self.array()?) as f64,
            0xd0 => f64::from(self.u8()? as i8),
            0xd1 => f64::from(self.u16()? as i16),
            0xd2 => f64::from(self.u32()? as i32),
            0xd3 => i64::from_be_bytes(self.array()?) as f64,
            0xca => f64::from(f32::from_be_bytes(self.array()?)),
            0xcb => f64::from_be_bytes(self.array()?),
            mark => return self.other(stack, mark),
        };
        stack.push_number(number);
        Ok(())
    }

    fn other(&mut self, stack: &mut Stack, mark: u8) -> Result<(), Raise> {
        let len = match mark {
            0xc0 => {
                stack.push_nil();
                return Ok(());
            }
            0xc2 | 0xc3 => {
                stack.push_bool(mark == 0xc3);
                return Ok(());
            }
            0x80..=0x8f => return self.map(stack, (mark & 15).into()),
            0x90..=0x9f => return self.list(stack, (mark & 15).into()),
            0xdc => {
                let len = self.u16()?;
                return self.list(stack, len);
            }
            0xdd => {
                let len = self.u32()?;
                return self.list(stack, len);
            }
            0xde => {
                let len = self.u16()?;
                return self.map(stack, len);
            }
            0xdf => {
                let len = self.u32()?;
                return self.map(stack, len);
            }
            0xa0..=0xbf => (mark & 31).into(),
            0xd9 => self.u8()?,
            0xda => self.u16()?,
            0xdb => self.u32()?,
            _ => return Err(Raise::here("Bad data format in input.")),
        };
        stack.push_bytes(self.take(len)?);
        Ok(())
    }

    fn list(&mut self, stack: &mut Stack, len: usize) -> Result<(), Raise> {
        if !stack.room(2) {
            let what = "stack overflow (in function mp_decode_to_lua_array)";
            return Err(Raise::here(what));
        }
        stack.push_table(0, 0);
        for place in 1..=len {
            self.value(stack)?;
            if place > TABLE_MAX as usize {
                return Err(Raise::here("table overflow"));
            }
            stack.set_at(-2, place as i32);
        }
        Ok(())
    }

    fn map(&mut self, stack: &mut Stack, len: usize) -> Result<(), Raise> {
        if !stack.room(3) {
            let what = "stack overflow (in function mp_decode_to_lua_hash)";
            return Err(Raise::here(what));
        }
        stack.push_table(0, 0);
        for place in 1..=len {
            self.value(stack)?;
            self.value(stack)?;
            if place > TABLE_MAX as usize {
                return Err(Raise::here("table overflow"));
            }
            let is_nil = stack.kind(-2) == Kind::Nil;
            if !stack.set(-3) {
                let what = if is_nil { "nil" } else { "NaN" };
                return Err(Raise::Text(format!("table index is {what}").into_bytes()));
            }
        }
        Ok(())
    }
}

fn read_many(stack: &mut Stack, limit: i64, offset: i64) -> Outcome {
    let text = args::text(stack, 1)?;
    let len = text.len();
    // Messages show what an int holds of it, as in Redis.
    let shown = offset as i32;
    if offset < 0 || limit < 0 {
        let what = format!("Invalid request to unpack with offset of {shown} and limit of {len}.");
        return Err(Raise::here(what));
    }
    if offset as usize > len {
        let what = format!("Start offset {shown} greater than input length {len}.");
        return Err(Raise::here(what));
    }
    let all = limit == 0 && offset == 0;
    let limit = if all { i64::from(i32::MAX) } else { limit };
    let mut input = Input(&text[offset as usize..]);
    let mut count = 0;
    while !input.0.is_empty() && i64::from(count) < limit {
        input.value(stack)?;
        count += 1;
    }
    if all {
        return Ok(count);
    }
    if !stack.room(1) {
        return Err(Raise::here("stack overflow (in function mp_unpack_full)"));
    }
    let next = len - input.0.len();
    stack.push_number(if input.0.is_empty() {
        -1.0
    } else {
        next as f64
    });
    stack.sink(count);
    Ok(count + 1)
}

fn unpack(stack: &mut Stack) -> Outcome {
    read_many(stack, 0, 0)
}

fn unpack_one(stack: &mut Stack) -> Outcome {
    let offset = args::optional_integer(stack, 2, 0)?;
    read_many(stack, 1, offset)
}

fn unpack_limit(stack: &mut Stack) -> Outcome {
    let limit = args::integer(stack, 2)?;
    let offset = args::optional_integer(stack, 3, 0)?;
    read_many(stack, limit, offset)
}

/// Fills the table on top.
pub fn open(stack: &mut Stack) {
    stack.push_function(pack, 0);
    stack.set_named(-2, b"pack");
    stack.push_function(unpack, 0);
    stack.set_named(-2, b"unpack");
    stack.push_function(unpack_one, 0);
    stack.set_named(-2, b"unpack_one");
    stack.push_function(unpack_limit, 0);
    stack.set_named(-2, b"unpack_limit");
    let texts: [(&[u8], &[u8]); 4] = [
        (b"_NAME", b"cmsgpack"),
        (b"_VERSION", b"lua-cmsgpack 0.4.0"),
        (b"_COPYRIGHT", b"Copyright (C) 2012, Salvatore Sanfilippo"),
        (b"_DESCRIPTION", b"MessagePack C implementation for Lua"),
    ];
    for (name, text) in texts {
        stack.push_bytes(text);
        stack.set_named(-2, name);
    }
}
