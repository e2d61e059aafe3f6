"""Both transports against the real stack: answers, and every way in which a setting can be wrong."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from supaqueue.contract import ClaimJobTasks, ContractVersion, CountJobs, GetJobs, ListJobs, SpokenVersions
from supaqueue.contract import JobFilter as Filter
from supaqueue.devstack import Stack
from supaqueue.errors import AccessDenied, CallRefused, ContractMismatch, EndpointNotFound, QueueUnavailable
from supaqueue.job_id import new_job_id
from supaqueue.settings import Settings
from supaqueue.transport import AsyncRestTransport

Make = Callable[..., Any]


def claim(want: int) -> ClaimJobTasks:
    return ClaimJobTasks(str(uuid4()), "w", ("nothing-here",), ("a",), want, 0, 30.0, {})


def test_a_call(make_transport: Make, queue_settings: Settings) -> None:
    assert make_transport(queue_settings).send(ContractVersion()) == SpokenVersions(1, 1)


def test_every_kind_of_key(make_transport: Make, stack18: Stack) -> None:
    worker, producer = stack18.token("supaqueue_worker"), stack18.token("supaqueue_producer")
    for settings, call in [
        (Settings(url=stack18.url, service_role_key=stack18.secret_key), CountJobs()),
        (Settings(url=stack18.url, anon_key=stack18.anon_key, token=worker), claim(1)),
        (Settings(url=stack18.url, anon_key=stack18.publishable_key, token=producer), CountJobs()),
    ]:
        make_transport(settings).send(call)


def test_a_wrong_key(make_transport: Make, queue_settings: Settings) -> None:
    settings = dataclasses.replace(queue_settings, service_role_key="s3cr3t-wrong")
    with pytest.raises(AccessDenied, match="SUPABASE_SERVICE_ROLE_KEY") as raised:
        make_transport(settings).send(ContractVersion())
    assert raised.value.committed == "no"
    assert "s3cr3t" not in str(raised.value)


def test_a_wrong_token(make_transport: Make, stack18: Stack) -> None:
    token = stack18.token("supaqueue_worker")[:-4] + "AAAA"
    settings = Settings(url=stack18.url, anon_key=stack18.anon_key, token=token)
    with pytest.raises(AccessDenied, match="SUPAQUEUE_TOKEN"):
        make_transport(settings).send(claim(1))


def test_a_role_that_may_not(make_transport: Make, stack18: Stack) -> None:
    anon = Settings(url=stack18.url, service_role_key=stack18.anon_key)
    with pytest.raises(AccessDenied, match="'anon' may not call claim_job_tasks_v1"):
        make_transport(anon).send(claim(1))
    producer = Settings(url=stack18.url, anon_key=stack18.anon_key, token=stack18.token("supaqueue_producer"))
    with pytest.raises(AccessDenied, match="'supaqueue_producer' may not call claim_job_tasks_v1"):
        make_transport(producer).send(claim(1))


def test_a_role_that_is_not_there(make_transport: Make, stack18: Stack) -> None:
    settings = Settings(url=stack18.url, anon_key=stack18.anon_key, token=stack18.token("nobody"))
    with pytest.raises(AccessDenied, match="supaqueue migrate"):
        make_transport(settings).send(claim(1))


def test_a_schema_that_is_not_exposed(make_transport: Make, queue_settings: Settings) -> None:
    with pytest.raises(EndpointNotFound, match="SUPAQUEUE_SCHEMA"):
        make_transport(dataclasses.replace(queue_settings, schema="nowhere")).send(CountJobs())


def test_a_schema_without_the_queue(make_transport: Make, queue_settings: Settings) -> None:
    settings = dataclasses.replace(queue_settings, schema="graphql_public")
    with pytest.raises(ContractMismatch, match="supaqueue migrate") as raised:
        make_transport(settings).send(CountJobs())
    assert (raised.value.committed, raised.value.http_status) == ("no", 404)


def test_refused_by_the_function(make_transport: Make, queue_settings: Settings) -> None:
    with pytest.raises(CallRefused, match="want: expected 0 to 1000") as raised:
        make_transport(queue_settings).send(claim(5000))
    assert (raised.value.sqlstate, raised.value.committed) == ("SQ003", "no")


def test_refused_by_postgres_without_quoting(make_transport: Make, queue_settings: Settings) -> None:
    with pytest.raises(CallRefused, match="22P02") as raised:
        make_transport(queue_settings).send(GetJobs(("s3cr3t-id",)))
    assert "s3cr3t" not in str(raised.value)
    with pytest.raises(CallRefused) as raised:
        make_transport(queue_settings).send(ListJobs(Filter(), page="s3cr3t-page"))
    assert "s3cr3t" not in str(raised.value)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port on which nobody listens: bound, so that nobody else can get it meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_nobody_there(make_transport: Make, queue_settings: Settings, closed_port: int) -> None:
    settings = dataclasses.replace(queue_settings, url=f"http://127.0.0.1:{closed_port}")
    with pytest.raises(QueueUnavailable, match=r"cannot be reached: .*[Cc]onnection") as raised:
        make_transport(settings, 0.3).send(CountJobs())
    assert (raised.value.committed, raised.value.cause) == ("no", "ConnectError")
    assert f"http://127.0.0.1:{closed_port}" in str(raised.value)


@pytest.fixture
def hang_up_after_reading() -> Iterator[int]:
    """The port of a server that reads each request and closes the connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_no_answer(make_transport: Make, queue_settings: Settings, hang_up_after_reading: int) -> None:
    settings = dataclasses.replace(queue_settings, url=f"http://127.0.0.1:{hang_up_after_reading}")
    with pytest.raises(QueueUnavailable) as raised:
        make_transport(settings, 0.3).send(CountJobs())
    assert raised.value.committed == "unknown"
    assert raised.value.retryable


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_silence(make_transport: Make, queue_settings: Settings, silent_port: int) -> None:
    settings = dataclasses.replace(queue_settings, url=f"http://127.0.0.1:{silent_port}")
    with pytest.raises(QueueUnavailable) as raised:
        make_transport(settings, 0.4, try_seconds=0.1).send(CountJobs())
    assert (raised.value.committed, raised.value.cause) == ("unknown", "ReadTimeout")


def test_a_cancelled_call_leaves_the_transport_usable(queue_settings: Settings, stack18: Stack) -> None:
    async def run(connection: psycopg.Connection[Any]) -> SpokenVersions:
        limits = httpx.Limits(max_connections=1)
        async with (
            httpx.AsyncClient(limits=limits) as one_connection,
            AsyncRestTransport(queue_settings, http_client=one_connection) as transport,
        ):
            with connection.transaction():
                connection.execute("lock table jobs in access exclusive mode")
                blocked = asyncio.create_task(transport.send(GetJobs((new_job_id(),))))
                await until_blocked(connection)
                blocked.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await blocked
            return await transport.send(ContractVersion())

    with psycopg.connect(stack18.database_url, autocommit=True) as connection:
        assert asyncio.run(run(connection)) == SpokenVersions(1, 1)


async def until_blocked(connection: psycopg.Connection[Any]) -> None:
    """Wait until some session waits for what this one holds."""
    query = (
        "select count(*) from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid))"
    )
    async with asyncio.timeout(10):
        while connection.execute(query).fetchone() == (0,):
            await asyncio.sleep(0.02)
