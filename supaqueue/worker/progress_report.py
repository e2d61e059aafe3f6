"""What a handler has told of its progress, and how much of that the database has. Thread-safe."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from supaqueue.contract import Json, Progress, Unchanged, checked_json
from supaqueue.contract.task import UNCHANGED
from supaqueue.errors import InvalidInput

MAX_CHECKPOINT_BYTES = 256 * 1024
MAX_MESSAGE_LENGTH = 1000


class ProgressReport:
    """The progress of one run: of each of its values the latest counts.

    Args:
        checkpoint: what the attempt before left behind.
        changed: called, in the handler's thread, whenever there is something to send.
    """

    def __init__(self, checkpoint: Json = None, changed: Callable[[], object] = lambda: None) -> None:
        self._lock = threading.Lock()
        self._checkpoint = checkpoint
        self._changed = changed
        self._number = 0
        self._sent: dict[str, Any] = {}
        self._unsent: dict[str, Any] = {}

    @property
    def checkpoint(self) -> Json:
        """The latest checkpoint: this run's own, or that of the attempt before."""
        return self._checkpoint

    def add(
        self,
        percent: float | Unchanged = UNCHANGED,
        message: str | Unchanged = UNCHANGED,
        checkpoint: object = UNCHANGED,
    ) -> None:
        """Notes how far the run is.

        Raises:
            InvalidInput: a value is out of range, too long, or nothing that JSON can hold.
        """
        values = {"percent": _percent(percent), "message": _message(message), "checkpoint": _json(checkpoint)}
        given = {name: value for name, value in values.items() if not isinstance(value, Unchanged)}
        if given:
            with self._lock:
                self._unsent |= given
                self._checkpoint = given.get("checkpoint", self._checkpoint)
            self._changed()

    def next(self) -> Progress | None:
        """Return what the database has not confirmed yet, to be sent; None if that is nothing."""
        with self._lock:
            self._sent |= self._unsent
            self._unsent = {}
            if not self._sent:
                return None
            self._number += 1
            return Progress(self._number, **self._sent)

    @property
    def waiting(self) -> bool:
        """Whether there is something that the database has not confirmed."""
        return bool(self._unsent or self._sent)

    def confirm(self) -> None:
        """Notes that the call with what `next` returned was answered."""
        with self._lock:
            self._sent = {}


def _percent(value: object) -> Json | Unchanged:
    if isinstance(value, Unchanged):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(f"must be a number, not {type(value).__name__}", field="percent")
    if not 0 <= value <= 100:
        raise InvalidInput("must be between 0 and 100", field="percent")
    return float(value)


def _message(value: object) -> Json | Unchanged:
    if isinstance(value, Unchanged):
        return value
    if not isinstance(value, str):
        raise InvalidInput(f"must be text, not {type(value).__name__}", field="message")
    if len(value) > MAX_MESSAGE_LENGTH:
        raise InvalidInput(f"must be at most {MAX_MESSAGE_LENGTH} characters", field="message")
    return checked_json(value, field="message")


def _json(value: object) -> Json | Unchanged:
    if isinstance(value, Unchanged):
        return value
    return checked_json(value, field="checkpoint", max_bytes=MAX_CHECKPOINT_BYTES)
