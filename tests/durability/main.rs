//! Durability: power cuts at any moment, torn and damaged files, and a move to and from the real
//! servers.
//!
//! `kills` ends the server without ceremony under load and counts what is missing afterwards;
//! `faults` has the disk fail under it; `damage` cuts and flips files; `words` compares what is
//! said of them; `interchange` carries a data set with every type and encoding to the real servers
//! and back, `arrays` does so with arrays. REDWHEEL_KILL_ROUNDS says how often a server is killed.

mod arrays;
mod damage;
mod faults;
mod interchange;
mod kills;
#[path = "../support/mod.rs"]
mod support;
mod words;

/// A number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| {
        text.parse().expect("a number in the environment")
    })
}

/// Commands that make values of every type in every encoding; the last lines need 7.4 or later.
fn data_set(with_field_deadlines: bool) -> Vec<String> {
    let lines = "SET int 12345\nSET long 123456789012345\nSET text hello:world\nSET vol x EX 100000\n\
        RPUSH list a 1 b -77 cccccccccccccccccccccccccccccccccccccccccccccc\n\
        SADD ints 1 2 70000\nSADD ints64 1 2 70000000000\nSADD words a b 3\n\
        ZADD zset 1 a 2.5 b -inf c 1e300 d\nHSET hash f v g 12\nXADD stream 1-1 f v\n\
        XADD stream 1-2 f w\nXADD stream 5-0 g 7 h 8\nXDEL stream 1-2\n\
        XGROUP CREATE stream grp 0\nXREADGROUP GROUP grp me COUNT 1 STREAMS stream >\n\
        XGROUP CREATECONSUMER stream grp idle\nXADD empty 1-1 f v\nXDEL empty 1-1\n\
        PFADD hll a b c d e f\nSETBIT bits 1000 1\nSELECT 3\nSET other db\nSELECT 0";
    let mut all: Vec<String> = lines
        .split('\n')
        .map(|line| line.trim().to_owned())
        .collect();
    all.push(format!("SET packed {}", "a".repeat(80)));
    all.push(format!("RPUSH deep {}", "y".repeat(20_000)));
    for n in 0..600 {
        all.push(format!("SADD many member:{n}"));
        all.push(format!("HSET wide field:{n} {n}"));
        all.push(format!("ZADD tall {n}.5 member:{n}"));
        all.push(format!("RPUSH deep element:{n}:{}", "x".repeat(50)));
        all.push(format!("XADD log {}-0 name {n}", n + 1));
        if with_field_deadlines {
            all.push(format!("HSET late field:{n} {n}"));
        }
    }
    if with_field_deadlines {
        all.push("HPEXPIREAT late 4000000000000 FIELDS 1 field:5".into());
        all.push("HSET timed f v g 12 h x".into());
        all.push("HPEXPIREAT timed 4000000000000 FIELDS 2 f g".into());
    }
    all
}

/// Runs commands that must all succeed.
fn fill(client: &mut support::client::Client, lines: &[String]) {
    for line in lines {
        let answer = client.run(line);
        assert!(!answer.is_error(), "{line}: {}", answer.text());
    }
}
