"""A task type and its payload as RQ's function with arguments, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rq.job import Job

from supaqueue.contract import Json

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class RqCalls:
    """See `RqBroker` for what the fields mean."""

    handlers: str | None
    functions: Mapping[str, str]
    keyword_types: frozenset[str]

    def path(self, task_type: str) -> str:
        """Return the dotted path of the function that runs it."""
        return self.functions.get(task_type) or self.handlers or task_type

    def arguments(self, task_type: str, payload: Json) -> Arguments:
        """Return what that function is called with."""
        if self.path(task_type) == self.handlers:
            return (task_type, payload), {}
        if task_type in self.keyword_types and isinstance(payload, dict):
            return (), payload
        return (payload,), {}

    def read(self, job: Job) -> tuple[str, Json]:
        """Return the task type and the payload; those of a foreign call as near as can be."""
        args, kwargs = arguments_of(job) or ((), {})
        path = path_of(job)
        if path == self.handlers and len(args) == 2:
            return str(args[0]), _payload_of(args[1:], kwargs)
        types = {path: task_type for task_type, path in self.functions.items()}
        return types.get(path, path), _payload_of(args, kwargs)

    def is_call_of(self, job: Job, task_type: str, payload: Json) -> bool:
        """Say whether publishing this task type and payload makes this very call."""
        found = arguments_of(job)
        is_same = self.path(task_type) == path_of(job) and self.arguments(task_type, payload) == found
        return is_same and job.instance is None


def path_of(job: Job) -> str:
    """Return the dotted path of a job's function; empty if it cannot be read here."""
    return "" if arguments_of(job) is None else str(job.func_name)


def arguments_of(job: Job) -> Arguments | None:
    """Return what a job's function is called with; None if that cannot be read here."""
    try:
        return tuple(job.args), dict(job.kwargs)
    except Exception:  # what a foreign process pickled may not load here
        return None


def _payload_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Json:
    if len(args) == 1 and not kwargs:
        payload: Json = args[0]
        return payload
    return {"args": list(args), "kwargs": kwargs} if args else kwargs
