"""Failed jobs in Sentry: type, stack and job context, but no payload, message, variable or environment.

An event is redacted by a list of what may pass before any client sees it, and is captured without a scope, so
that breadcrumbs, tags, requests and event processors of the application cannot join it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, cast

import sentry_sdk
from sentry_sdk.client import BaseClient
from sentry_sdk.integrations.logging import ignore_logger
from sentry_sdk.types import Event as SentryEvent
from sentry_sdk.utils import BadDsn, event_from_exception

from supaqueue import errors
from supaqueue.errors import ConfigurationError
from supaqueue.telemetry import events
from supaqueue.telemetry.events import Event
from supaqueue.telemetry.redaction import REDACTED, redact_value

_UNAVAILABLE_EVERY_SECONDS = 60.0
_OPTIONS = {"include_local_variables": False, "include_source_context": True, "max_value_length": 1024}
_MECHANISM = {"type": "supaqueue", "handled": False}
_FRAME_KEYS = frozenset(
    {"filename", "abs_path", "function", "module", "lineno", "pre_context", "context_line", "post_context"}
)


class SentryHook:
    """Captures jobs that failed for good, changes of a rollout, and when the queue is unavailable.

    That once a minute per call; and when looks of a watch have failed for a while, or go well again.

    Args:
        dsn: captured by a client of our own, whatever the application has set up.
        default_dsn: used only where the application has not initialised `sentry_sdk` itself.
        environment: for a client of our own.
        release: for a client of our own.
        messages: also send what exceptions say. They may quote payloads, so this is off by default.
        retries: also capture attempts that will be retried, as warnings.
        clock: seconds, rising.

    Raises:
        ConfigurationError: the DSN is malformed.
    """

    def __init__(
        self,
        dsn: str | None = None,
        *,
        default_dsn: str | None = None,
        environment: str | None = None,
        release: str | None = None,
        messages: bool = False,
        retries: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._exclusive = dsn is not None
        self._messages = messages
        self._retries = retries
        self._unavailable = _Interval(_UNAVAILABLE_EVERY_SECONDS, clock)
        # Or the application's client captures each failure again, as a log record, with its own settings.
        ignore_logger("supaqueue.events")
        own_dsn = dsn or (default_dsn if _application_client() is None else None)
        self._own = _own_client(own_dsn, environment, release) if own_dsn else None

    def __call__(self, event: Event) -> None:
        """Capture `event` if it is one of those that Sentry is for."""
        match event:
            case events.JobFailed():
                self._capture_attempt(event, "error")
            case events.JobRetried() if self._retries:
                self._capture_attempt(event, "warning")
            case events.QueueUnavailable():
                self._capture_unavailable(event)
            case events.RolloutChanged():
                self._capture_rollout(event)
            case events.LooksFailing() | events.LooksRecovered():
                self._capture_looks(event)

    def close(self, timeout: float) -> None:
        """Send what is waiting, within `timeout` seconds; the application's own client stays open."""
        client = self._client()
        if client is not None:
            client.flush(timeout)
        if self._own is not None:
            self._own.close(timeout)

    def _client(self) -> BaseClient | None:
        """Return the application's client if it has one by now, unless a DSN was given for ours."""
        application = None if self._exclusive else _application_client()
        return application or self._own

    def _capture_attempt(self, event: events.JobFailed | events.JobRetried, level: str) -> None:
        exception = event.exception
        error_type = event.error_type or (type(exception).__qualname__ if exception else "unknown")
        job = {
            name: getattr(event, name) for name in ("job_id", "task_type", "queue", "attempt", "worker_id")
        }
        body: dict[str, Any] = {
            "level": level,
            "fingerprint": ["supaqueue", event.name, event.task_type, error_type],
            "tags": {name: str(value) for name, value in job.items()} | {"error_type": error_type},
            "contexts": {"job": job | {"task_number": event.task_number, "ran_seconds": event.ran_seconds}},
        }
        if exception is None:
            self._send(body | {"message": f"{event.name}: {event.task_type} ({error_type})"})
        else:
            described, hint = event_from_exception(exception, _OPTIONS, _MECHANISM)
            self._send(body | {"exception": self._described(described, exception)}, hint)

    def _capture_unavailable(self, event: events.QueueUnavailable) -> None:
        suppressed = self._unavailable.admit(event.call)
        if suppressed is None:
            return
        call = {
            name: getattr(event, name) for name in ("call", "committed", "error_type", "http_status", "jobs")
        }
        self._send(
            {
                "level": "warning",
                "message": f"{event.name}: {event.call} ({event.error_type})",
                "fingerprint": ["supaqueue", event.name, event.call],
                "tags": {"call": event.call, "error_type": event.error_type, "committed": event.committed},
                "contexts": {"call": call | {"suppressed_since_last": suppressed}},
            }
        )

    def _capture_rollout(self, event: events.RolloutChanged) -> None:
        is_alarm = event.kind in ("rolled_back", "halted")
        change = {name: getattr(event, name) for name in ("flag_name", "kind", "changed_by", "evidence")}
        percents = f"{event.percent_before:g} to {event.percent:g} percent"
        self._send(
            {
                "level": "error" if is_alarm else "info",
                "message": f"{event.name}: {event.flag_name} {event.kind}, {percents}",
                "fingerprint": ["supaqueue", event.name, event.flag_name, str(event.version)],
                "tags": {"flag_name": event.flag_name, "kind": event.kind},
                "contexts": {"rollout": change | {"version": event.version, "reason": event.reason}},
            }
        )

    def _capture_looks(self, event: events.LooksFailing | events.LooksRecovered) -> None:
        error_type = event.error_type if isinstance(event, events.LooksFailing) else None
        self._send(
            {
                "level": "error" if error_type else "info",
                "message": f"{event.name}: {error_type}" if error_type else event.name,
                "fingerprint": ["supaqueue", event.name, error_type or ""],
                "tags": {"error_type": error_type} if error_type else {},
                "contexts": {"looks": {"seconds": event.seconds}},
            }
        )

    def _described(self, described: SentryEvent, exception: BaseException) -> dict[str, Any]:
        clean = {str(error) for error in _chain(exception) if _is_own(error)}
        return {"values": [self._stripped(value, clean) for value in described["exception"]["values"]]}

    def _stripped(self, value: dict[str, Any], clean: set[str]) -> dict[str, Any]:
        """Return `value` with only what may pass; `clean` are the texts known to quote no payload."""
        stripped = {name: value.get(name) for name in ("type", "module", "mechanism")}
        text = value.get("value")
        stripped["value"] = text if self._messages or text in clean else REDACTED
        stacktrace = value.get("stacktrace")
        if isinstance(stacktrace, dict):  # otherwise the SDK dropped it as too long
            frames = [
                {key: frame[key] for key in _FRAME_KEYS & frame.keys()} for frame in stacktrace["frames"]
            ]
            stripped["stacktrace"] = {"frames": frames}
        return stripped

    def _send(self, body: dict[str, Any], hint: dict[str, Any] | None = None) -> None:
        client = self._client()
        if client is None:
            return
        redacted = cast(dict[str, Any], redact_value(body))
        # What is missing a client fills in: the machine's name and, if the application wants it, our stack.
        redacted["server_name"] = ""
        if "exception" not in redacted:
            redacted["threads"] = {"values": []}
        client.capture_event(cast(SentryEvent, redacted), hint, scope=None)


class _Interval:
    """Lets one event per key through in each interval, and counts those it held back."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._last: dict[str, tuple[float, int]] = {}

    def admit(self, key: str) -> int | None:
        """Return how many were held back since the last one let through, or None to hold this one back."""
        now = self._clock()
        with self._lock:
            since, suppressed = self._last.get(key, (float("-inf"), 0))
            if now - since < self._seconds:
                self._last[key] = (since, suppressed + 1)
                return None
            self._last[key] = (now, 0)
            return suppressed


def _application_client() -> BaseClient | None:
    client = sentry_sdk.get_client()
    return client if client.is_active() and client.transport is not None else None


def _own_client(dsn: str, environment: str | None, release: str | None) -> BaseClient:
    try:
        return sentry_sdk.Client(
            dsn=dsn,
            environment=environment,
            release=release,
            default_integrations=False,
            auto_enabling_integrations=False,
            include_local_variables=False,
            max_breadcrumbs=0,
            max_request_body_size="never",
            server_name="",
            enable_backpressure_handling=False,
        )
    except BadDsn:
        raise ConfigurationError(
            "the Sentry DSN is malformed: copy it from the project's settings (Client Keys) into SENTRY_DSN, "
            "or unset SENTRY_DSN to run without Sentry"
        ) from None


def _is_own(error: BaseException) -> bool:
    """Whether this package raised `error` itself: a handler may raise the same class with any text."""
    ours = type(error).__module__ == errors.__name__
    return ours and _raised_in(error.__traceback__).startswith("supaqueue.")


def _raised_in(traceback: TracebackType | None) -> str:
    name = ""
    while traceback is not None:
        name = str(traceback.tb_frame.f_globals.get("__name__", ""))
        traceback = traceback.tb_next
    return name


def _chain(exception: BaseException) -> Iterator[BaseException]:
    """Yield `exception`, its causes and contexts, and the members of groups, each once."""
    waiting: list[BaseException | None] = [exception]
    seen: set[int] = set()
    while waiting:
        error = waiting.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        yield error
        waiting += [error.__cause__, error.__context__, *getattr(error, "exceptions", ())]
