"""Workers of RQ, Celery and BullMQ that count their writes; started as `worker_words` says."""

from __future__ import annotations

import asyncio
import os

from supaqueue.cutover.guard import Guard
from supaqueue.cutover.legacy.bullmq_worker import bullmq_worker
from supaqueue.cutover.legacy.celery_worker import celery_tasks
from supaqueue.cutover.legacy.redis_connection import connect
from supaqueue.cutover.legacy.redis_index import RedisIndex
from supaqueue.cutover.legacy.rq_worker import rq_handler
from supaqueue.cutover.supabase_starts import StartsInSupabase
from supaqueue.transport import RestTransport
from tests.cutover.bullmq_worker import OPTIONS
from tests.cutover.celery_app import make_app
from tests.faults.crash_points_brokers import told_ground
from tests.faults.crash_points_ground import LEASE_SECONDS
from tests.faults.crash_points_writes import INDEX_WRITES, Counted, Writes, count_calls, count_files

ground = told_ground()
writes = Writes(ground.root / "writes", os.environ["CRASH_POINT"] or None)
count_calls(writes)
count_files(writes, ground.root)
index = Counted(RedisIndex(connect(ground.broker_url)), "index", INDEX_WRITES, writes, by_file=False)
guard = Guard(
    index,  # type: ignore[arg-type]
    start_in_supabase=StartsInSupabase(RestTransport(ground.settings)),
    lease_seconds=LEASE_SECONDS,
)
registry = ground.registry("legacy")
run = rq_handler(registry, guard)
app = make_app(ground.broker_url)
celery_tasks(app, registry, guard)
writes.begin()


async def main() -> None:
    """Work until killed."""
    bullmq_worker(ground.queue_name, registry, guard, {**OPTIONS, "connection": ground.broker_url})
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
