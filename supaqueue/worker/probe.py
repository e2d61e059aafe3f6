"""The handler of probes, which every worker has: a queue that brings them to their end is alive."""

from __future__ import annotations

from supaqueue.contract import PROBE_TYPE
from supaqueue.worker.registry import Handler, Registry, handler_from


def _probe() -> None:
    """End well: that it came this far is all that is asked."""


_HANDLER = handler_from(PROBE_TYPE, _probe)


def served_types(registry: Registry) -> tuple[str, ...]:
    """Return the task types that a worker with these handlers serves."""
    return (*registry.handlers, PROBE_TYPE)


def served_handler(registry: Registry, task_type: str) -> Handler | None:
    """Return the handler of a task type that a worker with these handlers serves; None of any other."""
    return _HANDLER if task_type == PROBE_TYPE else registry.handlers.get(task_type)
