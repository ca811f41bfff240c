//! A run of entries in one block of bytes: what a stream consists of.
//!
//! Redis keeps such a run in a listpack. Ours says the same in fewer bytes: entries are only read
//! forwards, so there are no lengths behind the elements, and ids are short differences.
//!
//! ```text
//!   node    n | name … name | entry | entry | …         the names of the first entry's fields
//!
//!   entry   flags | ms - master | seq - master | value … value               SAME fields
//!           flags | ms - master | seq - master | n | name value name value …
//!
//!   n, ms: LEB128    seq: the same, zigzag    names, values: as a listpack has them (`listpack`)
//! ```
//!
//! How long the listpack of Redis would be is kept beside, because `stream-node-max-bytes` speaks
//! of that one: so a stream is cut into the same nodes, and trimming by nodes trims the same. RDB
//! and DUMP write the listpack form, which `to_listpack` makes.

use super::id::StreamId;
use crate::types::listpack::{self, Item};

/// The entry was deleted; its bytes stay until its node goes.
pub const DELETED: u8 = 1;
/// The entry has the node's fields.
pub const SAME_FIELDS: u8 = 2;

/// A run of entries in one block of bytes.
#[derive(Clone, Debug)]
pub struct Node {
    /// The id of the first entry that was put in; the other ids are stored relative to it.
    pub master: StreamId,
    pub live: u32,
    pub deleted: u32,
    /// Bytes of Redis's listpack without the two counters at its head.
    listpack_rest: u32,
    /// The offset of the last entry; the end of the bytes while there is none.
    last: u32,
    bytes: Vec<u8>,
}

/// One entry of a node.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    pub id: StreamId,
    pub deleted: bool,
    /// Number of fields.
    pub fields: usize,
    /// The offset in the node.
    offset: usize,
    /// The names apart, or `None` where they stand beside the values.
    names: Option<&'a [u8]>,
    body: &'a [u8],
}

/// Appends a number in seven-bit groups, the lowest first.
fn write_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// A number and where it ends.
#[inline]
fn read_varint(bytes: &[u8], mut at: usize) -> (u64, usize) {
    let (mut n, mut shift) = (0, 0);
    loop {
        let byte = bytes[at];
        at += 1;
        n |= ((byte & 0x7f) as u64) << shift;
        if byte < 0x80 || shift >= 63 {
            return (n, at);
        }
        shift += 7;
    }
}

fn zigzag(n: i64) -> u64 {
    (n << 1 ^ n >> 63) as u64
}

fn unzigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

/// Bytes of an integer in a listpack.
fn int_len(n: i64) -> usize {
    Item::Int(n).encoded_len()
}

impl Node {
    /// A node for an entry with this id and these fields (name, value, name, value, …).
    pub fn start<'a>(master: StreamId, fields: impl Iterator<Item = &'a [u8]> + Clone) -> Node {
        let names = fields.step_by(2);
        let mut bytes = Vec::with_capacity(256);
        let count = names.clone().count();
        write_varint(&mut bytes, count as u64);
        // Header and end mark, the number of names, the zero behind them.
        let mut rest = listpack::HEADER + 1 + int_len(count as i64) + int_len(0);
        for name in names {
            let item = Item::of(name);
            rest += item.encoded_len();
            listpack::write_body(&mut bytes, item);
        }
        Node {
            master,
            live: 0,
            deleted: 0,
            listpack_rest: rest as u32,
            last: bytes.len() as u32,
            bytes,
        }
    }

    /// Bytes that Redis's listpack would have.
    pub fn listpack_bytes(&self) -> usize {
        self.listpack_rest as usize + int_len(self.live as i64) + int_len(self.deleted as i64)
    }

    /// Bytes allocated.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Gives back what growing set aside: nothing is added any more.
    pub fn seal(&mut self) {
        // A copy, because an allocator may take a smaller size for the same block.
        self.bytes = self.bytes.as_slice().into();
    }

    /// Whether these are the names of the first entry.
    fn has_names<'a>(&self, mut names: impl Iterator<Item = &'a [u8]>) -> bool {
        let (count, mut at) = read_varint(&self.bytes, 0);
        for _ in 0..count {
            let Some(name) = names.next() else {
                return false;
            };
            let same = match listpack::get(&self.bytes, at) {
                Item::Text(text) => text == name,
                Item::Int(n) => Item::of(name) == Item::Int(n),
            };
            if !same {
                return false;
            }
            at += listpack::body_len(&self.bytes, at);
        }
        names.next().is_none()
    }

    /// Adds an entry at the end.
    pub fn push<'a>(&mut self, id: StreamId, fields: impl Iterator<Item = &'a [u8]> + Clone) {
        let same = self.has_names(fields.clone().step_by(2));
        let (ms, seq) = self.relative(id);
        self.last = self.bytes.len() as u32;
        self.bytes.push(if same { SAME_FIELDS } else { 0 });
        write_varint(&mut self.bytes, ms);
        write_varint(&mut self.bytes, zigzag(seq));
        let mut rest = int_len(2) + int_len(ms as i64) + int_len(seq);
        let count = if same {
            let mut count = 0;
            for value in fields.skip(1).step_by(2) {
                rest += self.push_item(value);
                count += 1;
            }
            count + 3
        } else {
            let count = fields.clone().count() / 2;
            write_varint(&mut self.bytes, count as u64);
            rest += int_len(count as i64);
            for part in fields {
                rest += self.push_item(part);
            }
            count * 2 + 4
        };
        self.listpack_rest += (rest + int_len(count as i64)) as u32;
        self.live += 1;
    }

    fn push_item(&mut self, bytes: &[u8]) -> usize {
        let item = Item::of(bytes);
        listpack::write_body(&mut self.bytes, item);
        item.encoded_len()
    }

    fn relative(&self, id: StreamId) -> (u64, i64) {
        (
            id.ms.wrapping_sub(self.master.ms),
            id.seq.wrapping_sub(self.master.seq) as i64,
        )
    }

    /// The names of the first entry, and where the entries begin.
    fn names(&self) -> (usize, &[u8], usize) {
        let (count, start) = read_varint(&self.bytes, 0);
        let mut at = start;
        for _ in 0..count {
            at += listpack::body_len(&self.bytes, at);
        }
        (count as usize, &self.bytes[start..at], at)
    }

    /// All entries in order, the deleted ones too.
    pub fn iter(&self) -> Entries<'_> {
        let (count, names, at) = self.names();
        Entries {
            node: self,
            names,
            count,
            at,
        }
    }

    /// The last entry, deleted or not; there is none only while the first is being put in.
    pub fn last(&self) -> Option<Entry<'_>> {
        let mut entries = self.iter();
        entries.at = self.last as usize;
        entries.next()
    }

    /// The entries from the first on that come before `entry`, the deleted ones too.
    pub fn before(&self, entry: &Entry) -> impl Iterator<Item = Entry<'_>> {
        let end = entry.offset;
        self.iter().take_while(move |entry| entry.offset < end)
    }

    /// The id of the last entry, deleted or not.
    pub fn last_id(&self) -> StreamId {
        self.last().map_or(self.master, |entry| entry.id)
    }

    /// The id of the first entry that was not deleted, or 0-0.
    pub fn first_live_id(&self) -> StreamId {
        let live = self.iter().find(|entry| !entry.deleted);
        live.map_or(StreamId::MIN, |entry| entry.id)
    }

    /// Marks an entry of this node as deleted.
    pub fn delete(&mut self, at: Mark) {
        debug_assert_eq!(self.bytes[at.0] & DELETED, 0);
        self.bytes[at.0] |= DELETED;
        self.live -= 1;
        self.deleted += 1;
    }

    /// The node as Redis writes it.
    pub fn to_listpack(&self) -> Vec<u8> {
        let mut lp = Vec::new();
        self.write_listpack(&mut lp);
        lp
    }

    /// The same, in place of what `lp` holds.
    pub fn write_listpack(&self, lp: &mut Vec<u8>) {
        lp.clear();
        lp.extend_from_slice(&listpack::EMPTY);
        let (count, names, _) = self.names();
        for n in [self.live as i64, self.deleted as i64, count as i64] {
            listpack::push_back(lp, Item::Int(n));
        }
        let mut at = 0;
        for _ in 0..count {
            listpack::push_back(lp, listpack::get(names, at));
            at += listpack::body_len(names, at);
        }
        listpack::push_back(lp, Item::Int(0));
        for entry in self.iter() {
            let (ms, seq) = self.relative(entry.id);
            let flags = self.bytes[entry.offset];
            for n in [flags as i64, ms as i64, seq] {
                listpack::push_back(lp, Item::Int(n));
            }
            let parts = if flags & SAME_FIELDS != 0 {
                entry
                    .pairs()
                    .for_each(|(_, value)| listpack::push_back(lp, value));
                entry.fields + 3
            } else {
                listpack::push_back(lp, Item::Int(entry.fields as i64));
                for (name, value) in entry.pairs() {
                    listpack::append(lp, [name, value]);
                }
                entry.fields * 2 + 4
            };
            listpack::push_back(lp, Item::Int(parts as i64));
        }
    }

    /// The node that a listpack of Redis is, or what is wrong with it. The listpack is valid.
    pub fn from_listpack(master: StreamId, lp: &[u8]) -> Result<Node, &'static str> {
        const SHORT: &str = "a stream's node ends before its entries do";
        let mut items = listpack::iter(lp);
        let int = |items: &mut listpack::Iter| match items.next() {
            Some(Item::Int(n)) => Ok(n),
            Some(Item::Text(_)) => Err("a text where a stream's node has a number"),
            None => Err(SHORT),
        };
        let (live, deleted) = (int(&mut items)?, int(&mut items)?);
        let names = int(&mut items)?;
        if names < 0 || names > lp.len() as i64 {
            return Err("a stream's node has more fields than bytes");
        }
        let mut bytes = Vec::with_capacity(lp.len());
        write_varint(&mut bytes, names as u64);
        for _ in 0..names {
            listpack::write_body(&mut bytes, items.next().ok_or(SHORT)?);
        }
        if int(&mut items)? != 0 {
            return Err("no zero behind the fields of a stream's node");
        }
        let mut node = Node {
            master,
            live: 0,
            deleted: 0,
            listpack_rest: 0,
            last: bytes.len() as u32,
            bytes,
        };
        let mut last = None;
        while let Some(flags) = items.next() {
            let Item::Int(flags @ 0..=3) = flags else {
                return Err("unknown flags of a stream's entry");
            };
            let (ms, seq) = (int(&mut items)?, int(&mut items)?);
            let id = StreamId {
                ms: master.ms.wrapping_add(ms as u64),
                seq: master.seq.wrapping_add(seq as u64),
            };
            let rises = last.map_or(id == master, |last| id > last);
            if !rises || ms < 0 {
                return Err("the ids of a stream's node do not rise");
            }
            last = Some(id);
            let same = flags as u8 & SAME_FIELDS != 0;
            node.last = node.bytes.len() as u32;
            node.bytes.push(flags as u8);
            write_varint(&mut node.bytes, ms as u64);
            write_varint(&mut node.bytes, zigzag(seq));
            let (count, parts) = match same {
                true => (names, names + 3),
                false => {
                    let fields = int(&mut items)?;
                    if fields < 0 || fields > lp.len() as i64 {
                        return Err("a stream's entry has more fields than bytes");
                    }
                    write_varint(&mut node.bytes, fields as u64);
                    (fields * 2, fields * 2 + 4)
                }
            };
            for _ in 0..count {
                listpack::write_body(&mut node.bytes, items.next().ok_or(SHORT)?);
            }
            if int(&mut items)? != parts {
                return Err("a stream's entry has another length than it says");
            }
            match flags as u8 & DELETED {
                0 => node.live += 1,
                _ => node.deleted += 1,
            }
        }
        if (node.live as i64, node.deleted as i64) != (live, deleted) {
            return Err("a stream's node counts its entries wrong");
        }
        // What the listpack of today would be, whatever form the numbers came in.
        node.listpack_rest = u32::MAX / 2;
        let len = node.to_listpack().len();
        let counters = int_len(live) + int_len(deleted);
        node.listpack_rest = (len - counters) as u32;
        node.seal();
        Ok(node)
    }

    /// Walks all invariants; for tests and DEBUG.
    #[cfg(any(test, debug_assertions, feature = "testing"))]
    pub fn check(&self) -> Result<(), &'static str> {
        let live = self.iter().filter(|entry| !entry.deleted).count();
        if live != self.live as usize {
            return Err("a node counts its live entries wrong");
        }
        if self.iter().count() != (self.live + self.deleted) as usize {
            return Err("a node counts its deleted entries wrong");
        }
        if !self.iter().map(|entry| entry.id).is_sorted_by(|a, b| a < b) {
            return Err("ids do not rise in a node");
        }
        if self.iter().next().map(|entry| entry.id) != Some(self.master) {
            return Err("the first entry is not the master");
        }
        if self.iter().last().map(|entry| entry.offset) != Some(self.last as usize) {
            return Err("a node has its last entry elsewhere");
        }
        if self.to_listpack().len() != self.listpack_bytes() {
            return Err("the length of Redis's listpack is kept wrong");
        }
        Ok(())
    }
}

/// The offset of an entry in its node.
#[derive(Clone, Copy, Debug)]
pub struct Mark(usize);

/// See `Node::iter`.
#[derive(Clone)]
pub struct Entries<'a> {
    node: &'a Node,
    names: &'a [u8],
    count: usize,
    at: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<Entry<'a>> {
        let bytes: &'a [u8] = &self.node.bytes;
        let offset = self.at;
        let flags = *bytes.get(offset)?;
        let (ms, at) = read_varint(bytes, offset + 1);
        let (seq, mut at) = read_varint(bytes, at);
        let same = flags & SAME_FIELDS != 0;
        let mut fields = self.count;
        let mut items = fields;
        if !same {
            let (count, start) = read_varint(bytes, at);
            (fields, items, at) = (count as usize, count as usize * 2, start);
        }
        let start = at;
        for _ in 0..items {
            at += listpack::body_len(bytes, at);
        }
        self.at = at;
        let master = self.node.master;
        Some(Entry {
            id: StreamId {
                ms: master.ms.wrapping_add(ms),
                seq: master.seq.wrapping_add(unzigzag(seq) as u64),
            },
            deleted: flags & DELETED != 0,
            fields,
            offset,
            names: same.then_some(self.names),
            body: &bytes[start..at],
        })
    }
}

impl<'a> Entry<'a> {
    /// The offset, for `Node::delete`.
    pub fn mark(&self) -> Mark {
        Mark(self.offset)
    }

    /// The fields with their values.
    pub fn pairs(&self) -> impl Iterator<Item = (Item<'a>, Item<'a>)> {
        let (mut name_at, mut at) = (0, 0);
        let (names, body) = (self.names, self.body);
        (0..self.fields).map(move |_| {
            let name = match names {
                Some(names) => {
                    let name = listpack::get(names, name_at);
                    name_at += listpack::body_len(names, name_at);
                    name
                }
                None => {
                    let name = listpack::get(body, at);
                    at += listpack::body_len(body, at);
                    name
                }
            };
            let value = listpack::get(body, at);
            at += listpack::body_len(body, at);
            (name, value)
        })
    }
}
