"""Files and folders that only their owner may read."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from supaqueue.devstack.account import Account, current_account
from supaqueue.errors import DevStackError


def write_private(path: Path, text: str) -> None:
    """Replace the file at `path` at once (no reader sees half of it), with mode 0600."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # made with mode 0600
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def private_directory(path: Path, account: Account | None) -> Path:
    """Make `path` a folder that only `account` (None: the current user) may enter, and return it.

    Raises:
        DevStackError: something of another user's is there already, as may happen in a shared /tmp.
    """
    owner = account or current_account()
    path.mkdir(mode=0o700, exist_ok=True)
    if path.is_symlink() or not (owner.owns(path) or current_account().owns(path)):
        raise DevStackError(f"{path} belongs to somebody else: remove it, then try again")
    os.chown(path, owner.user_id, owner.group_id)
    path.chmod(0o700)
    return path


@contextmanager
def locked(path: Path, *, seconds: float = 300.0) -> Iterator[None]:
    """Hold the lock file at `path`; the lock goes with its holder, however that ends.

    Raises:
        DevStackError: somebody else has held it for `seconds`, or the file belongs to another user.
    """
    deadline = time.monotonic() + seconds
    with _open_lock(path) as file:
        while not _try_lock(file.fileno()):
            if time.monotonic() > deadline:
                raise DevStackError(
                    f"another process has been starting or stopping this stack for {seconds:.0f} s: "
                    f"`fuser {path}` shows which"
                )
            time.sleep(0.05)
        yield


def _open_lock(path: Path) -> TextIO:
    try:
        return path.open("a")
    except PermissionError:
        raise DevStackError(
            f"{path} belongs to another user: run this as the one who made the stack"
        ) from None


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
