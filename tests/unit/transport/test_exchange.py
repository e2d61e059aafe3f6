"""One call with its tries, by a clock of its own: what is repeated, and what is known at the end."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from supaqueue.contract import AbandonJobs, ContractVersion, EnqueueJobs, NewJob, SpokenVersions
from supaqueue.errors import AccessDenied, CallError, CallRefused, ContractMismatch, QueueUnavailable
from supaqueue.settings import Settings
from supaqueue.transport.exchange import Exchange
from supaqueue.transport.retry import RetrySchedule
from supaqueue.transport.tries import Patience, TryAgain
from supaqueue.transport.verdict import Answered

SETTINGS = Settings(url="https://ref.supabase.co", service_role_key="sb_secret_s3cr3t", schema="here")
CLIENT = httpx.Client()


class Clock:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def answer(status: int, code: str | None = None, body: object = None, **headers: str) -> httpx.Response:
    content = {"code": code, "message": "m"} if body is None else body
    return httpx.Response(status, json=content, headers={"Retry-After": "0"} | headers)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def exchange(clock: Clock, budget: float = 10.0) -> Exchange[SpokenVersions]:
    return Exchange(ContractVersion(), SETTINGS, Patience(budget), clock)


def run(
    tries: Exchange[Any],
    clock: Clock,
    *results: httpx.Response | httpx.RequestError,
    taking: float = 0.0,
) -> Answered[SpokenVersions] | TryAgain:
    """Give one result after the other; the last one's verdict is returned."""
    verdict: Answered[SpokenVersions] | TryAgain = TryAgain(0.0)
    for result in results:
        assert isinstance(verdict, TryAgain)
        clock.now += verdict.seconds
        tries.request(CLIENT)
        clock.now += taking
        verdict = tries.judge(result)
    return verdict


LOST = httpx.ReadTimeout("")
REFUSED = httpx.ConnectError("refused")
SPOKEN = answer(200, body={"newest": 1, "oldest": 1})


def test_an_answer_after_failures(clock: Clock) -> None:
    verdict = run(exchange(clock), clock, REFUSED, LOST, answer(503), answer(500, "57014"), SPOKEN)
    assert verdict == Answered(SpokenVersions(1, 1))


def test_every_try_sends_the_same(clock: Clock) -> None:
    tries = Exchange(EnqueueJobs((NewJob("a", {"x": 1}),)), SETTINGS, Patience(), clock)
    first, second = tries.request(CLIENT), tries.request(CLIENT)
    assert first.content == second.content
    assert first.url == "https://ref.supabase.co/rest/v1/rpc/enqueue_jobs_v1"
    assert first.method == "POST"


def test_headers_by_kind_of_key(clock: Clock) -> None:
    def headers(settings: Settings) -> httpx.Headers:
        return Exchange(ContractVersion(), settings, Patience(), clock).request(CLIENT).headers

    newer = headers(SETTINGS)
    assert newer["apikey"] == "sb_secret_s3cr3t"
    assert "Authorization" not in newer
    assert newer["Content-Profile"] == "here"
    assert newer["User-Agent"].startswith("supaqueue/")
    older = headers(Settings(url="http://x", service_role_key="e.y.J"))
    assert (older["apikey"], older["Authorization"]) == ("e.y.J", "Bearer e.y.J")
    assert "Content-Profile" not in older
    narrow = headers(Settings(url="http://x", anon_key="sb_publishable_x", token="t.o.k"))
    assert (narrow["apikey"], narrow["Authorization"]) == ("sb_publishable_x", "Bearer t.o.k")


def give_up(tries: Exchange[Any], clock: Clock, result: httpx.Response | httpx.RequestError) -> CallError:
    with pytest.raises(CallError) as raised:
        run(tries, clock, *[result] * 1000)
    return raised.value


def test_the_budget_ends_it(clock: Clock) -> None:
    error = give_up(exchange(clock, budget=7.0), clock, REFUSED)
    assert isinstance(error, QueueUnavailable)
    assert (error.committed, error.retryable, error.cause) == ("no", True, "ConnectError")
    assert clock.now - 1000.0 < 7.0
    assert "tries" in str(error)
    assert error.code == "QUEUE_UNAVAILABLE"


def test_a_try_without_answer_leaves_time_for_a_repeat(clock: Clock) -> None:
    tries = exchange(clock, budget=10.0)
    timeout = tries.request(CLIENT).extensions["timeout"]
    assert (timeout["connect"], timeout["read"]) == (5.0, 5.0)
    clock.now += 8.0
    assert tries.request(CLIENT).extensions["timeout"]["read"] == pytest.approx(2.0)
    assert Patience(60.0).longest_try == 15.0
    assert Patience(60.0, try_seconds=2.0).longest_try == 2.0


@pytest.mark.parametrize(
    ("last", "error"),
    [
        (REFUSED, QueueUnavailable),
        (answer(429), QueueUnavailable),
        (answer(401), AccessDenied),
        (answer(400, "SQ003"), CallRefused),
        (answer(404, "PGRST202"), ContractMismatch),
    ],
)
@pytest.mark.parametrize("unknown", [LOST, answer(502)], ids=["lost", "bad gateway"])
def test_once_unknown_always_unknown(
    clock: Clock, unknown: httpx.Response, last: httpx.Response, error: type[CallError]
) -> None:
    tries = exchange(clock)
    run(tries, clock, unknown)
    raised = give_up(tries, clock, last)
    assert type(raised) is error
    assert raised.committed == "unknown"
    # A read has no effect to wonder about; of a write it is said.
    assert "may have taken effect" not in str(raised)
    writing = Exchange(AbandonJobs(()), SETTINGS, Patience(10.0), clock)
    run(writing, clock, unknown)
    assert "may have taken effect" in str(give_up(writing, clock, last))


def test_without_an_unknown_try_nothing_has_happened(clock: Clock) -> None:
    tries = exchange(clock)
    run(tries, clock, REFUSED, answer(500, "40P01"), answer(429))
    raised = give_up(tries, clock, answer(403, "42501"))
    assert raised.committed == "no"
    assert "may have taken effect" not in str(raised)
    assert (raised.sqlstate, raised.http_status, raised.call) == ("42501", 403, "contract_version_v1")


def test_a_pause_that_the_server_asks_for_is_kept(clock: Clock) -> None:
    verdict = run(exchange(clock), clock, answer(429, **{"Retry-After": "4"}))
    assert isinstance(verdict, TryAgain)
    assert verdict.seconds >= 4.0


def test_a_pause_beyond_the_budget_is_not_waited_for(clock: Clock) -> None:
    with pytest.raises(QueueUnavailable) as raised:
        run(exchange(clock), clock, answer(429, **{"Retry-After": "60"}))
    assert raised.value.committed == "no"
    assert clock.now == 1000.0


def test_a_missing_function_is_waited_for_less_than_the_budget(clock: Clock) -> None:
    raised = give_up(exchange(clock, budget=60.0), clock, answer(404, "PGRST202"))
    assert isinstance(raised, ContractMismatch)
    assert 0.5 < clock.now - 1000.0 <= 3.0
    assert not raised.retryable


def test_the_one_job_concerned_is_named(clock: Clock) -> None:
    one, two = NewJob("a"), NewJob("a")

    def job_id_in_error(*jobs: NewJob) -> str | None:
        tries = Exchange(EnqueueJobs(jobs), SETTINGS, Patience(), clock)
        tries.request(CLIENT)
        with pytest.raises(CallRefused) as raised:
            tries.judge(answer(400, "SQ003"))
        return raised.value.job_id

    assert job_id_in_error(one) == one.job_id
    assert job_id_in_error(one, two) is None


def test_texts_hold_no_key(clock: Clock) -> None:
    tries = exchange(clock)
    request = tries.request(CLIENT)
    assert "s3cr3t" in str(dict(request.headers))
    assert "s3cr3t" not in repr((SETTINGS, request, tries._rpc))


def test_jitter_is_full_and_its_ceiling_doubles() -> None:
    ceilings: list[float] = []

    def draw(low: float, high: float) -> float:
        assert low == 0.0
        ceilings.append(high)
        return high

    schedule = RetrySchedule(1000.0, draw)
    assert all(schedule.next_pause(0.0) is not None for _ in range(9))
    assert ceilings == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0]


def test_no_try_starts_after_the_budget() -> None:
    assert RetrySchedule(1.0, lambda low, high: 0.0).next_pause(0.99) == 0.0
    assert RetrySchedule(1.0, lambda low, high: 0.0).next_pause(1.0) is None
    assert RetrySchedule(1.0, lambda low, high: 0.0).next_pause(0.5, within=0.5) is None
    assert RetrySchedule(1.0, lambda low, high: 0.0).next_pause(0.0, within=5.0, at_least=2.0) is None
