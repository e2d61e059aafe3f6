"""Everything this package raises.

    SupaqueueError
    ├── InvalidInput            refused before any write; `field` names what to change
    │   └── PayloadMismatch     a payload that does not fit its model
    ├── ConfigurationError      a setting is missing or contradicts another
    ├── DevStackError           the local stack could not start or stop
    ├── MigrationError          the SQL files could not be applied; nothing of the failed file was
    ├── ArchiveError            an archive could not be written, read or locked; its jobs stay in the database
    ├── WaitTimeout             the job had not ended in time
    ├── JobNotFound             there is no job with this id
    └── CallError               a call to the database failed; carries what is known of its effect
        ├── AccessDenied        the key is unknown or may not make this call
        ├── EndpointNotFound    URL or schema lead to no queue; a ConfigurationError too
        ├── ContractMismatch    this SDK and the installed SQL do not speak the same version
        ├── CallRefused         the function itself refused the call, and changed nothing
        │   └── QueueFull       the queue holds as many waiting jobs as it may; `code` is QUEUE_FULL
        ├── JobConflict         the id belongs to another job already, or was abandoned
        └── QueueUnavailable    no usable answer within the budget; `code` is QUEUE_UNAVAILABLE

A lost lease is not an error but an answer: see `supaqueue.worker`.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from supaqueue.answer import EnqueueAnswer

Committed = Literal["yes", "no", "unknown"]
"""Whether the call took effect: `unknown` means that a repeat of the same call will tell."""


class SupaqueueError(Exception):
    """The root of the tree; catching it catches everything this package raises on purpose."""


class InvalidInput(SupaqueueError, ValueError):
    """Refused before any write.

    `field` is the path of what to change, for example `payload.rows[3].name`.
    """

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.message = message
        self.field = field

    def inside(self, place: str) -> Self:
        """Return the same error with `place`, for example `jobs[3]`, before its field."""
        return type(self)(self.message, field=f"{place}.{self.field}" if self.field else place)


class PayloadMismatch(InvalidInput):
    """The payload does not fit the model that its task type declares."""


class ConfigurationError(SupaqueueError):
    """A setting is missing, malformed, or contradicts another one."""


class DevStackError(SupaqueueError):
    """The local stack could not start or stop; the message says what to do."""


class MigrationError(SupaqueueError):
    """A SQL file could not be applied; nothing of that file was."""


class ArchiveError(SupaqueueError):
    """An archive could not be written, read or locked; what was to be archived is still in the database."""


class WaitTimeout(SupaqueueError, TimeoutError):
    """The job had not ended within the time given to `wait`; it goes on all the same."""


class JobNotFound(SupaqueueError, LookupError):
    """There is no job with this id."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"there is no job {job_id}: it was never enqueued here, or has been pruned")
        self.job_id = job_id


class CallError(SupaqueueError):
    """A call to the database failed.

    Attributes:
        call: the SQL function's name, for example `enqueue_jobs_v1`.
        committed: `no`, or `unknown` if the answer was lost; then the same call again will tell.
        retryable: whether the same call may succeed later without a change by the caller.
        sqlstate: Postgres' or PostgREST's code, if there was one.
        http_status: of the last answer, if there was one.
        job_id: the job concerned, where it was one.
        cause: what the network's error was called, where it was one, for example `ConnectTimeout`.
        answered: of `enqueue_many`, what the calls before this one were answered, in order.
    """

    code: ClassVar[str] = "CALL_FAILED"

    def __init__(
        self,
        message: str,
        *,
        call: str,
        committed: Committed = "no",
        retryable: bool = False,
        sqlstate: str | None = None,
        http_status: int | None = None,
        job_id: str | None = None,
        cause: str | None = None,
    ) -> None:
        super().__init__(message)
        self.call = call
        self.committed = committed
        self.retryable = retryable
        self.sqlstate = sqlstate
        self.http_status = http_status
        self.job_id = job_id
        self.cause = cause
        self.answered: tuple[EnqueueAnswer, ...] = ()


class AccessDenied(CallError):
    """The key is unknown to the gateway, or its role may not make this call."""

    code = "ACCESS_DENIED"


class EndpointNotFound(CallError, ConfigurationError):
    """What answers under the URL, or the schema named there, is no queue's API."""

    code = "ENDPOINT_NOT_FOUND"


class ContractMismatch(CallError):
    """This SDK and the SQL in the database do not speak the same contract version."""

    code = "CONTRACT_MISMATCH"


class CallRefused(CallError):
    """The function, or Postgres within it, refused the call and changed nothing; the message says why."""

    code = "CALL_REFUSED"


class QueueFull(CallRefused):
    """As many jobs wait in the queue as may, and nothing was stored: try later, or send fewer at once.

    An API answers 503 or 429 with `code` as the body's code. The message says how many wait and may.
    """

    code = "QUEUE_FULL"


class JobConflict(CallError):
    """The id belongs to a job with other content, or was abandoned; nothing was stored."""

    code = "JOB_CONFLICT"


class QueueUnavailable(CallError):
    """No usable answer within the budget. An API answers 503 with `code` as the body's code."""

    code = "QUEUE_UNAVAILABLE"
