"""Messages that came around the router and ran: each counts once, and no rollout goes on with them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from supaqueue.cutover.guard import Guard
from supaqueue.cutover.legacy.index import UnstampedRun
from supaqueue.job_id import new_job_id
from tests.cutover.parity.test_check import checked, some_jobs
from tests.cutover.world import World


def ran(world: World, count: int = 1) -> list[str]:
    job_ids = [new_job_id() for _ in range(count)]
    for job_id in job_ids:
        assert world.guard.admit(None, "count", job_id).verdict == "run"
    return job_ids


def test_each_counts_once_and_makes_it_no_pass(world: World) -> None:
    some_jobs(world)
    job_ids = ran(world, 2)
    assert world.guard.admit(None, "count", job_ids[0]).verdict == "run"
    found = checked(world, declared_bound=0.5)
    assert found.report["classes"] == {"match": 20, "unstamped": 2}
    assert (found.report["unstamped_runs"], found.report["jobs"]) == (3, 22)
    assert found.verdict.answer == "differences"
    assert "unstamped" in found.verdict.because[0]
    types: Any = found.report["types"]
    [unknown] = [one for one in types if one["task_type"] is None]
    [unstamped] = unknown["classes"]
    assert {sample["job_id"] for sample in unstamped["samples"]} == set(job_ids)
    [share] = found.report["shares"]  # type: ignore[misc]
    assert share["jobs"] == 20, "nobody gave them to a system"  # type: ignore[index]


def test_nothing_else_to_share_out(world: World) -> None:
    world.go_to(0)
    ran(world)
    assert checked(world).report["shares"] == []


def test_one_that_was_adopted_is_a_job(world: World) -> None:
    world.go_to(0)
    job = world.new_job("legacy")
    world.enqueue(job)
    assert world.legacy.index.adopt([(job, "native")]) == ["adopted"]
    admission = world.guard.admit(None, "count", job.job_id)
    assert admission.run is not None
    admission.run.free()
    assert checked(world).report["classes"] == {"stuck": 1}


def test_a_note_whose_id_has_an_entry_is_passed_over(world: World) -> None:
    world.go_to(0)
    [job_id] = ran(world)
    world.legacy.index.close([job_id], "abandoned")
    always = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
    assert [len(page) for page in world.legacy.list_unstamped_runs(*always)] == [0]
    assert checked(world).report["jobs"] == 1


def test_one_that_begins_again_while_it_is_listed_is_listed_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_ids = ran(world, 2)
    monkeypatch.setattr("supaqueue.cutover.legacy.queue.PAGE", 1)
    since = datetime.now(UTC) - timedelta(hours=1)
    found: list[UnstampedRun] = []
    for page in world.legacy.list_unstamped_runs(since):
        found += page
        if len(found) == 1:
            Guard(world.legacy.index).admit(None, "count", job_ids[0])
    assert [run.job_id for run in found] == job_ids
