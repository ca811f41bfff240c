//! Random bytes that must not be guessed: those of the operating system, fetched some at a time.
//!
//! A call of the system costs more than the few bytes of a password, so it is asked for many. What
//! was handed out is erased here, so that no later look into memory reveals an earlier secret.

/// Bytes that are fetched at once.
const STOCK: usize = 512;

/// A buffered source of unguessable random bytes.
pub struct Secrets {
    stock: [u8; STOCK],
    /// The number of bytes at the start that were handed out.
    used: usize,
}

impl Default for Secrets {
    fn default() -> Secrets {
        Secrets {
            stock: [0; STOCK],
            used: STOCK,
        }
    }
}

impl Secrets {
    /// Fills `out` with bytes that were never handed out before; an error if the system has none.
    pub fn fill(&mut self, mut out: &mut [u8]) -> Result<(), getrandom::Error> {
        while !out.is_empty() {
            if self.used == STOCK {
                getrandom::fill(&mut self.stock)?;
                self.used = 0;
            }
            let fitting = out.len().min(STOCK - self.used);
            let taken = &mut self.stock[self.used..self.used + fitting];
            let (now, later) = out.split_at_mut(fitting);
            now.copy_from_slice(taken);
            taken.fill(0);
            self.used += fitting;
            out = later;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_bytes_are_handed_out_twice() {
        let (mut secrets, mut seen) = (Secrets::default(), HashSet::new());
        for len in [32, 480, 1, 511, 512, 513, 2_000, 32] {
            let mut out = vec![0; len];
            assert!(secrets.fill(&mut out).is_ok());
            let used = &secrets.stock[..secrets.used];
            assert!(used.iter().all(|&byte| byte == 0));
            for part in out.chunks_exact(16) {
                assert!(seen.insert(part.to_vec()));
            }
        }
    }
}
