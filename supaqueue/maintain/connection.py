"""A direct connection to Postgres, and what went wrong with one in a sentence without secrets."""

from __future__ import annotations

from typing import Any

from supaqueue.errors import MigrationError
from supaqueue.transport.postgres_address import PostgresAddress, psycopg

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
    address = PostgresAddress.read(database_url)
    try:
        connection = psycopg.connect(
            **{"connect_timeout": CONNECT_TIMEOUT_SECONDS, **address.parameters},
            application_name=APPLICATION,
            client_encoding="utf8",
            autocommit=True,
            prepare_threshold=None,
        )
    except psycopg.Error as error:
        raise MigrationError(
            f"Cannot connect to {address}: {address.cause(error)}. Check SUPABASE_DB_URL."
        ) from None
    _refuse_old(connection)
    # What is read after waiting for a lock must not come from a snapshot taken before the wait.
    connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    return connection


def _refuse_old(connection: Connection) -> None:
    version = connection.info.server_version
    if version < MINIMUM_VERSION * 10_000:
        connection.close()
        raise MigrationError(
            f"Postgres {version // 10_000} is too old: supaqueue needs Postgres {MINIMUM_VERSION} or newer."
        )
