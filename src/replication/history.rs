//! The history of changes: its names, and the place in it.

use super::NO_ID;

/// The history of changes that the data belongs to, and the place in it.
#[derive(Clone, Debug)]
pub struct History {
    /// Forty hexadecimal digits.
    pub id: String,
    /// The ID of the history that this one continues, `NO_ID` if there is none.
    pub previous: String,
    /// The first byte that is not in the previous history, -1 if there is none.
    pub second_offset: i64,
    /// The replication offset: the number of bytes of the stream, which are numbered from 1.
    pub offset: u64,
}

impl History {
    pub fn new(id: String) -> History {
        History {
            id,
            previous: NO_ID.into(),
            second_offset: -1,
            offset: 0,
        }
    }

    /// Starts a history that no replica has a part of.
    pub fn restart(&mut self, id: String) {
        self.id = id;
        self.forget_previous();
    }

    pub fn forget_previous(&mut self) {
        self.previous = NO_ID.into();
        self.second_offset = -1;
    }

    /// Continues under another ID; replicas of the same history can continue with it.
    pub fn shift(&mut self, id: String) {
        self.previous = std::mem::replace(&mut self.id, id);
        // The first byte that may differ is the one after the last common byte.
        self.second_offset = self.offset as i64 + 1;
    }

    /// Whether the history `id` up to byte `next - 1` is a part of this one.
    pub fn continues(&self, id: &[u8], next: i64) -> bool {
        id.eq_ignore_ascii_case(self.id.as_bytes())
            || id.eq_ignore_ascii_case(self.previous.as_bytes()) && next <= self.second_offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promoted_replica_is_followed_up_to_where_histories_part() {
        let mut history = History::new("a".repeat(40));
        history.offset = 100;
        history.shift("b".repeat(40));
        assert_eq!(history.second_offset, 101);
        assert!(history.continues("a".repeat(40).as_bytes(), 101));
        assert!(!history.continues("a".repeat(40).as_bytes(), 102));
        assert!(history.continues("B".repeat(40).as_bytes(), 5_000));
        history.restart("c".repeat(40));
        assert!(!history.continues("a".repeat(40).as_bytes(), 1));
    }
}
