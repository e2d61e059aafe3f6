"""Sorting more observations than memory holds: sorted runs on disk, merged as they are read."""

from __future__ import annotations

import heapq
import marshal
import struct
import tempfile
from collections.abc import Iterable, Iterator
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from supaqueue.cutover.parity.observation import Observation, from_plain, plain

RUN_LENGTH = 25_000
"""Observations in memory at once; with 200 bytes of payload that is about 40 MB."""
BLOCK_LENGTH = 200
_SIZE = struct.Struct("<Q")
_JOB_ID = itemgetter(0)

Row = tuple[Any, ...]


class SortedRuns:
    """Takes observations in any order, and gives them back by job_id, as often as asked.

    What does not fit lies in files without a name in `folder`, which end with this object.

    Args:
        folder: where the files are; the system's folder for such by default.
        run_length: how many to hold in memory.

    Raises:
        OSError: the disk is full or cannot be written, from `add` and from reading.
    """

    def __init__(self, folder: Path | None = None, run_length: int = RUN_LENGTH) -> None:
        self._folder = folder
        self._run_length = run_length
        self._held: list[Row] = []
        self._files: list[BinaryIO] = []
        self._count = 0

    def add(self, observations: Iterable[Observation]) -> None:
        """Take some more."""
        for observation in observations:
            self._held.append(plain(observation))
            if len(self._held) >= self._run_length:
                self._spill()

    def __len__(self) -> int:
        return self._count + len(self._held)

    def __iter__(self) -> Iterator[Observation]:
        self._held.sort(key=_JOB_ID)
        runs = [iter(self._held), *map(_read, self._files)]
        return map(from_plain, heapq.merge(*runs, key=_JOB_ID))

    def close(self) -> None:
        """Forget everything."""
        for file in self._files:
            file.close()
        self._files, self._held, self._count = [], [], 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _spill(self) -> None:
        self._held.sort(key=_JOB_ID)
        file: BinaryIO = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115
        self._files.append(file)
        for first in range(0, len(self._held), BLOCK_LENGTH):
            block = marshal.dumps(self._held[first : first + BLOCK_LENGTH])
            file.write(_SIZE.pack(len(block)) + block)
        file.flush()
        self._count += len(self._held)
        self._held = []


def _read(file: BinaryIO) -> Iterator[Row]:
    place = 0
    while True:
        # Another reader of the same file may have moved it meanwhile.
        file.seek(place)
        if not (size := file.read(_SIZE.size)):
            return
        block = file.read(_SIZE.unpack(size)[0])
        place = file.tell()
        # What this object wrote itself, into a file that nobody else can open.
        yield from marshal.loads(block)  # noqa: S302
