//! GEOSEARCH and the older GEORADIUS: places in a circle, a box or a polygon, returned or stored.

use super::{point, unit, write_distance, write_point};
use crate::algo::geohash::{self, Area, Point, Shape};
use crate::algo::number::{parse_f64, parse_i64};
use crate::algo::polygon::Polygon;
use crate::command::effects::Event;
use crate::command::error::SHOWN;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::commands::zset::store;
use crate::keyspace::zset::{Build, Scores, ZsetRef};
use crate::resp::request::Argv;

/// The command that searches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Search,
    SearchStore,
    Radius,
    RadiusReadOnly,
}

impl Form {
    fn is_search(self) -> bool {
        matches!(self, Form::Search | Form::SearchStore)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    None,
    Ascending,
    Descending,
}

/// A place that was found.
struct Hit {
    member: Vec<u8>,
    score: f64,
    /// Metres from the center.
    distance: f64,
}

/// The option that gave the center: it may be repeated, but not be mixed with the other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Unsaid,
    Member,
    Point,
    Circle,
    Box,
    Polygon,
}

/// The most vertices of a polygon: each place near it is compared with up to all of its edges.
const VERTICES_MAX: usize = 10_000;

/// The area of a search, and the shape of its reply.
struct Request<'a> {
    form: Form,
    from: By,
    by: By,
    center: Point,
    shape: Shape,
    /// In place of a center and a shape.
    polygon: Option<Polygon>,
    /// Metres of the unit in which distances are returned.
    metres: f64,
    with_distance: bool,
    with_hash: bool,
    with_point: bool,
    order: Order,
    count: usize,
    any: bool,
    store: Option<&'a [u8]>,
    /// The index of the destination key among the arguments.
    store_at: usize,
    store_distance: bool,
}

impl<'a> Request<'a> {
    fn new(form: Form) -> Request<'a> {
        Request {
            form,
            from: By::Unsaid,
            by: By::Unsaid,
            center: Point { lon: 0.0, lat: 0.0 },
            shape: Shape::Circle { radius: 0.0 },
            polygon: None,
            metres: 1.0,
            with_distance: false,
            with_hash: false,
            with_point: false,
            order: Order::None,
            count: 0,
            any: false,
            store: None,
            store_at: 0,
            store_distance: false,
        }
    }

    fn circle(&mut self, args: &mut Args) -> Result<(), CmdError> {
        let (radius, unit_name) = (args.bytes(), args.bytes());
        let radius = length(radius, "ERR need numeric radius")?;
        if radius < 0.0 {
            return Err(CmdError::Fixed("ERR radius cannot be negative"));
        }
        self.metres = unit(unit_name)?;
        self.shape = Shape::Circle {
            radius: radius * self.metres,
        };
        self.by = By::Circle;
        Ok(())
    }

    fn box_(&mut self, args: &mut Args) -> Result<(), CmdError> {
        let (width, height, unit_name) = (args.bytes(), args.bytes(), args.bytes());
        let width = length(width, "ERR need numeric width")?;
        let height = length(height, "ERR need numeric height")?;
        if width < 0.0 || height < 0.0 {
            return Err(CmdError::Fixed("ERR height or width cannot be negative"));
        }
        self.metres = unit(unit_name)?;
        self.shape = Shape::Box {
            width: width * self.metres,
            height: height * self.metres,
        };
        self.by = By::Box;
        Ok(())
    }

    /// The number of vertices, then their coordinates.
    fn polygon(&mut self, args: &mut Args) -> Result<(), CmdError> {
        let count = parse_i64(args.bytes()).and_then(|count| i32::try_from(count).ok());
        let count = count.ok_or(CmdError::Fixed("ERR invalid number of vertices"))?;
        let count = usize::try_from(count).unwrap_or(0);
        if count < 3 || args.left() < count * 2 {
            return Err(CmdError::Fixed(
                "ERR GEOSEARCH BYPOLYGON must have at least 3 vertices",
            ));
        }
        if count > VERTICES_MAX {
            return Err(CmdError::Fixed("ERR invalid number of vertices"));
        }
        let vertices: Result<Vec<Point>, CmdError> = (0..count)
            .map(|_| point(args.bytes(), args.bytes()))
            .collect();
        self.polygon = Some(Polygon::new(vertices?));
        self.by = By::Polygon;
        Ok(())
    }

    /// The center is a member. Without a key there is nothing to look it up in, and nothing to find.
    fn member(&mut self, set: Option<ZsetRef>, member: &[u8]) -> Result<(), CmdError> {
        const UNKNOWN: CmdError = CmdError::Fixed("ERR could not decode requested zset member");
        self.from = By::Member;
        if let Some(set) = set {
            self.center = geohash::decode(set.score(member).ok_or(UNKNOWN)?);
        }
        Ok(())
    }

    /// Reads one option; false if it is none.
    fn option(&mut self, set: Option<ZsetRef>, args: &mut Args<'a>) -> Result<bool, CmdError> {
        // Arguments behind the option itself.
        let left = args.left() - 1;
        if args.word("WITHDIST") {
            self.with_distance = true;
        } else if args.word("WITHHASH") {
            self.with_hash = true;
        } else if args.word("WITHCOORD") {
            self.with_point = true;
        } else if args.word("ANY") {
            self.any = true;
        } else if args.word("ASC") {
            self.order = Order::Ascending;
        } else if args.word("DESC") {
            self.order = Order::Descending;
        } else if left >= 1 && args.word("COUNT") {
            let count = args.int()?;
            if count <= 0 {
                return Err(CmdError::Fixed("ERR COUNT must be > 0"));
            }
            self.count = count as usize;
        } else if self.form == Form::Radius && left >= 1 && args.word("STORE") {
            self.store_at = args.position();
            (self.store, self.store_distance) = (Some(args.key()), false);
        } else if self.form == Form::Radius && left >= 1 && args.word("STOREDIST") {
            self.store_at = args.position();
            (self.store, self.store_distance) = (Some(args.key()), true);
        } else if self.form == Form::SearchStore && args.word("STOREDIST") {
            self.store_distance = true;
        } else if self.form.is_search() {
            return self.area_option(set, args, left);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Reads one option about the area; false if it is none.
    fn area_option(
        &mut self,
        set: Option<ZsetRef>,
        args: &mut Args<'a>,
        left: usize,
    ) -> Result<bool, CmdError> {
        if self.by == By::Polygon {
            if left >= 1 && args.word("BYPOLYGON") {
                self.polygon(args)?;
                return Ok(true);
            }
            return Ok(false);
        }
        let is_new = self.from == By::Unsaid && self.by == By::Unsaid;
        if left >= 1 && is_new && args.word("BYPOLYGON") {
            self.polygon(args)?;
        } else if left >= 1 && self.from != By::Point && args.word("FROMMEMBER") {
            self.member(set, args.bytes())?;
        } else if left >= 2 && self.from != By::Member && args.word("FROMLONLAT") {
            self.center = point(args.bytes(), args.bytes())?;
            self.from = By::Point;
        } else if left >= 2 && self.by != By::Box && args.word("BYRADIUS") {
            self.circle(args)?;
        } else if left >= 3 && self.by != By::Circle && args.word("BYBOX") {
            self.box_(args)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn options(&mut self, set: Option<ZsetRef>, args: &mut Args<'a>) -> Result<(), CmdError> {
        while args.left() > 0 {
            if !self.option(set, args)? {
                return Err(CmdError::Syntax);
            }
        }
        let described = self.with_distance || self.with_hash || self.with_point;
        if self.store.is_some() && described {
            return Err(CmdError::Fixed(match self.form {
                Form::SearchStore => {
                    "ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
                }
                _ => {
                    "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
                }
            }));
        }
        let is_located = self.from != By::Unsaid || self.by == By::Polygon;
        if self.form.is_search() && (!is_located || self.by == By::Unsaid) {
            let missing = if !is_located {
                "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for "
            } else {
                "ERR exactly one of BYRADIUS and BYBOX can be specified for "
            };
            // As Redis does: the command's name as the client wrote it.
            return Err(CmdError::quoting(missing, args.argv().at(0), SHOWN, ""));
        }
        if self.any && self.count == 0 {
            return Err(CmdError::Fixed(
                "ERR the ANY argument requires COUNT argument",
            ));
        }
        // The nearest, unless any will do.
        if self.count > 0 && self.order == Order::None && !self.any {
            self.order = Order::Ascending;
        }
        Ok(())
    }

    /// The places of the area, in the order of the reply.
    fn hits(&self, set: ZsetRef) -> Vec<Hit> {
        let mut hits = match &self.polygon {
            Some(polygon) => {
                let center = polygon.center();
                let is_measured =
                    self.with_distance || self.store_distance || self.order != Order::None;
                self.hits_in(set, &polygon.ranges(), |point| {
                    polygon.contains(point).then(|| match is_measured {
                        true => geohash::distance(center, point),
                        false => 0.0,
                    })
                })
            }
            None => {
                let area = Area {
                    center: self.center,
                    shape: self.shape,
                };
                self.hits_in(set, &area.ranges(), |point| area.distance_within(point))
            }
        };
        match self.order {
            Order::None => {}
            Order::Ascending => hits.sort_by(|a, b| a.distance.total_cmp(&b.distance)),
            Order::Descending => hits.sort_by(|a, b| b.distance.total_cmp(&a.distance)),
        }
        if self.count > 0 {
            hits.truncate(self.count);
        }
        hits
    }

    /// The places in these ranges of scores that have a distance, in the order they are met.
    fn hits_in(
        &self,
        set: ZsetRef,
        ranges: &[(u64, u64)],
        distance_within: impl Fn(Point) -> Option<f64>,
    ) -> Vec<Hit> {
        let limit = if self.any { self.count } else { usize::MAX };
        let mut hits = Vec::new();
        for &(from, to) in ranges {
            if hits.len() >= limit {
                break;
            }
            let numbers = set.in_scores(&Scores {
                min: from as f64,
                max: to as f64,
                min_open: false,
                max_open: true,
            });
            set.walk(numbers, false, |member, score| {
                if hits.len() >= limit {
                    return;
                }
                if let Some(distance) = distance_within(geohash::decode(score)) {
                    hits.push(Hit {
                        member: member.to_vec(),
                        score,
                        distance,
                    });
                }
            });
        }
        hits
    }

    fn write_hits(&self, hits: &[Hit], reply: &mut Reply) -> CmdResult {
        let parts =
            self.with_distance as usize + self.with_hash as usize + self.with_point as usize;
        reply.array(hits.len())?;
        for hit in hits {
            if parts > 0 {
                reply.array(1 + parts)?;
            }
            reply.bulk(&hit.member)?;
            if self.with_distance {
                write_distance(reply, hit.distance / self.metres)?;
            }
            if self.with_hash {
                reply.int(hit.score as i64)?;
            }
            if self.with_point {
                write_point(reply, geohash::decode(hit.score))?;
            }
        }
        Ok(())
    }

    /// Searches, and returns or stores the result.
    fn run(&self, cx: &mut Cx, key: &[u8], reply: &mut Reply) -> CmdResult {
        let hits = match cx.db().peek(key) {
            Some(found) => self.hits(cx.db().zset_at(found)?),
            None => Vec::new(),
        };
        let Some(to) = self.store else {
            return self.write_hits(&hits, reply);
        };
        let event = match self.form {
            Form::SearchStore => Event::GEOSEARCHSTORE,
            _ => Event::GEORADIUSSTORE,
        };
        let mut build = Build::new(cx.db().zset_hasher());
        for hit in &hits {
            let score = if self.store_distance {
                hit.distance / self.metres
            } else {
                hit.score
            };
            build.add(&hit.member, score);
        }
        let result = (build.len(), build.finish(cx.tuning));
        store(cx, to, result, event, reply)?;
        cx.effects
            .count_changes(hits.len().saturating_sub(1) as u64);
        Ok(())
    }
}

fn length(text: &[u8], error: &'static str) -> Result<f64, CmdError> {
    parse_f64(text).ok_or(CmdError::Fixed(error))
}

/// GEOSEARCH and GEOSEARCHSTORE, behind the destination.
fn search<'a>(
    cx: &mut Cx,
    args: &mut Args<'a>,
    reply: &mut Reply,
    mut request: Request<'a>,
) -> CmdResult {
    let key = args.key();
    let set = cx.db().zset(key)?.is_some();
    debug_assert!(request.form.is_search());
    parse_with(cx, set.then_some(key), |set| request.options(set, args))?;
    request.run(cx, key, reply)
}

/// Lets `parse` read options beside the sorted set that was found under `key`, if any.
fn parse_with(
    cx: &mut Cx,
    key: Option<&[u8]>,
    parse: impl FnOnce(Option<ZsetRef>) -> Result<(), CmdError>,
) -> Result<(), CmdError> {
    let mut db = cx.db();
    match key.and_then(|key| db.peek(key)) {
        Some(found) => parse(Some(db.zset_at(found)?)),
        None => parse(None),
    }
}

pub(super) const GEOSEARCH: DataCommand = Spec {
    name: "geosearch",
    usage: "key:key [from(member:string@FROMMEMBER|fromlonlat{longitude:double latitude:double}@FROMLONLAT)] by(circle{radius:double@BYRADIUS unit(m=M|km=KM|ft=FT|mi=MI)}|box{width:double@BYBOX height:double unit(m=M|km=KM|ft=FT|mi=MI)}|polygon{num-vertices:integer@BYPOLYGON vertices{longitude:double latitude:double}...}!9.0.0) [order(asc=ASC|desc=DESC)] [count-block{count:integer@COUNT [any=ANY]}] [withcoord=WITHCOORD] [withdist=WITHDIST] [withhash=WITHHASH]",
    since: "6.2.0",
    arity: -7,
    summary: "Places within a circle, a box or a polygon.",
    complexity: "O(N+log(M)), N places near the area, M in the set.",
    history: &[
        ("7.0.0", "Units may be written in capitals."),
        ("9.0.0", "Takes BYPOLYGON, as Valkey does."),
    ],
    ..Spec::reading(Group::Geo)
}
.runs(geosearch);

fn geosearch(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    search(cx, args, reply, Request::new(Form::Search))
}

pub(super) const GEOSEARCHSTORE: DataCommand = Spec {
    name: "geosearchstore",
    flags: all(&[WRITE, DENYOOM]),
    keys: &[KeySpec::at(1, &[OW, UPDATE]), KeySpec::at(2, &[RO, ACCESS])],
    usage: "destination:key source:key [from(member:string@FROMMEMBER|fromlonlat{longitude:double latitude:double}@FROMLONLAT)] by(circle{radius:double@BYRADIUS unit(m=M|km=KM|ft=FT|mi=MI)}|box{width:double@BYBOX height:double unit(m=M|km=KM|ft=FT|mi=MI)}|polygon{num-vertices:integer@BYPOLYGON vertices{longitude:double latitude:double}...}!9.0.0) [order(asc=ASC|desc=DESC)] [count-block{count:integer@COUNT [any=ANY]}] [storedist=STOREDIST]",
    since: "6.2.0",
    arity: -8,
    summary: "Stores the places within a circle, a box or a polygon.",
    complexity: "O(N+log(M)), N places near the area, M in the set.",
    history: &[
        ("7.0.0", "Units may be written in capitals."),
        ("9.0.0", "Takes BYPOLYGON, as Valkey does."),
    ],
    ..Spec::of(Group::Geo)
}
.runs(geosearchstore);

fn geosearchstore(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let mut request = Request::new(Form::SearchStore);
    request.store = Some(args.key());
    search(cx, args, reply, request)
}

/// GEORADIUS and GEORADIUSBYMEMBER: the center and the circle come first, then options.
fn radius(cx: &mut Cx, args: &mut Args, reply: &mut Reply, form: Form, from: By) -> CmdResult {
    let key = args.key();
    let mut request = Request::new(form);
    let set = cx.db().zset(key)?.is_some();
    parse_with(cx, set.then_some(key), |set| {
        if from == By::Point {
            request.center = point(args.bytes(), args.bytes())?;
            request.circle(args)?;
        } else {
            let member = args.bytes();
            request.member(set, member)?;
            if set.is_some() {
                request.circle(args)?;
            } else {
                // As Redis does: nothing can be found, so the radius is not validated.
                args.bytes();
                args.bytes();
            }
        }
        request.options(set, args)
    })?;
    request.run(cx, key, reply)
}

/// The keys of GEORADIUS and GEORADIUSBYMEMBER, whose options begin at `FROM`: of several
/// destinations the last one counts. Where the options are invalid, so does the argument behind the
/// last word that could be one of theirs, as in Redis.
pub(super) fn radius_keys<const FROM: usize>(
    argv: &Argv,
    found: &mut Vec<(usize, KeyFlags)>,
) -> Result<(), InvalidKeys> {
    let mut request = Request::new(Form::Radius);
    let options = request.options(None, &mut Args::new(*argv, FROM));
    let stored_at = match options {
        Ok(()) => request.store.map(|_| request.store_at),
        Err(_) => last_destination(argv, FROM),
    };
    found.push((1, key_flags(&[RO, ACCESS])));
    found.extend(stored_at.map(|at| (at, key_flags(&[OW, UPDATE]))));
    Ok(())
}

/// The index of the argument behind the last STORE or STOREDIST from `from` on, whatever stands
/// between them.
fn last_destination(argv: &Argv, from: usize) -> Option<usize> {
    let (mut at, mut last) = (from, None);
    while at + 1 < argv.len() {
        let word = argv.at(at);
        if word.eq_ignore_ascii_case(b"STORE") || word.eq_ignore_ascii_case(b"STOREDIST") {
            at += 1;
            last = Some(at);
        }
        at += 1;
    }
    last
}

/// The key behind a word, from `from` on.
const fn stored(word: &'static str, from: i32) -> KeySpec {
    KeySpec {
        begin: Begin::Keyword { word, from },
        ..KeySpec::at(0, &[OW, UPDATE, INCOMPLETE])
    }
    .noting("Incomplete: of several such options the last one holds.")
}

pub(super) const GEORADIUS: DataCommand = Spec {
    name: "georadius",
    flags: all(&[WRITE, DENYOOM, MOVABLEKEYS]),
    keys: &[KeySpec::at(1, &[RO, ACCESS]), stored("STORE", 6), stored("STOREDIST", 6)],
    find: Some(radius_keys::<6>),
    usage: "key:key longitude:double latitude:double radius:double unit(m=M|km=KM|ft=FT|mi=MI) [withcoord=WITHCOORD] [withdist=WITHDIST] [withhash=WITHHASH] [count-block{count:integer@COUNT [any=ANY!6.2.0]}] [order(asc=ASC|desc=DESC)] [store(storekey~key:key@STORE|storedistkey~key:key@STOREDIST)]",
    since: "3.2.0",
    summary: "Places within a circle around a point, to be returned or stored.",
    complexity: "O(N+log(M)), N places near the area, M in the set.",
    deprecated: deprecated("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument"),
    history: &[("6.2.0", "COUNT takes ANY."), ("7.0.0", "Units may be written in capitals.")],
    ..Spec::of(Group::Geo)
}
.runs(georadius);

fn georadius(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    radius(cx, args, reply, Form::Radius, By::Point)
}

pub(super) const GEORADIUS_RO: DataCommand = Spec {
    name: "georadius_ro",
    usage: "key:key longitude:double latitude:double radius:double unit(m=M|km=KM|ft=FT|mi=MI) [withcoord=WITHCOORD] [withdist=WITHDIST] [withhash=WITHHASH] [count-block{count:integer@COUNT [any=ANY!6.2.0]}] [order(asc=ASC|desc=DESC)]",
    since: "3.2.10",
    summary: "Places within a circle around a point.",
    complexity: "O(N+log(M)), N places near the area, M in the set.",
    deprecated: deprecated("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument"),
    history: &[("6.2.0", "COUNT takes ANY."), ("7.0.0", "Units may be written in capitals.")],
    ..Spec::reading(Group::Geo)
}
.runs(georadius_ro);

fn georadius_ro(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    radius(cx, args, reply, Form::RadiusReadOnly, By::Point)
}

pub(super) const GEORADIUSBYMEMBER: DataCommand = Spec {
    name: "georadiusbymember",
    flags: all(&[WRITE, DENYOOM, MOVABLEKEYS]),
    keys: &[KeySpec::at(1, &[RO, ACCESS]), stored("STORE", 5), stored("STOREDIST", 5)],
    find: Some(radius_keys::<5>),
    usage: "key:key member:string radius:double unit(m=M|km=KM|ft=FT|mi=MI) [withcoord=WITHCOORD] [withdist=WITHDIST] [withhash=WITHHASH] [count-block{count:integer@COUNT [any=ANY]}] [order(asc=ASC|desc=DESC)] [store(storekey~key:key@STORE|storedistkey~key:key@STOREDIST)]",
    since: "3.2.0",
    summary: "Places within a circle around another, to be returned or stored.",
    complexity: "O(N+log(M)), N places near the area, M in the set.",
    deprecated: deprecated("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments"),
    history: &[("6.2.0", "COUNT takes ANY."), ("7.0.0", "Units may be written in capitals.")],
    ..Spec::of(Group::Geo)
}
.runs(georadiusbymember);

fn georadiusbymember(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    radius(cx, args, reply, Form::Radius, By::Member)
}

pub(super) const GEORADIUSBYMEMBER_RO: DataCommand = Spec {
    name: "georadiusbymember_ro",
    usage: "key:key member:string radius:double unit(m=M|km=KM|ft=FT|mi=MI) [withcoord=WITHCOORD] [withdist=WITHDIST] [withhash=WITHHASH] [count-block{count:integer@COUNT [any=ANY]}] [order(asc=ASC|desc=DESC)]",
    since: "3.2.10",
    summary: "Places within a circle around another.",
    complexity: "O(N+log(M)), N places near the area, M in the set.",
    deprecated: deprecated("6.2.0", "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments"),
    history: &[("6.2.0", "COUNT takes ANY."), ("7.0.0", "Units may be written in capitals.")],
    ..Spec::reading(Group::Geo)
}
.runs(georadiusbymember_ro);

fn georadiusbymember_ro(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    radius(cx, args, reply, Form::RadiusReadOnly, By::Member)
}
