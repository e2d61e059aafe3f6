"""`supaqueue parity check`: the morning's question of the dual-write week."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from supaqueue.cli.durations import moment_of, seconds_of
from supaqueue.cli.parity.options import (
    AsJson,
    Bound,
    Compare,
    Html,
    Messages,
    Rules,
    comparators,
    page_file,
    rate,
    seconds_given,
    tell,
    warn_of_before,
)
from supaqueue.cli.parity.progress import Shown
from supaqueue.cli.rollout.options import Legacy, legacy_queue, supabase
from supaqueue.cutover.parity.check import Checked
from supaqueue.cutover.parity.check import check as compare_all
from supaqueue.cutover.parity.dual_write import dual_write_began
from supaqueue.cutover.parity.question import Question
from supaqueue.cutover.parity.rules import load_rules
from supaqueue.errors import InvalidInput
from supaqueue.settings import Settings

Since = Annotated[str, typer.Option(help="From when on: a time, or how long ago, like 24h.")]
Until = Annotated[str, typer.Option(help="Before when: a time, or how long ago.")]
Types = Annotated[
    list[str] | None, typer.Option("--type", metavar="TYPE", help="Only this task type; may be repeated.")
]
Settle = Annotated[
    str | None,
    typer.Option(help="How long both may take to agree on a job; derived from the jobs by default."),
]


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
    html: Html = None,
) -> None:
    """Compare all jobs of a time, as both systems have them. Changes nothing.

    Exit code 0: they agree, and the declared bound is proven. 1: they differ. 2: too little is known. 3: the
    check could not run.
    """
    question = question_of(
        since,
        until,
        task_types,
        rules=rules,
        bound=bound,
        settle=settle,
        messages=messages,
        compare=compare,
    )
    collect_rarely()
    with page_file(html) as page:
        with legacy_queue(legacy) as queue, supabase() as transport, Shown() as shown:
            checked = compare_all(transport, queue, question, progress=shown)
            began = dual_write_began(transport, question.since) if _misses_mirrors(checked) else None
        if began is not None:
            warn_of_before(began)
        raise tell(checked, as_json=as_json, page=page)


def collect_rarely() -> None:
    """Look for cycles less often: in millions of values, few of them in one, it takes a fifth of the time."""
    gc.set_threshold(100_000, 1_000, 1_000)


def question_of(
    since: str,
    until: str,
    task_types: list[str] | None,
    *,
    rules: Path | None = None,
    bound: float = 1.0,
    settle: str | None = None,
    messages: bool = False,
    compare: Sequence[str] | None = None,
) -> Question:
    """Return what the options ask.

    Raises:
        InvalidInput: one is malformed, or --since does not lie before --until.
        ConfigurationError: what --compare names cannot be imported.
    """
    now = datetime.now(UTC)
    question = Question(
        _moment(since, now, "--since"),
        _moment(until, now, "--until"),
        task_types=frozenset(task_types) if task_types else None,
        rules=load_rules(rules) if rules else (),
        declared_bound=rate(bound),
        settle_seconds=None if settle is None else seconds_given(settle, "--settle"),
        with_messages=messages,
        comparators=comparators(compare or ()),
        max_json_bytes=Settings.load().max_json_bytes,
    )
    if question.since >= question.until:
        raise InvalidInput("must lie before --until", field="--since")
    return question


def _misses_mirrors(checked: Checked) -> bool:
    counts = checked.report["classes"]
    return isinstance(counts, dict) and "missing_in_supabase" in counts


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
