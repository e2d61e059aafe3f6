"""The demo's main job: every file measured by exactly one finished job, whoever dies on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psycopg

from supaqueue.cli.demo.handlers import LINGER_AFTER, File, measure_file
from supaqueue.cli.demo.workers import QUEUE, kill_inside_handlers, start_worker, stop_worker
from supaqueue.client import Queue
from supaqueue.contract import NewJob
from supaqueue.devstack import Stack
from supaqueue.errors import SupaqueueError
from supaqueue.job_id import new_job_id
from supaqueue.maintain.migrate import Migrator
from supaqueue.settings import Settings

Progress = Callable[[str, int, int], None]
"""Called with what is going on, how many are done, and of how many."""

DEADLINE_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Summary:
    """What the demo found.

    Attributes:
        lost: input files for which no job ended.
        wrong: completed jobs whose result differs from the one computed directly.
        finished_twice: tasks that more than one attempt ended for good.
        problems: one line for each file that failed or whose result is wrong.
        rescued: tasks whose lease was lost with the killed worker and that were completed by another one.
    """

    jobs: int
    completed: int
    failed: int
    lost: int
    wrong: int
    finished_twice: int
    rescued: int
    seconds: float
    problems: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether everything ended well, and a rescue was seen."""
        bad = (self.failed, self.lost, self.wrong, self.finished_twice)
        return self.completed == self.jobs and self.rescued >= 1 and not any(bad)


def run_demo(files: Sequence[Path], directory: Path, progress: Progress, *, keep: bool = False) -> Summary:
    """Starts a stack in `directory`, works through the files with two workers, kills one, and checks.

    Raises:
        SupaqueueError: if the stack does not start, or the jobs do not end within a quarter of an hour.
    """
    begun = time.monotonic()
    progress("starting Postgres, PostgREST and the gateway", 0, len(files))
    stack = Stack(directory)
    try:
        stack.up()
        Migrator(stack.database_url).apply()
        with Queue(_producer(stack)) as queue:
            jobs = _enqueue(queue, files)
            _work(stack, list(jobs), directory, progress)
            progress("comparing every result", len(files), len(files))
            return _check(queue, stack.database_url, jobs, begun)
    finally:
        stack.down() if keep else stack.remove()


def _producer(stack: Stack) -> Settings:
    env = stack.env()
    return Settings(url=stack.url, anon_key=stack.anon_key, token=env["SUPAQUEUE_PRODUCER_TOKEN"])


def _worker_environ(stack: Stack) -> dict[str, str]:
    env = stack.env()
    return {
        "SUPABASE_URL": env["SUPABASE_URL"],
        "SUPABASE_ANON_KEY": env["SUPABASE_ANON_KEY"],
        "SUPAQUEUE_TOKEN": env["SUPAQUEUE_WORKER_TOKEN"],
    }


def _enqueue(queue: Queue, files: Sequence[Path]) -> dict[str, Path]:
    jobs = {new_job_id(): path for path in files}
    queue.enqueue_many(
        NewJob("measure_file", {"path": str(path)}, queue=QUEUE, job_id=job_id)
        for job_id, path in jobs.items()
    )
    return jobs


def _work(stack: Stack, job_ids: list[str], directory: Path, progress: Progress) -> None:
    expected = len(job_ids)
    environ = _worker_environ(stack)
    lingering = {LINGER_AFTER: str(expected // 10)}
    workers = [start_worker(environ | lingering, directory / "worker-1.log")]
    try:
        with psycopg.connect(stack.database_url, autocommit=True) as connection:
            _until(lambda: _begun(connection, job_ids) > 0, workers[0].poll, "worker 1 claimed nothing")
            workers.append(start_worker(environ, directory / "worker-2.log"))
            held = kill_inside_handlers(
                workers[0], stack.database_url, lambda: _ended(connection, job_ids) >= expected
            )
            text = f"killed worker 1 while it held {held} tasks; worker 2 goes on"
            _wait(
                lambda: _ended(connection, job_ids),
                workers[1].poll,
                expected,
                lambda done: progress(text, done, expected),
            )
    finally:
        for worker in workers:
            stop_worker(worker)


def _wait(
    ended: Callable[[], int], exited: Callable[[], int | None], expected: int, show: Callable[[int], None]
) -> None:
    def all_ended() -> bool:
        show(done := ended())
        return done >= expected

    _until(all_ended, exited, "not all jobs ended")


def _until(reached: Callable[[], bool], exited: Callable[[], int | None], otherwise: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not reached():
        if exited() is not None:
            raise SupaqueueError(
                "a worker ended early: see worker-1.log and worker-2.log in the folder of --keep"
            )
        if time.monotonic() > deadline:
            raise SupaqueueError(f"{otherwise} within {DEADLINE_SECONDS:.0f} s")
        time.sleep(0.05)


def _begun(connection: psycopg.Connection[Any], job_ids: list[str]) -> int:
    return _count(
        connection, "select count(*) from jobs where job_id = any(%s) and status <> 'pending'", job_ids
    )


def _ended(connection: psycopg.Connection[Any], job_ids: list[str]) -> int:
    return _count(
        connection, "select count(*) from jobs where job_id = any(%s) and finished_at is not null", job_ids
    )


def _check(queue: Queue, database_url: str, jobs: dict[str, Path], begun: float) -> Summary:
    found = {job.job_id: job for job in queue.get_many(list(jobs)) if job is not None}
    completed = [job for job in found.values() if job.status == "completed"]
    failed = [job for job in found.values() if job.status in ("failed", "cancelled")]
    wrong = [job for job in completed if job.result != measure_file(File(path=jobs[job.job_id]))]
    with psycopg.connect(database_url) as connection:
        finished_twice = _count(
            connection,
            "select count(*) from (select from job_task_attempts"
            " where job_id = any(%s) and status_after in ('completed', 'failed', 'cancelled')"
            " group by job_id, task_number having count(*) > 1) as twice",
            list(jobs),
        )
        rescued = _count(
            connection,
            "select count(*) from job_tasks t where t.job_id = any(%s) and t.status = 'completed' and exists"
            " (select from job_task_attempts a where a.job_id = t.job_id and a.task_number = t.task_number"
            " and a.outcome = 'lease_lost')",
            list(jobs),
        )
    return Summary(
        jobs=len(jobs),
        completed=len(completed),
        failed=len(failed),
        lost=sum(1 for job_id in jobs if job_id not in found or not found[job_id].ended),
        wrong=len(wrong),
        finished_twice=finished_twice,
        rescued=rescued,
        seconds=round(time.monotonic() - begun, 1),
        problems=tuple(
            [f"{jobs[job.job_id]}: {job.status}, {job.error}" for job in failed]
            + [f"{jobs[job.job_id]}: its result is not the one computed directly" for job in wrong]
        ),
    )


def _count(connection: psycopg.Connection[Any], query: LiteralString, job_ids: list[str]) -> int:
    row = connection.execute(query, [job_ids]).fetchone()
    assert row is not None
    return int(row[0])
