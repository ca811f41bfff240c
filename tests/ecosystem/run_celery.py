"""celery: a worker, results, retries, countdowns, groups, chains and chords."""
import subprocess
import sys
import time

import celery
from celery import chain, chord, group

from ecosystem_celery import add, app, fail, flaky, total

worker = subprocess.Popen([sys.executable, "-m", "celery", "-A", "ecosystem_celery", "worker", "--concurrency", "2",
                           "--loglevel", "WARNING", "--without-gossip"], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
try:
    results = [add.delay(n, n) for n in range(50)]
    assert [result.get(timeout=60) for result in results] == [2 * n for n in range(50)]
    assert flaky.delay().get(timeout=30) == 2
    try:
        fail.delay().get(timeout=30)
        raise AssertionError("a failure was lost")
    except ValueError as error:
        assert str(error) == "on purpose"
    before = time.time()
    assert add.apply_async((1, 2), countdown=1).get(timeout=30) == 3
    assert time.time() - before >= 0.9
    assert group(add.s(n, 1) for n in range(5))().get(timeout=30) == [1, 2, 3, 4, 5]
    assert chain(add.s(1, 2), add.s(4))().get(timeout=30) == 7
    assert chord((add.s(n, n) for n in range(4)), total.s())().get(timeout=30) == 12
    assert app.control.ping(timeout=3), "the worker answers over pub/sub"
finally:
    worker.terminate()
    worker.wait(30)
print(f"70 tasks of celery {celery.__version__}")
