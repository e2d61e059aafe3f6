"""Who is told of an event: any number of hooks, none of which can disturb the work."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from typing import Protocol, runtime_checkable

from supaqueue.telemetry.events import Event
from supaqueue.telemetry.logs import LogHook

_log = logging.getLogger(__name__)
_YES = frozenset({"1", "true", "yes", "on"})


class Hook(Protocol):
    """Anything that can be called with an event. Called on the worker's hot path: be quick, do not wait."""

    def __call__(self, event: Event, /) -> None:
        """Take note of `event`."""


@runtime_checkable
class ClosingHook(Protocol):
    """A hook that has something to send before the process ends."""

    def close(self, timeout: float) -> None:
        """Send what is held back, within `timeout` seconds."""


class Telemetry:
    """Tells every hook of every event; a hook that raises is logged once and disturbs nobody."""

    def __init__(self, hooks: Iterable[Hook] = ()) -> None:
        self._hooks = tuple(hooks)
        self._reported: set[int] = set()
        self._lock = threading.Lock()

    def emit(self, event: Event) -> None:
        """Tell all hooks of `event`. Never raises an `Exception`; may be called from any thread."""
        for hook in self._hooks:
            try:
                hook(event)
            except Exception as error:
                self._report(hook, error)

    def close(self, timeout: float = 2.0) -> None:
        """Let hooks send what they hold back, each within `timeout` seconds."""
        for hook in self._hooks:
            if isinstance(hook, ClosingHook):
                try:
                    hook.close(timeout)
                except Exception as error:
                    self._report(hook, error)

    def _report(self, hook: Hook, error: Exception) -> None:
        with self._lock:
            if id(hook) in self._reported:
                return
            self._reported.add(id(hook))
        # Only the type: the text of a hook's error may quote what the hook was given.
        _log.warning(
            "the telemetry hook %s raised %s; its further errors are not logged",
            getattr(hook, "__qualname__", type(hook).__qualname__),
            type(error).__name__,
        )


def configured_hooks(
    environ: Mapping[str, str],
    *,
    sentry_dsn: str | None = None,
    dogstatsd_url: str | None = None,
) -> list[Hook]:
    """Return the hooks that `environ` and the arguments ask for: logs always, vendors only if configured.

    `sentry_dsn` asks for a Sentry client of our own; `SENTRY_DSN` uses the application's if it has one.
    `dogstatsd_url` is `udp://host:port` or `unix:///path`; it wins over `DD_DOGSTATSD_URL`, and that over
    `DD_AGENT_HOST` with `DD_DOGSTATSD_PORT`.

    Raises:
        ConfigurationError: a DSN or an address is malformed.
    """
    hooks: list[Hook] = [LogHook()]
    if sentry_dsn or environ.get("SENTRY_DSN"):
        hooks.append(_sentry_hook(environ, sentry_dsn))
    if url := dogstatsd_url or _dogstatsd_url(environ):
        hooks.append(_datadog_hook(environ, url))
    return hooks


def _sentry_hook(environ: Mapping[str, str], dsn: str | None) -> Hook:
    from supaqueue.telemetry.sentry import SentryHook  # a vendor is imported only when asked for

    return SentryHook(
        dsn,
        default_dsn=environ.get("SENTRY_DSN"),
        environment=environ.get("SENTRY_ENVIRONMENT"),
        release=environ.get("SENTRY_RELEASE"),
        messages=_switched_on(environ, "SUPAQUEUE_SENTRY_MESSAGES"),
        retries=_switched_on(environ, "SUPAQUEUE_SENTRY_RETRIES"),
    )


def _datadog_hook(environ: Mapping[str, str], url: str) -> Hook:
    from supaqueue.telemetry.datadog import DatadogHook  # a vendor is imported only when asked for

    return DatadogHook(url, worker_tag=_switched_on(environ, "SUPAQUEUE_DATADOG_WORKER_TAG"))


def _dogstatsd_url(environ: Mapping[str, str]) -> str | None:
    if url := environ.get("DD_DOGSTATSD_URL"):
        return url
    host = environ.get("DD_AGENT_HOST")
    if not host:
        return None
    host = f"[{host}]" if ":" in host else host
    return f"udp://{host}:{environ.get('DD_DOGSTATSD_PORT') or 8125}"


def _switched_on(environ: Mapping[str, str], name: str) -> bool:
    return environ.get(name, "").strip().lower() in _YES
