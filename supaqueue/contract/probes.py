"""Heartbeat jobs, one a queue and minute, and what became of the last ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from supaqueue.contract.call import CONTRACT_VERSION, Call
from supaqueue.contract.json_value import Json
from supaqueue.contract.reply_type import ReplyType

PROBE_TYPE = "supaqueue.probe"
"""The task type of probes: every worker runs it, and nobody else may register it."""


@dataclass(frozen=True, slots=True)
class SentProbes:
    """Queues that have a probe of this minute now; `unserved`: their workers run none, and none was sent."""

    probed: tuple[str, ...]
    unserved: tuple[str, ...]


_SENT = ReplyType(SentProbes)


@dataclass(frozen=True, slots=True)
class SendProbes(Call[SentProbes]):
    """Send a probe through each queue that had none in this minute, however many ask.

    Attributes:
        queues: None: those of living workers, and those in which work waits.
    """

    function: ClassVar[str] = "send_probes_v1"
    mutates: ClassVar[bool] = True

    queues: tuple[str, ...] | None = None

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        queues: Json = None if self.queues is None else list(self.queues)
        return {"queues": queues, "contract_version": CONTRACT_VERSION}

    def parse(self, body: Json) -> SentProbes:
        """Read the answer; raises ValueError if it is none."""
        return _SENT.validate_python(body)


@dataclass(frozen=True, slots=True)
class SentProbe:
    """One probe; `sent_at` is the database's time."""

    job_id: str
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class QueueProbes:
    """The probes of one queue in the last quarter of an hour, the latest first.

    Attributes:
        found: what the queue is doing; `busy`: a living worker holds a task of it, so that what waits may be
            waiting its turn.
        lost_in_a_row: not ended in time, since the queue was last seen alive.
        workers: living ones that run probes of this queue.
    """

    queue: str
    found: Literal["idle", "busy", "paused"]
    sent: int
    lost_in_a_row: int
    workers: int
    probes: tuple[SentProbe, ...]


@dataclass(frozen=True, slots=True)
class SeenProbes:
    """What became of probes, by queue; `read_at` is the database's time."""

    read_at: datetime
    queues: tuple[QueueProbes, ...]


_SEEN = ReplyType(SeenProbes)


@dataclass(frozen=True, slots=True)
class ReadProbes(Call[SeenProbes]):
    """Read what became of the probes of the last quarter of an hour.

    Attributes:
        queues: None: all.
        lost_after: seconds from 1 to 600 in which a probe has to end.
    """

    function: ClassVar[str] = "read_probes_v1"
    mutates: ClassVar[bool] = False

    queues: tuple[str, ...] | None = None
    lost_after: float = 60.0

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {
            "queues": None if self.queues is None else list(self.queues),
            "lost_after": self.lost_after,
            "contract_version": CONTRACT_VERSION,
        }

    def parse(self, body: Json) -> SeenProbes:
        """Read the answer; raises ValueError if it is none."""
        return _SEEN.validate_python(body)
