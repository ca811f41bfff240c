//! Loops over bytes, compiled twice: for any processor, and for those with AVX2.
//!
//! A function declared through `wide!` has one body, written so that the compiler turns it into vector
//! instructions. Its wide form is the same body with wider registers; the standard library looks once
//! whether the processor has them. So building needs no newer processor than running does.
#![allow(unsafe_code)]

/// Declares a function with a portable and a wide form of the same body.
macro_rules! wide {
    ($(#[$doc:meta])* pub fn $name:ident, $portable:ident($($arg:ident: $type:ty),*) -> $result:ty $body:block) => {
        #[inline(always)]
        fn $portable($($arg: $type),*) -> $result $body

        $(#[$doc])*
        pub fn $name($($arg: $type),*) -> $result {
            #[cfg(target_arch = "x86_64")]
            if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("popcnt") {
                #[target_feature(enable = "avx2,popcnt")]
                fn with_avx2($($arg: $type),*) -> $result {
                    $portable($($arg),*)
                }
                // SAFETY: the processor has the features that the function is compiled for.
                return unsafe { with_avx2($($arg),*) };
            }
            $portable($($arg),*)
        }
    };
}

wide! {
    /// The number of bits that are set.
    pub fn count_ones, count_ones_portable(bytes: &[u8]) -> u64 {
        let (words, rest) = bytes.as_chunks::<8>();
        let ones = |word: &[u8; 8]| u64::from(u64::from_ne_bytes(*word).count_ones());
        let last = rest.iter().map(|byte| u64::from(byte.count_ones()));
        words.iter().map(ones).sum::<u64>() + last.sum::<u64>()
    }
}

wide! {
    /// The number of leading bytes equal to `byte`.
    pub fn leading_run, leading_run_portable(bytes: &[u8], byte: u8) -> usize {
        let is_same = |block: &&[u8; 128]| block.iter().fold(0, |seen, b| seen | (b ^ byte)) == 0;
        let from = bytes.as_chunks::<128>().0.iter().take_while(is_same).count() * 128;
        let rest = &bytes[from..];
        from + rest.iter().position(|&b| b != byte).unwrap_or(rest.len())
    }
}

wide! {
    /// The number of bytes with each value below 64; larger values are not counted.
    pub fn count_values, count_values_portable(bytes: &[u8]) -> [u32; 64] {
        let extend = |(low, high): (u8, u8), &b: &u8| (b.min(low), b.max(high));
        let (low, high) = bytes.iter().fold((u8::MAX, 0), extend);
        let mut counts = [0; 64];
        for (value, count) in (0..=high).zip(&mut counts).skip(low.into()) {
            // A block's count fits a byte, so sixteen or more lanes are added at once.
            let of_block = |block: &[u8]| block.iter().map(|&b| u8::from(b == value)).sum::<u8>();
            *count = bytes.chunks(128).map(|block| u32::from(of_block(block))).sum();
        }
        counts
    }
}

wide! {
    /// `target &= source`, byte by byte, as far as both go.
    pub fn and, and_portable(target: &mut [u8], source: &[u8]) -> () {
        target.iter_mut().zip(source).for_each(|(t, s)| *t &= s);
    }
}

wide! {
    /// `target |= source`, byte by byte, as far as both go.
    pub fn or, or_portable(target: &mut [u8], source: &[u8]) -> () {
        target.iter_mut().zip(source).for_each(|(t, s)| *t |= s);
    }
}

wide! {
    /// `target ^= source`, byte by byte, as far as both go.
    pub fn xor, xor_portable(target: &mut [u8], source: &[u8]) -> () {
        target.iter_mut().zip(source).for_each(|(t, s)| *t ^= s);
    }
}

wide! {
    /// Inverts every bit.
    pub fn not, not_portable(target: &mut [u8]) -> () {
        target.iter_mut().for_each(|t| *t = !*t);
    }
}

wide! {
    /// `target &= !source`, byte by byte, as far as both go.
    pub fn and_not, and_not_portable(target: &mut [u8], source: &[u8]) -> () {
        target.iter_mut().zip(source).for_each(|(t, s)| *t &= !s);
    }
}

wide! {
    /// `target = !target & source`, byte by byte, as far as both go.
    pub fn not_and, not_and_portable(target: &mut [u8], source: &[u8]) -> () {
        target.iter_mut().zip(source).for_each(|(t, s)| *t = !*t & s);
    }
}

wide! {
    /// Adds `source` to the bits seen once (`seen`) and seen again (`twice`).
    pub fn note_seen, note_seen_portable(seen: &mut [u8], twice: &mut [u8], source: &[u8]) -> () {
        for ((seen, twice), bits) in seen.iter_mut().zip(twice).zip(source) {
            *twice |= *seen & bits;
            *seen |= bits;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algo::rng::Rng;

    /// Random bytes of which some begin with a long run.
    fn sample(rng: &mut Rng) -> Vec<u8> {
        let mut bytes = vec![0; rng.index(700)];
        let from = rng.index(bytes.len() + 1);
        rng.fill(&mut bytes[from..]);
        bytes
    }

    #[test]
    fn both_forms_agree_with_the_plain_loop() {
        let mut rng = Rng::new(7);
        for _ in 0..2_000 {
            let bytes = sample(&mut rng);
            let ones: u64 = bytes.iter().map(|b| u64::from(b.count_ones())).sum();
            assert_eq!(count_ones(&bytes), ones);
            assert_eq!(count_ones_portable(&bytes), ones);
            let run = bytes.iter().take_while(|&&b| b == 0).count();
            assert_eq!(leading_run(&bytes, 0), run);
            assert_eq!(leading_run_portable(&bytes, 0), run);
            let mut counts = [0; 64];
            bytes
                .iter()
                .filter(|&&b| b < 64)
                .for_each(|&b| counts[usize::from(b)] += 1);
            assert_eq!(count_values(&bytes), counts);
            assert_eq!(count_values_portable(&bytes), counts);
        }
    }

    type Combine = fn(&mut [u8], &[u8]);
    type OneByte = fn(u8, u8) -> u8;

    #[test]
    fn both_forms_combine_as_the_plain_loop_does() {
        let cases: [(Combine, Combine, OneByte); 5] = [
            (and, and_portable, |t, s| t & s),
            (or, or_portable, |t, s| t | s),
            (xor, xor_portable, |t, s| t ^ s),
            (and_not, and_not_portable, |t, s| t & !s),
            (not_and, not_and_portable, |t, s| !t & s),
        ];
        let mut rng = Rng::new(8);
        for _ in 0..500 {
            let (target, source) = (sample(&mut rng), sample(&mut rng));
            let both = target.len().min(source.len());
            for (wide, portable, one) in cases {
                let mut expected = target.clone();
                for (t, s) in expected.iter_mut().zip(&source) {
                    *t = one(*t, *s);
                }
                for form in [wide, portable] {
                    let mut result = target.clone();
                    form(&mut result, &source);
                    assert_eq!(result, expected);
                }
            }
            for form in [not, not_portable] {
                let mut result = target.clone();
                form(&mut result);
                assert!(result.iter().zip(&target).all(|(r, t)| *r == !t));
            }
            let (mut seen, mut twice) = (target.clone(), vec![0; target.len()]);
            note_seen(&mut seen, &mut twice, &source);
            for at in 0..both {
                assert_eq!(seen[at], target[at] | source[at]);
                assert_eq!(twice[at], target[at] & source[at]);
            }
        }
    }
}
