"""The flags at hand: how old they get, who waits for them, what is left of them without the database."""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from supaqueue.contract import Call
from supaqueue.contract.feature_flag import FeatureFlags, ReadFeatureFlags
from supaqueue.cutover.kept_flags import KeptFlags
from supaqueue.cutover.rollout import FRESH_SECONDS, PAUSE_SECONDS, REFRESH_SECONDS, Rollout
from supaqueue.errors import QueueUnavailable
from tests.cutover.flags import MOMENT, flag, flags

PATIENCE = 20.0
SOURCE = "https://ref.supabase.co public"


class Time:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Database:
    """Answers reads of the flags with `flags`, or with an error while there are none; may be held up."""

    def __init__(self) -> None:
        self.flags: FeatureFlags | None = flags()
        self.answers = threading.Event()
        self.answers.set()
        self.asked = threading.Semaphore(0)
        self.reads = 0
        self.at_once = 0
        self.most_at_once = 0
        self._lock = threading.Lock()

    def send(self, call: Call[Any]) -> Any:
        assert isinstance(call, ReadFeatureFlags)
        with self._lock:
            self.reads += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            answer = self.flags
        self.asked.release()
        assert self.answers.wait(PATIENCE)
        with self._lock:
            self.at_once -= 1
        if answer is None:
            raise QueueUnavailable("no answer", call=call.function)
        return answer

    def close(self) -> None:
        pass

    def wait_until_asked(self) -> None:
        assert self.asked.acquire(timeout=PATIENCE)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def database() -> Database:
    return Database()


def percent(rollout: Rollout) -> float | None:
    known = rollout.current()
    return None if known is None else float(known.flags.overall.rollout_percent)


def settle(rollout: Rollout) -> None:
    """Wait until no read is under way."""
    reader = rollout._reader
    if reader is not None:
        reader.join(PATIENCE)
        assert not reader.is_alive()


def test_the_first_look_waits_for_the_first_read(time: Time, database: Database) -> None:
    rollout = Rollout(database, clock=time, first_wait_seconds=PATIENCE)
    assert percent(rollout) == 50
    known = rollout.current()
    assert known is not None
    assert (known.is_fresh, known.age_seconds, database.reads) == (True, 0.0, 1)


def test_flags_are_read_again_before_they_are_stale_and_nobody_waits(time: Time, database: Database) -> None:
    rollout = Rollout(database, clock=time, first_wait_seconds=PATIENCE)
    rollout.current()
    database.wait_until_asked()
    time.now += REFRESH_SECONDS
    database.answers.clear()
    database.flags = flags(flag("canary", 70))
    for _ in range(5):
        assert percent(rollout) == 50  # while the read is held up
    database.wait_until_asked()
    assert database.reads == 2
    database.answers.set()
    settle(rollout)
    assert percent(rollout) == 70


def test_stale_flags_are_waited_for(time: Time, database: Database) -> None:
    rollout = Rollout(database, clock=time, first_wait_seconds=PATIENCE)
    rollout.current()
    rollout._usual_seconds = PATIENCE  # as if reads took long: so that a busy machine does not end the wait
    time.now += FRESH_SECONDS + 0.01
    database.flags = flags(flag("canary", 70))
    assert percent(rollout) == 70


def test_the_age_counts_from_when_the_read_began(time: Time, database: Database) -> None:
    rollout = Rollout(database, clock=time, first_wait_seconds=0.0)
    database.answers.clear()
    assert rollout.current() is None
    database.wait_until_asked()
    time.now += 0.9
    database.answers.set()
    settle(rollout)
    known = rollout.current()
    assert known is not None
    assert known.age_seconds == pytest.approx(0.9)


def test_a_silent_database_is_waited_for_once(time: Time, database: Database) -> None:
    rollout = Rollout(database, clock=time, first_wait_seconds=PATIENCE)
    rollout.current()
    database.wait_until_asked()
    database.answers.clear()
    time.now += 60
    joins: list[threading.Thread] = []
    wait_for = rollout._wait_for

    def watched(reader: threading.Thread, *, is_known: bool) -> None:
        joins.append(reader)
        wait_for(reader, is_known=is_known)

    rollout._wait_for = watched  # type: ignore[method-assign]
    for _ in range(20):
        known = rollout.current()
        assert known is not None
        assert (known.is_fresh, known.age_seconds) == (False, 60)
    assert len(joins) == 1
    assert database.reads == 2
    database.answers.set()
    settle(rollout)
    known = rollout.current()
    assert known is not None
    assert (known.is_fresh, known.age_seconds, rollout._is_silent) == (True, 0, False)


def test_after_a_failure_the_next_read_waits_its_turn_and_nobody_waits_for_it(
    time: Time, database: Database
) -> None:
    rollout = Rollout(database, clock=time, first_wait_seconds=PATIENCE)
    rollout.current()
    database.flags = None
    time.now += 60
    rollout.current()
    settle(rollout)
    assert rollout.problem == "QueueUnavailable"
    for _ in range(10):
        assert percent(rollout) == 50
    assert database.reads == 2
    time.now += PAUSE_SECONDS
    database.flags = flags(flag("canary", 70))
    rollout.current()
    settle(rollout)
    assert percent(rollout) == 70
    assert rollout.problem is None


def test_one_read_at_a_time_for_many_threads(time: Time, database: Database) -> None:
    rollout = Rollout(database, clock=time, first_wait_seconds=PATIENCE)
    database.answers.clear()
    with ThreadPoolExecutor(16) as pool:
        looks = [pool.submit(percent, rollout) for _ in range(16)]
        database.wait_until_asked()
        database.answers.set()
        assert {look.result() for look in looks} == {50.0}
    assert (database.reads, database.most_at_once) == (1, 1)


def test_a_refresh_never_takes_an_answer_that_was_asked_for_before(time: Time, database: Database) -> None:
    rollout = Rollout(database, clock=time, first_wait_seconds=0.0)
    database.answers.clear()
    rollout.current()
    database.wait_until_asked()  # this read will say 50
    time.now += 0.1
    database.flags = flags(flag("canary", 0))
    with ThreadPoolExecutor(1) as pool:
        refreshed = pool.submit(rollout.refresh)
        database.answers.set()
        assert refreshed.result().flags.overall.rollout_percent == 0
    assert (database.reads, database.most_at_once) == (2, 1)


def test_threads_that_refresh_at_once_share_a_read(time: Time, database: Database) -> None:
    rollout = Rollout(database, clock=time)
    database.answers.clear()
    ticking = iter(range(10**6))
    rollout._clock = lambda: 1000.0 + next(ticking)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(rollout.refresh)
        database.wait_until_asked()
        waiting_asked = threading.Barrier(9)

        def refresh() -> None:
            waiting_asked.wait(PATIENCE)
            rollout.refresh()

        others = [pool.submit(refresh) for _ in range(8)]
        waiting_asked.wait(PATIENCE)
        database.answers.set()
        first.result()
        for one in others:
            one.result()
    assert database.most_at_once == 1
    assert database.reads <= 9


def test_a_refresh_that_fails_says_so_and_leaves_what_is_known(time: Time, database: Database) -> None:
    rollout = Rollout(database, clock=time, first_wait_seconds=PATIENCE)
    rollout.current()
    database.flags = None
    time.now += 0.1
    with pytest.raises(QueueUnavailable):
        rollout.refresh()
    assert percent(rollout) == 50


def kept_in(folder: Path, clock: Callable[[], float], source: str = SOURCE) -> KeptFlags:
    return KeptFlags(folder, source, now=clock)


def test_a_restart_without_the_database_goes_by_what_was_kept(
    tmp_path: Path, time: Time, database: Database
) -> None:
    wall = Time()
    Rollout(database, kept_in(tmp_path, wall), clock=time, first_wait_seconds=PATIENCE).current()
    database.flags = None
    wall.now += 3600
    restarted = Rollout(database, kept_in(tmp_path, wall), clock=Time())
    known = restarted.current()
    assert known is not None
    assert known.flags == flags()
    assert (known.is_fresh, known.age_seconds) == (False, 3600.0)


def test_kept_flags_are_never_fresh_and_are_replaced_by_the_first_read(
    tmp_path: Path, time: Time, database: Database
) -> None:
    kept = kept_in(tmp_path, Time())
    kept.write(flags(flag("canary", 20)))
    database.answers.clear()
    rollout = Rollout(database, kept, clock=time)
    known = rollout.current()
    assert known is not None
    assert (known.is_fresh, known.age_seconds, known.flags.overall.rollout_percent) == (False, 0.0, 20)
    database.answers.set()
    settle(rollout)
    assert percent(rollout) == 50


def test_flags_that_are_too_old_are_as_good_as_none(tmp_path: Path, time: Time, database: Database) -> None:
    wall = Time()
    kept_in(tmp_path, wall).write(flags())
    database.flags = None
    wall.now += 100
    rollout = Rollout(database, kept_in(tmp_path, wall), clock=time, kept_seconds=130.0)
    assert percent(rollout) == 50
    time.now += 31
    assert rollout.current() is None


def test_without_database_and_file_nothing_is_known(tmp_path: Path, time: Time, database: Database) -> None:
    database.flags = None
    rollout = Rollout(database, kept_in(tmp_path, Time()), clock=time, first_wait_seconds=PATIENCE)
    assert rollout.current() is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: "null",
        lambda text: "\udcff",
        lambda text: json.dumps({**json.loads(text), "flags": {}}),
        lambda text: json.dumps({**json.loads(text), "kept_at": None}),
        lambda text: text.replace('"canary"', '"unheard-of"'),
    ],
)
def test_a_damaged_file_is_no_file(tmp_path: Path, damage: Callable[[str], str]) -> None:
    kept = kept_in(tmp_path, Time())
    kept.write(flags())
    kept.path.write_bytes(damage(kept.path.read_text()).encode(errors="surrogateescape"))
    assert kept.read() is None
    kept.write(flags())
    assert kept.read() is not None


def test_another_queue_s_flags_are_not_used(tmp_path: Path) -> None:
    kept_in(tmp_path, Time()).write(flags())
    assert kept_in(tmp_path, Time(), "https://staging.supabase.co public").read() is None


def test_everything_of_the_flags_is_kept(tmp_path: Path) -> None:
    full = flags(
        flag("live", "99.07", latched_at=MOMENT, latch_reason="errors", supabase_tenants=("a", "ü")),
        flag("canary", "0.01", task_type="resize", raised_at=MOMENT, by_environment=True),
    )
    kept = kept_in(tmp_path, Time())
    kept.write(full)
    found = kept.read()
    assert found is not None
    assert found.flags == full
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600


def test_older_flags_never_replace_later_ones(tmp_path: Path) -> None:
    kept = kept_in(tmp_path, Time())
    later = flags(flag("canary", 0), at=MOMENT + timedelta(seconds=1))
    kept.write(later)
    kept.write(flags(flag("canary", 50)))
    found = kept.read()
    assert found is not None
    assert found.flags == later


def test_many_processes_keep_flags_at_once_and_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    children = []
    for child in range(4):
        if (child_id := os.fork()) == 0:
            for step in range(50):
                moment = MOMENT + timedelta(seconds=4 * step + child)
                kept_in(tmp_path, Time()).write(flags(flag("canary", step), at=moment))
            os._exit(0)
        children.append(child_id)
    seen = []
    while children:
        found = kept_in(tmp_path, Time()).read()
        if found is not None:
            seen.append(found.flags.read_at)
        else:
            assert not seen
        ended, status = os.waitpid(-1, os.WNOHANG)
        if ended:
            assert status == 0
            children.remove(ended)
    assert seen == sorted(seen)
    last = kept_in(tmp_path, Time()).read()
    assert last is not None
    assert last.flags.overall.rollout_percent == 49
    assert {path.name for path in tmp_path.iterdir()} == {"flags.json", "flags.lock"}


def test_the_file_is_written_when_flags_change_and_now_and_then(
    tmp_path: Path, time: Time, database: Database
) -> None:
    kept = kept_in(tmp_path, time)
    rollout = Rollout(database, kept, clock=time, first_wait_seconds=PATIENCE)

    def ages() -> tuple[float, float]:
        rollout.refresh()
        found = kept.read()
        assert found is not None
        return found.age_seconds, float(found.flags.overall.rollout_percent)

    assert ages() == (0.0, 50.0)
    time.now += 5
    assert database.flags is not None
    database.flags = replace(database.flags, read_at=MOMENT + timedelta(seconds=5))
    assert ages() == (5.0, 50.0)
    time.now += 1
    database.flags = flags(flag("canary", 60), at=MOMENT + timedelta(seconds=6))
    assert ages() == (0.0, 60.0)
    time.now += 11
    database.flags = replace(database.flags, read_at=MOMENT + timedelta(seconds=17))
    assert ages() == (0.0, 60.0)


def test_a_disk_that_keeps_nothing_stops_nothing(tmp_path: Path, time: Time, database: Database) -> None:
    place = tmp_path / "file"
    place.write_text("")
    rollout = Rollout(database, kept_in(place, time), clock=time, first_wait_seconds=PATIENCE)
    assert percent(rollout) == 50
    assert rollout.keeping_problem is not None
