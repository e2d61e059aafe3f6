"""A handler that does nothing but count, where the benchmark can read it."""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path

from supaqueue import Registry

registry = Registry()

_FILE = Path(os.environ["DRAINED_FILE"]).open("r+b")  # noqa: SIM115
_COUNTER = mmap.mmap(_FILE.fileno(), 8)
_drained = 0


@registry.task("count")
async def count(_: dict[str, object]) -> None:
    """Count one task; the event loop runs these one after the other."""
    global _drained
    _drained += 1
    struct.pack_into("<q", _COUNTER, 0, _drained)
