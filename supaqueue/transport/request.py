"""A call as an HTTP request: a POST to PostgREST's RPC address."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from supaqueue.contract import Call
from supaqueue.contract.json_value import encode
from supaqueue.settings import Settings
from supaqueue.version import __version__


@dataclass(frozen=True, slots=True)
class RpcRequest:
    """What to post. Its text shows neither keys nor payloads."""

    url: str
    headers: dict[str, str] = field(repr=False)
    content: bytes = field(repr=False)


def rpc_request(call: Call[Any], settings: Settings) -> RpcRequest:
    """Return the request that makes `call`."""
    return RpcRequest(
        url=f"{settings.url}/rest/v1/rpc/{call.function}",
        headers=_headers(settings),
        content=encode(call.arguments()).encode(),
    )


def _headers(settings: Settings) -> dict[str, str]:
    headers = {
        "apikey": settings.api_key,
        "Content-Type": "application/json",
        "Accept": "application/json",
        "User-Agent": f"supaqueue/{__version__}",
    }
    bearer = settings.token or settings.api_key
    if not bearer.startswith("sb_"):  # keys of the newer kind are no JWT: the gateway makes one of them
        headers["Authorization"] = f"Bearer {bearer}"
    if settings.schema != "public":
        headers["Content-Profile"] = settings.schema
    return headers
