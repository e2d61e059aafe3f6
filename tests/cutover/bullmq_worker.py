"""A BullMQ worker as a team has it, with a registry's handlers or an old processor; tests start it."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from bullmq import Job, Worker
from bullmq.custom_errors import UnrecoverableError

from supaqueue.cutover.legacy.bullmq_worker import bullmq_worker, guarded_processor, record_failures
from tests.cutover.celery_app import make_guard, make_registry, seen, wait_at_gate

OPTIONS = {
    "lockDuration": 2000,
    "stalledInterval": 1000,
    "maxStalledCount": 5,
    "drainDelay": 0.2,
    "concurrency": 2,
    "runRetryDelay": 200,
}


def old_processor(url: str) -> Any:
    """What a team's processor looks like."""

    async def process(job: Job, token: str, signal: Any) -> object:
        await asyncio.to_thread(seen, url, job.id, f"made {job.attemptsMade}")
        match job.name:
            case "adds":
                return job.data["a"] + job.data["b"]
            case "fails_until" if job.attemptsMade < job.data:
                raise ValueError("not yet")
            case "gives_up":
                raise UnrecoverableError("never")
            case "waits":
                await asyncio.to_thread(wait_at_gate, url, job.data)
            case "until_signal":
                await signal.wait()
                raise UnrecoverableError("stopped")
        return "done"

    return process


async def main(url: str, kind: str, stalls: int) -> None:
    """Work until killed."""
    options = {**OPTIONS, "connection": url, "maxStalledCount": stalls}
    guard = make_guard(url)
    if kind == "registry":
        worker = bullmq_worker("default", make_registry(url), guard, options)
    else:
        worker = Worker("default", guarded_processor(guard, old_processor(url)), options)
        record_failures(worker, guard)
    worker.on("error", lambda error, *_: print(f"error {error!r}", flush=True))
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(os.environ["TEST_BROKER_URL"], sys.argv[1], int(sys.argv[2])))
