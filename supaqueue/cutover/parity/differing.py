"""Which jobs differ, and which of them did not before."""

from __future__ import annotations

from collections import Counter
from typing import TypeAlias

from supaqueue.cutover.parity.classes import DIFFERENT, Class, Finding
from supaqueue.cutover.parity.field_rules import general
from supaqueue.cutover.parity.noise import Noise
from supaqueue.cutover.parity.pairs import Pair

Found: TypeAlias = "tuple[str | None, Class]"
"""A task type, None if only an id is known, and a class."""
Known: TypeAlias = "frozenset[tuple[str, Class]]"
"""Jobs that differed, by id, each with its class."""


class Differing:
    """Takes every job of a comparison as it is counted.

    Args:
        known: what differed before.

    Attributes:
        new: how many others do, by task type and class.
    """

    def __init__(self, known: Known = frozenset()) -> None:
        self.new: Counter[Found] = Counter()
        self._known = known
        self._found: set[tuple[str, Class]] = set()
        self._apart: list[tuple[str, str | None, frozenset[str]]] = []

    def add(self, pair: Pair, finding: Finding, name: Class | None) -> None:
        """Take a job; `name` is None where it is not known yet whether that is noise."""
        if name in DIFFERENT:
            self._note(pair.job_id, _type_of(pair), name)
        elif name is None:
            [fit] = [one for one in finding.fits if one.name == "result_diff"]
            paths = frozenset(general(one.path) for one in fit.differences)
            self._apart.append((pair.job_id, _type_of(pair), paths))

    def settle(self, noise: Noise) -> None:
        """Decide on what was counted apart, now that all is counted."""
        excused = {
            task_type: {one.path for one in floor.paths if one.is_excused}
            for task_type, floor in noise.floors().items()
        }
        for job_id, task_type, paths in self._apart:
            if not paths <= excused.get(task_type or "", set()):
                self._note(job_id, task_type, "result_diff")
        self._apart = []

    def all(self) -> Known:
        """Return what differs now."""
        return frozenset(self._found)

    def _note(self, job_id: str, task_type: str | None, name: Class) -> None:
        self._found.add((job_id, name))
        self.new[task_type, name] += (job_id, name) not in self._known


def _type_of(pair: Pair) -> str | None:
    return next((one.task_type for one in pair if one is not None and one.task_type is not None), None)
