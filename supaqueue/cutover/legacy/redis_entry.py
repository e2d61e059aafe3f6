"""How an entry of the index is written in Redis, and read back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from supaqueue.contract import NewJob
from supaqueue.contract.json_value import encode
from supaqueue.cutover.legacy.entry import BrokenGlass, Ending, Entry

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(moment: datetime | None) -> int | str:
    """Return a time as the scripts take it: microseconds since 1970, or nothing."""
    return "" if moment is None else (moment - _EPOCH) // _MICROSECOND


def moment(text: str) -> datetime:
    """Return the time that `microseconds` wrote."""
    return _EPOCH + int(text) * _MICROSECOND


def described(job: NewJob) -> tuple[str, str, str, int | str]:
    """Return id, text, hash of the content, and time of a job; equal content has equal hashes."""
    row = job.row()
    content = {name: value for name, value in row.items() if name != "job_id"}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return job.job_id, encode(row), digest, microseconds(job.run_at)


def ending_json(ending: Ending) -> str:
    """Return an ending as text; its time is kept apart."""
    return encode(ending.row())


def broken_json(broken: BrokenGlass) -> str:
    """Return who let a job run, and why, as text; the time is kept apart."""
    return encode({"by": broken.by, "reason": broken.reason})


def entry_from_hash(job_id: str, stored: Mapping[str, str]) -> Entry:
    """Return the entry that a hash holds."""
    values: dict[str, Any] = dict(stored)
    return Entry(
        job_id=job_id,
        job=NewJob.from_row(json.loads(values["job"])) if "job" in values else None,
        owner=values["owner"],
        epoch=int(values["epoch"]),
        state=values["state"],
        accepted_at=moment(values["accepted_at"]),
        due_at=_moment_in(stored, "due_at"),
        native_id=values.get("native_id"),
        runner=values.get("runner"),
        runs_until=_moment_in(stored, "runs_until"),
        starts=int(values["starts"]),
        cancel_requested="cancel_requested" in values,
        closed_as=values.get("closed_as"),
        ending=_ending_in(stored),
        broken_glass=_broken_in(stored),
        repeat=Ending(**json.loads(stored["repeat"])) if "repeat" in stored else None,
    )


def _moment_in(stored: Mapping[str, str], name: str) -> datetime | None:
    return moment(stored[name]) if name in stored else None


def _ending_in(stored: Mapping[str, str]) -> Ending | None:
    if "ending" not in stored:
        return None
    return Ending(**json.loads(stored["ending"]), ended_at=_moment_in(stored, "ended_at"))


def _broken_in(stored: Mapping[str, str]) -> BrokenGlass | None:
    if "broken_glass" not in stored:
        return None
    return BrokenGlass(**json.loads(stored["broken_glass"]), at=_moment_in(stored, "broken_at"))
