//! Places as 52-bit numbers: the bits of latitude and longitude in turn, so that near places mostly
//! have near numbers and a sorted set can find them.
//!
//! ```text
//!   longitude  l25 l24 … l0      26 times the half is taken in which the place lies
//!   latitude   b25 b24 … b0
//!   hash       l25 b25 l24 b24 … l0 b0
//! ```
//!
//! A hash of fewer steps is a cell: all places whose hashes begin with its bits, one range of
//! numbers. A search looks into the cell of its center and the eight around it, at the finest step
//! at which they cover the area (`areas`). The order of the cells is Redis's, since unsorted
//! results come in that order. Earth is a sphere here, the latitude that of Mercator's map.
//!
//! Credits: Gustavo Niemeyer's geohash; the search by neighbours is that of Ardb (yinqiwen).
//!
//! Called by `commands::geo`.

use std::f64::consts::PI;

pub const LON_MAX: f64 = 180.0;
pub const LAT_MAX: f64 = 85.05112878;
/// Steps of a whole hash.
const STEPS: u32 = 26;
const EARTH_RADIUS_M: f64 = 6372797.560856;
const MERCATOR_MAX_M: f64 = 20037726.37;
const EVEN: u64 = 0x5555_5555_5555_5555;
const ODD: u64 = !EVEN;

/// Degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub lon: f64,
    pub lat: f64,
}

impl Point {
    pub fn is_valid(self) -> bool {
        (-LON_MAX..=LON_MAX).contains(&self.lon) && (-LAT_MAX..=LAT_MAX).contains(&self.lat)
    }
}

/// A cell: `bits` of so many steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    bits: u64,
    steps: u32,
}

/// The area of a cell, or around a shape.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub min: Point,
    pub max: Point,
}

impl Bounds {
    /// The least area that holds all points.
    pub fn of(points: &[Point]) -> Bounds {
        let mut bounds = Bounds {
            min: Point {
                lon: f64::INFINITY,
                lat: f64::INFINITY,
            },
            max: Point {
                lon: f64::NEG_INFINITY,
                lat: f64::NEG_INFINITY,
            },
        };
        for point in points {
            bounds.min.lon = bounds.min.lon.min(point.lon);
            bounds.min.lat = bounds.min.lat.min(point.lat);
            bounds.max.lon = bounds.max.lon.max(point.lon);
            bounds.max.lat = bounds.max.lat.max(point.lat);
        }
        bounds
    }

    pub fn contain(&self, point: Point) -> bool {
        (self.min.lon..=self.max.lon).contains(&point.lon)
            && (self.min.lat..=self.max.lat).contains(&point.lat)
    }

    fn corners(&self) -> [Point; 4] {
        let Bounds { min, max } = *self;
        [(min, min), (max, max), (min, max), (max, min)].map(|(a, b)| Point {
            lon: a.lon,
            lat: b.lat,
        })
    }
}

/// Puts the bits of a number at the even places.
fn spread(n: u32) -> u64 {
    const MASKS: [(u32, u64); 5] = [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, EVEN),
    ];
    MASKS
        .iter()
        .fold(n as u64, |n, (shift, mask)| (n | n << shift) & mask)
}

/// The bits at the even places.
fn gather(n: u64) -> u32 {
    const MASKS: [(u32, u64); 5] = [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ];
    MASKS
        .iter()
        .fold(n & EVEN, |n, (shift, mask)| (n | n >> shift) & mask) as u32
}

fn encode_in(point: Point, lat_max: f64, steps: u32) -> u64 {
    let scale = (1u64 << steps) as f64;
    let lat = (point.lat + lat_max) / (lat_max + lat_max) * scale;
    let lon = (point.lon + LON_MAX) / (LON_MAX + LON_MAX) * scale;
    spread(lat as u32) | spread(lon as u32) << 1
}

/// The hash of a place: the score of a member.
pub fn encode(point: Point) -> u64 {
    encode_in(point, LAT_MAX, STEPS)
}

impl Cell {
    fn at(point: Point, steps: u32) -> Cell {
        Cell {
            bits: encode_in(point, LAT_MAX, steps),
            steps,
        }
    }

    fn bounds(self) -> Bounds {
        let scale = (1u64 << self.steps) as f64;
        let (lat, lon) = (gather(self.bits) as f64, gather(self.bits >> 1) as f64);
        let at = |n: f64, max: f64| -max + (n / scale) * (max + max);
        Bounds {
            min: Point {
                lon: at(lon, LON_MAX),
                lat: at(lat, LAT_MAX),
            },
            max: Point {
                lon: at(lon + 1.0, LON_MAX),
                lat: at(lat + 1.0, LAT_MAX),
            },
        }
    }

    /// The cell so many columns to the east and rows to the north; each -1, 0 or 1. Past an edge
    /// it goes on at the other side.
    fn neighbour(self, east: i32, north: i32) -> Cell {
        let width = 64 - self.steps * 2;
        let step = |bits: u64, others: u64, by: i32| match by {
            0 => bits,
            1 => bits.wrapping_add(others + 1),
            _ => (bits | others).wrapping_sub(others + 1),
        };
        let (lons, lats) = (ODD >> width, EVEN >> width);
        let lon = step(self.bits & ODD, lats, east);
        let lat = step(self.bits & EVEN, lons, north);
        // A direction that is not taken keeps its bits.
        let lon = if east == 0 { lon } else { lon & lons };
        let lat = if north == 0 { lat } else { lat & lats };
        Cell {
            bits: lon | lat,
            ..self
        }
    }

    /// The scores of all places in the cell: from the first up to but without the second.
    fn scores(self) -> (u64, u64) {
        let shift = 52 - self.steps * 2;
        (self.bits << shift, (self.bits + 1) << shift)
    }
}

/// A score as the number C makes of it on the machines Redis runs on.
fn bits_of(score: f64) -> u64 {
    const HALF: f64 = (1u64 << 63) as f64;
    if score < HALF {
        return score as i64 as u64;
    }
    let rest = score - HALF;
    if rest < HALF {
        rest as u64 ^ 1 << 63
    } else {
        0
    }
}

/// The place that a score stands for: the middle of its cell.
pub fn decode(score: f64) -> Point {
    let bounds = Cell {
        bits: bits_of(score),
        steps: STEPS,
    }
    .bounds();
    Point {
        lon: ((bounds.min.lon + bounds.max.lon) / 2.0).clamp(-LON_MAX, LON_MAX),
        lat: ((bounds.min.lat + bounds.max.lat) / 2.0).clamp(-LAT_MAX, LAT_MAX),
    }
}

/// The eleven characters by which the world knows a place. They count latitude up to the poles.
pub fn text(score: f64) -> [u8; 11] {
    const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
    let bits = encode_in(decode(score), 90.0, STEPS);
    // 52 bits are ten characters and a bit; the last one is always the first letter.
    std::array::from_fn(|i| match i {
        10 => ALPHABET[0],
        i => ALPHABET[(bits >> (52 - (i + 1) * 5) & 0x1f) as usize],
    })
}

pub(super) fn radians(degrees: f64) -> f64 {
    degrees * (PI / 180.0)
}

pub(super) fn degrees(radians: f64) -> f64 {
    radians / (PI / 180.0)
}

fn lat_distance(a: f64, b: f64) -> f64 {
    EARTH_RADIUS_M * (radians(b) - radians(a)).abs()
}

/// Metres between two places along a great circle.
pub fn distance(a: Point, b: Point) -> f64 {
    let v = ((radians(b.lon) - radians(a.lon)) / 2.0).sin();
    if v == 0.0 {
        return lat_distance(a.lat, b.lat);
    }
    let (lat_a, lat_b) = (radians(a.lat), radians(b.lat));
    let u = ((lat_b - lat_a) / 2.0).sin();
    let h = u * u + lat_a.cos() * lat_b.cos() * v * v;
    2.0 * EARTH_RADIUS_M * h.sqrt().asin()
}

/// The shape of a search around a center, in metres.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    Circle { radius: f64 },
    Box { width: f64, height: f64 },
}

/// An area to search.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    pub center: Point,
    pub shape: Shape,
}

impl Area {
    /// The distance of a place from the center, if it lies inside.
    pub fn distance_within(&self, point: Point) -> Option<f64> {
        let center = self.center;
        match self.shape {
            Shape::Circle { radius } => {
                let metres = distance(center, point);
                (metres <= radius).then_some(metres)
            }
            Shape::Box { width, height } => {
                if lat_distance(point.lat, center.lat) > height / 2.0 {
                    return None;
                }
                // Along the parallel of the place, since parallels get shorter to the poles.
                let abeam = Point {
                    lon: center.lon,
                    lat: point.lat,
                };
                if distance(point, abeam) > width / 2.0 {
                    return None;
                }
                Some(distance(center, point))
            }
        }
    }

    /// Half the extent to the east and to the north, in metres.
    fn reach(&self) -> (f64, f64) {
        match self.shape {
            Shape::Circle { radius } => (radius, radius),
            Shape::Box { width, height } => (width / 2.0, height / 2.0),
        }
    }

    fn bounds(&self) -> Bounds {
        let (width, height) = self.reach();
        let Point { lon, lat } = self.center;
        let lat_delta = degrees(height / EARTH_RADIUS_M);
        let toward = if lat < 0.0 {
            lat - lat_delta
        } else {
            lat + lat_delta
        };
        let lon_delta = degrees(width / EARTH_RADIUS_M / radians(toward).cos());
        Bounds {
            min: Point {
                lon: lon - lon_delta,
                lat: lat - lat_delta,
            },
            max: Point {
                lon: lon + lon_delta,
                lat: lat + lat_delta,
            },
        }
    }

    /// The ranges of scores that hold all places of the area, in the order they are searched.
    pub fn ranges(&self) -> Vec<(u64, u64)> {
        let reach = match self.shape {
            Shape::Circle { radius } => radius,
            Shape::Box { width, height } => {
                ((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0)).sqrt()
            }
        };
        let bounds = self.bounds();
        let center = central_cell(self.center, &bounds, reach);
        let (mut cells, mut last) = (Vec::with_capacity(9), None);
        for (number, (east, north)) in AROUND.into_iter().enumerate() {
            if center.steps >= 2 && is_idle(center, &bounds, east, north) {
                continue;
            }
            let cell = center.neighbour(east, north);
            // Where cells are large, neighbours meet around the globe.
            if last == Some(cell) {
                continue;
            }
            cells.push(cell.scores());
            // As Redis does, the center itself is not compared with.
            last = (number > 0).then_some(cell);
        }
        cells
    }
}

/// Steps at which a cell and its neighbours should cover an area that reaches so many metres from
/// its center.
fn steps_for(mut reach: f64, center: Point) -> u32 {
    if reach == 0.0 {
        return STEPS;
    }
    let mut steps = 1;
    while reach < MERCATOR_MAX_M {
        reach *= 2.0;
        steps += 1;
    }
    steps -= 2;
    // Cells get narrower to the poles.
    let lat = center.lat.abs();
    steps -= (lat > 66.0) as i32 + (lat > 80.0) as i32;
    steps.clamp(1, STEPS as i32) as u32
}

/// The cell from which an area is searched.
fn central_cell(center: Point, area: &Bounds, reach: f64) -> Cell {
    let cell = Cell::at(center, steps_for(reach, center));
    match cell.steps > 1 && !covers(cell, area) {
        true => Cell::at(center, cell.steps - 1),
        false => cell,
    }
}

/// The ranges of scores that hold all places of an area on the map, in the order they are searched:
/// those of the cell of a center and its neighbours, if these cover the area.
pub(super) fn ranges_covering(center: Point, area: &Bounds) -> Vec<(u64, u64)> {
    let distances = area.corners().map(|corner| distance(center, corner));
    let reach = distances.into_iter().fold(0.0, f64::max);
    let mut cell = central_cell(center, area, reach);
    while !reaches(cell, area) {
        if cell.steps <= 2 {
            return vec![(0, u64::MAX)];
        }
        cell = Cell::at(center, cell.steps - 1);
    }
    let mut ranges: Vec<(u64, u64)> = Vec::with_capacity(AROUND.len());
    for (east, north) in AROUND {
        if cell.steps >= 2 && is_idle(cell, area, east, north) {
            continue;
        }
        let range = cell.neighbour(east, north).scores();
        if !ranges.contains(&range) {
            ranges.push(range);
        }
    }
    ranges
}

/// Whether a cell and its neighbours cover an area; the edge of the map covers what is beyond it.
fn reaches(center: Cell, area: &Bounds) -> bool {
    let cell = center.bounds();
    let beside = |east, north| center.neighbour(east, north).bounds();
    (cell.max.lat >= area.max.lat || beside(0, 1).max.lat >= area.max.lat)
        && (cell.min.lat <= area.min.lat || beside(0, -1).min.lat <= area.min.lat)
        && (cell.max.lon >= area.max.lon || beside(1, 0).max.lon >= area.max.lon)
        && (cell.min.lon <= area.min.lon || beside(-1, 0).min.lon <= area.min.lon)
}

/// The center and its neighbours, east and north of it, in the order they are searched.
const AROUND: [(i32, i32); 9] = [
    (0, 0),
    (0, 1),
    (0, -1),
    (1, 0),
    (-1, 0),
    (1, 1),
    (-1, 1),
    (1, -1),
    (-1, -1),
];

/// Whether the neighbours of a cell reach to all sides of an area.
fn covers(center: Cell, area: &Bounds) -> bool {
    let beside = |east, north| center.neighbour(east, north).bounds();
    beside(0, 1).max.lat >= area.max.lat
        && beside(0, -1).min.lat <= area.min.lat
        && beside(1, 0).max.lon >= area.max.lon
        && beside(-1, 0).min.lon <= area.min.lon
}

/// Whether the center alone reaches further in this direction than the area.
fn is_idle(center: Cell, area: &Bounds, east: i32, north: i32) -> bool {
    let cell = center.bounds();
    north < 0 && cell.min.lat < area.min.lat
        || north > 0 && cell.max.lat > area.max.lat
        || east < 0 && cell.min.lon < area.min.lon
        || east > 0 && cell.max.lon > area.max.lon
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algo::rng::Rng;

    const PALERMO: Point = Point {
        lon: 13.361389,
        lat: 38.115556,
    };
    const CATANIA: Point = Point {
        lon: 15.087269,
        lat: 37.502669,
    };

    /// Results of Redis 8.2.3.
    #[test]
    fn hashes_and_distances_are_those_of_redis() {
        assert_eq!(encode(PALERMO), 3479099956230698);
        assert_eq!(encode(CATANIA), 3479447370796909);
        let (a, b) = (decode(3479099956230698.0), decode(3479447370796909.0));
        assert_eq!((a.lon, a.lat), (13.361389338970184, 38.1155563954963));
        assert_eq!(format!("{:.4}", distance(a, b)), "166274.1516");
        assert_eq!(&text(3479099956230698.0), b"sqc8b49rny0");
        assert_eq!(decode(-5.0).lon, 180.0);
        assert_eq!(decode(1e300), decode(0.0));
        assert_eq!(decode(f64::INFINITY), decode(0.0));
    }

    #[test]
    fn neighbours_touch() {
        let mut rng = Rng::new(4);
        for _ in 0..1_000 {
            let point = Point {
                lon: rng.f64() * 300.0 - 150.0,
                lat: rng.f64() * 120.0 - 60.0,
            };
            let cell = Cell::at(point, 5 + rng.below(20) as u32);
            let (here, east) = (cell.bounds(), cell.neighbour(1, 0).bounds());
            assert_eq!(here.max.lon, east.min.lon);
            assert_eq!(cell.neighbour(1, 1).neighbour(-1, -1), cell);
            assert_eq!(here.min.lat, cell.neighbour(0, -1).bounds().max.lat);
        }
    }

    #[test]
    fn ranges_hold_all_places_of_an_area() {
        let mut rng = Rng::new(5);
        let random = |rng: &mut Rng| Point {
            lon: rng.f64() * 360.0 - 180.0,
            lat: rng.f64() * 160.0 - 80.0,
        };
        for _ in 0..200 {
            let area = Area {
                center: random(&mut rng),
                shape: Shape::Circle {
                    radius: 10f64.powf(1.0 + rng.f64() * 4.5),
                },
            };
            let ranges = area.ranges();
            for _ in 0..200 {
                // Around the world's edge places may be missed, as in Redis.
                let point = Point {
                    lon: (area.center.lon + rng.f64() - 0.5).clamp(-170.0, 170.0),
                    lat: (area.center.lat + rng.f64() - 0.5).clamp(-70.0, 70.0),
                };
                let hash = encode(point);
                if area.center.lon.abs() < 150.0 && area.distance_within(point).is_some() {
                    assert!(ranges.iter().any(|(from, to)| (*from..*to).contains(&hash)));
                }
            }
        }
    }
}
