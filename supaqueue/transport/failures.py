"""Each way that a try can fail: its error, what is known of its effect, a text with cause and next step."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Self

import httpx

from supaqueue.contract import CONTRACT_VERSION
from supaqueue.errors import (
    AccessDenied,
    CallError,
    CallRefused,
    Committed,
    ContractMismatch,
    EndpointNotFound,
    QueueFull,
    QueueUnavailable,
)
from supaqueue.settings import Settings
from supaqueue.transport.answer import ErrorBody, role_of

SCHEMA_CACHE_SECONDS = 3.0
"""For how long PostgREST may not know a function because it has yet to read the schema again."""

_TRANSIENT = {
    "57014": "the statement took longer than its role's statement_timeout allows",
    "40P01": "Postgres ended it to resolve a deadlock",
    "55P03": "a lock was not to be had in time",
    "40001": "it collided with another transaction",
    "PGRST002": "PostgREST cannot read the schema from the database",
    "PGRST003": "PostgREST had no database connection free in time",
}
TRANSIENT_CODES = _TRANSIENT.keys()
_NOT_SENT = {
    "ConnectTimeout": "no connection in time",
    "PoolTimeout": "all connections of this process are busy",
    "ProxyError": "the proxy did not let it through",
}
INCOMPLETE_CODES = frozenset({"42883", "42P01", "42703", "42704"})
"""A function, relation, column or type is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What one failed try means.

    Attributes:
        error: what to raise if it is the last try.
        again: whether to try again, after `at_least` seconds, and until `within` seconds after the first.
    """

    error: type[CallError]
    message: str
    committed: Committed = "no"
    again: bool = False
    at_least: float = 0.0
    within: float | None = None
    http_status: int | None = None
    sqlstate: str | None = None
    cause: str | None = None

    def answered_with(self, status: int, code: str | None) -> Self:
        """Return it with the answer that it was read from."""
        return replace(self, http_status=status, sqlstate=code)

    def with_code(self, code: str) -> Self:
        """Return it with the SQLSTATE that it was read from."""
        return replace(self, sqlstate=code)


def unreachable(error: httpx.RequestError, settings: Settings) -> Failure:
    """Nothing was sent."""
    reason = _NOT_SENT.get(type(error).__name__) or str(error) or type(error).__name__
    return Failure(
        error=QueueUnavailable,
        message=f"{settings.url} cannot be reached: {reason}. Check SUPABASE_URL and the network",
        again=True,
        cause=type(error).__name__,
    )


def unanswered(error: httpx.RequestError, settings: Settings) -> Failure:
    """Sent, at least in part, and no answer came."""
    return Failure(
        error=QueueUnavailable,
        message=f"{settings.url} was sent the call and did not answer ({type(error).__name__})",
        committed="unknown",
        again=True,
        cause=type(error).__name__,
    )


def unreadable(settings: Settings, *, is_json: bool) -> Failure:
    """Success, but not with an answer of the function; another answer is worth a try only if it was cut."""
    return Failure(
        error=QueueUnavailable,
        message=f"{settings.url} answered success with what is no answer of this call",
        committed="unknown",
        again=not is_json,
    )


def server_failed(status: int, code: str | None, at_least: float, settings: Settings) -> Failure:
    """Any 5xx that does not say that it changed nothing; or Postgres ended within the statement."""
    cause = f"HTTP {status}" + (f", code {code}" if code else "")
    paused = ". The project is paused: restore it in the dashboard" if status == 540 else ""
    return Failure(
        error=QueueUnavailable,
        message=f"{settings.url} failed: {cause}{paused}",
        committed="unknown",
        again=True,
        at_least=at_least,
    )


def throttled(at_least: float, settings: Settings) -> Failure:
    """429."""
    return Failure(
        error=QueueUnavailable,
        message=f"{settings.url} is asked too often (HTTP 429); it wants a pause of {at_least:g} s",
        again=True,
        at_least=at_least,
    )


def rolled_back(code: str, at_least: float) -> Failure:
    """Refused or rolled back, for a reason that passes."""
    return Failure(error=QueueUnavailable, message=_TRANSIENT[code], again=True, at_least=at_least)


def read_only() -> Failure:
    """25006: Supabase does that to a project whose disk is full."""
    return Failure(
        error=QueueUnavailable,
        message="the database is read-only; a project is when its disk is full: see the dashboard, Database",
    )


def no_api(settings: Settings) -> Failure:
    """Something answers, but no PostgREST."""
    return Failure(
        error=EndpointNotFound,
        message=f"there is no Supabase API under {settings.url}/rest/v1: set SUPABASE_URL to the project's"
        " API URL, like https://<ref>.supabase.co",
    )


def redirected(response: httpx.Response, settings: Settings) -> Failure:
    """3xx: following it would hand the key to another host."""
    host = response.next_request.url.host if response.next_request else "another address"
    return Failure(
        error=EndpointNotFound,
        message=f"{settings.url} redirects to {host}, and redirects are not followed: set SUPABASE_URL to the"
        " API's own address",
    )


def schema_not_exposed(settings: Settings) -> Failure:
    """PGRST106."""
    return Failure(
        error=EndpointNotFound,
        message=f"the API does not expose the schema {settings.schema!r}: add it (dashboard, API settings,"
        " exposed schemas), or set SUPAQUEUE_SCHEMA to where the queue is installed",
    )


def unknown_function(function: str, schema: str) -> Failure:
    """PGRST202: not installed, or installed a moment ago."""
    return Failure(
        error=ContractMismatch,
        message=f"the database has no function {function} in the schema {schema!r}:"
        " run 'supaqueue migrate', or set SUPAQUEUE_SCHEMA to where the queue is installed",
        again=True,
        within=SCHEMA_CACHE_SECONDS,
    )


def incomplete(code: str) -> Failure:
    """The function is there, and something that it uses is not."""
    return Failure(
        error=ContractMismatch,
        message=f"the queue's SQL in the database is incomplete (SQLSTATE {code}): run 'supaqueue migrate'",
    )


def other_version(error: ErrorBody) -> Failure:
    """SQ001; the details say which versions are spoken."""
    try:
        spoken = json.loads(error.details)
        oldest, newest = int(spoken["oldest"]), int(spoken["newest"])
    except (ValueError, LookupError, TypeError):
        theirs, step = "another", "run 'supaqueue migrate' or upgrade the SDK"
    else:
        theirs = f"{oldest} to {newest}"
        step = (
            "run 'supaqueue migrate'"
            if newest < CONTRACT_VERSION
            else "run 'pip install --upgrade supaqueue'"
        )
    return Failure(
        error=ContractMismatch,
        message=f"this SDK speaks contract version {CONTRACT_VERSION}, the database speaks {theirs}: {step}",
    )


def unknown_key(settings: Settings) -> Failure:
    """The gateway refused, before any database was asked."""
    variable = "SUPABASE_SERVICE_ROLE_KEY" if settings.token is None else "SUPABASE_ANON_KEY"
    return Failure(
        error=AccessDenied,
        message=f"{settings.url} does not accept the API key: check that {variable} (or the key passed in)"
        " is of this project and was not revoked",
    )


def bad_token(code: str, settings: Settings) -> Failure:
    """PGRST301 to 303: PostgREST refused the JWT."""
    return Failure(
        error=AccessDenied,
        message=f"the JWT was not accepted ({code}): check that {settings.identity} is of this project and"
        " has not expired",
    )


def forbidden(function: str, settings: Settings) -> Failure:
    """42501: the role lacks a right."""
    role = role_of(settings.token or settings.api_key)
    return forbidden_to(f"the role {role!r}" if role else "this key's role", function, settings.identity)


def forbidden_to(who: str, function: str, variable: str) -> Failure:
    """42501: `who` lacks a right; `variable` says who that is."""
    return Failure(
        error=AccessDenied,
        message=f"{who} may not call {function}: check {variable}. Workers need the role"
        " supaqueue_worker, applications supaqueue_producer, or the service role;"
        " 'supaqueue migrate' sets the grants",
    )


def unknown_role(settings: Settings) -> Failure:
    """The JWT names a role that is not in the database."""
    role = role_of(settings.token or settings.api_key)
    return Failure(
        error=AccessDenied,
        message=f"the role {role!r} that {settings.identity} names does not exist: run 'supaqueue migrate',"
        " which makes supaqueue_worker and supaqueue_producer",
    )


def queue_full(error: ErrorBody) -> Failure:
    """SQ006: as many jobs wait as may."""
    return replace(refused_by_function(error), error=QueueFull)


def refused_by_function(error: ErrorBody) -> Failure:
    """Our own SQL raised it: its text names arguments, never values."""
    step = f". {error.hint}" if error.hint else ""
    return Failure(error=CallRefused, message=f"{error.message}{step}")


def refused(status: int, error: ErrorBody) -> Failure:
    """Anything else: the code alone, since Postgres' texts quote values."""
    said = f"code {error.code}{broken_rule(error)}" if error.code else "no code"
    return Failure(error=CallRefused, message=f"the call was refused with HTTP {status}, {said}")


def broken_rule(error: ErrorBody) -> str:
    """The constraint that an error names, for the end of a list, or nothing."""
    constraint = re.search(r'constraint "(\w+)"', error.message)
    return f", constraint {constraint[1]}" if constraint else ""


def too_large() -> Failure:
    """413."""
    return Failure(
        error=CallRefused, message="the call is too large for the gateway: send fewer or smaller jobs at once"
    )
