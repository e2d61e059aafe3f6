"""The demo's watch: `supaqueue rollout watch --promote` as a process of its own, and what it has said."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
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
        self._said = Said(folder / SAID)
        words = ["-m", "supaqueue", "rollout", "watch", "--promote", "--json", "--log-level", "warning"]
        options = ["--interval", f"{INTERVAL_SECONDS:g}s", "--rules", str(rules)]
        environ = supabase_environment(stack) | owners.environment() | {PLACE: place}
        legacy = ["--legacy", watched_name(place)]
        super().__init__("watch", [*words, *options, *legacy], environ, folder, output=SAID)

    def passed(self) -> tuple[PassedStep, ...]:
        """Return the steps that it has led on from."""
        return passed_steps(self._said.looks())

    def last(self) -> dict[str, Any] | None:
        """Return what it said last of the overall flag; None if it has not looked."""
        return next((look["verdicts"][0] for look in reversed(self._said.looks()) if look["verdicts"]), None)

    def problem(self) -> str | None:
        """Return why its last look failed; None if it did not."""
        looks = self._said.looks()
        return looks[-1]["problem"] if looks else None


class Said:
    """The lines that a watch has printed, each an object; a line is read once, and when it is whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._looks: list[dict[str, Any]] = []
        self._place = 0

    def looks(self) -> Sequence[dict[str, Any]]:
        """Return what each look came to, oldest first."""
        if self._path.exists():
            with self._path.open("rb") as lines:
                lines.seek(self._place)
                whole = [line for line in lines if line.endswith(b"\n")]
            self._place += sum(map(len, whole))
            self._looks += map(json.loads, whole)
        return self._looks


def passed_steps(looks: Iterable[dict[str, Any]]) -> tuple[PassedStep, ...]:
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
