"""Real receivers: DogStatsD agents on UDP and unix sockets, an HTTP server that takes Sentry envelopes."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from supaqueue.telemetry import events

DEADLINE_SECONDS = 20.0
IDS: dict[str, Any] = {
    "job_id": "job-7",
    "task_number": 1,
    "queue": "mail",
    "task_type": "send_mail",
    "worker_id": "w-1",
}

ONE_OF_EACH: tuple[events.Event, ...] = (
    events.JobEnqueued(job_id="job-7", queue="mail", task_type="send_mail", answer="created"),
    events.JobStarted(**IDS, attempt=1, waited_seconds=0.5),
    events.JobRetried(**IDS, attempt=1, ran_seconds=1.5, retry_in_seconds=30, error_type="ValueError"),
    events.JobSucceeded(**IDS, attempt=2, ran_seconds=2.5, waited_seconds=0.5),
    events.JobFailed(**IDS, attempt=3, ran_seconds=3.5, error_type="ValueError"),
    events.QueueUnavailable(
        call="enqueue_jobs_v1", committed="unknown", error_type="ReadTimeout", http_status=None, jobs=40
    ),
    events.LeaseLost(**IDS, where="finish"),
    events.QueueDepth(queue="mail", pending=11, processing=22, failed=33),
    events.WorkerStalled(worker_id="w-1", job_id="job-7", task_type="send_mail", stalled_seconds=9),
    events.MirrorFailed(system="supabase", jobs=3, error_type="TookTooLong"),
    events.ReadFallback(job_id="job-7", asked_first="legacy", operation="get"),
    events.ParityMismatch(task_type="send_mail", difference="result_diff", jobs=3),
    events.RolloutChanged(
        flag_name="supabase_queue",
        kind="rolled_back",
        version=7,
        percent_before=10.0,
        percent=0.0,
        changed_by="watch",
        reason="errors: canary_errors 12",
        evidence="0" * 64,
    ),
    events.LookFailed(error_type="QueueUnavailable", failures=1),
    events.LooksFailing(error_type="QueueUnavailable", seconds=300.0),
    events.LooksRecovered(seconds=420.0),
)


def wait_until(holds: Callable[[], bool]) -> bool:
    """Wait for a condition; False if it does not hold by the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def one_of_each() -> tuple[events.Event, ...]:
    return ONE_OF_EACH


@pytest.fixture
def ids() -> dict[str, Any]:
    """The fields that all events about a task share."""
    return dict(IDS)


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], bool]:
    return wait_until


@dataclass
class Agent:
    """Reads DogStatsD datagrams and keeps their lines, but those about the client itself."""

    url: str
    socket: socket.socket
    lines: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)

    def listen(self) -> None:
        while True:
            try:
                packet = self.socket.recv(65_536)
            except OSError:
                return
            if packet == b"stop":
                return
            received = packet.decode().splitlines()
            self.events += [line for line in received if line.startswith("_e{")]
            about_itself = ("datadog.dogstatsd.client", "_e{")
            self.lines += [line for line in received if not line.startswith(about_itself)]

    def names(self) -> set[str]:
        return {line.split(":", 1)[0] for line in self.lines}

    def lines_of(self, metric: str) -> list[str]:
        return [line for line in self.lines if line.startswith(f"{metric}:")]


@pytest.fixture(params=["udp", "unixgram", "unix"])
def agent(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Agent]:
    kind = socket.AF_INET if request.param == "udp" else socket.AF_UNIX
    listening = socket.socket(kind, socket.SOCK_DGRAM)
    address: Any = ("127.0.0.1", 0) if request.param == "udp" else str(tmp_path / "dsd.socket")
    listening.bind(address)
    bound = listening.getsockname()
    url = f"udp://127.0.0.1:{bound[1]}" if request.param == "udp" else f"{request.param}://{bound}"
    agent = Agent(url, listening)
    thread = threading.Thread(target=agent.listen)
    thread.start()
    yield agent
    with socket.socket(kind, socket.SOCK_DGRAM) as stopping:
        stopping.sendto(b"stop", bound)
    thread.join(DEADLINE_SECONDS)
    listening.close()


@dataclass
class SentryServer:
    """Takes envelopes over HTTP; `raw` is each body after decompression."""

    dsn: str
    raw: list[bytes] = field(default_factory=list)

    def events(self) -> list[dict[str, Any]]:
        """Return the events of all envelopes: after the envelope's header, pairs of header and payload."""
        found = []
        for body in list(self.raw):
            lines = body.splitlines()[1:]
            for header, payload in zip(lines[::2], lines[1::2], strict=False):
                if json.loads(header)["type"] == "event":
                    found.append(json.loads(payload))
        return found


@pytest.fixture
def sentry_server() -> Iterator[SentryServer]:
    yield from _serve()


@pytest.fixture
def other_sentry_server() -> Iterator[SentryServer]:
    yield from _serve()


def _serve() -> Iterator[SentryServer]:
    received: list[bytes] = []

    class Receive(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(_decompressed(self.rfile, self.headers))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receive)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield SentryServer(f"http://public@127.0.0.1:{server.server_port}/1", received)
    server.shutdown()
    thread.join(DEADLINE_SECONDS)
    server.server_close()


def _decompressed(stream: Any, headers: Any) -> bytes:
    body: bytes = stream.read(int(headers["Content-Length"]))
    encoding = headers.get("Content-Encoding", "identity")
    if encoding == "gzip":
        return gzip.decompress(body)
    if encoding == "br":
        brotli = pytest.importorskip("brotli")
        return bytes(brotli.decompress(body))
    assert encoding == "identity"
    return body
