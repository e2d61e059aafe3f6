"""A folder of archived jobs: each batch is in a file before it leaves the database."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from uuid import uuid4

from supaqueue.contract import ArchiveBatch, ArchivedLine, DeleteArchivedJobs
from supaqueue.errors import ArchiveError
from supaqueue.maintain.archive_file import (
    PARTIAL,
    WRITTEN,
    ArchiveFile,
    make_folder,
    read_lines,
    remove,
    sha256_of_line,
    sha256_of_lines,
)
from supaqueue.transport import Transport

LOCK = ".lock"
SOURCE = ".queue"


class Archive:
    """Moves batches of jobs out of the database into files below a folder.

    Args:
        folder: holds `jobs-YYYYMMDD/`, by the UTC day on which jobs ended.
        transport: makes the calls that delete.
    """

    def __init__(self, folder: Path, transport: Transport) -> None:
        self._folder = folder
        self._transport = transport

    def settle(self) -> int:
        """Finish what a killed archiver left behind; return how many files that were.

        Raises:
            ArchiveError: a file that it left is damaged, or cannot be written.
            CallError: the database did not answer; the file waits for the next run.
        """
        for path in sorted(self._folder.glob(f"jobs-*/*{PARTIAL}")):
            remove(path)
        left = sorted(self._folder.glob(f"jobs-*/*{WRITTEN}"))
        for path in left:
            self._remove(ArchiveFile(path.parent, path.name.removesuffix(WRITTEN)), read_lines(path))
        return len(left)

    def move(self, day: date, lines: Sequence[str]) -> frozenset[str]:
        """Write the lines of jobs that ended on `day` to a file, then delete the jobs.

        Returns:
            The ids of those that were not deleted, since they had changed meanwhile: they are in no file.

        Raises:
            ArchiveError: the file could not be written; nothing was deleted.
            CallError: whether the jobs are deleted may be unknown; the next `settle` finishes it.
        """
        file = ArchiveFile(self._folder / f"jobs-{day:%Y%m%d}", str(uuid4()))
        file.write(lines)
        return self._remove(file, lines)

    def _remove(self, file: ArchiveFile, lines: Sequence[str]) -> frozenset[str]:
        """Delete the jobs of a written file, and leave in it only those that it was the end of."""
        ids = {line: _job_id(file, line) for line in lines}
        batch = ArchiveBatch(file.batch_id, file.name, sha256_of_lines(lines))
        archived = tuple(ArchivedLine(job_id, sha256_of_line(line)) for line, job_id in ids.items())
        kept = frozenset(self._transport.send(DeleteArchivedJobs(batch, archived)).kept)
        file.finish(lines, [line for line in lines if ids[line] not in kept])
        return kept


@contextmanager
def locked(folder: Path, source: str | None) -> Iterator[None]:
    """Hold an archive's folder for one process and one queue; the lock ends with the process.

    Args:
        source: which queue this is, for example its URL. Files left by a killed archiver are settled by
            asking their own queue: another one knows none of their jobs. None: not checked.

    Raises:
        ArchiveError: another process holds it, it is another queue's, or it cannot be written to.
    """
    try:
        make_folder(folder)
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ArchiveError(f"cannot write to {folder}: {error.strerror}") from error
    try:
        _lock(descriptor, folder)
        if source is not None:
            _check_source(folder / SOURCE, source)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise ArchiveError(
            f"another process archives into {folder}: wait for its end, or choose another folder"
        ) from None


def _check_source(path: Path, source: str) -> None:
    try:
        known = path.read_text().strip() if path.exists() else ""
        if not known:
            path.write_text(f"{source}\n")
    except OSError as error:
        raise ArchiveError(f"cannot write {path}: {error.strerror}") from error
    if known and known != source:
        raise ArchiveError(
            f"{path.parent} is the archive of another queue, {known}: choose another folder,"
            f" or, if that is only another address of this one, change {path}"
        )


def _job_id(file: ArchiveFile, line: str) -> str:
    try:
        return str(json.loads(line)["job"]["job_id"])
    except (ValueError, LookupError, TypeError) as error:
        raise ArchiveError(f"{file.written} holds a line that is no archived job") from error
