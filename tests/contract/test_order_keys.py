"""Order keys, with both clients over every transport."""

from __future__ import annotations

from typing import Any

import pytest

from supaqueue import Unique
from supaqueue.contract import (
    CancelJobs,
    EnqueueJobs,
    ListBlockedKeys,
    NewJob,
    ReleaseKeys,
    Replay,
    ReplayJobTasks,
    TaskError,
)
from supaqueue.errors import InvalidInput
from supaqueue.transport import Transport
from tests.contract.site import Site
from tests.contract.test_queues import claim


def enqueue(site: Site, *keys: str, **options: Any) -> list[str]:
    jobs = tuple(NewJob("work", n, queue=site.queue, order_key=key, **options) for n, key in enumerate(keys))
    assert [one.answer for one in site.transport.send(EnqueueJobs(jobs))] == ["created"] * len(jobs)
    return [job.job_id for job in jobs]


def payloads(site: Site) -> list[Any]:
    return [task.payload for task in site.claim()]


def test_one_of_a_key_at_a_time_in_order_and_keys_in_turn(site: Site) -> None:
    jobs = enqueue(site, "a", "a", "b", "a")
    assert [site.task(job_id).status for job_id in jobs] == ["blocked"] * 4
    first = site.claim()
    assert [task.payload for task in first] == [0, 2]
    assert payloads(site) == []
    site.finish(first[1])
    site.finish(first[0])
    enqueue(site, "c")
    second = site.claim()
    assert [task.payload for task in second] == [1, 0]
    site.finish(second[0], "retry", after_seconds=0)
    assert payloads(site) == [1], "a retry keeps the turn"


def test_a_failure_blocks_or_lets_go_as_declared(site: Site) -> None:
    enqueue(site, "block", "block")
    lets_go = enqueue(site, "go", "go", "go", order_on_failure="continue")
    failed = site.claim()
    for task in failed:
        site.finish(task, "fail", error=TaskError("Odd", "text"))
    [behind] = site.claim()
    assert behind.job_id == lets_go[1]
    [blocked] = site.transport.send(ListBlockedKeys(site.queue)).blocked_keys
    assert (blocked.order_key, blocked.error_type, blocked.waiting) == ("block", "Odd", 1)
    site.transport.send(ReplayJobTasks(tuple(Replay(task.ref) for task in failed)))
    assert [task.job_id for task in site.claim()] == [failed[0].job_id], "it kept its turn"
    site.finish(behind)
    assert [task.job_id for task in site.claim()] == [lets_go[0]], "it goes ahead of those behind it"


def test_a_release_lets_a_key_go_on_once(site: Site) -> None:
    enqueue(site, "a", "a", "a")
    [first] = site.claim()
    site.finish(first, "fail")
    call = ReleaseKeys(((site.queue, "a"), (site.queue, "b")), "mended", "ada")
    told = site.transport.send(call)
    assert [(one.answer, one.job_id) for one in told] == [("released", first.job_id), ("not_blocked", None)]
    [second] = site.claim()
    site.finish(second, "fail")
    assert site.transport.send(call) == told, "a repeat releases nothing again"
    assert payloads(site) == []


def test_a_cancelled_turn_and_one_that_waits_for_its_time(site: Site) -> None:
    [first] = enqueue(site, "a", delay=50)
    second, third = enqueue(site, "a", "a")
    assert payloads(site) == []
    site.transport.send(CancelJobs((first, second)))
    assert [task.job_id for task in site.claim()] == [third]


def test_the_client_lists_and_releases(queue: Any, worker: Transport, queue_name: str) -> None:
    queue.enqueue("bill", 1, queue=queue_name, order_key="k")
    queue.enqueue("bill", 2, queue=queue_name, order_key="k")
    assert len(claim(worker, queue_name)) == 1
    with pytest.raises(InvalidInput, match="cannot go with a Unique"):
        queue.enqueue("bill", order_key="k", unique=Unique("u", 5.0, "push_back"))
