"""The flag of a cutover: which changes it takes, by whichever way they are made, and what it keeps."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.sql.calls import Calls, Worker
from tests.sql.flags import begin, change, emergency, own_flag, read_flag, set_flag
from tests.sql.sessions import together

Connect = Callable[[], psycopg.Connection[Any]]

STAGES = ("off", "mirror", "shadow", "canary", "live", "complete")
STEPS = {
    ("complete", "off"),
    ("complete", "live"),
    ("off", "mirror"),
    ("mirror", "off"),
    ("mirror", "shadow"),
    ("mirror", "canary"),
    ("shadow", "mirror"),
    ("shadow", "canary"),
    ("canary", "mirror"),
    ("canary", "shadow"),
    ("canary", "live"),
    ("live", "canary"),
    ("live", "complete"),
}
AT_STAGE: dict[str, dict[str, Any]] = {
    "off": {"is_enabled": False, "rollout_percent": 0},
    "mirror": {"is_enabled": False, "rollout_percent": 0},
    "shadow": {"is_enabled": False, "rollout_percent": 0},
    "canary": {"is_enabled": True, "rollout_percent": 10},
    "live": {"is_enabled": True, "rollout_percent": 100},
    "complete": {"is_enabled": True, "rollout_percent": 100, "holdback_percent": 0},
}
OLDER = "update feature_flag set updated_at = updated_at - interval '1 minute'"


def go_to(connection: psycopg.Connection[Any], stage: str) -> None:
    if stage != "complete":
        begin(connection, stage, holdback_percent=0)


def grow_older(superuser_calls: Calls) -> None:
    """Let the last change have been a minute ago, past the triggers."""
    connection = superuser_calls.connection
    connection.execute("set session_replication_role = replica")
    connection.execute(OLDER)
    connection.execute("reset session_replication_role")


def refused(connection: psycopg.Connection[Any], task_type: str | None = None, **columns: Any) -> str:
    """Try an UPDATE that is to be refused, and return the message; nothing has changed."""
    before = read_flag(connection, task_type)
    with pytest.raises(psycopg.Error) as raised:
        set_flag(connection, task_type, **columns)
    assert read_flag(connection, task_type) == before
    assert raised.value.sqlstate in ("SQ005", "23514", "22P02"), raised.value
    return str(raised.value)


def closed(worker: Worker) -> list[str]:
    """Claim nothing, and return the types that the flag holds back."""
    worker.claim(0)
    return list(worker.last["closed"])


def test_a_fresh_install_has_no_cutover(calls: Calls, worker: Worker) -> None:
    flag = read_flag(calls.connection)
    assert (flag["stage"], flag["is_enabled"], flag["rollout_percent"]) == ("complete", True, 100)
    assert closed(worker) == []
    assert calls.call("list_flag_changes_v1", before_id=None, page_size=10) == []


@pytest.mark.parametrize(("before", "after"), list(itertools.permutations(STAGES, 2)))
def test_steps(superuser_calls: Calls, before: str, after: str) -> None:
    connection = superuser_calls.connection
    go_to(connection, before)
    grow_older(superuser_calls)
    if (before, after) in STEPS:
        set_flag(connection, stage=after, **AT_STAGE[after])
        assert read_flag(connection)["stage"] == after
    else:
        assert f"there is no step from {before} to {after}" in refused(
            connection, stage=after, **AT_STAGE[after]
        )


def test_the_stage_follows_the_percent(calls: Calls) -> None:
    """So that a plain UPDATE of the percent is enough."""
    connection = calls.connection
    begin(connection, "shadow")
    for percent, stage in ((0.01, "canary"), (100, "live"), (99.99, "canary"), (0, "canary")):
        set_flag(connection, is_enabled=True, rollout_percent=percent)
        assert read_flag(connection)["stage"] == stage


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("way", ["one row", "all rows", "function"])
def test_the_emergency_update_works_from_every_stage(
    calls: Calls, worker: Worker, stage: str, way: str
) -> None:
    connection = calls.connection
    go_to(connection, stage)
    set_flag(connection, shadow_percent=5)
    own_flag(calls, "count", shadow_percent=7)
    if way == "one row":
        set_flag(connection, is_enabled=False, rollout_percent=0, updated_by="ada", reason="errors")
    elif way == "all rows":
        emergency(connection)
    else:
        change(calls, {"is_enabled": False, "rollout_percent": 0})
    flag = read_flag(connection)
    assert (flag["is_enabled"], flag["rollout_percent"], flag["shadow_percent"]) == (False, 0, 0)
    assert flag["updated_by"] == "ada"
    own = read_flag(connection, "count")
    assert (own["shadow_percent"], own["updated_by"]) == (0, "ada")
    assert closed(worker) == ["count"]


@pytest.mark.parametrize(
    "percent", [0.005, "NaN", -1, 100.01, 101, "infinity", "ten", "", None], ids=lambda value: f"{value!r}"
)
@pytest.mark.parametrize("column", ["rollout_percent", "holdback_percent", "shadow_percent"])
def test_a_percent_is_a_number_in_steps_of_a_hundredth(calls: Calls, column: str, percent: Any) -> None:
    begin(calls.connection, "canary")
    before = read_flag(calls.connection)
    with pytest.raises(psycopg.Error):
        set_flag(calls.connection, **{column: percent})
    assert read_flag(calls.connection) == before


def test_a_type_that_nobody_knows_gets_no_flag(calls: Calls, worker: Worker, queue_name: str) -> None:
    insert = "insert into feature_flag (flag_name) values ('supabase_queue:cuont')"
    begin(calls.connection, "mirror")
    with pytest.raises(psycopg.Error, match="no worker serves the task type 'cuont'"):
        calls.connection.execute(insert)
    with pytest.raises(psycopg.Error, match="is it spelt right"):
        change(calls, {"rollout_percent": 0}, "cuont")
    calls.enqueue(
        {"job_id": str(uuid4())[:-4] + "8001", "queue": queue_name, "task_type": "cuont", "owner": "legacy"}
    )
    calls.connection.execute(insert)
    assert read_flag(calls.connection, "cuont")["task_type"] == "cuont"


def test_a_type_of_its_own_replaces_the_overall_flag_while_that_is_on(
    calls: Calls, open_worker: Callable[..., Worker]
) -> None:
    begin(calls.connection, "live")
    worker = open_worker(task_types=["a", "b"])
    own_flag(calls, "a", is_enabled=False)
    assert closed(worker) == ["a"]
    set_flag(calls.connection, "a", is_enabled=True)
    assert closed(worker) == []
    set_flag(calls.connection, is_enabled=False)
    assert closed(worker) == ["a", "b"]


def test_a_cutover_begins_when_nothing_is_unfinished(calls: Calls, worker: Worker, queue_name: str) -> None:
    off: dict[str, Any] = {"stage": "off", "is_enabled": False, "rollout_percent": 0}
    [waiting, late] = [*calls.enqueue_new(queue_name), *calls.enqueue_new(queue_name, delay_seconds=600)]
    assert "no job is unfinished" in refused(calls.connection, **off)
    worker.claim(1)
    calls.cancel(late)
    assert "no job is unfinished" in refused(calls.connection, **off)
    worker.finish([*({"job_id": waiting, "task_number": 0, "lease_token": 1, "outcome": "done"},)])
    set_flag(calls.connection, **off)
    assert read_flag(calls.connection)["raised_at"] is not None


def test_complete_wants_no_holdback_no_open_job_of_legacy_and_ten_seconds(
    superuser_calls: Calls, queue_name: str
) -> None:
    calls = superuser_calls
    complete = {"stage": "complete"}
    begin(calls.connection, "live", holdback_percent=2)
    grow_older(calls)
    assert "holdback of 0" in refused(calls.connection, **complete)
    set_flag(calls.connection, holdback_percent=0)
    assert "less than 10 s ago" in refused(calls.connection, **complete)
    [job_id] = calls.enqueue_new(queue_name, owner="legacy")
    grow_older(calls)
    assert "legacy has not ended" in refused(calls.connection, **complete)
    outcome = {"job_id": job_id, "epoch": 0, "status": "completed"}
    calls.call("record_outcomes_v1", outcomes=[outcome])
    set_flag(calls.connection, **complete)


def test_what_is_latched_is_lowered_by_anyone_and_raised_by_nobody(calls: Calls) -> None:
    begin(calls.connection, "canary", rollout_percent=50, shadow_percent=5, holdback_percent=2)
    set_flag(calls.connection, supabase_tenants=["a"])
    change(calls, {"latched": True, "rollout_percent": 10}, reason="errors above 2x")
    assert read_flag(calls.connection)["latch_reason"] == "errors above 2x"
    for raised in (
        {"rollout_percent": 10.01},
        {"shadow_percent": 6},
        {"supabase_tenants": ["a", "b"]},
        {"holdback_percent": 1},
    ):
        assert "latched since" in refused(calls.connection, **raised)
        with pytest.raises(psycopg.Error, match="latched since"):
            change(calls, raised)
    set_flag(calls.connection, rollout_percent=5)
    set_flag(calls.connection, is_enabled=False)
    assert "latched since" in refused(calls.connection, is_enabled=True)
    change(calls, {"latched": False})
    set_flag(calls.connection, is_enabled=True, rollout_percent=100)


def test_no_types_row_gets_round_the_latch(calls: Calls) -> None:
    begin(calls.connection, "canary", rollout_percent=50)
    own_flag(calls, "low", rollout_percent=5)
    calls.set_task_types({"task_type": "high"})
    change(calls, {"latched": True, "rollout_percent": 10})
    insert = """insert into feature_flag (flag_name, stage, is_enabled, rollout_percent, holdback_percent)
                values ('supabase_queue:high', 'canary', true, 11, 2)"""
    with pytest.raises(psycopg.Error, match="latched since"):
        calls.connection.execute(insert)
    with pytest.raises(psycopg.Error, match="latched and allows more"):
        calls.connection.execute("delete from feature_flag where task_type = 'low'")
    change(calls, {"latched": False})
    calls.connection.execute("delete from feature_flag where task_type = 'low'")


def test_nothing_is_raised_while_jobs_go_back(calls: Calls) -> None:
    begin(calls.connection, "live")
    assert "only while the percent is 0" in refused(calls.connection, hand_back="not_started")
    set_flag(calls.connection, is_enabled=False, rollout_percent=0, hand_back="not_started")
    assert "jobs go back" in refused(calls.connection, is_enabled=True)
    assert "jobs go back" in refused(calls.connection, rollout_percent=1)
    set_flag(calls.connection, hand_back="none")
    set_flag(calls.connection, is_enabled=True, rollout_percent=1)


def test_the_overall_row_stays_and_no_row_changes_its_name(calls: Calls) -> None:
    begin(calls.connection, "mirror")
    own_flag(calls, "a")
    for command in ("delete from feature_flag", "truncate feature_flag", "truncate job_settings"):
        with pytest.raises(psycopg.Error) as raised:
            calls.connection.execute(command.encode())
        assert raised.value.sqlstate == "SQ005"
    assert "flag_name does not change" in refused(calls.connection, "a", flag_name="supabase_queue:b")


def test_the_salt_cannot_be_changed(calls: Calls) -> None:
    """Else every key would move to another bucket."""
    salt = calls.value("select salt from job_settings")
    for command in ("update job_settings set salt = 'x'", "delete from job_settings"):
        with pytest.raises(psycopg.Error, match="the salt never changes"):
            calls.connection.execute(command.encode())
    assert calls.value("select salt from job_settings") == salt


def changes(calls: Calls) -> list[tuple[Any, ...]]:
    rows = calls.call("list_flag_changes_v1", before_id=None, page_size=100)
    names = ("flag_name", "changed_by", "reason", "evidence")
    return [tuple(row[name] for name in names) for row in reversed(rows)]


def test_every_change_is_kept_by_whichever_way_it_is_made(calls: Calls, fresh_database: str) -> None:
    begin(calls.connection, "mirror")
    count = len(changes(calls))
    own_flag(calls, "a")
    set_flag(calls.connection, "a", updated_by="bob", reason="why")
    calls.connection.execute("delete from feature_flag where task_type = 'a'")
    rows = calls.call("list_flag_changes_v1", before_id=None, page_size=3)
    deleted, updated, inserted = rows
    assert (inserted["before"], deleted["after"]) == (None, None)
    assert updated["before"] == inserted["after"]
    assert deleted["before"] == updated["after"]
    assert updated["after"]["reason"] == "why"
    assert (updated["version"], updated["session_by"]) == (updated["after"]["version"], "postgres")
    assert len({row["version"] for row in rows}) == 3
    assert len(changes(calls)) == count + 3
    page = calls.call("list_flag_changes_v1", before_id=deleted["change_id"], page_size=1)
    assert page == [updated]


def test_a_change_says_by_whom_and_why_or_nobody_knows(calls: Calls) -> None:
    """What an UPDATE does not name is not the last one's; what it names again it has said."""
    begin(calls.connection, "canary")
    update = "update feature_flag set rollout_percent = {}"
    named = ", updated_by = 'ada', reason = 'errors', evidence = 'report 7'"
    for percent, words in ((9, named), (8, named), (7, "")):
        calls.connection.execute((update.format(percent) + words).encode())
    change(calls, {"rollout_percent": 6}, changed_by="ada", reason="errors")
    change(calls, {"rollout_percent": 5}, changed_by="ada", reason="errors")
    said, nothing = ("supabase_queue", "ada", "errors", "report 7"), ("supabase_queue", None, None, None)
    asked = ("supabase_queue", "ada", "errors", None)
    assert changes(calls)[-5:] == [said, said, nothing, asked, asked]


def test_a_change_is_made_at_the_version_that_was_looked_at(calls: Calls) -> None:
    begin(calls.connection, "canary")
    version = read_flag(calls.connection)["version"]
    stands = change(calls, {"rollout_percent": 20}, expected_version=version)
    assert (stands["rollout_percent"], stands["version"] > version) == (20, True)
    with pytest.raises(psycopg.Error, match=f"at version {stands['version']} by now") as raised:
        change(calls, {"rollout_percent": 50}, expected_version=version)
    assert raised.value.sqlstate == "SQ005"
    assert read_flag(calls.connection)["rollout_percent"] == 20
    calls.set_task_types({"task_type": "a"})
    with pytest.raises(psycopg.Error, match="at version none by now"):
        change(calls, {"rollout_percent": 50}, "a", expected_version=version)


def test_a_repeat_changes_nothing_also_after_another_change(calls: Calls) -> None:
    begin(calls.connection, "canary")
    request_id = str(uuid4())
    first = change(calls, {"rollout_percent": 20}, request_id=request_id)
    assert change(calls, {"rollout_percent": 20}, request_id=request_id) == first
    emergency(calls.connection)
    stands = change(calls, {"rollout_percent": 20}, request_id=request_id)
    assert (stands["is_enabled"], stands["rollout_percent"]) == (False, 0)


def test_a_new_types_flag_is_a_copy_of_the_overall_one(calls: Calls) -> None:
    begin(calls.connection, "canary", rollout_percent=7.25, legacy_tenants=["acme"], relays_unrouted=True)
    own_flag(calls, "a")
    own, overall = read_flag(calls.connection, "a"), read_flag(calls.connection)
    differing = {name for name in own if own[name] != overall[name]}
    assert differing <= {"flag_name", "task_type", "version", "updated_by", "updated_at"}
    read = calls.call("read_feature_flags_v1")
    assert [flag["task_type"] for flag in read["types"]] == ["a"]


def test_changes_at_once_are_made_one_after_the_other(calls: Calls, connect: Connect) -> None:
    begin(calls.connection, "canary")
    sessions = [Calls(connect()) for _ in range(2)]
    for _ in range(20):
        version = read_flag(calls.connection)["version"]
        count = len(changes(calls))

        def lower(session: Calls, percent: int, version: int = version) -> int:
            try:
                change(session, {"rollout_percent": percent}, expected_version=version)
            except psycopg.DatabaseError:
                return 0
            return 1

        assert sum(together(*(partial(lower, s, 10 + n) for n, s in enumerate(sessions)))) == 1
        assert len(changes(calls)) == count + 1


def test_updates_at_once_are_both_kept(calls: Calls, connect: Connect) -> None:
    begin(calls.connection, "canary")
    sessions = [connect() for _ in range(2)]
    count = len(changes(calls))
    for _ in range(20):
        together(
            partial(set_flag, sessions[0], rollout_percent=20),
            partial(set_flag, sessions[1], shadow_percent=20),
        )
    rows = calls.call("list_flag_changes_v1", before_id=None, page_size=100)
    assert len(rows) == count + 40
    assert all(a["before"] == b["after"] for a, b in itertools.pairwise(rows))
