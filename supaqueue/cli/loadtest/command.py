"""The command: options in; progress, then tables and charts or JSON out."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import secrets
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from supaqueue.cli.could_not_run import CommandWithAnswers
from supaqueue.cli.loadtest.exit_codes import CODES
from supaqueue.cli.loadtest.figures import figures_of
from supaqueue.cli.loadtest.load_queue import LoadQueue
from supaqueue.cli.loadtest.measured import Measured
from supaqueue.cli.loadtest.plan import QUEUE, TASK_TYPE, LoadPlan
from supaqueue.cli.loadtest.printed import print_load_test
from supaqueue.cli.loadtest.run import LoadTest, LoadTestRun, Show
from supaqueue.cli.loadtest.turn import own_turn
from supaqueue.cli.loadtest.workers import OwnWorkers
from supaqueue.client import AsyncQueue
from supaqueue.errors import ConfigurationError, InvalidInput
from supaqueue.settings import Settings
from supaqueue.transport import AsyncRestTransport

app = typer.Typer(help="Measure a running queue under load, from enqueue to finish, against an objective.")

Duration = Annotated[float, typer.Option("--duration-seconds", help="For how long jobs are due.")]
Concurrency = Annotated[int, typer.Option(help="Producers: enqueues in flight at most.")]
Slo = Annotated[float, typer.Option("--slo-ms", help="From when a job is due to its completion, at most.")]
Rate = Annotated[
    float | None,
    typer.Option(help="Jobs a second, at random times.", show_default="one for each producer"),
]
Percentile = Annotated[float, typer.Option(help="So many percent of the due jobs must complete in time.")]
MostErrors = Annotated[float, typer.Option("--max-errors-percent", help="So many may be refused or fail.")]
Url = Annotated[str | None, typer.Option(help="The project's URL.", show_default="SUPABASE_URL")]
Workers = Annotated[
    int | None,
    typer.Option(
        min=0, help="Worker processes to run for its own jobs.", show_default="1, and 0 with --task-type"
    ),
]
WorkerConcurrency = Annotated[int, typer.Option(min=1, help="Handlers at a time in each of these.")]
QueueName = Annotated[str, typer.Option("--queue", help="The queue to load.")]
TaskType = Annotated[
    str, typer.Option(help="The jobs' type. Jobs of your own type are run by your workers, and stay.")
]
Payload = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The payload of every job, as JSON.", show_default="none")
]
Drain = Annotated[float, typer.Option(help="How long to wait for what has not ended.")]
Ready = Annotated[float, typer.Option(help="How long the first ten jobs may take, before the load.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed has jobs due at the same times.")]
ThroughRouter = Annotated[
    bool, typer.Option("--through-router", help="Enqueue by the router of a cutover, as its settings say.")
]
Legacy = Annotated[
    str | None,
    typer.Option(metavar="QUEUE", help="With --through-router: the old queue; by default SUPAQUEUE_LEGACY."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Load a system that is not on this machine.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command(cls=CommandWithAnswers)
def loadtest(
    duration_seconds: Duration = 60.0,
    concurrency: Concurrency = 50,
    slo_ms: Slo = 750.0,
    rate: Rate = None,
    percentile: Percentile = 95.0,
    max_errors_percent: MostErrors = 1.0,
    url: Url = None,
    workers: Workers = None,
    worker_concurrency: WorkerConcurrency = 64,
    queue: QueueName = QUEUE,
    task_type: TaskType = TASK_TYPE,
    payload: Payload = None,
    drain_seconds: Drain = 60.0,
    ready_seconds: Ready = 30.0,
    seed: Seed = 0,
    through_router: ThroughRouter = False,
    legacy: Legacy = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Enqueue jobs at times fixed beforehand, wait for their end, and judge how long they took.

    By default the jobs do nothing, lie in a queue of their own, are run by a worker process that is started
    for them, and are removed again, after Ctrl+C too. Exit codes: 0 the objective was met, 1 missed, 2 too
    little is known, 3 it could not run.
    """
    plan = LoadPlan(
        duration_seconds=duration_seconds,
        concurrency=concurrency,
        rate=float(concurrency) if rate is None else rate,
        slo_seconds=slo_ms / 1000,
        percentile=percentile,
        most_errors=max_errors_percent,
        drain_seconds=drain_seconds,
        queue=queue,
        task_type=task_type,
        payload=None if payload is None else _read_payload(payload),
        tag=f"loadtest-{secrets.token_hex(4)}",
        seed=seed,
    )
    plan.check()
    settings = Settings.load(url=url)
    count = _worker_count(plan, workers)
    _check_allowed(plan, settings, count, allowed=yes)
    own_workers = OwnWorkers(count, worker_concurrency, plan.queue, settings)
    both = (
        _open(settings, legacy, routed=through_router),
        _open(settings, legacy, routed=through_router),
    )
    with _progress(plan) as show, _leaving_at_once(plan):
        found = asyncio.run(_run(plan, both, settings, own_workers, ready_seconds, show))
    if as_json:
        print(json.dumps(figures_of(found)))
    else:
        print_load_test(found)
    raise typer.Exit(CODES[found.verdict.answer])


async def _run(
    plan: LoadPlan,
    queue_and_reader: tuple[LoadQueue, LoadQueue],
    settings: Settings,
    workers: OwnWorkers,
    ready_seconds: float,
    show: Show,
) -> LoadTest:
    told = asyncio.Event()
    _listen(told)
    async with AsyncExitStack() as opened:
        for queue in queue_and_reader:
            opened.push_async_callback(queue.aclose)
        transport = await opened.enter_async_context(AsyncRestTransport(settings))
        if plan.is_own:
            await opened.enter_async_context(own_turn(transport, plan.queue))
        opened.enter_context(workers)
        run = LoadTestRun(
            plan, *queue_and_reader, transport, workers, ready_seconds=ready_seconds, told=told, show=show
        )
        return await run.run()


def _listen(told: asyncio.Event) -> None:
    """Take the first SIGINT or SIGTERM as a wish to end in order; a second one ends the process."""
    loop = asyncio.get_running_loop()

    def tell() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        told.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, tell)


def _open(settings: Settings, legacy: str | None, *, routed: bool) -> LoadQueue:
    if not routed:
        return AsyncQueue(settings)
    # May have been deleted once a cutover is over: no checker may look for it either.
    module = "supaqueue.cli.loadtest.router"
    if find_spec("supaqueue.cutover") is None or find_spec(module) is None:
        raise ConfigurationError(
            "--through-router needs the package supaqueue.cutover, which was removed here"
        )
    router: LoadQueue = import_module(module).open_router(settings, legacy)
    return router


def _worker_count(plan: LoadPlan, given: int | None) -> int:
    if plan.is_own:
        return 1 if given is None else given
    if given:
        raise InvalidInput(
            f"its own workers run jobs of type {TASK_TYPE} only: leave out --workers, so that yours run"
            f" {plan.task_type}, or leave out --task-type",
            field="--workers",
        )
    return 0


def _check_allowed(plan: LoadPlan, settings: Settings, workers: int, *, allowed: bool) -> None:
    if allowed or _is_local(settings.url):
        return
    ran_by = f"run {workers} worker processes here for them" if workers else "leave them to its workers"
    afterwards = "remove them again" if plan.is_own else "leave those that ended there"
    raise ConfigurationError(
        f"{settings.url} is not on this machine. This would enqueue about {plan.expected_jobs:,} jobs of type"
        f" {plan.task_type} into its queue {plan.queue} ({plan.rate:g} a second for {plan.duration_seconds:g}"
        f" s), {ran_by}, and {afterwards}. If that is what you want, say --yes"
    )


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read_payload(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}", field="--payload") from None
    except ValueError:
        raise InvalidInput(f"{path} holds no JSON", field="--payload") from None


@contextmanager
def _leaving_at_once(plan: LoadPlan) -> Iterator[None]:
    """Say of a second Ctrl+C what it leaves behind."""
    try:
        yield
    except KeyboardInterrupt:
        left = f"supaqueue: left at once; jobs with the tag {plan.tag} may be left in queue {plan.queue}"
        Console(stderr=True, soft_wrap=True).print(left, markup=False, highlight=False)
        raise typer.Exit(130) from None


@contextmanager
def _progress(plan: LoadPlan) -> Iterator[Show]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=plan.expected_jobs)

        def show(doing: str, measured: Measured) -> None:
            ended = measured.ended.total()
            text = f"{doing}: {measured.sent:,} sent, {ended:,} ended, {measured.refused:,} refused"
            bar.update(task, description=text, completed=ended)

        yield show


__all__ = ["app"]
