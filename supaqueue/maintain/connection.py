"""A direct connection to Postgres, and what went wrong with one in a sentence without secrets."""

from __future__ import annotations

import re
from typing import Any

from supaqueue.errors import ConfigurationError, MigrationError

try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict
except ImportError as missing:
    raise ConfigurationError(
        "A direct connection to Postgres needs psycopg: pip install 'supaqueue[postgres]'"
    ) from missing

__all__ = ["Connection", "connect", "psycopg"]

APPLICATION = "supaqueue migrate"
CONNECT_TIMEOUT_SECONDS = 10
MINIMUM_VERSION = 15

Connection = psycopg.Connection[Any]


def connect(database_url: str) -> Connection:
    """Open a connection in autocommit that also works through a transaction pooler.

    Raises:
        ConfigurationError: the connection string is missing or malformed.
        MigrationError: no connection, or a Postgres older than 15.
    """
    parameters = _parameters(database_url)
    try:
        connection = psycopg.connect(
            **{"connect_timeout": CONNECT_TIMEOUT_SECONDS, **parameters},
            application_name=APPLICATION,
            client_encoding="utf8",
            autocommit=True,
            prepare_threshold=None,
        )
    except psycopg.Error as error:
        raise MigrationError(_unreachable(parameters, error)) from None
    _refuse_old(connection)
    # What is read after waiting for a lock must not come from a snapshot taken before the wait.
    connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    return connection


def _parameters(database_url: str) -> dict[str, Any]:
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
    return dict(parameters)


def _unreachable(parameters: dict[str, Any], error: psycopg.Error) -> str:
    lines = str(error).splitlines() or ["no reason given"]
    cause = re.sub(r"^.*failed: |FATAL: +", "", lines[0]).strip().rstrip(".")
    if password := parameters.get("password"):
        cause = cause.replace(password, "***")
    host, port = parameters.get("host") or "localhost", parameters.get("port") or "5432"
    return f"Cannot connect to Postgres at {host}, port {port}: {cause}. Check SUPABASE_DB_URL."


def _refuse_old(connection: Connection) -> None:
    version = connection.info.server_version
    if version < MINIMUM_VERSION * 10_000:
        connection.close()
        raise MigrationError(
            f"Postgres {version // 10_000} is too old: supaqueue needs Postgres {MINIMUM_VERSION} or newer."
        )
