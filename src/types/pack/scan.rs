//! Cursors that survive splits, merges and growth.
//!
//! A cursor is a place in the order (reversed hash bits of the segment, top bits of the hash), as
//! in `types::table::scan`: a split cuts a range of that order in two, a merge joins two, and
//! within a segment homes follow the order whatever their number. So what is present from the
//! first call to the last is visited. The cursor carries the depth of its segment; where that has
//! shrunk since, the joined range is walked from its start.
//!
//! ```text
//!   cursor   61           21 20   15 14     0
//!            +---------------+-------+--------+
//!            | reversed bits | depth | place  |
//!            +---------------+-------+--------+
//! ```

use super::segment::PLACES;
use super::{Pack, Record};

/// Reversed hash bits in a cursor.
const BITS: u32 = 41;
const DEPTH_BITS: u32 = 6;
const PLACE_BITS: u32 = PLACES.trailing_zeros();

/// (reversed bits, depth, place) of a cursor.
fn parts(cursor: u64) -> (u64, u32, u64) {
    let range = cursor >> (DEPTH_BITS + PLACE_BITS) & ((1 << BITS) - 1);
    let depth = cursor >> PLACE_BITS & ((1 << DEPTH_BITS) - 1);
    (range, depth as u32, cursor & (PLACES - 1))
}

impl Pack {
    /// Visits at least one home bucket from `cursor` on and returns the next cursor, 0 at the end.
    ///
    /// Any `u64` is a valid cursor; one that no call returned finds some place to go on from.
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(Record)) -> u64 {
        let (range, depth, place) = parts(cursor);
        let Some(segment) = self.segment(range.reverse_bits() >> (64 - BITS)) else {
            return 0;
        };
        let now = segment.depth as u32;
        let place = if now < depth { 0 } else { place };
        let buckets = segment.buckets() as u64;
        let home = place * buckets / PLACES;
        segment.visit_home(home as usize, &self.hasher, &mut visit);
        if home + 1 < buckets {
            let place = ((home + 1) * PLACES).div_ceil(buckets);
            return (range << DEPTH_BITS | now as u64) << PLACE_BITS | place;
        }
        // The next range begins where this segment's ends.
        let span = 1u64 << (BITS - now);
        let next = (range & !(span - 1)) + span;
        if next >> BITS != 0 {
            0
        } else {
            next << (DEPTH_BITS + PLACE_BITS)
        }
    }
}
