"""Which old queue the demo leaves, how it is opened, and what starts a worker of it."""

from __future__ import annotations

from pathlib import Path

from supaqueue.cutover.legacy.folder import folder_queue
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.errors import ConfigurationError

KINDS = ("folder",)


def open_legacy(place: str) -> LegacyQueue:
    """Return the queue at `folder:PATH`.

    Raises:
        ConfigurationError: it is no such text.
    """
    kind, _, where = place.partition(":")
    if kind == "folder":
        return folder_queue(Path(where))
    raise ConfigurationError(f"{kind!r} is none of {', '.join(KINDS)}")


def worker_words(place: str) -> list[str]:
    """Return what follows `python` to start a worker."""
    return ["-m", "supaqueue.cli.demo.cutover.legacy_worker", place]
