"""What it means that a call over a direct connection failed. No I/O.

What happened                                               committed  then
no connection                                               no         again
  a wrong user or password                                  no         AccessDenied
  no such role, project or database                         no         EndpointNotFound
sent, no answer in time, or the session ended               unknown    again
an error of the statement, which is rolled back by it:
  57014, 40P01, 55P03, 40001                                no         again
  a prepared statement that a pooler took away              no         again, without preparing
  classes 53, 57, 58, XX (no room, stopping, the system)    no         again
  42501                                                     no         AccessDenied
  SQ001; what says that SQL is missing                      no         ContractMismatch
  SQ006                                                     no         QueueFull
  any other                                                 no         CallRefused

Every failure that is tried again ends as QueueUnavailable.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, TypeVar

from supaqueue.contract import Call
from supaqueue.errors import AccessDenied, CallRefused, EndpointNotFound, QueueUnavailable
from supaqueue.transport import failures
from supaqueue.transport.answer import ErrorBody
from supaqueue.transport.failures import Failure
from supaqueue.transport.postgres_address import PostgresAddress, psycopg
from supaqueue.transport.verdict import Answered

Reply = TypeVar("Reply")

UNPREPARED_CODES = frozenset({"26000", "42P05"})
"""A pooler that hands sessions around has given the call another one than it was prepared in."""

_UNKNOWN_IDENTITY = re.compile(r"password authentication failed|no password supplied|no pg_hba\.conf entry")
_NO_SUCH_PLACE = re.compile(
    r'database ".*" does not exist|role ".*" does not exist|[Tt]enant or user not found'
)
_PASSES = ("53", "57", "58", "XX")


class NotConnected(Exception):
    """There is no connection: nothing was sent."""

    def __init__(self, error: psycopg.Error, address: PostgresAddress) -> None:
        super().__init__()
        self.failure = not_connected(error, address)


def not_connected(error: psycopg.Error, address: PostgresAddress) -> Failure:
    """Nothing was sent."""
    cause = address.cause(error)
    kind: type[AccessDenied] | type[EndpointNotFound] | type[QueueUnavailable] = QueueUnavailable
    if _UNKNOWN_IDENTITY.search(str(error)):
        kind = AccessDenied
    elif _NO_SUCH_PLACE.search(str(error)):
        kind = EndpointNotFound
    return Failure(
        error=kind,
        message=f"{address} cannot be reached: {cause}. Check SUPABASE_DB_URL and the network",
        again=kind is QueueUnavailable,
        cause=type(error).__name__,
    )


def all_busy(address: PostgresAddress, connections: int) -> Failure:
    """No connection was free in time: nothing was sent."""
    return Failure(
        error=QueueUnavailable,
        message=f"all {connections} connections of this process to {address} are busy",
        again=True,
        cause="PoolTimeout",
    )


def judge_error(error: psycopg.Error, call: Call[Any], address: PostgresAddress) -> Failure:
    """Say what a statement's failure means."""
    code, said = error.sqlstate, error.diag
    if code is None or said.severity_nonlocalized != "ERROR":
        return _unanswered(error, address)
    body = ErrorBody(code, said.message_primary or "", said.message_detail or "", said.message_hint or "")
    return _judge_code(code, body, call, address).with_code(code)


def no_function(call: Call[Any], schema: str) -> Failure:
    """The database has none of this name, or one with other arguments."""
    return replace(failures.unknown_function(call.function, schema), again=False)


def read_answer(
    row: tuple[Any, ...] | None, call: Call[Reply], address: PostgresAddress
) -> Answered[Reply] | Failure:
    """Read the one value that a function answers."""
    try:
        if row is None:
            raise ValueError
        return Answered(call.parse(row[0]))
    except ValueError:
        return unreadable(address)


def unreadable(address: PostgresAddress) -> Failure:
    """An answer, but none of the function."""
    return Failure(
        error=QueueUnavailable,
        message=f"{address} answered with what is no answer of this call",
        committed="unknown",
    )


def _judge_code(code: str, body: ErrorBody, call: Call[Any], address: PostgresAddress) -> Failure:
    if code in failures.TRANSIENT_CODES:
        return failures.rolled_back(code, 0.0)
    if code == "25006":
        return failures.read_only()
    if code == "42501":
        return failures.forbidden_to(f"the role {address.user!r}", call.function, "SUPABASE_DB_URL")
    if code == "SQ001":
        return failures.other_version(body)
    if code == "SQ006":
        return failures.queue_full(body)
    if code.startswith("SQ"):
        return failures.refused_by_function(body)
    if code in failures.INCOMPLETE_CODES:
        return failures.incomplete(code)
    if code in UNPREPARED_CODES or code[:2] in _PASSES:
        return Failure(error=QueueUnavailable, message=f"{address} failed: SQLSTATE {code}", again=True)
    return Failure(
        error=CallRefused, message=f"the call was refused with SQLSTATE {code}{failures.broken_rule(body)}"
    )


def _unanswered(error: psycopg.Error, address: PostgresAddress) -> Failure:
    return Failure(
        error=QueueUnavailable,
        message=f"{address} was sent the call and did not answer ({type(error).__name__})",
        committed="unknown",
        again=True,
        sqlstate=error.sqlstate,
        cause=type(error).__name__,
    )
