"""Where a client's settings come from."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from supaqueue.errors import ConfigurationError
from supaqueue.settings import DatabaseSettings, Overrides, Settings


class SupabaseClient(Protocol):
    """What is read of a Supabase client, sync or async: its URL and its key."""

    @property
    def supabase_url(self) -> object: ...

    @property
    def supabase_key(self) -> str: ...


Source: TypeAlias = Settings | DatabaseSettings | SupabaseClient


def client_settings(source: Source | None, overrides: Overrides) -> Settings | DatabaseSettings:
    """Return the settings that a client's arguments ask for; what they leave open is in the environment.

    Raises:
        ConfigurationError: something is missing, malformed or given twice.
    """
    if isinstance(source, DatabaseSettings):
        _refuse_overrides(overrides)
        return source
    return settings_from(source, overrides)


def settings_from(source: Source | None, overrides: Overrides) -> Settings:
    """Return the settings of the API, for what needs it.

    Raises:
        ConfigurationError: something is missing, malformed or given twice, or of a direct connection.
    """
    if source is None:
        return Settings.load(**overrides)
    if isinstance(source, DatabaseSettings):
        raise ConfigurationError("this needs the API: give Settings, not those of a direct connection")
    if isinstance(source, Settings):
        _refuse_overrides(overrides)
        return source
    # Empty texts are as good as unset: the client's key says who we are, whatever the environment has.
    given: Overrides = {
        "url": str(source.supabase_url),
        "service_role_key": source.supabase_key,
        "anon_key": "",
        "token": "",
    }
    return Settings.load(**(given | overrides))


def _refuse_overrides(overrides: Overrides) -> None:
    if overrides:
        raise ConfigurationError(f"give either settings or {', '.join(sorted(overrides))}, not both")
