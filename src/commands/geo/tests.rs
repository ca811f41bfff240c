//! Replies of geo commands, without sockets. The digits are those of Redis 8.2.3.

use crate::engine::Engine;

#[test]
fn sicily() {
    let mut e = Engine::new();
    e.ask("GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania");
    assert_eq!(e.outcome().events_text(), "new g, zadd g");
    assert_eq!(e.ask("ZSCORE g Palermo"), "$16 3479099956230698");
    assert_eq!(e.ask("GEODIST g Palermo Catania km"), "$8 166.2742");
    assert_eq!(e.ask("GEOHASH g Palermo nope"), "*2 $11 sqc8b49rny0 $-1");
    assert_eq!(
        e.ask("GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km ASC"),
        "*2 $7 Catania $7 Palermo"
    );
    assert_eq!(
        e.ask("GEORADIUS g 15 37 200 km WITHDIST"),
        "*2 *2 $7 Palermo $8 190.4424 *2 $7 Catania $7 56.4413"
    );
    assert_eq!(
        e.ask("GEOSEARCHSTORE d g FROMLONLAT 15 37 BYBOX 400 400 km STOREDIST"),
        ":2"
    );
    assert_eq!(e.outcome().events_text(), "new d, geosearchstore d");
    assert_eq!(e.ask("ZSCORE d Catania"), "$16 56.4412578701582");
    assert_eq!(
        e.ask("GEOADD g 200 10 x"),
        "-ERR invalid longitude,latitude pair 200.000000,10.000000"
    );
}

#[test]
fn places_in_a_polygon() {
    let mut e = Engine::new();
    e.ask("GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania");
    e.ask("GEOADD g 12.758489 38.788135 edge1 17.241510 38.788135 edge2 14 37 in1");
    let square = "BYPOLYGON 4 12 37 18 37 18 39 12 39";
    for (line, reply) in [
        (
            format!("GEOSEARCH g {square}"),
            "*5 $7 Palermo $5 edge1 $7 Catania $3 in1 $5 edge2",
        ),
        (
            format!("GEOSEARCH g {square} COUNT 2 WITHDIST"),
            "*2 *2 $7 Catania $10 60049.2798 *2 $7 Palermo $11 143725.9101",
        ),
        (
            format!("GEOSEARCH g COUNT 1 DESC {square} WITHDIST"),
            "*1 *2 $5 edge1 $11 212409.0341",
        ),
        (
            format!("GEOSEARCH g {square} COUNT 2 ANY"),
            "*2 $7 Palermo $5 edge1",
        ),
        (
            // The last polygon counts.
            format!("GEOSEARCH g {square} BYPOLYGON 3 0 0 1 1 1 0"),
            "*0",
        ),
        (format!("GEOSEARCH none {square}"), "*0"),
        (
            "GEOSEARCH g BYPOLYGON 5 12 37 18 39 18 37 12 39 15 40".into(),
            "*2 $7 Palermo $5 edge1",
        ),
        (format!("GEOSEARCHSTORE d g {square} STOREDIST"), ":5"),
        ("ZRANGE d 0 0".into(), "*1 $7 Catania"),
        ("GEOSEARCHSTORE d g BYPOLYGON 3 1 1 2 1 2 2".into(), ":0"),
    ] {
        assert_eq!(e.ask(&line), reply, "{line}");
    }
}

#[test]
fn polygons_are_refused_as_in_valkey() {
    let mut e = Engine::new();
    let few = "-ERR GEOSEARCH BYPOLYGON must have at least 3 vertices";
    let number = "-ERR invalid number of vertices";
    let syntax = "-ERR syntax error";
    for (options, reply) in [
        ("BYPOLYGON 2 1 2 3 4 5 6", few),
        ("BYPOLYGON -1 1 2 3 4 5 6", few),
        ("BYPOLYGON 4 1 2 3 4 5 6 7", few),
        ("BYPOLYGON 2147483647 1 2 3 4 5 6", few),
        ("BYPOLYGON x 1 2 3 4 5 6", number),
        ("BYPOLYGON 2147483648 1 2 3 4 5 6", number),
        ("BYPOLYGON 3 1 2 3 4 5 6 7", syntax),
        ("BYPOLYGON 3 1 2 3 4 5 6 km", syntax),
        ("BYPOLYGON 3 1 2 3 4 5 6 BYRADIUS 5 km", syntax),
        ("BYPOLYGON 3 1 2 3 4 5 6 FROMMEMBER m", syntax),
        ("FROMLONLAT 1 2 BYPOLYGON 3 1 2 3 4 5 6", syntax),
        ("BYBOX 5 5 km BYPOLYGON 3 1 2 3 4 5 6", syntax),
        ("BYPOLYGON 3 1 2 3 4 5 x", "-ERR value is not a valid float"),
        (
            "BYPOLYGON 3 1 2 3 4 5 90",
            "-ERR invalid longitude,latitude pair 5.000000,90.000000",
        ),
        (
            "BYPOLYGON 3 1 2 3 4 5 6 ANY",
            "-ERR the ANY argument requires COUNT argument",
        ),
        (
            "WITHDIST ASC COUNT 1 WITHHASH",
            "-ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH",
        ),
    ] {
        assert_eq!(e.ask(&format!("GEOSEARCH g {options}")), reply, "{options}");
    }
    let most = "1 1 ".repeat(10_000);
    assert_eq!(e.ask(&format!("GEOSEARCH g BYPOLYGON 10000 {most}")), "*0");
    let more = format!("GEOSEARCH g BYPOLYGON 10001 {most} 1 1");
    assert_eq!(e.ask(&more), number);
}

/// Valkey finds only the places in the cells around the center, which end at the edge of the map.
#[test]
fn polygons_at_the_edge_of_the_map_hold_all_their_places() {
    let mut e = Engine::new();
    e.ask("GEOADD g 179 10 a -179 10 b 0 10 c 175 80 d -175 -80 e 90 85 f -90 85 h");
    let world = "GEOSEARCHSTORE d g BYPOLYGON 4 -180 -85.05 180 -85.05 180 85.05 -180 85.05";
    assert_eq!(e.ask(world), ":7");
    let belt = "GEOSEARCH g BYPOLYGON 4 178 9 -178 9 -178 11 178 11";
    assert_eq!(e.ask(belt), "*1 $1 c");
}
