"""A second run without effects: after the first one's end, and never seen by whoever waits for that."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from supaqueue.contract import ClaimedTask, NewJob
from supaqueue.cutover import repeated_run
from supaqueue.cutover.errors import LegacyUnavailable
from supaqueue.cutover.guard import Guard
from supaqueue.cutover.handler_run import run_handler
from supaqueue.cutover.legacy.entry import Ending, Entry
from supaqueue.cutover.legacy.sqlite_index import SqliteIndex
from supaqueue.cutover.repeated_run import REPEAT_PERCENT, is_repeated, repeat_percent
from supaqueue.cutover.stamp import Stamp
from supaqueue.errors import ConfigurationError
from supaqueue.job_id import new_job_id
from supaqueue.outcome import Retry
from supaqueue.worker import Context, Registry
from tests.cutover.test_folder_worker import Site as Folder
from tests.worker.waiting import DEADLINE_SECONDS, until


class Site:
    """An index, and what runs its jobs' handlers, all of them repeated."""

    def __init__(self, folder: Path) -> None:
        self.index = SqliteIndex(folder / "index.sqlite")
        self.percent = 100.0

    def run(self, function: Callable[..., Any]) -> Stamp:
        """Run a job's handler to its end, which is recorded."""
        registry = Registry()
        registry.task("t")(function)
        job = NewJob("t")
        self.index.accept([job])
        stamp = Stamp(job.job_id)
        task = ClaimedTask(job.job_id, 1, "default", "t", {"n": 7}, 0, 1, 3, waited_seconds=0.0)
        admission = Guard(self.index, repeat_percent=self.percent).admit(stamp, "t")
        assert admission.run is not None
        with admission.run as run:
            came = run_handler(registry.handlers["t"], task, run, worker_id="w")
            assert isinstance(came, Ending)
            assert run.finish(came) == "recorded"
        return stamp

    def entry(self, stamp: Stamp) -> Entry:
        entry = self.index.get([stamp.job_id])[0]
        assert entry is not None
        return entry


def repeats() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name.startswith("supaqueue-repeat-")]


def all_done() -> None:
    for thread in repeats():
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_both_kinds_of_handlers_run_once_more_without_effects(site: Site) -> None:
    sent: list[str] = []
    seen: list[bool] = []

    def synchronous(payload: Any, context: Context) -> dict[str, Any]:
        seen.append(context.shadow)
        context.sync_effect(sent.append, "mail")
        return {"n": payload["n"], "run": len(seen)}

    async def asynchronous(payload: Any, context: Context) -> dict[str, Any]:
        await context.effect(sent.append, "mail")
        return synchronous_part(payload, context)

    def synchronous_part(payload: Any, context: Context) -> dict[str, Any]:
        seen.append(context.shadow)
        return {"n": payload["n"], "run": len(seen)}

    for handler in (synchronous, asynchronous):
        stamp = site.run(handler)
        all_done()
        entry = site.entry(stamp)
        assert entry.ending is not None
        assert entry.repeat is not None
        assert (entry.ending.result, entry.repeat.result) == ({"n": 7, "run": 1}, {"n": 7, "run": 2})
        assert (seen, sent) == ([False, True], ["mail"])
        assert (entry.starts, entry.ending.attempts, entry.runner is not None) == (1, 1, True)
        seen.clear()
        sent.clear()


def test_the_first_has_ended_before_the_second_begins(site: Site) -> None:
    known: list[Entry | None] = []

    def handler(payload: Any, context: Context) -> int:
        known.append(site.index.get([context.job_id])[0])
        return 1

    stamp = site.run(handler)
    all_done()
    first, second = known
    assert first is not None
    assert second is not None
    assert (first.ending, second.ending) == (None, site.entry(stamp).ending)


def test_a_second_run_that_fails_or_hangs_changes_nothing(site: Site) -> None:
    released = threading.Event()

    def failing(payload: Any, context: Context) -> int:
        if context.shadow:
            raise SystemExit(3)
        return 1

    def hanging(payload: Any, context: Context) -> int:
        if context.shadow:
            released.wait(20)
        return 1

    stamp = site.run(failing)
    all_done()
    assert site.entry(stamp).repeat is None, "an error is no end while attempts are left"
    stamp = site.run(hanging)
    entry = site.entry(stamp)
    assert entry.ending is not None
    assert (entry.ending.status, entry.repeat) == ("completed", None)
    meanwhile = site.run(lambda payload, context: 2)
    assert len(repeats()) == 1, "one at a time"
    released.set()
    all_done()
    assert site.entry(stamp) == replace(entry, repeat=Ending("completed", result=1, attempts=1))
    assert site.entry(meanwhile).repeat is None
    assert site.index.count().marked == 0


def test_what_has_no_context_cannot_know_and_runs_once(site: Site) -> None:
    runs: list[int] = []

    def handler(payload: Any) -> None:
        runs.append(1)

    site.run(handler)
    all_done()
    assert runs == [1]


def test_nothing_is_repeated_unless_told(site: Site) -> None:
    site.percent = 0.0
    stamp = site.run(lambda payload, context: 1)
    assert repeats() == []
    assert site.entry(stamp).repeat is None


def test_an_index_that_gives_no_answer_loses_the_note_alone(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object) -> None:
        raise LegacyUnavailable("no answer", call="record_repeat")

    monkeypatch.setattr(site.index, "record_repeat", silent)
    stamp = site.run(lambda payload, context: 1)
    all_done()
    assert site.entry(stamp).repeat is None
    monkeypatch.undo()
    stamp = site.run(lambda payload, context: 1)
    all_done()
    assert site.entry(stamp).repeat is not None, "the next one is repeated"


def test_a_second_run_that_asks_to_come_again_has_no_end(site: Site) -> None:
    stamp = site.run(lambda payload, context: Retry(1) if context.shadow else 1)
    all_done()
    assert site.entry(stamp).repeat is None


def test_the_sample_is_of_the_buckets_that_legacy_keeps_longest() -> None:
    last, before = new_job_id(9_999), new_job_id(9_899)
    assert (is_repeated(last, 1), is_repeated(before, 1)) == (True, False)
    assert (is_repeated(before, 2), is_repeated(last, 0)) == (True, False)
    assert is_repeated(new_job_id(0), 100)


def test_the_share_is_an_argument_or_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert repeat_percent() == 0
    monkeypatch.setenv(REPEAT_PERCENT, "2.5")
    assert (repeat_percent(), repeat_percent(1)) == (2.5, 1)
    for wrong in ("much", "-1", "101", "nan"):
        monkeypatch.setenv(REPEAT_PERCENT, wrong)
        with pytest.raises(ConfigurationError, match=REPEAT_PERCENT):
            repeat_percent()


def test_a_fork_does_not_inherit_that_one_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    held = threading.Lock()
    held.acquire()
    monkeypatch.setattr(repeated_run, "_busy", held)
    repeated_run._after_fork()
    assert repeated_run._busy.acquire(blocking=False)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    """A folder queue whose workers repeat every run."""
    monkeypatch.setenv(REPEAT_PERCENT, "100")
    made = Folder(tmp_path)
    yield made
    for process in made.processes:
        process.kill()
        process.wait(DEADLINE_SECONDS)


def test_a_worker_that_is_killed_in_a_second_run_leaves_the_first_as_it_was(folder: Folder) -> None:
    jobs = [NewJob("repeated") for _ in range(3)]
    folder.queue.enqueue(jobs)
    first = folder.start()
    until(lambda: folder.marked("again"), "a second run")
    folder.wait_for_ends(jobs)
    first.kill()
    first.wait(DEADLINE_SECONDS)
    folder.marks.with_suffix(".gate").touch()
    folder.start()
    until(lambda: len(folder.names("done")) == 3, "every file in done/")
    assert Counter(job_id for _, job_id, _, _ in folder.marked("ran")) == {job.job_id: 1 for job in jobs}
    assert len(folder.marked("again")) == 1
    for entry in folder.entries(jobs):
        assert entry.ending is not None
        assert (entry.ending.status, entry.ending.attempts, entry.starts) == ("completed", 1, 1)
        assert entry.repeat is None
    assert (folder.names("failed"), folder.queue.index.count().marked) == ([], 0)


def test_a_worker_repeats_what_it_ran(folder: Folder) -> None:
    job = NewJob("repeated")
    folder.marks.with_suffix(".gate").touch()
    folder.queue.enqueue([job])
    folder.start()
    until(lambda: folder.entries([job])[0].repeat is not None, "the note of its second run")
    [entry] = folder.entries([job])
    assert entry.ending is not None
    assert entry.repeat is not None
    assert (entry.ending.status, entry.repeat.status, entry.starts) == ("completed", "completed", 1)
