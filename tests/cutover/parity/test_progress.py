"""What is shown while a comparison works: a bar per step on a terminal, nothing in a pipe."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import suppress

SHOWN = """
from supaqueue.cli.parity.progress import Shown

with Shown({total}) as shown:
    for step, jobs in {told}:
        shown(step, jobs)
        shown._progress.refresh()
print("done")
"""
CHECK = [
    ("listed", 1_000),
    ("listed", 20_000),
    ("compared", 9_000),
    ("compared", 12_000),
    ("looked at again", 7),
]
SENT = [("sent", 40), ("sent", 100), ("settled", 30)]


def shown(told: list[tuple[str, int]], total: int | None, *, on_terminal: bool) -> tuple[str, str]:
    """What a process that is told of these steps writes: on standard output, and on standard error."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", SHOWN.format(total=total, told=told)],
        env=os.environ | {"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=theirs if on_terminal else subprocess.PIPE,
        text=True,
    )
    os.close(theirs)
    written = terminal_text(ours)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    return out, written if on_terminal else err


def terminal_text(descriptor: int) -> str:
    """All that is written to a terminal until nobody has it open any more."""
    written = b""
    with os.fdopen(descriptor, "rb", buffering=0) as terminal, suppress(OSError):
        while part := terminal.read(4_096):
            written += part
    return written.decode()


def test_each_step_of_a_check_has_a_bar() -> None:
    out, err = shown(CHECK, None, on_terminal=True)
    assert out == "done\n"
    for text in ("listed", "20,000 jobs", "compared", "9,000 of 10,000 jobs", "12,000 of 12,000", "7 jobs"):
        assert text in err, err


def test_what_is_sent_and_waited_for_is_known() -> None:
    _, err = shown(SENT, 100, on_terminal=True)
    assert "40 of 100 jobs" in err
    assert "30 of 100 jobs" in err


def test_nothing_is_shown_in_a_pipe() -> None:
    assert shown(CHECK + SENT, 100, on_terminal=False) == ("done\n", "")
