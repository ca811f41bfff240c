//! Places in sorted sets: GEOADD, the queries of single places, and searches. A place is a member
//! whose score is its geohash (`algo::geohash`). Searches are in `search`.

mod search;
#[cfg(test)]
mod tests;

use crate::algo::geohash::{self, Point};
use crate::algo::number::parse_f64;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::commands::zset::{When, add};

/// A unit of length by its name, in metres.
fn unit(name: &[u8]) -> Result<f64, CmdError> {
    const UNITS: [(&[u8], f64); 4] = [
        (b"m", 1.0),
        (b"km", 1000.0),
        (b"ft", 0.3048),
        (b"mi", 1609.34),
    ];
    UNITS
        .iter()
        .find(|(unit, _)| name.eq_ignore_ascii_case(unit))
        .map(|(_, metres)| *metres)
        .ok_or(CmdError::Fixed(
            "ERR unsupported unit provided. please use M, KM, FT, MI",
        ))
}

/// Longitude and latitude as two arguments.
fn point(lon: &[u8], lat: &[u8]) -> Result<Point, CmdError> {
    let number = |text| parse_f64(text).ok_or(CmdError::NotFloat);
    let point = Point {
        lon: number(lon)?,
        lat: number(lat)?,
    };
    if !point.is_valid() {
        return Err(CmdError::Text(format!(
            "ERR invalid longitude,latitude pair {:.6},{:.6}",
            point.lon, point.lat
        )));
    }
    Ok(point)
}

/// A distance as a whole number and ten thousandths, rounded; `None` where the rounding of the product
/// could show, or the distance is none on this earth.
fn four_digits(distance: f64) -> Option<(u64, u64)> {
    /// More than the product is off by, which is at most half of its last bit.
    const DOUBT: f64 = 1e-3;
    let scaled = distance * 10_000.0;
    if !(0.0..1e12).contains(&scaled) {
        return None;
    }
    let below = scaled.floor();
    if ((scaled - below) - 0.5).abs() < DOUBT {
        return None;
    }
    let rounded = (scaled + 0.5) as u64;
    Some((rounded / 10_000, rounded % 10_000))
}

/// A distance with four digits behind the point.
fn write_distance(reply: &mut Reply, distance: f64) -> CmdResult {
    match four_digits(distance) {
        Some((whole, rest)) => {
            let mut text = [0; 24];
            let mut buffer = itoa::Buffer::new();
            let digits = buffer.format(whole).as_bytes();
            let point = digits.len();
            text[..point].copy_from_slice(digits);
            text[point] = b'.';
            for (at, power) in [1000, 100, 10, 1].into_iter().enumerate() {
                text[point + 1 + at] = b'0' + (rest / power % 10) as u8;
            }
            reply.bulk(&text[..point + 5])
        }
        None => reply.bulk(format!("{distance:.4}").as_bytes()),
    }
}

fn write_point(reply: &mut Reply, point: Point) -> CmdResult {
    reply.array(2)?;
    reply.double(point.lon)?;
    reply.double(point.lat)
}

const GEOADD: DataCommand = Spec {
    name: "geoadd",
    flags: all(&[WRITE, DENYOOM]),
    keys: &[KeySpec::at(1, &[RW, UPDATE])],
    usage: "key:key [condition(nx=NX|xx=XX)!6.2.0] [change=CH!6.2.0] data{longitude:double latitude:double member:string}...",
    since: "3.2.0",
    summary: "Adds places, or moves them.",
    complexity: "O(log(N)) per place, N being the size of the set.",
    history: &[("6.2.0", "Takes CH, NX and XX.")],
    ..Spec::of(Group::Geo)
}
.runs(geoadd);

fn geoadd(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let mut when = When::default();
    let options = args.position();
    loop {
        if args.word("NX") {
            when.absent = true;
        } else if args.word("XX") {
            when.present = true;
        } else if args.word("CH") {
            when.changed = true;
        } else {
            break;
        }
    }
    let rest = args.rest();
    if rest.is_empty() || !rest.len().is_multiple_of(3) || when.absent && when.present {
        return Err(CmdError::Syntax);
    }
    let mut places = Vec::with_capacity(rest.len() / 3);
    for at in (0..rest.len()).step_by(3) {
        let point = point(rest.at(at), rest.at(at + 1))?;
        places.push((geohash::encode(point), rest.at(at + 2)));
    }
    let pairs = places.iter().map(|(hash, member)| (*hash as f64, *member));
    let dirty = cx.effects.dirty();
    add(cx, key, when, pairs, reply)?;
    if cx.effects.dirty() > dirty {
        // Replicas need not know of places.
        let head = (options..args.position()).map(|at| args.argv().at(at).to_vec());
        let tail = places
            .iter()
            .flat_map(|(hash, member)| [hash.to_string().into_bytes(), member.to_vec()]);
        // As Redis spells it.
        let name = [b"zadd".to_vec(), key.to_vec()];
        cx.propagate_as(name.into_iter().chain(head).chain(tail));
    }
    Ok(())
}

const GEOPOS: DataCommand = Spec {
    name: "geopos",
    usage: "key:key [member:string...]",
    since: "3.2.0",
    summary: "The coordinates of places.",
    complexity: "O(M), M being the number of places named.",
    ..Spec::reading(Group::Geo)
}
.runs(geopos);

fn geopos(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let mut db = cx.db();
    let set = db.zset(args.key())?;
    reply.array(args.left())?;
    while let Some(member) = args.option() {
        match set.and_then(|set| set.score(member)) {
            Some(score) => write_point(reply, geohash::decode(score))?,
            None => reply.null_array()?,
        }
    }
    Ok(())
}

const GEODIST: DataCommand = Spec {
    name: "geodist",
    usage: "key:key member1:string member2:string [unit(m=M|km=KM|ft=FT|mi=MI)]",
    since: "3.2.0",
    summary: "How far two places are apart.",
    complexity: "O(1)",
    ..Spec::reading(Group::Geo)
}
.runs(geodist);

fn geodist(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let (a, b) = (args.bytes(), args.bytes());
    let metres = match args.option() {
        Some(name) if args.left() == 0 => unit(name)?,
        Some(_) => return Err(CmdError::Syntax),
        None => 1.0,
    };
    let mut db = cx.db();
    let Some(set) = db.zset(key)? else {
        return reply.null();
    };
    match (set.score(a), set.score(b)) {
        (Some(a), Some(b)) => {
            let distance = geohash::distance(geohash::decode(a), geohash::decode(b));
            write_distance(reply, distance / metres)
        }
        _ => reply.null(),
    }
}

const GEOHASH: DataCommand = Spec {
    name: "geohash",
    usage: "key:key [member:string...]",
    since: "3.2.0",
    summary: "The geohashes of places, as text.",
    complexity: "O(M), M being the number of places named.",
    ..Spec::reading(Group::Geo)
}
.runs(geohash_);

fn geohash_(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let mut db = cx.db();
    let set = db.zset(args.key())?;
    reply.array(args.left())?;
    while let Some(member) = args.option() {
        match set.and_then(|set| set.score(member)) {
            Some(score) => reply.bulk(&geohash::text(score))?,
            None => reply.null()?,
        }
    }
    Ok(())
}

pub static TABLE: &[DataCommand] = &[
    GEOADD,
    GEOPOS,
    GEODIST,
    GEOHASH,
    search::GEOSEARCH,
    search::GEOSEARCHSTORE,
    search::GEORADIUS,
    search::GEORADIUS_RO,
    search::GEORADIUSBYMEMBER,
    search::GEORADIUSBYMEMBER_RO,
];
