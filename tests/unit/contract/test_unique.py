"""How a job is unique: what is refused names the field, what is accepted is written one way only."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from supaqueue import Unique
from supaqueue.contract import NewJob
from supaqueue.errors import InvalidInput


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"key": ""}, "unique.key"),
        ({"key": "k" * 201}, "unique.key"),
        ({"key": 7}, "unique.key"),
        ({"until": "ever"}, "unique.until"),
        ({"until": 0}, "unique.until"),
        ({"until": float("nan")}, "unique.until"),
        ({"until": True}, "unique.until"),
        ({"until": None}, "unique.until"),
        ({"until": timedelta(days=31)}, "unique.until"),
        ({"on_conflict": "keep"}, "unique.on_conflict"),
    ],
)
def test_what_is_malformed_is_refused_by_name(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Unique(**{"key": "k", "until": "started"} | arguments)
    assert caught.value.field == field


def test_a_job_refuses_a_key_that_postgres_cannot_hold_and_what_is_no_unique() -> None:
    for unique in (Unique("a\0", until="started"), "k"):
        with pytest.raises(InvalidInput) as caught:
            NewJob("t", unique=unique)  # type: ignore[arg-type]
        assert (caught.value.field or "").startswith("unique")


@pytest.mark.parametrize(
    ("unique", "row"),
    [
        (
            Unique("k", until="started"),
            {"unique_key": "k", "unique_until": "started", "unique_conflict": "reject"},
        ),
        (
            Unique("k", until=timedelta(minutes=1), on_conflict="push_back"),
            {"unique_key": "k", "unique_seconds": 60.0, "unique_conflict": "push_back"},
        ),
    ],
)
def test_it_is_sent_as_sql_takes_it_and_read_back(unique: Unique, row: dict[str, Any]) -> None:
    job = NewJob("t", unique=unique)
    assert {name: job.row()[name] for name in row} == row
    assert NewJob.from_row(job.row()) == job
    assert job.options_given() == ("unique",)
