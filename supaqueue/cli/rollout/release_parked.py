"""`supaqueue rollout release-parked --break-glass`: what is left to do once Supabase is gone for good."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from supaqueue.cli.queues import whoever
from supaqueue.cli.rollout.options import AsJson, By, Legacy, legacy_queue, print_json, progress_bar, supabase
from supaqueue.contract import ReadFeatureFlags
from supaqueue.cutover.break_glass import BreakGlass, Held
from supaqueue.cutover.legacy.entry import BrokenGlass
from supaqueue.errors import InvalidInput, QueueUnavailable

WORDS = "break glass"
RISK = (
    "They run at least once: what Supabase had started may run twice, and what legacy was not told of is"
    " lost. If Supabase ever comes back, disable it (`supaqueue rollout disable`) before its workers start."
)


def release_parked(
    break_glass: Annotated[
        bool, typer.Option("--break-glass", help="Say that you mean it: Supabase is gone for good.")
    ] = False,
    task_type: Annotated[
        list[str] | None, typer.Option("--type", metavar="TYPE", help="Only this one; may be given again.")
    ] = None,
    although_supabase_answers: Annotated[
        bool,
        typer.Option("--although-supabase-answers", help="It answers, but its data is gone: do not ask it."),
    ] = False,
    confirm: Annotated[
        str | None, typer.Option(metavar="WORDS", help=f"The words {WORDS!r}, where nobody is there to ask.")
    ] = None,
    legacy: Legacy = None,
    reason: Annotated[str | None, typer.Option(help="Why; kept with every job.")] = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Run in legacy what Supabase owned, at least once, because Supabase is gone for good.

    Takes the parked copies, what was taken over from legacy, and what was handed back and waits for the
    consent of Supabase. Who did it, when and why is kept with every job in legacy's index. While Supabase
    answers, `hand-back` does this without the risk.
    """
    if not break_glass:
        raise InvalidInput(
            "says that Supabase is gone for good; while it lives, use hand-back", field="--break-glass"
        )
    if not reason:
        raise InvalidInput("say why; it is kept with every job", field="--reason")
    if not although_supabase_answers:
        _check_gone()
    broken = BrokenGlass(by or whoever(), reason)
    with legacy_queue(legacy) as queue:
        work = BreakGlass(queue, task_type)
        held = work.count()
        if held.jobs:
            _confirm(held, confirm)
        released = _release(work, broken, held)
    _say(broken, released, as_json)


def _check_gone() -> None:
    try:
        with supabase() as transport:
            transport.send(ReadFeatureFlags())
    except QueueUnavailable:
        return
    raise InvalidInput(
        "Supabase answers: `supaqueue rollout hand-back` sends its jobs to legacy, each once. If its data is"
        " gone all the same, say --although-supabase-answers; nothing was changed"
    )


def _confirm(held: Held, given: str | None) -> None:
    jobs = f"{held.copies:,} copies of Supabase's jobs and {held.handed_over:,} handed-over ones"
    question = f"{jobs} are to run in legacy. {RISK}"
    if given is None and not sys.stdin.isatty():
        raise InvalidInput(
            f"{question} Say --confirm {WORDS!r}, since nobody is there to ask; nothing was changed"
        )
    if given is None:
        given = typer.prompt(f"{question}\nType {WORDS!r} to go on", err=True)
    if given.strip() != WORDS:
        raise InvalidInput(f"expected the words {WORDS!r}; nothing was changed", field="--confirm")


def _release(work: BreakGlass, broken: BrokenGlass, held: Held) -> int:
    released = 0
    with progress_bar() as progress:
        bar = progress.add_task("releasing", total=held.jobs)
        for jobs in work.release(broken) if held.jobs else ():
            released += jobs
            progress.advance(bar, jobs)
    return released


def _say(broken: BrokenGlass, released: int, as_json: bool) -> None:
    if as_json:
        print_json({"released": released, "by": broken.by, "reason": broken.reason})
    else:
        print(f"{released:,} jobs run in legacy now, at least once each (by {broken.by}: {broken.reason})")
