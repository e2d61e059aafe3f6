"""`supaqueue dlq` and `supaqueue queues`, as a user types them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from supaqueue.client import Queue
from supaqueue.contract import ClaimJobTasks, FinishedTask, FinishJobTasks, FinishOutcome, TaskError
from supaqueue.devstack import Stack
from supaqueue.errors import QueueFull
from supaqueue.job_id import new_job_id
from supaqueue.settings import Settings
from supaqueue.transport import RestTransport
from tests.forked import typed

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def settings(stack18: Stack) -> Settings:
    return Settings.load(stack18.env(), dotenv=None)


@pytest.fixture
def client(settings: Settings) -> Iterator[Queue]:
    with Queue(settings) as client:
        yield client


@pytest.fixture
def run(stack18: Stack) -> Run:
    """Runs a command; it has no terminal."""

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return typed(*arguments, env=os.environ | stack18.env() | {"COLUMNS": "200", "NO_COLOR": "1"})

    return command


def answered(done: subprocess.CompletedProcess[str]) -> Any:
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def dead(
    settings: Settings,
    client: Queue,
    queue_name: str,
    count: int,
    outcome: FinishOutcome = "fail",
    **options: Any,
) -> list[str]:
    """Jobs that have failed."""
    ids = [client.enqueue("bill", {"secret": n}, queue=queue_name, **options).job_id for n in range(count)]
    with RestTransport(settings) as worker:
        claim = ClaimJobTasks(str(new_job_id()), "w", (queue_name,), ("bill",), count, 0, 60.0, {})
        error = TaskError("ValueError", "[bold]broken[/bold]")
        ended = [FinishedTask(task.ref, outcome, error=error) for task in worker.send(claim).tasks]
        worker.send(FinishJobTasks("w", tuple(ended)))
    return ids


def test_list_and_show(run: Run, settings: Settings, client: Queue, queue_name: str) -> None:
    [job_id] = dead(settings, client, queue_name, 1)
    table = run("dlq", "list", "--queue", queue_name).stdout
    assert job_id in table
    assert "ValueError: [bold]broken[/bold]" in table
    [row] = answered(run("dlq", "list", "--queue", queue_name, "--json"))
    assert (row["job_id"], row["lease_token"], row["error"]["type"]) == (job_id, 1, "ValueError")
    assert answered(run("dlq", "list", "--queue", queue_name, "--error", "KeyError", "--json")) == []
    shown = run("dlq", "show", job_id)
    assert shown.returncode == 0
    assert "1 of 5 attempts" in shown.stdout
    assert "secret" not in shown.stdout
    assert '"secret": 0' in run("dlq", "show", job_id, "--payload").stdout


def test_parked_ones_stand_apart(run: Run, settings: Settings, client: Queue, queue_name: str) -> None:
    [parked] = dead(settings, client, queue_name, 1, "park")
    [failed] = dead(settings, client, queue_name, 1)
    for option, job_id in (("--parked", parked), ("--not-parked", failed)):
        rows = answered(run("dlq", "list", "--queue", queue_name, option, "--json"))
        assert [row["job_id"] for row in rows] == [job_id]
    assert "0 (parked)" in run("dlq", "list", "--queue", queue_name, "--parked").stdout


def test_replay_by_id_and_by_filter_and_drop(
    run: Run, settings: Settings, client: Queue, queue_name: str
) -> None:
    ids = dead(settings, client, queue_name, 3)
    assert answered(run("dlq", "replay", ids[0], "--json")) == {"replayed": 1}
    assert client.get_many(ids)[0].status == "pending"  # type: ignore[union-attr]
    refused = run("dlq", "replay", "--queue", queue_name)
    assert refused.returncode == 1
    assert "--yes" in refused.stderr
    assert run("dlq", "replay", "--queue", queue_name, "--rate", "0.01", "--yes").stdout == "2 replayed\n"
    due = [job.tasks[0].run_at for job in client.get_many(ids[1:]) if job]
    assert abs((due[0] - due[1]).total_seconds()) == pytest.approx(100, abs=0.01)
    [gone] = dead(settings, client, f"{queue_name}-2", 1)
    assert answered(run("dlq", "drop", gone, "--yes", "--json")) == {"dropped": 1}
    assert client.get(gone) is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["dlq", "replay"], "say which"),
        (["dlq", "replay", "--all", "--queue", "a"], "either --all or"),
        (["dlq", "replay", new_job_id()], "has no dead letter"),
        (["dlq", "show", "7"], "job_id"),
        (["dlq", "show", new_job_id()], "there is no job"),
        (["dlq", "list", "--after", "yesterday"], "2030-01-31"),
        (["keys", "release", "a"], "--queue"),
        (["queues", "limit-waiting", "a", "7"], "--refuse or --slow"),
        (["queues", "limit-waiting", "a", "7", "--none"], "--none alone"),
        (["limits", "set", "--queue", "a"], "running_limit: must be given"),
        (["limits", "set", "--running", "3"], "queue: must be given"),
        (["queues", "pause", "a", "--for", "soon"], "90s, 15m"),
        (["queues", "pause", "a", "--for", "1h", "--until", "2030-01-01"], "not both"),
    ],
)
def test_what_users_get_wrong_is_one_sentence(run: Run, arguments: list[str], said: str) -> None:
    done = run(*arguments)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert said in done.stderr, done.stderr


def test_keys_that_are_blocked_are_listed_and_released(
    run: Run, settings: Settings, client: Queue, queue_name: str
) -> None:
    [failed] = dead(settings, client, queue_name, 1, order_key="[account] 7")
    behind = client.enqueue("bill", queue=queue_name, order_key="[account] 7")
    [listed] = answered(run("keys", "list", "--queue", queue_name, "--json"))
    assert (listed["order_key"], listed["job_id"], listed["waiting"]) == ("[account] 7", failed, 1)
    assert "[account] 7" in run("keys", "list", "--queue", queue_name).stdout
    released = run("keys", "release", "[account] 7", "other", "--queue", queue_name, "--by", "me")
    assert released.stdout == f"[account] 7: released past job {failed}\nother: not blocked\n"
    assert answered(run("keys", "list", "--queue", queue_name, "--json")) == []
    assert client.get(behind.job_id).tasks[0].status == "blocked"  # type: ignore[union-attr]
    [again] = answered(run("keys", "release", "[account] 7", "--queue", queue_name, "--json"))
    assert again["answer"] == "not_blocked"


def test_limit_waiting(run: Run, client: Queue, queue_name: str) -> None:
    limited = run("queues", "limit-waiting", queue_name, "1", "--refuse", "--by", "me")
    assert limited.stdout == f"{queue_name}: at most 1 wait, then refuse\n"
    client.enqueue("bill", queue=queue_name)
    with pytest.raises(QueueFull):
        client.enqueue("bill", queue=queue_name)
    assert (
        run("queues", "limit-waiting", queue_name, "--none").stdout == f"{queue_name}: any number may wait\n"
    )
    client.enqueue("bill", queue=queue_name)


def test_pause_list_resume(run: Run, client: Queue, queue_name: str) -> None:
    client.enqueue("bill", queue=queue_name)
    paused = run("queues", "pause", queue_name, "--for", "1h30m", "--reason", "[repair]", "--by", "me")
    assert paused.stdout.startswith(f"{queue_name}: paused until ")
    assert paused.stdout.endswith("by me: [repair]\n")
    [row] = [row for row in answered(run("queues", "list", "--json")) if row["queue"] == queue_name]
    assert (row["pending"], row["pause"]["reason"]) == (1, "[repair]")
    assert "by me: [repair]" in run("queues", "list").stdout
    assert run("queues", "resume", queue_name).stdout == f"{queue_name}: open\n"
    assert answered(run("queues", "resume", queue_name, "--json"))[0]["paused"] is False


def test_limits_are_set_listed_and_removed(run: Run, queue_name: str) -> None:
    limited = run("limits", "set", "--queue", queue_name, "--running", "3", "--by", "me")
    assert limited.stdout == f"queue {queue_name}: at most 3 at once\n"
    rate = ("--type", "[pay]", "--queue", queue_name, "--each-tenant", "--starts", "10", "--per", "1m")
    assert answered(run("limits", "set", *rate, "--json"))["starts_seconds"] == 60
    rows = [row for row in answered(run("limits", "list", "--json")) if row["queue"] == queue_name]
    assert [(row["task_type"], row["running_limit"], row["running"]) for row in rows] == [
        ("[pay]", None, 0),
        (None, 3, 0),
    ]
    assert "at most 10 begun in 60 s" in " ".join(run("limits", "list").stdout.split())
    removed = run("limits", "remove", "--queue", queue_name)
    assert removed.stdout == f"queue {queue_name}: any number may run\n"
    run("limits", "remove", "--type", "[pay]", "--queue", queue_name, "--each-tenant")
    assert queue_name not in run("limits", "list", "--json").stdout
