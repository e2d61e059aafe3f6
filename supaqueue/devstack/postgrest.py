"""PostgREST, set as on a hosted project."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from supaqueue.devstack.binaries import find_postgrest
from supaqueue.devstack.keys import Keys
from supaqueue.devstack.processes import Identity, Program
from supaqueue.devstack.web import status_of


@dataclass(frozen=True)
class PostgREST:
    """The API server of one stack; `settings` are PostgREST's own, by the names of its configuration file."""

    stack_directory: Path
    directory: Path
    log: Path
    keys: Keys
    settings: Mapping[str, str] = field(default_factory=dict)

    name = "postgrest"
    port_names = ("postgrest", "postgrest_admin")
    ready_seconds = 60.0
    stop_signals = ((signal.SIGTERM, 5.0),)

    @property
    def directories(self) -> tuple[Path, ...]:
        """The working folder of its process."""
        return (self.directory,)

    def program(self, ports: Mapping[str, int]) -> Program:
        """The server on the ports named; its settings travel in its environment: no file holds keys."""
        settings = {**self._settings(ports), **self.settings}
        return Program(
            name=self.name,
            command=[find_postgrest(self.stack_directory)],
            directory=self.directory,
            log=self.log,
            environment={
                f"PGRST_{name.upper().replace('-', '_')}": value for name, value in settings.items()
            },
        )

    def is_ready(self, identity: Identity, ports: Mapping[str, int]) -> bool:
        """Whether it is connected and has read the schema."""
        return status_of(ports["postgrest_admin"], "/ready") == 200

    def _settings(self, ports: Mapping[str, int]) -> dict[str, str]:
        login = f"authenticator:{self.keys.authenticator_password}"
        return {
            "db-uri": f"postgresql://{login}@127.0.0.1:{ports['postgres']}/postgres",
            "db-schemas": "public, graphql_public",
            "db-extra-search-path": "public, extensions",
            "db-anon-role": "anon",
            "db-max-rows": "1000",
            "db-pool": "10",
            "db-channel-enabled": "true",
            "jwt-secret": self.keys.jwt_secret,
            "server-host": "127.0.0.1",
            "server-port": str(ports["postgrest"]),
            "admin-server-port": str(ports["postgrest_admin"]),
            "log-level": "crit",  # any lower and it logs addresses of requests, with values asked for
        }
