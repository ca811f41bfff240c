"""rq: a worker in a process of its own, results, failures, retries, schedules."""
import os
import time
from datetime import timedelta

import rq
from redis import Redis
from rq import Queue, Retry, SimpleWorker
from rq.registry import FailedJobRegistry, FinishedJobRegistry

from ecosystem_jobs import double, fail

redis = Redis(port=int(os.environ["REDIS_PORT"]))
queue = Queue("jobs", connection=redis)
jobs = [queue.enqueue(double, n) for n in range(50)]
lost = queue.enqueue(fail)
tried = queue.enqueue(fail, retry=Retry(max=2))
after = queue.enqueue(double, 7, depends_on=jobs[0])
late = queue.enqueue_in(timedelta(seconds=1), double, 21)
first = queue.enqueue(double, 1, at_front=True)
assert queue.job_ids[0] == first.id

SimpleWorker([queue], connection=redis).work(burst=True)
assert [job.latest_result().return_value for job in jobs] == [n * 2 for n in range(50)]
assert after.latest_result().return_value == 14
assert lost.get_status(refresh=True) == "failed" and tried.get_status(refresh=True) == "failed"
assert len(FailedJobRegistry(queue=queue)) == 2
assert len(FinishedJobRegistry(queue=queue)) == 52

pid = os.fork()
if pid == 0:
    rq.Worker([queue], connection=Redis(port=int(os.environ["REDIS_PORT"]))).work(
        with_scheduler=True, max_idle_time=3)
    os._exit(0)
for _ in range(200):
    if late.get_status(refresh=True) == "finished":
        break
    time.sleep(0.1)
assert late.latest_result().return_value == 42, late.get_status()
os.waitpid(pid, 0)
print(f"55 jobs of rq {rq.VERSION}")
