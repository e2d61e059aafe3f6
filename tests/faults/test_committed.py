"""What an error says of the call's effect, and whether it is true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
import pytest

from supaqueue.contract import EnqueueJobs
from supaqueue.errors import AccessDenied, CallError, CallRefused, QueueUnavailable
from supaqueue.settings import Settings
from supaqueue.transport import RestTransport
from tests.faults.proxy import Fault, FaultProxy
from tests.faults.scenarios import Story
from tests.worker.waiting import until

FUNCTION = EnqueueJobs.function


def failing_enqueue(story: Story, settings: Settings, budget_seconds: float = 0.8) -> CallError:
    with RestTransport(settings, budget_seconds) as transport, pytest.raises(CallError) as failed:
        transport.send(EnqueueJobs((story.job(),)))
    return failed.value


def stored(database: psycopg.Connection[Any], story: Story) -> int:
    row = database.execute("select count(*) from jobs where queue = %s", [story.queue]).fetchone()
    assert row is not None
    return int(row[0])


def test_refused_by_the_function(direct: RestTransport, database: psycopg.Connection[Any]) -> None:
    story = Story(direct)
    with pytest.raises(CallRefused) as refused:
        direct.send(story.claim(1001))
    assert refused.value.committed == "no"
    claims = database.execute(
        "select count(*) from job_claims where worker_id = %s", [story.worker]
    ).fetchone()
    assert claims == (0,)


def test_nothing_listens(direct: RestTransport, settings_through_proxy: Settings, proxy: FaultProxy) -> None:
    with FaultProxy(proxy.url) as ended:
        settings = Settings(url=ended.url, service_role_key=settings_through_proxy.service_role_key)
    assert failing_enqueue(Story(direct), settings).committed == "no"


def test_throttled_throughout(
    direct: RestTransport,
    proxy: FaultProxy,
    settings_through_proxy: Settings,
    database: psycopg.Connection[Any],
) -> None:
    story = Story(direct)
    proxy.expect_always(FUNCTION, Fault.ANSWER_429)
    failed = failing_enqueue(story, settings_through_proxy)
    assert (type(failed), failed.committed, failed.http_status) == (QueueUnavailable, "no", 429)
    assert stored(database, story) == 0


@pytest.mark.parametrize(
    ("fault", "rows"),
    [
        (Fault.DROP_REQUEST, 0),
        (Fault.HOLD_REQUEST, 0),
        (Fault.ANSWER_500, 0),
        (Fault.ANSWER_503, 0),
        (Fault.DROP_ANSWER, 1),
        (Fault.STALL_ANSWER, 1),
        (Fault.CUT_ANSWER, 1),
        (Fault.LOSE_DATABASE, 1),
    ],
    ids=lambda value: value.name.lower() if isinstance(value, Fault) else str(value),
)
def test_no_usable_answer_within_the_budget(
    fault: Fault,
    rows: int,
    direct: RestTransport,
    proxy: FaultProxy,
    settings_through_proxy: Settings,
    database: psycopg.Connection[Any],
) -> None:
    story = Story(direct)
    proxy.expect_always(FUNCTION, fault)
    failed = failing_enqueue(story, settings_through_proxy)
    assert (type(failed), failed.committed, failed.retryable) == (QueueUnavailable, "unknown", True)
    assert failed.job_id == story.job_ids[0]
    until(lambda: stored(database, story) == rows, f"{rows} rows")


@pytest.mark.parametrize(
    ("later", "error", "budget_seconds"),
    [
        ([Fault.ANSWER_400], CallRefused, 20.0),
        ([Fault.ANSWER_401], AccessDenied, 20.0),
        ([Fault.ANSWER_429] * 1000, QueueUnavailable, 1.0),
    ],
    ids=["refused", "denied", "throttled"],
)
@pytest.mark.parametrize("first", [Fault.DROP_ANSWER, Fault.DROP_REQUEST], ids=["delivered", "not delivered"])
def test_one_lost_answer_makes_the_whole_call_unknown(
    first: Fault,
    later: Sequence[Fault],
    error: type[CallError],
    budget_seconds: float,
    direct: RestTransport,
    proxy: FaultProxy,
    settings_through_proxy: Settings,
    database: psycopg.Connection[Any],
) -> None:
    story = Story(direct)
    proxy.expect(FUNCTION, first, *later)
    failed = failing_enqueue(story, settings_through_proxy, budget_seconds)
    assert (type(failed), failed.committed) == (error, "unknown")
    assert stored(database, story) == (1 if first is Fault.DROP_ANSWER else 0)


def test_denied_at_once(direct: RestTransport, proxy: FaultProxy, settings_through_proxy: Settings) -> None:
    proxy.expect(FUNCTION, Fault.ANSWER_401)
    failed = failing_enqueue(Story(direct), settings_through_proxy)
    assert (type(failed), failed.committed) == (AccessDenied, "no")
    assert proxy.seen[FUNCTION] == 1
