"""What the commands of `parity` show while they work: a bar for each step, on a terminal alone."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text


class Shown:
    """Shows on standard error how far a comparison is; nothing where that is no terminal.

    Args:
        total: how many jobs are sent, and waited for; None where jobs are listed.
    """

    def __init__(self, total: int | None = None) -> None:
        # Asked of the stream itself: to rich, a pipe is a terminal once FORCE_COLOR is set.
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<15}"),
            BarColumn(),
            _Jobs(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._total = total
        self._listed = 0
        self._step: str | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Shown:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, step: str, jobs: int) -> None:
        """Show that a step has done so many jobs; another step's name ends the one before."""
        if step == "listed":
            self._listed = jobs
        if step != self._step or self._task is None:
            self._end()
            self._step, self._task = step, self._progress.add_task(step, total=self._total_of(step))
        total = self._total_of(step)
        self._progress.update(self._task, completed=jobs, total=total and max(total, jobs))

    def _total_of(self, step: str) -> int | None:
        """Return how many jobs a step will do; None while nobody knows: pulses instead of growing."""
        if step == "compared":
            return self._listed // 2  # each is listed by both, unless it is missing
        return self._total if step in ("sent", "settled") else None

    def _end(self) -> None:
        if self._task is not None:
            done = self._progress.tasks[-1].completed
            self._progress.update(self._task, total=done, completed=done)


class _Jobs(ProgressColumn):
    """How many jobs, of how many, and how many a second."""

    def render(self, task: Task) -> Text:
        of = f" of {task.total:,.0f}" if task.total else ""
        speed = task.finished_speed or task.speed
        rate = f", {speed:,.0f}/s" if speed else ""
        return Text(f"{task.completed:,.0f}{of} jobs{rate}")
