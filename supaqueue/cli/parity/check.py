"""`supaqueue parity check`: the morning's question of the dual-write week."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from supaqueue.cli.durations import moment_of, seconds_of
from supaqueue.cli.parity.exit_codes import CODES
from supaqueue.cli.parity.table import print_report
from supaqueue.cli.rollout.options import Legacy, legacy_queue, supabase
from supaqueue.cutover.parity.check import check as compare_all
from supaqueue.cutover.parity.classes import Comparator
from supaqueue.cutover.parity.question import Question
from supaqueue.cutover.parity.report import evidence, written
from supaqueue.cutover.parity.rules import load_rules
from supaqueue.errors import InvalidInput
from supaqueue.worker.attribute import import_attribute

Since = Annotated[str, typer.Option(help="From when on: a time, or how long ago, like 24h.")]
Until = Annotated[str, typer.Option(help="Before when: a time, or how long ago.")]
Types = Annotated[
    list[str] | None, typer.Option("--type", metavar="TYPE", help="Only this task type; may be repeated.")
]
Rules = Annotated[Path | None, typer.Option(help="A TOML file that says what is expected to differ.")]
Bound = Annotated[float, typer.Option(help="The rate of differences to be ruled out, in percent.")]
Settle = Annotated[
    str | None,
    typer.Option(help="How long both may take to agree on a job; derived from the jobs by default."),
]
Messages = Annotated[bool, typer.Option("--messages", help="Compare errors by message as well as by class.")]
Compare = Annotated[
    list[str] | None,
    typer.Option(
        "--compare",
        metavar="TYPE=MODULE:FUNCTION",
        help="Who says whether two results of a type agree: is given both, returns a bool. May be repeated.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]


def check(
    since: Since = "24h",
    until: Until = "0s",
    task_types: Types = None,
    rules: Rules = None,
    bound: Bound = 1.0,
    settle: Settle = None,
    messages: Messages = False,
    compare: Compare = None,
    legacy: Legacy = None,
    as_json: AsJson = False,
) -> None:
    """Compare all jobs of a time, as both systems have them. Changes nothing.

    Exit code 0: they agree, and the declared bound is proven. 1: they differ. 2: too little is known. 3: the
    check could not run.
    """
    now = datetime.now(UTC)
    question = Question(
        _moment(since, now, "--since"),
        _moment(until, now, "--until"),
        task_types=frozenset(task_types) if task_types else None,
        rules=load_rules(rules) if rules else (),
        declared_bound=_rate(bound),
        settle_seconds=None if settle is None else _settle(settle),
        with_messages=messages,
        comparators=_comparators(compare or ()),
    )
    if question.since >= question.until:
        raise InvalidInput("must lie before --until", field="--since")
    with legacy_queue(legacy) as queue, supabase() as transport, _Shown() as shown:
        checked = compare_all(transport, queue, question, progress=shown)
    if as_json:
        sys.stdout.buffer.write(written(checked.report))
    else:
        print_report(checked.report, checked.verdict, evidence(checked.report))
    raise typer.Exit(CODES[checked.verdict.answer])


class _Shown:
    """Shows on the terminal what is being done; nothing where nobody looks."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._status = console.status("comparing") if console.is_terminal else None

    def __enter__(self) -> _Shown:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def __call__(self, step: str, jobs: int) -> None:
        if self._status is not None:
            self._status.update(f"{step}: {jobs:,} jobs")


def _moment(text: str, now: datetime, option: str) -> datetime:
    try:
        return now - timedelta(seconds=seconds_of(text))
    except (typer.BadParameter, OverflowError):
        pass
    try:
        return moment_of(text)
    except (typer.BadParameter, OverflowError):
        raise InvalidInput(
            f"{text!r} is neither a time like 2030-01-31T12:00Z nor a duration like 24h", field=option
        ) from None


def _comparators(given: Sequence[str]) -> dict[str, Comparator]:
    found: dict[str, Comparator] = {}
    for text in given:
        task_type, _, name = text.partition("=")
        if not (task_type and name):
            raise InvalidInput(f"write TYPE=MODULE:FUNCTION, not {text!r}", field="--compare")
        function = import_attribute(name, kind="function", example="billing:same_invoice")
        if not callable(function):
            raise InvalidInput(f"there is no function {name}", field="--compare")
        found[task_type] = function
    return found


def _settle(text: str) -> float:
    try:
        return seconds_of(text)
    except typer.BadParameter as error:
        raise InvalidInput(str(error), field="--settle") from None


def _rate(percent: float) -> float:
    if not 0 < percent < 100:
        raise InvalidInput("must be a percentage between 0 and 100", field="--bound")
    return percent / 100
