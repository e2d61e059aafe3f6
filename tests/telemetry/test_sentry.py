"""What reaches a Sentry server, read from the bytes it received."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import sentry_sdk

from supaqueue.errors import ConfigurationError, InvalidInput
from supaqueue.telemetry import Telemetry, configured_hooks, events
from supaqueue.telemetry.sentry import SentryHook

Failed = Callable[..., events.JobFailed]

FOR_SENTRY = {"job_failed", "queue_unavailable", "rollout_changed", "looks_failing", "looks_recovered"}


@pytest.fixture
def secret() -> str:
    """Made anew for each test, so that no source line shown in a stack can hold it."""
    return f"secret-{uuid.uuid4().hex}"


@pytest.fixture
def failed(ids: dict[str, Any]) -> Failed:
    def make(exception: BaseException | None, error_type: str | None = None, **more: Any) -> events.JobFailed:
        name = error_type or (type(exception).__name__ if exception else None)
        return events.JobFailed(
            **ids | more, attempt=3, ran_seconds=1.5, error_type=name, exception=exception
        )

    return make


@pytest.fixture
def application(other_sentry_server: Any) -> Iterator[Any]:
    """An application that has set up Sentry itself, as talkative as it can be."""
    sentry_sdk.init(
        dsn=other_sentry_server.dsn,
        environment="of-the-application",
        attach_stacktrace=True,
        include_local_variables=True,
    )
    yield other_sentry_server
    sentry_sdk.get_client().close(5)
    sentry_sdk.get_global_scope().set_client(None)


def parse(payload: dict[str, str]) -> None:
    local_copy = dict(payload)
    raise ValueError(f"cannot parse {local_copy['card']}")


def handler(payload: dict[str, str]) -> None:
    try:
        parse(payload)
    except ValueError as error:
        raise LookupError(f"no customer for {payload}") from error


def handler_of_many(payload: dict[str, str]) -> None:
    found: list[Exception] = []
    for function in (parse, handler):
        try:
            function(payload)
        except Exception as error:
            found.append(error)
    raise ExceptionGroup(f"all of {payload} failed", found)


def raised(function: Callable[..., object], *arguments: object) -> BaseException:
    try:
        function(*arguments)
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def exceptions(event: dict[str, Any]) -> list[dict[str, Any]]:
    return list(event["exception"]["values"])


def functions(event: dict[str, Any]) -> set[str]:
    stacks = [value["stacktrace"]["frames"] for value in exceptions(event) if "stacktrace" in value]
    return {frame["function"] for frames in stacks for frame in frames}


def captured(server: Any, hook: SentryHook, *told: events.Event) -> list[dict[str, Any]]:
    """Tell `hook`, close it, which waits until all is sent, and return what arrived."""
    for event in told:
        hook(event)
    hook.close(10)
    return list(server.events())


@pytest.mark.parametrize("through", ["own client", "application's client"])
@pytest.mark.parametrize("function", [handler, handler_of_many])
def test_no_payload_reaches_sentry_but_what_helps_does(
    through: str,
    function: Callable[..., object],
    secret: str,
    failed: Failed,
    sentry_server: Any,
    request: pytest.FixtureRequest,
) -> None:
    server = sentry_server if through == "own client" else request.getfixturevalue("application")
    hook = SentryHook(server.dsn) if through == "own client" else SentryHook()
    sentry_sdk.add_breadcrumb(message=secret)
    error = raised(function, {"card": secret})
    error.add_note(secret)
    [event] = captured(server, hook, failed(error))

    assert server.raw
    assert all(secret.encode() not in body for body in server.raw)
    assert {"ValueError", "LookupError"} <= {value["type"] for value in exceptions(event)}
    assert {value["value"] for value in exceptions(event)} == {"[redacted]"}
    assert {"parse", function.__name__} <= functions(event)
    assert event["contexts"]["job"]["job_id"] == "job-7"
    assert not {"breadcrumbs", "request", "extra", "modules", "user"} & event.keys()
    assert event["server_name"] == ""


def test_a_key_in_a_persons_reason_does_not_leave(
    sentry_server: Any, one_of_each: tuple[events.Event, ...]
) -> None:
    [changed] = [one for one in one_of_each if isinstance(one, events.RolloutChanged)]
    told = replace(changed, reason="tried sb_secret_AbC-123_x4", changed_by="ann (password=hunter2)")
    [event] = captured(sentry_server, SentryHook(sentry_server.dsn), told)
    assert event["contexts"]["rollout"]["reason"] == "tried [redacted]"
    assert all(b"hunter2" not in body and b"AbC-123" not in body for body in sentry_server.raw)


def test_looks_that_fail_and_go_well_again_are_captured_once_each(
    sentry_server: Any, one_of_each: tuple[events.Event, ...]
) -> None:
    found = captured(sentry_server, SentryHook(sentry_server.dsn), *one_of_each[-3:])
    assert [
        (one["level"], one["logentry"]["message"] if "logentry" in one else one["message"]) for one in found
    ] == [
        ("error", "looks_failing: QueueUnavailable"),
        ("info", "looks_recovered"),
    ]


def test_job_context_tags_and_fingerprint(sentry_server: Any, failed: Failed) -> None:
    error = raised(int, "x")
    [event] = captured(sentry_server, SentryHook(sentry_server.dsn, environment="staging"), failed(error))
    assert event["tags"] == {
        "job_id": "job-7", "task_type": "send_mail", "queue": "mail", "attempt": "3", "worker_id": "w-1",
        "error_type": "ValueError",
    }  # fmt: skip
    assert event["contexts"]["job"] == {
        "job_id": "job-7", "task_type": "send_mail", "queue": "mail", "attempt": 3, "worker_id": "w-1",
        "task_number": 1, "ran_seconds": 1.5,
    }  # fmt: skip
    assert event["fingerprint"] == ["supaqueue", "job_failed", "send_mail", "ValueError"]
    assert (event["level"], event["environment"]) == ("error", "staging")
    assert exceptions(event)[0]["mechanism"]["handled"] is False


def test_a_handler_that_returns_its_failure_is_captured_too(sentry_server: Any, failed: Failed) -> None:
    [event] = captured(sentry_server, SentryHook(sentry_server.dsn), failed(None, "CardDeclined"))
    assert event["message"] == "job_failed: send_mail (CardDeclined)"
    assert event["fingerprint"][-1] == "CardDeclined"


def test_messages_on_request_but_never_keys(sentry_server: Any, secret: str, failed: Failed) -> None:
    key = f"sb_secret_{uuid.uuid4().hex}"
    error = raised(parse, {"card": f"{secret} {key}"})
    [event] = captured(sentry_server, SentryHook(sentry_server.dsn, messages=True), failed(error))
    assert exceptions(event)[0]["value"] == f"cannot parse {secret} [redacted]"
    assert all(key.encode() not in body for body in sentry_server.raw)


def test_the_text_of_an_error_of_ours_stays_unless_a_note_was_added(
    sentry_server: Any, failed: Failed
) -> None:
    plain = raised(configured_hooks, {"DD_DOGSTATSD_URL": "nonsense"})
    noted = raised(configured_hooks, {"DD_DOGSTATSD_URL": "nonsense"})
    noted.add_note("from a handler")
    hook = SentryHook(sentry_server.dsn)
    first, second = captured(sentry_server, hook, failed(plain), failed(noted))
    assert exceptions(first)[0]["value"] == str(plain)
    assert exceptions(second)[0]["value"] == "[redacted]"


def test_a_class_of_ours_raised_by_a_handler_is_not_trusted(
    sentry_server: Any, secret: str, failed: Failed
) -> None:
    def refusing(payload: str) -> None:
        raise InvalidInput(f"bad {payload}", field="card")

    [event] = captured(sentry_server, SentryHook(sentry_server.dsn), failed(raised(refusing, secret)))
    assert all(secret.encode() not in body for body in sentry_server.raw)
    assert exceptions(event)[0]["type"] == "InvalidInput"


def test_causes_that_form_a_circle_end(sentry_server: Any, failed: Failed) -> None:
    first, second = ValueError("a"), KeyError("b")
    first.__cause__, second.__cause__ = second, first
    [event] = captured(sentry_server, SentryHook(sentry_server.dsn), failed(first))
    assert {value["type"] for value in exceptions(event)} == {"ValueError", "KeyError"}


def test_retries_are_captured_only_on_request(sentry_server: Any, ids: dict[str, Any]) -> None:
    retried = events.JobRetried(
        **ids,
        attempt=1,
        ran_seconds=1,
        retry_in_seconds=5,
        error_type="ValueError",
        exception=raised(int, "x"),
    )
    assert captured(sentry_server, SentryHook(sentry_server.dsn), retried) == []
    [event] = captured(sentry_server, SentryHook(sentry_server.dsn, retries=True), retried)
    assert event["level"] == "warning"
    assert event["fingerprint"][1] == "job_retried"


def test_other_events_are_not_for_sentry(sentry_server: Any, one_of_each: tuple[events.Event, ...]) -> None:
    found = captured(sentry_server, SentryHook(sentry_server.dsn), *one_of_each)
    assert {event["fingerprint"][1] for event in found} == FOR_SENTRY


def unavailable(call: str) -> events.QueueUnavailable:
    return events.QueueUnavailable(call=call, committed="no", error_type="ConnectError", http_status=503)


def test_unavailability_is_told_once_a_minute_per_call(sentry_server: Any) -> None:
    now = [1000.0]
    hook = SentryHook(sentry_server.dsn, clock=lambda: now[0])
    for _ in range(50):
        hook(unavailable("claim_job_tasks_v1"))
    hook(unavailable("enqueue_jobs_v1"))
    now[0] += 59.9
    hook(unavailable("claim_job_tasks_v1"))
    now[0] += 0.1
    found = captured(sentry_server, hook, unavailable("claim_job_tasks_v1"))

    told = [(event["tags"]["call"], event["contexts"]["call"]["suppressed_since_last"]) for event in found]
    assert sorted(told) == [("claim_job_tasks_v1", 0), ("claim_job_tasks_v1", 50), ("enqueue_jobs_v1", 0)]
    assert found[0]["level"] == "warning"
    assert found[0]["contexts"]["call"]["http_status"] == 503


def test_no_stack_of_ours_is_attached_by_the_application(application: Any, secret: str) -> None:
    def caller(payload: str) -> None:
        hook(unavailable("enqueue_jobs_v1"))
        hook.close(10)

    hook = SentryHook()
    caller(secret)
    [event] = application.events()
    assert all(secret.encode() not in body for body in application.raw)
    assert event["environment"] == "of-the-application"


def test_a_failure_that_is_also_logged_arrives_once(application: Any, secret: str, failed: Failed) -> None:
    def caller(payload: str) -> None:
        telemetry.emit(failed(raised(parse, {"card": payload})))

    telemetry = Telemetry(configured_hooks({"SENTRY_DSN": application.dsn}))
    caller(secret)
    telemetry.close(10)
    [event] = application.events()
    assert "exception" in event
    assert all(secret.encode() not in body for body in application.raw)


def test_an_explicit_dsn_keeps_apart_from_the_application(
    application: Any, sentry_server: Any, failed: Failed
) -> None:
    ours = SentryHook(sentry_server.dsn)
    assert len(captured(sentry_server, ours, failed(raised(int, "x")))) == 1
    assert application.events() == []

    sentry_sdk.capture_message("of the application")
    sentry_sdk.flush(10)
    assert [event["message"] for event in application.events()] == ["of the application"]
    assert len(sentry_server.events()) == 1


def test_closing_leaves_the_application_its_client(application: Any, failed: Failed) -> None:
    captured(application, SentryHook(default_dsn="http://public@127.0.0.1:9/1"), failed(raised(int, "x")))
    sentry_sdk.capture_message("still here")
    sentry_sdk.flush(10)
    assert [event.get("message") for event in application.events()] == [None, "still here"]


def test_an_application_that_starts_sentry_later_is_used(
    sentry_server: Any, failed: Failed, request: pytest.FixtureRequest
) -> None:
    hook = SentryHook(default_dsn=sentry_server.dsn)
    application = request.getfixturevalue("application")
    hook(failed(raised(int, "x")))
    sentry_sdk.flush(10)
    hook.close(10)
    assert len(application.events()) == 1
    assert sentry_server.events() == []


def test_from_the_environment(sentry_server: Any, secret: str, failed: Failed) -> None:
    environ = {
        "SENTRY_DSN": sentry_server.dsn,
        "SENTRY_RELEASE": "1.2.3",
        "SUPAQUEUE_SENTRY_MESSAGES": "1",
    }
    telemetry = Telemetry(configured_hooks(environ))
    telemetry.emit(failed(raised(parse, {"card": secret})))
    telemetry.close(10)
    [event] = sentry_server.events()
    assert exceptions(event)[0]["value"] == f"cannot parse {secret}"
    assert event["release"] == "1.2.3"


def test_without_dsn_and_application_it_is_inert(failed: Failed, caplog: pytest.LogCaptureFixture) -> None:
    telemetry = Telemetry([SentryHook()])
    telemetry.emit(failed(raised(int, "x")))
    telemetry.close(1)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_malformed_dsn_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="SENTRY_DSN"):
        SentryHook("not a dsn")
