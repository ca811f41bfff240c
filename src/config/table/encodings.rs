//! The sizes up to which a value stays in its small encoding.

use super::super::directive::*;

/// A number of elements.
const fn entries(name: &'static str, default: i64, place: Place) -> Directive {
    int(name, default, (0, LONG_MAX), place)
        .unsigned()
        .apply(Apply::Encodings)
}

/// A number of bytes.
const fn bytes(name: &'static str, default: i64, place: Place) -> Directive {
    memory(name, default, 0, place)
        .unsigned()
        .apply(Apply::Encodings)
}

pub static TABLE: &[Directive] = &[
    entries(
        "hash-max-listpack-entries",
        512,
        at!(hash_max_listpack_entries),
    )
    .alias("hash-max-ziplist-entries"),
    bytes("hash-max-listpack-value", 64, at!(hash_max_listpack_value))
        .alias("hash-max-ziplist-value"),
    int(
        "list-max-listpack-size",
        -2,
        (i32::MIN as i64, INT_MAX),
        at!(list_max_listpack_size),
    )
    .alias("list-max-ziplist-size")
    .apply(Apply::Encodings),
    int(
        "list-compress-depth",
        0,
        (0, INT_MAX),
        at!(list_compress_depth),
    )
    .apply(Apply::Encodings),
    entries("set-max-intset-entries", 512, at!(set_max_intset_entries)),
    entries(
        "set-max-listpack-entries",
        128,
        at!(set_max_listpack_entries),
    ),
    entries("set-max-listpack-value", 64, at!(set_max_listpack_value)),
    entries(
        "zset-max-listpack-entries",
        128,
        at!(zset_max_listpack_entries),
    )
    .alias("zset-max-ziplist-entries"),
    bytes("zset-max-listpack-value", 64, at!(zset_max_listpack_value))
        .alias("zset-max-ziplist-value"),
    bytes("hll-sparse-max-bytes", 3000, at!(hll_sparse_max_bytes)),
    int(
        "stream-idmp-duration",
        100,
        (1, 86_400),
        at!(stream_idmp_duration),
    )
    .apply(Apply::Encodings),
    int(
        "stream-idmp-maxsize",
        100,
        (1, 10_000),
        at!(stream_idmp_maxsize),
    )
    .apply(Apply::Encodings),
    bytes("stream-node-max-bytes", 4096, at!(stream_node_max_bytes)),
    int(
        "stream-node-max-entries",
        100,
        (0, LONG_MAX),
        at!(stream_node_max_entries),
    )
    .apply(Apply::Encodings),
];
