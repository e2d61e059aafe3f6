"""A cutover that a watch leads, as a user runs it; and the same with the new side broken on purpose.

Each takes many minutes: cohorts are whole minutes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.demo_runs import LED, check_cutover, check_run, run_demo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1860)]

SHARES = [(0, 10), (10, 50), (50, 100)]
UP_TO = {10: 1, 50: 2, 100: 3}
"""How many steps lead to a share."""


def check_steps(summary: dict[str, Any], steps: int) -> None:
    """Each step was proven at no fewer jobs than declared, within its bound, with a verdict that is kept."""
    assert [(one["percent"], one["next_percent"]) for one in summary["steps"]] == SHARES[:steps]
    for one in summary["steps"]:
        assert one["compared"] >= one["declared_jobs"] > 0
        assert one["upper_bound"] <= one["bound"]
        assert one["canary_jobs"] > 0 or one["percent"] == 0
        assert len(one["evidence"]) == 64
    assert summary["told"].count("raised") >= steps
    assert any(one["rule"].startswith("held at") for one in summary["rules"])


def test_watch_leads_from_share_to_share(directory: Path) -> None:
    summary = check_cutover(run_demo("--json", TMPDIR=str(directory)), directory, LED)
    assert (summary["course"], summary["broken"]) == ("led", None)
    check_steps(summary, 3)
    proofs = [one["rule"] for one in summary["rules"] if one["rule"].startswith(("proof", "error objective"))]
    assert proofs == [], "sample sizes and bounds are the defaults"


@pytest.mark.parametrize("legacy", ["rq", "celery", "bullmq"])
def test_watch_leads_from_a_broker(legacy: str, directory: Path) -> None:
    done = run_demo("--json", "--legacy", legacy, TMPDIR=str(directory))
    check_steps(check_cutover(done, directory, LED), 3)


@pytest.mark.parametrize(
    ("kind", "percent"), [("errors", 10), ("errors", 50), ("errors", 100), ("backlog", 10)]
)
def test_fault_is_taken_back(kind: str, percent: int, directory: Path) -> None:
    done = run_demo("--json", "--inject", kind, "--inject-at", str(percent), TMPDIR=str(directory))
    summary = check_run(done, directory)
    check_steps(summary, UP_TO[percent])
    broken = summary["broken"]
    assert (broken["ending"], broken["percent_after"], broken["is_latched"]) == ("rolled_back", 0, True)
    assert (broken["claims_after"], broken["told"], broken["forged"]) == (0, 1, 0)
    assert broken["handed_back"] > 0
    assert 0 < broken["seconds_to_last_claim"] <= broken["seconds_to_decision"] + 1
    assert kind == "backlog" or "first_attempts" in broken["because"]
    assert kind != "backlog" or "backlog" in broken["because"]
    assert summary["told"].count("rolled_back") == 1
    assert summary["stages"][-1]["stage"] == "rolled back"
    assert summary["stages"][-1]["owned_by_supabase"] == 0


def test_slowness_keeps_the_share_where_it_is(directory: Path) -> None:
    summary = check_run(run_demo("--json", "--inject", "latency", TMPDIR=str(directory)), directory)
    broken = summary["broken"]
    assert (broken["ending"], broken["percent_after"], broken["is_latched"]) == ("held", 10, False)
    assert "latency" in broken["because"]
    assert "rolled_back" not in summary["told"]
