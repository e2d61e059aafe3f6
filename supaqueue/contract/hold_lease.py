"""A right that one process holds at a time, such as to relay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from supaqueue.contract.call import CONTRACT_VERSION, Call
from supaqueue.contract.json_value import Json
from supaqueue.contract.reply_type import ReplyType


@dataclass(frozen=True, slots=True)
class HeldLease:
    """Whether the asker holds it; else who does, and for how long."""

    is_held: bool
    holder: str
    expires_in_seconds: float


_REPLY = ReplyType(HeldLease)


@dataclass(frozen=True, slots=True)
class HoldLease(Call[HeldLease]):
    """Take or renew a named right for so many seconds; 0 gives it back.

    What it guards must be safe without it: a holder may be stopped for longer than its lease.
    """

    function: ClassVar[str] = "hold_lease_v1"
    mutates: ClassVar[bool] = True

    lease_name: str
    holder: str
    seconds: float

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {
            "lease_name": self.lease_name,
            "holder": self.holder,
            "seconds": self.seconds,
            "contract_version": CONTRACT_VERSION,
        }

    def parse(self, body: Json) -> HeldLease:
        """Read the answer; raises ValueError if it is none."""
        return _REPLY.validate_python(body)
