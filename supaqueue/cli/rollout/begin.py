"""`supaqueue rollout begin`: from a queue of its own to one that stands beside a legacy queue."""

from __future__ import annotations

from typing import Annotated

import typer

from supaqueue.cli.rollout.changed import change_flag, say_flag
from supaqueue.cli.rollout.options import AsJson, By, Legacy, Reason, legacy_queue, supabase
from supaqueue.contract import FeatureFlags, ReadFeatureFlags
from supaqueue.cutover.flag_steps import BEGUN, read_percent, steps_to_begin

NEXT = (
    "every new job is legacy's now, and nothing is mirrored; when the router and a relay run everywhere, dual"
    " write begins with `supaqueue rollout set 0 --stage mirror`"
)
NEXT_BY_ENVIRONMENT = (
    "the environment steers now: SUPABASE_QUEUE_DUAL_WRITE, SUPABASE_QUEUE_ENABLED and"
    " SUPABASE_QUEUE_ROLLOUT_PERCENT say which stage it is, and have to be set wherever the router runs; jobs"
    " that come past the router, for example from SQL, see no environment: they are Supabase's"
)


def begin(
    by_environment: Annotated[
        bool,
        typer.Option("--by-environment", help="The three variables steer; the flag can only lower them."),
    ] = False,
    holdback: Annotated[
        str, typer.Option(metavar="PERCENT", help="What stays with legacy at 100 percent, as control group.")
    ] = "2",
    legacy: Legacy = None,
    reason: Reason = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Begin a cutover: from complete to off, where every new job is legacy's. Needs a living legacy queue.

    By environment the flag then opens at once, in steps at which Supabase gets nothing. If that is
    interrupted, the same command again does the rest.
    """
    held_back = read_percent(holdback)
    with supabase() as transport, legacy_queue(legacy):
        flags = transport.send(ReadFeatureFlags())
        flag = flags.overall
        for step in steps_to_begin(flag, by_environment=by_environment, holdback=held_back):
            flag = change_flag(
                transport,
                step,
                task_type=None,
                by=by,
                reason=reason,
                expect_version=flag.version,
                evidence=f"{BEGUN} to {step['stage']}",
            )
        next_step = (NEXT_BY_ENVIRONMENT if by_environment else NEXT) + _staying(flags)
        say_flag(transport, None, next_step=next_step, as_json=as_json)


def _staying(flags: FeatureFlags) -> str:
    """Types that have a row of their own from before: a beginning does not reach them."""
    names = ", ".join(flag.task_type or "" for flag in flags.types)
    return f"; types with a row of their own stay as they are: {names}" if names else ""
