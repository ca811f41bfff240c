//! Hash commands through the engine: field deadlines above all.

use crate::engine::Engine;

fn engine() -> Engine {
    let mut e = Engine::new();
    e.freeze_at_ms(1_000_000);
    e
}

/// Runs lines and compares each reply with the expected one.
fn all(e: &mut Engine, script: &[(&str, &str)]) {
    for (line, reply) in script {
        assert_eq!(&e.ask(line), reply, "{line}");
    }
}

#[test]
fn fields_are_written_and_read() {
    let mut e = engine();
    assert_eq!(e.ask("HSET h a 1 b two a 3"), ":2");
    assert_eq!(e.outcome().events_text(), "new h, hset h");
    assert_eq!(e.outcome().dirty, 3);
    all(
        &mut e,
        &[
            ("HGET h a", "$1 3"),
            ("HMGET h a nof b", "*3 $1 3 $-1 $3 two"),
            ("HGETALL h", "*4 $1 a $1 3 $1 b $3 two"),
            ("HLEN h", ":2"),
            ("HSTRLEN h b", ":3"),
            ("HEXISTS h nof", ":0"),
            ("HSETNX h a 9", ":0"),
            ("HSETNX h c 9", ":1"),
            ("HINCRBY h a 4", ":7"),
            ("HINCRBY h b 4", "-ERR hash value is not an integer"),
            ("HINCRBYFLOAT h a 0.5", "$3 7.5"),
            ("HINCRBYFLOAT h b 4", "-ERR hash value is not a float"),
            (
                "HSET h a",
                "-ERR wrong number of arguments for 'hset' command",
            ),
            ("HDEL h a nof", ":1"),
            ("HSCAN h 0 NOVALUES", "*2 $1 0 *2 $1 b $1 c"),
            ("HDEL h b c", ":2"),
        ],
    );
    assert_eq!(e.outcome().events_text(), "hdel h, del h");
}

#[test]
fn encodings_change_where_redis_changes_them() {
    let mut e = engine();
    e.tuning().hash_max_listpack_entries = 3;
    e.tuning().hash_max_listpack_value = 4;
    for (line, encoding) in [
        ("HSET a 1 1 2 2 3 3", "listpack"),
        ("HSETNX a 4 4", "hashtable"),
        ("HSET b 1 1 1 2 1 3 1 4", "hashtable"),
        ("HSET c 1 12345", "hashtable"),
        ("HINCRBY d 1 12345", "hashtable"),
        ("HSET e 1 1 2 2", "listpack"),
        ("HEXPIRE e 100 FIELDS 1 nof", "listpackex"),
        ("HSET e 3 3", "listpackex"),
        ("HSET e 4 4", "hashtable"),
        ("HSETEX f EX 10 FIELDS 1 a b", "listpackex"),
    ] {
        e.ask(line);
        let key = line.split(' ').nth(1).expect("a key");
        let reply = e.ask(&format!("OBJECT ENCODING {key}"));
        assert_eq!(reply.split(' ').nth(1), Some(encoding), "{line}");
    }
}

#[test]
fn a_lowered_threshold_counts_with_the_next_write() {
    let mut e = engine();
    for line in [
        "HSET h a 9",
        "HSETEX h FIELDS 1 a 9",
        "HINCRBY h a 1",
        "HINCRBYFLOAT h a 1",
    ] {
        e.ask("DEL h");
        e.tuning().hash_max_listpack_entries = 512;
        e.ask("HSET h a 1 b 2 c 3 d 4");
        e.tuning().hash_max_listpack_entries = 3;
        e.ask(line);
        assert_eq!(e.ask("OBJECT ENCODING h"), "$9 hashtable", "{line}");
    }
}

#[test]
fn overdue_fields_are_gone_for_readers() {
    for entries in [512, 0] {
        let mut e = engine();
        e.tuning().hash_max_listpack_entries = entries;
        e.ask("HSET h a 1 b 2 c 3");
        assert_eq!(e.ask("HPEXPIRE h 5 FIELDS 2 a b"), "*2 :1 :1");
        assert_eq!(
            e.outcome().propagated_text(),
            "HPEXPIREAT h 1000005 FIELDS 2 a b"
        );
        e.advance_ms(6);
        assert_eq!(e.ask("HLEN h"), ":3");
        assert_eq!(e.ask("HGETALL h"), "*2 $1 c $1 3");
        assert_eq!(e.ask("HTTL h FIELDS 1 a"), "*1 :-2");
        assert!(e.outcome().events.is_empty());
        assert_eq!(e.ask("HGET h a"), "$-1");
        assert_eq!(e.outcome().events_text(), "hexpired h");
        assert_eq!(e.outcome().propagated_text(), "HDEL h a");
        assert_eq!(e.ask("HLEN h"), ":2");
        assert_eq!(e.ask("HSET h b 7"), ":0");
        assert_eq!(e.ask("HTTL h FIELDS 1 b"), "*1 :-1");
        assert_eq!(e.keyspace().shared.stats.expired_fields, 1);
    }
}

#[test]
fn the_last_field_takes_the_hash_along() {
    let mut e = engine();
    e.ask("HSET h a 1");
    e.ask("HPEXPIRE h 5 FIELDS 1 a");
    e.advance_ms(6);
    assert_eq!(e.ask("HINCRBY h a 2"), ":2");
    assert_eq!(
        e.outcome().events_text(),
        "hexpired h, del h, new h, hincrby h"
    );
    e.ask("HPEXPIRE h 5 FIELDS 1 a");
    e.advance_ms(6);
    e.expire_due();
    assert_eq!(e.outcome().events_text(), "hexpired h, del h");
    assert_eq!(e.outcome().propagated_text(), "HDEL h a");
    assert_eq!(e.ask("EXISTS h"), ":0");
}

#[test]
fn deadlines_run_by_themselves() {
    for entries in [512, 0] {
        let mut e = engine();
        e.tuning().hash_max_listpack_entries = entries;
        for n in 0..300 {
            e.ask(&format!("HSET h f{n} v"));
            e.ask(&format!(
                "HPEXPIRE h {} FIELDS 1 f{n}",
                10 + 7919 * n % 1000
            ));
        }
        e.ask("RENAME h g");
        e.ask("COPY g i");
        e.ask("MOVE i 1");
        for step in 0..10 {
            e.advance_ms(100 + step % 2);
            e.expire_due();
            let overdue = e.ask("HLEN g");
            let alive = e.ask("HKEYS g");
            assert_eq!(
                overdue[1..],
                alive.split(' ').next().expect("a length")[1..]
            );
        }
        e.advance_ms(100);
        e.expire_due();
        assert_eq!(e.keyspace().len(), 0);
        for db in 0..2 {
            let view = e.keyspace().view(crate::keyspace::DbIndex(db));
            assert_eq!(view.volatile_hashes(), 0);
        }
        assert_eq!(e.keyspace().shared.stats.expired_fields, 600);
        assert_eq!(e.keyspace().next_expiry_ms(), None);
    }
}

#[test]
fn shortening_without_end_leaves_no_garbage() {
    let mut e = engine();
    e.ask("HSET h a 1");
    for n in 0..20_000 {
        e.ask(&format!("HPEXPIREAT h {} FIELDS 1 a", 9_000_000 - n));
    }
    let view = e.keyspace().view(crate::keyspace::DbIndex(0));
    assert!(view.field_timers() < 3_000, "{} items", view.field_timers());
}

#[test]
fn values_and_deadlines_in_one_step() {
    let mut e = engine();
    assert_eq!(e.ask("HSETEX h EX 10 FIELDS 2 a 1 b 2"), ":1");
    assert_eq!(e.outcome().events_text(), "new h, hset h, hexpire h");
    assert_eq!(
        e.outcome().propagated_text(),
        "HSETEX h PXAT 1010000 FIELDS 2 a 1 b 2"
    );
    all(
        &mut e,
        &[
            ("HSETEX h KEEPTTL FIELDS 1 a 5", ":1"),
            ("HTTL h FIELDS 2 a b", "*2 :10 :10"),
            ("HSETEX h FNX FIELDS 2 a 5 c 1", ":0"),
            ("HSETEX h FXX FIELDS 2 a 5 c 1", ":0"),
            ("HSETEX h FIELDS 1 a 6", ":1"),
            ("HTTL h FIELDS 1 a", "*1 :-1"),
            ("HGETEX h PX 500 FIELDS 2 a nof", "*2 $1 6 $-1"),
        ],
    );
    assert_eq!(
        e.outcome().propagated_text(),
        "HPEXPIREAT h 1000500 FIELDS 2 a nof"
    );
    assert_eq!(e.ask("HGETEX h PERSIST FIELDS 1 a"), "*1 $1 6");
    assert_eq!(e.outcome().events_text(), "hpersist h");
    assert_eq!(e.ask("HGETEX h EXAT 1 FIELDS 1 a"), "*1 $1 6");
    assert_eq!(e.outcome().propagated_text(), "HDEL h a");
    assert_eq!(e.ask("HGETDEL h FIELDS 2 a b"), "*2 $-1 $1 2");
    assert_eq!(e.outcome().events_text(), "hdel h, del h");
    assert_eq!(e.ask("HSETEX h EX 0 FIELDS 1 a 1"), ":1");
    assert_eq!(e.outcome().events_text(), "new h, hset h, hdel h, del h");
}

#[test]
fn random_fields_differ_or_repeat() {
    let mut e = engine();
    for entries in [512, 0] {
        e.tuning().hash_max_listpack_entries = entries;
        e.ask("DEL h");
        for n in 0..100 {
            e.ask(&format!("HSET h f{n} v{n}"));
        }
        for count in [0, 1, 10, 99, 100, 200] {
            let reply = e.ask(&format!("HRANDFIELD h {count} WITHVALUES"));
            let names: std::collections::BTreeSet<&str> =
                reply.split(' ').filter(|w| w.starts_with('f')).collect();
            assert_eq!(names.len(), count.min(100));
        }
        assert!(e.ask("HRANDFIELD h -250").starts_with("*250 "));
    }
}
