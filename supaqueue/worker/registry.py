"""Which function runs which task type, and what payload it takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError

from supaqueue.backoff import Backoff
from supaqueue.contract import PROBE_TYPE, Json, NewSchedule, TaskTypeOptions, task_type_options
from supaqueue.contract.json_value import encode
from supaqueue.errors import ConfigurationError, PayloadMismatch
from supaqueue.schedule import Missed
from supaqueue.worker.context import Context

HandlerFunction = Callable[..., Any]
F = TypeVar("F", bound=HandlerFunction)


@dataclass(frozen=True, slots=True)
class Handler:
    """One registered function: how to parse a payload for it and how to call it."""

    task_type: str
    function: HandlerFunction
    is_async: bool
    takes_payload: bool
    takes_context: bool
    payload: TypeAdapter[Any]

    def parse(self, payload: Json, *, field: str = "payload") -> Any:
        """The payload as the handler's annotation wants it.

        Only the kind of each error is told: pydantic's sentences, and those of a model's own validators, may
        quote the payload.

        Raises:
            PayloadMismatch: naming the paths that do not fit, never their values.
        """
        try:
            # Not as a Python value: a strict model takes a date or a UUID as text only if it comes from JSON.
            return self.payload.validate_json(encode(payload))
        except ValidationError as mismatch:
            found = "; ".join(_places(mismatch, field)[:5])
            raise PayloadMismatch(
                f"does not fit what {self.task_type} takes ({found})", field=field
            ) from None

    def arguments(self, payload: Any, context: Context) -> tuple[Any, ...]:
        """What the function is called with: the parsed payload, then the context if it asks for one."""
        given = (self.parse(payload),) if self.takes_payload else ()
        return (*given, context) if self.takes_context else given


class Registry:
    """The task types that a worker serves.

    >>> registry = Registry()
    >>> @registry.task("greet")
    ... async def greet(name: str, context: Context) -> str:
    ...     return f"Hello {name}, attempt {context.attempt}"
    """

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}
        self._options: dict[str, TaskTypeOptions] = {}
        self._schedules: dict[str, NewSchedule] = {}

    def task(
        self,
        task_type: str | None = None,
        *,
        max_attempts: int | None = None,
        backoff: Backoff | float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        deadline: float | timedelta | None = None,
    ) -> Callable[[F], F]:
        """Registers a function, async or not, for a task type (by default the function's name).

        The function takes the payload, checked against its annotation, then, if it has a second parameter (or
        one annotated `Context`), the `Context`. It returns a result that JSON can hold, or an `Outcome`.

        The options are what jobs of this type get unless they say otherwise; see `NewJob`. A worker declares
        them when it starts, and they hold for what is enqueued from then on.

        Raises:
            ConfigurationError: if the type is registered already, or the parameters do not fit.
            InvalidInput: if an option is out of range.
        """
        declared = task_type_options(max_attempts, backoff, timeout, deadline)

        def register(function: F) -> F:
            handler = handler_from(task_type or str(getattr(function, "__name__", "")), function)
            if handler.task_type == PROBE_TYPE:
                raise ConfigurationError(f"task type {PROBE_TYPE!r} is reserved: name yours otherwise")
            if handler.task_type in self._handlers:
                raise ConfigurationError(f"task type {handler.task_type!r} is registered twice")
            self._handlers[handler.task_type] = handler
            if declared is not None:
                self._options[handler.task_type] = replace(declared, task_type=handler.task_type)
            return function

        return register

    def schedule(
        self,
        schedule_name: str,
        cron: str,
        *,
        task_type: str,
        payload: object = None,
        queue: str = "default",
        time_zone: str = "UTC",
        missed: Missed = "last",
        missed_limit: int = 100,
        **options: Any,
    ) -> None:
        """Declares a recurring job; `NewSchedule` says what the options mean. `supaqueue worker` sees to it.

        Raises:
            ConfigurationError: if the name is declared already.
            InvalidInput: naming what is malformed, for example `cron`.
            PayloadMismatch: if the payload does not fit a handler registered before.
        """
        schedule = NewSchedule(
            schedule_name,
            cron,
            task_type=task_type,
            payload=payload,
            queue=queue,
            time_zone=time_zone,
            missed=missed,
            missed_limit=missed_limit,
            **options,
        )
        if schedule_name in self._schedules:
            raise ConfigurationError(f"schedule {schedule_name!r} is declared twice")
        self.check(task_type, schedule.job.get("payload"))
        self._schedules[schedule_name] = schedule

    @property
    def schedules(self) -> Mapping[str, NewSchedule]:
        """Recurring jobs by name, read only."""
        return MappingProxyType(self._schedules)

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """Handlers by task type, read only."""
        return MappingProxyType(self._handlers)

    @property
    def options(self) -> tuple[TaskTypeOptions, ...]:
        """What the handlers declare for jobs of their types; types without options are left out."""
        return tuple(self._options.values())

    def include(self, other: Registry) -> None:
        """Adds another registry's task types and schedules to this one.

        Raises:
            ConfigurationError: if both have the same type, or a schedule of the same name.
        """
        twice = sorted(self._handlers.keys() & other._handlers.keys())
        if twice:
            raise ConfigurationError(f"task types registered twice: {', '.join(twice)}")
        twice = sorted(self._schedules.keys() & other._schedules.keys())
        if twice:
            raise ConfigurationError(f"schedules declared twice: {', '.join(twice)}")
        self._handlers.update(other._handlers)
        self._options.update(other._options)
        self._schedules.update(other._schedules)

    def check(self, task_type: str, payload: Json, *, field: str = "payload") -> None:
        """Checks a payload against its handler's annotation; types that are not registered here pass.

        Raises:
            PayloadMismatch: if it does not fit.
        """
        handler = self._handlers.get(task_type)
        if handler is not None and handler.takes_payload:
            handler.parse(payload, field=field)


def _places(mismatch: ValidationError, field: str) -> list[str]:
    errors = mismatch.errors(include_input=False, include_url=False, include_context=False)
    return [f"{'.'.join((field, *map(str, error['loc'])))}: {error['type']}" for error in errors]


def handler_from(task_type: str, function: HandlerFunction) -> Handler:
    """Return a function as the handler of a task type.

    Raises:
        ConfigurationError: if the name or the function's parameters do not fit.
    """
    if not 1 <= len(task_type) <= 200:
        raise ConfigurationError("a task type has 1 to 200 characters")
    hints = get_type_hints(function, include_extras=True) if inspect.isroutine(function) else {}
    names = _positional(task_type, function)
    contexts = [name for name in names if hints.get(name) is Context]
    payloads = [name for name in names if name not in contexts][:1]
    takes_context = bool(contexts) or len(names) == 2
    if len(names) > 2 or (contexts and names[-1] != contexts[0]):
        raise ConfigurationError(
            f"the handler of {task_type!r} takes (payload), (payload, context) or (context)"
        )
    return Handler(
        task_type=task_type,
        function=function,
        is_async=inspect.iscoroutinefunction(function)
        or inspect.iscoroutinefunction(getattr(function, "__call__", None)),  # noqa: B004
        takes_payload=bool(payloads),
        takes_context=takes_context,
        payload=TypeAdapter(hints.get(payloads[0], Any) if payloads else Any),
    )


def _positional(task_type: str, function: HandlerFunction) -> list[str]:
    names: list[str] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            if parameter.default is parameter.empty or len(names) < 2:
                names.append(name)
        elif parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty:
            raise ConfigurationError(f"the handler of {task_type!r} has a keyword-only parameter {name!r}")
    return names
