from __future__ import annotations

import dataclasses
import logging
import subprocess
import sys
import traceback
from typing import Any

import pytest

from supaqueue.errors import ConfigurationError
from supaqueue.telemetry import Telemetry, configured_hooks, events
from supaqueue.telemetry.events import EVENT_TYPES

NAMES = {
    "job_enqueued",
    "job_started",
    "job_retried",
    "job_succeeded",
    "job_failed",
    "queue_unavailable",
    "lease_lost",
    "queue_depth",
    "worker_stalled",
    "mirror_failed",
    "read_fallback",
    "parity_mismatch",
    "rollout_changed",
    "look_failed",
    "looks_failing",
    "looks_recovered",
}


def test_names_are_stable_and_the_samples_are_complete(one_of_each: tuple[events.Event, ...]) -> None:
    assert {kind.name for kind in EVENT_TYPES} == NAMES
    assert {type(event) for event in one_of_each} == set(EVENT_TYPES)


def test_events_are_frozen(one_of_each: tuple[events.Event, ...]) -> None:
    for event in one_of_each:
        for field in dataclasses.fields(event):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(event, field.name, "other")


@pytest.mark.parametrize("kind", [events.JobFailed, events.JobRetried])
def test_repr_shows_no_exception(kind: Any, ids: dict[str, Any]) -> None:
    more = {"retry_in_seconds": 1} if kind is events.JobRetried else {}
    event = kind(
        **ids, **more, attempt=1, ran_seconds=1, error_type="ValueError", exception=ValueError("tell nobody")
    )
    assert "tell nobody" not in repr(event)
    assert "job-7" in repr(event)


def test_a_failing_hook_disturbs_nobody_and_is_logged_once_by_type(
    one_of_each: tuple[events.Event, ...], caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[events.Event] = []

    def broken(event: events.Event) -> None:
        raise RuntimeError(f"tell nobody {event}")

    telemetry = Telemetry([broken, seen.append])
    for event in one_of_each:
        telemetry.emit(event)

    assert seen == list(one_of_each)
    [record] = [record for record in caplog.records if record.name.startswith("supaqueue")]
    assert record.levelno == logging.WARNING
    assert "broken" in record.getMessage()
    assert "RuntimeError" in record.getMessage()
    assert record.exc_info is None
    assert "tell nobody" not in caplog.text


def test_a_hook_cannot_swallow_an_interrupt(one_of_each: tuple[events.Event, ...]) -> None:
    def interrupted(event: events.Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Telemetry([interrupted]).emit(one_of_each[0])


def test_close_reaches_every_hook_that_has_something_to_send(caplog: pytest.LogCaptureFixture) -> None:
    class Holding:
        closed_within: float | None = None

        def __call__(self, event: events.Event) -> None: ...

        def close(self, timeout: float) -> None:
            self.closed_within = timeout

    class Broken(Holding):
        def close(self, timeout: float) -> None:
            raise OSError("tell nobody")

    holding = Holding()
    Telemetry([Broken(), holding]).close(1.5)

    assert holding.closed_within == 1.5
    assert "OSError" in caplog.text
    assert "tell nobody" not in caplog.text


@pytest.mark.parametrize(
    ("environ", "arguments", "hooks"),
    [
        ({}, {}, ["LogHook"]),
        ({"SENTRY_DSN": "", "DD_AGENT_HOST": ""}, {}, ["LogHook"]),
        ({"SENTRY_DSN": "http://public@127.0.0.1:9/1"}, {}, ["LogHook", "SentryHook"]),
        ({}, {"sentry_dsn": "http://public@127.0.0.1:9/1"}, ["LogHook", "SentryHook"]),
        ({"DD_AGENT_HOST": "127.0.0.1"}, {}, ["LogHook", "DatadogHook"]),
        ({"DD_AGENT_HOST": "::1", "DD_DOGSTATSD_PORT": "9"}, {}, ["LogHook", "DatadogHook"]),
        ({"DD_DOGSTATSD_URL": "unix:///nowhere/dsd.socket"}, {}, ["LogHook", "DatadogHook"]),
        ({}, {"dogstatsd_url": "udp://127.0.0.1:9"}, ["LogHook", "DatadogHook"]),
    ],
)
def test_vendors_only_if_configured(
    environ: dict[str, str], arguments: dict[str, str], hooks: list[str]
) -> None:
    configured = configured_hooks(environ, **arguments)
    Telemetry(configured).close(1)
    assert [type(hook).__name__ for hook in configured] == hooks


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"SENTRY_DSN": "https://s3cr3t@"}, "SENTRY_DSN"),
        ({"SENTRY_DSN": "s3cr3t"}, "SENTRY_DSN"),
        ({"DD_DOGSTATSD_URL": "http://s3cr3t:1"}, "DD_DOGSTATSD_URL"),
        ({"DD_DOGSTATSD_URL": "unix://s3cr3t"}, "DD_DOGSTATSD_URL"),
        ({"DD_AGENT_HOST": "localhost", "DD_DOGSTATSD_PORT": "s3cr3t"}, "DD_DOGSTATSD_PORT"),
    ],
)
def test_a_malformed_setting_is_named_but_not_quoted(environ: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named) as raised:
        configured_hooks(environ)
    assert "s3cr3t" not in "".join(traceback.format_exception(raised.value))


def test_no_vendor_is_imported_unless_configured() -> None:
    program = (
        "import sys, supaqueue, supaqueue.telemetry as telemetry\n"
        "telemetry.configured_hooks({})\n"
        "print(sorted({'sentry_sdk', 'datadog'} & sys.modules.keys()))\n"
        "telemetry.configured_hooks({'SENTRY_DSN': 'http://p@127.0.0.1:9/1', 'DD_AGENT_HOST': 'localhost'})\n"
        "print(sorted({'sentry_sdk', 'datadog'} & sys.modules.keys()))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout.splitlines() == ["[]", "['datadog', 'sentry_sdk']"]
