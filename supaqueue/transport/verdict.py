"""What an answer, or the lack of one, means: the one place where that is decided. No I/O.

What came back                                              committed  then
nothing was sent: refused, no such host, no connection      no         again
sent, no answer                                             unknown    again
57014, 40P01, 55P03, 40001, PGRST002, PGRST003              no         again, whatever the status
429                                                         no         again, as asked
408, every other 5xx, an empty code                         unknown    again
2xx with the function's answer                              yes        answered
2xx with a page of HTML                                     no         EndpointNotFound
2xx with anything else                                      unknown    QueueUnavailable
3xx                                                         no         EndpointNotFound
401, 403, 42501                                             no         AccessDenied
PGRST106; HTML, 404 or 405 without a code                   no         EndpointNotFound
PGRST202                                                    no         again, then ContractMismatch
SQ001; what says that SQL is missing                        no         ContractMismatch
SQ006                                                       no         QueueFull
any other 4xx                                               no         CallRefused

Every failure that is tried again ends as QueueUnavailable, unless the table names another error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import httpx

from supaqueue.contract import Call
from supaqueue.settings import Settings
from supaqueue.transport import failures
from supaqueue.transport.answer import NO_SQLSTATE, ErrorBody, is_html, read_error, retry_after_seconds
from supaqueue.transport.failures import Failure

Reply = TypeVar("Reply")

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


@dataclass(frozen=True, slots=True)
class Answered(Generic[Reply]):
    """The function's answer."""

    reply: Reply


def judge(
    got: httpx.Response | httpx.RequestError, call: Call[Reply], settings: Settings
) -> Answered[Reply] | Failure:
    """Say what one try came to."""
    if isinstance(got, httpx.RequestError):
        missed = failures.unreachable if isinstance(got, _NOT_SENT) else failures.unanswered
        return missed(got, settings)
    if got.is_success:
        return _judge_success(got, call, settings)
    error = read_error(got)
    failure = _judge_by_code(got, error, settings) or _judge_by_status(got, error, call, settings)
    return failure.answered_with(got.status_code, error.code)


def _judge_success(
    response: httpx.Response, call: Call[Reply], settings: Settings
) -> Answered[Reply] | Failure:
    if is_html(response):
        return failures.no_api(settings).answered_with(response.status_code, None)
    is_json = False
    try:
        body = response.json()
        is_json = True
        return Answered(call.parse(body))
    except (ValueError, RecursionError):
        failure = failures.unreadable(settings, is_json=is_json)
        return failure.answered_with(response.status_code, None)


def _judge_by_code(response: httpx.Response, error: ErrorBody, settings: Settings) -> Failure | None:
    """Codes that mean the same whatever the status is."""
    if error.code in failures.TRANSIENT_CODES:
        return failures.rolled_back(error.code, retry_after_seconds(response))
    if error.code == NO_SQLSTATE:
        return failures.server_failed(response.status_code, None, 0.0, settings)
    if error.code == "25006":
        return failures.read_only()
    return None


def _judge_by_status(
    response: httpx.Response, error: ErrorBody, call: Call[Any], settings: Settings
) -> Failure:
    status = response.status_code
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return failures.throttled(retry_after_seconds(response), settings)
    if status >= 500 or status == httpx.codes.REQUEST_TIMEOUT:
        return failures.server_failed(status, error.code, retry_after_seconds(response), settings)
    if status < 400:
        return failures.redirected(response, settings)
    if status in (401, 403) or error.code == "42501":
        return _judge_denial(error, call, settings)
    return _judge_refusal(response, error, call, settings)


def _judge_denial(error: ErrorBody, call: Call[Any], settings: Settings) -> Failure:
    if error.code is None:
        return failures.unknown_key(settings)
    if error.code.startswith("PGRST"):
        return failures.bad_token(error.code, settings)
    return failures.forbidden(call.function, settings)


def _judge_refusal(
    response: httpx.Response, error: ErrorBody, call: Call[Any], settings: Settings
) -> Failure:
    match error.code:
        case "PGRST106":
            return failures.schema_not_exposed(settings)
        case "PGRST202":
            return failures.unknown_function(call.function, settings.schema)
        case "SQ001":
            return failures.other_version(error)
        case "SQ006":
            return failures.queue_full(error)
        case str(code) if code.startswith("SQ"):
            return failures.refused_by_function(error)
        case str(code) if code in failures.INCOMPLETE_CODES:
            return failures.incomplete(code)
        case "22023" if error.message.startswith('role "'):
            return failures.unknown_role(settings)
        case None if is_html(response) or response.status_code in (404, 405):
            return failures.no_api(settings)
        case None if response.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
            return failures.too_large()
    return failures.refused(response.status_code, error)
