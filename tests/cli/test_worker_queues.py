"""Which queues `supaqueue worker` serves, by options and environment."""

from __future__ import annotations

import pytest

from supaqueue.cli.worker_queues import VARIABLE, read_queues
from supaqueue.errors import ConfigurationError
from supaqueue.worker import Registry, Worker


def test_options_with_and_without_weights() -> None:
    assert read_queues(["mail=3", "default"], {VARIABLE: "elsewhere"}) == {"mail": 3.0, "default": 1.0}


def test_the_environment_where_no_option_is_given() -> None:
    assert read_queues(None, {VARIABLE: "mail=3, default"}) == {"mail": 3.0, "default": 1.0}


@pytest.mark.parametrize("environment", [{}, {VARIABLE: ""}])
def test_default_where_nothing_is_said(environment: dict[str, str]) -> None:
    assert read_queues(None, environment) == {"default": 1.0}


def test_a_weight_that_is_no_number_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="--queue: the weight in 'mail=much' is no number"):
        read_queues(["mail=much"], {})


@pytest.mark.parametrize("weight", [0, -1, 1001, float("nan")])
def test_a_worker_refuses_a_weight_out_of_range(weight: float) -> None:
    registry = Registry()
    registry.task("work")(lambda: None)
    with pytest.raises(ConfigurationError, match=r"weights between 0\.001 and 1,000"):
        Worker(registry, queues={"mail": weight})
