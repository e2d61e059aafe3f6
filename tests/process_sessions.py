"""Ending a process with all that it forked: whatever group those are in, they stay in its session."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.worker.waiting import DEADLINE_SECONDS, until


def members(session: int) -> list[int]:
    """Processes of a session that can still do something: not those that only wait to be reaped."""
    return [int(stat.parent.name) for stat in Path("/proc").glob("[0-9]*/stat") if _runs_in(session, stat)]


def end_session(leader: subprocess.Popen[bytes]) -> None:
    """Kill -9 a process that was started with a session of its own, and what is left of that session.

    The leader goes first: it forks no more, and does not see its children die. Returns when all have gone,
    also if the leader had ended before.
    """
    leader.kill()
    leader.wait(DEADLINE_SECONDS)
    until(lambda: not _killed(leader.pid), f"the end of session {leader.pid}")


def _killed(session: int) -> list[int]:
    left = members(session)
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return left


def _runs_in(session: int, stat: Path) -> bool:
    try:
        after_name = stat.read_text().rpartition(")")[2]
    except (FileNotFoundError, ProcessLookupError):
        return False
    state, _parent, _group, its_session = after_name.split()[:4]
    return int(its_session) == session and state not in "ZX"
