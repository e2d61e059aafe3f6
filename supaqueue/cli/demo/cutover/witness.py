"""Who ran what: an append-only file that handlers write, and neither of the two queues reads.

Each line is one `write` of a file opened with O_APPEND, so that a kill -9 leaves whole lines and lines of
several processes never mix.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Self

from supaqueue.cutover.legacy.entry import Owner

FOLDER = "SUPAQUEUE_DEMO_FOLDER"
SYSTEM = "SUPAQUEUE_DEMO_SYSTEM"
WORKER = "SUPAQUEUE_DEMO_WORKER"
FILE = "witness.jsonl"

Event = Literal["start", "end", "shadow"]


@dataclass(frozen=True, slots=True)
class Seen:
    """A handler began or ended a run that counts, or began one that has no effects; `at` is Unix time."""

    job_id: str
    event: Event
    system: Owner
    worker: str
    process_id: int
    at: float


@dataclass(frozen=True, slots=True)
class Witness:
    """Writes as one worker. Safe for threads and for processes that it is forked into."""

    folder: Path
    system: Owner
    worker: str

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the one of this process."""
        system: Owner = "supabase" if environ[SYSTEM] == "supabase" else "legacy"
        return cls(Path(environ[FOLDER]), system, environ[WORKER])

    def environment(self) -> dict[str, str]:
        """Return what a worker needs to have this witness."""
        return {FOLDER: str(self.folder), SYSTEM: self.system, WORKER: self.worker}

    @property
    def gate(self) -> Path:
        """Where a file keeps this worker's handlers from going on."""
        return self.folder / f"hold-{self.worker}"

    def note(self, job_id: str, event: Event) -> None:
        """Write a line."""
        seen = Seen(job_id, event, self.system, self.worker, os.getpid(), time.time())
        append_line(self.folder / FILE, asdict(seen))


def read_witness(folder: Path) -> Iterator[Seen]:
    """Return what was seen, in the order in which it was written."""
    path = folder / FILE
    if path.exists():
        with path.open() as lines:
            for line in lines:
                yield Seen(**json.loads(line))


def append_line(path: Path, content: object) -> None:
    """Append one JSON line to a file of several writers."""
    line = json.dumps(content).encode() + b"\n"
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        written = os.write(file, line)
    finally:
        os.close(file)
    if written != len(line):
        raise OSError(f"only {written} of {len(line)} bytes of a line were written")
