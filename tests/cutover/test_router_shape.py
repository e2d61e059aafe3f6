"""The router has exactly the client's interface, in both colours."""

from __future__ import annotations

import pytest

from supaqueue.client import AsyncQueue, Queue
from supaqueue.cutover.async_router import AsyncDualWriteQueue
from supaqueue.cutover.router import DualWriteQueue
from tests.api.test_twins import public, shape
from tests.api.test_twins import test_same_methods_with_the_same_signatures as same_methods

PAIRS = [(Queue, DualWriteQueue), (AsyncQueue, AsyncDualWriteQueue)]


@pytest.mark.parametrize(("client", "router"), PAIRS, ids=lambda kind: kind.__name__)
def test_an_application_swaps_one_line(client: type, router: type) -> None:
    of_client, of_router = public(client), public(router)
    assert of_client.keys() == of_router.keys()
    for name in of_client.keys() - {"__init__"}:
        assert shape(of_client[name]) == shape(of_router[name]), name
        assert of_client[name].__doc__ == of_router[name].__doc__, name


def test_both_colours_are_one_shape() -> None:
    same_methods(DualWriteQueue, AsyncDualWriteQueue)
