//! Sorted sets and positions on the earth.

use super::{EveryRow, growing, row};

const SMALL: (usize, &str) = (1_000, "ZADD zset:{s} [10 {i} member:{i} ]");
const HUNDREDS: (usize, &str) = (100, "ZADD zset:{s} [200 {r:1000} member:{i} ]");
const LARGE: (usize, &str) = (100_000, "ZADD large {r:1000000} member:{s}");
const WORDS: (usize, &str) = (10_000, "ZADD words 0 word:{s}");
const PLACES: (usize, &str) = (
    10_000,
    "GEOADD places 1{r:9}.{r:1000000} 4{r:9}.{r:1000000} place:{s}",
);

pub const ROWS: &[EveryRow] = &[
    growing(
        "zadd-growing-100k",
        100_000,
        &["ZADD large {r:1000000} member:{r:1000000000}"],
    ),
    growing(
        "zadd-growing-1m",
        1_000_000,
        &["ZADD large {r:1000000} member:{r:1000000000}"],
    ),
    growing(
        "zadd-many",
        100_000,
        &["ZADD zset:{r:20000} {r:1000} member:{r:1000}"],
    ),
    row(
        "zadd",
        &[SMALL],
        &["ZADD zset:{r:1000} {r:100} member:{r:10}"],
    ),
    row(
        "zadd-large",
        &[LARGE],
        &["ZADD large {r:1000000} member:{r:100000}"],
    ),
    row(
        "zadd-options",
        &[LARGE],
        &["ZADD large XX CH GT {r:1000000} member:{r:100000}"],
    ),
    row(
        "zincrby",
        &[SMALL],
        &["ZINCRBY zset:{r:1000} {r:10} member:{r:10}"],
    ),
    row(
        "zincrby-large",
        &[LARGE],
        &["ZINCRBY large {r:10} member:{r:100000}"],
    ),
    row(
        "zadd-zrem",
        &[SMALL],
        &[
            "ZADD zset:{r:1000} {r:100} new:{r:10}",
            "ZREM zset:{r:1000} new:{r:10}",
        ],
    ),
    row(
        "zadd-zrem-large",
        &[LARGE],
        &[
            "ZADD large {r:1000000} member:{r:200000}",
            "ZREM large member:{r:200000}",
        ],
    ),
    row("zscore", &[SMALL], &["ZSCORE zset:{r:1000} member:{r:10}"]),
    row(
        "zscore-large",
        &[LARGE],
        &["ZSCORE large member:{r:200000}"],
    ),
    row(
        "zmscore",
        &[SMALL],
        &["ZMSCORE zset:{r:1000} [3 member:{r:20} ]"],
    ),
    row("zcard", &[SMALL], &["ZCARD zset:{r:1000}"]),
    row("zcount", &[SMALL], &["ZCOUNT zset:{r:1000} 2 (7"]),
    row(
        "zcount-large",
        &[LARGE],
        &["ZCOUNT large {r:100000} 9{r:100000}"],
    ),
    row(
        "zlexcount",
        &[WORDS],
        &["ZLEXCOUNT words [word:{r:10000} +"],
    ),
    row("zrank", &[SMALL], &["ZRANK zset:{r:1000} member:{r:10}"]),
    row("zrank-large", &[LARGE], &["ZRANK large member:{r:100000}"]),
    row(
        "zrevrank",
        &[LARGE],
        &["ZREVRANK large member:{r:100000} WITHSCORE"],
    ),
    row("zrange-10", &[SMALL], &["ZRANGE zset:{r:1000} 0 -1"]),
    row(
        "zrange-200",
        &[HUNDREDS],
        &["ZRANGE zset:{r:100} 0 -1 WITHSCORES"],
    ),
    row(
        "zrange-large",
        &[LARGE],
        &["ZRANGE large {r:10000} 1{r:10000} LIMIT 0 10 BYSCORE"],
    ),
    row("zrange-top", &[LARGE], &["ZRANGE large 0 9 REV WITHSCORES"]),
    row("zrevrange", &[LARGE], &["ZREVRANGE large 0 9"]),
    row(
        "zrangebyscore",
        &[LARGE],
        &["ZRANGEBYSCORE large {r:1000000} +inf LIMIT 0 10"],
    ),
    row(
        "zrevrangebyscore",
        &[LARGE],
        &["ZREVRANGEBYSCORE large {r:1000000} -inf LIMIT 0 10"],
    ),
    row(
        "zrangebylex",
        &[WORDS],
        &["ZRANGEBYLEX words [word:{r:10000} + LIMIT 0 10"],
    ),
    row(
        "zrevrangebylex",
        &[WORDS],
        &["ZREVRANGEBYLEX words [word:{r:10000} - LIMIT 0 10"],
    ),
    row(
        "zrangestore",
        &[LARGE],
        &["ZRANGESTORE to large {r:1000} 1{r:1000} BYSCORE LIMIT 0 20"],
    ),
    row(
        "zadd-zpopmin",
        &[LARGE],
        &["ZADD large {r:1000000} member:{r:200000}", "ZPOPMIN large"],
    ),
    row(
        "zadd-zpopmax",
        &[LARGE],
        &["ZADD large {r:1000000} member:{r:200000}", "ZPOPMAX large"],
    ),
    row(
        "zadd-zmpop",
        &[LARGE],
        &[
            "ZADD large {r:1000000} member:{r:200000}",
            "ZMPOP 1 large MIN",
        ],
    ),
    row(
        "zadd-bzpopmin",
        &[LARGE],
        &[
            "ZADD large {r:1000000} member:{r:200000}",
            "BZPOPMIN large 0",
        ],
    ),
    row(
        "zadd-bzpopmax",
        &[LARGE],
        &[
            "ZADD large {r:1000000} member:{r:200000}",
            "BZPOPMAX none large 0",
        ],
    ),
    row(
        "zadd-bzmpop",
        &[LARGE],
        &[
            "ZADD large {r:1000000} member:{r:200000}",
            "BZMPOP 0 1 large MAX",
        ],
    ),
    row("zrandmember", &[SMALL], &["ZRANDMEMBER zset:{r:1000}"]),
    row(
        "zrandmember-large",
        &[LARGE],
        &["ZRANDMEMBER large 10 WITHSCORES"],
    ),
    row("zscan", &[LARGE], &["ZSCAN large 0 COUNT 10"]),
    row("zscan-small", &[SMALL], &["ZSCAN zset:{r:1000} 0"]),
    row(
        "zremrangebyrank",
        &[LARGE],
        &[
            "ZADD large {r:1000000} member:{r:200000}",
            "ZREMRANGEBYRANK large 0 0",
        ],
    ),
    row(
        "zremrangebyscore",
        &[LARGE],
        &[
            "ZADD large {r:1000000} member:{r:200000}",
            "ZREMRANGEBYSCORE large -inf 5",
        ],
    ),
    row(
        "zremrangebylex",
        &[WORDS],
        &[
            "ZADD words 0 word:{r:20000}",
            "ZREMRANGEBYLEX words [word:{r:20000} (word:{r:20000}",
        ],
    ),
    row(
        "zunion-small",
        &[SMALL],
        &["ZUNION 2 zset:{r:1000} zset:{r:1000} WITHSCORES"],
    ),
    row(
        "zunion-200",
        &[HUNDREDS],
        &["ZUNION 2 zset:{r:100} zset:{r:100}"],
    ),
    row(
        "zinter-small",
        &[SMALL],
        &["ZINTER 2 zset:{r:1000} zset:{r:1000}"],
    ),
    row(
        "zinter-200",
        &[HUNDREDS],
        &["ZINTER 2 zset:{r:100} zset:{r:100} WITHSCORES"],
    ),
    row("zdiff-small", &[SMALL], &["ZDIFF 2 zset:{r:1000} none"]),
    row(
        "zdiff-200",
        &[HUNDREDS],
        &["ZDIFF 2 zset:{r:100} zset:{r:50}"],
    ),
    row(
        "zintercard",
        &[HUNDREDS],
        &["ZINTERCARD 2 zset:{r:100} zset:{r:100}"],
    ),
    row(
        "zunionstore",
        &[HUNDREDS],
        &["ZUNIONSTORE to 2 zset:{r:100} zset:{r:100}"],
    ),
    row(
        "zunionstore-small",
        &[SMALL],
        &["ZUNIONSTORE to 2 zset:{r:1000} zset:{r:1000} AGGREGATE MAX"],
    ),
    row(
        "zinterstore",
        &[HUNDREDS],
        &["ZINTERSTORE to 2 zset:{r:100} zset:{r:100}"],
    ),
    row(
        "zdiffstore",
        &[HUNDREDS],
        &["ZDIFFSTORE to 2 zset:{r:100} zset:{r:50}"],
    ),
    row(
        "geoadd",
        &[PLACES],
        &["GEOADD places 1{r:9}.{r:1000000} 4{r:9}.{r:1000000} place:{r:10000}"],
    ),
    row(
        "geodist",
        &[PLACES],
        &["GEODIST places place:{r:10000} place:{r:10000} km"],
    ),
    row("geopos", &[PLACES], &["GEOPOS places place:{r:10000}"]),
    row("geohash", &[PLACES], &["GEOHASH places place:{r:10000}"]),
    row(
        "geosearch",
        &[PLACES],
        &["GEOSEARCH places FROMLONLAT 15.{r:1000} 45.{r:1000} BYRADIUS 20 km ASC"],
    ),
    row(
        "geosearch-box",
        &[PLACES],
        &["GEOSEARCH places FROMMEMBER place:{r:10000} BYBOX 40 40 km WITHDIST WITHCOORD"],
    ),
    row(
        "geosearch-count",
        &[PLACES],
        &["GEOSEARCH places FROMMEMBER place:{r:10000} BYRADIUS 100 km ASC COUNT 10"],
    ),
    row(
        "geosearch-polygon",
        &[PLACES],
        &[
            "GEOSEARCH places BYPOLYGON 4 15.{r:1000} 45.{r:1000} 15.{r:1000} 46 16.{r:1000} 46 16 45.{r:1000} WITHDIST",
        ],
    ),
    row(
        "geosearchstore",
        &[PLACES],
        &["GEOSEARCHSTORE to places FROMMEMBER place:{r:10000} BYRADIUS 20 km"],
    ),
    row(
        "georadius",
        &[PLACES],
        &["GEORADIUS places 15.{r:1000} 45.{r:1000} 20 km WITHDIST"],
    ),
    row(
        "georadius_ro",
        &[PLACES],
        &["GEORADIUS_RO places 15.{r:1000} 45.{r:1000} 20 km"],
    ),
    row(
        "georadiusbymember",
        &[PLACES],
        &["GEORADIUSBYMEMBER places place:{r:10000} 20 km"],
    ),
    row(
        "georadiusbymember_ro",
        &[PLACES],
        &["GEORADIUSBYMEMBER_RO places place:{r:10000} 20 km"],
    ),
];
