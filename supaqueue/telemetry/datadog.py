"""Events as DogStatsD metrics, over UDP or a unix socket, from a client of our own.

Counts and gauges are added up in the process and leave from a background thread, so an event costs no system
call, and no agent, a slow one or a name that does not resolve delays nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Literal
from urllib.parse import urlsplit

from datadog.dogstatsd.base import DogStatsd

from supaqueue.errors import ConfigurationError
from supaqueue.telemetry import events
from supaqueue.telemetry.events import Event
from supaqueue.telemetry.redaction import redact

METRICS: MappingProxyType[str, Literal["count", "histogram", "gauge"]] = MappingProxyType(
    {
        "supaqueue.job_enqueued": "count",
        "supaqueue.job_started": "count",
        "supaqueue.job_retried": "count",
        "supaqueue.job_succeeded": "count",
        "supaqueue.job_failed": "count",
        "supaqueue.queue_unavailable": "count",
        "supaqueue.enqueue_unavailable": "count",
        "supaqueue.lease_lost": "count",
        "supaqueue.worker_stalled": "count",
        "supaqueue.mirror_failed": "count",
        "supaqueue.read_fallback": "count",
        "supaqueue.parity_mismatch": "count",
        "supaqueue.rollout_changed": "count",
        "supaqueue.look_failed": "count",
        "supaqueue.job.wait_seconds": "histogram",
        "supaqueue.job.run_seconds": "histogram",
        "supaqueue.tasks_pending": "gauge",
        "supaqueue.tasks_processing": "gauge",
        "supaqueue.tasks_failed": "gauge",
    }
)
"""Every metric this hook sends, and its type."""

_DEFAULT_PORT = 8125
_PACKETS_HELD = 1000


class DatadogHook:
    """Sends counters, histograms, gauges and events of a rollout and its watch to the agent at `url`.

    Never raises for want of one, never waits.

    `url` is `udp://host:port`, `unix:///path`, `unixgram:///path` or `unixstream:///path`; `tags` go with
    every metric. A tag for the worker is off by default: each of its values is a time series of its own.

    Raises:
        ConfigurationError: `url` is none of these.
    """

    def __init__(self, url: str, *, tags: Sequence[str] = (), worker_tag: bool = False) -> None:
        host, port, socket_path = _address(url)
        self._worker_tag = worker_tag
        self._statsd = DogStatsd(
            host=host,
            port=port,
            socket_path=socket_path,
            constant_tags=list(tags),
            disable_aggregation=False,
            disable_buffering=False,
            disable_background_sender=False,
            sender_queue_size=_PACKETS_HELD,
        )

    def __call__(self, event: Event) -> None:
        """Count `event` and record its durations."""
        match event:
            case events.QueueDepth():
                self._depth(event)
            case events.QueueUnavailable():
                self._unavailable(event)
            case events.MirrorFailed():
                self._statsd.increment("supaqueue.mirror_failed", event.jobs, [f"system:{event.system}"])
            case events.ParityMismatch():
                tags = [*self._tags(event), f"difference:{event.difference}"]
                self._statsd.increment("supaqueue.parity_mismatch", event.jobs, tags)
            case events.RolloutChanged():
                self._rollout(event)
            case events.LooksFailing() | events.LooksRecovered():
                self._looks(event)
            case _:
                self._count(event)

    def close(self, timeout: float) -> None:
        """Send what is added up, within about `timeout` seconds."""
        self._statsd.stop(timeout)

    def _count(self, event: Event) -> None:
        tags = self._tags(event)
        match event:
            case events.JobStarted(waited_seconds=waited) if waited is not None:
                self._statsd.histogram("supaqueue.job.wait_seconds", waited, tags)
            case events.JobRetried() | events.JobSucceeded() | events.JobFailed():
                outcome = f"outcome:{event.name.removeprefix('job_')}"
                self._statsd.histogram("supaqueue.job.run_seconds", event.ran_seconds, [*tags, outcome])
            case events.JobEnqueued():
                tags.append(f"answer:{event.answer}")
            case events.LeaseLost():
                tags.append(f"where:{event.where}")
            case events.ReadFallback():
                tags += [f"asked_first:{event.asked_first}", f"operation:{event.operation}"]
        self._statsd.increment(f"supaqueue.{event.name}", 1, tags)

    def _unavailable(self, event: events.QueueUnavailable) -> None:
        tags = [f"call:{event.call}", f"committed:{event.committed}"]
        self._statsd.increment("supaqueue.queue_unavailable", 1, tags)
        if event.jobs_not_enqueued:
            self._statsd.increment("supaqueue.enqueue_unavailable", event.jobs_not_enqueued, tags)

    def _rollout(self, event: events.RolloutChanged) -> None:
        tags = [f"flag_name:{event.flag_name}", f"kind:{event.kind}"]
        self._statsd.increment("supaqueue.rollout_changed", 1, tags)
        is_alarm = event.kind in ("rolled_back", "halted")
        self._statsd.event(
            f"{event.flag_name}: {event.kind.replace('_', ' ')}",
            f"{event.percent_before:g} to {event.percent:g} percent, by {redact(event.changed_by)}:"
            f" {redact(event.reason or 'no reason given')}",
            alert_type="error" if is_alarm else "info",
            tags=tags,
        )

    def _looks(self, event: events.LooksFailing | events.LooksRecovered) -> None:
        if isinstance(event, events.LooksFailing):
            text = f"{event.error_type}, for {event.seconds:.0f} s: unless another watch looks, none does"
            self._statsd.event("rollout watch: looks fail", text, alert_type="error")
        else:
            text = f"after {event.seconds:.0f} s"
            self._statsd.event("rollout watch: looks go well again", text, alert_type="success")

    def _depth(self, event: events.QueueDepth) -> None:
        tags = [f"queue:{event.queue}"]
        self._statsd.gauge("supaqueue.tasks_pending", event.pending, tags)
        self._statsd.gauge("supaqueue.tasks_processing", event.processing, tags)
        self._statsd.gauge("supaqueue.tasks_failed", event.failed, tags)

    def _tags(self, event: Event) -> list[str]:
        tags = [f"{name}:{value}" for name in ("queue", "task_type") if (value := getattr(event, name, None))]
        if self._worker_tag and (worker := getattr(event, "worker_id", None)):
            tags.append(f"worker:{worker}")
        return tags


def _address(url: str) -> tuple[str | None, int | None, str | None]:
    """Return host, port and socket path; either the first two are set or the last one."""
    try:
        parts = urlsplit(url)
        if parts.scheme in ("unix", "unixgram", "unixstream") and parts.path and not parts.netloc:
            return None, None, url
        if parts.scheme == "udp" and parts.hostname:
            return parts.hostname, parts.port or _DEFAULT_PORT, None
    except ValueError:
        pass
    raise ConfigurationError(
        "the DogStatsD address is malformed: give udp://host:port or unix:///path/to/socket "
        "in DD_DOGSTATSD_URL, or a host in DD_AGENT_HOST and a number in DD_DOGSTATSD_PORT"
    )
