"""What a team expects to differ: rules with a name, an owner, an expiry and a cap, from a TOML file.

    [[rule]]
    name = "prices are rounded"
    owner = "ann@example.com"
    expires = 2027-01-31
    cap = 50
    task_types = ["invoice"]
    tolerance = [{ path = "$.rows[*].price", absolute = 0.005 }]

`task_types` may be left out: all. A rule says one or more of `ignore` (paths), `unordered` (paths of lists),
`tolerance`, `normalise` (`{ path = "$.at", as = "time" }`) and `classes` (of which it is expected that they
occur, such as `duplicate_execution` of a type that runs while Supabase cannot be asked). Paths begin at the
payload, the result and the error alike.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from supaqueue.cutover.parity.classes import CLEAN, Class
from supaqueue.cutover.parity.field_rules import NO_RULES, NORMALISERS, FieldRules, PathPattern, Tolerance
from supaqueue.errors import InvalidInput


def _pattern(path: str) -> str:
    PathPattern(path)
    return path


def _normaliser(name: str) -> str:
    if name not in NORMALISERS:
        raise ValueError(f"must be one of {', '.join(NORMALISERS)}")
    return name


def _difference(name: Class) -> Class:
    if name in CLEAN:
        raise ValueError(f"{name} is no difference")
    return name


_Path = Annotated[str, AfterValidator(_pattern)]
_Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Tolerance(_Strict):
    path: _Path
    absolute: _Amount = 0.0
    relative: _Amount = 0.0


class _Normaliser(_Strict):
    path: _Path
    as_: Annotated[str, Field(alias="as"), AfterValidator(_normaliser)]


class _Rule(_Strict):
    name: Annotated[str, Field(min_length=1, max_length=200)]
    owner: Annotated[str, Field(min_length=1, max_length=200)]
    expires: date
    cap: Annotated[int, Field(ge=0)]
    task_types: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    ignore: tuple[_Path, ...] = ()
    unordered: tuple[_Path, ...] = ()
    tolerance: tuple[_Tolerance, ...] = ()
    normalise: tuple[_Normaliser, ...] = ()
    classes: tuple[Annotated[Class, AfterValidator(_difference)], ...] = ()

    @model_validator(mode="after")
    def _says_something(self) -> _Rule:
        if not (self.ignore or self.unordered or self.tolerance or self.normalise or self.classes):
            raise ValueError("says nothing: give ignore, unordered, tolerance, normalise or classes")
        return self


class _File(_Strict):
    rule: tuple[_Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. After `expires` it counts no more; above `cap` jobs the verdict is inconclusive."""

    name: str
    owner: str
    expires: date
    cap: int
    task_types: frozenset[str] | None = None
    fields: FieldRules = NO_RULES
    classes: frozenset[Class] = frozenset()

    def covers(self, task_type: str | None, today: date) -> bool:
        """Say whether it counts for jobs of a type on a day; on the day of its expiry it does."""
        return today <= self.expires and (self.task_types is None or task_type in self.task_types)


def load_rules(path: Path) -> tuple[Rule, ...]:
    """Read a file of rules.

    Raises:
        InvalidInput: it cannot be read, is no TOML, or says something unknown; the error names the place.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInput(f"cannot be read: {error}", field=str(path)) from None
    try:
        rules = _File.model_validate(content).rule
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InvalidInput(str(first["msg"]), field=f"{path}: {_place(first['loc'])}") from None
    _refuse_twins(rules, path)
    return tuple(map(_rule_of, rules))


def _rule_of(given: _Rule) -> Rule:
    return Rule(
        *(given.name, given.owner, given.expires, given.cap),
        None if given.task_types is None else frozenset(given.task_types),
        FieldRules(
            tuple(map(PathPattern, given.ignore)),
            tuple(map(PathPattern, given.unordered)),
            tuple((PathPattern(one.path), Tolerance(one.absolute, one.relative)) for one in given.tolerance),
            tuple((PathPattern(one.path), one.as_) for one in given.normalise),
        ),
        frozenset(given.classes),
    )


def _refuse_twins(rules: Sequence[_Rule], path: Path) -> None:
    names = [rule.name for rule in rules]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise InvalidInput("there is another rule of this name", field=f"{path}: rule[{place}].name")


def _place(location: Sequence[int | str]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    return text.removeprefix(".")
