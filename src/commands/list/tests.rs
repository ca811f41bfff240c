//! Lists through an engine: replies, events, encodings.

use crate::engine::Engine;

#[test]
fn ends_give_and_take() {
    let mut e = Engine::new();
    assert_eq!(e.ask("RPUSH l a b c"), ":3");
    assert_eq!(e.outcome().events_text(), "new l, rpush l");
    assert_eq!(e.outcome().dirty, 3);
    assert_eq!(e.ask("LPUSH l 1 2"), ":5");
    assert_eq!(e.ask("LRANGE l 0 -1"), "*5 $1 2 $1 1 $1 a $1 b $1 c");
    assert_eq!(e.ask("LPOP l"), "$1 2");
    assert_eq!(e.ask("RPOP l 2"), "*2 $1 c $1 b");
    assert_eq!((e.outcome().dirty, e.ask("LPOP l 0")), (2, "*0".into()));
    assert_eq!(e.ask("LPOP l 9"), "*2 $1 1 $1 a");
    assert_eq!(e.outcome().events_text(), "lpop l, del l");
    assert_eq!(e.ask("LPUSHX l x"), ":0");
    assert_eq!(
        (e.ask("LPOP l"), e.ask("LPOP l 1")),
        ("$-1".into(), "*-1".into())
    );
    assert_eq!(
        e.ask("LPOP l -1"),
        "-ERR value is out of range, must be positive"
    );
}

#[test]
fn the_inside_is_edited() {
    let mut e = Engine::new();
    e.ask("RPUSH l a b c a b c");
    assert_eq!(e.ask("LINSERT l BEFORE b x"), ":7");
    assert_eq!(e.ask("LINSERT l AFTER z x"), ":-1");
    assert_eq!(e.ask("LSET l -1 end"), "+OK");
    assert_eq!(e.ask("LSET l 7 end"), "-ERR index out of range");
    assert_eq!(e.ask("LREM l -1 a"), ":1");
    assert_eq!(e.ask("LRANGE l 0 -1"), "*6 $1 a $1 x $1 b $1 c $1 b $3 end");
    assert_eq!(e.ask("LPOS l b RANK -1"), ":4");
    assert_eq!(e.ask("LPOS l b COUNT 0"), "*2 :2 :4");
    assert_eq!(e.ask("LPOS l b COUNT 0 MAXLEN 3"), "*1 :2");
    assert_eq!(e.ask("LTRIM l 1 2"), "+OK");
    assert_eq!(e.outcome().dirty, 4);
    assert_eq!(
        (e.ask("LINDEX l 1"), e.ask("LINDEX l 2")),
        ("$1 b".into(), "$-1".into())
    );
    assert_eq!(e.ask("LTRIM l 5 9"), "+OK");
    assert_eq!(e.outcome().events_text(), "ltrim l, del l");
}

#[test]
fn elements_move_and_no_command_blocks_in_an_engine() {
    let mut e = Engine::new();
    e.ask("RPUSH a 1 2 3");
    assert_eq!(e.ask("LMOVE a b LEFT RIGHT"), "$1 1");
    assert_eq!(e.outcome().events_text(), "new b, rpush b, lpop a");
    assert_eq!(e.ask("RPOPLPUSH a a"), "$1 3");
    assert_eq!(e.ask("BLMOVE b a LEFT LEFT 0"), "$1 1");
    assert_eq!(e.outcome().events_text(), "lpush a, lpop b, del b");
    assert_eq!(e.outcome().propagated_text(), "LMOVE b a LEFT LEFT");
    assert_eq!(e.ask("BLPOP no a 0"), "*2 $1 a $1 1");
    assert_eq!(e.outcome().propagated_text(), "LPOP a");
    assert_eq!(e.ask("LMPOP 2 no a RIGHT COUNT 9"), "*2 $1 a *2 $1 2 $1 3");
    assert_eq!(e.outcome().propagated_text(), "RPOP a 2");
    assert_eq!(
        (e.ask("BRPOP a 0"), e.ask("BLMOVE a b LEFT LEFT 0")),
        ("*-1".into(), "$-1".into())
    );
}

#[test]
fn encodings_follow_the_thresholds() {
    let mut e = Engine::new();
    let encoding = |e: &mut Engine| e.ask("OBJECT ENCODING l");
    for _ in 0..9 {
        e.run(&["RPUSH", "l", &"x".repeat(900)]);
    }
    assert_eq!(encoding(&mut e), "$8 listpack");
    e.run(&["RPUSH", "l", &"x".repeat(900)]);
    assert_eq!(encoding(&mut e), "$9 quicklist");
    e.ask("RPOP l 5");
    assert_eq!(encoding(&mut e), "$9 quicklist");
    e.ask("RPOP l 1");
    assert_eq!(
        (e.ask("LLEN l"), encoding(&mut e)),
        (":4".into(), "$8 listpack".into())
    );
    e.ask("LTRIM l 0 0");
    e.ask("LSET l 0 y");
    assert_eq!(e.ask("LRANGE l 0 -1"), "*1 $1 y");
    e.tuning().list_max_listpack_size = 2;
    e.ask("RPUSH l 1");
    assert_eq!(encoding(&mut e), "$8 listpack");
    e.ask("LINSERT l BEFORE 1 0");
    assert_eq!(encoding(&mut e), "$9 quicklist");
    assert_eq!(e.ask("LRANGE l 0 -1"), "*3 $1 y $1 0 $1 1");
}
