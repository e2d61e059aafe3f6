"""What the demo breaks on purpose: in Supabase's workers alone, from when it is begun until it is ended."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from supaqueue.cli.demo.cutover import handlers
from supaqueue.cli.demo.cutover.injection import (
    ERROR_SHARE,
    INJECT,
    LATENCY_SECONDS,
    RATIO,
    InjectedError,
    Injection,
    checked_kind,
)
from supaqueue.cli.demo.cutover.witness import SYSTEM, Witness, read_witness
from supaqueue.cli.demo.handlers import File
from supaqueue.errors import ConfigurationError
from supaqueue.job_id import new_job_id
from supaqueue.worker import Context

SUPABASE = {SYSTEM: "supabase"}
LEGACY = {SYSTEM: "legacy"}
JOBS = 4000


def context_of(job_id: str, attempt: int = 1) -> Context:
    """A run of a job."""
    return Context(
        job_id=job_id, task_number=0, task_type="t", queue="q", attempt=attempt, max_attempts=5, worker_id="w"
    )


def never(seconds: float) -> None:
    raise AssertionError("it waits")


def failing(
    injection: Injection, system: Mapping[str, str], job_ids: list[str], attempt: int = 1
) -> set[str]:
    """Which jobs fail."""
    failed = set()
    for job_id in job_ids:
        try:
            injection.apply(context_of(job_id, attempt), system, never)
        except InjectedError:
            failed.add(job_id)
    return failed


def test_errors_are_three_times_as_many_in_supabase_once_it_is_on(tmp_path: Path) -> None:
    injection, jobs = Injection(tmp_path, "errors"), [new_job_id() for _ in range(JOBS)]
    before = failing(injection, SUPABASE, jobs)
    assert before == failing(injection, LEGACY, jobs)
    injection.begin()
    during = failing(injection, SUPABASE, jobs)
    assert failing(injection, LEGACY, jobs) == before < during
    # Six standard deviations.
    assert len(before) / JOBS == pytest.approx(ERROR_SHARE, abs=6 * (0.09 / JOBS) ** 0.5)
    assert len(during) / JOBS == pytest.approx(ERROR_SHARE * RATIO, abs=6 * (0.21 / JOBS) ** 0.5)
    assert failing(injection, SUPABASE, jobs, attempt=2) == set()
    injection.end()
    assert failing(injection, SUPABASE, jobs) == before


def test_latency_is_waited_for_in_supabase_alone(tmp_path: Path) -> None:
    injection, waited = Injection(tmp_path, "latency"), list[float]()
    context = context_of(new_job_id())
    injection.apply(context, SUPABASE, never)
    injection.begin()
    injection.apply(context, LEGACY, never)
    injection.apply(context, SUPABASE, waited.append)
    assert sum(waited) == pytest.approx(LATENCY_SECONDS)
    context.cancel()
    with pytest.raises(asyncio.CancelledError):
        injection.apply(context, SUPABASE, never)


def test_a_backlog_grows_until_it_is_ended(tmp_path: Path) -> None:
    injection, waits = Injection(tmp_path, "backlog"), list[float]()
    context = context_of(new_job_id())
    injection.apply(context, SUPABASE, never)
    injection.begin()
    injection.apply(context, LEGACY, never)

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 50:
            injection.end()

    injection.apply(context, SUPABASE, wait)
    assert len(waits) == 50
    injection.begin()
    context.cancel()
    with pytest.raises(asyncio.CancelledError):
        injection.apply(context, SUPABASE, never)


def test_by_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The handler that both systems run; a run that fails is seen to begin, and not to end."""
    path = tmp_path / "a.txt"
    path.write_text("one line\n")
    jobs = [new_job_id() for _ in range(40)]
    injection = Injection(tmp_path, "errors")
    for name, value in Witness(tmp_path, "supabase", "w").environment().items():
        monkeypatch.setenv(name, value)
    assert ends(jobs, path, tmp_path) == set(jobs)
    assert Injection.from_environment() is None
    monkeypatch.setenv(INJECT, injection.environment()[INJECT])
    assert Injection.from_environment() == injection
    injection.begin()
    (tmp_path / "witness.jsonl").unlink()
    assert ends(jobs, path, tmp_path) == set(jobs) - failing(injection, SUPABASE, jobs) < set(jobs)


def ends(jobs: list[str], path: Path, folder: Path) -> set[str]:
    """Run the demo's handler for each job; return those that it was seen to end."""
    handler: Any = handlers.measure_file
    for job_id in jobs:
        try:
            handler(File(path=path), context_of(job_id))
        except InjectedError:
            continue
    return {seen.job_id for seen in read_witness(folder) if seen.event == "end"}


def test_a_kind_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="errors, latency, backlog"):
        checked_kind("gremlins")
