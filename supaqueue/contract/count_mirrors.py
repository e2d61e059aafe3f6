"""Counting what the two systems have not been told of each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from supaqueue.contract.call import CONTRACT_VERSION, Call
from supaqueue.contract.json_value import Json
from supaqueue.contract.mirrors import MirrorState
from supaqueue.contract.reply_type import ReplyType


@dataclass(frozen=True, slots=True)
class OwedMirrors:
    """Jobs in one mirror state, and the age of the oldest."""

    mirror_state: MirrorState
    jobs: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class MirrorCounts:
    """What is owed to legacy; what legacy owns and has not ended; what was started here and is held."""

    owed: tuple[OwedMirrors, ...]
    legacy_open: int
    held: int


_REPLY = ReplyType(MirrorCounts)


@dataclass(frozen=True, slots=True)
class CountMirrors(Call[MirrorCounts]):
    """Count mirrors."""

    function: ClassVar[str] = "count_mirrors_v1"
    mutates: ClassVar[bool] = False

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {"contract_version": CONTRACT_VERSION}

    def parse(self, body: Json) -> MirrorCounts:
        """Read the answer; raises ValueError if it is none."""
        return _REPLY.validate_python(body)
