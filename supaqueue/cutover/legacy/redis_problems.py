"""Settings with which a Redis or Valkey loses jobs that it has accepted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import redis

from supaqueue.cutover.legacy.redis_connection import answering, as_text, options_of

OLDEST = (6, 2)


def redis_problems(client: redis.Redis) -> list[str]:
    """Return what in the server's and the client's settings loses or delays jobs, each with what to set.

    Raises:
        LegacyUnavailable: it gave no answer.
    """
    return [*_of_client(client), *server_problems(client)]


def server_problems(client: redis.Redis) -> list[str]:
    """Return what in the server's settings loses jobs, each with what to set; of any client.

    Raises:
        LegacyUnavailable: it gave no answer.
    """
    with answering(client, "problems"):
        server = client.info("server")
    return [*_of_version(server), *_of_server(client)]


def _of_version(server: Mapping[str, object]) -> list[str]:
    version = str(server.get("redis_version", "0.0"))
    if tuple(int(part) for part in version.split(".")[:2]) >= OLDEST:
        return []
    return [f"the server speaks as Redis {version}: upgrade it to 6.2 or newer"]


def _of_client(client: redis.Redis) -> list[str]:
    if options_of(client).get("socket_timeout") is not None:
        return []
    return ["the client has no socket_timeout, so that a dead server hangs every enqueue: set one"]


def _of_server(client: redis.Redis) -> list[str]:
    settings = _settings(client)
    if settings is None:
        return [
            "CONFIG GET is not allowed here, so nobody knows whether jobs survive a restart: see that"
            " appendonly is yes and maxmemory-policy is noeviction"
        ]
    problems = []
    if settings.get("appendonly") == "no":
        problems.append("appendonly is no: a restart loses what came since the last snapshot: set yes")
    elif settings.get("appendfsync") == "no":
        problems.append("appendfsync is no: a power cut loses up to half a minute: set everysec or always")
    if (policy := settings.get("maxmemory-policy", "noeviction")) != "noeviction":
        problems.append(f"maxmemory-policy is {policy}: a full server throws jobs away: set noeviction")
    return problems


def _settings(client: redis.Redis) -> dict[str, str] | None:
    names = ("appendonly", "appendfsync", "maxmemory-policy")
    with answering(client, "problems"):
        try:
            # One by one: servers before 7.0 take a single pattern.
            found: list[Any] = [client.config_get(name) for name in names]
        except redis.ResponseError:
            return None
    return {as_text(name): as_text(value) for one in found for name, value in one.items()}
