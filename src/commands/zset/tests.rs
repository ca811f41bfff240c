//! Replies and effects of sorted set commands, without sockets.

use crate::engine::Engine;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[test]
fn members_come_in_order_whatever_the_encoding() {
    let mut e = Engine::new();
    assert_eq!(e.ask("ZADD z 2 b 1 a 3 c"), ":3");
    assert_eq!(e.outcome().events_text(), "new z, zadd z");
    assert_eq!(e.ask("OBJECT ENCODING z"), "$8 listpack");
    assert_eq!(e.ask("ZRANGE z 0 -1"), "*3 $1 a $1 b $1 c");
    let long = "x".repeat(65);
    e.ask(&format!("ZADD z 0 {long}"));
    assert_eq!(e.ask("OBJECT ENCODING z"), "$8 skiplist");
    assert_eq!(e.ask(&format!("ZREM z {long} nope")), ":1");
    assert_eq!(e.ask("ZRANGE z 0 -1 REV"), "*3 $1 c $1 b $1 a");
    assert_eq!(e.ask("ZREM z a b c"), ":3");
    assert_eq!(e.outcome().events_text(), "zrem z, del z");
    assert_eq!(e.ask("EXISTS z"), ":0");
}

#[test]
fn a_listpack_knows_no_negative_zero_and_the_first_member_decides() {
    let mut e = Engine::new();
    let long = "x".repeat(65);
    e.ask(&format!("ZADD short -0.0 a 1 {long}"));
    assert_eq!(e.ask("ZSCORE short a"), "$1 0");
    e.ask(&format!("ZADD long 1 {long} -0.0 a"));
    assert_eq!(e.ask("ZSCORE long a"), "$2 -0");
    for key in ["short", "long"] {
        assert_eq!(e.ask(&format!("OBJECT ENCODING {key}")), "$8 skiplist");
    }
}

#[test]
fn a_tree_and_a_listpack_give_the_same_replies() {
    let mut e = Engine::new();
    let long = "~".repeat(70);
    for n in 0..60 {
        e.ask(&format!("ZADD small {} m{n}", n % 7));
        e.ask(&format!("ZADD large {} m{n}", n % 7));
    }
    e.ask(&format!("ZADD large 99 {long}"));
    e.ask(&format!("ZREM large {long}"));
    assert_eq!(e.ask("OBJECT ENCODING large"), "$8 skiplist");
    for line in [
        "ZRANGE {} 3 20 WITHSCORES",
        "ZRANGE {} (2 5 BYSCORE LIMIT 2 5",
        "ZRANGE {} +inf (2 BYSCORE REV LIMIT 1 7 WITHSCORES",
        "ZCOUNT {} 1 (4",
        "ZRANK {} m33 WITHSCORE",
        "ZREVRANK {} m33",
        "ZMSCORE {} m1 m2 nope",
        "ZPOPMIN {} 3",
        "ZPOPMAX {}",
        "ZREMRANGEBYSCORE {} (1 2",
        "ZREMRANGEBYRANK {} -3 -2",
        "ZADD {} GT CH 3 m4 1 m6",
        "ZINCRBY {} -2.5 m10",
        "ZRANGE {} 0 -1 WITHSCORES",
        "ZREMRANGEBYLEX {} - +",
    ] {
        let small = e.ask(&line.replace("{}", "small"));
        assert_eq!(e.ask(&line.replace("{}", "large")), small, "{line}");
    }
}

#[test]
fn algebra_weighs_and_joins() {
    let mut e = Engine::new();
    e.ask("ZADD a 1 x 2 y 3 z");
    e.ask("ZADD b 10 y 20 z 30 w");
    assert_eq!(
        e.ask("ZUNION 2 a b WITHSCORES"),
        "*8 $1 x $1 1 $1 y $2 12 $1 z $2 23 $1 w $2 30"
    );
    assert_eq!(
        e.ask("ZINTER 2 a b WEIGHTS 2 1 AGGREGATE MAX WITHSCORES"),
        "*4 $1 y $2 10 $1 z $2 20"
    );
    assert_eq!(e.ask("ZDIFF 2 a b"), "*1 $1 x");
    assert_eq!(e.ask("ZINTERCARD 2 a b LIMIT 1"), ":1");
    assert_eq!(e.ask("ZUNIONSTORE d 2 a nokey"), ":3");
    assert_eq!(e.outcome().events_text(), "new d, zunionstore d");
    assert_eq!(e.ask("ZINTERSTORE d 2 a nokey"), ":0");
    assert_eq!(e.outcome().events_text(), "del d");
}

#[test]
fn pops_propagate_the_members_taken() {
    let mut e = Engine::new();
    e.ask("ZADD z 1 a 2 b 3 c");
    assert_eq!(e.ask("BZPOPMAX nokey z 0"), "*3 $1 z $1 c $1 3");
    assert_eq!(
        e.ask("ZMPOP 2 nokey z MIN COUNT 5"),
        "*2 $1 z *2 *2 $1 a $1 1 *2 $1 b $1 2"
    );
    assert_eq!(e.outcome().events_text(), "zpopmin z, del z");
    assert_eq!(e.ask("BZMPOP 0 1 z MIN"), "*-1");
    assert_eq!(e.ask("ZPOPMIN z"), "*0");
}

/// Members with their scores, as in replies of ZUNION and the others.
fn model_reply(model: &BTreeMap<String, i64>) -> String {
    let mut members: Vec<(i64, &String)> = model.iter().map(|(m, s)| (*s, m)).collect();
    members.sort();
    let words = members
        .iter()
        .map(|(score, member)| format!("{member} {score}"));
    words.collect::<Vec<_>>().join(" ")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn algebra_behaves_like_maps(
        sets in prop::collection::vec(
            (any::<bool>(), prop::collection::btree_map(0u32..300, -20i64..20, 1..250)),
            1..4,
        ),
    ) {
        let mut e = Engine::new();
        let mut models: Vec<BTreeMap<String, i64>> = Vec::new();
        for (n, (numbers, set)) in sets.iter().enumerate() {
            let name = |m: &u32| if *numbers { m.to_string() } else { format!("m{m}") };
            let model: BTreeMap<String, i64> = set.iter().map(|(m, s)| (name(m), *s)).collect();
            for (member, score) in &model {
                e.ask(&format!("ZADD z{n} {score} {member}"));
            }
            models.push(model);
        }
        let keys: String = (0..sets.len()).map(|n| format!(" z{n}")).collect();
        let operands = format!("{}{keys}", sets.len());
        let mut union: BTreeMap<String, i64> = BTreeMap::new();
        for (member, score) in models.iter().flatten() {
            *union.entry(member.clone()).or_default() += score;
        }
        let others = |member: &String| models[1..].iter().filter(|m| m.contains_key(member)).count();
        let mut inter = union.clone();
        inter.retain(|member, _| models[0].contains_key(member) && others(member) == models.len() - 1);
        let mut diff = models[0].clone();
        diff.retain(|member, _| others(member) == 0);
        for (command, model) in [("ZUNION", &union), ("ZINTER", &inter), ("ZDIFF", &diff)] {
            let shown = e.ask(&format!("{command} {operands} WITHSCORES"));
            let words = |reply: &str| -> String {
                let words = reply.split(' ').filter(|w| !w.starts_with(['*', '$']));
                words.collect::<Vec<_>>().join(" ")
            };
            prop_assert_eq!(words(&shown), model_reply(model));
            let count = e.ask(&format!("{command}STORE to {operands}"));
            prop_assert_eq!(count, format!(":{}", model.len()));
            let stored = e.ask("ZRANGE to 0 -1 WITHSCORES");
            prop_assert_eq!(words(&stored), model_reply(model));
            for (member, score) in model.iter().take(20) {
                let found = e.ask(&format!("ZSCORE to {member}"));
                prop_assert_eq!(words(&found), score.to_string());
            }
        }
    }
}

#[test]
fn aggregate_count_adds_the_weights_of_the_sets_that_hold_a_member() {
    let mut e = Engine::new();
    e.ask("ZADD a 5 x 7 y");
    e.ask("ZADD b 9 y");
    e.ask("SADD c y z");
    assert_eq!(
        e.ask("ZUNION 3 a b c AGGREGATE COUNT WITHSCORES"),
        "*6 $1 x $1 1 $1 z $1 1 $1 y $1 3"
    );
    assert_eq!(
        e.ask("ZINTER 2 a b WEIGHTS 2 0.5 AGGREGATE count WITHSCORES"),
        "*2 $1 y $3 2.5"
    );
    assert_eq!(e.ask("ZUNIONSTORE to 2 a c AGGREGATE COUNT"), ":3");
    assert_eq!(e.ask("ZSCORE to y"), "$1 2");
    assert_eq!(e.ask("ZUNION 1 a AGGREGATE AVG"), "-ERR syntax error");
}
