"""The flag of a cutover, changed as an operator would with plain UPDATEs."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import psycopg
from psycopg import sql

from supaqueue.job_id import new_job_id
from tests.sql.calls import Calls, Connection, Row, answers

OVERALL = "supabase_queue"


def flag_name(task_type: str | None) -> str:
    return OVERALL if task_type is None else f"{OVERALL}:{task_type}"


def set_flag(connection: Connection, task_type: str | None = None, **columns: Any) -> None:
    """UPDATE one row; what is not named stays. Raises `psycopg.Error`."""
    columns = {"updated_by": "test"} | columns
    names = [sql.SQL("{} = {}").format(sql.Identifier(n), sql.Placeholder(n)) for n in columns]
    query = sql.SQL("update feature_flag set {} where flag_name = {}").format(
        sql.SQL(", ").join(names), sql.Literal(flag_name(task_type))
    )
    assert connection.execute(query, columns).rowcount == 1


def emergency(connection: Connection) -> None:
    """Make the UPDATE of the runbook."""
    connection.execute("update feature_flag set is_enabled = false, rollout_percent = 0, updated_by = 'ada'")


def begin(connection: Connection, stage: str = "mirror", **columns: Any) -> None:
    """Begin a cutover on a fresh database and go to a stage; `columns` are set with the last step."""
    set_flag(connection, stage="off", is_enabled=False, rollout_percent=0)
    if stage != "off":
        set_flag(connection, stage="mirror")
    if stage == "live":
        set_flag(connection, is_enabled=True, rollout_percent=50)
    steps: dict[str, dict[str, Any]] = {
        "off": {},
        "mirror": {},
        "shadow": {"stage": "shadow", "shadow_percent": 100},
        "canary": {"is_enabled": True, "rollout_percent": 10},
        "live": {"is_enabled": True, "rollout_percent": 100},
    }
    last = steps[stage]
    if stage == "canary" and columns.get("is_enabled") is False:
        last["stage"] = "canary"
    if last | columns:
        set_flag(connection, **last | columns)


def read_flag(connection: Connection, task_type: str | None = None) -> dict[str, Any]:
    """The row as it stands."""
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        row = cursor.execute(
            "select * from feature_flag where flag_name = %s", [flag_name(task_type)]
        ).fetchone()
    assert row is not None
    return dict(row)


def id_in(bucket: int) -> str:
    """A new job id in a bucket."""
    return f"{new_job_id()[:-4]}{0x8000 | bucket:04x}"


def change(calls: Calls, changes: Row, task_type: str | None = None, **options: Any) -> Row:
    """Change a flag by the function, under a new request unless one is given."""
    arguments = {"request_id": str(uuid4()), "expected_version": None, "changed_by": "ada"}
    texts = {"reason": None, "evidence": None}
    named = arguments | texts | options
    return dict(calls.call("change_feature_flag_v1", task_type=task_type, changes=changes, **named))


def own_flag(calls: Calls, task_type: str, **columns: Any) -> None:
    """Give a type a flag of its own, as a copy of the overall one, then set columns."""
    calls.set_task_types({"task_type": task_type})
    change(calls, {"drain": False}, task_type)
    if columns:
        set_flag(calls.connection, task_type, **columns)


def hand_back(calls: Calls, after: Row | None = None, want: int = 5000) -> Row:
    return dict(calls.call("hand_back_jobs_v1", after=after, want=want))


def hand_back_pass(calls: Calls, want: int = 5000) -> tuple[int, Row]:
    """Make one pass; return how many jobs it moved, and its last answer."""
    reply = hand_back(calls, None, want)
    moved = reply["moved"]
    while reply["next"] is not None:
        reply = hand_back(calls, reply["next"], want)
        moved += reply["moved"]
    return moved, reply


def mirrors(calls: Calls, mirror_state: str, page: str | None = None, page_size: int = 1000) -> Row:
    return dict(calls.call("list_mirrors_v1", mirror_state=mirror_state, page=page, page_size=page_size))


def listed(calls: Calls, mirror_state: str) -> dict[str, Row]:
    """What is in a mirror state, by job id."""
    return {row["job_id"]: row for row in mirrors(calls, mirror_state)["mirrors"]}


def settle(calls: Calls, mirror_state: str, *jobs: tuple[str, int]) -> list[str]:
    """Note that legacy was told of jobs, each under its epoch."""
    rows = [{"job_id": id, "epoch": epoch, "mirror_state": mirror_state} for id, epoch in jobs]
    return answers(calls.call("settle_mirrors_v1", mirrors=rows))


def start_legacy(calls: Calls, *jobs: tuple[str, int]) -> list[str]:
    """Ask, as legacy workers, whether these may run, each under its epoch."""
    rows = [{"job_id": id, "epoch": epoch} for id, epoch in jobs]
    return answers(calls.call("start_legacy_v1", jobs=rows))


def record(calls: Calls, job_id: str, epoch: int, status: str = "completed", **options: Any) -> str:
    """Note how legacy ended a job."""
    row = {"job_id": job_id, "epoch": epoch, "status": status} | options
    return answers(calls.call("record_outcomes_v1", outcomes=[row]))[0]


def take_over(calls: Calls, *jobs: Row) -> list[str]:
    return answers(calls.call("take_over_jobs_v1", jobs=list(jobs)))


def open_taken_over(calls: Calls, *jobs: tuple[str, int, bool]) -> list[str]:
    rows = [{"job_id": id, "epoch": epoch, "won": won} for id, epoch, won in jobs]
    return answers(calls.call("open_taken_over_jobs_v1", jobs=rows))


def job_row(calls: Calls, job_id: str) -> Row:
    """The job's row, as it is stored."""
    return dict(calls.value("select to_jsonb(j) from jobs j where job_id = %s", [job_id]))


def owner_of(calls: Calls, job_id: str) -> tuple[str, int, str, str]:
    """Owner, epoch, status and mirror state of a job."""
    row = job_row(calls, job_id)
    return row["owner"], row["epoch"], row["status"], row["mirror_state"]


def handed_over(calls: Calls, queue: str, count: int = 1) -> list[str]:
    """Enqueue jobs that are legacy's under epoch 1 and still to be published there; the flag is off."""
    begin(calls.connection, "canary", is_enabled=False, rollout_percent=0, relays_unrouted=True)
    return calls.enqueue_new(queue, count)
