"""The example's API over one queue: 201 only if the job is stored, else 503 and no run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from supaqueue import Queue, Settings, new_job_id, settle_unknown
from supaqueue.contract import AbandonJobs, EnqueueJobs
from supaqueue.devstack import Stack
from tests.acceptance.api_process import EXAMPLE, RUNS, Api, is_unavailable
from tests.faults.proxy import Fault, FaultProxy
from tests.sql.calls import Worker
from tests.worker.waiting import until

ENQUEUE, ABANDON = EnqueueJobs.function, AbandonJobs.function
SETTLER = ("worker", "jobs:registry", "--queue", "no-jobs-here", "--no-scheduler", "--settle")


@pytest.fixture
def proxy(stack18: Stack) -> Iterator[FaultProxy]:
    with FaultProxy(stack18.url) as proxy:
        yield proxy


@pytest.fixture
def api(stack18: Stack, proxy: FaultProxy, tmp_path: Path) -> Iterator[Api]:
    """The API, behind a proxy."""
    with Api(tmp_path, stack18.env() | {"SUPABASE_URL": proxy.url}) as api:
        yield api


@pytest.fixture
def worker(stack18: Stack) -> Iterator[Worker]:
    """Who sees what a worker would be given; the jobs of other tests are taken away first."""
    with psycopg.connect(stack18.superuser_url, autocommit=True) as database:
        # Not claimed: a lease that a slow machine lets expire would bring them back.
        database.execute("delete from jobs where task_type = 'run_workflow'")
        yield Worker(database, queues=["default"], task_types=["run_workflow"])


def claimed(worker: Worker) -> list[Any]:
    return [task["job_id"] for task in worker.claim(99)]


def test_a_run_is_created_and_run(api: Api, worker: Worker, stack18: Stack) -> None:
    answer = api.post()
    assert answer.status_code == 201
    run_id = answer.json()["run_id"]
    assert api.runs() == {run_id: "queued"}
    assert answer.json() == {"run_id": run_id, "org": "acme", "workflow": "nightly", "status": "queued"}
    command = [sys.executable, "-m", "supaqueue", "worker", "jobs:registry", "--log-level", "error"]
    process = subprocess.Popen(command, cwd=EXAMPLE, env=os.environ | stack18.env())
    try:
        shown = until(lambda: _completed(api, run_id), "the run to be completed", seconds=60)
    finally:
        process.terminate()
        process.wait(30)
    assert shown["result"] == "nightly of acme with 1 inputs"


def test_supabase_is_down(stack18: Stack, proxy: FaultProxy, tmp_path: Path) -> None:
    with FaultProxy(proxy.url) as ended:
        env = stack18.env() | {"SUPABASE_URL": ended.url}
    with Api(tmp_path, env) as api:
        assert is_unavailable(api.post())
        assert api.runs() == {}


@pytest.mark.parametrize("fault", [Fault.DROP_ANSWER, Fault.ANSWER_500, Fault.ANSWER_401])
def test_no_usable_answer(fault: Fault, api: Api, worker: Worker, proxy: FaultProxy) -> None:
    proxy.expect_always(ENQUEUE, fault)
    assert is_unavailable(api.post())
    assert api.runs() == {}
    assert claimed(worker) == []
    proxy.expect(ENQUEUE)
    assert api.post().status_code == 201
    assert len(claimed(worker)) == 1


@pytest.mark.slow
def test_nothing_is_known_until_it_is_settled(api: Api, worker: Worker, proxy: FaultProxy) -> None:
    proxy.expect_always(ENQUEUE, Fault.DROP_ANSWER)
    proxy.expect_always(ABANDON, Fault.DROP_REQUEST)
    assert is_unavailable(api.post())
    ((run_id, status),) = api.runs().items()
    assert status == "enqueue_unknown"
    with api.settling(*SETTLER) as settling:
        settling.until(lambda: "records were not settled" in settling.text(), "a turn that failed")
        assert api.runs() == {run_id: "enqueue_unknown"}
        proxy.expect(ABANDON)
        settling.until(lambda: api.runs() == {}, "the run to be settled")
    assert claimed(worker) == []


def test_what_has_started_is_kept(api: Api, worker: Worker, proxy: FaultProxy) -> None:
    proxy.expect_always(ENQUEUE, Fault.DROP_ANSWER)
    proxy.expect_always(ABANDON, Fault.DROP_REQUEST)
    assert is_unavailable(api.post())
    (run_id,) = claimed(worker)
    proxy.expect(ABANDON)
    api.settle(*SETTLER)
    assert api.runs() == {run_id: "queued"}


def test_the_api_is_killed_while_it_enqueues(api: Api, worker: Worker, proxy: FaultProxy) -> None:
    proxy.expect(ENQUEUE, Fault.HOLD_REQUEST)
    with ThreadPoolExecutor(1) as thread:
        asking = thread.submit(api.post)
        until(lambda: proxy.faults_done, "the enqueue to be under way")
        api.process.kill()
        assert isinstance(asking.exception(60), httpx.TransportError)
    assert {answer.json()[0]["answer"] for answer in proxy.deliver_held()} == {"created"}
    assert list(api.runs().values()) == ["enqueue_unknown"]
    api.settle(*SETTLER)
    assert (api.runs(), claimed(worker)) == ({}, [])


def test_a_run_that_was_settled_meanwhile_is_not_confirmed(
    api: Api, worker: Worker, proxy: FaultProxy, stack18: Stack
) -> None:
    proxy.expect(ENQUEUE, Fault.HOLD_REQUEST)
    with ThreadPoolExecutor(1) as thread, Queue(Settings.load(stack18.env(), dotenv=None)) as queue:
        asking = thread.submit(api.post)
        until(lambda: proxy.faults_done, "the enqueue to be under way")
        settle_unknown(queue, api.runs(), undo=api.remove, keep=lambda ids: pytest.fail(f"kept {ids}"))
        assert is_unavailable(asking.result(60))
    assert (api.runs(), claimed(worker)) == ({}, [])


def test_a_run_that_was_settled_after_its_job_was_stored_is_not_confirmed(
    api: Api, worker: Worker, proxy: FaultProxy, stack18: Stack
) -> None:
    proxy.expect(ENQUEUE, Fault.HOLD_REQUEST)
    with ThreadPoolExecutor(1) as thread, Queue(Settings.load(stack18.env(), dotenv=None)) as queue:
        asking = thread.submit(api.post)
        until(lambda: proxy.faults_done, "the enqueue to be under way")
        (run_id,) = api.runs()
        with api.removing(run_id):  # so that the API cannot confirm it before it has gone
            until(lambda: queue.get(run_id), "the second try to store the job")
            assert [answer.answer for answer in queue.abandon([run_id])] == ["cancelled"]
        assert is_unavailable(asking.result(60))
    assert (api.runs(), claimed(worker)) == ({}, [])


def test_a_run_that_is_not_there(api: Api) -> None:
    answer = api.client.get(f"{RUNS}/{new_job_id()}")
    assert (answer.status_code, answer.json()) == (404, {"code": "RUN_NOT_FOUND"})


def _completed(api: Api, run_id: str) -> dict[str, object] | None:
    shown = api.show(run_id)
    return shown if shown["status"] == "completed" else None
