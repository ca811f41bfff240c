//! HyperLogLog: how many different elements were seen, within a percent, in at most 12 KiB.
//!
//! The value of the string *is* the structure, byte for byte as Redis writes it, so GET, SET, DUMP
//! and replicas can carry it anywhere.
//!
//! ```text
//!   0      4          5        8                       16
//!   +------+----------+--------+-----------------------+---------------------------+
//!   | HYLL | encoding | unused | cached estimate, LE   | registers                 |
//!   |      | 0 dense  |        | top bit: out of date  | dense: 16384 times 6 bits |
//!   |      | 1 sparse |        |                       | sparse: runs (`sparse`)   |
//!   +------+----------+--------+-----------------------+---------------------------+
//! ```
//!
//! An element's 64-bit hash names a register with its low 14 bits; the register keeps the longest
//! run of zeros (plus one) seen in the rest. Merging two of these is the maximum of each register.
//!
//! Bytes may come from anywhere: nothing here trusts them, and what cannot be read is `Corrupt`.
//!
//! Credits: Flajolet et al. 2007; the estimator is Otmar Ertl's (2017); MurmurHash64A by Austin
//! Appleby; the encodings are Redis's, by Salvatore Sanfilippo.

pub mod dense;
mod packed;
pub mod sparse;

use crate::algo::wide;
use packed::Packed;

pub const REGISTERS: usize = 1 << INDEX_BITS;
const INDEX_BITS: u32 = 14;
/// The longest run there can be, plus one.
const RUN_MAX: usize = 64 - INDEX_BITS as usize + 1;
pub const HEADER: usize = 16;
const MAGIC: &[u8; 4] = b"HYLL";
const DENSE: u8 = 0;
const SPARSE: u8 = 1;
/// In the last byte of the cached estimate.
const STALE: u8 = 0x80;

/// The registers cannot be read.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub struct Corrupt;

/// All registers, a byte each.
pub type Registers = [u8; REGISTERS];

/// An empty one.
pub fn new() -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    bytes[..4].copy_from_slice(MAGIC);
    bytes[4] = SPARSE;
    sparse::push_zeros(&mut bytes, REGISTERS);
    bytes
}

/// Whether a string looks like one. Its registers may still be corrupt.
pub fn is_hll(bytes: &[u8]) -> bool {
    bytes.len() >= HEADER
        && bytes.starts_with(MAGIC)
        && (bytes[4] == SPARSE || bytes[4] == DENSE && bytes.len() == dense::SIZE)
}

pub fn is_dense(bytes: &[u8]) -> bool {
    bytes[4] == DENSE
}

/// The estimate that was kept, if nothing changed since.
pub fn cached(bytes: &[u8]) -> Option<u64> {
    if bytes[15] & STALE != 0 {
        return None;
    }
    let card = bytes[8..16].try_into().expect("eight bytes");
    Some(u64::from_le_bytes(card))
}

pub fn keep(bytes: &mut [u8], estimate: u64) {
    bytes[8..16].copy_from_slice(&estimate.to_le_bytes());
}

/// Notes that the estimate is out of date.
pub fn invalidate(bytes: &mut [u8]) {
    bytes[15] |= STALE;
}

/// The register of an element, and the run that its hash shows.
pub fn place(element: &[u8]) -> (usize, u8) {
    let hash = murmur(element);
    let index = hash as usize & (REGISTERS - 1);
    let run = (hash >> INDEX_BITS | 1 << (RUN_MAX - 1)).trailing_zeros() + 1;
    (index, run as u8)
}

/// Raises a register to `value`; whether it was lower. What outgrows `sparse_max` becomes dense.
pub fn raise(
    bytes: &mut Vec<u8>,
    index: usize,
    value: u8,
    sparse_max: usize,
) -> Result<bool, Corrupt> {
    if !is_dense(bytes) {
        match sparse::raise(bytes, index, value, sparse_max)? {
            sparse::Raised::Yes => return Ok(true),
            sparse::Raised::No => return Ok(false),
            sparse::Raised::NoRoom => to_dense(bytes)?,
        };
    }
    let raised = dense::raise(&mut bytes[HEADER..], index, value);
    if raised {
        invalidate(bytes);
    }
    Ok(raised)
}

/// Counts an element; whether a register changed.
pub fn add(bytes: &mut Vec<u8>, element: &[u8], sparse_max: usize) -> Result<bool, Corrupt> {
    let (index, value) = place(element);
    raise(bytes, index, value, sparse_max)
}

/// Makes the registers dense; false if they are.
pub fn to_dense(bytes: &mut Vec<u8>) -> Result<bool, Corrupt> {
    if is_dense(bytes) {
        return Ok(false);
    }
    let mut dense = vec![0; dense::SIZE];
    dense[..HEADER].copy_from_slice(&bytes[..HEADER]);
    dense[4] = DENSE;
    sparse::runs(&bytes[HEADER..], |from, len, value| {
        for index in from..from + len {
            dense::set(&mut dense[HEADER..], index, value);
        }
    })?;
    *bytes = dense;
    Ok(true)
}

/// The registers of a dense one; `bytes` are as long as `is_hll` asks.
fn packed(bytes: &[u8]) -> Option<&Packed> {
    let body = &bytes[HEADER..];
    is_dense(bytes).then(|| body.try_into().ok())?
}

/// Raises all registers to those of `bytes`.
pub fn merge(registers: &mut Registers, bytes: &[u8]) -> Result<(), Corrupt> {
    if let Some(packed) = packed(bytes) {
        packed::raise(registers, packed);
        return Ok(());
    }
    sparse::runs(&bytes[HEADER..], |from, len, value| {
        for register in &mut registers[from..from + len] {
            *register = (*register).max(value);
        }
    })
}

/// Makes `bytes` a dense one with these registers.
pub fn write_dense(bytes: &mut Vec<u8>, registers: &Registers) {
    bytes.resize(dense::SIZE, 0);
    overwrite_dense(bytes, registers);
}

/// Replaces the registers of `bytes`, which have the length of a dense one.
pub fn overwrite_dense(bytes: &mut [u8], registers: &Registers) {
    bytes[4] = DENSE;
    invalidate(bytes);
    if let Ok(body) = (&mut bytes[HEADER..]).try_into() {
        packed::pack(registers, body);
    }
}

/// The number of registers with each value.
type Histogram = [u32; 64];

/// The estimate, from the registers.
pub fn estimate(bytes: &[u8]) -> Result<u64, Corrupt> {
    if let Some(packed) = packed(bytes) {
        let mut registers = [0; REGISTERS];
        packed::raise(&mut registers, packed);
        return Ok(estimate_merged(&registers));
    }
    let mut histogram: Histogram = [0; 64];
    let mut counted = 0;
    sparse::runs(&bytes[HEADER..], |_, len, value| {
        histogram[value as usize] += len as u32;
        counted += len;
    })?;
    histogram[0] += (REGISTERS - counted) as u32;
    Ok(estimate_of(&histogram))
}

/// The estimate of merged registers.
pub fn estimate_merged(registers: &Registers) -> u64 {
    estimate_of(&wide::count_values(registers))
}

fn estimate_of(histogram: &Histogram) -> u64 {
    const ALPHA: f64 = 0.721_347_520_444_481_7;
    let m = REGISTERS as f64;
    let mut z = m * tau((m - histogram[RUN_MAX] as f64) / m);
    for &count in histogram[1..RUN_MAX].iter().rev() {
        z += count as f64;
        z *= 0.5;
    }
    z += m * sigma(histogram[0] as f64 / m);
    (ALPHA * m * m / z).round() as u64
}

/// The part of the estimate that empty registers have.
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if before == z {
            return z;
        }
    }
}

/// The part that full ones have.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if before == z {
            return z / 3.0;
        }
    }
}

/// MurmurHash64A with the seed that all HyperLogLogs of Redis share.
fn murmur(bytes: &[u8]) -> u64 {
    const SEED: u64 = 0xadc8_3b19;
    const M: u64 = 0xc6a4_a793_5bd1_e995;
    const R: u32 = 47;
    let mut h = SEED ^ (bytes.len() as u64).wrapping_mul(M);
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let mut k = u64::from_le_bytes(chunk.try_into().expect("a chunk of eight"));
        k = k.wrapping_mul(M);
        k ^= k >> R;
        h = (h ^ k.wrapping_mul(M)).wrapping_mul(M);
    }
    let rest = chunks.remainder();
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        h = (h ^ u64::from_le_bytes(last)).wrapping_mul(M);
    }
    h = (h ^ h >> R).wrapping_mul(M);
    h ^ h >> R
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algo::rng::Rng;

    /// The bytes that Redis 8.2.3 writes for the same elements.
    #[test]
    fn bytes_are_those_of_redis() {
        let mut hll = new();
        assert_eq!(&hll[HEADER..], b"\x7f\xff");
        for element in [b"a", b"b", b"c"] {
            assert_eq!(add(&mut hll, element, 3000), Ok(true));
            assert_eq!(add(&mut hll, element, 3000), Ok(false));
        }
        assert_eq!(&hll[HEADER..], b"`\xf3\x80P\xb1\x84K\xfb\x80BZ");
        assert_eq!(estimate(&hll), Ok(3));
        assert_eq!(cached(&hll), None);
        keep(&mut hll, 3);
        assert_eq!(cached(&hll), Some(3));
    }

    #[test]
    fn sparse_and_dense_hold_the_same_registers() {
        let mut rng = Rng::new(1);
        let (mut sparse, mut dense) = (new(), new());
        assert_eq!(to_dense(&mut dense), Ok(true));
        for n in 1..=20_000u64 {
            let element = rng.next_u64().to_le_bytes();
            let raised = add(&mut dense, &element, 3000);
            assert_eq!(add(&mut sparse, &element, 3000), raised);
            if n.is_power_of_two() || n % 5_000 == 0 {
                let (mut a, mut b) = ([0; REGISTERS], [0; REGISTERS]);
                assert_eq!(merge(&mut a, &sparse), Ok(()));
                assert_eq!(merge(&mut b, &dense), Ok(()));
                assert!(a == b);
                let estimate = estimate(&sparse).expect("our own bytes");
                assert_eq!(estimate, estimate_merged(&a));
                let error = (estimate as f64 - n as f64).abs() / n as f64;
                assert!(error < 0.03, "{estimate} for {n}");
            }
        }
        assert!(
            is_dense(&sparse),
            "three thousand bytes do not hold this many"
        );
    }

    #[test]
    fn any_bytes_are_read_or_refused() {
        let mut rng = Rng::new(2);
        for _ in 0..20_000 {
            let mut bytes = new();
            bytes.truncate(HEADER);
            let len = rng.index(40);
            bytes.resize(HEADER + len, 0);
            rng.fill(&mut bytes[HEADER..]);
            assert!(is_hll(&bytes));
            let _ = estimate(&bytes);
            let _ = sparse::describe(&bytes[HEADER..]);
            let _ = merge(&mut [0; REGISTERS], &bytes);
            for n in 0..20u64 {
                let _ = add(&mut bytes, &n.to_le_bytes(), 100);
            }
            let _ = to_dense(&mut bytes);
        }
    }
}
