"""Counts every write of this process, and kills it with -9 at the one that a test has named.

A write is what would still be there after a kill: a call that changes Supabase, a commit of the index, a file
that was synced, renamed or removed; of a broker and an index over a network each method that changes them.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

from supaqueue.contract import Call
from supaqueue.transport import AsyncRestTransport, RestTransport

INDEX_WRITES = frozenset(
    [
        "accept",
        "reserve",
        "published",
        "park",
        "release",
        "settle",
        "start",
        "renew",
        "free",
        "free_failed",
        "first_failures_sent",
        "finish",
        "request_cancel",
        "close",
        "endings_sent",
        "start_unstamped",
        "adopt",
        "forget",
        "break_glass",
        "record_repeat",
    ]
)
INDEX_READS = frozenset(
    (
        *("unpublished", "get", "list_by_time", "list_unstamped_runs", "unsent_endings", "count"),
        "unsent_first_failures",
    )
)
BROKER_WRITES = frozenset(("publish", "park", "unpark", "withdraw"))
BROKER_READS = frozenset(("waiting", "unstamped", "count", "problems", "check_alive", "close"))


class Writes:
    """The writes of this process, by name; several of a name are numbered.

    Args:
        log: gets the name of each write that took effect.
        point: `before NAME`, `amid NAME` or `after NAME`, where the process ends; None to let it live.
    """

    def __init__(self, log: Path, point: str | None = None) -> None:
        self._log = log.open("a", buffering=1)
        self.has_ended = log.with_name("ended")
        self._point = point
        self._has_begun = False
        self._seen: Counter[str] = Counter()
        self._inside = threading.local()

    def begin(self) -> None:
        """Count from here on."""
        self._has_begun = True

    @contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """Let the names of writes in the block begin with this one."""
        before = getattr(self._inside, "name", "")
        self._inside.name = f"{name}: "
        try:
            yield
        finally:
            self._inside.name = before

    @contextmanager
    def write(self, name: str) -> Iterator[str]:
        """One write; gives its full name."""
        full = getattr(self._inside, "name", "") + name
        if not self._has_begun:
            yield full
            return
        self._seen[full] += 1
        if self._seen[full] > 1:
            full = f"{full} #{self._seen[full]}"
        self.reached(f"before {full}")
        yield full
        self._log.write(f"{full}\n")
        self.reached(f"after {full}")

    def reached(self, point: str) -> None:
        """End here, if this is the point and no process has ended here before."""
        if point == self._point and not self.has_ended.exists():
            self.has_ended.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    def ends_amid(self, name: str) -> bool:
        """Whether the process is to end with this write half done."""
        return self._point == f"amid {name}"


class Counted:
    """A broker or an index of which some methods are writes.

    Args:
        by_file: its writes are counted file by file instead, under the method's name.
    """

    def __init__(self, inner: Any, name: str, methods: frozenset[str], writes: Writes, by_file: bool) -> None:
        self._inner, self._name, self._methods = inner, name, methods
        self._counting = writes.inside if by_file else writes.write

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(self._inner, attribute)
        if attribute not in self._methods:
            return found

        @wraps(found)
        def counted(*args: Any, **kwargs: Any) -> Any:
            with self._counting(f"{self._name}.{attribute}"):
                return found(*args, **kwargs)

        return counted


def count_calls(writes: Writes) -> None:
    """Count the calls to Supabase that change something."""
    send, send_async = RestTransport.send, AsyncRestTransport.send

    def counted(self: RestTransport, call: Call[Any]) -> Any:
        if not call.mutates:
            return send(self, call)
        with writes.write(call.function):
            return send(self, call)

    async def counted_async(self: AsyncRestTransport, call: Call[Any]) -> Any:
        if not call.mutates:
            return await send_async(self, call)
        with writes.write(call.function):
            return await send_async(self, call)

    RestTransport.send = counted  # type: ignore[method-assign]
    AsyncRestTransport.send = counted_async  # type: ignore[method-assign]


def count_files(writes: Writes, root: Path) -> None:
    """Count what is done to files below `root`, named by the folder there, and every commit of SQLite."""

    def counting(function: Callable[..., Any], verb: str, place: int) -> Callable[..., Any]:
        @wraps(function)
        def counted(*args: Any, **kwargs: Any) -> Any:
            label = _label(root, args[place])
            # No write waits for the spool's, which a thread does later; a kill takes nothing of it away.
            if label is None or (verb, label) == ("sync", "spool"):
                return function(*args, **kwargs)
            with writes.write(f"{verb} {label}"):
                return function(*args, **kwargs)

        return counted

    for name, verb, place in (
        ("rename", "rename to", 1),
        ("replace", "rename to", 1),
        ("unlink", "remove", 0),
    ):
        setattr(os, name, counting(getattr(os, name), verb, place))
    os.fsync = counting(os.fsync, "sync", 0)
    os.write = _halving(os.write, writes, root)  # type: ignore[assignment]
    sqlite3.connect = _connecting(writes)  # type: ignore[assignment]


def _halving(write: Callable[[int, Any], int], writes: Writes, root: Path) -> Callable[[int, Any], int]:
    def counted(descriptor: int, data: Any) -> int:
        label = _label(root, descriptor)
        if label is None:
            return write(descriptor, data)
        with writes.write(f"write {label}") as name:
            if writes.ends_amid(name):
                write(descriptor, bytes(data)[: len(data) // 2])
                writes.reached(f"amid {name}")
            return write(descriptor, data)

    return counted


def _connecting(writes: Writes) -> Callable[..., sqlite3.Connection]:
    connect = sqlite3.connect

    class CountedConnection(sqlite3.Connection):
        def execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
            if statement != "commit":
                return super().execute(statement, *parameters)
            with writes.write("commit"):
                return super().execute(statement, *parameters)

    return lambda *args, **kwargs: connect(*args, **kwargs, factory=CountedConnection)


def _label(root: Path, file: Any) -> str | None:
    """The folder below `root` that a path or a descriptor is in, or is; None if it is elsewhere."""
    is_open = isinstance(file, int)
    path = Path(os.readlink(f"/proc/self/fd/{file}") if is_open else os.fspath(file))
    if root not in path.parents:
        return None
    is_folder = is_open and stat.S_ISDIR(os.fstat(file).st_mode)
    folders = (path if is_folder else path.parent).relative_to(root).parts
    if not folders:
        return None
    label = folders[1] if folders[0] == "legacy" and len(folders) > 1 else folders[0]
    return f"folder {label}" if is_folder else label
