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
use super::hash::HashRef;
use super::set::SetRef;
use super::zset::ZsetRef;
use crate::algo::number;
use crate::types::entry::EntryRef;
use crate::types::value::{Kind, Value};
use sha1::{Digest as _, Sha1};

/// Stands for any deadline.
const VOLATILE: &[u8] = b"!!expire!!";
/// The same for a field of a hash.
const VOLATILE_FIELD: &[u8] = b"!!hexpire!!";

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
            Value::Compact(_) | Value::Rich(_) | Value::Template(_) => self.add_collection(entry),
        }
        if entry.deadline_ms().is_some() {
            self.add(VOLATILE);
        }
    }

    /// Adds the elements of a collection.
    fn add_collection(&mut self, entry: EntryRef) {
        match entry.kind() {
            Kind::Zset => self.add_zset(ZsetRef::of(entry)),
            Kind::Stream => super::stream::digest(entry, self),
            Kind::Array => super::array::digest(entry, self),
            Kind::List => super::list::digest(entry, self),
            Kind::Set => self.add_set(entry),
            Kind::Hash => self.add_hash(entry),
            Kind::String => {}
        }
    }

    /// Adds members with their scores, whatever the order.
    fn add_zset(&mut self, set: Option<ZsetRef>) {
        let Some(set) = set else { return };
        set.walk(0..set.len(), false, |member, score| {
            let mut one = Digest::default();
            one.mix(member);
            one.mix(&number::format_digits(score));
            self.add(&one.0);
        });
    }

    fn add_set(&mut self, entry: EntryRef) {
        let set = SetRef::of(entry.value(), entry.encoding());
        for item in set.into_iter().flat_map(SetRef::iter) {
            self.add(item.as_bytes(&mut itoa::Buffer::new()));
        }
    }

    fn add_hash(&mut self, entry: EntryRef) {
        let Some(hash) = HashRef::of(entry.value(), entry.encoding()) else {
            return;
        };
        hash.each(|field| {
            let mut one = Digest::default();
            one.mix(field.name.as_bytes(&mut itoa::Buffer::new()));
            one.mix(field.value.as_bytes(&mut itoa::Buffer::new()));
            if field.deadline_ms.is_some() {
                one.add(VOLATILE_FIELD);
            }
            self.add(&one.0);
        });
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
        Kind::Array => 7,
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
    use super::super::set::SetValue;
    use super::super::{DbIndex, DbMut, Deadline, Tuning, string};
    use super::*;
    use crate::algo::rng::Rng;
    use crate::types::listpack::Item;

    /// The reply of Redis 8.2.3 for the same data.
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
    fn digests_of_collections_are_those_of_redis() {
        let mut ks = Keyspace::new(1, Rng::new(1), 1_000);
        let (tuning, mut db) = (Tuning::default(), ks.db(DbIndex(0)));
        let pairs = [(b"a".as_slice(), b"1".as_slice())];
        let (found, _) = db.add_small_hash(b"d", pairs.into_iter(), &tuning);
        let digest = |db: &DbMut, found| {
            let mut digest = Digest::default();
            digest.add_value(db.get(found));
            digest.to_hex()
        };
        assert_eq!(
            digest(&db, found),
            "626a7b57a269f8f179a44902458ecb2f5920d35d"
        );
        db.set_field_deadline(found, b"a", Some(5_000), &Tuning::default());
        assert_eq!(
            digest(&db, found),
            "ce98eed535a9bd6c62403cf0d79da44325cdc96f"
        );
        db.hash_to_table(found);
        assert_eq!(
            digest(&db, found),
            "ce98eed535a9bd6c62403cf0d79da44325cdc96f"
        );
        let hasher = db.entries().hasher().clone();
        let mut set = SetValue::for_members(Item::of(b"a"), 1, &tuning, &hasher);
        set.add(Item::of(b"a"), &tuning, &hasher);
        let found = db.add(b"s", set.take(), None);
        assert_eq!(
            digest(&db, found),
            "344e2dce84032272e136053b2083009290148e5e"
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
