"""Caddy, as the gateway that a hosted project has in front of PostgREST.

A request passes only from inside the route of a key that it shows; whatever matches none of these routes ends
at the last one, which refuses. So there is no path to PostgREST that a missing or unknown key could take.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supaqueue.devstack.binaries import find_caddy
from supaqueue.devstack.keys import Keys
from supaqueue.devstack.processes import Identity, Program
from supaqueue.devstack.web import status_of

PREFIX = "/rest/v1"
_Route = dict[str, Any]


@dataclass(frozen=True)
class Gateway:
    """The gateway of one stack; Caddy gets its configuration by standard input: no file holds keys."""

    directory: Path
    log: Path
    keys: Keys

    name = "gateway"
    port_names = ("gateway",)
    ready_seconds = 60.0
    stop_signals = ((signal.SIGTERM, 5.0),)

    @property
    def directories(self) -> tuple[Path, ...]:
        """The working folder of its process."""
        return (self.directory,)

    def program(self, ports: Mapping[str, int]) -> Program:
        """The gateway on the port named, in front of PostgREST's."""
        folder = str(self.directory)
        configuration = configure(self.keys, ports["gateway"], ports["postgrest"], self.directory)
        return Program(
            name=self.name,
            command=[find_caddy(), "run", "--config", "-"],
            directory=self.directory,
            log=self.log,
            environment={"HOME": folder, "XDG_CONFIG_HOME": folder, "XDG_DATA_HOME": folder},
            standard_input=json.dumps(configuration).encode(),
        )

    def is_ready(self, identity: Identity, ports: Mapping[str, int]) -> bool:
        """Whether it refuses a request without a key, as it must."""
        return status_of(ports["gateway"], "/") == 401


def configure(keys: Keys, port: int, upstream_port: int, storage: Path) -> dict[str, Any]:
    """Caddy's configuration: the keys it knows, and the role that each stands for."""
    anon, service = keys.token("anon"), keys.token("service_role")
    tokens = {anon: anon, service: service, keys.publishable_key: anon, keys.secret_key: service}
    server = {
        "listen": [f"127.0.0.1:{port}"],
        "protocols": ["h1"],
        "automatic_https": {"disable": True},
        "routes": [
            *(_route_of_key(key, token, upstream_port) for key, token in tokens.items()),
            _refusal({"header": {"Apikey": None}}, _NO_KEY),
            _refusal(None, _UNKNOWN_KEY),
        ],
        "errors": {"routes": [{"handle": [_answer(502, _BAD_UPSTREAM)]}]},
    }
    return {
        "admin": {"disabled": True, "config": {"persist": False}},
        "storage": {"module": "file_system", "root": str(storage)},
        "logging": {"logs": {"default": {"level": "WARN", "encoder": _ENCODER}}},
        "apps": {"http": {"grace_period": "2s", "servers": {"gateway": server}}},
    }


_NO_KEY = {
    "message": "No API key found in request",
    "hint": "No `apikey` request header or url param was found.",
}
_UNKNOWN_KEY = {
    "message": "Invalid API key",
    "hint": "Double check your Supabase `anon` or `service_role` API key.",
}
_NO_ROUTE = {"message": "no Route matched with those values"}
_BAD_UPSTREAM = {"message": "An invalid response was received from the upstream server"}
# A request in the log would hold its keys, and its address the values that were asked for.
_ENCODER = {"format": "filter", "wrap": {"format": "json"}, "fields": {"request": {"filter": "delete"}}}


def _route_of_key(key: str, token: str, upstream_port: int) -> _Route:
    routes = [_authorize_as(token), _to_postgrest(upstream_port), {"handle": [_answer(404, _NO_ROUTE)]}]
    return {
        "match": [{"header": {"Apikey": [key]}}],
        "handle": [{"handler": "subroute", "routes": routes}],
        "terminal": True,
    }


def _authorize_as(token: str) -> _Route:
    """Without a JWT of the caller's own, a request acts as the role of its API key."""
    api_key_as_bearer = {"name": "", "pattern": r"(?i)^\s*bearer\s+sb_"}
    return {
        "match": [
            {"header": {"Authorization": None}},
            {"header_regexp": {"Authorization": api_key_as_bearer}},
        ],
        "handle": [
            {"handler": "headers", "request": {"set": {"Authorization": [f"Bearer {token}"]}}},
        ],
    }


def _to_postgrest(port: int) -> _Route:
    proxy = {"handler": "reverse_proxy", "upstreams": [{"dial": f"127.0.0.1:{port}"}]}
    strip = {"handler": "rewrite", "strip_path_prefix": PREFIX}
    return {
        "match": [{"path": [PREFIX, f"{PREFIX}/*"]}],
        "handle": [strip, proxy],
        "terminal": True,
    }


def _refusal(match: dict[str, Any] | None, body: dict[str, str]) -> _Route:
    route: _Route = {"handle": [_answer(401, body)], "terminal": True}
    return {"match": [match], **route} if match else route


def _answer(status: int, body: dict[str, str]) -> dict[str, Any]:
    return {
        "handler": "static_response",
        "status_code": status,
        "headers": {"Content-Type": ["application/json; charset=utf-8"]},
        "body": json.dumps(body),
    }
