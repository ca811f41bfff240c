//! Keys that come from a file: many, one after the other, and hardly one of them there already.
//!
//! A key's place is two cache misses away. So its entry is made at once, while the memory it goes
//! into is being loaded, and enters the table when a few more have been made. No client blocks on
//! such keys, and none of them counts as written.

use super::db::named;
use super::sizes::Size;
use super::{DbMut, Found, expiry, fields};
use crate::types::entry::NewValue;

/// Keys that are under way at most.
const AHEAD: usize = 16;

impl DbMut<'_> {
    /// Makes a key's entry, which is to be admitted later. Returns whether it is time for that.
    #[inline]
    pub fn announce(&mut self, key: &[u8], value: NewValue, deadline_ms: Option<i64>) -> bool {
        let aging = self.shared.aging.fresh(self.shared.now_ms);
        let value = self.shared.templates.share_value(value);
        let value = named(value, key.len(), deadline_ms.is_some());
        let entries = self.entries_mut();
        let hash = entries.hasher().hash(key);
        entries.announce(hash, key, value, deadline_ms, aging);
        entries.coming() >= AHEAD
    }

    /// Adds the key that was announced first; its name is the error if it is there already. None if
    /// no key is under way.
    #[inline]
    pub fn admit(&mut self) -> Option<Result<Found, Vec<u8>>> {
        let (at, hash) = match self.entries_mut().admit()? {
            Ok(place) => place,
            Err(key) => return Some(Err(key)),
        };
        let found = Found { at, hash };
        let entry = self.get(found);
        let (size, deadline_ms) = (Size::of(entry), entry.deadline_ms());
        let adopted = fields::may_be_armed(entry.encoding());
        self.db.sizes.enter(size);
        if adopted {
            self.adopt_fields(found);
        }
        if let Some(deadline_ms) = deadline_ms {
            self.db.volatile += 1;
            expiry::arm(self, found, None, deadline_ms);
        }
        Some(Ok(found))
    }

    /// Tells a found key's age, as far as it is kept: seconds since the last use, or the counter.
    pub fn set_age(&mut self, found: Found, idle_seconds: Option<i64>, frequency: Option<u8>) {
        let now_ms = self.shared.now_ms;
        if let Some(bits) = self.shared.aging.told(idle_seconds, frequency, now_ms) {
            self.db.entries.set_aging(found.at, bits);
        }
    }
}
