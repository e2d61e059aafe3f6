"""The demo's watch: `supaqueue rollout watch --promote` as a process of its own, and what it has said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from supaqueue.cli.demo.cutover.legacy import PLACE, watched_name
from supaqueue.cli.demo.cutover.owners import Owners
from supaqueue.cli.demo.cutover.processes import PythonProcess, supabase_environment
from supaqueue.cli.demo.cutover.rehearsal import INTERVAL_SECONDS
from supaqueue.devstack import Stack

SAID = "watch.jsonl"


@dataclass(frozen=True, slots=True)
class PassedStep:
    """A share that the watch led on from, by its own verdict.

    Attributes:
        percent: the share that was judged; `next_percent`: the one that it led to.
        seconds: from when the step began until it was decided.
        declared_jobs: at how many compared jobs it was to be decided; `compared`: at how many it was.
        upper_bound: the highest rate of differing jobs that they leave possible; `bound`: what was allowed.
        canary_jobs: ended jobs of Supabase's that it was judged by; 0 before it has a share.
        evidence: the hash under which the database keeps the verdict.
    """

    percent: float
    next_percent: float
    seconds: float
    declared_jobs: int
    compared: int
    different: int
    upper_bound: float
    bound: float
    canary_jobs: int
    evidence: str


class Watching(PythonProcess):
    """Starts the watch as a user does, and reads its lines.

    Args:
        rules: the file by which it judges.
        place: of the old queue.
        owners: whom it tells.
    """

    def __init__(self, stack: Stack, folder: Path, rules: Path, place: str, owners: Owners) -> None:
        self._said = folder / SAID
        words = ["-m", "supaqueue", "rollout", "watch", "--promote", "--json", "--log-level", "warning"]
        options = ["--interval", f"{INTERVAL_SECONDS:g}s", "--rules", str(rules)]
        environ = supabase_environment(stack) | owners.environment() | {PLACE: place}
        legacy = ["--legacy", watched_name(place)]
        super().__init__("watch", [*words, *options, *legacy], environ, folder, output=SAID)

    def looks(self) -> Iterator[dict[str, Any]]:
        """Return what each look came to, oldest first."""
        yield from read_looks(self._said)

    def passed(self) -> tuple[PassedStep, ...]:
        """Return the steps that it has led on from."""
        return passed_steps(self.looks())

    def last(self) -> dict[str, Any] | None:
        """Return what it said last of the overall flag; None if it has not looked."""
        verdicts = [verdict for look in self.looks() for verdict in look["verdicts"]]
        return verdicts[-1] if verdicts else None


def read_looks(path: Path) -> Iterator[dict[str, Any]]:
    """Read the lines that are whole."""
    if not path.exists():
        return
    with path.open() as lines:
        for line in lines:
            if line.endswith("\n"):
                yield json.loads(line)


def passed_steps(looks: Iterator[dict[str, Any]]) -> tuple[PassedStep, ...]:
    """Return the steps on whose pass a look changed the share."""
    return tuple(
        _passed(verdict)
        for look in looks
        if look["changed"]
        for verdict in look["verdicts"]
        if verdict["answer"] == "pass"
    )


def _passed(verdict: dict[str, Any]) -> PassedStep:
    step = verdict["step"]
    figures = {one["name"]: one["figures"] for one in verdict["conditions"]}
    sample = figures["mismatches"]
    seconds = _moment(verdict["judged_at"]) - _moment(step["began_at"])
    return PassedStep(
        percent=float(step["percent"]),
        next_percent=float(step["next_percent"]),
        seconds=round(seconds, 1),
        declared_jobs=step["declared_jobs"],
        compared=sample["compared"],
        different=sample["different"],
        upper_bound=sample["upper_bound"],
        bound=step["mismatch_bound"],
        canary_jobs=figures.get("errors", {}).get("canary_jobs", 0),
        evidence=step["evidence"],
    )


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
