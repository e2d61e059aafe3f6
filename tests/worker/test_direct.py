"""A worker that calls Postgres directly."""

from __future__ import annotations

from pathlib import Path

from supaqueue.devstack import Stack
from supaqueue.settings import DatabaseSettings
from supaqueue.worker import Registry
from tests.worker.processes import killed_at_the_end, start_worker
from tests.worker.running import OwnQueue
from tests.worker.waiting import until


def test_it_runs_what_was_enqueued_over_the_api(queue: OwnQueue, registry: Registry, stack18: Stack) -> None:
    registry.task("double")(lambda n: 2 * n)
    job_ids = [queue.enqueue("double", n) for n in range(50)]
    with queue.worker(registry, settings=DatabaseSettings(stack18.database_url)) as running:
        results = [queue.ended(job_id).result for job_id in job_ids]
    assert results == [2 * n for n in range(50)]
    assert running.handlers_ended is True


def test_a_process_that_knows_no_api(queue: OwnQueue, stack18: Stack, gate: Path, tmp_path: Path) -> None:
    (gate / "open").touch()
    environ = {"SUPABASE_URL": "", "SUPABASE_DB_URL": stack18.database_url}
    process = start_worker(environ, tmp_path / "log", queue.name, "--direct")
    with killed_at_the_end([process]):
        job_id = queue.enqueue("pass_gate", {"folder": str(gate)})
        assert queue.ended(job_id).status == "completed"
        assert process.terminate() == 0
    until(lambda: process.process.poll() is not None, "the process's end")


def test_a_process_without_a_connection_string(tmp_path: Path) -> None:
    process = start_worker({"SUPABASE_DB_URL": ""}, tmp_path / "log", "q", "--direct")
    with killed_at_the_end([process]):
        assert process.process.wait(60) != 0
    log = (tmp_path / "log").read_text()
    assert "SUPABASE_DB_URL is not set" in log
    assert "Traceback" not in log
