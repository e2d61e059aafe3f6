"""Asking a local server whether it is there."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException


def status_of(port: int, path: str) -> int | None:
    """The HTTP status that 127.0.0.1:`port` gives for `path`; None if nobody answers."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()
