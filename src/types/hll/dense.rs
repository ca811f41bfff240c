//! Dense registers: 6 bits each, one after the other, the low bits of a byte first.
//!
//! ```text
//!   byte 0     byte 1     byte 2
//!   11000000 | 22221111 | 33333322      the digit is the register a bit belongs to
//! ```

use super::{HEADER, REGISTERS};

const BITS: usize = 6;
const MASK: u16 = (1 << BITS) - 1;
/// Header and registers.
pub const SIZE: usize = HEADER + REGISTERS * BITS / 8;

/// The two bytes a register lies in, and by how many bits it is shifted there. The last register
/// ends with the last byte.
#[inline]
fn window(body: &[u8], index: usize) -> (usize, u16, usize) {
    let (at, shift) = (index * BITS / 8, index * BITS % 8);
    let high = body.get(at + 1).copied().unwrap_or(0);
    (at, u16::from_le_bytes([body[at], high]), shift)
}

#[inline]
pub fn get(body: &[u8], index: usize) -> u8 {
    let (_, pair, shift) = window(body, index);
    (pair >> shift & MASK) as u8
}

#[inline]
pub fn set(body: &mut [u8], index: usize, value: u8) {
    let (at, pair, shift) = window(body, index);
    let pair = pair & !(MASK << shift) | (value as u16 & MASK) << shift;
    let [low, high] = pair.to_le_bytes();
    body[at] = low;
    if let Some(byte) = body.get_mut(at + 1) {
        *byte = high;
    }
}

/// Raises a register; whether it was lower.
pub fn raise(body: &mut [u8], index: usize, value: u8) -> bool {
    let raised = get(body, index) < value;
    if raised {
        set(body, index, value);
    }
    raised
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_do_not_touch_each_other() {
        let mut body = vec![0; SIZE - HEADER];
        let value = |index: usize| (index * 7 % 64) as u8;
        for index in 0..REGISTERS {
            set(&mut body, index, value(index));
        }
        for index in (0..REGISTERS).rev() {
            assert_eq!(get(&body, index), value(index));
            assert_eq!(raise(&mut body, index, 63), value(index) < 63);
        }
        assert!(body.iter().all(|&byte| byte == 0xff));
    }
}
