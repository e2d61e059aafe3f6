"""One file of the spool: a checksummed line for each record. Who holds its lock may write, read or remove it.

The lock is the file's own (flock), so it goes with its holder, however that ends. A write that was cut short
leaves a last line without its end, which no reader takes for a record.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from pydantic import SkipValidation

from supaqueue.contract import Json
from supaqueue.contract.json_value import encode

RECORDS_PER_BATCH = 500
BYTES_PER_BATCH = 4 * 1_048_576
SYNC_SECONDS = 0.02
"""How long what was written waits for more, before both are brought to the disk."""


@dataclass(frozen=True, slots=True)
class SpoolRecord:
    """What was appended, and when, in seconds of the appending machine's clock."""

    at: float
    content: SkipValidation[Json] = field(repr=False)


def line_of(record: SpoolRecord) -> bytes:
    """Return a record as it lies in a file."""
    body = encode({"at": record.at, "content": record.content}).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def record_of(line: bytes) -> SpoolRecord | None:
    """Return the record of a whole line; None if the line was damaged."""
    body = line[9:-1]
    if line[:9] != b"%08x " % zlib.crc32(body):
        return None
    read = json.loads(body)
    return SpoolRecord(read["at"], read["content"])


class OpenSegment:
    """A segment that one process appends to. Not safe between threads, nor across a fork: see `Spool`.

    What is appended outlives the process at once; a crash of the machine after `sync`, or SYNC_SECONDS and
    one wait for the disk after `sync_soon`.
    """

    def __init__(self, path: Path) -> None:
        self.process_id = os.getpid()
        self._path = path
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o600)
        self._syncing = ThreadPoolExecutor(1, "supaqueue-spool")
        self._sync: Future[None] | None = None
        self._sync_begun = threading.Event()

    def append(self, lines: bytes) -> bool:
        """Write lines; False if a reader has taken the segment.

        Raises:
            OSError: they are not in it, unless the disk fails altogether; then use another segment.
        """
        if not _try_lock(self._descriptor):
            return False
        try:
            if not _is_at(self._path, self._descriptor):
                return False
            self._write(lines)
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        return True

    def sync(self) -> None:
        """Wait until all of it is on disk.

        Raises:
            OSError: the disk failed.
        """
        os.fsync(self._descriptor)

    def sync_soon(self) -> None:
        """Let a thread do that, once for all that is appended meanwhile.

        Raises:
            OSError: the disk failed when it last did: what was appended until then may not be on it.
        """
        if self._sync is not None:
            if not self._sync_begun.is_set():
                return
            if self._sync.done():
                self._sync.result()
        self._sync_begun = threading.Event()
        self._sync = self._syncing.submit(self._sync_later, self._sync_begun)

    def size(self) -> int:
        """Return how many bytes are in it."""
        return os.fstat(self._descriptor).st_size

    def close(self) -> None:
        """Give it to the readers."""
        if self.process_id == os.getpid():  # the thread is not a forked child's
            self._syncing.shutdown(wait=True)
        os.close(self._descriptor)

    def _write(self, lines: bytes) -> None:
        before = self.size()
        try:
            unwritten = memoryview(lines)
            while unwritten:
                unwritten = unwritten[os.write(self._descriptor, unwritten) :]
        except OSError:
            os.ftruncate(self._descriptor, before)
            raise

    def _sync_later(self, begun: threading.Event) -> None:
        time.sleep(SYNC_SECONDS)
        begun.set()
        self.sync()


class Segment:
    """A segment that this reader holds; nobody else reads or writes it meanwhile.

    Attributes:
        damaged: how many lines read so far were no records, but had been. The file is then kept for people.
    """

    def __init__(self, path: Path, file: BinaryIO, damaged_folder: Path) -> None:
        self.path = path
        self.damaged = 0
        self._file = file
        self._damaged_folder = damaged_folder
        self._is_read = False

    @classmethod
    def take(cls, path: Path, damaged_folder: Path) -> Self | None:
        """Return the segment at `path`, held; None if another holds it or it has gone."""
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return None
        if _try_lock(file.fileno()) and _is_at(path, file.fileno()):
            return cls(path, file, damaged_folder)
        file.close()
        return None

    def batches(
        self, records: int = RECORDS_PER_BATCH, max_bytes: int = BYTES_PER_BATCH
    ) -> Iterator[list[SpoolRecord]]:
        """Return all records from the first on, so many or so many bytes at a time, in order."""
        self._file.seek(0)
        self.damaged, self._is_read = 0, False
        batch: list[SpoolRecord] = []
        size = 0
        for line, record in self._records():
            if batch and (len(batch) == records or size + len(line) > max_bytes):
                yield batch
                batch, size = [], 0
            batch.append(record)
            size += len(line)
        if batch:
            yield batch
        self._is_read = True

    def remove(self) -> None:
        """Remove the file, since every record of it was delivered; one with damage is moved aside.

        Raises:
            RuntimeError: its batches were not read to the end.
        """
        if not self._is_read:
            raise RuntimeError("a segment may be removed once all its batches were read and delivered")
        if self.damaged:
            self._damaged_folder.mkdir(mode=0o700, exist_ok=True)
            self.path.replace(self._damaged_folder / self.path.name)
        else:
            self.path.unlink()
        self.release()

    def release(self) -> None:
        """Give it back as it is; it will be read from its start again."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _records(self) -> Iterator[tuple[bytes, SpoolRecord]]:
        for line in self._file:
            if not line.endswith(b"\n"):
                return  # a write that was cut short: nobody was told that it was done
            record = record_of(line)
            if record is None:
                self.damaged += 1
            else:
                yield line, record


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether an open file still has its name: it may have been removed or moved before it was locked."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
