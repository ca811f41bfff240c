//! Polygons on the map of longitudes and latitudes: which places lie inside.
//!
//! An edge is a straight line on that map, so no edge crosses the antimeridian or a pole. A place is
//! inside if a line from it to the east crosses an odd number of edges. The center, from which
//! distances are measured, is the mean of the vertices on the sphere.
//!
//! With many vertices the map is cut into bands of latitudes, and a place is compared only with the
//! edges of its band.
//!
//! Called by `commands::geo`.

use super::geohash::{self, Bounds, Point};

/// Polygons of so few vertices have no bands.
const PLAIN: usize = 16;
/// The most bands.
const BANDS: usize = 256;

/// A polygon of at least one vertex.
#[derive(Clone, Debug)]
pub struct Polygon {
    vertices: Vec<Point>,
    bounds: Bounds,
    bands: Option<Bands>,
}

/// The edges in each band of latitudes, by the number of their first vertex.
#[derive(Clone, Debug)]
struct Bands {
    /// The first latitude.
    south: f64,
    per_degree: f64,
    /// Where the edges of each band begin; one more marks the end.
    starts: Vec<u32>,
    edges: Vec<u32>,
}

impl Bands {
    /// The band of a latitude within the bounds of the polygon.
    fn of(lat: f64, south: f64, per_degree: f64, count: usize) -> usize {
        (((lat - south) * per_degree) as usize).min(count - 1)
    }

    fn new(vertices: &[Point], bounds: &Bounds) -> Option<Bands> {
        let height = bounds.max.lat - bounds.min.lat;
        if vertices.len() <= PLAIN || height <= 0.0 {
            return None;
        }
        let count = vertices.len().min(BANDS);
        let (south, per_degree) = (bounds.min.lat, count as f64 / height);
        let span = |at: usize| {
            let (a, b) = edge(vertices, at);
            let band = |lat| Bands::of(lat, south, per_degree, count);
            band(a.lat.min(b.lat))..=band(a.lat.max(b.lat))
        };
        let mut starts = vec![0; count + 1];
        for at in 0..vertices.len() {
            span(at).for_each(|band| starts[band + 1] += 1);
        }
        for band in 0..count {
            starts[band + 1] += starts[band];
        }
        let mut ends = starts.clone();
        let mut edges = vec![0; starts[count] as usize];
        for at in 0..vertices.len() {
            for band in span(at) {
                edges[ends[band] as usize] = at as u32;
                ends[band] += 1;
            }
        }
        Some(Bands {
            south,
            per_degree,
            starts,
            edges,
        })
    }

    /// The edges that may cross a latitude within the bounds of the polygon.
    fn edges_at(&self, lat: f64) -> &[u32] {
        let band = Bands::of(lat, self.south, self.per_degree, self.starts.len() - 1);
        &self.edges[self.starts[band] as usize..self.starts[band + 1] as usize]
    }
}

/// The edge that ends at a vertex.
fn edge(vertices: &[Point], at: usize) -> (Point, Point) {
    let before = at.checked_sub(1).unwrap_or(vertices.len() - 1);
    (vertices[at], vertices[before])
}

/// Whether a line from a place to the east crosses an edge.
fn crosses(point: Point, (a, b): (Point, Point)) -> bool {
    (a.lat > point.lat) != (b.lat > point.lat)
        && point.lon < (b.lon - a.lon) * (point.lat - a.lat) / (b.lat - a.lat) + a.lon
}

impl Polygon {
    pub fn new(vertices: Vec<Point>) -> Polygon {
        assert!(!vertices.is_empty(), "a polygon has a vertex");
        let bounds = Bounds::of(&vertices);
        Polygon {
            bands: Bands::new(&vertices, &bounds),
            vertices,
            bounds,
        }
    }

    /// The mean of the vertices on the sphere.
    pub fn center(&self) -> Point {
        let (mut x, mut y, mut z) = (0.0, 0.0, 0.0);
        for vertex in &self.vertices {
            let (lon, lat) = (geohash::radians(vertex.lon), geohash::radians(vertex.lat));
            x += lat.cos() * lon.cos();
            y += lat.cos() * lon.sin();
            z += lat.sin();
        }
        let count = self.vertices.len() as f64;
        let (x, y, z) = (x / count, y / count, z / count);
        Point {
            lon: geohash::degrees(y.atan2(x)),
            lat: geohash::degrees(z.atan2((x * x + y * y).sqrt())),
        }
    }

    /// Whether a place lies inside. Of the edges, those to the north and to the east are outside.
    pub fn contains(&self, point: Point) -> bool {
        if !self.bounds.contain(point) {
            return false;
        }
        let crossed = match &self.bands {
            Some(bands) => bands
                .edges_at(point.lat)
                .iter()
                .filter(|&&at| crosses(point, edge(&self.vertices, at as usize)))
                .count(),
            None => (0..self.vertices.len())
                .filter(|&at| crosses(point, edge(&self.vertices, at)))
                .count(),
        };
        crossed % 2 == 1
    }

    /// The ranges of scores that hold all places inside, in the order they are searched, which is
    /// that of Valkey. Valkey misses places where the cells around the center end at the edge of
    /// the map; then larger cells are taken, at last the whole map.
    pub fn ranges(&self) -> Vec<(u64, u64)> {
        geohash::ranges_covering(self.center(), &self.bounds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algo::rng::Rng;

    fn points(pairs: &[(f64, f64)]) -> Vec<Point> {
        pairs.iter().map(|&(lon, lat)| Point { lon, lat }).collect()
    }

    #[test]
    fn the_center_is_that_of_valkey() {
        let polygon = Polygon::new(points(&[
            (12.0, 37.0),
            (18.0, 37.0),
            (18.0, 39.0),
            (12.0, 39.0),
        ]));
        let palermo = geohash::decode(3479099956230698.0);
        let metres = geohash::distance(polygon.center(), palermo);
        assert_eq!(format!("{metres:.4}"), "143725.9101");
        assert!(polygon.contains(palermo));
    }

    #[test]
    fn edges_belong_to_one_of_two_neighbours() {
        let square = |west: f64, south: f64| {
            Polygon::new(points(&[
                (west, south),
                (west + 1.0, south),
                (west + 1.0, south + 1.0),
                (west, south + 1.0),
            ]))
        };
        for (lon, lat) in [(1.0, 0.5), (0.5, 1.0), (1.0, 1.0)] {
            let squares = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)];
            let holding = squares
                .iter()
                .filter(|(west, south)| square(*west, *south).contains(Point { lon, lat }));
            assert_eq!(holding.count(), 1, "{lon} {lat}");
        }
    }

    #[test]
    fn bands_change_no_answer() {
        let mut rng = Rng::new(8);
        for round in 0..50 {
            let wide = if round % 2 == 0 { 300.0 } else { 3.0 };
            let random = |rng: &mut Rng| Point {
                lon: (rng.f64() - 0.5) * wide,
                lat: (rng.f64() - 0.5) * wide.min(160.0),
            };
            let vertices: Vec<Point> = (0..PLAIN as u64 + 1 + rng.below(400))
                .map(|_| random(&mut rng))
                .collect();
            let banded = Polygon::new(vertices);
            let plain = Polygon {
                bands: None,
                ..banded.clone()
            };
            assert!(banded.bands.is_some());
            for _ in 0..300 {
                let point = random(&mut rng);
                assert_eq!(banded.contains(point), plain.contains(point));
            }
            for &vertex in &banded.vertices {
                assert_eq!(banded.contains(vertex), plain.contains(vertex));
            }
        }
    }

    #[test]
    fn flat_polygons_hold_nothing() {
        for flat in [
            points(&[(1.0, 1.0); 20]),
            points(&[(1.0, 1.0), (2.0, 1.0), (3.0, 1.0)]),
        ] {
            let polygon = Polygon::new(flat);
            assert!(!polygon.contains(Point { lon: 1.0, lat: 1.0 }));
            assert!(!polygon.ranges().is_empty());
        }
    }

    #[test]
    fn ranges_hold_every_place_inside() {
        let mut rng = Rng::new(9);
        for round in 0..300 {
            let size = 10f64.powf(rng.f64() * 4.5 - 2.0);
            let middle = (rng.f64() * 360.0 - 180.0, rng.f64() * 170.0 - 85.0);
            let near = |rng: &mut Rng| Point {
                lon: (middle.0 + (rng.f64() - 0.5) * size).clamp(-180.0, 180.0),
                lat: (middle.1 + (rng.f64() - 0.5) * size).clamp(-85.0, 85.0),
            };
            let count = 3 + rng.below(5);
            let polygon = Polygon::new((0..count).map(|_| near(&mut rng)).collect());
            let ranges = polygon.ranges();
            for _ in 0..200 {
                let score = geohash::encode(near(&mut rng));
                if polygon.contains(geohash::decode(score as f64)) {
                    let holding = ranges
                        .iter()
                        .filter(|(from, to)| (*from..*to).contains(&score));
                    assert_eq!(holding.count(), 1, "round {round}: {score} {ranges:?}");
                }
            }
        }
    }
}
