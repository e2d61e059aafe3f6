"""What a function's reply is read as."""

from __future__ import annotations

from functools import cached_property
from typing import Generic, TypeVar

from pydantic import TypeAdapter

from supaqueue.contract.json_value import Json

Reply = TypeVar("Reply")


class ReplyType(Generic[Reply]):
    """Reads values of one type; prepared at its first use, since no process makes every call."""

    def __init__(self, kind: type[Reply]) -> None:
        self._kind = kind

    @cached_property
    def _adapter(self) -> TypeAdapter[Reply]:
        return TypeAdapter(self._kind)

    def validate_python(self, body: object, *, strict: bool | None = None) -> Reply:
        """Read a value; raises pydantic's ValidationError, a ValueError, if it is none of this type."""
        return self._adapter.validate_python(body, strict=strict)

    def as_json(self, value: Reply) -> Json:
        """Return a value as JSON that is read as the same value."""
        dumped: Json = self._adapter.dump_python(value, mode="json")
        return dumped
