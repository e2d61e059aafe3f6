"""Running the demo of a cutover as a user does, and checking what each run of it must hold."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

KILLED = re.compile(r"killed ([a-z]+-1) with -9 while it ran (\d+) handlers")
BY_HAND = {
    "off": (0, 0.0),
    "mirror": (0, 0.0),
    "shadow": (0, 0.0),
    "canary 10": (10, 0.1),
    "canary 50": (50, 0.5),
    "live": (100, 0.98),
    "emergency off": (0, 0.0),
    "live again": (100, 0.98),
    "closing": (100, 1.0),
    "complete": (100, 1.0),
}
"""Of each stage the percent, and with which probability a new job is Supabase's."""
OTHERS = {"watched": (0, 0.0), "rolled back": (0, 0.0)}
LED = ("off", "mirror", "shadow", "watched", *list(BY_HAND)[3:])
JOBS = 150
EXACT_JOBS = 1000
"""Up to so many the bound is computed again by sums of fractions, which takes long."""


def run_demo(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "supaqueue", "demo", "--cutover", *arguments],
        capture_output=True,
        text=True,
        timeout=1800,
        env={**os.environ, **environ},
    )


def processes_in(folder: Path) -> list[str]:
    """Command lines of processes that were started with this folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in words and int(process.name) != os.getpid():
            found.append(words.replace(b"\0", b" ").decode(errors="replace")[:200])
    return found


def check_cutover(
    done: subprocess.CompletedProcess[str], directory: Path, stages: Sequence[str] = tuple(BY_HAND)
) -> dict[str, Any]:
    """Check a whole cutover; returns what it printed."""
    summary = check_run(done, directory)
    assert [stage["stage"] for stage in summary["stages"]] == list(stages)
    by_name = {stage["stage"]: stage for stage in summary["stages"]}
    check_hand_overs(by_name)
    check_reruns(by_name, done.stderr)
    return summary


def check_run(done: subprocess.CompletedProcess[str], directory: Path) -> dict[str, Any]:
    """Check what each run must hold, also one that ends in a rollback; returns what it printed."""
    assert done.returncode == 0, (done.stderr, done.stdout[-3000:])
    summary: dict[str, Any] = json.loads(done.stdout)
    assert (summary["lost"], summary["run_twice"], summary["wrong"], summary["disagreeing"]) == (0, 0, 0, 0)
    assert summary["jobs"] == sum(stage["jobs"] + stage["at_change"] for stage in summary["stages"])
    assert summary["reads"] > 0
    assert summary["unread"] == 0
    for stage in summary["stages"]:
        assert stage["jobs"] >= JOBS
        check_stage(stage)
    assert list(directory.iterdir()) == []
    assert processes_in(directory) == []
    return summary


def check_reruns(stages: dict[str, dict[str, Any]], progress: str) -> None:
    """What a killed worker was inside of began again, in the same system."""
    killed = {name: int(count) for name, count in KILLED.findall(progress)}
    assert killed.keys() == {"legacy-1", "supabase-1"}
    reruns = {name: stage["reruns"] for name, stage in stages.items()}
    assert sum(reruns.values()) >= sum(killed.values())
    before_emergency = list(reruns)[: list(reruns).index("live")]
    assert sum(reruns[name] for name in before_emergency) >= killed["legacy-1"] >= 1


def check_stage(stage: dict[str, Any]) -> None:
    percent, probability = {**BY_HAND, **OTHERS}[stage["stage"]]
    assert stage["percent"] == percent
    assert stage["owned_by_supabase"] + stage["owned_by_legacy"] == stage["jobs"]
    assert stage["share"] == pytest.approx(stage["owned_by_supabase"] / stage["jobs"], abs=1e-4)
    low, high = stage["share_bound"]
    if stage["jobs"] <= EXACT_JOBS:
        assert (low, high) == pytest.approx(exact_bound(stage["jobs"], probability))
    assert low <= stage["share"] <= high
    everything = stage["jobs"] + stage["at_change"]
    assert stage["run_by_supabase"] + stage["run_by_legacy"] == everything
    if stage["stage"] not in ("off", "complete"):
        assert stage["mirrored"] == everything
        assert stage["relayed"] > 0
    assert stage["shadow_runs"] > 0 or stage["stage"] != "shadow"


def check_hand_overs(stages: dict[str, dict[str, Any]]) -> None:
    handed_back = stages["canary 50"]["handed_over"] + stages["live"]["handed_over"]
    assert handed_back + stages["emergency off"]["handed_over"] >= 20
    taken_over = stages["live again"]["handed_over"] + stages["closing"]["handed_over"]
    assert taken_over > 0
    assert stages["live"]["run_by_legacy"] > stages["live"]["owned_by_legacy"]


def exact_bound(jobs: int, probability: float) -> tuple[float, float]:
    """By sums of fractions."""
    chance = Fraction(probability).limit_denominator(100)
    weights = [
        math.comb(jobs, number) * chance**number * (1 - chance) ** (jobs - number)
        for number in range(jobs + 1)
    ]
    tail = Fraction(5, 10_000)
    low = next(n for n in range(jobs + 1) if sum(weights[: n + 1]) > tail)
    high = next(n for n in range(jobs, -1, -1) if sum(weights[n:]) > tail)
    return low / jobs, high / jobs
