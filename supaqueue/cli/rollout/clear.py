"""`supaqueue rollout clear`: take off the latch of a rollback, by a person who knows why it fired."""

from __future__ import annotations

from typing import Annotated

import typer

from supaqueue.cli.rollout.changed import change_flag, say_flag
from supaqueue.cli.rollout.options import AsJson, By, TaskType, read_flag, supabase
from supaqueue.contract import FlagChange
from supaqueue.errors import InvalidInput


def clear(
    reason: Annotated[str, typer.Option(help="Why it may be raised again; kept in the history.")],
    task_type: TaskType = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Clear the latch, so that the percent can be raised again. It stays as it is, and so does a hand-back.

    Twice is as good as once.
    """
    if not reason.strip():
        raise InvalidInput("say why the latch is cleared", field="--reason")
    with supabase() as transport:
        flag, own = read_flag(transport, task_type)
        if own is None:
            raise InvalidInput("has no flag of its own: clear the overall one's", field="--type")
        if flag.latched_at is not None:
            change = FlagChange(latched=False)
            change_flag(
                transport, change, task_type=task_type, by=by, reason=reason, expect_version=flag.version
            )
        next_step = "no latch; on lead `supaqueue rollout hand-back --end`, then `rollout enable --percent`"
        say_flag(transport, task_type, next_step=next_step, as_json=as_json)
