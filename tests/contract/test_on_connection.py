"""Jobs in the caller's own transaction: stored with its rows, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from supaqueue.client import AsyncQueue, Queue
from supaqueue.contract import GetJobs
from supaqueue.devstack import Stack
from supaqueue.errors import CallRefused, ContractMismatch, QueueUnavailable
from supaqueue.settings import DatabaseSettings
from supaqueue.transport.on_connection import AsyncConnectionTransport, ConnectionTransport
from supaqueue.transport.postgres import PostgresTransport
from tests.contract.raw import raw_call


@pytest.fixture
def outside(stack18: Stack) -> Iterator[Queue]:
    """A client of its own, that sees what was committed."""
    with Queue(DatabaseSettings(stack18.database_url)) as queue:
        yield queue


def is_stored(outside: Queue, job_id: str) -> bool:
    return outside._transport.send(GetJobs((job_id,)))[0] is not None


@pytest.mark.parametrize("autocommit", [False, True])
def test_jobs_are_stored_if_the_transaction_commits(
    stack18: Stack, outside: Queue, queue_name: str, autocommit: bool
) -> None:
    with psycopg.connect(stack18.database_url, autocommit=autocommit) as connection:
        queue = Queue(transport=ConnectionTransport(connection))
        with connection.transaction():
            kept = queue.enqueue("bill", {"n": 1}, queue=queue_name).job_id
            assert not is_stored(outside, kept)
        with connection.transaction() as transaction:
            gone = queue.enqueue("bill", {"n": 2}, queue=queue_name).job_id
            raise psycopg.Rollback(transaction)
    assert (is_stored(outside, kept), is_stored(outside, gone)) == (True, False)


def test_a_connection_that_is_not_in_autocommit_begins_a_transaction(
    stack18: Stack, outside: Queue, queue_name: str
) -> None:
    with psycopg.connect(stack18.database_url) as connection:
        queue = Queue(transport=ConnectionTransport(connection))
        gone = queue.enqueue("bill", queue=queue_name).job_id
        connection.rollback()
        kept = queue.enqueue("bill", queue=queue_name).job_id
        connection.commit()
    assert (is_stored(outside, kept), is_stored(outside, gone)) == (True, False)


def test_in_autocommit_each_call_commits(stack18: Stack, outside: Queue, queue_name: str) -> None:
    with psycopg.connect(stack18.database_url, autocommit=True) as connection:
        kept = Queue(transport=ConnectionTransport(connection)).enqueue("bill", queue=queue_name).job_id
        assert is_stored(outside, kept)


def test_a_refused_call_leaves_the_transaction_as_it_was(
    stack18: Stack, outside: Queue, queue_name: str
) -> None:
    with psycopg.connect(stack18.database_url) as connection:
        transport = ConnectionTransport(connection)
        kept = Queue(transport=transport).enqueue("bill", queue=queue_name).job_id
        for _ in range(7):  # known, then prepared
            with pytest.raises(CallRefused, match="want"):
                transport.send(raw_call("claim_job_tasks_v1", **CLAIM | {"want": 5000}))
        with pytest.raises(ContractMismatch):
            transport.send(raw_call("unheard_of_v1"))
        connection.commit()
    assert is_stored(outside, kept)


CLAIM: dict[str, Any] = {
    "request_id": "0198c1de-0000-7000-8000-000000000000",
    "worker_id": "w",
    "queues": ["q"],
    "task_types": ["t"],
    "want": 1,
    "holding": 0,
    "lease_seconds": 30.0,
    "marks": {},
    "started": [],
}


def test_a_session_lost_in_a_transaction_committed_nothing(stack18: Stack, queue_name: str) -> None:
    with psycopg.connect(stack18.database_url) as connection:
        queue = Queue(transport=ConnectionTransport(connection))
        queue.enqueue("bill", queue=queue_name)
        with psycopg.connect(stack18.superuser_url, autocommit=True) as superuser:
            superuser.execute("select pg_terminate_backend(%s, 5000)", [connection.info.backend_pid])
        with pytest.raises(QueueUnavailable) as raised:
            queue.enqueue("bill", queue=queue_name)
        assert raised.value.committed == "no"


def test_rows_of_any_kind(stack18: Stack, queue_name: str) -> None:
    """The caller's row factory is the caller's alone."""
    with psycopg.connect(stack18.database_url, row_factory=psycopg.rows.dict_row) as connection:
        queue = Queue(transport=ConnectionTransport(connection))
        job_id = queue.enqueue("bill", queue=queue_name).job_id
        assert queue.get(job_id).queue == queue_name


def test_the_asynchronous_twin(stack18: Stack, outside: Queue, queue_name: str) -> None:
    async def run() -> tuple[str, str]:
        async with await psycopg.AsyncConnection.connect(stack18.database_url) as connection:
            queue = AsyncQueue(transport=AsyncConnectionTransport(connection))
            gone = (await queue.enqueue("bill", queue=queue_name)).job_id
            await connection.rollback()
            kept = (await queue.enqueue("bill", queue=queue_name)).job_id
            with pytest.raises(CallRefused, match="want"):
                await AsyncConnectionTransport(connection).send(
                    raw_call("claim_job_tasks_v1", **CLAIM | {"want": 5000})
                )
            await connection.commit()
            return kept, gone

    kept, gone = asyncio.run(run())
    assert (is_stored(outside, kept), is_stored(outside, gone)) == (True, False)


def test_twice_the_same_job_in_one_transaction(stack18: Stack, queue_name: str) -> None:
    with psycopg.connect(stack18.database_url) as connection:
        queue = Queue(transport=ConnectionTransport(connection))
        first = queue.enqueue("bill", queue=queue_name, idempotency_key=queue_name)
        again = queue.enqueue("bill", queue=queue_name, idempotency_key=queue_name)
        assert (first.answer, again.answer, first.job_id) == ("created", "exists", again.job_id)
        with PostgresTransport(DatabaseSettings(stack18.database_url)) as other:
            assert other.send(GetJobs((first.job_id,))) == (None,)
