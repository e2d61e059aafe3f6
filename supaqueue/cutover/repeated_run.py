"""Runs a handler once more, without effects, after its run was recorded: whoever differs from itself is seen.

In a thread of its own, one at a time in a process, so that the worker goes on: what becomes of the first run
was decided before, and its caller has it. Where a worker's process ends with its job (RQ's forking worker)
nothing is repeated.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

from supaqueue.cutover.errors import LegacyUnavailable
from supaqueue.cutover.legacy.entry import Ending
from supaqueue.cutover.legacy.index import Index
from supaqueue.cutover.stamp import Stamp
from supaqueue.errors import ConfigurationError
from supaqueue.job_id import BUCKETS, bucket_of
from supaqueue.settings import read_variables

REPEAT_PERCENT = "SUPAQUEUE_REPEAT_PERCENT"

_log = logging.getLogger(__name__)
_busy = threading.Lock()


def _after_fork() -> None:
    global _busy
    _busy = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


def repeat_percent(given: float | None = None) -> float:
    """Return the share of runs to repeat: `given`, else SUPAQUEUE_REPEAT_PERCENT, else 0.

    Raises:
        ConfigurationError: it is no percentage.
    """
    try:
        percent = float(read_variables((REPEAT_PERCENT,)).get(REPEAT_PERCENT, 0)) if given is None else given
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= 100:
        raise ConfigurationError(f"{REPEAT_PERCENT} (repeat_percent) must be a percentage from 0 to 100")
    return percent


def is_repeated(job_id: str, percent: float) -> bool:
    """Say whether a job is in the sample: the same everywhere, and of what legacy owns longest."""
    return bucket_of(job_id) >= BUCKETS - percent * BUCKETS / 100


def repeat_soon(index: Index, stamp: Stamp, run: Callable[[], Ending | None]) -> None:
    """Call `run` in a thread, and note what it came to; not at all while another repeat goes on here."""
    if _busy.acquire(blocking=False):
        arguments = (_busy, index, stamp, run)
        name = f"supaqueue-repeat-{stamp.job_id}"
        threading.Thread(target=_repeat, args=arguments, name=name, daemon=True).start()


def _repeat(busy: threading.Lock, index: Index, stamp: Stamp, run: Callable[[], Ending | None]) -> None:
    try:
        ending = run()
        if ending is not None:
            index.record_repeat(stamp, ending)
    except LegacyUnavailable as failed:
        _log.warning("what the repeat of job %s came to is not noted: %s", stamp.job_id, failed)
    except BaseException as failed:
        # Whatever a handler does to its thread: its job ended before.
        _log.warning("the repeat of job %s ended with %s", stamp.job_id, type(failed).__name__)
    finally:
        busy.release()
