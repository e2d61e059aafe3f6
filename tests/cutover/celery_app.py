"""A Celery app as a team has it: old tasks and a registry's handlers; tests start its workers."""

from __future__ import annotations

import asyncio
import os
import time

import redis
from celery import Celery, Task
from kombu.exceptions import OperationalError

from supaqueue.cutover.guard import Guard
from supaqueue.cutover.legacy.celery_worker import celery_tasks, guarded_task
from supaqueue.cutover.legacy.redis_connection import connect
from supaqueue.cutover.legacy.redis_index import RedisIndex
from supaqueue.outcome import Cancel, Fail, Retry, Snooze
from supaqueue.worker import Context, Registry

LEASE_SECONDS = 2.0
GATE_SECONDS = 60.0


def make_app(url: str) -> Celery:
    """An app with the settings that lose no jobs, and short times."""
    app = Celery("tests", broker=url, backend=url)
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "visibility_timeout": 4,
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
            "socket_timeout": 5,
            "socket_connect_timeout": 5,
        },
    )
    return app


def seen(url: str, job_id: str, what: str) -> None:
    """Note for the test what a handler did."""
    with redis.Redis.from_url(url) as client:
        client.rpush(f"seen:{job_id}", what)


def wait_at_gate(url: str, name: str) -> None:
    """Wait until the test opens a gate."""
    with redis.Redis.from_url(url) as client:
        deadline = time.monotonic() + GATE_SECONDS
        while not client.exists(f"gate:{name}"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"nobody opened the gate {name}")
            time.sleep(0.02)


def make_registry(url: str) -> Registry:
    """Handlers that both sides can run."""
    registry = Registry()

    @registry.task("add", backoff=0.1, max_attempts=3)
    def add(payload: dict[str, int], context: Context) -> int:
        seen(url, context.job_id, f"attempt {context.attempt}")
        if context.attempt <= payload.get("failures", 0):
            raise ValueError("not yet")
        return payload["a"] + payload["b"]

    @registry.task("add_async")
    async def add_async(payload: dict[str, int]) -> int:
        await asyncio.sleep(0)
        return payload["a"] + payload["b"]

    @registry.task("asks", backoff=0.1)
    def asks(payload: dict[str, str], context: Context) -> object:
        with redis.Redis.from_url(url) as client:
            times = client.rpush(f"seen:{context.job_id}", f"attempt {context.attempt}")
        if times > 1:
            return "done"
        outcomes = {"snooze": Snooze(0.1), "retry": Retry(0.1), "cancel": Cancel("no"), "fail": Fail("bad")}
        return outcomes[payload["for"]]

    @registry.task("gated")
    def gated(payload: str, context: Context) -> str:
        seen(url, context.job_id, f"entered {os.getpid()}")
        wait_at_gate(url, payload)
        return "through"

    @registry.task("until_cancelled")
    def until_cancelled(payload: None, context: Context) -> None:
        seen(url, context.job_id, "entered")
        deadline = time.monotonic() + GATE_SECONDS
        while time.monotonic() < deadline:
            context.raise_if_cancelled()
            time.sleep(0.02)

    return registry


def make_guard(url: str) -> Guard:
    """A guard whose markers expire soon."""
    return Guard(RedisIndex(connect(url)), lease_seconds=LEASE_SECONDS)


def add_old_tasks(app: Celery, guard: Guard, url: str) -> None:
    """Tasks that were there before, given a base class."""
    guarded = guarded_task(guard)

    @app.task(base=guarded, name="old_plain")
    def old_plain(payload: int) -> int:
        return payload + 1

    @app.task(base=guarded, name="old_bound", bind=True, max_retries=2, default_retry_delay=0.1)
    def old_bound(self: Task, payload: int) -> int:
        seen(url, self.request.id, f"retries {self.request.retries}")
        if self.request.retries < payload:
            raise self.retry(exc=ValueError("again"))
        return self.request.retries

    @app.task(
        base=guarded,
        name="old_auto",
        autoretry_for=(ValueError,),
        max_retries=1,
        retry_backoff=False,
        default_retry_delay=0.1,
    )
    def old_auto(payload: str) -> None:
        raise ValueError(payload)

    @app.task(base=guarded, name="old_keywords")
    def old_keywords(*, a: int, b: int) -> int:
        return a + b

    class Unsendable(guarded):  # type: ignore[misc,valid-type]
        """A task whose retry cannot be sent the first time."""

        abstract = True

        def signature_from_request(self, *args: object, **options: object) -> object:
            """What is to be sent fails as with a broker that is away, once for each job."""
            signature = super().signature_from_request(*args, **options)
            with redis.Redis.from_url(url) as client:
                if client.rpush(f"seen:{self.request.id}", "sends") == 1:
                    signature.apply_async = _away
            return signature

    @app.task(base=Unsendable, name="old_unsendable", bind=True, default_retry_delay=0.1)
    def old_unsendable(self: Task, payload: None) -> str:
        if self.request.retries == 0:
            raise self.retry()
        return "sent"

    @app.task(base=guarded, name="old_gated", bind=True)
    def old_gated(self: Task, payload: str) -> str:
        seen(url, self.request.id, f"entered {os.getpid()}")
        wait_at_gate(url, payload)
        return "through"


def _away() -> None:
    raise OperationalError("away")


URL = os.environ.get("TEST_BROKER_URL")
if URL is not None:
    app = make_app(URL)
    celery_tasks(app, make_registry(URL), make_guard(URL))
    add_old_tasks(app, make_guard(URL), URL)
