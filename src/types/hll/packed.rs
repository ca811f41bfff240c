//! All dense registers at once: packed at 6 bits, or a byte each.
//!
//! ```text
//!   packed, 3 bytes    33333322 22221111 11000000   as one number, the first byte lowest
//!   a byte each        00333333 00222222 00111111 00000000
//! ```
//!
//! Four registers are one 32-bit number on either side, so three shifts move them all. With AVX2 eight
//! such numbers move at a time, by the steps that are known from decoding and encoding base64.
#![allow(unsafe_code)]

use super::{REGISTERS, Registers};

/// All registers, 6 bits each.
pub type Packed = [u8; REGISTERS * 6 / 8];

/// The masks of the four registers of three packed bytes.
const PLACES: [u32; 4] = [0x3f, 0xfc0, 0x3_f000, 0xfc_0000];

/// Raises each register to the packed one.
pub fn raise(registers: &mut Registers, packed: &Packed) {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has the feature that the function is compiled for.
        return unsafe { avx2::raise(registers, packed) };
    }
    raise_portable(registers, packed)
}

/// Writes all registers packed. None is above 63.
pub fn pack(registers: &Registers, packed: &mut Packed) {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has the feature that the function is compiled for.
        return unsafe { avx2::pack(registers, packed) };
    }
    pack_portable(registers, packed)
}

fn raise_portable(registers: &mut Registers, packed: &Packed) {
    let [first, second, third, fourth] = PLACES;
    let groups = registers.as_chunks_mut::<4>().0.iter_mut();
    for (registers, packed) in groups.zip(packed.as_chunks::<3>().0) {
        let x = u32::from_le_bytes([packed[0], packed[1], packed[2], 0]);
        let apart = x & first | (x & second) << 2 | (x & third) << 4 | (x & fourth) << 6;
        for (register, value) in registers.iter_mut().zip(apart.to_le_bytes()) {
            *register = value.max(*register);
        }
    }
}

fn pack_portable(registers: &Registers, packed: &mut Packed) {
    let [first, second, third, fourth] = PLACES;
    let groups = registers.as_chunks::<4>().0.iter();
    for (registers, packed) in groups.zip(packed.as_chunks_mut::<3>().0) {
        let x = u32::from_le_bytes(*registers);
        let close = x & first | x >> 2 & second | x >> 4 & third | x >> 6 & fourth;
        packed.copy_from_slice(&close.to_le_bytes()[..3]);
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{Packed, Registers};
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx2")]
    pub fn raise(registers: &mut Registers, packed: &Packed) {
        // Three bytes to each 32-bit number: the first twelve of the lower lane, the last twelve of the
        // upper one.
        #[rustfmt::skip]
        let spread = _mm256_setr_epi8(
            0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1,
            4, 5, 6, -1, 7, 8, 9, -1, 10, 11, 12, -1, 13, 14, 15, -1,
        );
        let (even, odd) = (_mm256_set1_epi16(0x003f), _mm256_set1_epi16(0x3f00));
        let groups = registers.as_chunks_mut::<32>().0.iter_mut();
        for (registers, packed) in groups.zip(packed.as_chunks::<24>().0) {
            let at = packed.as_ptr();
            // SAFETY: bytes 0 to 16 and 8 to 24 of an array of 24; loads need no alignment.
            let (low, high) = unsafe {
                (
                    _mm_loadu_si128(at.cast()),
                    _mm_loadu_si128(at.add(8).cast()),
                )
            };
            let x = _mm256_shuffle_epi8(_mm256_set_m128i(high, low), spread);
            // The upper two of four registers move to the upper half; then in each half the upper one
            // moves to the upper byte. What comes along is masked away.
            let halves = _mm256_blend_epi16::<0b1010_1010>(x, _mm256_slli_epi32::<4>(x));
            let values = _mm256_or_si256(
                _mm256_and_si256(halves, even),
                _mm256_and_si256(_mm256_slli_epi16::<2>(halves), odd),
            );
            let place = registers.as_mut_ptr().cast();
            // SAFETY: an array of 32 bytes, read and written as such; no alignment is needed.
            unsafe {
                let raised = _mm256_max_epu8(_mm256_loadu_si256(place), values);
                _mm256_storeu_si256(place, raised);
            }
        }
    }

    #[target_feature(enable = "avx2")]
    pub fn pack(registers: &Registers, packed: &mut Packed) {
        // Three bytes of each 32-bit number move together in their lane, then the lanes do.
        #[rustfmt::skip]
        let close = _mm256_setr_epi8(
            0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1,
            0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1,
        );
        let join = _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7);
        // Multiplied and added: the first of two plus the second times 64, then the same with 4096.
        let (bytes, halves) = (
            _mm256_set1_epi16(64 << 8 | 1),
            _mm256_set1_epi32(4096 << 16 | 1),
        );
        let groups = registers.as_chunks::<32>().0.iter();
        for (registers, packed) in groups.zip(packed.as_chunks_mut::<24>().0) {
            // SAFETY: an array of 32 bytes; a load needs no alignment.
            let x = unsafe { _mm256_loadu_si256(registers.as_ptr().cast()) };
            let values = _mm256_madd_epi16(_mm256_maddubs_epi16(x, bytes), halves);
            let values = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(values, close), join);
            let at = packed.as_mut_ptr();
            // SAFETY: 16 bytes and then 8 into an array of 24; stores need no alignment.
            unsafe {
                _mm_storeu_si128(at.cast(), _mm256_castsi256_si128(values));
                _mm_storel_epi64(at.add(16).cast(), _mm256_extracti128_si256::<1>(values));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dense;
    use super::*;
    use crate::algo::rng::Rng;

    #[test]
    fn both_forms_agree_with_one_register_after_the_other() {
        let mut rng = Rng::new(3);
        for _ in 0..20 {
            let mut packed: Packed = [0; _];
            rng.fill(&mut packed);
            let mut before: Registers = [0; _];
            rng.fill(&mut before);
            before.iter_mut().for_each(|register| *register &= 0x3f);
            for form in [raise, raise_portable] {
                let mut registers = before;
                form(&mut registers, &packed);
                for (index, &register) in registers.iter().enumerate() {
                    assert_eq!(register, before[index].max(dense::get(&packed, index)));
                }
            }
            for form in [pack, pack_portable] {
                let mut result: Packed = [0; _];
                form(&before, &mut result);
                for (index, &register) in before.iter().enumerate() {
                    assert_eq!(dense::get(&result, index), register);
                }
            }
        }
    }
}
