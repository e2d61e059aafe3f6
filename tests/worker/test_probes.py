"""Probes as workers run them, and what workers tell of their own calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from supaqueue.contract import (
    CallTotals,
    ClaimJobTasks,
    CountJobs,
    FinishJobTasks,
    ReadProbes,
    RegisterWorker,
    SendProbes,
)
from supaqueue.errors import ConfigurationError
from supaqueue.settings import Settings
from supaqueue.telemetry import Telemetry
from supaqueue.testing import MemoryTransport
from supaqueue.testing.memory import count as memory
from supaqueue.transport import open_transport
from supaqueue.worker import Registry
from supaqueue.worker.heartbeat import Heartbeat, Pulse
from supaqueue.worker.leases import Leases
from tests.faults.proxy import Fault, FaultProxy
from tests.worker.processes import WorkerProcess
from tests.worker.running import OwnQueue
from tests.worker.waiting import until

TOTALS = (
    "select claims_sent, claims_failed, finishes_sent, finishes_failed from job_workers where worker_id = %s"
)


def status(database: psycopg.Connection[Any], queue: OwnQueue) -> list[str]:
    """Of the queue's probes, the oldest first."""
    query = "select status from job_tasks where queue = %s and purpose = 'probe' order by run_at"
    return [status for (status,) in database.execute(query, [queue.name])]


def test_a_killed_workers_probe_is_lost_until_another_takes_it(
    queue: OwnQueue,
    registry: Registry,
    start: Callable[..., WorkerProcess],
    settings_through_proxy: Settings,
    proxy: FaultProxy,
    database: psycopg.Connection[Any],
) -> None:
    """It is killed with the probe in its hands: the finish does not go through."""
    proxy.expect_always(FinishJobTasks.function, Fault.ANSWER_503)
    killed = start(url=proxy.url)
    with closing(open_transport(queue.settings)) as transport:
        transport.send(SendProbes((queue.name,)))
        until(lambda: status(database, queue) != ["pending"], "the probe to be taken")
        killed.kill()
        database.execute(
            "update job_probes set sent_at = sent_at - interval '61 seconds' where queue = %s", [queue.name]
        )
        [told] = transport.send(ReadProbes((queue.name,))).queues
        assert (told.sent, told.lost_in_a_row) == (1, 1)
        database.execute(
            "update job_tasks set lease_expires_at = clock_timestamp() where queue = %s", [queue.name]
        )
        registry.task("work")(lambda: None)
        with queue.worker(registry):
            until(lambda: status(database, queue) == ["completed"], "another worker to run it")
        [told] = transport.send(ReadProbes((queue.name,))).queues
        assert (told.sent, told.lost_in_a_row) == (1, 0)


def test_workers_tell_how_their_calls_went(
    queue: OwnQueue,
    registry: Registry,
    settings_through_proxy: Settings,
    proxy: FaultProxy,
    database: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("supaqueue.worker.heartbeat.REGISTER_SECONDS", 0.05)
    registry.task("work")(lambda: None)

    def told(worker_id: str) -> tuple[int, ...]:
        return database.execute(TOTALS, [worker_id]).fetchone() or (0, 0, 0, 0)

    with queue.worker(registry, settings=settings_through_proxy, lease_seconds=2.0) as running:
        queue.ended(queue.enqueue("work"))
        worker_id = running.worker.worker_id
        well = until(lambda: told(worker_id)[2] and told(worker_id), "what went well to be told")
        assert (well[1], well[3]) == (0, 0)
        proxy.expect_always(ClaimJobTasks.function, Fault.ANSWER_400)
        until(lambda: told(worker_id)[1] > 1, "claims that failed to be told")
        assert told(worker_id)[3] == 0


def test_an_older_database_is_told_nothing_of_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """It refuses what it does not know; the worker goes on without, and does not ask again each time."""
    known = {name: kind for name, kind in memory._WORKER.items() if name in (*memory._SHOWN, "stopped")}
    monkeypatch.setattr(memory, "_WORKER", known)
    sent: list[RegisterWorker] = []

    class Noted(MemoryTransport):
        def send(self, call: Any) -> Any:
            sent.append(call)
            return super().send(call)

    transport, loop = Noted(), asyncio.new_event_loop()
    heartbeat = Heartbeat(
        transport=transport,
        leases=Leases(),
        registration=RegisterWorker("w", ("q",), ("work",), 4, "host", 7, "0.1"),
        lease_seconds=5.0,
        interval=1.0,
        stall_seconds=1.0,
        pulse=Pulse(loop),
        telemetry=Telemetry(),
        loop=loop,
        on_answer=lambda _: None,
        on_renewal=lambda: None,
        failed=lambda _: None,
        totals=lambda: CallTotals(str(uuid4()), claims_sent=3),
    )
    heartbeat._register()
    heartbeat._register()
    loop.close()
    assert [call.calls is None for call in sent] == [False, True, True]
    assert [seen.worker_id for seen in transport.send(CountJobs()).workers] == ["w"]


def test_the_type_of_probes_is_not_anybodys(registry: Registry) -> None:
    with pytest.raises(ConfigurationError, match="reserved"):
        registry.task("supaqueue.probe")(lambda: None)
