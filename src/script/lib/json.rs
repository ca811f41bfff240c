//! `cjson`: its functions and settings. What encodes and decodes stands beside.
//!
//! The settings of a `cjson` table are a table of numbers that all its functions captured.

use super::{json_decode, json_encode};
use crate::script::args;
use crate::script::lua::{Kind, Outcome, Raise, Stack};
use crate::script::{guards, sandbox};
use crate::version::Series;

/// The settings, by their place.
#[derive(Clone, Copy)]
#[repr(i32)]
pub enum Setting {
    SparseConvert = 1,
    SparseRatio,
    SparseSafe,
    EncodeDepth,
    /// 0: refuse them; 1: write them as they are; 2: write null.
    EncodeInvalid,
    Precision,
    KeepBuffer,
    DecodeDepth,
    DecodeInvalid,
    /// Whether decoded arrays are marked by a metatable.
    MarkArrays,
}

/// The place behind the settings that holds the metatable of decoded arrays.
const ARRAY_META: i32 = Setting::MarkArrays as i32 + 1;

/// The field of a metatable that marks its tables as arrays.
const IS_ARRAY: &[u8] = b"__is_cjson_array";

use Setting::*;

const DEFAULTS: &[(Setting, i32)] = &[
    (SparseConvert, 0),
    (SparseRatio, 2),
    (SparseSafe, 10),
    (EncodeDepth, 1000),
    (EncodeInvalid, 0),
    (Precision, 14),
    (KeepBuffer, 1),
    (DecodeDepth, 1000),
    (DecodeInvalid, 1),
    (MarkArrays, 0),
];

/// A setting of the `cjson` module whose function is running.
pub fn setting(stack: &mut Stack, setting: Setting) -> i32 {
    let settings = stack.captured(1);
    stack.get_at(settings, setting as i32);
    let value = stack.number(-1).unwrap_or(0.0);
    stack.pop(1);
    value as i32
}

fn choose(stack: &mut Stack, setting: Setting, value: i32) {
    let settings = stack.captured(1);
    stack.push_number(f64::from(value));
    stack.set_at(settings, setting as i32);
}

/// At most so many arguments, and the rest is nil.
fn at_most(stack: &Stack, most: i32) -> Result<(), Raise> {
    if stack.args() > most {
        return Err(Raise::argument(most + 1, "found too many arguments"));
    }
    Ok(())
}

fn given(stack: &Stack, index: i32) -> bool {
    index <= stack.args() && stack.kind(index) != Kind::Nil
}

/// An integer setting: sets it if an argument is given, and returns it.
fn integer(stack: &mut Stack, index: i32, which: Setting, min: i32, max: i32) -> Result<(), Raise> {
    if given(stack, index) {
        let value = args::integer(stack, index)?;
        // As the C library does, which keeps an int.
        let value = value as i32;
        if value < min || value > max {
            let text = format!("expected integer between {min} and {max}");
            return Err(Raise::argument(1, text));
        }
        choose(stack, which, value);
    }
    let value = setting(stack, which);
    stack.push_number(f64::from(value));
    Ok(())
}

/// A setting that is one of some words, or a boolean: sets it if an argument is given, and returns
/// it. The first two words stand for false and true.
fn word(stack: &mut Stack, index: i32, which: Setting, words: &[&str]) -> Result<(), Raise> {
    if given(stack, index) {
        let value = if stack.kind(index) == Kind::Boolean {
            stack.truth(index) as i32
        } else {
            let text = args::text(stack, index)?;
            let place = words.iter().position(|word| word.as_bytes() == text);
            let Some(place) = place else {
                let text = [b"invalid option '".as_slice(), text, b"'"].concat();
                return Err(Raise::argument(index, text));
            };
            place as i32
        };
        choose(stack, which, value);
    }
    match setting(stack, which) {
        value @ 0..=1 => stack.push_bool(value == 1),
        value => stack.push_bytes(words[value as usize].as_bytes()),
    }
    Ok(())
}

fn encode_sparse_array(stack: &mut Stack) -> Outcome {
    at_most(stack, 3)?;
    word(stack, 1, SparseConvert, &["off", "on"])?;
    integer(stack, 2, SparseRatio, 0, i32::MAX)?;
    integer(stack, 3, SparseSafe, 0, i32::MAX)?;
    Ok(3)
}

fn encode_max_depth(stack: &mut Stack) -> Outcome {
    at_most(stack, 1)?;
    integer(stack, 1, EncodeDepth, 1, i32::MAX).map(|()| 1)
}

fn decode_max_depth(stack: &mut Stack) -> Outcome {
    at_most(stack, 1)?;
    integer(stack, 1, DecodeDepth, 1, i32::MAX).map(|()| 1)
}

fn encode_number_precision(stack: &mut Stack) -> Outcome {
    at_most(stack, 1)?;
    integer(stack, 1, Precision, 1, 14).map(|()| 1)
}

fn encode_keep_buffer(stack: &mut Stack) -> Outcome {
    at_most(stack, 1)?;
    word(stack, 1, KeepBuffer, &["off", "on"]).map(|()| 1)
}

fn encode_invalid_numbers(stack: &mut Stack) -> Outcome {
    at_most(stack, 1)?;
    word(stack, 1, EncodeInvalid, &["off", "on", "null"]).map(|()| 1)
}

fn decode_invalid_numbers(stack: &mut Stack) -> Outcome {
    at_most(stack, 1)?;
    word(stack, 1, DecodeInvalid, &["off", "on"]).map(|()| 1)
}

/// cjson.decode_array_with_array_mt([on]): whether decoded arrays are marked, so that an empty one
/// is encoded as an array again.
fn decode_array_with_array_mt(stack: &mut Stack) -> Outcome {
    at_most(stack, 1)?;
    word(stack, 1, MarkArrays, &["off", "on"]).map(|()| 1)
}

/// Marks the table on top as an array.
pub fn mark_array(stack: &mut Stack) {
    let settings = stack.captured(1);
    stack.get_at(settings, ARRAY_META);
    stack.set_metatable(-2);
}

/// Returns the length of the table on top if it is marked as an array.
pub fn marked_len(stack: &mut Stack) -> Option<usize> {
    if !stack.push_metatable(-1) {
        return None;
    }
    guards::show_real(stack);
    stack.get_named(-1, IS_ARRAY);
    let is_array = stack.truth(-1);
    stack.pop(2);
    is_array.then(|| stack.len(-1))
}

/// cjson.new(): the same with settings of its own.
fn new(stack: &mut Stack) -> Outcome {
    let settings = stack.captured(1);
    stack.get_at(settings, ARRAY_META);
    let marks_arrays = !stack.is_nil(-1);
    stack.pop(1);
    stack.push_table(0, 0);
    fill(stack, marks_arrays);
    Ok(1)
}

/// Fills the table on top with the module of a series of Redis.
pub fn open(stack: &mut Stack, series: Series) {
    fill(stack, series >= MARKS_ARRAYS);
}

/// The first series whose `cjson` can mark arrays.
const MARKS_ARRAYS: Series = Series(8, 6);

fn fill(stack: &mut Stack, marks_arrays: bool) {
    let settings = stack.top() + 1;
    stack.push_table(DEFAULTS.len() + 1, 0);
    if marks_arrays {
        stack.push_table(0, 1);
        stack.push_bool(true);
        stack.set_named(-2, IS_ARRAY);
        sandbox::protect(stack);
        stack.set_at(settings, ARRAY_META);
    }
    for &(which, value) in DEFAULTS {
        stack.push_number(f64::from(value));
        stack.set_at(settings, which as i32);
    }
    macro_rules! define {
        ($($name:literal: $function:expr;)*) => {$(
            stack.push_copy(settings);
            stack.push_function($function, 1);
            stack.set_named(settings - 1, $name);
        )*};
    }
    define! {
        b"encode": json_encode::encode;
        b"decode": json_decode::decode;
        b"encode_sparse_array": encode_sparse_array;
        b"encode_max_depth": encode_max_depth;
        b"decode_max_depth": decode_max_depth;
        b"encode_number_precision": encode_number_precision;
        b"encode_keep_buffer": encode_keep_buffer;
        b"encode_invalid_numbers": encode_invalid_numbers;
        b"decode_invalid_numbers": decode_invalid_numbers;
        b"new": new;
    }
    if marks_arrays {
        define! { b"decode_array_with_array_mt": decode_array_with_array_mt; }
    }
    stack.pop(1);
    stack.push_null();
    stack.set_named(-2, b"null");
    stack.push_bytes(b"cjson");
    stack.set_named(-2, b"_NAME");
    stack.push_bytes(b"2.1.0");
    stack.set_named(-2, b"_VERSION");
}
