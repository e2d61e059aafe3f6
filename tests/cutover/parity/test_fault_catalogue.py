"""Each planted defect is named by the report, with its job and its path, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from supaqueue.cutover.parity.check import Checked, check
from supaqueue.cutover.parity.classes import CLASSES, CLEAN
from supaqueue.cutover.parity.question import Question
from supaqueue.devstack import Stack
from supaqueue.settings import Settings
from tests.cutover.parity.faults import FAULTS, ended_in_legacy, ended_in_supabase
from tests.cutover.world import World, begin_anew

CLEAN_JOBS = 50


@pytest.fixture(scope="module")
def planted(
    stack18: Stack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Checked, dict[str, str]]]:
    """The report on all of them at once, among clean jobs; and the job of each."""
    settings = Settings(url=stack18.url, service_role_key=stack18.service_role_key)
    with psycopg.connect(stack18.superuser_url, autocommit=True) as database:
        begin_anew(database)
        world = World.at(settings, database, tmp_path_factory.mktemp("faults"))
        try:
            world.go_to(100)
            jobs = {}
            for name, fault in FAULTS.items():
                jobs[name] = fault.plant(replace(world, task_type=name)).job_id
            for _ in range(CLEAN_JOBS // 2):
                ended_in_legacy(world)
                ended_in_supabase(world)
            question = Question(
                datetime.now(UTC) - timedelta(hours=2),
                datetime.now(UTC) + timedelta(hours=2),
                settle_seconds=1e-6,
                looks=(0.0, 0.0),
            )
            yield check(world.transport, world.legacy, question), jobs
        finally:
            world.transport.close()
            world.legacy.close()
            begin_anew(database)


def classes_of(checked: Checked, task_type: str | None) -> list[dict[str, Any]]:
    [found] = [one for one in checked.report["types"] if one["task_type"] == task_type]  # type: ignore
    return list(found["classes"])  # type: ignore


@pytest.mark.parametrize("name", FAULTS)
def test_it_is_named_with_its_job_and_its_path(planted: tuple[Checked, dict[str, str]], name: str) -> None:
    checked, jobs = planted
    fault = FAULTS[name]
    [found] = classes_of(checked, name if fault.is_of_a_type else None)
    assert (found["name"], found["count"]) == (fault.name, 1)
    [sample] = found["samples"]
    assert sample["job_id"] == jobs[name]
    assert tuple((one["path"], one["kind"]) for one in sample["differences"]) == fault.paths


def test_nothing_else_is_named(planted: tuple[Checked, dict[str, str]]) -> None:
    checked, _ = planted
    assert [one["name"] for one in classes_of(checked, "count")] == ["match"]
    assert checked.report["jobs"] == len(FAULTS) + CLEAN_JOBS
    different = sum(fault.name not in CLEAN for fault in FAULTS.values())
    assert checked.verdict.different + sum(f.name == "uncomparable" for f in FAULTS.values()) == different
    assert checked.verdict.answer == "differences"


def test_there_are_at_least_forty_over_all_classes() -> None:
    assert len(FAULTS) >= 40
    left = set(CLASSES) - {fault.name for fault in FAULTS.values()}
    assert left == {"expected", "pending", "match"}, "these are no defects"
