"""One local stack: its programs, its addresses, its keys."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from supaqueue.devstack.account import postgres_account
from supaqueue.devstack.files import locked
from supaqueue.devstack.gateway import Gateway
from supaqueue.devstack.keys import Keys, create_keys, load_keys, save_keys
from supaqueue.devstack.lifecycle import Service, end, end_leftovers, ensure_running
from supaqueue.devstack.places import Places
from supaqueue.devstack.postgres import Postgres
from supaqueue.devstack.postgrest import PostgREST
from supaqueue.devstack.processes import is_alive
from supaqueue.devstack.state import State, load_state
from supaqueue.errors import DevStackError

_NAMES = ("postgres", "postgrest", "gateway")


@dataclass(frozen=True)
class ProcessStatus:
    """One program: `pid` is None if it was not started, `port` if it never was."""

    name: str
    pid: int | None
    port: int | None
    alive: bool


@dataclass(frozen=True)
class StackStatus:
    """What runs. Both addresses are None for a stack that never ran; the database's holds a password."""

    running: bool
    url: str | None
    database_url: str | None = field(repr=False)
    processes: tuple[ProcessStatus, ...]


class Stack:
    """A Supabase project on this machine: Postgres, PostgREST, and a gateway that asks for API keys.

    Data, keys, logs and state live in `directory`. Several stacks in different folders run side by side.
    As a context manager, it is up inside and down after. Addresses and keys exist once it has been up.

    Args:
        directory: default `.supaqueue` in the working directory.
        postgres_bin: folder with `initdb` and `postgres`; default SUPAQUEUE_PG_BIN, else the wheel's.
        port: the gateway's; None takes a free one and keeps it across restarts while it is free.
        durable: False trades the data's safety in a power cut for speed; for tests.
        settings: Postgres' own, as `{"work_mem": "16MB"}`; they apply from its next start.
        postgrest_settings: PostgREST's own, as `{"db-pool": "20"}`; they apply from its next start.
    """

    def __init__(
        self,
        directory: Path | None = None,
        postgres_bin: Path | None = None,
        port: int | None = None,
        *,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
        postgrest_settings: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = (directory or Path(".supaqueue")).resolve()
        self._places = Places(self.directory)
        self._postgres_bin = postgres_bin
        self._port = port
        self._durable = durable
        self._settings = dict(settings or {})
        self._postgrest_settings = dict(postgrest_settings or {})

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    def up(self) -> None:
        """Start what does not run; return when all of it answers. If that fails, what it started is stopped.

        Raises:
            DevStackError: a program is missing, the port given is taken, or one does not start.
        """
        if sys.platform != "linux":
            raise DevStackError("the local stack runs on Linux only: use `supabase start` on this machine")
        self._places.create()
        with self._locked_state() as state:
            self._create_keys()
            ensure_running(self._services(), state, self._fixed_ports)

    def down(self) -> None:
        """Stop everything, the gateway first; the data stays.

        Raises:
            DevStackError: a process could not be ended.
        """
        if not self._places.keys.exists():
            self._end_predecessor()
            return
        with self._locked_state() as state:
            for service in reversed(self._services()):
                end(service, state)
            shutil.rmtree(self._postgres().sockets, ignore_errors=True)

    def remove(self) -> None:
        """Stop everything, then delete the data, keys, logs and state: there is no way back."""
        self.down()
        self._places.delete()

    def restart_postgres(self, *, immediate: bool = False) -> None:
        """Stop Postgres (with `immediate` by SIGKILL) and start it again on the same port and data.

        PostgREST connects again on its own; until it has, requests may still fail.
        """
        self._restart(self._postgres(), immediate)

    def restart_postgrest(self, *, immediate: bool = False) -> None:
        """Stop PostgREST (with `immediate` by SIGKILL) and start it again on the same port."""
        self._restart(self._postgrest(), immediate)

    def status(self) -> StackStatus:
        """What runs right now."""
        state = load_state(self._places.state)
        processes = tuple(_status_of(name, state) for name in _NAMES)
        known = "gateway" in state.ports and self._places.keys.exists()
        return StackStatus(
            running=all(process.alive for process in processes),
            url=self.url if known else None,
            database_url=self.database_url if known else None,
            processes=processes,
        )

    def env(self) -> dict[str, str]:
        """What an application needs to use this stack, as environment variables.

        Raises:
            DevStackError: the stack has never been up.
        """
        return {
            "SUPABASE_URL": self.url,
            "SUPABASE_ANON_KEY": self.anon_key,
            "SUPABASE_SERVICE_ROLE_KEY": self.service_role_key,
            "SUPABASE_DB_URL": self.database_url,
            "SUPAQUEUE_WORKER_TOKEN": self.token("supaqueue_worker"),
            "SUPAQUEUE_PRODUCER_TOKEN": self.token("supaqueue_producer"),
        }

    @property
    def url(self) -> str:
        """The gateway's address, the SUPABASE_URL of this stack."""
        return f"http://127.0.0.1:{self._port_of('gateway')}"

    @property
    def database_url(self) -> str:
        """Postgres' address for `postgres`: the database's owner, no superuser, as on a hosted project."""
        return self._database_url("postgres", self._keys().postgres_password)

    @property
    def superuser_url(self) -> str:
        """Postgres' address for the superuser `supabase_admin`, whom a hosted project keeps to itself."""
        return self._database_url("supabase_admin", self._keys().admin_password)

    @property
    def anon_key(self) -> str:
        """The legacy API key of the role `anon`, a JWT."""
        return self.token("anon")

    @property
    def service_role_key(self) -> str:
        """The legacy API key of the role `service_role`, a JWT."""
        return self.token("service_role")

    @property
    def publishable_key(self) -> str:
        """The newer API key of the role `anon`; the gateway turns it into the legacy one."""
        return self._keys().publishable_key

    @property
    def secret_key(self) -> str:
        """The newer API key of the role `service_role`; the gateway turns it into the legacy one."""
        return self._keys().secret_key

    @property
    def jwt_secret(self) -> str:
        """What signs every token (HS256)."""
        return self._keys().jwt_secret

    def token(self, role: str) -> str:
        """A JWT that lets its bearer act as `role`, as `Authorization: Bearer` beside any API key."""
        return self._keys().token(role)

    @contextmanager
    def _locked_state(self) -> Iterator[State]:
        with locked(self._places.lock):
            yield load_state(self._places.state)

    def _restart(self, service: Service, immediate: bool) -> None:
        with self._locked_state() as state:
            end(service, state, immediate=immediate)
            ensure_running(self._services(), state, self._fixed_ports)

    @property
    def _fixed_ports(self) -> dict[str, int]:
        return {} if self._port is None else {"gateway": self._port}

    def _services(self) -> tuple[Service, ...]:
        return (self._postgres(), self._postgrest(), self._gateway())

    def _postgres(self) -> Postgres:
        keys, account = self._keys(), postgres_account()
        return Postgres(
            data=self._places.data(keys.stack_id, account),
            sockets=self._places.sockets(keys.stack_id),
            log=self._places.log("postgres"),
            keys=keys,
            account=account,
            binaries=self._postgres_bin,
            durable=self._durable,
            settings=self._settings,
        )

    def _postgrest(self) -> PostgREST:
        return PostgREST(
            stack_directory=self.directory,
            directory=self._places.run("postgrest"),
            log=self._places.log("postgrest"),
            keys=self._keys(),
            settings=self._postgrest_settings,
        )

    def _gateway(self) -> Gateway:
        return Gateway(self._places.run("gateway"), self._places.log("gateway"), self._keys())

    def _keys(self) -> Keys:
        keys = load_keys(self._places.keys)
        if keys is None:
            raise self._never_up()
        return keys

    def _create_keys(self) -> None:
        if load_keys(self._places.keys) is not None:
            return
        if self._places.data_inside.exists():
            raise DevStackError(
                f"{self._places.data_inside} holds a database whose keys are gone: remove it to start anew"
            )
        self._end_predecessor()
        save_keys(self._places.keys, create_keys())

    def _end_predecessor(self) -> None:
        """End a stack whose folder was deleted while it ran: without its keys nobody can use it any more."""
        end_leftovers(self._places.working_directories)
        self._places.delete_outside()

    def _database_url(self, user: str, password: str) -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self._port_of('postgres')}/postgres"

    def _port_of(self, name: str) -> int:
        try:
            return load_state(self._places.state).ports[name]
        except KeyError:
            raise self._never_up() from None

    def _never_up(self) -> DevStackError:
        return DevStackError(f"there is no stack in {self.directory} yet: run `supaqueue dev up`")


def _status_of(name: str, state: State) -> ProcessStatus:
    identity = state.processes.get(name)
    return ProcessStatus(
        name=name,
        pid=identity.pid if identity else None,
        port=state.ports.get(name),
        alive=identity is not None and is_alive(identity),
    )
