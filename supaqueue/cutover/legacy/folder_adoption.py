"""Files of a folder queue that something else put there, as the jobs that they stand for.

A foreign name may come again with another message once the first was taken. So a file is named as if it had
been taken, in its place, before anybody goes by its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from supaqueue.contract import NewJob
from supaqueue.cutover.legacy.folder_files import FolderFiles, message_names, translated
from supaqueue.cutover.legacy.folder_message import FileName, read_message
from supaqueue.cutover.legacy.unstamped import Unstamped
from supaqueue.errors import InvalidInput

PAGE = 500


def unstamped_files(files: FolderFiles) -> Iterator[Unstamped]:
    """Return the files in `pending/` that carry no stamp."""
    with translated("unstamped", "no"):
        names = sorted(message_names(files.pending))
    foreign = [name for name in names if not FileName.of(name).is_stamped]
    for start in range(0, len(foreign), PAGE):
        with translated("unstamped", "unknown"):
            page = _page(files, foreign[start : start + PAGE])
        yield from page


def _page(files: FolderFiles, names: Sequence[str]) -> list[Unstamped]:
    found = {name: _found(files.pending, name) for name in names}
    new = {
        name: str(FileName.of(name).taken())
        for name, one in found.items()
        if one is not None and one.job is not None and FileName.of(name).is_new
    }
    # Read again: until it had its own name, another message could take its place.
    renamed = [_found(files.pending, name) for name in files.rename(files.pending, new)]
    others = [one for name, one in found.items() if name not in new]
    return [one for one in (*others, *renamed) if one is not None]


def _found(pending: Path, text: str) -> Unstamped | None:
    path, name = pending / text, FileName.of(text)
    if not path.is_file() or path.is_symlink():
        return Unstamped(text, "", why_left="unreadable") if path.exists() else None
    try:
        job = _job(path.read_bytes(), name)
    except FileNotFoundError:
        return None  # a worker has it
    except InvalidInput:
        return Unstamped(text, "", why_left="unreadable")
    if job is None:
        return None
    if name.attempt > 1:
        return Unstamped(text, job.task_type, why_left="begun")
    return Unstamped(text, job.task_type, job)


def _job(content: bytes, name: FileName) -> NewJob | None:
    """Return the job of a file, due as its name says; None if it carries a stamp, whatever its name says."""
    message = read_message(content, name)
    if message.stamp is not None:
        return None
    row = message.job.row()
    for option in ("run_at", "delay_seconds"):
        row.pop(option, None)  # the folder goes by the name
    if name.due:
        row["run_at"] = name.due_at.isoformat()
    return NewJob.from_row(row)
