//! The one generator: every random pick of the server comes from here, so a seed repeats a run.
//!
//! xoshiro256++ (David Blackman and Sebastiano Vigna), seeded through SplitMix64 so that any seed,
//! zero included, gives a well-mixed state. Fast and uniform, but predictable: what must not be
//! guessed (salts, passwords) comes from the operating system instead. [`Rng::split`] gives a part
//! of the server its own stream, so that its draws do not shift those of the others.

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// The stream that belongs to a seed.
    pub fn new(seed: u64) -> Rng {
        let mut mix = seed;
        Rng {
            state: [(); 4].map(|()| split_mix(&mut mix)),
        }
    }

    /// A new stream, decided by the state of this one but independent from then on.
    pub fn split(&mut self) -> Rng {
        Rng::new(self.next_u64())
    }

    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        let [s0, s1, s2, s3] = &mut self.state;
        let result = s0.wrapping_add(*s3).rotate_left(23).wrapping_add(*s0);
        let shifted = *s1 << 17;
        *s2 ^= *s0;
        *s3 ^= *s1;
        *s1 ^= *s2;
        *s0 ^= *s3;
        *s2 ^= shifted;
        *s3 = s3.rotate_left(45);
        result
    }

    /// A number below `bound`, each equally likely; zero if `bound` is zero.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        let mut product = u128::from(self.next_u64()) * u128::from(bound);
        // The low half shows when a draw belongs to an over-full bucket (Daniel Lemire's method).
        if (product as u64) < bound {
            let excess = bound.wrapping_neg() % bound;
            while (product as u64) < excess {
                product = u128::from(self.next_u64()) * u128::from(bound);
            }
        }
        (product >> 64) as u64
    }

    /// An index into a slice of this length.
    #[inline]
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// A double from 0 up to but not including 1.
    #[inline]
    pub fn f64(&mut self) -> f64 {
        const STEP: f64 = 1.0 / (1u64 << 53) as f64;
        (self.next_u64() >> 11) as f64 * STEP
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let random = self.next_u64().to_le_bytes();
            chunk.copy_from_slice(&random[..chunk.len()]);
        }
    }

    /// Forty hexadecimal digits: run ids, replication ids, node names.
    pub fn hex40(&mut self) -> [u8; 40] {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 40];
        self.fill(&mut text);
        text.map(|byte| HEX[usize::from(byte & 15)])
    }

    /// Puts the elements in random order, each order equally likely.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_stream() {
        let (mut a, mut b, mut c) = (Rng::new(7), Rng::new(7), Rng::new(8));
        let draws: Vec<u64> = (0..10).map(|_| a.next_u64()).collect();
        assert_eq!(draws, (0..10).map(|_| b.next_u64()).collect::<Vec<_>>());
        assert_ne!(draws[0], c.next_u64());
    }

    #[test]
    fn a_split_stream_is_its_own() {
        let (mut a, mut b) = (Rng::new(1), Rng::new(1));
        let (mut child_a, mut child_b) = (a.split(), b.split());
        for _ in 0..5 {
            a.next_u64();
            assert_eq!(child_a.next_u64(), child_b.next_u64());
        }
    }

    #[test]
    fn bounded_draws_are_fair() {
        let mut rng = Rng::new(3);
        let mut counts = [0u32; 7];
        for _ in 0..70_000 {
            counts[rng.index(7)] += 1;
        }
        assert!(
            counts.iter().all(|n| (9_000..11_000).contains(n)),
            "{counts:?}"
        );
        assert_eq!((rng.below(0), rng.below(1)), (0, 0));
        assert!((0..1000).all(|_| rng.below(u64::MAX) < u64::MAX));
        assert!((0..1000).all(|_| (0.0..1.0).contains(&rng.f64())));
    }

    #[test]
    fn filled_bytes_and_identifiers() {
        let mut rng = Rng::new(0);
        let mut bytes = [0u8; 13];
        rng.fill(&mut bytes);
        assert!(bytes.iter().any(|&b| b != 0));
        assert!(rng.hex40().iter().all(u8::is_ascii_hexdigit));
        let mut items: Vec<u32> = (0..50).collect();
        rng.shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}
