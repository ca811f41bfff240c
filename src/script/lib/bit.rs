//! `bit`: operations on 32 bits.

use crate::script::args;
use crate::script::lua::{Outcome, Raise, Stack};

/// Adding this leaves the integer nearest to a number in the lowest bits of its mantissa.
const ROUND: f64 = 6_755_399_441_055_744.0;

fn bits(stack: &mut Stack, index: i32) -> Result<u32, Raise> {
    Ok((args::number(stack, index)? + ROUND).to_bits() as u32)
}

fn push_bits(stack: &mut Stack, bits: u32) -> Outcome {
    stack.push_number(f64::from(bits as i32));
    Ok(1)
}

fn fold(stack: &mut Stack, both: fn(u32, u32) -> u32) -> Outcome {
    let mut result = bits(stack, 1)?;
    for index in (2..=stack.args()).rev() {
        result = both(result, bits(stack, index)?);
    }
    push_bits(stack, result)
}

fn shift(stack: &mut Stack, by: fn(u32, u32) -> u32) -> Outcome {
    let (value, count) = (bits(stack, 1)?, bits(stack, 2)? & 31);
    push_bits(stack, by(value, count))
}

fn tohex(stack: &mut Stack) -> Outcome {
    let value = bits(stack, 1)?;
    let digits = match stack.args() {
        2.. => bits(stack, 2)? as i32,
        _ => 8,
    };
    let width = digits.unsigned_abs().min(8) as usize;
    let text = match digits < 0 {
        true => format!("{value:08X}"),
        false => format!("{value:08x}"),
    };
    stack.push_bytes(&text.as_bytes()[8 - width..]);
    Ok(1)
}

/// Fills the table on top.
pub fn open(stack: &mut Stack) {
    macro_rules! define {
        ($($name:literal: $function:expr;)*) => {$(
            stack.push_function($function, 0);
            stack.set_named(-2, $name);
        )*};
    }
    define! {
        b"tobit": |s: &mut Stack| { let b = bits(s, 1)?; push_bits(s, b) };
        b"bnot": |s: &mut Stack| { let b = bits(s, 1)?; push_bits(s, !b) };
        b"bswap": |s: &mut Stack| { let b = bits(s, 1)?; push_bits(s, b.swap_bytes()) };
        b"band": |s: &mut Stack| fold(s, |a, b| a & b);
        b"bor": |s: &mut Stack| fold(s, |a, b| a | b);
        b"bxor": |s: &mut Stack| fold(s, |a, b| a ^ b);
        b"lshift": |s: &mut Stack| shift(s, |a, n| a << n);
        b"rshift": |s: &mut Stack| shift(s, |a, n| a >> n);
        b"arshift": |s: &mut Stack| shift(s, |a, n| ((a as i32) >> n) as u32);
        b"rol": |s: &mut Stack| shift(s, u32::rotate_left);
        b"ror": |s: &mut Stack| shift(s, u32::rotate_right);
        b"tohex": tohex;
    }
}
