"""Policies: which ages and names they take, and what they send."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from supaqueue.contract import RetentionPolicy
from supaqueue.errors import InvalidInput


def test_ages_are_sent_in_seconds_and_what_is_kept_is_left_out() -> None:
    policy = RetentionPolicy(completed=timedelta(days=1), failed=0, queue="q")
    assert policy.row() == {"completed_seconds": 86_400.0, "failed_seconds": 0, "queue": "q"}


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({}, None),
        ({"queue": "q"}, None),
        ({"completed": -1}, "completed"),
        ({"failed": float("nan")}, "failed"),
        ({"cancelled": "7d"}, "cancelled"),
        ({"probes": True}, "probes"),
        ({"completed": timedelta(days=40_000)}, "completed"),
        ({"completed": 1, "queue": ""}, "queue"),
        ({"completed": 1, "task_type": "a\0"}, "task_type"),
        ({"tombstones": timedelta(days=6)}, "tombstones"),
        ({"tombstones": timedelta(days=8), "queue": "q"}, "tombstones"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], field: str | None) -> None:
    with pytest.raises(InvalidInput) as raised:
        RetentionPolicy(**options)
    assert raised.value.field == field
