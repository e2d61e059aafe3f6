"""Durations and moments as people type them."""

from __future__ import annotations

import re
from datetime import datetime

import typer

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")


def seconds_of(text: str) -> float:
    """Return the seconds of a duration like `90s`, `15m`, `2h`, `7d` or `1d12h`.

    Raises:
        typer.BadParameter: it is none.
    """
    parts = _DURATION.findall(text)
    if not parts or _DURATION.sub("", text).strip():
        raise typer.BadParameter(f"{text!r} is no duration: write for example 90s, 15m, 2h, 7d or 1d12h")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def moment_of(text: str) -> datetime:
    """Return an aware time like `2030-01-31T12:00:00Z`; without a zone it is this machine's.

    Raises:
        typer.BadParameter: it is none.
    """
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no time: write for example 2030-01-31T12:00 or 2030-01-31T12:00:00Z"
        ) from None
