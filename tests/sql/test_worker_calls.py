"""What register_worker_v1 is told of calls, and what count_worker_calls_v1 makes of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.sql.calls import Calls, Row
from tests.sql.sessions import together
from tests.sql.test_reading import worker_row

Connect = Callable[[], psycopg.Connection[Any]]
RUN = str(uuid4())
NAMES = ("claims_sent", "claims_failed", "finishes_sent", "finishes_failed")


def tell(calls: Calls, *totals: int, run_id: str | None = RUN, **changes: Any) -> None:
    row = worker_row(**changes) | {"run_id": run_id} | dict(zip(NAMES, totals, strict=False))
    calls.call("register_worker_v1", worker=row)


def counted(calls: Calls) -> Row:
    return dict(calls.call("count_worker_calls_v1"))


def totals(calls: Calls) -> tuple[int, ...]:
    told = counted(calls)
    return tuple(told[name] for name in NAMES)


def pass_slots(calls: Calls, slots: int = 1) -> None:
    calls.connection.execute(
        "update job_worker_calls set slot_at = slot_at - %s * interval '20 seconds'", [slots]
    )


def test_what_came_since_is_added_up(calls: Calls) -> None:
    assert totals(calls) == (0, 0, 0, 0)
    tell(calls, 10, 1, 5, 0)
    tell(calls, 12, 2, 5, 0)
    tell(calls, 3, 3, 1, 1, worker_id="w2", run_id=str(uuid4()))
    assert totals(calls) == (15, 5, 6, 1)


def test_a_repeat_adds_nothing_however_late(calls: Calls) -> None:
    for told in (10, 14, 10, 14, 12):
        tell(calls, told, 2, 0, 0)
    assert totals(calls) == (14, 2, 0, 0)


def test_another_run_under_the_same_name_begins_anew(calls: Calls) -> None:
    tell(calls, 10, 0, 0, 0)
    tell(calls, 4, 1, 0, 0, run_id=str(uuid4()))
    assert totals(calls) == (14, 1, 0, 0)


def test_a_worker_need_not_tell(calls: Calls) -> None:
    tell(calls, run_id=None)
    calls.call("register_worker_v1", worker=worker_row())
    tell(calls, 4)
    assert totals(calls) == (4, 0, 0, 0)


def test_two_that_tell_at_once_are_both_counted(calls: Calls, connect: Connect) -> None:
    sessions = [Calls(connect()) for _ in range(2)]
    for number in range(1, 21):
        together(
            *(
                partial(tell, one, number, number, worker_id=f"w{n}", run_id=str(uuid4()))
                for n, one in enumerate(sessions)
            )
        )
    assert totals(calls)[:2] == (420, 420)


@pytest.mark.parametrize("kind", [0, 2], ids=["claims", "finishes"])
def test_how_long_they_have_failed(calls: Calls, kind: int) -> None:
    """A fifth is not more than a fifth; a slot without such calls is no break, one where they end well is."""

    def tell_more(sent: int, failed: int) -> None:
        known = list(totals(calls))
        known[kind] += sent
        known[kind + 1] += failed
        known[2 - kind] += 1000  # the other kind is well
        tell(calls, *known)

    tell_more(10, 2)
    assert counted(calls)["seconds"] == 0
    pass_slots(calls)
    for number in range(3):
        tell_more(10, 3)
        assert number * 20 <= counted(calls)["seconds"] <= number * 20 + 20
        pass_slots(calls)
    tell(calls, *totals(calls))
    pass_slots(calls)
    assert 60 <= counted(calls)["seconds"] <= 80
    tell_more(10, 10)
    assert 80 <= counted(calls)["seconds"] <= 100
    pass_slots(calls)
    tell_more(10, 0)
    assert counted(calls)["seconds"] == 0


def test_what_nobody_tells_any_more_does_not_go_on(calls: Calls) -> None:
    for _ in range(4):
        tell(calls, *(one + 10 for one in totals(calls)))
        pass_slots(calls)
    assert counted(calls)["seconds"] > 60
    pass_slots(calls, 3)
    assert counted(calls)["seconds"] == 0


def test_old_slots_go(calls: Calls) -> None:
    tell(calls, 1)
    pass_slots(calls, 200)
    tell(calls, 2)
    assert calls.value("select count(*) from job_worker_calls") == 1
