//! The digits of a double, by Grisu2 (Florian Loitsch, "Printing Floating-Point Numbers Quickly and
//! Accurately with Integers", PLDI 2010).
//!
//! Grisu2 always yields digits that read back to the same double, but in about 0.15 % of the cases
//! not the shortest ones or not the closest of the shortest. Which ones it yields in those cases
//! depends on the cached power of ten it picks, and clients see the result (a ZSCORE, an AOF
//! line), so we cannot use the standard library's (always shortest) digits. The idea:
//!
//! ```text
//!   value = w * 2^e, with neighbours half-way at m- and m+
//!   scale all three by a cached power of ten so that the exponent falls into [-60, -32]:
//!   then the integer part of m+ fits 32 bits, and digits fall out of it by plain division
//!   stop at the first digit that leaves us inside (m-, m+); then step the last digit towards w
//! ```
//!
//! Called by `number::format_f64` only.

/// Powers of ten 10^-348, 10^-340 … 10^340, each rounded to a 64-bit mantissa with its top bit set.
#[rustfmt::skip]
static POWERS: [u64; 87] = [
    0xfa8f_d5a0_081c_0288, 0xbaae_e17f_a23e_bf76, 0x8b16_fb20_3055_ac76,
    0xcf42_894a_5dce_35ea, 0x9a6b_b0aa_5565_3b2d, 0xe61a_cf03_3d1a_45df,
    0xab70_fe17_c79a_c6ca, 0xff77_b1fc_bebc_dc4f, 0xbe56_91ef_416b_d60c,
    0x8dd0_1fad_907f_fc3c, 0xd351_5c28_3155_9a83, 0x9d71_ac8f_ada6_c9b5,
    0xea9c_2277_23ee_8bcb, 0xaecc_4991_4078_536d, 0x823c_1279_5db6_ce57,
    0xc210_9436_4dfb_5637, 0x9096_ea6f_3848_984f, 0xd774_85cb_2582_3ac7,
    0xa086_cfcd_97bf_97f4, 0xef34_0a98_172a_ace5, 0xb238_67fb_2a35_b28e,
    0x84c8_d4df_d2c6_3f3b, 0xc5dd_4427_1ad3_cdba, 0x936b_9fce_bb25_c996,
    0xdbac_6c24_7d62_a584, 0xa3ab_6658_0d5f_daf6, 0xf3e2_f893_dec3_f126,
    0xb5b5_ada8_aaff_80b8, 0x8762_5f05_6c7c_4a8b, 0xc9bc_ff60_34c1_3053,
    0x964e_858c_91ba_2655, 0xdff9_7724_7029_7ebd, 0xa6df_bd9f_b8e5_b88f,
    0xf8a9_5fcf_8874_7d94, 0xb944_7093_8fa8_9bcf, 0x8a08_f0f8_bf0f_156b,
    0xcdb0_2555_6531_31b6, 0x993f_e2c6_d07b_7fac, 0xe45c_10c4_2a2b_3b06,
    0xaa24_2499_6973_92d3, 0xfd87_b5f2_8300_ca0e, 0xbce5_0864_9211_1aeb,
    0x8cbc_cc09_6f50_88cc, 0xd1b7_1758_e219_652c, 0x9c40_0000_0000_0000,
    0xe8d4_a510_0000_0000, 0xad78_ebc5_ac62_0000, 0x813f_3978_f894_0984,
    0xc097_ce7b_c907_15b3, 0x8f7e_32ce_7bea_5c70, 0xd5d2_38a4_abe9_8068,
    0x9f4f_2726_179a_2245, 0xed63_a231_d4c4_fb27, 0xb0de_6538_8cc8_ada8,
    0x83c7_088e_1aab_65db, 0xc45d_1df9_4271_1d9a, 0x924d_692c_a61b_e758,
    0xda01_ee64_1a70_8dea, 0xa26d_a399_9aef_774a, 0xf209_787b_b47d_6b85,
    0xb454_e4a1_79dd_1877, 0x865b_8692_5b9b_c5c2, 0xc835_53c5_c896_5d3d,
    0x952a_b45c_fa97_a0b3, 0xde46_9fbd_99a0_5fe3, 0xa59b_c234_db39_8c25,
    0xf6c6_9a72_a398_9f5c, 0xb7dc_bf53_54e9_bece, 0x88fc_f317_f222_41e2,
    0xcc20_ce9b_d35c_78a5, 0x9816_5af3_7b21_53df, 0xe2a0_b5dc_971f_303a,
    0xa8d9_d153_5ce3_b396, 0xfb9b_7cd9_a4a7_443c, 0xbb76_4c4c_a7a4_4410,
    0x8bab_8eef_b640_9c1a, 0xd01f_ef10_a657_842c, 0x9b10_a4e5_e991_3129,
    0xe710_9bfb_a19c_0c9d, 0xac28_20d9_623b_f429, 0x8044_4b5e_7aa7_cf85,
    0xbf21_e440_03ac_dd2d, 0x8e67_9c2f_5e44_ff8f, 0xd433_179d_9c8c_b841,
    0x9e19_db92_b4e3_1ba9, 0xeb96_bf6e_badf_77d9, 0xaf87_023b_9bf0_ee6b,
];

/// The decimal exponent of `POWERS[0]` and the distance between two entries.
const FIRST_POWER: i32 = -348;
const POWER_STEP: i32 = 8;

/// The window for the binary exponent after scaling: it leaves at least 4 bits for the first digit
/// above the point and 32 below it.
const EXPONENT_WINDOW: std::ops::RangeInclusive<i32> = -60..=-32;

const FRACTION_BITS: u32 = 52;
const HIDDEN_BIT: u64 = 1 << FRACTION_BITS;
/// The exponent bias when the 53-bit mantissa is read as an integer.
const BIAS: i32 = 1023 + FRACTION_BITS as i32;

/// Decimal digits (as numbers 0–9) and the power of ten of the last one.
#[derive(Debug, Clone, Copy)]
pub struct Digits {
    digits: [u8; 18],
    len: usize,
    /// value = digits * 10^exponent
    pub exponent: i32,
}

impl Digits {
    /// The digits as ASCII.
    pub fn as_ascii(&self) -> &[u8] {
        &self.digits[..self.len]
    }

    fn push(&mut self, digit: u64) {
        if digit != 0 || self.len > 0 {
            self.digits[self.len] = b'0' + digit as u8;
            self.len += 1;
        }
    }

    /// Lowers the last digit while that brings the number nearer to the true value: `rest` is the
    /// distance from the upper boundary so far, `distance` that of the true value, `unit` what one
    /// step of the last digit is worth, `width` the whole interval.
    fn approach(&mut self, width: u64, mut rest: u64, unit: u64, distance: u64) {
        while rest < distance
            && width - rest >= unit
            && (rest + unit < distance || distance - rest > rest + unit - distance)
        {
            self.digits[self.len - 1] -= 1;
            rest += unit;
        }
    }
}

/// A number `mantissa * 2^exponent` with 64 bits of mantissa.
#[derive(Clone, Copy)]
struct Scaled {
    mantissa: u64,
    exponent: i32,
}

impl Scaled {
    fn normalised(self) -> Scaled {
        let shift = self.mantissa.leading_zeros();
        Scaled {
            mantissa: self.mantissa << shift,
            exponent: self.exponent - shift as i32,
        }
    }

    /// The upper 64 bits of the product, rounded.
    fn times(self, other: Scaled) -> Scaled {
        let product = u128::from(self.mantissa) * u128::from(other.mantissa) + (1 << 63);
        Scaled {
            mantissa: (product >> 64) as u64,
            exponent: self.exponent + other.exponent + 64,
        }
    }
}

/// The digits of a finite, positive double.
pub fn digits(value: f64) -> Digits {
    debug_assert!(value.is_finite() && value > 0.0);
    let bits = value.to_bits();
    let (fraction, biased) = (bits & (HIDDEN_BIT - 1), (bits >> FRACTION_BITS) as i32);
    let exact = if biased == 0 {
        Scaled {
            mantissa: fraction,
            exponent: 1 - BIAS,
        }
    } else {
        Scaled {
            mantissa: fraction | HIDDEN_BIT,
            exponent: biased - BIAS,
        }
    };
    let (lower, upper) = boundaries(exact);
    let (power, decimal) = cached_power(upper.exponent);

    let middle = exact.normalised().times(power);
    // One unit off on each side, so that a rounding error of the products cannot take us outside.
    let mut upper = upper.times(power);
    let mut lower = lower.times(power);
    lower.mantissa += 1;
    upper.mantissa -= 1;
    generate(middle, lower, upper, -decimal)
}

/// The points half-way to the neighbouring doubles, on one exponent.
fn boundaries(exact: Scaled) -> (Scaled, Scaled) {
    let upper = Scaled {
        mantissa: (exact.mantissa << 1) + 1,
        exponent: exact.exponent - 1,
    }
    .normalised();
    // Below a power of two the doubles lie twice as close.
    let shift = if exact.mantissa == HIDDEN_BIT { 2 } else { 1 };
    let mantissa = (exact.mantissa << shift) - 1;
    let lower = Scaled {
        mantissa: mantissa << (exact.exponent - shift - upper.exponent),
        exponent: upper.exponent,
    };
    (lower, upper)
}

/// A power of ten that brings a number with this binary exponent into the window, and its decimal
/// exponent.
///
/// Two neighbours of the table may both qualify; the estimate decides which is met first, and with
/// it the digits of the rare non-shortest results.
fn cached_power(exponent: i32) -> (Scaled, i32) {
    const LOG10_2: f64 = std::f64::consts::LOG10_2;
    let estimate = (-f64::from(exponent + POWERS.len() as i32) * LOG10_2) as i32;
    let mut index = (estimate - FIRST_POWER) / POWER_STEP;
    loop {
        let decimal = FIRST_POWER + index * POWER_STEP;
        // floor(decimal * log2(10)) without floating point; exact for |decimal| <= 348.
        let power = Scaled {
            mantissa: POWERS[index as usize],
            exponent: ((decimal * 217_706) >> 16) - 63,
        };
        let scaled = exponent + power.exponent + 64;
        if scaled < *EXPONENT_WINDOW.start() {
            index += 1;
        } else if scaled > *EXPONENT_WINDOW.end() {
            index -= 1;
        } else {
            return (power, decimal);
        }
    }
}

/// The shortest prefix of `upper`'s digits that stays above `lower`, then moved towards `middle`.
fn generate(middle: Scaled, lower: Scaled, upper: Scaled, exponent: i32) -> Digits {
    let mut out = Digits {
        digits: [0; 18],
        len: 0,
        exponent,
    };
    let point = -upper.exponent;
    let one = 1u64 << point;
    let distance = upper.mantissa - middle.mantissa;
    let mut width = upper.mantissa - lower.mantissa;
    let mut whole = upper.mantissa >> point;
    let mut fraction = upper.mantissa & (one - 1);

    // Digits before the point.
    let mut divisor = 1_000_000_000u64;
    for kappa in (0..10).rev() {
        out.push(whole / divisor);
        whole %= divisor;
        let rest = (whole << point) + fraction;
        if rest <= width {
            out.exponent += kappa;
            out.approach(width, rest, divisor << point, distance);
            return out;
        }
        divisor /= 10;
    }
    // Digits after the point: what is left, and the width, grow by ten instead.
    let mut unit = 1u64;
    loop {
        fraction *= 10;
        width *= 10;
        unit = unit.wrapping_mul(10);
        out.exponent -= 1;
        out.push(fraction >> point);
        fraction &= one - 1;
        if fraction < width {
            out.approach(width, fraction, one, distance.wrapping_mul(unit));
            return out;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: f64) -> String {
        let d = digits(value);
        let ascii = std::str::from_utf8(d.as_ascii()).expect("digits are ASCII");
        format!("{ascii}e{}", d.exponent)
    }

    #[test]
    fn known_digits() {
        assert_eq!(text(1.0), "1e0");
        assert_eq!(text(0.1), "1e-1");
        assert_eq!(text(5e-324), "5e-324");
        assert_eq!(text(f64::MAX), "17976931348623157e292");
        assert_eq!(text(f64::MIN_POSITIVE), "22250738585072014e-324");
        assert_eq!(text(123_456.75), "12345675e-2");
    }

    #[test]
    fn digits_read_back_as_the_same_double() {
        let mut state = 1u64;
        for _ in 0..50_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let value = f64::from_bits((state ^ (state >> 29)) & !(1 << 63));
            if value.is_finite() && value > 0.0 {
                assert_eq!(text(value).parse::<f64>(), Ok(value));
            }
        }
    }
}
