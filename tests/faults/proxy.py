"""A real HTTP proxy in front of the gateway, which can be told how to mistreat the calls of a function."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import httpx

PATIENCE_SECONDS = 30.0
_NOT_PASSED_ON = frozenset({"host", "connection", "accept-encoding", "transfer-encoding", "content-length"})


class Fault(Enum):
    """What happens to a request."""

    DROP_REQUEST = "dropped before it is delivered"
    DROP_ANSWER = "delivered, and its answer dropped after commit"
    STALL_ANSWER = "delivered, and its answer held until the client has gone"
    HOLD_REQUEST = "kept until the client has gone; `deliver_held` delivers it"
    CUT_ANSWER = "delivered, and its answer cut in the middle"
    LOSE_DATABASE = "delivered, and answered as PostgREST does when Postgres dies before it can answer"
    ANSWER_400 = "answered by the proxy: 400"
    ANSWER_401 = "answered by the proxy: 401"
    ANSWER_429 = "answered by the proxy: 429"
    ANSWER_500 = "answered by the proxy: 500"
    ANSWER_503 = "answered by the proxy: 503"


OWN_ANSWERS = {fault: int(fault.name[-3:]) for fault in Fault if fault.name[-3:].isdigit()}

LOST_DATABASE = {"code": "", "details": None, "hint": None, "message": ""}
"""What PostgREST 12 makes of an error without an SQLSTATE: the connection ended within the statement."""


@dataclass(frozen=True)
class Request:
    """A request as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def function(self) -> str:
        """The SQL function that it calls."""
        return self.path.rpartition("/")[2]


@dataclass
class _Plan:
    """Faults still to come, per function, and what was done so far."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    coming: dict[str, list[Fault]] = field(default_factory=dict)
    done: list[tuple[str, Fault]] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    held: list[Request] = field(default_factory=list)
    largest_body: int = 0

    def next_fault(self, request: Request) -> Fault | None:
        with self.lock:
            self.seen[request.function] += 1
            self.largest_body = max(self.largest_body, len(request.body))
            coming = self.coming.get(request.function)
            if not coming:
                return None
            self.done.append((request.function, coming[0]))
            return coming.pop(0)


class FaultProxy:
    """Listens on a free port while it is entered; passes everything on that no fault meets."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._plan = _Plan()
        self._client = httpx.Client(timeout=PATIENCE_SECONDS)

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._client.close()

    @property
    def url(self) -> str:
        """The address to use instead of the gateway's."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def seen(self) -> Counter[str]:
        """How many requests came in, by function."""
        with self._plan.lock:
            return self._plan.seen.copy()

    @property
    def largest_body(self) -> int:
        """Bytes of the largest request so far."""
        return self._plan.largest_body

    @property
    def faults_done(self) -> list[tuple[str, Fault]]:
        """The faults that were met, by function, in order."""
        with self._plan.lock:
            return list(self._plan.done)

    def expect(self, function: str, *faults: Fault) -> None:
        """Let the next requests of a function meet these faults, one each; later ones pass."""
        with self._plan.lock:
            self._plan.coming[function] = list(faults)

    def expect_always(self, function: str, fault: Fault) -> None:
        """Let every request of a function meet this fault until the next `expect`."""
        self.expect(function, *[fault] * 10_000)

    def deliver_held(self) -> list[httpx.Response]:
        """Deliver what was held, in order; return the answers that nobody waits for any more."""
        with self._plan.lock:
            held, self._plan.held = self._plan.held, []
        return [self.deliver(request) for request in held]

    def deliver(self, request: Request) -> httpx.Response:
        """Pass one request on."""
        return self._client.post(self._upstream + request.path, headers=request.headers, content=request.body)


class _Server(ThreadingHTTPServer):
    """One thread per connection; ends without waiting for those that clients keep open."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proxy: FaultProxy

    def do_POST(self) -> None:
        request = self._read()
        fault = self.proxy._plan.next_fault(request)
        match fault:
            case None:
                self._answer(self.proxy.deliver(request))
            case Fault.DROP_REQUEST:
                self.close_connection = True
            case Fault.DROP_ANSWER:
                self.proxy.deliver(request)
                self.close_connection = True
            case Fault.STALL_ANSWER:
                self.proxy.deliver(request)
                self._wait_until_client_has_gone()
            case Fault.HOLD_REQUEST:
                with self.proxy._plan.lock:
                    self.proxy._plan.held.append(request)
                self._wait_until_client_has_gone()
            case Fault.CUT_ANSWER:
                self._answer(self.proxy.deliver(request), cut=True)
            case Fault.LOSE_DATABASE:
                self.proxy.deliver(request)
                self._answer(httpx.Response(400, json=LOST_DATABASE))
            case _:
                self._answer(httpx.Response(OWN_ANSWERS[fault], json={"message": "from the proxy"}))

    def _read(self) -> Request:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _NOT_PASSED_ON}
        return Request(self.path, headers, self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, response: httpx.Response, *, cut: bool = False) -> None:
        body = response.content
        self.send_response(response.status_code)
        self.send_header("Content-Type", response.headers.get("Content-Type", "text/plain"))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = self.close_connection or cut

    def _wait_until_client_has_gone(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        self.close_connection = True
        while time.monotonic() < deadline:
            if select.select([self.connection], [], [], 0.5)[0]:
                with suppress(OSError):
                    if self.connection.recv(1, socket.MSG_PEEK):
                        raise AssertionError("a client sent more before it was answered")
                return
        raise AssertionError("the client never gave up")

    def log_message(self, format: str, *args: Any) -> None:
        """No request is worth a line."""
