"""`supaqueue dlq`: the tasks that failed: list, show, replay, drop."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from supaqueue.cli.durations import moment_of
from supaqueue.client import Queue
from supaqueue.errors import InvalidInput, JobNotFound
from supaqueue.job import DeadLetter, Job

app = typer.Typer(
    help="The tasks that failed: list them, show one, let them run again, forget them.", no_args_is_help=True
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OnlyQueue = Annotated[str | None, typer.Option("--queue", help="Only of this queue.")]
OnlyType = Annotated[str | None, typer.Option("--task-type", help="Only of this task type.")]
OnlyError = Annotated[
    str | None,
    typer.Option("--error", metavar="TYPE", help="Only with this error, like ValueError or TimedOut."),
]
OnlyParked = Annotated[
    bool | None,
    typer.Option("--parked/--not-parked", help="Only those whose payload does not fit, or none of them."),
]
After = Annotated[
    datetime | None, typer.Option("--after", parser=moment_of, metavar="TIME", help="Failed at or after.")
]
Before = Annotated[
    datetime | None, typer.Option("--before", parser=moment_of, metavar="TIME", help="Failed before.")
]
JobIds = Annotated[list[str] | None, typer.Argument(metavar="[JOB_ID]...", help="Only these jobs.")]
All = Annotated[bool, typer.Option("--all", help="Every dead letter there is.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@app.command("list")
def list_dead_letters(
    queue: OnlyQueue = None,
    task_type: OnlyType = None,
    error: OnlyError = None,
    parked: OnlyParked = None,
    after: After = None,
    before: Before = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List failed tasks, the latest first."""
    with Queue() as client:
        found = client.dead_letters.list(
            queue=queue,
            task_type=task_type,
            error_type=error,
            parked=parked,
            failed_after=after,
            failed_before=before,
            limit=limit,
        )
        letters = list(found)
    if as_json:
        print(json.dumps([asdict(letter) for letter in letters], default=str))
    else:
        _print(letters)


@app.command()
def show(
    job_id: Annotated[str, typer.Argument(help="The job.")],
    with_payload: Annotated[bool, typer.Option("--payload", help="Its payload and checkpoint too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a job with the history of its tasks."""
    with Queue() as client:
        job = client.get(job_id, with_payload=with_payload, with_attempts=True)
    if job is None:
        raise JobNotFound(job_id)
    if as_json:
        print(json.dumps(asdict(job), default=str))
    else:
        _print_job(job, with_payload)


@app.command()
def replay(
    job_ids: JobIds = None,
    queue: OnlyQueue = None,
    task_type: OnlyType = None,
    error: OnlyError = None,
    parked: OnlyParked = None,
    after: After = None,
    before: Before = None,
    everything: All = False,
    rate: Annotated[
        float | None, typer.Option(metavar="PER_SECOND", help="Spread them over time; by default at once.")
    ] = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Let dead letters run again: some jobs, those that pass a filter, or all. Their history stays."""
    filters = _filters(queue, task_type, error, parked, after, before)
    with Queue() as client:
        letters = _selected(client, job_ids, filters, everything)
        _confirm(f"Let {len(letters)} dead letters run again?", yes or bool(job_ids) or not letters)
        answers = client.dead_letters.replay(letters, per_second=rate)
    _say(Counter(answer.answer for answer in answers), as_json)


@app.command()
def drop(
    job_ids: JobIds = None,
    queue: OnlyQueue = None,
    task_type: OnlyType = None,
    error: OnlyError = None,
    parked: OnlyParked = None,
    after: After = None,
    before: Before = None,
    everything: All = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Forget dead letters for good, with their jobs, payloads and history."""
    filters = _filters(queue, task_type, error, parked, after, before)
    with Queue() as client:
        letters = _selected(client, job_ids, filters, everything)
        _confirm(f"Forget {len(letters)} dead letters for good?", yes or not letters)
        answers = client.dead_letters.drop(letters)
    _say(Counter(answer.answer for answer in answers), as_json)


def _filters(
    queue: str | None,
    task_type: str | None,
    error: str | None,
    parked: bool | None,
    after: datetime | None,
    before: datetime | None,
) -> dict[str, Any]:
    given = {
        "queue": queue,
        "task_type": task_type,
        "error_type": error,
        "parked": parked,
        "failed_after": after,
        "failed_before": before,
    }
    return {name: value for name, value in given.items() if value is not None}


def _selected(
    client: Queue, job_ids: list[str] | None, filters: dict[str, Any], everything: bool
) -> list[DeadLetter]:
    if not job_ids and not filters and not everything:
        raise InvalidInput("say which: JOB_ID..., a filter like --task-type, or --all")
    if everything and (job_ids or filters):
        raise InvalidInput("give either --all or job ids and filters")
    if not job_ids:
        return list(_counted(client.dead_letters.list(**filters)))
    letters = [list(client.dead_letters.list(job_id=job_id, **filters)) for job_id in job_ids]
    for job_id, found in zip(job_ids, letters, strict=True):
        if not found:
            raise InvalidInput(f"job {job_id} has no dead letter that passes the filter; nothing was changed")
    return [letter for found in letters for letter in found]


def _counted(letters: Iterator[DeadLetter]) -> Iterator[DeadLetter]:
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("reading", total=None)
        for letter in letters:
            progress.advance(bar)
            yield letter


def _confirm(question: str, sure: bool) -> None:
    if sure:
        return
    if not sys.stdin.isatty():
        raise InvalidInput(f"{question} Say --yes, since nobody is there to ask; nothing was changed")
    if not typer.confirm(question, err=True):
        raise typer.Exit(1)


def _say(answers: Counter[str], as_json: bool) -> None:
    if as_json:
        print(json.dumps(answers))
    else:
        print(", ".join(f"{count} {answer}" for answer, count in answers.items()) or "no dead letters")


def _print(letters: list[DeadLetter]) -> None:
    table = Table("job", "queue", "task type", "attempts", "failed at", "error")
    for letter in letters:
        attempts = f"{letter.attempts}{' (parked)' if letter.parked else ''}"
        cells = (letter.job_id, letter.queue, letter.task_type, attempts, _time(letter.failed_at))
        table.add_row(*map(escape, cells), escape(_error(letter.error, 100)))
    Console().print(table)


def _print_job(job: Job, with_payload: bool) -> None:
    console = Console()
    console.print(f"job {job.job_id}  {escape(job.task_type)} in queue {escape(job.queue)}: {job.status}")
    for task in job.tasks:
        parked = ", parked: its payload does not fit its handler" if task.parked else ""
        spent = f"{task.attempts} of {task.max_attempts} attempts, {task.lost_leases} lost leases"
        console.print(f"task {task.task_number}: {task.status}, {spent}{parked}")
        table = Table("lease", "attempt", "worker", "started", "ended", "outcome", "error")
        for one in task.history:
            began = _time(one.started_at) if one.started_at else ""
            cells = (one.lease_token, one.attempt or "", one.worker_id or "", began, _time(one.ended_at))
            table.add_row(*(escape(str(cell)) for cell in cells), one.outcome, escape(_error(one.error, 200)))
        console.print(table)
        if with_payload:
            console.print_json(json.dumps({"payload": task.payload, "checkpoint": task.checkpoint}))


def _time(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def _error(error: Any, limit: int) -> str:
    if not isinstance(error, dict):
        return ""
    return f"{error.get('type', '')}: {error.get('message', '')}"[:limit]
