"""The guard over a real index: what runs, what is dropped, what is held, and the marker while it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from supaqueue.contract import NewJob
from supaqueue.cutover.errors import LegacyUnavailable
from supaqueue.cutover.guard import Admission, Guard
from supaqueue.cutover.legacy.entry import BrokenGlass, Ending
from supaqueue.cutover.legacy.sqlite_index import SqliteIndex
from supaqueue.cutover.marked_run import MarkedRun
from supaqueue.cutover.stamp import Stamp
from supaqueue.errors import AccessDenied, CallError, QueueUnavailable
from supaqueue.job_id import new_job_id
from tests.worker.waiting import until

DONE = Ending("completed")
DOWN = QueueUnavailable("no answer", call="start_legacy_v1", committed="unknown")
LEASE = 0.15
"""Seconds; short, for what has to be waited for."""


class Failing:
    """An index of which some methods give no answer, as often as told."""

    def __init__(self, index: SqliteIndex, **failures: float) -> None:
        self._index = index
        self.failures = failures

    def __getattr__(self, name: str) -> Any:
        if self.failures.get(name, 0) > 0:
            return lambda *_: self._fail(name)
        return getattr(self._index, name)

    def _fail(self, name: str) -> None:
        self.failures[name] -= 1
        raise LegacyUnavailable("no answer", call=name)


@pytest.fixture
def index(tmp_path: Path) -> SqliteIndex:
    return SqliteIndex(tmp_path / "index.sqlite")


def accepted(index: SqliteIndex) -> Stamp:
    job = NewJob("t")
    index.accept([job])
    return Stamp(job.job_id)


def released(index: SqliteIndex, epoch: int = 1) -> Stamp:
    job = NewJob("t")
    stamp = Stamp(job.job_id, epoch)
    index.release([stamp], [job])
    return stamp


def run_of(admission: Admission) -> MarkedRun:
    assert admission.verdict == "run"
    assert admission.run is not None
    return admission.run


def raising(error: CallError) -> Callable[[str, int], Literal["started"]]:
    def start(job_id: str, epoch: int) -> Literal["started"]:
        raise error

    return start


def test_legacys_own_job_runs_without_a_call_to_supabase(index: SqliteIndex) -> None:
    guard = Guard(index, start_in_supabase=raising(DOWN))
    assert guard.admit(accepted(index).as_json(), "t").verdict == "run"


def test_how_long_a_run_took_is_recorded_with_its_end(index: SqliteIndex) -> None:
    stamp = accepted(index)
    with run_of(Guard(index).admit(stamp, "t")) as run:
        until(lambda: run.seconds is not None and run.seconds > 0.001, "a millisecond")
        assert run.finish(DONE) == "recorded"
    entry = index.get([stamp.job_id])[0]
    assert entry is not None
    assert entry.ending is not None
    assert entry.ending.seconds is not None
    assert 0.001 < entry.ending.seconds <= (run.seconds or 0.0)


def test_the_end_of_a_run_that_was_not_entered_has_no_length(index: SqliteIndex) -> None:
    stamp = accepted(index)
    assert run_of(Guard(index).admit(stamp, "t")).finish(DONE) == "recorded"
    entry = index.get([stamp.job_id])[0]
    assert entry is not None
    assert entry.ending is not None
    assert entry.ending.seconds is None


def test_an_unstamped_message_runs_and_is_counted(index: SqliteIndex) -> None:
    with run_of(Guard(index).admit(None, "t", new_job_id())) as run:
        assert run.finish(DONE) == "recorded"
    assert index.count().unstamped_runs == 1


def test_an_unstamped_message_runs_again_after_a_crash(index: SqliteIndex) -> None:
    job_id = new_job_id()
    assert [Guard(index).admit(None, "t", job_id).verdict for _ in range(2)] == ["run", "run"]


def test_an_unstamped_message_that_was_adopted_runs_under_the_marker(index: SqliteIndex) -> None:
    job = NewJob("t")
    index.adopt([(job, "native")])
    with run_of(Guard(index).admit(None, "t", job.job_id)) as run:
        assert run.stamp == Stamp(job.job_id)
        assert Guard(index).admit(None, "t", job.job_id).verdict == "hold"
        assert run.finish(DONE) == "recorded"
    assert Guard(index).admit(None, "t", job.job_id).verdict == "drop"
    assert index.count().unstamped_runs == 0


def test_an_unstamped_message_that_was_taken_over_is_dropped(index: SqliteIndex) -> None:
    job = NewJob("t")
    index.adopt([(job, "native")])
    index.close([job.job_id], "taken_over", [0])
    assert Guard(index).admit(None, "t", job.job_id).verdict == "drop"


def test_an_unstamped_message_waits_for_an_index_that_gives_no_answer(index: SqliteIndex) -> None:
    silent: Any = Failing(index, start_unstamped=float("inf"))
    assert Guard(silent, budget_seconds=0).admit(None, "t", new_job_id()).verdict == "hold"
    stuttering: Any = Failing(index, start_unstamped=1)
    assert Guard(stuttering).admit(None, "t", new_job_id()).verdict == "run"


def test_a_message_without_stamp_or_name_is_held(index: SqliteIndex) -> None:
    assert Guard(index).admit(None, "t").verdict == "hold"
    assert index.count().unstamped_runs == 0


@pytest.mark.parametrize(
    "stamp",
    [
        {"v": 2, "job_id": new_job_id(), "epoch": 0},
        {"v": 1, "job_id": "x", "epoch": 0},
        {"v": 1, "job_id": new_job_id(), "epoch": -1},
        "text",
        {},
        [],
        0,
    ],
)
def test_a_stamp_that_cannot_be_read_is_held(index: SqliteIndex, stamp: Any) -> None:
    admission = Guard(index).admit(stamp, "t")
    assert (admission.verdict, admission.run) == ("hold", None)
    assert admission.seconds > 0
    assert index.count().unstamped_runs == 0


def test_a_handed_over_job_must_win_in_supabase(index: SqliteIndex) -> None:
    asked: list[tuple[str, int]] = []

    def start(job_id: str, epoch: int) -> Literal["started"]:
        asked.append((job_id, epoch))
        return "started"

    stamp = released(index, epoch=3)
    assert Guard(index, start_in_supabase=start).admit(stamp, "t").verdict == "run"
    assert asked == [(stamp.job_id, 3)]


def test_a_handed_over_job_that_supabase_took_back_is_dropped(index: SqliteIndex) -> None:
    stamp = released(index)
    assert Guard(index, start_in_supabase=lambda *_: "stale").admit(stamp, "t").verdict == "drop"
    assert index.get([stamp.job_id])[0].starts == 0  # type: ignore[union-attr]


def test_a_handed_over_job_that_supabase_does_not_know_is_held_until_it_has_ended(index: SqliteIndex) -> None:
    stamp = released(index)
    guard = Guard(index, start_in_supabase=lambda *_: "unknown")
    assert guard.admit(stamp, "t").verdict == "hold"
    index.start(stamp, "a", 60)
    index.finish(stamp, "a", DONE)
    assert guard.admit(stamp, "t").verdict == "drop"


@pytest.mark.parametrize("answer", ["stale", "unknown", "unreachable"])
def test_once_the_glass_is_broken_supabase_is_not_asked(index: SqliteIndex, answer: Any) -> None:
    start = raising(DOWN) if answer == "unreachable" else lambda *_: answer
    stamp, other = released(index), released(index)
    assert index.break_glass([stamp.job_id], BrokenGlass("ann", "gone")) == [stamp]
    guard = Guard(index, start_in_supabase=start)
    assert guard.admit(Stamp(stamp.job_id, 2), "t").verdict != "run", "only under its epoch"
    assert guard.admit(other, "t").verdict != "run", "only that one"
    with run_of(guard.admit(stamp, "t")) as run:
        assert run.finish(DONE) == "recorded"
    assert guard.admit(stamp, "t").verdict == "drop", "once"


def test_a_handed_over_job_waits_for_an_index_that_gives_no_answer(index: SqliteIndex) -> None:
    stamp = released(index)
    failing: Any = Failing(index, get=1)
    guard = Guard(failing, start_in_supabase=lambda *_: "started")
    assert guard.admit(stamp, "t").verdict == "hold"
    assert guard.admit(stamp, "t").verdict == "run"


def test_a_handed_over_job_is_held_while_supabase_is_unreachable(index: SqliteIndex) -> None:
    stamp = released(index)
    assert Guard(index, start_in_supabase=raising(DOWN)).admit(stamp, "t").verdict == "hold"
    assert Guard(index).admit(stamp, "t").verdict == "hold"
    idempotent = Guard(index, start_in_supabase=raising(DOWN), run_while_unreachable=["t"])
    assert idempotent.admit(stamp, "other").verdict == "hold"
    assert idempotent.admit(stamp, "t").verdict == "run"


def test_a_refused_key_is_not_an_unreachable_supabase(index: SqliteIndex) -> None:
    denied = AccessDenied("no", call="start_legacy_v1")
    guard = Guard(index, start_in_supabase=raising(denied), run_while_unreachable=["t"])
    assert guard.admit(released(index), "t").verdict == "hold"


def test_copies_of_a_message(index: SqliteIndex) -> None:
    guard, stamp = Guard(index), accepted(index)
    with run_of(guard.admit(stamp, "t")) as run:
        copy = guard.admit(stamp, "t")
        assert (copy.verdict, copy.seconds) == ("hold", guard.lease_seconds)
        run.free()
    with run_of(guard.admit(stamp, "t")) as run:
        assert run.finish(DONE) == "recorded"
    assert guard.admit(stamp, "t").verdict == "drop"


def test_what_was_closed_or_is_under_a_higher_epoch_is_dropped(index: SqliteIndex) -> None:
    guard, closed = Guard(index), accepted(index)
    index.close([closed.job_id], "abandoned")
    assert guard.admit(closed, "t").verdict == "drop"
    assert guard.admit(Stamp(released(index, 2).job_id), "t").verdict == "drop"


def test_what_the_index_does_not_know_is_held(index: SqliteIndex) -> None:
    assert Guard(index).admit(Stamp(new_job_id()), "t").verdict == "hold"


def test_an_index_without_answer_holds_and_a_short_silence_does_not(index: SqliteIndex) -> None:
    stamp = accepted(index)
    silent: Any = Failing(index, start=float("inf"))
    assert Guard(silent, budget_seconds=0).admit(stamp, "t").verdict == "hold"
    stuttering: Any = Failing(index, start=1)
    assert Guard(stuttering).admit(stamp, "t").verdict == "run"


def test_the_marker_is_renewed_while_it_runs(index: SqliteIndex) -> None:
    stamp = accepted(index)
    with run_of(Guard(index, lease_seconds=LEASE).admit(stamp, "t")) as run:
        first = index.get([stamp.job_id])[0].runs_until  # type: ignore[union-attr]
        until(lambda: index.get([stamp.job_id])[0].runs_until > first, "a renewal")  # type: ignore[union-attr, operator]
        assert not run.cancelled
        assert run.finish(DONE) == "recorded"


def test_a_run_hears_of_a_cancellation(index: SqliteIndex) -> None:
    stamp, told = accepted(index), []
    with run_of(Guard(index, lease_seconds=LEASE).admit(stamp, "t")) as run:
        run.on_stop(told.append)
        index.request_cancel([stamp.job_id])
        until(lambda: run.cancelled, "the cancellation")
        run.on_stop(told.append)
        until(lambda: len(told) == 2, "the renewing thread to tell it")
        assert (run.stop, told) == ("cancel", ["cancel", "cancel"])
        assert run.finish(Ending("cancelled")) == "recorded"


def test_a_run_whose_marker_is_anothers_ends_for_nothing(index: SqliteIndex) -> None:
    stamp = accepted(index)
    failing: Any = Failing(index, renew=float("inf"))
    with run_of(Guard(failing, lease_seconds=LEASE).admit(stamp, "t")) as run:
        until(lambda: index.start(stamp, "other", 60) == "started", "the marker to expire")
        failing.failures["renew"] = 0
        until(lambda: run.stop == "lost", "the loss")
        assert run.finish(DONE) == "lost"
    assert index.get([stamp.job_id])[0].runner == "other"  # type: ignore[union-attr]


def test_an_expired_marker_that_nobody_took_loses_nothing(index: SqliteIndex) -> None:
    stamp = accepted(index)
    failing: Any = Failing(index, renew=float("inf"))
    with run_of(Guard(failing, lease_seconds=LEASE).admit(stamp, "t")) as run:
        until(lambda: index.count().marked == 0, "the marker to expire")
        assert not run.cancelled
        assert run.finish(DONE) == "recorded"


def test_an_ending_is_told_again_until_the_budget_is_spent(index: SqliteIndex) -> None:
    one, other = accepted(index), accepted(index)
    stuttering: Any = Failing(index, finish=1)
    with run_of(Guard(stuttering).admit(one, "t")) as run:
        assert run.finish(DONE) == "recorded"
    silent: Any = Failing(index, finish=float("inf"))
    with run_of(Guard(silent, budget_seconds=0).admit(other, "t")) as run:
        assert run.finish(DONE) == "unknown"


def test_a_run_that_tells_no_end_is_freed(index: SqliteIndex) -> None:
    stamp = accepted(index)
    with pytest.raises(ZeroDivisionError), run_of(Guard(index).admit(stamp, "t")):
        raise ZeroDivisionError
    assert index.count().marked == 0
    assert Guard(index).admit(stamp, "t").verdict == "run"
