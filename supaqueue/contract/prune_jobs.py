"""Deleting ended jobs, a bounded batch at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from supaqueue.contract.call import CONTRACT_VERSION, Call
from supaqueue.contract.json_value import Json
from supaqueue.contract.reply_type import ReplyType
from supaqueue.contract.retention_policy import RetentionPolicy


@dataclass(frozen=True, slots=True)
class Pruned:
    """What one batch came to.

    `removed` has jobs by kind: completed, failed, cancelled, tombstone, probe. `next_page` is where to go on,
    None at the end.
    """

    removed: dict[str, int]
    looked_at: int
    next_page: str | None


_REPLY = ReplyType(Pruned)


@dataclass(frozen=True, slots=True)
class PruneJobs(Call[Pruned]):
    """Delete up to `max_jobs` (1 to 10,000) jobs that the policy lets go; with `dry_run`, say what would go.

    `request_id` is a new UUID for each batch: a repeat deletes no more than the first did.
    """

    function: ClassVar[str] = "prune_jobs_v1"
    mutates: ClassVar[bool] = True

    request_id: str
    policy: RetentionPolicy
    page: str | None = None
    max_jobs: int = 1000
    dry_run: bool = False

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {
            "request_id": self.request_id,
            "policy": self.policy.row(),
            "page": self.page,
            "max_jobs": self.max_jobs,
            "dry_run": self.dry_run,
            "contract_version": CONTRACT_VERSION,
        }

    def parse(self, body: Json) -> Pruned:
        """Read the answer; raises ValueError if it is none."""
        return _REPLY.validate_python(body)
