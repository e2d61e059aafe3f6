"""What a shadow run would have done: recorded instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from supaqueue.contract import Json, checked_json
from supaqueue.errors import InvalidInput

MOST_EFFECTS = 100
"""Effects of one run that are recorded one by one; further ones are counted."""


class Effects:
    """The effects of one shadow run, in order."""

    def __init__(self) -> None:
        self._recorded: list[Json] = []
        self._number = 0

    def record(
        self, function: Callable[..., Any], arguments: Sequence[object], keywords: Mapping[str, object]
    ) -> None:
        """Note a call that is not made."""
        self._number += 1
        if len(self._recorded) < MOST_EFFECTS:
            self._recorded.append(
                {
                    "function": _name(function),
                    "arguments": [_as_json(argument) for argument in arguments],
                    "keywords": {name: _as_json(value) for name, value in keywords.items()},
                }
            )

    def beside(self, result: Json) -> Json:
        """Return what is stored of a shadow run: its result, and what it would have done."""
        return {"result": result, "effects": list(self._recorded), "effect_count": self._number}


def _name(function: Callable[..., Any]) -> str:
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{getattr(function, '__module__', None) or type(function).__module__}.{name}"


def _as_json(value: object) -> Json:
    try:
        return checked_json(value, field="argument")
    except InvalidInput:
        return {"type": type(value).__qualname__}
