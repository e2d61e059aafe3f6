"""The table: what each answer means. Every row of semantics section 3, and what gateways do beside it."""

from __future__ import annotations

import json

import httpx
import pytest

from supaqueue.contract import ContractVersion, EnqueueJobs, NewJob, SpokenVersions
from supaqueue.errors import (
    AccessDenied,
    CallError,
    CallRefused,
    Committed,
    ConfigurationError,
    ContractMismatch,
    EndpointNotFound,
    QueueUnavailable,
)
from supaqueue.settings import Settings
from supaqueue.transport.failures import Failure
from supaqueue.transport.verdict import Answered, judge

SECRET = "s3cr3t-value"
URL = "https://ref.supabase.co"
# Claims: {"role": "some_role"}
KEY = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic29tZV9yb2xlIn0.c2lnbmF0dXJl"
SETTINGS = Settings(url=URL, service_role_key=KEY)
WITH_TOKEN = Settings(url=URL, anon_key="anon", token=KEY, schema="jobs_here")
CALL = ContractVersion()


def answer(status: int, body: object = None, **headers: str) -> httpx.Response:
    content = body if isinstance(body, str) else json.dumps(body)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    kind = "text/html" if isinstance(body, str) and body.startswith("<") else "application/json"
    request = httpx.Request("POST", f"{URL}/rest/v1/rpc/contract_version_v1")
    return httpx.Response(status, headers={"Content-Type": kind} | names, content=content, request=request)


def error(status: int, code: str | None, message: str = SECRET, **more: str) -> httpx.Response:
    return answer(status, {"code": code, "message": message, "details": None, "hint": None} | more)


def failure(got: httpx.Response | httpx.RequestError, settings: Settings = SETTINGS) -> Failure:
    verdict = judge(got, CALL, settings)
    assert isinstance(verdict, Failure)
    assert SECRET not in verdict.message
    assert KEY not in verdict.message
    return verdict


def test_an_answer() -> None:
    assert judge(answer(200, {"newest": 2, "oldest": 1}), CALL, SETTINGS) == Answered(SpokenVersions(2, 1))


@pytest.mark.parametrize(
    ("got", "committed", "cause"),
    [
        (httpx.ConnectError("[Errno 111] Connection refused"), "no", "ConnectError"),
        (httpx.ConnectTimeout(""), "no", "ConnectTimeout"),
        (httpx.PoolTimeout(""), "no", "PoolTimeout"),
        (httpx.ProxyError("407 for user:s3cr3t-value"), "no", "ProxyError"),
        (httpx.ReadTimeout(SECRET), "unknown", "ReadTimeout"),
        (httpx.WriteTimeout(SECRET), "unknown", "WriteTimeout"),
        (httpx.ReadError(SECRET), "unknown", "ReadError"),
        (httpx.WriteError(SECRET), "unknown", "WriteError"),
        (httpx.RemoteProtocolError(SECRET), "unknown", "RemoteProtocolError"),
        (httpx.LocalProtocolError(f"Illegal header value b'{KEY}'"), "unknown", "LocalProtocolError"),
        (httpx.DecodingError(SECRET), "unknown", "DecodingError"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_answer(got: httpx.RequestError, committed: Committed, cause: str) -> None:
    verdict = failure(got)
    assert (verdict.error, verdict.committed, verdict.again) == (QueueUnavailable, committed, True)
    assert verdict.cause == cause
    assert URL in verdict.message


def test_every_error_of_the_network_has_a_row() -> None:
    def kinds(kind: type[Exception]) -> set[type[Exception]]:
        return {kind}.union(*(kinds(below) for below in kind.__subclasses__()))

    not_sent = {httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError}
    for kind in kinds(httpx.RequestError):
        committed = "no" if kind in not_sent else "unknown"
        assert failure(kind("")).committed == committed  # type: ignore[arg-type]


@pytest.mark.parametrize("code", ["57014", "40P01", "55P03", "40001", "PGRST002", "PGRST003"])
@pytest.mark.parametrize("status", [400, 500, 503, 504])
def test_rolled_back_and_transient(code: str, status: int) -> None:
    verdict = failure(error(status, code))
    assert (verdict.error, verdict.committed, verdict.again) == (QueueUnavailable, "no", True)
    assert (verdict.sqlstate, verdict.http_status) == (code, status)


@pytest.mark.parametrize(
    "got",
    [
        error(500, "57P01"),
        error(500, "XX000"),
        error(503, "PGRST000"),
        error(503, "PGRST001"),
        error(503, "53300"),
        answer(502, "<html>Bad gateway</html>"),
        answer(504, {"message": "upstream timed out"}),
        answer(522, "<html>"),
        answer(500, "no JSON at all"),
        answer(500, [1, 2]),
        answer(408, ""),
    ],
    ids=lambda got: f"{got.status_code}",
)
def test_other_failures_of_the_server_are_unknown(got: httpx.Response) -> None:
    verdict = failure(got)
    assert (verdict.error, verdict.committed, verdict.again) == (QueueUnavailable, "unknown", True)
    assert str(got.status_code) in verdict.message


def test_a_paused_project_is_told() -> None:
    assert "paused" in failure(answer(540, "<html>")).message


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({}, 0.0),
        ({"Retry_After": "7"}, 7.0),
        ({"Retry_After": "soon"}, 0.0),
        ({"Retry_After": "-1"}, 0.0),
        ({"Retry_After": "Sun, 06 Nov 2016 08:49:37 GMT", "Date": "Sun, 06 Nov 2016 08:49:33 GMT"}, 4.0),
        ({"Retry_After": "Sun, 06 Nov 2016 08:49:37 GMT"}, 0.0),
    ],
)
def test_how_long_to_pause(headers: dict[str, str], pause: float) -> None:
    throttled = failure(answer(429, {}, **headers))
    assert (throttled.committed, throttled.again, throttled.at_least) == ("no", True, pause)
    assert failure(answer(503, {}, **headers)).at_least == pause


def test_a_function_not_found_is_looked_for_again_for_a_while() -> None:
    verdict = failure(error(404, "PGRST202"), WITH_TOKEN)
    assert (verdict.error, verdict.committed, verdict.again) == (ContractMismatch, "no", True)
    assert verdict.within == 3.0
    for words in ("supaqueue migrate", "contract_version_v1", "'jobs_here'", "SUPAQUEUE_SCHEMA"):
        assert words in verdict.message


@pytest.mark.parametrize(
    ("details", "words"),
    [
        ('{"newest": 0, "oldest": 0}', ("version 1", "0 to 0", "supaqueue migrate")),
        ('{"newest": 3, "oldest": 2}', ("version 1", "2 to 3", "pip install --upgrade supaqueue")),
        ("unreadable", ("version 1", "another", "supaqueue migrate")),
    ],
)
def test_another_version(details: str, words: tuple[str, ...]) -> None:
    verdict = failure(error(400, "SQ001", details=details))
    assert (verdict.error, verdict.committed, verdict.again) == (ContractMismatch, "no", False)
    assert all(word in verdict.message for word in words)


@pytest.mark.parametrize("code", ["42883", "42P01", "42703", "42704"])
def test_sql_that_is_missing(code: str) -> None:
    verdict = failure(error(404, code))
    assert (verdict.error, verdict.again) == (ContractMismatch, False)
    assert "supaqueue migrate" in verdict.message


@pytest.mark.parametrize(
    ("got", "settings", "words"),
    [
        (answer(401, {"message": "Invalid API key"}), SETTINGS, "SUPABASE_SERVICE_ROLE_KEY"),
        (answer(401, {"message": "No API key found"}), WITH_TOKEN, "SUPABASE_ANON_KEY"),
        (answer(403, "<html>blocked</html>"), SETTINGS, "SUPABASE_SERVICE_ROLE_KEY"),
        (error(401, "PGRST301"), SETTINGS, "SUPABASE_SERVICE_ROLE_KEY"),
        (error(401, "PGRST303"), WITH_TOKEN, "SUPAQUEUE_TOKEN"),
        (error(403, "42501"), SETTINGS, "'some_role' may not call contract_version_v1"),
        (error(401, "42501"), WITH_TOKEN, "SUPAQUEUE_TOKEN"),
        (error(400, "22023", 'role "some_role" does not exist'), WITH_TOKEN, "'some_role'"),
    ],
)
def test_denied(got: httpx.Response, settings: Settings, words: str) -> None:
    verdict = failure(got, settings)
    assert (verdict.error, verdict.committed, verdict.again) == (AccessDenied, "no", False)
    assert words in verdict.message


@pytest.mark.parametrize(
    ("got", "words"),
    [
        (answer(404, "<html>Not found</html>"), "SUPABASE_URL"),
        (answer(404, {"message": "no Route matched with those values"}), "/rest/v1"),
        (answer(405, ""), "https://<ref>.supabase.co"),
        (answer(200, "<html>Welcome</html>"), "SUPABASE_URL"),
        (answer(301, "", Location="https://elsewhere.example/x?key=s3cr3t-value"), "SUPABASE_URL"),
        (answer(307, "", Location="https://elsewhere.example/"), "not followed"),
        (error(406, "PGRST106"), "SUPAQUEUE_SCHEMA"),
    ],
)
def test_no_api_there(got: httpx.Response, words: str) -> None:
    verdict = failure(got)
    assert (verdict.error, verdict.committed, verdict.again) == (EndpointNotFound, "no", False)
    assert words in verdict.message
    assert issubclass(verdict.error, ConfigurationError)
    assert issubclass(verdict.error, CallError)


@pytest.mark.parametrize(
    ("got", "again"),
    [
        (answer(200, "cut off"), True),
        (answer(200, ""), True),
        (answer(200, {"newest": SECRET}), False),
        (answer(200, [1]), False),
        (answer(204, ""), True),
    ],
)
def test_success_without_an_answer_is_unknown(got: httpx.Response, again: bool) -> None:
    verdict = failure(got)
    assert (verdict.error, verdict.committed, verdict.again) == (QueueUnavailable, "unknown", again)


def test_our_own_refusals_are_passed_on_with_their_next_step() -> None:
    verdict = failure(error(400, "SQ002", "jobs[0].x: not known", hint="Leave it out."))
    assert (verdict.error, verdict.committed) == (CallRefused, "no")
    assert verdict.message == "jobs[0].x: not known. Leave it out."


def test_postgres_refusals_are_named_and_never_quoted() -> None:
    row = f'new row for relation "jobs" violates check constraint "jobs_bucket_check" ({SECRET})'
    verdict = failure(error(400, "23514", row, details=f"Failing row contains ({SECRET})", hint=SECRET))
    assert (verdict.error, verdict.committed, verdict.again) == (CallRefused, "no", False)
    assert "23514" in verdict.message
    assert "jobs_bucket_check" in verdict.message
    assert "HTTP 400" in failure(answer(400, {"message": SECRET, "code": SECRET})).message


def test_a_body_too_large() -> None:
    verdict = failure(answer(413, {"message": SECRET}))
    assert (verdict.error, verdict.committed) == (CallRefused, "no")
    assert "fewer" in verdict.message


def test_a_read_only_database_is_told() -> None:
    verdict = failure(error(405, "25006"))
    assert (verdict.error, verdict.committed, verdict.again) == (QueueUnavailable, "no", False)
    assert "disk" in verdict.message


def test_every_status_has_a_verdict() -> None:
    call = EnqueueJobs((NewJob("a", SECRET),))
    for status in range(300, 600):
        for code in (None, "42501", "22P02", "P0001", "PGRST100", "PGRST202", "SQ003", "57014"):
            for body in ("<html>", "", json.dumps({"code": code, "message": "m"})):
                verdict = judge(answer(status, body), call, SETTINGS)
                assert isinstance(verdict, Failure)
                assert SECRET not in verdict.message
