//! Waiting for something that another process will do: one patience, one interval.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// The time limit of every wait. Debug builds on a busy machine are slow; a test that waits this
/// long has failed anyway.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The time between two looks.
const INTERVAL: Duration = Duration::from_millis(5);

/// Waits until `look` finds something.
///
/// # Panics
/// If it finds nothing in time; the message names `what` was awaited.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain: {what}");
        sleep(INTERVAL);
    }
}

/// Waits until the condition holds.
///
/// # Panics
/// If it does not in time; the message names `what` was awaited.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    wait_for(what, || holds().then_some(()));
}
