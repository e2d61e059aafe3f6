"""Where two JSON values differ: typed, by path.

Values are compared, not texts: the order of an object's keys says nothing, and 1 is 1.0, but never true. The
first value is the control, the legacy queue's: what it has not is `extra`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from pydantic import SkipValidation

from supaqueue.contract import Json
from supaqueue.cutover.parity.field_rules import NO_RULES, FieldRules, Step, written

Kind = Literal["type", "value", "missing", "extra", "order", "length", "refused", "noise"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where two values differ.

    Attributes:
        path: as `$.rows[3].price`.
        kind: `type`: text against number, say. `missing`: the candidate lacks it, `extra`: the control does.
            `order`: the same items in another order. `length`: of a list; the two values are the lengths.
            `refused`: Supabase takes no such value; the control says why. `noise`: in a report alone.
        control: what the legacy queue has; None if it has nothing there.
        candidate: what Supabase has; None likewise.
    """

    path: str
    kind: Kind
    control: SkipValidation[Json] = field(default=None, repr=False)
    candidate: SkipValidation[Json] = field(default=None, repr=False)


def differences(control: Json, candidate: Json, rules: FieldRules = NO_RULES) -> list[Difference]:
    """Return where two values differ, in the order of the control's keys, then the candidate's.

    Args:
        rules: which paths are ignored, tolerant, unordered or normalised.
    """
    return list(_walk(control, candidate, (), rules))


def are_alike(control: Json, candidate: Json) -> bool:
    """Say whether two values are the same without any rule; much faster than `differences`."""
    if control != candidate:
        return _key(control) == _key(candidate)
    # Equal, but for a true that Python takes for 1. Loops, since this is asked of every pair.
    if isinstance(control, dict) and isinstance(candidate, dict):
        for name, value in control.items():
            if value is not candidate[name] and not are_alike(value, candidate[name]):
                return False
        return True
    if isinstance(control, list) and isinstance(candidate, list):
        for one, other in zip(control, candidate, strict=True):
            if one is not other and not are_alike(one, other):
                return False
        return True
    return type(control) is type(candidate) or _key(control) == _key(candidate)


def _walk(control: Json, candidate: Json, path: tuple[Step, ...], rules: FieldRules) -> Iterator[Difference]:
    if rules.ignores(path):
        return
    control, candidate = rules.normalised(control, path), rules.normalised(candidate, path)
    if _type_of(control) != _type_of(candidate):
        yield Difference(written(path), "type", control, candidate)
    elif isinstance(control, dict) and isinstance(candidate, dict):
        yield from _walk_objects(control, candidate, path, rules)
    elif isinstance(control, list) and isinstance(candidate, list):
        yield from _walk_lists(control, candidate, path, rules)
    elif _key(control) != _key(candidate) and not rules.tolerates(control, candidate, path):
        yield Difference(written(path), "value", control, candidate)


def _walk_objects(
    control: dict[str, Json], candidate: dict[str, Json], path: tuple[Step, ...], rules: FieldRules
) -> Iterator[Difference]:
    for name, value in control.items():
        if name in candidate:
            yield from _walk(value, candidate[name], (*path, name), rules)
        elif not rules.ignores((*path, name)):
            yield Difference(written((*path, name)), "missing", control=value)
    for name, value in candidate.items():
        if name not in control and not rules.ignores((*path, name)):
            yield Difference(written((*path, name)), "extra", candidate=value)


def _walk_lists(
    control: list[Json], candidate: list[Json], path: tuple[Step, ...], rules: FieldRules
) -> Iterator[Difference]:
    if len(control) != len(candidate):
        yield Difference(written(path), "length", len(control), len(candidate))
        return
    if rules.is_unordered(path):
        control, candidate = _without_shared(control, candidate, path, rules)
    found = [
        one
        for place, (left, right) in enumerate(zip(control, candidate, strict=True))
        for one in _walk(left, right, (*path, place), rules)
    ]
    if found and not rules.is_unordered(path) and _counted(control) == _counted(candidate):
        found = [Difference(written(path), "order", control, candidate)]
    yield from found


def _without_shared(
    control: list[Json], candidate: list[Json], path: tuple[Step, ...], rules: FieldRules
) -> tuple[list[Json], list[Json]]:
    """Take away, from both, items that have a like one in the other; what is left keeps its order."""
    same = _counted(control) & _counted(candidate)
    left: list[Json] = []
    right = _without(candidate, same)
    for item in _without(control, same):
        twin = next(
            (n for n, other in enumerate(right) if not any(_walk(item, other, (*path, 0), rules))), None
        )
        if twin is None:
            left.append(item)
        else:
            del right[twin]
    return left, right


def _without(items: list[Json], taken: Counter[object]) -> list[Json]:
    taken, rest = taken.copy(), []
    for item in items:
        key = _key(item)
        if taken[key]:
            taken[key] -= 1
        else:
            rest.append(item)
    return rest


def _counted(items: list[Json]) -> Counter[object]:
    return Counter(_key(item) for item in items)


def _key(value: Json) -> object:
    """Something hashable that is equal for values that are alike."""
    if isinstance(value, dict):
        return ("object", frozenset((name, _key(one)) for name, one in value.items()))
    if isinstance(value, list):
        return ("array", tuple(_key(one) for one in value))
    return (_type_of(value), _decimal(value))


def _decimal(value: Json) -> Json:
    """Return the whole number that a float is as it is written: 1e+300 is 1 and 300 zeros, as in Postgres.

    From 2**53 on the float itself is another number, a little beside it.
    """
    if isinstance(value, float) and value.is_integer():
        return int(Decimal(repr(value)))
    return value


def _type_of(value: Json) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return type(value).__name__
