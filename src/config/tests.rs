//! Tests over the whole table.
