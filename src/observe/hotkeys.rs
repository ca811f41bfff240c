//! HOTKEYS: the keys on which commands spend the most time, or that move the most bytes.
//!
//! Each measure has a sketch of fixed size that estimates the sum of every key (a count-min sketch
//! with conservative updates), and the few keys with the highest estimates. So memory does not grow
//! with the number of keys; an estimate is never too low, and exact until keys share all their cells.

use crate::sys::process::{CpuTime, Whose, cpu_time};

/// Cells of a sketch: rows, each with a power of two of cells.
const ROWS: usize = 4;
const WIDTH: usize = 2048;
/// Keys longer than this are not listed.
const KEY_MAX: usize = 64 << 10;

/// The keys with the highest sums of one measure.
pub struct Top {
    cells: Box<[u64]>,
    best: Vec<Hot>,
    most: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Hot {
    hash: u64,
    key: Vec<u8>,
    sum: u64,
}

impl Top {
    fn new(most: usize) -> Top {
        Top {
            cells: vec![0; ROWS * WIDTH].into(),
            best: Vec::new(),
            most,
        }
    }

    /// Adds to the sum of a key.
    fn add(&mut self, key: &[u8], hash: u64, more: u64) {
        let cell = |row: usize| row * WIDTH + (hash >> (16 * row)) as usize % WIDTH;
        let least = (0..ROWS).map(|row| self.cells[cell(row)]).min();
        let sum = least.unwrap_or(0) + more;
        for row in 0..ROWS {
            let cell = &mut self.cells[cell(row)];
            *cell = sum.max(*cell);
        }
        let mut best = self.best.iter_mut();
        if let Some(hot) = best.find(|hot| hot.hash == hash && hot.key == key) {
            hot.sum += more;
            return;
        }
        if key.len() > KEY_MAX {
            return;
        }
        if self.best.len() == self.most {
            let lowest = (0..self.most).min_by_key(|&at| self.best[at].sum);
            match lowest.filter(|&at| self.best[at].sum < sum) {
                Some(at) => drop(self.best.swap_remove(at)),
                None => return,
            }
        }
        self.best.push(Hot {
            hash,
            key: key.to_vec(),
            sum,
        });
    }

    /// The keys with their sums, the highest first.
    pub fn ranked(&self) -> Vec<(&[u8], u64)> {
        let mut ranked: Vec<_> = self.best.iter().collect();
        ranked.sort_by_key(|hot| std::cmp::Reverse(hot.sum));
        ranked
            .into_iter()
            .map(|hot| (hot.key.as_slice(), hot.sum))
            .collect()
    }
}

/// What HOTKEYS START asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    pub cpu: bool,
    pub net: bool,
    /// The number of keys to list.
    pub count: usize,
    pub duration_s: Option<u64>,
    /// One of so many commands is looked at.
    pub ratio: u64,
}

/// One collection, from START to RESET.
pub struct Hotkeys {
    pub request: Request,
    pub by_cpu: Option<Top>,
    pub by_net: Option<Top>,
    pub started_unix_ms: i64,
    started_ms: u64,
    /// The end of the collection, in monotonic milliseconds as the start.
    ended_ms: Option<u64>,
    /// Time of commands with keys in nanoseconds, and their bytes: of all, and what was counted for
    /// keys.
    pub all_ns: u64,
    pub all_bytes: u64,
    pub counted_bytes: u64,
    cpu_at_start: CpuTime,
    cpu_at_end: Option<CpuTime>,
    dice: u64,
}

impl Hotkeys {
    pub fn start(request: Request, started_unix_ms: i64, now_ms: u64) -> Hotkeys {
        Hotkeys {
            by_cpu: request.cpu.then(|| Top::new(request.count)),
            by_net: request.net.then(|| Top::new(request.count)),
            request,
            started_unix_ms,
            started_ms: now_ms,
            ended_ms: None,
            all_ns: 0,
            all_bytes: 0,
            counted_bytes: 0,
            cpu_at_start: cpu_time(Whose::Thread),
            cpu_at_end: None,
            dice: started_unix_ms as u64 | 1,
        }
    }

    /// The end that the duration sets, in monotonic milliseconds.
    fn due_ms(&self) -> u64 {
        let duration_ms = self.request.duration_s.map(|seconds| seconds * 1000);
        duration_ms.map_or(u64::MAX, |ms| self.started_ms + ms)
    }

    pub fn is_active(&self, now_ms: u64) -> bool {
        self.ended_ms.is_none() && now_ms < self.due_ms()
    }

    /// Ends the collection if its time is over. Returns whether it goes on.
    pub fn check_time(&mut self, now_ms: u64) -> bool {
        if self.ended_ms.is_none() && !self.is_active(now_ms) {
            self.stop(self.due_ms());
        }
        self.is_active(now_ms)
    }

    pub fn stop(&mut self, now_ms: u64) {
        self.ended_ms = Some(now_ms);
        self.cpu_at_end = Some(cpu_time(Whose::Thread));
    }

    pub fn duration_ms(&self, now_ms: u64) -> u64 {
        let end_ms = self.ended_ms.unwrap_or(now_ms);
        end_ms.saturating_sub(self.started_ms)
    }

    /// Processor time of the server during the collection.
    pub fn cpu(&self) -> CpuTime {
        let now = self.cpu_at_end.unwrap_or_else(|| cpu_time(Whose::Thread));
        CpuTime {
            user_us: now.user_us.saturating_sub(self.cpu_at_start.user_us),
            system_us: now.system_us.saturating_sub(self.cpu_at_start.system_us),
        }
    }

    /// Counts a command for its keys, which come with their hashes. Each gets an equal part.
    pub fn note(&mut self, keys: &[(&[u8], u64)], ns: u64, bytes: u64) {
        self.all_ns += ns;
        self.all_bytes += bytes;
        if keys.is_empty() || !self.is_sampled() {
            return;
        }
        let (ns, bytes) = (ns / keys.len() as u64, bytes / keys.len() as u64);
        for (key, hash) in keys {
            self.counted_bytes += bytes;
            if let Some(top) = &mut self.by_cpu {
                top.add(key, *hash, ns);
            }
            if let Some(top) = &mut self.by_net {
                top.add(key, *hash, bytes);
            }
        }
    }

    fn is_sampled(&mut self) -> bool {
        if self.request.ratio == 1 {
            return true;
        }
        // xorshift64
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice.is_multiple_of(self.request.ratio)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algo::rng::Rng;

    const REQUEST: Request = Request {
        cpu: true,
        net: true,
        count: 3,
        duration_s: Some(2),
        ratio: 1,
    };

    #[test]
    fn the_hottest_keys_are_found_among_many() {
        let mut hot = Hotkeys::start(REQUEST, 1_000, 0);
        let mut rng = Rng::new(5);
        for n in 0..50_000u64 {
            let hash = rng.next_u64();
            let key = format!("cold {n}");
            hot.note(&[(key.as_bytes(), hash)], 1, 1);
            for warm in 0..3u64 {
                let hash = (warm + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let key = format!("hot {warm}");
                hot.note(&[(key.as_bytes(), hash)], 1 + warm, 1);
            }
        }
        let by_cpu = hot.by_cpu.as_ref().map(Top::ranked).expect("asked for");
        let names: Vec<&[u8]> = by_cpu.iter().map(|(key, _)| *key).collect();
        assert_eq!(names, [&b"hot 2"[..], b"hot 1", b"hot 0"]);
        assert!(by_cpu[0].1 >= 150_000, "an estimate is never too low");
    }

    #[test]
    fn few_keys_are_counted_exactly_and_share_a_command() {
        let mut hot = Hotkeys::start(REQUEST, 1_000, 0);
        hot.note(&[(b"a", 1 << 40 | 7), (b"b", 9)], 10, 59);
        hot.note(&[(b"a", 1 << 40 | 7)], 5, 32);
        hot.note(&[], 5, 1);
        let by_net = hot.by_net.as_ref().map(Top::ranked);
        assert_eq!(by_net, Some(vec![(&b"a"[..], 61), (b"b", 29)]));
        assert_eq!((hot.all_ns, hot.all_bytes, hot.counted_bytes), (20, 92, 90));
    }

    #[test]
    fn a_collection_ends_with_its_time() {
        let mut hot = Hotkeys::start(REQUEST, 1_000, 500);
        assert!(hot.check_time(2_499));
        assert!(!hot.check_time(2_600));
        assert_eq!(hot.duration_ms(9_000), 2_000);
    }
}
