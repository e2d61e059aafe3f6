"""Tasks of a job that is made of several: what is refused before any call, and how they are put in order."""

from __future__ import annotations

from typing import Any

import pytest

from supaqueue.contract import NewJob, NewTask, sequence
from supaqueue.contract.new_task import MOST_TASKS
from supaqueue.contract.task_order import a_task_in_a_circle
from supaqueue.errors import InvalidInput
from supaqueue.unique import Unique


def after(*tasks: NewTask) -> dict[str, tuple[str, ...]]:
    return {task.name: task.after for task in tasks}


def test_a_sequence_waits_for_each_stage() -> None:
    parts = [NewTask("part", n, name=f"part {n}") for n in range(3)]
    fanned = sequence(NewTask("split"), parts, NewTask("merge"))
    names = ("part 0", "part 1", "part 2")
    assert after(*fanned) == {"split": (), **dict.fromkeys(names, ("split",)), "merge": names}
    assert [task.payload for task in fanned[1:4]] == [0, 1, 2]
    assert after(*sequence(NewTask("a"), [], NewTask("b", after=["a"]))) == {"a": (), "b": ("a",)}


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"tasks": "ab"}, "tasks"),
    ({"tasks": [NewTask("a")]}, "on_failure"),
    ({"tasks": [NewTask("a")], "on_failure": "stop"}, "on_failure"),
    ({"on_failure": "fail"}, "on_failure"),
    ({"tasks": [NewTask("a"), 5]}, "tasks[1]"),
    ({"tasks": [{"task_type": "a", "payload": float("nan")}]}, "tasks[0].payload"),
    ({"tasks": [{"task_type": "a", "after": ["b", ""]}]}, "tasks[0].after[1]"),
    ({"tasks": [{"name": "a"}]}, "tasks[0].task_type"),
    ({"tasks": [{"task_type": "a", "queue": "q"}]}, "tasks[0].queue"),
    ({"tasks": [NewTask("a"), NewTask("a")], "on_failure": "fail"}, "tasks[1].name"),
    ({"tasks": [NewTask("a"), NewTask("b", after=["a", "c"])], "on_failure": "fail"}, "tasks[1].after[1]"),
    ({"tasks": [NewTask("a"), NewTask("b", after=["a", "a"])], "on_failure": "fail"}, "tasks[1].after[1]"),
    (
        {"tasks": [NewTask("a", after=["b"]), NewTask("b", after=["a"])], "on_failure": "fail"},
        "tasks[0].after",
    ),
    ({"tasks": [NewTask("a")], "on_failure": "fail", "payload": 1}, "payload"),
    ({"tasks": [NewTask("a")], "on_failure": "fail", "max_attempts": 1}, "max_attempts"),
    (
        {"tasks": [NewTask("a")], "on_failure": "fail", "unique": Unique("k", "started", "replace")},
        "unique.on_conflict",
    ),
    ({"tasks": [NewTask("a", "x" * 3_000_000, name=n) for n in "ab"], "on_failure": "fail"}, "tasks"),
]


@pytest.mark.parametrize(
    ("options", "field"), REFUSED, ids=lambda part: part if isinstance(part, str) else ""
)
def test_what_cannot_be_run_is_refused_by_name(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        NewJob("whole", **options)
    assert refused.value.field == field


def test_twenty_thousand_are_enough() -> None:
    tasks = [NewTask("a", name=str(n), after=[str(n - 1)] if n else []) for n in range(MOST_TASKS)]
    assert len(NewJob("whole", tasks=tasks, on_failure="skip").tasks) == MOST_TASKS
    with pytest.raises(InvalidInput, match="at most 20,000"):
        NewJob("whole", tasks=[*tasks, NewTask("b")], on_failure="skip")


@pytest.mark.parametrize(
    ("before", "circle"),
    [
        ([], None),
        ([[1], []], None),
        ([[0]], {0}),
        ([[1], [3], [1], [2]], {1, 2, 3}),
        ([[2], [0], [1, 3], []], {0, 1, 2}),
    ],
)
def test_a_circle_is_told_from_what_waits_for_it(before: list[list[int]], circle: set[int] | None) -> None:
    found = a_task_in_a_circle(before)
    assert found is None if circle is None else found in circle
