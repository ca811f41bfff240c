//! The numbers of `math.random`: the generator that POSIX calls lrand48, begun where that begins, so
//! that a fresh server gives the same numbers everywhere.

use super::lua::{Outcome, Raise, Stack};

/// The largest number the generator is taken to give, as Redis takes it.
const MAX: u64 = i32::MAX as u64;

/// The generator of `math.random`: lrand48 of POSIX.
#[derive(Clone, Copy, Debug)]
pub struct Random(u64);

impl Default for Random {
    fn default() -> Self {
        Random(0x1234_abcd_330e)
    }
}

impl Random {
    pub fn new(seed: i32) -> Random {
        Random(u64::from(seed as u32) << 16 | 0x330e)
    }

    /// The next 31 bits.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(0x5_deec_e66d).wrapping_add(0xb) & ((1 << 48) - 1);
        self.0 >> 17
    }
}

/// An argument as a C int, as Lua takes it.
fn int(stack: &mut Stack, index: i32) -> Result<i32, Raise> {
    Ok(super::args::integer(stack, index)? as i32)
}

/// math.random([low,] high)
pub fn random(stack: &mut Stack) -> Outcome {
    let unit = (stack.vm_state().random.next() % MAX) as f64 / MAX as f64;
    let number = match stack.args() {
        0 => unit,
        1 => {
            let high = int(stack, 1)?;
            if high < 1 {
                return Err(Raise::argument(1, "interval is empty"));
            }
            (unit * f64::from(high)).floor() + 1.0
        }
        2 => {
            let (low, high) = (int(stack, 1)?, int(stack, 2)?);
            if low > high {
                return Err(Raise::argument(2, "interval is empty"));
            }
            (unit * f64::from(high.wrapping_sub(low).wrapping_add(1))).floor() + f64::from(low)
        }
        _ => return Err(Raise::here("wrong number of arguments")),
    };
    stack.push_number(number);
    Ok(1)
}

/// math.randomseed(seed)
pub fn randomseed(stack: &mut Stack) -> Outcome {
    let seed = int(stack, 1)?;
    stack.vm_state().random = Random::new(seed);
    Ok(0)
}
