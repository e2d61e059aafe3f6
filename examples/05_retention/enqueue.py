"""Run jobs, move the completed ones into an archive, and read it. The same by hand:

supaqueue prune --completed 0s --queue default --archive archive
zcat archive/jobs-*/*.jsonl.gz | jq '{id: .job.job_id, result: .tasks[0].result}'
"""

import tempfile

from supaqueue import Queue
from supaqueue.contract import RetentionPolicy
from supaqueue.maintain.archive_reader import read_archive
from supaqueue.maintain.retention import Retention

with Queue() as queue:
    ids = [queue.enqueue("send_invoice", order).job_id for order in (7, 8, -1)]
    for job_id in ids:
        queue.wait(job_id, timeout=10)

    # In earnest an age would be days. What has no age is kept: here the failed jobs, the dead letters.
    policy = RetentionPolicy(completed=0, queue="default")
    with tempfile.TemporaryDirectory() as folder, Retention(policy, archive=folder) as retention:
        print("would remove", dict(retention.count().removed))
        print("removed", dict(retention.run().removed))
        print("archived", sorted(job.tasks[0]["result"] for job in read_archive(folder)))

    left = queue.get_many(ids)
    print("in the database", [job and job.status for job in left])
