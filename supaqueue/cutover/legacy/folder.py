"""A folder of JSON files as a queue: needs nothing but a disk of this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from supaqueue.cutover.errors import StampTooNew
from supaqueue.cutover.legacy.broker import BrokerCounts, Waiting
from supaqueue.cutover.legacy.entry import Message
from supaqueue.cutover.legacy.folder_adoption import unstamped_files
from supaqueue.cutover.legacy.folder_files import FolderFiles, message_names, translated
from supaqueue.cutover.legacy.folder_message import FileName, FolderMessage, message_text, read_message
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.legacy.sqlite_index import SqliteIndex
from supaqueue.cutover.legacy.unstamped import Unstamped
from supaqueue.cutover.stamp import Stamp
from supaqueue.errors import InvalidInput

NETWORK_FILE_SYSTEMS = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "fuse.glusterfs")
)


def _utc_now() -> datetime:
    return datetime.now(UTC)


def folder_queue(root: Path, *, clock: Callable[[], datetime] = _utc_now) -> LegacyQueue:
    """Return the queue in a folder, which is made if it is not there.

    Raises:
        LegacyUnavailable: it cannot be made.
    """
    broker = FolderBroker(root, clock=clock)
    return LegacyQueue(broker, SqliteIndex(root / "index.sqlite", clock=clock))


class FolderBroker:
    """See `Broker`. Files wait in `pending/`; `FolderWorker` runs them.

    Args:
        root: the folder, on a disk of this machine; made if it is not there.
        clock: gives the time, aware.

    Raises:
        LegacyUnavailable: the folder cannot be made.
    """

    name: ClassVar[str] = "folder"
    expresses: ClassVar[frozenset[str]] = frozenset(
        ("queue", "run_at", "delay", "max_attempts", "backoff", "timeout", "deadline", "tags")
    )
    cannot: ClassVar[Mapping[str, str]] = {}

    def __init__(self, root: Path, *, clock: Callable[[], datetime] = _utc_now) -> None:
        self.files = FolderFiles(root)
        self.clock = clock
        with translated("open", "no"):
            self.files.make()

    def publish(self, messages: Sequence[Message]) -> list[str]:
        """Put messages into `pending/`; what was answered survives a power cut."""
        now = self.clock()
        names = [str(FileName.of_stamp(message.stamp, message.due_at or now)) for message in messages]
        texts = [message_text(message, message.due_at or now) for message in messages]
        with translated("publish", "unknown"):
            self.files.put(self.files.pending, dict(zip(names, texts, strict=True)), durable=True)
        return names

    def park(self, messages: Sequence[Message]) -> None:
        """Keep copies in `parked/`. The index has them durably."""
        now = self.clock()
        texts = {f"{message.stamp.job_id}.json": message_text(message, now) for message in messages}
        with translated("park", "unknown"):
            self.files.put(self.files.parked, texts, durable=False)

    def unpark(self, job_ids: Sequence[str]) -> None:
        """Remove such copies."""
        with translated("unpark", "unknown"):
            for job_id in job_ids:
                (self.files.parked / f"{job_id}.json").unlink(missing_ok=True)

    def withdraw(self, native_ids: Sequence[str]) -> list[bool]:
        """Remove messages that wait for their first run; one that waits for a retry has begun."""
        with translated("withdraw", "unknown"):
            return [self._withdraw(native_id) for native_id in native_ids]

    def _withdraw(self, native_id: str) -> bool:
        try:
            (self.files.pending / native_id).unlink()
        except FileNotFoundError:
            return False
        return True

    def waiting(self) -> Iterator[Waiting]:
        """Return what waits, in the order in which it will run; what is no message is left out."""
        with translated("waiting", "no"):
            names = sorted(message_names(self.files.pending))
        for name in names:
            with suppress(FileNotFoundError, InvalidInput):  # it runs, or a worker will say what is wrong
                with translated("waiting", "no"):
                    message = self._read(name)
                if message is not None:
                    yield _waiting(name, message)

    def _read(self, name: str) -> FolderMessage | None:
        try:
            return read_message((self.files.pending / name).read_bytes(), FileName.of(name))
        except FileNotFoundError:
            return None

    def unstamped(self) -> Iterator[Unstamped]:
        """Return what something else put there; what nobody took yet gets a name that is its own for good."""
        return unstamped_files(self.files)

    def count(self) -> BrokerCounts:
        """Count files by what their names say."""
        now = self.clock()
        with translated("count", "no"):
            names = [FileName.of(name) for name in message_names(self.files.pending)]
            leased = sum(len(message_names(Path(one))) for one in _folders(self.files.running))
        scheduled = sum(name.due_at > now for name in names)
        return BrokerCounts(
            pending=len(names) - scheduled,
            scheduled=scheduled,
            retrying=sum(name.attempt > 1 for name in names),
            leased=leased,
            unstamped=sum(not name.is_stamped for name in names),
        )

    def problems(self) -> list[str]:
        """Return what about the folder loses or repeats jobs."""
        root = self.files.root
        with translated("problems", "no"):
            device = root.stat().st_dev
            found = [
                f"{folder.name}/ lies on another file system than the folder: files cannot be moved there"
                " at once; make it a plain folder"
                for folder in (self.files.pending, self.files.running, self.files.done, self.files.failed)
                if folder.stat().st_dev != device
            ]
            if (kind := _file_system(root)) in NETWORK_FILE_SYSTEMS:
                found.append(
                    f"the folder lies on {kind}, where locks do not hold: use a disk of this machine"
                )
        return found

    def check_alive(self) -> None:
        """Write a file and remove it."""
        with translated("check_alive", "no"):
            self.files.put(self.files.writing, {"alive": ""}, durable=False)
            (self.files.writing / "alive").unlink(missing_ok=True)

    def close(self) -> None:
        """Do nothing: no file is kept open."""


def _waiting(name: str, message: FolderMessage) -> Waiting:
    try:
        stamp = None if message.stamp is None else Stamp.from_json(message.stamp)
    except StampTooNew:
        stamp = None
    job = message.job
    return Waiting(name, stamp, job.task_type, job.queue, job.payload, FileName.of(name).due_at)


def _folders(folder: Path) -> list[str]:
    with os.scandir(folder) as found:
        return [one.path for one in found if one.is_dir(follow_symlinks=False)]


def _file_system(path: Path) -> str:
    """Return the kind of file system that a path lies on, as Linux calls it; empty where it does not say."""
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return ""
    place, best, kind = str(path.resolve()), "", ""
    for line in mounts.read_text(errors="replace").splitlines():
        _, point, found = line.split(" ")[:3]
        inside = point == "/" or place == point or place.startswith(f"{point}/")
        if inside and len(point) >= len(best):
            best, kind = point, found
    return kind
