"""What only the index in a SQLite file has to stand: clocks, forks, kills, and what disks do."""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from supaqueue.contract import NewJob
from supaqueue.cutover.errors import LegacyUnavailable
from supaqueue.cutover.legacy.sqlite_file import SqliteFile
from supaqueue.cutover.legacy.sqlite_index import SqliteIndex
from supaqueue.cutover.stamp import Stamp

FORK = get_context("fork")
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
FAR_FUTURE = datetime(2200, 1, 1, tzinfo=UTC)


def jobs(count: int) -> list[NewJob]:
    return [NewJob("t", {"number": number}) for number in range(count)]


def in_child(call: Callable[[], object]) -> None:
    """Run in a forked process, which ends well."""
    process = FORK.Process(target=call)
    process.start()
    process.join(60)
    assert process.exitcode == 0


def test_a_clock_that_is_set_back_puts_nothing_before_what_was_listed(tmp_path: Path) -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    index = SqliteIndex(tmp_path / "index.sqlite", clock=lambda: now)
    (first,), (second,) = jobs(1), jobs(1)
    index.accept([first])
    now -= timedelta(days=1)
    index.accept([second])
    found = index.list_by_time(BEGINNING, FAR_FUTURE, None, 9)
    assert [entry.job_id for entry in found] == [first.job_id, second.job_id]
    assert found[0].accepted_at < found[1].accepted_at


def test_a_marker_expires_by_the_indexs_clock(tmp_path: Path) -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    index = SqliteIndex(tmp_path / "index.sqlite", clock=lambda: now)
    (job,) = jobs(1)
    index.accept([job])
    assert index.start(Stamp(job.job_id), "a", 30) == "started"
    now += timedelta(seconds=30, microseconds=-1)
    assert index.start(Stamp(job.job_id), "b", 30) == "busy"
    now += timedelta(microseconds=1)
    assert index.start(Stamp(job.job_id), "b", 30) == "started"


def test_processes_that_open_a_new_file_at_once(tmp_path: Path) -> None:
    for number in range(10):
        path = tmp_path / f"{number}.sqlite"
        ready = FORK.Barrier(4)
        processes = [FORK.Process(target=_accept_when_ready, args=(path, ready)) for _ in range(4)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(60)
        assert [process.exitcode for process in processes] == [0] * 4
        assert SqliteIndex(path).count().unpublished == 20


def _accept_when_ready(path: Path, ready: Barrier) -> None:
    ready.wait(60)
    SqliteIndex(path).accept(jobs(5))


def test_an_index_that_was_used_before_a_fork(tmp_path: Path) -> None:
    index = SqliteIndex(tmp_path / "index.sqlite")
    index.accept(jobs(1))
    in_child(lambda: index.accept(jobs(1)))
    index.accept(jobs(1))
    assert index.count().unpublished == 3


def test_a_fork_while_another_thread_writes(tmp_path: Path) -> None:
    file = SqliteFile(tmp_path / "file.sqlite", "create table if not exists t (n integer)")
    begun = threading.Event()

    def write(number: int) -> None:
        with file.transaction("write") as db:
            db.execute("insert into t values (?)", [number])
            begun.set()
            if number == 1:
                time.sleep(0.5)  # the fork waits for this transaction, and of that there is no sign

    thread = threading.Thread(target=write, args=(1,))
    thread.start()
    begun.wait(60)
    process = FORK.Process(target=write, args=(2,))
    process.start()
    process.join(60)
    thread.join(60)
    assert process.exitcode == 0
    with file.reading("read") as db:
        assert db.execute("select n from t order by n").fetchall() == [(1,), (2,)]


def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    index = SqliteIndex(tmp_path / "index.sqlite")
    receiving, sending = FORK.Pipe(duplex=False)
    process = FORK.Process(target=_accept_and_tell, args=(index, sending))
    process.start()
    told = [receiving.recv() for _ in range(30)]
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join(60)
    assert None not in index.get(told)
    assert [one.answer for one in index.accept(jobs(1))] == ["created"]


def _accept_and_tell(index: SqliteIndex, sending: Connection) -> None:
    while True:
        (job,) = jobs(1)
        index.accept([job])
        sending.send(job.job_id)


def test_a_full_disk_is_told_and_changes_nothing(tmp_path: Path) -> None:
    index = SqliteIndex(tmp_path / "index.sqlite")
    stored, refused = jobs(1), jobs(2000)
    index.accept(stored)

    def accept_on_a_full_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
        with pytest.raises(LegacyUnavailable, match="free some space") as raised:
            index.accept(refused)
        assert raised.value.committed in ("no", "unknown")
        assert index.get([refused[0].job_id]) == [None]
        assert [one.answer for one in index.accept(stored)] == ["exists"]

    in_child(accept_on_a_full_disk)
    assert index.get([job.job_id for job in refused]) == [None] * 2000
    assert {one.answer for one in index.accept(refused)} == {"created"}


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(LegacyUnavailable, match="must exist and be writable") as raised:
        SqliteIndex(tmp_path / "nowhere" / "index.sqlite").accept(jobs(1))
    assert (raised.value.committed, raised.value.code) == ("no", "QUEUE_UNAVAILABLE")


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "index.sqlite").write_bytes(b"no database, but long enough to be looked at" * 100)
    with pytest.raises(LegacyUnavailable, match="damaged") as raised:
        SqliteIndex(tmp_path / "index.sqlite").count()
    assert raised.value.committed == "no"


def test_a_file_that_was_closed_is_opened_again(tmp_path: Path) -> None:
    index = SqliteIndex(tmp_path / "index.sqlite")
    index.accept(jobs(1))
    index.disconnect()
    assert index.count().unpublished == 1
