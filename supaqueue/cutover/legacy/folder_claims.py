"""Taking files of a folder queue, one worker at a time, and finding those of workers that died.

A worker holds a lock on `running/<worker>.lock` as long as its process lives, and moves each file that it
takes into `running/<worker>/`. Whoever gets the lock of another worker knows that it is dead, and moves its
files back: no clock has to say so, and a worker that is only slow loses nothing.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from supaqueue.cutover.legacy.folder_files import FolderFiles, message_names
from supaqueue.cutover.legacy.folder_message import FileName

LOOK_AGAIN_AFTER = 200
"""Files that are taken from one listing of `pending/`: what came meanwhile may be due before the rest."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A file that this worker holds."""

    path: Path
    name: FileName


class FolderClaims:
    """The files that one worker process takes. To be closed.

    `next` and `rescue` belong to one thread; what they return is any thread's to put back or to move.

    Args:
        files: the folder.
        clock: gives the time, aware.
    """

    def __init__(self, files: FolderFiles, clock: Callable[[], datetime]) -> None:
        self.files = files
        self.worker_id = str(uuid.uuid4())
        self._clock = clock
        self._listed: deque[str] = deque()
        self._left = 0
        self._unwanted: set[str] = set()
        self._own = files.running / self.worker_id
        self._lock_file = _locked(self._own.with_suffix(".lock"))
        self._own.mkdir()

    def next(self, accepts: Callable[[Path], bool]) -> Claim | None:
        """Take the first due file that `accepts` wants, judged by its path; None if there is none now."""
        if not self._listed or self._left == 0:
            self._list()
        while self._listed:
            path = self.files.pending / self._listed.popleft()
            if not accepts(path):
                self._unwanted.add(path.name)
            elif (claim := self._take(path)) is not None:
                self._left -= 1
                return claim
        return None

    def _list(self) -> None:
        now = self._clock()
        names = {name: FileName.of(name) for name in message_names(self.files.pending)}
        # What is in a file of ours never changes; a foreign one may still be being written.
        self._unwanted = {name for name in self._unwanted & names.keys() if not names[name].is_new}
        due = [
            (one.due, name) for name, one in names.items() if one.due_at <= now and name not in self._unwanted
        ]
        self._listed = deque(name for _, name in sorted(due))
        self._left = LOOK_AGAIN_AFTER

    def _take(self, path: Path) -> Claim | None:
        name = FileName.of(path.name).taken()
        mine = self._own / str(name)
        if mine.exists():
            return None  # another copy of the message that runs here; it is looked at again
        try:
            os.rename(path, mine)
        except FileNotFoundError:
            return None
        return Claim(mine, name)

    def put_back(self, claim: Claim, due_at: datetime, *, attempts: int) -> None:
        """Let a file wait for another run."""
        os.rename(claim.path, self.files.pending / str(claim.name.again(due_at, attempts=attempts)))

    def move(self, claim: Claim, folder: Path) -> None:
        """Move a file to where it stays; a copy of the same message takes the same place."""
        # Not synced: after a power cut it may lie here again, and the guard knows that it has ended.
        os.rename(claim.path, folder / f"{claim.name.rest}.json")

    def rescue(self) -> Iterator[Claim]:
        """Return the files of workers that died, each held by this worker from then on."""
        for worker_id in _workers(self.files.running) - {self.worker_id}:
            with _dead(self.files.running / f"{worker_id}.lock") as is_dead:
                if is_dead:
                    yield from self._inherit(self.files.running / worker_id)

    def _inherit(self, folder: Path) -> Iterator[Claim]:
        for name in message_names(folder) if folder.is_dir() else ():
            mine = self._own / name
            if mine.exists():
                (folder / name).unlink()  # another copy of the message that runs here
                continue
            os.rename(folder / name, mine)
            yield Claim(mine, FileName.of(name))
        with suppress(OSError):  # something else lies in it
            folder.rmdir()

    def close(self) -> None:
        """Give the lock up; what this worker still holds is another's to find."""
        with suppress(OSError):
            self._own.rmdir()
            self._own.with_suffix(".lock").unlink()
        os.close(self._lock_file)


def _workers(running: Path) -> set[str]:
    with os.scandir(running) as found:
        return {Path(one.name).stem for one in found if one.is_dir() or one.name.endswith(".lock")}


def _locked(path: Path) -> int:
    """Make a file and lock it. Another worker may find it before it is locked, and remove it."""
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.stat(path).st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        os.close(descriptor)


@contextmanager
def _dead(lock: Path) -> Iterator[bool]:
    """Hold a dead worker's lock within the block, and remove it after; False if the worker lives."""
    descriptor = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
        if not lock.with_suffix("").exists():
            lock.unlink(missing_ok=True)
    finally:
        os.close(descriptor)
