"""A job fanned out and in, 1 -> N -> 1: the longest call of each kind, by the clock and on a processor.

Every task is claimed, started and finished by one session, in batches like a worker's; a second job of the
same shape fails at half of its tasks, is replayed, and cancelled. Exits with 1 if a call took over a second.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.types.json import Jsonb

from supaqueue.devstack import Stack, postgres_binaries
from supaqueue.job_id import new_job_id
from supaqueue.maintain.migrate import Migrator

BAR_SECONDS = 1.0
CLAIM, FINISH = 1000, 500
LEASE = ("job_id", "task_number", "lease_token")
Row = dict[str, Any]


@dataclass
class Session:
    """Calls functions, and keeps of each kind of call the longest: by the clock, and by the processor."""

    connection: psycopg.Connection[Any]
    longest: dict[str, list[float]] = field(default_factory=dict)
    marks: Row = field(default_factory=dict)

    def call(self, kind: str, function: str, **arguments: Any) -> Any:
        named = ", ".join(f"{name} => %({name})s" for name in arguments)
        query = f"select {function}({named}, contract_version => 1)".encode()
        began, spent = time.perf_counter(), self._spent()
        row = self.connection.execute(query, arguments).fetchone()
        took = [time.perf_counter() - began, self._spent() - spent]
        self.longest[kind] = [max(pair) for pair in zip(took, self.longest.get(kind, [0, 0]), strict=True)]
        assert row is not None
        return row[0]

    def claim(self, kind: str) -> list[Row]:
        reply = self.call(
            kind,
            "claim_job_tasks_v1",
            request_id=str(uuid4()),
            worker_id="worker",
            queues=["q"],
            task_types=["step"],
            want=CLAIM,
            holding=0,
            lease_seconds=600,
            marks=Jsonb(self.marks),
            started=Jsonb([]),
        )
        self.marks = reply["marks"]
        return list(reply["tasks"])

    def finish(self, kind: str, tasks: list[Row], outcome: str = "done") -> None:
        for first in range(0, len(tasks), FINISH):
            ends = [
                {name: task[name] for name in LEASE} | {"outcome": outcome, "result": {"part": "x" * 100}}
                for task in tasks[first : first + FINISH]
            ]
            self.call(kind, "finish_job_tasks_v1", worker_id="worker", tasks=Jsonb(ends))

    def _spent(self) -> float:
        """Seconds that the session's process has run."""
        return int(Path(f"/proc/{self.connection.info.backend_pid}/schedstat").read_text().split()[0]) / 1e9


def fanned(width: int, on_failure: str) -> Row:
    middle = [
        {"name": f"m{n}", "task_type": "step", "payload": {"part": n}, "after": ["first"]}
        for n in range(width)
    ]
    first = {"name": "first", "task_type": "step"}
    last = {"name": "last", "task_type": "step", "after": [task["name"] for task in middle]}
    tasks = [first, *middle, last]
    return {
        "job_id": new_job_id(),
        "queue": "q",
        "task_type": "whole",
        "tasks": tasks,
        "on_failure": on_failure,
    }


def through(session: Session, width: int) -> None:
    """A job that goes well, from its enqueue to its last result."""
    job = fanned(width, "fail")
    session.call("enqueue", "enqueue_jobs_v1", jobs=Jsonb([job]))
    session.finish("finish the first", session.claim("claim the first"))
    for _ in range(0, width, CLAIM):
        tasks = session.claim("claim the middle")
        session.finish("finish the middle", tasks[:-1])
        session.finish("finish one of the middle", tasks[-1:])
    read = {"job_ids": [job["job_id"]], "with_payload": False, "with_attempts": False}
    session.call("read the job", "get_jobs_v1", **read)
    [last] = session.claim("claim the last")
    after: int | None = -1
    while after is not None:
        page = session.call(
            "read results",
            "read_results_v1",
            worker_id="worker",
            **{name: last[name] for name in LEASE},
            after_number=after,
        )
        after = page["next_after"]
    session.finish("finish the last", [last])
    [ended] = session.call("read the job", "get_jobs_v1", **read)
    session.call("list tasks", "list_job_tasks_v1", job_id=job["job_id"], after_number=-1, page_size=1000)
    if ended["status"] != "completed":
        raise SystemExit(f"the job is {ended['status']}")


def astray(session: Session, width: int, on_failure: str) -> None:
    """A job of which one task fails in the middle, is replayed, and cancelled."""
    job = fanned(width, on_failure)
    session.call("enqueue", "enqueue_jobs_v1", jobs=Jsonb([job]))
    session.finish("finish the first", session.claim("claim the first"))
    held = session.claim("claim the middle")
    session.finish("finish the middle", held[1:])
    session.finish(f"fail one of the middle, {on_failure}", held[:1], "fail")
    letter = {name: held[0][name] for name in LEASE}
    session.call(f"replay, {on_failure}", "replay_job_tasks_v1", tasks=Jsonb([letter]))
    session.call("cancel", "cancel_jobs_v1", job_ids=[job["job_id"]])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--width", type=int, default=10_000)
    parser.add_argument("--postgres", type=int, choices=(15, 18), default=18)
    args = parser.parse_args()
    binaries = None if args.postgres == 18 else postgres_binaries(args.postgres)
    with (
        tempfile.TemporaryDirectory() as folder,
        Stack(Path(folder) / "stack", postgres_bin=binaries) as stack,
    ):
        Migrator(stack.database_url).apply()
        with psycopg.connect(stack.database_url, autocommit=True, prepare_threshold=0) as connection:
            session = Session(connection)
            through(session, args.width)
            for on_failure in ("fail", "skip"):
                astray(session, args.width, on_failure)
    print(
        json.dumps(
            {kind: [round(one, 3) for one in took] for kind, took in session.longest.items()}, indent=2
        )
    )
    sys.exit(any(took[0] > BAR_SECONDS for took in session.longest.values()))


if __name__ == "__main__":
    main()
