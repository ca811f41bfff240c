//! CRC-64 as RDB files and DUMP payloads carry it: Jones' polynomial, reflected, starting at zero.
//!
//! Eight tables let one step take eight bytes ("slicing by eight"); two such chains run side by
//! side on long input, because one chain waits for its own table lookups. The halves are joined by
//! moving the first one's sum over as many zero bytes as the second half has (`shift`).

/// Jones' polynomial with its bits reversed.
const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;
/// Input from this length on is cut in two.
const SPLIT_FROM: usize = 16 << 10;

static TABLES: [[u64; 256]; 8] = tables();

const fn tables() -> [[u64; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                crc >> 1 ^ POLYNOMIAL
            } else {
                crc >> 1
            };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut slice = 1;
    while slice < 8 {
        byte = 0;
        while byte < 256 {
            let before = tables[slice - 1][byte];
            tables[slice][byte] = before >> 8 ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        slice += 1;
    }
    tables
}

#[inline(always)]
fn step(crc: u64, eight: &[u8; 8]) -> u64 {
    let word = u64::from_le_bytes(*eight) ^ crc;
    let byte = |n: u32| (word >> (8 * n) & 0xff) as usize;
    TABLES[7][byte(0)]
        ^ TABLES[6][byte(1)]
        ^ TABLES[5][byte(2)]
        ^ TABLES[4][byte(3)]
        ^ TABLES[3][byte(4)]
        ^ TABLES[2][byte(5)]
        ^ TABLES[1][byte(6)]
        ^ TABLES[0][byte(7)]
}

/// The sum of what `crc` is the sum of, followed by `bytes`.
pub fn crc64(crc: u64, bytes: &[u8]) -> u64 {
    if bytes.len() < SPLIT_FROM {
        return single(crc, bytes);
    }
    let half = (bytes.len() / 2) & !7;
    let (first, second) = bytes.split_at(half);
    let (mut a, mut b) = (crc, 0);
    let (firsts, _) = first.as_chunks::<8>();
    let (seconds, _) = second.as_chunks::<8>();
    for (x, y) in firsts.iter().zip(seconds) {
        a = step(a, x);
        b = step(b, y);
    }
    // The second half is longer by fifteen bytes at most.
    b = single(b, &second[firsts.len() * 8..]);
    shift(a, second.len()) ^ b
}

fn single(mut crc: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        crc = step(crc, word);
    }
    for &byte in rest {
        crc = crc >> 8 ^ TABLES[0][(crc as u8 ^ byte) as usize];
    }
    crc
}

/// The sum after `zeros` zero bytes more: the sum times x to the power of their bits.
fn shift(crc: u64, zeros: usize) -> u64 {
    multiply(
        crc,
        POWERS_OF_BYTES
            .iter()
            .enumerate()
            .fold(1 << 63, |power, (bit, &square)| {
                if zeros >> bit & 1 == 1 {
                    multiply(power, square)
                } else {
                    power
                }
            }),
    )
}

/// x to the power of 8, 16, 32 …: what one, two, four … zero bytes multiply a sum by.
static POWERS_OF_BYTES: [u64; 48] = powers();

const fn powers() -> [u64; 48] {
    let mut powers = [0; 48];
    // Bits are reversed: the highest stands for 1.
    powers[0] = 1 << (63 - 8);
    let mut n = 1;
    while n < powers.len() {
        powers[n] = multiply(powers[n - 1], powers[n - 1]);
        n += 1;
    }
    powers
}

/// The product of two polynomials, modulo Jones'.
const fn multiply(a: u64, mut b: u64) -> u64 {
    let (mut product, mut bit) = (0, 63);
    loop {
        if a >> bit & 1 == 1 {
            product ^= b;
        }
        b = if b & 1 == 1 {
            b >> 1 ^ POLYNOMIAL
        } else {
            b >> 1
        };
        if bit == 0 {
            return product;
        }
        bit -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_is_the_known_one() {
        assert_eq!(crc64(0, b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        assert_eq!(crc64(crc64(0, b"1234"), b"56789"), 0xe9c6_d914_c4b8_d9ca);
    }

    #[test]
    fn halves_join_to_the_same_sum() {
        let bytes: Vec<u8> = (0..100_000u32)
            .map(|n| (n.wrapping_mul(n) >> 7) as u8)
            .collect();
        for len in [SPLIT_FROM, SPLIT_FROM + 1, 50_003, 99_999, 100_000] {
            assert_eq!(crc64(7, &bytes[..len]), single(7, &bytes[..len]), "{len}");
        }
    }
}
