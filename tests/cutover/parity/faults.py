"""Defects to plant in two running systems, each of one class; every one has a task type of its own."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from supaqueue.contract import Json, NewJob
from supaqueue.cutover.legacy.entry import Ending
from supaqueue.cutover.parity.classes import Class
from supaqueue.cutover.stamp import Stamp
from tests.cutover.world import World
from tests.sql.calls import endings

RESULT: Json = {"sum": 7, "rows": [1, 2], "name": "ann"}
PAYLOAD = {"n": 1, "rows": [1, 2], "of": {"name": "ann"}}
ERROR = {"type": "ValueError", "message": "no"}
LATER = timedelta(hours=1)

Plant = Callable[[World], NewJob]


@dataclass(frozen=True)
class Fault:
    """A planted defect: as what, and with which differences, a report has to name it."""

    plant: Plant
    name: Class
    paths: tuple[tuple[str, str], ...] = ()
    is_of_a_type: bool = True


def index(world: World, change: str, job: NewJob, *values: Any) -> None:
    """Change legacy's index behind its back."""
    assert world.legacy_file is not None
    with sqlite3.connect(world.legacy_file) as database:
        assert database.execute(f"{change} where job_id = ?", (*values, job.job_id)).rowcount == 1


def rows(world: World, change: str, job: NewJob, *values: Any) -> None:
    """Change Supabase's tables behind its back."""
    query = f"{change} where job_id = %s".encode()
    with world.database.transaction():
        world.database.execute("set local session_replication_role = replica")
        assert world.database.execute(query, [*values, job.job_id]).rowcount > 0


def payload(world: World, job: NewJob, value: Any) -> None:
    rows(world, "update job_tasks set payload = %s::jsonb", job, json.dumps(value))


def told(world: World, job: NewJob, **changes: Any) -> None:
    """Change what Supabase was told of legacy's end."""
    rows(world, "update jobs set owner_outcome = owner_outcome || %s::jsonb", job, json.dumps(changes))


def waits_in_legacy(world: World, **options: Any) -> NewJob:
    job = world.new_job("legacy", payload=PAYLOAD, **options)
    world.accept(job)
    return job


def ended_in_legacy(world: World, ending: Ending | None = None, shadow: str | None = None) -> NewJob:
    """A job that ran in legacy, of which Supabase was told; with `shadow`, run there without effects too."""
    job = waits_in_legacy(world)
    admission = world.guard.admit(Stamp(job.job_id), job.task_type)
    assert admission.run is not None
    with admission.run as run:
        run.finish(ending or Ending("completed", RESULT, attempts=1))
    world.relay.turn()
    return job


def shadowed(world: World, outcome: str, ending: Ending | None = None, **options: Any) -> NewJob:
    world.change(stage="shadow", shadow_percent=100)
    job = ended_in_legacy(world, ending)
    worker = world.worker
    worker.finish(endings(worker.claim_all(), outcome, **options))
    world.change(shadow_percent=0)
    return job


def waits_in_supabase(world: World, **options: Any) -> NewJob:
    job = world.new_job("supabase", payload=PAYLOAD, **options)
    world.enqueue(job)
    world.relay.turn()
    return job


def ended_in_supabase(world: World, outcome: str = "done", **options: Any) -> NewJob:
    job = waits_in_supabase(world)
    worker = world.worker
    if outcome == "done":
        options = {"result": RESULT} | options
    worker.finish(endings(worker.claim_all(), outcome, **options))
    world.relay.turn()
    return job


def then(begin: Plant, *changes: Callable[[World, NewJob], object]) -> Plant:
    """A job, and what is done to it."""

    def plant(world: World) -> NewJob:
        job = begin(world)
        for change in changes:
            change(world, job)
        return job

    return plant


def run_by_both(world: World) -> NewJob:
    job = ended_in_legacy(world)
    rows(world, "update job_tasks set lease_token = 1, attempts = 1", job)
    return job


def mirror_without_legacy(world: World) -> NewJob:
    job = world.new_job("legacy")
    world.enqueue(job)
    return job


def accepted_without_mirror(world: World) -> NewJob:
    job = world.new_job("legacy")
    world.legacy.enqueue([job])
    return job


def unpublished(world: World) -> NewJob:
    job = world.new_job("legacy")
    world.enqueue(job)
    world.legacy.index.accept([job])
    return job


def unparked(world: World) -> NewJob:
    """Noted as written, and never written."""
    job = world.new_job("supabase")
    world.enqueue(job)
    rows(world, "update jobs set mirror_state = 'written'", job)
    return job


def handed_over(world: World) -> NewJob:
    job = waits_in_supabase(world)
    rows(
        world,
        "update jobs set owner = 'legacy', epoch = 1, status = 'mirrored', mirror_state = 'released'",
        job,
    )
    rows(world, "update job_tasks set status = 'mirrored', position = null", job)
    world.legacy.release([(job, 1)])
    return job


def around_the_router(world: World) -> NewJob:
    job = world.new_job("legacy")
    admission = world.guard.admit(None, job.task_type, job.job_id)
    assert admission.verdict == "run"
    return job


def abandoned_here_alive_there(world: World) -> NewJob:
    job = world.new_job("legacy")
    world.client.abandon([job.job_id])
    world.legacy.enqueue([job])
    return job


def abandoned_there_done_here(world: World) -> NewJob:
    job = world.new_job("supabase")
    world.legacy.abandon([job.job_id])
    world.enqueue(job)
    worker = world.worker
    worker.finish(endings(worker.claim_all(), "done"))
    return job


def cancelled_there_waiting_here(world: World) -> NewJob:
    job = waits_in_legacy(world)
    world.legacy.cancel([job.job_id])
    rows(world, "update jobs set owner = 'supabase', status = 'pending'", job)
    rows(world, "update job_tasks set status = 'pending', position = 1", job)
    return job


def both_want_it(world: World) -> NewJob:
    job = waits_in_legacy(world)
    rows(world, "update jobs set owner = 'supabase', status = 'pending'", job)
    rows(world, "update job_tasks set status = 'pending', position = 1", job)
    return job


def hangs_in_legacy(world: World) -> NewJob:
    job = waits_in_legacy(world)
    admission = world.guard.admit(Stamp(job.job_id), job.task_type)
    assert admission.run is not None
    return job


def hangs_in_supabase(world: World) -> NewJob:
    job = waits_in_supabase(world)
    worker = world.worker
    tasks = worker.claim_all()
    worker.heartbeat(tasks, started=tasks)
    return job


def ending(status: Literal["completed", "failed"], **options: Any) -> Ending:
    return Ending(status, **{"attempts": 1} | options)


FAULTS: dict[str, Fault] = {
    "run by both": Fault(run_by_both, "duplicate_execution", (("starts", "value"),)),
    "Supabase's job run by legacy too": Fault(
        then(ended_in_supabase, lambda w, j: index(w, "update job set starts = 1", j)),
        "duplicate_execution",
        (("starts", "value"),),
    ),
    "two ends": Fault(
        then(
            ended_in_legacy,
            lambda w, j: rows(
                w,
                "update jobs set owner = 'supabase', status = 'completed', finished_at = now(),"
                " owner_outcome = null",
                j,
            ),
        ),
        "duplicate_execution",
        (("status", "value"),),
    ),
    "inert on both sides": Fault(
        then(
            waits_in_legacy, lambda w, j: index(w, "update job set owner = 'supabase', state = 'parked'", j)
        ),
        "never_executed",
    ),
    "Supabase's job completed without a start": Fault(
        then(ended_in_supabase, lambda w, j: rows(w, "update job_tasks set lease_token = 0", j)),
        "never_executed",
        (("starts", "value"),),
    ),
    "legacy's job completed without a start": Fault(
        then(ended_in_legacy, lambda w, j: index(w, "update job set starts = 0", j)),
        "never_executed",
        (("starts", "value"),),
    ),
    "mirror dropped": Fault(
        then(ended_in_legacy, lambda w, j: rows(w, "delete from jobs", j)), "missing_in_supabase"
    ),
    "mirror never sent": Fault(accepted_without_mirror, "missing_in_supabase"),
    "Supabase's row dropped": Fault(
        then(waits_in_supabase, lambda w, j: rows(w, "delete from jobs", j)), "missing_in_supabase"
    ),
    "copy never parked": Fault(unparked, "missing_in_legacy"),
    "parked copy dropped": Fault(
        then(ended_in_supabase, lambda w, j: index(w, "delete from job", j)), "missing_in_legacy"
    ),
    "handed over and dropped": Fault(
        then(handed_over, lambda w, j: index(w, "delete from job", j)), "missing_in_legacy"
    ),
    "killed between mirror and legacy": Fault(mirror_without_legacy, "orphan_intent"),
    "killed between index and broker": Fault(unpublished, "orphan_intent"),
    "sent around the router": Fault(around_the_router, "unstamped", is_of_a_type=False),
    "abandoned here, alive there": Fault(abandoned_here_alive_there, "resurrected", (("status", "value"),)),
    "abandoned there, done here": Fault(abandoned_there_done_here, "resurrected", (("status", "value"),)),
    "cancelled there, waiting here": Fault(
        cancelled_there_waiting_here, "resurrected", (("status", "value"),)
    ),
    "hand-over that one side missed": Fault(
        then(handed_over, lambda w, j: rows(w, "update jobs set epoch = 2", j)),
        "owner_disagrees",
        (("epoch", "value"),),
    ),
    "both want it": Fault(both_want_it, "owner_disagrees", (("owner", "value"),)),
    "payload changed in Supabase": Fault(
        then(ended_in_legacy, lambda w, j: payload(w, j, PAYLOAD | {"n": 2})),
        "payload_diff",
        (("payload.n", "value"),),
    ),
    "payload of Supabase's changed": Fault(
        then(ended_in_supabase, lambda w, j: payload(w, j, PAYLOAD | {"of": {"name": "bob"}})),
        "payload_diff",
        (("payload.of.name", "value"),),
    ),
    "key of the payload lost": Fault(
        then(ended_in_legacy, lambda w, j: payload(w, j, {"n": 1, "rows": [1, 2], "of": {}})),
        "payload_diff",
        (("payload.of.name", "missing"),),
    ),
    "key of the payload made up": Fault(
        then(ended_in_legacy, lambda w, j: payload(w, j, PAYLOAD | {"new": None})),
        "payload_diff",
        (("payload.new", "extra"),),
    ),
    "number became text": Fault(
        then(ended_in_legacy, lambda w, j: payload(w, j, PAYLOAD | {"n": "1"})),
        "payload_diff",
        (("payload.n", "type"),),
    ),
    "number became true": Fault(
        then(ended_in_legacy, lambda w, j: payload(w, j, PAYLOAD | {"n": True})),
        "payload_diff",
        (("payload.n", "type"),),
    ),
    "list in another order": Fault(
        then(ended_in_legacy, lambda w, j: payload(w, j, PAYLOAD | {"rows": [2, 1]})),
        "payload_diff",
        (("payload.rows", "order"),),
    ),
    "list cut": Fault(
        then(ended_in_legacy, lambda w, j: payload(w, j, PAYLOAD | {"rows": [1]})),
        "payload_diff",
        (("payload.rows", "length"),),
    ),
    "schedule moved in Supabase": Fault(
        then(
            lambda w: waits_in_legacy(w, run_at=datetime.now(UTC) + LATER),
            lambda w, j: rows(w, "update job_tasks set run_at = run_at + interval '1 minute'", j),
        ),
        "schedule_diff",
        (("run_at", "value"),),
    ),
    "schedule lost in legacy": Fault(
        then(
            lambda w: waits_in_legacy(w, run_at=datetime.now(UTC) + LATER),
            lambda w, j: index(w, "update job set due_at = null", j),
        ),
        "schedule_diff",
        (("run_at", "value"),),
    ),
    "told failed": Fault(
        then(ended_in_legacy, lambda w, j: told(w, j, status="failed")),
        "status_diff",
        (("status", "value"),),
    ),
    "end never told": Fault(
        then(ended_in_legacy, lambda w, j: rows(w, "update jobs set owner_outcome = null", j)),
        "status_diff",
        (("status", "missing"),),
    ),
    "told of an end that is not": Fault(
        then(ended_in_legacy, lambda w, j: index(w, "update job set ending = null, ended_at = null", j)),
        "status_diff",
        (("status", "extra"),),
    ),
    "shadow failed": Fault(
        lambda w: shadowed(w, "fail", error=ERROR), "status_diff", (("shadow.status", "value"),)
    ),
    "told of another error": Fault(
        then(
            lambda w: ended_in_legacy(w, ending("failed", error=ERROR)),
            lambda w, j: told(w, j, error={"type": "KeyError", "message": "no"}),
        ),
        "error_diff",
        (("error.type", "value"),),
    ),
    "shadow failed otherwise": Fault(
        lambda w: shadowed(
            w, "fail", ending("failed", error=ERROR), error={"type": "KeyError", "message": "no"}
        ),
        "error_diff",
        (("shadow.error.type", "value"),),
    ),
    "result with one field off": Fault(
        then(ended_in_legacy, lambda w, j: told(w, j, result=RESULT | {"sum": 8})),
        "result_diff",
        (("result.sum", "value"),),
    ),
    "result of Supabase's with one field off": Fault(
        then(
            ended_in_supabase,
            lambda w, j: rows(w, "update job_tasks set result = result || '{\"sum\": 8}'", j),
        ),
        "result_diff",
        (("result.sum", "value"),),
    ),
    "result lost": Fault(
        then(ended_in_legacy, lambda w, j: told(w, j, result=None)), "result_diff", (("result", "type"),)
    ),
    "shadow rounds differently": Fault(
        lambda w: shadowed(
            w, "done", ending("completed", result={"price": 1.005}), result={"result": {"price": 1.01}}
        ),
        "result_diff",
        (("shadow.result.price", "value"),),
    ),
    "shadow finds more": Fault(
        lambda w: shadowed(w, "done", ending("completed", result=[1]), result={"result": [1, 2]}),
        "result_diff",
        (("shadow.result", "length"),),
    ),
    "told of other attempts": Fault(
        then(ended_in_legacy, lambda w, j: told(w, j, attempts=3)), "attempt_diff", (("attempts", "value"),)
    ),
    "told of another time": Fault(
        then(ended_in_legacy, lambda w, j: told(w, j, ended_at="2026-01-01T00:00:00+00:00")),
        "timing_diff",
        (("ended_at", "value"),),
    ),
    "message lost": Fault(waits_in_legacy, "stuck"),
    "hangs in legacy": Fault(hangs_in_legacy, "stuck"),
    "hangs in Supabase": Fault(hangs_in_supabase, "stuck"),
    "waits in Supabase for nobody": Fault(waits_in_supabase, "stuck"),
    "shadow called off": Fault(
        then(
            lambda w: shadowed(w, "done", result={"result": RESULT}),
            lambda w, j: shadow_cancelled(w, j),
        ),
        "uncomparable",
    ),
    "given out again by the broker": Fault(
        then(ended_in_legacy, lambda w, j: index(w, "update job set starts = 2", j)), "legacy_redelivered"
    ),
}


def shadow_cancelled(world: World, job: NewJob) -> None:
    query = "update job_tasks set status = 'cancelled' where job_id = %s and task_number = 1"
    with world.database.transaction():
        world.database.execute("set local session_replication_role = replica")
        assert world.database.execute(query, [job.job_id]).rowcount == 1
