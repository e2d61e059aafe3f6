"""What of a value does not count, by its path: ignored, unordered, tolerant, or normalised before."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from supaqueue.contract import Json
from supaqueue.errors import InvalidInput

Step = str | int
"""A key of an object or a place in a list."""

_PLAIN = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_PATTERN = re.compile(
    r"""\.\.(?P<deep>[A-Za-z_]\w*)|\.(?P<key>\*|[A-Za-z_]\w*)|\[(?P<place>\*|\d+)\]
                          |\[(?P<quoted>"(?:[^"\\]|\\.)*")\]""",
    re.ASCII | re.VERBOSE,
)


def written(path: tuple[Step, ...]) -> str:
    """Return a path as text: `$.rows[3].price`; a key that is no plain name in brackets and quotes."""
    return "$" + "".join(map(_step, path))


def general(path: str) -> str:
    """Return a written path with every place in a list as `[*]`, so that like places count together."""
    return re.sub(r"\[\d+\]", "[*]", path)


@dataclass(frozen=True, slots=True)
class PathPattern:
    """A set of paths: `$.rows[*].price`, `$.*.id`, `$..updated_at` (at any depth), `$["a b"]`.

    Raises:
        InvalidInput: it is not written like that.
    """

    text: str

    def __post_init__(self) -> None:
        _compiled(self.text)

    def matches(self, path: tuple[Step, ...]) -> bool:
        """Say whether a path is of it."""
        return _compiled(self.text).fullmatch(written(path)) is not None


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far apart two numbers may be: `math.isclose` with these two."""

    absolute: float = 0.0
    relative: float = 0.0

    def allows(self, control: Json, candidate: Json) -> bool:
        """Say whether two values are numbers that near each other."""
        if not (isinstance(control, int | float) and isinstance(candidate, int | float)):
            return False
        return math.isclose(control, candidate, rel_tol=self.relative, abs_tol=self.absolute)


@dataclass(frozen=True, slots=True)
class FieldRules:
    """Which paths are treated how. A path that is ignored takes what lies below it along."""

    ignored: tuple[PathPattern, ...] = ()
    unordered: tuple[PathPattern, ...] = ()
    tolerances: tuple[tuple[PathPattern, Tolerance], ...] = ()
    normalisers: tuple[tuple[PathPattern, str], ...] = ()

    def ignores(self, path: tuple[Step, ...]) -> bool:
        """Say whether what lies there does not count."""
        return any(pattern.matches(path) for pattern in self.ignored)

    def is_unordered(self, path: tuple[Step, ...]) -> bool:
        """Say whether the list there is one whose order does not count."""
        return any(pattern.matches(path) for pattern in self.unordered)

    def tolerates(self, control: Json, candidate: Json, path: tuple[Step, ...]) -> bool:
        """Say whether two values are near enough there."""
        return any(
            tolerance.allows(control, candidate)
            for pattern, tolerance in self.tolerances
            if pattern.matches(path)
        )

    def normalised(self, value: Json, path: tuple[Step, ...]) -> Json:
        """Return a value as it is compared there."""
        for pattern, name in self.normalisers:
            if pattern.matches(path):
                value = NORMALISERS[name](value)
        return value

    def __add__(self, other: FieldRules) -> FieldRules:
        return FieldRules(
            self.ignored + other.ignored,
            self.unordered + other.unordered,
            self.tolerances + other.tolerances,
            self.normalisers + other.normalisers,
        )


NO_RULES = FieldRules()


def _as_time(value: Json) -> Json:
    """An ISO 8601 time as the same moment in UTC; without a zone it is taken as UTC."""
    if not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return value
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat()


def _as_lower(value: Json) -> Json:
    return value.casefold() if isinstance(value, str) else value


def _as_trimmed(value: Json) -> Json:
    return " ".join(value.split()) if isinstance(value, str) else value


def _as_number(value: Json) -> Json:
    """A number written as text as that number."""
    if not isinstance(value, str):
        return value
    try:
        number = json.loads(value)
    except ValueError:
        return value
    return number if isinstance(number, int | float) and not isinstance(number, bool) else value


NORMALISERS: Mapping[str, Callable[[Json], Json]] = {
    "time": _as_time,
    "casefold": _as_lower,
    "whitespace": _as_trimmed,
    "number": _as_number,
}
"""By the name that a rule calls them."""


def _step(step: Step) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _PLAIN.fullmatch(step) else f"[{json.dumps(step, ensure_ascii=False)}]"


@lru_cache(maxsize=1000)
def _compiled(text: str) -> re.Pattern[str]:
    if not text.startswith("$"):
        raise InvalidInput(f"begins with $, as in $.rows[*].price, not {text!r}", field="path")
    parts, place = [r"\$"], 1
    while place < len(text):
        found = _PATTERN.match(text, place)
        if found is None:
            raise InvalidInput(
                f"cannot be read from {text[place:]!r} on; write $.rows[*].price", field="path"
            )
        parts.append(_part(found))
        place = found.end()
    return re.compile("".join(parts), re.DOTALL)


def _part(found: re.Match[str]) -> str:
    any_step = r"(?:\.\w+|\[\d+\]|\[\"(?:[^\"\\]|\\.)*\"\])"
    if found["deep"]:
        return rf"{any_step}*?\.{found['deep']}"
    if found["key"] == "*":
        return r"(?:\.\w+|\[\"(?:[^\"\\]|\\.)*\"\])"
    if found["key"]:
        return rf"\.{found['key']}"
    if found["place"]:
        return r"\[\d+\]" if found["place"] == "*" else rf"\[{found['place']}\]"
    return re.escape(_step(json.loads(found["quoted"])))
