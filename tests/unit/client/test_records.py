"""What becomes of records in doubt, and of an application's functions that do not do what they are for."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from supaqueue.answer import AbandonAnswer
from supaqueue.client.records import Records, RecordsFailed
from supaqueue.contract import AbandonJobs
from supaqueue.errors import ConfigurationError, QueueUnavailable
from supaqueue.job_id import new_job_id
from supaqueue.maintain.settling import PER_TURN, SettleLoop, open_records


class Taking:
    """A queue in which some jobs have started."""

    def __init__(self, *started: str) -> None:
        self.started = started
        self.asked: list[str] = []

    def abandon(self, job_ids: Iterable[str]) -> list[AbandonAnswer]:
        """Answer for each."""
        ids = list(job_ids)
        self.asked += ids
        return [AbandonAnswer(one, "started" if one in self.started else "cancelled") for one in ids]


class Silent:
    """A queue that gives no answer."""

    def abandon(self, job_ids: Iterable[str]) -> list[AbandonAnswer]:
        """Fail."""
        raise QueueUnavailable("no answer", call=AbandonJobs.function)


class App:
    """An application's records."""

    def __init__(self, *job_ids: str) -> None:
        self.in_doubt = list(job_ids)
        self.enqueued: list[str] = []

    def unknown(self, limit: int) -> list[str]:
        """Return those in doubt."""
        return self.in_doubt[:limit]

    def undo(self, job_ids: Sequence[str]) -> None:
        """Remove records."""
        self.in_doubt = [one for one in self.in_doubt if one not in job_ids]

    def keep(self, job_ids: Sequence[str]) -> None:
        """Mark records."""
        self.undo(job_ids)
        self.enqueued += job_ids

    @property
    def records(self) -> Records:
        """What it registers."""
        return Records(self.unknown, self.undo, self.keep)


def failing(*_: object) -> list[str]:
    raise ValueError("apikey=hunter2 is wrong")


def test_what_waits_is_removed_and_what_has_started_is_kept() -> None:
    one, two = new_job_id(), new_job_id()
    app = App(one, two)
    answers = app.records.settle(Taking(two), 10)
    assert [answer.answer for answer in answers] == ["cancelled", "started"]
    assert (app.in_doubt, app.enqueued) == ([], [two])
    assert app.records.settle(Silent(), 10) == []


def test_a_turn_takes_so_many_at_most_whatever_it_is_given() -> None:
    job_ids = [new_job_id() for _ in range(PER_TURN + 3)]
    queue, app = Taking(), App(*job_ids)
    told: list[int] = []
    everything = Records(lambda limit: app.in_doubt, app.undo, app.keep)
    loop = SettleLoop(queue, everything, lambda answers: told.append(len(answers)))
    assert [len(loop.turn()) for _ in range(3)] == [PER_TURN, 3, 0]
    assert (told, queue.asked) == ([PER_TURN, 3], job_ids)


def test_without_an_answer_nothing_is_done_about_records() -> None:
    app = App(new_job_id())
    with pytest.raises(QueueUnavailable):
        app.records.settle(Silent(), 10)
    assert (len(app.in_doubt), app.enqueued) == (1, [])


@pytest.mark.parametrize("function", ["unknown", "undo", "keep"])
def test_a_function_that_raises_is_named_with_its_place(function: str) -> None:
    one, two = new_job_id(), new_job_id()
    app = App(one, two)
    functions: dict[str, Any] = {"unknown": app.unknown, "undo": app.undo, "keep": app.keep} | {
        function: failing
    }
    with pytest.raises(RecordsFailed, match=f"`{function}` failed: ValueError") as raised:
        Records(**functions).settle(Taking(two), 10)
    assert __file__ in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_what_is_no_id_is_named_before_anything_is_taken_back() -> None:
    queue = Taking()
    with pytest.raises(RecordsFailed, match=r"`unknown` returned .*\[1\]"):
        App(new_job_id(), "17").records.settle(queue, 10)
    assert queue.asked == []


def test_a_loop_goes_on_after_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    app = App(new_job_id())
    turns: list[int] = []

    def unknown(limit: int) -> list[str]:
        turns.append(limit)
        if len(turns) == 1:
            return failing()
        loop.stop(0.0)
        return app.unknown(limit)

    loop = SettleLoop(Taking(), Records(unknown, app.undo, app.keep))
    with caplog.at_level(logging.WARNING):
        loop.run()
    assert (turns, app.in_doubt) == ([PER_TURN] * 2, [])
    [record] = caplog.records
    assert "records were not settled (RecordsFailed: the records' `unknown` failed" in record.message


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (None, "set SUPAQUEUE_SETTLE"),
        ("nothing", "names no records"),
        ("tests.unit.client.test_records:nothing", "nothing is under"),
        ("tests.unit.client.test_records:failing", "no Records are under"),
    ],
)
def test_what_names_no_records_is_refused(name: str | None, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        open_records(name)
