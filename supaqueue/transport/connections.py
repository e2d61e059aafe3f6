"""How many connections to hold, for how long, what waits for one, and whom they trust."""

from __future__ import annotations

import ssl
from functools import cache

import httpx

MOST_CONNECTIONS = 100
"""Of one transport, and so its calls under way. More of them wait in the transport, never in httpx's pool:
there a wait that ends in a timeout can take its connection along for good (encode/httpcore#1093), so that a
process which was overloaded once would stay so.
"""

# Kept longer than an idle worker pauses between polls, so that it need not connect anew each time.
LIMITS = httpx.Limits(max_connections=MOST_CONNECTIONS, max_keepalive_connections=20, keepalive_expiry=30.0)


@cache
def certificates() -> ssl.SSLContext:
    """Return what every transport of this process checks certificates with.

    httpx would read all of them anew for each client, in 20 ms or more.
    """
    return httpx.create_ssl_context()


def wait_seconds(request: httpx.Request) -> float:
    """Return how long a try may wait for a connection."""
    seconds: float = request.extensions["timeout"]["pool"]
    return seconds


def all_busy(request: httpx.Request) -> httpx.PoolTimeout:
    """Return what a try came to that got no connection in time: nothing was sent."""
    return httpx.PoolTimeout(f"all {MOST_CONNECTIONS} connections are busy", request=request)
