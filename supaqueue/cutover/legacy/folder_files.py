"""The folders of a folder queue, and writing into them so that it lasts."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from supaqueue.cutover.errors import LegacyUnavailable
from supaqueue.errors import Committed

ABANDONED_SECONDS = 3600.0
"""After so long nobody completes a file any more: to write one takes seconds."""


@dataclass(frozen=True, slots=True)
class FolderFiles:
    """Where things lie; `writing` holds what is not complete, `running` one folder for each worker."""

    root: Path

    @property
    def pending(self) -> Path:
        """What waits, is scheduled, or is to be retried."""
        return self.root / "pending"

    @property
    def running(self) -> Path:
        """What workers hold."""
        return self.root / "running"

    @property
    def done(self) -> Path:
        """What completed, was cancelled while it ran, or ended elsewhere."""
        return self.root / "done"

    @property
    def failed(self) -> Path:
        """What failed for good or is no message, each with a reason beside it."""
        return self.root / "failed"

    @property
    def parked(self) -> Path:
        """Inert copies of what Supabase owns."""
        return self.root / "parked"

    @property
    def writing(self) -> Path:
        """What is not complete yet."""
        return self.root / "writing"

    def make(self) -> None:
        """Make the folders that are not there."""
        for folder in (self.pending, self.running, self.done, self.failed, self.parked, self.writing):
            folder.mkdir(parents=True, exist_ok=True)

    def sweep(self) -> None:
        """Remove what whoever wrote it did not live to complete."""
        for path in self.writing.glob("*.tmp"):
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
                    path.unlink()

    def put(self, folder: Path, texts: Mapping[str, str], *, durable: bool) -> None:
        """Put files there, each at once and complete; `durable`: they survive a power cut from then on.

        Raises:
            OSError: some may be there.
        """
        written: list[tuple[Path, Path]] = []
        try:
            for name, text in texts.items():
                written.append((self.writing / f"{uuid.uuid4()}.tmp", folder / name))
                _write(written[-1][0], text, durable)
            for temporary, final in written:
                os.rename(temporary, final)
        except BaseException:
            for temporary, _ in written:
                with suppress(OSError):
                    temporary.unlink()
            raise
        if durable:
            _sync_folder(folder)

    def rename(self, folder: Path, names: Mapping[str, str]) -> list[str]:
        """Give files there other names, for good; returns the new names of those that were still there.

        Raises:
            OSError: some may have their new names.
        """
        renamed = []
        for old, new in names.items():
            with suppress(FileNotFoundError):
                os.rename(folder / old, folder / new)
                renamed.append(new)
        if renamed:
            _sync_folder(folder)
        return renamed


@contextmanager
def translated(call: str, committed: Committed) -> Iterator[None]:
    """Turn errors of the file system into LegacyUnavailable."""
    try:
        yield
    except OSError as error:
        raise LegacyUnavailable(
            f"the legacy folder gave no answer: {error.strerror or type(error).__name__};"
            " it must exist, be writable for this user, and have space left",
            call=call,
            committed=committed,
        ) from error


def message_names(folder: Path) -> list[str]:
    """Return the names of messages in a folder; what others are still writing is none."""
    return [name for name in os.listdir(folder) if name.endswith(".json") and not name.startswith(".")]


def _write(path: Path, text: str, durable: bool) -> None:
    with open(path, "xb") as file:
        file.write(text.encode())
        if durable:
            file.flush()
            os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
