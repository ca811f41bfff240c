//! Streams through the engine: replies and what the commands state.

use crate::engine::Engine;

#[test]
fn ids_rise_and_are_made() {
    let mut e = Engine::new();
    e.freeze_at_ms(5_000);
    assert_eq!(e.ask("XADD s * a 1"), "$6 5000-0");
    assert_eq!(e.ask("XADD s * a 1"), "$6 5000-1");
    assert_eq!(e.ask("XADD s 5000-* a 1"), "$6 5000-2");
    assert_eq!(e.ask("XADD s 6000-* a 1"), "$6 6000-0");
    assert_eq!(e.ask("XADD s * a 1"), "$6 6000-1");
    assert!(
        e.ask("XADD s 1-1 a 1")
            .starts_with("-ERR The ID specified in XADD is equal or smaller")
    );
    assert_eq!(e.ask("XLEN s"), ":5");
    assert_eq!(e.ask("OBJECT ENCODING s"), "$6 stream");
}

#[test]
fn propagation_states_the_outcome() {
    let mut e = Engine::new();
    e.freeze_at_ms(5_000);
    e.ask("XADD s MAXLEN ~ 10 LIMIT 5 * a 1");
    assert_eq!(
        e.outcome().propagated_text(),
        "XADD s MAXLEN = 1 LIMIT 5 5000-0 a 1"
    );
    e.ask("XGROUP CREATE s g 0");
    e.ask("XREADGROUP GROUP g c STREAMS s >");
    assert_eq!(
        e.outcome().propagated_text(),
        "XCLAIM s g c 0 5000-0 TIME 5000 RETRYCOUNT 1 FORCE JUSTID LASTID 0-0; \
         XGROUP SETID s g 5000-0 ENTRIESREAD 1"
    );
    // Another delivery counts elsewhere, too.
    e.ask("XREADGROUP GROUP g c STREAMS s 0");
    assert_eq!(
        e.outcome().propagated_text(),
        "XCLAIM s g c 0 5000-0 TIME 5000 RETRYCOUNT 2 FORCE JUSTID LASTID 5000-0"
    );
    // So does a consumer that got nothing.
    for (line, name) in [
        ("XREADGROUP GROUP g d STREAMS s >", "d"),
        ("XREADGROUP GROUP g e STREAMS s 0", "e"),
        ("XREADGROUP GROUP g f NOACK STREAMS s >", "f"),
        ("XCLAIM s g h 0 9-9", "h"),
        ("XAUTOCLAIM s g i 99999 0", "i"),
    ] {
        e.ask(line);
        let told = format!("XGROUP CREATECONSUMER s g {name}");
        assert_eq!(e.outcome().propagated_text(), told, "{line}");
        e.ask(line);
        assert_eq!(e.outcome().propagated_text(), "", "{line}");
    }
}

#[test]
fn trimming_whole_nodes_heeds_references() {
    let mut e = Engine::new();
    e.tuning().stream_node_max_entries = 10;
    let fill = |e: &mut Engine| {
        e.ask("DEL s");
        for id in 1..=100 {
            e.run(&["XADD", "s", &format!("{id}-1"), "a", "1"]);
        }
        e.ask("XGROUP CREATE s g 0");
        e.ask("XREADGROUP GROUP g c COUNT 70 STREAMS s >");
    };
    fill(&mut e);
    assert_eq!(e.ask("XTRIM s MAXLEN ~ 25 DELREF"), ":70");
    assert_eq!(e.outcome().propagated_text(), "XTRIM s MAXLEN = 30 DELREF");
    assert_eq!(e.ask("XPENDING s g"), "*4 :0 $-1 $-1 *-1");
    fill(&mut e);
    // Nothing is acknowledged: all is needed.
    assert_eq!(e.ask("XTRIM s MAXLEN ~ 20 ACKED"), ":0");
    for id in 3..=65 {
        e.run(&["XACK", "s", "g", &format!("{id}-1")]);
    }
    // What is pending stays, and so does all that was not read yet.
    assert_eq!(e.ask("XTRIM s MINID ~ 55-1 ACKED LIMIT 0"), ":48");
    assert_eq!(
        e.outcome().propagated_text(),
        "XTRIM s MAXLEN = 52 ACKED LIMIT 0"
    );
    assert_eq!(e.ask("XTRIM s MAXLEN ~ 0 ACKED"), ":15");
    assert_eq!(e.ask("XRANGE s - + COUNT 1"), "*1 *2 $3 1-1 *2 $1 a $1 1");
    assert_eq!(e.ask("XLEN s"), ":37");
    // The propagated commands lead to the same state.
    let run = |e: &mut Engine, lines: &[&str]| lines.iter().for_each(|line| drop(e.ask(line)));
    let mut replica = Engine::new();
    replica.tuning().stream_node_max_entries = 10;
    fill(&mut replica);
    for id in 3..=65 {
        replica.run(&["XACK", "s", "g", &format!("{id}-1")]);
    }
    run(
        &mut replica,
        &["XTRIM s MAXLEN = 52 ACKED", "XTRIM s MAXLEN = 37 ACKED"],
    );
    assert_eq!(replica.ask("XRANGE s - +"), e.ask("XRANGE s - +"));
}

#[test]
fn a_lag_below_zero_is_none() {
    let mut e = Engine::new();
    for id in 1..=5 {
        e.run(&["XADD", "s", &format!("{id}-0"), "a", "1"]);
    }
    e.ask("XGROUP CREATE s g 0");
    e.ask("XREADGROUP GROUP g c STREAMS s >");
    e.ask("XTRIM s MAXLEN 1");
    assert_eq!(e.ask("XSETID s 9-0 ENTRIESADDED 2"), "+OK");
    assert!(e.ask("XINFO GROUPS s").ends_with("$3 lag $-1"));
    assert!(e.ask("XINFO STREAM s FULL").contains("$3 lag $-1"));
}

#[test]
fn lag_is_reported_as_long_as_it_is_known() {
    let mut e = Engine::new();
    for id in 1..=5 {
        e.run(&["XADD", "s", &format!("{id}-0"), "a", "1"]);
    }
    e.ask("XGROUP CREATE s g 0");
    let lag = |e: &mut Engine| {
        e.ask("XINFO GROUPS s")
            .rsplit(' ')
            .next()
            .map(str::to_owned)
    };
    assert_eq!(lag(&mut e).as_deref(), Some(":5"));
    e.ask("XREADGROUP GROUP g c COUNT 2 STREAMS s >");
    assert_eq!(lag(&mut e).as_deref(), Some(":3"));
    e.ask("XDEL s 4-0");
    assert_eq!(lag(&mut e).as_deref(), Some("$-1"));
    e.ask("XREADGROUP GROUP g c STREAMS s >");
    assert_eq!(lag(&mut e).as_deref(), Some(":0"));
}

#[test]
fn options_of_a_group_may_be_repeated_but_not_all() {
    let mut e = Engine::new();
    assert_eq!(e.ask("XGROUP CREATE s g $ MKSTREAM MKSTREAM"), "+OK");
    for line in [
        "XGROUP CREATE s h $ MKSTREAM MKSTREAM ENTRIESREAD 0",
        "XGROUP CREATE s h bad MKSTREAM MKSTREAM MKSTREAM MKSTREAM",
        "XGROUP SETID s g 0 ENTRIESREAD 0 ENTRIESREAD 0",
    ] {
        let answer = e.ask(line);
        assert!(
            answer.starts_with("-ERR unknown subcommand or wrong number"),
            "{line}: {answer}"
        );
    }
}

#[test]
fn claims_of_more_than_fits_are_refused() {
    let mut e = Engine::new();
    e.ask("XGROUP CREATE s g 0 MKSTREAM");
    let claim = |e: &mut Engine, count: i64| e.ask(&format!("XAUTOCLAIM s g c 0 0 COUNT {count}"));
    assert_eq!(claim(&mut e, 1 << 32), "*3 $3 0-0 *0 *0");
    let refused = "-ERR Insufficient memory, failed allocating transient memory, COUNT too high.";
    assert_eq!(claim(&mut e, i64::MAX / 16), refused);
    assert_eq!(claim(&mut e, i64::MAX), "-ERR COUNT must be > 0");
}

#[test]
fn a_new_group_begins_at_an_id_in_digits() {
    let mut e = Engine::new();
    let invalid = "-ERR Invalid stream ID specified as stream command argument";
    for start in ["+", "-", "x"] {
        let line = format!("XGROUP CREATE s g {start} MKSTREAM");
        assert_eq!(e.ask(&line), invalid, "{line}");
    }
    assert_eq!(e.ask("EXISTS s"), ":0");
    e.ask("XADD s 1-1 a b");
    assert_eq!(e.ask("XTRIM s MINID +"), invalid);
    assert_eq!(e.ask("XLEN s"), ":1");
}
