"""Enqueue jobs that end differently, one of them twice, and show how they ended."""

import asyncio

from supaqueue import AsyncQueue


async def main() -> None:
    async with AsyncQueue() as queue:
        for number in (-1, 0, 1, 2, 3):
            enqueued = await queue.enqueue("fetch_report", number, backoff=0.5)
            job = await queue.wait(enqueued.job_id, timeout=20)
            print(number, job.status, job.result or job.error)

        # The same key is the same job, however often and from wherever it is enqueued.
        first = await queue.enqueue("fetch_report", 4, idempotency_key="report-4")
        again = await queue.enqueue("fetch_report", 4, idempotency_key="report-4")
        print(again.answer, first.job_id == again.job_id)


asyncio.run(main())
