"""redis-py: its Lock, registered scripts, functions, and a sliding-window rate limiter in Lua."""
import os
import threading
import time

import redis
from redis.exceptions import LockError, NoScriptError, ResponseError

client = redis.Redis(port=int(os.environ["REDIS_PORT"]), decode_responses=True)

# Lock: its scripts acquire, extend and release.
with client.lock("lock", timeout=5) as lock:
    assert not client.lock("lock", blocking=False).acquire()
    lock.extend(5)
    lock.reacquire()
    assert lock.owned()
try:
    lock.release()
    raise AssertionError("released twice")
except LockError:
    pass
count, most = 0, 0


def work():
    global count, most
    mine = redis.Redis(port=int(os.environ["REDIS_PORT"]))
    for _ in range(10):
        with mine.lock("shared", timeout=5, sleep=0.005):
            count += 1
            most = max(most, count)
            time.sleep(0.001)
            count -= 1


threads = [threading.Thread(target=work) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert most == 1, most

# A limiter: three in any 200 ms.
limiter = client.register_script("""
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, ms - ARGV[1])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then
  local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  return {0, oldest[2] + ARGV[1] - ms}
end
redis.call('ZADD', KEYS[1], ms, ms .. '-' .. redis.call('INCR', KEYS[1] .. ':id'))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return {1, 0}
""")
passed = [limiter(keys=["limit"], args=[200, 3])[0] for _ in range(6)]
assert passed == [1, 1, 1, 0, 0, 0], passed
wait = limiter(keys=["limit"], args=[200, 3])[1]
assert 0 < wait <= 200, wait
time.sleep(wait / 1000 + 0.05)
assert limiter(keys=["limit"], args=[200, 3])[0] == 1

# A script that the server has forgotten is sent again; in pipelines, too.
client.script_flush()
try:
    client.evalsha(limiter.sha, 1, "limit", 200, 3)
    raise AssertionError("the script was not forgotten")
except NoScriptError:
    pass
with client.pipeline() as pipe:
    limiter(keys=["other"], args=[200, 3], client=pipe)
    assert pipe.execute() == [[1, 0]]

# Functions.
client.function_load("""#!lua name=counters
redis.register_function('bump', function(keys, args) return redis.call('INCRBY', keys[1], args[1]) end)
redis.register_function{function_name='peek', callback=function(keys) return redis.call('GET', keys[1]) end, flags={'no-writes'}}
""", replace=True)
assert client.fcall("bump", 1, "n", 5) == 5 and client.fcall_ro("peek", 1, "n") == "5"
try:
    client.fcall_ro("bump", 1, "n", 5)
    raise AssertionError("a write went through FCALL_RO")
except ResponseError:
    pass
assert {f[1] for f in [x[:2] for x in client.function_list()[0][5]]} == {"bump", "peek"}
client.function_delete("counters")
print(f"locks, a limiter and functions with redis-py {redis.__version__}")
