"""What Supabase would not take of legacy's jobs: found, counted, and no pass."""

from __future__ import annotations

import inspect
import json
import sqlite3
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from supaqueue.cli.parity.table import print_report
from supaqueue.contract import NewJob, SetTaskTypes, TaskTypeOptions, WorkerSeen
from supaqueue.cutover.handler_run import completed
from supaqueue.cutover.legacy.entry import Ending, Entry
from supaqueue.cutover.parity.bounds import jobs_needed
from supaqueue.cutover.parity.preflight import (
    LEASE_SECONDS,
    SAMPLED_EVERY,
    SAMPLED_FIRST,
    Preflight,
    problem_of,
)
from supaqueue.cutover.parity.refusal import SAMPLES, Refusal, because_refused
from supaqueue.cutover.parity.report import report_of, written
from supaqueue.cutover.parity.verdict import verdict_of
from supaqueue.worker import Worker
from tests.cutover.parity.test_check import checked, some_jobs
from tests.cutover.parity.test_classify import told
from tests.cutover.parity.test_report import TODAY, WHEN, counted
from tests.cutover.world import World

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ALIVE = WorkerSeen("w", ("default", "slow"), ("bill",), 1, None, None, None, NOW, NOW)


def entry(payload: Any = None, ending: Ending | None = None, **options: Any) -> Entry:
    """A job of legacy's; `options` are the job's, but for those that an entry has."""
    of_entry = {name: options.pop(name) for name in ("owner", "job_id") if name in options}
    job = NewJob(options.pop("task_type", "bill"), payload, **options)
    known: dict[str, Any] = {"job_id": job.job_id, "owner": "legacy"}
    return Entry(job=job, epoch=0, state="published", accepted_at=NOW, ending=ending, **known | of_entry)


def done(**given: Any) -> Ending:
    return Ending("completed", attempts=1, **given)


def found(*entries: Entry, timeouts: dict[str, float | None] | None = None, **options: Any) -> Preflight:
    workers = options.pop("workers", [ALIVE])
    preflight = Preflight(timeouts or {}, workers, **options)
    preflight.look_at(entries)
    return preflight


def rows(*entries: Entry, **options: Any) -> dict[str, Refusal]:
    return {one.reason: one for one in found(*entries, **options).refusals()}


def test_what_is_as_it_should_be_is_not_named() -> None:
    preflight = found(entry({"n": 1}), entry({"n": 1}, done(result=[1], seconds=1.0)), timeouts={"bill": 2.0})
    assert (preflight.refusals(), preflight.would_reject) == ([], 0)


def test_payloads_over_the_limit_of_supabase() -> None:
    small, large, larger = entry("x" * 98), entry("x" * 99), entry("x" * 200)
    preflight = found(small, large, larger, max_json_bytes=100)
    [row] = preflight.refusals()
    assert asdict(row) == {
        "task_type": "bill",
        "reason": "payload_size",
        "jobs": 2,
        "checked": 3,
        "limit": 100,
        "worst": 202,
        "samples": [large.job_id, larger.job_id],
    }
    assert preflight.would_reject == 2


def with_payload(payload: Any) -> Entry:
    """A job that an older or another build wrote: nobody checked what it holds."""
    made = entry()
    assert made.job is not None
    object.__setattr__(made.job, "payload", payload)
    return made


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"text": "a\0b"}, "payload.text: contains the character U+0000"),
        ({"a\0": 1}, "payload: its key number 1 contains the character U+0000"),
        (["\ud800"], "payload[0]: contains half of a surrogate pair"),
        ({"n": float("nan")}, "payload.n: is NaN or infinite"),
        ({"n": float("-inf")}, "payload.n: is NaN or infinite"),
        ({"n": 10**4300}, "payload.n: has more than 4,300 digits"),
        (json.loads("[" * 101 + "]" * 101), "nested more than 100 deep"),
    ],
)
def test_content_that_postgres_cannot_hold(value: Any, problem: str) -> None:
    row = rows(entry(), with_payload(value))["payload_content"]
    assert (row.jobs, row.checked, row.limit) == (1, 2, None)
    assert problem in str(row.worst)
    in_result = rows(entry(None, done(result=value)))["result_content"]
    assert problem.removeprefix("payload") in str(in_result.worst)


def test_content_is_looked_at_in_a_sample_and_that_is_told() -> None:
    bad = with_payload("\0")
    jobs = SAMPLED_FIRST + 10 * SAMPLED_EVERY
    row = rows(*[bad] * jobs)["payload_content"]
    assert (row.jobs, row.checked, len(row.samples)) == (SAMPLED_FIRST + 10, SAMPLED_FIRST + 10, SAMPLES)


def test_results_that_legacy_could_not_note() -> None:
    kept, lost = completed({"n": 1}), completed({"at": NOW})
    assert (kept.left_out, lost.result) == (None, None)
    row = rows(entry(None, kept), entry(None, lost), entry())["result_left_out"]
    assert (row.jobs, row.checked) == (1, 2)
    assert row.worst == "result.at: is a datetime, which JSON has not"
    assert "limit is 1,048,576" in str(completed("x" * 1_048_576).left_out)


def test_results_over_the_limit_of_supabase() -> None:
    row = rows(entry(None, done(result="x" * 100)), max_json_bytes=100)["result_content"]
    assert "takes 102 bytes" in str(row.worst)


def test_runs_longer_than_their_timeout() -> None:
    runs = [entry(None, done(seconds=seconds)) for seconds in (1.0, 2.5, 9.0)]
    own = entry(None, done(seconds=9.0), timeout=10)
    unmeasured = entry(None, done())
    preflight = found(*runs, own, unmeasured, timeouts={"bill": 2.0})
    [row] = preflight.refusals()
    assert (row.reason, row.jobs, row.checked) == ("over_timeout", 2, 4)
    assert (row.limit, row.worst, preflight.would_reject) == (2.0, 9.0, 2)
    assert found(*runs).refusals() == [], "without a timeout they may take as long as they like"


def test_a_lease_is_renewed_while_a_handler_runs_so_a_long_one_is_told_and_not_refused() -> None:
    assert inspect.signature(Worker).parameters["lease_seconds"].default == LEASE_SECONDS
    preflight = found(entry(None, done(seconds=31.0)))
    [row] = preflight.refusals()
    assert (row.reason, row.limit, row.worst, preflight.would_reject) == ("over_lease", 30.0, 31.0, 0)
    assert because_refused([row]) == []


def test_types_that_nobody_serves_in_their_queue() -> None:
    preflight = found(
        entry(), entry(queue="slow"), entry(queue="other"), entry(task_type="mail"), entry(task_type="mail")
    )
    assert [(one.task_type, one.reason, one.jobs, one.checked) for one in preflight.refusals()] == [
        ("bill", "unserved", 1, 3),
        ("mail", "unserved", 2, 2),
    ]
    assert preflight.would_reject == 3


def test_without_any_worker_that_is_told_once() -> None:
    preflight = found(entry(), entry(task_type="mail"), workers=[])
    [row] = preflight.refusals()
    assert (row.task_type, row.reason, row.jobs, preflight.would_reject) == (None, "no_workers", 2, 0)
    assert found(workers=[]).refusals() == []


def test_a_job_with_two_problems_is_one_that_would_be_rejected() -> None:
    both = entry("x" * 200, done(left_out="result: is a set", seconds=9.0), task_type="mail")
    preflight = found(both, timeouts={"mail": 1.0}, max_json_bytes=100)
    reasons = {one.reason for one in preflight.refusals()}
    assert reasons == {"payload_size", "result_left_out", "over_timeout", "unserved"}
    assert preflight.would_reject == 1


def test_what_is_not_legacys_or_not_asked_for_is_passed_over() -> None:
    others = [entry("x" * 200, owner="supabase"), entry("x" * 200, task_type="mail")]
    preflight = found(*others, max_json_bytes=100, task_types={"bill"})
    assert (preflight.refusals(), preflight.would_reject) == ([], 0)


def test_a_refusal_makes_it_no_pass_and_names_limit_and_next_step() -> None:
    clean = counted(*[told()] * jobs_needed(0.01))
    refusals = found(entry("x" * 200), max_json_bytes=100).refusals()
    verdict = verdict_of(clean, (), declared_bound=0.01, jobs_per_second=0.0, refusals=refusals)
    assert verdict.answer == "inconclusive"
    assert verdict.because == (
        "Supabase would reject 1 of 1 jobs of 'bill': their payloads take more than 100 bytes, up to 202:"
        " store them elsewhere and pass the address, or raise SUPAQUEUE_MAX_JSON_BYTES for clients and"
        " workers",
    )
    assert verdict_of(clean, (), declared_bound=0.01, jobs_per_second=0.0).answer == "pass"


def test_the_terminal_names_limit_and_worst(capsys: pytest.CaptureFixture[str]) -> None:
    refused = found(entry("x" * 2000), with_payload("\0"), max_json_bytes=1000).refusals()
    clean = counted(told())
    verdict = verdict_of(clean, (), declared_bound=0.01, jobs_per_second=0.0, refusals=refused)
    compared = replace(WHEN, refusals=refused, would_reject=2)
    print_report(report_of(compared, clean, (), verdict, TODAY), verdict, "")
    out = capsys.readouterr().out
    assert "payload_size of bill: 1 of 2 jobs, limit 1,000, worst 2,002" in out
    assert "payload_content of bill: 1 of 2 jobs, payload: contains the character U+0000" in out
    assert "Supabase would reject 1 of 2 jobs of 'bill'" in out


def test_every_reason_has_its_sentence() -> None:
    entries = [
        with_payload("\0"),
        entry(None, done(result=float("nan"))),
        entry(None, done(left_out="result: is a set")),
        entry(None, done(seconds=9.0)),
        entry(task_type="mail"),
    ]
    sentences = because_refused(found(*entries, timeouts={"bill": 2.5}).refusals())
    assert len(sentences) == 5
    assert "ran longer than their timeout of 2.5 s, up to 9.0 s" in " ".join(sentences)


def test_a_problem_quotes_no_value() -> None:
    assert "secret" not in str(problem_of({"a": "secret\0"}, "payload", max_bytes=None))
    assert "secret" not in str(problem_of("secret", "payload", max_bytes=3))


def test_a_mirror_that_supabase_refuses_is_told_as_what_it_is() -> None:
    owned = told().legacy
    assert owned is not None
    refused = owned._replace(payload={"text": "secret\0"})
    tally = counted(told()._replace(legacy=refused, supabase=None))
    verdict = verdict_of(tally, (), declared_bound=0.01, jobs_per_second=0.0)
    text = written(report := report_of(WHEN, tally, (), verdict, TODAY))
    [missing] = report["types"][0]["classes"]  # type: ignore
    assert missing["name"] == "missing_in_supabase"
    assert missing["paths"] == [{"path": "payload.text", "kind": "refused", "jobs": 1}]
    assert b"which Postgres cannot hold" in text
    assert b"secret" not in text


def test_values_that_no_report_can_hold_are_shown_as_text() -> None:
    owned = told().legacy
    assert owned is not None
    payload: Any = {"n": float("nan"), "text": "\ud800", "rows": [float("inf")]}
    tally = counted(told()._replace(legacy=owned._replace(payload=payload)))
    verdict = verdict_of(tally, (), declared_bound=0.01, jobs_per_second=0.0)
    report = json.loads(written(report_of(WHEN, tally, (), verdict, TODAY)))
    [sample] = report["types"][0]["classes"][0]["samples"]
    shown = {one["path"]: one["legacy"] for one in sample["differences"]}
    assert shown == {"payload.n": "nan", "payload.text": "\ufffd", "payload.rows": "[inf]"}


def test_a_check_looks_at_real_jobs(world: World) -> None:
    jobs = some_jobs(world)
    options = (TaskTypeOptions("count", timeout_seconds=60.0),)
    world.transport.send(SetTaskTypes(options))
    assert world.legacy_file is not None
    with sqlite3.connect(world.legacy_file) as index:
        slower = "update job set ending = json_set(ending, '$.seconds', 61.5) where job_id = ?"
        index.execute(slower, [jobs[0].job_id])
    checks = checked(world, declared_bound=0.2)
    assert checks.report["classes"] == {"match": 20}
    [lease, timeout, no_workers] = sorted(
        checks.report["preflight"],  # type: ignore
        key=lambda one: ["over_lease", "over_timeout", "no_workers"].index(one["reason"]),  # type: ignore
    )
    assert (timeout["jobs"], timeout["checked"], timeout["limit"], timeout["worst"]) == (1, 10, 60.0, 61.5)  # type: ignore
    assert timeout["samples"] == lease["samples"] == [jobs[0].job_id]  # type: ignore
    assert no_workers["jobs"] == 10  # type: ignore
    assert checks.report["would_reject"] == 1
    assert checks.verdict.answer == "inconclusive"
