//! Arrays through an engine: replies, events, the end of the key.

use crate::engine::Engine;

#[test]
fn values_have_indexes() {
    let mut e = Engine::new();
    assert_eq!(e.ask("ARSET a 0 x y z"), ":3");
    assert_eq!(e.outcome().events_text(), "new a, arset a");
    assert_eq!(e.outcome().dirty, 3);
    assert_eq!(e.ask("ARSET a 0 x"), ":0");
    assert_eq!(e.outcome().events_text(), "arset a");
    assert_eq!(e.ask("ARMSET a 5 v 5 w 7 1.50"), ":2");
    assert_eq!(e.ask("ARGET a 5"), "$1 w");
    assert_eq!(e.ask("ARMGET a 5 6 7"), "*3 $1 w $-1 $4 1.50");
    assert_eq!(e.ask("ARGETRANGE a 2 5"), "*4 $1 z $-1 $-1 $1 w");
    assert_eq!(e.ask("ARGETRANGE a 5 2"), "*4 $1 w $-1 $-1 $1 z");
    assert_eq!(e.ask("ARLEN a"), ":8");
    assert_eq!(e.ask("ARCOUNT a"), ":5");
    assert_eq!(e.ask("TYPE a"), "+array");
    assert_eq!(e.ask("OBJECT ENCODING a"), "$12 sliced-array");
    assert_eq!(e.ask("ARSCAN a 1 100 LIMIT 2"), "*2 *2 :1 $1 y *2 :2 $1 z");
    assert_eq!(e.ask("ARDEL a 0 1 9"), ":2");
    assert_eq!(e.outcome().events_text(), "ardel a");
    assert_eq!(e.ask("ARDELRANGE a 0 18446744073709551614"), ":3");
    assert_eq!(e.outcome().events_text(), "ardelrange a, del a");
    assert_eq!(e.ask("EXISTS a"), ":0");
}

#[test]
fn indexes_are_checked() {
    let mut e = Engine::new();
    for index in ["-1", "18446744073709551615", "x", "1.0", "5a", "++5"] {
        assert_eq!(
            e.ask(&format!("ARSET a {index} v")),
            "-ERR invalid array index"
        );
    }
    assert_eq!(
        e.ask("ARSET a 18446744073709551614 v w"),
        "-ERR array index overflow"
    );
    assert_eq!(e.ask("ARSET a 18446744073709551614 v"), ":1");
    assert_eq!(e.ask("ARLEN a"), "$20 18446744073709551615");
    for index in ["+7", "007", " 7"] {
        e.run(&["ARSET", "a", index, "v"]);
    }
    assert_eq!(e.ask("ARCOUNT a"), ":2");
    assert_eq!(
        e.ask("ARSCAN a 18446744073709551614 0 LIMIT 1"),
        "*1 *2 $20 18446744073709551614 $1 v"
    );
    e.ask("SET s 1");
    assert!(e.ask("ARGET s x").starts_with("-WRONGTYPE"));
    assert_eq!(e.ask("ARSET s x 1"), "-ERR invalid array index");
    assert!(e.ask("ARLEN s").starts_with("-WRONGTYPE"));
}

#[test]
fn values_are_inserted_behind_each_other() {
    let mut e = Engine::new();
    assert_eq!(e.ask("ARSEEK a 3"), ":0");
    assert_eq!(e.ask("ARNEXT a"), ":0");
    assert_eq!(e.ask("ARINSERT a x y"), ":1");
    assert_eq!(e.ask("ARSEEK a 10"), ":1");
    assert_eq!(e.ask("ARINSERT a z"), ":10");
    assert_eq!(e.ask("ARNEXT a"), ":11");
    assert_eq!(e.ask("ARLASTITEMS a 2"), "*2 $-1 $1 z");
    assert_eq!(e.ask("ARSEEK a 18446744073709551615"), ":1");
    assert_eq!(e.ask("ARNEXT a"), "$-1");
    assert_eq!(e.ask("ARINSERT a z"), "-ERR insert index overflow");
    assert_eq!(e.ask("ARRING r 3 a b c d"), ":0");
    assert_eq!(e.ask("ARGETRANGE r 0 3"), "*4 $1 d $1 b $1 c $-1");
    assert_eq!(e.ask("ARLASTITEMS r 9 REV"), "*3 $1 d $1 c $1 b");
    assert_eq!(e.ask("ARRING r 0 x"), "-ERR size must be positive");
    assert_eq!(e.ask("ARRING r x x"), "-ERR invalid size");
}

#[test]
fn operations_are_those_of_redis() {
    let mut e = Engine::new();
    e.ask("ARSET n 0 1 2 3 -4 5.5 abc 1e3 0x10 9223372036854775807 0.1 0.2 -0.0 3.99");
    for (range, operation, reply) in [
        ("0 2", "SUM", "$1 6"),
        ("2 0", "sum", "$1 6"),
        ("0 4", "SUM", "$3 7.5"),
        ("0 4", "MIN", "$2 -4"),
        ("0 4", "MAX", "$3 5.5"),
        ("5 5", "SUM", "$-1"),
        ("0 3", "AND", ":0"),
        ("0 3", "OR", ":-1"),
        ("3 4", "XOR", ":-7"),
        ("6 6", "SUM", "$4 1000"),
        ("7 7", "SUM", "$2 16"),
        ("8 8", "SUM", "$22 9.2233720368547758e+18"),
        ("8 8", "OR", ":9223372036854775807"),
        ("9 10", "SUM", "$3 0.3"),
        ("11 11", "SUM", "$2 -0"),
        ("12 12", "OR", ":3"),
        ("0 99", "USED", ":13"),
        ("0 99", "MATCH abc", ":1"),
        ("0 99", "FOO", "-ERR unknown operation"),
        ("0 99", "MATCH", "-ERR MATCH requires a value argument"),
    ] {
        assert_eq!(
            e.ask(&format!("AROP n {range} {operation}")),
            reply,
            "{range} {operation}"
        );
    }
}

#[test]
fn values_are_found_by_their_text() {
    let mut e = Engine::new();
    e.ask("ARSET g 0 hello Hello world \"hello world\" foo 12");
    for (query, reply) in [
        ("EXACT hello NOCASE", "*2 :0 :1"),
        ("MATCH hello", "*2 :0 :3"),
        ("GLOB H*O NOCASE", "*2 :0 :1"),
        ("RE ^h.*o$", "*1 :0"),
        ("MATCH o MATCH e AND", "*3 :0 :1 :3"),
        ("MATCH o MATCH 2", "*6 :0 :1 :2 :3 :4 :5"),
        ("MATCH o LIMIT 1 WITHVALUES", "*1 *2 :0 $5 hello"),
        ("MATCH o LIMIT 0", "-ERR LIMIT must be positive"),
        ("RE (", "-ERR invalid regular expression: Missing ')'"),
        ("LIMIT 1", "-ERR syntax error"),
    ] {
        assert_eq!(e.ask(&format!("ARGREP g - + {query}")), reply, "{query}");
    }
    assert_eq!(e.ask("ARGREP g + - MATCH o LIMIT 2"), "*2 :4 :3");
    assert_eq!(e.ask("ARGREP g + + MATCH 1"), "*1 :5");
    assert_eq!(e.ask("ARGREP g 9 + MATCH 1"), "*1 :5");
}
