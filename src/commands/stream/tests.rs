//! Streams through the engine: replies and what the commands state.

use crate::engine::Engine;

#[test]
fn ids_rise_and_are_made() {
    let mut e = Engine::new();
    e.set_now_ms(5_000);
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
fn propagation_tells_the_outcome() {
    let mut e = Engine::new();
    e.set_now_ms(5_000);
    e.ask("XADD s MAXLEN ~ 10 LIMIT 5 * a 1");
    assert_eq!(
        e.outcome().propagated_text(),
        "XADD s MAXLEN = 1 LIMIT 5 5000-0 a 1"
    );
    e.ask("XGROUP CREATE s g 0");
    e.ask("XREADGROUP GROUP g c STREAMS s >");
    assert_eq!(
        e.outcome().propagated_text(),
        "XCLAIM s g c 0 5000-0 TIME 5000 RETRYCOUNT 1 FORCE JUSTID LASTID 5000-0; \
         XGROUP SETID s g 5000-0 ENTRIESREAD 1"
    );
    e.ask("XREADGROUP GROUP g c STREAMS s 0");
    assert_eq!(e.outcome().propagated_text(), "");
}

#[test]
fn lag_is_told_as_long_as_it_can_be() {
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
fn options_of_a_group_may_be_said_twice_but_not_all() {
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
