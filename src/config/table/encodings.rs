//! The sizes up to which a value stays in its small encoding.

use super::super::directive::*;
use super::super::fields::Config;

/// A number of elements.
const fn entries(name: &'static str, default: i64, place: Place) -> Directive {
    int(name, default, (0, LONG_MAX), place).apply(Apply::Encodings)
}

/// A number of bytes.
const fn bytes(name: &'static str, default: i64, place: Place) -> Directive {
    memory(name, default, 0, place).apply(Apply::Encodings)
}

/// Whether sparse slices of arrays, if there are any, stay so when a cell is added to one that has
/// just become sparse.
fn has_sparse_range(config: &Config) -> bool {
    let (max, min) = (config.array_sparse_kmax, config.array_sparse_kmin);
    max == 0 || min < max
}

pub static TABLE: &[Directive] = &[
    int(
        "array-slice-size",
        4096,
        (256, 65536),
        at!(array_slice_size),
    )
    .apply(Apply::Encodings)
    .verified(|config| match config.array_slice_size.is_power_of_two() {
        true => Ok(()),
        false => Err("array-slice-size must be a power of two"),
    }),
    int("array-sparse-kmax", 10, (0, 256), at!(array_sparse_kmax))
        .apply(Apply::Encodings)
        .verified(|config| match has_sparse_range(config) {
            true => Ok(()),
            false => Err("array-sparse-kmax must be greater than array-sparse-kmin when non-zero"),
        }),
    int("array-sparse-kmin", 5, (0, 256), at!(array_sparse_kmin))
        .apply(Apply::Encodings)
        .verified(|config| match has_sparse_range(config) {
            true => Ok(()),
            false => Err("array-sparse-kmin must be less than array-sparse-kmax"),
        }),
    entries(
        "hash-max-listpack-entries",
        512,
        at!(hash_max_listpack_entries),
    )
    .alias("hash-max-ziplist-entries"),
    bytes("hash-max-listpack-value", 64, at!(hash_max_listpack_value))
        .alias("hash-max-ziplist-value"),
    entries(
        "hash-max-template-entries",
        0,
        at!(hash_max_template_entries),
    ),
    entries(
        "hash-min-template-entries",
        0,
        at!(hash_min_template_entries),
    ),
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
