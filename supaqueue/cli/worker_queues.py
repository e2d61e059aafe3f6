"""Which queues a worker serves, and how they share it: `mail=3`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from supaqueue.errors import ConfigurationError

VARIABLE = "SUPAQUEUE_WORKER_QUEUES"


def read_queues(given: Iterable[str] | None, environment: Mapping[str, str]) -> dict[str, float]:
    """Return queues and weights, from the options or else from the environment; by default `default` alone.

    Raises:
        ConfigurationError: a name or a weight is missing or malformed.
    """
    if given:
        return dict(_read(entry, "--queue") for entry in given)
    entries = [entry.strip() for entry in environment.get(VARIABLE, "").split(",")]
    return dict(_read(entry, VARIABLE) for entry in entries if entry) or {"default": 1.0}


def _read(entry: str, source: str) -> tuple[str, float]:
    name, equals, weight = entry.rpartition("=")
    if not equals:
        return entry, 1.0
    try:
        return name.strip(), float(weight)
    except ValueError:
        raise ConfigurationError(
            f"{source}: the weight in {entry!r} is no number; write a queue's weight like mail=3"
        ) from None
