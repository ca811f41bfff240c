//! The value of a key, as readers and writers of entries see it.
//!
//! Integers and short strings live inside their entry (`types::entry`); everything else is a
//! `Heap` value behind one pointer. Every value is `Send`: the helper thread may drop it.

use crate::types::array::Array;
use crate::types::fields::FieldTable;
use crate::types::pack::Pack;
use crate::types::quicklist::Quicklist;
use crate::types::stream::Stream;
use crate::types::template::{TemplateHash, TemplateRef};
use crate::types::zset::SortedSet;
use bytes::Bytes;

/// The type of a value, as TYPE names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    String = 0,
    List = 1,
    Set = 2,
    Zset = 3,
    Hash = 4,
    Stream = 5,
    Array = 6,
}

impl Kind {
    /// Among the bits of types, the one for the end of a key of whatever type.
    pub const GONE: u8 = 1 << 7;

    /// The bit of this type in a set of types.
    #[inline(always)]
    pub fn bit(self) -> u8 {
        1 << self as u8
    }

    #[inline(always)]
    pub(super) fn from_bits(bits: u8) -> Kind {
        match bits {
            0 => Kind::String,
            1 => Kind::List,
            2 => Kind::Set,
            3 => Kind::Zset,
            4 => Kind::Hash,
            5 => Kind::Stream,
            _ => Kind::Array,
        }
    }

    /// The type's name in replies of TYPE and in SCAN's TYPE option.
    pub fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::List => "list",
            Kind::Set => "set",
            Kind::Zset => "zset",
            Kind::Hash => "hash",
            Kind::Stream => "stream",
            Kind::Array => "array",
        }
    }
}

/// The encoding of a value, as OBJECT ENCODING names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Encoding {
    Raw = 0,
    Int = 1,
    Embstr = 2,
    Listpack = 3,
    Quicklist = 4,
    Intset = 5,
    Hashtable = 6,
    /// A listpack of fields some of which have deadlines, and what `types::fields` puts behind it.
    ListpackEx = 7,
    /// An ordered tree here; the name is the one clients know.
    Skiplist = 8,
    Stream = 9,
    SlicedArray = 10,
    /// A hash that shares the names of its fields, with its values in a listpack, or each on its own.
    TemplateListpack = 11,
    TemplateArray = 12,
}

impl Encoding {
    pub(super) fn from_bits(bits: u8) -> Encoding {
        match bits {
            1 => Encoding::Int,
            2 => Encoding::Embstr,
            3 => Encoding::Listpack,
            4 => Encoding::Quicklist,
            5 => Encoding::Intset,
            6 => Encoding::Hashtable,
            7 => Encoding::ListpackEx,
            8 => Encoding::Skiplist,
            9 => Encoding::Stream,
            10 => Encoding::SlicedArray,
            11 => Encoding::TemplateListpack,
            12 => Encoding::TemplateArray,
            _ => Encoding::Raw,
        }
    }

    /// Whether the value is a hash with a template.
    #[inline(always)]
    pub fn is_template(self) -> bool {
        self as u8 >= Encoding::TemplateListpack as u8
    }

    pub fn name(self) -> &'static str {
        match self {
            Encoding::Raw => "raw",
            Encoding::Int => "int",
            Encoding::Embstr => "embstr",
            Encoding::Listpack => "listpack",
            Encoding::Quicklist => "quicklist",
            Encoding::Intset => "intset",
            Encoding::Hashtable => "hashtable",
            Encoding::ListpackEx => "listpackex",
            Encoding::Skiplist => "skiplist",
            Encoding::Stream => "stream",
            Encoding::SlicedArray => "sliced-array",
            Encoding::TemplateListpack => "template-listpack",
            Encoding::TemplateArray => "template-array",
        }
    }
}

/// A value too large or too rich to live inside its entry.
#[derive(Debug, Clone)]
pub enum Heap {
    Text(Text),
    /// The listpack or intset of a small collection that is too long to lie inside its entry.
    Compact(Kind, Vec<u8>),
    /// A list too long to lie inside its entry.
    List(Box<Quicklist>),
    /// In a box of its own, so that long strings need not be as large.
    Zset(Box<SortedSet>),
    /// A set in the form of a table.
    Set(Box<Pack>),
    /// A hash in the form of a table.
    Hash(Box<FieldTable>),
    /// A hash with a template.
    Template(Box<TemplateHash>),
    Stream(Box<Stream>),
    Array(Box<Array>),
}

/// A long string. It may arrive as the very buffer it was read into, and be sent without a copy.
#[derive(Debug, Clone)]
pub enum Text {
    /// Ours to grow.
    Owned(Vec<u8>),
    /// Shared with a request or with replies under way.
    Shared(Bytes),
}

impl Text {
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Text::Owned(bytes) => bytes,
            Text::Shared(bytes) => bytes,
        }
    }

    /// The bytes for changing: copied only if another reader still holds them.
    pub fn to_mut(&mut self) -> &mut Vec<u8> {
        if let Text::Shared(bytes) = self {
            *self = Text::Owned(Vec::from(std::mem::take(bytes)));
        }
        match self {
            Text::Owned(bytes) => bytes,
            Text::Shared(_) => unreachable!("a shared text was just made owned"),
        }
    }

    /// Bytes allocated.
    pub fn capacity(&self) -> usize {
        match self {
            Text::Owned(bytes) => bytes.capacity(),
            Text::Shared(bytes) => bytes.len(),
        }
    }
}

impl Heap {
    pub fn kind(&self) -> Kind {
        match self {
            Heap::Text(_) => Kind::String,
            Heap::Compact(kind, _) => *kind,
            Heap::List(_) => Kind::List,
            Heap::Zset(_) => Kind::Zset,
            Heap::Set(_) => Kind::Set,
            Heap::Hash(_) | Heap::Template(_) => Kind::Hash,
            Heap::Stream(_) => Kind::Stream,
            Heap::Array(_) => Kind::Array,
        }
    }

    /// Bytes on the heap, the box included, before rounding by the allocator.
    pub fn bytes(&self) -> usize {
        size_of::<Heap>()
            + match self {
                Heap::Text(text) => text.capacity(),
                Heap::Compact(_, bytes) => bytes.capacity(),
                Heap::List(list) => size_of::<Quicklist>() + list.bytes(),
                Heap::Zset(set) => size_of::<SortedSet>() + set.bytes(),
                Heap::Set(pack) => size_of::<Pack>() + pack.bytes(),
                Heap::Hash(table) => table.bytes(),
                Heap::Template(hash) => hash.bytes(),
                Heap::Stream(stream) => stream.bytes(),
                Heap::Array(array) => array.bytes(),
            }
    }
}

/// A value as it is read.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    Int(i64),
    /// The bytes of a string.
    Text(&'a [u8]),
    /// The listpack or intset of a small collection, as kind and encoding determine.
    Compact(&'a [u8]),
    /// A collection with a structure of its own.
    Rich(&'a Heap),
    /// A hash with a template.
    Template(TemplateRef<'a>),
}

const fn assert_send<T: Send>() {}
const _: () = assert_send::<Heap>();
