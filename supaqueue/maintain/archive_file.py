"""One file of an archive, and how it comes to be: safe against a kill and a full disk at every point.

<batch>.partial     being written; worth nothing
<batch>.written     complete, on disk and read back; its jobs may still be in the database, or gone
<batch>.jsonl.gz    final: each of its jobs is gone from the database
"""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from supaqueue.errors import ArchiveError

PARTIAL = ".partial"
WRITTEN = ".written"
FINAL = ".jsonl.gz"


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """The file of one batch, in the folder of its day."""

    folder: Path
    batch_id: str

    @property
    def name(self) -> str:
        """Its final name, below the archive's folder."""
        return f"{self.folder.name}/{self.batch_id}{FINAL}"

    @property
    def written(self) -> Path:
        """Where it is until its jobs are gone from the database."""
        return self.folder / f"{self.batch_id}{WRITTEN}"

    @property
    def final(self) -> Path:
        """Where it stays."""
        return self.folder / f"{self.batch_id}{FINAL}"

    def write(self, lines: Sequence[str]) -> None:
        """Write the lines, make sure that they can be read back, and only then replace what was written.

        Raises:
            ArchiveError: they could not be written, or what was read back is something else.
        """
        partial = self.folder / f"{self.batch_id}{PARTIAL}"
        try:
            make_folder(self.folder)
            _write(partial, lines)
            if read_lines(partial) != list(lines):
                raise ArchiveError(f"{partial}: what was read back is not what was written; check the disk")
            os.replace(partial, self.written)
            sync_folder(self.folder)
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)

    def finish(self, lines: Sequence[str], keep: Sequence[str]) -> None:
        """Leave only the lines of `keep` in it and give it its final name; without any it goes.

        Raises:
            ArchiveError: that could not be written; the file is as it was.
        """
        if keep and len(keep) < len(lines):
            self.write(keep)
        try:
            if keep:
                os.replace(self.written, self.final)
            else:
                self.written.unlink()
            sync_folder(self.folder)
        except OSError as error:
            raise _unwritable(self.folder, error) from error


def read_lines(path: Path) -> list[str]:
    """Return the lines of a file, without line feeds.

    Raises:
        ArchiveError: it is damaged, cut short, or cannot be read.
    """
    try:
        with gzip.open(path, "rb") as stream:
            content = stream.read().decode()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise ArchiveError(f"{path} is damaged or cannot be read: {type(error).__name__}") from error
    if not content.endswith("\n"):
        raise ArchiveError(f"{path} is damaged: its last line has no end")
    return content[:-1].split("\n")


def sha256_of_line(line: str) -> str:
    """Return the sha256 of a line's text, in hex."""
    return hashlib.sha256(line.encode()).hexdigest()


def sha256_of_lines(lines: Sequence[str]) -> str:
    """Return the sha256 of the uncompressed file, in hex: what `zcat FILE | sha256sum` prints."""
    return hashlib.sha256(_joined(lines)).hexdigest()


def remove(path: Path) -> None:
    """Delete a file that is worth nothing.

    Raises:
        ArchiveError: it cannot be deleted.
    """
    try:
        path.unlink()
    except OSError as error:
        raise _unwritable(path.parent, error) from error


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; it is still there after a power cut."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(path: Path, lines: Sequence[str]) -> None:
    packed = gzip.compress(_joined(lines), mtime=0)
    with path.open("wb") as stream:
        stream.write(packed)
        stream.flush()
        os.fsync(stream.fileno())


def _joined(lines: Sequence[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _unwritable(folder: Path, error: OSError) -> ArchiveError:
    reason = error.strerror or type(error).__name__
    return ArchiveError(
        f"cannot write to {folder}: {reason}; make room or choose another folder, and run it again:"
        " what is in no complete file is still in the database"
    )
