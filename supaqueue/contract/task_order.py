"""Whether tasks that run after each other can be run at all."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from supaqueue.errors import InvalidInput

MOST_EDGES = 100_000
"""Names in all `after` of a job together."""


def check_order(names: Sequence[str], after: Sequence[Sequence[str]]) -> None:
    """Refuse tasks that are not all of different names, or of which one runs after no task, or after itself.

    Raises:
        InvalidInput: naming the field, as in `tasks[3].after[1]`.
    """
    numbers: dict[str, int] = {}
    for number, name in enumerate(names):
        if numbers.setdefault(name, number) != number:
            raise InvalidInput("another task of the job has it", field=f"tasks[{number}].name")
    if sum(map(len, after)) > MOST_EDGES:
        raise InvalidInput(f"must have at most {MOST_EDGES:,} names in all after", field="tasks")
    before = [_numbers_of(numbers, number, listed) for number, listed in enumerate(after)]
    circle = a_task_in_a_circle(before)
    if circle is not None:
        text = "leads round in a circle, back to this task"
        raise InvalidInput(text, field=f"tasks[{circle}].after")


def a_task_in_a_circle(before: Sequence[Sequence[int]]) -> int | None:
    """Return the number of a task that runs after itself, by whatever way; None if there is none.

    Kahn's algorithm: each task and each of `before`, the numbers of those before it, is looked at once.
    """
    behind: list[list[int]] = [[] for _ in before]
    for number, listed in enumerate(before):
        for earlier in listed:
            behind[earlier].append(number)
    waits_for = [len(listed) for listed in before]
    free = deque(number for number, waits in enumerate(waits_for) if waits == 0)
    while free:
        for number in behind[free.popleft()]:
            waits_for[number] -= 1
            if waits_for[number] == 0:
                free.append(number)
    left = [number for number, waits in enumerate(waits_for) if waits > 0]
    if not left:
        return None
    # What is left waits for a circle or is in one: from one to one before it, as often as there are, is in.
    number = left[0]
    for _ in before:
        number = next(earlier for earlier in before[number] if waits_for[earlier] > 0)
    return number


def _numbers_of(numbers: dict[str, int], number: int, listed: Sequence[str]) -> list[int]:
    found: dict[int, None] = {}
    for place, name in enumerate(listed):
        earlier = numbers.get(name)
        if earlier is None:
            field = f"tasks[{number}].after[{place}]"
            raise InvalidInput("no task of the job has this name", field=field)
        if earlier in found:
            raise InvalidInput("is there twice", field=f"tasks[{number}].after[{place}]")
        found[earlier] = None
    return list(found)
