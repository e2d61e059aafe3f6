"""Direct connections to Postgres: all that can be wrong with one, and what is known of the call then."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from supaqueue.client import Queue
from supaqueue.contract import (
    ClaimJobTasks,
    ContractVersion,
    CountJobs,
    EnqueueJobs,
    GetJobs,
    NewJob,
    SpokenVersions,
)
from supaqueue.devstack import Stack
from supaqueue.errors import (
    AccessDenied,
    CallRefused,
    ConfigurationError,
    ContractMismatch,
    EndpointNotFound,
    QueueUnavailable,
)
from supaqueue.job_id import new_job_id
from supaqueue.settings import DatabaseSettings
from supaqueue.transport.async_postgres import AsyncPostgresTransport
from supaqueue.transport.postgres import PostgresTransport
from supaqueue.transport.retry import RetrySchedule
from tests.contract.conftest import Blocking, Choose
from tests.contract.valve import Valve

Make = Callable[..., Any]

READ = GetJobs((new_job_id(),))
"""Waits while somebody holds a lock on the table."""

WAITING = b"""select pid from pg_stat_activity
              where wait_event_type = 'Lock' and application_name like 'supaqueue/%'"""


@pytest.fixture
def make_transport(colour: Choose) -> Make:
    """Makes a transport over direct connections; runs the test once per colour."""
    return colour(PostgresTransport, AsyncPostgresTransport)


@pytest.fixture
def settings(stack18: Stack) -> DatabaseSettings:
    return DatabaseSettings(stack18.database_url)


@pytest.fixture
def superuser(stack18: Stack) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(stack18.superuser_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """No call is tried again."""
    monkeypatch.setattr(RetrySchedule, "next_pause", lambda *_, **__: None)


def elsewhere(stack: Stack, **changed: Any) -> DatabaseSettings:
    return DatabaseSettings(make_conninfo(stack.database_url, **changed))


def idle_connection(transport: Any) -> Any:
    """The connection that the transport used last."""
    inner = transport._inner if isinstance(transport, Blocking) else transport
    return inner._idle._idle[-1][1]


def process_id(transport: Any) -> int:
    return int(idle_connection(transport).info.backend_pid)


def test_a_call(make_transport: Make, settings: DatabaseSettings) -> None:
    transport = make_transport(settings)
    assert transport.send(ContractVersion()) == SpokenVersions(1, 1)
    first = process_id(transport)
    for _ in range(12):  # prepared after some
        transport.send(CountJobs())
    assert process_id(transport) == first


def test_a_password_that_is_wrong(make_transport: Make, stack18: Stack) -> None:
    with pytest.raises(AccessDenied, match="SUPABASE_DB_URL") as raised:
        make_transport(elsewhere(stack18, user="authenticator", password="s3cr3t-wrong")).send(CountJobs())
    assert raised.value.committed == "no"
    assert "s3cr3t" not in str(raised.value)


@pytest.mark.parametrize("changed", [{"dbname": "nowhere"}, {"user": "nobody"}], ids=str)
def test_a_place_that_is_not_there(make_transport: Make, stack18: Stack, changed: dict[str, str]) -> None:
    with pytest.raises((EndpointNotFound, AccessDenied), match="SUPABASE_DB_URL"):
        make_transport(elsewhere(stack18, **changed)).send(CountJobs())


def test_a_malformed_address(make_transport: Make) -> None:
    with pytest.raises(ConfigurationError, match="percent-encoded") as raised:
        make_transport(DatabaseSettings("postgresql://me:p@ss@word@host/db"))
    assert "word" not in str(raised.value).replace("password", "")


def test_a_role_that_may_not(
    make_transport: Make, stack18: Stack, superuser: psycopg.Connection[Any]
) -> None:
    role = f"narrow_{uuid4().hex[:8]}"
    superuser.execute(f"create role {role} login password 'p' in role supaqueue_producer".encode())
    try:
        transport = make_transport(elsewhere(stack18, user=role, password="p"))
        transport.send(CountJobs())
        with pytest.raises(AccessDenied, match=f"the role '{role}' may not call claim_job_tasks_v1"):
            transport.send(ClaimJobTasks(str(uuid4()), "w", ("nothing-here",), ("a",), 1, 0, 30.0, {}))
    finally:
        superuser.execute(f"drop role {role}".encode())


def test_a_schema_without_the_queue(make_transport: Make, stack18: Stack) -> None:
    with pytest.raises(ContractMismatch, match="supaqueue migrate") as raised:
        make_transport(DatabaseSettings(stack18.database_url, "graphql_public")).send(CountJobs())
    assert raised.value.committed == "no"


def test_refused_without_quoting(make_transport: Make, settings: DatabaseSettings) -> None:
    with pytest.raises(CallRefused, match="22P02") as raised:
        make_transport(settings).send(GetJobs(("s3cr3t-id",)))
    assert "s3cr3t" not in str(raised.value)


def test_nobody_there(make_transport: Make, stack18: Stack) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        with pytest.raises(QueueUnavailable, match=f"port {port} cannot be reached") as raised:
            make_transport(elsewhere(stack18, host="127.0.0.1", port=port), 0.3).send(CountJobs())
    assert (raised.value.committed, raised.value.retryable) == ("no", True)


def test_a_session_that_the_server_ended_is_not_used_again(
    make_transport: Make, settings: DatabaseSettings, superuser: psycopg.Connection[Any], one_try: None
) -> None:
    transport = make_transport(settings)
    transport.send(CountJobs())
    gone = process_id(transport)
    superuser.execute("select pg_terminate_backend(%s, 5000)", [gone])
    transport.send(CountJobs())
    assert process_id(transport) != gone


def until_one_waits(superuser: psycopg.Connection[Any]) -> int:
    """Return the process of a transport's session once it waits for a lock."""
    for _ in range(500):
        found = superuser.execute(WAITING).fetchone()
        if found is not None:
            return int(found[0])
        superuser.execute("select pg_sleep(0.02)")
    raise AssertionError("no session waits for a lock")


def test_a_session_that_ends_within_a_call_leaves_it_unknown(
    settings: DatabaseSettings, superuser: psycopg.Connection[Any], queue_name: str, one_try: None
) -> None:
    job = NewJob("bill", queue=queue_name)

    async def run() -> BaseException | None:
        async with AsyncPostgresTransport(settings, 60.0) as transport:
            with psycopg.connect(settings.url) as locking:
                locking.execute("lock table jobs in access exclusive mode")
                sending = asyncio.create_task(transport.send(EnqueueJobs((job,))))
                waiting = await asyncio.to_thread(until_one_waits, superuser)
                superuser.execute("select pg_terminate_backend(%s, 5000)", [waiting])
                await asyncio.wait([sending])
                return sending.exception()

    error = asyncio.run(run())
    assert isinstance(error, QueueUnavailable)
    assert (error.committed, error.job_id) == ("unknown", job.job_id)


def test_what_gets_no_answer_is_ended_in_the_server_too(
    make_transport: Make, settings: DatabaseSettings, superuser: psycopg.Connection[Any]
) -> None:
    transport = make_transport(settings, 0.4, try_seconds=0.2)
    with psycopg.connect(settings.url) as locking:
        locking.execute("lock table jobs in access exclusive mode")
        with pytest.raises(QueueUnavailable) as raised:
            transport.send(READ)
        assert superuser.execute(WAITING).fetchone() is None
    assert (raised.value.committed, raised.value.cause) == ("unknown", "NoAnswer")
    transport.send(READ)


def test_a_server_that_is_frozen(make_transport: Make, settings: DatabaseSettings, stack18: Stack) -> None:
    """The connection stands, and nothing ever comes over it: the deadline alone ends the call."""
    with Valve(stack18) as valve:
        transport = make_transport(valve.settings, 0.6, try_seconds=0.3)
        transport.send(CountJobs())
        valve.shut()
        with pytest.raises(QueueUnavailable) as raised:
            transport.send(CountJobs())
        assert raised.value.committed == "unknown"
        valve.open()
        transport.send(CountJobs())


def test_through_a_pooler_that_hands_sessions_around(
    make_transport: Make, settings: DatabaseSettings, colour: Choose
) -> None:
    """What was prepared is gone, as in another session: the call is made anew, and nothing prepared."""
    transport = make_transport(settings)
    for _ in range(8):
        transport.send(CountJobs())
    forgotten = idle_connection(transport)
    forget = "do $$ begin execute 'deallocate all'; end $$"
    if isinstance(transport, Blocking):
        Blocking(forgotten, transport._runner).execute(forget)
    else:
        forgotten.execute(forget)
    transport.send(CountJobs())
    inner = transport._inner if isinstance(transport, Blocking) else transport
    assert inner._statements.prepare_threshold is None
    for _ in range(8):
        transport.send(CountJobs())
    prepared = idle_connection(transport)
    rows = (Blocking(prepared, transport._runner) if isinstance(transport, Blocking) else prepared).execute(
        "select count(*) from pg_prepared_statements"
    )
    row = Blocking(rows, transport._runner).fetchone() if isinstance(transport, Blocking) else rows.fetchone()
    assert row == (0,)


def test_more_callers_than_connections(settings: DatabaseSettings, queue_name: str) -> None:
    async def run() -> list[Any]:
        async with AsyncPostgresTransport(settings, max_connections=3) as transport:
            jobs = [NewJob("bill", {"n": n}, queue=queue_name) for n in range(60)]
            answers = await asyncio.gather(*(transport.send(EnqueueJobs((job,))) for job in jobs))
            assert len(transport._idle.drain()) <= 3
            return [answer[0].job_id == job.job_id for answer, job in zip(answers, jobs, strict=True)]

    assert asyncio.run(run()) == [True] * 60


def test_a_cancelled_call_leaves_the_transport_usable(
    settings: DatabaseSettings, superuser: psycopg.Connection[Any]
) -> None:
    async def run() -> SpokenVersions:
        async with AsyncPostgresTransport(settings, max_connections=1) as transport:
            with psycopg.connect(settings.url) as locking:
                locking.execute("lock table jobs in access exclusive mode")
                blocked = asyncio.create_task(transport.send(READ))
                await asyncio.to_thread(until_one_waits, superuser)
                blocked.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await blocked
            return await transport.send(ContractVersion())

    assert asyncio.run(run()) == SpokenVersions(1, 1)


def test_a_client_of_it(settings: DatabaseSettings, queue_name: str) -> None:
    with Queue(settings) as queue:
        answer = queue.enqueue("bill", {"amount": 3}, queue=queue_name)
        assert queue.get(answer.job_id).queue == queue_name
    with pytest.raises(ConfigurationError, match="not both"):
        Queue(settings, schema="other")
