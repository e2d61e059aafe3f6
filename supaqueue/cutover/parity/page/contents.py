"""What the page shows of a report: classes with their colours, and paths ranked over all types."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from supaqueue.cutover.parity.classes import CLEAN

COLOURS = 7
"""Classes of differences with a colour of their own, the most frequent; the others share one."""
RANKED_PATHS = 100
NO_DIFFERENCE = CLEAN | {"uncomparable"}


@dataclass(frozen=True, slots=True)
class ClassShown:
    """One class over all types; `colour` names one of the page's style."""

    name: str
    jobs: int
    differs: bool
    colour: str


@dataclass(frozen=True, slots=True)
class PathShown:
    """One field path and kind over all types and classes.

    Attributes:
        found: by type and class, how many jobs differ there, as JSON: [[number of the type, class, jobs]].
        share: of the most frequent path's jobs, in percent.
    """

    path: str
    kind: str
    jobs: int
    classes: tuple[str, ...]
    types: tuple[str | None, ...]
    found: str
    share: float


def classes_shown(report: Mapping[str, Any]) -> list[ClassShown]:
    """Return the classes of a report, differences first, the most frequent first."""
    ranked = sorted(report["classes"].items(), key=lambda item: (item[0] in NO_DIFFERENCE, -item[1], item[0]))
    return [
        ClassShown(name, jobs, name not in NO_DIFFERENCE, _colour(name, number))
        for number, (name, jobs) in enumerate(ranked)
    ]


def _colour(name: str, number: int) -> str:
    if name in NO_DIFFERENCE:
        return name
    return f"difference-{number}" if number < COLOURS else "difference-more"


def paths_shown(report: Mapping[str, Any]) -> list[PathShown]:
    """Return the paths at which most jobs differ."""
    found: dict[tuple[str, str], list[tuple[int, str, int]]] = defaultdict(list)
    for number, name, one in _paths(report):
        found[one["path"], one["kind"]].append((number, name, one["jobs"]))
    jobs = Counter({place: sum(part[2] for part in parts) for place, parts in found.items()})
    ranked = sorted(jobs, key=lambda place: (-jobs[place], place))[:RANKED_PATHS]
    most = jobs[ranked[0]] if ranked else 1
    return [
        PathShown(
            *place,
            jobs=jobs[place],
            classes=tuple(sorted({name for _, name, _ in found[place]})),
            types=tuple(report["types"][number]["task_type"] for number in _numbers(found[place])),
            found=json.dumps(found[place]),
            share=round(100 * jobs[place] / most, 2),
        )
        for place in ranked
    ]


def _numbers(parts: list[tuple[int, str, int]]) -> list[int]:
    return sorted({number for number, _, _ in parts})


def _paths(report: Mapping[str, Any]) -> Iterator[tuple[int, str, Mapping[str, Any]]]:
    for number, of_type in enumerate(report["types"]):
        for of_class in of_type["classes"]:
            for path in of_class["paths"]:
                yield number, of_class["name"], path
