"""What Supabase could not take for now, in files: appended by several processes, taken by several relays.

Each process appends to a segment of its own; see `supaqueue.cutover.segment`. A relay takes the oldest that
nobody holds, delivers all of it, and removes it: a relay that dies leaves it to the next one, which delivers
it again. The records hold payloads as they are: the folders can only be entered by their owner (0700), the
files only be read by him (0600). The disk should outlive the process; a container's own does not.
"""

from __future__ import annotations

import errno
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from supaqueue.contract import Json
from supaqueue.cutover.errors import SpoolError
from supaqueue.cutover.segment import RECORDS_PER_BATCH, OpenSegment, Segment, SpoolRecord, line_of
from supaqueue.errors import ConfigurationError
from supaqueue.maintain.archive_file import sync_folder
from supaqueue.settings import DOTENV, read_variables

FOLDER = "SUPAQUEUE_SPOOL"
MAX_BYTES = "SUPAQUEUE_SPOOL_MAX_BYTES"
DEFAULT_FOLDER = Path(".supaqueue/spool")
DEFAULT_MAX_BYTES = 256 * 1_048_576
SEGMENT_BYTES = 4 * 1_048_576
PROCESSES_BETWEEN_LOOKS = 16
"""What is free is looked up again once this process has used its part of it, for so many processes."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CHUNK = 1_048_576


@dataclass(frozen=True, slots=True)
class SpoolCounts:
    """What lies in a spool. `damaged`: files moved aside, since lines of them could not be read."""

    records: int
    bytes: int
    oldest_age_seconds: float | None
    damaged: int


class Spool:
    """A folder of records that wait. Safe for several threads and several processes.

    Args:
        folder: made if it is not there; not on a network's file system, whose locks cannot be relied on.
        max_bytes: the most that may wait; several processes may each exceed it by one append, more than 16
            by as much again.
        segment_bytes: a file that has reached this size is followed by another one.
        now: the time in seconds, for ages.

    Raises:
        SpoolError: the folder cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        max_bytes: int = DEFAULT_MAX_BYTES,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self._segments = folder / "segments"
        self._damaged = folder / "damaged"
        self._segment_bytes = segment_bytes
        self._now = now
        self._lock = threading.Lock()
        self._open: OpenSegment | None = None
        self._room = 0
        self._counted: dict[tuple[str, int], int] = {}
        self._prepare()

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, dotenv: Path | None = DOTENV) -> Self:
        """Return the spool in SUPAQUEUE_SPOOL, by default .supaqueue/spool, of SUPAQUEUE_SPOOL_MAX_BYTES.

        Raises:
            ConfigurationError: the size is malformed.
            SpoolError: the folder cannot be written.
        """
        found = read_variables((FOLDER, MAX_BYTES), environ, dotenv)
        size = found.get(MAX_BYTES, str(DEFAULT_MAX_BYTES))
        if not (size.isascii() and size.isdecimal() and int(size) > 0):
            raise ConfigurationError(f"{MAX_BYTES} must be a whole number from 1")
        return cls(Path(found.get(FOLDER, DEFAULT_FOLDER)), int(size))

    def append(self, contents: Sequence[Json], *, wait_for_disk: bool = True) -> None:
        """Store records. An error is not always the proof that none is.

        Args:
            contents: the records.
            wait_for_disk: return once they are on disk. If not, they outlive this process, and 20 ms later
                (and one wait for the disk) a crash of the machine too.

        Raises:
            SpoolError: the disk is full or read-only, or the spool at its bound; or the disk failed under
                earlier records.
        """
        at = self._now()
        lines = b"".join(line_of(SpoolRecord(at, content)) for content in contents)
        if not lines:
            return
        with self._lock, self._failing():
            self._check_bound(len(lines))
            self._append(lines, wait_for_disk=wait_for_disk)

    def claim(self) -> Segment | None:
        """Return the oldest segment that nobody holds, held by the caller, or None if there is none.

        Raises:
            SpoolError: the folder cannot be read.
        """
        with self._failing():
            for path in self._paths():
                segment = Segment.take(path, self._damaged)
                if segment is not None:
                    return segment
        return None

    def drain(
        self, deliver: Callable[[Sequence[SpoolRecord]], None], records_per_batch: int = RECORDS_PER_BATCH
    ) -> int:
        """Deliver what lies in the spool now, and return how many records that were.

        Args:
            deliver: takes a batch, in the order of one process's appends; it may see a record again. What it
                raises ends the draining: the segment stays, whole.

        Raises:
            SpoolError: the folder cannot be read or written.
        """
        return sum(self._drain_one(path, deliver, records_per_batch) for path in self._paths())

    def count(self) -> SpoolCounts:
        """Count what waits."""
        with self._failing():
            found = self._sizes()
            self._counted = {entry: self._records_in(entry) for entry in found.items()}
            damaged = len(os.listdir(self._damaged)) if self._damaged.is_dir() else 0
        since = min((_made_at(name) for name, size in found.items() if size), default=None)
        age = None if since is None else max(0.0, self._now() - since)
        return SpoolCounts(sum(self._counted.values()), sum(found.values()), age, damaged)

    def close(self) -> None:
        """Give the segment of this process to the relays; a later append opens another one."""
        with self._lock:
            self._drop()

    def _drain_one(
        self, path: Path, deliver: Callable[[Sequence[SpoolRecord]], None], records_per_batch: int
    ) -> int:
        with self._failing():
            segment = Segment.take(path, self._damaged)
        if segment is None:
            return 0
        delivered = 0
        with segment:
            for batch in self._batches(segment, records_per_batch):
                deliver(batch)
                delivered += len(batch)
            with self._failing():
                segment.remove()
        return delivered

    def _batches(self, segment: Segment, records: int) -> Iterator[list[SpoolRecord]]:
        with self._failing():
            yield from segment.batches(records)

    def _append(self, lines: bytes, *, wait_for_disk: bool) -> None:
        try:
            while not (segment := self._current()).append(lines):
                self._drop()
            segment.sync() if wait_for_disk else segment.sync_soon()
        except OSError:
            self._drop()  # what is half written there stays its last line
            raise

    def _current(self) -> OpenSegment:
        """The segment to append to. One made before a fork is the parent's: its lock would be shared."""
        if self._open and (self._open.process_id != os.getpid() or self._open.size() >= self._segment_bytes):
            self._drop()
        if self._open is None:
            name = f"{int(self._now() * 1e6):020d}-{os.getpid()}-{secrets.token_hex(4)}.spool"
            self._open = OpenSegment(self._segments / name)
            sync_folder(self._segments)
        return self._open

    def _drop(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def _prepare(self) -> None:
        with self._failing():
            self._segments.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._segments.chmod(0o700)
            sync_folder(self.folder)
            probe = self._segments / f".probe-{os.getpid()}-{secrets.token_hex(4)}"
            probe.touch(mode=0o600)
            probe.unlink()

    def _check_bound(self, more: int) -> None:
        """Look at what waits, unless the last look found that there is room for this by far."""
        if more > self._room:
            free = self.max_bytes - sum(self._sizes().values())
            self._room = free // PROCESSES_BETWEEN_LOOKS
            self._refuse_above(free, more)
        self._room -= more

    def _refuse_above(self, free: int, more: int) -> None:
        if more > free:
            raise SpoolError(
                f"the spool {self.folder} may hold {self.max_bytes:,} bytes ({MAX_BYTES}), and is full: start"
                " `supaqueue rollout relay`, see why Supabase takes nothing, or raise the bound"
            )

    def _paths(self) -> list[Path]:
        with self._failing():
            return sorted(self._segments / name for name in os.listdir(self._segments) if _is_segment(name))

    def _sizes(self) -> dict[str, int]:
        sizes = {}
        for entry in os.scandir(self._segments):
            try:
                if _is_segment(entry.name):
                    sizes[entry.name] = entry.stat().st_size
            except FileNotFoundError:
                continue  # a relay has just removed it
        return sizes

    def _records_in(self, entry: tuple[str, int]) -> int:
        if entry in self._counted:
            return self._counted[entry]
        try:
            with (self._segments / entry[0]).open("rb") as file:
                return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(_CHUNK), b""))
        except FileNotFoundError:
            return 0

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Let what the disk says out as an error that says what to do."""
        try:
            yield
        except OSError as error:
            raise SpoolError(f"the spool {self.folder} {_problem(error)}") from error


def _problem(error: OSError) -> str:
    reason = f"({os.strerror(error.errno) if error.errno else type(error).__name__})"
    if error.errno in _FULL:
        return f"cannot grow {reason}: free the disk, or set {FOLDER} to a folder on another one"
    return f"cannot be written {reason}: set {FOLDER} to a folder on a disk that this process may write"


def _is_segment(name: str) -> bool:
    return name.endswith(".spool")


def _made_at(name: str) -> float:
    return int(name.partition("-")[0]) / 1e6
