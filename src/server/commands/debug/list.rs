//! DEBUG LISTPACK, QUICKLIST and QUICKLIST-PACKED-THRESHOLD: the encodings of small values and
//! lists.

use super::data::find;
use crate::algo::units::parse_memory;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::server::Server;
use crate::server::clients::session::Session;
use crate::types::entry::EntryRef;
use crate::types::fields::FieldList;
use crate::types::listpack;
use crate::types::quicklist::{Node, Quicklist};
use crate::types::value::{Encoding, Heap, Value};

/// The exclusive upper bound of a threshold: a listpack counts its bytes in 32 bits, less a margin.
const THRESHOLD_MAX: u64 = (1 << 32) - (1 << 20);

/// Returns the listpack of a value that is encoded as one.
fn listpack_of(entry: EntryRef<'_>) -> Option<&[u8]> {
    match entry.value() {
        Value::Compact(lp) if entry.encoding() == Encoding::Listpack => Some(lp),
        Value::Compact(stored) if entry.encoding() == Encoding::ListpackEx => {
            Some(FieldList::of(stored).listpack())
        }
        Value::Rich(Heap::List(list)) if list.is_packed() => list.only_node().map(Node::listpack),
        _ => None,
    }
}

/// DEBUG LISTPACK key.
pub(super) fn listpack(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let found = find(server, session, args)?;
    let db = server.keyspace.db(session.db);
    let Some(lp) = listpack_of(db.get(found)) else {
        return Err(CmdError::Fixed("ERR Not a listpack encoded object."));
    };
    println!(
        "listpack: {} bytes, {} elements",
        lp.len(),
        listpack::len(lp)
    );
    for (index, item) in listpack::iter(lp).enumerate() {
        println!("  {index}: {} bytes {item:?}", item.encoded_len());
    }
    reply.simple("Listpack structure printed on stdout")
}

/// DEBUG QUICKLIST key [0|1]. With 1, the elements too.
pub(super) fn quicklist(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let found = find(server, session, args)?;
    let full = args.option().is_some_and(super::switch);
    let db = server.keyspace.db(session.db);
    let Value::Rich(Heap::List(list)) = db.get(found).value() else {
        return Err(CmdError::Fixed("ERR Not a quicklist encoded object."));
    };
    if list.is_packed() {
        return Err(CmdError::Fixed("ERR Not a quicklist encoded object."));
    }
    print(list, full);
    reply.simple("Quicklist structure printed on stdout")
}

fn print(list: &Quicklist, full: bool) {
    println!(
        "quicklist: {} elements, {} nodes, fill {}, depth {}",
        list.len(),
        list.nodes(),
        list.fill(),
        list.depth()
    );
    for (number, node) in list.iter_nodes().enumerate() {
        let kind = if node.is_plain() { "plain" } else { "packed" };
        let lzf = if node.is_compressed() {
            ", compressed"
        } else {
            ""
        };
        println!(
            "  node {number}: {kind}{lzf}, {} elements, {} bytes of {}",
            node.count(),
            node.size(),
            node.capacity()
        );
    }
    if full {
        list.walk(0, crate::types::quicklist::Toward::Tail, |item| {
            println!("  {item:?}");
            true
        });
    }
}

/// DEBUG QUICKLIST-PACKED-THRESHOLD size.
pub(super) fn packed_threshold(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let size = parse_memory(args.bytes()).filter(|&size| size <= THRESHOLD_MAX);
    let Some(size) = size else {
        return Err(CmdError::Fixed(
            "ERR argument must be a memory value bigger than 1 and smaller than 4gb",
        ));
    };
    server.tuning.list_large_element = size as usize;
    reply.ok()
}

/// Returns the additional fields of DEBUG OBJECT for a quicklist.
pub(super) fn describe(entry: EntryRef) -> String {
    let Value::Rich(Heap::List(list)) = entry.value() else {
        return String::new();
    };
    if list.is_packed() {
        return String::new();
    }
    let bytes: usize = list.iter_nodes().map(Node::size).sum();
    let average = list.len() as f64 / list.nodes().max(1) as f64;
    format!(
        " ql_nodes:{} ql_avg_node:{average:.2} ql_listpack_max:{} ql_compressed:{} \
         ql_uncompressed_size:{bytes}",
        list.nodes(),
        list.fill(),
        (list.depth() != 0) as u8,
    )
}
