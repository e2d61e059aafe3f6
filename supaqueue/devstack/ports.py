"""Choosing TCP ports on 127.0.0.1."""

from __future__ import annotations

import random
import socket

from supaqueue.errors import DevStackError

# Below the range from which Linux takes ports for outgoing connections, so that none of those is in the way.
_FIRST, _LAST = 20_000, 32_000


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` right now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def choose(preferred: int | None) -> int:
    """`preferred` if it is free, else another one.

    Raises:
        DevStackError: a hundred ports tried at random were all taken.
    """
    if preferred is not None and is_free(preferred):
        return preferred
    for port in random.sample(range(_FIRST, _LAST), 100):
        if is_free(port):
            return port
    raise DevStackError(f"no free port between {_FIRST} and {_LAST}: stop some of what listens there")
