"""What goes first, on every ground: priorities, tenants in turn, weights."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from supaqueue.contract import ClaimJobTasks, EnqueueJobs, NewJob
from supaqueue.errors import CallRefused, InvalidInput
from tests.contract.site import Site, ids


def claimed_one_by_one(site: Site, count: int, **options: Any) -> list[str]:
    found: list[str] = []
    marks: Any = {}
    for _ in range(count):
        found += ids(site.claim(1, marks=marks, **options))
        marks = site.last.marks
    return found


def test_higher_priorities_go_first(site: Site) -> None:
    low, usual, high = (site.enqueue(2, priority=priority) for priority in (-1, 0, 5))
    assert claimed_one_by_one(site, 6) == high + usual + low


def test_a_batch_has_the_same_order(site: Site) -> None:
    low, usual, high = (site.enqueue(2, priority=priority) for priority in (-1, 0, 5))
    assert ids(site.claim(5)) == high + usual + low[:1]


def test_tenants_are_served_in_turn(site: Site) -> None:
    a, b = site.enqueue(4, tenant="a"), site.enqueue(2, tenant="b")
    none = site.enqueue(2)
    assert claimed_one_by_one(site, 8) == [a[0], b[0], none[0], a[1], b[1], none[1], a[2], a[3]]


@pytest.mark.parametrize("want", [1, 3])
def test_a_tenant_that_comes_later_waits_for_one_round(site: Site, want: int) -> None:
    site.enqueue(20, tenant="many")
    tasks = site.claim(want)
    [job_id] = site.enqueue(tenant="one")
    marks = site.last.marks
    found = ids(site.claim(want, marks=marks))
    assert job_id in found + ids(site.claim(want, marks=site.last.marks))
    assert len(tasks) == want


def test_weights_take_what_there_is_and_leave_no_slot_empty(site: Site) -> None:
    other = f"{site.queue}-other"
    jobs = tuple(NewJob("work", queue=other) for _ in range(3))
    site.transport.send(EnqueueJobs(jobs))
    usual = site.enqueue(5)
    tasks = site.claim(8, queues=(site.queue, other), weights={other: 1000.0})
    assert set(ids(tasks)) == {job.job_id for job in jobs} | set(usual)


@pytest.mark.parametrize("weights", [{"elsewhere": 1.0}, {"q": 0.0}, {"q": 1000.5}])
def test_weights_are_refused_alike(site: Site, weights: dict[str, float]) -> None:
    call = ClaimJobTasks(str(uuid4()), "w", ("q",), ("work",), 1, 0, 60.0, {}, weights=weights)
    with pytest.raises(CallRefused, match="weights: expected"):
        site.transport.send(call)


@pytest.mark.parametrize("priority", [6, -6, 1.0, True, "1"])
def test_a_priority_out_of_range_is_refused_before_any_call(priority: Any) -> None:
    with pytest.raises(InvalidInput, match="priority"):
        NewJob("work", priority=priority)
