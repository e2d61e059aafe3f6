"""Workers of a folder queue as processes: each job to its end, whoever dies, whatever lies in the folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from supaqueue.contract import NewJob
from supaqueue.cutover.errors import LegacyUnavailable
from supaqueue.cutover.guard import Guard
from supaqueue.cutover.handler_run import completed
from supaqueue.cutover.legacy.entry import Entry
from supaqueue.cutover.legacy.folder import FolderBroker, folder_queue
from supaqueue.cutover.legacy.folder_claims import FolderClaims
from supaqueue.cutover.legacy.folder_worker import SETTLE_SECONDS, FolderWorker
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.stamp import Stamp
from supaqueue.job_id import new_job_id
from supaqueue.worker import Registry
from tests.worker.waiting import DEADLINE_SECONDS, until

WORKER = Path(__file__).with_name("folder_worker_process.py")


class Site:
    """A folder, and the processes that work in it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "queue"
        self.marks = folder / "marks"
        self.queue: LegacyQueue = folder_queue(self.root)
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, WORKER, self.root, self.marks])
        self.processes.append(process)
        return process

    def marked(self, what: str) -> list[list[str]]:
        lines = self.marks.read_text().splitlines() if self.marks.exists() else []
        return [line.split() for line in lines if line.startswith(what)]

    def entries(self, jobs: list[NewJob]) -> list[Entry]:
        return [entry for entry in self.queue.get([job.job_id for job in jobs]) if entry is not None]

    def wait_for_ends(self, jobs: list[NewJob]) -> list[Entry]:
        until(lambda: all(entry.ending for entry in self.entries(jobs)), "every ending")
        return self.entries(jobs)

    def names(self, folder: str) -> list[str]:
        return sorted(os.listdir(self.root / folder))

    def put(self, name: str, content: str | bytes) -> Path:
        path = self.root / "pending" / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        os.utime(path, (0, 0))
        return path


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    for process in made.processes:
        process.kill()
        process.wait(DEADLINE_SECONDS)


def test_several_processes_run_each_job_once(site: Site) -> None:
    jobs = [NewJob("count", {"number": number}) for number in range(200)]
    for _ in range(3):
        site.start()
    for first in range(0, 200, 20):
        site.queue.enqueue(jobs[first : first + 20])
    entries = site.wait_for_ends(jobs)
    assert {entry.ending.status for entry in entries if entry.ending} == {"completed"}
    assert Counter(job_id for _, job_id, _, _ in site.marked("ran")) == {job.job_id: 1 for job in jobs}
    until(lambda: len(site.names("done")) == 200, "every file in done/")
    assert site.names("pending") == []


def test_a_retry_waits_and_is_counted(site: Site) -> None:
    job = NewJob("twice")
    site.queue.enqueue([job])
    site.start()
    (entry,) = site.wait_for_ends([job])
    assert entry.ending is not None
    assert (entry.ending.status, entry.ending.attempts, entry.starts) == ("completed", 2, 2)
    assert [attempt for _, _, attempt, _ in site.marked("ran")] == ["1", "2"]
    assert site.queue.index.unsent_first_failures(9) == [Stamp(job.job_id)]


def test_a_job_whose_attempts_are_spent_lies_in_failed_with_a_reason(site: Site) -> None:
    job = NewJob("twice", max_attempts=1)
    site.queue.enqueue([job])
    site.start()
    site.wait_for_ends([job])
    until(lambda: f"{job.job_id}.json" in site.names("failed"), "the file in failed/")
    reason = json.loads((site.root / "failed" / f"{job.job_id}.reason").read_text())
    assert reason == {"type": "RuntimeError", "message": "the first attempt fails"}


def test_what_a_killed_worker_held_is_run_by_another(site: Site) -> None:
    job = NewJob("gated")
    site.queue.enqueue([job])
    first = site.start()
    until(lambda: site.marked("began"), "the first run")
    first.kill()
    first.wait(DEADLINE_SECONDS)
    second = site.start()
    until(lambda: len(site.marked("began")) == 2, "the second run")
    site.marks.with_suffix(".gate").touch()
    (entry,) = site.wait_for_ends([job])
    assert entry.ending is not None
    assert (entry.ending.status, entry.ending.attempts) == ("completed", 2)
    assert [pid for *_, pid in site.marked("ended")] == [str(second.pid)]


def test_a_job_that_kills_its_workers_fails(site: Site) -> None:
    job = NewJob("gated", max_attempts=1)
    site.queue.enqueue([job])
    first = site.start()
    until(lambda: site.marked("began"), "the first run")
    first.kill()
    first.wait(DEADLINE_SECONDS)
    site.start()
    (entry,) = site.wait_for_ends([job])
    assert entry.ending is not None
    assert (entry.ending.status, len(site.marked("began"))) == ("failed", 1)
    assert "WorkerDied" in str(entry.ending.error)


def test_a_worker_that_lives_loses_nothing_to_others(site: Site) -> None:
    job = NewJob("gated")
    site.queue.enqueue([job])
    site.start()
    until(lambda: site.marked("began"), "the run")
    claims = FolderClaims(FolderBroker(site.root).files, lambda: datetime.now(UTC))
    assert list(claims.rescue()) == []
    claims.close()
    site.marks.with_suffix(".gate").touch()
    site.wait_for_ends([job])
    assert len(site.marked("began")) == 1


def test_a_kill_after_the_ending_was_recorded_runs_nothing_again(site: Site) -> None:
    job = NewJob("count")
    site.queue.enqueue([job])
    dead = FolderClaims(FolderBroker(site.root).files, lambda: datetime.now(UTC))
    claim = dead.next(lambda path: True)
    assert claim is not None
    admission = Guard(site.queue.index).admit(Stamp(job.job_id), "count")
    assert admission.run is not None
    admission.run.finish(completed(None))
    dead.close()  # as the kernel does for a process that is killed here
    site.start()
    until(lambda: site.names("done") == [f"{job.job_id}.json"], "the file in done/")
    assert site.marked("ran") == []


def test_a_stopped_worker_ends_what_it_runs_and_leaves_nothing(site: Site) -> None:
    job = NewJob("gated")
    site.queue.enqueue([job])
    process = site.start()
    until(lambda: site.marked("began"), "the run")
    process.terminate()
    site.marks.with_suffix(".gate").touch()
    assert process.wait(DEADLINE_SECONDS) == 0
    (entry,) = site.entries([job])
    assert (entry.ending is not None, len(site.marked("ended"))) == (True, 1)
    assert site.names("running") == []


def test_what_others_put_there_runs_and_is_counted(site: Site) -> None:
    for name in ("job-1.json", "x" * 240 + ".json", "ä ~.json"):
        site.put(name, json.dumps({"task_type": "count", "payload": {"number": 1}}))
    site.put("job-1.json.tmp", "{")
    site.put(".hidden.json", "{")
    assert site.queue.broker.count().unstamped == 3
    assert [one.stamp for one in site.queue.broker.waiting()] == [None] * 3
    site.start()
    until(lambda: len(site.names("done")) == 3, "three files in done/")
    assert len({job_id for _, job_id, _, _ in site.marked("ran")}) == 3
    assert site.queue.index.count().unstamped_runs == 3
    assert site.names("pending") == [".hidden.json", "job-1.json.tmp"]


MALFORMED: dict[str, str | bytes] = {
    "no-json.json": "{",
    "not-utf8.json": b'{"task_type": "\xff"}',
    "empty.json": "",
    "list.json": "[]",
    "deep.json": "[" * 100_000,
    "no-type.json": '{"payload": 1}',
    "bad-type.json": '{"task_type": 7}',
    "bad-option.json": '{"task_type": "count", "max_attempts": "many"}',
    "bad-time.json": '{"task_type": "count", "run_at": "soon"}',
    "bad-stamp.json": '{"task_type": "count", "stamp": {"v": 1, "job_id": "x", "epoch": 0}}',
    "text-stamp.json": '{"task_type": "count", "stamp": "x"}',
    "surrogate.json": '{"task_type": "count", "payload": "\\ud800"}',
}


def test_malformed_files_lie_in_failed_with_a_reason_and_the_worker_goes_on(site: Site) -> None:
    for name, content in MALFORMED.items():
        site.put(name, content)
    (site.root / "pending" / "folder.json").mkdir()
    (site.root / "pending" / "link.json").symlink_to("/dev/zero")
    job = NewJob("count")
    site.queue.enqueue([job])
    process = site.start()
    until(lambda: len(site.names("failed")) == 2 * len(MALFORMED), "every file in failed/")
    site.wait_for_ends([job])
    assert process.poll() is None
    for reason in (site.root / "failed").glob("*.reason"):
        assert set(json.loads(reason.read_text())) == {"type", "message"}
    assert site.names("pending") == ["folder.json", "link.json"]


def test_a_file_that_is_still_being_written_is_waited_for(site: Site) -> None:
    path = site.put("slow.json", '{"task_type": "cou')
    os.utime(path, (time.time() + 3600,) * 2)  # as if written just now, however slow this machine is
    site.start()
    until(lambda: not path.exists(), "the first look")
    (taken,) = [site.root / "pending" / name for name in until(lambda: site.names("pending"), "the file")]
    with taken.open("a") as file:
        file.write('nt", "payload": 1}')
    until(lambda: len(site.names("done")) == 1, "the file in done/", seconds=SETTLE_SECONDS + 30)
    assert len(site.marked("ran")) == 1


def test_a_newer_versions_message_and_other_types_stay(site: Site) -> None:
    newer = {"task_type": "count", "stamp": {"v": 99, "job_id": new_job_id(), "epoch": 0}}
    site.put("newer.json", json.dumps(newer))
    site.put("other.json", json.dumps({"task_type": "not served here"}))
    job = NewJob("count")
    site.queue.enqueue([job])
    site.start()
    site.wait_for_ends([job])
    until(lambda: "newer.json" not in site.names("pending"), "the newer message to be held")
    until(lambda: len(site.names("pending")) == 2, "both to wait")
    assert [row[1] for row in site.marked("ran")] == [job.job_id]


def test_a_file_whose_run_became_anothers_waits_until_that_has_ended(tmp_path: Path) -> None:
    queue = folder_queue(tmp_path)
    registry = Registry()
    job = NewJob("stolen")
    queue.enqueue([job])

    @registry.task("stolen")
    def stolen(payload: object) -> None:
        (entry,) = queue.get([job.job_id])
        assert entry is not None
        queue.index.free(Stamp(job.job_id), str(entry.runner))
        assert queue.index.start(Stamp(job.job_id), "other", 600) == "started"

    worker = FolderWorker(registry, FolderBroker(tmp_path), Guard(queue.index))
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(worker.run)
        try:
            until(lambda: queue.broker.count().scheduled == 1, "the file to wait again", seconds=15)
        finally:
            worker.stop()
        assert running.result(DEADLINE_SECONDS)
    (entry,) = queue.get([job.job_id])
    assert entry is not None
    assert (entry.ending, entry.runner, entry.starts) == (None, "other", 2)


def test_nothing_runs_before_it_is_due(tmp_path: Path) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    broker = FolderBroker(tmp_path, clock=lambda: now)
    queue = folder_queue(tmp_path, clock=lambda: now)
    later, delayed, soon = NewJob("t", run_at=now + timedelta(hours=2)), NewJob("t", delay=3600), NewJob("t")
    queue.enqueue([later, delayed, soon])
    claims = FolderClaims(broker.files, lambda: now)
    for job in (soon, delayed, later):
        claim = claims.next(lambda path: True)
        assert claim is not None
        assert claim.name.rest == job.job_id
        assert claims.next(lambda path: True) is None
        now += timedelta(hours=1)
    claims.close()


def test_two_workers_never_take_one_file(tmp_path: Path) -> None:
    queue = folder_queue(tmp_path)
    queue.enqueue([NewJob("t") for _ in range(50)])
    files, clock = FolderBroker(tmp_path).files, Clock()
    workers = [FolderClaims(files, clock) for _ in range(2)]
    everything: Callable[[Path], bool] = lambda path: True  # noqa: E731
    taken = [worker.next(everything) for _ in range(26) for worker in workers]
    names = [claim.name.rest for claim in taken if claim is not None]
    assert len(names) == len(set(names)) == 50
    for worker in workers:
        worker.close()


def test_files_for_other_workers_hide_nothing(tmp_path: Path) -> None:
    queue = folder_queue(tmp_path)
    queue.enqueue([NewJob("other") for _ in range(300)])
    queue.enqueue([NewJob("t"), NewJob("t")])
    claims = FolderClaims(FolderBroker(tmp_path).files, Clock())
    looked_at: list[str] = []

    def accepts(path: Path) -> bool:
        looked_at.append(path.name)
        return '"task_type":"t"' in path.read_text()

    assert [claims.next(accepts) is not None for _ in range(4)] == [True, True, False, False]
    assert len(looked_at) == 302
    claims.close()


class Clock:
    """The time."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)


def test_what_dead_writers_left_is_removed_and_what_is_being_written_stays(tmp_path: Path) -> None:
    files = FolderBroker(tmp_path).files
    for name, modified in (("dead.tmp", 0), ("alive.tmp", None)):
        (files.writing / name).touch()
        if modified is not None:
            os.utime(files.writing / name, (modified, modified))
    files.sweep()
    assert os.listdir(files.writing) == ["alive.tmp"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LegacyUnavailable, match="must exist, be writable"):
        folder_queue(tmp_path / "file")
    queue = folder_queue(tmp_path / "queue")
    (tmp_path / "queue" / "pending").rmdir()
    with pytest.raises(LegacyUnavailable) as raised:
        queue.enqueue([NewJob("t", {"secret": "secret"})])
    assert "secret" not in str(raised.value)
    assert list((tmp_path / "queue" / "writing").iterdir()) == []
