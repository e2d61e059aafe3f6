"""`supaqueue parity watch`: the check again and again, and what is new each time."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from supaqueue.cli.could_not_run import COULD_NOT_RUN
from supaqueue.cli.parity.check import Settle, Types, collect_rarely, question_of
from supaqueue.cli.parity.exit_codes import CODES
from supaqueue.cli.parity.options import Bound, Compare, Html, Messages, Rules, page_file, seconds_given
from supaqueue.cli.parity.progress import Shown
from supaqueue.cli.rollout.options import Legacy, legacy_queue, print_json, supabase
from supaqueue.cli.until_told import Told, UntilTold
from supaqueue.cutover.parity.check import Checked
from supaqueue.cutover.parity.check import check as compare_all
from supaqueue.cutover.parity.differing import Differing, Found
from supaqueue.cutover.parity.page import page_of
from supaqueue.cutover.parity.question import Question
from supaqueue.cutover.parity.report import evidence
from supaqueue.cutover.parity.watch import Watched
from supaqueue.cutover.parity.watch import watch as watch_all
from supaqueue.errors import InvalidInput
from supaqueue.telemetry.hook import Telemetry, configured_hooks
from supaqueue.telemetry.logs import configure_logging

Every = Annotated[str, typer.Option(help="How long to wait after each check, like 5m.")]
Window = Annotated[str, typer.Option(help="How far back each check looks, like 24h.")]
Times = Annotated[
    int | None, typer.Option("--times", min=1, help="How many checks; until a signal by default.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON object per check.")]
LogFormat = Annotated[str, typer.Option(help="json or text.")]
LogLevel = Annotated[str, typer.Option(help="debug, info, warning or error.")]


def watch(
    every: Every = "5m",
    window: Window = "24h",
    times: Times = None,
    task_types: Types = None,
    rules: Rules = None,
    bound: Bound = 1.0,
    settle: Settle = None,
    messages: Messages = False,
    compare: Compare = None,
    legacy: Legacy = None,
    as_json: AsJson = False,
    html: Html = None,
    log_format: LogFormat = "text",
    log_level: LogLevel = "info",
) -> None:
    """Check again and again until SIGTERM or SIGINT: a line for each, with what is new since the one before.

    What is new is told to telemetry as `parity_mismatch`. Goes on while a system does not answer. Ends with
    the exit code of the last check that was answered; 3 if none was.
    """
    configure_logging(format=log_format, level=log_level)  # type: ignore[arg-type]
    seconds = _positive(every, "--every")
    _positive(window, "--window")
    ask = partial(
        question_of,
        *(window, "0s", task_types),
        rules=rules,
        bound=bound,
        settle=settle,
        messages=messages,
        compare=compare,
    )
    ask()  # says at once what is wrong with the options
    with page_file(html):
        pass  # and whether a page can be written
    telemetry = Telemetry(configured_hooks(os.environ))
    code = COULD_NOT_RUN
    collect_rarely()
    try:
        with UntilTold() as until:
            compared = partial(_compare, ask, legacy, until)
            for one in watch_all(
                compared, until.wait, every_seconds=seconds, times=times, telemetry=telemetry
            ):
                _say(one, as_json)
                _keep_page(one, html)
                code = CODES[one.checked.verdict.answer] if one.checked else code
    except Told:
        pass
    finally:
        telemetry.close()
    raise typer.Exit(code)


def _compare(
    ask: Callable[[], Question], legacy: str | None, until: UntilTold, differing: Differing
) -> Checked:
    """Open both systems anew, so that neither a restart nor a new address of one is missed, and compare."""
    with legacy_queue(legacy) as queue, supabase() as transport, Shown() as shown:

        def progress(step: str, jobs: int) -> None:
            until.go_on()
            shown(step, jobs)

        return compare_all(transport, queue, ask(), progress=progress, differing=differing)


def _positive(text: str, option: str) -> float:
    seconds = seconds_given(text, option)
    if not 0 < seconds <= 30 * 86_400:
        raise InvalidInput("must be longer than nothing, and 30 days at most", field=option)
    return seconds


def _keep_page(one: Watched, html: Path | None) -> None:
    if one.checked is not None:
        with page_file(html) as page:
            if page is not None:
                page.write(page_of(one.checked.report))


def _say(one: Watched, as_json: bool) -> None:
    if as_json:
        print_json(_as_object(one))
    else:
        print(f"{one.at.astimezone():%Y-%m-%d %H:%M:%S} {_line(one)}", flush=True)


def _line(one: Watched) -> str:
    if one.checked is None:
        return f"no answer: {one.problem}"
    verdict = one.checked.verdict
    return (
        f"{verdict.answer}: {verdict.different:,} of {verdict.compared:,} jobs differ, at most"
        f" {verdict.upper_bound:.2%}; new: {_new(one.new)}"
    )


def _new(new: Mapping[Found, int]) -> str:
    return ", ".join(f"{jobs:,} {name} of {task_type}" for (task_type, name), jobs in _ordered(new)) or "none"


def _as_object(one: Watched) -> dict[str, object]:
    if one.checked is None:
        return {"at": one.at, "verdict": None, "problem": one.problem, "new": []}
    verdict = one.checked.verdict
    return {
        "at": one.at,
        "verdict": verdict.answer,
        "problem": None,
        "jobs": one.checked.report["jobs"],
        "compared": verdict.compared,
        "different": verdict.different,
        "upper_bound": verdict.upper_bound,
        "new": [
            {"task_type": task_type, "class": name, "jobs": jobs}
            for (task_type, name), jobs in _ordered(one.new)
        ],
        "evidence": evidence(one.checked.report),
    }


def _ordered(new: Mapping[Found, int]) -> list[tuple[Found, int]]:
    return sorted(new.items(), key=lambda item: (item[0][0] or "", item[0][1]))
