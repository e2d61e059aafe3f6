"""Reading an archive."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supaqueue.errors import ArchiveError
from supaqueue.maintain.archive_file import FINAL, read_lines

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class ArchivedJob:
    """One job as its rows stood when it left the database: each a dict with a key per column."""

    job: dict[str, Any]
    tasks: tuple[dict[str, Any], ...]
    attempts: tuple[dict[str, Any], ...]
    file: Path

    @property
    def job_id(self) -> str:
        """Its id."""
        return str(self.job["job_id"])


def read_archive(folder: Path | str) -> Iterator[ArchivedJob]:
    """Return every job of an archive, day by day; a file is read when the iterator gets to it.

    What a run that was killed has left unsettled is not among them: the next run settles it.

    Raises:
        ArchiveError: the folder or a file cannot be read, is damaged, or was written by a newer version.
    """
    if not Path(folder).is_dir():
        raise ArchiveError(f"{folder} is no folder")
    for path in sorted(Path(folder).glob(f"jobs-*/*{FINAL}")):
        for line in read_lines(path):
            yield _archived_job(path, line)


def _archived_job(path: Path, line: str) -> ArchivedJob:
    try:
        row = json.loads(line)
        schema = row["schema"]
        job = ArchivedJob(row["job"], tuple(row["tasks"]), tuple(row["attempts"]), path)
    except (ValueError, LookupError, TypeError) as error:
        raise ArchiveError(f"{path} holds a line that is no archived job") from error
    if schema != SCHEMA:
        raise ArchiveError(f"{path} was written by a newer version: upgrade supaqueue to read it")
    return job
