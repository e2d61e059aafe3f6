"""Retention on a real stack: removing, archiving, and what goes wrong with disks and neighbours."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from supaqueue.contract import RetentionPolicy
from supaqueue.devstack import Stack
from supaqueue.errors import AccessDenied, ArchiveError, ConfigurationError
from supaqueue.maintain import archive_file
from supaqueue.maintain.archive_reader import read_archive
from supaqueue.maintain.retention import Removal, Retention
from supaqueue.settings import Settings
from tests.sql.calls import Worker
from tests.sql.retention import ended
from tests.sql.sessions import together

Left = Callable[[], list[str]]
MakeRetention = Callable[..., Retention]


def archived(*folders: Path) -> Counter[str]:
    return Counter(job.job_id for folder in folders for job in read_archive(folder))


def test_a_pass_removes_everything_old_in_batches(
    worker: Worker, retention: MakeRetention, left: Left
) -> None:
    ended(worker, count=50)
    ended(worker, "failed", count=7)
    [waiting] = worker.enqueue_new(worker.queues[0])
    told: list[int] = []
    removal = retention(max_batch=20).run(lambda removal: told.append(removal.removed.total()))
    assert removal.removed == {"completed": 50, "failed": 7}
    assert removal.batches == len(told) >= 3
    assert told == sorted(told)
    assert left() == [waiting]


def test_counting_removes_nothing(worker: Worker, retention: MakeRetention, left: Left) -> None:
    ids = ended(worker, count=5)
    assert retention().count().removed == {"completed": 5}
    assert set(left()) == set(ids)


def test_it_rests_after_each_batch_in_proportion(worker: Worker, retention: MakeRetention) -> None:
    ended(worker, count=30)
    rests: list[float] = []
    times = iter(range(1000))
    removal = retention(max_batch=10, share=0.25, sleep=rests.append, clock=lambda: float(next(times))).run()
    assert removal.batches >= 3
    assert rests == [3.0] * (removal.batches - 1)


def test_an_archive_holds_each_job_whole(
    worker: Worker, retention: MakeRetention, left: Left, tmp_path: Path
) -> None:
    ids = ended(worker, count=30, payload={"text": "a\nb\u2028é", "number": 1.5}, tags=["t"])
    removal = retention(tmp_path / "archive", max_batch=20).run()
    assert removal.removed == {"completed": 30}
    assert left() == []
    jobs = list(read_archive(tmp_path / "archive"))
    assert Counter(job.job_id for job in jobs) == Counter(ids)
    assert {job.job["tags"][0] for job in jobs} == {"t"}
    assert all(job.tasks[0]["payload"] == {"text": "a\nb\u2028é", "number": 1.5} for job in jobs)
    assert [attempt["outcome"] for attempt in jobs[0].attempts] == ["done"]


def test_a_file_holds_jobs_of_its_day_only(worker: Worker, retention: MakeRetention, tmp_path: Path) -> None:
    ids = ended(worker, count=4)
    move = "update jobs set created_at = '2026-01-01Z', finished_at = %s where job_id = any(%s)"
    worker.connection.execute(move, ["2026-02-01T23:59:59.999999Z", ids[:2]])
    worker.connection.execute(move, ["2026-02-02T00:00:00Z", ids[2:]])
    retention(tmp_path).run()
    by_day = {
        folder.name: {job.job_id for job in read_archive(tmp_path) if job.file.parent == folder}
        for folder in tmp_path.glob("jobs-*")
    }
    assert by_day == {"jobs-20260201": set(ids[:2]), "jobs-20260202": set(ids[2:])}


def test_the_record_names_file_and_hash(worker: Worker, retention: MakeRetention, tmp_path: Path) -> None:
    ended(worker, count=3)
    retention(tmp_path).run()
    [path] = tmp_path.glob("jobs-*/*.jsonl.gz")
    query = "select jobs, removed, sha256 from job_archives where file = %s"
    row = worker.connection.execute(query, [f"{path.parent.name}/{path.name}"]).fetchone()
    lines = gzip.decompress(path.read_bytes()).decode().splitlines(keepends=False)
    assert row == (3, 3, archive_file.sha256_of_lines(lines))


def test_archivers_in_two_folders_share_no_job(
    worker: Worker, retention: MakeRetention, left: Left, tmp_path: Path
) -> None:
    for turn in range(5):
        ids = ended(worker, count=120)
        folders = [tmp_path / f"{turn}-{name}" for name in "ab"]
        runs = [retention(folder, max_batch=20) for folder in folders]
        removals = together(*(run.run for run in runs))
        while left():
            runs[0].run()  # what each passed over since the other held it
        assert archived(*folders) == Counter(ids)
        assert sum(removal.removed.total() for removal in removals) <= len(ids)


def test_one_folder_has_one_archiver(
    worker: Worker, retention: MakeRetention, left: Left, tmp_path: Path
) -> None:
    ids = ended(worker, count=30)
    second: list[BaseException] = []

    def start_another(_: Removal) -> None:
        with pytest.raises(ArchiveError, match="another process archives into") as refused:
            retention(tmp_path).run()
        second.append(refused.value)

    retention(tmp_path, max_batch=20).run(start_another)
    assert second
    assert archived(tmp_path) == Counter(ids)
    assert left() == []


def test_a_folder_belongs_to_one_queue(worker: Worker, retention: MakeRetention, tmp_path: Path) -> None:
    (tmp_path / ".queue").write_text("https://elsewhere.supabase.co public\n")
    ended(worker)
    with pytest.raises(ArchiveError, match=r"another queue, https://elsewhere\.supabase\.co"):
        retention(tmp_path).run()


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def lose_a_line(path: Path) -> None:
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    path.write_bytes(gzip.compress(b"".join(lines[:-1])))


def change_a_letter(path: Path) -> None:
    content = gzip.decompress(path.read_bytes()).replace(b"completed", b"cancelled")
    path.write_bytes(gzip.compress(content))


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut_short, flip_a_bit, lose_a_line, change_a_letter, empty])
def test_what_cannot_be_read_back_is_not_deleted(
    damage: Callable[[Path], None],
    worker: Worker,
    retention: MakeRetention,
    left: Left,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids = ended(worker, count=5)
    write = archive_file._write

    def write_and_damage(path: Path, lines: Any) -> None:
        write(path, lines)
        damage(path)

    with monkeypatch.context() as patched:
        patched.setattr(archive_file, "_write", write_and_damage)
        with pytest.raises(ArchiveError, match=r"\.partial"):
            retention(tmp_path).run()
    assert set(left()) == set(ids)
    assert not list(tmp_path.glob("jobs-*/*"))
    retention(tmp_path).run()
    assert archived(tmp_path) == Counter(ids)


def test_a_damaged_file_of_an_earlier_run_is_named_and_left(
    worker: Worker, retention: MakeRetention, left: Left, tmp_path: Path
) -> None:
    ids = ended(worker, count=2)
    written = tmp_path / "jobs-20260101" / f"{uuid4()}.written"
    written.parent.mkdir()
    written.write_bytes(gzip.compress(b"{}\n")[:-4])
    with pytest.raises(ArchiveError, match=str(written)):
        retention(tmp_path).run()
    assert written.exists()
    assert set(left()) == set(ids)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{}\n", "no archived job"),
        (b"[1]\n", "no archived job"),
        (json.dumps({"schema": 2, "job": {}, "tasks": [], "attempts": []}).encode() + b"\n", "newer version"),
        (b'{"schema": 1', "last line"),
    ],
)
def test_a_reader_names_a_file_that_it_cannot_read(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "jobs-20260101" / "a.jsonl.gz"
    path.parent.mkdir()
    path.write_bytes(gzip.compress(content))
    with pytest.raises(ArchiveError, match=said) as raised:
        list(read_archive(tmp_path))
    assert str(path) in str(raised.value)


def test_a_reader_names_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="is no folder"):
        list(read_archive(tmp_path / "missing"))


@pytest.mark.parametrize("role", ["supaqueue_worker", "supaqueue_producer", "anon"])
def test_only_the_service_key_may(stack18: Stack, policy: RetentionPolicy, role: str, tmp_path: Path) -> None:
    settings = Settings(url=stack18.url, anon_key=stack18.anon_key, token=stack18.token(role))
    for archive in (None, tmp_path):
        with Retention(policy, settings, archive=archive) as retention, pytest.raises(AccessDenied):
            retention.run()


@pytest.mark.parametrize("options", [{"share": 0}, {"share": 1.1}, {"max_batch": 0}, {"max_batch": 10_001}])
def test_numbers_that_make_no_sense_are_refused(
    options: dict[str, Any], policy: RetentionPolicy, settings: Settings
) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        Retention(policy, settings, **options)
