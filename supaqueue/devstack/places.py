"""Where the files of one stack lie."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from supaqueue.devstack.account import Account, current_account, postgres_account
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
        """Where programs of any stack in this folder run, or of one whose folder has been deleted."""
        data = [self.data_inside, *(folder / "data" for folder in self._folders_outside)]
        return (*data, *map(partial_of, data), self.run("postgrest"), self.run("gateway"))

    def delete_outside(self) -> None:
        """Delete what lies elsewhere, also of stacks whose folder has been deleted."""
        for folder in self._folders_outside:
            shutil.rmtree(folder, ignore_errors=True)

    def _outside(self, parent: Path, content: str, stack_id: str) -> Path:
        digest = hashlib.sha256(bytes(self.directory)).hexdigest()[:12]
        return parent / f"supaqueue-{content}-{digest}-{stack_id}"

    @property
    def _folders_outside(self) -> list[Path]:
        """Of this user and of whom Postgres runs as, since anybody may make folders there."""
        trusted = [current_account(), postgres_account() or current_account()]
        of_any_stack = (self.data_outside("*").parent, self.sockets("*"))
        found = [folder for pattern in of_any_stack for folder in pattern.parent.glob(pattern.name)]
        return [folder for folder in found if any(account.owns(folder) for account in trusted)]

    def data(self, stack_id: str, account: Account | None) -> Path:
        """Postgres' data: inside the folder, unless `account` cannot get there (a home of root's, say)."""
        outside = self.data_outside(stack_id)
        if outside.exists() or account is None or self.data_inside.exists():
            return outside if outside.exists() else self.data_inside
        return self.data_inside if account.can_execute(self.directory) else outside

    def data_outside(self, stack_id: str) -> Path:
        """Postgres' data, where its user cannot enter the stack's folder."""
        return self._outside(_REACHABLE, "data", stack_id) / "data"

    def sockets(self, stack_id: str) -> Path:
        """The folder of Postgres' socket: a short one, since a socket's path may have 107 bytes only."""
        return self._outside(Path(tempfile.gettempdir()), "socket", stack_id)

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
        except OSError as error:
            raise DevStackError(
                f"{error.filename}: {error.strerror}; choose another folder with --directory"
            ) from None

    def delete(self) -> None:
        """Remove what `create` and the programs made, and the folder itself if nothing else is in it."""
        self.delete_outside()
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
