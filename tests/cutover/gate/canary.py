"""A canary for real: a router, workers of both sides, a relay, a watch, and owners with a webhook."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

from supaqueue.cli.rollout.judging import Judged, gate_on
from supaqueue.cutover.gate.gate_rules import GateRules
from supaqueue.cutover.gate.looked import Looked
from supaqueue.cutover.gate.telling import Telling
from supaqueue.cutover.gate.verdict import Verdict
from supaqueue.cutover.gate.watch import Watch
from supaqueue.cutover.gate.webhook import Webhook
from supaqueue.cutover.legacy.folder import FolderBroker
from supaqueue.cutover.legacy.folder_worker import FolderWorker
from supaqueue.cutover.relay_loop import RelayLoop
from supaqueue.cutover.rollout import Rollout
from supaqueue.cutover.router import DualWriteQueue
from supaqueue.cutover.switches import Switches
from supaqueue.telemetry import Telemetry
from supaqueue.worker import Context, Registry
from tests.cutover.world import World
from tests.worker.running import OwnQueue
from tests.worker.waiting import until

Side = Literal["supabase", "legacy"]
SIDES: tuple[Side, Side] = ("supabase", "legacy")
SECRET = "a secret of the owners"


@dataclass
class Site:
    """Both systems at work on one task type.

    Attributes:
        every: of each side's runs, every how many-th fails; 0: none.
        ran: job ids by side, in the order in which they ran.
        planted_at: when each side first failed, by this machine's clock.
        notices: what the owners were told.
    """

    world: World
    folder: Path
    rules: GateRules
    seconds_each: float = 0.0
    every: dict[Side, int] = field(default_factory=lambda: {"supabase": 0, "legacy": 0})
    ran: dict[Side, list[str]] = field(default_factory=lambda: {"supabase": [], "legacy": []})
    planted_at: dict[Side, float] = field(default_factory=dict)
    notices: list[dict[str, Any]] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    _router: DualWriteQueue | None = None
    _webhook: Webhook | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def at_work(self, *, slots: int = 8, lease_seconds: float = 10.0) -> Iterator[Site]:
        """Start everything, Supabase's worker with so many slots; at the end it stops."""
        world = self.world
        with ExitStack() as stack:
            own = OwnQueue(world.settings, world.client, world.queue_name)
            self._webhook = stack.enter_context(_owners(self.notices))
            rollout = Rollout(world.transport)
            self._router = DualWriteQueue(
                *(world.legacy, world.settings),
                switches=Switches(),
                spool=world.spool,
                rollout=rollout,
                transport=world.transport,
            )
            relay = RelayLoop(world.relay, world.transport)
            relay.start()
            stack.callback(relay.stop)
            broker = FolderBroker(self.folder / "legacy", clock=world.legacy.broker.clock)  # type: ignore[attr-defined]
            worker = FolderWorker(self._registry("legacy"), broker, world.guard, poll_seconds=0.02)
            threads = stack.enter_context(ThreadPoolExecutor(1))
            threads.submit(worker.run)
            stack.callback(worker.stop)
            supabase = own.worker(self._registry("supabase"), concurrency=slots, lease_seconds=lease_seconds)
            stack.enter_context(supabase)
            yield self

    def _registry(self, side: Side) -> Registry:
        registry = Registry()

        @registry.task(self.world.task_type, max_attempts=1)
        def work(payload: object, context: Context) -> None:
            with self._lock:
                self.ran[side].append(context.job_id)
                number, every = len(self.ran[side]), self.every[side]
                if fails := bool(every) and number % every == 0:
                    self.planted_at.setdefault(side, time.time())
            time.sleep(self.seconds_each)
            if fails:
                raise ValueError("planted")

        return registry

    def send(self, queue: str | None = None) -> str:
        """Enqueue a job through the router."""
        assert self._router is not None
        answer = self._router.enqueue(self.world.task_type, {"n": 1}, queue=queue or self.world.queue_name)
        self.sent.append(answer.job_id)
        return answer.job_id

    @contextmanager
    def traffic(self, a_second: Callable[[], float]) -> Iterator[None]:
        """Enqueue so many a second, as due and not as answered, while the block runs."""
        over, failed = threading.Event(), []

        def send_on_time() -> None:
            due = time.monotonic()
            while not over.wait(max(0.0, due - time.monotonic())):
                try:
                    self.send()
                except Exception as error:  # told by the test, at its end
                    failed.append(error)
                    return
                due += 1 / a_second()

        thread = threading.Thread(target=send_on_time, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(60)
            assert not failed, failed

    def look(self) -> Looked:
        """Look once, as a watch that was just started does."""
        world = self.world
        judged = Judged(self.rules, (), f"folder:{self.folder / 'legacy'}")
        with gate_on(world.transport, judged, by="watch") as gate:
            telling = Telling(world.transport, Telemetry(), self._webhook)
            looked = Watch(world.transport, gate, telling, holder="watch", lease_seconds=60).look()
        assert looked.problem is None, looked.problem
        return looked

    def verdicts(self, *, pause: float = 1.0) -> Iterator[Verdict]:
        """Look again and again."""
        while True:
            [verdict] = self.look().verdicts
            yield verdict
            time.sleep(pause)

    def assert_everything_ended_once(self) -> None:
        """Each job that was sent ran once, in one of the systems, and its end is in both."""
        query = (
            "select count(*) from jobs where coalesce(finished_at, owner_ended_at) is not null"
            " and job_id = any (%s::uuid[])"
        )

        def ended() -> int:
            row = self.world.database.execute(query, [self.sent]).fetchone()
            assert row is not None
            return int(row[0])

        until(lambda: ended() == len(self.sent), "every job to have ended")
        ran = Counter(self.ran["supabase"] + self.ran["legacy"])
        assert set(ran) == set(self.sent)
        assert set(ran.values()) == {1}

    def go_to(self, percent: int) -> None:
        """Step there, as a person does."""
        self.world.change(stage="off", is_enabled=False, rollout_percent=0, holdback_percent=0)
        self.world.change(stage="mirror")
        self.world.change(is_enabled=True, rollout_percent=Decimal(percent))


@contextmanager
def _owners(notices: list[dict[str, Any]]) -> Iterator[Webhook]:
    """Owners who listen."""

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            notices.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield Webhook(f"http://127.0.0.1:{server.server_address[1]}/notices", SECRET)
        finally:
            server.shutdown()
            thread.join(10)
