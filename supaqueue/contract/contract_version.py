"""Asking which versions of the contract the database speaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from supaqueue.contract.call import Call
from supaqueue.contract.json_value import Json
from supaqueue.contract.reply_type import ReplyType


@dataclass(frozen=True, slots=True)
class SpokenVersions:
    """The newest and the oldest version of the contract that the database speaks, and all between."""

    newest: int
    oldest: int


_REPLY = ReplyType(SpokenVersions)


@dataclass(frozen=True, slots=True)
class ContractVersion(Call[SpokenVersions]):
    """Ask for the versions spoken; the one call that works whatever the SDK's own version is."""

    function: ClassVar[str] = "contract_version_v1"
    mutates: ClassVar[bool] = False

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name: none."""
        return {}

    def parse(self, body: Json) -> SpokenVersions:
        """Read the answer; raises ValueError if it is none."""
        return _REPLY.validate_python(body)
