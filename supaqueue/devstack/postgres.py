"""Postgres: the data folder, made complete or not at all, and the server on it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from supaqueue.devstack.account import Account
from supaqueue.devstack.binaries import find_postgres, reachable_postgres
from supaqueue.devstack.files import private_directory
from supaqueue.devstack.keys import Keys
from supaqueue.devstack.places import partial_of
from supaqueue.devstack.processes import Identity, Program
from supaqueue.errors import DevStackError

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u ",
    # Statements and details of errors hold the users' data: they stay out of the log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
_ACCESS = """\
local all all scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
"""
# A killed server still loses nothing that was committed; only a power cut does.
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Postgres:
    """The database server of one stack.

    `data` is its folder, `partial` the one that becomes it once it is complete; both and `sockets` belong to
    `account` (None: the current user).
    """

    data: Path
    sockets: Path
    log: Path
    keys: Keys
    account: Account | None
    binaries: Path | None = None
    durable: bool = True
    settings: Mapping[str, str] = field(default_factory=dict)

    name = "postgres"
    port_names = ("postgres",)
    ready_seconds = 300.0  # after a crash it first replays its log
    stop_signals = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0))  # fast, then immediate shutdown

    @property
    def partial(self) -> Path:
        """Where the data folder is being made."""
        return partial_of(self.data)

    @property
    def directories(self) -> tuple[Path, ...]:
        """The working folders of its processes."""
        return (self.data, self.partial)

    def program(self, ports: Mapping[str, int]) -> Program:
        """The server on the port named, on a data folder that is made if there is none."""
        binaries = self._find_binaries()
        if not self.data.exists():
            self._make_data(binaries)
        self._check_version(binaries)
        self._clear_locks()
        settings = {
            **_SETTINGS,
            "unix_socket_directories": str(self.sockets),
            "port": str(ports["postgres"]),
            **({} if self.durable else _NOT_DURABLE),
            **self.settings,
        }
        return Program(
            name=self.name,
            command=[binaries / "postgres", "-D", self.data, *_as_options(settings)],
            directory=self.data,
            log=self.log,
            account=self.account,
        )

    def is_ready(self, identity: Identity, ports: Mapping[str, int]) -> bool:
        """Whether that server takes connections: it says so in the last line of its lock file."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(identity.pid) and lines[7].strip() == "ready"

    def _find_binaries(self) -> Path:
        directory = find_postgres(self.binaries)
        return reachable_postgres(directory, self.account) if self.account else directory

    def _make_data(self, binaries: Path) -> None:
        shutil.rmtree(self.partial, ignore_errors=True)
        self.data.parent.mkdir(mode=0o755, exist_ok=True)
        private_directory(self.partial, self.account)
        options = _INITDB_OPTIONS if self.durable else [*_INITDB_OPTIONS, "--no-sync"]
        self._run(binaries, ["initdb", "-D", ".", *options], "")
        single_user = ["postgres", "--single", "-j", "-D", ".", "-c", "exit_on_error=true", "postgres"]
        self._run(binaries, single_user, self._bootstrap_sql())
        (self.partial / "pg_hba.conf").write_text(_ACCESS)  # in place: the file keeps its owner
        self.partial.rename(self.data)

    def _bootstrap_sql(self) -> str:
        passwords = {
            "supabase_admin": self.keys.admin_password,
            "postgres": self.keys.postgres_password,
            "authenticator": self.keys.authenticator_password,
        }
        statements = [f"alter role {role} password '{password}';\n\n" for role, password in passwords.items()]
        return files("supaqueue.devstack").joinpath("roles.sql").read_text() + "".join(statements)

    def _check_version(self, binaries: Path) -> None:
        made_by = (self.data / "PG_VERSION").read_text().strip()
        version = subprocess.check_output([str(binaries / "postgres"), "--version"], text=True)
        if f" {made_by}." not in version:
            raise DevStackError(
                f"the data in {self.data} was made by Postgres {made_by}, and that in {binaries} is another: "
                "choose another folder with --directory, or delete with `supaqueue dev down --delete-data`"
            )

    def _run(self, binaries: Path, command: list[str], standard_input: str) -> None:
        result = subprocess.run(
            [str(binaries / command[0]), *command[1:]],
            cwd=self.partial,
            env={"PATH": os.defpath},
            input=standard_input,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
            **(self.account.for_subprocess() if self.account else {}),
        )
        if result.returncode != 0:
            raise DevStackError(
                f"{command[0]} could not make the database in {self.data}: {_reason(result.stderr)}"
            )

    def _clear_locks(self) -> None:
        """Remove what a server that was killed left behind; the caller has made sure that none runs.

        Otherwise Postgres would refuse to start once any other process has its old pid.
        """
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        private_directory(self.sockets, self.account)
        for leftover in self.sockets.glob(".s.PGSQL.*"):
            leftover.unlink(missing_ok=True)


_INITDB_OPTIONS = [
    "--username=supabase_admin",
    "--auth=trust",  # replaced before the server ever listens
    "--encoding=UTF8",
    "--locale=C.UTF-8",
    "--no-instructions",
]


def _as_options(settings: Mapping[str, str]) -> list[str]:
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def _reason(output: str) -> str:
    """The lines that name an error, without those that repeat the statement: it may hold a password."""
    lines = [
        line for line in output.splitlines() if any(mark in line for mark in ("error:", "ERROR:", "FATAL:"))
    ]
    return " ".join(lines) or "it gave no reason"
