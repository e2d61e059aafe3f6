"""Deleting jobs that stand in a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from supaqueue.contract.call import CONTRACT_VERSION, Call
from supaqueue.contract.json_value import Json
from supaqueue.contract.reply_type import ReplyType


@dataclass(frozen=True, slots=True)
class ArchiveBatch:
    """A file of jobs: its name below the archive's folder, and the sha256 (hex) of its uncompressed lines."""

    batch_id: str
    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ArchivedLine:
    """Which job a line is of, and the sha256 (hex) of its text without the line feed."""

    job_id: str
    sha256: str


@dataclass(frozen=True, slots=True)
class DeletedBatch:
    """How many jobs of a batch are gone; `kept` are those that must be dropped from its file."""

    removed: int
    kept: tuple[str, ...]


_REPLY = ReplyType(DeletedBatch)


@dataclass(frozen=True, slots=True)
class DeleteArchivedJobs(Call[DeletedBatch]):
    """Delete the jobs of a batch that still are what their lines say; a repeat is answered alike."""

    function: ClassVar[str] = "delete_archived_jobs_v1"
    mutates: ClassVar[bool] = True

    batch: ArchiveBatch
    lines: tuple[ArchivedLine, ...]

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {
            "batch": {
                "batch_id": self.batch.batch_id,
                "file": self.batch.file,
                "jobs": len(self.lines),
                "sha256": self.batch.sha256,
            },
            "jobs": [{"job_id": line.job_id, "sha256": line.sha256} for line in self.lines],
            "contract_version": CONTRACT_VERSION,
        }

    def parse(self, body: Json) -> DeletedBatch:
        """Read the answer; raises ValueError if it is none."""
        return _REPLY.validate_python(body)

    def concerns(self) -> tuple[str, ...]:
        """Return the ids of the jobs in the batch."""
        return tuple(line.job_id for line in self.lines)
