"""What a user may import, and that the tree of errors is the one that its docstring draws."""

from __future__ import annotations

import inspect
import re

import pytest

import supaqueue
from supaqueue import errors
from supaqueue.contract import JobOptions, NewJob
from supaqueue.errors import SupaqueueError


def test_what_is_exported_is_there() -> None:
    wanted = {"Queue", "AsyncQueue", "NewJob", "Job", "EnqueueAnswer", "errors", "__version__"}
    outcomes = {"Done", "Retry", "Snooze", "Cancel", "Fail"}
    assert (wanted | outcomes) <= set(supaqueue.__all__)
    assert all(hasattr(supaqueue, name) for name in supaqueue.__all__)


def test_enqueue_and_a_new_job_take_the_same_options() -> None:
    def options(function: object) -> dict[str, object]:
        parameters = inspect.signature(function).parameters  # type: ignore[arg-type]
        return {name: (p.kind, p.default) for name, p in parameters.items() if name != "self"}

    assert options(supaqueue.Queue.enqueue) == options(NewJob.__init__)


def test_a_job_that_a_queue_makes_takes_the_options_of_a_new_job_but_its_id() -> None:
    parameters = inspect.signature(NewJob.__init__).parameters.values()
    named = {one.name: one.annotation for one in parameters if one.kind is one.KEYWORD_ONLY}
    options = {name: of.__forward_arg__ for name, of in JobOptions.__annotations__.items()}
    assert options == {name: of for name, of in named.items() if name not in ("job_id", "idempotency_key")}


@pytest.mark.parametrize("name", [name for name in dir(errors) if inspect.isclass(getattr(errors, name))])
def test_errors_are_one_tree_and_drawn(name: str) -> None:
    kind = getattr(errors, name)
    if kind.__module__ != errors.__name__:
        return
    assert issubclass(kind, SupaqueueError)
    assert kind.__doc__
    assert re.search(rf"\b{name}\b", errors.__doc__ or "")
