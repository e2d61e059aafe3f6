"""`supaqueue rollout status` while Supabase gives no answer: what this host can see is shown."""

from __future__ import annotations

import json

import pytest

from supaqueue.cutover.spooled import mirror_record
from tests.cutover.commands import Terminal
from tests.cutover.world import World


@pytest.fixture
def alone(world: World, rollout: Terminal) -> Terminal:
    """Three mirrors in the spool, a job in legacy, and no Supabase where the environment says."""
    world.go_to(0)
    jobs = [world.new_job("legacy", payload={"secret": number}) for number in range(3)]
    world.spool.append([mirror_record(job) for job in jobs])
    world.spool.close()
    world.legacy.enqueue(jobs[:1])
    rollout.lose_supabase()
    return rollout


def test_spool_and_legacy_are_shown_without_supabase(alone: Terminal) -> None:
    said = alone("status")
    assert said.code == 1
    assert "spool: 3 mirrors" in said.out
    assert "legacy (folder): alive; pending 1" in said.out
    assert said.err.startswith("supaqueue: ")
    assert "Traceback" not in said.err
    assert "secret" not in said.out + said.err


def test_they_are_told_as_json_too(alone: Terminal) -> None:
    said = alone("status", "--json")
    assert said.code == 1
    report = json.loads(said.out)
    assert report["problem"] in said.err
    assert report["spool"]["records"] == 3
    assert report["legacy"]["left"]["pending"] == 1
