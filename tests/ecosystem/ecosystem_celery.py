"""The application whose worker celery starts."""
import os

from celery import Celery

url = f"redis://127.0.0.1:{os.environ['REDIS_PORT']}"
app = Celery("ecosystem", broker=f"{url}/1", backend=f"{url}/2")
app.conf.update(broker_connection_retry_on_startup=True, task_default_priority=5,
                worker_hijack_root_logger=False, result_expires=60)
tries = {}


@app.task
def add(a, b):
    return a + b


@app.task
def total(numbers):
    return sum(numbers)


@app.task(bind=True, max_retries=3, default_retry_delay=0)
def flaky(self):
    if self.request.retries < 2:
        raise self.retry()
    return self.request.retries


@app.task
def fail():
    raise ValueError("on purpose")
