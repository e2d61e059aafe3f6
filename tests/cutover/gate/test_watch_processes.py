"""A watch that is killed with -9 at each of its writes: the next one ends what it began, and owners know."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from supaqueue.contract import ListFlagChanges, ListRolloutSteps, ReadFeatureFlags, ReadRolloutEvidence
from tests.cutover.gate.conftest import Owners
from tests.cutover.world import World
from tests.faults.crash_points_table import points_of

KILLED = -9
BEGINNING = ("hold_lease_v1",)
TOLD = ("webhook", "settle_rollout_notices_v1")
WRITES = {
    "healthy": (
        *BEGINNING,
        *("declare_rollout_step_v1", "keep_rollout_evidence_v1", "decide_rollout_step_v1"),
        "change_feature_flag_v1",
        *TOLD,
    ),
    "failing": (
        *BEGINNING,
        *("declare_rollout_step_v1", "keep_rollout_evidence_v1", "change_feature_flag_v1"),
        *TOLD,
    ),
    "failing without legacy": (
        *BEGINNING,
        *("declare_rollout_step_v1", "keep_rollout_evidence_v1", "change_feature_flag_v1"),
        *TOLD,
    ),
}
POINTS = [(sees, point) for sees, writes in WRITES.items() for point in points_of(writes)]
KINDS = {"healthy": "raised", "failing": "rolled_back", "failing without legacy": "halted"}
ALWAYS = ("failing", "after change_feature_flag_v1")


def look(world: World, owners: Owners, folder: Path, sees: str, point: str | None) -> int:
    """Let a process look once, and return its exit code."""
    key = world.settings.service_role_key
    plan: dict[str, Any] = {"url": world.settings.url, "key": key, "webhook": owners.url}
    plan |= {"sees": sees, "point": point, "log": str(folder / "writes")}
    child = [sys.executable, "-m", "tests.cutover.gate.watch_child", json.dumps(plan)]
    done = subprocess.run(child, capture_output=True, text=True, timeout=120)
    assert done.returncode in (0, KILLED), done.stderr
    return done.returncode


def at_10_percent(world: World) -> None:
    """Stand at 10 percent; owners know of it."""
    world.go_to(10)
    world.database.execute("update rollout_notices set told_at = clock_timestamp()")


@pytest.mark.slow
@pytest.mark.parametrize("sees", WRITES)
def test_the_writes_are_those_of_the_table(world: World, owners: Owners, tmp_path: Path, sees: str) -> None:
    at_10_percent(world)
    assert look(world, owners, tmp_path, sees, None) == 0
    assert tuple((tmp_path / "writes").read_text().splitlines()) == WRITES[sees]
    check(world, owners, sees)


@pytest.mark.parametrize(
    ("sees", "point"),
    [pytest.param(*one, marks=() if one == ALWAYS else pytest.mark.slow) for one in POINTS],
)
def test_killed_at_each_write_the_next_one_ends_it(
    world: World, owners: Owners, tmp_path: Path, sees: str, point: str
) -> None:
    at_10_percent(world)
    assert look(world, owners, tmp_path, sees, point) == KILLED
    check_audit(world)
    assert look(world, owners, tmp_path, sees, None) == 0
    check(world, owners, sees)


def check(world: World, owners: Owners, sees: str) -> None:
    """Once changed, owners told once of it, and the history explains it."""
    flag = world.transport.send(ReadFeatureFlags()).overall
    kinds = [KINDS[sees]]
    if sees == "healthy":  # the second look finds the next step, and passes that too
        assert (flag.rollout_percent, flag.latched_at) in [(50, None), (100, None)]
        kinds = ["raised"] if flag.rollout_percent == 50 else ["raised", "raised"]
    elif sees == "failing":
        assert (flag.rollout_percent, flag.is_enabled, flag.hand_back) == (0, False, "not_started")
        assert flag.latched_at is not None
    else:
        assert (flag.rollout_percent, flag.is_enabled, flag.hand_back) == (10, True, "none")
        assert flag.latched_at is not None
    assert owners.told == kinds
    check_audit(world)


def check_audit(world: World, by: str = "watch") -> None:
    """Each change of a watch names evidence that was kept; each decision does; what is due is owed."""
    changes = [
        one for one in world.transport.send(ListFlagChanges()) if (one.changed_by or "").startswith(by)
    ]
    decided = [one for one in world.transport.send(ListRolloutSteps()).steps if one.decided_at]
    for evidence in (*(one.evidence for one in changes), *(one.evidence for one in decided)):
        assert evidence is not None
        kept = world.transport.send(ReadRolloutEvidence(evidence))
        assert kept is not None
        assert json.loads(kept)["schema"] == "supaqueue.gate/1"
    assert all(one.reason for one in changes)
    owed = "select from rollout_notices n where n.change_id = c.change_id"
    query = f"select count(*) from feature_flag_changes c where not exists ({owed})"
    assert world.database.execute(query.encode()).fetchall() == [(0,)]
