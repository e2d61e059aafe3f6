"""Owners who listen: a webhook of the demo's own, which knows a genuine notice by its signature."""

from __future__ import annotations

import hmac
import json
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from supaqueue.cutover.gate.webhook import SECRET, URL, signature


class Owners:
    """Listens on this machine, as long as it is entered.

    Attributes:
        notices: what was told, in the order in which it came; a repeat of the same notice is one more.
        forged: posts whose signature was not ours.
    """

    def __init__(self) -> None:
        self.notices: list[dict[str, Any]] = []
        self.forged = 0
        self._secret = secrets.token_hex(16)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._receiver())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def environment(self) -> dict[str, str]:
        """Return what a watch needs to tell them."""
        port = self._server.server_address[1]
        return {URL: f"http://127.0.0.1:{port}/notices", SECRET: self._secret}

    def told(self, kind: str) -> int:
        """Count what they were told of one kind of change."""
        return sum(one["kind"] == kind for one in self.notices)

    def take(self, timestamp: str, given: str, body: bytes) -> bool:
        """Take a post; returns whether it is genuine."""
        if not hmac.compare_digest(signature(self._secret, timestamp, body), given):
            self.forged += 1
            return False
        self.notices.append(json.loads(body))
        return True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _receiver(self) -> type[BaseHTTPRequestHandler]:
        owners = self

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                timestamp, given = (
                    self.headers.get(name, "") for name in ("Supaqueue-Timestamp", "Supaqueue-Signature")
                )
                self.send_response(204 if owners.take(timestamp, given, body) else 401)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        return Receiver
