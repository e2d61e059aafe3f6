"""A job of ten thousand tasks: no call takes long. benchmarks/graphs/run.py says how long each kind takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.sql.calls import Calls, Worker, endings
from tests.sql.graphs import enqueue_graph, fan


@pytest.mark.slow
def test_ten_thousand_fanned_out_and_in(calls: Calls, worker: Worker, queue_name: str) -> None:
    took: dict[str, float] = {}

    @contextmanager
    def timed(kind: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        took[kind] = max(took.get(kind, 0.0), time.perf_counter() - began)

    with timed("enqueue"):
        job_id = enqueue_graph(calls, queue_name, fan(10_000))
    ran = 0
    while ran < 10_002:
        with timed("claim"):
            tasks = worker.claim(1000)
        for first in range(0, len(tasks), 500):
            with timed(f"finish, {len(tasks[first : first + 500])} tasks"):
                worker.finish(endings(tasks[first : first + 500], "done"))
        ran += len(tasks)
    print({kind: f"{seconds:.3f} s" for kind, seconds in took.items()})
    assert calls.status(job_id) == "completed"
