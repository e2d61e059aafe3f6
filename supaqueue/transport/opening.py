"""The transport that settings ask for: the API's over HTTP, or a direct connection to Postgres."""

from __future__ import annotations

from supaqueue.settings import DatabaseSettings, Settings
from supaqueue.transport.async_rest import AsyncRestTransport
from supaqueue.transport.protocols import AsyncTransport, Transport
from supaqueue.transport.rest import RestTransport


def open_transport(settings: Settings | DatabaseSettings, budget_seconds: float = 10.0) -> Transport:
    """Return a transport for threads; close it.

    Raises:
        ConfigurationError: for a direct connection psycopg is missing, or its string is malformed.
    """
    if isinstance(settings, Settings):
        return RestTransport(settings, budget_seconds)
    from supaqueue.transport.postgres import PostgresTransport  # needs the extra `postgres`

    return PostgresTransport(settings, budget_seconds)


def open_async_transport(
    settings: Settings | DatabaseSettings, budget_seconds: float = 10.0
) -> AsyncTransport:
    """Return a transport for an event loop; close it.

    Raises:
        ConfigurationError: for a direct connection psycopg is missing, or its string is malformed.
    """
    if isinstance(settings, Settings):
        return AsyncRestTransport(settings, budget_seconds)
    from supaqueue.transport.async_postgres import AsyncPostgresTransport  # needs the extra `postgres`

    return AsyncPostgresTransport(settings, budget_seconds)
