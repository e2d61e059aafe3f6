"""The index in a real Valkey: what answers mean, what two clients do to each other, what faults do."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from supaqueue.contract import NewJob
from supaqueue.cutover.errors import LegacyUnavailable
from supaqueue.cutover.legacy.entry import Ending
from supaqueue.cutover.legacy.index import Accepted
from supaqueue.cutover.legacy.redis_connection import connect
from supaqueue.cutover.legacy.redis_index import BATCH, RedisIndex
from supaqueue.cutover.legacy.redis_problems import redis_problems
from supaqueue.cutover.stamp import Stamp
from supaqueue.errors import InvalidInput
from supaqueue.job_id import new_job_id
from tests.valkey import Valkey

FOREVER = datetime.max.replace(tzinfo=UTC)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
DONE = Ending("completed", result={"n": 1}, attempts=1)


@pytest.fixture
def index(valkey: Valkey) -> Iterator[RedisIndex]:
    """An empty index."""
    with connect(valkey.url) as client:
        yield RedisIndex(client)


def job_of(job_id: str | None = None, payload: object = None, **options: object) -> NewJob:
    """A job; jobs of one id and payload are equal."""
    return NewJob("greet", payload, job_id=job_id or new_job_id(), **options)  # type: ignore[arg-type]


def accepted(index: RedisIndex, **options: Any) -> Stamp:
    """The stamp of a job that legacy owns and that is in the broker."""
    job = job_of(**options)
    index.accept([job])
    index.published([(Stamp(job.job_id), "native")])
    return Stamp(job.job_id)


def test_accept_is_due_until_published(index: RedisIndex) -> None:
    job = job_of(payload={"a": 1})
    assert index.accept([job]) == [Accepted("created", True)]
    assert index.accept([job, job_of(job.job_id, {"a": 2})]) == [
        Accepted("exists", True),
        Accepted("conflict", False),
    ]
    index.published([(Stamp(job.job_id, 1), "of another epoch")])
    assert index.unpublished([Stamp(job.job_id), Stamp(job.job_id, 1)]) == [True, False]
    index.published([(Stamp(job.job_id), "native")])
    assert index.accept([job]) == [Accepted("exists", False)]
    [entry] = index.get([job.job_id])
    assert entry is not None
    assert (entry.job, entry.native_id, entry.state) == (job, "native", "published")


def test_delay_counts_by_the_clock_of_the_server(index: RedisIndex, valkey: Valkey) -> None:
    at = datetime(2999, 1, 1, 12, tzinfo=UTC)
    delayed, timed = index.accept([job_of(delay=90), job_of(run_at=at)])
    with valkey.client() as client:
        seconds, micros = client.time()
    now = datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=micros)
    assert delayed.due_at is not None
    assert now - timedelta(seconds=60) < delayed.due_at - timedelta(seconds=90) <= now
    assert timed.due_at == at


def test_a_repeat_keeps_the_first_due_time(index: RedisIndex) -> None:
    job = job_of(delay=90)
    first, second = index.accept([job]), index.accept([job])
    assert first[0].due_at == second[0].due_at


def test_a_parked_copy_stays_parked(index: RedisIndex) -> None:
    job = job_of()
    assert index.park([job]) == [True]
    assert index.park([job]) == [False]
    assert index.accept([job]) == [Accepted("exists", False, owner="supabase")]
    assert index.start(Stamp(job.job_id), "one", 60) == "unknown"
    assert index.count().parked == 1


def test_release_under_a_higher_epoch_only(index: RedisIndex) -> None:
    job = job_of()
    index.park([job])
    stamp = Stamp(job.job_id, 2)
    assert index.release([stamp], [job]) == ["released"]
    assert index.release([stamp], [job]) == ["exists"]
    assert index.release([Stamp(job.job_id, 1)], [job]) == ["stale"]
    assert index.unpublished([stamp, Stamp(job.job_id, 1)]) == [True, False]
    assert index.start(Stamp(job.job_id, 1), "one", 60) == "stale"
    assert index.start(stamp, "one", 60) == "started"
    [entry] = index.get([job.job_id])
    assert entry is not None
    assert (entry.owner, entry.epoch) == ("legacy", 2)


def test_release_stores_what_it_does_not_know(index: RedisIndex) -> None:
    job = job_of()
    assert index.release([Stamp(job.job_id, 1)], [job]) == ["released"]
    [entry] = index.get([job.job_id])
    assert entry is not None
    assert entry.job == job


@pytest.mark.parametrize("closed_as", ["cancelled", "abandoned"])
def test_release_does_not_reopen(index: RedisIndex, closed_as: str) -> None:
    job = job_of()
    index.park([job])
    assert index.close([job.job_id], closed_as) == ["closed"]  # type: ignore[arg-type]
    assert index.release([Stamp(job.job_id, 1)], [job]) == ["closed"]


def test_what_was_taken_over_comes_back_under_a_newer_epoch_only(index: RedisIndex) -> None:
    job = job_of()
    index.release([Stamp(job.job_id, 1)], [job])
    assert index.close([job.job_id], "taken_over") == ["closed"]
    assert index.release([Stamp(job.job_id, 1)], [job]) == ["stale"]
    assert index.release([Stamp(job.job_id, 3)], [job]) == ["released"]
    assert index.start(Stamp(job.job_id, 3), "one", 60) == "started"


def test_the_marker_has_one_holder(index: RedisIndex) -> None:
    stamp = accepted(index)
    assert index.start(stamp, "one", 60) == "started"
    assert index.start(stamp, "one", 60) == "started"
    assert index.start(stamp, "two", 60) == "busy"
    assert index.renew(stamp, "two", 60) == "lost"
    assert index.finish(stamp, "two", DONE) == "lost"
    assert index.count().marked == 1
    index.free(stamp, "two")
    assert index.start(stamp, "two", 60) == "busy"
    index.free(stamp, "one")
    assert index.start(stamp, "two", 60) == "started"
    [entry] = index.get([stamp.job_id])
    assert entry is not None
    assert (entry.runner, entry.starts) == ("two", 2)


def test_an_expired_marker_is_free_and_its_holder_may_renew_it_until_it_is_taken(index: RedisIndex) -> None:
    stamp = accepted(index)
    assert index.start(stamp, "one", 0) == "started"
    assert index.count().marked == 0
    assert index.renew(stamp, "one", 0) == "held"
    assert index.start(stamp, "two", 60) == "started"
    assert index.renew(stamp, "one", 60) == "lost"
    assert index.finish(stamp, "one", DONE) == "lost"


def test_fifty_clients_start_one_message_once(index: RedisIndex, valkey: Valkey) -> None:
    stamp = accepted(index)

    def start(number: int) -> str:
        with connect(valkey.url) as client:
            return RedisIndex(client).start(stamp, f"runner {number}", 60)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(start, range(50)))
    assert sorted(answers) == ["busy"] * 49 + ["started"]


@pytest.mark.parametrize("closed_as", ["cancelled", "abandoned", "taken_over"])
def test_start_and_close_exclude_each_other(index: RedisIndex, valkey: Valkey, closed_as: str) -> None:
    stamps = [accepted(index) for _ in range(40)]
    with connect(valkey.url) as one, connect(valkey.url) as other, ThreadPoolExecutor(2) as pool:
        starts = pool.map(lambda stamp: RedisIndex(one).start(stamp, "one", 60), stamps)
        closes = pool.map(
            lambda stamp: RedisIndex(other).close([stamp.job_id], closed_as)[0],  # type: ignore[arg-type]
            stamps,
        )
        both = set(zip(starts, closes, strict=True))
    assert both <= {("started", "started"), ("closed", "closed")}


def test_finish_is_recorded_once_and_kept_until_told(index: RedisIndex) -> None:
    stamp = accepted(index)
    index.start(stamp, "one", 60)
    assert index.finish(stamp, "one", DONE) == "recorded"
    assert index.finish(stamp, "one", DONE) == "recorded"
    assert index.finish(stamp, "two", DONE) == "lost"
    assert index.start(stamp, "two", 60) == "ended"
    assert index.close([stamp.job_id], "cancelled") == ["ended"]
    [entry] = index.unsent_endings(10)
    assert entry.ending is not None
    assert (entry.ending.status, entry.ending.result) == ("completed", {"n": 1})
    assert entry.ending.ended_at is not None
    index.endings_sent([stamp.job_id])
    assert index.unsent_endings(10) == []
    counts = index.count()
    assert (counts.published, counts.marked, counts.unsent_endings) == (0, 0, 0)


def test_an_intent_that_ended_is_not_due(index: RedisIndex) -> None:
    job = job_of()
    index.accept([job])
    index.start(Stamp(job.job_id), "one", 60)
    index.finish(Stamp(job.job_id), "one", DONE)
    assert index.accept([job]) == [Accepted("exists", False)]
    assert index.unpublished([Stamp(job.job_id)]) == [False]
    index.published([(Stamp(job.job_id), "native")])
    assert index.count().published == 0


def test_a_late_published_after_close_changes_nothing(index: RedisIndex) -> None:
    job = job_of()
    index.accept([job])
    index.close([job.job_id], "cancelled")
    index.published([(Stamp(job.job_id), "native")])
    [entry] = index.get([job.job_id])
    assert entry is not None
    assert entry.state == "closed"


def test_cancel_reaches_the_next_renewal(index: RedisIndex) -> None:
    stamp = accepted(index)
    index.start(stamp, "one", 60)
    assert index.renew(stamp, "one", 60) == "held"
    assert index.close([stamp.job_id], "cancelled") == ["started"]
    index.request_cancel([stamp.job_id, new_job_id()])
    assert index.renew(stamp, "one", 60) == "cancel"


def test_cancelling_ends_a_job_between_two_attempts_and_abandoning_does_not(index: RedisIndex) -> None:
    stamp = accepted(index)
    index.start(stamp, "one", 60)
    index.free(stamp, "one")
    assert index.close([stamp.job_id], "abandoned") == ["started"]
    assert index.close([stamp.job_id], "cancelled") == ["closed"]
    assert index.close([stamp.job_id], "cancelled") == ["closed"]
    assert index.finish(stamp, "one", DONE) == "lost"
    assert [entry.job_id for entry in index.unsent_endings(10)] == [stamp.job_id]


def test_a_tombstone_refuses_what_comes_late(index: RedisIndex) -> None:
    job = job_of()
    assert index.close([job.job_id], "abandoned") == ["closed"]
    assert index.accept([job]) == [Accepted("conflict", False)]
    assert index.park([job]) == [False]
    assert index.start(Stamp(job.job_id), "one", 60) == "closed"
    [entry] = index.get([job.job_id])
    assert entry is not None
    assert (entry.job, entry.closed_as) == (None, "abandoned")
    [told] = index.unsent_endings(10)
    assert told.ending is not None
    assert (told.job_id, told.ending.status, told.ending.attempts) == (job.job_id, "cancelled", 0)


def test_settle_closes_copies_and_leaves_alone_what_legacy_owns(index: RedisIndex) -> None:
    parked, unknown, owned = job_of(), job_of(), job_of()
    index.park([parked])
    index.accept([owned])
    for _ in range(2):
        index.settle([(one, DONE) for one in (parked, unknown, owned)])
    entries = index.get([parked.job_id, unknown.job_id, owned.job_id])
    assert [entry.closed_as for entry in entries if entry] == ["settled", "settled", None]
    assert [entry.ending.result for entry in entries if entry and entry.ending] == [{"n": 1}] * 2
    assert index.unsent_endings(10) == []
    assert index.release([Stamp(owned.job_id, 0)], [owned]) == ["exists"]


def test_pages_come_in_order_though_a_batch_shares_one_time(index: RedisIndex) -> None:
    jobs = [job_of(payload=number) for number in range(BATCH + 250)]
    index.accept(jobs)
    after, found = None, []
    while page := index.list_by_time(LONG_AGO, FOREVER, after, 97):
        found += page
        after = (page[-1].accepted_at, page[-1].job_id)
    places = [(entry.accepted_at, entry.job_id) for entry in found]
    assert places == sorted(places)
    assert {entry.job_id for entry in found} == {job.job_id for job in jobs}
    assert len(found) == len(jobs)
    first = found[0].accepted_at
    assert index.list_by_time(LONG_AGO, first, None, 10) == []
    assert index.list_by_time(first, first + timedelta(microseconds=1), None, 1) == found[:1]


def test_nothing_comes_before_a_place_that_a_list_has_passed(index: RedisIndex, valkey: Valkey) -> None:
    with valkey.client() as client:  # as if the server's clock had been an hour ahead
        index.accept([first := job_of()])
        ahead = datetime.now(UTC) + timedelta(hours=1)
        client.zadd("{supaqueue}:accepted", {first.job_id: int(ahead.timestamp() * 1e6)})
    index.accept([second := job_of()])
    [entry] = index.get([second.job_id])
    assert entry is not None
    assert entry.accepted_at > ahead
    index.accept([second, job_of(second.job_id, "other")])
    [again] = index.get([second.job_id])
    assert again == entry


def test_an_intent_of_a_later_epoch_is_not_published_by_a_repeated_enqueue(index: RedisIndex) -> None:
    job = job_of()
    index.release([Stamp(job.job_id, 1)], [job])
    assert index.accept([job]) == [Accepted("exists", False, epoch=1)]


def test_an_attempt_that_was_freed_ends_nothing(index: RedisIndex) -> None:
    stamp = accepted(index)
    index.start(stamp, "one", 60)
    index.free(stamp, "one")
    assert index.finish(stamp, "one", DONE) == "lost"


def test_forget_removes_only_what_is_over_and_told(index: RedisIndex, valkey: Valkey) -> None:
    waiting, ended, told = (accepted(index) for _ in range(3))
    for stamp in (ended, told):
        index.start(stamp, "one", 60)
        index.finish(stamp, "one", DONE)
    index.endings_sent([told.job_id])
    index.close([tombstone := new_job_id()], "abandoned")
    index.endings_sent([tombstone])
    assert index.forget(LONG_AGO, 10) == 0
    assert index.forget(FOREVER, 1) == 1
    assert index.forget(FOREVER, 10) == 1
    left = index.get([waiting.job_id, ended.job_id, told.job_id, tombstone])
    assert [entry is not None for entry in left] == [True, True, False, False]
    index.close([waiting.job_id], "taken_over")
    index.endings_sent([ended.job_id])
    index.forget(FOREVER, 10)
    with valkey.client() as client:
        assert client.dbsize() == 0


def test_what_the_index_does_not_know_is_not_started(index: RedisIndex) -> None:
    job = job_of()
    assert index.start(Stamp(job.job_id), "one", 60) == "unknown"
    index.accept([job])
    assert index.start(Stamp(job.job_id, 1), "one", 60) == "unknown"
    assert index.count().marked == 0


def test_unstamped_runs_are_counted(index: RedisIndex) -> None:
    assert index.count().last_unstamped_at is None
    index.start_unstamped(new_job_id(), "a", 1)
    index.start_unstamped(new_job_id(), "a", 1)
    counts = index.count()
    assert counts.unstamped_runs == 2
    assert counts.last_unstamped_at is not None
    assert counts.last_unstamped_at > LONG_AGO


def test_all_keys_lie_on_one_slot(valkey: Valkey) -> None:
    with connect(valkey.url) as client:
        index = RedisIndex(client, prefix="team one")
        stamp = accepted(index)
        index.start(stamp, "one", 60)
        keys = [key.decode() for key in client.scan_iter()]
    assert len(keys) >= 4
    assert all(key.startswith("{team one}:") for key in keys)


@pytest.mark.parametrize("prefix", ["", "{a}", "a}b"])
def test_prefixes_that_break_the_hash_tag_are_refused(valkey: Valkey, prefix: str) -> None:
    with connect(valkey.url) as client, pytest.raises(InvalidInput, match="prefix"):
        RedisIndex(client, prefix=prefix)


def test_a_client_that_decodes_answers_will_do(valkey: Valkey) -> None:
    with redis.Redis.from_url(valkey.url, decode_responses=True, socket_timeout=3) as client:
        index = RedisIndex(client)
        stamp = accepted(index, payload={"ü": "日本"})
        [entry] = index.get([stamp.job_id])
        assert entry is not None
        assert entry.job is not None
        assert entry.job.payload == {"ü": "日本"}
        assert index.list_by_time(LONG_AGO, FOREVER, None, 1) == [entry]


def test_scripts_that_the_server_forgot_are_sent_again(index: RedisIndex, valkey: Valkey) -> None:
    accepted(index)
    with valkey.client() as client:
        client.script_flush()
    accepted(index)
    assert index.count().published == 2


def test_what_was_accepted_survives_a_kill_of_the_server(own_valkey: Valkey) -> None:
    with connect(own_valkey.url) as client:
        client.config_set("appendfsync", "always")
        index = RedisIndex(client)
        stamp = accepted(index)
        index.start(stamp, "one", 60)
        own_valkey.kill()
        with pytest.raises(LegacyUnavailable):
            index.renew(stamp, "one", 60)
        own_valkey.start()
        assert index.renew(stamp, "one", 60) == "held"
        assert index.finish(stamp, "one", DONE) == "recorded"


def test_a_server_that_is_not_there_has_done_nothing(own_valkey: Valkey) -> None:
    own_valkey.stop()
    url = own_valkey.url.replace("redis://", "redis://user:secret@")
    with connect(url) as client, pytest.raises(LegacyUnavailable) as caught:
        RedisIndex(client).accept([job_of(payload="private")])
    assert caught.value.committed == "no"
    assert f"127.0.0.1:{own_valkey.port}" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "private" not in str(caught.value)


def test_a_server_that_hangs_leaves_it_unknown() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        with connect(url, timeout_seconds=0.2) as client, pytest.raises(LegacyUnavailable) as caught:
            RedisIndex(client).accept([job_of()])
    assert caught.value.committed == "unknown"


def test_a_full_server_has_done_nothing(own_valkey: Valkey) -> None:
    with connect(own_valkey.url) as client:
        client.config_set("maxmemory", "1")
        with pytest.raises(LegacyUnavailable, match="maxmemory") as caught:
            RedisIndex(client).accept([job_of()])
        client.config_set("maxmemory", "0")
        assert caught.value.committed == "no"
        assert client.dbsize() == 0


def test_no_problems_where_there_are_none(own_valkey: Valkey) -> None:
    with connect(own_valkey.url) as client:
        assert redis_problems(client) == []


@pytest.mark.parametrize(
    ("name", "value", "names"),
    [
        ("appendonly", "no", "appendonly"),
        ("appendfsync", "no", "appendfsync"),
        ("maxmemory-policy", "allkeys-lru", "maxmemory-policy"),
    ],
)
def test_settings_that_lose_jobs_are_named(own_valkey: Valkey, name: str, value: str, names: str) -> None:
    with connect(own_valkey.url) as client:
        client.config_set(name, value)
        [problem] = redis_problems(client)
    assert names in problem


def test_a_client_without_a_time_limit_and_hidden_settings_are_problems(own_valkey: Valkey) -> None:
    with own_valkey.client() as client:
        client.acl_setuser("app", enabled=True, passwords=["+pw"], keys=["*"], commands=["+@all", "-config"])
    url = own_valkey.url.replace("redis://", "redis://app:pw@")
    with redis.Redis.from_url(url, socket_timeout=None) as client:
        problems = redis_problems(client)
    assert ["socket_timeout" in problems[0], "CONFIG GET" in problems[1]] == [True, True]


def test_entries_that_the_server_threw_away_end_no_page_and_no_list(
    index: RedisIndex, valkey: Valkey
) -> None:
    stamps = [accepted(index) for _ in range(3)]
    with valkey.client() as client:
        client.delete(f"{{supaqueue}}:job:{stamps[0].job_id}", f"{{supaqueue}}:job:{stamps[2].job_id}")
    first, *rest = index.list_by_time(LONG_AGO, FOREVER, None, 1)
    assert (first.job_id, rest) == (stamps[1].job_id, [])
    assert index.list_by_time(LONG_AGO, FOREVER, (first.accepted_at, first.job_id), 1) == []


@pytest.fixture
def forgetful(index: RedisIndex, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Lets everything be forgotten between the look for ids and the look at their entries, once."""

    def arm() -> None:
        read = index.get

        def forget_then_read(job_ids: list[str]) -> object:
            monkeypatch.setattr(index, "get", read)
            index.forget(FOREVER, 1)
            return read(job_ids)

        monkeypatch.setattr(index, "get", forget_then_read)

    return arm


def test_a_page_is_not_empty_because_its_entries_were_just_forgotten(
    index: RedisIndex, forgetful: Callable[[], None]
) -> None:
    index.close([gone := new_job_id()], "taken_over")
    stays = accepted(index)
    forgetful()
    page = index.list_by_time(LONG_AGO, FOREVER, None, 1)
    assert [entry.job_id for entry in page] == [stays.job_id]
    assert gone != stays.job_id
