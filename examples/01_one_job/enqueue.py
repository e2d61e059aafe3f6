"""Enqueue one job and wait for its result."""

from supaqueue import Queue

with Queue() as queue:
    enqueued = queue.enqueue("greet", {"name": "Ada"})
    print(queue.wait(enqueued.job_id, timeout=10).result)
