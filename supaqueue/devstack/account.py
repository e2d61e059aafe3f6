"""Whom Postgres runs as: it refuses root, so root lends it an ordinary user's account."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from supaqueue.errors import DevStackError

_CANDIDATES = ("postgres", "nobody")


class SubprocessAccount(TypedDict, total=False):
    """The arguments of `subprocess` that change the user."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class Account:
    """An ordinary user of this machine, by numbers."""

    user_id: int
    group_id: int

    def for_subprocess(self) -> SubprocessAccount:
        """Keyword arguments that make `subprocess` run a program as this user and in no other group."""
        return {"user": self.user_id, "group": self.group_id, "extra_groups": []}

    def can_execute(self, path: Path) -> bool:
        """Whether this user may run that program, or pass through that folder, and all folders above it."""
        command = ["test", "-x", str(path)]
        environment = {"PATH": os.defpath}
        result = subprocess.run(command, check=False, cwd="/", env=environment, **self.for_subprocess())
        return result.returncode == 0

    def owns(self, path: Path) -> bool:
        """Whether `path`, itself and not what a link points to, belongs to this user."""
        return path.lstat().st_uid == self.user_id


def current_account() -> Account:
    """The user of this process."""
    return Account(os.geteuid(), os.getegid())


def postgres_account() -> Account | None:
    """The user to start Postgres as; None means the current one, which is no root.

    Raises:
        DevStackError: this is root, and the machine has no ordinary user that is known to fit.
    """
    if os.geteuid() != 0:
        return None
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise DevStackError(
        "Postgres refuses to run as root and this machine has neither a user `postgres` nor `nobody`: "
        "run this as an ordinary user, or add one with `useradd --system postgres`"
    )
