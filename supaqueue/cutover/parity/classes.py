"""The classes of a pair, in the order in which the first that fits is taken, and by what a pair is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from supaqueue.contract import Json
from supaqueue.cutover.parity.differences import Difference
from supaqueue.cutover.parity.field_rules import NO_RULES, FieldRules
from supaqueue.cutover.parity.observation import Observation
from supaqueue.cutover.parity.pairs import Pair
from supaqueue.settings import MAX_JSON_BYTES

Class = Literal[
    "expected",
    "duplicate_execution",
    "pending",
    "legacy_redelivered",
    "uncomparable",
    "never_executed",
    "missing_in_supabase",
    "missing_in_legacy",
    "orphan_intent",
    "unstamped",
    "resurrected",
    "owner_disagrees",
    "payload_diff",
    "schedule_diff",
    "status_diff",
    "error_diff",
    "result_diff",
    "attempt_diff",
    "timing_diff",
    "stuck",
    "match",
]
CLASSES: tuple[Class, ...] = get_args(Class)
CLEAN: frozenset[Class] = frozenset({"expected", "pending", "legacy_redelivered", "match"})
"""What is no difference between the two systems."""
DIFFERENT: frozenset[Class] = frozenset(CLASSES) - CLEAN - {"uncomparable"}
"""What is one."""
SAFETY: frozenset[Class] = frozenset(
    {
        "duplicate_execution",
        "never_executed",
        "missing_in_supabase",
        "missing_in_legacy",
        "unstamped",
        "owner_disagrees",
    }
)
"""What no rollout goes on with."""

STORED: frozenset[Class] = frozenset(
    {
        "never_executed",
        "missing_in_supabase",
        "missing_in_legacy",
        "orphan_intent",
        "resurrected",
        "owner_disagrees",
        "payload_diff",
        "schedule_diff",
    }
)
"""What can be told of a job that waits."""

SECOND = 1_000_000
CLOCKS_APART = SECOND
"""By how much two clocks may differ before a time counts as another one, in microseconds."""


Comparator = Callable[[Json, Json], bool]
"""Is given legacy's result, or what legacy has of it, then Supabase's; says whether they agree."""


@dataclass(frozen=True, slots=True)
class Look:
    """By what a pair is judged.

    Attributes:
        observed_at: when both were observed, in microseconds since 1970.
        settle_seconds: how long a job of a type may take until both systems agree on it.
        default_seconds: the same for types that are not named.
        rules: which paths of payloads, results and errors are treated how.
        with_messages: whether errors are compared by message as well as by class.
        comparators: by task type, who says of two results that are not the same whether they agree.
        max_json_bytes: the most that Supabase takes of a payload.
    """

    observed_at: int
    settle_seconds: Mapping[str, float]
    default_seconds: float
    rules: FieldRules = NO_RULES
    with_messages: bool = False
    comparators: Mapping[str, Comparator] = field(default_factory=dict)
    max_json_bytes: int = MAX_JSON_BYTES

    def window(self, pair: Pair) -> float:
        """Return the settle window of a pair, in microseconds."""
        known = pair.legacy or pair.supabase
        task_type = known.task_type if known else None
        return SECOND * self.settle_seconds.get(task_type or "", self.default_seconds)


@dataclass(frozen=True, slots=True)
class Fit:
    """A class that fits, and the differences that make it fit; there may be none to point at.

    `is_repaired`: it fitted, and was repaired since.
    """

    name: Class
    differences: tuple[Difference, ...] = ()
    is_repaired: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """What a pair is: every class that fits, the first one first; and the rules that were needed for that."""

    fits: tuple[Fit, ...] = (Fit("match"),)
    rules: tuple[str, ...] = ()

    @property
    def name(self) -> Class:
        """The class that it counts as."""
        return self.fits[0].name

    @property
    def differences(self) -> tuple[Difference, ...]:
        """What differs, of that class."""
        return self.fits[0].differences

    @property
    def also(self) -> tuple[Class, ...]:
        """The other classes that fit."""
        return tuple(fit.name for fit in self.fits[1:])

    @property
    def is_clean(self) -> bool:
        """Whether nothing differs."""
        return CLEAN.issuperset(fit.name for fit in self.fits)


MATCH = Finding()

Found = Sequence[Difference] | None
"""What differs; None: the class does not fit. It may fit with nothing to point at."""


def due(one: Observation) -> int:
    """Return from when on it may run, in microseconds since 1970."""
    return max(one.accepted_at, one.due_at or 0)
