"""Where the files of one stack lie."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from supaqueue.devstack.account import Account
from supaqueue.errors import DevStackError

_REACHABLE = Path("/var/tmp")  # noqa: S108 - names below it are random, and folders private


_IGNORE_ALL = "*\n"


@dataclass(frozen=True)
class Places:
    """The folder of a stack and what it has inside."""

    directory: Path

    @property
    def lock(self) -> Path:
        """Held while the stack is started or stopped."""
        return self.directory / "lock"

    @property
    def keys(self) -> Path:
        """Passwords and the secret that signs tokens."""
        return self.directory / "keys.json"

    @property
    def state(self) -> Path:
        """Ports and processes."""
        return self.directory / "state.json"

    @property
    def data_inside(self) -> Path:
        """Postgres' data, as a rule."""
        return self.directory / "data"

    def log(self, program: str) -> Path:
        """What `program` says."""
        return self.directory / "logs" / f"{program}.log"

    def run(self, program: str) -> Path:
        """The working folder of `program`."""
        return self.directory / "run" / program

    @property
    def working_directories(self) -> tuple[Path, ...]:
        """Where programs of this stack run, as far as that is known without its keys."""
        return (self.data_inside, partial_of(self.data_inside), self.run("postgrest"), self.run("gateway"))

    def data(self, stack_id: str, account: Account | None) -> Path:
        """Postgres' data: inside the folder, unless `account` cannot get there (a home of root's, say)."""
        outside = _REACHABLE / f"supaqueue-{stack_id}" / "data"
        if outside.exists() or account is None or self.data_inside.exists():
            return outside if outside.exists() else self.data_inside
        return self.data_inside if account.can_execute(self.directory) else outside

    def sockets(self, stack_id: str) -> Path:
        """The folder of Postgres' socket: a short one, since a socket's path may have 107 bytes only."""
        return Path(tempfile.gettempdir()) / f"supaqueue-{stack_id}"

    @property
    def _ignore_file(self) -> Path:
        return self.directory / ".gitignore"

    def create(self) -> None:
        """Make the folders; what Postgres need not enter is closed to others.

        Raises:
            DevStackError: this user may not write there.
        """
        private = (self.directory / "logs", self.directory / "run")
        try:
            for folder in (*private, self.run("postgrest"), self.run("gateway")):
                folder.mkdir(parents=True, exist_ok=True)
            for folder in private:
                folder.chmod(0o700)
            if not self._ignore_file.exists():
                self._ignore_file.write_text(_IGNORE_ALL)
        except (PermissionError, NotADirectoryError, FileExistsError) as error:
            raise DevStackError(
                f"{error.filename}: {error.strerror}; choose another folder with --directory"
            ) from None

    def delete(self) -> None:
        """Remove what `create` and the programs made, and the folder itself if nothing else is in it."""
        for folder in ("logs", "run", "data", "data.partial", "cache"):
            shutil.rmtree(self.directory / folder, ignore_errors=True)
        if self._ignore_file.exists() and self._ignore_file.read_text() == _IGNORE_ALL:
            self._ignore_file.unlink()
        for file in (self.state, self.keys, self.lock):
            file.unlink(missing_ok=True)
        if self.directory.is_dir() and not any(self.directory.iterdir()):
            self.directory.rmdir()


def partial_of(data: Path) -> Path:
    """Where the data folder is made before it is complete."""
    return data.with_name(f"{data.name}.partial")
