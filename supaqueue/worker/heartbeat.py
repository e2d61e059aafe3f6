"""Renews leases from a thread of its own: a handler that blocks the event loop cannot stop it unnoticed."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from supaqueue.contract import CallTotals, HeartbeatAnswer, HeartbeatJobTasks, RegisterWorker
from supaqueue.errors import CallError, CallRefused
from supaqueue.telemetry.events import WorkerStalled
from supaqueue.telemetry.hook import Telemetry
from supaqueue.transport import Transport
from supaqueue.worker.leases import Held, Leases, Stop

_log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
"""The longest pause after a beat that failed."""

REGISTER_SECONDS = 20.0
"""The registration is repeated so often: it tells how calls go, and its row may have been lost or changed."""
UNKNOWN_OPTION = "SQ002"


class Pulse:
    """Tells from another thread how long the event loop has not run, and which task blocks it."""

    INTERVAL = 0.1

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._last = time.monotonic()
        self._timer = loop.call_later(self.INTERVAL, self._beat)

    def _beat(self) -> None:
        self._last = time.monotonic()
        self._timer = self._loop.call_later(self.INTERVAL, self._beat)

    def stop(self) -> None:
        """Loop thread only."""
        self._timer.cancel()

    @property
    def silent_seconds(self) -> float:
        """Seconds for which the loop has not run."""
        return time.monotonic() - self._last

    def blocking(self, held: list[Held]) -> Held | None:
        """The held task whose handler the loop is inside of, if it is one's."""
        current = asyncio.current_task(self._loop)
        return next((one for one in held if one.run is not None and one.run is current), None)


@dataclass(slots=True)
class Heartbeat:
    """Beats every `interval` seconds until stopped.

    Attributes:
        on_answer: told, in the event loop's thread, of every task that is not simply held.
        on_renewal: called, in the event loop's thread, when a beat was answered after one that was not.
        failed: told, in this thread, of every beat that failed.
        totals: says how the worker's calls went.
    """

    transport: Transport
    leases: Leases
    registration: RegisterWorker
    lease_seconds: float
    interval: float
    stall_seconds: float
    pulse: Pulse
    telemetry: Telemetry
    loop: asyncio.AbstractEventLoop
    on_answer: Callable[[HeartbeatAnswer], None]
    on_renewal: Callable[[], None]
    failed: Callable[[CallError], None]
    totals: Callable[[], CallTotals]
    _tells_totals: bool = True
    _failing: bool = False
    _stopped: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _registered_at: float = field(default_factory=time.monotonic)
    _stall_told: bool = False

    def start(self) -> None:
        """Starts the thread. It is a daemon: a worker that is told to leave at once does not wait for it."""
        self._thread = threading.Thread(target=self._run, name="supaqueue-heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Asks the thread to end; `join` waits for it."""
        self._stopped.set()

    def join(self, timeout: float) -> None:
        """Waits for the thread, `timeout` seconds at most."""
        if self._thread is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopped.wait(min(self.interval, RETRY_SECONDS) if self._failing else self.interval):
            try:
                self._beat()
                self._renewed()
            except CallError as failed:
                self._failing = True
                self.failed(failed)
                _log.warning("heartbeat failed (%s: %s)", type(failed).__name__, failed)
            except Exception:
                _log.exception("heartbeat failed")

    def _renewed(self) -> None:
        self.leases.renewed()
        if self._failing:
            self._failing = False
            self.loop.call_soon_threadsafe(self.on_renewal)

    def _beat(self) -> None:
        held = self.leases.all()
        blocked = self._stalled(held)
        refs = tuple(one.task.ref for one in held if one is not blocked and one.stop is not Stop.LEASE_LOST)
        starts = self.leases.unreported_starts()
        answers = self.transport.send(
            HeartbeatJobTasks(
                worker_id=self.registration.worker_id,
                tasks=refs,
                started=starts,
                lease_seconds=self.lease_seconds,
            )
        )
        self.leases.starts_reported(starts)
        for answer in answers:
            if answer.answer != "held":
                self.loop.call_soon_threadsafe(self.on_answer, answer)
        if time.monotonic() - self._registered_at > REGISTER_SECONDS:
            self._register()
            self._registered_at = time.monotonic()

    def _register(self) -> None:
        calls = self.totals() if self._tells_totals else None
        try:
            self.transport.send(replace(self.registration, calls=calls))
        except CallRefused as refused:
            if calls is None or refused.sqlstate != UNKNOWN_OPTION:
                raise
            _log.info("this database is older and is not told how calls go: supaqueue migrate")
            self._tells_totals = False
            self.transport.send(self.registration)

    def _stalled(self, held: list[Held]) -> Held | None:
        silent = self.pulse.silent_seconds
        if silent < self.stall_seconds:
            self._stall_told = False
            return None
        blocked = self.pulse.blocking(held)
        if not self._stall_told:
            self._stall_told = True
            self.telemetry.emit(
                WorkerStalled(
                    worker_id=self.registration.worker_id,
                    job_id=blocked.task.job_id if blocked else None,
                    task_type=blocked.task.task_type if blocked else None,
                    stalled_seconds=silent,
                )
            )
        return blocked
