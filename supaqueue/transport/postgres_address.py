"""Where a direct connection leads to, read from its connection string; its text never shows the password."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Self

from supaqueue.errors import ConfigurationError

try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict
except ImportError as missing:
    raise ConfigurationError(
        "A direct connection to Postgres needs psycopg: pip install 'supaqueue[postgres]'"
    ) from missing

__all__ = ["PostgresAddress", "psycopg"]


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """What libpq is told: `str()` of it is fit for messages.

    Attributes:
        parameters: by libpq's names; the password is among them.
    """

    parameters: dict[str, Any] = field(repr=False)

    @classmethod
    def read(cls, database_url: str) -> Self:
        """Return where a connection string leads.

        Raises:
            ConfigurationError: it is missing or malformed.
        """
        # libpq's own message quotes the text that it cannot read, which may be the password.
        malformed = ConfigurationError(
            "SUPABASE_DB_URL is not a connection string like postgresql://user:password@host:5432/database. "
            "Special characters in the password must be percent-encoded (an @ as %40, a / as %2F)."
        )
        try:
            parameters = conninfo_to_dict(database_url)
        except psycopg.Error:
            raise malformed from None
        named = [str(parameters.get(key) or "") for key in ("host", "port", "user", "dbname")]
        if not database_url.strip() or any("@" in value for value in named) or re.search(r"[^\d,]", named[1]):
            raise malformed
        return cls(dict(parameters))

    def __str__(self) -> str:
        host, port = self.parameters.get("host") or "localhost", self.parameters.get("port") or "5432"
        return f"Postgres at {host}, port {port}"

    @property
    def user(self) -> str:
        """The role that the connection string names."""
        return str(self.parameters.get("user") or "")

    def cause(self, error: psycopg.Error) -> str:
        """Return why there is no connection, in libpq's first line, without the password."""
        lines = str(error).splitlines() or ["no reason given"]
        cause = re.sub(r"^.*failed: |FATAL: +", "", lines[0]).strip().rstrip(".")
        password = self.parameters.get("password")
        return cause.replace(password, "***") if password else cause
