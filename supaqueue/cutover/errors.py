"""What only a cutover raises.

QueueUnavailable
└── LegacyUnavailable       the legacy queue gave no usable answer; `code` is QUEUE_UNAVAILABLE too
InvalidInput
└── NotExpressible          an option that the legacy queue cannot hold, while it may own the job
SupaqueueError
├── StampTooNew             a message was stamped by a newer version: held, not run
└── SpoolError              the spool cannot take what it was given; nothing was lost
"""

from __future__ import annotations

from supaqueue.errors import Committed, InvalidInput, QueueUnavailable, SupaqueueError


class LegacyUnavailable(QueueUnavailable):
    """The legacy queue gave no usable answer; the message says which and why, never a payload."""

    def __init__(self, message: str, *, call: str, committed: Committed = "unknown") -> None:
        super().__init__(message, call=call, committed=committed, retryable=True)


class NotExpressible(InvalidInput):
    """The legacy queue cannot hold this option, and may own the job."""


class StampTooNew(SupaqueueError):
    """A message was stamped by a newer version of this package: it is held until this worker is upgraded."""


class SpoolError(SupaqueueError):
    """The spool cannot take what it was given: disk full or read-only, or the spool at its bound."""
