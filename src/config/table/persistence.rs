//! Snapshots and the append only file.

use super::super::checks;
use super::super::directive::*;
use super::super::special;
use super::super::words::{AppendFsync, SanitizeDump};

pub static TABLE: &[Directive] = &[
    special("save", &special::SAVE)
        .multi()
        .apply(Apply::SavePoints),
    boolean(
        "stop-writes-on-bgsave-error",
        true,
        at!(stop_writes_on_bgsave_error),
    ),
    boolean("rdbcompression", true, at!(rdbcompression)).apply(Apply::Encodings),
    boolean("rdbchecksum", true, at!(rdbchecksum)).immutable(),
    words::<SanitizeDump>("sanitize-dump-payload", 0, at!(sanitize_dump_payload))
        .apply(Apply::Encodings),
    text("dbfilename", "dump.rdb", at!(dbfilename))
        .protected()
        .check(checks::dbfilename),
    boolean("rdb-del-sync-files", false, at!(rdb_del_sync_files)),
    // Our own: the version of the format that is written.
    special("rdb-save-version", &special::RDB_SAVE_VERSION).apply(Apply::Encodings),
    boolean(
        "rdb-save-incremental-fsync",
        true,
        at!(rdb_save_incremental_fsync),
    ),
    int(
        "rdb-key-save-delay",
        0,
        (i32::MIN as i64, INT_MAX),
        at!(rdb_key_save_delay),
    )
    .hidden(),
    int(
        "key-load-delay",
        0,
        (i32::MIN as i64, INT_MAX),
        at!(key_load_delay),
    )
    .hidden(),
    special("dir", &special::DIR)
        .protected()
        .settled()
        .entered(),
    boolean("appendonly", false, at!(appendonly)).apply(Apply::AppendOnly),
    text("appendfilename", "appendonly.aof", at!(appendfilename))
        .immutable()
        .check(checks::appendfilename),
    text("appenddirname", "appendonlydir", at!(appenddirname))
        .immutable()
        .check(checks::appenddirname),
    text("backupdirname", "backupdir", at!(backupdirname))
        .immutable()
        .check(checks::backupdirname),
    int(
        "backup-sealed-ttl",
        0,
        (0, LONG_MAX),
        at!(backup_sealed_ttl),
    ),
    words::<AppendFsync>("appendfsync", 0, at!(appendfsync)).apply(Apply::AppendFsync),
    boolean(
        "no-appendfsync-on-rewrite",
        false,
        at!(no_appendfsync_on_rewrite),
    ),
    int(
        "auto-aof-rewrite-percentage",
        100,
        (0, INT_MAX),
        at!(auto_aof_rewrite_percentage),
    ),
    memory(
        "auto-aof-rewrite-min-size",
        64 << 20,
        0,
        at!(auto_aof_rewrite_min_size),
    ),
    boolean("aof-load-truncated", true, at!(aof_load_truncated)),
    int(
        "aof-load-corrupt-tail-max-size",
        0,
        (0, LONG_MAX),
        at!(aof_load_corrupt_tail_max_size),
    ),
    boolean("aof-use-rdb-preamble", true, at!(aof_use_rdb_preamble)),
    boolean("aof-timestamp-enabled", false, at!(aof_timestamp_enabled)),
    boolean(
        "aof-rewrite-incremental-fsync",
        true,
        at!(aof_rewrite_incremental_fsync),
    ),
    boolean("aof-disable-auto-gc", false, at!(aof_disable_auto_gc))
        .hidden()
        .apply(Apply::AppendOnly),
];
