"""Waiting for a condition, with a deadline that only a fault meets."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")

DEADLINE_SECONDS = 60.0


def until(condition: Callable[[], Value], what: str, *, seconds: float = DEADLINE_SECONDS) -> Value:
    """Ask until the answer is true, and return it; `what` is named if it never is."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain: {what}"
        time.sleep(0.01)
    return value
