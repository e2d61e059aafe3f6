"""A worker in a thread of the test's, a queue of its own, and a hook that keeps every event."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

from supaqueue.client.queue import Queue
from supaqueue.job import Job, Task
from supaqueue.settings import DatabaseSettings, Settings
from supaqueue.telemetry import Telemetry
from supaqueue.telemetry.events import Event
from supaqueue.worker import Registry, Worker
from tests.worker.waiting import DEADLINE_SECONDS, until

Kind = TypeVar("Kind", bound=Event)


class KeptEvents:
    """A telemetry hook that keeps every event."""

    def __init__(self) -> None:
        self._kept: list[Event] = []
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        with self._lock:
            self._kept.append(event)

    def of(self, kind: type[Kind]) -> list[Kind]:
        """The events of one class, in order."""
        with self._lock:
            return [event for event in self._kept if isinstance(event, kind)]


class WorkerThread:
    """Runs a worker in a thread while it is entered; leaving it stops the worker gracefully."""

    def __init__(self, worker: Worker, events: KeptEvents) -> None:
        self.worker = worker
        self.events = events
        self.handlers_ended: bool | None = None
        self.error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="worker under test", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ask_to_stop()
        self.wait_until_stopped()
        if kind is None and self.error is not None:
            raise self.error

    def ask_to_stop(self) -> None:
        """Begin the shutdown, and return at once."""
        until(lambda: self._loop or not self._thread.is_alive(), "the worker's loop")
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.worker.stop)

    def wait_until_stopped(self) -> None:
        """Return when `Worker.run` has."""
        self._thread.join(DEADLINE_SECONDS)
        assert not self._thread.is_alive(), "the worker did not stop"

    @property
    def running(self) -> bool:
        """Whether `Worker.run` has not returned yet."""
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            self.handlers_ended = asyncio.run(self._main())
        except BaseException as error:
            self.error = error

    async def _main(self) -> bool:
        self._loop = asyncio.get_running_loop()
        return await self.worker.run()


@dataclass
class OwnQueue:
    """A queue that only one test uses, and a client for it."""

    settings: Settings | DatabaseSettings
    client: Queue
    name: str = field(default_factory=lambda: f"q-{uuid4().hex[:12]}")

    def worker(
        self, registry: Registry, *, settings: Settings | DatabaseSettings | None = None, **options: Any
    ) -> WorkerThread:
        """A worker for this queue that does not run yet; options are those of `Worker`."""
        events = KeptEvents()
        worker = Worker(
            registry,
            settings or self.settings,
            queues=options.pop("queues", [self.name]),
            telemetry=Telemetry([events]),
            **{"concurrency": 4, "lease_seconds": 5.0, "grace_seconds": 10.0, **options},
        )
        return WorkerThread(worker, events)

    def enqueue(self, task_type: str, payload: object = None, **options: Any) -> str:
        """Enqueue one job and return its id."""
        return self.client.enqueue(task_type, payload, queue=self.name, **options).job_id

    def job(self, job_id: str) -> Job:
        """The job with its attempts."""
        job = self.client.get(job_id, with_attempts=True)
        assert job is not None
        return job

    def task(self, job_id: str) -> Task:
        """The job's one task, with its attempts."""
        return self.job(job_id).tasks[0]

    def outcomes(self, job_id: str) -> list[str]:
        """How every lease of its task ended."""
        return [attempt.outcome for attempt in self.task(job_id).history]

    def ended(self, job_id: str) -> Job:
        """Wait for the job's end and return it with its attempts."""
        self.client.wait(job_id, timeout=DEADLINE_SECONDS)
        return self.job(job_id)
