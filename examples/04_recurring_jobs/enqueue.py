"""Enqueue nothing: the worker does, at the next full minute. Show what comes of it."""

import time

from supaqueue import Queue

with Queue() as queue:
    while not (jobs := list(queue.list(task_type="write_report"))):
        time.sleep(1)
    print(queue.wait(jobs[-1].job_id, timeout=20).result)
