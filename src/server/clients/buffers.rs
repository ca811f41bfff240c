//! The largest recent client buffers: INFO clients, `client_recent_max_*_buffer`.
//!
//! Clients hold buffers only while they need them, so periodic sampling would miss most: a buffer
//! is recorded when it is given back, and those in use are sampled by cron, each client about once
//! a second. A peak is forgotten after eight seconds, as in Redis.
//!
//! A client with a partial request keeps its query buffer; the same sampling trims it. It also
//! adjusts the size of the reply buffer to its use, and checks clients with much pending output
//! against their limits, so that a client that stopped reading is disconnected even without new
//! output.

use crate::server::Server;
use crate::server::clients::Client;
use crate::server::clients::publish;
use crate::server::clients::reply_buffer::Resized;

/// Seconds for which a peak is kept.
const SECONDS: usize = 8;

/// Idle time in milliseconds after which a client's query buffer is released.
const SILENT_MS: u64 = 2_000;

/// The largest value of the last `SECONDS` seconds.
#[derive(Clone, Debug, Default)]
pub struct RecentPeak {
    /// The largest value of each second, in a ring.
    slots: [usize; SECONDS],
    /// The second of the newest slot.
    second: u64,
    /// The largest value since the ring was last advanced.
    current: usize,
}

impl RecentPeak {
    /// Records a value.
    #[inline(always)]
    pub fn note(&mut self, value: usize) {
        self.current = self.current.max(value);
    }

    /// Stores the current peak under this second, and drops the oldest.
    fn turn(&mut self, second: u64) {
        let passed = second.saturating_sub(self.second).min(SECONDS as u64);
        for ahead in 0..passed {
            self.slots[(second - ahead) as usize % SECONDS] = 0;
        }
        self.second = self.second.max(second);
        let slot = &mut self.slots[self.second as usize % SECONDS];
        *slot = (*slot).max(std::mem::take(&mut self.current));
    }

    /// Returns the largest recorded value.
    pub fn get(&self) -> usize {
        self.slots.iter().copied().fold(self.current, usize::max)
    }
}

/// Milliseconds after which the peak of a reply buffer is forgotten.
pub const FORGET_PEAK_MS: u64 = 5_000;

/// The largest recent client buffers, and the state of their sampling.
#[derive(Debug)]
pub struct RecentBuffers {
    pub(super) input: RecentPeak,
    pub(super) output: RecentPeak,
    /// Reply buffers are resized according to their use.
    resizes: bool,
    forget_peak_ms: Option<u64>,
    /// The slot of the client sampled last.
    cursor: usize,
}

impl Default for RecentBuffers {
    fn default() -> Self {
        RecentBuffers {
            input: RecentPeak::default(),
            output: RecentPeak::default(),
            resizes: true,
            forget_peak_ms: Some(FORGET_PEAK_MS),
            cursor: 0,
        }
    }
}

impl RecentBuffers {
    /// Returns the largest query and output buffer of the last seconds, in bytes.
    pub fn peaks(&self) -> (usize, usize) {
        (self.input.get(), self.output.get())
    }

    /// Sets the milliseconds after which the peak of a reply buffer is forgotten; `None` for never.
    pub fn forget_peaks_after(&mut self, ms: Option<u64>) {
        self.forget_peak_ms = ms;
    }

    /// Sets whether reply buffers are resized to their use.
    pub fn set_resizes(&mut self, resizes: bool) {
        self.resizes = resizes;
    }

    /// Records the buffers of a client.
    fn look_at(&mut self, client: &Client) {
        let query = client.query.as_ref();
        self.input.note(query.map_or(0, |q| q.capacity()));
        self.output.note(client.output.held());
    }
}

/// Samples the buffers of some clients: `hz` calls, that is one second, cover all.
pub fn sample_buffers(server: &mut Server) {
    /// Minimum number of clients per call.
    const SOME: usize = 5;
    let slots = server.clients.slots();
    let hz = server.config.hz.clamp(1, 500) as usize;
    let now_ms = server.clock.mono_ms();
    let mut recent = std::mem::take(&mut server.clients.recent_buffers);
    for _ in 0..slots.min(SOME.max(slots.div_ceil(hz))) {
        recent.cursor = (recent.cursor + 1) % slots;
        let Some(client) = server.clients.get_mut(recent.cursor) else {
            continue;
        };
        recent.look_at(client);
        if recent.resizes {
            let owed = client.output.pending();
            let buffer = &mut client.output.buffer;
            match buffer.tend(owed, now_ms, recent.forget_peak_ms) {
                Resized::No => {}
                Resized::Shrunk => server.stats.reply_buffer_shrinks += 1,
                Resized::Grown => server.stats.reply_buffer_expands += 1,
            }
        }
        if client.output.buffer.has_list() {
            server.clients.bulky.push(recent.cursor);
        }
        let Some(client) = server.clients.get_mut(recent.cursor) else {
            continue;
        };
        let silent_ms = now_ms.saturating_sub(client.session.last_active_ms);
        if let Some(query) = &mut client.query
            && !query.trim(silent_ms > SILENT_MS)
        {
            client.query = None;
        }
    }
    let (input, output) = server.clients.take_lent_peaks();
    recent.input.note(input);
    recent.output.note(output);
    let second = now_ms / 1000;
    recent.input.turn(second);
    recent.output.turn(second);
    server.clients.recent_buffers = recent;
    publish::judge_bulky(server);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_forgotten_after_eight_seconds() {
        let mut peak = RecentPeak::default();
        peak.note(7);
        assert_eq!(peak.get(), 7);
        peak.turn(100);
        peak.note(3);
        peak.turn(101);
        peak.note(5);
        peak.turn(101);
        assert_eq!(peak.get(), 7);
        peak.turn(107);
        assert_eq!(peak.get(), 7);
        peak.turn(108);
        assert_eq!(peak.get(), 5);
        peak.turn(1_000);
        assert_eq!(peak.get(), 0);
    }
}
