"""Starting, recognising and stopping the programs of a stack.

A process is known by its pid and its start time, so that a recycled pid is never mistaken for ours, and
signals go through a pidfd, so that none can hit a process that took the pid between the look and the signal.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from supaqueue.devstack.account import Account
from supaqueue.errors import DevStackError

PROGRAM_NAMES = frozenset({"postgres", "initdb", "postgrest", "caddy"})
StopSignals = Sequence[tuple[signal.Signals, float]]
"""Signals in the order to send them, each with the seconds to wait for it to work."""

_children: dict[int, subprocess.Popen[bytes]] = {}  # started by this process; it has to reap them


@dataclass(frozen=True)
class Identity:
    """One process for all time: `started` holds the boot id and the clock ticks from boot to its start."""

    pid: int
    started: str


@dataclass(frozen=True)
class Program:
    """What to start and how to end it.

    `environment` is the whole of it: nothing is inherited, so that PGHOST or PGRST_* of the user's shell
    cannot reach it. `directory` is its working folder and its alone: leftovers are found by it.
    """

    name: str
    command: Sequence[str | Path]
    directory: Path
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    account: Account | None = None
    standard_input: bytes = field(default=b"", repr=False)


def start(program: Program) -> Identity:
    """Start `program` in a session of its own, so that it outlives the terminal.

    Raises:
        DevStackError: the system cannot run it.
    """
    try:
        child = _spawn(program)
    except OSError as error:
        raise DevStackError(f"{program.command[0]} cannot be run: {error.strerror}") from None
    _children[child.pid] = child
    return Identity(child.pid, _read_stat(child.pid)[1])


def _spawn(program: Program) -> subprocess.Popen[bytes]:
    with program.log.open("ab") as log, _as_file(program.standard_input) as standard_input:
        return subprocess.Popen(
            [str(word) for word in program.command],
            cwd=program.directory,
            env={"PATH": os.defpath, **program.environment},
            stdin=standard_input,
            stdout=log,
            stderr=log,
            start_new_session=True,
            umask=0o077,
            **(program.account.for_subprocess() if program.account else {}),
        )


@contextlib.contextmanager
def _as_file(content: bytes) -> Iterator[int]:
    descriptor = os.memfd_create("standard-input")
    try:
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def is_alive(identity: Identity) -> bool:
    """Whether that very process still runs; one that has ended and waits to be reaped does not."""
    try:
        state, started = _read_stat(identity.pid)
    except OSError:
        return False
    if state in "ZX":
        _reap(identity.pid)
        return False
    return started == identity.started


def stop(identity: Identity, signals: StopSignals) -> None:
    """Send each signal in turn until the process has gone, at last SIGKILL.

    Raises:
        DevStackError: it is still there, which only a process hung in the kernel can be.
    """
    for number, seconds in [*signals, (signal.SIGKILL, 10.0)]:
        if _signal_and_wait(identity, number, seconds):
            return
    raise DevStackError(f"process {identity.pid} does not end even when killed: see what it waits for")


def leftovers(directories: Sequence[Path]) -> list[Identity]:
    """The stack's own programs that run in `directories`, whoever started them and recorded or not."""
    wanted = {os.path.realpath(directory) for directory in directories}
    found = []
    for entry in Path("/proc").iterdir():
        # A process may end between any two looks, and those of other users show nothing.
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and _runs_in(entry, wanted):
                identity = Identity(int(entry.name), _read_stat(int(entry.name))[1])
                found.append(identity)
    return found


def _runs_in(entry: Path, directories: set[str]) -> bool:
    working_directory = _without_mark(os.readlink(entry / "cwd"))
    return working_directory in directories and _program_name(entry) in PROGRAM_NAMES


def _program_name(entry: Path) -> str:
    return Path(_without_mark(os.readlink(entry / "exe"))).name


def _without_mark(link: str) -> str:
    return link.removesuffix(" (deleted)")  # added by Linux when somebody has removed the file or folder


def _signal_and_wait(identity: Identity, number: signal.Signals, seconds: float) -> bool:
    try:
        descriptor = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return True
    try:
        if is_alive(identity):
            signal.pidfd_send_signal(descriptor, number)
            _wait_for_end(descriptor, seconds)
    except ProcessLookupError:
        pass
    finally:
        os.close(descriptor)
    _reap(identity.pid)
    return not is_alive(identity)


def _wait_for_end(descriptor: int, seconds: float) -> None:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)  # a pidfd turns readable when its process ends
    poll.poll(seconds * 1000)


def _reap(pid: int) -> None:
    child = _children.get(pid)
    if child is not None and child.poll() is not None:
        del _children[pid]


def _read_stat(pid: int) -> tuple[str, str]:
    """State letter and start time, from proc(5)'s stat: fields 3 and 22."""
    text = Path(f"/proc/{pid}/stat").read_text()
    fields = text[text.rindex(")") + 2 :].split()  # the name before it may hold spaces and brackets
    return fields[0], f"{_boot_id()}:{fields[19]}"


@cache
def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
