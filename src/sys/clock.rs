//! The clock: the only place that reads the time.
//!
//! Time is read once per loop turn by [`Clock::refresh`] and cached, so that no command pays for a
//! reading. Before a client's input runs, [`Clock::catch_up`] moves the cached time on by the
//! cycles that have passed: a wait that begins then is never counted from before its request came.
//! Two times are kept: *unix* (wall clock, may be set by the administrator) for deadlines and what
//! clients see, *mono* (never steps) for durations and timers. A test may freeze the clock; then
//! it moves only on request.
//!
//! ```text
//!   cached = operating system + shift        thawed: every refresh
//!   cached = cached + advance_ms             frozen: only by advance; thawing keeps the value
//! ```
//!
//! Single commands are timed by [`Clock::cycles`]: the processor's counter where it runs at a
//! constant rate, the monotonic clock elsewhere. Its rate is learnt between refreshes, so start-up
//! waits for nothing. Owned by the server; the free functions serve the few places without it.
#![allow(unsafe_code)]

pub use std::time::Duration;

/// The first calibration: less would let the cost of a reading show in the ratio.
const CALIBRATE_AFTER_NS: u64 = 5_000_000;
/// Once the ratio stands on this much, it is more exact than any latency needs.
const CALIBRATED_NS: u64 = 10_000_000_000;

/// Less than the way of a request through the system takes: time need not catch up by so little.
const NEGLIGIBLE_CYCLES: u64 = 1 << 14;

/// The cached time of a server.
#[derive(Debug)]
pub struct Clock {
    unix_us: i64,
    mono_us: u64,
    /// The offset added to the operating system's times since the clock was set, frozen or
    /// advanced.
    unix_shift_us: i64,
    mono_shift_us: i64,
    frozen: bool,
    counter: Counter,
    /// The last reading of the operating system's clocks, and the cycle stamp of that moment.
    read: Reading,
}

impl Clock {
    pub fn new() -> Clock {
        // SAFETY: tzset only reads the environment; clocks are made before threads start.
        unsafe { tzset() };
        let mut clock = Clock {
            unix_us: 0,
            mono_us: 0,
            unix_shift_us: 0,
            mono_shift_us: 0,
            frozen: false,
            counter: Counter::new(),
            read: Reading::default(),
        };
        clock.refresh();
        clock
    }

    /// Reads the operating system's clocks; once per turn of the loop.
    #[inline]
    pub fn refresh(&mut self) {
        // The stamp comes first: a process that loses the processor in between then counts from a
        // moment too late, which lengthens a wait, and never from one too early.
        let stamp = self.counter.read();
        let mono_ns = mono_ns();
        self.counter.calibrate(mono_ns);
        if !self.frozen {
            self.unix_us = unix_us() + self.unix_shift_us;
            // The counter may have run ahead by a trifle.
            let mono_us = (mono_ns / 1000).wrapping_add_signed(self.mono_shift_us);
            self.mono_us = self.mono_us.max(mono_us);
            self.read = Reading {
                stamp,
                unix_us: self.unix_us,
                mono_us: self.mono_us,
            };
        }
    }

    /// Moves the cached times on to the moment of `stamp`, without asking the operating system
    /// unless that was long ago.
    #[inline]
    pub fn catch_up(&mut self, stamp: u64) {
        let passed = stamp.wrapping_sub(self.read.stamp);
        if passed < NEGLIGIBLE_CYCLES {
            return;
        }
        match self.counter.us_if_short(passed) {
            Some(us) if !self.frozen => {
                self.unix_us = self.read.unix_us + us as i64;
                self.mono_us = self.mono_us.max(self.read.mono_us + us);
            }
            // The stamp may also be older than the last reading.
            _ if passed <= u64::MAX / 2 => self.refresh(),
            _ => {}
        }
    }

    /// The time of the wall clock at the moment of `stamp`, in microseconds.
    pub fn unix_us_at(&self, stamp: u64) -> i64 {
        if self.frozen {
            return self.unix_us;
        }
        let ahead = stamp.wrapping_sub(self.read.stamp);
        if ahead <= u64::MAX / 2 {
            return self.read.unix_us + (self.counter.to_ns(ahead) / 1000) as i64;
        }
        self.read.unix_us - (self.counter.to_ns(ahead.wrapping_neg()) / 1000) as i64
    }

    /// Milliseconds since 1970: what deadlines are compared with.
    #[inline]
    pub fn now_ms(&self) -> i64 {
        self.unix_us / 1000
    }

    /// Whole seconds since 1970.
    #[inline]
    pub fn now_s(&self) -> i64 {
        self.unix_us / 1_000_000
    }

    /// Microseconds since 1970.
    #[inline]
    pub fn unix_us(&self) -> i64 {
        self.unix_us
    }

    /// Milliseconds of the monotonic clock: what timers are armed with.
    #[inline]
    pub fn mono_ms(&self) -> u64 {
        self.mono_us / 1000
    }

    /// Milliseconds of the monotonic clock, rounded up: a wait that begins now is counted from here,
    /// so that it never ends early.
    pub fn mono_ms_up(&self) -> u64 {
        self.mono_us.div_ceil(1000)
    }

    /// A stamp to take differences of; see [`Clock::cycles_to_ns`].
    #[inline]
    pub fn cycles(&self) -> u64 {
        self.counter.read()
    }

    /// The length of a difference of two stamps.
    #[inline]
    pub fn cycles_to_ns(&self, delta: u64) -> u64 {
        self.counter.to_ns(delta)
    }

    /// Stops time, for tests.
    pub fn freeze(&mut self) {
        self.frozen = true;
    }

    /// Lets time go on from where it stands.
    pub fn thaw(&mut self) {
        if self.frozen {
            self.frozen = false;
            self.unix_shift_us = self.unix_us - unix_us();
            self.mono_shift_us = (self.mono_us as i64).wrapping_sub((mono_ns() / 1000) as i64);
            self.refresh();
        }
    }

    /// Moves both times forward, frozen or not.
    pub fn advance_ms(&mut self, ms: u64) {
        let us = ms.saturating_mul(1000).min(i64::MAX as u64 / 4) as i64;
        self.unix_us += us;
        self.unix_shift_us += us;
        self.mono_us += us as u64;
        self.mono_shift_us += us;
        self.refresh();
    }

    /// Sets the wall clock, as an administrator would; the monotonic time does not move.
    pub fn set_unix_ms(&mut self, ms: i64) {
        let target = ms.saturating_mul(1000);
        self.unix_shift_us += target - self.unix_us;
        self.unix_us = target;
        self.refresh();
    }
}

impl Default for Clock {
    fn default() -> Clock {
        Clock::new()
    }
}

/// The times at a reading of the operating system's clocks, shifted as the cached ones are.
#[derive(Debug, Default)]
struct Reading {
    stamp: u64,
    unix_us: i64,
    mono_us: u64,
}

/// The processor's time-stamp counter with its learnt rate, or the monotonic clock.
#[derive(Debug)]
struct Counter {
    has_tsc: bool,
    start_cycles: u64,
    start_ns: u64,
    /// Nanoseconds per cycle, times 2^32; zero until learnt.
    ratio: u64,
    /// The age at which the ratio is learnt next.
    due_ns: u64,
}

impl Counter {
    fn new() -> Counter {
        let has_tsc = tsc::is_constant();
        let (start_cycles, start_ns) = if has_tsc {
            Counter::paired_reading()
        } else {
            (0, mono_ns())
        };
        Counter {
            has_tsc,
            start_cycles,
            start_ns,
            ratio: 0,
            due_ns: CALIBRATE_AFTER_NS,
        }
    }

    #[inline]
    fn read(&self) -> u64 {
        if self.has_tsc { tsc::read() } else { mono_ns() }
    }

    #[inline]
    fn calibrate(&mut self, now_ns: u64) {
        let age = now_ns - self.start_ns;
        if age >= self.due_ns && self.has_tsc {
            self.ratio = self.measure();
            // Longer bases make it ever more exact, until it is exact enough.
            self.due_ns = if age < CALIBRATED_NS {
                age * 2
            } else {
                u64::MAX
            };
        }
    }

    /// Cycles and nanoseconds of one moment: of a few tries the one whose two readings lie closest,
    /// since the process may lose the processor between them.
    fn paired_reading() -> (u64, u64) {
        const TRIES: usize = 3;
        let mut best = (u64::MAX, 0, 0);
        for _ in 0..TRIES {
            let before = tsc::read();
            let ns = mono_ns();
            let gap = tsc::read().wrapping_sub(before);
            if gap < best.0 {
                best = (gap, before.wrapping_add(gap / 2), ns);
            }
        }
        (best.1, best.2)
    }

    /// The nanoseconds of a cycle since the start, times 2^32.
    fn measure(&self) -> u64 {
        let (cycles, ns) = Counter::paired_reading();
        let cycles = cycles.wrapping_sub(self.start_cycles).max(1);
        let ns = ns.saturating_sub(self.start_ns);
        ((u128::from(ns) << 32) / u128::from(cycles)) as u64
    }

    /// A difference in microseconds, if it is short and the rate is known: over a longer time, an
    /// error of the rate would show.
    #[inline]
    fn us_if_short(&self, delta: u64) -> Option<u64> {
        const SHORT_NS: u64 = 10_000_000;
        if self.has_tsc && (self.ratio == 0 || delta >> 32 != 0) {
            return None;
        }
        Some(self.to_ns(delta))
            .filter(|&ns| ns < SHORT_NS)
            .map(|ns| ns / 1000)
    }

    #[inline]
    fn to_ns(&self, delta: u64) -> u64 {
        if !self.has_tsc {
            return delta;
        }
        // At first the length of a cycle is measured by the operating system's clock.
        let ratio = if self.ratio != 0 {
            self.ratio
        } else {
            self.measure()
        };
        ((u128::from(delta) * u128::from(ratio)) >> 32) as u64
    }
}

#[cfg(target_arch = "x86_64")]
mod tsc {
    use std::arch::x86_64::{__cpuid, _rdtsc};

    /// Whether the counter runs at one rate whatever the processor's clock does.
    pub fn is_constant() -> bool {
        const POWER_MANAGEMENT: u32 = 0x8000_0007;
        const INVARIANT: u32 = 1 << 8;
        // Older toolchains call the intrinsic unsafe; every x86-64 has the instruction.
        #[allow(unused_unsafe)]
        // SAFETY: cpuid exists on every x86-64 processor and only writes registers.
        unsafe {
            __cpuid(0x8000_0000).eax >= POWER_MANAGEMENT
                && __cpuid(POWER_MANAGEMENT).edx & INVARIANT != 0
        }
    }

    #[inline]
    pub fn read() -> u64 {
        // SAFETY: rdtsc exists on every x86-64 processor and only writes registers.
        unsafe { _rdtsc() }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod tsc {
    pub fn is_constant() -> bool {
        false
    }

    pub fn read() -> u64 {
        0
    }
}

// SAFETY: as the C library's own header declares it.
unsafe extern "C" {
    fn tzset();
}

fn read_clock(id: libc::clockid_t) -> libc::timespec {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is a valid place for the result; both ids used exist everywhere.
    unsafe { libc::clock_gettime(id, &mut now) };
    now
}

/// Microseconds since 1970, read now: for places without a [`Clock`], and around long work.
pub fn unix_us() -> i64 {
    let now = read_clock(libc::CLOCK_REALTIME);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1000
}

/// Nanoseconds of the monotonic clock, read now.
pub fn mono_ns() -> u64 {
    let now = read_clock(libc::CLOCK_MONOTONIC);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Microseconds of the monotonic clock, read now.
pub fn mono_ms() -> u64 {
    mono_ns() / 1_000_000
}

/// Monotonic microseconds.
pub fn mono_us() -> u64 {
    mono_ns() / 1000
}

/// Puts the calling thread to sleep; DEBUG SLEEP and the like.
pub fn sleep_us(us: u64) {
    std::thread::sleep(Duration::from_micros(us));
}

/// A moment in the local time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    pub year: i32,
    /// 1 to 12.
    pub month: u32,
    pub day: u32,
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
    /// East of Greenwich, in seconds.
    pub offset_s: i64,
}

impl LocalTime {
    pub fn from_unix_s(seconds: i64) -> LocalTime {
        // SAFETY: all-zero bytes are a valid `tm`; localtime_r reads one place and fills the other.
        let tm = unsafe {
            let mut tm: libc::tm = std::mem::zeroed();
            libc::localtime_r(&seconds, &mut tm);
            tm
        };
        LocalTime {
            year: tm.tm_year + 1900,
            month: tm.tm_mon as u32 + 1,
            day: tm.tm_mday as u32,
            hour: tm.tm_hour as u32,
            minute: tm.tm_min as u32,
            second: tm.tm_sec as u32,
            offset_s: tm.tm_gmtoff,
        }
    }

    /// `Jan` to `Dec`, whatever the locale.
    pub fn month_name(&self) -> &'static str {
        const NAMES: [&str; 12] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        NAMES[(self.month as usize).clamp(1, 12) - 1]
    }
}

/// The time in a log line: `dd Mon yyyy hh:mm:ss.mmm`, local.
pub fn log_time(unix_us: i64) -> String {
    let t = LocalTime::from_unix_s(unix_us.div_euclid(1_000_000));
    let ms = unix_us.rem_euclid(1_000_000) / 1000;
    let (month, year) = (t.month_name(), t.year);
    let (hour, minute, second) = (t.hour, t.minute, t.second);
    format!(
        "{:02} {month} {year} {hour:02}:{minute:02}:{second:02}.{ms:03}",
        t.day
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_clock_moves_only_when_told() {
        let mut clock = Clock::new();
        clock.freeze();
        let (unix, mono) = (clock.unix_us(), clock.mono_us);
        sleep_us(2000);
        clock.refresh();
        assert_eq!((clock.unix_us(), clock.mono_us), (unix, mono));
        clock.advance_ms(1500);
        assert_eq!(
            (clock.unix_us(), clock.mono_us),
            (unix + 1_500_000, mono + 1_500_000)
        );
        clock.set_unix_ms(42);
        assert_eq!((clock.now_ms(), clock.mono_us), (42, mono + 1_500_000));
        clock.thaw();
        clock.refresh();
        assert!(clock.now_ms() >= 42 && clock.now_s() < 3600);
        assert!(clock.mono_us >= mono + 1_500_000);
    }

    #[test]
    fn a_running_clock_keeps_what_was_set() {
        let mut clock = Clock::new();
        clock.set_unix_ms(1_000_000);
        clock.advance_ms(500);
        clock.refresh();
        assert!((1_000_500..1_060_000).contains(&clock.now_ms()));
    }

    #[test]
    fn cycles_measure_time_from_the_first_moment() {
        let mut clock = Clock::new();
        for _ in 0..2 {
            let (cycles, ns) = (clock.cycles(), mono_ns());
            sleep_us(10_000);
            let (cycles, ns) = (clock.cycles() - cycles, mono_ns() - ns);
            let measured = clock.cycles_to_ns(cycles);
            assert!(measured.abs_diff(ns) < ns / 4, "{measured} vs {ns}");
            clock.refresh();
        }
    }

    #[test]
    fn catching_up_follows_the_operating_system() {
        let mut clock = Clock::new();
        sleep_us(6_000);
        clock.refresh();
        let mut followed = 0;
        for _ in 0..40 {
            let before = (unix_us(), mono_us());
            clock.catch_up(clock.cycles());
            let after = (unix_us(), mono_us());
            // The rate is known to a thousandth of what passed since the last reading.
            followed += i32::from(
                (before.0 - 100..=after.0 + 100).contains(&clock.unix_us())
                    && (before.1 - 100..=after.1 + 100).contains(&clock.mono_us),
            );
            sleep_us(700);
        }
        // A busy machine takes the processor away between two readings now and then.
        assert!(followed >= 20, "followed {followed} of 40 times");
    }

    #[test]
    fn stamps_translate_into_times() {
        let mut clock = Clock::new();
        sleep_us(6_000);
        clock.refresh();
        let close = (0..10).any(|_| {
            let (stamp, now_us) = (clock.cycles(), unix_us());
            sleep_us(3_000);
            clock.refresh();
            (clock.unix_us_at(stamp) - now_us).abs() < 500
        });
        assert!(close);
    }

    #[test]
    fn a_frozen_clock_does_not_catch_up() {
        let mut clock = Clock::new();
        let stamp = clock.cycles();
        clock.freeze();
        let frozen_us = clock.unix_us();
        sleep_us(3_000);
        clock.catch_up(clock.cycles());
        assert_eq!(
            (clock.unix_us(), clock.unix_us_at(stamp)),
            (frozen_us, frozen_us)
        );
        clock.set_unix_ms(5_000);
        clock.thaw();
        clock.catch_up(clock.cycles());
        assert!((5_000..65_000).contains(&clock.now_ms()));
    }

    #[test]
    fn log_times_are_padded() {
        let text = log_time(1_700_000_000_123_456);
        assert_eq!(text.len(), "14 Nov 2023 22:13:20.123".len());
        assert!(
            text.contains("Nov 2023") && text.ends_with(".123"),
            "{text}"
        );
    }
}
