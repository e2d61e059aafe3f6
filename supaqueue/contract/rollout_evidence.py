"""What decisions of a rollout rest on, kept by its hash."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from supaqueue.contract.call import CONTRACT_VERSION, Call
from supaqueue.contract.json_value import Json
from supaqueue.contract.reply_type import ReplyType


@dataclass(frozen=True, slots=True)
class _Kept:
    hash: str


@dataclass(frozen=True, slots=True)
class _Read:
    content: str | None


_KEPT, _READ = ReplyType(_Kept), ReplyType(_Read)


@dataclass(frozen=True, slots=True)
class KeepRolloutEvidence(Call[str]):
    """Keep a text of at most 1,000,000 bytes for good; answers its SHA-256 in hex."""

    function: ClassVar[str] = "keep_rollout_evidence_v1"
    mutates: ClassVar[bool] = True

    content: str

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {"content": self.content, "contract_version": CONTRACT_VERSION}

    def parse(self, body: Json) -> str:
        """Read the answer; raises ValueError if it is none."""
        return _KEPT.validate_python(body).hash


@dataclass(frozen=True, slots=True)
class ReadRolloutEvidence(Call[str | None]):
    """Read what was kept under a hash; None if nothing was."""

    function: ClassVar[str] = "read_rollout_evidence_v1"
    mutates: ClassVar[bool] = False

    hash: str

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {"hash": self.hash, "contract_version": CONTRACT_VERSION}

    def parse(self, body: Json) -> str | None:
        """Read the answer; raises ValueError if it is none."""
        return _READ.validate_python(body).content
