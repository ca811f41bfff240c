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
