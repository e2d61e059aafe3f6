"""The worker: claims, runs, heartbeats and reports, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Protocol

from supaqueue.contract import FinishAnswer, HeartbeatAnswer, RegisterWorker, RescuedToFail, SetTaskTypes
from supaqueue.errors import CallError, ConfigurationError
from supaqueue.settings import DatabaseSettings, Settings
from supaqueue.telemetry.hook import Telemetry
from supaqueue.transport import AsyncTransport, Transport, open_async_transport, open_transport
from supaqueue.version import __version__
from supaqueue.worker.calls import CountedCalls
from supaqueue.worker.claiming import Claimer, Room
from supaqueue.worker.facts import finish_event, queue_unavailable, rescued_to_fail
from supaqueue.worker.finishing import Finisher
from supaqueue.worker.heartbeat import Heartbeat, Pulse
from supaqueue.worker.leases import Leases
from supaqueue.worker.pause import Polling
from supaqueue.worker.probe import served_types
from supaqueue.worker.progress import ProgressSender
from supaqueue.worker.registry import Registry
from supaqueue.worker.results import Results
from supaqueue.worker.run import Ended
from supaqueue.worker.runner import Runner

_log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 15.0
"""The longest pause between heartbeats: they also say that the worker is alive, and bring what to cancel."""


class Companion(Protocol):
    """Runs beside a worker, in a thread of its own: from when the worker is registered until it leaves."""

    def start(self) -> None:
        """Begin, and return at once."""

    def stop(self) -> None:
        """End soon, and return when it has or a moment has passed."""


class Worker:
    """Runs the tasks of some queues with the handlers of a registry.

    Args:
        registry: what this worker serves; other task types are left to other workers.
        settings: where the queue is, and the key; `Settings.load()` if not given. With `DatabaseSettings` it
            calls Postgres over direct connections, five at most.
        queues: names of the queues, at least one; as a mapping, with their weights, 0.001 to 1,000: of what
            is claimed while all have work, each queue gets its share of the weights' sum.
        concurrency: handlers that run at the same time.
        lease_seconds: a task whose worker was not heard of for so long is given to another one.
        grace_seconds: how long running handlers may go on after `stop`.
        stall_seconds: past this the job that blocks the event loop is named and its lease not renewed.
        companions: what runs beside it, for example a scheduler of recurring jobs.

    Raises:
        ConfigurationError: if no handler or no queue is given, or a number makes no sense.
    """

    def __init__(
        self,
        registry: Registry,
        settings: Settings | DatabaseSettings | None = None,
        *,
        queues: Sequence[str] | Mapping[str, float] = ("default",),
        concurrency: int = 16,
        lease_seconds: float = 30.0,
        grace_seconds: float = 20.0,
        stall_seconds: float | None = None,
        polling: Polling | None = None,
        telemetry: Telemetry | None = None,
        worker_id: str | None = None,
        companions: Sequence[Companion] = (),
    ) -> None:
        _check(registry, queues, concurrency, lease_seconds)
        self.registry = registry
        self.settings = settings or Settings.load()
        self.queues = tuple(dict.fromkeys(queues))
        self.weights = dict(queues) if isinstance(queues, Mapping) else {}
        self.concurrency = concurrency
        self.lease_seconds = lease_seconds
        self.grace_seconds = grace_seconds
        self.stall_seconds = stall_seconds if stall_seconds is not None else max(1.0, lease_seconds / 3)
        self.polling = polling or Polling()
        self.companions = tuple(companions)
        self.telemetry = telemetry or Telemetry()
        self.worker_id = worker_id or f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._leases = Leases()
        self._room = Room(concurrency)
        self._stopping = asyncio.Event()
        self._freed = asyncio.Event()
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="supaqueue-handler")

    def stop(self) -> None:
        """Begins a graceful shutdown; `run` returns when it is done. Call it in the event loop's thread."""
        self._stopping.set()
        self._freed.set()

    async def run(self) -> bool:
        """Works until `stop`.

        Returns:
            True if every handler ended; False if sync ones are still running in threads after the grace time,
            which only the end of the process can stop.

        Raises:
            CallError: if the queue refuses or does not answer at the start; later failures are waited out.
        """
        transport = open_async_transport(self.settings)
        beats = open_transport(self.settings, budget_seconds=max(1.0, self.lease_seconds / 3))
        try:
            await transport.send(self._registration(stopped=False))
            if self.registry.options:
                await transport.send(SetTaskTypes(self.registry.options, changed_by=self.worker_id))
            for companion in self.companions:
                companion.start()
            return await self._work(transport, beats)
        finally:
            for companion in self.companions:
                await asyncio.to_thread(companion.stop)
            beats.close()
            await transport.aclose()
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _work(self, transport: AsyncTransport, beats: Transport) -> bool:
        loop = asyncio.get_running_loop()
        pulse = Pulse(loop)
        self._progress = ProgressSender(
            transport, self._leases, self.worker_id, self.lease_seconds, self._heard, self._call_failed
        )
        runner = self._runner = self._new_runner(loop, Results(transport, self.worker_id))
        counted = CountedCalls(transport)
        heartbeat = self._heartbeat(beats, pulse, loop, runner, counted)
        self._finisher = Finisher(counted, self._leases, self.worker_id, self._answered, self._call_failed)
        claimer = self._new_claimer(counted, runner)
        heartbeat.start()
        reporting = asyncio.create_task(self._finisher.run())
        reporting.add_done_callback(self._reporting_ended)  # without reports, work would be done for nothing
        crowding = asyncio.create_task(runner.hand_back_what_waits())
        progress = asyncio.create_task(self._progress.run())
        _log.info(
            "serving queues %s as %s: %s",
            ", ".join(self.queues),
            self.worker_id,
            ", ".join(self.registry.handlers),
        )
        try:
            await claimer.run()
        finally:
            self._stopping.set()
            crowding.cancel()
            ended = await runner.leave(self.grace_seconds)
            self._finisher.close()
            await self._report_what_is_known(reporting)
            progress.cancel()
            heartbeat.stop()
            pulse.stop()
            await self._unregister(transport)
            await asyncio.to_thread(heartbeat.join, 2.0)
        return ended

    def _new_runner(self, loop: asyncio.AbstractEventLoop, results: Results) -> Runner:
        return Runner(
            registry=self.registry,
            leases=self._leases,
            worker_id=self.worker_id,
            concurrency=self.concurrency,
            max_result_bytes=self.settings.max_json_bytes,
            telemetry=self.telemetry,
            threads=self._threads,
            results=results,
            on_end=self._ended,
            on_free=self._freed.set,
            on_crowding=self._room.ran_at_least,
            on_stuck=self._stuck,
            on_progress=partial(self._progress_changed, loop),
        )

    def _new_claimer(self, transport: AsyncTransport, runner: Runner) -> Claimer:
        return Claimer(
            transport=transport,
            leases=self._leases,
            worker_id=self.worker_id,
            queues=self.queues,
            weights=self.weights,
            task_types=served_types(self.registry),
            lease_seconds=self.lease_seconds,
            room=self._room,
            polling=self.polling,
            take=runner.take,
            stopping=self._stopping,
            freed=self._freed,
            failed=self._call_failed,
            rescued_to_fail=self._rescued_to_fail,
            paused=runner.hand_back_queues,
            closed=runner.hand_back_types,
        )

    def _heartbeat(
        self,
        beats: Transport,
        pulse: Pulse,
        loop: asyncio.AbstractEventLoop,
        runner: Runner,
        counted: CountedCalls,
    ) -> Heartbeat:
        return Heartbeat(
            transport=beats,
            leases=self._leases,
            registration=self._registration(stopped=False),
            lease_seconds=self.lease_seconds,
            interval=min(self.lease_seconds / 4, HEARTBEAT_SECONDS),
            stall_seconds=self.stall_seconds,
            pulse=pulse,
            telemetry=self.telemetry,
            loop=loop,
            on_answer=runner.heard,
            on_renewal=self._freed.set,
            failed=self._call_failed,
            totals=lambda: counted.totals,
        )

    def _registration(self, *, stopped: bool) -> RegisterWorker:
        return RegisterWorker(
            worker_id=self.worker_id,
            queues=self.queues,
            task_types=served_types(self.registry),
            concurrency=self.concurrency,
            host=socket.gethostname(),
            process_id=os.getpid(),
            version=__version__,
            stopped=stopped,
        )

    def _ended(self, ended: Ended) -> None:
        if ended.finished.ran_seconds is not None:
            self._room.ran(ended.finished.ran_seconds)
        self._finisher.add(ended)

    def _answered(self, ended: Ended, answer: FinishAnswer) -> None:
        self._freed.set()
        event = finish_event(ended, answer)
        if event is not None:
            self.telemetry.emit(event)

    def _heard(self, answer: HeartbeatAnswer) -> None:
        self._runner.heard(answer)

    def _progress_changed(self, loop: asyncio.AbstractEventLoop) -> None:
        with suppress(RuntimeError):  # the worker has left, a handler goes on in its thread
            loop.call_soon_threadsafe(self._progress.changed)

    def _stuck(self, slots: int) -> None:
        self._room.stuck = slots
        self._freed.set()

    def _rescued_to_fail(self, task: RescuedToFail) -> None:
        self.telemetry.emit(rescued_to_fail(task, self.worker_id))

    def _reporting_ended(self, _: asyncio.Task[None]) -> None:
        self.stop()

    def _call_failed(self, failed: CallError) -> None:
        event = queue_unavailable(failed)
        if event is not None:
            self.telemetry.emit(event)

    async def _report_what_is_known(self, reporting: asyncio.Task[None]) -> None:
        try:
            await asyncio.wait_for(reporting, max(5.0, self.grace_seconds))
        except TimeoutError:
            _log.error("%d tasks could not be reported; their leases will run out", len(self._leases))

    async def _unregister(self, transport: AsyncTransport) -> None:
        try:
            await asyncio.wait_for(transport.send(self._registration(stopped=True)), 2.0)
        except (CallError, TimeoutError) as failed:
            _log.warning("could not unregister (%s)", type(failed).__name__)


def _check(
    registry: Registry, queues: Sequence[str] | Mapping[str, float], concurrency: int, lease_seconds: float
) -> None:
    if not registry.handlers:
        raise ConfigurationError("the registry has no handlers: register one with @registry.task(...)")
    if isinstance(queues, str) or not queues or not all(queues):
        raise ConfigurationError("queues: give a list of at least one name")
    if isinstance(queues, Mapping) and not all(0.001 <= weight <= 1000 for weight in queues.values()):
        raise ConfigurationError("queues: give weights between 0.001 and 1,000")
    if concurrency < 1:
        raise ConfigurationError("concurrency: give at least 1")
    if not 1 <= lease_seconds <= 86400:
        raise ConfigurationError("lease_seconds: give 1 to 86400")
