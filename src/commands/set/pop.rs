//! SPOP and SRANDMEMBER: random members, each as likely as any other.

use super::{changed_times, leave_if_empty};
use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::commands::signed_count;
use crate::keyspace::set::SetRef;
use crate::keyspace::{Found, RemovalReason};
use crate::types::listpack::Item;

/// Members that one propagated SREM names.
const BATCH: usize = 1024;

pub(super) const SPOP: DataCommand = Spec {
    name: "spop",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, ACCESS, DELETE])],
    usage: "key:key [count:integer!3.2.0]",
    since: "1.0.0",
    summary: "Takes random members out of a set.",
    complexity: "O(1) for each member taken",
    tips: &["nondeterministic_output"],
    history: &[("3.2.0", "Takes a count.")],
    ..Spec::of(Group::Set)
}
.runs(spop);

fn spop(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    if args.left() == 0 {
        return pop_one(cx, key, reply);
    }
    let count = args.int().ok().and_then(|n| usize::try_from(n).ok());
    let count = count.ok_or(CmdError::NotPositive);
    if args.left() > 0 {
        return Err(CmdError::Syntax);
    }
    let count = count?;
    let mut db = cx.db();
    let Some(found) = db.write(key) else {
        return reply.set(0);
    };
    let set = db.set_at(found)?;
    let len = set.len();
    if count == 0 {
        return reply.set(0);
    }
    if count >= len {
        reply.set(len)?;
        set.iter().try_for_each(|item| reply.item(item))?;
        changed_times(cx, len, Event::SPOP, key);
        cx.db().remove(found, RemovalReason::Deleted);
        cx.also(Event::DEL, key);
        cx.propagate_as([cx.tuning.word_for_deleted(), key]);
        return Ok(());
    }
    reply.set(count)?;
    pop_some(cx, (key, found), count, reply)?;
    changed_times(cx, count, Event::SPOP, key);
    Ok(())
}

fn pop_one(cx: &mut Cx, key: &[u8], reply: &mut Reply) -> CmdResult {
    let Some(found) = cx.db().write(key) else {
        return reply.null();
    };
    cx.db().set_at(found)?;
    pop_some(cx, (key, found), 1, reply)?;
    cx.changed(Event::SPOP, key);
    leave_if_empty(cx, found, key);
    Ok(())
}

/// Removes members, replies with them, and propagates their removal.
fn pop_some(
    cx: &mut Cx,
    (key, found): (&[u8], Found),
    count: usize,
    reply: &mut Reply,
) -> CmdResult {
    let propagates = cx.effects.propagates();
    let mut gone: Vec<Vec<u8>> = Vec::new();
    for left in (0..count).rev() {
        let mut result = Ok(());
        let mut db = cx.keyspace.db(cx.db);
        db.pop_member(found, cx.rng, |item| {
            result = reply.item(item);
            if propagates {
                gone.push(item.to_vec());
            }
        });
        result?;
        if gone.len() == BATCH || left == 0 && propagates {
            let words = [b"SREM".to_vec(), key.to_vec()];
            cx.propagate_as(words.into_iter().chain(gone.drain(..)));
        }
    }
    Ok(())
}

pub(super) const SRANDMEMBER: DataCommand = Spec {
    name: "srandmember",
    usage: "key:key [count:integer!2.6.0]",
    since: "1.0.0",
    summary: "Random members of a set, which stay.",
    complexity: "O(1) for each member returned",
    tips: &["nondeterministic_output"],
    history: &[("2.6.0", "Takes a count.")],
    ..Spec::reading(Group::Set)
}
.runs(srandmember);

/// A negative count allows the same member several times.
fn srandmember(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let one = args.left() == 0;
    if args.left() > 1 {
        return Err(CmdError::Syntax);
    }
    let count = if one { 1 } else { signed_count(args)? };
    let (mut db, rng) = (cx.keyspace.db(cx.db), &mut *cx.rng);
    let set = db.read_set(key)?;
    let Some(set) = set else {
        return if one { reply.null() } else { reply.array(0) };
    };
    let mut random = || rng.next_u64();
    if one {
        return match set.pick(random) {
            Some(item) => reply.item(item),
            None => reply.null(),
        };
    }
    if count < 0 {
        reply.array(count.unsigned_abs() as usize)?;
        let all: Vec<Item> = match set {
            SetRef::Listpack(_) => set.iter().collect(),
            _ => Vec::new(),
        };
        for _ in 0..count.unsigned_abs() {
            let item = match all.len() as u128 {
                0 => set.pick(&mut random),
                len => all.get(((random() as u128 * len) >> 64) as usize).copied(),
            };
            item.map_or(Ok(()), |item| reply.item(item))?;
        }
        return Ok(());
    }
    let sample = sample(set, count as usize, random);
    reply.array(sample.len())?;
    sample.into_iter().try_for_each(|item| reply.item(item))
}

/// Up to `count` different members.
fn sample(set: SetRef<'_>, count: usize, mut random: impl FnMut() -> u64) -> Vec<Item<'_>> {
    if let SetRef::Table(pack) = set
        && count < set.len() / 3
    {
        let mut places = hashbrown::HashSet::new();
        while places.len() < count
            && let Some(at) = pack.pick(&mut random)
        {
            places.insert(at);
        }
        let places = places.into_iter();
        return places.filter_map(|at| Some(pack.get(at)?.key)).collect();
    }
    let mut all: Vec<Item> = set.iter().collect();
    if count >= all.len() {
        return all;
    }
    for place in 0..count {
        let left = (all.len() - place) as u128;
        all.swap(place, place + ((random() as u128 * left) >> 64) as usize);
    }
    all.truncate(count);
    all
}

#[cfg(test)]
mod tests {
    use crate::engine::Engine;

    #[test]
    fn popped_members_are_propagated_by_name() {
        let mut e = Engine::new();
        e.ask("SADD s 1 2 3");
        let popped = e.ask("SPOP s");
        let member = popped.split(' ').next_back().expect("a member");
        assert_eq!(e.outcome().propagated_text(), format!("SREM s {member}"));
        assert_eq!(e.outcome().events_text(), "spop s");
        e.ask("SPOP s 1");
        assert_eq!(e.outcome().dirty, 1);
        assert!(e.ask("SPOP s 5").starts_with("*1 "));
        assert_eq!(e.outcome().propagated_text(), "DEL s");
        assert_eq!(e.outcome().events_text(), "spop s, del s");
        assert_eq!(e.ask("SPOP s"), "$-1");
        assert_eq!(e.ask("SPOP s 3"), "*0");
    }

    #[test]
    fn samples_differ_or_repeat() {
        let mut e = Engine::new();
        for members in [3, 200, 2000] {
            e.ask("DEL s");
            let mut add = vec!["SADD".to_owned(), "s".into()];
            add.extend((0..members).map(|n| format!("m{n}")));
            e.run(&add);
            for count in [1, 2, members - 1, members, members + 1] {
                let reply = e.ask(&format!("SRANDMEMBER s {count}"));
                let found: std::collections::BTreeSet<&str> =
                    reply.split(' ').filter(|w| w.starts_with('m')).collect();
                assert_eq!(found.len(), count.min(members));
            }
            let reply = e.ask(&format!("SRANDMEMBER s -{}", members * 2));
            assert!(reply.starts_with(&format!("*{} ", members * 2)));
        }
        assert_eq!(e.ask("SRANDMEMBER s 0"), "*0");
    }
}
