"""hold_lease_v1: one process at a time has a named right, until it gives it back or its time has passed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg

from tests.sql.calls import Calls
from tests.sql.sessions import together

Connect = Callable[[], psycopg.Connection[Any]]


def hold(calls: Calls, holder: str, seconds: float = 60, lease_name: str = "relay") -> tuple[bool, str]:
    """Ask for the right; return whether the asker has it, and who does."""
    reply = calls.call("hold_lease_v1", lease_name=lease_name, holder=holder, seconds=seconds)
    assert 0 <= reply["expires_in_seconds"] <= max(seconds, 60)
    return reply["is_held"], reply["holder"]


def test_one_has_it_until_it_gives_it_back(calls: Calls) -> None:
    assert hold(calls, "a") == (True, "a")
    assert hold(calls, "b") == (False, "a")
    assert hold(calls, "a", 30) == (True, "a")
    assert hold(calls, "b", 0) == (False, "a")
    assert hold(calls, "a", 0) == (False, "a")
    assert hold(calls, "b") == (True, "b")
    assert hold(calls, "a", lease_name="other") == (True, "a")


def test_one_that_is_silent_loses_it(calls: Calls) -> None:
    assert hold(calls, "a") == (True, "a")
    calls.connection.execute("update job_leases set expires_at = clock_timestamp()")
    assert hold(calls, "b") == (True, "b")
    assert hold(calls, "a") == (False, "b")


def test_of_two_that_ask_at_once_one_has_it(calls: Calls, connect: Connect) -> None:
    sessions = [Calls(connect()) for _ in range(2)]
    for number in range(20):
        name = f"lease {number}"
        asked = [partial(hold, s, f"holder {n}", lease_name=name) for n, s in enumerate(sessions)]
        (first, holder), (second, same) = together(*asked)
        assert (first + second, holder) == (1, same)
