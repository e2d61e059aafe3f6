"""The SQL functions as Python methods over one session, with nothing of the SDK in between."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from supaqueue.job_id import new_job_id

Connection = psycopg.Connection[Any]
Row = dict[str, Any]

_JSON_ARGUMENTS = frozenset(
    (
        "jobs",
        "marks",
        "started",
        "tasks",
        "filter",
        "worker",
        "policy",
        "batch",
        "schedules",
        "changes",
        "step",
        "decision",
        "notices",
        "after",
        "mirrors",
        "outcomes",
        "failures",
        "settle_by_type",
        "weights",
        "limits",
        "keys",
    )
)
_LEASE = ("job_id", "task_number", "lease_token")


def new_job(queue: str, task_type: str = "count", **options: Any) -> Row:
    """Return a job as `enqueue_jobs_v1` takes it, under a new id unless one is given."""
    return {"job_id": new_job_id(), "queue": queue, "task_type": task_type, "payload": {}} | options


def leases(tasks: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Return what names each task under the lease that a claim gave it."""
    return [{name: task[name] for name in _LEASE} for task in tasks]


def endings(tasks: Iterable[Mapping[str, Any]], outcome: str, **options: Any) -> list[Row]:
    """Return the same ending for each task."""
    return [lease | {"outcome": outcome} | options for lease in leases(tasks)]


def answers(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the answers alone, in order."""
    return [row["answer"] for row in rows]


@dataclass
class Calls:
    """The functions, called in one session. Defaults are those of a test that does not care."""

    connection: Connection
    contract_version: int | None = 1

    def call(self, function: str, /, **arguments: Any) -> Any:
        """Call any function of ours by name; raises `psycopg.Error`."""
        arguments.setdefault("contract_version", self.contract_version)
        return self.call_plain(function, **arguments)

    def call_plain(self, function: str, /, **arguments: Any) -> Any:
        """Call a function that is not told the contract's version; raises `psycopg.Error`."""
        named = [sql.SQL("{} => {}").format(sql.Identifier(n), sql.Placeholder(n)) for n in arguments]
        query = sql.SQL("select {}({})").format(sql.Identifier(function), sql.SQL(", ").join(named))
        values = {name: _as_argument(function, name, value) for name, value in arguments.items()}
        return self.value(query, values)

    def value(self, query: Any, parameters: Any = None) -> Any:
        """Return the one value that a query answers."""
        row = self.connection.execute(query, parameters).fetchone()
        assert row is not None
        return row[0]

    def enqueue(self, *jobs: Row) -> list[Row]:
        return list(self.call("enqueue_jobs_v1", jobs=list(jobs)))

    def enqueue_new(self, queue: str, count: int = 1, task_type: str = "count", **options: Any) -> list[str]:
        """Enqueue new jobs and return their ids, in the order in which they are to be claimed."""
        jobs = [new_job(queue, task_type, **options) for _ in range(count)]
        assert answers(self.enqueue(*jobs)) == ["created"] * count
        return [job["job_id"] for job in jobs]

    def heartbeat(
        self,
        tasks: Sequence[Row],
        started: Sequence[Row] = (),
        lease_seconds: float = 60,
        worker_id: str | None = None,
    ) -> list[Row]:
        """Renew leases, by default as the worker that has or had them."""
        reply = self.call(
            "heartbeat_job_tasks_v1",
            worker_id=worker_id or self.holder([*tasks, *started]),
            tasks=leases(tasks),
            started=leases(started),
            lease_seconds=lease_seconds,
        )
        return list(reply["tasks"])

    def finish(self, tasks: Sequence[Row], worker_id: str | None = None) -> list[Row]:
        """Finish; `tasks` are endings, by default reported by the worker that has or had the leases."""
        worker_id = worker_id or self.holder(tasks)
        return list(self.call("finish_job_tasks_v1", worker_id=worker_id, tasks=list(tasks)))

    def holder(self, tasks: Sequence[Row]) -> str:
        """The worker that has or had the lease of the first of these."""
        if not tasks:
            return "worker"
        return str(
            self.value(
                "select coalesce((select worker_id from job_task_attempts where job_id = %(job_id)s"
                " and task_number = %(task_number)s and lease_token = %(lease_token)s),"
                " (select worker_id from job_tasks where job_id = %(job_id)s"
                " and task_number = %(task_number)s), 'worker')",
                tasks[0],
            )
        )

    def cancel(self, *job_ids: str) -> list[str]:
        return answers(self.call("cancel_jobs_v1", job_ids=list(job_ids)))

    def abandon(self, *job_ids: str) -> list[str]:
        return answers(self.call("abandon_jobs_v1", job_ids=list(job_ids)))

    def list_dead_letters(self, page: str | None = None, page_size: int = 100, **narrowed: Any) -> Row:
        return dict(self.call("list_dead_letters_v1", filter=narrowed, page=page, page_size=page_size))

    def replay(self, *tasks: Row) -> list[str]:
        """Let dead letters run again; each is a lease, maybe with delay_seconds."""
        return answers(self.call("replay_job_tasks_v1", tasks=list(tasks)))

    def drop(self, *tasks: Row) -> list[str]:
        return answers(self.call("drop_dead_letters_v1", tasks=list(tasks)))

    def pause(self, *queues: str, seconds: float | None = None, **options: Any) -> list[Row]:
        arguments = {
            "request_id": str(uuid4()),
            "pause_seconds": seconds,
            "paused_until": None,
            "reason": None,
            "changed_by": None,
        }
        return list(self.call("pause_queues_v1", queues=list(queues), **arguments | options))

    def resume(self, *queues: str, **options: Any) -> list[Row]:
        arguments = {"request_id": str(uuid4()), "changed_by": None}
        return list(self.call("resume_queues_v1", queues=list(queues), **arguments | options))

    def set_task_types(self, *task_types: Row, **options: Any) -> list[Row]:
        arguments = {"request_id": str(uuid4()), "changed_by": None}
        return list(self.call("set_task_types_v1", task_types=list(task_types), **arguments | options))

    def limit_running(self, *limits: Row, **options: Any) -> list[Row]:
        """Set limits on what runs; one that limits nothing is removed."""
        arguments = {"request_id": str(uuid4()), "changed_by": None}
        return list(self.call("limit_running_v1", limits=list(limits), **arguments | options))

    def get(self, *job_ids: str, with_payload: bool = False, with_attempts: bool = False) -> list[Any]:
        return list(
            self.call(
                "get_jobs_v1", job_ids=list(job_ids), with_payload=with_payload, with_attempts=with_attempts
            )
        )

    def job(self, job_id: str) -> Row:
        """Return a job with payload and attempts."""
        return dict(self.get(job_id, with_payload=True, with_attempts=True)[0])

    def task(self, job_id: str) -> Row:
        """Return the job's first task, with payload and attempts."""
        return dict(self.job(job_id)["tasks"][0])

    def status(self, job_id: str) -> str:
        return str(self.job(job_id)["status"])


@dataclass
class Worker(Calls):
    """One that claims: it hands the marks of each answer to its next claim."""

    queues: list[str] = field(default_factory=list)
    task_types: list[str] = field(default_factory=lambda: ["count"])
    worker_id: str = field(default_factory=lambda: f"worker-{uuid4().hex[:8]}")
    marks: Row = field(default_factory=dict)
    last: Row = field(default_factory=dict)

    def claim(self, want: int = 10, **options: Any) -> list[Row]:
        """Claim and return the tasks; the whole answer is in `last`."""
        arguments = {
            "request_id": str(uuid4()),
            "worker_id": self.worker_id,
            "queues": self.queues,
            "task_types": self.task_types,
            "want": want,
            "holding": 0,
            "lease_seconds": 60,
            "marks": self.marks,
            "started": [],
        }
        self.last = self.call("claim_job_tasks_v1", **arguments | options)
        self.marks = self.last["marks"]
        return list(self.last["tasks"])

    def claim_all(self, want: int = 10, idle_claims: int = 5) -> list[Row]:
        """Claim until `idle_claims` claims in a row found nothing."""
        found: list[Row] = []
        idle = 0
        while idle < idle_claims:
            tasks = self.claim(want)
            found += tasks
            idle = 0 if tasks else idle + 1
        return found

    def look_again_for_expired(self) -> None:
        """Let the next claim look for expired leases although the last look was a moment ago."""
        for mark in self.marks.values():
            mark.pop("leased", None)

    def look_again_for_deadlines(self) -> None:
        """The same for waiting tasks whose deadline has passed."""
        for mark in self.marks.values():
            mark.pop("deadline", None)

    def fail(self, count: int = 1, error_type: str = "ValueError", **options: Any) -> list[Row]:
        """Claim tasks and fail them; return what names them as dead letters."""
        held = self.claim(count)
        assert len(held) == count
        error = {"type": error_type, "message": "no"}
        self.finish(endings(held, "fail", **{"error": error} | options))
        return leases(held)


def pass_deadline(connection: Connection, job_ids: Iterable[str]) -> None:
    """Let the deadlines of these jobs be now."""
    connection.execute(
        "update job_tasks set deadline_at = clock_timestamp() where job_id = any(%s)", [list(job_ids)]
    )


def expire(connection: Connection, tasks: Iterable[Mapping[str, Any]]) -> None:
    """Let the leases of these tasks end now, as if their workers had been silent for long enough."""
    ids = [task["job_id"] for task in tasks]
    connection.execute(
        "update job_tasks set lease_expires_at = clock_timestamp() where job_id = any(%s)", [ids]
    )


def _as_argument(function: str, name: str, value: Any) -> Any:
    is_json = name in _JSON_ARGUMENTS or (function, name) == ("set_task_types_v1", "task_types")
    return Jsonb(value) if is_json and value is not None else value
