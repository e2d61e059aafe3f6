"""The spool: nothing stored is lost or read as something else, whoever writes, reads or dies."""

from __future__ import annotations

import errno
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supaqueue.cutover.errors import SpoolError
from supaqueue.cutover.segment import SpoolRecord, line_of, record_of
from supaqueue.cutover.spool import FOLDER, MAX_BYTES, Spool
from supaqueue.errors import ConfigurationError

ROOT = Path(__file__).parents[2]


def contents(spool: Spool, records_per_batch: int = 500) -> list[Any]:
    """Drain a spool; returns what was in it."""
    found: list[Any] = []
    spool.drain(lambda batch: found.extend(record.content for record in batch), records_per_batch)
    return found


def files(spool: Spool) -> list[Path]:
    return sorted((spool.folder / "segments").iterdir())


def appender(
    folder: Path, name: str, padding: int = 50, sync: str = "", **options: Any
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.cutover.spooling", str(folder), name, str(padding), sync],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.005)


def append_until_told(spool: Spool) -> None:
    """Append what does not wait for the disk, until there is an error."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        spool.append(["x" * 20], wait_for_disk=False)


def kill_after(process: subprocess.Popen[str], lines: int) -> int:
    """Kill a process with -9 once it has printed so many lines; returns how many it had printed by then."""
    assert process.stdout is not None
    seen = [process.stdout.readline() for _ in range(lines)]
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read()
    process.wait()
    assert seen[-1].endswith("\n"), process.stderr and process.stderr.read()
    return len(seen) + rest.count("\n")


def test_what_was_appended_comes_back_once_and_in_order(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([{"a": 1}, "ключ\u2028\n", None])
    spool.append([[1.5, {"deep": ["🦆"]}]])
    assert contents(spool) == [{"a": 1}, "ключ\u2028\n", None, [1.5, {"deep": ["🦆"]}]]
    assert contents(spool) == []
    assert files(spool) == []
    spool.append(["after its segment was drained"])
    assert contents(spool) == ["after its segment was drained"]


def test_nothing_appended_leaves_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([])
    assert files(spool) == []


def test_another_process_s_spool_is_read_while_it_is_open(tmp_path: Path) -> None:
    writing, reading = Spool(tmp_path), Spool(tmp_path)
    for number in range(5):
        writing.append([number])
        assert contents(reading) == [number]


def test_segments_are_of_a_bounded_size_and_drained_oldest_first(tmp_path: Path) -> None:
    clock = iter(range(1000, 10_000))
    spool = Spool(tmp_path, segment_bytes=200, now=lambda: float(next(clock)))
    for number in range(50):
        spool.append([number])
    assert len(files(spool)) > 5
    assert max(path.stat().st_size for path in files(spool)) < 300
    assert contents(spool, records_per_batch=3) == list(range(50))


def test_batches_are_bounded_in_records_and_in_bytes(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(["x" * 100] * 10)
    segment = spool.claim()
    assert segment is not None
    with segment:
        assert [len(batch) for batch in segment.batches(4)] == [4, 4, 2]
        assert [len(batch) for batch in segment.batches(100, max_bytes=300)] == [2] * 5
        assert [len(batch) for batch in segment.batches(100, max_bytes=1)] == [1] * 10


def test_a_delivery_that_fails_keeps_all_of_its_segment(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(list(range(10)))
    seen: list[Any] = []

    def deliver(batch: Sequence[SpoolRecord]) -> None:
        seen.extend(record.content for record in batch)
        if len(seen) == 6:
            raise OSError("the other side is gone")

    with pytest.raises(OSError, match="other side"):
        spool.drain(deliver, 3)
    assert seen == [0, 1, 2, 3, 4, 5]
    spool.append([10])
    assert contents(spool) == list(range(11))


def test_a_segment_is_not_removed_unread(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([1, 2])
    segment = spool.claim()
    assert segment is not None
    next(segment.batches(1))
    with pytest.raises(RuntimeError, match="read"):
        segment.remove()
    segment.release()
    assert contents(spool) == [1, 2]


def test_a_segment_is_one_relay_s_at_a_time_and_the_writer_goes_on_in_another(tmp_path: Path) -> None:
    spool, other = Spool(tmp_path), Spool(tmp_path)
    spool.append(["first"])
    segment = spool.claim()
    assert segment is not None
    with segment:
        assert other.claim() is None
        assert contents(other) == []
        spool.append(["second"])
        assert contents(other) == ["second"]
        assert [[record.content for record in batch] for batch in segment.batches()] == [["first"]]
    assert contents(other) == ["first"]


def test_a_last_line_cut_at_any_byte_is_no_record(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([{"n": 1}])
    whole = files(spool)[0].read_bytes()
    spool.append([{"n": 22, "text": "ü"}])
    spool.close()
    path = files(spool)[0]
    both = path.read_bytes()
    for cut in range(len(whole), len(both)):
        path.write_bytes(both[:cut])
        assert contents(spool) == [{"n": 1}]
        assert spool.count().damaged == 0
    path.write_bytes(both)
    assert contents(spool) == [{"n": 1}, {"n": 22, "text": "ü"}]


def test_zeros_after_a_power_cut_are_no_record(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([1])
    spool.close()
    with files(spool)[0].open("ab") as file:
        file.write(bytes(4096))
    assert contents(spool) == [1]


@given(st.data())
@settings(max_examples=200)
def test_a_damaged_line_is_never_read_as_another_record(data: st.DataObject) -> None:
    line = line_of(SpoolRecord(1.5, {"job": data.draw(st.text(max_size=20))}))
    place = data.draw(st.integers(0, len(line) - 2))
    damaged = bytearray(line)
    damaged[place] ^= data.draw(st.integers(1, 255))
    assert record_of(line) is not None
    assert record_of(bytes(damaged)) is None


def test_damage_is_moved_aside_and_counted_and_the_rest_is_delivered(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(["before", "broken", "after"])
    path = files(spool)[0]
    path.write_bytes(path.read_bytes().replace(b"broken", b"brokeN"))
    assert contents(spool) == ["before", "after"]
    assert spool.count().damaged == 1
    assert files(spool) == []
    spool.append(["the writer's segment was the one moved aside"])
    assert contents(spool) == ["the writer's segment was the one moved aside"]


def test_only_the_owner_may_read(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "here"
    mask = os.umask(0)
    try:
        spool = Spool(folder)
        spool.append([1])
    finally:
        os.umask(mask)
    assert stat.S_IMODE((folder / "segments").stat().st_mode) == 0o700
    (folder / "segments").chmod(0o755)
    Spool(folder)
    assert stat.S_IMODE((folder / "segments").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in files(spool)} == {0o600}


def test_the_bound_is_kept_and_named_and_room_returns(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=1000)
    while spool.count().bytes + len(line_of(SpoolRecord(time.time(), "x" * 50))) <= 1000:
        spool.append(["x" * 50])
    counts = spool.count()
    assert counts.bytes > 800
    with pytest.raises(SpoolError, match=MAX_BYTES):
        spool.append(["x" * 50])
    other = Spool(tmp_path, max_bytes=1000)
    with pytest.raises(SpoolError, match=MAX_BYTES):
        other.append(["x" * 50])
    assert len(contents(other)) == counts.records
    spool.append(["x" * 50])


def test_the_bound_is_kept_by_many_records_of_a_process(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=100_000)
    with pytest.raises(SpoolError, match=MAX_BYTES):
        append_until_told(spool)
    spool.close()
    assert 99_800 < spool.count().bytes <= 100_000


def test_what_comes_during_one_wait_for_the_disk_shares_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is on disk by the wait that had begun before it was written."""
    synced: list[int] = []
    may_sync = threading.Event()

    def fsync(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_size)
        assert may_sync.wait(60)

    spool = Spool(tmp_path)
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr("supaqueue.cutover.spool.sync_folder", lambda folder: None)
    for number in range(3):
        spool.append([number], wait_for_disk=False)
    until(lambda: len(synced) == 1, "the first wait")
    for number in range(3, 6):
        spool.append([number], wait_for_disk=False)
    may_sync.set()
    spool.close()
    [path] = files(spool)
    assert len(synced) == 2
    assert synced[1] == path.stat().st_size


def test_a_disk_that_fails_later_is_told_with_the_next_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = threading.Event()

    def fsync(descriptor: int) -> None:
        failed.set()
        raise OSError(errno.EIO, "no disk")

    spool = Spool(tmp_path)
    spool.append([1])
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fsync)
        spool.append([2], wait_for_disk=False)
        assert failed.wait(60)
        with pytest.raises(SpoolError, match="cannot be written"):
            append_until_told(spool)
    spool.append(["after"], wait_for_disk=False)
    spool.close()
    assert contents(spool)[:2] == [1, 2]
    assert contents(spool) == []


def test_counts_and_the_age_of_the_oldest(tmp_path: Path) -> None:
    now = [1000.0]
    spool = Spool(tmp_path, segment_bytes=1, now=lambda: now[0])
    assert spool.count().oldest_age_seconds is None
    spool.append([1, 2])
    now[0] += 30
    spool.append([3])
    for _ in range(2):
        counts = spool.count()
        assert (counts.records, counts.oldest_age_seconds) == (3, 30.0)
        assert counts.bytes == sum(path.stat().st_size for path in files(spool))
    segment = spool.claim()
    assert segment is not None
    assert [record.at for batch in segment.batches() for record in batch] == [1000.0, 1000.0]
    segment.remove()
    counts = spool.count()
    assert (counts.records, counts.oldest_age_seconds) == (1, 0.0)


def test_threads_share_a_spool(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment_bytes=2000)
    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(spool.append, [number]) for number in range(200)]:
            future.result()
    assert sorted(contents(spool)) == list(range(200))


@pytest.mark.parametrize("wait_for_disk", [True, False])
def test_a_forked_child_appends_to_a_segment_of_its_own(tmp_path: Path, wait_for_disk: bool) -> None:
    spool = Spool(tmp_path)
    spool.append(["parent"], wait_for_disk=wait_for_disk)
    child = os.fork()
    if child == 0:
        spool.append(["child"], wait_for_disk=wait_for_disk)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    spool.append(["parent again"])
    assert len(files(spool)) == 2
    assert sorted(contents(spool)) == ["child", "parent", "parent again"]


@pytest.mark.parametrize("sync", ["", "soon"])
def test_what_was_stored_before_a_kill_is_there_after_it(tmp_path: Path, sync: str) -> None:
    processes = {name: appender(tmp_path, name, sync=sync) for name in "abc"}
    stored = {name: kill_after(process, 60) for name, process in processes.items()}
    found = contents(Spool(tmp_path))
    for name, count in stored.items():
        numbers = [content["number"] for content in found if content["from"] == name]
        # The kill may fall between the write and the print.
        assert numbers in (list(range(count)), list(range(count + 1)))


def test_several_writers_and_relays_at_once_lose_nothing_also_if_relays_fail(tmp_path: Path) -> None:
    """A delivery fails now and then: what it had is seen again, and nothing is missed."""
    found: Counter[tuple[str, int]] = Counter()
    lock = threading.Lock()
    is_over = threading.Event()

    def relay(fails_every: int) -> None:
        spool = Spool(tmp_path)
        calls = 0

        def deliver(batch: Sequence[SpoolRecord]) -> None:
            nonlocal calls
            calls += 1
            with lock:
                found.update((r.content["from"], r.content["number"]) for r in batch)  # type: ignore[index, call-overload, misc]
            if calls % fails_every == 0:
                raise ConnectionError

        while True:
            is_last = is_over.is_set()
            try:
                if spool.drain(deliver, 20) == 0 and is_last and not files(spool):
                    return
            except ConnectionError:
                continue

    with ThreadPoolExecutor(3) as pool:
        relays = [pool.submit(relay, every) for every in (3, 7, 10**9)]
        processes = {name: appender(tmp_path, name) for name in "ab"}
        stored = {name: kill_after(process, 300) for name, process in processes.items()}
        is_over.set()
        for one in relays:
            one.result()
    for name, count in stored.items():
        numbers = {number for origin, number in found if origin == name}
        assert numbers in (set(range(count)), set(range(count + 1)))


def test_a_disk_that_is_full_in_the_middle_of_a_record_keeps_what_was_stored(tmp_path: Path) -> None:
    process = appender(
        tmp_path,
        "full",
        padding=700,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000)),
    )
    output, errors = process.communicate()
    assert process.returncode == 1
    assert FOLDER in errors
    assert "free the disk" in errors
    assert "Traceback" not in errors
    spool = Spool(tmp_path)
    assert all(path.read_bytes().endswith(b"\n") for path in files(spool))
    assert [content["number"] for content in contents(spool)] == list(range(output.count("\n")))


@pytest.mark.parametrize("make", ["file", "folder"])
def test_a_folder_that_cannot_be_written_is_said_so_at_once(tmp_path: Path, make: str) -> None:
    place = tmp_path / "spool"
    if make == "file":
        place.write_text("")
        with pytest.raises(SpoolError, match=FOLDER):
            Spool(place)
        return
    place.mkdir(mode=0o500)
    code = (
        "import os, sys; from pathlib import Path; from supaqueue.cutover.spool import Spool;"
        f"os.geteuid() or os.setuid(65534); Spool(Path({str(place)!r}))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "SpoolError" in ended.stderr
    assert FOLDER in ended.stderr


def test_from_the_environment(tmp_path: Path) -> None:
    spool = Spool.load({FOLDER: str(tmp_path / "there"), MAX_BYTES: "1000"}, None)
    assert (spool.folder, spool.max_bytes) == (tmp_path / "there", 1000)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "1_000", "1 GB"])
def test_a_malformed_bound_is_named(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=MAX_BYTES):
        Spool.load({FOLDER: str(tmp_path), MAX_BYTES: text}, None)


def test_200_000_records_are_drained_in_bounded_memory(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for start in range(0, 200_000, 1000):
        spool.append([{"n": start + n, "payload": "x" * 200} for n in range(1000)])
    spool.close()
    assert spool.count().records == 200_000
    code = f"""
from pathlib import Path
from supaqueue.cutover.spool import Spool
numbers = bytearray(200_000)
def deliver(batch):
    for record in batch:
        numbers[record.content["n"]] += 1
delivered = Spool(Path({str(tmp_path)!r})).drain(deliver)
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(delivered, set(numbers) == {{1}}, int(peak.split()[1]) // 1024)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    delivered, each_once, megabytes = ended.stdout.split()
    assert (delivered, each_once) == ("200000", "True")
    assert int(megabytes) < 100
