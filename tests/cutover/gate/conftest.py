"""A webhook's receiver, and a canary that it knows of."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from supaqueue.cutover.gate.webhook import Webhook
from tests.cutover.gate.watch_child import SECRET
from tests.cutover.world import World


@dataclass
class Owners:
    """Who are told, over HTTP; they believe only what is signed, and know a notice again by its id.

    Attributes:
        heard: every notice, also one that came twice.
        statuses: what they answer to the next ones; then 200.
        answering: cleared, they take notices and keep the answer back.
    """

    url: str = ""
    heard: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    answering: threading.Event = field(default_factory=threading.Event)

    @property
    def told(self) -> list[str]:
        """The kinds of what they were told, each once, in order."""
        return [one["kind"] for one in {one["notice_id"]: one for one in self.heard}.values()]

    def take(self, body: bytes, timestamp: str, signature: str) -> int:
        """Take a notice, as the page on gates shows how to."""
        signed = hmac.new(SECRET.encode(), f"{timestamp}.".encode() + body, hashlib.sha256)
        if not hmac.compare_digest(f"v1={signed.hexdigest()}", signature):
            return 401
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200:
            self.heard.append(json.loads(body))
        return status


@pytest.fixture
def owners() -> Iterator[Owners]:
    owners = Owners()
    owners.answering.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = self.headers["Supaqueue-Timestamp"], self.headers["Supaqueue-Signature"]
            status = owners.take(body, *headers)
            owners.answering.wait(60)
            with suppress(OSError):  # who asked has gone
                self.send_response(status)
                self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    owners.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    yield owners
    owners.answering.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def webhook(owners: Owners) -> Iterator[Webhook]:
    with Webhook(owners.url, SECRET) as webhook:
        yield webhook


@pytest.fixture
def at_10(world: World) -> World:
    """At 10 percent; owners know of it."""
    world.go_to(10)
    world.database.execute("update rollout_notices set told_at = clock_timestamp()")
    return world
