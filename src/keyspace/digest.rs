//! The digest of data: equal for equal data, whatever the order and the encodings. DEBUG DIGEST.
//!
//! It is the one of Redis, so that the two can be compared. SHA-1 of a piece is either xored into
//! the sum, where order must not matter (`add`), or xored and hashed again, where it must (`mix`).
//!
//! ```text
//!   all = for each database with keys: mix(number), then add for each key:
//!           mix(key), mix(type), the value's parts, add("!!expire!!") if it is volatile
//! ```

use super::Keyspace;
use crate::types::entry::EntryRef;
use crate::types::value::{Kind, Value};
use sha1::{Digest as _, Sha1};

/// Stands for a deadline, whichever it is.
const VOLATILE: &[u8] = b"!!expire!!";

/// A sum of data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest([u8; 20]);

impl Digest {
    /// Adds a piece; the order of additions does not matter.
    pub fn add(&mut self, piece: &[u8]) {
        let piece: [u8; 20] = Sha1::digest(piece).into();
        for (byte, piece) in self.0.iter_mut().zip(piece) {
            *byte ^= piece;
        }
    }

    /// Adds a piece that stands at this place.
    pub fn mix(&mut self, piece: &[u8]) {
        self.add(piece);
        self.0 = Sha1::digest(self.0).into();
    }

    /// Adds the value of an entry and whether it is volatile.
    pub fn add_value(&mut self, entry: EntryRef) {
        self.mix(&type_number(entry.kind()).to_be_bytes());
        match entry.value() {
            Value::Int(n) => self.mix(itoa::Buffer::new().format(n).as_bytes()),
            Value::Text(text) => self.mix(text),
        }
        if entry.deadline_ms().is_some() {
            self.add(VOLATILE);
        }
    }

    /// Forty hexadecimal digits.
    pub fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The numbers by which Redis knows types; they are part of the digest.
fn type_number(kind: Kind) -> u32 {
    match kind {
        Kind::String => 0,
        Kind::List => 1,
        Kind::Set => 2,
        Kind::Zset => 3,
        Kind::Hash => 4,
        Kind::Stream => 6,
    }
}

impl Keyspace {
    /// The digest of everything.
    pub fn digest(&self) -> Digest {
        let mut all = Digest::default();
        for (index, db) in self.iter().filter(|(_, db)| !db.is_empty()) {
            all.mix(&index.0.to_be_bytes());
            for entry in db.entries().iter() {
                let mut one = Digest::default();
                one.mix(entry.key());
                one.add_value(entry);
                all.add(&one.0);
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DbIndex, Deadline, string};
    use super::*;
    use crate::algo::rng::Rng;

    /// What Redis 8.2.3 answers for the same data.
    #[test]
    fn digests_are_those_of_redis() {
        let mut ks = Keyspace::new(16, Rng::new(1), 1_000);
        assert_eq!(ks.digest().to_hex(), "0".repeat(40));
        let mut db = ks.db(DbIndex(0));
        db.set(b"a", string::encode(b"1"), Deadline::Clear);
        assert_eq!(
            ks.digest().to_hex(),
            "943d800368fb9c0e951138f1bc0e313ac769d91f"
        );
        let mut db = ks.db(DbIndex(0));
        db.set(b"b", string::encode(b"hello"), Deadline::Clear);
        assert_eq!(
            ks.digest().to_hex(),
            "2539797405e828ad7a3aa48c536b3eaf2803a421"
        );
        let mut db = ks.db(DbIndex(0));
        db.set(b"a", string::encode(b"1"), Deadline::At(5_000));
        assert_eq!(
            ks.digest().to_hex(),
            "bd6c42b827c67d2717e11feac6ed92c703682f4f"
        );
        let mut db = ks.db(DbIndex(3));
        db.set(b"a", string::encode(b"1"), Deadline::Clear);
        assert_eq!(
            ks.digest().to_hex(),
            "d9064a0fef8d0ad47a2e41289be9f8e9657d7eaf"
        );
    }

    #[test]
    fn a_value_has_a_digest_of_its_own() {
        let mut ks = Keyspace::new(1, Rng::new(1), 1_000);
        let mut db = ks.db(DbIndex(0));
        let found = db.add(b"any", string::raw(b"1"), Some(5_000));
        let mut digest = Digest::default();
        digest.add_value(db.get(found));
        assert_eq!(digest.to_hex(), "5279988c5d1911f474bcbbf2f0a87012d40f8459");
    }
}
