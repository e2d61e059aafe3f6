"""The guard in BullMQ workers in Python: around an existing processor, and for a registry's handlers.

A job without a stamp runs as ever, and is counted. What is held is moved to BullMQ's delayed jobs, which
costs no attempt.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial, wraps
from types import MappingProxyType
from typing import Any, NoReturn

from bullmq import Job, Worker
from bullmq.custom_errors import DelayedError, UnrecoverableError, WaitingChildrenError

from supaqueue.contract import PROBE_TYPE, ClaimedTask, Json, TaskTypeOptions
from supaqueue.cutover.errors import LegacyUnavailable
from supaqueue.cutover.guard import LOOK_AGAIN_SECONDS, UPGRADE_SECONDS, Admission, Guard
from supaqueue.cutover.handler_run import Again, completed, failed, run_handler
from supaqueue.cutover.legacy.bullmq import stamp_of
from supaqueue.cutover.legacy.bullmq_queues import STAMP_OPTION
from supaqueue.cutover.legacy.bullmq_unstamped import job_id_of
from supaqueue.cutover.legacy.entry import Ending
from supaqueue.cutover.marked_run import MarkedRun, RunStop
from supaqueue.cutover.recorded_ending import recorded_ending
from supaqueue.cutover.stamp import Stamp
from supaqueue.worker import Registry
from supaqueue.worker.probe import served_handler
from supaqueue.worker.registry import Handler

_log = logging.getLogger(__name__)

Processor = Callable[..., Awaitable[Any]]
DEFAULT_ATTEMPTS = 5


class HandlerFailed(Exception):
    """What a registry's handler raised, as BullMQ records it, when it is tried again."""


def guarded_processor(guard: Guard, processor: Processor) -> Processor:
    """Return a processor that asks the guard first; it takes what `processor` takes: job, token, signal.

    A processor that raises has ended its job if BullMQ will not try again; `record_failures` sees to what
    BullMQ fails without asking a processor. The signal, if it takes one, is set when the job is cancelled.
    Probes end well without it.
    """

    @wraps(processor)
    async def process(job: Job, token: str, *signal: Any) -> Any:
        given = _end_probe if job.name == PROBE_TYPE else processor
        return await _guarded(guard, job, token, partial(_run_processor, given, job, token, signal))

    return process


async def _end_probe(job: Job, token: str, *signal: Any) -> None:
    """End well: a processor that was there before knows nothing of probes."""


def bullmq_worker(
    queue: str, registry: Registry, guard: Guard, options: Mapping[str, Any] = MappingProxyType({})
) -> Worker:
    """Return a BullMQ worker, started, that runs a registry's handlers; belongs to the running event loop.

    Attempts are the job's own, else those that the registry declares; backoff and timeout are the registry's.
    Sync handlers and async ones run in threads, `concurrency` at a time. A job of a type that the registry
    does not have is held: another worker of the queue may know it.

    Args:
        options: of `bullmq.Worker`: connection, concurrency, lockDuration, maxStalledCount, ...
    """
    threads = ThreadPoolExecutor(int(options.get("concurrency", 1)), "supaqueue-handler")
    declared = {one.task_type: one for one in registry.options}

    async def process(job: Job, token: str) -> Any:
        handler = served_handler(registry, job.name)
        if handler is None:
            _log.error("job %s: nothing is registered for %s: held", job.id, job.name)
            await _hold(job, token, UPGRADE_SECONDS)
        options = declared.get(job.name) or TaskTypeOptions(job.name)
        return await _guarded(guard, job, token, partial(_run_handler, handler, options, job, token, threads))

    worker = Worker(queue, process, dict(options))
    record_failures(worker, guard)
    return worker


def record_failures(worker: Worker, guard: Guard) -> None:
    """Let the index know of jobs that BullMQ fails by itself, for example after too many stalls."""
    tasks: set[asyncio.Task[None]] = set()

    def failed_for_good(job: Job, error: Exception) -> None:
        if job.finishedOn:
            task = asyncio.ensure_future(_record(guard, job, error))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    worker.on("failed", failed_for_good)


async def _record(guard: Guard, job: Job, error: Exception) -> None:
    if stamp_of(job) is None and not await _was_adopted(guard, job):
        return
    # What the guard saw is recorded already: then it answers `drop`. A dead runner's marker is waited for.
    while True:
        admission = await _admit(guard, job)
        if admission.verdict != "hold":
            break
        await asyncio.sleep(admission.seconds)
    if admission.run is not None:
        await asyncio.to_thread(admission.run.finish, failed(error, job.attemptsMade + 1))


async def _guarded(guard: Guard, job: Job, token: str, run_it: Callable[[MarkedRun], Awaitable[Any]]) -> Any:
    admission = await _admit(guard, job)
    if admission.run is None:
        _log.info("job %s (%s): %s, %s", job.id, job.name, admission.verdict, admission.reason)
    if admission.verdict == "drop":
        return _told(await asyncio.to_thread(recorded_ending, guard, stamp_of(job) or Stamp(_job_id(job))))
    if admission.run is None:
        await _hold(job, token, admission.seconds)
    with admission.run as run:
        return await run_it(run)


async def _admit(guard: Guard, job: Job) -> Admission:
    return await asyncio.to_thread(
        guard.admit, job.opts.get(STAMP_OPTION), job.name, job_id_of(job, job.queue.name)
    )


def _job_id(job: Job) -> str:
    stamp = stamp_of(job)
    return stamp.job_id if stamp else job_id_of(job, job.queue.name)


async def _was_adopted(guard: Guard, job: Job) -> bool:
    while True:
        try:
            return await asyncio.to_thread(guard.index.get, [_job_id(job)]) != [None]
        except LegacyUnavailable as silent:
            _log.warning("job %s failed, and is to be recorded once the index answers: %s", job.id, silent)
        await asyncio.sleep(LOOK_AGAIN_SECONDS)


async def _run_processor(
    processor: Processor, job: Job, token: str, signal: tuple[Any, ...], run: MarkedRun
) -> Any:
    loop = asyncio.get_running_loop()

    def stopped(stop: RunStop) -> None:
        loop.call_soon_threadsafe(job.queue.cancelJob, job.id, stop)

    run.on_stop(stopped)
    attempt = job.attemptsMade + 1
    try:
        result = await processor(job, token, *signal)
    except (DelayedError, WaitingChildrenError):
        await asyncio.to_thread(run.free)
        raise
    except Exception as raised:
        if _is_tried_again(job, raised):
            await asyncio.to_thread(run.free, has_failed=True)
        else:
            await _finish(run, failed(raised, attempt), job, token)
        raise
    await _finish(run, completed(result, attempt), job, token)
    return result


def _is_tried_again(job: Job, raised: Exception) -> bool:
    if isinstance(raised, UnrecoverableError) or job.discarded:
        return False
    return bool(job.attemptsMade + 1 < (job.opts.get("attempts") or 0))


async def _run_handler(
    handler: Handler, options: TaskTypeOptions, job: Job, token: str, threads: Executor, run: MarkedRun
) -> Any:
    came = await asyncio.get_running_loop().run_in_executor(
        threads,
        partial(
            run_handler,
            handler,
            _claimed(job, options),
            run,
            worker_id=str(job.queue.id),
            backoff=options.backoff,
        ),
    )
    if isinstance(came, Again):
        await asyncio.to_thread(run.free, has_failed=came.spends_attempt)
        await _again(job, token, came)
    await _finish(run, came, job, token)
    return _told(came)


def _told(ending: Ending | None) -> Json:
    # Also of a job that ended before: a worker that died after its end was recorded has told BullMQ nothing.
    if ending is not None and ending.status != "completed":
        raise UnrecoverableError(_text(ending.error))
    return ending.result if ending is not None else None


async def _again(job: Job, token: str, again: Again) -> NoReturn:
    if not again.spends_attempt:
        await _hold(job, token, again.seconds)
    # BullMQ reads these when the processor raises; they are not stored, so that the job stays as it was sent.
    job.opts["attempts"] = job.attemptsMade + 2
    job.opts["backoff"] = {"type": "fixed", "delay": round(again.seconds * 1000)}
    raise HandlerFailed(_text(again.error))


async def _finish(run: MarkedRun, ending: Ending, job: Job, token: str) -> None:
    if await asyncio.to_thread(run.finish, ending) != "recorded":
        await _hold(job, token, run.lease_seconds)


async def _hold(job: Job, token: str, seconds: float) -> NoReturn:
    await job.moveToDelayed(round((time.time() + seconds) * 1000), token)
    raise DelayedError


def _claimed(job: Job, options: TaskTypeOptions) -> ClaimedTask:
    return ClaimedTask(
        job_id=_job_id(job),
        task_number=1,
        queue=job.queue.name,
        task_type=job.name,
        payload=job.data,
        lease_token=1,
        attempt=job.attemptsMade + 1,
        max_attempts=job.opts.get("attempts") or options.max_attempts or DEFAULT_ATTEMPTS,
        waited_seconds=0.0,
        timeout_seconds=options.timeout_seconds,
    )


def _text(error: Json) -> str:
    if not isinstance(error, dict):
        return "cancelled"
    return f"{error.get('type')}: {error.get('message')}"
