"""Schedules: each tick is decided once, whoever asks and however often."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import psycopg
import pytest

from supaqueue.schedule import tick_of
from tests.sql.calls import Calls, Row, answers
from tests.sql.sessions import blocked, together

Connect = Callable[[], psycopg.Connection[Any]]

PAST = datetime(2026, 3, 29, tzinfo=UTC)
ROUNDS = 20


def schedule(name: str = "nightly", **changes: Any) -> Row:
    job = {"queue": "q", "task_type": "report", "payload": {"days": 1}, "tags": ["recurring"]}
    return {"schedule_name": name, "cron": "0 7 * * *", "time_zone": "Europe/Berlin", "job": job} | changes


def declare(calls: Calls, *schedules: Row) -> list[Row]:
    return list(calls.call("declare_schedules_v1", schedules=list(schedules)))


def declared_in_the_past(calls: Calls, *names: str) -> dict[str, int]:
    """New schedules whose ticks from `PAST` on are undecided, and their versions."""
    rows = declare(calls, *map(schedule, names))
    calls.connection.execute("update job_schedules set ticked_through = %s", [PAST])
    return {row["schedule_name"]: row["version"] for row in rows}


def minutes(*numbers: int) -> list[str]:
    return [(PAST + timedelta(minutes=number)).isoformat() for number in numbers]


def ticks(name: str, version: int, *numbers: int, through: int | None = None) -> Row:
    last = max(numbers, default=0) if through is None else through
    return {
        "schedule_name": name,
        "version": version,
        "ticks": minutes(*numbers),
        "through": minutes(last)[0],
    }


def tick(calls: Calls, *rows: Row) -> list[Row]:
    return list(calls.call("tick_schedules_v1", schedules=list(rows)))


def told(row: Row) -> list[str]:
    return [row["answer"], *answers(row["ticks"])]


def listed(calls: Calls, name: str = "nightly") -> Row:
    found = calls.call("list_schedules_v1", with_payload=True)["schedules"]
    return next(row for row in found if row["schedule_name"] == name)


def switch(calls: Calls, name: str, version: int | None, is_enabled: bool) -> Row:
    row = {"schedule_name": name, "version": version, "is_enabled": is_enabled}
    return dict(calls.call("switch_schedules_v1", schedules=[row])[0])


def remove(calls: Calls, name: str, version: int | None) -> Row:
    row = {"schedule_name": name, "version": version}
    return dict(calls.call("remove_schedules_v1", schedules=[row])[0])


def jobs(calls: Calls) -> int:
    return int(calls.value("select count(*) from jobs"))


# The id of a tick's job


def test_a_ticks_job_has_the_id_that_the_contract_says(calls: Calls) -> None:
    name, moment = "nightly: ü", datetime(2026, 3, 29, 1, 2, 3, 456789, UTC)
    found = calls.value("select supaqueue_tick_job_id(%s, %s)", [name, moment])
    key = f"{name}:2026-03-29T01:02:03.456789Z"
    salt = calls.value("select salt from job_settings")
    bucket = int.from_bytes(hashlib.sha256(f"{salt}:{key}".encode()).digest()[:4]) * 10_000 >> 32
    hashed = hashlib.sha256(key.encode()).hexdigest()
    random = int(hashed[3:15], 16)
    value = (
        int(moment.timestamp() * 1000) << 80
        | 7 << 76
        | int(hashed[:3], 16) << 64
        | 2 << 62
        | random << 14
        | bucket
    )
    assert found.int == value
    assert (found.version, found.variant) == (7, "specified in RFC 4122")
    assert calls.value("select job_bucket(%s)", [found]) == bucket
    assert tick_of(str(found)) == moment.replace(microsecond=456000)


def test_buckets_of_keys_are_spread_over_all_there_are(calls: Calls) -> None:
    query = """select min(bucket), max(bucket), count(distinct bucket)
               from (select supaqueue_key_bucket(n::text) as bucket from generate_series(1, 100000) n) as b"""
    row = calls.connection.execute(query).fetchone()
    assert row is not None
    assert row[:2] == (0, 9999)
    assert row[2] > 9990


def test_an_id_is_the_same_in_every_session(calls: Calls, connect: Connect) -> None:
    other = Calls(connect())
    other.connection.execute("set timezone = 'Asia/Kathmandu'")
    query = """select array_agg(supaqueue_tick_job_id('n', moment))
               from generate_series(%s, %s, interval '7 min') as moment"""
    span = [PAST, PAST + timedelta(days=3)]
    found = calls.value(query, span)
    assert found == other.value(query, span)
    assert len(set(found)) == len(found) > 600


def test_there_is_one_salt_for_ever(calls: Calls) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation):
        calls.connection.execute("insert into job_settings (salt) values ('another')")


# Declaring


def test_a_new_schedule_ticks_from_its_declaration_on(calls: Calls) -> None:
    before = calls.value("select clock_timestamp()")
    [row] = declare(calls, schedule())
    assert row["answer"] == "declared"
    found = listed(calls)
    assert before < datetime.fromisoformat(found["ticked_through"]) < calls.value("select clock_timestamp()")
    assert found["job"]["payload"] == {"days": 1}
    assert (found["missed"], found["missed_limit"], found["is_enabled"]) == ("last", 100, True)


def test_a_declaration_repeated_changes_nothing(calls: Calls) -> None:
    [first] = declare(calls, schedule())
    stands = calls.connection.execute("select * from job_schedules").fetchall()
    same = schedule(missed="last", missed_limit=None, job=schedule()["job"] | {"max_attempts": None})
    assert declare(calls, same) == [first]
    assert declare(calls, schedule(version=first["version"])) == [first]
    assert calls.connection.execute("select * from job_schedules").fetchall() == stands


def test_what_stands_otherwise_is_replaced_only_at_the_version_named(calls: Calls) -> None:
    [first] = declare(calls, schedule())
    assert declare(calls, schedule(missed="all")) == [first | {"answer": "changed"}]
    [second] = declare(calls, schedule(missed="all", version=first["version"]))
    assert second["answer"] == "declared"
    assert second["version"] > first["version"]
    assert listed(calls)["missed"] == "all"


def test_a_declaration_that_comes_late_undoes_nothing(calls: Calls) -> None:
    """Not one of a new schedule, not a change, and not after a removal."""
    [first] = declare(calls, schedule())
    change = schedule(missed="all", version=first["version"])
    [second] = declare(calls, change)
    [third] = declare(calls, schedule(missed="skip", version=second["version"]))
    for late in (schedule(), change):
        assert declare(calls, late) == [third | {"answer": "changed"}]
    removed = remove(calls, "nightly", third["version"])
    for late in (schedule(), change, schedule(missed="skip", version=second["version"])):
        assert declare(calls, late) == [{**removed, "answer": "changed"}]
    assert calls.call("list_schedules_v1", with_payload=False)["schedules"] == []


@pytest.mark.parametrize(
    ("change", "moves"),
    [
        ({"cron": "1 7 * * *"}, True),
        ({"time_zone": "Asia/Tokyo"}, True),
        ({"missed": "all"}, False),
        ({"job": {"queue": "q", "task_type": "report", "payload": {"days": 2}}}, False),
    ],
)
def test_only_another_cron_or_zone_decides_what_ticked(calls: Calls, change: Row, moves: bool) -> None:
    version = declared_in_the_past(calls, "nightly")["nightly"]
    declare(calls, schedule(**change, version=version))
    assert (datetime.fromisoformat(listed(calls)["ticked_through"]) > PAST) == moves


def test_ticked_through_never_goes_back(calls: Calls) -> None:
    """A standby that takes over may have an earlier clock."""
    [first] = declare(calls, schedule())
    later = datetime(2200, 1, 1, tzinfo=UTC)
    calls.connection.execute("update job_schedules set ticked_through = %s", [later])
    [second] = declare(calls, schedule(cron="1 7 * * *", version=first["version"]))
    disabled = switch(calls, "nightly", second["version"], False)
    enabled = switch(calls, "nightly", disabled["version"], True)
    tick(calls, ticks("nightly", enabled["version"], 1))
    assert datetime.fromisoformat(listed(calls)["ticked_through"]) == later


def test_removed_and_declared_again_it_is_new(calls: Calls) -> None:
    version = declared_in_the_past(calls, "nightly")["nightly"]
    disabled = switch(calls, "nightly", version, False)
    removed = remove(calls, "nightly", disabled["version"])
    assert removed["answer"] == "removed"
    [row] = declare(calls, schedule(version=removed["version"]))
    assert (row["answer"], row["version"] > removed["version"]) == ("declared", True)
    assert listed(calls)["is_enabled"]
    assert told(tick(calls, ticks("nightly", row["version"], 5))[0]) == ["ticked", "passed"]


# Enabling, disabling, removing


def test_switching_is_answered_alike_and_a_late_one_changes_nothing(calls: Calls) -> None:
    version = declared_in_the_past(calls, "nightly")["nightly"]
    disabled = switch(calls, "nightly", version, False)
    assert disabled["answer"] == "disabled"
    assert switch(calls, "nightly", version, False) == disabled
    enabled = switch(calls, "nightly", disabled["version"], True)
    assert enabled["answer"] == "enabled"
    assert switch(calls, "nightly", version, False) == enabled | {"answer": "changed"}
    assert listed(calls)["is_enabled"]


def test_what_ticked_while_disabled_is_passed_over(calls: Calls) -> None:
    version = declared_in_the_past(calls, "nightly")["nightly"]
    disabled = switch(calls, "nightly", version, False)
    calls.connection.execute("update job_schedules set ticked_through = %s", [PAST])
    assert told(tick(calls, ticks("nightly", disabled["version"], 5))[0]) == ["changed", "passed"]
    enabled = switch(calls, "nightly", disabled["version"], True)
    assert told(tick(calls, ticks("nightly", enabled["version"], 5))[0]) == ["ticked", "passed"]
    assert jobs(calls) == 0


def test_a_declaration_does_not_enable(calls: Calls) -> None:
    version = declared_in_the_past(calls, "nightly")["nightly"]
    disabled = switch(calls, "nightly", version, False)
    assert declare(calls, schedule()) == [disabled | {"answer": "declared"}]
    declare(calls, schedule(missed="all", version=disabled["version"]))
    assert not listed(calls)["is_enabled"]


def test_a_removal_is_answered_alike_and_a_late_one_changes_nothing(calls: Calls) -> None:
    version = declared_in_the_past(calls, "nightly")["nightly"]
    assert remove(calls, "nightly", None) == {
        "schedule_name": "nightly",
        "answer": "changed",
        "version": version,
    }
    removed = remove(calls, "nightly", version)
    assert remove(calls, "nightly", version) == removed
    assert switch(calls, "nightly", removed["version"], False)["answer"] == "unknown"
    assert told(tick(calls, ticks("nightly", removed["version"], 5))[0]) == ["changed", "passed"]
    [again] = declare(calls, schedule(version=removed["version"]))
    assert remove(calls, "nightly", version) == again | {"answer": "changed"}
    assert remove(calls, "weekly", None)["answer"] == "unknown"


# Ticking


def test_each_tick_gets_its_job_once(calls: Calls) -> None:
    version = declared_in_the_past(calls, "nightly")["nightly"]
    [first] = tick(calls, ticks("nightly", version, 1, 3, through=4))
    assert told(first) == ["ticked", "created", "created"]
    [again] = tick(calls, ticks("nightly", version, 1, 3, through=4))
    assert told(again) == ["ticked", "exists", "exists"]
    assert [row["job_id"] for row in again["ticks"]] == [row["job_id"] for row in first["ticks"]]
    job = calls.job(first["ticks"][1]["job_id"])
    assert (job["queue"], job["task_type"], job["tags"]) == ("q", "report", ["recurring"])
    assert job["tasks"][0]["payload"] == {"days": 1}
    assert datetime.fromisoformat(job["tasks"][0]["run_at"]) == PAST + timedelta(minutes=3)
    assert tick_of(job["job_id"]) == PAST + timedelta(minutes=3)


def test_what_was_passed_over_stays_so(calls: Calls) -> None:
    version = declared_in_the_past(calls, "nightly")["nightly"]
    assert told(tick(calls, ticks("nightly", version, through=4))[0]) == ["ticked"]
    assert told(tick(calls, ticks("nightly", version, 3, 5))[0]) == ["ticked", "passed", "created"]
    assert jobs(calls) == 1


def test_a_tick_of_an_older_version_is_not_run(calls: Calls) -> None:
    version = declared_in_the_past(calls, "nightly")["nightly"]
    [changed] = declare(calls, schedule(missed="all", version=version))
    assert told(tick(calls, ticks("nightly", version, 1))[0]) == ["changed", "passed"]
    assert told(tick(calls, ticks("nightly", changed["version"], 1))[0]) == ["ticked", "created"]
    # The repeat of a call that was first finds what it did.
    assert told(tick(calls, ticks("nightly", version, 1))[0]) == ["ticked", "exists"]


def test_the_database_clock_is_the_end(calls: Calls) -> None:
    version = declared_in_the_past(calls, "nightly")["nightly"]
    century = 100 * 365 * 24 * 60
    [row] = tick(calls, ticks("nightly", version, 1, century))
    assert told(row) == ["ticked", "created", "passed"]
    assert datetime.fromisoformat(listed(calls)["ticked_through"]) <= calls.value("select clock_timestamp()")
    assert jobs(calls) == 1


def test_one_call_for_many_answers_in_order(calls: Calls) -> None:
    versions = declared_in_the_past(calls, "a", "b", "c")
    rows = tick(calls, ticks("c", versions["c"], 2, 1), ticks("z", 1, 1), ticks("a", versions["a"], 1))
    assert [row["schedule_name"] for row in rows] == ["c", "z", "a"]
    assert [told(row) for row in rows] == [
        ["ticked", "created", "created"],
        ["changed", "passed"],
        ["ticked", "created"],
    ]
    assert [row["tick"] for row in rows[0]["ticks"]] == minutes(2, 1)
    assert datetime.fromisoformat(listed(calls, "b")["ticked_through"]) == PAST


def test_an_id_that_is_taken_is_no_second_job(calls: Calls) -> None:
    """The second line of defence: if what was decided is forgotten, the id says that the job is there."""
    version = declared_in_the_past(calls, "nightly")["nightly"]
    tick(calls, ticks("nightly", version, 1, 2))
    job = schedule()["job"] | {"payload": "another"}
    [changed] = declare(calls, schedule(job=job, version=version))
    calls.connection.execute("update job_schedules set ticked_through = %s", [PAST])
    [row] = tick(calls, ticks("nightly", changed["version"], 1, 2, 3))
    assert told(row) == ["ticked", "exists", "exists", "created"]
    assert jobs(calls) == 3


def test_a_ticks_job_is_what_an_enqueue_of_it_would_be(calls: Calls) -> None:
    """By the ordinary path: an enqueue of the same id and content finds it there."""
    version = declared_in_the_past(calls, "nightly")["nightly"]
    [row] = tick(calls, ticks("nightly", version, 1))
    moment = (PAST + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    job = schedule()["job"] | {"job_id": row["ticks"][0]["job_id"], "run_at": moment}
    assert answers(calls.enqueue(job)) == ["exists"]


# Two sessions


def test_two_schedulers_at_a_tick_make_one_job(calls: Calls, connect: Connect) -> None:
    one, other = Calls(connect()), Calls(connect())
    version = declared_in_the_past(calls, "nightly")["nightly"]
    for number in range(ROUNDS):
        call = ticks("nightly", version, number * 2 + 1, number * 2 + 2)
        rows = together(partial(tick, one, call), partial(tick, other, call))
        assert sorted(told(row)[1] for [row] in rows) == ["created", "exists"]
        assert rows[0][0]["ticks"][0]["job_id"] == rows[1][0]["ticks"][0]["job_id"]
    assert jobs(calls) == ROUNDS * 2


def test_the_second_waits_for_the_first_and_finds_it_decided(calls: Calls, connect: Connect) -> None:
    one, other = Calls(connect()), Calls(connect())
    version = declared_in_the_past(calls, "nightly")["nightly"]
    one.connection.execute("begin")
    tick(one, ticks("nightly", version, 1, through=3))
    # The other was told a tick that the first has passed over.
    row = ticks("nightly", version, 1, 2, through=3)
    with blocked(lambda: tick(other, row), other.connection, calls.connection) as answer:
        one.connection.execute("commit")
    assert told(answer.result()[0]) == ["ticked", "exists", "passed"]


def test_the_second_does_the_work_if_the_first_is_rolled_back(calls: Calls, connect: Connect) -> None:
    one, other = Calls(connect()), Calls(connect())
    version = declared_in_the_past(calls, "nightly")["nightly"]
    one.connection.execute("begin")
    tick(one, ticks("nightly", version, 1))
    row = ticks("nightly", version, 1)
    with blocked(lambda: tick(other, row), other.connection, calls.connection) as answer:
        one.connection.execute("rollback")
    assert told(answer.result()[0]) == ["ticked", "created"]


def test_a_tick_behind_a_change_is_of_the_old_version(calls: Calls, connect: Connect) -> None:
    one, other = Calls(connect()), Calls(connect())
    version = declared_in_the_past(calls, "nightly")["nightly"]
    one.connection.execute("begin")
    job = {"queue": "q", "task_type": "report", "payload": "new"}
    declare(one, schedule(job=job, version=version))
    row = ticks("nightly", version, 1)
    with blocked(lambda: tick(other, row), other.connection, calls.connection) as answer:
        one.connection.execute("commit")
    assert told(answer.result()[0]) == ["changed", "passed"]


def test_a_tick_behind_a_disable_makes_no_job(calls: Calls, connect: Connect) -> None:
    one, other = Calls(connect()), Calls(connect())
    version = declared_in_the_past(calls, "nightly")["nightly"]
    one.connection.execute("begin")
    switch(one, "nightly", version, False)
    row = ticks("nightly", version, 1)
    with blocked(lambda: tick(other, row), other.connection, calls.connection):
        one.connection.execute("commit")
    assert jobs(calls) == 0


def test_a_change_behind_a_tick_loses_none_of_it(calls: Calls, connect: Connect) -> None:
    one, other = Calls(connect()), Calls(connect())
    version = declared_in_the_past(calls, "nightly")["nightly"]
    one.connection.execute("begin")
    tick(one, ticks("nightly", version, 1))
    row = schedule(missed="all", version=version)
    with blocked(lambda: declare(other, row), other.connection, calls.connection) as answer:
        one.connection.execute("commit")
    assert answers(answer.result()) == ["declared"]
    assert datetime.fromisoformat(listed(calls)["ticked_through"]) == PAST + timedelta(minutes=1)


def test_two_that_declare_at_once_agree(calls: Calls, connect: Connect) -> None:
    """The same declaration stands once; of two different ones the second hears what stands."""
    one, other = Calls(connect()), Calls(connect())
    for number in range(ROUNDS):
        names = [f"same {number}", f"differs {number}"]
        mine = [schedule(names[0]), schedule(names[1], missed="all")]
        theirs = [schedule(names[1], missed="skip"), schedule(names[0])]
        found, others = together(partial(declare, one, *mine), partial(declare, other, *theirs))
        assert found[0] == others[1]
        assert found[0]["answer"] == "declared"
        assert found[1]["version"] == others[0]["version"]
        assert {found[1]["answer"], others[0]["answer"]} == {"declared", "changed"}


def test_calls_about_many_in_opposite_order_do_not_deadlock(calls: Calls, connect: Connect) -> None:
    names = [f"s{number:02}" for number in range(40)]
    versions = declared_in_the_past(calls, *names)
    sessions = [Calls(connect()) for _ in range(4)]
    for number in range(ROUNDS):
        forward = [ticks(name, versions[name], number + 1) for name in names]
        switched = [{"schedule_name": n, "version": versions[n], "is_enabled": True} for n in names]
        together(
            partial(tick, sessions[0], *forward),
            partial(tick, sessions[1], *forward[::-1]),
            partial(declare, sessions[2], *map(schedule, names[::-1])),
            partial(sessions[3].call, "switch_schedules_v1", schedules=switched[::-1]),
        )
    assert jobs(calls) == ROUNDS * len(names)
