"""Where a client's settings come from."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from supaqueue.errors import ConfigurationError
from supaqueue.settings import Overrides, Settings


class SupabaseClient(Protocol):
    """What is read of a Supabase client, sync or async: its URL and its key."""

    @property
    def supabase_url(self) -> object: ...

    @property
    def supabase_key(self) -> str: ...


Source: TypeAlias = Settings | SupabaseClient


def settings_from(source: Source | None, overrides: Overrides) -> Settings:
    """Return the settings that a client's arguments ask for; what they leave open is in the environment.

    Raises:
        ConfigurationError: something is missing, malformed or given twice.
    """
    if source is None:
        return Settings.load(**overrides)
    if isinstance(source, Settings):
        if overrides:
            raise ConfigurationError(f"give either settings or {', '.join(sorted(overrides))}, not both")
        return source
    # Empty texts are as good as unset: the client's key says who we are, whatever the environment has.
    given: Overrides = {
        "url": str(source.supabase_url),
        "service_role_key": source.supabase_key,
        "anon_key": "",
        "token": "",
    }
    return Settings.load(**(given | overrides))
