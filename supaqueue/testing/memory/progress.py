"""How far a handler says that it is."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from supaqueue.testing.memory.tables import Row, Tables

CHECKPOINT_BYTES = 262_144
MESSAGE_CHARACTERS = 1000
_KEYS = frozenset({"number", "percent", "message", "checkpoint"})


def progress_problem(progress: Any) -> str | None:
    """Say what is wrong with a report; None if nothing."""
    if progress is None:
        return None
    if not progress.keys() <= _KEYS:
        return "progress: expected number, percent, message and checkpoint, and nothing else"
    number, percent, message = (progress.get(key) for key in ("number", "percent", "message"))
    if not (_is_number(number) and number % 1 == 0 and 1 <= number <= 9007199254740991):
        return "progress.number: expected 1 to 9007199254740991"
    if percent is not None and not (_is_number(percent) and 0 <= percent <= 100):
        return "progress.percent: expected 0 to 100"
    if message is not None and not (isinstance(message, str) and len(message) <= MESSAGE_CHARACTERS):
        return "progress.message: expected at most 1000 characters"
    if len(json.dumps(progress.get("checkpoint"), ensure_ascii=False).encode()) > CHECKPOINT_BYTES:
        return "progress.checkpoint: expected at most 262144 bytes"
    return None


def record_progress(tables: Tables, rows: Iterable[Row], worker_id: str | None) -> None:
    """Store the reports of leases that this worker holds; of several under one lease the latest counts."""
    for row in rows:
        task, progress = tables.task(row), row.get("progress")
        if not (task and progress and task.is_held(row["lease_token"], worker_id)):
            continue
        if task.progress_number < progress["number"]:
            task.progress_number = progress["number"]
            task.progress_percent = progress.get("percent", task.progress_percent)
            task.progress_message = progress.get("message", task.progress_message)
            task.checkpoint = progress.get("checkpoint", task.checkpoint)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
