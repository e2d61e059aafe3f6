"""What is to be compared, and by what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from supaqueue.cutover.parity.classes import Comparator
from supaqueue.cutover.parity.rules import Rule
from supaqueue.settings import MAX_JSON_BYTES

Progress = Callable[[str, int], None]
"""Told which step a check is at, and how many jobs that has done."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be compared, and by what.

    Attributes:
        since: from when on jobs were accepted; `until`: before when.
        task_types: which; None: all.
        declared_bound: the rate of differences to be ruled out.
        settle_seconds: in place of the windows that are derived from what is found.
        looks: seconds to wait before each further look at what differs.
        with_messages: whether errors are compared by message as well.
        comparators: by task type, who says of two results that are not the same whether they agree.
        max_json_bytes: the most that Supabase's clients and workers let a payload or a result take.
    """

    since: datetime
    until: datetime
    task_types: frozenset[str] | None = None
    rules: tuple[Rule, ...] = ()
    declared_bound: float = 0.01
    settle_seconds: float | None = None
    looks: tuple[float, ...] = (2.0, 5.0)
    with_messages: bool = False
    comparators: Mapping[str, Comparator] = field(default_factory=dict)
    max_json_bytes: int = MAX_JSON_BYTES
