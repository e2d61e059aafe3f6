"""`supaqueue parity repair`: what one system lost of its copies is brought again, after it was shown."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from supaqueue.cli.parity.check import Settle, Since, Types, Until, question_of
from supaqueue.cli.parity.options import Rules, warn_of_before
from supaqueue.cli.parity.progress import Shown
from supaqueue.cli.queues import whoever
from supaqueue.cli.rollout.options import Legacy, legacy_queue, print_json, supabase
from supaqueue.cutover.parity.dual_write import dual_write_began
from supaqueue.cutover.parity.repair import REASONS, Missing, Repair, missing
from supaqueue.cutover.parity.repair import repair as bring

SHOWN_IDS = 3
LEFT = 1
"""Exit code where something is missing still."""

Yes = Annotated[bool, typer.Option("--yes", help="Do it, without asking.")]
By = Annotated[str | None, typer.Option(help="Who repairs; kept with each job. By default user and host.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, with every job.")]


def repair(
    since: Since = "24h",
    until: Until = "0s",
    task_types: Types = None,
    rules: Rules = None,
    settle: Settle = None,
    legacy: Legacy = None,
    yes: Yes = False,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Bring mirrors that Supabase lost, and copies that legacy lost, after showing which.

    Without --yes nothing is changed, unless somebody at a terminal says so. Copies are brought by the relay's
    next turn. What was repaired counts in `check` as it did.

    Exit code 0: nothing is missing any more. 1: some jobs are, each with the reason. 3: it could not run.
    """
    question = question_of(since, until, task_types, rules=rules, settle=settle)
    with legacy_queue(legacy) as queue, supabase() as transport:
        with Shown() as shown:
            found = missing(transport, queue, question, progress=shown)
        lacks_mirrors = any(one.class_name == "missing_in_supabase" for one in found.repairs)
        if lacks_mirrors and (began := dual_write_began(transport, question.since)) is not None:
            warn_of_before(began)
        if not as_json:
            _print(found.repairs, "would be" if found.repairs else "")
        is_to_be_done = _is_confirmed(found, yes, as_json)
        repairs = found.repairs
        if is_to_be_done:
            repairs = bring(transport, queue, found, by=by or whoever())
    _say(found, repairs, is_done=is_to_be_done, as_json=as_json)
    is_left = (
        any(not one.is_done for one in repairs) or found.further or (_doable(found) and not is_to_be_done)
    )
    raise typer.Exit(LEFT if is_left else 0)


def _doable(found: Missing) -> int:
    return sum(one.answer == "repaired" for one in found.repairs)


def _is_confirmed(found: Missing, yes: bool, as_json: bool) -> bool:
    if not _doable(found):
        return False
    if yes or as_json or not sys.stdin.isatty():
        return yes
    return typer.confirm(f"Repair {_doable(found):,} jobs? They count as missing all the same.", err=True)


def _print(repairs: Sequence[Repair], mood: str) -> None:
    if not repairs:
        print("nothing is missing")
        return
    groups: dict[tuple[str, str, str], list[Repair]] = defaultdict(list)
    for one in repairs:
        groups[one.class_name, one.task_type or "", one.answer].append(one)
    table = Table("class", "type", f"{mood} answered".strip(), "jobs", "some of them", "which says")
    for (class_name, task_type, answer), ones in sorted(groups.items()):
        ids = "\n".join(one.job_id for one in ones[:SHOWN_IDS])
        reason = "\n".join([REASONS[ones[0].answer], *sorted({one.detail for one in ones if one.detail})])
        table.add_row(class_name, escape(task_type), answer, f"{len(ones):,}", ids, escape(reason))
    Console(soft_wrap=True).print(table)


def _say(found: Missing, repairs: Sequence[Repair], *, is_done: bool, as_json: bool) -> None:
    if as_json:
        jobs = [
            {
                "job_id": one.job_id,
                "task_type": one.task_type,
                "class": one.class_name,
                "answer": one.answer,
                "reason": REASONS[one.answer],
                "detail": one.detail,
            }
            for one in repairs
        ]
        print_json({"is_done": is_done, "seen_at": found.seen_at, "further": found.further, "jobs": jobs})
        return
    if is_done:
        _print(repairs, "")
    elif _doable(found):
        print("nothing was changed: say --yes to repair")
    if found.further:
        print(f"{found.further:,} more are missing: run this again for them")
