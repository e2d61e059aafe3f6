"""What a message in the legacy queue says of itself: which job it is, and under which epoch it may run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from supaqueue.contract import Json
from supaqueue.cutover.errors import StampTooNew
from supaqueue.errors import InvalidInput
from supaqueue.job_id import check_job_id

STAMP_VERSION = 1


@dataclass(frozen=True, slots=True)
class Stamp:
    """Only what legacy owns is ever published there, so a stamp needs no owner.

    `epoch` 0: the job was legacy's from the start; above, it was handed over, and Supabase must agree before
    it runs.
    """

    job_id: str
    epoch: int = 0

    @property
    def native_id(self) -> str:
        """Return the id for brokers that take one; a hand-over gets another.

        Brokers remember ids that were revoked, removed or run: a job that came back under its first id would
        be ignored there.
        """
        return f"{self.job_id}-{self.epoch}" if self.epoch else self.job_id

    def as_json(self) -> dict[str, Json]:
        """Return it as it travels in a message."""
        return {"v": STAMP_VERSION, "job_id": self.job_id, "epoch": self.epoch}

    @classmethod
    def from_json(cls, given: Json) -> Self:
        """Read the stamp of a message.

        Raises:
            StampTooNew: a newer version wrote it.
            InvalidInput: it is no stamp.
        """
        if not isinstance(given, dict) or not isinstance(version := given.get("v"), int):
            raise InvalidInput("is no stamp", field="stamp")
        if version > STAMP_VERSION:
            raise StampTooNew(
                f"a message was stamped by version {version}, this worker reads up to {STAMP_VERSION}:"
                " upgrade supaqueue here"
            )
        epoch = given.get("epoch")
        if isinstance(epoch, bool) or not isinstance(epoch, int) or epoch < 0:
            raise InvalidInput("must be a whole number from 0", field="stamp.epoch")
        return cls(check_job_id(given.get("job_id"), field="stamp.job_id"), epoch)
