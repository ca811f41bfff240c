//! Arguments of library functions, with Lua's words for wrong ones.

use super::lua::{Kind, Raise, Stack};

/// The type of an argument, as Lua names it.
fn kind_name(stack: &Stack, index: i32) -> &'static str {
    if index > stack.args() && index > stack.top() {
        return Kind::None.name();
    }
    stack.kind(index).name()
}

/// The argument should have been something else.
pub fn wrong(stack: &Stack, index: i32, wanted: &str) -> Raise {
    let got = kind_name(stack, index);
    Raise::argument(index, format!("{wanted} expected, got {got}"))
}

pub fn number(stack: &mut Stack, index: i32) -> Result<f64, Raise> {
    if index <= stack.top()
        && let Some(number) = stack.number(index)
    {
        return Ok(number);
    }
    Err(wrong(stack, index, "number"))
}

/// A number as Lua makes it an integer: the fraction goes; what does not fit is as the machine has
/// it.
pub fn to_integer(number: f64) -> i64 {
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number) {
        number as i64
    } else {
        i64::MIN
    }
}

pub fn integer(stack: &mut Stack, index: i32) -> Result<i64, Raise> {
    Ok(to_integer(number(stack, index)?))
}

pub fn optional_integer(stack: &mut Stack, index: i32, default: i64) -> Result<i64, Raise> {
    if index > stack.top() || stack.is_nil(index) {
        return Ok(default);
    }
    integer(stack, index)
}

/// A string, or a number as one.
pub fn text<'l>(stack: &mut Stack<'l>, index: i32) -> Result<&'l [u8], Raise> {
    match stack.arg_text(index) {
        Some(text) => Ok(text),
        None => Err(wrong(stack, index, "string")),
    }
}
